//! Hosts that are asked over TLS alone: CURLOPT_HSTS, HSTSREADFUNCTION and HSTSWRITEFUNCTION.
//!
//! Knows where a handle's list is, comes from and goes to. What is in it is the engine's.
#![allow(unsafe_code, reason = "callbacks are C's")]

use std::collections::HashMap;
use std::ffi::{c_char, c_int};

use ringdove::Hsts;

use super::callbacks::callback;
use super::{Easy, request};
use crate::codes::Code;
use crate::edge::Pointer;
use crate::errors::Failure;
use crate::options::{Settings, ids};
use crate::share::lock;

/// Bits of CURLOPT_HSTS_CTRL.
const ENABLE: i64 = 1 << 0;
const READ_ONLY_FILE: i64 = 1 << 1;

/// The longest name of a host that a callback has room for.
const LONGEST: usize = 2048;

/// The date of what never expires.
const UNLIMITED: &str = "unlimited";

/// CURLSTS_*
mod answer {
    pub(super) const OK: i32 = 0;
    pub(super) const FAIL: i32 = 2;
}

/// `struct curl_hstsentry`, whose bit for subdomains has a byte of its own.
#[repr(C)]
struct Entry {
    name: *mut c_char,
    length: usize,
    subdomains: u8,
    expires: [c_char; 18],
}

/// `struct curl_index`
#[repr(C)]
struct Index {
    index: usize,
    total: usize,
}

type Read = unsafe extern "C" fn(Pointer, *mut Entry, Pointer) -> c_int;
type Write = unsafe extern "C" fn(Pointer, *mut Entry, *mut Index, Pointer) -> c_int;

/// Hosts as they are read. Of what is said twice the longer time counts, and subdomains if either says so.
#[derive(Default)]
struct Hosts {
    lines: Vec<Line>,
    known: HashMap<String, usize>,
}

impl Hosts {
    fn add(&mut self, host: &str, subdomains: bool, expires: &str) {
        let bare = host.strip_prefix('.').unwrap_or(host);
        let subdomains = subdomains || bare.len() < host.len();
        let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
        match self.known.get(&name) {
            Some(&at) => {
                let line = &mut self.lines[at];
                line.subdomains |= subdomains;
                // as text, too: a date's digits come before a letter
                if *line.expires < *expires {
                    line.expires = expires.to_owned();
                }
            }
            None => {
                self.known.insert(name.clone(), self.lines.len());
                self.lines.push(Line { subdomains, name, expires: expires.to_owned() });
            }
        }
    }

    /// Those of a file: `[.]host "YYYYMMDD hh:mm:ss"`.
    fn of_file(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some((host, date)) = line.split_once(char::is_whitespace) {
                hosts.add(host, false, date.trim().trim_matches('"'));
            }
        }
        hosts
    }

    fn go_to(&self, list: &Hsts) {
        list.read_file(&file(&self.lines), request::today());
    }
}

/// Hosts as a file has them.
fn file(lines: &[Line]) -> String {
    let lines = lines.iter().map(|Line { subdomains, name, expires }| {
        format!("{}{name} \"{expires}\"\n", if *subdomains { "." } else { "" })
    });
    lines.collect()
}

/// A host, as a file has it.
struct Line {
    subdomains: bool,
    name: String,
    /// `YYYYMMDD hh:mm:ss`
    expires: String,
}

/// The list of a handle that has one, with what its callback adds for each transfer.
pub(super) fn list(easy: &Easy, settings: &Settings) -> Result<Option<Hsts>, Failure> {
    let path = settings.text(ids::HSTS);
    let share = easy.share.borrow().clone();
    let shared = share.as_ref().and_then(|share| share.hsts());
    if path.is_none() && shared.is_none() && settings.number(ids::HSTS_CTRL, 0) & ENABLE == 0 {
        return Ok(None);
    }
    let list = easy.locked(lock::HSTS, || {
        let mut kept = easy.hsts.borrow_mut();
        let list = kept.get_or_insert_with(|| {
            let list = shared.unwrap_or_default();
            if let Some(text) = path.and_then(|path| std::fs::read_to_string(path).ok()) {
                Hosts::of_file(&text).go_to(&list);
            }
            list
        });
        list.clone()
    });
    read(easy, &list)?;
    Ok(Some(list))
}

