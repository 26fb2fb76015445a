//! The challenges of a response, from its field lines.
//!
//! Knows the grammar of RFC 9110, 11.2, 11.3 and 11.6.1: schemes, `token68`, parameters, quoted
//! strings, several challenges in one line or in many. Must not know what a scheme means.
//! Servers in the wild part parameters by semicolons or blanks as well, say them twice (the last one counts), leave
//! out quotation marks and values: such lines are read as curl reads them, or better.
//! Invariants: each byte is looked at a bounded number of times; a line is understood up to what is
//! malformed in it, and the challenge in which that stands is none; numbers are bounded.

use crate::limits;
use crate::protocol::field::is_token_byte;
use crate::protocol::head::ResponseHead;

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: String,
    /// With names in lower case, of which there is one each. A `token68` is no parameter: no scheme
    /// that is answered has one.
    parameters: Vec<(String, Vec<u8>)>,
}

impl Challenge {
    /// Whether it is of this scheme, in any case.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter, unquoted.
    pub(super) fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
    }
}

/// The challenges in all field lines of this name, in order, so far as they are well-formed.
pub(super) fn challenges(head: &ResponseHead<'_>, field: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    for (name, value) in head.fields() {
        if name.eq_ignore_ascii_case(field) {
            Line { rest: &value }.challenges(&mut found);
        }
    }
    found
}

/// The parameters of a line that has nothing else (RFC 7615); `None` if it is malformed.
pub(super) fn parameters(value: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut line = Line { rest: value };
    let mut found = Vec::new();
    loop {
        line.skip_separators();
        if line.rest.is_empty() {
            return Some(found);
        }
        line.parameter(&mut found)?;
    }
}

