//! Who a request is made for, and whom that may be told.
//!
//! Knows users, passwords and tokens, and the one origin and role that each may be shown to. Must not
//! know how they are shown: that is the schemes'. Invariants: no secret is to be found in what `Debug`
//! prints; a [`Scope`] is made of a canonical [`Origin`] alone.

use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::Url;

use super::fault::SecretError;
use crate::protocol::{Origin, RequestError};

/// Which peer asks to be shown who makes a request (RFC 9110, 11.6 and 11.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The origin server.
    Server,
    /// A proxy on the way to it.
    Proxy,
}

/// Whom credentials may be shown to: one origin (a proxy's scheme, host and port are one, too) in
/// one role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Scheme, host and port.
    pub origin: Origin,
    /// As what it asks.
    pub role: Role,
}

/// A user and a password, or a token. Cheap to clone; never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<Kind>);

#[derive(PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Login { user: Box<[u8]>, password: Box<[u8]> },
    Token(Box<str>),
}

/// A secret, and the one peer that it may be shown to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    scope: Scope,
    secret: Secret,
}

impl Role {
    /// The status of a response that challenges.
    pub fn status(self) -> u16 {
        match self {
            Role::Server => 401,
            Role::Proxy => 407,
        }
    }

    /// The request field that the credentials go into.
    pub fn authorization_field(self) -> &'static str {
        match self {
            Role::Server => "Authorization",
            Role::Proxy => "Proxy-Authorization",
        }
    }

    /// The response fields that have the challenges.
    pub(super) fn challenge_field(self) -> &'static str {
        match self {
            Role::Server => "WWW-Authenticate",
            Role::Proxy => "Proxy-Authenticate",
        }
    }

    /// The response field with which a success goes on (RFC 7615).
    pub(super) fn info_field(self) -> &'static str {
        match self {
            Role::Server => "Authentication-Info",
            Role::Proxy => "Proxy-Authentication-Info",
        }
    }
}

impl Secret {
    /// A user's name and password, as bytes; UTF-8 is what servers expect.
    pub fn login(
        user: impl AsRef<[u8]>,
        password: impl AsRef<[u8]>,
    ) -> Result<Secret, SecretError> {
        let (user, password) = (user.as_ref(), password.as_ref());
        if user.contains(&b':') {
            return Err(SecretError::ColonInUser);
        }
        if user.iter().chain(password).any(u8::is_ascii_control) {
            return Err(SecretError::ControlCharacter);
        }
        Ok(Secret(Arc::new(Kind::Login { user: user.into(), password: password.into() })))
    }

    /// A token for the Bearer scheme.
    pub fn token(token: &str) -> Result<Secret, SecretError> {
        let body = token.trim_end_matches('=');
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if body.is_empty() || !body.bytes().all(is_byte) {
            return Err(SecretError::BadToken);
        }
        Ok(Secret(Arc::new(Kind::Token(token.into()))))
    }

    /// The login in a URL's user information, percent-decoded, if it has any.
    pub fn of_url(url: &Url) -> Result<Option<Secret>, RequestError> {
        let has_none = memchr::memchr(b'@', url.as_str().as_bytes()).is_none();
        if has_none || (url.username().is_empty() && url.password().is_none()) {
            return Ok(None);
        }
        let user = percent_decode_str(url.username()).collect::<Vec<_>>();
        let password = percent_decode_str(url.password().unwrap_or_default()).collect::<Vec<_>>();
        Secret::login(user, password).map(Some).map_err(RequestError::BadUserInformation)
    }

    /// To be shown to `origin` in this role, and nobody else.
    pub fn scoped(self, origin: Origin, role: Role) -> Credentials {
        Credentials { scope: Scope { origin, role }, secret: self }
    }

    /// The user's name, where there is no password beside it.
    pub(super) fn bare_user(&self) -> Option<&[u8]> {
        match self.kind() {
            Kind::Login { user, password } if password.is_empty() => Some(user),
            Kind::Login { .. } | Kind::Token(_) => None,
        }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl Credentials {
    /// Whom they may be shown to.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The same secret, to be shown to another origin: for who trusts that one as much.
    pub(crate) fn entrusted_to(self, origin: Origin) -> Credentials {
        self.secret.scoped(origin, self.scope.role)
    }

    pub(super) fn kind(&self) -> &Kind {
        self.secret.kind()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            Kind::Login { .. } => "Secret(login)",
            Kind::Token(_) => "Secret(token)",
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_url(url: &str) -> Result<Option<Secret>, RequestError> {
        Secret::of_url(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn user_information_of_urls() {
        type Parts = (&'static [u8], &'static [u8]);
        let table: &[(&str, Option<Parts>)] = &[
            ("http://a/", None),
            ("http://@a/", None),
            ("http://u@a/", Some((b"u", b""))),
            ("http://u:@a/", Some((b"u", b""))),
            ("http://:p@a/", Some((b"", b"p"))),
            ("http://u:p:q@a/", Some((b"u", b"p:q"))),
            ("http://a%40b:%2f%20%zz%2@a/", Some((b"a@b", b"/ %zz%2"))),
            ("http://%c3%a4:%ff@a/", Some(("ä".as_bytes(), b"\xff"))),
        ];
        for (url, want) in table {
            let want = want.map(|(user, password)| Secret::login(user, password).expect("a login"));
            assert_eq!(of_url(url), Ok(want), "{url}");
        }
        let colon = RequestError::BadUserInformation(SecretError::ColonInUser);
        assert_eq!(of_url("http://a%3Ab:c@a/"), Err(colon));
        let control = RequestError::BadUserInformation(SecretError::ControlCharacter);
        assert_eq!(of_url("http://a%0d%0aX:c@a/"), Err(control.clone()));
        assert_eq!(of_url("http://a:%00@a/"), Err(control));
    }

    #[test]
    fn tokens() {
        for good in ["abc", "a-b._~+/==", "0"] {
            assert!(Secret::token(good).is_ok(), "{good}");
        }
        for bad in ["", "=", "a b", "a=b", "a\r\nX: y", "ä", "\"a\""] {
            assert_eq!(Secret::token(bad), Err(SecretError::BadToken), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let origin = Origin::from_url(&Url::parse("http://a/").unwrap()).unwrap();
        let secret = Secret::login("name", "pass").unwrap();
        let credentials = secret.clone().scoped(origin, Role::Server);
        let shown = format!("{secret:?} {credentials:?} {:?}", Secret::token("tok"));
        for secret in ["name", "pass", "tok\""] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