/// Asks the callback for hosts until it has no more.
fn read(easy: &Easy, list: &Hsts) -> Result<(), Failure> {
    let (function, data) = {
        let settings = easy.settings.borrow();
        (settings.pointer(ids::HSTSREADFUNCTION), settings.pointer(ids::HSTSREADDATA))
    };
    let Some(read) = callback::<Read>(function) else { return Ok(()) };
    let mut hosts = Hosts::default();
    loop {
        let mut name = [0; LONGEST + 1];
        let mut entry =
            Entry { name: name.as_mut_ptr(), length: LONGEST, subdomains: 0, expires: [0; 18] };
        // SAFETY: whoever set the callback promises that it is one of this type, and writes no more than there is room for.
        match easy.calling(|| unsafe { read(easy.own.get(), &raw mut entry, data) }) {
            answer::OK => {}
            answer::FAIL => return Err(Failure::plain(Code::ABORTED_BY_CALLBACK)),
            _ => break,
        }
        let (Some(host), Some(expires)) = (text(&name), text(&entry.expires)) else {
            return Err(Failure::plain(Code::BAD_FUNCTION_ARGUMENT));
        };
        if host.is_empty() {
            return Err(Failure::plain(Code::BAD_FUNCTION_ARGUMENT));
        }
        let expires = if expires.is_empty() { UNLIMITED } else { &expires };
        hosts.add(&host, entry.subdomains & 1 != 0, expires);
    }
    hosts.go_to(list);
    Ok(())
}

/// A text that has its NUL where there is room for one.
fn text(bytes: &[c_char]) -> Option<String> {
    let length = bytes.iter().position(|&byte| byte == 0)?;
    let bytes: Vec<u8> = bytes[..length].iter().map(|&byte| byte as u8).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes the list to its file, and tells the callback.
pub(super) fn save(easy: &Easy) {
    let list = easy.hsts.borrow().clone();
    let Some(list) = list else { return };
    let lines = easy.locked(lock::HSTS, || lines(&list));
    let (path, control, function, data) = {
        let settings = easy.settings.borrow();
        let pointer = |id| settings.pointer(id);
        (
            settings.text(ids::HSTS),
            settings.number(ids::HSTS_CTRL, 0),
            pointer(ids::HSTSWRITEFUNCTION),
            pointer(ids::HSTSWRITEDATA),
        )
    };
    if let Some(path) = path.filter(|_| control & READ_ONLY_FILE == 0) {
        let words = "# Your HSTS cache. https://curl.se/docs/hsts.html\n# This file was generated by libcurl! Edit at your \
                     own risk.\n";
        // nobody is left to be told
        let _ = std::fs::write(path, words.to_owned() + &file(&lines));
    }
    let Some(write) = callback::<Write>(function) else { return };
    for (index, line) in lines.iter().enumerate() {
        let mut name: Vec<c_char> =
            line.name.bytes().chain([0]).map(|byte| byte as c_char).collect();
        let mut expires = [0; 18];
        for (to, byte) in expires.iter_mut().zip(line.expires.bytes().take(17)) {
            *to = byte as c_char;
        }
        let mut entry = Entry {
            name: name.as_mut_ptr(),
            length: line.name.len(),
            subdomains: line.subdomains.into(),
            expires,
        };
        let mut index = Index { index, total: lines.len() };
        // SAFETY: whoever set the callback promises that it is one of this type; what it is told outlives the call.
        let answer =
            easy.calling(|| unsafe { write(easy.own.get(), &raw mut entry, &raw mut index, data) });
        if answer != answer::OK {
            return;
        }
    }
}

/// The hosts of a list, in order.
fn lines(list: &Hsts) -> Vec<Line> {
    let file = list.to_file(request::today());
    let hosts = file.lines().filter(|line| !line.starts_with('#'));
    hosts
        .filter_map(|line| {
            let (host, date) = line.split_once(' ')?;
            let date = date.trim_matches('"');
            let expires = if date.starts_with("9999") { UNLIMITED } else { date };
            let name = host.strip_prefix('.').unwrap_or(host);
            Some(Line {
                subdomains: name.len() < host.len(),
                name: name.to_owned(),
                expires: expires.to_owned(),
            })
        })
        .collect()
}
