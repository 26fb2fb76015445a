//! What can go wrong with a message, and whose fault it is.
//!
//! Knows three faults: [`HttpFault`] is the peer's, [`RequestError`] and [`BodyFault`] are the
//! caller's. Invariant: each displays as one line that names the offending thing; bytes of the
//! peer or the caller appear in it escaped and cut, and never a URL's user information.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use ::http::Method;

use super::auth::fault::SecretError;

/// The peer broke HTTP, or went over a limit on what it may send. The connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpFault {
    /// The response head is longer than allowed.
    HeadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The response head has more field lines than allowed.
    TooManyFields {
        /// The limit, in field lines.
        limit: usize,
    },
    /// More informational (1xx) responses than allowed came before the final one.
    TooManyInformational {
        /// The limit, in responses.
        limit: u32,
    },
    /// The informational (1xx) responses before the final one are longer, together, than allowed.
    InformationalTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The chunk extensions of one body are longer, in proportion to its data, than allowed.
    ChunkExtensionsTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The trailer section is longer than allowed.
    TrailerTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not a status line (RFC 9112, 4): a malformed one, an HTTP/0.9 response, or another protocol.
    BadStatusLine {
        /// How it begins, escaped.
        line: Box<str>,
    },
    /// A status line of a version other than HTTP/1.1 and HTTP/1.0.
    UnsupportedVersion {
        /// How it begins, escaped.
        line: Box<str>,
    },
    /// Not a field line (RFC 9112, 5).
    BadField {
        /// How it begins, escaped.
        line: Box<str>,
    },
    /// 101 Switching Protocols, although no upgrade was offered (RFC 9110, 15.2.2).
    UnexpectedUpgrade,
    /// A Content-Length that is no decimal number of bytes below 2^64.
    BadLength {
        /// Its value, escaped.
        value: Box<str>,
    },
    /// Content-Lengths that differ (RFC 9112, 6.3).
    ConflictingLengths {
        /// The first of them.
        first: u64,
        /// One that differs from it.
        other: u64,
    },
    /// A transfer coding beyond `chunked`, or `chunked` where it cannot stand.
    UnsupportedTransferCoding {
        /// The field's value, escaped.
        value: Box<str>,
    },
    /// A chunk's size line, its data's end or the trailer section is malformed (RFC 9112, 7.1).
    BadChunk {
        /// What was to come instead.
        expected: &'static str,
    },
    /// The connection ended before the response did.
    UnexpectedEof {
        /// Bytes of the body that had arrived.
        received: u64,
        /// Bytes of the body that Content-Length announced.
        expected: Option<u64>,
    },
    /// A TLS connection ended without close_notify, in a body that only the close delimits: it
    /// may have been cut (RFC 9112, 9.8).
    CloseWithoutNotify {
        /// Bytes of the body that had arrived.
        received: u64,
    },
    /// A message that is none by the rules of its version of HTTP (RFC 9113, 8.1.1).
    Malformed(&'static str),
    /// The request's head comes to more than the peer takes (RFC 9113, 6.5.2). Nothing of it was sent.
    RequestTooLarge {
        /// What it comes to: names and values of its fields, and 32 bytes for each.
        size: usize,
        /// What the peer takes.
        limit: u32,
    },
    /// A body of another length than its Content-Length says, where that does not frame it (RFC 9113, 8.1.1).
    LengthMismatch {
        /// What Content-Length says.
        announced: u64,
        /// Bytes of the body that had arrived, or more than that.
        received: u64,
    },
}

