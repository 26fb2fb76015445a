//! The callbacks of the easy interface, each called as curl.h declares it.
//!
//! Knows their types, their answers and what stands in for those that were not set. Must not know why they are called.
//! Invariant: the settings are read before a callback, and not held during it.
#![allow(unsafe_code, reason = "callbacks are C's")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::net::SocketAddr;

use ringdove::protocol::Trailers;

use super::Easy;
use crate::codes::Code;
use crate::edge::Pointer;
use crate::errors::Failure;
use crate::multi::Ends;
use crate::options::ids;
use crate::slist;

/// `FILE` of the C library.
type File = libc::FILE;

unsafe extern "C" {
    static stdin: *mut File;
    static stdout: *mut File;
    static stderr: *mut File;
}

type Transfer = unsafe extern "C" fn(*mut c_char, usize, usize, Pointer) -> usize;
type Debug = unsafe extern "C" fn(Pointer, c_int, *mut c_char, usize, Pointer) -> c_int;
type Seek = unsafe extern "C" fn(Pointer, i64, c_int) -> c_int;
type Ioctl = unsafe extern "C" fn(Pointer, c_int, Pointer) -> c_int;
type XferInfo = unsafe extern "C" fn(Pointer, i64, i64, i64, i64) -> c_int;
type Progress = unsafe extern "C" fn(Pointer, f64, f64, f64, f64) -> c_int;

/// CURL_WRITEFUNC_PAUSE and CURL_READFUNC_PAUSE
const PAUSE: usize = 0x1000_0001;
/// CURL_READFUNC_ABORT
const ABORT: usize = 0x1000_0000;
/// CURL_PROGRESSFUNC_CONTINUE
const CONTINUE: c_int = 0x1000_0001;

/// What is told to a debug callback: `curl_infotype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Text = 0,
    HeaderIn = 1,
    HeaderOut = 2,
    DataIn = 3,
    DataOut = 4,
}

/// What a write callback made of what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    All,
    Pause,
    /// Another number of bytes than there were, or an error.
    Failed,
}

/// What a read callback gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gave {
    Bytes(usize),
    Pause,
    Abort,
    /// More than there was room for.
    TooMuch,
}

/// A callback that was set, or null.
fn function(easy: &Easy, id: u32) -> Pointer {
    easy.settings.borrow().pointer(id)
}

fn data(easy: &Easy, id: u32) -> Pointer {
    easy.settings.borrow().pointer(id)
}

/// Gives bytes of the body to CURLOPT_WRITEFUNCTION.
pub(crate) fn write(easy: &Easy, bytes: &[u8]) -> Written {
    write_to(easy, function(easy, ids::WRITEFUNCTION), body_data(easy), bytes)
}

/// CURLOPT_WRITEDATA: the FILE of standard output, unless something else was said, also for a callback of the program's own.
fn body_data(easy: &Easy) -> Pointer {
    if easy.settings.borrow().is_set(ids::WRITEDATA) {
        return data(easy, ids::WRITEDATA);
    }
    // SAFETY: it is set before the program begins.
    unsafe { stdout.cast() }
}

/// Gives one line of a head to CURLOPT_HEADERFUNCTION; or, where there is but CURLOPT_HEADERDATA, to what writes bodies.
pub(crate) fn header(easy: &Easy, line: &[u8]) -> Written {
    let (own, data) = (function(easy, ids::HEADERFUNCTION), data(easy, ids::HEADERDATA));
    match (own.is_null(), data.is_null()) {
        (false, _) => write_to(easy, own, data, line),
        (true, false) => write_to(easy, function(easy, ids::WRITEFUNCTION), data, line),
        (true, true) => Written::All,
    }
}

fn write_to(easy: &Easy, function: Pointer, data: Pointer, bytes: &[u8]) -> Written {
    let start = bytes.as_ptr().cast_mut().cast();
    let taken = easy.calling(|| match callback::<Transfer>(function) {
        // SAFETY: whoever set the callback promises that it is one of this type, and reads so many bytes at most.
        Some(write) => unsafe { write(start, 1, bytes.len(), data) },
        // SAFETY: without a callback the data is a FILE of the caller's, open as long as the transfer; or stdout.
        None => unsafe {
            let file = if data.is_null() { stdout } else { data.cast() };
            libc::fwrite(start.cast(), 1, bytes.len(), file)
        },
    });
    match taken {
        PAUSE => Written::Pause,
        taken if taken == bytes.len() => Written::All,
        _ => Written::Failed,
    }
}

/// A callback of this type, if the pointer is not null.
pub(super) fn callback<F: Copy>(function: Pointer) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<Pointer>(), "a callback is a pointer") };
    if function.is_null() {
        return None;
    }
    // SAFETY: `F` is a type of function pointers, as large as this one, which whoever set the option promises to be one.
    Some(unsafe { std::mem::transmute_copy(&function) })
}

