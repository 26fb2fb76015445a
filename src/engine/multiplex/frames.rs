//! A connection that speaks HTTP/2: what comes on it goes to its exchanges, what they have to send goes out on it.
//!
//! Knows which exchange an event is of, and what that changes. Must not know frames: that is [`crate::protocol::h2`]'s. Invariants: a
//! connection is read whatever its exchanges wait for; what one of these has to wait with is bounded by the window of its stream.

use crate::engine::exchanges::codec::{OnStream, Part};
use crate::engine::exchanges::common::Common;
use crate::engine::exchanges::exchange::{Exchange, Hold, Rest};
use crate::engine::exchanges::next::{Next, Taken};
use crate::engine::exchanges::receive::{Answer, give_out, give_trailers, heed};
use crate::engine::ids::{ConnectionId, ExchangeId};
use crate::engine::links::connection::State;
use crate::engine::multiplex::Multiplex;
use crate::engine::multiplex::lent::Lent;
use crate::engine::net::Net;
use crate::engine::transfers::guarded::{Called, calling};
use crate::engine::transfers::transfer::Transfer;
use crate::engine::{Engine, Flow};
use crate::error::Cause;
use crate::id::Id;
use crate::limits;
use crate::protocol::h2::{ErrorCode, Event, Read, Reserve};
use crate::time::Time;

/// The status by which a server says that it is not the one to be asked (RFC 9110, 15.5.20).
const MISDIRECTED: u16 = 421;

/// What an event has led to.
struct Told {
    exchange: ExchangeId,
    next: Next,
    /// Bytes of a body that the peer may send as many more for.
    delivered: usize,
    /// A deadline may bind sooner than before, or bytes of the request may be wanted.
    changed: bool,
}

impl Engine {
    // in

    /// Takes bytes that came on a connection that speaks HTTP/2.
    pub(in crate::engine) fn take_frames(&mut self, id: ConnectionId, input: &[u8]) -> Taken {
        let (mut taken, mut of_request) = (0, false);
        loop {
            let Some(connection) = self.net.pool.connections.get_mut(id) else {
                return Taken::Over;
            };
            let State::Multiplexed(link) = &mut connection.state else { return Taken::Over };
            let Read { consumed, event } = match link.codec.read(&input[taken..]) {
                Ok(read) => read,
                Err(fault) => {
                    self.fail_link(id, Cause::Http2(fault), None);
                    return Taken::Over;
                }
            };
            taken += consumed;
            let told = match event {
                Event::NeedMore => {
                    link.hear(self.net.now, of_request);
                    let (answers, changes) =
                        (link.codec.wants_fill(), link.is_listed != link.has_room());
                    let settles = connection.is_dialed && link.codec.is_settled();
                    if answers {
                        self.net.touch(id);
                    }
                    if changes {
                        self.net.relist(id);
                    }
                    if settles {
                        self.net.note_settled(id);
                    }
                    self.roster.count_unfinished(&mut self.net, id);
                    self.shorten_line();
                    return Taken::All;
                }
                Event::Pong { .. } => {
                    link.is_there = true;
                    continue;
                }
                Event::GoAway { goaway, .. } => {
                    self.net.note_goaway(id, goaway.code);
                    continue;
                }
                event => {
                    of_request = true;
                    let (exchanges, transfers) =
                        (&mut self.net.exchanges, &mut self.roster.transfers);
                    let key = key_of(&event);
                    let Some(exchange) = exchanges.get_mut(key) else { continue };
                    let Some(transfer) = transfers.get_mut(exchange.claim.transfer) else {
                        continue;
                    };
                    exchange.note_received(consumed, self.net.now);
                    let (common, now) = (&mut self.roster.common, self.net.now);
                    let reserve = &link.reserve;
                    calling(Called::On(key), || {
                        exchange.hear(transfer, key, event, common, reserve, now)
                    })
                }
            };
            self.heed_told(id, told);
        }
    }

