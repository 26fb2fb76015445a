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
        /// Bytes of the whole, if they are known.
        total: Option<u64>,
    },
}

/// What a response means to whoever asked for the rest of a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// The content goes on where the beginning ends.
    Append {
        /// Bytes of the content.
        length: u64,
        /// Bytes of the whole that come after it, and not with this response.
        missing: u64,
    },
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
    /// A part without a Content-Range that can be read.
    NoRange,
    /// The part begins elsewhere.
    OtherRange(ContentRange),
    /// The whole has another length than what is there already.
    OtherLength(u64),
    /// The part is of another version than the beginning.
    OtherVersion,
}

impl ContentRange {
    /// Reads a field's value; `None` if it is malformed, of another unit, or contradicts itself. The unit may be
    /// left out, or have `:` or `=` behind it, and there may be blanks, as servers write it that were there before the standard.
    pub fn parse(value: &[u8]) -> Option<ContentRange> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let at = text.find(|c: char| !c.is_ascii_alphabetic())?;
        let (unit, range) = text.split_at(at);
        if !unit.is_empty() && !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let range = if unit.is_empty() { range } else { range.strip_prefix([' ', ':', '='])? };
        let (part, total) = range.split_once('/')?;
        let (part, total) = (part.trim(), total.trim());
        let total = if total == "*" { None } else { Some(number(total)?) };
        if part == "*" {
            return Some(ContentRange::Unsatisfied { total });
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first.trim())?, number(last.trim())?);
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
        let range = head.field("content-range").and_then(|value| ContentRange::parse(&value));
        match (head.status(), range) {
            // a part by another name, as curl takes it: it is not the whole
            (200, Some(ContentRange::Part { first: 1.., .. })) if have > 0 => {}
            (200, _) => return Ok(whole(head, have, etag)),
            (206, _) if have > 0 => {}
            (416, _) if have > 0 => return unsatisfied(range, have),
            (status, _) => return Err(ResumeFault::Status(status)),
        }
        let now = head.field("etag");
        if etag.zip(now.as_deref()).is_some_and(|(before, now)| before != now) {
            return Err(ResumeFault::OtherVersion);
        }
        rest(range.ok_or(ResumeFault::NoRange)?, have)
    }
}

/// The whole, of a server that was asked for a part. If it has as many bytes as are there, they are taken for it;
/// not if what was there was asked for by its validator: then it is another.
fn whole(head: &ResponseHead<'_>, have: u64, etag: Option<&[u8]>) -> Resumption {
    let length = head.field("content-length");
    let length = length.and_then(|value| number(std::str::from_utf8(&value).ok()?.trim()));
    match length {
        Some(length) if length == have && have > 0 && etag.is_none() => Resumption::Complete,
        Some(_) | None => Resumption::Restart,
    }
}

/// There is nothing from byte `have` on: what is there is the whole, unless that is said to have another length.
fn unsatisfied(range: Option<ContentRange>, have: u64) -> Result<Resumption, ResumeFault> {
    match range {
        Some(ContentRange::Unsatisfied { total: Some(total) }) if total != have => {
            Err(ResumeFault::OtherLength(total))
        }
        Some(ContentRange::Unsatisfied { .. }) | None => Ok(Resumption::Complete),
        Some(part @ ContentRange::Part { .. }) => Err(ResumeFault::OtherRange(part)),
    }
}

