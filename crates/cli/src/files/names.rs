//! The name of the file that a URL's body is kept in.
//!
//! Knows URLs and file systems. Invariants, for whatever URLs a server or a list makes up:
//!
//! * a name is one component, made of `a-z 0-9 . , - _ + @ = % ~`, at most [`NAME_MAX`] bytes, and
//!   begins with the scheme: it cannot leave its directory, be hidden or be `.` or `..`;
//! * two URLs that differ in scheme, host, port, path or query have different names, also where the
//!   file system ignores case, cuts trailing dots or forbids `: ? * " < > | \`;
//! * a URL has the same name in every run.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use url::Url;

/// Bytes of a name, as Linux's file systems have it (limits.h).
const NAME_MAX: usize = 255;

/// What a name ends in whose URL was too long: never the end of another, where two hexadecimal
/// digits follow each `~`.
const TOO_LONG: &str = "~~";

/// Bytes of the hash after [`TOO_LONG`]: nobody can find two URLs that have the same.
const HASH_BYTES: usize = 20;

/// The name, such as `https,example.com+8443,a,b.html@q=1` for `https://example.com:8443/a/b.html?q=1`.
///
/// `/` becomes `,`; `?` becomes `@`; `:` before a port becomes `+`; a capital becomes `+` and its
/// small letter; whatever is not fit for every file system becomes `~` and two hexadecimal digits.
pub(crate) fn file_name(url: &Url) -> String {
    let mut name = format!("{},", url.scheme());
    escape(url.host_str().unwrap_or_default(), &mut name);
    if let Some(port) = url.port() {
        _ = write!(name, "+{port}");
    }
    for (at, segment) in url.path().split('/').enumerate() {
        // the path begins with a slash
        if at > 0 {
            name.push(',');
        }
        escape(segment, &mut name);
    }
    if let Some(query) = url.query() {
        name.push('@');
        for (at, piece) in query.split('/').enumerate() {
            if at > 0 {
                name.push(',');
            }
            escape(piece, &mut name);
        }
    }
    if name.ends_with('.') {
        name.pop();
        name.push_str("~2e");
    }
    if name.len() > NAME_MAX { shorten(&name) } else { name }
}

fn escape(text: &str, name: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'=' | b'%' => name.push(byte.into()),
            b'A'..=b'Z' => name.extend(['+', byte.to_ascii_lowercase().into()]),
            _ => _ = write!(name, "~{byte:02x}"),
        }
    }
}

/// As much of a name's beginning as leaves room for a hash of all of it.
fn shorten(name: &str) -> String {
    let hash = Sha256::digest(name);
    // all ASCII: cut anywhere
    let mut short = name[..NAME_MAX - TOO_LONG.len() - 2 * HASH_BYTES].to_owned();
    short.push_str(TOO_LONG);
    for byte in &hash[..HASH_BYTES] {
        _ = write!(short, "{byte:02x}");
    }
    short
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn name(url: &str) -> String {
        file_name(&Url::parse(url).expect(url))
    }

    #[test]
    fn names_are_readable() {
        let table = [
            ("http://example.com/", "http,example.com,"),
            ("https://example.com:8443/a/b.html?q=1", "https,example.com+8443,a,b.html@q=1"),
            ("http://EXAMPLE.com:80/README", "http,example.com,+r+e+a+d+m+e"),
            ("http://[::1]:8080/x", "http,~5b~3a~3a1~5d+8080,x"),
            ("http://u:p@h/a%20b#part", "http,h,a%20b"),
            ("http://h/a.", "http,h,a~2e"),
            ("http://h/?a=b/c&d", "http,h,@a=b,c~26d"),
        ];
        for (url, want) in table {
            assert_eq!(name(url), want, "{url}");
        }
    }

    /// URLs of which no two may share a file.
    fn hostile() -> Vec<String> {
        let mut paths: Vec<String> = [
            "",
            "a",
            "A",
            "a/",
            "a//",
            "a.",
            "a..",
            "a%2e",
            "a%2E",
            "a/b",
            "a,b",
            "a%2fb",
            "a%2Fb",
            "a\\b",
            "a%5cb",
            "a?b",
            "a%3fb",
            "a@b",
            "a?",
            "a+b",
            "aB",
            "a+B",
            "a%00",
            "a%0a",
            "%00",
            "...",
            ".../",
            "....",
            "..%2f..%2fetc%2fpasswd",
            "~",
            "~~",
            "~2e",
            "a~2e",
            "con",
            "CON",
            "nul.",
            "a:b",
            "a*b",
            "a\"b",
            "a<b",
            "a>b",
            "a|b",
            "a?b/c",
            "a?b,c",
            "a/b?c",
            "é",
            "E%cc",
            "-rf",
            "--",
            "a?x=1&y=2",
            "a?x=1%26y=2",
            "@",
            "=",
            "%",
            "%%",
            "'",
            "`",
            "$(x)",
            ";",
        ]
        .map(str::to_owned)
        .into();
        for length in [200, 230, 240, 250, 254, 255, 256, 300, 5000] {
            paths.push("x".repeat(length));
            paths.push("X".repeat(length));
            paths.push(format!("{}y", "x".repeat(length)));
            paths.push(".".repeat(length));
        }
        let mut urls = Vec::new();
        for base in ["http://h/", "https://h/", "http://h:8080/", "http://h8080/", "http://[::1]/"]
        {
            urls.extend(paths.iter().map(|path| format!("{base}{path}")));
        }
        urls
    }

    #[test]
    fn no_two_urls_share_a_name_however_the_file_system_folds_it() {
        let mut seen = BTreeMap::new();
        for url in hostile() {
            // some of these are one URL once parsed
            let canonical = Url::parse(&url).unwrap().to_string();
            let name = name(&url);
            let folded = name.to_lowercase().trim_end_matches(['.', ' ']).to_owned();
            if let Some(other) = seen.insert(folded, canonical.clone()) {
                assert_eq!(other, canonical, "both are {name}");
            }
        }
    }

    #[test]
    fn names_stay_in_their_directory_and_fit() {
        for url in hostile().into_iter().chain(
            ["http://h/../../etc/passwd", "http://h/%2e%2e/%2e%2e/x", "http://h/a/..%2f/b"]
                .map(str::to_owned),
        ) {
            let name = name(&url);
            assert!(name.len() <= NAME_MAX, "{name}");
            assert!(name.starts_with("http"), "{name}");
            let fit = |byte: u8| b"abcdefghijklmnopqrstuvwxyz0123456789.,-_+@=%~".contains(&byte);
            assert!(name.bytes().all(fit), "{name}");
        }
    }
}