/// A request that cannot be made: what the caller asked for cannot stand in an HTTP message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The URL cannot be parsed.
    BadUrl {
        /// The URL. Displays without its user information.
        url: Box<str>,
        /// What is wrong with it.
        why: UrlFault,
    },
    /// The URL's scheme is neither `http` nor `https`.
    UnsupportedScheme(Box<str>),
    /// The URL has no host.
    NoHost,
    /// The host is no name that can be looked up.
    BadHost {
        /// The host.
        host: Box<str>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Port 0 cannot be connected to.
    PortZero,
    /// The URL's user information is no login.
    BadUserInformation(SecretError),
    /// The path or query has a byte that cannot stand in a request line.
    BadTarget(Box<str>),
    /// `*` is a target for OPTIONS alone (RFC 9112, 3.2.4).
    AsteriskTarget(Method),
    /// A field name is no token (RFC 9110, 5.1).
    BadFieldName(Box<str>),
    /// A field value has a byte that cannot stand in it (RFC 9110, 5.5).
    BadFieldValue {
        /// The field's name.
        name: Box<str>,
        /// The byte.
        byte: u8,
        /// Its offset in the value.
        at: usize,
    },
    /// The field belongs to the framing or the connection, which are not the caller's.
    ReservedField(Box<str>),
    /// Host was given before.
    SecondHost(Box<str>),
    /// A Host field that is no `host[:port]`.
    BadHostField(Box<str>),
    /// A Connection option other than `close` and `keep-alive`.
    BadConnectionOption(Box<str>),
    /// A body of unknown length needs the chunked coding, which HTTP/1.0 lacks.
    UnknownLengthInHttp10,
    /// Trailer fields go with a chunked body, which is one of unknown length.
    TrailersOfKnownLength,
    /// A connection is to speak another protocol, and none is offered.
    NothingOffered,
    /// The method allows no body (RFC 9110, 9.3.6 and 9.3.8).
    BodyNotAllowed(Method),
}

/// Why a text is no absolute URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlFault(url::ParseError);

/// The source of a request's body broke its word. The request cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFault {
    /// It ended early.
    Short {
        /// Bytes that it gave.
        given: u64,
        /// Bytes that were announced in Content-Length.
        announced: u64,
    },
    /// It claims to have written more than there was room for, or than was announced.
    Long {
        /// Bytes that it claims to have given in all.
        given: u64,
        /// Bytes that were announced in Content-Length, or that there was room for.
        announced: u64,
    },
    /// It failed, for this reason.
    Source(String),
}

impl HttpFault {
    /// Whether a limit of ours was exceeded, as opposed to HTTP broken.
    pub fn is_limit(&self) -> bool {
        match self {
            HttpFault::HeadTooLarge { .. }
            | HttpFault::TooManyFields { .. }
            | HttpFault::TooManyInformational { .. }
            | HttpFault::InformationalTooLarge { .. }
            | HttpFault::ChunkExtensionsTooLarge { .. }
            | HttpFault::TrailerTooLarge { .. }
            | HttpFault::RequestTooLarge { .. } => true,
            HttpFault::BadStatusLine { .. }
            | HttpFault::UnsupportedVersion { .. }
            | HttpFault::BadField { .. }
            | HttpFault::UnexpectedUpgrade
            | HttpFault::BadLength { .. }
            | HttpFault::ConflictingLengths { .. }
            | HttpFault::UnsupportedTransferCoding { .. }
            | HttpFault::BadChunk { .. }
            | HttpFault::UnexpectedEof { .. }
            | HttpFault::CloseWithoutNotify { .. }
            | HttpFault::Malformed(_)
            | HttpFault::LengthMismatch { .. } => false,
        }
    }