    /// Does what an event asks for.
    fn heed_told(&mut self, id: ConnectionId, told: Told) {
        let Told { exchange, next, delivered, changed } = told;
        if delivered > 0 {
            self.net.give_credit(id, exchange, delivered);
        }
        if changed {
            self.net.touch_exchange(exchange);
        }
        let superseded = |exchange: &Exchange| exchange.rest == Rest::Superseded;
        if matches!(next, Next::Fail(_)) && self.net.exchanges.get(exchange).is_some_and(superseded)
        {
            // where it leads has been said
            return self.complete(exchange);
        }
        let by_http1 =
            |next: &Next| matches!(next, Next::Fail(Cause::Reset(ErrorCode::HTTP_1_1_REQUIRED)));
        if by_http1(&next) && self.ask_by_http1(exchange) {
            return;
        }
        self.proceed(exchange, next, false);
        self.leave_rest_of_stream(exchange);
    }

    /// Delivers what an exchange had to wait with.
    pub(in crate::engine) fn take_held_parts(&mut self, id: ExchangeId) {
        // the handler may have had enough of what was left undecoded
        self.leave_rest_of_stream(id);
        loop {
            let Some(exchange) = self.net.exchanges.get_mut(id) else { return };
            let (connection, holds) = (exchange.connection, exchange.holds);
            let Some(stream) = exchange.codec.stream_mut() else { return };
            if holds.delivery() {
                return;
            }
            let Some(held) = stream.take_held() else { return };
            let Some(transfer) = self.roster.transfers.get_mut(exchange.claim.transfer) else {
                return;
            };
            self.told = true;
            let (common, now) = (&mut self.roster.common, self.net.now);
            let told = calling(Called::On(id), || {
                exchange.deliver(transfer, id, held.part(), common, now)
            });
            self.heed_told(connection, told);
        }
    }

    /// The rest of a response that goes nowhere is not waited for where its end is not there yet.
    fn leave_rest_of_stream(&mut self, id: ExchangeId) {
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        if exchange.rest == Rest::Delivered {
            return;
        }
        if let Some(cause) = self.roster.take_broken(&mut self.net, id) {
            return self.fail_exchange(id, cause, None);
        }
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        let size = exchange.codec.content_length().unwrap_or(0).max(exchange.codec.body_received());
        if exchange.rest == Rest::Unwanted || size > limits::SUPERSEDED_BODY {
            self.complete(id);
        }
    }

    // out

    /// Fills `out` with frames of a connection, through whatever is below them.
    pub(in crate::engine) fn fill_frames(
        &mut self,
        id: ConnectionId,
        out: &mut [u8],
    ) -> Result<usize, Cause> {
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return Ok(0) };
        let State::Multiplexed(link) = &mut connection.state else { return Ok(0) };
        let Multiplex { codec, departures, .. } = &mut **link;
        let (path, handed) = (&mut connection.path, connection.wire.handed);
        let (exchanges, transfers) = (&mut self.net.exchanges, &mut self.roster.transfers);
        let (failed, asked) = (Vec::new(), false);
        let mut lent = Lent { exchanges, transfers, departures, failed, asked, at: 0 };
        let mut filled = 0;
        if path.is_bare() {
            filled = codec.fill(out, &mut lent);
        } else {
            filled += path.fill(out)?;
            if !path.wants_send() {
                lent.departures.note_handed(handed + filled as u64);
            }
            self.scratch.resize(limits::TLS_PLAINTEXT, 0);
            while filled < out.len() && codec.wants_fill() {
                lent.at = 0;
                let plain = codec.fill(&mut self.scratch, &mut lent);
                if plain == 0 {
                    break;
                }
                path.write(&self.scratch[..plain])?;
                filled += path.fill(&mut out[filled..])?;
            }
        }
        if !path.wants_send() {
            lent.departures.note_handed(handed + filled as u64);
        }
        self.told |= lent.asked;
        let failed = std::mem::take(&mut lent.failed);
        for (exchange, cause) in failed {
            self.fail_exchange(exchange, cause, None);
        }
        Ok(filled)
    }
}

