//! libcurl's `curl_multi_socket_action` on epoll, through its own C interface.
//!
//! One easy handle for each request in flight, used again and again; sockets in epoll as the socket
//! callback says; the timer callback's time as the time-out of the wait. This is what libcurl's
//! documentation tells applications to do.
//!
//! # More than 1,024 descriptors
//!
//! `multi_socket` itself does not wait, but libcurl polls a single socket when it looks whether a
//! connection is up or still alive, and if it is built without HAVE_POLL it does so with select(2)
//! and takes each socket from FD_SETSIZE on for dead. The build script of curl-sys does not define
//! HAVE_POLL; `.cargo/config.toml` beside this crate's manifest does, for builds that are started in
//! this directory. That the libcurl at hand can poll a high descriptor is tried before anything is
//! measured, see [`assert_polls_high_descriptors`].

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::ptr;
use std::time::{Duration, Instant};

use curl_sys::{CURL, CURLM, CURLMcode, CURLcode, CURLoption, curl_socket_t};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringdove_peers::{Failure, Meter, Plan, Trust, process};

const EVENTS: usize = 1024;
/// libcurl's own default is 16 KiB, at the cost of four times the calls for large bodies.
const BUFFER_BYTES: c_long = 64 << 10;

fn main() -> ExitCode {
    // SAFETY: returns a static string with its end.
    let version = unsafe { CStr::from_ptr(curl_sys::curl_version()) }.to_string_lossy();
    ringdove_peers::run("libcurl_multi", &version, |plan, meter| {
        // SAFETY: the process has no other thread.
        check(unsafe { curl_sys::curl_global_init(3) })?;
        let reactor = Reactor::new()?;
        Client::new(&plan, &meter, &reactor)?.run()
    })
}

struct Client<'a> {
    plan: &'a Plan,
    meter: &'a Meter,
    reactor: &'a Reactor,
    multi: *mut CURLM,
    urls: Vec<CString>,
    transfers: Vec<Transfer>,
}

/// An easy handle and what is known of its present transfer.
struct Transfer {
    easy: *mut CURL,
    /// Boxed, since the write callback has its address.
    body_bytes: Box<Cell<u64>>,
    request: u64,
    started: Instant,
}

impl<'a> Client<'a> {
    fn new(plan: &'a Plan, meter: &'a Meter, reactor: &'a Reactor) -> Result<Self, Failure> {
        let urls = plan.targets.iter().map(|target| CString::new(target.url.as_str()));
        let urls: Vec<_> = urls.collect::<Result<_, _>>()?;
        let headers = if plan.keepalive {
            ptr::null_mut()
        } else {
            // SAFETY: the string has its end and is copied.
            unsafe { curl_sys::curl_slist_append(ptr::null_mut(), c"Connection: close".as_ptr()) }
        };
        let transfers = (0..plan.connections)
            .map(|number| Transfer::new(number, plan, &urls[0], headers))
            .collect::<Result<_, _>>()?;
        Ok(Self { plan, meter, reactor, multi: open_multi(plan, reactor)?, urls, transfers })
    }