    /// Whether the connection ended before the response did.
    pub fn is_cut_short(&self) -> bool {
        matches!(self, HttpFault::UnexpectedEof { .. } | HttpFault::CloseWithoutNotify { .. })
    }
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpFault::HeadTooLarge { limit } => {
                write!(f, "the response head is larger than the limit of {limit} bytes")
            }
            HttpFault::TooManyFields { limit } => {
                write!(f, "the response head has more than {limit} field lines")
            }
            HttpFault::TooManyInformational { limit } => {
                write!(f, "more than {limit} informational responses")
            }
            HttpFault::InformationalTooLarge { limit } => {
                write!(f, "the informational responses are larger than the limit of {limit} bytes")
            }
            HttpFault::ChunkExtensionsTooLarge { limit } => write!(
                f,
                "the chunk extensions are larger than the data before them and {limit} bytes"
            ),
            HttpFault::TrailerTooLarge { limit } => {
                write!(f, "the trailer section is larger than the limit of {limit} bytes")
            }
            HttpFault::BadStatusLine { line } => write!(f, "not an HTTP/1 status line: \"{line}\""),
            HttpFault::UnsupportedVersion { line } => {
                write!(f, "a response neither of HTTP/1.1 nor of HTTP/1.0: \"{line}\"")
            }
            HttpFault::BadField { line } => write!(f, "malformed field line: \"{line}\""),
            HttpFault::UnexpectedUpgrade => {
                f.write_str("101 Switching Protocols, but no upgrade was offered")
            }
            HttpFault::BadLength { value } => write!(f, "malformed Content-Length: \"{value}\""),
            HttpFault::ConflictingLengths { first, other } => {
                write!(f, "conflicting Content-Lengths: {first} and {other}")
            }
            HttpFault::UnsupportedTransferCoding { value } => {
                write!(f, "unsupported Transfer-Encoding: \"{value}\"")
            }
            HttpFault::BadChunk { expected } => {
                write!(f, "malformed chunked body: expected {expected}")
            }
            HttpFault::UnexpectedEof { received, expected: Some(expected) } => {
                write!(f, "the connection ended after {received} of {expected} bytes of the body")
            }
            HttpFault::UnexpectedEof { received: 0, expected: None } => {
                f.write_str("the connection ended before the response did")
            }
            HttpFault::UnexpectedEof { received, expected: None } => write!(
                f,
                "the connection ended before the response did, after {received} bytes of the body"
            ),
            HttpFault::CloseWithoutNotify { received } => write!(
                f,
                "TLS ended without close_notify after {received} bytes of a body that only the \
                 close delimits"
            ),
            HttpFault::Malformed(why) => write!(f, "a malformed response: {why}"),
            HttpFault::RequestTooLarge { size, limit } => write!(
                f,
                "the request's fields come to {size} bytes, and the server takes {limit} \
                 (SETTINGS_MAX_HEADER_LIST_SIZE)"
            ),
            HttpFault::LengthMismatch { announced, received } => write!(
                f,
                "the body is not as long as announced: {received} bytes came, and Content-Length \
                 says {announced}"
            ),
        }
    }
}

impl std::error::Error for HttpFault {}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::BadUrl { url, why } => {
                write!(f, "bad URL {:?}: {why}", without_user_information(url))
            }
            RequestError::UnsupportedScheme(scheme) => {
                write!(f, "unsupported scheme \"{scheme}\": only http and https are")
            }
            RequestError::NoHost => f.write_str("the URL has no host"),
            RequestError::BadHost { host, why } => write!(f, "bad host \"{host}\": {why}"),
            RequestError::PortZero => f.write_str("port 0 cannot be connected to"),
            RequestError::BadUserInformation(why) => {
                write!(f, "bad user information in the URL: {why}")
            }
            RequestError::BadTarget(target) => {
                write!(f, "the target \"{target}\" cannot stand in a request line")
            }
            RequestError::AsteriskTarget(method) => {
                write!(f, "the target * is for OPTIONS, not for {method}")
            }
            RequestError::BadFieldName(name) => write!(f, "bad field name \"{name}\""),
            RequestError::BadFieldValue { name, byte, at } => {
                write!(f, "bad value of {name}: byte 0x{byte:02x} at offset {at}")
            }
            RequestError::ReservedField(name) => {
                write!(f, "{name} cannot be set: it is derived from the body and the connection")
            }
            RequestError::SecondHost(value) => write!(f, "a second Host: \"{value}\""),
            RequestError::BadHostField(value) => write!(f, "bad Host: \"{value}\""),
            RequestError::BadConnectionOption(option) => {
                write!(f, "bad Connection option \"{option}\": only close and keep-alive are known")
            }
            RequestError::UnknownLengthInHttp10 => {
                f.write_str("a body of unknown length cannot be sent over HTTP/1.0")
            }
            RequestError::TrailersOfKnownLength => {
                f.write_str("trailer fields go with a body of unknown length alone")
            }
            RequestError::NothingOffered => {
                f.write_str("the connection is to speak another protocol, and none is offered")
            }
            RequestError::BodyNotAllowed(method) => write!(f, "{method} allows no body"),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<url::ParseError> for UrlFault {
    fn from(why: url::ParseError) -> Self {
        UrlFault(why)
    }
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            url::ParseError::RelativeUrlWithoutBase => {
                f.write_str("neither http:// nor https:// begins it")
            }
            why => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for UrlFault {}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyFault::Short { given, announced } => {
                write!(f, "the body's source ended after {given} of {announced} bytes")
            }
            BodyFault::Long { given, announced } => {
                write!(f, "the body's source claims {given} bytes where {announced} fit")
            }
            BodyFault::Source(why) => write!(f, "the body's source failed: {why}"),
        }
    }
}

