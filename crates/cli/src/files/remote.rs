//! The name of a file as a URL has it (`-O`).
//!
//! Knows URLs. Invariant: a name is one component of at most [`NAME_MAX`] bytes, without control
//! characters, and neither `.` nor `..`: it cannot leave its directory.

use percent_encoding::percent_decode_str;
use url::Url;

/// Bytes of a name, as Linux's file systems have it (limits.h).
const NAME_MAX: usize = 255;

/// What follows the last slash of the URL's path, as it stands there: percent-encoded.
pub(crate) fn name_in_url(url: &Url) -> Result<String, String> {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Err("-O: the URL's path ends in no name for a file".to_owned());
    }
    check(name).map_err(|why| format!("-O: the URL's path ends in {why}"))?;
    Ok(name.to_owned())
}

/// Says why a name is none for a file.
fn check(name: &str) -> Result<(), &'static str> {
    let dots = percent_decode_str(name).all(|byte| byte == b'.');
    match name {
        _ if dots => Err("a name of dots"),
        _ if name.len() > NAME_MAX => Err("a name of more than 255 bytes"),
        _ if name.contains(['/', '\\']) => Err("a name with a separator"),
        _ if name.chars().any(char::is_control) => Err("a name with a control character"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> Result<String, String> {
        name_in_url(&Url::parse(url).expect(url))
    }

    #[test]
    fn the_last_segment_is_the_name() {
        let table = [
            ("http://h/a", "a"),
            ("http://h/a/b.tar.gz?q=/x#/y", "b.tar.gz"),
            ("http://h/a%20b", "a%20b"),
            ("http://h/..%2f..%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd"),
            ("http://h/a\\b", "b"),
            ("http://h/.profile", ".profile"),
            ("http://h/-rf", "-rf"),
            ("http://h/a;b", "a;b"),
        ];
        for (url, want) in table {
            assert_eq!(name(url).as_deref(), Ok(want), "{url}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("http://h/{}", "x".repeat(NAME_MAX + 1));
        let table =
            ["http://h", "http://h/", "http://h/a/", "http://h/a/..", "http://h/...", &long];
        for url in table {
            assert!(name(url).is_err(), "{url}");
        }
    }
}
