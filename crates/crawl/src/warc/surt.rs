//! The key by which indexes of archives have a URL: SURT, as the Python package of that name makes it by its default rules.
//!
//! Knows URLs of http and https. Hosts stand from the right to the left, without `www.`; path and query are in small letters, encoded once, without what
//! tells sessions apart, and parameters are sorted.

use std::fmt::Write as _;

use url::Url;

use crate::limits;

/// The key of a URL; of what is none of the web, itself, but that blanks and what cannot be seen are encoded.
///
/// ```
/// use ringdove_crawl::warc::surt;
///
/// assert_eq!(surt("https://www.Example.org/A//b/?y=2&x=1#z"), "org,example)/a/b?x=1&y=2");
/// ```
pub fn surt(text: &str) -> String {
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return without_blanks(text);
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['.', '[', ']']);
    let mut key = bare(host).rsplit('.').collect::<Vec<_>>().join(",");
    if let Some(port) = url.port() {
        let _ = write!(key, ":{port}");
    }
    key.push(')');
    key.push_str(&path(url.path()));
    if let Some(query) = url.query().map(query).filter(|query| !query.is_empty()) {
        key.push('?');
        key.push_str(&query);
    }
    key
}

/// So that it is one word of one line.
fn without_blanks(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for char in text.chars() {
        if !char.is_whitespace() && !char.is_control() {
            word.push(char);
            continue;
        }
        for byte in char.encode_utf8(&mut [0; 4]).bytes() {
            let _ = write!(word, "%{byte:02X}");
        }
    }
    word
}

/// Without `www.`, `www2.` and their like.
fn bare(host: &str) -> &str {
    let rest = host.strip_prefix("www");
    let rest = rest.map(|rest| rest.trim_start_matches(|char: char| char.is_ascii_digit()));
    rest.and_then(|rest| rest.strip_prefix('.')).unwrap_or(host)
}

/// Segments without empty ones, dots and a slash at the end.
fn path(path: &str) -> String {
    let decoded = decoded(path.as_bytes());
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        match segment {
            b"." => {}
            b".." if kept.pop().is_some() => {}
            segment => kept.push(segment),
        }
    }
    kept.retain(|segment| !segment.is_empty());
    let mut path = String::new();
    for segment in &kept {
        path.push('/');
        path.push_str(&encoded(segment));
    }
    path.make_ascii_lowercase();
    let path = without_path_session(&without_path_session(&path, is_sessions), is_session);
    if path.is_empty() { "/".to_owned() } else { path }
}

fn query(query: &str) -> String {
    let mut query = encoded(&decoded(query.as_bytes()));
    for (name, is_value) in QUERY_SESSIONS {
        query = without_query_session(&query, name, is_value);
    }
    query.make_ascii_lowercase();
    let mut parameters: Vec<_> = query
        .split('&')
        .map(|part| part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value))))
        .collect();
    parameters.sort_unstable();
    let whole = |(name, value): (&str, Option<&str>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.to_owned(),
    };
    parameters.into_iter().map(whole).collect::<Vec<_>>().join("&")
}

/// Without percent-encoding, of which none is left, also none that decoding makes: no two of them overlap, so that their order is of no matter.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    for &byte in text {
        decoded.push(byte);
        while let &[.., b'%', high, low] = &decoded[..]
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(0));
        }
    }
    decoded
}

/// What cannot be seen, is no ASCII, or is `#` or `%`, encoded.
fn encoded(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'#' | b'%' => write!(encoded, "%{byte:02X}").unwrap_or_default(),
            0x21..=0x7e => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
    }
    encoded
}

/// Without the last segment that is a session's, where a page of ASP.NET comes behind it.
fn without_path_session(path: &str, is_it: fn(&str) -> bool) -> String {
    // whether what is behind the segment has such a page before any `?`, and whether one that has a name
    let (mut has_page, mut has_named, mut end) = (false, false, path.len());
    for (slash, _) in path.rmatch_indices('/') {
        let segment = &path[slash + 1..end];
        if has_named && is_it(segment) {
            return format!("{}{}", &path[..=slash], &path[end + 1..]);
        }
        let name = segment.split('?').next().unwrap_or_default();
        let page = name.rfind(".aspx");
        let is_behind = has_page && name.len() == segment.len();
        has_page = is_behind || page.is_some();
        has_named = is_behind || page.is_some_and(|at| at > 0);
        end = slash;
    }
    path.to_owned()
}

