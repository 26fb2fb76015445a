//! Parts of representations: what Content-Range says, and what a response means to whoever has the
//! beginning of a representation and asked for the rest.
//!
//! Knows RFC 9110, 14. Must not know where bytes go. Invariant: bytes are only ever taken for the
//! rest if the server has said that they begin where the others end.

use std::fmt;

use super::head::ResponseHead;

/// What Content-Range says (RFC 9110, 14.4), of the unit `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// The content is a part.
    Part {
        /// The position of its first byte, from 0.
        first: u64,
        /// The position of its last byte; never before the first.
        last: u64,
        /// Bytes of the whole, if they are known; always beyond the last.
        total: Option<u64>,
    },
    /// What was asked for is not there.
    Unsatisfied {
        /// Bytes of the whole.
        total: u64,
    },
}

/// What a response means to whoever asked for the rest of a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// The content is the rest: so many bytes.
    Append(u64),
    /// The content is the whole.
    Restart,
    /// There is no more than the beginning.
    Complete,
}

/// Why a response is of no use to whoever asked for the rest of a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeFault {
    /// A status that is neither part nor whole.
    Status(u16),
    /// A part without a Content-Range that can be read, or nothing said of the length (416).
    NoRange,
    /// The part begins elsewhere, or ends before the end.
    OtherRange(ContentRange),
    /// The whole has another length than what is there already.
    OtherLength(u64),
    /// The part is of another version than the beginning.
    OtherVersion,
}

impl ContentRange {
    /// Reads a field's value; `None` if it is malformed, of another unit, or contradicts itself.
    pub fn parse(value: &[u8]) -> Option<ContentRange> {
        let (unit, range) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
        let (part, total) = range.trim().split_once('/')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let total = if total == "*" { None } else { Some(number(total)?) };
        if part == "*" {
            return total.map(|total| ContentRange::Unsatisfied { total });
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let sane = first <= last && last < u64::MAX && total.is_none_or(|total| last < total);
        sane.then_some(ContentRange::Part { first, last, total })
    }
}

/// Digits alone, without a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl Resumption {
    /// What the response to a request for all from byte `have` on means. `etag` is the validator that
    /// was sent in If-Range, if one was. With `have` 0 nothing but the whole was asked for.
    pub fn of(
        head: &ResponseHead<'_>,
        have: u64,
        etag: Option<&[u8]>,
    ) -> Result<Resumption, ResumeFault> {
        let range = head.field("content-range").map(|value| ContentRange::parse(&value));
        match (head.status(), range.flatten()) {
            (200, _) => Ok(Resumption::Restart),
            (206, Some(range)) if have > 0 => {
                let now = head.field("etag");
                if etag.zip(now.as_deref()).is_some_and(|(before, now)| before != now) {
                    return Err(ResumeFault::OtherVersion);
                }
                rest(range, have).map(Resumption::Append)
            }
            (416, Some(ContentRange::Unsatisfied { total })) if have > 0 => match total {
                total if total == have => Ok(Resumption::Complete),
                total => Err(ResumeFault::OtherLength(total)),
            },
            (206 | 416, None) if have > 0 => Err(ResumeFault::NoRange),
            (status, _) => Err(ResumeFault::Status(status)),
        }
    }
}

/// The length of a part, if it is all from byte `have` on.
fn rest(range: ContentRange, have: u64) -> Result<u64, ResumeFault> {
    match range {
        ContentRange::Part { first, last, total }
            if first == have && total.is_none_or(|total| last + 1 == total) =>
        {
            Ok(last - first + 1)
        }
        other => Err(ResumeFault::OtherRange(other)),
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentRange::Part { first, last, total: Some(total) } => {
                write!(f, "bytes {first}-{last}/{total}")
            }
            ContentRange::Part { first, last, total: None } => write!(f, "bytes {first}-{last}/*"),
            ContentRange::Unsatisfied { total } => write!(f, "bytes */{total}"),
        }
    }
}

