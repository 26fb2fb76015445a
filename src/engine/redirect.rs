//! The hops of a transfer that follows redirects.
//!
//! Decides whether a response's head is a redirect that its transfer follows, and begins the next hop
//! when the exchange is over: the same transfer, handler and total deadline, but another request, at
//! the front of its origin's queue, with waits of its own. Knows what each hop took. Must not know
//! what a redirect asks for: that is [`RedirectPolicy`](crate::http::RedirectPolicy)'s.
//! Invariant: a transfer that was never redirected has nothing of this but a null pointer.

use super::connection::Exchanging;
use super::pool::PoolKey;
use super::receive::Taken;
use super::request::Body;
use super::transfer::{Hop, Spent, Transfer, Wire};
use super::{ConnectionId, Engine, Flow, Outcome, Report, Times, TransferId};
use crate::error::{Cause, Progress, RedirectError, Redirected};
use crate::http::{
    CloseReason, Event, Read, Redirect, RedirectFault, RequestHead, ResponseHead, redirects,
};
use crate::limits;
use crate::time::Time;
use crate::tls::TlsPolicy;

/// What a transfer that was redirected has gone through.
pub(super) struct Hops {
    /// What the head of the exchange under way asks for, or why that cannot be.
    next: Option<Result<Redirect, Cause>>,
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
    /// Whether a final response of this status may be a redirect that is followed.
    pub(super) fn follows(&self, status: u16) -> bool {
        redirects(status) && self.request.options.redirects.is_some()
    }

    /// Takes the head of a final response, if it is a redirect that is followed: the handler is told,
    /// and answers. One that cannot be followed is taken, too, and fails the transfer as soon as it
    /// is read on.
    #[cold]
    pub(super) fn take_redirect(
        &mut self,
        head: &ResponseHead<'_>,
        default_tls: Option<&TlsPolicy>,
    ) -> Option<Flow> {
        let next = self.next_request(head, default_tls).transpose()?;
        let flow = match &next {
            Ok(next) => self.handler.redirected(head, next),
            Err(_) => Flow::Continue,
        };
        let hops = self.hops.get_or_insert_with(|| Box::new(Hops::new(self.added)));
        hops.next = Some(next);
        Some(flow)
    }

    fn next_request(
        &mut self,
        head: &ResponseHead<'_>,
        default_tls: Option<&TlsPolicy>,
    ) -> Result<Option<Redirect>, Cause> {
        let Some(policy) = self.request.options.redirects else { return Ok(None) };
        let next = policy.follow(&self.request.head, head);
        let Some(next) = next.map_err(|fault| self.broken(head, fault, None))? else {
            return Ok(None);
        };
        match self.stands_against(&next, policy.max, default_tls) {
            Some(fault) => Err(self.broken(head, fault, Some(&next))),
            None => Ok(Some(next)),
        }
    }

    /// What stands against the next request on the transfer's side.
    fn stands_against(
        &mut self,
        next: &Redirect,
        max: u32,
        default_tls: Option<&TlsPolicy>,
    ) -> Option<RedirectFault> {
        let limit = max.min(limits::REDIRECTS);
        let followed = self.hops.as_ref().map_or(0, |hops| hops.past.len());
        let without_tls = PoolKey::of(&next.head, &self.request.options, default_tls).lacks_tls();
        if followed >= limit as usize {
            Some(RedirectFault::TooMany { limit })
        } else if self.has_sent(next) {
            Some(RedirectFault::Loop)
        } else if without_tls {
            Some(RedirectFault::NoTlsPolicy)
        } else if next.keeps_body && !self.request.body.rewind() {
            Some(RedirectFault::BodyNotRepeatable)
        } else {
            None
        }
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
    /// Reads on in the body of a redirect, of which `taken` bytes of input came before, as long as
    /// that is worth its connection. Where the redirect leads has been said: whatever is wrong with
    /// the rest is not looked at.
    #[cold]
    pub(super) fn take_redirected(
        &mut self,
        id: ConnectionId,
        input: &[u8],
        mut taken: usize,
    ) -> Taken {
        if let Some(cause) = self.take_broken(id) {
            self.fail(id, cause, None);
            return Taken::Over;
        }
        while let Some(state) = self.exchanging(id)
            && state.is_worth_finishing()
            && let Ok(Read { consumed, event }) = state.exchange.read(&input[taken..])
        {
            taken += consumed;
            match event {
                Event::NeedMore => return Taken::All,
                Event::Complete if taken == input.len() => {
                    self.complete(id);
                    return Taken::All;
                }
                Event::Complete => break,
                Event::Body(_) | Event::Head(_) | Event::Informational(_) => {}
            }
        }
        self.complete(id);
        Taken::Over
    }

    /// Why the redirect on a connection cannot be followed.
    fn take_broken(&mut self, id: ConnectionId) -> Option<Cause> {
        let transfer = self.exchanging(id)?.transfer;
        let hops = self.transfers.get_mut(transfer)?.hops.as_mut()?;
        hops.next.take_if(|next| next.is_err())?.err()
    }

    /// The exchange of a redirect is over, with this to report: the transfer goes on to where it leads.
    pub(super) fn follow(&mut self, id: TransferId, report: Report) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let Some(hops) = &mut transfer.hops else { return };
        let Some(Ok(next)) = hops.next.take() else { return };
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
        key.restrict(&mut transfer.request);
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

    /// Makes of the last hop's outcome that of the whole transfer.
    #[cold]
    pub(super) fn conclude(self, head: &RequestHead, added: Time, outcome: &mut Outcome) {
        if self.past.is_empty() {
            return;
        }
        let Outcome { result, report } = outcome;
        if let Err(error) = result {
            // whatever became of the last request, the first has been acted upon
            error.progress = error.progress.max(Progress::RequestSent);
        }
        let last = Hop::new(head, report.clone(), self.began.since(added));
        let Report { times, wire_sent, wire_received, retries, hops, .. } = report;
        for hop in self.past.into_iter().map(|past| past.hop) {
            let Times { queue, resolve, connect, proxy, tls, first_byte: _, total: _ } = hop.times;
            times.queue += queue;
            times.resolve += resolve;
            times.connect += connect;
            times.proxy += proxy;
            times.tls += tls;
            *wire_sent += hop.wire_sent;
            *wire_received += hop.wire_received;
            *retries = retries.saturating_add(hop.retries);
            hops.push(hop);
        }
        hops.push(last);
    }
}