    fn run(&mut self) -> Result<(), Failure> {
        assert_polls_high_descriptors(self.multi)?;
        for number in 0..self.transfers.len() {
            self.start_next(number)?;
        }
        let mut events = vec![EpollEvent::empty(); EVENTS];
        while !self.meter.finished() && !process::expired() {
            let ready = match self.reactor.epoll.wait(&mut events, self.reactor.timeout()) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..ready] {
                self.act(event.data() as curl_socket_t, mask(event.events()))?;
            }
            if self.reactor.take_due() {
                self.act(curl_sys::CURL_SOCKET_TIMEOUT, 0)?;
            }
            self.read_messages()?;
        }
        Ok(())
    }

    fn act(&self, socket: curl_socket_t, mask: c_int) -> Result<(), Failure> {
        let mut running = 0;
        // SAFETY: the multi handle is open, and this is not within a callback.
        check_multi(unsafe {
            curl_sys::curl_multi_socket_action(self.multi, socket, mask, &mut running)
        })
    }

    fn read_messages(&mut self) -> Result<(), Failure> {
        let mut left = 0;
        loop {
            // SAFETY: the multi handle is open.
            let message = unsafe { curl_sys::curl_multi_info_read(self.multi, &mut left) };
            if message.is_null() {
                return Ok(());
            }
            // SAFETY: libcurl keeps the message until the next call. CURLMSG_DONE is the only
            // kind, and `data` is a union with the result as its other member.
            let (easy, result) = unsafe { ((*message).easy_handle, (*message).data as usize) };
            let number = number_of(easy)?;
            self.finish(number, result as CURLcode)?;
            self.start_next(number)?;
        }
    }

    fn finish(&self, number: usize, result: CURLcode) -> Result<(), Failure> {
        let transfer = &self.transfers[number];
        let mut status: c_long = 0;
        // SAFETY: the handle is open, and RESPONSE_CODE writes a long.
        check(unsafe {
            let info = curl_sys::CURLINFO_RESPONSE_CODE;
            curl_sys::curl_easy_getinfo(transfer.easy, info, &raw mut status)
        })?;
        // SAFETY: both handles are open, and the easy handle is in the multi handle.
        check_multi(unsafe { curl_sys::curl_multi_remove_handle(self.multi, transfer.easy) })?;
        if let Err(failure) = check(result) {
            self.meter.failure(failure);
        } else {
            let url_index = self.plan.target(transfer.request).url_index;
            let body_bytes = transfer.body_bytes.get();
            self.meter.response(url_index, status as u16, body_bytes, transfer.started);
        }
        Ok(())
    }

    fn start_next(&mut self, number: usize) -> Result<(), Failure> {
        let Some(request) = self.meter.claim() else {
            return Ok(());
        };
        let transfer = &mut self.transfers[number];
        transfer.request = request;
        transfer.started = Instant::now();
        transfer.body_bytes.set(0);
        if self.urls.len() > 1 {
            let url = &self.urls[(request % self.urls.len() as u64) as usize];
            set_pointer(transfer.easy, curl_sys::CURLOPT_URL, url.as_ptr().cast())?;
        }
        // SAFETY: both handles are open, and the easy handle is in no multi handle.
        check_multi(unsafe { curl_sys::curl_multi_add_handle(self.multi, transfer.easy) })
    }
}

impl Transfer {
    fn new(
        number: usize,
        plan: &Plan,
        url: &CStr,
        headers: *mut curl_sys::curl_slist,
    ) -> Result<Self, Failure> {
        // SAFETY: libcurl is initialised.
        let easy = unsafe { curl_sys::curl_easy_init() };
        if easy.is_null() {
            return Err("no easy handle".into());
        }
        let body_bytes = Box::new(Cell::new(0));
        set_pointer(easy, curl_sys::CURLOPT_URL, url.as_ptr().cast())?;
        set_pointer(easy, curl_sys::CURLOPT_PRIVATE, ptr::without_provenance(number))?;
        set_pointer(easy, curl_sys::CURLOPT_WRITEFUNCTION, on_body as *const c_void)?;
        set_pointer(easy, curl_sys::CURLOPT_WRITEDATA, (&raw const *body_bytes).cast())?;
        set_pointer(easy, curl_sys::CURLOPT_PROXY, c"".as_ptr().cast())?;
        set_pointer(easy, curl_sys::CURLOPT_HTTPHEADER, headers.cast())?;
        let http_1_1 = c_long::from(curl_sys::CURL_HTTP_VERSION_1_1);
        set_long(easy, curl_sys::CURLOPT_HTTP_VERSION, http_1_1)?;
        set_long(easy, curl_sys::CURLOPT_NOSIGNAL, 1)?;
        set_long(easy, curl_sys::CURLOPT_NOPROGRESS, 1)?;
        set_long(easy, curl_sys::CURLOPT_BUFFERSIZE, BUFFER_BYTES)?;
        set_long(easy, curl_sys::CURLOPT_DNS_CACHE_TIMEOUT, -1)?;
        set_long(easy, curl_sys::CURLOPT_FORBID_REUSE, c_long::from(!plan.keepalive))?;
        match &plan.trust {
            None => {}
            Some(Trust::Insecure) => {
                set_long(easy, curl_sys::CURLOPT_SSL_VERIFYPEER, 0)?;
                set_long(easy, curl_sys::CURLOPT_SSL_VERIFYHOST, 0)?;
            }
            Some(Trust::File(file)) => {
                let file = CString::new(file.as_os_str().as_bytes())?;
                set_pointer(easy, curl_sys::CURLOPT_CAINFO, file.as_ptr().cast())?;
            }
        }
        Ok(Self { easy, body_bytes, request: 0, started: Instant::now() })
    }
}

