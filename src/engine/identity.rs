//! Who a transfer is to its peers: the credentials and cookies that its requests are sent with, and what
//! is learned of its peers for the requests to come.
//!
//! Knows which credentials a transfer has now, and what was learned of each user's peers. Must not know
//! how credentials are shown or which cookies go where: that is [`Authenticator`]'s and the
//! [`CookieJar`](crate::http::CookieJar)'s. Invariants: credentials go to the origin of
//! their scope alone, and those that were left behind never come back; a transfer that has none has
//! nothing of this but a null pointer.

use std::collections::HashMap;

use super::hop::Next;
use super::request::Request;
use super::transfer::Transfer;
use crate::error::Cause;
use crate::http::{
    Attempt, AuthPolicy, AuthScheme, Authenticator, ClientNonces, Credentials, Date, Initiator,
    Origin, RequestHead, ResponseHead, Role, Scheme, is_same_site,
};
use crate::limits;
use crate::time::Time;

/// Who a transfer is to its peers.
#[derive(Default)]
pub(super) struct Identity {
    /// For the origin of the request under way.
    credentials: Option<Credentials>,
    /// What became of them in this request.
    attempt: Attempt,
}

/// What all transfers know together.
pub(super) struct Keeper {
    authenticators: Authenticators,
    nonces: ClientNonces,
    /// It was this date at this time.
    date: (Time, Date),
}

#[derive(Default)]
struct Authenticators {
    known: HashMap<(Credentials, AuthScheme), Known>,
    /// Rises with each use.
    uses: u64,
}

struct Known {
    authenticator: Authenticator,
    used: u64,
}

impl Identity {
    /// That of a transfer which begins with this request.
    pub(super) fn of(request: &Request) -> Option<Box<Identity>> {
        let Request { head, login, options, .. } = request;
        let has_login = login.is_some() || options.auth.is_some();
        if !has_login && options.cookies.is_none() && options.hsts.is_none() {
            return None;
        }
        let policy = options.auth.as_ref();
        let credentials = match policy {
            Some(policy) => policy.for_first(head.origin(), login.as_ref()),
            None => AuthPolicy::default().for_first(head.origin(), login.as_ref()),
        };
        Some(Box::new(Identity { credentials, ..Identity::default() }))
    }
}

impl Transfer {
    /// Gives the request what it is sent with this time.
    pub(super) fn dress(&mut self, keeper: &mut Keeper, now: Time) {
        if self.request.options.cookies.is_some() {
            let cookies = self.cookies_for(&self.request.head, keeper.date(now));
            self.request.head.set_cookies(cookies);
        }
        let scheme = self.auth_scheme();
        let Some(Identity { credentials, attempt }) = self.identity.as_deref_mut() else { return };
        let head = &mut self.request.head;
        let role = Role::Server;
        let value = match credentials {
            Some(credentials) if !head.has_field(role.authorization_field()) => {
                let authenticator = keeper.authenticators.of(credentials, scheme);
                authenticator.authorize(attempt, head.method(), head.target())
            }
            _ => None,
        };
        head.set_authorization(value);
    }

    /// The cookies that go along with a request of this transfer.
    pub(super) fn cookies_for(&self, head: &RequestHead, date: Date) -> Option<Vec<u8>> {
        let jar = self.request.options.cookies.as_ref()?;
        let host = head.origin().host();
        let mut before =
            self.past().map(|past| &past.head).chain([&self.request.head]).map(RequestHead::origin);
        let is_cross_site = before.any(|origin| !is_same_site(origin.host(), host));
        let initiator = Initiator::of(head.method(), is_cross_site);
        jar.field(head.origin(), head.target(), initiator, date)
    }

    /// Takes from a response what outlives it: cookies, and whether its host wants TLS.
    pub(super) fn learn(&self, response: &ResponseHead<'_>, date: Date) {
        let (head, options) = (&self.request.head, &self.request.options);
        if let Some(jar) = &options.cookies {
            jar.store(head.origin(), head.target(), response, date);
        }
        if let Some(hsts) = &options.hsts {
            hsts.note(head.origin(), response, date);
        }
    }