/// A part, if it goes on at byte `have`.
fn rest(range: ContentRange, have: u64) -> Result<Resumption, ResumeFault> {
    match range {
        ContentRange::Part { first, last, total } if first == have => Ok(Resumption::Append {
            length: last - first + 1,
            missing: total.map_or(0, |total| total - 1 - last),
        }),
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
            ContentRange::Unsatisfied { total: Some(total) } => write!(f, "bytes */{total}"),
            ContentRange::Unsatisfied { total: None } => f.write_str("bytes */*"),
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
    use crate::protocol::head::{HeadStart, Lines};
    use crate::protocol::version::Version;

    fn part(first: u64, last: u64, total: Option<u64>) -> Option<ContentRange> {
        Some(ContentRange::Part { first, last, total })
    }

    #[test]
    fn content_ranges() {
        let table = [
            ("bytes 0-0/1", part(0, 0, Some(1))),
            ("Bytes 5-9/*", part(5, 9, None)),
            ("bytes 5-9/10", part(5, 9, Some(10))),
            ("5-9/10", part(5, 9, Some(10))),
            ("bytes=5-9/10", part(5, 9, Some(10))),
            ("bytes: 5-9/10", part(5, 9, Some(10))),
            ("bytes 5 - 9 / 10", part(5, 9, Some(10))),
            ("bytes  * / 10", Some(ContentRange::Unsatisfied { total: Some(10) })),
            ("bytes */10", Some(ContentRange::Unsatisfied { total: Some(10) })),
            ("*/10", Some(ContentRange::Unsatisfied { total: Some(10) })),
            ("bytes */*", Some(ContentRange::Unsatisfied { total: None })),
            ("bytes5-9/10", None),
            ("bytes; 5-9/10", None),
            ("items */10", None),
            ("=5-9/10", None),
            ("bytes 5-9/9", None),
            ("bytes 9-5/10", None),
            ("bytes 5-/10", None),
            ("bytes -5/10", None),
            ("bytes +5-9/10", None),
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

    fn means(
        status: u16,
        fields: &str,
        have: u64,
        etag: Option<&[u8]>,
    ) -> Result<Resumption, ResumeFault> {
        let raw = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        let start = HeadStart { status, version: Version::Http11, lines: Lines::Fields };
        Resumption::of(&start.view(raw.as_bytes()), have, etag)
    }

    #[test]
    fn responses_to_who_has_the_beginning() {
        use ResumeFault::{NoRange, OtherLength, OtherRange, OtherVersion, Status};
        use Resumption::{Complete, Restart};
        let append = |length, missing| Ok(Resumption::Append { length, missing });
        let other = |first, last, total| {
            Err(OtherRange(ContentRange::Part { first, last, total: Some(total) }))
        };
        let table = [
            (206, "Content-Range: bytes 5-9/10\r\n", 5, append(5, 0)),
            (206, "Content-Range: bytes 5-9/10\r\nETag: \"v1\"\r\n", 5, append(5, 0)),
            (206, "Content-Range: bytes 5-9/10\r\nETag: \"v2\"\r\n", 5, Err(OtherVersion)),
            (206, "Content-Range: bytes 5-9/*\r\n", 5, append(5, 0)),
            (206, "Content-Range: 5-9/10\r\n", 5, append(5, 0)),
            (206, "Content-Range: bytes 5-8/10\r\n", 5, append(4, 1)),
            (206, "Content-Range: bytes 5-5/18446744073709551615\r\n", 5, append(1, u64::MAX - 6)),
            (206, "Content-Range: bytes 4-9/10\r\n", 5, other(4, 9, 10)),
            (206, "Content-Range: bytes 0-9/10\r\n", 5, other(0, 9, 10)),
            (206, "Content-Range: bytes 6-9/10\r\n", 5, other(6, 9, 10)),
            (206, "Content-Range: chunks 5-9/10\r\n", 5, Err(NoRange)),
            (206, "", 5, Err(NoRange)),
            (206, "Content-Type: multipart/byteranges; boundary=x\r\n", 5, Err(NoRange)),
            (206, "Content-Range: bytes 0-9/10\r\n", 0, Err(Status(206))),
            (200, "", 5, Ok(Restart)),
            (200, "", 0, Ok(Restart)),
            (200, "Content-Length: 5\r\n", 5, Ok(Restart)),
            (200, "Content-Range: bytes 0-9/10\r\n", 5, Ok(Restart)),
            (200, "Content-Range: bytes 5-9/10\r\n", 5, append(5, 0)),
            (200, "Content-Range: bytes 4-9/10\r\n", 5, other(4, 9, 10)),
            (200, "Content-Range: bytes 5-9/10\r\n", 0, Ok(Restart)),
            (416, "Content-Range: bytes */5\r\n", 5, Ok(Complete)),
            (416, "Content-Range: bytes */4\r\n", 5, Err(OtherLength(4))),
            (416, "Content-Range: */4\r\n", 5, Err(OtherLength(4))),
            (416, "Content-Range: */5\r\n", 5, Ok(Complete)),
            (416, "Content-Range: bytes */*\r\n", 5, Ok(Complete)),
            (416, "Content-Range: bytes 0-9/10\r\n", 5, other(0, 9, 10)),
            (416, "", 5, Ok(Complete)),
            (416, "", 0, Err(Status(416))),
            (404, "", 5, Err(Status(404))),
            (404, "Content-Length: 5\r\n", 5, Err(Status(404))),
            (404, "", 0, Err(Status(404))),
        ];
        for (status, fields, have, want) in table {
            let means = means(status, fields, have, Some(b"\"v1\""));
            assert_eq!(means, want, "{status} {fields:?} {have}");
        }
    }

    #[test]
    fn a_whole_of_the_same_length_is_what_is_there_unless_it_is_known_to_be_another() {
        use Resumption::{Complete, Restart};
        let table = [
            ("Content-Length: 5\r\n", 5, Complete),
            ("Content-Length: 6\r\n", 5, Restart),
            ("Content-Length: 4\r\n", 5, Restart),
            ("Content-Length: 0\r\n", 0, Restart),
            ("Transfer-Encoding: chunked\r\n", 5, Restart),
        ];
        for (fields, have, want) in table {
            assert_eq!(means(200, fields, have, None), Ok(want), "{fields:?} {have}");
        }
    }
}