/// What libcurl wants to be told, and when: written by its callbacks, read by the loop.
struct Reactor {
    epoll: Epoll,
    deadline: Cell<Option<Instant>>,
}

impl Reactor {
    fn new() -> Result<Self, Failure> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, deadline: Cell::new(None) })
    }

    fn timeout(&self) -> EpollTimeout {
        let Some(deadline) = self.deadline.get() else {
            return EpollTimeout::NONE;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let milliseconds = left.as_micros().div_ceil(1000);
        EpollTimeout::from(u16::try_from(milliseconds).unwrap_or(u16::MAX))
    }

    fn take_due(&self) -> bool {
        let due = self.deadline.get().is_some_and(|deadline| deadline <= Instant::now());
        if due {
            self.deadline.set(None);
        }
        due
    }

    /// `known` is whether epoll has the socket.
    fn watch(&self, socket: curl_socket_t, what: c_int, known: bool) -> Result<(), Errno> {
        // SAFETY: libcurl has the socket open while it calls back about it.
        let fd = unsafe { BorrowedFd::borrow_raw(socket) };
        let flags = match what {
            curl_sys::CURL_POLL_REMOVE => return self.epoll.delete(fd),
            curl_sys::CURL_POLL_IN => EpollFlags::EPOLLIN,
            curl_sys::CURL_POLL_OUT => EpollFlags::EPOLLOUT,
            curl_sys::CURL_POLL_INOUT => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
            _ => EpollFlags::empty(),
        };
        let mut event = EpollEvent::new(flags, socket as u64);
        if known { self.epoll.modify(fd, &mut event) } else { self.epoll.add(fd, event) }
    }
}

fn open_multi(plan: &Plan, reactor: &Reactor) -> Result<*mut CURLM, Failure> {
    // SAFETY: libcurl is initialised.
    let multi = unsafe { curl_sys::curl_multi_init() };
    if multi.is_null() {
        return Err("no multi handle".into());
    }
    let room = plan.pooled_connections() as c_long;
    let socket_data = Box::leak(Box::new(SocketData { multi, reactor: ptr::from_ref(reactor) }));
    // SAFETY: each option is given the type that its documentation asks for. The socket callback's
    // data is leaked, and the reactor outlives the multi handle, which is never used after `run`.
    unsafe {
        use curl_sys::*;
        check_multi(curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING))?;
        check_multi(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, room))?;
        check_multi(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket as *const c_void))?;
        check_multi(curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &raw mut *socket_data))?;
        check_multi(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer as *const c_void))?;
        check_multi(curl_multi_setopt(multi, CURLMOPT_TIMERDATA, ptr::from_ref(reactor)))?;
    }
    Ok(multi)
}

struct SocketData {
    multi: *mut CURLM,
    reactor: *const Reactor,
}

extern "C" fn on_socket(
    _: *mut CURL,
    socket: curl_socket_t,
    what: c_int,
    data: *mut c_void,
    assigned: *mut c_void,
) -> c_int {
    // SAFETY: the address that was given as CURLMOPT_SOCKETDATA, leaked.
    let data = unsafe { &*data.cast::<SocketData>() };
    // SAFETY: the reactor outlives all calls into libcurl, and is only ever shared.
    let reactor = unsafe { &*data.reactor };
    let known = !assigned.is_null();
    if let Err(error) = reactor.watch(socket, what, known) {
        eprintln!("libcurl_multi: socket {socket}, action {what}: {error}");
        return -1;
    }
    if !known && what != curl_sys::CURL_POLL_REMOVE {
        // SAFETY: allowed within the socket callback; the value is never followed.
        unsafe { curl_sys::curl_multi_assign(data.multi, socket, ptr::dangling_mut()) };
    }
    0
}

