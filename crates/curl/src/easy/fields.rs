//! The field lines of a request, in curl's order: those that options make, then the program's own, which stand before.
//!
//! Knows CURLOPT_HTTPHEADER's ways of writing: `Name: value` adds a line or replaces one of ours, `Name:` takes ours away,
//! `Name;` adds one that is empty.

use std::time::{Duration, SystemTime};

use ringdove::Request;

use super::request::Body;
use crate::codes::Code;
use crate::errors::{self, Failure};
use crate::options::{Method, Settings, ids};

/// Above so many bytes of a body leave is asked first.
const ASK_FIRST: u64 = 1024 * 1024;

/// The program's own lines.
pub(super) struct Own(Vec<(String, Vec<u8>, bool)>);

/// A line's name and value; `None` for one that is none.
///
/// # Errors
///
/// A line with a line break within.
pub(super) fn split(line: &[u8]) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let line = line.trim_ascii_end();
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        let text = "a header has a line break within";
        return Err(Failure::new(Code::BAD_FUNCTION_ARGUMENT, text));
    }
    let Some(at) = line.iter().position(|byte| b":;".contains(byte)) else { return Ok(None) };
    let name = String::from_utf8_lossy(line[..at].trim_ascii()).into_owned();
    let value = line[at + 1..].trim_ascii();
    // a semicolon stands for an empty value only where nothing follows
    if line[at] == b';' && !value.is_empty() {
        return Ok(None);
    }
    Ok(Some((name, value.to_vec())))
}

impl Own {
    pub(super) fn new(lines: &[Vec<u8>]) -> Result<Own, Failure> {
        let mut own = Vec::new();
        for line in lines {
            if let Some((name, value)) = split(line)? {
                let is_empty = line.trim_ascii_end().ends_with(b";") && value.is_empty();
                own.push((name, value, is_empty));
            }
        }
        Ok(Own(own))
    }

    /// Whether the program has said something of this field, be it that there is none.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, ..)| own.eq_ignore_ascii_case(name))
    }

    /// Whether the program has said that there is no such field.
    pub(super) fn removes(&self, name: &str) -> bool {
        let own = self.0.iter().find(|(own, ..)| own.eq_ignore_ascii_case(name));
        own.is_some_and(|(_, value, is_empty)| value.is_empty() && !is_empty)
    }

    /// The value of the first line of this name.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(own, ..)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value, _)| &value[..])
    }

    /// The lines that are sent.
    fn sent(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let sent = self.0.iter().filter(|(_, value, is_empty)| *is_empty || !value.is_empty());
        sent.map(|(name, value, _)| (&name[..], &value[..]))
    }
}

/// Adds all field lines to a request with this body.
pub(super) fn add(
    mut request: Request,
    settings: &Settings,
    own: &Own,
    body: &Body,
) -> Result<Request, Failure> {
    for (name, value) in ours(settings, body) {
        if !own.has(name) {
            request = field(request, name, &value)?;
        }
    }
    for (name, value) in own.sent() {
        // the body's length and framing are settled by then
        if ["content-length", "transfer-encoding"].iter().any(|it| name.eq_ignore_ascii_case(it)) {
            continue;
        }
        request = field(request, name, value)?;
    }
    if let Some(content_type) = body.content_type().filter(|_| !own.has("content-type")) {
        request = field(request, "Content-Type", content_type.as_bytes())?;
    }
    if asks_first(settings, body) && !own.has("expect") {
        request = field(request, "Expect", b"100-continue")?;
    }
    Ok(request)
}

fn field(request: Request, name: &str, value: &[u8]) -> Result<Request, Failure> {
    request.field(name, value).map_err(|error| errors::of_request(&error))
}

fn ours(settings: &Settings, body: &Body) -> Vec<(&'static str, Vec<u8>)> {
    let mut ours = Vec::new();
    let mut text = |name, id| {
        if let Some(value) = settings.bytes(id) {
            ours.push((name, value.to_vec()));
        }
    };
    text("User-Agent", ids::USERAGENT);
    text("Referer", ids::REFERER);
    text("Cookie", ids::COOKIE);
    ours.retain(|(_, value)| !value.is_empty());
    if let Some(range) = range(settings, body) {
        ours.insert(0, range);
    }
    ours.push(("Accept", b"*/*".to_vec()));
    if let Some(codings) = settings.bytes(ids::ACCEPT_ENCODING) {
        let all = b"deflate, gzip, br, zstd";
        ours.push(("Accept-Encoding", if codings.is_empty() { all } else { codings }.to_vec()));
    }
    ours.extend(condition(settings));
    ours
}

/// What is asked for of a body, or what an upload is of a whole.
fn range(settings: &Settings, body: &Body) -> Option<(&'static str, Vec<u8>)> {
    let from = settings.number(ids::RESUME_FROM_LARGE, 0);
    let range = settings.text(ids::RANGE).filter(|range| !range.is_empty());
    if body.is_none() {
        let range = range.or_else(|| (from > 0).then(|| format!("{from}-")))?;
        return Some(("Range", format!("bytes={range}").into_bytes()));
    }
    if settings.method != Method::Put {
        return None;
    }
    let whole = settings.size(ids::INFILESIZE_LARGE)?;
    let part = match range {
        Some(range) => range,
        None if from != 0 => format!("{}-{}", from.max(0), whole.saturating_sub(1)),
        None => return None,
    };
    Some(("Content-Range", format!("bytes {part}/{whole}").into_bytes()))
}

/// CURLOPT_TIMECONDITION
fn condition(settings: &Settings) -> Option<(&'static str, Vec<u8>)> {
    let name = match settings.number(ids::TIMECONDITION, 0) {
        1 => "If-Modified-Since",
        2 => "If-Unmodified-Since",
        3 => "Last-Modified",
        _ => return None,
    };
    let seconds = u64::try_from(settings.number(ids::TIMEVALUE_LARGE, 0)).ok()?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some((name, httpdate::fmt_http_date(time).into_bytes()))
}

fn asks_first(settings: &Settings, body: &Body) -> bool {
    let versions = settings.number(ids::HTTP_VERSION, 0);
    // HTTP/1.0 has no such thing, and HTTP/2 needs none
    if matches!(versions, 1 | 5) || body.is_none() {
        return false;
    }
    match body.length() {
        Some(length) => length > ASK_FIRST,
        None => settings.method == Method::Put || settings.method == Method::Mime,
    }
}
