//! The fields of responses: curl_easy_header(3) and curl_easy_nextheader(3).
#![allow(unsafe_code, reason = "fields go out as pointers")]

use std::ffi::{CString, c_char, c_int, c_uint};
use std::ptr;

use crate::edge::{Pointer, guard, text};

/// CURLH_HEADER, of a response.
pub(crate) const HEADER: c_uint = 1;
/// CURLH_TRAILER
pub(crate) const TRAILER: c_uint = 2;
/// CURLH_1XX
pub(crate) const INFORMATIONAL: c_uint = 8;
/// CURLH_CONNECT
pub(crate) const CONNECT: c_uint = 4;

/// CURLHE_*
mod code {
    pub(super) const OK: i32 = 0;
    pub(super) const BADINDEX: i32 = 1;
    pub(super) const MISSING: i32 = 2;
    pub(super) const NOHEADERS: i32 = 3;
    pub(super) const NOREQUEST: i32 = 4;
    pub(super) const BAD_ARGUMENT: i32 = 6;
}

/// All fields of a transfer's responses, in order.
#[derive(Default)]
pub(crate) struct Heads {
    fields: Vec<Field>,
    /// The request whose response comes, from 0 on.
    request: c_int,
    /// What both functions point to: programs count on it that the one goes on where the other was.
    told: Box<Header>,
}

struct Field {
    name: CString,
    value: CString,
    origin: c_uint,
    request: c_int,
}

/// `struct curl_header` of header.h.
#[repr(C)]
struct Header {
    name: *const c_char,
    value: *const c_char,
    amount: usize,
    index: usize,
    origin: c_uint,
    anchor: Pointer,
}

impl Default for Header {
    fn default() -> Header {
        let (name, value) = (ptr::null(), ptr::null());
        Header { name, value, amount: 0, index: 0, origin: 0, anchor: ptr::null_mut() }
    }
}

/// The bit that curl sets so that comparing origins does not fall for equality.
const SET: c_uint = 1 << 27;

impl Heads {
    /// The response to another request of the transfer comes.
    pub(crate) fn next_request(&mut self) {
        self.request += 1;
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8], origin: c_uint) {
        // neither can have a NUL: the engine refuses such fields
        if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
            self.fields.push(Field { name, value, origin, request: self.request });
        }
    }

    /// The places of the fields that are meant, by request and origin.
    fn select(&self, origin: c_uint, request: c_int) -> Result<Vec<usize>, c_int> {
        if request < -1 || origin == 0 || origin > 0x1f {
            return Err(code::BAD_ARGUMENT);
        }
        if self.fields.is_empty() {
            return Err(code::NOHEADERS);
        }
        if request > self.request {
            return Err(code::NOREQUEST);
        }
        let request = if request == -1 { self.request } else { request };
        let meant = |field: &Field| field.request == request && field.origin & origin != 0;
        Ok((0..self.fields.len()).filter(|&at| meant(&self.fields[at])).collect())
    }

    /// How a field is told, among `all` that are meant.
    fn header(&self, at: usize, all: &[usize]) -> Header {
        let field = &self.fields[at];
        let same = |other: &&usize| {
            self.fields[**other].name.as_bytes().eq_ignore_ascii_case(field.name.as_bytes())
        };
        Header {
            name: field.name.as_ptr(),
            value: field.value.as_ptr(),
            amount: all.iter().filter(same).count(),
            index: all.iter().filter(|&&other| other < at).filter(same).count(),
            origin: field.origin | SET,
            anchor: ptr::without_provenance_mut(at + 1),
        }
    }

    fn find(
        &mut self,
        name: &[u8],
        index: usize,
        origin: c_uint,
        request: c_int,
    ) -> Result<*const Header, c_int> {
        let all = self.select(origin, request)?;
        let is_named = |at: &&usize| self.fields[**at].name.as_bytes().eq_ignore_ascii_case(name);
        let named: Vec<_> = all.iter().filter(is_named).copied().collect();
        if named.is_empty() {
            return Err(code::MISSING);
        }
        let at = *named.get(index).ok_or(code::BADINDEX)?;
        *self.told = self.header(at, &all);
        Ok(&raw const *self.told)
    }

    fn next(&mut self, origin: c_uint, request: c_int, after: usize) -> *const Header {
        let Ok(all) = self.select(origin, request) else { return ptr::null() };
        let Some(&at) = all.iter().find(|&&at| at >= after) else { return ptr::null() };
        *self.told = self.header(at, &all);
        &raw const *self.told
    }
}

/// curl_easy_header(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_header(
    handle: Pointer,
    name: *const c_char,
    index: usize,
    origin: c_uint,
    request: c_int,
    out: *mut *const Header,
) -> c_int {
    guard(code::BAD_ARGUMENT, || {
        let Some(easy) = super::find(handle) else { return code::BAD_ARGUMENT };
        // SAFETY: the caller promises a text with a NUL.
        let name = unsafe { text::bytes(name) };
        let Some(name) = name.filter(|_| !out.is_null()) else { return code::BAD_ARGUMENT };
        match easy.heads.borrow_mut().find(name, index, origin, request) {
            Ok(found) => {
                // SAFETY: not null, and the caller promises room for one pointer.
                unsafe { out.write(found) };
                code::OK
            }
            Err(code) => code,
        }
    })
}

/// curl_easy_nextheader(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_nextheader(
    handle: Pointer,
    origin: c_uint,
    request: c_int,
    previous: *const Header,
) -> *const Header {
    guard(ptr::null(), || {
        let Some(easy) = super::find(handle) else { return ptr::null() };
        let after = match previous.is_null() {
            true => 0,
            // SAFETY: the caller promises that it came from one of these two functions, and so points into the handle.
            false => unsafe { (*previous).anchor }.addr(),
        };
        easy.heads.borrow_mut().next(origin, request, after)
    })
}
