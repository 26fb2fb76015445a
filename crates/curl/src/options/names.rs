//! The options by name: `struct curl_easyoption` (curl_easy_option_by_name(3)).
#![allow(unsafe_code, reason = "the list goes out as pointers")]

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_uint};
use std::ptr;
use std::sync::OnceLock;

use super::table::OPTIONS;
use crate::edge::{guard, text};

/// `struct curl_easyoption` of options.h.
#[repr(C)]
struct EasyOption {
    name: *const c_char,
    id: c_int,
    kind: c_int,
    flags: c_uint,
}

/// CURLOT_FLAG_ALIAS
const ALIAS: c_uint = 1;

/// The whole list, for as long as the process runs.
struct All(Vec<EasyOption>);

// SAFETY: it is never changed, and the names that it points to live for ever.
unsafe impl Send for All {}
// SAFETY: the same.
unsafe impl Sync for All {}

fn all() -> &'static [EasyOption] {
    static ALL: OnceLock<All> = OnceLock::new();
    let make = || {
        let rows = OPTIONS.iter().map(|row| EasyOption {
            name: CString::new(row.name).expect("no name has a NUL").into_raw(),
            id: row.id as c_int,
            kind: row.kind as c_int,
            flags: if row.alias { ALIAS } else { 0 },
        });
        // the end of the list has no name
        let end = EasyOption { name: ptr::null(), id: 0, kind: 0, flags: 0 };
        All(rows.chain([end]).collect())
    };
    &ALL.get_or_init(make).0
}

/// curl_easy_option_by_name(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_option_by_name(name: *const c_char) -> *const EasyOption {
    static BY_NAME: OnceLock<HashMap<String, usize>> = OnceLock::new();
    guard(ptr::null(), || {
        // SAFETY: the caller promises a text with a NUL.
        let Some(name) = (unsafe { text::lossy(name) }) else { return ptr::null() };
        let by_name = || OPTIONS.iter().enumerate().map(|(at, row)| (row.name.to_owned(), at));
        let names = BY_NAME.get_or_init(|| by_name().collect());
        names.get(&name.to_ascii_uppercase()).map_or(ptr::null(), |&at| &raw const all()[at])
    })
}

/// curl_easy_option_by_id(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_option_by_id(id: c_int) -> *const EasyOption {
    guard(ptr::null(), || {
        let found = all()
            .iter()
            .find(|option| !option.name.is_null() && option.id == id && option.flags & ALIAS == 0);
        found.map_or(ptr::null(), ptr::from_ref)
    })
}

/// curl_easy_option_next(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_option_next(previous: *const EasyOption) -> *const EasyOption {
    guard(ptr::null(), || {
        let all = all();
        let next = if previous.is_null() {
            0
        } else {
            match all.iter().position(|option| ptr::eq(option, previous)) {
                Some(at) => at + 1,
                None => return ptr::null(),
            }
        };
        all.get(next).filter(|option| !option.name.is_null()).map_or(ptr::null(), ptr::from_ref)
    })
}
