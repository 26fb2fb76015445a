//! What C calls of the multi interface.
#![allow(unsafe_code, reason = "handles, descriptors and callbacks come in as pointers")]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_long, c_short, c_uint};
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use ringdove::Event;
use ringdove::sys::Readiness;

use super::epoll::{self, Bell};
use super::watch::SocketCallback;
use super::{Multi, milliseconds};
use crate::codes::{Code, MultiCode};
use crate::easy::{self, Easy};
use crate::edge::{Pointer, guard, handle, memory};
use crate::options::Status::{self, Differs, Done, Refused};
use crate::options::table::Refusal;

/// CURLMOPT_TIMERFUNCTION
type TimerCallback = unsafe extern "C" fn(Pointer, c_long, Pointer) -> c_int;

/// What curl_multi_setopt(3) has set, but for what `Sockets` has.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) most_connections: Option<usize>,
    pub(super) most_per_host: Option<usize>,
    timer: Option<TimerCallback>,
    timer_data: Option<Pointer>,
}

/// One CURLMOPT.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name, without CURLMOPT_.
    pub name: &'static str,
    /// The number.
    pub id: c_int,
    /// What becomes of it.
    pub status: Status,
}

const fn row(name: &'static str, id: c_int, status: Status) -> Row {
    Row { name, id, status }
}

const PIPELINING: &str = "accepted, and nothing comes of it, as in curl itself by now";

/// All there are.
pub static MULTI_OPTIONS: &[Row] = &[
    row("SOCKETFUNCTION", 20001, Done),
    row("SOCKETDATA", 10002, Done),
    row("PIPELINING", 3, Differs("HTTP/2 is spoken by what each handle says")),
    row("TIMERFUNCTION", 20004, Done),
    row("TIMERDATA", 10005, Done),
    row("MAXCONNECTS", 6, Differs("accepted; idle connections are kept for 90 s, however many")),
    row("MAX_HOST_CONNECTIONS", 7, Differs("counts when the first handle is added")),
    row("MAX_PIPELINE_LENGTH", 8, Differs(PIPELINING)),
    row("CONTENT_LENGTH_PENALTY_SIZE", 30009, Differs(PIPELINING)),
    row("CHUNK_LENGTH_PENALTY_SIZE", 30010, Differs(PIPELINING)),
    row("PIPELINING_SITE_BL", 10011, Differs(PIPELINING)),
    row("PIPELINING_SERVER_BL", 10012, Differs(PIPELINING)),
    row("MAX_TOTAL_CONNECTIONS", 13, Differs("counts when the first handle is added")),
    row("PUSHFUNCTION", 20014, Refused(Refusal::Unknown, "pushes are refused to servers")),
    row("PUSHDATA", 10015, Refused(Refusal::Unknown, "pushes are refused to servers")),
    row("MAX_CONCURRENT_STREAMS", 16, Differs("accepted; as many as the server allows, and 256")),
    row("NETWORK_CHANGED", 17, Differs("connections are forgotten, answers of look-ups are not")),
    row("NOTIFYFUNCTION", 20018, Differs("of messages it is told with no easy handle")),
    row("NOTIFYDATA", 10019, Done),
];

/// `CURLMsg`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Msg {
    msg: c_int,
    easy: Pointer,
    /// A union with a pointer, of which the result is the first half.
    result: u64,
}

/// Where curl_multi_info_read(3) points to: memory of the handle's, given back with it.
#[derive(Debug)]
pub(crate) struct MessageSlot(Cell<*mut Msg>);

impl Default for MessageSlot {
    fn default() -> MessageSlot {
        MessageSlot(Cell::new(ptr::null_mut()))
    }
}

impl Drop for MessageSlot {
    fn drop(&mut self) {
        memory::free(self.0.get().cast());
    }
}

/// CURLMSG_DONE
const DONE: c_int = 1;

/// `struct curl_waitfd`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct WaitFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

