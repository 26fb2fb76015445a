//! What a field's name means for the message that it stands in (RFC 9113, 8.2 and 8.3).
//!
//! Knows names alone. Must not know values, nor what becomes of a message. Invariant: a name that is no token in lower case is
//! [`NameKind::Bad`], whatever else it resembles.

use crate::protocol::field::is_token_byte;

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A field like most.
    Regular,
    /// `content-length`.
    ContentLength,
    /// A field about an HTTP/1.1 connection, which no message of HTTP/2 may have (RFC 9113, 8.2.2).
    Connection,
    /// `:status`.
    Status,
    /// Another pseudo-header field: one of requests, or one that is not known.
    OtherPseudo,
    /// No token in lower case (RFC 9113, 8.2.1).
    Bad,
}

impl NameKind {
    /// What this name is.
    pub(super) fn of(name: &[u8]) -> NameKind {
        if let Some(pseudo) = name.strip_prefix(b":") {
            return match pseudo {
                b"status" => NameKind::Status,
                _ => NameKind::OtherPseudo,
            };
        }
        if name.is_empty() || !name.iter().all(|&byte| IS_NAME_BYTE[usize::from(byte)]) {
            return NameKind::Bad;
        }
        match name {
            b"content-length" => NameKind::ContentLength,
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding"
            | b"upgrade" => NameKind::Connection,
            _ => NameKind::Regular,
        }
    }
}

/// Tokens without letters in upper case.
static IS_NAME_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_token_byte(byte as u8) && !(byte as u8).is_ascii_uppercase();
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something() {
        let table = [
            (&b"content-length"[..], NameKind::ContentLength),
            (b"content-type", NameKind::Regular),
            (b"x-a_b!#$%&'*+.^`|~0", NameKind::Regular),
            (b"connection", NameKind::Connection),
            (b"proxy-connection", NameKind::Connection),
            (b"keep-alive", NameKind::Connection),
            (b"transfer-encoding", NameKind::Connection),
            (b"upgrade", NameKind::Connection),
            (b"te", NameKind::Regular),
            (b":status", NameKind::Status),
            (b":path", NameKind::OtherPseudo),
            (b":", NameKind::OtherPseudo),
            (b"", NameKind::Bad),
            (b"Content-Length", NameKind::Bad),
            (b"a:b", NameKind::Bad),
            (b"a b", NameKind::Bad),
            (b"a\0", NameKind::Bad),
            (b"a\x7f", NameKind::Bad),
            (b"caf\xc3\xa9", NameKind::Bad),
        ];
        for (name, kind) in table {
            assert_eq!(NameKind::of(name), kind, "{}", name.escape_ascii());
        }
    }
}
