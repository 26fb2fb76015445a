//! Cookies in a file: Netscape's format, as curl reads and writes it.
//!
//! Knows a line's seven fields: domain, whether it is for the hosts below, path, secure, expiry (0: with
//! the session), name, value; `#HttpOnly_` before the domain. SameSite has no place there. Lines with a
//! Set-Cookie field are read, too, if that says for which domain.

use std::time::Duration;

use url::Url;

use super::jar::{Cookie, Jar, is_public_suffix};
use super::set::{Rules, SetCookie};
use super::site;
use crate::limits;
use crate::protocol::{Date, Host, Origin, Scheme};

const HEADER: &str =
    "# Netscape HTTP Cookie File\n# Written by ringdove. Edit at your own risk.\n\n";

const HTTP_ONLY: &[u8] = b"#HttpOnly_";

/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

const SET_COOKIE: &[u8] = b"set-cookie:";

/// Adds what lines there are, and says how many.
pub(super) fn read(jar: &mut Jar, text: &[u8], now: Date) -> usize {
    let mut count = 0;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    for line in text.split(|&byte| byte == b'\n') {
        if let Some(value) = field(line.trim_ascii_end()) {
            count += usize::from(set(jar, value.trim_ascii(), now));
        } else if let Some((site, cookie)) = cookie(line.trim_ascii_end(), line, now, jar.rules) {
            jar.insert_given(&site, cookie, now);
            count += 1;
        }
    }
    count
}

/// The value of a line that is a Set-Cookie field.
fn field(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(SET_COOKIE.len())?;
    name.eq_ignore_ascii_case(SET_COOKIE).then_some(value)
}

/// Takes a Set-Cookie field as from the domain that it names. Without one it would be for any host.
fn set(jar: &mut Jar, value: &[u8], now: Date) -> bool {
    let Some(cookie) = SetCookie::read(value, now, jar.rules) else { return false };
    let Some(host) = host(&cookie.domain) else { return false };
    // to curl this machine's name is a domain, too
    let is_own = jar.rules == Rules::Curl && host.name() == Some("localhost");
    if is_public_suffix(&host.to_string()) && !is_own {
        return false;
    }
    let origin = Origin::new(host, 443, Scheme::Https);
    if let Some(cookie) = jar.accept(&origin, "/", value, now) {
        jar.insert_given(&site(origin.host()), cookie, now);
    }
    true
}

pub(super) fn write(jar: &Jar, now: Date) -> Vec<u8> {
    let mut cookies: Vec<_> = jar.iter().filter(|cookie| cookie.is_alive(now)).collect();
    // what came first is forgotten last, in the next jar as in this one
    cookies.sort_by_key(|cookie| cookie.created);
    let mut text = HEADER.as_bytes().to_vec();
    let flag = |is: bool| if is { "TRUE" } else { "FALSE" };
    for cookie in cookies {
        if cookie.http_only {
            text.extend_from_slice(HTTP_ONLY);
        }
        let dot = if cookie.host_only { "" } else { "." };
        let below = flag(!cookie.host_only);
        text.extend_from_slice(format!("{dot}{}\t{below}\t", cookie.domain).as_bytes());
        text.extend_from_slice(&cookie.path);
        let expires = cookie.expires.map_or(0, Date::unix);
        text.extend_from_slice(format!("\t{}\t{expires}\t", flag(cookie.secure)).as_bytes());
        text.extend_from_slice(&cookie.name);
        text.push(b'\t');
        text.extend_from_slice(&cookie.value);
        text.push(b'\n');
    }
    text
}

/// The cookie of a line, and its site.
fn cookie(line: &[u8], whole: &[u8], now: Date, rules: Rules) -> Option<(String, Cookie)> {
    let (line, http_only) = match line.strip_prefix(HTTP_ONLY) {
        Some(line) => (line, true),
        None => (line, false),
    };
    if line.is_empty() || line.starts_with(b"#") || whole.len() > limits::COOKIE_LINE {
        return None;
    }
    let fields: Vec<_> = line.split(|&byte| byte == b'\t').collect();
    let (fields, value) = match fields[..] {
        [ref fields @ .., value] if fields.len() == 6 => (fields, value),
        // an empty value, and with it the tab before it, may have been lost
        ref fields if fields.len() == 6 => (fields, &b""[..]),
        _ => return None,
    };
    let [domain, below, path, secure, expires, name] = fields[..] else { return None };
    let is_sound =
        |field: &[u8]| !field.iter().any(|&byte| byte.is_ascii_control() || byte == b';');
    let size = name.len() + value.len();
    if !(is_sound(name) && is_sound(value) && is_sound(path)) || size == 0 || size > limits::COOKIE
    {
        return None;
    }
    if !path.starts_with(b"/") || path.len() > limits::COOKIE_ATTRIBUTE || name.contains(&b'=') {
        return None;
    }
    let host = host(domain.strip_prefix(b".").unwrap_or(domain))?;
    let host_only = below.eq_ignore_ascii_case(b"FALSE");
    let secure = secure.eq_ignore_ascii_case(b"TRUE");
    let path = rules.path(path);
    let (site, mut cookie) =
        Cookie::of_file(&host, host_only, (name, value), path, (secure, rules))?;
    let expires: i64 = seconds(expires)?;
    let longest = now.after(Duration::from_secs(limits::COOKIE_AGE));
    cookie.expires = (expires != 0).then(|| match rules {
        Rules::Standard => Date::from_unix(expires).min(longest),
        Rules::Curl => Date::from_unix(expires),
    });
    cookie.http_only = http_only;
    Some((site, cookie))
}

/// A number of seconds, of which some browsers' exports have a fraction (`1700000000.5`).
fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { whole.parse().ok() } else { None }
}

fn host(text: &[u8]) -> Option<Host> {
    let text = std::str::from_utf8(text).ok()?;
    if text.contains(['/', '@', '?', '#', '\\']) {
        return None;
    }
    let bracketed = format!("[{text}]");
    let authority = if text.contains(':') && !text.starts_with('[') { &bracketed } else { text };
    let origin = Origin::from_url(&Url::parse(&format!("http://{authority}/")).ok()?).ok()?;
    // a port is none of a cookie's
    (origin.port() == 80).then(|| origin.host().clone())
}
