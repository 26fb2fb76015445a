//! A URL as curl takes it apart: leniently, and with its parts as they were written.
//!
//! Knows curl's URL syntax (curl_url_set(3), and RFC 3986 where curl follows it). Must not know handles or C. Invariant: no
//! part has a control character.

use super::host;
use super::path::{remove_dots, resolve};
use crate::codes::UrlCode;

/// CURLU_* of urlapi.h.
pub(crate) mod flags {
    pub(crate) const DEFAULT_PORT: u32 = 1 << 0;
    pub(crate) const NO_DEFAULT_PORT: u32 = 1 << 1;
    pub(crate) const DEFAULT_SCHEME: u32 = 1 << 2;
    pub(crate) const NON_SUPPORT_SCHEME: u32 = 1 << 3;
    pub(crate) const PATH_AS_IS: u32 = 1 << 4;
    pub(crate) const DISALLOW_USER: u32 = 1 << 5;
    pub(crate) const URLDECODE: u32 = 1 << 6;
    pub(crate) const URLENCODE: u32 = 1 << 7;
    pub(crate) const APPENDQUERY: u32 = 1 << 8;
    pub(crate) const GUESS_SCHEME: u32 = 1 << 9;
    pub(crate) const NO_AUTHORITY: u32 = 1 << 10;
    pub(crate) const ALLOW_SPACE: u32 = 1 << 11;
    pub(crate) const PUNYCODE: u32 = 1 << 12;
    pub(crate) const PUNY2IDN: u32 = 1 << 13;
    pub(crate) const GET_EMPTY: u32 = 1 << 14;
    pub(crate) const NO_GUESS_SCHEME: u32 = 1 << 15;
}

/// The longest text that is taken, in bytes: as long as curl's.
pub(super) const LONGEST: usize = 8_000_000;

/// The longest name of a scheme.
const LONGEST_SCHEME: usize = 40;

/// A URL's parts, each as it was written, or absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) scheme: Option<Vec<u8>>,
    /// The scheme was not written but guessed.
    pub(crate) guessed: bool,
    pub(crate) user: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) options: Option<Vec<u8>>,
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) port: Option<u16>,
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) fragment: Option<Vec<u8>>,
    pub(crate) zone: Option<Vec<u8>>,
}

/// The port of a scheme that is spoken here.
pub(crate) fn default_port(scheme: &[u8]) -> Option<u16> {
    match scheme {
        b"http" | b"ws" => Some(80),
        b"https" | b"wss" => Some(443),
        _ => None,
    }
}

impl Parts {
    /// A URL, absolute or relative to `self` if that is whole.
    pub(crate) fn parse(&self, text: &[u8], flags: u32) -> Result<Parts, UrlCode> {
        check(text, flags)?;
        if scheme_of(text, flags).is_some() || self.scheme.is_none() || self.host.is_none() {
            return Parts::absolute(text, flags);
        }
        let whole = resolve(&self.compose(flags | flags::NO_DEFAULT_PORT)?, text);
        Parts::absolute(&whole, flags)
    }

    fn absolute(text: &[u8], flags: u32) -> Result<Parts, UrlCode> {
        let mut parts = Parts::default();
        let rest = parts.take_scheme(text, flags)?;
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        parts.take_authority(authority, flags)?;
        if parts.scheme.is_none() {
            parts.guess_scheme(flags)?;
        }
        parts.take_rest(rest, flags);
        Ok(parts)
    }

