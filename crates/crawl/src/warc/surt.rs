//! The key by which indexes of archives have a URL: SURT, as the Python package of that name makes it by its default rules.
//!
//! Knows URLs of http and https. Hosts stand from the right to the left, without `www.`; path and query are in small letters, encoded once, without what
//! tells sessions apart, and parameters are sorted.

use std::fmt::Write as _;

use url::Url;

/// The key of a URL; of what is none of the web, itself.
///
/// ```
/// use ringdove_crawl::warc::surt;
///
/// assert_eq!(surt("https://www.Example.org/A//b/?y=2&x=1#z"), "org,example)/a/b?x=1&y=2");
/// ```
pub fn surt(text: &str) -> String {
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return text.to_owned();
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

/// Without percent-encoding, of which none is left.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    while let Some(once) = decoded_once(&text) {
        text = once;
    }
    text
}

/// `None` if there is nothing to be decoded.
fn decoded_once(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let (mut decoded, mut at, mut is_other) = (Vec::with_capacity(text.len()), 0, false);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(0));
                is_other = true;
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    is_other.then_some(decoded)
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
    for (slash, _) in path.rmatch_indices('/') {
        let rest = &path[slash + 1..];
        let Some((segment, behind)) = rest.split_once('/') else { continue };
        let name = behind.split('?').next().unwrap_or_default();
        if is_it(segment) && name.rfind(".aspx").is_some_and(|at| at > 0) {
            return format!("{}{behind}", &path[..=slash]);
        }
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
        rest.split_once('=').is_some_and(|(name, id)| {
            let is_letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
            (name.len(), id.len()) == (8, 24) && is_letters(name) && is_letters(id)
        })
    }),
    ("cfid=", |rest| {
        rest.split_once('&').is_some_and(|(id, token)| {
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
    for (at, _) in lower.rmatch_indices(name) {
        let rest = &query[at + name.len()..];
        // the value of one has a `&` of its own
        let ends = rest.match_indices('&').map(|(end, _)| end).chain([rest.len()]);
        for end in ends.take(2) {
            if is_value(&rest[..end]) {
                let behind = rest.get(end + 1..).unwrap_or_default();
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
            ("dns:example.com", "dns:example.com"),
            ("http://example.com./a", "com,example)/a"),
            ("http://WWW.a.example/&?&&b&a", "example,a)/&?&&a&b"),
        ];
        for (url, expected) in table {
            assert_eq!(surt(url), expected, "{url}");
        }
    }
}