/// What of a field value is yet to be read.
struct Line<'a> {
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    fn challenges(&mut self, found: &mut Vec<Challenge>) {
        self.skip_separators();
        while !self.rest.is_empty() && found.len() < limits::CHALLENGES {
            let Some(challenge) = self.challenge() else { return };
            found.push(challenge);
            self.skip_separators();
        }
    }

    /// A scheme and what belongs to it, up to the next scheme.
    fn challenge(&mut self) -> Option<Challenge> {
        let scheme = text(self.token()?);
        let mut challenge = Challenge { scheme, parameters: Vec::new() };
        if !self.skip_blanks() {
            return self.ends_an_element().map(|()| challenge);
        }
        if self.token68() {
            return Some(challenge);
        }
        // a list: its elements are parameters, as long as they look like one
        self.skip_separators();
        while self.is_at_parameter() || self.bare_word(&mut challenge.parameters) {
            if self.is_at_parameter() {
                self.parameter(&mut challenge.parameters)?;
            }
            self.skip_separators();
        }
        Some(challenge)
    }

    /// Passes over an element that is but a word, if it is no scheme: a value of the `qop` before it, of which the
    /// list has no quotation marks, or the name of a parameter that has no value, before another one.
    fn bare_word(&mut self, found: &mut [(String, Vec<u8>)]) -> bool {
        let mut after = Line { rest: self.rest };
        let Some((word, (name, value))) = after.token().zip(found.last_mut()) else { return false };
        if after.ends_an_element().is_none() {
            return false;
        }
        after.skip_separators();
        let is_qop = ["auth", "auth-int"].iter().any(|of| word.eq_ignore_ascii_case(of.as_bytes()));
        if is_qop && name == "qop" {
            value.push(b',');
            value.extend_from_slice(word);
        } else if !after.is_at_parameter() {
            return false;
        }
        self.rest = after.rest;
        true
    }

    fn parameter(&mut self, found: &mut Vec<(String, Vec<u8>)>) -> Option<()> {
        let name = text(self.token()?).to_ascii_lowercase();
        self.skip_blanks();
        self.take(b'=')?;
        self.skip_blanks();
        let value = match self.rest.first() {
            Some(b'"') => self.quoted()?,
            _ => self.unquoted()?,
        };
        let was_blank = self.skip_blanks();
        if !(was_blank && self.is_at_parameter()) {
            self.ends_an_element()?;
        }
        match found.iter().position(|(known, _)| *known == name) {
            Some(before) => found[before].1 = value,
            None if found.len() == limits::CHALLENGE_PARAMETERS => return None,
            None => found.push((name, value)),
        }
        Some(())
    }

    /// A value without quotation marks, up to a separator or the next parameter: a token by rights, but nonces end in
    /// `==`, and realms have blanks.
    fn unquoted(&mut self) -> Option<Vec<u8>> {
        let ends = |byte: u8| matches!(byte, b' ' | b'\t' | b',' | b';' | b'"');
        let mut end = 0;
        loop {
            end += self.rest[end..].iter().take_while(|&&byte| !ends(byte)).count();
            let mut after = Line { rest: &self.rest[end..] };
            after.skip_blanks();
            match after.rest.first() {
                Some(b'"') => return None,
                None | Some(b',' | b';') => break,
                Some(_) if after.is_at_parameter() => break,
                Some(_) => end = self.rest.len() - after.rest.len(),
            }
        }
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(value.to_vec())
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then_some(token)
    }

    /// A quoted string's content (RFC 9110, 5.6.4).
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let mut at = 1;
        loop {
            match *self.rest.get(at)? {
                b'"' => break,
                b'\\' => {
                    content.push(*self.rest.get(at + 1)?);
                    at += 2;
                }
                byte => {
                    content.push(byte);
                    at += 1;
                }
            }
        }
        self.rest = &self.rest[at + 1..];
        Some(content)
    }

    /// Passes over a `token68`, if all of this element is one. (`a=` is one, `a=b` is not.)
    fn token68(&mut self) -> bool {
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let length = self.rest.iter().take_while(|&&byte| is_byte(byte)).count();
        let padding = self.rest[length..].iter().take_while(|&&byte| byte == b'=').count();
        let mut after = Line { rest: &self.rest[length + padding..] };
        let is_one = length > 0 && after.ends_an_element().is_some();
        if is_one {
            self.rest = after.rest;
        }
        is_one
    }

    /// Whether a parameter comes next, and not another scheme.
    fn is_at_parameter(&self) -> bool {
        let mut ahead = Line { rest: self.rest };
        let is_token = ahead.token().is_some();
        ahead.skip_blanks();
        is_token && ahead.rest.first() == Some(&b'=')
    }

    /// To the separator after an element, or the end.
    fn ends_an_element(&mut self) -> Option<()> {
        self.skip_blanks();
        match self.rest.first() {
            None | Some(b',' | b';') => Some(()),
            Some(_) => None,
        }
    }

    /// Says whether there were any.
    fn skip_blanks(&mut self) -> bool {
        let length = self.rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        self.rest = &self.rest[length..];
        length > 0
    }

    /// Past empty elements of a list, too.
    fn skip_separators(&mut self) {
        let is_between = |byte: u8| matches!(byte, b' ' | b'\t' | b',' | b';');
        let length = self.rest.iter().take_while(|&&byte| is_between(byte)).count();
        self.rest = &self.rest[length..];
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }
}