/// CURL_WAIT_POLL*
const WAIT_IN: c_short = 1;
const WAIT_PRI: c_short = 2;
const WAIT_OUT: c_short = 4;

/// CURL_CSELECT_*
const CSELECT_IN: c_int = 1;
const CSELECT_OUT: c_int = 2;
const CSELECT_ERR: c_int = 4;

/// CURL_SOCKET_TIMEOUT
const TIMEOUT: c_int = -1;

fn find(handle: Pointer) -> Option<Rc<Multi>> {
    handle::find(handle)
}

/// Does something with a multi that may do it now.
fn with(handle: Pointer, work: impl FnOnce(&Rc<Multi>) -> MultiCode) -> MultiCode {
    guard(MultiCode::INTERNAL_ERROR, || match find(handle) {
        None => MultiCode::BAD_HANDLE,
        Some(multi) if multi.is_calling() => MultiCode::RECURSIVE_API_CALL,
        Some(multi) => work(&multi),
    })
}

/// Takes a turn, and tells how many transfers are running.
fn turn(multi: &Rc<Multi>, events: Vec<Event>, running: *mut c_int) -> MultiCode {
    let result = multi.turn(events);
    if !running.is_null() {
        let number = c_int::try_from(multi.running()).unwrap_or(c_int::MAX);
        // SAFETY: not null, and the caller promises room for one number.
        unsafe { running.write(number) };
    }
    result.err().unwrap_or(MultiCode::OK)
}

/// Whether there is a CURLMOPT_TIMERFUNCTION.
pub(super) fn has_timer(multi: &Multi) -> bool {
    multi.settings.borrow().timer.is_some()
}

/// Calls CURLMOPT_TIMERFUNCTION, if there is one.
pub(super) fn call_timer(multi: &Multi, milliseconds: i64) -> Result<(), MultiCode> {
    let (callback, data) = {
        let settings = multi.settings.borrow();
        (settings.timer, settings.timer_data.unwrap_or(ptr::null_mut()))
    };
    let Some(callback) = callback else { return Ok(()) };
    // SAFETY: whoever set the callback promises that it is one of this type.
    match unsafe { callback(multi.own.get(), milliseconds, data) } {
        -1 => Err(MultiCode::ABORTED_BY_CALLBACK),
        _ => Ok(()),
    }
}

/// curl_multi_init(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_init() -> Pointer {
    guard(ptr::null_mut(), || {
        let Ok(bell) = Bell::new() else { return ptr::null_mut() };
        let multi = Rc::new(Multi::new(Some(bell)));
        let handle = handle::issue(Rc::clone(&multi));
        multi.own.set(handle);
        handle
    })
}

/// curl_multi_cleanup(3): handles that are still in it are theirs who added them.
#[unsafe(no_mangle)]
extern "C" fn curl_multi_cleanup(handle: Pointer) -> MultiCode {
    with(handle, |multi| {
        if multi.notices.is_telling() {
            return MultiCode::RECURSIVE_API_CALL;
        }
        multi.leave_all();
        let _ = multi.sockets.show(None, ptr::null_mut());
        let carriers = multi.carriers.take();
        drop(carriers);
        drop(handle::revoke::<Multi>(handle));
        MultiCode::OK
    })
}

/// curl_multi_add_handle(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_add_handle(handle: Pointer, easy: Pointer) -> MultiCode {
    with(handle, |multi| match easy::find(easy) {
        Some(easy) => multi.add(&easy).err().unwrap_or(MultiCode::OK),
        None => MultiCode::BAD_EASY_HANDLE,
    })
}

/// curl_multi_remove_handle(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_remove_handle(handle: Pointer, easy: Pointer) -> MultiCode {
    with(handle, |multi| match easy::find(easy) {
        None => MultiCode::BAD_EASY_HANDLE,
        Some(easy) => {
            let its = easy.its_multi();
            match its {
                None => MultiCode::OK,
                Some(its) if Rc::ptr_eq(&its, multi) => multi.remove(&easy),
                Some(_) => MultiCode::BAD_EASY_HANDLE,
            }
        }
    })
}