impl Net {
    /// So many bytes of a body are done with: the peer may send as many more, once they are paid for.
    fn give_credit(&mut self, id: ConnectionId, exchange: ExchangeId, bytes: usize) {
        let Some(exchange) = self.exchanges.get_mut(exchange) else { return };
        let waits = exchange.holds.has(Hold::Pace);
        let Some(stream) = exchange.codec.stream_mut() else { return };
        stream.owed += bytes;
        if waits {
            return;
        }
        let (stream, owed) = (stream.id, std::mem::take(&mut stream.owed));
        if let Some(link) = self.multiplex(id) {
            link.codec.consumed(stream, owed);
        }
    }

    /// What an exchange has moved is paid for, or it is resumed: it goes on with what it had to wait with.
    pub(in crate::engine) fn go_on_with_stream(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let (connection, sends) = (exchange.connection, !exchange.holds.sending());
        let awaits_continue = exchange.codec.awaits_continue();
        let Some(stream) = exchange.codec.stream_mut().map(|stream| stream.id) else { return };
        self.give_credit(connection, id, 0);
        if let Some(link) = self.multiplex(connection)
            && sends
        {
            link.codec.resume(stream);
            if !awaits_continue {
                link.codec.send_body(stream);
            }
        }
        self.touch(connection);
    }

    /// Bytes of a connection were sent: those of its exchanges have left.
    pub(in crate::engine) fn note_departures(&mut self, id: ConnectionId) {
        loop {
            let Some(connection) = self.pool.connections.get_mut(id) else { return };
            let sent = connection.wire.sent;
            let State::Multiplexed(link) = &mut connection.state else { return };
            let Some((exchange, bytes, all)) = link.departures.next(sent) else { return };
            self.note_sent(exchange, bytes, all);
            self.schedule_exchange(exchange);
        }
    }
}

impl Exchange {
    /// Hears of an event of its stream: of its response, which is delivered unless it has to wait, or of its end.
    #[inline]
    fn hear(
        &mut self,
        transfer: &mut Transfer,
        id: ExchangeId,
        event: Event<'_>,
        common: &mut Common,
        reserve: &Reserve,
        now: Time,
    ) -> Told {
        let Some(stream) = self.codec.stream_mut() else { return Told::nothing(id) };
        let part = match event {
            Event::Informational { head, .. } => Part::Informational(head),
            Event::Head { head, length, .. } => {
                stream.length = length;
                Part::Head(head)
            }
            Event::Body { bytes, .. } => {
                stream.received += bytes.len() as u64;
                Part::Body(bytes)
            }
            Event::Trailers { fields, .. } => {
                stream.keep_trailers(fields);
                return Told::nothing(id);
            }
            Event::Complete { .. } => Part::End,
            Event::Failed { fault, .. } => return Told::failed(id, Cause::Http(fault)),
            Event::Reset { code, .. } => return Told::failed(id, Cause::Reset(code)),
            // who has begun to answer has processed it
            Event::Refused { .. } if stream.has_started => {
                return Told::failed(id, Cause::Reset(ErrorCode::REFUSED_STREAM));
            }
            Event::Refused { .. } => return Told::failed(id, Cause::Refused),
            Event::NeedMore | Event::GoAway { .. } | Event::Pong { .. } => {
                return Told::nothing(id);
            }
        };
        let mut begins = false;
        if let Part::Informational(head) | Part::Head(head) = &part {
            begins = self.first_byte == Time::NEVER;
            self.first_byte = self.first_byte.min(now);
            stream.has_started = true;
            stream.note_status(head.status());
        }
        let waits = self.holds.delivery() || stream.has_held();
        let mut told = match waits && self.rest == Rest::Delivered {
            true => {
                stream.hold(&part, reserve);
                if let Part::Body(bytes) = part {
                    self.count_held(bytes.len());
                }
                Told::nothing(id)
            }
            false => self.deliver(transfer, id, part, common, now),
        };
        told.changed |= begins || self.holds.has(Hold::Pace);
        told
    }

