//! URLs without a scheme, as curl guesses it.
//!
//! Knows what of a text is a scheme. Must not know whether the rest is a URL.

use std::borrow::Cow;

use ringdove::protocol::Scheme;

/// Protocols that the first label of a host's name stands for.
const BY_NAME: [&str; 6] = ["ftp", "dict", "ldap", "imap", "smtp", "pop3"];

/// Characters of no host, which a text of something else may well have: options, paths, assignments.
const NO_HOST: &str = "!$'\"^`*<>=;,&()+{}|\\";

/// `text` with the scheme that it was given, or else with `default`, or the one that is guessed: http.
pub(crate) fn with_scheme(text: &str, default: Option<Scheme>) -> Result<Cow<'_, str>, String> {
    // a path, a query or an option is no URL, with or without a scheme
    let host = host(text);
    let is_none =
        host.is_empty() || host.starts_with('-') || host.contains(|c| NO_HOST.contains(c));
    if has_scheme(text) || is_none {
        return Ok(Cow::Borrowed(text));
    }
    let scheme = match default {
        Some(Scheme::Https) => "https",
        Some(Scheme::Http) => "http",
        None => match other_protocol(host) {
            Some(protocol) => {
                return Err(format!(
                    "by its name alone this would be {protocol}, which is not fetched; http:// or \
                     https:// before it says that it is not"
                ));
            }
            None => "http",
        },
    };
    Ok(Cow::Owned(format!("{scheme}://{text}")))
}

/// Whether what stands before the first colon is a scheme, and no host with a port, nor a user's name.
fn has_scheme(text: &str) -> bool {
    let Some((before, after)) = text.split_once(':') else { return false };
    let is_word = before.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && before.starts_with(|char: char| char.is_ascii_alphabetic());
    let is_ours = ["http", "https"].iter().any(|scheme| before.eq_ignore_ascii_case(scheme));
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let is_port =
        digits > 0 && matches!(after.as_bytes().get(digits), None | Some(b'/' | b'?' | b'#'));
    is_word && (after.starts_with('/') || is_ours && !is_port)
}

/// What stands for the host and its port in a text without a scheme.
fn host(text: &str) -> &str {
    let authority = &text[..text.find(['/', '\\', '?', '#']).unwrap_or(text.len())];
    authority.rsplit('@').next().unwrap_or(authority)
}

/// What curl would take the URL for, by its host's name.
fn other_protocol(host: &str) -> Option<&'static str> {
    let (label, _) = host.split_once('.')?;
    BY_NAME.into_iter().find(|name| label.eq_ignore_ascii_case(name))
}

/// A scheme for URLs that have none.
pub(crate) fn default_scheme(text: &str) -> Result<Scheme, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err("neither http nor https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_guessed() {
        let table = [
            ("example.com/x", "http://example.com/x"),
            ("localhost:8080", "http://localhost:8080"),
            ("localhost:8080?q", "http://localhost:8080?q"),
            ("http:8080/x", "http://http:8080/x"),
            ("user:pass@host/x", "http://user:pass@host/x"),
            ("user@host", "http://user@host"),
            ("[::1]:80/", "http://[::1]:80/"),
            ("a?http://b", "http://a?http://b"),
            ("ftpx.example", "http://ftpx.example"),
            ("ftp", "http://ftp"),
            ("a/ftp.b", "http://a/ftp.b"),
            (":80/x", "http://:80/x"),
            // these have one, or are no URLs
            ("http://a", "http://a"),
            ("HTTPS:/a", "HTTPS:/a"),
            ("http:a/b", "http:a/b"),
            ("http:8080a", "http:8080a"),
            ("ftp://a", "ftp://a"),
            ("file:/etc", "file:/etc"),
            ("//a/b", "//a/b"),
            ("/a", "/a"),
            ("", ""),
            ("--output=x", "--output=x"),
            ("u@-x", "u@-x"),
            ("name=value", "name=value"),
        ];
        for (text, url) in table {
            assert_eq!(with_scheme(text, None).as_deref(), Ok(url), "{text}");
        }
        for text in ["ftp.example.com", "FTP.x/y", "u:p@dict.org", "smtp.x:25"] {
            assert!(with_scheme(text, None).is_err(), "{text}");
            let url = with_scheme(text, Some(Scheme::Https)).expect("a default");
            assert_eq!(url, format!("https://{text}"));
        }
    }
}
