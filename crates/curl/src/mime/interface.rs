//! What C calls of mimes: curl_mime_init(3) and its like.
#![allow(unsafe_code, reason = "handles and text come in as pointers")]

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::ptr;
use std::rc::Rc;

use super::encode::Encoder;
use super::{Content, Mime, Part, Said};
use crate::codes::Code;
use crate::edge::{Pointer, guard, handle, text};
use crate::slist::{self, List};

/// CURL_ZERO_TERMINATED
const ZERO_TERMINATED: usize = usize::MAX;

/// curl_mime_init(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_init(_easy: Pointer) -> Pointer {
    guard(ptr::null_mut(), || handle::issue(Rc::new(Mime::new())))
}

/// curl_mime_free(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_free(mime: Pointer) {
    guard((), || free(mime));
}

/// The same within.
pub(crate) fn free(mime: Pointer) {
    if let Some(mime) = handle::revoke::<Mime>(mime) {
        release(&mime);
    }
}

/// The parts of a mime are handles no more.
fn release(mime: &Mime) {
    for part in mime.parts.take() {
        drop(handle::revoke::<Part>(part.own.get()));
        empty(&mut part.said.borrow_mut());
    }
}

/// Takes the content out of a part, and has the program free what is its own.
fn empty(said: &mut Said) {
    match std::mem::take(&mut said.content) {
        Content::Callback { free, data, .. } if !free.is_null() => {
            // SAFETY: whoever set the callback promises that it is one of this type.
            unsafe {
                std::mem::transmute::<Pointer, unsafe extern "C" fn(Pointer)>(free)(data);
            }
        }
        Content::Parts(mime) => release(&mime),
        _ => {}
    }
}

/// curl_mime_addpart(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_addpart(mime: Pointer) -> Pointer {
    guard(ptr::null_mut(), || {
        let Some(mime) = handle::find::<Mime>(mime) else { return ptr::null_mut() };
        let part = mime.add();
        let handle = handle::issue(Rc::clone(&part));
        part.own.set(handle);
        handle
    })
}

/// Changes what is said of a part.
fn with(part: Pointer, change: impl FnOnce(&mut Said) -> Code) -> Code {
    guard(Code::OUT_OF_MEMORY, || match handle::find::<Part>(part) {
        Some(part) => change(&mut part.said.borrow_mut()),
        None => Code::BAD_FUNCTION_ARGUMENT,
    })
}

/// Sets one of a part's texts.
fn set_text(
    part: Pointer,
    value: *const c_char,
    field: impl FnOnce(&mut Said, Option<Vec<u8>>),
) -> Code {
    // SAFETY: the caller promises a text with a NUL, or null.
    let value = unsafe { text::bytes(value) }.map(<[u8]>::to_vec);
    with(part, |said| {
        field(said, value);
        Code::OK
    })
}

/// curl_mime_name(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_name(part: Pointer, name: *const c_char) -> Code {
    set_text(part, name, |said, name| said.name = name)
}

/// curl_mime_filename(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_filename(part: Pointer, name: *const c_char) -> Code {
    set_text(part, name, |said, name| said.file_name = name)
}

/// curl_mime_type(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_type(part: Pointer, kind: *const c_char) -> Code {
    set_text(part, kind, |said, kind| said.content_type = kind)
}

/// curl_mime_encoder(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_encoder(part: Pointer, name: *const c_char) -> Code {
    // SAFETY: the caller promises a text with a NUL, or null.
    let name = unsafe { text::bytes(name) };
    let encoder = name.map(Encoder::named);
    with(part, |said| match encoder {
        Some(None) => Code::BAD_FUNCTION_ARGUMENT,
        encoder => {
            said.encoder = encoder.flatten();
            Code::OK
        }
    })
}

/// curl_mime_data(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_data(part: Pointer, data: *const c_char, size: usize) -> Code {
    let bytes = match (data.is_null(), size) {
        (true, _) => None,
        // SAFETY: the caller promises a text with a NUL.
        (false, ZERO_TERMINATED) => unsafe { text::bytes(data) },
        // SAFETY: the caller promises so many bytes.
        (false, size) => Some(unsafe { text::slice(data, size) }),
    };
    let bytes = bytes.map(<[u8]>::to_vec);
    with(part, |said| {
        empty(said);
        said.content = bytes.map_or(Content::Nothing, Content::Bytes);
        Code::OK
    })
}

/// curl_mime_filedata(3): the file is read when it is sent; its name is the part's, unless that is said otherwise.
#[unsafe(no_mangle)]
extern "C" fn curl_mime_filedata(part: Pointer, path: *const c_char) -> Code {
    // SAFETY: the caller promises a text with a NUL, or null.
    let path = unsafe { text::lossy(path) };
    with(part, |said| {
        empty(said);
        let Some(path) = path else { return Code::OK };
        let readable = std::fs::File::open(&path).is_ok();
        let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        said.file_name = name.map(String::into_bytes);
        said.content = Content::File(path);
        if readable { Code::OK } else { Code::READ_ERROR }
    })
}

/// curl_mime_data_cb(3)
#[unsafe(no_mangle)]
extern "C" fn curl_mime_data_cb(
    part: Pointer,
    size: i64,
    read: Pointer,
    seek: Pointer,
    free: Pointer,
    data: Pointer,
) -> Code {
    with(part, |said| {
        empty(said);
        if !read.is_null() {
            said.content = Content::Callback { size, read, seek, free, data };
        }
        Code::OK
    })
}

/// curl_mime_subparts(3): the mime goes over to the part.
#[unsafe(no_mangle)]
extern "C" fn curl_mime_subparts(part: Pointer, subparts: Pointer) -> Code {
    guard(Code::OUT_OF_MEMORY, || {
        let Some(part) = handle::find::<Part>(part) else { return Code::BAD_FUNCTION_ARGUMENT };
        let mime = match subparts.is_null() {
            true => None,
            false => match handle::find::<Mime>(subparts) {
                Some(mime) if !holds(&mime, &part) => Some(mime),
                _ => return Code::BAD_FUNCTION_ARGUMENT,
            },
        };
        let mut said = part.said.borrow_mut();
        empty(&mut said);
        if let Some(mime) = mime {
            drop(handle::revoke::<Mime>(subparts));
            said.content = Content::Parts(mime);
        }
        Code::OK
    })
}

/// Whether the part is one of the mime's, at whatever depth.
fn holds(mime: &Mime, part: &Rc<Part>) -> bool {
    mime.parts.borrow().iter().any(|own| {
        Rc::ptr_eq(own, part)
            || matches!(&own.said.borrow().content, Content::Parts(inner) if holds(inner, part))
    })
}

/// curl_mime_headers(3): the list is copied; where it is said to go over, it is freed at once.
#[unsafe(no_mangle)]
extern "C" fn curl_mime_headers(part: Pointer, headers: *mut List, take: c_int) -> Code {
    // SAFETY: the caller promises a list, or null.
    let lines = unsafe { slist::texts(headers) };
    let code = with(part, |said| {
        said.headers = lines;
        Code::OK
    });
    if code == Code::OK && take != 0 {
        slist::free(headers);
    }
    code
}