impl fmt::Display for ResumeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResumeFault::Status(status) => {
                write!(f, "status {status} brings no rest to go on with")
            }
            ResumeFault::NoRange => f.write_str("the response does not say which range it has"),
            ResumeFault::OtherRange(range) => write!(f, "the server sent another range: {range}"),
            ResumeFault::OtherLength(total) => {
                write!(
                    f,
                    "the server's has {total} bytes, which is not the length of what is there"
                )
            }
            ResumeFault::OtherVersion => f.write_str("the server's is another version by now"),
        }
    }
}

impl std::error::Error for ResumeFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::Version;

    fn part(first: u64, last: u64, total: Option<u64>) -> Option<ContentRange> {
        Some(ContentRange::Part { first, last, total })
    }

    #[test]
    fn content_ranges() {
        let table = [
            ("bytes 0-0/1", part(0, 0, Some(1))),
            ("Bytes 5-9/*", part(5, 9, None)),
            ("bytes 5-9/10", part(5, 9, Some(10))),
            ("bytes */10", Some(ContentRange::Unsatisfied { total: 10 })),
            ("bytes */*", None),
            ("bytes 5-9/9", None),
            ("bytes 9-5/10", None),
            ("bytes 5-/10", None),
            ("bytes -5/10", None),
            ("bytes +5-9/10", None),
            ("bytes=5-9/10", None),
            ("items 5-9/10", None),
            ("bytes 5-9", None),
            ("bytes 5-9/10, bytes 5-9/10", None),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes 0-18446744073709551616/*", None),
            ("", None),
            ("bytes", None),
        ];
        for (text, want) in table {
            assert_eq!(ContentRange::parse(text.as_bytes()), want, "{text}");
        }
        assert_eq!(ContentRange::parse(b"bytes 0-\xff/1"), None);
    }

    fn means(status: u16, fields: &str, have: u64) -> Result<Resumption, ResumeFault> {
        let raw = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        let head = crate::http::head::ParsedHead::view(status, Version::Http11, raw.as_bytes());
        Resumption::of(&head, have, Some(b"\"v1\""))
    }

    #[test]
    fn responses_to_who_has_the_beginning() {
        use ResumeFault::{NoRange, OtherLength, OtherRange, OtherVersion, Status};
        use Resumption::{Append, Complete, Restart};
        let other = |first, last, total| {
            Err(OtherRange(ContentRange::Part { first, last, total: Some(total) }))
        };
        let table = [
            (206, "Content-Range: bytes 5-9/10\r\n", 5, Ok(Append(5))),
            (206, "Content-Range: bytes 5-9/10\r\nETag: \"v1\"\r\n", 5, Ok(Append(5))),
            (206, "Content-Range: bytes 5-9/10\r\nETag: \"v2\"\r\n", 5, Err(OtherVersion)),
            (206, "Content-Range: bytes 5-9/*\r\n", 5, Ok(Append(5))),
            (206, "Content-Range: bytes 4-9/10\r\n", 5, other(4, 9, 10)),
            (206, "Content-Range: bytes 0-9/10\r\n", 5, other(0, 9, 10)),
            (206, "Content-Range: bytes 5-8/10\r\n", 5, other(5, 8, 10)),
            (206, "Content-Range: chunks 5-9/10\r\n", 5, Err(NoRange)),
            (206, "", 5, Err(NoRange)),
            (206, "Content-Type: multipart/byteranges; boundary=x\r\n", 5, Err(NoRange)),
            (206, "Content-Range: bytes 0-9/10\r\n", 0, Err(Status(206))),
            (200, "", 5, Ok(Restart)),
            (200, "", 0, Ok(Restart)),
            (416, "Content-Range: bytes */5\r\n", 5, Ok(Complete)),
            (416, "Content-Range: bytes */4\r\n", 5, Err(OtherLength(4))),
            (416, "", 5, Err(NoRange)),
            (404, "", 5, Err(Status(404))),
            (404, "", 0, Err(Status(404))),
        ];
        for (status, fields, have, want) in table {
            assert_eq!(means(status, fields, have), want, "{status} {fields:?} {have}");
        }
    }
}
