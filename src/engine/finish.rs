//! The end of an exchange, a transfer or a connection.
//!
//! Decides what becomes of a connection after an exchange, and whether a transfer that met a stale
//! connection is sent again.

use std::time::Duration;

use super::connection::{Connection, Exchanging, Rest, State, WireCount};
use super::tls::TlsSession;
use super::transfer::{Place, Transfer};
use super::{
    ConnectionId, Engine, Handler, Message, Outcome, Output, Report, Times, TlsSummary, TransferId,
};
use crate::error::{Attempts, Cause, Error, Operation, Retry};
use crate::http::ProxyFault;
use crate::limits;
use crate::time::Time;

impl Engine {
    /// An operation on a connection's socket failed. The driver has closed the socket if it was
    /// not connected yet; otherwise it will be told to.
    pub fn handle_failed(&mut self, id: ConnectionId, operation: Operation, errno: i32) {
        self.attempt_failed(id, Cause::Os { operation, errno });
        self.settle();
    }

    /// What a connection's transfer does without that connection, be it one attempt of several.
    pub(super) fn attempt_failed(&mut self, id: ConnectionId, cause: Cause) {
        let operation = match cause {
            Cause::Os { operation, .. } => Some(operation),
            _ => None,
        };
        if !self.goes_on_without(id, &cause) && !self.await_address(id) {
            self.fail(id, cause, operation);
        }
    }

    /// The system had no descriptor, port or memory for this connection's socket, which is not
    /// open. Its transfer goes on with other addresses under way, or waits until a connection is closed; if there is no
    /// other it fails.
    pub fn handle_exhausted(&mut self, id: ConnectionId, operation: Operation, errno: i32) {
        if let Some(channel) = self.pool.connections.get(id).and_then(Connection::channel) {
            self.channel_exhausted(id, channel, operation, errno);
            return self.settle();
        }
        if self.goes_on_elsewhere(id) {
            self.stats.exhausted += 1;
            self.pool.stop_opening();
            return self.settle();
        }
        let others = self.pool.len() > 1;
        if !(others && self.await_resources(id, operation, errno)) {
            self.fail(id, Cause::Os { operation, errno }, Some(operation));
        }
        self.settle();
    }

    /// A connection is of no more use: what occupies it fails, or is sent again where that is safe.
    pub(super) fn fail(&mut self, id: ConnectionId, cause: Cause, operation: Option<Operation>) {
        let over =
            matches!(cause, Cause::Closed | Cause::Os { .. } | Cause::Proxy(ProxyFault::Closed));
        if over && self.ends_after_challenge(id) {
            return self.tunnel_elsewhere(id);
        }
        let Some(connection) = self.pool.connections.get(id) else { return };
        if matches!(&connection.state, State::Exchanging(state) if state.rest == Rest::Unwanted) {
            // all that was wanted has come
            return self.complete(id);
        }
        let Some(transfer) = connection.transfer() else {
            return match connection.channel() {
                Some(channel) => self.channel_failed(id, channel, cause),
                None => self.close(id),
            };
        };
        if matches!(&connection.state, State::Connecting(_)) {
            self.lose_race(id, &cause);
        }
        let Some(connection) = self.pool.connections.get(id) else { return };
        if matches!(&connection.state, State::Exchanging(state) if state.decoding.is_some()) {
            self.give_out_rest(id);
        }
        let Some(connection) = self.pool.connections.get(id) else { return };
        let (phase, progress) = (connection.phase(), connection.progress(operation));
        let mut error = Error { cause, phase, progress, attempts: None };
        let seen = matches!(&connection.state, State::Exchanging(s) if s.response.is_some());
        let untouched = match &connection.state {
            State::Exchanging(state) => !state.body_begun,
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Idle(_)
            | State::Names(_) => true,
        };
        if connection.uses > 1 && self.may_resend(transfer, &error, untouched) {
            self.count_wire(transfer, id);
            self.close(id);
            self.stats.resent += 1;
            if let Some(transfer) = self.transfers.get_mut(transfer) {
                transfer.resent += 1;
            }
            self.relaunch(transfer);
        } else {
            let decided = self.transfers.get(transfer).is_some_and(Transfer::asks_again);
            let again = decided || self.asks_again_after(transfer, &error, untouched, seen);
            let report = self.report(transfer, Some(id));
            error.attempts = in_vain(&report);
            self.close(id);
            match again {
                true => self.wait_to_ask_again(transfer, &report, Some(error)),
                false => self.deliver_failure(transfer, error, report),
            }
        }
    }

