//! Lines of a field section that are no field lines, and what becomes of each.
//!
//! Servers send them: a warning of the program behind them, a name with a space in it or in UTF-8, white space
//! before the colon, control characters in a value. RFC 9110, 5.5 and RFC 9112, 2.2 and 5.1 leave it to whoever
//! receives them, and here:
//!
//! * white space between a name and its colon is taken away, as RFC 9112, 5.1 has proxies do;
//! * a control character in a value stays in it;
//! * any other line, with those that are folded onto it, is passed over;
//! * CR without LF, and NUL, are faults: there readers differ in where a line ends;
//! * so is each of these where the line is, or resembles, one about framing, the connection or credentials: who reads
//!   such a line otherwise reads another message.
//!
//! Knows single lines. Must not know heads, nor what fields mean. Invariant: a line that is a field line by RFC 9112, 5
//! is read as it stands.

use memchr::memchr;

use super::fault::{HttpFault, excerpt};
use super::field::{is_token_byte, is_value_byte, trim_folded};

/// Bytes of the first line of a field section, with the lines that are folded onto it (RFC 9112, 5.2). `None` until
/// the byte after it has come, which says whether it goes on.
pub(super) fn first_line(section: &[u8]) -> Option<usize> {
    let mut end = 0;
    loop {
        end += memchr(b'\n', &section[end..])? + 1;
        if !matches!(section.get(end)?, b' ' | b'\t') {
            return Some(end);
        }
    }
}

/// The name and the value of a line, if it has such: the name without white space after it, the value without white
/// space around it.
pub(super) fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte));
    let name = is_name.then(|| std::str::from_utf8(name).ok()).flatten()?;
    // a fold before the colon is no white space that proxies take away
    (!line[..colon].contains(&b'\n')).then(|| (name, trim_folded(&line[colon + 1..])))
}

/// As [`split`]; a fault if the line may not be passed over, or not be read as that.
pub(super) fn judge(line: &[u8]) -> Result<Option<(&str, &[u8])>, HttpFault> {
    let is_good = match split(line) {
        _ if has_nul_or_bare_cr(line) => false,
        None => !resembles_grave(line),
        Some((name, value)) => {
            let resemblance = Resemblance::of(name.as_bytes());
            let is_usual = |byte: &u8| is_value_byte(*byte) || matches!(byte, b'\r' | b'\n');
            (line[name.len()] == b':' || !resemblance.is_grave())
                && (value.iter().all(is_usual) || !resemblance.forbids_controls())
        }
    };
    match is_good {
        true => Ok(split(line)),
        false => Err(HttpFault::BadField { line: excerpt(line) }),
    }
}

fn has_nul_or_bare_cr(line: &[u8]) -> bool {
    memchr(0, line).is_some()
        || memchr::memchr_iter(b'\r', line).any(|at| line.get(at + 1) != Some(&b'\n'))
}

/// Whether a line that is none of ours may be one of those to another reader: as a whole, or one of those folded onto it.
fn resembles_grave(line: &[u8]) -> bool {
    Resemblance::of(line).is_grave()
        || line.split(|&byte| byte == b'\n').any(|line| Resemblance::of(line).is_grave())
}

/// Which of the [`GRAVE`] names a name resembles: its letters and digits are theirs, whatever stands around them and
/// between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resemblance {
    /// A bit for each name.
    candidates: u16,
    letters: u8,
}

impl Resemblance {
    pub(super) const NONE_YET: Resemblance =
        Resemblance { candidates: (1 << GRAVE.len()) - 1, letters: 0 };

    /// Of what is before a colon, or of all.
    fn of(line: &[u8]) -> Resemblance {
        let mut resemblance = Resemblance::NONE_YET;
        for &byte in line.iter().take_while(|&&byte| byte != b':') {
            resemblance.take(byte);
        }
        resemblance
    }

    /// The name goes on with this byte.
    pub(super) fn take(&mut self, byte: u8) {
        if !byte.is_ascii_alphanumeric() {
            return;
        }
        let at = usize::from(self.letters);
        for (n, name) in GRAVE.iter().enumerate() {
            let goes_on = match name.as_bytes().get(at) {
                Some(letter) => byte.eq_ignore_ascii_case(letter),
                None => n < FRAMING,
            };
            if !goes_on {
                self.candidates &= !(1 << n);
            }
        }
        self.letters = self.letters.saturating_add(1);
    }

    /// Whether it resembles a name that a malformed line may not have.
    pub(super) fn is_grave(self) -> bool {
        self.resembled().next().is_some()
    }

    /// Whether it resembles one whose value may have no control characters. A Set-Cookie that has some is no cookie
    /// (RFC 6265bis, 5.6), which is enough.
    pub(super) fn forbids_controls(self) -> bool {
        self.resembled().any(|n| n < COOKIES)
    }