/// curl_multi_perform(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_perform(handle: Pointer, running: *mut c_int) -> MultiCode {
    with(handle, |multi| {
        if !multi.sockets.has_callback() {
            return turn(multi, Vec::new(), running);
        }
        turn(multi, all(multi), running)
    })
}

/// That each socket may be ready.
fn all(multi: &Multi) -> Vec<Event> {
    let watched = multi.sockets.watched().into_iter();
    let unknown = Readiness::default();
    watched.filter_map(|(fd, _)| multi.sockets.event(fd, unknown)).collect()
}

/// curl_multi_socket_action(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_socket_action(
    handle: Pointer,
    fd: c_int,
    mask: c_int,
    running: *mut c_int,
) -> MultiCode {
    with(handle, |multi| {
        if fd == TIMEOUT {
            multi.timer_fired();
            return turn(multi, vec![Event::Timeout], running);
        }
        // who can be written to may be one that could not be connected to, which loops hardly tell: the socket is asked
        let readiness = match mask & (CSELECT_OUT | CSELECT_ERR) {
            0 => Readiness { recv: mask & CSELECT_IN != 0, ..Readiness::default() },
            _ => Readiness::default(),
        };
        // what is told of a socket that is gone is nothing
        let event = multi.sockets.event(fd, readiness);
        turn(multi, event.into_iter().collect(), running)
    })
}

/// curl_multi_socket(3), as it was before curl_multi_socket_action(3).
#[unsafe(no_mangle)]
extern "C" fn curl_multi_socket(handle: Pointer, fd: c_int, running: *mut c_int) -> MultiCode {
    curl_multi_socket_action(handle, fd, 0, running)
}

/// curl_multi_socket_all(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_socket_all(handle: Pointer, running: *mut c_int) -> MultiCode {
    with(handle, |multi| turn(multi, all(multi), running))
}

/// curl_multi_assign(3), also from within the socket callback.
#[unsafe(no_mangle)]
extern "C" fn curl_multi_assign(handle: Pointer, fd: c_int, value: Pointer) -> MultiCode {
    guard(MultiCode::INTERNAL_ERROR, || match find(handle) {
        None => MultiCode::BAD_HANDLE,
        Some(multi) if multi.sockets.assign(fd, value) => MultiCode::OK,
        Some(_) => MultiCode::BAD_SOCKET,
    })
}

/// curl_multi_timeout(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_timeout(handle: Pointer, out: *mut c_long) -> MultiCode {
    with(handle, |multi| {
        if out.is_null() {
            return MultiCode::BAD_FUNCTION_ARGUMENT;
        }
        let wait = multi.timeout().map_or(-1, milliseconds);
        // SAFETY: not null, and the caller promises room for one number.
        unsafe { out.write(wait) };
        MultiCode::OK
    })
}

/// curl_multi_info_read(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_info_read(handle: Pointer, left: *mut c_int) -> *mut Msg {
    guard(ptr::null_mut(), || {
        let multi = find(handle).filter(|multi| !multi.is_calling());
        let next = multi.as_ref().and_then(|multi| multi.messages.borrow_mut().pop_front());
        let rest = multi.as_ref().map_or(0, |multi| multi.messages.borrow().len());
        if !left.is_null() {
            // SAFETY: not null, and the caller promises room for one number.
            unsafe { left.write(c_int::try_from(rest).unwrap_or(c_int::MAX)) };
        }
        let Some((easy, code)) = next else { return ptr::null_mut() };
        easy.run.has_message.set(false);
        message(&easy, code)
    })
}

