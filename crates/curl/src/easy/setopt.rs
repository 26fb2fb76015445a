//! curl_easy_setopt(3): takes a value by its option's type, and what follows from it.
//!
//! Of its variable arguments one is taken. On x86-64 and AArch64 Linux it travels in the third register for integers,
//! whatever its type, as the third one of fixed type does: so the function is no variadic one here.
#![allow(unsafe_code, reason = "values come in as pointers")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::rc::Rc;

use ringdove::CookieJar;

use super::{Easy, proxy, request};
use crate::codes::Code;
use crate::edge::{Pointer, guard, text};
use crate::escape::unescape;
use crate::options::Status::Refused;
use crate::options::table::{Kind, Row, by_id};
use crate::options::{Method, Settings, Value, ids};
use crate::share::{self, lock};

/// The longest text that is taken, in bytes: as long as curl's.
const LONGEST: usize = 8_000_000;

/// `struct curl_blob`
#[repr(C)]
struct Blob {
    data: *const c_void,
    length: usize,
    flags: u32,
}

/// curl_easy_setopt(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_setopt(handle: Pointer, option: c_int, value: Pointer) -> Code {
    guard(Code::FAILED_INIT, || {
        let Some(easy) = super::find(handle) else { return Code::BAD_FUNCTION_ARGUMENT };
        let row = u32::try_from(option).ok().and_then(by_id);
        let Some(row) = row else { return Code::UNKNOWN_OPTION };
        if let Refused(refusal, _) = row.status {
            return if asks_for_nothing(row, value) { Code::OK } else { refusal.code() };
        }
        set(&easy, row, value).err().unwrap_or(Code::OK)
    })
}

/// Of an option that is refused: whether the value is the one that it has anyhow.
fn asks_for_nothing(row: &Row, value: Pointer) -> bool {
    match row.kind {
        // what is an int for the caller leaves the upper half as it was
        Kind::Long | Kind::Values => value.addr() as u32 == 0,
        _ => value.is_null(),
    }
}

fn set(easy: &Rc<Easy>, row: &Row, value: Pointer) -> Result<(), Code> {
    match row.kind {
        Kind::Long | Kind::Values | Kind::OffT => set_number(easy, row.id, value.addr() as i64),
        Kind::Text => {
            // SAFETY: the caller promises a text with a NUL, or null.
            let text = unsafe { text::bytes(value.cast()) };
            if text.is_some_and(|text| text.len() > LONGEST) {
                return Err(Code::BAD_FUNCTION_ARGUMENT);
            }
            set_text(easy, row.id, text)
        }
        Kind::Blob => set_blob(easy, row.id, value.cast()),
        Kind::Object | Kind::List | Kind::Passed | Kind::Function => {
            set_pointer(easy, row.id, value)
        }
    }
}

fn set_number(easy: &Easy, id: u32, number: i64) -> Result<(), Code> {
    check_number(id, number)?;
    let mut settings = easy.settings.borrow_mut();
    settings.set_number(id, number);
    let on = number != 0;
    match id {
        ids::TIMEOUT => settings.set_number(ids::TIMEOUT_MS, number * 1000),
        ids::CONNECTTIMEOUT => settings.set_number(ids::CONNECTTIMEOUT_MS, number * 1000),
        ids::SERVER_RESPONSE_TIMEOUT => {
            settings.set_number(ids::SERVER_RESPONSE_TIMEOUT_MS, number * 1000);
        }
        ids::POSTFIELDSIZE => settings.set_number(ids::POSTFIELDSIZE_LARGE, number),
        ids::INFILESIZE => settings.set_number(ids::INFILESIZE_LARGE, number),
        ids::MAXFILESIZE => settings.set_number(ids::MAXFILESIZE_LARGE, number),
        ids::RESUME_FROM => settings.set_number(ids::RESUME_FROM_LARGE, number),
        ids::TIMEVALUE => settings.set_number(ids::TIMEVALUE_LARGE, number),
        ids::HTTPGET if on => {
            settings.method = Method::Get;
            settings.set_number(ids::NOBODY, 0);
        }
        ids::POST => settings.method = if on { Method::Post } else { Method::Get },
        ids::UPLOAD | ids::PUT if on => {
            settings.method = Method::Put;
            settings.set_number(ids::NOBODY, 0);
        }
        ids::UPLOAD | ids::PUT => settings.method = Method::Get,
        ids::NOBODY if on => settings.method = Method::Head,
        ids::NOBODY if settings.method == Method::Head => settings.method = Method::Get,
        ids::COOKIESESSION if on => drop_session(easy),
        _ => {}
    }
    Ok(())
}