/// Has CURLOPT_READFUNCTION put bytes into `out`.
pub(crate) fn read(easy: &Easy, out: &mut [u8]) -> Gave {
    read_by(easy, function(easy, ids::READFUNCTION), data(easy, ids::READDATA), out)
}

/// Has a read callback put bytes into `out`: the C library's fread, where there is none.
pub(crate) fn read_by(easy: &Easy, function: Pointer, data: Pointer, out: &mut [u8]) -> Gave {
    let (start, room) = (out.as_mut_ptr().cast::<c_char>(), out.len());
    let given = easy.calling(|| match callback::<Transfer>(function) {
        // SAFETY: whoever set the callback promises that it is one of this type, and writes so many bytes at most.
        Some(read) => unsafe { read(start, 1, room, data) },
        // SAFETY: without a callback the data is a FILE of the caller's, open as long as the transfer; or stdin.
        None => unsafe {
            let file = if data.is_null() { stdin } else { data.cast() };
            libc::fread(start.cast(), 1, room, file)
        },
    });
    match given {
        PAUSE => Gave::Pause,
        ABORT => Gave::Abort,
        given if given > room => Gave::TooMuch,
        given => Gave::Bytes(given),
    }
}

/// Goes to this place of what is read: by CURLOPT_SEEKFUNCTION, CURLOPT_IOCTLFUNCTION, or fseek. Says whether that went.
pub(crate) fn seek(easy: &Easy, place: u64) -> bool {
    let Ok(place) = i64::try_from(place) else { return false };
    if let Some(seek) = callback::<Seek>(function(easy, ids::SEEKFUNCTION)) {
        let data = data(easy, ids::SEEKDATA);
        // SAFETY: whoever set the callback promises that it is one of this type.
        return easy.calling(|| unsafe { seek(data, place, libc::SEEK_SET) }) == 0;
    }
    if let Some(ioctl) = callback::<Ioctl>(function(easy, ids::IOCTLFUNCTION)) {
        /// CURLIOCMD_RESTARTREAD
        const RESTART: c_int = 1;
        let (own, data) = (easy.own.get(), data(easy, ids::IOCTLDATA));
        // SAFETY: the same.
        return place == 0 && easy.calling(|| unsafe { ioctl(own, RESTART, data) }) == 0;
    }
    let file = data(easy, ids::READDATA);
    if !function(easy, ids::READFUNCTION).is_null() || file.is_null() {
        return false;
    }
    // SAFETY: without a callback the data is a FILE of the caller's.
    unsafe { libc::fseek(file.cast(), place, libc::SEEK_SET) == 0 }
}

/// Tells how far a transfer has come, unless CURLOPT_NOPROGRESS says not to. False ends the transfer.
pub(crate) fn progress(easy: &Easy) -> bool {
    if easy.settings.borrow().flag(ids::NOPROGRESS, true) {
        return true;
    }
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let run = &easy.run;
    let (download, upload) = (run.download_size.get(), run.upload_size.get());
    let [total_down, down, total_up, up] = [
        number(download.unwrap_or_default()),
        number(run.downloaded.get()),
        number(upload.unwrap_or_default()),
        number(run.uploaded.get()),
    ];
    let data = data(easy, ids::XFERINFODATA);
    if let Some(told) = callback::<XferInfo>(function(easy, ids::XFERINFOFUNCTION)) {
        // SAFETY: whoever set the callback promises that it is one of this type.
        let answer = easy.calling(|| unsafe { told(data, total_down, down, total_up, up) });
        return matches!(answer, 0 | CONTINUE);
    }
    if let Some(told) = callback::<Progress>(function(easy, ids::PROGRESSFUNCTION)) {
        let [total_down, down, total_up, up] = [total_down, down, total_up, up].map(|n| n as f64);
        // SAFETY: the same.
        let answer = easy.calling(|| unsafe { told(data, total_down, down, total_up, up) });
        return matches!(answer, 0 | CONTINUE);
    }
    true
}

type ResolverStart = unsafe extern "C" fn(Pointer, Pointer, Pointer) -> c_int;

/// Tells CURLOPT_RESOLVER_START_FUNCTION that a name may be looked up. False ends the transfer.
pub(crate) fn before_lookup(easy: &Easy) -> bool {
    let function = function(easy, ids::RESOLVER_START_FUNCTION);
    let Some(told) = callback::<ResolverStart>(function) else { return true };
    let (data, none) = (data(easy, ids::RESOLVER_START_DATA), std::ptr::null_mut());
    // SAFETY: whoever set the callback promises that it is one of this type.
    easy.calling(|| unsafe { told(none, none, data) }) == 0
}

type PreReq = unsafe extern "C" fn(Pointer, *mut c_char, *mut c_char, c_int, c_int) -> c_int;
type TrailerList = unsafe extern "C" fn(*mut *mut slist::List, Pointer) -> c_int;