/// A token, which is ASCII, as text.
fn text(token: &[u8]) -> String {
    String::from_utf8_lossy(token).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The challenges of a value, each as `scheme name=value …`.
    fn read(value: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        Line { rest: value }.challenges(&mut found);
        let shown = |challenge: &Challenge| {
            let parameters = challenge.parameters.iter();
            let parameters =
                parameters.map(|(name, value)| format!(" {name}={}", value.escape_ascii()));
            challenge.scheme.clone() + &parameters.collect::<String>()
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn well_formed() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" , ,", &[]),
            ("Basic", &["Basic"]),
            ("Basic realm=simple", &["Basic realm=simple"]),
            ("bAsIc REALM = \"a b\" , charset=\"UTF-8\"", &["bAsIc realm=a b charset=UTF-8"]),
            // RFC 9110, 11.6.1
            (
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
                &["Basic realm=simple", r#"Newauth realm=apps type=1 title=Login to \"apps\""#],
            ),
            ("Negotiate, Basic realm=x", &["Negotiate", "Basic realm=x"]),
            ("Negotiate YWJj==, Basic realm=x", &["Negotiate", "Basic realm=x"]),
            ("Negotiate a=", &["Negotiate"]),
            ("New a=b", &["New a=b"]),
            ("Basic ,, realm=x,,, Digest ,", &["Basic realm=x", "Digest"]),
            ("A,B,C", &["A", "B", "C"]),
            ("A B, C=d", &["A"]),
            ("Basic realm=\"a, Digest realm=b\"", &["Basic realm=a, Digest realm=b"]),
            (r#"Basic realm="\\\"""#, &[r#"Basic realm=\\\""#]),
            ("Basic realm=\"\"", &["Basic realm="]),
            ("Basic\trealm=x", &["Basic realm=x"]),
        ];
        for (value, want) in table {
            assert_eq!(read(value.as_bytes()), *want, "{value}");
        }
        assert_eq!(read(b"Basic realm=\"\xe4\""), ["Basic realm=\\xe4"]);
    }

    #[test]
    fn as_servers_write() {
        let table: &[(&str, &[&str])] = &[
            ("Basic realm=a, realm=b", &["Basic realm=b"]),
            ("Basic realm=a, x=y, REALM=\"c\"", &["Basic realm=c x=y"]),
            ("Basic realm=a=b", &["Basic realm=a=b"]),
            ("Basic realm=(a)", &["Basic realm=(a)"]),
            ("Basic realm=my old router", &["Basic realm=my old router"]),
            ("Basic realm=my router , Negotiate", &["Basic realm=my router", "Negotiate"]),
            ("Digest nonce=MTI==, opaque=, qop=auth", &["Digest nonce=MTI== opaque= qop=auth"]),
            ("Digest realm=\"r\"; nonce=1;qop=\"auth\"", &["Digest realm=r nonce=1 qop=auth"]),
            ("Digest realm=\"r\" nonce=1 qop=\"auth\"", &["Digest realm=r nonce=1 qop=auth"]),
            ("Basic realm=a; Digest realm=b", &["Basic realm=a", "Digest realm=b"]),
            ("Digest qop=auth-int,auth, nonce=1", &["Digest qop=auth-int,auth nonce=1"]),
            ("Digest nonce=1, qop=auth , AUTH-INT", &["Digest nonce=1 qop=auth,AUTH-INT"]),
            ("Digest nonce=1, qop=auth, Basic", &["Digest nonce=1 qop=auth", "Basic"]),
            (
                "Digest nonce=1, qop=auth, Basic realm=x",
                &["Digest nonce=1 qop=auth", "Basic realm=x"],
            ),
            ("Digest nonce=1, stale, qop=auth", &["Digest nonce=1 qop=auth"]),
            ("Digest nonce=1, stale", &["Digest nonce=1", "stale"]),
        ];
        for (value, want) in table {
            assert_eq!(read(value.as_bytes()), *want, "{value}");
        }
    }

    /// What is malformed takes its challenge along and what comes after it, not what came before.
    #[test]
    fn malformed() {
        let table: &[(&str, &[&str])] = &[
            ("=", &[]),
            ("\"Basic\"", &[]),
            ("Basic realm=\"open", &[]),
            ("Basic realm=\"open\\", &[]),
            ("Basic realm=\"a\"b", &[]),
            ("Basic realm=", &["Basic"]),
            ("Basic realm=a\"b\"", &[]),
            ("Basic realm=a \"b\"", &[]),
            ("Basic@x", &[]),
            ("Basic realm=ok, Digest realm=\"open", &["Basic realm=ok"]),
            ("Basic realm=ok, @, Digest realm=x", &["Basic realm=ok"]),
            ("Basic realm=ok, Digest nonce=\"a\" b, New x=y", &["Basic realm=ok"]),
        ];
        for (value, want) in table {
            assert_eq!(read(value.as_bytes()), *want, "{value}");
        }
    }

    #[test]
    fn numbers_are_bounded() {
        let many = "Basic realm=x, ".repeat(10_000);
        assert_eq!(read(many.as_bytes()).len(), limits::CHALLENGES);
        let parameters = |n: usize| {
            let list: Vec<_> = (0..n).map(|n| format!("p{n}=1")).collect();
            read(format!("Digest {}", list.join(",")).as_bytes()).len()
        };
        assert_eq!(parameters(limits::CHALLENGE_PARAMETERS), 1);
        assert_eq!(parameters(limits::CHALLENGE_PARAMETERS + 1), 0);
    }

    #[test]
    fn parameters_alone() {
        let read = |value: &str| parameters(value.as_bytes()).map(|found| found.len());
        assert_eq!(read("nextnonce=\"a\", qop=auth"), Some(2));
        assert_eq!(read(""), Some(0));
        assert_eq!(read("a=b, a=c; d=e"), Some(2));
        for bad in ["a", "a=\"", "Digest a=b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
