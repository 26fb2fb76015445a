//! A Set-Cookie field, read as RFC 6265bis, 5.6 says.
//!
//! Knows the grammar that servers keep to, more or less. Must not know whether the cookie is wanted.
//! Invariants: what is read has no control characters and is bounded in size.

use std::time::Duration;

use crate::limits;
use crate::protocol::Date;

/// What a Set-Cookie field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetCookie {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// In lower case, without a dot before it; empty if there is none.
    pub(super) domain: Vec<u8>,
    /// `None`: the default.
    pub(super) path: Option<Vec<u8>>,
    /// `None`: with the session.
    pub(super) expires: Option<Date>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
}

/// Bytes from which on curl takes a date for none.
const CURLS_DATE: usize = 80;

/// Whose rules a field is read by, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Rules {
    /// RFC 6265bis.
    #[default]
    Standard,
    /// curl's: see [`CookieJar::keep_as_curl`](super::CookieJar::keep_as_curl).
    Curl,
}

/// To requests from which sites a cookie goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SameSite {
    #[default]
    Unset,
    None,
    Lax,
    Strict,
}

impl SetCookie {
    /// Reads a field's value; `None` if it is no cookie.
    pub(super) fn read(value: &[u8], now: Date, rules: Rules) -> Option<SetCookie> {
        // tabs are blanks, as in browsers
        if value.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
            return None;
        }
        let mut parts = value.split(|&byte| byte == b';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = split(pair).unwrap_or((b"", pair.trim_ascii()));
        let size = name.len() + value.len();
        // within, they would break the lines of a cookie file
        if has_tab(name) || has_tab(value) || size == 0 || size > limits::COOKIE {
            return None;
        }
        if name.is_empty() && rules == Rules::Curl {
            return None;
        }
        let mut cookie = SetCookie {
            name: name.to_vec(),
            value: value.to_vec(),
            domain: Vec::new(),
            path: None,
            expires: None,
            secure: false,
            http_only: false,
            same_site: SameSite::Unset,
        };
        let mut max_age = None;
        for part in parts {
            let (name, value) = split(part).unwrap_or((part.trim_ascii(), b""));
            if rules == Rules::Curl && name.eq_ignore_ascii_case(b"path") && has_tab(value) {
                return None;
            }
            if value.len() <= limits::COOKIE_ATTRIBUTE {
                cookie.take_attribute(name, value, now, (&mut max_age, rules));
            }
        }
        let longest = now.after(Duration::from_secs(limits::COOKIE_AGE));
        let longest = |date: Date| if date > longest { rules.latest(longest) } else { date };
        cookie.expires = max_age.or(cookie.expires).map(longest);
        Some(cookie)
    }

    fn take_attribute(
        &mut self,
        name: &[u8],
        value: &[u8],
        now: Date,
        (max_age, rules): (&mut Option<Date>, Rules),
    ) {
        match &name.to_ascii_lowercase()[..] {
            b"expires" if rules == Rules::Curl && value.len() >= CURLS_DATE => {}
            b"expires" => self.expires = Date::parse(value).or(self.expires),
            b"max-age" => *max_age = expiry(rules.without_quotes(value), now).or(*max_age),
            b"domain" => {
                let domain = value.strip_prefix(b".").unwrap_or(value);
                self.domain = domain.to_ascii_lowercase();
            }
            b"path" => {
                let value = rules.without_quotes(value);
                let is_path = value.starts_with(b"/") && !has_tab(value);
                self.path = match rules {
                    Rules::Standard => is_path.then(|| value.to_vec()),
                    Rules::Curl if is_path => Some(rules.path(value).to_vec()),
                    Rules::Curl => Some(b"/".to_vec()),
                };
            }
            b"secure" => self.secure = true,
            b"httponly" => self.http_only = true,
            b"samesite" => {
                self.same_site = match &value.to_ascii_lowercase()[..] {
                    b"none" => SameSite::None,
                    b"lax" => SameSite::Lax,
                    b"strict" => SameSite::Strict,
                    _ => SameSite::Unset,
                }
            }
            _ => {}
        }
    }
}

impl Rules {
    /// An attribute's value, which to curl may stand in quotes.
    fn without_quotes(self, value: &[u8]) -> &[u8] {
        match (self, value.strip_prefix(b"\"")) {
            (Rules::Curl, Some(rest)) => rest.strip_suffix(b"\"").unwrap_or(rest),
            _ => value,
        }
    }

    /// A path, of which curl takes the slash away that it ends with.
    pub(super) fn path(self, path: &[u8]) -> &[u8] {
        match (self, path.strip_suffix(b"/")) {
            (Rules::Curl, Some(rest)) if !rest.is_empty() => rest,
            _ => path,
        }
    }

    /// When what is to live for too long ends: curl has it be a whole minute.
    fn latest(self, date: Date) -> Date {
        match self {
            Rules::Standard => date,
            Rules::Curl => Date::from_unix((date.unix() + 30) / 60 * 60),
        }
    }
}

fn has_tab(text: &[u8]) -> bool {
    text.contains(&b'\t')
}

/// Name and value of `name=value`.
fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|&byte| byte == b'=')?;
    Some((part[..at].trim_ascii(), part[at + 1..].trim_ascii()))
}

