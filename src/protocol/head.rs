//! A response's head, from its bytes to its parts.
//!
//! Knows status lines and field lines (RFC 9112, 4 and 5), through `httparse`. Must not know what
//! was asked, but for the framing that follows from it. Invariants: a head as nearly all servers
//! send it is parsed once, with nothing allocated; a [`ResponseHead`] holds bytes that were parsed,
//! and is a view of them.
//!
//! What is let pass: a bare LF for CRLF (RFC 9112, 2.2), a status line without a reason phrase,
//! obsolete line folding, which reads as spaces (RFC 9112, 5.2), lines that are no field lines (see
//! [`field_line`]), a minor version above 1 (RFC 9110, 2.5). What is not: anything before the status
//! line, CR without LF, NUL, HTTP/0.9.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use ::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::fault::{HttpFault, excerpt};
use super::field::trim_folded;
use super::field_line;
use super::h1::framing::{self, Framing, RequestKind};
use super::h1::reuse::CloseReasons;
use super::version::Version;
use crate::limits::HEAD_FIELDS;

/// A response's head: a view of its bytes, which have been validated.
///
/// Fields are found by walking the bytes each time: cheap to look at, nothing to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead<'a> {
    raw: &'a [u8],
    status: u16,
    version: Version,
    lines: Lines,
}

/// What stands between the status line and the empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Field lines.
    Fields,
    /// Lines that are judged one by one.
    Mixed,
}

/// The field lines of a [`ResponseHead`], or those after a body, in order: names as they came, values without white space
/// around them. A value borrows but where line folding had to be replaced. Lines that are no field
/// lines are left out; control characters in a value, other than CR, LF and NUL, are as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a> {
    /// From a line on to the end of the head.
    rest: &'a [u8],
    lines: Lines,
}

impl<'a> ResponseHead<'a> {
    /// The status code, 100 to 999. RFC 9110, 15 assigns meanings up to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The version of the response.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The reason phrase, often empty, in no particular encoding.
    pub fn reason(&self) -> &'a [u8] {
        let code = after_version(&self.raw[..line_end(self.raw)]);
        trim_folded(code.get(3..).unwrap_or_default())
    }

    /// The field lines, in order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: &self.raw[line_end(self.raw)..], lines: self.lines }
    }

    /// The value of the first field line of this name, in any case.
    pub fn field(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.fields().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The head as it came, from the status line to the empty line, with both.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The head in the types of the `http` crate. A field that these refuse is left out: one whose
    /// value has control characters.
    pub fn to_parts(&self) -> ::http::response::Parts {
        let (mut parts, ()) = ::http::Response::new(()).into_parts();
        let start = self.start();
        (parts.status, parts.version) = (start.status(), start.version());
        parts.headers = self.fields().to_map();
        parts
    }

    /// What is to be kept of it beside its bytes, for whoever reads it later, or on another thread.
    pub fn start(&self) -> HeadStart {
        let &ResponseHead { status, version, lines, .. } = self;
        HeadStart { status, version, lines }
    }
}

/// A head that is read later.
#[derive(Debug)]
pub(crate) struct KeptHead {
    raw: Box<[u8]>,
    start: HeadStart,
}

impl KeptHead {
    pub(crate) fn new(head: &ResponseHead<'_>) -> KeptHead {
        KeptHead { raw: head.raw.into(), start: head.start() }
    }

    pub(crate) fn view(&self) -> ResponseHead<'_> {
        self.start.view(&self.raw)
    }
}

/// Fields that are read later.
#[derive(Debug)]
pub(crate) struct KeptFields {
    raw: Box<[u8]>,
    lines: Lines,
}

impl KeptFields {
    pub(crate) fn new(fields: Fields<'_>) -> KeptFields {
        KeptFields { raw: fields.rest.into(), lines: fields.lines }
    }

    pub(crate) fn view(&self) -> Fields<'_> {
        Fields { rest: &self.raw, lines: self.lines }
    }
}

impl std::fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ResponseHead({})", self.raw.escape_ascii())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.next_line()?;
        Some((std::str::from_utf8(name).unwrap_or_default(), value))
    }
}

