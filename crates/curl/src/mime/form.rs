//! Forms as they were before mimes: curl_formadd(3), curl_formget(3), curl_formfree(3).
//!
//! What a form consists of is C's to see, `struct curl_httppost`: it is made here, and turned into a mime when it is sent.
#![allow(unsafe_code, reason = "the form is C's, and made of pointers")]

use std::ffi::{c_char, c_int, c_long};
use std::ptr;
use std::rc::Rc;

use super::reader::{Reader, of_mime};
use super::{Content, Mime, Said};
use crate::easy::Easy;
use crate::easy::callbacks::Gave;
use crate::edge::{Pointer, guard, memory, text};
use crate::options::{Settings, ids};
use crate::slist::{self, List};

/// `struct curl_httppost` of curl.h.
#[repr(C)]
pub(super) struct Post {
    next: *mut Post,
    name: *mut c_char,
    name_length: c_long,
    contents: *mut c_char,
    contents_length: c_long,
    buffer: *mut c_char,
    buffer_length: c_long,
    content_type: *mut c_char,
    content_header: *mut List,
    more: *mut Post,
    flags: c_long,
    show_file_name: *mut c_char,
    user_pointer: Pointer,
    content_length: i64,
}

/// CURL_HTTPPOST_*
mod flag {
    use std::ffi::c_long;
    pub(super) const FILENAME: c_long = 1 << 0;
    pub(super) const READFILE: c_long = 1 << 1;
    pub(super) const PTRNAME: c_long = 1 << 2;
    pub(super) const PTRCONTENTS: c_long = 1 << 3;
    pub(super) const BUFFER: c_long = 1 << 4;
    pub(super) const CALLBACK: c_long = 1 << 6;
    pub(super) const LARGE: c_long = 1 << 7;
}

/// CURLFORM_*
mod option {
    pub(super) const COPYNAME: i32 = 1;
    pub(super) const PTRNAME: i32 = 2;
    pub(super) const NAMELENGTH: i32 = 3;
    pub(super) const COPYCONTENTS: i32 = 4;
    pub(super) const PTRCONTENTS: i32 = 5;
    pub(super) const CONTENTSLENGTH: i32 = 6;
    pub(super) const FILECONTENT: i32 = 7;
    pub(super) const FILE: i32 = 10;
    pub(super) const BUFFER: i32 = 11;
    pub(super) const BUFFERPTR: i32 = 12;
    pub(super) const BUFFERLENGTH: i32 = 13;
    pub(super) const CONTENTTYPE: i32 = 14;
    pub(super) const CONTENTHEADER: i32 = 15;
    pub(super) const FILENAME: i32 = 16;
    pub(super) const STREAM: i32 = 19;
    pub(super) const CONTENTLEN: i32 = 20;
}

/// CURL_FORMADD_*
mod result {
    pub(super) const OK: i32 = 0;
    pub(super) const MEMORY: i32 = 1;
    pub(super) const OPTION_TWICE: i32 = 2;
    pub(super) const UNKNOWN_OPTION: i32 = 4;
    pub(super) const INCOMPLETE: i32 = 5;
}

/// What `c/formadd.c` collects: an option and its value.
#[repr(C)]
struct Argument {
    option: c_int,
    value: *const c_char,
}

/// One part, as it was described.
#[derive(Default)]
struct Described {
    name: Option<(*const c_char, bool)>,
    name_length: c_long,
    contents: Option<(*const c_char, bool)>,
    contents_length: i64,
    large: bool,
    read_file: Option<*const c_char>,
    /// Files that are uploaded, each with a type and a shown name.
    files: Vec<FilePart>,
    buffer_name: Option<*const c_char>,
    buffer: Option<*const c_char>,
    buffer_length: c_long,
    content_type: Option<*const c_char>,
    header: Option<*const c_char>,
    file_name: Option<*const c_char>,
    stream: Option<*const c_char>,
}

#[derive(Clone, Copy)]
struct FilePart {
    path: *const c_char,
    content_type: Option<*const c_char>,
    shown: Option<*const c_char>,
}

impl Described {
    fn new(arguments: &[Argument]) -> Result<Described, c_int> {
        let mut part = Described::default();
        for Argument { option, value } in arguments {
            part.take(*option, *value)?;
        }
        Ok(part)
    }

