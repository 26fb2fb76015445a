//! The hops of a transfer that follows redirects.
//!
//! Decides whether a response's head is a redirect that its transfer follows, and begins the next hop
//! when the exchange is over: the same transfer, handler and total deadline, but another request, at
//! the front of its origin's queue, with waits of its own. Knows what each hop took. Must not know
//! what a redirect asks for: that is [`RedirectPolicy`](crate::http::RedirectPolicy)'s.
//! Invariant: a transfer that was never redirected has nothing of this but a null pointer.

use super::connection::Exchanging;
use super::pool::PoolKey;
use super::request::Body;
use super::transfer::{Hop, Spent, Transfer, Wire};
use super::{Engine, Flow, Report, Times, TransferId};
use crate::error::{Cause, RedirectError, Redirected};
use crate::http::{
    CloseReason, Redirect, RedirectFault, RequestHead, ResponseHead, Scheme, redirects,
};
use crate::limits;
use crate::time::Time;
use crate::tls::TlsPolicy;

/// What a transfer that was redirected has gone through.
pub(super) struct Hops {
    /// What the head of the exchange under way asks for.
    next: Option<Redirect>,
    /// The requests that were redirected, in order.
    past: Vec<Past>,
    /// When the one under way began to wait.
    began: Time,
    /// It has left the scope of its credentials.
    stripped: bool,
}

/// A request that was redirected.
struct Past {
    head: RequestHead,
    has_body: bool,
    hop: Hop,
}

impl Transfer {
    /// Takes the head of a final response, if it is a redirect that is to be followed: the handler is
    /// told, and answers.
    pub(super) fn take_redirect(
        &mut self,
        head: &ResponseHead<'_>,
        default_tls: Option<&TlsPolicy>,
    ) -> Option<Result<Flow, Cause>> {
        if !redirects(head.status()) {
            return None;
        }
        let next = match self.next_request(head, default_tls)? {
            Ok(next) => next,
            Err(cause) => return Some(Err(cause)),
        };
        let flow = self.handler.redirected(head, &next);
        let hops = self.hops.get_or_insert_with(|| Box::new(Hops::new(self.added)));
        hops.next = Some(next);
        Some(Ok(flow))
    }

    /// The request that a redirect asks for, if the transfer follows any and can follow this one.
    fn next_request(
        &mut self,
        head: &ResponseHead<'_>,
        default_tls: Option<&TlsPolicy>,
    ) -> Option<Result<Redirect, Cause>> {
        let policy = self.request.options.redirects?;
        let next = match policy.follow(&self.request.head, head) {
            Ok(next) => next?,
            Err(fault) => return Some(Err(self.broken(head, fault, None))),
        };
        let limit = policy.max.min(limits::REDIRECTS);
        let followed = self.hops.as_ref().map_or(0, |hops| hops.past.len());
        let without_tls = next.head.origin().scheme() == Scheme::Https
            && self.request.options.tls.as_ref().or(default_tls).is_none();
        let fault = if followed >= limit as usize {
            RedirectFault::TooMany { limit }
        } else if self.has_sent(&next) {
            RedirectFault::Loop
        } else if without_tls {
            RedirectFault::NoTlsPolicy
        } else if next.keeps_body && !self.request.body.rewind() {
            RedirectFault::BodyNotRepeatable
        } else {
            return Some(Ok(next));
        };
        Some(Err(self.broken(head, fault, Some(&next))))
    }

    /// Whether the next request would be one that was sent before.
    fn has_sent(&self, next: &Redirect) -> bool {
        let has_body = self.has_body();
        let next_has_body = next.keeps_body && has_body;
        let past = self.hops.iter().flat_map(|hops| &hops.past);
        past.map(|past| (&past.head, past.has_body))
            .chain([(&self.request.head, has_body)])
            .any(|(head, body)| body == next_has_body && head.is_same_request(&next.head))
    }

    fn has_body(&self) -> bool {
        !matches!(self.request.body, Body::Empty)
    }

    fn broken(
        &self,
        head: &ResponseHead<'_>,
        fault: RedirectFault,
        next: Option<&Redirect>,
    ) -> Cause {
        let past = self.hops.iter().flat_map(|hops| &hops.past);
        let mut chain: Vec<_> = past
            .map(|past| Redirected {
                url: past.hop.url.clone(),
                status: past.hop.status.unwrap_or(0),
            })
            .collect();
        chain.push(Redirected { url: self.request.head.url(), status: head.status() });
        let next = next.map(|next| next.head.url());
        Cause::Redirect(Box::new(RedirectError { fault, chain, next }))
    }
}

impl Exchanging {
    /// Whether to read the rest of a redirect, so that its connection can be used again.
    pub(super) fn is_worth_finishing(&self) -> bool {
        let reasons = self.exchange.close_reasons();
        let only_unfinished =
            reasons.iter().all(|reason| reason == CloseReason::ResponseUnfinished);
        let size = self.exchange.content_length().unwrap_or(0).max(self.exchange.body_received());
        only_unfinished && size <= limits::REDIRECT_BODY
    }
}

impl Engine {
    /// The exchange of a redirect is over, with this to report: the transfer goes on to where it leads.
    pub(super) fn follow(&mut self, id: TransferId, report: Report) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let Some(hops) = &mut transfer.hops else { return };
        let Some(next) = hops.next.take() else { return };
        let added = transfer.added;
        let head = std::mem::replace(&mut transfer.request.head, next.head);
        let has_body = !matches!(transfer.request.body, Body::Empty);
        if !next.keeps_body {
            transfer.request.body = Body::Empty;
        }
        let hop = Hop::new(&head, report, hops.began.since(added));
        hops.past.push(Past { head, has_body, hop });
        hops.began = self.now;
        hops.stripped |= next.strips_credentials;
        (transfer.spent, transfer.wire, transfer.retries) = (Spent::default(), Wire::default(), 0);
        let mut key = PoolKey::of(
            &transfer.request.head,
            &transfer.request.options,
            self.config.tls.as_ref(),
        );
        if hops.stripped {
            key.tls = key.tls.map(|policy| policy.without_identity());
        }
        transfer.origin = self.pool.origin(key);
        self.stats.redirects += 1;
        if let Some(origin) = self.queue_first(id) {
            self.schedule_transfer(id);
            self.to_serve.push_back(origin);
        }
    }
}

impl Hops {
    fn new(began: Time) -> Hops {
        Hops { next: None, past: Vec::new(), began, stripped: false }
    }

    /// Whether a redirect was followed: the request that was added has been answered.
    pub(super) fn any(&self) -> bool {
        !self.past.is_empty()
    }

    /// Makes of the last hop's report that of the whole transfer.
    pub(super) fn conclude(self, head: &RequestHead, added: Time, report: &mut Report) {
        if !self.any() {
            return;
        }
        let last = Hop::new(head, report.clone(), self.began.since(added));
        let Report { times, wire_sent, wire_received, retries, hops, .. } = report;
        for hop in self.past.into_iter().map(|past| past.hop) {
            let Times { queue, resolve, connect, tls, first_byte: _, total: _ } = hop.times;
            times.queue += queue;
            times.resolve += resolve;
            times.connect += connect;
            times.tls += tls;
            *wire_sent += hop.wire_sent;
            *wire_received += hop.wire_received;
            *retries = retries.saturating_add(hop.retries);
            hops.push(hop);
        }
        hops.push(last);
    }
}