/// Fills the message of a handle.
fn message(easy: &Easy, code: Code) -> *mut Msg {
    let MessageSlot(slot) = &easy.message;
    if slot.get().is_null() {
        slot.set(memory::zeroed());
    }
    let message = slot.get();
    if !message.is_null() {
        let result = u64::from(code.0 as u32);
        // SAFETY: the memory is the handle's own, and lives as long as that.
        unsafe { message.write(Msg { msg: DONE, easy: easy.own.get(), result }) };
    }
    message
}

/// curl_multi_wait(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_wait(
    handle: Pointer,
    extra: *mut WaitFd,
    count: c_uint,
    wait: c_int,
    ready: *mut c_int,
) -> MultiCode {
    with(handle, |multi| wait_for(multi, extra, count, wait, ready, false))
}

/// curl_multi_poll(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_poll(
    handle: Pointer,
    extra: *mut WaitFd,
    count: c_uint,
    wait: c_int,
    ready: *mut c_int,
) -> MultiCode {
    with(handle, |multi| wait_for(multi, extra, count, wait, ready, true))
}

/// `polls`: the wait is one that curl_multi_wakeup() ends, and that is kept also when there is nothing to wait for.
fn wait_for(
    multi: &Multi,
    extra: *mut WaitFd,
    count: c_uint,
    wait: c_int,
    ready: *mut c_int,
    polls: bool,
) -> MultiCode {
    if wait < 0 {
        return MultiCode::BAD_FUNCTION_ARGUMENT;
    }
    let extra: &mut [WaitFd] = match extra.is_null() || count == 0 {
        true => &mut [],
        // SAFETY: not null, and the caller promises as many as it says, which are its own to be written.
        false => unsafe { std::slice::from_raw_parts_mut(extra, count as usize) },
    };
    let mut fds = multi.descriptors();
    let own = fds.len();
    fds.extend(extra.iter().map(|fd| libc::pollfd {
        fd: fd.fd,
        events: poll_events(fd.events),
        revents: 0,
    }));
    let bell = multi.bell.as_ref().filter(|_| polls);
    fds.extend(bell.map(|bell| libc::pollfd { fd: bell.fd(), events: libc::POLLIN, revents: 0 }));
    let longest = Duration::from_millis(u64::try_from(wait).unwrap_or_default());
    let longest = multi.timeout().map_or(longest, |timeout| timeout.min(longest));
    let found = match fds.is_empty() {
        true => Ok(0),
        false => epoll::wait(&mut fds, milliseconds(longest) as c_int),
    };
    let Ok(mut found) = found else { return MultiCode::UNRECOVERABLE_POLL };
    for (fd, polled) in extra.iter_mut().zip(&fds[own..]) {
        fd.revents = wait_events(polled.revents);
    }
    if let Some(bell) = bell
        && fds.last().is_some_and(|last| last.revents != 0)
    {
        bell.quiet();
        found -= 1;
    }
    if !ready.is_null() {
        // SAFETY: not null, and the caller promises room for one number.
        unsafe { ready.write(c_int::try_from(found).unwrap_or(c_int::MAX)) };
    }
    MultiCode::OK
}

fn poll_events(events: c_short) -> c_short {
    let bits = [(WAIT_IN, libc::POLLIN), (WAIT_PRI, libc::POLLPRI), (WAIT_OUT, libc::POLLOUT)];
    bits.into_iter().filter(|(wait, _)| events & wait != 0).map(|(_, poll)| poll).sum()
}

fn wait_events(events: c_short) -> c_short {
    let recv = libc::POLLIN | libc::POLLERR | libc::POLLHUP;
    let bits = [(WAIT_IN, recv), (WAIT_PRI, libc::POLLPRI), (WAIT_OUT, libc::POLLOUT)];
    bits.into_iter().filter(|(_, poll)| events & poll != 0).map(|(wait, _)| wait).sum()
}