    fn take(&mut self, option: c_int, value: *const c_char) -> Result<(), c_int> {
        let once = |field: &mut Option<*const c_char>| match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(result::OPTION_TWICE),
        };
        let copied = |field: &mut Option<(*const c_char, bool)>, copies| match field
            .replace((value, copies))
        {
            None => Ok(()),
            Some(_) => Err(result::OPTION_TWICE),
        };
        match option {
            option::COPYNAME => copied(&mut self.name, true)?,
            option::PTRNAME => copied(&mut self.name, false)?,
            option::NAMELENGTH => self.name_length = value.addr() as c_long,
            option::COPYCONTENTS => copied(&mut self.contents, true)?,
            option::PTRCONTENTS => copied(&mut self.contents, false)?,
            option::CONTENTSLENGTH => self.contents_length = value.addr() as i64,
            option::CONTENTLEN => (self.contents_length, self.large) = (value.addr() as i64, true),
            option::FILECONTENT => once(&mut self.read_file)?,
            option::FILE => {
                self.files.push(FilePart { path: value, content_type: None, shown: None });
            }
            option::BUFFER => once(&mut self.buffer_name)?,
            option::BUFFERPTR => once(&mut self.buffer)?,
            option::BUFFERLENGTH => self.buffer_length = value.addr() as c_long,
            option::CONTENTTYPE => match self.files.last_mut() {
                Some(file) => once(&mut file.content_type)?,
                None => once(&mut self.content_type)?,
            },
            option::FILENAME => match self.files.last_mut() {
                Some(file) => once(&mut file.shown)?,
                None => once(&mut self.file_name)?,
            },
            option::CONTENTHEADER => once(&mut self.header)?,
            option::STREAM => once(&mut self.stream)?,
            _ => return Err(result::UNKNOWN_OPTION),
        }
        Ok(())
    }

    /// The node of the form, with those of more files behind it.
    fn node(&self) -> Result<*mut Post, c_int> {
        let Some((name, copies)) = self.name.filter(|(name, _)| !name.is_null()) else {
            return Err(result::INCOMPLETE);
        };
        let mut post = Post {
            next: ptr::null_mut(),
            name: name.cast_mut(),
            name_length: self.name_length,
            contents: ptr::null_mut(),
            contents_length: 0,
            buffer: ptr::null_mut(),
            buffer_length: 0,
            content_type: self.content_type.map_or(ptr::null_mut(), copy),
            content_header: self.header.map_or(ptr::null_mut(), |list| list.cast_mut().cast()),
            more: ptr::null_mut(),
            flags: 0,
            show_file_name: self.file_name.map_or(ptr::null_mut(), copy),
            user_pointer: ptr::null_mut(),
            content_length: 0,
        };
        if copies {
            post.name = copy_of(name, self.name_length);
        } else {
            post.flags |= flag::PTRNAME;
        }
        let filled = self.fill(&mut post);
        let node = placed(post);
        if filled.is_err() {
            free(node);
        }
        filled.map(|()| node)
    }

    fn fill(&self, post: &mut Post) -> Result<(), c_int> {
        if let Some(first) = self.files.first() {
            (post.contents, post.flags) = (copy(first.path), post.flags | flag::FILENAME);
            post.content_type = first.content_type.map_or(ptr::null_mut(), copy);
            post.show_file_name = first.shown.map_or(ptr::null_mut(), copy);
            post.more = more(&self.files[1..]);
        } else if let Some(path) = self.read_file {
            (post.contents, post.flags) = (copy(path), post.flags | flag::READFILE);
        } else if let (Some(name), Some(buffer)) = (self.buffer_name, self.buffer) {
            post.show_file_name = copy(name);
            (post.buffer, post.buffer_length) = (buffer.cast_mut(), self.buffer_length);
            post.flags |= flag::BUFFER;
        } else if let Some(data) = self.stream {
            (post.user_pointer, post.flags) = (data.cast_mut().cast(), post.flags | flag::CALLBACK);
        } else if let Some((contents, copies)) = self.contents {
            if copies {
                post.contents = copy_of(contents, self.contents_length);
            } else {
                (post.contents, post.flags) = (contents.cast_mut(), post.flags | flag::PTRCONTENTS);
            }
        } else {
            return Err(result::INCOMPLETE);
        }
        if self.large {
            post.flags |= flag::LARGE;
            post.content_length = self.contents_length;
        } else {
            post.contents_length = self.contents_length;
        }
        Ok(())
    }
}