/// When a Max-Age is over; `None` if it is none.
fn expiry(value: &[u8], now: Date) -> Option<Date> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if digits.len() < value.len() {
        return Some(Date::from_unix(i64::MIN));
    }
    let seconds = digits.iter().fold(0u64, |seconds, digit| {
        seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    match seconds {
        0 => Some(Date::from_unix(i64::MIN)),
        _ => Some(now.after(Duration::from_secs(seconds))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Date = Date::from_unix(1_000_000_000);

    fn read(value: &str) -> Option<SetCookie> {
        SetCookie::read(value.as_bytes(), NOW, Rules::Standard)
    }

    #[test]
    fn names_and_values() {
        let table = [
            ("a=b", Some(("a", "b"))),
            (" a = b ; x", Some(("a", "b"))),
            ("a=", Some(("a", ""))),
            ("=b", Some(("", "b"))),
            ("b", Some(("", "b"))),
            ("a=b=c", Some(("a", "b=c"))),
            ("a=\"b c\"", Some(("a", "\"b c\""))),
            ("a=b,c=d", Some(("a", "b,c=d"))),
            ("", None),
            ("=", None),
            (" ; a=b", None),
            ("a=b\tc", None),
            ("a=\u{1}", None),
            ("a=b; path=/\u{7f}", None),
        ];
        for (value, want) in table {
            let read = read(value);
            let got = read.as_ref().map(|cookie| {
                let text = |bytes| std::str::from_utf8(bytes).unwrap();
                (text(&cookie.name[..]), text(&cookie.value[..]))
            });
            assert_eq!(got, want, "{value:?}");
        }
        assert!(SetCookie::read(b"a=\xff", NOW, Rules::Standard).is_some());
        let sized = |size: usize| read(&format!("a={}", "b".repeat(size - 1))).is_some();
        assert!(sized(limits::COOKIE) && !sized(limits::COOKIE + 1));
    }

    #[test]
    fn lifetimes() {
        let after = |seconds| Some(NOW.after(Duration::from_secs(seconds)));
        let past = Some(Date::from_unix(i64::MIN));
        let longest = after(limits::COOKIE_AGE);
        let table = [
            ("", None),
            ("max-age=5", after(5)),
            ("MAX-AGE=0", past),
            ("max-age=-1", past),
            ("max-age=99999999999999999999999", longest),
            ("max-age=+5", None),
            ("max-age=5x", None),
            ("max-age=", None),
            ("max-age=-", None),
            ("max-age=5; max-age=x", after(5)),
            ("max-age=5; max-age=6", after(6)),
            ("expires=Sun, 09 Sep 2001 01:46:45 GMT", after(5)),
            ("expires=junk", None),
            ("expires=Fri, 31 Dec 9999 23:59:59 GMT", longest),
            ("expires=Fri, 31 Dec 9999 23:59:59 GMT; max-age=5", after(5)),
            ("max-age=5; expires=Fri, 31 Dec 9999 23:59:59 GMT", after(5)),
        ];
        for (attributes, want) in table {
            assert_eq!(read(&format!("a=b; {attributes}")).unwrap().expires, want, "{attributes}");
        }
    }

    #[test]
    fn curls_rules() {
        let read = |value: &str| SetCookie::read(value.as_bytes(), NOW, Rules::Curl);
        assert_eq!((read("=b"), read("b"), read("a=b; path=/x\ty")), (None, None, None));
        let paths = [
            ("/x/", "/x"),
            ("/", "/"),
            ("\"/x\"", "/x"),
            ("\"/x", "/x"),
            ("x", "/"),
            ("\"\"", "/"),
        ];
        for (path, want) in paths {
            let cookie = read(&format!("a=b; path={path}")).unwrap();
            assert_eq!(cookie.path.as_deref(), Some(want.as_bytes()), "{path}");
        }
        let expires = |attributes: &str| read(&format!("a=b; {attributes}")).unwrap().expires;
        assert_eq!(expires("max-age=\"5\""), Some(NOW.after(Duration::from_secs(5))));
        let date = "Fri Feb 13 11:56:27 GMT 2132";
        assert!(expires(&format!("expires={date}")).is_some());
        assert_eq!(expires(&format!("expires={date}{}", ".".repeat(60))), None);
        let longest = expires("max-age=99999999999").unwrap().unix();
        let cap = NOW.after(Duration::from_secs(limits::COOKIE_AGE)).unix();
        assert!(longest % 60 == 0 && (longest - cap).abs() <= 30, "{longest}");
    }

    #[test]
    fn other_attributes() {
        let cookie =
            read("a=b; DOMAIN=.Example.COM; path=/x; Secure; HttpOnly=1; samesite=STRICT").unwrap();
        assert_eq!(
            (&cookie.domain[..], cookie.path.as_deref()),
            (&b"example.com"[..], Some(&b"/x"[..]))
        );
        assert!(cookie.secure && cookie.http_only);
        assert_eq!(cookie.same_site, SameSite::Strict);
        let last =
            read("a=b; domain=x; domain=; path=/a; path=b; samesite=lax; samesite=?").unwrap();
        assert_eq!(
            (&last.domain[..], last.path, last.same_site),
            (&b""[..], None, SameSite::Unset)
        );
        let long = format!("a=b; path=/{}", "x".repeat(limits::COOKIE_ATTRIBUTE));
        assert_eq!(read(&long).unwrap().path, None);
    }
}
