//! Who a transfer is to its peers: the credentials and cookies that its requests are sent with, and what
//! is learned of its peers for the requests to come.
//!
//! Knows which credentials a transfer has now, and what was learned of each user's peers. Must not know
//! how credentials are shown or which cookies go where: that is [`Authenticator`]'s and the
//! [`CookieJar`](crate::protocol::CookieJar)'s. Invariants: credentials go to the origin of
//! their scope alone, and those that were left behind never come back; a transfer that has none has
//! nothing of this but a null pointer.

use std::collections::HashMap;

use ::http::Method;

use crate::engine::dials::route::Via;
use crate::engine::transfers::request::Request;
use crate::limits;
use crate::owner::{Seat, who_goes};
use crate::protocol::{
    Attempt, AuthPolicy, AuthScheme, Authenticator, ClientNonces, Credentials, Date, RequestHead,
    ResponseHead, Scheme,
};
use crate::time::Time;

/// Who a transfer is to its peers.
#[derive(Default)]
pub(in crate::engine) struct Identity {
    /// To the origin of the request under way.
    pub(super) server: Option<Shown>,
    /// To the proxy that this request goes by, if that is to ask first.
    pub(super) proxy: Option<Shown>,
    /// What the proxy that forwards this request is told.
    pub(super) told_proxy: Option<Vec<u8>>,
}

/// Credentials, and what became of them in this request.
pub(super) struct Shown {
    pub(super) credentials: Credentials,
    scheme: AuthScheme,
    attempt: Attempt,
}

/// What all transfers know together.
pub(in crate::engine) struct CommonKnowledge {
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
    since: u64,
    used: u64,
}

impl Identity {
    /// That of a transfer which begins with this request.
    pub(in crate::engine) fn of(request: &Request) -> Option<Box<Identity>> {
        let Request { head, login, options, .. } = request;
        let has_login = login.is_some() || options.auth.is_some();
        let by_proxy = options.proxies.as_ref().is_some_and(|proxies| proxies.may_challenge());
        if !has_login && !by_proxy && options.cookies.is_none() && options.hsts.is_none() {
            return None;
        }
        let (credentials, scheme) = match &options.auth {
            Some(policy) => (policy.for_first(head.origin(), login.as_ref()), policy.scheme),
            None => (
                AuthPolicy::default().for_first(head.origin(), login.as_ref()),
                AuthScheme::default(),
            ),
        };
        let server = credentials.map(|credentials| Shown::new(credentials, scheme));
        Some(Box::new(Identity { server, ..Identity::default() }))
    }

    /// The next request goes by this proxy, or by none.
    pub(super) fn meet_proxy(&mut self, via: Option<&Via>) {
        let login = via.and_then(|via| via.proxy.login(&via.fields));
        self.proxy = match (login, self.proxy.take()) {
            (Some((credentials, _)), Some(known)) if known.credentials == credentials => {
                Some(known)
            }
            (login, _) => login.map(|(credentials, scheme)| Shown::new(credentials, scheme)),
        };
    }
}

impl Shown {
    pub(super) fn new(credentials: Credentials, scheme: AuthScheme) -> Shown {
        Shown { credentials, scheme, attempt: Attempt::default() }
    }

    /// What a request is sent with.
    pub(super) fn value(
        &mut self,
        method: &Method,
        target: &str,
        knowledge: &mut CommonKnowledge,
    ) -> Option<Vec<u8>> {
        let authenticator = knowledge.authenticators.of(&self.credentials, self.scheme);
        authenticator.authorize(&mut self.attempt, method, target)
    }

    /// What a request is sent with that has this head, unless that says it already.
    pub(super) fn value_beside(
        &mut self,
        head: &RequestHead,
        target: &str,
        knowledge: &mut CommonKnowledge,
    ) -> Option<Vec<u8>> {
        match self.stands_aside(head) {
            true => None,
            false => self.value(head.method(), target, knowledge),
        }
    }

    /// Whether a response asks for the request once more. Otherwise it is learned from.
    pub(super) fn is_challenged(
        &mut self,
        response: &ResponseHead<'_>,
        knowledge: &mut CommonKnowledge,
    ) -> bool {
        let authenticator = knowledge.authenticators.of(&self.credentials, self.scheme);
        let again = authenticator.challenged(&mut self.attempt, response, &mut knowledge.nonces);
        if !again {
            authenticator.accepted(&self.attempt, response);
        }
        again
    }

    /// Whether the caller has said in a request's head who asks.
    pub(super) fn stands_aside(&self, head: &RequestHead) -> bool {
        head.has_field(self.credentials.scope().role.authorization_field())
    }
}

impl CommonKnowledge {
    pub(in crate::engine) fn new(seed: [u8; 32]) -> CommonKnowledge {
        let (authenticators, nonces) = (Authenticators::default(), ClientNonces::new(seed));
        CommonKnowledge { authenticators, nonces, date: (Time::ZERO, Date::default()) }
    }

    pub(in crate::engine) fn set_date(&mut self, at: Time, date: Date) {
        self.date = (at, date);
    }

    pub(super) fn date(&self, now: Time) -> Date {
        let (at, date) = self.date;
        date.after(now.since(at))
    }

    /// The date, if it was told.
    pub(in crate::engine) fn known_date(&self, now: Time) -> Option<Date> {
        (self.date.1 != Date::default()).then(|| self.date(now))
    }

    /// Has a request go over TLS, if its host is known to want that.
    pub(in crate::engine) fn secure(&self, request: &mut Request, now: Time) {
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
            self.forget_some();
        }
        let known = self.known.entry(key).or_insert_with(|| Known {
            authenticator: Authenticator::new(credentials.clone(), scheme),
            since: self.uses,
            used: 0,
        });
        known.used = self.uses;
        &mut known.authenticator
    }

    /// Makes room: redirects may lead to origins without number, which are all shown the same.
    fn forget_some(&mut self) {
        let seats = self.known.iter().map(|((credentials, _), &Known { since, used, .. })| Seat {
            owner: credentials.scope().origin.host().owner(),
            since,
            used,
            is_dear: false,
        });
        let goes = who_goes(&seats.collect::<Vec<_>>(), 0, limits::AUTHENTICATORS / 16);
        self.known.retain(|_, known| !goes.contains(&known.since));
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::protocol::{Origin, Role, Secret};

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

    /// Guard: whoever leads to hosts without number has nobody else's nonces forgotten.
    #[test]
    fn a_flood_of_origins_costs_its_site_alone() {
        let mut authenticators = Authenticators::default();
        let secret = Secret::login("user", "").unwrap();
        let credentials = |host: &str| {
            let origin =
                Origin::from_url(&Url::parse(&format!("http://{host}/")).unwrap()).unwrap();
            secret.clone().scoped(origin, Role::Server)
        };
        let good = credentials("good.example");
        authenticators.of(&good, AuthScheme::Any);
        for n in 0..3 * limits::AUTHENTICATORS {
            authenticators.of(&credentials(&format!("h{n}.evil.example")), AuthScheme::Any);
        }
        assert!(authenticators.known.contains_key(&(good, AuthScheme::Any)));
        assert!(authenticators.known.len() <= limits::AUTHENTICATORS);
    }
}