impl<'a> Fields<'a> {
    /// The next name, which is ASCII, and its value.
    #[inline]
    fn next_line(&mut self) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
        if self.lines == Lines::Mixed {
            return self.next_of_mixed();
        }
        let mut end = line_end(self.rest);
        let colon = memchr(b':', &self.rest[..end])?;
        let mut folded = false;
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(&self.rest[end..]);
            folded = true;
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        let value = trim_folded(&line[colon + 1..]);
        let value = if folded { Cow::Owned(unfold(value)) } else { Cow::Borrowed(value) };
        Some((&line[..colon], value))
    }

    /// Of lines that are field lines all.
    pub(super) fn of_lines(lines: &'a [u8]) -> Fields<'a> {
        Fields { rest: lines, lines: Lines::Fields }
    }

    /// In the types of the `http` crate. A field that these refuse is left out: one whose value has control characters.
    pub fn to_map(self) -> ::http::HeaderMap {
        let lines = Bytes::copy_from_slice(self.rest);
        Fields { rest: &lines, lines: self.lines }.map_of(&lines)
    }

    /// As [`to_map`](Self::to_map), of fields that lie in `bytes`, of which values are parts then.
    fn map_of(mut self, bytes: &Bytes) -> ::http::HeaderMap {
        let most = memchr_iter(b'\n', self.rest).count().min(HEAD_FIELDS);
        let mut map = ::http::HeaderMap::with_capacity(most);
        while let Some((name, value)) = self.next_line() {
            let name = HeaderName::from_bytes(name);
            let value = HeaderValue::from_maybe_shared(match value {
                Cow::Borrowed(value) => bytes.slice_ref(value),
                Cow::Owned(value) => value.into(),
            });
            if let (Ok(name), Ok(value)) = (name, value) {
                // fails beyond 2^15 fields, of which there are fewer
                let _ = map.try_append(name, value);
            }
        }
        map
    }

    /// Of a trailer section, up to its empty line.
    pub(super) fn of_section(section: &'a [u8]) -> Fields<'a> {
        Fields { rest: section, lines: Lines::Mixed }
    }

    #[cold]
    fn next_of_mixed(&mut self) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
        loop {
            let (line, rest) = self.rest.split_at(field_line::first_line(self.rest)?);
            self.rest = rest;
            if let Some((name, value)) = field_line::split(line) {
                let folded = memchr(b'\n', value).is_some();
                let value = if folded { Cow::Owned(unfold(value)) } else { Cow::Borrowed(value) };
                return Some((name.as_bytes(), value));
            }
        }
    }
}

/// What of a head outlives its parsing. Borrows nothing: the bytes may lie in two places.
#[derive(Debug)]
pub(super) struct ParsedHead {
    /// Bytes, the empty line included.
    pub(super) len: usize,
    pub(super) start: HeadStart,
    pub(super) framing: Framing,
    /// What the head says against another exchange.
    pub(super) reasons: CloseReasons,
}

/// What the status line says, and how the lines after it are to be read: with its bytes, the head again.
#[derive(Debug, Clone, Copy)]
pub struct HeadStart {
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) lines: Lines,
}

impl HeadStart {
    /// The head, of which `raw` are the bytes.
    pub(super) fn view(self, raw: &[u8]) -> ResponseHead<'_> {
        let HeadStart { status, version, lines } = self;
        ResponseHead { raw, status, version, lines }
    }

    /// The status, in the type of the `http` crate.
    pub fn status(self) -> ::http::StatusCode {
        // 100 to 999 is what StatusCode takes
        ::http::StatusCode::from_u16(self.status).unwrap_or_default()
    }

    /// The version, in the type of the `http` crate.
    pub fn version(self) -> ::http::Version {
        match self.version {
            Version::Http10 => ::http::Version::HTTP_10,
            Version::Http11 => ::http::Version::HTTP_11,
            Version::Http2 => ::http::Version::HTTP_2,
        }
    }

    /// As [`ResponseHead::field`], given the [bytes](ResponseHead::raw) of the head that it is from.
    pub fn field<'a>(self, raw: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
        self.view(raw).field(name)
    }

    /// As [`Fields::to_map`], of all that are in the [bytes](ResponseHead::raw) of the head that it is from. Values share these.
    pub fn to_map(self, raw: &Bytes) -> ::http::HeaderMap {
        self.view(raw).fields().map_of(raw)
    }
}

/// Parses a head that begins `bytes`; `None` if its end is not among them.
///
/// Costs one pass of `httparse` over the head, and a look at each field's name. The table of
/// fields is left uninitialised but for those that are there.
pub(super) fn parse(bytes: &[u8], request: RequestKind) -> Result<Option<ParsedHead>, HttpFault> {
    match bytes.first() {
        Some(b'H') => {}
        Some(_) => return Err(HttpFault::BadStatusLine { line: excerpt(bytes) }),
        None => return Ok(None),
    }
    #[cfg(test)]
    PARSED_BYTES.set(PARSED_BYTES.get() + bytes.len());
    let mut fields = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return parse_unusual(bytes, request),
    };
    let Some(status @ 100..) = response.code else { return Err(bad_status_line(bytes)) };
    let version = if response.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let (framing, reasons) = framing::decide(request, status, version, response.headers)?;
    let start = HeadStart { status, version, lines: Lines::Fields };
    Ok(Some(ParsedHead { len, start, framing, reasons }))
}