    /// Delivers a part of a response.
    #[inline]
    fn deliver(
        &mut self,
        transfer: &mut Transfer,
        id: ExchangeId,
        part: Part<'_>,
        common: &mut Common,
        now: Time,
    ) -> Told {
        let mut told = Told::nothing(id);
        if self.rest != Rest::Delivered {
            match part {
                Part::Body(bytes) => told.delivered = bytes.len(),
                Part::End => told.next = Next::Complete,
                Part::Informational(_) | Part::Head(_) => {}
            }
            return told;
        }
        let flow = match part {
            Part::Informational(head) => {
                transfer.handler.informational(&head);
                told.changed = true;
                Flow::Continue
            }
            Part::Head(head) if head.status() == MISDIRECTED && self.may_go_elsewhere(transfer) => {
                told.next = Next::Elsewhere;
                return told;
            }
            Part::Head(head) => {
                self.holds.end_wait(&mut self.measured.0, now);
                let flow = self.answer().take_head(transfer, &head, common, now);
                told.changed = self.request_sent == Time::NEVER || self.rest != Rest::Delivered;
                flow
            }
            Part::Body(bytes) => {
                told.delivered = bytes.len();
                let (decoding, handler) = (&mut self.decoding, &mut *transfer.handler);
                let (flow, next) = give_out(Some(bytes), decoding, handler, &mut common.decoded);
                told.next = next;
                flow
            }
            Part::End => {
                let (flow, next) = self.give_end(transfer, common);
                told.next = next;
                flow
            }
        };
        heed(flow, &mut told.next, self, transfer);
        told
    }

    /// Whether its request, which came to the wrong server (RFC 9110, 15.5.20), may be sent again on another connection: once,
    /// and where it was not the first on this one.
    #[cold]
    fn may_go_elsewhere(&self, transfer: &mut Transfer) -> bool {
        let is_first = self.codec.stream().is_some_and(OnStream::is_first);
        let untouched = !self.body_begun;
        if is_first || transfer.was_misdirected || !(untouched || transfer.request.body.rewind()) {
            return false;
        }
        transfer.was_misdirected = true;
        true
    }

    fn answer(&mut self) -> Answer<'_> {
        Answer {
            untouched: !self.body_begun,
            response: &mut self.response,
            rest: &mut self.rest,
            measured: &mut self.measured.0,
            decoding: &mut self.decoding,
        }
    }

    /// Gives out what is left of a body at its end, and the fields after it.
    fn give_end(&mut self, transfer: &mut Transfer, common: &mut Common) -> (Flow, Next) {
        let (decoding, handler) = (&mut self.decoding, &mut *transfer.handler);
        let given = give_out(None, decoding, handler, &mut common.decoded);
        let Some(stream) = self.codec.stream_mut() else { return given };
        match given {
            (_, Next::Complete) => match stream.take_trailers() {
                Some(trailers) => give_trailers(trailers.view(), &mut *transfer.handler),
                None => given,
            },
            // it is asked for the rest again
            (Flow::Continue | Flow::Pause, Next::More | Next::Yield | Next::AwaitMemory) => {
                stream.hold_end();
                given
            }
            _ => given,
        }
    }
}

impl Told {
    fn nothing(exchange: ExchangeId) -> Told {
        Told { exchange, next: Next::More, delivered: 0, changed: false }
    }

    #[cold]
    fn failed(exchange: ExchangeId, cause: Cause) -> Told {
        Told { exchange, next: Next::Fail(cause), delivered: 0, changed: false }
    }
}

/// The exchange that an event is of; none has the id of those that are of the connection.
fn key_of(event: &Event<'_>) -> ExchangeId {
    Id::from_bits(match *event {
        Event::Informational { key, .. }
        | Event::Head { key, .. }
        | Event::Body { key, .. }
        | Event::Trailers { key, .. }
        | Event::Complete { key }
        | Event::Failed { key, .. }
        | Event::Reset { key, .. }
        | Event::Refused { key } => key,
        Event::NeedMore | Event::GoAway { .. } | Event::Pong { .. } => u64::MAX,
    })
}
