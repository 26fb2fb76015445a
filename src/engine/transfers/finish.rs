//! The end of an exchange, a transfer or a connection.
//!
//! Decides what becomes of a connection after an exchange, and whether a transfer that met a stale
//! connection is sent again.

use std::time::Duration;

use crate::engine::dials::race::Onward;
use crate::engine::exchanges::codec::{Codec, OnStream};
use crate::engine::exchanges::exchange::{Exchange, Rest};
use crate::engine::ids::{ConnectionId, ExchangeId, RaceId, TransferId, of};
use crate::engine::links::connection::{Connecting, Connection, State};
use crate::engine::links::wire::WireCount;
use crate::engine::net::Net;
use crate::engine::pool::Pool;
use crate::engine::roster::Roster;
use crate::engine::transfers::guarded::{Called, calling, speak_again};
use crate::engine::transfers::message::Message;
use crate::engine::transfers::report::{Outcome, Report, Times};
use crate::engine::transfers::request::Value;
use crate::engine::transfers::transfer::{Place, Spent, Transfer};
use crate::engine::{Engine, Handler, Output};
use crate::error::{Attempts, Cause, Error, Operation, Progress, Retry};
use crate::id::Slab;
use crate::limits;
use crate::protocol::ProxyFault;
use crate::time::Time;

/// Where a transfer stands when it is over, or goes elsewhere.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Stand {
    /// It has no connection.
    Apart,
    /// This connection is being made for it.
    Opening(ConnectionId),
    Exchange(ExchangeId),
}

impl Engine {
    /// An operation on a connection's socket failed. The driver has closed the socket if it was
    /// not connected yet; otherwise it will be told to.
    pub fn handle_failed(&mut self, id: ConnectionId, operation: Operation, errno: i32) {
        self.attempt_failed(id, Cause::Os { operation, errno });
        self.settle();
    }

    /// What a connection's transfer does without that connection, be it one attempt of several.
    pub(in crate::engine) fn attempt_failed(&mut self, id: ConnectionId, cause: Cause) {
        let operation = match cause {
            Cause::Os { operation, .. } => Some(operation),
            _ => None,
        };
        let onward = match self.net.note_failed(id, &cause) {
            Some(race) => {
                self.roster.note_race(&mut self.net, id, race);
                self.net.go_on_without(race, id, &cause)
            }
            None => Onward::Nowhere,
        };
        match onward {
            Onward::Same => {}
            Onward::With(other) => self.roster.note_opening(&mut self.net, other),
            Onward::Nowhere if self.roster.await_address(&mut self.net, id) => {}
            Onward::Nowhere => self.fail_link(id, cause, operation),
        }
    }

    /// The system had no descriptor, port or memory for this connection's socket, which is not
    /// open. Its transfer goes on with other addresses under way, or waits until a connection is closed; if there is no
    /// other it fails.
    pub fn handle_exhausted(&mut self, id: ConnectionId, operation: Operation, errno: i32) {
        if let Some(channel) = self.net.pool.connections.get(id).and_then(Connection::channel) {
            self.net.channel_exhausted(id, channel, operation, errno);
            return self.settle();
        }
        let onward = self.net.go_on_elsewhere(id);
        if let Onward::With(other) = onward {
            self.roster.note_opening(&mut self.net, other);
        }
        if !matches!(onward, Onward::Nowhere) {
            self.net.stats.exhausted += 1;
            self.net.pool.stop_opening();
            return self.settle();
        }
        let others = self.net.pool.len() > 1;
        if !(others && self.roster.await_resources(&mut self.net, id, operation, errno)) {
            self.fail_link(id, Cause::Os { operation, errno }, Some(operation));
        }
        self.settle();
    }

    /// A connection is of no more use: what it carries, or is made for, fails or is tried again.
    pub(in crate::engine) fn fail_link(
        &mut self,
        id: ConnectionId,
        cause: Cause,
        operation: Option<Operation>,
    ) {
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        match connection.state {
            State::Exchanging(exchange) => self.fail_exchange(exchange, cause, operation),
            State::Connecting(_) | State::Tunnelling(_) | State::Handshaking(_) => {
                self.fail_opening(id, cause);
            }
            State::Names(state) => {
                self.net.channels.fail(state.channel, cause, self.net.now);
                self.net.close(id);
            }
            State::Multiplexed(_) => self.fail_multiplexed(id, &cause, operation),
            State::Free | State::Idle(_) => self.net.close(id),
        }
    }

