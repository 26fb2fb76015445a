//! Which deadline binds whom, and what happens when it passes.
//!
//! A transfer that holds no connection has a timer of its own; on a connection its deadlines are
//! the connection's. Deadlines that move later (every byte moves the idle one) leave the timer
//! where it is: when it fires too early it is set anew, so that a byte costs no timer operation.
//! Which deadline binds is said in [`due`].
//! What is overdue is looked at once more before it fails: [`overdue`]. Must not know a clock, nor what a connection or an
//! exchange does with its time.

mod due;
pub(super) mod overdue;

use crate::engine::Engine;
use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::Hold;
use crate::engine::ids::{ConnectionId, ExchangeId, TransferId};
use crate::engine::links::connection::{Connection, State};
use crate::engine::net::Net;
use crate::engine::pool::PoolOrigin;
use crate::engine::roster::Roster;
use crate::engine::timer::Timer;
use crate::engine::transfers::finish::Stand;
use crate::engine::transfers::transfer::Place;
use crate::error::{Cause, Deadline, Error};
use crate::limits;
use crate::time::Time;

pub(super) use due::{Due, Then};

impl Engine {
    /// The deadline of what a connection waits for passed, as the driver saw it: what that ends, [`Engine::expire`]
    /// does. If it has moved, [`Engine::level`] tells where to.
    pub fn handle_deadline(&mut self, id: ConnectionId) {
        self.check_connection(id, false);
        self.settle();
    }

    /// Whoever drives it may wait for long, since nothing runs: nobody is to be woken meanwhile for what is not due.
    pub fn rest(&mut self) {
        self.net.put_timers_off();
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Transfer(id) => {
                if let Some(transfer) = self.roster.transfers.get_mut(id) {
                    transfer.timer = None;
                    self.check_transfer(id, false);
                }
            }
            Timer::Gate(id) => self.net.gates.handle_timer(id, self.net.now),
            Timer::Race(id) => self.net.widen_race(id),
            Timer::Exchange(id) => {
                let exchange = self.net.exchanges.get_mut(id);
                if let Some(stream) = exchange.and_then(|exchange| exchange.codec.stream_mut()) {
                    (stream.timer, stream.timer_at) = (None, Time::NEVER);
                    self.check_exchange(id, false);
                }
            }
            Timer::Dial(id) => self.net.end_patience(id),
            Timer::Connection(id) => {
                if let Some(connection) = self.net.pool.connections.get_mut(id) {
                    connection.timer = None;
                    connection.timer_at = Time::NEVER;
                    self.check_connection(id, false);
                }
            }
        }
    }

    /// The time of a transfer without connection may be over. What fails by that waits to be `looked` at first.
    pub(super) fn check_transfer(&mut self, id: TransferId, looked: bool) {
        let Some(transfer) = self.roster.transfers.get(id) else { return };
        let Due { at, then } = transfer.due(&self.net.resolver);
        match then {
            _ if at > self.net.now => self.roster.schedule_transfer(&mut self.net, id),
            Then::ComeBack => self.roster.seek_connection(&mut self.net, id),
            // nothing that came could end a wait to be served again
            Then::Fail(_) if !looked && !matches!(transfer.place, Place::Later(_)) => {
                self.overdue.push(Timer::Transfer(id));
            }
            Then::Fail(deadline) => {
                let cause =
                    Cause::Timeout { deadline, after: transfer.request.options.allowed(deadline) };
                let phase = transfer.place.phase(&self.net);
                self.end(id, Error::before_exchange(cause, phase));
            }
            // what connections wait for
            Then::SendBody
            | Then::GoOn
            | Then::Ask
            | Then::Leave
            | Then::Inspect
            | Then::Ping
            | Then::Shrink => {}
        }
    }

    /// As [`check_transfer`](Self::check_transfer), of a connection.
    pub(super) fn check_connection(&mut self, id: ConnectionId, looked: bool) {
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        let Due { at, then } = self.net.deadline(connection);
        if at > self.net.now {
            return self.net.touch(id);
        }
        // whatever came on an idle connection, it would be closed
        let closes = connection.is_idle() && matches!(then, Then::Fail(_));
        if !looked && then.looks() && !closes {
            return self.overdue.push(Timer::Connection(id));
        }
        if let Some(exchange) = connection.exchange() {
            return self.end_wait(exchange, then);
        }
        if let State::Multiplexed(_) = connection.state {
            return self.end_silence(id, then);
        }
        let Then::Fail(deadline) = then else { return self.net.touch(id) };
        match connection.claim() {
            Some(claim) => {
                let (transfer, after) = (claim.transfer, claim.options.allowed(deadline));
                let cause = Cause::Timeout { deadline, after };
                let waits = |origin: &PoolOrigin| origin.queued() > 0;
                let others_wait = self.net.pool.get(connection.origin).is_some_and(waits);
                match deadline {
                    // whose time is over, and not the connection's
                    Deadline::Total if others_wait && connection.is_past_connect() => {
                        let error = Error::before_exchange(cause, connection.phase());
                        let report =
                            self.roster.report(&mut self.net, transfer, Stand::Opening(id));
                        if !self.hand_on(id) {
                            self.net.close(id);
                        }
                        self.deliver_failure(transfer, error, report);
                    }
                    _ => self.fail_link(id, cause, None),
                }
            }
            // it is idle
            None => self.net.close(id),
        }
    }

    /// As [`check_transfer`](Self::check_transfer), of an exchange on a stream.
    pub(super) fn check_exchange(&mut self, id: ExchangeId, looked: bool) {
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        let Due { at, then } = exchange.due(self.net.inspected);
        if at > self.net.now {
            self.net.schedule_exchange(id);
        } else if !looked && then.looks() {
            self.overdue.push(Timer::Exchange(id));
        } else {
            self.end_wait(id, then);
        }
    }

    /// A connection that speaks HTTP/2 has been silent, or idle, for so long.
    fn end_silence(&mut self, id: ConnectionId, then: Then) {
        let now = self.net.now;
        let Some(link) = self.net.multiplex(id) else { return };
        match then {
            Then::Ping => link.ping(now),
            Then::Shrink => link.shrink(),
            Then::Fail(deadline @ Deadline::Ping) => {
                let after = limits::PING_PATIENCE;
                return self.fail_link(id, Cause::Timeout { deadline, after }, None);
            }
            // it is idle
            _ => return self.net.close(id),
        }
        self.net.touch(id);
    }

    /// What an exchange waits for has come to nothing, or to pass.
    fn end_wait(&mut self, id: ExchangeId, then: Then) {
        let Some(exchange) = self.net.exchanges.get_mut(id) else { return };
        let Some(connection) = self.net.pool.connections.get(exchange.connection) else { return };
        match then {
            Then::Fail(Deadline::LowSpeed) if !exchange.is_slow(connection.wire, self.net.now) => {
                self.net.touch_exchange(id);
            }
            Then::Fail(deadline) => {
                let after = exchange.claim.options.allowed(deadline);
                self.net.distrust(id);
                self.fail_exchange(id, Cause::Timeout { deadline, after }, None);
            }
            Then::Inspect => {
                for (id, cause) in self.roster.inspect_holders(&mut self.net) {
                    self.fail_exchange(id, cause, None);
                }
                self.net.touch_exchange(id);
            }
            Then::Ask => {
                // the driver cannot say it: nothing is known to become less
                exchange.note_unacknowledged(0, self.net.now);
                self.net.touch_exchange(id);
            }
            Then::Leave => self.complete(id),
            Then::GoOn | Then::SendBody | Then::ComeBack | Then::Ping | Then::Shrink => {
                self.net.go_on(id);
            }
        }
    }
}

