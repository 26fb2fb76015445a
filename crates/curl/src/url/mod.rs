//! The URL API: `CURLU` (curl_url(3)).
#![allow(unsafe_code, reason = "handles and text come in as pointers")]

mod host;
pub(crate) mod parts;
mod path;

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_uint};
use std::ptr;
use std::rc::Rc;

use crate::codes::UrlCode;
use crate::edge::handle::{self, Kind};
use crate::edge::{Pointer, guard, memory, text};
use crate::escape::{escape, unescape};
use parts::{Parts, check, default_port, flags};

/// What a `CURLU *` stands for.
#[derive(Default)]
pub(crate) struct UrlHandle(pub(crate) RefCell<Parts>);

impl Kind for UrlHandle {
    const MAGIC: usize = 0x7552_4c75;
}

/// CURLUPART_*
mod part {
    pub(super) const URL: i32 = 0;
    pub(super) const SCHEME: i32 = 1;
    pub(super) const USER: i32 = 2;
    pub(super) const PASSWORD: i32 = 3;
    pub(super) const OPTIONS: i32 = 4;
    pub(super) const HOST: i32 = 5;
    pub(super) const PORT: i32 = 6;
    pub(super) const PATH: i32 = 7;
    pub(super) const QUERY: i32 = 8;
    pub(super) const FRAGMENT: i32 = 9;
    pub(super) const ZONEID: i32 = 10;
}

/// curl_url(3)
#[unsafe(no_mangle)]
extern "C" fn curl_url() -> Pointer {
    guard(ptr::null_mut(), || handle::issue(Rc::new(UrlHandle::default())))
}

/// curl_url_cleanup(3)
#[unsafe(no_mangle)]
extern "C" fn curl_url_cleanup(url: Pointer) {
    guard((), || drop(handle::revoke::<UrlHandle>(url)));
}

/// curl_url_dup(3)
#[unsafe(no_mangle)]
extern "C" fn curl_url_dup(url: Pointer) -> Pointer {
    guard(ptr::null_mut(), || match handle::find::<UrlHandle>(url) {
        Some(url) => handle::issue(Rc::new(UrlHandle(RefCell::new(url.0.borrow().clone())))),
        None => ptr::null_mut(),
    })
}

/// curl_url_get(3)
#[unsafe(no_mangle)]
extern "C" fn curl_url_get(
    url: Pointer,
    what: c_int,
    out: *mut *mut c_char,
    flags: c_uint,
) -> UrlCode {
    guard(UrlCode::OUT_OF_MEMORY, || {
        let Some(url) = handle::find::<UrlHandle>(url) else { return UrlCode::BAD_HANDLE };
        if out.is_null() {
            return UrlCode::BAD_PARTPOINTER;
        }
        let got = get(&url.0.borrow(), what, flags);
        let (copy, code) = match got {
            Ok(bytes) => (memory::text(&bytes), UrlCode::OK),
            Err(code) => (ptr::null_mut(), code),
        };
        // SAFETY: not null, and the caller promises room for one pointer.
        unsafe { out.write(copy) };
        if code == UrlCode::OK && copy.is_null() { UrlCode::OUT_OF_MEMORY } else { code }
    })
}

/// curl_url_strerror(3)
#[unsafe(no_mangle)]
extern "C" fn curl_url_strerror(code: UrlCode) -> *const c_char {
    code.text().as_ptr().cast()
}

/// One part, as it is to be given out.
pub(crate) fn get(parts: &Parts, what: c_int, flags: c_uint) -> Result<Vec<u8>, UrlCode> {
    let keep_empty = flags & flags::GET_EMPTY != 0;
    let (found, missing) = match what {
        part::URL => return parts.compose(flags),
        part::SCHEME if parts.guessed && flags & flags::NO_GUESS_SCHEME != 0 => {
            (None, UrlCode::NO_SCHEME)
        }
        part::SCHEME => (parts.scheme.clone(), UrlCode::NO_SCHEME),
        part::USER => (parts.user.clone(), UrlCode::NO_USER),
        part::PASSWORD => (parts.password.clone(), UrlCode::NO_PASSWORD),
        part::OPTIONS => (parts.options.clone(), UrlCode::NO_OPTIONS),
        part::HOST => (parts.host.clone(), UrlCode::NO_HOST),
        part::PORT => (port(parts, flags), UrlCode::NO_PORT),
        part::PATH => (Some(parts.path.clone().unwrap_or(b"/".to_vec())), UrlCode::OK),
        part::QUERY => {
            (parts.query.clone().filter(|q| keep_empty || !q.is_empty()), UrlCode::NO_QUERY)
        }
        part::FRAGMENT => {
            (parts.fragment.clone().filter(|f| keep_empty || !f.is_empty()), UrlCode::NO_FRAGMENT)
        }
        part::ZONEID => (parts.zone.clone(), UrlCode::NO_ZONEID),
        _ => return Err(UrlCode::UNKNOWN_PART),
    };
    let found = found.ok_or(missing)?;
    if flags & flags::URLDECODE == 0 || matches!(what, part::SCHEME | part::PORT) {
        return Ok(found);
    }
    let spaced: Vec<u8> = match what {
        part::QUERY => found.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect(),
        _ => found,
    };
    let plain = unescape(&spaced);
    if plain.iter().any(u8::is_ascii_control) { Err(UrlCode::URLDECODE) } else { Ok(plain) }
}