    /// An exchange cannot be completed: its transfer fails, or is sent again where that is safe. Nothing else can follow
    /// on its connection, or on its stream.
    pub(in crate::engine) fn fail_exchange(
        &mut self,
        id: ExchangeId,
        cause: Cause,
        operation: Option<Operation>,
    ) {
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        if exchange.rest == Rest::Unwanted {
            // all that was wanted has come
            self.complete(id);
            return self
                .messages
                .back_mut()
                .into_iter()
                .for_each(|it| speak_again(&mut it.handler));
        }
        if exchange.decoding.is_some() {
            self.roster.give_out_rest(&mut self.net, id);
        }
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        let Some(connection) = self.net.pool.connections.get(exchange.connection) else { return };
        let progress = match cause {
            Cause::Refused => Progress::NothingSent,
            _ => exchange.progress(connection.wire, operation),
        };
        let error = Error { cause, phase: exchange.phase(), progress, attempts: None, url: None };
        let (transfer, untouched) = (exchange.claim.transfer, !exchange.body_begun);
        let (seen, is_kept) =
            (exchange.response.is_some(), connection.uses > 1 && !is_first(exchange));
        if (is_kept || error.cause == Cause::Refused)
            && self.roster.may_resend(transfer, &error, untouched)
        {
            // on a connection that is not stale
            self.roster.count_wire(&mut self.net, transfer, Stand::Exchange(id));
            self.net.abort(id);
            self.net.stats.resent += 1;
            if let Some(transfer) = self.roster.transfers.get_mut(transfer) {
                transfer.resent += 1;
            }
            self.relaunch(transfer);
        } else {
            let again = self.roster.transfers.get(transfer).is_some_and(Transfer::asks_again)
                || self.roster.asks_again_after(&mut self.net, transfer, &error, untouched, seen);
            self.give_up(transfer, Stand::Exchange(id), error, again);
        }
    }

    /// A connection cannot be made ready for the transfer that it is made for.
    fn fail_opening(&mut self, id: ConnectionId, cause: Cause) {
        let over =
            matches!(cause, Cause::Closed | Cause::Os { .. } | Cause::Proxy(ProxyFault::Closed));
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        if over && connection.path.ends_after_challenge() {
            return self.tunnel_elsewhere(id);
        }
        if let Some(race) = self.net.lose_race(id, &cause) {
            self.roster.note_race(&mut self.net, id, race);
        }
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        if let Some(origin) = self.net.pool.get_mut(connection.origin) {
            // those who have waited for it try for themselves
            origin.is_impatient = true;
        }
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        let Some(transfer) = connection.opens_for() else { return };
        let error = Error::before_exchange(cause, connection.phase());
        let again = self.roster.asks_again_after(&mut self.net, transfer, &error, true, false);
        self.give_up(transfer, Stand::Opening(id), error, again);
    }

    /// A transfer's connection is closed with this error; it asks `again`, or fails.
    fn give_up(&mut self, transfer: TransferId, stand: Stand, mut error: Error, again: bool) {
        let report = self.roster.report(&mut self.net, transfer, stand);
        error.attempts = in_vain(&report);
        match stand {
            Stand::Apart => {}
            Stand::Opening(connection) => self.net.close(connection),
            Stand::Exchange(exchange) => self.net.abort(exchange),
        }
        match again {
            true => self.roster.wait_to_ask_again(&mut self.net, transfer, &report, Some(error)),
            false => self.deliver_failure(transfer, error, report),
        }
    }

