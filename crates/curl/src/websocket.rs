//! Websockets: not there yet, and each function says so (CURLE_NOT_BUILT_IN).
#![allow(unsafe_code, reason = "functions that C calls")]

use std::ffi::c_uint;
use std::ptr;

use crate::codes::Code;
use crate::easy::without_connection;
use crate::edge::Pointer;

/// curl_ws_recv(3)
#[unsafe(no_mangle)]
extern "C" fn curl_ws_recv(
    handle: Pointer,
    _: Pointer,
    _: usize,
    _: *mut usize,
    _: *mut Pointer,
) -> Code {
    without_connection(handle)
}

/// curl_ws_send(3)
#[unsafe(no_mangle)]
extern "C" fn curl_ws_send(
    handle: Pointer,
    _: Pointer,
    _: usize,
    _: *mut usize,
    _: i64,
    _: c_uint,
) -> Code {
    without_connection(handle)
}

/// curl_ws_start_frame(3)
#[unsafe(no_mangle)]
extern "C" fn curl_ws_start_frame(handle: Pointer, _: c_uint, _: i64) -> Code {
    without_connection(handle)
}

/// curl_ws_meta(3): of no frame.
#[unsafe(no_mangle)]
extern "C" fn curl_ws_meta(_: Pointer) -> Pointer {
    ptr::null_mut()
}