/// Refuses numbers that mean nothing.
fn check_number(id: u32, number: i64) -> Result<(), Code> {
    let bad = match id {
        ids::TIMEOUT | ids::CONNECTTIMEOUT | ids::SERVER_RESPONSE_TIMEOUT => {
            !(0..=i64::from(i32::MAX) / 1000).contains(&number)
        }
        ids::TIMEOUT_MS
        | ids::CONNECTTIMEOUT_MS
        | ids::SERVER_RESPONSE_TIMEOUT_MS
        | ids::EXPECT_100_TIMEOUT_MS
        | ids::LOW_SPEED_LIMIT
        | ids::LOW_SPEED_TIME
        | ids::MAXFILESIZE
        | ids::MAXFILESIZE_LARGE
        | ids::MAXCONNECTS
        | ids::BUFFERSIZE
        | ids::MAX_RECV_SPEED_LARGE
        | ids::MAX_SEND_SPEED_LARGE => number < 0,
        ids::MAXREDIRS
        | ids::POSTFIELDSIZE
        | ids::POSTFIELDSIZE_LARGE
        | ids::INFILESIZE
        | ids::INFILESIZE_LARGE
        | ids::DNS_CACHE_TIMEOUT
        | ids::RESUME_FROM
        | ids::RESUME_FROM_LARGE => number < -1,
        ids::PORT | ids::LOCALPORT | ids::LOCALPORTRANGE | ids::PROXYPORT => {
            !(0..=65535).contains(&number)
        }
        ids::NETRC => !(0..=2).contains(&number),
        ids::IPRESOLVE => !(0..=2).contains(&number),
        ids::TIMECONDITION => !(0..=4).contains(&number),
        ids::POSTREDIR => !(0..=7).contains(&number),
        ids::PROXYTYPE => !(0..=7).contains(&number) || number == 3,
        ids::HTTP_VERSION => return check_version(number),
        ids::HTTPAUTH | ids::PROXYAUTH => return check_auth(number),
        _ => false,
    };
    if bad { Err(Code::BAD_FUNCTION_ARGUMENT) } else { Ok(()) }
}

/// CURL_HTTP_VERSION_*
fn check_version(number: i64) -> Result<(), Code> {
    match number {
        0..=5 => Ok(()),
        30 | 31 => Err(Code::NOT_BUILT_IN),
        _ => Err(Code::UNSUPPORTED_PROTOCOL),
    }
}

/// A mask of CURLAUTH_* that has something which is spoken, or nothing at all.
fn check_auth(mask: i64) -> Result<(), Code> {
    // CURLAUTH_ONLY is no scheme
    let schemes = mask & !(1 << 31);
    match schemes == 0 || proxy::scheme(mask).is_some() || mask & proxy::auth::BEARER != 0 {
        true => Ok(()),
        false => Err(Code::NOT_BUILT_IN),
    }
}

fn set_text(easy: &Easy, id: u32, text: Option<&[u8]>) -> Result<(), Code> {
    let mut settings = easy.settings.borrow_mut();
    match id {
        ids::USERPWD => {
            set_login(&mut settings, text, [ids::USERNAME, ids::PASSWORD], <[u8]>::to_vec);
        }
        ids::PROXYUSERPWD => {
            let both = [ids::PROXYUSERNAME, ids::PROXYPASSWORD];
            set_login(&mut settings, text, both, unescape);
        }
        ids::COOKIEFILE => {
            match text.map(CString::new) {
                Some(Ok(path)) => settings.cookie_files.push(path),
                Some(Err(_)) => return Err(Code::BAD_FUNCTION_ARGUMENT),
                None => settings.cookie_files.clear(),
            }
            drop(settings);
            match text {
                Some(_) => drop(easy.keep_cookies()),
                None => drop(easy.jar.borrow_mut().take()),
            }
            return Ok(());
        }
        ids::COOKIELIST => {
            drop(settings);
            change_cookies(easy, text.unwrap_or_default());
            return Ok(());
        }
        ids::COOKIEJAR if text.is_some() => drop(easy.keep_cookies()),
        ids::SSLCERTTYPE | ids::SSLKEYTYPE
            if text.is_some_and(|text| !text.eq_ignore_ascii_case(b"PEM")) =>
        {
            return Err(Code::NOT_BUILT_IN);
        }
        ids::PROTOCOLS_STR | ids::REDIR_PROTOCOLS_STR => {
            let names = text.unwrap_or(b"all").split(|&byte| byte == b',');
            let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
            if names.is_empty() {
                return Err(Code::BAD_FUNCTION_ARGUMENT);
            }
            let has_one = names.iter().any(|name| is_protocol(name));
            if !has_one || names.iter().any(|name| !is_protocol(name) && !is_elsewhere(name)) {
                return Err(Code::UNSUPPORTED_PROTOCOL);
            }
        }
        _ => {}
    }
    settings.set_text(id, text);
    Ok(())
}

