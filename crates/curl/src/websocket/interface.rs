//! What C calls of websockets.
#![allow(unsafe_code, reason = "handles and buffers come in as pointers")]

use std::ffi::c_uint;
use std::ptr;
use std::rc::Rc;

use super::{Meta, Websocket, flag};
use crate::codes::Code;
use crate::easy::{self, Easy};
use crate::edge::{Pointer, guard, text};
use crate::errors::Failure;

/// The websocket of a handle, once it stands; otherwise what is answered, and told.
fn websocket_of(easy: &Rc<Easy>, otherwise: Code) -> Result<Rc<Websocket>, Code> {
    let websocket = easy.websocket.borrow().clone();
    websocket.filter(|it| it.link.is_open.get()).ok_or_else(|| {
        easy.tell_failure(&Failure::new(otherwise, "[WS] Not a websocket transfer"));
        otherwise
    })
}

/// Writes a count, where there is room for one.
///
/// # Safety
///
/// The pointer is null, or to room for one number.
unsafe fn count(out: *mut usize, number: usize) {
    if !out.is_null() {
        // SAFETY: not null, and the caller promises the rest.
        unsafe { out.write(number) };
    }
}

/// curl_ws_recv(3): of a connection that the program has to itself (CURLOPT_CONNECT_ONLY).
#[unsafe(no_mangle)]
extern "C" fn curl_ws_recv(
    handle: Pointer,
    buffer: *mut u8,
    size: usize,
    received: *mut usize,
    meta: *mut *const Meta,
) -> Code {
    guard(Code::FAILED_INIT, || {
        let Some(easy) = easy::find(handle) else { return Code::BAD_FUNCTION_ARGUMENT };
        if buffer.is_null() && size > 0 {
            return Code::BAD_FUNCTION_ARGUMENT;
        }
        // SAFETY: the caller promises room for each of the two, or null.
        unsafe {
            count(received, 0);
            if !meta.is_null() {
                meta.write(ptr::null());
            }
        }
        match receive(&easy, size) {
            Ok((websocket, bytes)) => {
                // SAFETY: the caller promises room for so many bytes in `buffer`, and for both others as above.
                unsafe {
                    ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len());
                    count(received, bytes.len());
                    if !meta.is_null() {
                        meta.write(websocket.meta.as_ptr());
                    }
                }
                Code::OK
            }
            Err(code) => code,
        }
    })
}

/// The next piece of the websocket, of so many bytes at most.
fn receive(easy: &Rc<Easy>, size: usize) -> Result<(Rc<Websocket>, Vec<u8>), Code> {
    if easy.is_calling() {
        return Err(Code::RECURSIVE_API_CALL);
    }
    let websocket = websocket_of(easy, Code::BAD_FUNCTION_ARGUMENT)?;
    let link = &websocket.link;
    if !link.is_given {
        easy.tell_failure(&Failure::new(Code::UNSUPPORTED_PROTOCOL, "CONNECT_ONLY is required"));
        return Err(Code::UNSUPPORTED_PROTOCOL);
    }
    let told = |failure: Failure| {
        easy.tell_failure(&failure);
        failure.code
    };
    let mut next = websocket.next(size).map_err(told)?;
    if next.is_none() {
        link.pump(easy);
        next = websocket.next(size).map_err(told)?;
    }
    if link.has_unsent() {
        link.pump(easy);
    }
    match next {
        Some((meta, bytes)) => {
            websocket.meta.set(meta);
            Ok((websocket, bytes))
        }
        None if link.has_ended.get() => Err(Code::GOT_NOTHING),
        None => Err(Code::AGAIN),
    }
}

/// curl_ws_send(3): also from within callbacks.
#[unsafe(no_mangle)]
extern "C" fn curl_ws_send(
    handle: Pointer,
    buffer: *const u8,
    size: usize,
    sent: *mut usize,
    frame: i64,
    flags: c_uint,
) -> Code {
    guard(Code::FAILED_INIT, || {
        let Some(easy) = easy::find(handle) else { return Code::BAD_FUNCTION_ARGUMENT };
        // SAFETY: the caller promises room for one number, or null.
        unsafe { count(sent, 0) };
        if buffer.is_null() && size > 0 {
            return Code::BAD_FUNCTION_ARGUMENT;
        }
        // SAFETY: the caller promises so many bytes.
        let bytes = unsafe { text::slice(buffer.cast(), size) };
        match send(&easy, bytes, frame, flags) {
            Ok(()) => {
                // SAFETY: as above.
                unsafe { count(sent, size) };
                Code::OK
            }
            Err(code) => code,
        }
    })
}

