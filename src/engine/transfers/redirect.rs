//! Redirects on a transfer's way.
//!
//! Decides whether a response's head is a redirect that its transfer follows, and makes the request
//! that it asks for the transfer's own. Must not know what a redirect asks for: that is
//! [`RedirectPolicy`](crate::protocol::RedirectPolicy)'s.

use crate::engine::pool::key::PoolKey;
use crate::engine::transfers::history::History;
use crate::engine::transfers::request::Body;
use crate::engine::transfers::transfer::Transfer;
use crate::error::{Cause, RedirectError, Redirected};
use crate::limits;
use crate::protocol::{Date, Host, Redirect, RedirectFault, ResponseHead};
use crate::tls::TlsPolicy;

impl Transfer {
    /// The request that a response asks for, if it is a redirect that is followed.
    pub(super) fn redirect(
        &mut self,
        head: &ResponseHead<'_>,
        untouched: bool,
        default_tls: Option<&TlsPolicy>,
        date: Date,
    ) -> Result<Option<Redirect>, Cause> {
        let Some(policy) = self.request.options.redirects else { return Ok(None) };
        let hsts = self.request.options.hsts.as_ref();
        let wants_tls = |host: &Host| hsts.is_some_and(|hsts| hsts.covers(host, date));
        let next = policy.follow_securely(&self.request.head, head, &wants_tls);
        let Some(mut next) = next.map_err(|fault| self.broken(head, fault, None))? else {
            return Ok(None);
        };
        if self.request.options.cookies.is_some() {
            // with other cookies it is another request
            let cookies = self.cookies_for(&next.head, date);
            next.head.set_cookies(cookies);
        }
        match self.stands_against(&next, policy.max, untouched, default_tls) {
            Some(fault) => Err(self.broken(head, fault, Some(&next))),
            None => Ok(Some(next)),
        }
    }

    /// Makes the next request the transfer's own.
    pub(super) fn follow(&mut self, next: Redirect) {
        let past = std::mem::replace(&mut self.request.head, next.head);
        if !next.keeps_body {
            self.request.body = Body::Empty;
        }
        if next.strips_credentials
            && let Some(hops) = &mut self.hops
        {
            hops.strip();
        }
        self.change_scope(past.origin(), next.strips_credentials);
        if let Some(login) = next.login {
            self.log_in(login);
        }
    }

    /// What stands against the next request on the transfer's side.
    fn stands_against(
        &mut self,
        next: &Redirect,
        max: u32,
        untouched: bool,
        default_tls: Option<&TlsPolicy>,
    ) -> Option<RedirectFault> {
        let limit = max.min(limits::REDIRECTS);
        let followed = self.history().map_or(0, History::redirects);
        let without_tls = PoolKey::of(&next.head, &self.request.options, default_tls).lacks_tls();
        if followed >= limit as usize {
            // servers that count, or come back once they have set something, are waited for up to here
            Some(match self.has_sent(next) {
                true => RedirectFault::Loop { limit },
                false => RedirectFault::TooMany { limit },
            })
        } else if without_tls {
            Some(RedirectFault::NoTlsPolicy)
        } else if next.keeps_body && !untouched && !self.request.body.rewind() {
            Some(RedirectFault::BodyNotRepeatable)
        } else {
            None
        }
    }

    /// Whether the next request would be one that was sent before.
    fn has_sent(&self, next: &Redirect) -> bool {
        let has_body = self.has_body();
        let next_has_body = next.keeps_body && has_body;
        (next_has_body == has_body && self.request.head.is_same_request(&next.head))
            || self.history().is_some_and(|history| history.has_asked(&next.head, next_has_body))
    }

    fn broken(
        &self,
        head: &ResponseHead<'_>,
        fault: RedirectFault,
        next: Option<&Redirect>,
    ) -> Cause {
        let mut chain = self.history().map_or_else(Vec::new, History::chain);
        chain.push(Redirected { url: self.request.head.shown_url(), status: head.status() });
        let next = next.map(|next| next.head.shown_url());
        Cause::Redirect(Box::new(RedirectError { fault, chain, next }))
    }
}