    /// Takes the scheme and the slashes; what follows is the authority.
    fn take_scheme<'a>(&mut self, text: &'a [u8], flags: u32) -> Result<&'a [u8], UrlCode> {
        let Some(scheme) = scheme_of(text, flags) else {
            if flags & (flags::DEFAULT_SCHEME | flags::GUESS_SCHEME) == 0 {
                return Err(UrlCode::BAD_SCHEME);
            }
            if flags & flags::DEFAULT_SCHEME != 0 {
                self.scheme = Some(b"https".to_vec());
            }
            return Ok(text);
        };
        let rest = &text[scheme.len() + 1..];
        let scheme = scheme.to_ascii_lowercase();
        let slashes = rest.iter().take_while(|&&byte| byte == b'/').count();
        if default_port(&scheme).is_none() && flags & flags::NON_SUPPORT_SCHEME == 0 {
            return Err(UrlCode::UNSUPPORTED_SCHEME);
        }
        if !(1..=3).contains(&slashes) {
            return Err(UrlCode::BAD_SLASHES);
        }
        self.scheme = Some(scheme);
        Ok(&rest[slashes..])
    }

    fn take_authority(&mut self, authority: &[u8], flags: u32) -> Result<(), UrlCode> {
        let mut host = authority;
        if let Some(at) = authority.iter().rposition(|&byte| byte == b'@') {
            if flags & flags::DISALLOW_USER != 0 {
                return Err(UrlCode::USER_NOT_ALLOWED);
            }
            self.take_login(&authority[..at]);
            host = &authority[at + 1..];
        }
        let host = self.take_port(host)?;
        if host.is_empty() {
            let allowed = flags & flags::NO_AUTHORITY != 0;
            self.host = allowed.then(Vec::new);
            return if allowed { Ok(()) } else { Err(UrlCode::NO_HOST) };
        }
        let (host, zone) = host::canonical(host)?;
        self.host = Some(host);
        self.zone = zone;
        Ok(())
    }

    fn take_login(&mut self, login: &[u8]) {
        let mut halves = login.splitn(2, |&byte| byte == b':');
        self.user = Some(halves.next().unwrap_or_default().to_vec());
        self.password = halves.next().map(<[u8]>::to_vec);
    }

    /// Takes the port off the end of a host.
    fn take_port<'a>(&mut self, host: &'a [u8]) -> Result<&'a [u8], UrlCode> {
        let from = match host.first() {
            Some(b'[') => host.iter().position(|&byte| byte == b']').ok_or(UrlCode::BAD_IPV6)? + 1,
            _ => host.iter().position(|&byte| byte == b':').unwrap_or(host.len()),
        };
        let (name, rest) = host.split_at(from);
        match rest.split_first() {
            None => {}
            Some((b':', [])) => {}
            Some((b':', digits)) => self.port = Some(port(digits)?),
            Some(_) => return Err(UrlCode::BAD_IPV6),
        }
        Ok(name)
    }

    /// By the beginning of the host's name, as curl has always done it.
    fn guess_scheme(&mut self, flags: u32) -> Result<(), UrlCode> {
        let host = self.host.as_deref().unwrap_or_default().to_ascii_lowercase();
        let names: [&[u8]; 6] = [b"ftp", b"dict", b"ldap", b"imap", b"smtp", b"pop3"];
        let named = names
            .into_iter()
            .find(|name| host.strip_prefix(*name).is_some_and(|rest| rest.first() == Some(&b'.')));
        if named.is_some() && flags & flags::NON_SUPPORT_SCHEME == 0 {
            return Err(UrlCode::UNSUPPORTED_SCHEME);
        }
        self.scheme = Some(named.unwrap_or(b"http").to_vec());
        self.guessed = true;
        Ok(())
    }

    fn take_rest(&mut self, rest: &[u8], flags: u32) {
        let (rest, fragment) = cut(rest, b'#');
        let (path, query) = cut(rest, b'?');
        let encoded = |part: &[u8], query: bool| match flags & flags::URLENCODE {
            0 => part.to_vec(),
            _ => encode_spaces(part, query),
        };
        self.fragment = fragment.map(|fragment| encoded(fragment, false));
        self.query = query.map(|query| encoded(query, true));
        let path = encoded(path, false);
        self.path = match flags & flags::PATH_AS_IS {
            _ if path.is_empty() => None,
            0 => Some(remove_dots(&path)),
            _ => Some(path),
        };
    }

    /// The whole URL.
    pub(crate) fn compose(&self, flags: u32) -> Result<Vec<u8>, UrlCode> {
        let host = self.host.as_ref().ok_or(UrlCode::NO_HOST)?;
        let scheme = match (&self.scheme, flags & flags::DEFAULT_SCHEME) {
            (Some(scheme), _) => scheme.clone(),
            (None, 0) => return Err(UrlCode::NO_SCHEME),
            (None, _) => b"https".to_vec(),
        };
        let default = default_port(&scheme);
        let port = match self.port {
            None if flags & flags::DEFAULT_PORT != 0 => default,
            Some(port) if flags & flags::NO_DEFAULT_PORT != 0 && Some(port) == default => None,
            port => port,
        };
        let mut url = Vec::new();
        if !(self.guessed && flags & flags::NO_GUESS_SCHEME != 0) {
            url.extend([&scheme[..], b"://"].concat());
        }
        self.compose_login(&mut url);
        url.extend(self.composed_host(host, flags)?);
        if let Some(port) = port {
            url.extend(format!(":{port}").as_bytes());
        }
        let path = self.path.as_deref().unwrap_or(b"/");
        if !path.starts_with(b"/") {
            url.push(b'/');
        }
        url.extend(path);
        let empty = flags & flags::GET_EMPTY != 0;
        for (mark, part) in [(b'?', &self.query), (b'#', &self.fragment)] {
            if let Some(part) = part.as_ref().filter(|part| empty || !part.is_empty()) {
                url.push(mark);
                url.extend(part);
            }
        }
        Ok(url)
    }

    fn compose_login(&self, url: &mut Vec<u8>) {
        if self.user.is_none() && self.password.is_none() {
            return;
        }
        url.extend(self.user.iter().flatten());
        for (mark, part) in [(b':', &self.password), (b';', &self.options)] {
            if let Some(part) = part {
                url.push(mark);
                url.extend(part);
            }
        }
        url.push(b'@');
    }

    fn composed_host(&self, host: &[u8], flags: u32) -> Result<Vec<u8>, UrlCode> {
        let inner = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
        match (inner, &self.zone) {
            (Some(address), Some(zone)) => Ok([b"[", address, b"%25", zone, b"]"].concat()),
            _ if flags & flags::PUNYCODE != 0 => host::punycode(host),
            _ if flags & flags::PUNY2IDN != 0 => Err(UrlCode::LACKS_IDN),
            _ => Ok(host.to_vec()),
        }
    }
}