fn send(easy: &Rc<Easy>, bytes: &[u8], frame: i64, flags: u32) -> Result<(), Code> {
    let websocket = websocket_of(easy, Code::SEND_ERROR)?;
    let link = &websocket.link;
    if link.is_full() && link.is_given {
        link.pump(easy);
    }
    if link.has_ended.get() {
        return Err(Code::SEND_ERROR);
    }
    // whoever is called cannot wait
    if link.is_full() && !easy.is_calling() {
        return Err(Code::AGAIN);
    }
    let said = match websocket.is_raw {
        true if frame != 0 || flags != 0 => Err(Failure::new(
            Code::BAD_FUNCTION_ARGUMENT,
            "ws_send, raw mode: fragsize and flags cannot be non-zero",
        )),
        true => Ok(()),
        false => begin(&websocket, bytes.len(), frame, flags),
    };
    if let Err(failure) = said {
        easy.tell_failure(&failure);
        return Err(failure.code);
    }
    websocket.say(bytes);
    match link.is_given {
        true => link.pump(easy),
        false => easy.send_soon(),
    }
    Ok(())
}

/// Begins a frame, unless the bytes are of the one that has begun.
fn begin(websocket: &Websocket, size: usize, frame: i64, flags: u32) -> Result<(), Failure> {
    let bad = |text: &str| Err(Failure::new(Code::BAD_FUNCTION_ARGUMENT, text));
    let size = size as u64;
    let in_pieces = flags & flag::OFFSET != 0;
    let left = websocket.encoder.borrow().left();
    match (in_pieces, u64::try_from(frame)) {
        (true, Err(_)) => return bad("[WS] starting new frame with negative payload length"),
        (true, Ok(frame @ 1..)) if left == 0 => {
            if size > frame {
                return bad("[WS] more than the frame is to have");
            }
            return websocket.begin(flags, frame);
        }
        (true, Ok(0)) if left == 0 => return websocket.begin(flags, size),
        (true, Ok(_)) if size > left => return bad("[WS] more than the frame is to have"),
        (true, Ok(_)) => return Ok(()),
        (false, _) => {}
    }
    websocket.begin(flags, size)
}

/// curl_ws_start_frame(3): for what a read callback gives then.
#[unsafe(no_mangle)]
extern "C" fn curl_ws_start_frame(handle: Pointer, flags: c_uint, length: i64) -> Code {
    guard(Code::FAILED_INIT, || {
        let Some(easy) = easy::find(handle) else { return Code::BAD_FUNCTION_ARGUMENT };
        let begun = websocket_of(&easy, Code::FAILED_INIT).and_then(|websocket| {
            let begun = match u64::try_from(length) {
                _ if websocket.is_raw => Err(Failure::new(
                    Code::FAILED_INIT,
                    "cannot curl_ws_start_frame() with CURLWS_RAW_MODE enabled",
                )),
                Ok(length) => websocket.begin(flags, length),
                Err(_) => Err(Failure::plain(Code::BAD_FUNCTION_ARGUMENT)),
            };
            begun.map_err(|failure| {
                easy.tell_failure(&failure);
                failure.code
            })
        });
        begun.err().unwrap_or(Code::OK)
    })
}

/// curl_ws_meta(3): of the piece that the write callback is given, and null at any other time.
#[unsafe(no_mangle)]
extern "C" fn curl_ws_meta(handle: Pointer) -> *const Meta {
    guard(ptr::null(), || {
        let websocket = easy::find(handle).and_then(|easy| easy.websocket.borrow().clone());
        let telling = websocket.filter(|websocket| websocket.is_telling.get());
        // the handle keeps what it points to while its callback runs
        telling.map_or(ptr::null(), |websocket| websocket.meta.as_ptr().cast_const())
    })
}
