//! How a response's body is delimited.
//!
//! Knows the rules of RFC 9112, 6.3, and what a head says about its connection (9.3). Must not
//! know how bodies are read. Invariant: the rules are tried in the RFC's order, and where two
//! readings of a head differ in where its body ends, the response is a fault or its connection is
//! not reused.

use super::reuse::{CloseReason, CloseReasons};
use crate::protocol::fault::{HttpFault, excerpt};
use crate::protocol::field::trim_folded;
use crate::protocol::version::Version;

/// What delimits a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::protocol) enum Framing {
    /// There is no body.
    Empty,
    /// Content-Length.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// What of the request decides over the framing of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::protocol) enum RequestKind {
    Head,
    Connect,
    Other,
}

/// The framing of a response, and what its head says against reuse of the connection.
#[inline]
pub(in crate::protocol) fn decide(
    request: RequestKind,
    status: u16,
    version: Version,
    fields: &[httparse::Header<'_>],
) -> Result<(Framing, CloseReasons), HttpFault> {
    let noted = Noted::new(fields);
    let mut reasons = noted.persistence(version);
    // 6.3, 1
    if request == RequestKind::Head || matches!(status, 100..=199 | 204 | 304) {
        if status == 204 && noted.announces_body() {
            reasons.insert(CloseReason::BodyWhereNone);
        }
        return Ok((Framing::Empty, reasons));
    }
    // 6.3, 2
    if request == RequestKind::Connect && matches!(status, 200..=299) {
        reasons.insert(CloseReason::Tunnel);
        return Ok((Framing::Empty, reasons));
    }
    // 6.3, 3 and 4
    if noted.transfer_encoding {
        if noted.length.is_some() {
            reasons.insert(CloseReason::LengthWithTransferEncoding);
        }
        let codings = transfer_codings(fields)?;
        // 6.1: the framing is faulty, and the connection is closed after the response
        if codings != Codings::Chunked || version == Version::Http10 {
            reasons.insert(CloseReason::OddFraming);
        }
        match codings {
            Codings::Chunked | Codings::ChunkedAgain => return Ok((Framing::Chunked, reasons)),
            Codings::None => {}
        }
    }
    // 6.3, 5 and 6
    if let Some(first) = noted.length {
        return Ok((Framing::Length(length(first, noted.more_lengths, fields)?), reasons));
    }
    // 6.3, 8
    reasons.insert(CloseReason::DelimitedByClose);
    Ok((Framing::UntilClose, reasons))
}

/// What one pass over the field lines finds.
#[derive(Default)]
struct Noted<'a> {
    /// The value of the first Content-Length.
    length: Option<&'a [u8]>,
    more_lengths: bool,
    transfer_encoding: bool,
    close: bool,
    keep_alive: bool,
}

impl<'a> Noted<'a> {
    fn new(fields: &[httparse::Header<'a>]) -> Noted<'a> {
        let mut noted = Noted::default();
        for field in fields {
            // lengths first: names seldom agree in theirs
            match field.name.len() {
                10 if is_named(field, "Connection") => noted.connection(field.value),
                14 if is_named(field, "Content-Length") => {
                    noted.more_lengths = noted.length.is_some();
                    noted.length.get_or_insert(field.value);
                }
                17 if is_named(field, "Transfer-Encoding") => noted.transfer_encoding = true,
                _ => {}
            }
        }
        noted
    }

    fn connection(&mut self, value: &[u8]) {
        match value {
            // what servers mostly say
            b"keep-alive" => self.keep_alive = true,
            b"close" => self.close = true,
            _ => {
                for option in list(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
    }

    /// RFC 9112, 9.3.
    fn persistence(&self, version: Version) -> CloseReasons {
        let mut reasons = CloseReasons::NONE;
        if self.close {
            reasons.insert(CloseReason::PeerSaidClose);
        }
        if version == Version::Http10 && !self.keep_alive {
            reasons.insert(CloseReason::Http10WithoutKeepAlive);
        }
        reasons
    }

    fn announces_body(&self) -> bool {
        self.transfer_encoding || self.more_lengths || self.length.is_some_and(|v| v != b"0")
    }
}

/// What Transfer-Encoding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codings {
    /// That there is none: it is empty, or `identity`, which RFC 2616 had for that.
    None,
    Chunked,
    /// `chunked`, more than once: a server and what stands before it have said so both.
    ChunkedAgain,
}

/// What Transfer-Encoding says, in all its lines in order (RFC 9112, 6.1).
///
/// We say no TE, so a server has no coding to choose but `chunked`; any other is a fault, since
/// its body could not be decoded. Who says it twice has applied it once, as far as anybody has seen.
fn transfer_codings(fields: &[httparse::Header<'_>]) -> Result<Codings, HttpFault> {
    let mut codings = Codings::None;
    for field in fields.iter().filter(|f| is_named(f, "Transfer-Encoding")) {
        for coding in list(field.value) {
            codings = match codings {
                Codings::None if coding.eq_ignore_ascii_case(b"chunked") => Codings::Chunked,
                Codings::None if coding.eq_ignore_ascii_case(b"identity") => Codings::None,
                Codings::Chunked | Codings::ChunkedAgain
                    if coding.eq_ignore_ascii_case(b"chunked") =>
                {
                    Codings::ChunkedAgain
                }
                _ => return Err(unsupported(field.value)),
            };
        }
    }
    Ok(codings)
}

/// The one number that all Content-Lengths agree in (RFC 9112, 6.3, 5).
fn length(first: &[u8], more: bool, fields: &[httparse::Header<'_>]) -> Result<u64, HttpFault> {
    if let (Some(length), false) = (decimal(first), more) {
        return Ok(length);
    }
    let mut agreed = None;
    for field in fields.iter().filter(|f| is_named(f, "Content-Length")) {
        for element in field.value.split(|&b| b == b',') {
            let bad = || HttpFault::BadLength { value: excerpt(field.value) };
            let other = decimal(trim_folded(element)).ok_or_else(bad)?;
            let first = *agreed.get_or_insert(other);
            if first != other {
                return Err(HttpFault::ConflictingLengths { first, other });
            }
        }
    }
    agreed.ok_or(HttpFault::BadLength { value: excerpt(first) })
}

/// `1*DIGIT`, below 2^64.
pub(in crate::protocol) fn decimal(value: &[u8]) -> Option<u64> {
    let digit = |b: u8| b.is_ascii_digit().then(|| u64::from(b - b'0'));
    let (&first, rest) = value.split_first()?;
    rest.iter().try_fold(digit(first)?, |n, &b| n.checked_mul(10)?.checked_add(digit(b)?))
}

/// The elements of a comma-separated list, empty ones left out (RFC 9110, 5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim_folded).filter(|element| !element.is_empty())
}

/// `name` is spelled as servers mostly do, for which a comparison of words does.
fn is_named(field: &httparse::Header<'_>, name: &str) -> bool {
    field.name == name || field.name.eq_ignore_ascii_case(name)
}

fn unsupported(value: &[u8]) -> HttpFault {
    HttpFault::UnsupportedTransferCoding { value: excerpt(value) }
}