    /// A transfer that holds no connection fails.
    pub(in crate::engine) fn end(&mut self, id: TransferId, mut error: Error) {
        let report = self.roster.report(&mut self.net, id, Stand::Apart);
        error.attempts = in_vain(&report);
        let Some(transfer) = self.roster.transfers.get(id) else { return };
        let (place, origin) = (transfer.place, transfer.origin);
        if let Place::Addresses(lookup) = place
            && self.roster.asks_again_after(&mut self.net, id, &error, true, false)
        {
            self.net.leave_lookup(id, origin, lookup);
            return self.roster.wait_to_ask_again(&mut self.net, id, &report, Some(error));
        }
        self.deliver_failure(id, error, report);
    }

    /// An exchange is complete, or as much of it as is wanted.
    pub(in crate::engine) fn complete(&mut self, id: ExchangeId) {
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        let Some(response) = exchange.response else {
            return self.fail_exchange(id, Cause::Closed, None);
        };
        let Some(connection) = self.net.pool.connections.get(exchange.connection) else { return };
        let reusable = match &exchange.codec {
            // an answer to half a head leaves the other half
            Codec::Http1(codec) => {
                codec.close_reasons().is_empty()
                    && !connection.ended
                    && exchange.unfilled.is_empty()
            }
            Codec::Http2(_) => true,
        };
        let (transfer, connection) = (exchange.claim.transfer, exchange.connection);
        if exchange.rest == Rest::Superseded {
            return self.roster.supersede(&mut self.net, (id, connection), transfer, reusable);
        }
        // in its place as a whole: its parts are large to be moved about
        let (handler, value) = self.roster.take_handler(transfer);
        let message = Message {
            transfer,
            handler,
            value,
            outcome: Outcome {
                result: Ok(response),
                report: self.roster.report(&mut self.net, transfer, Stand::Exchange(id)),
            },
        };
        self.messages.push_back(message);
        self.net.end_exchange(id, connection, reusable);
        self.deliver();
    }

    /// Closes every connection, each with its last words, for a driver that ends: nothing else is wanted any more, and
    /// transfers are not told.
    pub fn close_all(&mut self) {
        self.net.close_all();
    }

    /// Connections whose exchanges are over go to whoever waits for them.
    #[inline]
    pub(in crate::engine) fn release_free(&mut self) {
        while let Some(id) = self.net.free.pop_front() {
            self.release(id);
        }
    }

    /// A connection whose exchange is over goes to whoever waits for it.
    fn release(&mut self, id: ConnectionId) {
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        if let State::Multiplexed(_) = connection.state {
            return self.release_multiplexed(id);
        }
        let (origin, turns) = (connection.origin, connection.turns);
        self.net.gates.leave(id);
        if self.net.pool.has_surplus(origin) || self.net.gates.has_surplus(id) {
            return self.net.close(id);
        }
        let others_wait =
            self.net.pool.others_want_slots(origin) || self.net.gates.others_want_place(id);
        let turn_over = others_wait && turns >= limits::REQUESTS_PER_TURN;
        if !turn_over && self.serve_next_on(id) {
            return;
        }
        if others_wait {
            self.net.pool.end_turn(origin);
            self.net.gates.go_last(origin);
            return self.net.close(id);
        }
        self.net.pool.set_idle(id, self.net.now);
        self.net.gates.set_idle(id);
        self.net.touch(id);
    }

    #[cold]
    pub(in crate::engine) fn deliver_failure(
        &mut self,
        transfer: TransferId,
        error: Error,
        report: Report,
    ) {
        let (handler, value) = self.roster.take_handler(transfer);
        let url = self.roster.transfers.get(transfer).map(|it| it.request.head.shown_url());
        let outcome = Outcome { result: Err(Error { url, ..error }), report };
        self.messages.push_back(Message { transfer, outcome, handler, value });
        self.deliver();
        self.messages.back_mut().into_iter().for_each(|it| speak_again(&mut it.handler));
    }