/// curl_multi_wakeup(3): any thread may.
#[unsafe(no_mangle)]
extern "C" fn curl_multi_wakeup(handle: Pointer) -> MultiCode {
    guard(MultiCode::INTERNAL_ERROR, || {
        let ring = |multi: &Multi| multi.bell.as_ref().is_some_and(Bell::ring);
        // SAFETY: the caller promises not to clean it up meanwhile; the bell is set once, and rings from any thread.
        match unsafe { handle::look(handle, ring) } {
            None => MultiCode::BAD_HANDLE,
            Some(true) => MultiCode::OK,
            Some(false) => MultiCode::WAKEUP_FAILURE,
        }
    })
}

/// curl_multi_fdset(3): without a socket callback there is one descriptor, which is readable when there is something to do.
#[unsafe(no_mangle)]
extern "C" fn curl_multi_fdset(
    handle: Pointer,
    read: *mut libc::fd_set,
    write: *mut libc::fd_set,
    _except: *mut libc::fd_set,
    highest: *mut c_int,
) -> MultiCode {
    with(handle, |multi| {
        let mut last = -1;
        for polled in multi.descriptors() {
            if usize::try_from(polled.fd).is_ok_and(|fd| fd >= libc::FD_SETSIZE) {
                continue;
            }
            let sets = [(libc::POLLIN, read), (libc::POLLOUT, write)];
            for (event, set) in sets {
                if polled.events & event != 0 && !set.is_null() {
                    // SAFETY: not null, the caller promises a set, and the descriptor fits into it.
                    unsafe { libc::FD_SET(polled.fd, set) };
                }
            }
            last = last.max(polled.fd);
        }
        if !highest.is_null() {
            // SAFETY: not null, and the caller promises room for one number.
            unsafe { highest.write(last) };
        }
        MultiCode::OK
    })
}

/// curl_multi_waitfds(3): the same, for poll(2).
#[unsafe(no_mangle)]
extern "C" fn curl_multi_waitfds(
    handle: Pointer,
    out: *mut WaitFd,
    room: c_uint,
    count: *mut c_uint,
) -> MultiCode {
    with(handle, |multi| {
        let fds = multi.descriptors();
        if out.is_null() && (count.is_null() || room != 0) {
            return MultiCode::BAD_FUNCTION_ARGUMENT;
        }
        for (at, polled) in fds.iter().enumerate().take(room as usize) {
            let fd = WaitFd { fd: polled.fd, events: wait_events(polled.events), revents: 0 };
            // SAFETY: the caller promises room for so many.
            unsafe { out.add(at).write(fd) };
        }
        if !count.is_null() {
            // SAFETY: not null, and the caller promises room for one number.
            unsafe { count.write(fds.len() as c_uint) };
        }
        if !out.is_null() && fds.len() > room as usize {
            // CURLM_OUT_OF_MEMORY, as curl has it for who has too little room
            return MultiCode(3);
        }
        MultiCode::OK
    })
}

/// curl_multi_setopt(3): of its variable arguments one is taken, as in curl_easy_setopt().
#[unsafe(no_mangle)]
extern "C" fn curl_multi_setopt(handle: Pointer, option: c_int, value: Pointer) -> MultiCode {
    with(handle, |multi| {
        let Some(row) = MULTI_OPTIONS.iter().find(|row| row.id == option) else {
            return MultiCode::UNKNOWN_OPTION;
        };
        if let Refused(..) = row.status {
            return if value.is_null() { MultiCode::OK } else { MultiCode::UNKNOWN_OPTION };
        }
        set(multi, row.name, value);
        MultiCode::OK
    })
}

