//! Who the requests are made for: `-u` and its like.
//!
//! Knows the options, and what they mean together. Must not know how credentials are sent. Invariant:
//! what is secret is told to nobody: not in messages, not in records.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{env, io};

use clap::Args as Group;
use ringdove::protocol::{AuthPolicy, AuthScheme, Netrc, Secret, user_information};
use url::Url;

use crate::text::file;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Credentials")]
pub(crate) struct CredentialArgs {
    /// Log in at the server of each URL; without a colon the password is empty
    #[arg(
        short,
        long,
        value_name = "USER:PASSWORD",
        conflicts_with = "oauth2_bearer",
        allow_hyphen_values = true
    )]
    user: Option<Login>,

    /// Send the login by Basic, without being asked: as is done unless one of the next two is given
    #[arg(long)]
    basic: bool,

    /// Send the login by Digest, once the server asks
    #[arg(long)]
    digest: bool,

    /// Send the login by the safest scheme that the server asks for
    #[arg(long)]
    anyauth: bool,

    /// Send this token by Bearer
    #[arg(long, value_name = "TOKEN")]
    oauth2_bearer: Option<Token>,

    /// Take logins from ~/.netrc, also in the place of those in URLs
    #[arg(short, long)]
    netrc: bool,

    /// Like -n, from FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) netrc_file: Option<PathBuf>,

    /// Take logins from ~/.netrc, or the file of --netrc-file, where URLs have none
    #[arg(long)]
    netrc_optional: bool,
}

#[derive(Debug, Clone)]
struct Login(Secret);

#[derive(Debug, Clone)]
struct Token(Secret);

impl FromStr for Login {
    type Err = String;

    fn from_str(text: &str) -> Result<Login, String> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Secret::login(user, password).map(Login).map_err(|error| error.to_string())
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Token, String> {
        Secret::token(text).map(Token).map_err(|error| error.to_string())
    }
}

impl CredentialArgs {
    /// What was asked for; none where only URLs may have logins, to be sent by Basic. What is to be said of it is
    /// added to `warnings`.
    pub(crate) fn policy(self, warnings: &mut Vec<String>) -> Result<Option<AuthPolicy>, String> {
        let netrc = self.netrc(warnings)?;
        let scheme = match (self.anyauth, self.basic, self.digest) {
            (true, ..) | (_, true, true) => AuthScheme::Any,
            (false, false, true) => AuthScheme::Digest,
            (false, _, false) => AuthScheme::Basic,
        };
        let secret = self.user.map(|login| login.0).or(self.oauth2_bearer.map(|token| token.0));
        if secret.is_none() && netrc.is_none() && scheme == AuthScheme::Basic {
            return Ok(None);
        }
        Ok(Some(AuthPolicy { scheme, secret, netrc, netrc_before_url: !self.netrc_optional }))
    }

    fn netrc(&self, warnings: &mut Vec<String>) -> Result<Option<Netrc>, String> {
        let mut read = |path: &Path| match file::read_to_string(path) {
            // as curl has it: who has no such file has no logins, unless it was named and demanded
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && (self.netrc_file.is_none() || self.netrc_optional) =>
            {
                Ok(None)
            }
            Err(error) => Err(format!("cannot read the netrc file {}: {error}", path.display())),
            Ok(text) => {
                let about = format!("netrc file {}", path.display());
                let netrc = Netrc::parse(&text).map_err(|error| format!("{about}: {error}"))?;
                warnings.extend(netrc.unusable().map(|(line, why)| {
                    format!("{about}: the login of line {line} cannot be sent: it has {why}")
                }));
                Ok(Some(netrc))
            }
        };
        match (&self.netrc_file, env::home_dir()) {
            (Some(path), _) => read(path),
            (None, Some(home)) if self.netrc || self.netrc_optional => read(&home.join(".netrc")),
            (None, _) => Ok(None),
        }
    }
}

/// A URL, also one that cannot be parsed, as it may be told.
pub(crate) fn without_user_information(url: &str) -> Cow<'_, str> {
    if let Ok(mut parsed) = Url::parse(url) {
        if parsed.username().is_empty() && parsed.password().is_none() {
            return Cow::Borrowed(url);
        }
        // fails where there is no host, and then there is none of these
        let _ = parsed.set_username("").and_then(|()| parsed.set_password(None));
        return Cow::Owned(parsed.into());
    }
    match user_information(url) {
        None => Cow::Borrowed(url),
        Some(range) => Cow::Owned([&url[..range.start], &url[range.end + 1..]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_without_user_information() {
        let table = [
            ("http://a/b@c", "http://a/b@c"),
            ("http://u:p@a/b@c", "http://a/b@c"),
            ("http://u:p@x@a?u:p@b", "http://a/?u:p@b"),
            ("http:/u:p@a", "http://a/"),
            ("http:u:p@a", "http://a/"),
            ("HTTP:\\\\u:p@a\\b", "http://a/b"),
            ("http://u:p@a b/", "http://a b/"),
            ("http://u:p/q@a b/", "http://a b/"),
            ("//u:p@a", "//a"),
            ("", ""),
        ];
        for (url, told) in table {
            assert_eq!(without_user_information(url), told);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let login: Login = "name:pass:word".parse().unwrap();
        assert_eq!(login.0, Secret::login("name", "pass:word").unwrap());
        assert!(!format!("{login:?}").contains("pass"));
        assert!("a\nb:c".parse::<Login>().is_err() && "a b".parse::<Token>().is_err());
    }
}