    /// A transfer that holds no connection fails.
    pub(super) fn end(&mut self, id: TransferId, mut error: Error) {
        let report = self.report(id, None);
        error.attempts = in_vain(&report);
        let Some(transfer) = self.transfers.get(id) else { return };
        let (place, origin) = (transfer.place, transfer.origin);
        if let Place::Addresses(lookup) = place
            && self.asks_again_after(id, &error, true, false)
        {
            self.leave_lookup(id, origin, lookup);
            return self.wait_to_ask_again(id, &report, Some(error));
        }
        self.deliver_failure(id, error, report);
    }

    /// The exchange on a connection is complete.
    pub(super) fn complete(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let State::Exchanging(state) = &connection.state else { return };
        let Some(response) = state.response else { return self.fail(id, Cause::Closed, None) };
        let (transfer, rest) = (state.transfer, state.rest);
        // an answer to half a head leaves the other half
        let reusable = state.exchange.close_reasons().is_empty()
            && !connection.ended
            && connection.unfilled.is_empty();
        if rest == Rest::Superseded {
            return self.supersede(id, transfer, reusable);
        }
        // built as a whole: its parts are large to be moved about
        let message = Message {
            transfer,
            outcome: Outcome { result: Ok(response), report: self.report(transfer, Some(id)) },
            handler: self.take_handler(transfer),
        };
        if !reusable {
            self.close(id);
        }
        self.deliver(message);
        if reusable {
            self.release(id);
        }
    }

    /// A response that is not the transfer's last is complete.
    fn supersede(&mut self, id: ConnectionId, transfer: TransferId, reusable: bool) {
        let report = self.report(transfer, Some(id));
        if !reusable {
            self.close(id);
        }
        if self.transfers.get(transfer).is_some_and(Transfer::asks_again) {
            self.wait_to_ask_again(transfer, &report, None);
        } else {
            self.lead_on(transfer, report);
        }
        if reusable {
            self.release(id);
        }
    }

    /// Takes a connection out and has the driver close its socket. What occupied it is the
    /// caller's business.
    pub(super) fn close(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.pool.close(id) else { return };
        if let Some(timer) = connection.timer {
            self.timers.cancel(timer);
        }
        let mut last_words = connection.tls.as_deref_mut().map(last_words).unwrap_or_default();
        if let Some(tunnel) = connection.tunnel.take() {
            last_words = tunnel.last_words(&last_words);
        }
        self.note_close(id);
        self.outputs.push_back(Output::Close { connection: id, last_words });
        self.to_serve.push_back(connection.origin);
        self.pool.spare(connection.state);
    }

