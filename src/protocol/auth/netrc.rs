//! Logins by machine, from a file in the format of ftp(1)'s `.netrc`.
//!
//! Knows the words `machine`, `default`, `login`, `password`, `account`, `macdef` in any case, quoted words and
//! comments, as curl reads them; words of other programs (`port`, `protocol`) are passed over. Must not know where the file is. Invariant: a machine's name is a
//! canonical [`Host`], so that a login goes to the host that it was written for, however it is spelt.

use std::fmt;
use std::sync::Arc;

use url::Url;

use super::credentials::Secret;
use super::fault::SecretError;
use crate::protocol::{Host, Origin};

/// The logins of a netrc file. Cheap to clone; never shown by `Debug`.
#[derive(Clone)]
pub struct Netrc(Arc<[Entry]>);

struct Entry {
    /// The line of its first word.
    line: usize,
    machine: Machine,
    login: Option<String>,
    password: Option<String>,
}

#[derive(PartialEq, Eq)]
enum Machine {
    /// Any that is not named before.
    Any,
    Named(Host),
    /// A name that no host has.
    Nobody,
}

/// Why a text is no netrc file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetrcError {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl Netrc {
    /// Reads a netrc file.
    pub fn parse(text: &str) -> Result<Netrc, NetrcError> {
        let mut entries: Vec<Entry> = Vec::new();
        // some editors begin a file with a byte order mark
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut words = Words { rest: text, line: 1 };
        while let Some(word) = words.next()? {
            let line = words.line;
            let missing = NetrcError { line, what: "a word is missing at the end" };
            let mut value = || words.value()?.ok_or(missing.clone());
            let word = word.to_ascii_lowercase();
            match &*word {
                "machine" => entries.push(Entry::of(line, machine(&value()?, line)?)),
                "default" => entries.push(Entry::of(line, Machine::Any)),
                "macdef" => {
                    value()?;
                    words.skip_macro();
                }
                "login" | "password" | "account" => {
                    let value = value()?;
                    let what = "no machine before this word";
                    let entry = entries.last_mut().ok_or(NetrcError { line, what })?;
                    match &*word {
                        "login" => entry.login = Some(value),
                        "password" => entry.password = Some(value),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(Netrc(entries.into()))
    }

    /// The logins that no request can be sent with, by their lines, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (usize, SecretError)> + '_ {
        self.0.iter().filter_map(|entry| Some((entry.line, entry.secret(None).err()?)))
    }

    /// The login for a host: the first that is for it, of this user if one is given.
    pub fn login(&self, host: &Host, user: Option<&[u8]>) -> Option<Secret> {
        let is_for = |entry: &&Entry| {
            entry.machine.is(host)
                && (entry.login.is_some() || entry.password.is_some())
                && user.is_none_or(|user| {
                    entry.login.as_ref().is_none_or(|login| login.as_bytes() == user)
                })
        };
        self.0.iter().find(is_for)?.secret(user).ok()
    }
}

impl Entry {
    fn of(line: usize, machine: Machine) -> Entry {
        Entry { line, machine, login: None, password: None }
    }

    fn secret(&self, user: Option<&[u8]>) -> Result<Secret, SecretError> {
        let own = self.login.as_deref().unwrap_or_default().as_bytes();
        Secret::login(user.unwrap_or(own), self.password.as_deref().unwrap_or_default())
    }
}

impl Machine {
    fn is(&self, host: &Host) -> bool {
        match self {
            Machine::Any => true,
            Machine::Named(name) => name == host,
            Machine::Nobody => false,
        }
    }
}

fn machine(name: &str, line: usize) -> Result<Machine, NetrcError> {
    // to curl a host with a port is a name like any other, and fits no host
    match name.rsplit_once(':') {
        Some((before, port))
            if is_port(port) && (!before.contains(':') || before.ends_with(']')) =>
        {
            Ok(Machine::Nobody)
        }
        _ => host(name, line).map(Machine::Named),
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn host(name: &str, line: usize) -> Result<Host, NetrcError> {
    let bad = NetrcError { line, what: "the machine is no host" };
    if name.contains(['/', '@', '?', '#', '\\']) {
        return Err(bad);
    }
    let bracketed = format!("[{name}]");
    let authority = if name.contains(':') && !name.starts_with('[') { &bracketed } else { name };
    let url = Url::parse(&format!("http://{authority}/")).map_err(|_| bad.clone())?;
    let origin = Origin::from_url(&url).map_err(|_| bad)?;
    Ok(origin.host().clone())
}

struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl Words<'_> {
    /// The next word that is in no comment.
    fn next(&mut self) -> Result<Option<String>, NetrcError> {
        loop {
            self.skip_blanks();
            match self.rest.starts_with('#') {
                true => self.advance(self.rest.find('\n').unwrap_or(self.rest.len())),
                false => return self.value(),
            }
        }
    }

    /// The next word, which may begin as a comment does.
    fn value(&mut self) -> Result<Option<String>, NetrcError> {
        self.skip_blanks();
        if self.rest.is_empty() {
            return Ok(None);
        }
        if self.rest.starts_with('"') {
            return self.quoted().map(Some);
        }
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.advance(end);
        Ok(Some(word))
    }

    fn skip_blanks(&mut self) {
        self.advance(self.rest.len() - self.rest.trim_start().len());
    }

    fn quoted(&mut self) -> Result<String, NetrcError> {
        let mut word = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.advance(at + 1);
                    return Ok(word);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => word.push('\n'),
                    Some((_, 'r')) => word.push('\r'),
                    Some((_, 't')) => word.push('\t'),
                    Some((_, other)) => word.push(other),
                    None => break,
                },
                '\n' => break,
                _ => word.push(char),
            }
        }
        Err(NetrcError { line: self.line, what: "a quoted word without an end" })
    }

    /// A macro ends at an empty line.
    fn skip_macro(&mut self) {
        let end = self.rest.find("\n\n").unwrap_or(self.rest.len());
        self.advance(end);
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netrc({} entries)", self.0.len())
    }
}