fn set(multi: &Multi, name: &str, value: Pointer) {
    let number = usize::try_from(value.addr() as c_long).ok().filter(|&number| number > 0);
    let mut settings = multi.settings.borrow_mut();
    match name {
        "SOCKETFUNCTION" => {
            drop(settings);
            // SAFETY: the caller promises a callback of this type, or null, which is none.
            let callback = unsafe { std::mem::transmute::<Pointer, Option<SocketCallback>>(value) };
            multi.sockets.set_callback(callback);
        }
        "SOCKETDATA" => multi.sockets.set_data(value),
        "TIMERFUNCTION" => {
            // SAFETY: the same.
            settings.timer =
                unsafe { std::mem::transmute::<Pointer, Option<TimerCallback>>(value) };
        }
        "NOTIFYFUNCTION" => multi.notices.set_function(value),
        "NOTIFYDATA" => multi.notices.set_data(value),
        // CURLMNWC_CLEAR_ALL, CURLMNWC_CLEAR_CONNS
        "NETWORK_CHANGED" if value.addr() & 0b011 != 0 => {
            drop(settings);
            multi.close_idle();
        }
        "TIMERDATA" => settings.timer_data = Some(value),
        "MAX_TOTAL_CONNECTIONS" => settings.most_connections = number,
        "MAX_HOST_CONNECTIONS" => settings.most_per_host = number,
        _ => {}
    }
}

/// curl_multi_get_handles(3): a list with null at its end, which curl_free() frees.
#[unsafe(no_mangle)]
extern "C" fn curl_multi_get_handles(handle: Pointer) -> *mut Pointer {
    guard(ptr::null_mut(), || {
        let Some(multi) = find(handle) else { return ptr::null_mut() };
        let handles = multi.handles();
        let list: *mut Pointer =
            memory::allocate((handles.len() + 1) * size_of::<Pointer>()).cast();
        if list.is_null() {
            return list;
        }
        for (at, handle) in handles.iter().chain([&ptr::null_mut()]).enumerate() {
            // SAFETY: there is room for one more than there are.
            unsafe { list.add(at).write(*handle) };
        }
        list
    })
}

/// curl_multi_get_offt(3): how many handles there are, are running, and are done.
#[unsafe(no_mangle)]
extern "C" fn curl_multi_get_offt(handle: Pointer, info: c_int, out: *mut i64) -> MultiCode {
    guard(MultiCode::INTERNAL_ERROR, || {
        let Some(multi) = find(handle) else { return MultiCode::BAD_HANDLE };
        if out.is_null() {
            return MultiCode::BAD_FUNCTION_ARGUMENT;
        }
        let members = multi.members.borrow().len();
        let number = match info {
            // CURLMINFO_XFERS_CURRENT, _RUNNING, _PENDING, _DONE, _ADDED
            1 | 5 => members,
            2 => multi.running(),
            3 => 0,
            4 => members.saturating_sub(multi.running()),
            _ => return MultiCode::UNKNOWN_OPTION,
        };
        // SAFETY: not null, and the caller promises room for one number.
        unsafe { out.write(i64::try_from(number).unwrap_or(i64::MAX)) };
        MultiCode::OK
    })
}

/// curl_multi_notify_enable(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_notify_enable(handle: Pointer, what: c_uint) -> MultiCode {
    enable(handle, what, true)
}

/// curl_multi_notify_disable(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_notify_disable(handle: Pointer, what: c_uint) -> MultiCode {
    enable(handle, what, false)
}

fn enable(handle: Pointer, what: c_uint, is_enabled: bool) -> MultiCode {
    with(handle, |multi| match multi.notices.enable(what, is_enabled) {
        true => MultiCode::OK,
        false => MultiCode::UNKNOWN_OPTION,
    })
}

/// curl_multi_strerror(3)
#[unsafe(no_mangle)]
extern "C" fn curl_multi_strerror(code: MultiCode) -> *const c_char {
    code.text().as_ptr().cast()
}

/// curl_pushheader_bynum(3): servers do not push.
#[unsafe(no_mangle)]
extern "C" fn curl_pushheader_bynum(_: Pointer, _: usize) -> *mut c_char {
    ptr::null_mut()
}

/// curl_pushheader_byname(3): the same.
#[unsafe(no_mangle)]
extern "C" fn curl_pushheader_byname(_: Pointer, _: *const c_char) -> *mut c_char {
    ptr::null_mut()
}