extern "C" fn on_timer(_: *mut CURLM, milliseconds: c_long, data: *mut c_void) -> c_int {
    // SAFETY: the address that was given as CURLMOPT_TIMERDATA; the reactor outlives all calls.
    let reactor = unsafe { &*data.cast::<Reactor>() };
    let wait = u64::try_from(milliseconds).ok().map(Duration::from_millis);
    reactor.deadline.set(wait.map(|wait| Instant::now() + wait));
    0
}

extern "C" fn on_body(_: *mut c_char, size: usize, count: usize, data: *mut c_void) -> usize {
    // SAFETY: the address that was given as CURLOPT_WRITEDATA: boxed, kept with its easy handle.
    let body_bytes = unsafe { &*data.cast::<Cell<u64>>() };
    body_bytes.set(body_bytes.get() + (size * count) as u64);
    size * count
}

fn mask(events: EpollFlags) -> c_int {
    let mut mask = 0;
    if events.contains(EpollFlags::EPOLLIN) {
        mask |= curl_sys::CURL_CSELECT_IN;
    }
    if events.contains(EpollFlags::EPOLLOUT) {
        mask |= curl_sys::CURL_CSELECT_OUT;
    }
    if events.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
        mask |= curl_sys::CURL_CSELECT_ERR;
    }
    mask
}

fn number_of(easy: *mut CURL) -> Result<usize, Failure> {
    let mut private: *mut c_char = ptr::null_mut();
    // SAFETY: the handle is open, and PRIVATE writes a pointer.
    check(unsafe {
        curl_sys::curl_easy_getinfo(easy, curl_sys::CURLINFO_PRIVATE, &raw mut private)
    })?;
    Ok(private.addr())
}

/// Fails unless libcurl was built to poll(2): /dev/null is readable at any time, also under a number
/// that select(2) has no room for.
fn assert_polls_high_descriptors(multi: *mut CURLM) -> Result<(), Failure> {
    let null = File::open("/dev/null")?;
    let high = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(libc::FD_SETSIZE as c_int))?;
    // SAFETY: F_DUPFD has just made it.
    let high = unsafe { OwnedFd::from_raw_fd(high) };
    let mut wait = curl_sys::curl_waitfd {
        fd: high.as_raw_fd(),
        events: curl_sys::CURL_WAIT_POLLIN,
        revents: 0,
    };
    let mut ready = 0;
    // SAFETY: the multi handle is open, and there is one descriptor to wait for.
    let code = unsafe { curl_sys::curl_multi_wait(multi, &mut wait, 1, 0, &mut ready) };
    if code != curl_sys::CURLM_OK || ready != 1 {
        let advice = "libcurl was built without HAVE_POLL and cannot use descriptors from 1,024 on: \
                      build within benches/peers, where .cargo/config.toml sets CFLAGS";
        return Err(advice.into());
    }
    Ok(())
}

fn set_long(easy: *mut CURL, option: CURLoption, value: c_long) -> Result<(), Failure> {
    // SAFETY: the handle is open; callers pass options that take a long.
    check(unsafe { curl_sys::curl_easy_setopt(easy, option, value) })
}

fn set_pointer(easy: *mut CURL, option: CURLoption, value: *const c_void) -> Result<(), Failure> {
    // SAFETY: the handle is open; callers pass options that take a pointer. libcurl copies strings,
    // and callers keep all else for as long as the handle.
    check(unsafe { curl_sys::curl_easy_setopt(easy, option, value) })
}

fn check(code: CURLcode) -> Result<(), Failure> {
    if code == curl_sys::CURLE_OK {
        return Ok(());
    }
    // SAFETY: returns a static string with its end for every code.
    let text = unsafe { CStr::from_ptr(curl_sys::curl_easy_strerror(code)) };
    Err(text.to_string_lossy().into_owned().into())
}

fn check_multi(code: CURLMcode) -> Result<(), Failure> {
    if code == curl_sys::CURLM_OK {
        return Ok(());
    }
    // SAFETY: returns a static string with its end for every code.
    let text = unsafe { CStr::from_ptr(curl_sys::curl_multi_strerror(code)) };
    Err(text.to_string_lossy().into_owned().into())
}
