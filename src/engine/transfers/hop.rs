//! The hops of a transfer: each request that follows on a response to the one before.
//!
//! Knows what a response leads to, a redirect's target or the same request with credentials, and
//! begins it when the exchange is over: the same transfer, handler and total deadline, but another
//! request, at the front of its origin's queue, with waits of its own. Knows what each hop took. Must
//! not know what a redirect or a challenge asks for: see [`crate::engine::transfers::redirect`] and [`crate::engine::transfers::identity`]; nor what is kept of the
//! past: [`crate::engine::transfers::history`].
//! Invariant: a transfer that was never led on has nothing of this but a null pointer.

use crate::engine::exchanges::codec::is_worth_finishing;
use crate::engine::exchanges::next::Taken;
use crate::engine::ids::{ExchangeId, TransferId};
use crate::engine::links::wire::Wire;
use crate::engine::net::Net;
use crate::engine::pool::key::PoolKey;
use crate::engine::roster::Roster;
use crate::engine::transfers::history::History;
use crate::engine::transfers::hops::{FollowUp, Hops};
use crate::engine::transfers::identity::CommonKnowledge;
use crate::engine::transfers::report::Report;
use crate::engine::transfers::request::Body;
use crate::engine::transfers::transfer::{Spent, Transfer};
use crate::engine::{Engine, Flow};
use crate::error::Cause;
use crate::limits;
use crate::protocol::{BodyLength, CloseReason, Event, Read, ResponseHead};
use crate::time::Time;
use crate::tls::TlsPolicy;

impl Transfer {
    /// Whether the head of a final response of this status may be more than something to deliver.
    pub(in crate::engine) fn heeds(&self, status: u16) -> bool {
        let may_redirect = (300..400).contains(&status);
        self.identity.is_some() || (may_redirect && self.request.options.redirects.is_some())
    }

    /// Takes the head of a final response, if another request follows on it: the handler is told, and
    /// answers. One that would lead on but cannot is taken, too, and fails the transfer as soon as it
    /// is read on. Nobody has asked for the request's body if that is untouched.
    #[inline(never)]
    pub(in crate::engine) fn take_lead(
        &mut self,
        head: &ResponseHead<'_>,
        untouched: bool,
        default_tls: Option<&TlsPolicy>,
        knowledge: &mut CommonKnowledge,
        now: Time,
    ) -> Option<Flow> {
        let date = knowledge.date(now);
        self.learn(head, default_tls, date);
        let next = match self.answer(head, untouched, knowledge).transpose() {
            Some(again) => again,
            None => self
                .redirect(head, untouched, default_tls, date)
                .transpose()?
                .map(FollowUp::Redirect),
        };
        let flow = match &next {
            Ok(FollowUp::Redirect(next)) => self.handler.redirected(head, next),
            Ok(FollowUp::Again) => self.handler.challenged(head),
            Err(_) => {
                self.handler.refused(head.raw());
                Flow::Continue
            }
        };
        let records = self.request.options.record_hops;
        let hops = self.hops.get_or_insert_with(|| Box::new(Hops::new(self.added, records)));
        hops.next = Some(next);
        Some(flow)
    }

    /// Which connections its next request may use.
    fn pool_key(&self, default_tls: Option<&TlsPolicy>) -> PoolKey {
        let key = PoolKey::of(&self.request.head, &self.request.options, default_tls);
        match self.hops.as_ref().is_some_and(|hops| hops.stripped) {
            true => key.without_credentials(),
            false => key,
        }
    }

    /// What it has asked for before.
    pub(super) fn history(&self) -> Option<&History> {
        self.hops.as_ref().map(|hops| &hops.history)
    }

    pub(super) fn has_body(&self) -> bool {
        !matches!(self.request.body, Body::Empty)
    }
}

impl Engine {
    /// Reads on in the body of a response that leads on, or of which its handler has had enough; `taken` bytes of input
    /// came before. As long as that is worth its connection, and not for long: where it leads has been said, and
    /// whatever is wrong with the rest is not looked at.
    #[cold]
    pub(in crate::engine) fn take_superseded(
        &mut self,
        id: ExchangeId,
        input: &[u8],
        mut taken: usize,
    ) -> Taken {
        if let Some(cause) = self.roster.take_broken(&mut self.net, id) {
            self.fail_exchange(id, cause, None);
            return Taken::Over;
        }
        self.roster.note_unread_upload(&mut self.net, id);
        while let Some(exchange) = self.net.exchanges.get_mut(id)
            && let Some(codec) = exchange.codec.http1()
            && is_worth_finishing(codec)
            && let Ok(Read { consumed, event }) = codec.read(&input[taken..])
        {
            taken += consumed;
            match event {
                Event::NeedMore => {
                    self.net.touch_exchange(id);
                    return Taken::All;
                }
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
}

impl Roster {
    /// A proxy that asks who makes a request may never read the rest of a large body that came with it, and so not
    /// what comes after (squid 5): its connection is not used again.
    fn note_unread_upload(&mut self, net: &mut Net, id: ExchangeId) {
        let Some(exchange) = net.exchanges.get_mut(id) else { return };
        let status = exchange.response.map(|head| head.status);
        let Some(transfer) = self.transfers.get(exchange.claim.transfer) else { return };
        let is_large = match transfer.request.body.length() {
            BodyLength::Known(bytes) => bytes > limits::UNREAD_UPLOAD,
            BodyLength::Unknown => true,
            BodyLength::None | BodyLength::Raw => false,
        };
        if exchange.body_begun
            && status == Some(407)
            && is_large
            && let Some(codec) = exchange.codec.http1()
        {
            codec.note_close(CloseReason::RequestUnfinished);
        }
    }

    /// Why the response of an exchange cannot be followed up.
    pub(in crate::engine) fn take_broken(
        &mut self,
        net: &mut Net,
        id: ExchangeId,
    ) -> Option<Cause> {
        let transfer = net.exchanges.get(id)?.claim.transfer;
        let hops = self.transfers.get_mut(transfer)?.hops.as_mut()?;
        hops.next.take_if(|next| next.is_err())?.err()
    }

    /// The exchange of a response that leads on is over, with this to report: the transfer goes on.
    pub(super) fn lead_on(&mut self, net: &mut Net, id: TransferId, report: Report) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let Some(next) = transfer.hops.as_mut().and_then(|hops| hops.next.take()) else { return };
        let (has_body, queued) = (transfer.has_body(), report.times.queue);
        let Some(hops) = &mut transfer.hops else { return };
        let before = hops.began.since(transfer.added);
        hops.history.push(&transfer.request.head, has_body, report, before, &self.common.memory);
        hops.began = net.now;
        match next {
            Ok(FollowUp::Redirect(next)) => {
                net.stats.redirects += 1;
                transfer.follow(next);
            }
            Ok(FollowUp::Again) => net.stats.challenges += 1,
            Err(_) => return,
        }
        transfer.count_shortage(queued, &mut net.stats);
        (transfer.spent, transfer.wire, transfer.resent) = (Spent::default(), Wire::default(), 0);
        self.seek_connection(net, id);
    }

    /// A transfer that has none looks for a connection again, before those that wait for one: its request
    /// may go to another origin than before, and that origin may have been forgotten meanwhile.
    pub(in crate::engine) fn seek_connection(&mut self, net: &mut Net, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let key = transfer.pool_key(self.common.tls.as_ref());
        key.restrict(&mut transfer.request);
        transfer.origin = net.pool.origin(key);
        if let Some(origin) = self.queue_first(net, id) {
            self.schedule_transfer(net, id);
            net.to_serve.push_back(origin);
        }
    }
}