fn more(files: &[FilePart]) -> *mut Post {
    let Some((first, rest)) = files.split_first() else { return ptr::null_mut() };
    placed(Post {
        next: ptr::null_mut(),
        name: ptr::null_mut(),
        name_length: 0,
        contents: copy(first.path),
        contents_length: 0,
        buffer: ptr::null_mut(),
        buffer_length: 0,
        content_type: first.content_type.map_or(ptr::null_mut(), copy),
        content_header: ptr::null_mut(),
        more: more(rest),
        flags: flag::FILENAME | flag::PTRNAME,
        show_file_name: first.shown.map_or(ptr::null_mut(), copy),
        user_pointer: ptr::null_mut(),
        content_length: 0,
    })
}

fn placed(post: Post) -> *mut Post {
    let node: *mut Post = memory::zeroed();
    if !node.is_null() {
        // SAFETY: the memory is new, and has room for one.
        unsafe { node.write(post) };
    }
    node
}

fn copy(text: *const c_char) -> *mut c_char {
    copy_of(text, 0)
}

/// A copy of so many bytes, or up to the NUL for 0.
fn copy_of(text: *const c_char, length: i64) -> *mut c_char {
    // SAFETY: the caller of curl_formadd() promises so many bytes, or a NUL.
    let bytes = unsafe {
        match usize::try_from(length) {
            Ok(length @ 1..) => Some(text::slice(text, length)),
            _ => text::bytes(text),
        }
    };
    bytes.map_or(ptr::null_mut(), memory::text)
}

/// curl_formadd(3), with its arguments collected by `c/formadd.c`.
#[unsafe(no_mangle)]
extern "C" fn ringdove_curl_formadd(
    first: *mut *mut Post,
    last: *mut *mut Post,
    arguments: *const Argument,
    count: usize,
) -> c_int {
    guard(result::MEMORY, || {
        let arguments: &[Argument] = match count {
            0 => &[],
            // SAFETY: the array is of the C function that calls this, and as long as it says.
            count => unsafe { std::slice::from_raw_parts(arguments, count) },
        };
        if first.is_null() || last.is_null() {
            return result::INCOMPLETE;
        }
        let node = match Described::new(arguments).and_then(|part| part.node()) {
            Ok(node) if node.is_null() => return result::MEMORY,
            Ok(node) => node,
            Err(code) => return code,
        };
        // SAFETY: not null, and the caller promises the two pointers of one form, which we have made.
        unsafe {
            if (*first).is_null() {
                first.write(node);
            } else {
                (**last).next = node;
            }
            last.write(node);
        }
        result::OK
    })
}

/// curl_formfree(3)
#[unsafe(no_mangle)]
extern "C" fn curl_formfree(form: *mut Post) {
    free(form);
}

fn free(mut form: *mut Post) {
    while !form.is_null() {
        // SAFETY: the caller promises a form that we made and nobody needs any more; each node is read before it is freed.
        let post = unsafe { form.read() };
        free(post.more);
        if post.flags & flag::PTRNAME == 0 {
            memory::free(post.name.cast());
        }
        if post.flags & flag::PTRCONTENTS == 0 {
            memory::free(post.contents.cast());
        }
        memory::free(post.content_type.cast());
        memory::free(post.show_file_name.cast());
        memory::free(form.cast());
        form = post.next;
    }
}

/// The mime of CURLOPT_HTTPPOST.
pub(super) fn mime(settings: &Settings) -> Rc<Mime> {
    let read = settings.pointer(ids::READFUNCTION);
    of_form(settings.pointer(ids::HTTPPOST).cast(), read)
}

