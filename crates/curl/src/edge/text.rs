//! Text that comes in from C.
#![allow(unsafe_code, reason = "text comes in as pointers")]

use std::ffi::{CStr, c_char};

/// The bytes of a text, without its NUL; `None` for null.
///
/// # Safety
///
/// The text has a NUL, and stays as it is until the caller is done with it.
pub(crate) unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller promises the rest.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// So many bytes; none for null.
///
/// # Safety
///
/// There are so many, and they stay as they are until the caller is done with them.
pub(crate) unsafe fn slice<'a>(start: *const c_char, length: usize) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller promises the rest.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

/// As text, what is no UTF-8 replaced.
///
/// # Safety
///
/// As [`bytes`].
pub(crate) unsafe fn lossy(text: *const c_char) -> Option<String> {
    // SAFETY: the caller promises it.
    unsafe { bytes(text) }.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