/// Tells CURLOPT_PREREQFUNCTION between which addresses the request is about to go. False ends the transfer.
pub(crate) fn before_request(easy: &Easy, ends: Ends) -> bool {
    let Some(told) = callback::<PreReq>(function(easy, ids::PREREQFUNCTION)) else { return true };
    let data = data(easy, ids::PREREQDATA);
    let [remote, local] = [ends.remote, ends.local].map(|end| {
        let ip = end.map(|end| end.ip().to_string()).unwrap_or_default();
        CString::new(ip).unwrap_or_default()
    });
    let port = |end: Option<SocketAddr>| end.map_or(0, |end| c_int::from(end.port()));
    let (to, from) = (port(ends.remote), port(ends.local));
    let [remote, local] = [&remote, &local].map(|text| text.as_ptr().cast_mut());
    // SAFETY: whoever set the callback promises that it is one of this type, and keeps none of the texts.
    easy.calling(|| unsafe { told(data, remote, local, to, from) }) == 0
}

/// The fields that CURLOPT_TRAILERFUNCTION gives; `None` where there is none.
pub(crate) fn trailers(easy: &Easy) -> Result<Option<Trailers>, Failure> {
    let Some(gives) = callback::<TrailerList>(function(easy, ids::TRAILERFUNCTION)) else {
        return Ok(None);
    };
    let data = data(easy, ids::TRAILERDATA);
    let mut list = std::ptr::null_mut();
    // SAFETY: whoever set the callback promises that it is one of this type, and makes a list that is ours to free.
    let answer = easy.calling(|| unsafe { gives(&raw mut list, data) });
    // SAFETY: the list is one of curl_slist_append(3), and nobody else's from here on.
    let lines = unsafe {
        let lines = slist::texts(list);
        slist::free(list);
        lines
    };
    if answer != 0 {
        let text = "operation aborted by trailing headers callback";
        return Err(Failure::new(Code::ABORTED_BY_CALLBACK, text));
    }
    let mut trailers = Trailers::new();
    for line in &lines {
        // curl wants a space after the colon, and passes over what has none
        let Some((name, value)) = super::fields::split(line)? else { continue };
        if !line[name.len()..].starts_with(b": ") {
            continue;
        }
        trailers =
            trailers.field(&name, &value).map_err(|error| crate::errors::of_request(&error))?;
    }
    Ok(Some(trailers))
}

/// Whether anything is told to CURLOPT_DEBUGFUNCTION, or to stderr.
pub(crate) fn is_verbose(easy: &Easy) -> bool {
    easy.settings.borrow().flag(ids::VERBOSE, false)
}

/// Tells CURLOPT_DEBUGFUNCTION, if CURLOPT_VERBOSE asks for it; without one, texts and heads go to CURLOPT_STDERR.
pub(crate) fn debug(easy: &Easy, what: Told, bytes: &[u8]) {
    if !is_verbose(easy) || bytes.is_empty() {
        return;
    }
    let start = bytes.as_ptr().cast_mut().cast();
    let (own, data) = (easy.own.get(), data(easy, ids::DEBUGDATA));
    if let Some(told) = callback::<Debug>(function(easy, ids::DEBUGFUNCTION)) {
        // SAFETY: whoever set the callback promises that it is one of this type, and reads so many bytes at most.
        easy.calling(|| unsafe { told(own, what as c_int, start, bytes.len(), data) });
        return;
    }
    let mark = match what {
        Told::Text => "* ",
        Told::HeaderIn => "< ",
        Told::HeaderOut => "> ",
        Told::DataIn | Told::DataOut => return,
    };
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        write_to_stderr(easy, &[mark.as_bytes(), line].concat());
    }
}

fn write_to_stderr(easy: &Easy, bytes: &[u8]) {
    let file: *mut File = data(easy, ids::STDERR).cast();
    // SAFETY: the file is one that the caller set and keeps open as long as the handle, or stderr.
    unsafe {
        let file = if file.is_null() { stderr } else { file };
        libc::fwrite(bytes.as_ptr().cast::<c_void>(), 1, bytes.len(), file);
    }
}

/// Tells a line of text.
pub(crate) fn debug_text(easy: &Easy, text: &str) {
    if is_verbose(easy) {
        debug(easy, Told::Text, format!("{text}\n").as_bytes());
    }
}

/// CURL_ERROR_SIZE
const ERROR_SIZE: usize = 256;

/// Fills the buffer of CURLOPT_ERRORBUFFER, if there is one.
pub(crate) fn fill_error_buffer(easy: &Easy, text: &str) {
    let buffer: *mut c_char = data(easy, ids::ERRORBUFFER).cast();
    if buffer.is_null() {
        return;
    }
    let length = text.len().min(ERROR_SIZE - 1);
    // SAFETY: whoever set the buffer promises that it has room for CURL_ERROR_SIZE bytes until the handle is cleaned up or
    // told otherwise.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, length);
        buffer.add(length).write(0);
    }
}