impl fmt::Display for NetrcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for NetrcError {}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine
machine a.example login me password secret
machine B.Example. login \"with space\" password \"a\\\"b\\tc#\" account x
macdef init
machine c.example login no password no

machine c.example
  password alone
machine ::1 login six password six
machine d.example:8080 login port password no
machine [::2]:80 login port password no
machine a.example login other password second
machine bücher.example login b password b
default login any password thing
";

    fn login(netrc: &Netrc, host: &str, user: Option<&str>) -> Option<Secret> {
        let url = Url::parse(&format!("https://{host}:444/")).unwrap();
        let origin = Origin::from_url(&url).unwrap();
        netrc.login(origin.host(), user.map(str::as_bytes))
    }

    #[test]
    fn logins_by_machine() {
        let netrc = Netrc::parse(FILE).unwrap();
        let table = [
            ("a.example", None, ("me", "secret")),
            ("A.EXAMPLE", None, ("me", "secret")),
            ("a.example.", None, ("any", "thing")),
            ("a.example", Some("other"), ("other", "second")),
            ("b.example.", None, ("with space", "a\"b\tc#")),
            ("c.example", None, ("", "alone")),
            ("c.example", Some("u"), ("u", "alone")),
            ("[0::1]", None, ("six", "six")),
            ("xn--bcher-kva.example", None, ("b", "b")),
            ("else.example", None, ("any", "thing")),
            ("sub.a.example", None, ("any", "thing")),
            // a machine has no port
            ("d.example", None, ("any", "thing")),
        ];
        for (host, user, (name, password)) in table {
            // a tab cannot be part of a login
            let want = Secret::login(name, password).ok();
            assert_eq!(login(&netrc, host, user), want, "{host}");
        }
        let bare = Netrc::parse("machine a login b password c").unwrap();
        assert_eq!(login(&bare, "b", None), None);
        assert_eq!(login(&bare, "a", Some("x")), None);
        assert!(!format!("{netrc:?}").contains("secret"));
    }

    /// Files that other programs write, and passwords as these make them.
    #[test]
    fn words_of_others_are_passed_over() {
        for text in [
            "machine a login b password #c port 8080",
            "machine a port 8080 protocol https login b password #c",
            "MACHINE a\n\tLogin b # me\n\tPASSWORD #c",
            "machine other foo login x\nmachine a login b\npassword\n#c",
        ] {
            let want = Secret::login("b", "#c").ok();
            assert_eq!(login(&Netrc::parse(text).unwrap(), "a", None), want, "{text}");
        }
    }

    #[test]
    fn no_netrc_files() {
        let table = [
            ("login me", 1, "no machine before this word"),
            ("machine a\nlogin", 2, "a word is missing at the end"),
            ("machine", 1, "a word is missing at the end"),
            ("machine a login \"b", 1, "a quoted word without an end"),
            ("machine a login \"b\nc\"", 1, "a quoted word without an end"),
            ("machine a@b login c", 1, "the machine is no host"),
            ("machine a..b login c", 1, "the machine is no host"),
        ];
        for (text, line, what) in table {
            assert_eq!(Netrc::parse(text).err(), Some(NetrcError { line, what }), "{text}");
        }
        assert!(Netrc::parse("").is_ok());
    }

    #[test]
    fn a_byte_order_mark_is_none_of_the_words() {
        let netrc = Netrc::parse("\u{feff}machine a login b password c").unwrap();
        assert_eq!(login(&netrc, "a", None), Secret::login("b", "c").ok());
        // elsewhere it is part of a word, which nobody knows
        let amid = Netrc::parse("machine a\n\u{feff}login b").unwrap();
        assert_eq!(login(&amid, "a", None), None);
    }

    #[test]
    fn logins_that_cannot_be_sent_are_told_of() {
        let text = "machine a login b password c\n# x\nmachine d\n login e:f\n\
                    default login \"g\" password \"h\\ti\"\nmachine j account k";
        let unusable: Vec<_> = Netrc::parse(text).unwrap().unusable().collect();
        let want = [(3, SecretError::ColonInUser), (5, SecretError::ControlCharacter)];
        assert_eq!(unusable, want);
    }
}