impl Roster {
    /// Sees to it that the deadline of a transfer without connection is not missed.
    pub(super) fn schedule_transfer(&mut self, net: &mut Net, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let at = transfer.due(&net.resolver).at;
        if let Some(timer) = transfer.timer.take() {
            net.timers.cancel(timer);
        }
        if at != Time::NEVER {
            transfer.timer = Some(net.timers.set(at, Timer::Transfer(id)));
        }
    }
}

impl Net {
    /// Sees to it that a connection's deadline is not missed.
    pub(super) fn schedule(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        if self.carried_deadlines && !self.is_unwatched(connection) {
            return;
        }
        let at = self.deadline(connection).at;
        if at < connection.timer_at {
            self.set_timer(id, at);
        }
    }

    fn set_timer(&mut self, id: ConnectionId, at: Time) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        if let Some(timer) = connection.timer.take() {
            self.timers.cancel(timer);
        }
        connection.timer_at = at;
        connection.timer = (at != Time::NEVER).then(|| self.timers.set(at, Timer::Connection(id)));
    }

    /// Puts timers off that would fire long before what they are for: idle connections have them from exchanges that have ended.
    fn put_timers_off(&mut self) {
        while let Some(Timer::Connection(id)) = self.timers.one_of_the_first() {
            let Some(connection) = self.pool.connections.get(id) else { return };
            let at = self.deadline(connection).at;
            if at <= connection.timer_at {
                return;
            }
            self.set_timer(id, at);
        }
    }

    /// Whether a connection's socket is not watched, or is no more: nobody carries its deadline.
    fn is_unwatched(&self, connection: &Connection) -> bool {
        self.exchange_of(connection).is_some_and(|exchange| exchange.holds.receiving())
            || matches!(&connection.state, State::Connecting(state) if state.stranded)
    }

    /// The first deadline of what a connection waits for, or the exchange that it carries.
    #[inline]
    pub(super) fn deadline(&self, connection: &Connection) -> Due {
        match connection.state {
            State::Exchanging(id) => match self.exchanges.get(id) {
                Some(exchange) => exchange.due(self.inspected),
                None => Due::NEVER,
            },
            State::Idle(ref idle) => idle.due(self.config.keep_idle),
            // one that has ended waits for those alone who have yet to take what came
            State::Multiplexed(_) if connection.ended => Due::NEVER,
            State::Multiplexed(ref link) => link.due(self.config.keep_idle),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Free
            | State::Names(_) => connection.setup_due(),
        }
    }

    /// What was held back of an exchange may move.
    #[cold]
    fn go_on(&mut self, id: ExchangeId) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        if exchange.holds.has(Hold::Pace) {
            exchange.holds.set(Hold::Pace, false);
            // the peer was not silent, but not heard; how slow it is counts on
            let measured = exchange.measured;
            exchange.restart_waits(now);
            exchange.measured = measured;
        } else {
            match &mut exchange.codec {
                Codec::Http1(codec) => codec.send_body(),
                Codec::Http2(stream) => stream.awaits_continue = false,
            }
        }
        self.go_on_with_stream(id);
        self.touch_exchange(id);
    }
}