impl std::error::Error for BodyFault {}

/// The beginning of a line, or of what stands for one, fit for a message.
pub(super) fn excerpt(bytes: &[u8]) -> Box<str> {
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let cut = &line[..line.len().min(EXCERPT_BYTES)];
    let dots = if cut.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", cut.escape_ascii()).into()
}

/// A URL that could not be parsed, fit for a message: what may be a password is not repeated.
pub(super) fn without_user_information(url: &str) -> Cow<'_, str> {
    match user_information(url) {
        None => Cow::Borrowed(url),
        Some(range) => Cow::Owned(format!("{}…{}", &url[..range.start], &url[range.end..])),
    }
}

/// What may be a name and a password in a text that is no URL, though meant as one: up to its last `@`, wherever that stands,
/// since where a password ends nobody can say of it. `None` if it has no `@`.
#[must_use]
pub fn user_information(text: &str) -> Option<Range<usize>> {
    let is_slash = |char| matches!(char, '/' | '\\');
    let scheme = text.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or_default();
    let after_scheme = text[scheme..].strip_prefix(':').filter(|rest| rest.starts_with(is_slash));
    let rest = after_scheme.unwrap_or(text).trim_start_matches(is_slash);
    let begin = text.len() - rest.len();
    rest.rfind('@').map(|at| begin..begin + at)
}

const EXCERPT_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_shown_without_its_user_information() {
        let table = [
            ("http://a b/", "bad URL \"http://a b/\": invalid international domain name"),
            ("http://user:p@ss@a:x/", "bad URL \"http://…@a:x/\": invalid port number"),
            ("http://user:pa/ss@a", "bad URL \"http://…@a\": invalid port number"),
            ("//user:secret@a", "bad URL \"//…@a\": neither http:// nor https:// begins it"),
            ("user@a/b\n", "bad URL \"…@a/b\\n\": neither http:// nor https:// begins it"),
            ("", "bad URL \"\": neither http:// nor https:// begins it"),
        ];
        let shown = [
            ("//://u:secret@/b", "//…@/b"),
            ("http:\\\\u:secret@a", "http:\\\\…@a"),
            ("http:/u:secret@a", "http:/…@a"),
            ("u:secret@a:x", "…@a:x"),
            ("http://u:se?cret#@a:x", "http://…@a:x"),
            ("\u{e9}://u:secret@a", "…@a"),
        ];
        for (text, want) in shown {
            assert_eq!(without_user_information(text), want);
        }
        for (text, message) in table {
            let why = url::Url::parse(text).expect_err(text).into();
            let error = RequestError::BadUrl { url: text.into(), why };
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn excerpts_are_one_short_printable_line() {
        assert_eq!(&*excerpt(b"a\r\nb"), "a");
        assert_eq!(&*excerpt(b"\x1b[2J\0\xff"), "\\x1b[2J\\x00\\xff");
        assert_eq!(excerpt(&[b'x'; 65]).chars().count(), 65);
        assert!(excerpt(&[b'x'; 65]).ends_with('…'));
    }
}
