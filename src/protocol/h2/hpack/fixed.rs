//! The static table (RFC 7541, appendix A), and what each name in it means for a message.
//!
//! Knows 61 fields. Must not know which were received. Invariant: the order is the RFC's.

use super::kind::NameKind;

/// The entries, of which the first has index 1.
pub(super) static FIELDS: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The index of the first entry of this name, which is in lower case.
pub(super) fn index_of_name(name: &[u8]) -> Option<usize> {
    FIELDS.iter().position(|(known, _)| known.as_bytes() == name).map(|at| at + 1)
}

/// The index of a field, of which the name is first at `name`.
pub(super) fn index_of(name: usize, value: &[u8]) -> Option<usize> {
    let (text, _) = FIELDS[name - 1];
    let mut of_name = FIELDS[name - 1..].iter().take_while(|(other, _)| *other == text);
    of_name.position(|(_, known)| known.as_bytes() == value).map(|nth| name + nth)
}

/// What the name of an entry means.
pub(super) fn kind(index: usize) -> NameKind {
    match index {
        1..=7 => NameKind::OtherPseudo,
        8..=14 => NameKind::Status,
        28 => NameKind::ContentLength,
        57 => NameKind::Connection,
        _ => NameKind::Regular,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_the_names() {
        for (at, (name, _)) in FIELDS.iter().enumerate() {
            assert_eq!(kind(at + 1), NameKind::of(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_are_found_at_their_first_entry() {
        assert_eq!(index_of_name(b":authority"), Some(1));
        assert_eq!(index_of_name(b":status"), Some(8));
        assert_eq!(index_of_name(b"accept-encoding"), Some(16));
        assert_eq!(index_of_name(b"www-authenticate"), Some(61));
        assert_eq!(index_of_name(b"Accept"), None);
    }
}