/// `(24 letters and digits)`.
fn is_session(segment: &str) -> bool {
    let inner = segment.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|id| id.len() == 24 && is_alphanumeric(id))
}

/// `(S(24 letters and digits))`, with as many of these as there are.
fn is_sessions(segment: &str) -> bool {
    let inner = segment.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let mut rest = inner.unwrap_or_default().as_bytes();
    let has_some = !rest.is_empty();
    while let Some((one, behind)) = rest.split_first_chunk::<27>() {
        let is_one = one[0].is_ascii_alphabetic()
            && one[1] == b'('
            && one[26] == b')'
            && one[2..26].iter().all(u8::is_ascii_alphanumeric);
        if !is_one {
            return false;
        }
        rest = behind;
    }
    has_some && rest.is_empty()
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What a session's parameter begins with, in small letters, and whether what follows is the rest of one, and nothing else.
type Session = (&'static str, fn(&str) -> bool);

const QUERY_SESSIONS: [Session; 5] = [
    ("jsessionid=", |id| id.len() == 32 && is_alphanumeric(id)),
    ("phpsessid=", |id| id.len() == 32 && is_alphanumeric(id)),
    ("sid=", |id| id.len() == 32 && is_alphanumeric(id)),
    ("aspsessionid", |rest| {
        rest.len() == 33
            && rest.split_once('=').is_some_and(|(name, id)| {
                let is_letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
                (name.len(), id.len()) == (8, 24) && is_letters(name) && is_letters(id)
            })
    }),
    ("cfid=", |rest| {
        // whatever is longer is not looked into
        let rest = Some(rest).filter(|rest| rest.len() <= limits::SURT_SESSION);
        rest.and_then(|rest| rest.split_once('&')).is_some_and(|(id, token)| {
            let token = token
                .get(..8)
                .filter(|name| name.eq_ignore_ascii_case("cftoken="))
                .map(|_| &token[8..]);
            !id.is_empty() && token.is_some_and(|token| !token.is_empty() && !token.contains('&'))
        })
    }),
];

/// Without the last parameter that ends in one of this name, whatever its name begins with.
fn without_query_session(query: &str, name: &str, is_value: fn(&str) -> bool) -> String {
    let lower = query.to_ascii_lowercase();
    let signs: Vec<_> = query.match_indices('&').map(|(at, _)| at).collect();
    for (at, _) in lower.rmatch_indices(name) {
        let begin = at + name.len();
        let signs = &signs[signs.partition_point(|sign| *sign < begin)..];
        // the value of one has a `&` of its own
        for end in signs.iter().copied().chain([query.len()]).take(2) {
            if is_value(&query[begin..end]) {
                let behind = query.get(end + 1..).unwrap_or_default();
                return format!("{}{behind}", &query[..at]);
            }
        }
    }
    query.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Python package says (surt 0.3.1).
    #[test]
    fn keys() {
        let table = [
            ("http://example.com", "com,example)/"),
            ("http://www.example.com/", "com,example)/"),
            ("https://www3.Example.com:8443/A/B/", "com,example:8443)/a/b"),
            ("http://wwwx.example.com/a", "com,example,wwwx)/a"),
            ("http://127.1.7.1:8080/p/0", "1,7,1,127:8080)/p/0"),
            ("http://[::1]:80/x", "::1)/x"),
            ("http://example.com:443/", "com,example:443)/"),
            ("https://example.com:443/a//b/../c/./d/", "com,example)/a/c/d"),
            ("http://example.com/%7Ea%2Fb%20c%25x?Q=%41&b", "com,example)/~a/b%20c%25x?b&q=a"),
            ("http://example.com/?", "com,example)/"),
            ("http://example.com/?b=2&a=1&a&c=", "com,example)/?a&a=1&b=2&c="),
            (
                "http://example.com/x?jsessionid=0123456789abcdef0123456789ABCDEF&z=1",
                "com,example)/x?z=1",
            ),
            (
                "http://example.com/x?a=1&PHPSESSID=0123456789abcdef0123456789ABCDEF",
                "com,example)/x?&a=1",
            ),
            (
                "http://example.com/x?mysid=0123456789abcdef0123456789ABCDEF&b=2",
                "com,example)/x?myb=2",
            ),
            (
                "http://example.com/x?sid=0123456789abcdef0123456789ABCDE",
                "com,example)/x?sid=0123456789abcdef0123456789abcde",
            ),
            (
                "http://example.com/x?ASPSESSIONIDabcdefgh=abcdefghijklmnopqrstuvwx",
                "com,example)/x",
            ),
            ("http://example.com/x?cfid=1&cftoken=2&q=3", "com,example)/x?q=3"),
            ("http://example.com/x?q=3&CFID=1&CFTOKEN=2", "com,example)/x?&q=3"),
            (
                "http://example.com/(abcdefghijklmnopqrstuvwx)/Page.aspx?x=1",
                "com,example)/page.aspx?x=1",
            ),
            (
                "http://example.com/a/(S(abcdefghijklmnopqrstuvwx)F(abcdefghijklmnopqrstuvwx))/p.aspx",
                "com,example)/a/p.aspx",
            ),
            (
                "http://example.com/(abcdefghijklmnopqrstuvwx)/p.html",
                "com,example)/(abcdefghijklmnopqrstuvwx)/p.html",
            ),
            ("http://bücher.example/é?ü=é", "example,xn--bcher-kva)/%c3%a9?%c3%bc=%c3%a9"),
            ("http://example.com/a;b,c'(d)\"e", "com,example)/a;b,c'(d)\"e"),
            ("http://example.com/%23?%23", "com,example)/%23?%23"),
            ("http://example.com/%252e%252e/x", "com,example)/../x"),
            ("http://example.com/a?b?c=d", "com,example)/a?b?c=d"),
            ("http://example.com/a#b", "com,example)/a"),
            ("http://example.com/%2%35%34%31%zz%%341%2", "com,example)/a%25zza%252"),
            (
                "http://example.com/(abcdefghijklmnopqrstuvwx)/.aspx",
                "com,example)/(abcdefghijklmnopqrstuvwx)/.aspx",
            ),
            ("http://example.com/(abcdefghijklmnopqrstuvwx)/b/.aspx", "com,example)/b/.aspx"),
            (
                "http://example.com/(abcdefghijklmnopqrstuvwx)/b%3F/c.aspx",
                "com,example)/(abcdefghijklmnopqrstuvwx)/b?/c.aspx",
            ),
            ("dns:example.com", "dns:example.com"),
            ("urn:a b\t\u{85}\u{2028}c\u{e9}", "urn:a%20b%09%C2%85%E2%80%A8c\u{e9}"),
            ("http://example.com./a", "com,example)/a"),
            ("http://WWW.a.example/&?&&b&a", "example,a)/&?&&a&b"),
        ];
        for (url, expected) in table {
            assert_eq!(surt(url), expected, "{url}");
        }
    }

    /// Each of these took the square of its length: hours, where it now takes a blink.
    #[test]
    fn keys_of_long_urls_take_no_longer_for_what_is_in_them() {
        const LONG: usize = 300_000;
        let key = |begin: &str, piece: &str| {
            surt(&format!("http://a/{begin}{}", piece.repeat(LONG / piece.len())))
        };
        assert_eq!(key("%", "25"), "a)/%25");
        assert_eq!(key("?%", "25"), "a)/?%25");
        for piece in ["(abcdefghijklmnopqrstuvwx)/", "a/", "?", "../", "%%3"] {
            assert!(key("", piece).starts_with("a)/"));
        }
        for (name, _) in QUERY_SESSIONS {
            assert_eq!(key("?", name), format!("a)/?{}", name.repeat(LONG / name.len())));
        }
    }
}