fn of_form(mut form: *const Post, read: Pointer) -> Rc<Mime> {
    let mime = Rc::new(Mime::new());
    while !form.is_null() {
        // SAFETY: whoever gave the form promises that it stays as it is until the transfer is over.
        let post = unsafe { &*form };
        let several = !post.more.is_null();
        let part = mime.add();
        if several {
            let inner = Rc::new(Mime::new());
            let mut file: *const Post = form;
            while !file.is_null() {
                // SAFETY: the same.
                let one = unsafe { &*file };
                *inner.add().said.borrow_mut() = Said { name: None, ..said(one, read) };
                file = one.more;
            }
            let name = name_of(post);
            *part.said.borrow_mut() =
                Said { name, content: Content::Parts(inner), ..Said::default() };
        } else {
            *part.said.borrow_mut() = said(post, read);
        }
        form = post.next;
    }
    mime
}

fn name_of(post: &Post) -> Option<Vec<u8>> {
    // SAFETY: as in `of_form`.
    unsafe {
        match usize::try_from(post.name_length) {
            Ok(length @ 1..) => Some(text::slice(post.name, length).to_vec()),
            _ => text::bytes(post.name).map(<[u8]>::to_vec),
        }
    }
}

fn said(post: &Post, read: Pointer) -> Said {
    // SAFETY: as in `of_form`.
    let (contents, shown, content_type, headers) = unsafe {
        (
            text::lossy(post.contents),
            text::bytes(post.show_file_name).map(<[u8]>::to_vec),
            text::bytes(post.content_type).map(<[u8]>::to_vec),
            slist::texts(post.content_header),
        )
    };
    let has = |bit| post.flags & bit != 0;
    let length = if has(flag::LARGE) { post.content_length } else { post.contents_length };
    let (content, file_name) = if has(flag::FILENAME) || has(flag::READFILE) {
        let path = contents.unwrap_or_default();
        let own = path.rsplit('/').next().map(|name| name.as_bytes().to_vec());
        let shown = if has(flag::READFILE) { shown } else { shown.or(own) };
        // the standard input, from its beginning where it has one
        let path = if path == "-" { "/dev/stdin".to_owned() } else { path };
        (Content::File(path), shown)
    } else if has(flag::BUFFER) {
        let size = usize::try_from(post.buffer_length).unwrap_or_default();
        // SAFETY: the same, of the buffer's bytes.
        (Content::Bytes(unsafe { text::slice(post.buffer, size) }.to_vec()), shown)
    } else if has(flag::CALLBACK) {
        let (seek, free) = (ptr::null_mut(), ptr::null_mut());
        let size = if length > 0 { length } else { -1 };
        (Content::Callback { size, read, seek, free, data: post.user_pointer }, shown)
    } else {
        // SAFETY: the same, of the content's bytes.
        let bytes = unsafe {
            match usize::try_from(length) {
                Ok(length @ 1..) => text::slice(post.contents, length),
                _ => text::bytes(post.contents).unwrap_or_default(),
            }
        };
        (Content::Bytes(bytes.to_vec()), shown)
    };
    Said { name: name_of(post), file_name, content_type, encoder: None, headers, content }
}

/// CURLFORM's append callback
type Append = unsafe extern "C" fn(Pointer, *const c_char, usize) -> usize;

/// curl_formget(3): the whole body, piece by piece, after the line that says its type. 0 once all was taken.
#[unsafe(no_mangle)]
extern "C" fn curl_formget(form: *const Post, data: Pointer, append: Option<Append>) -> c_int {
    guard(-1, || {
        let Some(append) = append else { return -1 };
        let give = |bytes: &[u8]| {
            // SAFETY: the caller promises a callback of this type, which reads so many bytes at most.
            unsafe { append(data, bytes.as_ptr().cast(), bytes.len()) == bytes.len() }
        };
        let mime = of_form(form, ptr::null_mut());
        let Ok(mut reader) = of_mime(&mime, "form-data", false) else { return -1 };
        let head = format!("Content-Type: {}\r\n\r\n", reader.content_type());
        if !give(head.as_bytes()) || !give_all(&mut reader, give) {
            return -1;
        }
        0
    })
}

fn give_all(reader: &mut Reader, give: impl Fn(&[u8]) -> bool) -> bool {
    // what a callback would give is read by fread, of a FILE
    let nobody = Easy::default();
    let mut buffer = [0; 8192];
    loop {
        match reader.read(&nobody, &mut buffer) {
            Gave::Bytes(0) => return true,
            Gave::Bytes(bytes) if give(&buffer[..bytes]) => {}
            _ => return false,
        }
    }
}