fn port(parts: &Parts, flags: c_uint) -> Option<Vec<u8>> {
    let default = parts.scheme.as_deref().and_then(default_port);
    let port = match parts.port {
        None if flags & flags::DEFAULT_PORT != 0 => default,
        Some(port) if flags & flags::NO_DEFAULT_PORT != 0 && Some(port) == default => None,
        port => port,
    };
    port.map(|port| port.to_string().into_bytes())
}

/// curl_url_set(3)
#[unsafe(no_mangle)]
extern "C" fn curl_url_set(
    url: Pointer,
    what: c_int,
    value: *const c_char,
    flags: c_uint,
) -> UrlCode {
    guard(UrlCode::OUT_OF_MEMORY, || {
        let Some(url) = handle::find::<UrlHandle>(url) else { return UrlCode::BAD_HANDLE };
        // SAFETY: the caller promises a text with a NUL.
        let value = unsafe { text::bytes(value) };
        let result = set(&mut url.0.borrow_mut(), what, value, flags);
        result.err().unwrap_or(UrlCode::OK)
    })
}

fn set(parts: &mut Parts, what: c_int, value: Option<&[u8]>, flags: c_uint) -> Result<(), UrlCode> {
    let Some(value) = value else { return clear(parts, what) };
    if what == part::URL {
        *parts = parts.parse(value, flags)?;
        return Ok(());
    }
    if value.len() > parts::LONGEST {
        return Err(UrlCode::MALFORMED_INPUT);
    }
    let encoded = |query: bool| match flags & flags::URLENCODE {
        0 => value.to_vec(),
        _ => encode(value, query),
    };
    match what {
        part::SCHEME => return set_scheme(parts, value, flags),
        part::USER => parts.user = Some(encoded(false)),
        part::PASSWORD => parts.password = Some(encoded(false)),
        part::OPTIONS => parts.options = Some(encoded(false)),
        part::HOST => {
            check(value, 0).map_err(|_| UrlCode::BAD_HOSTNAME)?;
            if value.is_empty() {
                return Err(UrlCode::BAD_HOSTNAME);
            }
            let (host, zone) = host::canonical(value)?;
            parts.host = Some(host);
            if zone.is_some() {
                parts.zone = zone;
            }
        }
        part::PORT => parts.port = Some(parts::port(value)?),
        part::PATH => {
            let path = match flags & flags::URLENCODE {
                0 => value.to_vec(),
                _ => encode_path(value),
            };
            let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
            parts.path = Some([slash, &path[..]].concat());
        }
        part::QUERY => set_query(parts, value, flags),
        part::FRAGMENT => parts.fragment = Some(encoded(false)),
        part::ZONEID => parts.zone = Some(value.to_vec()),
        _ => return Err(UrlCode::UNKNOWN_PART),
    }
    Ok(())
}

fn clear(parts: &mut Parts, what: c_int) -> Result<(), UrlCode> {
    match what {
        part::URL => *parts = Parts::default(),
        part::SCHEME => (parts.scheme, parts.guessed) = (None, false),
        part::USER => parts.user = None,
        part::PASSWORD => parts.password = None,
        part::OPTIONS => parts.options = None,
        part::HOST => (parts.host, parts.zone) = (None, None),
        part::PORT => parts.port = None,
        part::PATH => parts.path = None,
        part::QUERY => parts.query = None,
        part::FRAGMENT => parts.fragment = None,
        part::ZONEID => parts.zone = None,
        _ => return Err(UrlCode::UNKNOWN_PART),
    }
    Ok(())
}

fn set_scheme(parts: &mut Parts, value: &[u8], flags: c_uint) -> Result<(), UrlCode> {
    let good = value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.len() <= 40
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !good {
        return Err(UrlCode::BAD_SCHEME);
    }
    let value = value.to_ascii_lowercase();
    if default_port(&value).is_none() && flags & flags::NON_SUPPORT_SCHEME == 0 {
        return Err(UrlCode::UNSUPPORTED_SCHEME);
    }
    (parts.scheme, parts.guessed) = (Some(value), false);
    Ok(())
}

fn set_query(parts: &mut Parts, value: &[u8], flags: c_uint) {
    let appends = flags & flags::APPENDQUERY != 0;
    let new = match flags & flags::URLENCODE {
        0 => value.to_vec(),
        // of what is appended, the first = is one
        _ if appends => match value.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                [&encode(&value[..at], true)[..], b"=", &encode(&value[at + 1..], true)].concat()
            }
            None => encode(value, true),
        },
        _ => encode(value, true),
    };
    match parts.query.as_mut().filter(|query| appends && !query.is_empty()) {
        Some(query) => {
            if !query.ends_with(b"&") {
                query.push(b'&');
            }
            query.extend(new);
        }
        None => parts.query = Some(new),
    }
}

/// Percent-encoded, spaces of a query as `+`.
fn encode(value: &[u8], query: bool) -> Vec<u8> {
    let words = value.split(|&byte| byte == b' ').map(escape).collect::<Vec<_>>();
    words.join(if query { "+" } else { "%20" }).into_bytes()
}

/// The same, but for the slashes of a path.
fn encode_path(value: &[u8]) -> Vec<u8> {
    let segments = value.split(|&byte| byte == b'/').map(|segment| encode(segment, false));
    segments.collect::<Vec<_>>().join(&b'/')
}