fn is_protocol(name: &[u8]) -> bool {
    ["http", "https", "ws", "wss", "all"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// What curl speaks and this library does not: programs name it along with what they want.
fn is_elsewhere(name: &[u8]) -> bool {
    let names = "dict file ftp ftps gopher gophers imap imaps ldap ldaps mqtt mqtts pop3 pop3s rtmp rtmpe rtmps rtmpt rtmpte \
                 rtmpts rtsp scp sftp smb smbs smtp smtps telnet tftp";
    names.split_ascii_whitespace().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// What is spoken, with the bits of CURLPROTO_*.
const PROTOCOLS: [(&str, u32); 4] = [("http", 0), ("https", 1), ("ws", 30), ("wss", 31)];

/// The protocols that are allowed, of those that are there; `None` for all.
pub(super) fn protocols(settings: &Settings, names: u32, mask: u32) -> Option<Vec<&'static str>> {
    if let Some(list) = settings.text(names) {
        let is_listed = |known: &str| list.split(',').any(|name| name.eq_ignore_ascii_case(known));
        let all = is_listed("all");
        let known = PROTOCOLS.into_iter().map(|(name, _)| name);
        return Some(known.filter(|name| all || is_listed(name)).collect());
    }
    let mask = settings.number(mask, -1);
    let listed = PROTOCOLS.into_iter().filter(|(_, bit)| mask & (1 << bit) != 0);
    Some(listed.map(|(name, _)| name).collect())
}

/// A name and a password with a colon between.
fn set_login(
    settings: &mut Settings,
    text: Option<&[u8]>,
    [user, password]: [u32; 2],
    plain: impl Fn(&[u8]) -> Vec<u8>,
) {
    let mut halves = text.into_iter().flat_map(|text| text.splitn(2, |&byte| byte == b':'));
    for id in [user, password] {
        settings.set_text(id, halves.next().map(&plain).as_deref());
    }
}

fn set_blob(easy: &Easy, id: u32, blob: *const Blob) -> Result<(), Code> {
    let mut settings = easy.settings.borrow_mut();
    if blob.is_null() {
        settings.unset(id);
        return Ok(());
    }
    // SAFETY: not null, and the caller promises a blob, with as many bytes as it says. They are copied, be that asked or not.
    let bytes = unsafe { text::slice((*blob).data.cast(), (*blob).length) };
    if bytes.len() > LONGEST {
        return Err(Code::BAD_FUNCTION_ARGUMENT);
    }
    settings.set(id, Value::Blob(bytes.into()));
    Ok(())
}

fn set_pointer(easy: &Rc<Easy>, id: u32, pointer: Pointer) -> Result<(), Code> {
    match id {
        ids::SHARE => return set_share(easy, pointer),
        ids::COPYPOSTFIELDS => return copy_fields(easy, pointer.cast()),
        _ => {}
    }
    let mut settings = easy.settings.borrow_mut();
    settings.set(id, Value::Pointer(pointer));
    match id {
        ids::POSTFIELDS => {
            settings.method = Method::Post;
            settings.unset(ids::COPYPOSTFIELDS);
        }
        // also where it is set to nothing: that is posted, then
        ids::MIMEPOST | ids::HTTPPOST => {
            let mime = id == ids::MIMEPOST;
            settings.method = if mime { Method::Mime } else { Method::Form };
            settings.set_number(ids::NOBODY, 0);
        }
        _ => {}
    }
    Ok(())
}

/// CURLOPT_COPYPOSTFIELDS: as many bytes as CURLOPT_POSTFIELDSIZE has said before, or up to the NUL.
fn copy_fields(easy: &Easy, fields: *const c_char) -> Result<(), Code> {
    let mut settings = easy.settings.borrow_mut();
    settings.method = Method::Post;
    settings.unset(ids::POSTFIELDS);
    if fields.is_null() {
        settings.unset(ids::COPYPOSTFIELDS);
        return Ok(());
    }
    let size = settings.size(ids::POSTFIELDSIZE_LARGE).and_then(|size| usize::try_from(size).ok());
    // SAFETY: not null, and the caller promises so many bytes, or a NUL.
    let bytes = unsafe {
        match size {
            Some(size) => text::slice(fields, size),
            None => text::bytes(fields).unwrap_or_default(),
        }
    };
    settings.set(ids::COPYPOSTFIELDS, Value::Blob(bytes.into()));
    Ok(())
}

fn set_share(easy: &Easy, pointer: Pointer) -> Result<(), Code> {
    let share = match pointer.is_null() {
        true => None,
        false => Some(share::find(pointer).ok_or(Code::BAD_FUNCTION_ARGUMENT)?),
    };
    easy.set_share(share);
    Ok(())
}

// cookies

/// Reads the files of CURLOPT_COOKIEFILE that were not read yet; `""` and `-` are none.
pub(super) fn read_cookie_files(easy: &Easy) {
    let files = std::mem::take(&mut easy.settings.borrow_mut().cookie_files);
    let jar = easy.keep_cookies();
    easy.locked(lock::COOKIE, || {
        for file in &files {
            read_jar(&file.to_string_lossy(), &jar);
        }
    });
    if !files.is_empty() && easy.settings.borrow().flag(ids::COOKIESESSION, false) {
        jar.end_session();
    }
}

fn read_jar(path: &str, jar: &CookieJar) {
    // a file that cannot be read has no cookies
    if let Ok(text) = std::fs::read(path) {
        jar.read_netscape(&text, request::today());
    }
}

/// Writes a jar to a file; `-` is standard output.
pub(super) fn write_jar(path: &str, jar: &CookieJar) {
    let text = netscape(&jar.to_netscape(request::today()));
    let written = match path {
        "-" => std::io::Write::write_all(&mut std::io::stdout(), &text),
        path => std::fs::write(path, text),
    };
    // nobody is left to be told
    let _ = written;
}

/// The file as curl writes it: its own words first, and what is newest before what is older.
fn netscape(file: &[u8]) -> Vec<u8> {
    let words = "# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n# This file was generated by \
                 libcurl! Edit at your own risk.\n\n";
    let lines = file.split_inclusive(|&byte| byte == b'\n');
    let is_cookie = |line: &&[u8]| {
        let text = line.trim_ascii();
        !text.is_empty() && (!text.starts_with(b"#") || text.starts_with(b"#HttpOnly_"))
    };
    let mut cookies: Vec<_> = lines.filter(is_cookie).collect();
    cookies.reverse();
    [words.as_bytes(), &cookies.concat()].concat()
}

fn drop_session(easy: &Easy) {
    if let Some(jar) = easy.cookies() {
        jar.end_session();
    }
}

/// Has cookies be kept from here on in a jar that is empty.
fn forget_cookies(easy: &Easy) {
    *easy.jar.borrow_mut() = Some(CookieJar::new());
    if let Some(share) = &*easy.share.borrow() {
        share.forget_cookies();
    }
}

/// CURLOPT_COOKIELIST: a command, a line of a Netscape file, or a Set-Cookie field.
fn change_cookies(easy: &Easy, line: &[u8]) {
    let jar = easy.keep_cookies();
    match line {
        b"ALL" => easy.locked(lock::COOKIE, || forget_cookies(easy)),
        b"SESS" => easy.locked(lock::COOKIE, || jar.end_session()),
        b"FLUSH" => {
            let path = easy.settings.borrow().text(ids::COOKIEJAR);
            if let Some(path) = path {
                easy.locked(lock::COOKIE, || write_jar(&path, &jar));
            }
        }
        b"RELOAD" => read_cookie_files(easy),
        line => {
            easy.locked(lock::COOKIE, || jar.read_netscape(line, request::today()));
        }
    }
}