/// As [`parse`], of a head that is not as nearly all are: line by line.
#[cold]
fn parse_unusual(bytes: &[u8], request: RequestKind) -> Result<Option<ParsedHead>, HttpFault> {
    let Some((status, version)) = status_line(bytes)? else { return Ok(None) };
    let mut fields = Vec::new();
    let mut rest = &bytes[line_end(bytes)..];
    let mut lines = 0;
    let end: &[u8] = loop {
        match rest {
            [] | [b'\r'] => return Ok(None),
            [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => break after,
            [b'\r', ..] => return Err(HttpFault::BadField { line: excerpt(rest) }),
            _ => {}
        }
        let Some(len) = field_line::first_line(rest) else { return Ok(None) };
        lines += 1;
        if lines > HEAD_FIELDS {
            return Err(HttpFault::TooManyFields { limit: HEAD_FIELDS });
        }
        let (line, after) = rest.split_at(len);
        if let Some((name, value)) = field_line::judge(line)? {
            fields.push(httparse::Header { name, value });
        }
        rest = after;
    };
    let (framing, reasons) = framing::decide(request, status, version, &fields)?;
    let start = HeadStart { status, version, lines: Lines::Mixed };
    Ok(Some(ParsedHead { len: bytes.len() - end.len(), start, framing, reasons }))
}

/// What a status line says; `None` if its end has not come.
///
/// White space of any length after the version, and control characters in the reason phrase, are let pass (RFC 9112, 4):
/// nothing depends on them. NUL and CR without LF are faults, as in fields.
fn status_line(bytes: &[u8]) -> Result<Option<(u16, Version)>, HttpFault> {
    let line = &bytes[..line_end(bytes)];
    let begun = &VERSION[..line.len().min(VERSION.len())];
    let other_version = || HttpFault::UnsupportedVersion { line: excerpt(bytes) };
    if !line.starts_with(begun) {
        let is_http = line.starts_with(b"HTTP/");
        return Err(if is_http { other_version() } else { bad_status_line(bytes) });
    }
    let Some(line) = line.strip_suffix(b"\n") else { return Ok(None) };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let version = match line.get(VERSION.len()) {
        Some(b'0') => Version::Http10,
        // RFC 9110, 2.5: a higher minor version is read as the highest that is known
        Some(b'1'..=b'9') => Version::Http11,
        Some(_) | None => return Err(other_version()),
    };
    let code = after_version(line);
    let is_line = line.get(STATUS).is_some_and(is_blank)
        && code.get(3).is_none_or(is_blank)
        && !line.iter().any(|byte| matches!(byte, b'\r' | 0));
    let digits = code.get(..3).filter(|code| is_line && code.iter().all(u8::is_ascii_digit));
    match digits.and_then(framing::decimal) {
        Some(status @ 100..) => Ok(Some((status as u16, version))),
        Some(_) | None => Err(bad_status_line(bytes)),
    }
}

/// A status line from its status code on.
fn after_version(line: &[u8]) -> &[u8] {
    let rest = line.get(STATUS..).unwrap_or_default();
    let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
    &rest[blanks..]
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Where a head ends in `input`, of which `before` has come already: after its first empty line.
///
/// Looks at `input` alone, but for the two bytes before it, so that a head which comes in pieces
/// is searched once.
pub(super) fn end(before: &[u8], input: &[u8]) -> Option<usize> {
    let byte_before = |at: usize, back: usize| match at.checked_sub(back) {
        Some(at) => Some(input[at]),
        None => before.len().checked_sub(back - at).map(|at| before[at]),
    };
    memchr::memchr_iter(b'\n', input)
        .find(|&at| match byte_before(at, 1) {
            Some(b'\n') => true,
            Some(b'\r') => byte_before(at, 2) == Some(b'\n'),
            _ => false,
        })
        .map(|at| at + 1)
}

#[cold]
fn bad_status_line(bytes: &[u8]) -> HttpFault {
    HttpFault::BadStatusLine { line: excerpt(bytes) }
}

/// Past the first LF, or the end.
fn line_end(bytes: &[u8]) -> usize {
    memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// RFC 9112, 5.2: each line fold becomes spaces.
fn unfold(value: &[u8]) -> Vec<u8> {
    value.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }).collect()
}

/// Field lines that a head usually has at most. A table of them on the stack costs nothing; more are
/// kept on the heap while the head is parsed.
const USUAL_FIELDS: usize = 256;

/// What a status line begins with, but for its minor version.
const VERSION: &[u8] = b"HTTP/1.";

/// What comes before the status code begins here.
const STATUS: usize = "HTTP/1.1".len();

#[cfg(test)]
thread_local! {
    /// Bytes given to `httparse` on this thread: what says that the work is linear.
    pub(super) static PARSED_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