    /// The last message is whole: what else its transfer has is told, and the transfer is over.
    #[inline(always)]
    fn deliver(&mut self) {
        let Some(message) = self.messages.back_mut() else { return };
        let Message { transfer: id, outcome, handler, .. } = message;
        match &outcome.result {
            Ok(_) => self.net.stats.succeeded += 1,
            Err(_) => self.net.stats.failed += 1,
        }
        let Some(transfer) = self.roster.transfers.get_mut(*id) else { return };
        if transfer.request.options.retry.is_some() {
            self.roster.common.retries.purse.note_end(transfer.request.head.origin().host());
        }
        if transfer.retrying.is_some() {
            outcome.report.retried = transfer.take_retried();
        }
        if transfer.shortage.is_some() {
            transfer.count_shortage(outcome.report.times.queue, &mut self.net.stats);
            outcome.report.exhausted = transfer.exhausted();
        }
        if let Some(hops) = transfer.hops.take() {
            hops.conclude(&transfer.request.head, transfer.added, outcome);
        }
        let id = *id;
        calling(Called::Of(id), || handler.done(outcome));
        self.roster.vacate(&mut self.net, id);
    }
}

impl Roster {
    /// The transfer of a connection that is being made has a race, of which its report will tell.
    fn note_race(&mut self, net: &mut Net, id: ConnectionId, race: RaceId) {
        if let Some(transfer) = net.transfer_on(id) {
            self.set_race(net, transfer, Some(race));
        }
    }

    /// Another connection is being made for its transfer.
    fn note_opening(&mut self, net: &mut Net, id: ConnectionId) {
        let transfer = net.transfer_on(id).and_then(|id| self.transfers.get_mut(id));
        if let Some(transfer) = transfer {
            transfer.place = Place::Opening(id);
        }
    }

    /// A response that is not the transfer's last is complete.
    fn supersede(
        &mut self,
        net: &mut Net,
        (id, connection): (ExchangeId, ConnectionId),
        transfer: TransferId,
        reusable: bool,
    ) {
        let report = self.report(net, transfer, Stand::Exchange(id));
        net.end_exchange(id, connection, reusable);
        if self.transfers.get(transfer).is_some_and(Transfer::asks_again) {
            self.wait_to_ask_again(net, transfer, &report, None);
        } else {
            self.lead_on(net, transfer, report);
        }
    }

    /// Puts the transfer of a connection that the system has no room for back into its queue.
    fn await_resources(
        &mut self,
        net: &mut Net,
        id: ConnectionId,
        operation: Operation,
        errno: i32,
    ) -> bool {
        let Some(transfer_id) = net.pool.connections.get(id).and_then(Connection::opens_for) else {
            return false;
        };
        // before it is connected nothing is read of a body that could not be read again
        if self.queue_first(net, transfer_id).is_none() {
            return false;
        }
        if let Some(transfer) = self.transfers.get_mut(transfer_id) {
            transfer.note_shortage(operation, errno, &mut net.stats);
        }
        net.gates.take_back(id, net.now);
        let race = self.transfers.get_mut(transfer_id).and_then(|transfer| transfer.race.take());
        race.into_iter().for_each(|race| net.abandon_race(race));
        net.close(id);
        net.pool.stop_opening();
        self.schedule_transfer(net, transfer_id);
        true
    }

    /// Whether a transfer that failed on a kept connection may be sent again on another one; nobody
    /// has asked for its body if that is untouched.
    fn may_resend(&mut self, id: TransferId, error: &Error, untouched: bool) -> bool {
        let stale = matches!(error.cause, Cause::Closed | Cause::Os { .. } | Cause::Refused);
        let Some(transfer) = self.transfers.get_mut(id) else { return false };
        let safe = match error.retry() {
            Retry::Safe => true,
            Retry::IfIdempotent => transfer.request.head.is_idempotent(),
            Retry::No => false,
        };
        let most = match error.cause {
            Cause::Refused => limits::REFUSALS,
            _ => limits::STALE_RETRIES,
        };
        let again = transfer.resent < most;
        stale && safe && again && (untouched || transfer.request.body.rewind())
    }

    /// What a transfer's owner gets back.
    fn take_handler(&mut self, id: TransferId) -> (Box<dyn Handler>, Value) {
        match self.transfers.get_mut(id) {
            Some(transfer) => {
                (transfer.take_handler(), std::mem::take(&mut transfer.request.value))
            }
            None => unreachable!("a transfer is taken out after its message"),
        }
    }

