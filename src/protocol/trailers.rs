//! Fields that come after a request's body (RFC 9110, 6.5).
//!
//! Knows which fields may. Must not know what comes before them. Invariant: as in a head, everything
//! was validated on its way in.

use super::fault::RequestError;
use super::field::{trim, validate_name, validate_value};

/// The trailer section of a request: what is known of a body only at its end, such as a digest.
///
/// It goes out with a body of unknown length, which is chunked, and is handed over by
/// [`SourceRead::EndWith`](super::SourceRead::EndWith).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailers {
    /// Validated field lines, each with its CRLF.
    lines: Vec<u8>,
}

impl Trailers {
    /// None so far.
    pub fn new() -> Trailers {
        Trailers::default()
    }

    /// Adds a field line, after those added before.
    ///
    /// Refused are fields that a recipient needs before the body, or that merging into the head would
    /// let lie: framing, routing, request modifiers, authentication, and what describes the content's
    /// format (RFC 9110, 6.5.1).
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        let value = trim(value.as_ref());
        validate_trailer_name(name)?;
        validate_value(name, value)?;
        for bytes in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.lines.extend_from_slice(bytes);
        }
        Ok(self)
    }

    /// The field lines, each with its CRLF.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }
}

/// Whether a field of this name may come after the body.
pub(super) fn validate_trailer_name(name: &str) -> Result<(), RequestError> {
    validate_name(name)?;
    let begins = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    let refused = NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
        || ["If-", "Proxy-", "Content-", "Accept"].into_iter().any(begins);
    match refused {
        true => Err(RequestError::ReservedField(name.into())),
        false => Ok(()),
    }
}

/// Beside those that begin with `If-`, `Proxy-`, `Content-` and `Accept`.
const NEVER: [&str; 18] = [
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Upgrade",
    "Connection",
    "Keep-Alive",
    "Host",
    "Via",
    "Forwarded",
    "Cache-Control",
    "Expect",
    "Max-Forwards",
    "Pragma",
    "Range",
    "Authorization",
    "Cookie",
    "Cookie2",
    "Origin",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_added() {
        let trailers = Trailers::new().field("Digest", " sha-256=x ").unwrap();
        let trailers = trailers.field("x-note", "a b").unwrap();
        assert_eq!(trailers.lines(), b"Digest: sha-256=x\r\nx-note: a b\r\n");
    }

    #[test]
    fn what_belongs_before_the_body_is_refused() {
        let names = [
            "Content-Length",
            "content-type",
            "TRANSFER-ENCODING",
            "host",
            "Authorization",
            "Cookie",
            "If-Match",
            "Proxy-Authorization",
            "Expect",
            "Trailer",
            "Connection",
            "",
            "a b",
            "a:",
            "a\r\nb",
        ];
        for name in names {
            assert!(Trailers::new().field(name, "x").is_err(), "{name:?}");
        }
        for value in ["a\r\nHost: b", "a\nb", "a\0", "\x7f"] {
            assert!(Trailers::new().field("X-A", value).is_err(), "{value:?}");
        }
    }
}