    fn resembled(self) -> impl Iterator<Item = usize> {
        let whole = move |name: &str| name.len() <= usize::from(self.letters);
        (0..GRAVE.len()).filter(move |&n| self.candidates & 1 << n != 0 && whole(GRAVE[n]))
    }
}

/// Names of fields about framing, about the connection, about credentials: letters and digits alone.
const GRAVE: [&str; 13] = [
    "contentlength",
    "transferencoding",
    "connection",
    "keepalive",
    "proxyconnection",
    "trailer",
    "upgrade",
    "wwwauthenticate",
    "proxyauthenticate",
    "authenticationinfo",
    "proxyauthenticationinfo",
    "setcookie",
    "setcookie2",
];

/// So many of them, the first, are resembled by what goes on after them, too.
const FRAMING: usize = 2;

/// From here on, those of cookies.
const COOKIES: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_read() {
        let table: &[(&[u8], &str, &[u8])] = &[
            (b"A: b\r\n", "A", b"b"),
            (b"A:b\n", "A", b"b"),
            (b"A : b\r\n", "A", b"b"),
            (b"A \t :\r\n", "A", b""),
            (b"A: b\x01\x7f\x1b[c\r\n", "A", b"b\x01\x7f\x1b[c"),
            (b"A: b\r\n c\x01\r\n", "A", b"b\r\n c\x01"),
            (b"Location : /a\r\n", "Location", b"/a"),
            (b"Set-Cookie: a=\x01\r\n", "Set-Cookie", b"a=\x01"),
            (b"Content-Length: x\r\n", "Content-Length", b"x"),
            (b"Content_Length: 5\r\n", "Content_Length", b"5"),
            (b"Connection:\r\n close\r\n", "Connection", b"close"),
        ];
        for &(line, name, value) in table {
            assert_eq!(judge(line), Ok(Some((name, value))), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn lines_that_are_passed_over() {
        let table: &[&[u8]] = &[
            b"PHP Warning: x in y.php\r\n",
            b"PHP Warning: x\r\n in y.php\r\n",
            b"no colon\r\n",
            b": v\r\n",
            b" : v\r\n",
            b" leading: fold\r\n",
            b"A\r\n : b\r\n",
            b"caf\xc3\xa9: x\r\n",
            b"A\x01: b\r\n",
            b"A\x7f\r\n",
            b"\x01\r\n",
            b"a@b: c\r\n",
            b"Connection refused\r\n",
            b"Connection refused: x\r\n",
            b"A Content-Length: 5\r\n",
        ];
        for &line in table {
            assert_eq!(judge(line), Ok(None), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn lines_that_are_faults() {
        let table: &[&[u8]] = &[
            b"A: b\0\r\n",
            b"A: b\rc\r\n",
            b"A: b\r\r\n",
            b"A\0: b\r\n",
            b"no\0colon\r\n",
            b"no\rcolon\r\n",
            b"Content-Length : 5\r\n",
            b"content-length\t: 5\r\n",
            b"CONTENT-LENGTH\x01: 5\r\n",
            b"Content Length: 5\r\n",
            b"Content-Length 5\r\n",
            b"Content-Length=5\r\n",
            b"Content-Length\r\n : 5\r\n",
            b"Content-\r\n Length: 5\r\n",
            b" Content-Length: 5\r\n",
            b"\xef\xbb\xbfContent-Length: 5\r\n",
            b"Content-Length\xa0: 5\r\n",
            b"x y\r\n Content-Length: 5\r\n",
            b"x y\r\n\tTransfer-Encoding\x0b: chunked\r\n z\r\n",
            b"Transfer-Encoding : chunked\r\n",
            b"Transfer-Encoding\x0b: chunked\r\n",
            b"Transfer-Encoding: \x0bchunked\r\n",
            b"Transfer-Encoding: chunked\x7f\r\n",
            b"Content-Length: 5\x01\r\n",
            b"Connection : close\r\n",
            b"Connection\r\n",
            b"Connection: close\x01\r\n",
            b"Keep-Alive : timeout=5\r\n",
            b"Set-Cookie : a=b\r\n",
            b"Set-Cookie\x01: a=b\r\n",
            b"WWW-Authenticate : Basic\r\n",
            b"WWW-Authenticate: Basic realm=\"\x01\"\r\n",
            b"Proxy-Authenticate : Basic\r\n",
        ];
        for &line in table {
            assert!(judge(line).is_err(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_line_ends_where_the_next_begins() {
        let table: &[(&[u8], Option<usize>)] = &[
            (b"", None),
            (b"A: b", None),
            (b"A: b\r\n", None),
            (b"A: b\r\nC", Some(6)),
            (b"A: b\n\r", Some(5)),
            (b"A: b\r\n c\r\n", None),
            (b"A: b\r\n c\n\td\n\r\n", Some(12)),
        ];
        for &(section, len) in table {
            assert_eq!(first_line(section), len, "{}", section.escape_ascii());
        }
    }
}