/// A number of a port, in decimal.
pub(super) fn port(digits: &[u8]) -> Result<u16, UrlCode> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(UrlCode::BAD_PORT_NUMBER)
}

/// The scheme that a text begins with. One that is guessed at may be a host with a port.
fn scheme_of(text: &[u8], flags: u32) -> Option<&[u8]> {
    let end = text.iter().position(|&byte| byte == b':').filter(|&end| end <= LONGEST_SCHEME)?;
    let scheme = &text[..end];
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let slash = text.get(end + 1) == Some(&b'/');
    let guesses = flags & (flags::GUESS_SCHEME | flags::DEFAULT_SCHEME) != 0;
    (is_scheme && (slash || !guesses)).then_some(scheme)
}

/// Refuses what no part may have.
pub(super) fn check(text: &[u8], flags: u32) -> Result<(), UrlCode> {
    let space = flags & (flags::ALLOW_SPACE | flags::URLENCODE) != 0;
    let bad = |&byte: &u8| byte.is_ascii_control() || (byte == b' ' && !space);
    if text.len() > LONGEST || text.iter().any(bad) {
        return Err(UrlCode::MALFORMED_INPUT);
    }
    Ok(())
}

fn cut(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Percent-encodes spaces (in a query as `+`) and what is no ASCII, and nothing else.
fn encode_spaces(part: &[u8], query: bool) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(part.len());
    for &byte in part {
        match byte {
            b' ' if query => encoded.push(b'+'),
            b' ' | 0x80.. => encoded.extend(format!("%{byte:02x}").as_bytes()),
            byte => encoded.push(byte),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str, flags: u32) -> Result<String, UrlCode> {
        let parts = Parts::default().parse(text.as_bytes(), flags)?;
        Ok(String::from_utf8(parts.compose(0)?).expect("as it came"))
    }

    #[test]
    fn urls_are_taken_apart_as_curl_does_it() {
        let table = [
            ("http://Example.com", 0, Ok("http://Example.com/")),
            ("HTTP:/a:080/x/../y/./z?q#f", 0, Ok("http://a:80/y/z?q#f")),
            ("http:///a/b", 0, Ok("http://a/b")),
            ("http:////a/b", 0, Err(UrlCode::BAD_SLASHES)),
            ("http://u:p@w@h:1/", 0, Ok("http://u:p@w@h:1/")),
            ("http://h:/x", 0, Ok("http://h/x")),
            ("http://h:65536/", 0, Err(UrlCode::BAD_PORT_NUMBER)),
            ("http://h:-1/", 0, Err(UrlCode::BAD_PORT_NUMBER)),
            ("http://[::1]:8/x", 0, Ok("http://[::1]:8/x")),
            ("http://[::1/x", 0, Err(UrlCode::BAD_IPV6)),
            ("http://0x7f.1/", 0, Ok("http://127.0.0.1/")),
            ("http:///", 0, Err(UrlCode::NO_HOST)),
            ("http://a b/", 0, Err(UrlCode::MALFORMED_INPUT)),
            ("http://a/b c?d e", flags::URLENCODE, Ok("http://a/b%20c?d+e")),
            ("h/x", 0, Err(UrlCode::BAD_SCHEME)),
            ("h:80/x", flags::GUESS_SCHEME, Ok("http://h:80/x")),
            ("h/x", flags::DEFAULT_SCHEME, Ok("https://h/x")),
            ("ftp.x/", flags::GUESS_SCHEME, Err(UrlCode::UNSUPPORTED_SCHEME)),
            ("gopher://x/", 0, Err(UrlCode::UNSUPPORTED_SCHEME)),
            ("gopher://x/", flags::NON_SUPPORT_SCHEME, Ok("gopher://x/")),
            ("http://u@h/", flags::DISALLOW_USER, Err(UrlCode::USER_NOT_ALLOWED)),
            ("http://h/a/../..", flags::PATH_AS_IS, Ok("http://h/a/../..")),
            ("http://h?q", 0, Ok("http://h/?q")),
        ];
        for (text, flags, want) in table {
            assert_eq!(round(text, flags), want.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_is_relative_is_resolved() {
        let base = Parts::default().parse(b"http://h:8/a/b?c#d", 0).expect("a URL");
        let table = [
            ("x", "http://h:8/a/x"),
            ("/x", "http://h:8/x"),
            ("//g/x", "http://g/x"),
            ("?x", "http://h:8/a/b?x"),
            ("#x", "http://h:8/a/b?c#x"),
            ("../x", "http://h:8/x"),
            ("https://g/", "https://g/"),
        ];
        for (text, want) in table {
            let parts = base.parse(text.as_bytes(), 0).expect("a URL");
            assert_eq!(parts.compose(0).expect("whole"), want.as_bytes(), "{text}");
        }
    }
}