    /// Whether a response challenges, and is answered with the same request once more. Otherwise it is
    /// learned from.
    pub(super) fn answer(
        &mut self,
        head: &ResponseHead<'_>,
        keeper: &mut Keeper,
    ) -> Result<Option<Next>, Cause> {
        let scheme = self.auth_scheme();
        let Some(identity) = self.identity.as_deref_mut() else { return Ok(None) };
        let Identity { credentials: Some(credentials), attempt } = identity else {
            return Ok(None);
        };
        if self.request.head.has_field(Role::Server.authorization_field()) {
            return Ok(None);
        }
        let authenticator = keeper.authenticators.of(credentials, scheme);
        let again = authenticator.challenged(attempt, head, &mut keeper.nonces);
        if !again {
            authenticator.accepted(attempt, head);
        }
        match again {
            false => Ok(None),
            true if self.request.body.rewind() => Ok(Some(Next::Again)),
            true => Err(Cause::BodyNotRepeatable),
        }
    }

    /// The request under way is one that a redirect `from` another origin, or the same, led to.
    pub(super) fn change_scope(&mut self, from: &Origin, strips_credentials: bool) {
        let Some(identity) = self.identity.as_deref_mut() else { return };
        let origin = self.request.head.origin();
        identity.attempt = Attempt::default();
        if strips_credentials {
            let policy = self.request.options.auth.as_ref();
            identity.credentials = policy.and_then(|policy| policy.for_elsewhere(origin, from));
        } else if origin != from {
            let credentials = identity.credentials.take();
            identity.credentials = credentials.map(|known| known.entrusted_to(origin.clone()));
        }
    }

    fn auth_scheme(&self) -> AuthScheme {
        self.request.options.auth.as_ref().map_or(AuthScheme::Basic, |policy| policy.scheme)
    }
}

impl Keeper {
    pub(super) fn new(seed: [u8; 32]) -> Keeper {
        let (authenticators, nonces) = (Authenticators::default(), ClientNonces::new(seed));
        Keeper { authenticators, nonces, date: (Time::ZERO, Date::default()) }
    }

    pub(super) fn set_date(&mut self, at: Time, date: Date) {
        self.date = (at, date);
    }

    pub(super) fn date(&self, now: Time) -> Date {
        let (at, date) = self.date;
        date.after(now.since(at))
    }

    /// Has a request go over TLS, if its host is known to want that.
    pub(super) fn secure(&self, request: &mut Request, now: Time) {
        let Some(hsts) = &request.options.hsts else { return };
        let origin = request.head.origin();
        if origin.scheme() == Scheme::Http && hsts.covers(origin.host(), self.date(now)) {
            request.head.secure();
        }
    }
}

impl Authenticators {
    fn of(&mut self, credentials: &Credentials, scheme: AuthScheme) -> &mut Authenticator {
        self.uses += 1;
        let key = (credentials.clone(), scheme);
        if self.known.len() >= limits::AUTHENTICATORS && !self.known.contains_key(&key) {
            self.forget_half();
        }
        let known = self.known.entry(key).or_insert_with(|| Known {
            authenticator: Authenticator::new(credentials.clone(), scheme),
            used: 0,
        });
        known.used = self.uses;
        &mut known.authenticator
    }

    /// Forgets those that were not used for longest: half of them, so that it is seldom done.
    fn forget_half(&mut self) {
        let mut used: Vec<_> = self.known.values().map(|known| known.used).collect();
        let middle = used.len() / 2;
        let (_, &mut middle, _) = used.select_nth_unstable(middle);
        self.known.retain(|_, known| known.used >= middle);
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::http::Secret;

    #[test]
    fn what_is_known_of_users_is_bounded() {
        let mut authenticators = Authenticators::default();
        let origin = Origin::from_url(&Url::parse("http://a/").unwrap()).unwrap();
        for user in 0..3 * limits::AUTHENTICATORS {
            let secret = Secret::login(user.to_string(), "").unwrap();
            let credentials = secret.scoped(origin.clone(), Role::Server);
            authenticators.of(&credentials, AuthScheme::Any);
            assert!(authenticators.known.len() <= limits::AUTHENTICATORS);
            assert!(authenticators.known.contains_key(&(credentials, AuthScheme::Any)));
        }
    }
}
