//! Authentication: what a challenge asks for, and the credentials that answer it (RFC 9110, 11).
//!
//! Knows Basic (RFC 7617), Bearer (RFC 6750) and Digest (RFC 7616), for servers and for proxies. Must
//! not know connections, nor when a request is sent again. Invariants: credentials come with the one
//! origin and role that they may be shown to; state is kept for each origin, role, user and realm, and
//! bounded; a password that was refused is not sent a second time for the same request.
//!
//! ```
//! use ringdove::protocol::{Attempt, AuthScheme, Authenticator, Origin, Role, Secret};
//!
//! let origin = Origin::from_url(&"http://proxy.example:3128".parse()?)?;
//! let credentials = Secret::login("user", "password")?.scoped(origin, Role::Proxy);
//! let mut authenticator = Authenticator::new(credentials, AuthScheme::Basic);
//! let mut attempt = Attempt::default();
//! let value = authenticator.authorize(&mut attempt, &http::Method::CONNECT, "example.com:443");
//! assert_eq!(value.as_deref(), Some(&b"Basic dXNlcjpwYXNzd29yZA=="[..]));
//! // of a 407 `authenticator.challenged(&mut attempt, &head, &mut nonces)` says whether to send the
//! // request again, with what `authorize` gives then
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod challenge;
mod credentials;
mod digest;
pub(super) mod fault;
mod netrc;
mod policy;

use ::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::head::ResponseHead;
use crate::limits;
use challenge::{Challenge, challenges};
use credentials::Kind;
use digest::{Offer, Session};

pub use credentials::{Credentials, Role, Scope, Secret};
pub use digest::ClientNonces;
pub use fault::SecretError;
pub use netrc::{Netrc, NetrcError};
pub use policy::AuthPolicy;

/// How a login may be shown (curl's `--basic`, `--digest`, `--anyauth`). A token is shown by Bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AuthScheme {
    /// By Basic, without being asked.
    #[default]
    Basic,
    /// By Digest, once asked.
    Digest,
    /// By the safest scheme that the peer offers, once asked.
    Any,
}

/// What one peer has to be shown for one user: what was learned from its challenges.
///
/// Shared by all requests of the same credentials; each request has an [`Attempt`] of its own.
pub struct Authenticator {
    credentials: Credentials,
    scheme: AuthScheme,
    /// Digest, one for each realm; the last was used last.
    sessions: Vec<Session>,
    /// The peer has asked for Basic.
    wants_basic: bool,
}

/// What became of one request's credentials so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    sent: Sent,
    rounds: u32,
}

/// What a request was sent with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Sent {
    #[default]
    Nothing,
    Basic,
    Bearer,
    /// Unasked, with a nonce for this realm of before.
    DigestAgain(Vec<u8>),
    /// As an answer to a challenge for this realm.
    Digest(Vec<u8>),
}

/// The answer that a challenge gets.
enum Answer {
    Basic,
    Digest(Offer),
}

impl Authenticator {
    /// For these credentials, of which nothing is known yet.
    pub fn new(credentials: Credentials, scheme: AuthScheme) -> Authenticator {
        Authenticator { credentials, scheme, sessions: Vec::new(), wants_basic: false }
    }

    /// Whom the credentials may be shown to.
    pub fn scope(&self) -> &Scope {
        self.credentials.scope()
    }