    /// Adds what a transfer's exchange moved on its connection, or what was moved to make that.
    pub(in crate::engine) fn count_wire(&mut self, net: &mut Net, id: TransferId, stand: Stand) {
        let (connection, exchange) = at(&net.pool, &net.exchanges, stand);
        let (Some(connection), Some(transfer)) = (connection, self.transfers.get_mut(id)) else {
            return;
        };
        transfer.count_wire(connection, exchange);
    }

    /// What a transfer took, at its end.
    #[inline(always)]
    pub(in crate::engine) fn report(
        &mut self,
        net: &mut Net,
        id: TransferId,
        stand: Stand,
    ) -> Report {
        let Some(transfer) = self.transfers.get_mut(id) else {
            unreachable!("a transfer is taken out after its report")
        };
        let attempts = match transfer.race.take() {
            Some(race) => net.take_attempts(race),
            None => None,
        };
        let (connection, exchange) = at(&net.pool, &net.exchanges, stand);
        let remote = connection.filter(|connection| !net.is_unix(connection)).map(|c| c.remote);
        if let Some(connection) = connection {
            transfer.count_wire(connection, exchange);
        }
        let decoding = exchange.and_then(|exchange| exchange.decoding.as_ref());
        let spent = transfer.spent_by_now(connection, net);
        Report {
            times: Times {
                queue: Duration::from_nanos(spent.queue),
                resolve: Duration::from_nanos(spent.resolve),
                connect: Duration::from_nanos(spent.connect),
                proxy: Duration::from_nanos(spent.proxy),
                tls: Duration::from_nanos(spent.tls),
                first_byte: exchange.map_or(Duration::ZERO, first_byte_time),
                total: net.now.since(transfer.added),
            },
            wire_sent: transfer.wire.sent,
            wire_received: transfer.wire.received,
            body_received: exchange.map_or(0, |exchange| exchange.codec.body_received()),
            body_sent: exchange.map_or(0, |exchange| exchange.codec.body_sent()),
            body_decoded: decoding.and_then(|decoding| decoding.decoded()),
            undecoded: decoding.and_then(|decoding| decoding.undecoded()),
            status: exchange.and_then(|it| it.response).map(|response| response.status),
            remote,
            reused: connection.is_some_and(|it| it.uses > 1 && !exchange.is_some_and(is_first)),
            tls: connection.and_then(|connection| connection.path.summary()),
            resent: transfer.resent,
            retried: Vec::new(),
            exhausted: None,
            requests: 0,
            hops: Vec::new(),
            attempts,
        }
    }
}

impl Net {
    /// An exchange ends in its middle. Nothing else can follow on its connection, or on its stream.
    pub(in crate::engine) fn abort(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get(id) else { return };
        match exchange.codec {
            Codec::Http1(_) => self.close(exchange.connection),
            Codec::Http2(_) => self.end_stream(id),
        }
    }

    /// An exchange is over. Its connection is free for the next one, or closed.
    #[inline(always)]
    fn end_exchange(&mut self, id: ExchangeId, connection_id: ConnectionId, reusable: bool) {
        if !reusable {
            return self.close(connection_id);
        }
        let Some(connection) = self.pool.connections.get_mut(connection_id) else { return };
        if let State::Multiplexed(_) = connection.state {
            return self.end_stream(id);
        }
        connection.state = State::Free;
        self.free.push_back(connection_id);
        self.exchanges.discard(id);
    }

    /// Takes a connection out and has the driver close its socket. What occupied it is the
    /// caller's business.
    pub(in crate::engine) fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.close(id) else { return };
        self.unfinished.forget(id);
        if let Some(timer) = connection.timer {
            self.timers.cancel(timer);
        }
        if let State::Multiplexed(_) = connection.state {
            return self.close_multiplexed(id, connection);
        }
        let last_words = match connection.path.is_bare() {
            true => Vec::new(),
            false => connection.path.last_words(),
        };
        self.gates.close(id, self.now);
        self.outputs.push_back(Output::Close { connection: id, last_words });
        self.to_serve.push_back(connection.origin);
        match connection.state {
            State::Exchanging(exchange) => self.exchanges.discard(exchange),
            State::Connecting(Connecting { early: Some(early), .. }) => {
                self.exchanges.discard(early)
            }
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => false,
        };
    }

    /// As [`Engine::close_all`].
    pub(in crate::engine) fn close_all(&mut self) {
        let ids: Vec<_> = self.pool.connections.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.close(id);
        }
        self.outputs.retain(|output| matches!(output, Output::Close { .. }));
    }
}

