//! Percent-encoding, comparing without case, and the environment: curl's functions for text.
#![allow(unsafe_code, reason = "text comes in as pointers")]

use std::ffi::{CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::edge::{Pointer, guard, memory, text};

/// What curl leaves as it is are the unreserved characters (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The bytes as they may stand in any part of a URL.
pub(crate) fn escape(bytes: &[u8]) -> String {
    percent_encode(bytes, ENCODED).to_string()
}

/// The bytes that are meant.
pub(crate) fn unescape(bytes: &[u8]) -> Vec<u8> {
    percent_decode(bytes).collect()
}

/// The text of a caller who says how long it is, or 0 for up to its NUL; `None` for what is neither.
///
/// # Safety
///
/// The text is as long as that.
unsafe fn measured<'a>(string: *const c_char, length: c_int) -> Option<&'a [u8]> {
    match usize::try_from(length).ok()? {
        // SAFETY: the caller promises it.
        0 => unsafe { text::bytes(string) },
        // SAFETY: the caller promises it.
        length => (!string.is_null()).then(|| unsafe { text::slice(string, length) }),
    }
}

/// curl_easy_escape(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_escape(_: Pointer, string: *const c_char, length: c_int) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller promises it.
        let bytes = unsafe { measured(string, length) };
        bytes.map_or(ptr::null_mut(), |bytes| memory::text(escape(bytes).as_bytes()))
    })
}

/// curl_escape(3)
#[unsafe(no_mangle)]
extern "C" fn curl_escape(string: *const c_char, length: c_int) -> *mut c_char {
    curl_easy_escape(ptr::null_mut(), string, length)
}

/// curl_easy_unescape(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_unescape(
    _: Pointer,
    string: *const c_char,
    length: c_int,
    out_length: *mut c_int,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller promises it.
        let Some(bytes) = (unsafe { measured(string, length) }) else { return ptr::null_mut() };
        let plain = unescape(bytes);
        let Ok(length) = c_int::try_from(plain.len()) else { return ptr::null_mut() };
        let copy = memory::text(&plain);
        if !copy.is_null() && !out_length.is_null() {
            // SAFETY: the caller promises room for one number.
            unsafe { out_length.write(length) };
        }
        copy
    })
}

/// curl_unescape(3)
#[unsafe(no_mangle)]
extern "C" fn curl_unescape(string: *const c_char, length: c_int) -> *mut c_char {
    curl_easy_unescape(ptr::null_mut(), string, length, ptr::null_mut())
}

/// curl_strequal(3): 1 for the same text, whatever the case of its ASCII letters. Two nulls are the same.
#[unsafe(no_mangle)]
extern "C" fn curl_strequal(one: *const c_char, other: *const c_char) -> c_int {
    // SAFETY: the caller promises texts with a NUL.
    let (one, other) = unsafe { (text::bytes(one), text::bytes(other)) };
    match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other).into(),
        (one, other) => (one == other).into(),
    }
}

/// curl_strnequal(3): the same of the first `most` bytes.
#[unsafe(no_mangle)]
extern "C" fn curl_strnequal(one: *const c_char, other: *const c_char, most: usize) -> c_int {
    if one.is_null() || other.is_null() {
        return (one.is_null() && other.is_null() && most > 0).into();
    }
    for at in 0..most {
        // SAFETY: the caller promises that either text goes on so far, or has a NUL before, at which this ends.
        let (a, b) = unsafe { (*one.add(at) as u8, *other.add(at) as u8) };
        if !a.eq_ignore_ascii_case(&b) {
            return 0;
        }
        if a == 0 {
            break;
        }
    }
    1
}

/// curl_getenv(3): a copy of a variable of the environment; null if it is not set or empty.
#[unsafe(no_mangle)]
extern "C" fn curl_getenv(name: *const c_char) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller promises a text with a NUL.
        let Some(name) = (unsafe { text::bytes(name) }) else { return ptr::null_mut() };
        if name.is_empty() || name.contains(&b'=') || CString::new(name).is_err() {
            return ptr::null_mut();
        }
        let value = std::env::var_os(OsStr::from_bytes(name));
        let value = value.filter(|value| !value.is_empty());
        value.map_or(ptr::null_mut(), |value| memory::text(value.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_comes_back() {
        let table: [(&[u8], &str); 3] =
            [(b"a b", "a%20b"), (b"-._~AZ09", "-._~AZ09"), (b"\xff/?", "%FF%2F%3F")];
        for (plain, escaped) in table {
            assert_eq!(escape(plain), escaped);
            assert_eq!(unescape(escaped.as_bytes()), plain);
        }
        assert_eq!(unescape(b"%4x%"), b"%4x%");
    }

    #[test]
    fn texts_are_compared_without_case() {
        let table =
            [(c"abc", c"ABC", 3, true), (c"abc", c"abd", 2, true), (c"ab", c"abc", 3, false)];
        for (one, other, most, same) in table {
            assert_eq!(curl_strnequal(one.as_ptr(), other.as_ptr(), most), same.into());
        }
        assert_eq!(curl_strequal(c"X".as_ptr(), c"x".as_ptr()), 1);
        assert_eq!(curl_strequal(c"X".as_ptr(), ptr::null()), 0);
    }
}
