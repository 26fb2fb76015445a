//! The pattern of a rule, and what it is compared with.
//!
//! Knows octets, percent-encoding (RFC 9309, 2.2.2), `*` and a last `$` (2.2.3). Invariants: two ways to write the same octets are
//! one; an encoded `*` or `$` is no sign but itself; matching takes no longer than both are long together, and says how much was compared.

use memchr::memmem;

/// Octets of a path with its query, as they can be compared: what is unreserved is not encoded, whatever may stand for a sign of patterns is, and
/// so is what no URL has.
pub(super) fn octets(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    push_octets(&mut out, target);
    out
}

/// Rules, one behind the other in one piece of memory: each says whether it allows, whether its end is the end of what matches, how long
/// its octets are, and then these, with a `*` wherever anything may stand.
///
/// So a robots.txt takes the octets of its rules and three for each, whatever signs they have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rules(Vec<u8>);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule<'a> {
    pub(super) allows: bool,
    is_anchored: bool,
    octets: &'a [u8],
}

const ALLOWS: u8 = 1;
const ANCHORED: u8 = 2;

impl Rules {
    /// Adds the rule of this value of a line, which is as long as lines are at most.
    pub(super) fn push(&mut self, value: &[u8], allows: bool) {
        let (value, is_anchored) = match value {
            [value @ .., b'$'] => (value, true),
            value => (value, false),
        };
        let before = self.0.len();
        self.0.extend([if allows { ALLOWS } else { 0 } | if is_anchored { ANCHORED } else { 0 }]);
        self.0.extend([0; 2]);
        for (at, part) in value.split(|byte| *byte == b'*').enumerate() {
            self.0.extend((at > 0).then_some(b'*'));
            push_octets(&mut self.0, part);
        }
        match u16::try_from(self.0.len() - before - 3) {
            Ok(length) => self.0[before + 1..before + 3].copy_from_slice(&length.to_le_bytes()),
            // no line is so long
            Err(_) => self.0.truncate(before),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Rule<'_>> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (&[signs, low, high], after) = rest.split_first_chunk()?;
            let (octets, after) = after.split_at_checked(u16::from_le_bytes([low, high]).into())?;
            rest = after;
            let (allows, is_anchored) = (signs & ALLOWS != 0, signs & ANCHORED != 0);
            Some(Rule { allows, is_anchored, octets })
        })
    }

    /// Gives back what it does not need.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity()
    }
}

impl Rule<'_> {
    /// By which the longest of several is found: in octets, its signs included.
    pub(super) fn len(&self) -> usize {
        self.octets.len() + usize::from(self.is_anchored)
    }

    /// `target` as [`octets`] made it.
    pub(super) fn matches(&self, target: &[u8], steps: &mut Steps) -> bool {
        let mut parts = self.octets.split(|byte| *byte == b'*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = target.strip_prefix(first) else { return false };
        let Some(mut part) = parts.next() else {
            return !self.is_anchored || rest.is_empty();
        };
        for next in parts {
            let Some(after) = steps.find(rest, part) else { return false };
            rest = after;
            part = next;
        }
        if self.is_anchored { rest.ends_with(part) } else { steps.find(rest, part).is_some() }
    }
}

/// What was looked for, in octets of texts and of patterns. (What stands at the beginning or the end of a rule is no more than all rules are long, and
/// not counted.)
#[derive(Debug, Default)]
pub(super) struct Steps(usize);

impl Steps {
    /// So many were gone.
    pub(super) fn count(&self) -> usize {
        self.0
    }

    /// What of `text` is behind the first of `part`. Takes as long as both are, together.
    fn find<'a>(&mut self, text: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
        if part.len() > text.len() {
            return None;
        }
        let after = memmem::find(text, part).map(|at| &text[at + part.len()..]);
        self.0 += part.len() + text.len() - after.map_or(0, <[u8]>::len);
        after
    }
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

    /// As many parts as there can be: nothing of each is kept beside its octets.
    #[test]
    fn rules_take_their_octets() {
        let mut rules = Rules::default();
        for _ in 0..1_000 {
            rules.push("/*a*b*c*d*e*f$".as_bytes(), true);
        }
        rules.shrink();
        assert_eq!(rules.memory(), 1_000 * (3 + "/*a*b*c*d*e*f".len()));
        assert_eq!(
            rules.iter().filter(|rule| rule.matches(b"/abcdef", &mut Steps::default())).count(),
            1_000
        );
    }

    /// What comes to nothing at each octet of the text costs no more than both are long.
    #[test]
    fn a_rule_takes_as_many_steps_as_it_and_a_path_are_long() {
        let text = [b'a'; 8_000];
        let mut rules = Rules::default();
        rules.push(format!("/*{}b*c", "a".repeat(4_000)).as_bytes(), true);
        rules.push(format!("/*{}c", "a*".repeat(4_000)).as_bytes(), true);
        for rule in rules.iter() {
            let mut steps = Steps::default();
            assert!(!rule.matches(&[b"/", &text[..]].concat(), &mut steps));
            assert!(steps.count() <= text.len() + rule.len(), "{}", steps.count());
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
            let mut rules = Rules::default();
            rules.push(pattern.as_bytes(), true);
            let matching: Vec<_> =
                rules.iter().map(|rule| rule.matches(&target, &mut Steps::default())).collect();
            assert_eq!(matching, [expected], "{pattern}");
        }
    }
}