    /// Closes every connection, each with its last words, for a driver that ends: nothing else is wanted any more, and
    /// transfers are not told.
    pub fn close_all(&mut self) {
        let ids: Vec<_> = self.pool.connections.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.close(id);
        }
        self.outputs.retain(|output| matches!(output, Output::Close { .. }));
    }

    /// A connection whose exchange is over goes to whoever waits for it.
    fn release(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let (origin, turns) = (connection.origin, connection.turns);
        self.leave_gates(id);
        if self.pool.has_surplus(origin) || self.is_surplus_at_gates(id) {
            return self.close(id);
        }
        let others_wait = self.pool.others_want_slots(origin) || self.others_want_place(id);
        let turn_over = others_wait && turns >= limits::REQUESTS_PER_TURN;
        if !turn_over && self.serve_next_on(id) {
            return;
        }
        if others_wait {
            self.pool.end_turn(origin);
            self.go_last_at_gates(origin);
            return self.close(id);
        }
        self.pool.set_idle(id, self.now);
        self.note_idle(id);
        self.touch(id);
    }

    /// Puts the transfer of a connection that the system has no room for back into its queue.
    fn await_resources(&mut self, id: ConnectionId, operation: Operation, errno: i32) -> bool {
        let Some(transfer_id) = self.pool.connections.get(id).and_then(Connection::transfer) else {
            return false;
        };
        // before it is connected nothing is read of a body that could not be read again
        if self.queue_first(transfer_id).is_none() {
            return false;
        }
        if let Some(transfer) = self.transfers.get_mut(transfer_id) {
            transfer.note_shortage(operation, errno, &mut self.stats);
        }
        self.take_back_start(id);
        self.abandon_race(transfer_id);
        self.close(id);
        self.pool.stop_opening();
        self.schedule_transfer(transfer_id);
        true
    }

    /// Whether a transfer that failed on a kept connection may be sent again on another one; nobody
    /// has asked for its body if that is untouched.
    fn may_resend(&mut self, id: TransferId, error: &Error, untouched: bool) -> bool {
        let stale = matches!(error.cause, Cause::Closed | Cause::Os { .. });
        let Some(transfer) = self.transfers.get_mut(id) else { return false };
        let safe = match error.retry() {
            Retry::Safe => true,
            Retry::IfIdempotent => transfer.request.head.is_idempotent(),
            Retry::No => false,
        };
        let again = transfer.resent < limits::STALE_RETRIES;
        stale && safe && again && (untouched || transfer.request.body.rewind())
    }

    #[cold]
    fn deliver_failure(&mut self, transfer: TransferId, error: Error, report: Report) {
        let handler = self.take_handler(transfer);
        let outcome = Outcome { result: Err(error), report };
        self.deliver(Message { transfer, outcome, handler });
    }

    fn take_handler(&mut self, id: TransferId) -> Box<dyn Handler> {
        match self.transfers.get_mut(id) {
            Some(transfer) => transfer.take_handler(),
            None => unreachable!("a transfer is taken out after its message"),
        }
    }

    fn deliver(&mut self, message: Message) {
        match &message.outcome.result {
            Ok(_) => self.stats.succeeded += 1,
            Err(_) => self.stats.failed += 1,
        }
        self.messages.push_back(message);
        let Some(message) = self.messages.back_mut() else { return };
        let Message { transfer: id, outcome, handler } = message;
        let Some(transfer) = self.transfers.get_mut(*id) else { return };
        if transfer.request.options.retry.is_some() {
            self.retries.purse.note_end(transfer.request.head.origin().host());
        }
        if transfer.retrying.is_some() {
            outcome.report.retried = transfer.take_retried();
        }
        if transfer.shortage.is_some() {
            transfer.count_shortage(outcome.report.times.queue, &mut self.stats);
            outcome.report.exhausted = transfer.exhausted();
        }
        if let Some(hops) = transfer.hops.take() {
            hops.conclude(&transfer.request.head, transfer.added, outcome);
        }
        handler.done(outcome);
        let id = *id;
        self.vacate(id);
    }

    /// Adds what a transfer's exchange moved on its connection.
    pub(super) fn count_wire(&mut self, id: TransferId, connection: ConnectionId) {
        let Some(connection) = self.pool.connections.get(connection) else { return };
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        transfer.count_wire(connection);
    }

    /// What a transfer took, at its end.
    fn report(&mut self, id: TransferId, connection: Option<ConnectionId>) -> Report {
        let connection = connection.and_then(|id| self.pool.connections.get(id));
        let remote = connection.filter(|connection| !self.is_unix(connection)).map(|c| c.remote);
        let Some(transfer) = self.transfers.get_mut(id) else {
            unreachable!("a transfer is taken out after its report")
        };
        if let Some(connection) = connection {
            transfer.count_wire(connection);
        }
        let attempts = transfer.take_attempts(self.now);
        let state = match connection.map(|connection| &connection.state) {
            Some(State::Exchanging(state)) => Some(&**state),
            Some(
                State::Connecting(_)
                | State::Tunnelling(_)
                | State::Handshaking(_)
                | State::Idle(_)
                | State::Names(_),
            )
            | None => None,
        };
        let decoding = state.and_then(|state| state.decoding.as_ref());
        let mut spent = transfer.spent;
        // the wait that was under way when it ended
        let waited = |since: Time| self.now.nanos_since(since);
        match (connection.map(|connection| &connection.state), transfer.place) {
            (Some(State::Connecting(state)), _) => spent.connect += waited(state.since),
            (Some(State::Tunnelling(state)), _) => spent.proxy += waited(state.connected),
            (Some(State::Handshaking(state)), _) => spent.tls += waited(state.since),
            (None, Place::Addresses(lookup)) if self.resolver.is_started(lookup) => {
                spent.resolve += waited(transfer.since);
            }
            (None, Place::Connection | Place::Addresses(_)) => {
                spent.queue += waited(transfer.since)
            }
            (None, Place::Admission | Place::Later(_) | Place::Exchange(_)) => {}
            (Some(State::Exchanging(_) | State::Idle(_) | State::Names(_)), _) => {}
        }
        Report {
            times: Times {
                queue: Duration::from_nanos(spent.queue),
                resolve: Duration::from_nanos(spent.resolve),
                connect: Duration::from_nanos(spent.connect),
                proxy: Duration::from_nanos(spent.proxy),
                tls: Duration::from_nanos(spent.tls),
                first_byte: state.map_or(Duration::ZERO, first_byte_time),
                total: self.now.since(transfer.added),
            },
            wire_sent: transfer.wire.sent,
            wire_received: transfer.wire.received,
            body_received: state.map_or(0, |state| state.exchange.body_received()),
            body_sent: state.map_or(0, |state| state.exchange.body_sent()),
            body_decoded: decoding.and_then(|decoding| decoding.decoded()),
            undecoded: decoding.and_then(|decoding| decoding.undecoded()),
            status: state.and_then(|state| state.response).map(|response| response.status),
            remote,
            reused: connection.is_some_and(|connection| connection.uses > 1),
            tls: connection.and_then(|connection| connection.tls.as_ref()).and_then(|tls| {
                Some(TlsSummary { version: tls.version()?, resumed: tls.resumed() })
            }),
            resent: transfer.resent,
            retried: Vec::new(),
            exhausted: None,
            requests: 0,
            hops: Vec::new(),
            attempts,
        }
    }
}

impl Transfer {
    /// Adds what its exchange has moved on this connection.
    fn count_wire(&mut self, connection: &Connection) {
        let before = match &connection.state {
            State::Exchanging(state) if connection.uses > 1 => state.wire_before,
            State::Exchanging(_)
            | State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Idle(_)
            | State::Names(_) => WireCount::default(),
        };
        self.wire.sent += connection.wire.sent - before.sent;
        self.wire.received += connection.wire.received - before.received;
    }
}

/// The addresses that were tried, where none was connected.
fn in_vain(report: &Report) -> Option<Box<Attempts>> {
    report.attempts.as_ref().filter(|attempts| !attempts.connected()).cloned()
}

/// The alert with which a session ends.
fn last_words(tls: &mut TlsSession) -> Vec<u8> {
    tls.close();
    let mut words = vec![0; limits::LAST_WORDS];
    let length = tls.fill(&mut words);
    words.truncate(length);
    words
}

fn first_byte_time(state: &Exchanging) -> Duration {
    if state.first_byte == Time::NEVER {
        Duration::ZERO
    } else {
        state.first_byte.since(state.since)
    }
}
