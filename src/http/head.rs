//! A response's head, from its bytes to its parts.
//!
//! Knows status lines and field lines (RFC 9112, 4 and 5), through `httparse`. Must not know what
//! was asked, but for the framing that follows from it. Invariants: a head is parsed once, with
//! nothing allocated; a [`ResponseHead`] holds bytes that were parsed, and is a view of them.
//!
//! What is let pass: a bare LF for CRLF (RFC 9112, 2.2), a status line without a reason phrase,
//! obsolete line folding, which reads as spaces (RFC 9112, 5.2). What is not: anything before the
//! status line, white space between a field's name and its colon, CR without LF, NUL and other
//! controls, HTTP/0.9.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use ::http::header::{HeaderName, HeaderValue};
use memchr::memchr;

use super::fault::{HttpFault, excerpt};
use super::framing::{self, Framing, RequestKind};
use super::reuse::CloseReasons;
use crate::limits::HEAD_FIELDS;

/// The version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0 (RFC 1945).
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
}

/// A response's head: a view of its bytes, which have been validated.
///
/// Fields are found by walking the bytes each time: cheap to look at, nothing to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead<'a> {
    raw: &'a [u8],
    status: u16,
    version: Version,
}

/// The field lines of a [`ResponseHead`], in order: names as they came, values without white space
/// around them. A value borrows but where line folding had to be replaced.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    /// From a field line on to the end of the head.
    rest: &'a [u8],
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
        let line = &self.raw[STATUS_END..line_end(self.raw)];
        trim(line)
    }

    /// The field lines, in order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: &self.raw[line_end(self.raw)..] }
    }

    /// The value of the first field line of this name, in any case.
    pub fn field(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.fields().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The head as it came, from the status line to the empty line, with both.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The head in the types of the `http` crate. A field that these refuse is left out; so far
    /// as is known, none is that passes here.
    pub fn to_parts(&self) -> ::http::response::Parts {
        let (mut parts, ()) = ::http::Response::new(()).into_parts();
        // 100 to 999 is what StatusCode takes
        parts.status = ::http::StatusCode::from_u16(self.status).unwrap_or_default();
        parts.version = match self.version {
            Version::Http10 => ::http::Version::HTTP_10,
            Version::Http11 => ::http::Version::HTTP_11,
        };
        for (name, value) in self.fields() {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(&value);
            if let (Ok(name), Ok(value)) = (name, value) {
                // fails beyond 2^15 fields, of which a head has fewer
                let _ = parts.headers.try_append(name, value);
            }
        }
        parts
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
        let mut end = line_end(self.rest);
        let colon = memchr(b':', &self.rest[..end])?;
        let mut folded = false;
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(&self.rest[end..]);
            folded = true;
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        let name = std::str::from_utf8(&line[..colon]).unwrap_or_default();
        let value = trim(&line[colon + 1..]);
        Some((name, if folded { Cow::Owned(unfold(value)) } else { Cow::Borrowed(value) }))
    }
}

/// What of a head outlives its parsing. Borrows nothing: the bytes may lie in two places.
#[derive(Debug)]
pub(super) struct ParsedHead {
    /// Bytes, the empty line included.
    pub(super) len: usize,
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) framing: Framing,
    /// What the head says against another exchange.
    pub(super) reasons: CloseReasons,
}

impl ParsedHead {
    /// The head, of which `raw` are the bytes.
    pub(super) fn view(status: u16, version: Version, raw: &[u8]) -> ResponseHead<'_> {
        ResponseHead { raw, status, version }
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
    let mut fields = [const { MaybeUninit::uninit() }; HEAD_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(fault(error, bytes)),
    };
    let status = match response.code {
        Some(status @ 100..) => status,
        _ => return Err(HttpFault::BadStatusLine { line: excerpt(bytes) }),
    };
    let version = if response.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let (framing, reasons) = framing::decide(request, status, version, response.headers)?;
    Ok(Some(ParsedHead { len, status, version, framing, reasons }))
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

/// Without white space at either end, folded lines' ends included.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let Some(first) = value.iter().position(|b| !is_blank(b)) else { return &[] };
    let last = value.iter().rposition(|b| !is_blank(b)).unwrap_or(first);
    &value[first..=last]
}

#[cold]
fn fault(error: httparse::Error, bytes: &[u8]) -> HttpFault {
    let known = bytes.starts_with(b"HTTP/1.1") || bytes.starts_with(b"HTTP/1.0");
    match error {
        httparse::Error::TooManyHeaders => HttpFault::TooManyFields { limit: HEAD_FIELDS },
        httparse::Error::Version if bytes.starts_with(b"HTTP/") && !known => {
            HttpFault::UnsupportedVersion { line: excerpt(bytes) }
        }
        httparse::Error::Version | httparse::Error::Status => {
            HttpFault::BadStatusLine { line: excerpt(bytes) }
        }
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::Token => HttpFault::BadField { line: excerpt(bad_field_line(bytes)) },
    }
}

/// The first line after the status line that, alone, is no field line.
fn bad_field_line(head: &[u8]) -> &[u8] {
    let mut rest = &head[line_end(head)..];
    let mut first = true;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(line_end(rest));
        let is_fold = !first && matches!(line, [b' ' | b'\t', ..]);
        let mut table = [httparse::EMPTY_HEADER; 1];
        let judged = if is_fold { &[b"X:", line].concat() } else { line };
        if httparse::parse_headers(judged, &mut table).is_err() {
            return line;
        }
        (rest, first) = (after, false);
    }
    rest
}

/// Past the first LF, or the end.
fn line_end(bytes: &[u8]) -> usize {
    memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// RFC 9112, 5.2: each line fold becomes spaces.
fn unfold(value: &[u8]) -> Vec<u8> {
    value.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }).collect()
}

/// Where the status code ends in a status line.
const STATUS_END: usize = "HTTP/1.1 200".len();

#[cfg(test)]
thread_local! {
    /// Bytes given to `httparse` on this thread: what says that the work is linear.
    pub(super) static PARSED_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