impl Transfer {
    /// What its waits have taken, together with the one that is under way.
    #[inline(always)]
    pub(in crate::engine) fn spent_by_now(
        &self,
        connection: Option<&Connection>,
        net: &Net,
    ) -> Spent {
        let mut spent = self.spent;
        // the wait that was under way when it ended
        let waited = |since: Time| net.now.nanos_since(since);
        // what was made for another before
        let of_it = |since: Time| waited(since.max(self.since));
        match (connection.map(|connection| &connection.state), self.place) {
            (Some(State::Connecting(state)), _) => spent.connect += of_it(state.since),
            (Some(State::Tunnelling(state)), _) => spent.proxy += of_it(state.connected),
            (Some(State::Handshaking(state)), _) => spent.tls += of_it(state.since),
            (None, Place::Addresses(lookup)) if net.resolver.is_started(lookup) => {
                spent.resolve += waited(self.since);
            }
            (None, Place::Connection | Place::Addresses(_)) => spent.queue += waited(self.since),
            (None, Place::Admission | Place::Later(_) | Place::Opening(_) | Place::Exchange(_)) => {
            }
            (
                Some(
                    State::Exchanging(_)
                    | State::Multiplexed(_)
                    | State::Free
                    | State::Idle(_)
                    | State::Names(_),
                ),
                _,
            ) => {}
        }
        spent
    }

    /// Adds what its exchange has moved on this connection.
    fn count_wire(&mut self, connection: &Connection, exchange: Option<&Exchange>) {
        let before = match exchange {
            Some(Exchange { codec: Codec::Http2(stream), wire_before, .. }) => {
                return self.count_stream(stream, *wire_before);
            }
            Some(exchange) if connection.uses > 1 => exchange.wire_before,
            Some(_) | None => WireCount::default(),
        };
        self.wire.sent += connection.wire.sent - before.sent;
        self.wire.received += connection.wire.received - before.received;
    }

    /// As [`count_wire`](Self::count_wire), of a stream: its frames, and what it took to get there, if it was the first.
    #[cold]
    fn count_stream(&mut self, stream: &OnStream, before: WireCount) {
        self.wire.sent += stream.wire.sent;
        self.wire.received += stream.wire.received;
        if stream.is_first() {
            self.wire.sent += before.sent;
            self.wire.received += before.received;
        }
    }
}

/// Whether it is on the first stream of a connection, be there others by now.
#[inline]
fn is_first(exchange: &Exchange) -> bool {
    matches!(&exchange.codec, Codec::Http2(stream) if stream.is_first())
}

/// The connection and the exchange of a transfer that stands there.
#[inline]
fn at<'a>(
    pool: &'a Pool,
    exchanges: &'a Slab<Exchange, of::Exchange>,
    stand: Stand,
) -> (Option<&'a Connection>, Option<&'a Exchange>) {
    let (connection, exchange) = match stand {
        Stand::Apart => (None, None),
        Stand::Opening(connection) => (Some(connection), None),
        Stand::Exchange(id) => {
            let exchange = exchanges.get(id);
            (exchange.map(|exchange| exchange.connection), exchange)
        }
    };
    (connection.and_then(|id| pool.connections.get(id)), exchange)
}

/// The addresses that were tried, where none was connected.
fn in_vain(report: &Report) -> Option<Box<Attempts>> {
    report.attempts.as_ref().filter(|attempts| !attempts.connected()).cloned()
}

fn first_byte_time(exchange: &Exchange) -> Duration {
    if exchange.first_byte == Time::NEVER {
        Duration::ZERO
    } else {
        exchange.first_byte.since(exchange.since)
    }
}
