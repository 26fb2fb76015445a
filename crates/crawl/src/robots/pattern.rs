//! The pattern of a rule, and what it is compared with.
//!
//! Knows octets, percent-encoding (RFC 9309, 2.2.2), `*` and a last `$` (2.2.3). Invariants: two ways to write the same octets are
//! one; an encoded `*` or `$` is no sign but itself; matching takes no longer than both are long, multiplied.

/// Octets of a path with its query, as they can be compared: what is unreserved is not encoded, whatever may stand for a sign of patterns is, and
/// so is what no URL has.
pub(super) fn octets(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    push_octets(&mut out, target);
    out
}

/// A rule's pattern: parts that follow each other, with anything between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Vec<u8>>,
    /// The last part is the end of what matches.
    is_anchored: bool,
    len: usize,
}

impl Pattern {
    pub(super) fn new(value: &[u8]) -> Pattern {
        let (value, is_anchored) = match value {
            [value @ .., b'$'] => (value, true),
            value => (value, false),
        };
        let parts: Vec<_> = value.split(|byte| *byte == b'*').map(octets).collect();
        let len = parts.iter().map(Vec::len).sum::<usize>() + parts.len() - 1;
        Pattern { parts, is_anchored, len: len + usize::from(is_anchored) }
    }

    /// By which the longest of several is found: in octets, its signs included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// `target` as [`octets`] made it.
    pub(super) fn matches(&self, target: &[u8]) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some(mut rest) = target.strip_prefix(&first[..]) else { return false };
        let Some((last, between)) = others.split_last() else {
            return !self.is_anchored || rest.is_empty();
        };
        for part in between {
            let Some(at) = find(rest, part) else { return false };
            rest = &rest[at + part.len()..];
        }
        if self.is_anchored { rest.ends_with(last) } else { find(rest, last).is_some() }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

fn push_octets(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, encoded(rest)) {
            (b'%', Some(octet)) => {
                rest = &rest[2..];
                if is_unreserved(octet) { out.push(octet) } else { push_encoded(out, octet) }
            }
            // what is no encoding is itself
            (b'%', None) => out.push(b'%'),
            (byte, _) if is_unreserved(*byte) || is_plain(*byte) => out.push(*byte),
            (byte, _) => push_encoded(out, *byte),
        }
    }
}

fn push_encoded(out: &mut Vec<u8>, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
}

/// The octet of two hexadecimal digits.
fn encoded(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (&[high, low], _) = text.split_first_chunk()?;
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// RFC 3986, 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Reserved (RFC 3986, 2.2), and no sign of patterns.
fn is_plain(byte: u8) -> bool {
    matches!(
        byte,
        b':' | b'/'
            | b'?'
            | b'#'
            | b'['
            | b']'
            | b'@'
            | b'!'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'+'
            | b','
            | b';'
            | b'='
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_written_in_one_way() {
        let table = [
            ("/a/b/c", "/a/b/c"),
            ("/\u{e1}", "/%C3%A1"),
            ("/%aa", "/%AA"),
            ("/%7Emak", "/~mak"),
            ("/a*b$c", "/a%2Ab%24c"),
            ("/100%", "/100%"),
            ("/%zz%4", "/%zz%4"),
            ("/a b", "/a%20b"),
            ("/%2f", "/%2F"),
        ];
        for (text, expected) in table {
            assert_eq!(octets(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn signs_match() {
        let table = [
            ("/a*", "/a", true),
            ("/*a*a*a$", "/aa", false),
            ("/*a*a*a$", "/xaxaxa", true),
            ("/a**b", "/ab", true),
            ("$", "", true),
            ("$", "/", false),
            ("*", "/", true),
            ("*$", "/x", true),
            ("/a$b", "/a$b", true),
            ("/aba*aba$", "/aba", false),
        ];
        for (pattern, target, expected) in table {
            let target = octets(target.as_bytes());
            assert_eq!(Pattern::new(pattern.as_bytes()).matches(&target), expected, "{pattern}");
        }
    }
}