    /// The value of the request's authorization field, or `None` for a request without. `target` is
    /// the request target as in the request line. To be asked for each time that a request is sent.
    pub fn authorize(
        &mut self,
        attempt: &mut Attempt,
        method: &Method,
        target: &str,
    ) -> Option<Vec<u8>> {
        let Authenticator { credentials, scheme, sessions, wants_basic } = self;
        let (sent, value) = match credentials.kind() {
            Kind::Token(token) => (Sent::Bearer, Some(format!("Bearer {token}").into_bytes())),
            Kind::Login { user, password } if *scheme == AuthScheme::Basic || *wants_basic => {
                (Sent::Basic, Some(basic(user, password).into_bytes()))
            }
            Kind::Login { user, .. } => {
                let session = match &attempt.sent {
                    Sent::Digest(realm) => sessions.iter_mut().find(|s| s.realm() == realm),
                    _ => sessions.last_mut(),
                };
                let answered = session.and_then(|session| {
                    let value = session.answer(user, method, target)?;
                    Some((session.realm().to_vec(), value))
                });
                match (answered, &attempt.sent) {
                    (None, _) => (Sent::Nothing, None),
                    (Some((realm, value)), Sent::Digest(_)) => (Sent::Digest(realm), Some(value)),
                    (Some((realm, value)), _) => (Sent::DigestAgain(realm), Some(value)),
                }
            }
        };
        attempt.sent = sent;
        value
    }

    /// A response to what was sent last challenges: whether to send the request again, with what
    /// [`authorize`](Self::authorize) gives then. A response with another status than the role's does
    /// not challenge.
    pub fn challenged(
        &mut self,
        attempt: &mut Attempt,
        head: &ResponseHead<'_>,
        nonces: &mut ClientNonces,
    ) -> bool {
        let role = self.scope().role;
        if head.status() != role.status() || attempt.rounds == limits::AUTH_ROUNDS {
            return false;
        }
        let offers = challenges(head, role.challenge_field());
        let Some(answer) = self.choose(&offers) else { return false };
        let Kind::Login { user, password } = self.credentials.kind() else { return false };
        match (answer, &attempt.sent) {
            (_, Sent::Basic | Sent::Bearer) => return false,
            (Answer::Basic, Sent::Digest(_) | Sent::DigestAgain(_)) => return false,
            (Answer::Basic, Sent::Nothing) => self.wants_basic = true,
            // the password was refused, not the nonce
            (Answer::Digest(offer), Sent::Digest(realm))
                if *realm == offer.realm && !offer.stale =>
            {
                return false;
            }
            (Answer::Digest(offer), _) => {
                let realm = offer.realm.clone();
                let known = self.sessions.iter().position(|session| session.realm() == realm);
                let session = match known.map(|at| self.sessions.remove(at)) {
                    Some(session) if session.is_of(&offer) => session,
                    Some(_) | None => Session::new(offer, user, password, nonces),
                };
                if self.sessions.len() == limits::REALMS {
                    self.sessions.remove(0);
                }
                self.sessions.push(session);
                attempt.sent = Sent::Digest(realm);
            }
        }
        attempt.rounds += 1;
        true
    }

    /// A response that does not challenge may name the nonce to go on with (RFC 7616, 3.5).
    pub fn accepted(&mut self, attempt: &Attempt, head: &ResponseHead<'_>) {
        let (Sent::Digest(realm) | Sent::DigestAgain(realm)) = &attempt.sent else { return };
        let Some(info) = head.field(self.scope().role.info_field()) else { return };
        if let Some(session) = self.sessions.iter_mut().find(|s| s.realm() == realm) {
            session.note_info(&info);
        }
    }

    /// The strongest of what is offered and may be used.
    fn choose(&self, challenges: &[Challenge]) -> Option<Answer> {
        let digest = challenges.iter().filter_map(Offer::of).max_by_key(|offer| offer.hash);
        let basic = challenges.iter().any(|challenge| challenge.is("Basic"));
        match (self.scheme, digest) {
            // was shown without being asked
            (AuthScheme::Basic, _) => None,
            (AuthScheme::Digest | AuthScheme::Any, Some(offer)) => Some(Answer::Digest(offer)),
            (AuthScheme::Any, None) if basic => Some(Answer::Basic),
            (AuthScheme::Digest | AuthScheme::Any, None) => None,
        }
    }
}

/// What a field says of a user by Basic (RFC 7617).
pub(super) fn basic(user: &[u8], password: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode([user, b":", password].concat()))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::with_head;
