//! Which deadline binds whom, and what happens when it passes.
//!
//! A transfer that holds no connection has a timer of its own; on a connection its deadlines are
//! the connection's. Deadlines that move later (every byte moves the idle one) leave the timer
//! where it is: when it fires too early it is set anew, so that a byte costs no timer operation.

use std::time::Duration;

use super::connection::{Connection, State};
use super::transfer::{Place, Transfer};
use super::{ConnectionId, Engine, Timer, TransferId};
use crate::error::{Cause, Deadline, Phase};
use crate::time::Time;

/// When, what then, and how long it was.
type Due = (Time, Then, Duration);

/// What happens at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// What waits has waited in vain.
    Fail(Deadline),
    /// A body that has waited for leave is sent without.
    SendBody,
    /// What has moved is paid for: more may.
    GoOn,
    /// The transfer comes back to ask again.
    ComeBack,
}

impl Engine {
    /// The deadline of what a connection waits for passed, as the driver saw it. If it has moved,
    /// [`Engine::level`] tells where to.
    pub fn handle_deadline(&mut self, id: ConnectionId) {
        self.check_connection(id);
        self.settle();
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Transfer(id) => {
                if let Some(transfer) = self.transfers.get_mut(id) {
                    transfer.timer = None;
                    self.check_transfer(id);
                }
            }
            Timer::Gate(id) => {
                if let Some(gates) = &mut self.gates {
                    gates.handle_timer(id, self.now);
                }
            }
            Timer::Connection(id) => {
                if let Some(connection) = self.pool.connections.get_mut(id) {
                    connection.timer = None;
                    connection.timer_at = Time::NEVER;
                    self.check_connection(id);
                }
            }
        }
    }

    /// Sees to it that a connection's deadline is not missed.
    pub(super) fn schedule(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        // a paused connection's socket is not watched, so that nobody carries its deadline
        if self.config.carried_deadlines && !(connection.is_paused() || connection.is_throttled()) {
            return;
        }
        let Some((at, _, _)) = self.deadline(connection) else { return };
        if at >= connection.timer_at {
            return;
        }
        if let Some(timer) = connection.timer {
            self.timers.cancel(timer);
        }
        let timer = self.timers.set(at, Timer::Connection(id));
        if let Some(connection) = self.pool.connections.get_mut(id) {
            connection.timer = Some(timer);
            connection.timer_at = at;
        }
    }

    /// Sees to it that the deadline of a transfer without connection is not missed.
    pub(super) fn schedule_transfer(&mut self, id: TransferId) {
        let due = self.transfer_deadline(id);
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        if let Some(timer) = transfer.timer.take() {
            self.timers.cancel(timer);
        }
        if let Some((at, _, _)) = due {
            transfer.timer = Some(self.timers.set(at, Timer::Transfer(id)));
        }
    }

    /// The first deadline of what a connection waits for.
    pub(super) fn deadline(&self, connection: &Connection) -> Option<Due> {
        let state = match &connection.state {
            State::Idle(idle) => {
                let keep = self.config.keep_idle;
                return Some((idle.since + keep, Then::Fail(Deadline::Idle), keep));
            }
            state => state,
        };
        let transfer = self.transfers.get(connection.transfer()?)?;
        let options = &*transfer.request.options;
        let timeouts = &options.timeouts;
        let then = |at: Time, then, after: Option<Duration>| Some((at + after?, then, after?));
        let from = |at, which, after| then(at, Then::Fail(which), after);
        let phase = match state {
            State::Connecting(state) => from(state.since, Deadline::Connect, timeouts.connect),
            State::Tunnelling(state) => from(state.since, Deadline::Connect, timeouts.connect),
            State::Handshaking(state) => from(state.since, Deadline::Tls, timeouts.tls),
            State::Exchanging(state) if state.paused => None,
            State::Exchanging(state) if state.throttled => {
                state.pace.as_ref().map(|pace| (pace.due(), Then::GoOn, Duration::ZERO))
            }
            State::Exchanging(state) => {
                let silence =
                    if state.request_sent == Time::NEVER || state.first_byte != Time::NEVER {
                        from(state.moved, Deadline::Idle, timeouts.idle)
                    } else {
                        from(state.request_sent, Deadline::FirstByte, timeouts.first_byte)
                    };
                let low_speed = options
                    .low_speed
                    .filter(|low| !low.over.is_zero())
                    .and_then(|low| from(state.measured.0, Deadline::LowSpeed, Some(low.over)));
                let first = earlier(silence, low_speed);
                match state.exchange.awaits_continue() {
                    true => earlier(first, then(state.moved, Then::SendBody, timeouts.expect)),
                    false => first,
                }
            }
            State::Idle(_) | State::Names(_) => None,
        };
        earlier(phase, total(transfer))
    }

    fn transfer_deadline(&self, id: TransferId) -> Option<Due> {
        let transfer = self.transfers.get(id)?;
        let timeouts = &transfer.request.options.timeouts;
        let (wait, which, spent) = match transfer.place {
            Place::Admission | Place::Exchange(_) => return None,
            Place::Later(at) => {
                let back = (at, Then::ComeBack, at.since(transfer.since));
                return earlier(Some(back), total(transfer));
            }
            Place::Addresses(lookup) if self.resolver.is_started(lookup) => {
                (timeouts.resolve, Deadline::Resolve, 0)
            }
            Place::Connection | Place::Addresses(_) => {
                (timeouts.queue, Deadline::Queue, transfer.spent.queue)
            }
        };
        let wait = wait.map(|after| {
            let left = after.saturating_sub(Duration::from_nanos(spent));
            (transfer.since + left, Then::Fail(which), after)
        });
        earlier(wait, total(transfer))
    }

    fn check_transfer(&mut self, id: TransferId) {
        match self.transfer_deadline(id) {
            Some((at, Then::ComeBack, _)) if at <= self.now => self.seek_connection(id),
            Some((at, Then::Fail(deadline), after)) if at <= self.now => {
                let Some(place) = self.transfers.get(id).map(|transfer| transfer.place) else {
                    return;
                };
                let cause = Cause::Timeout { deadline, after };
                let phase = self.phase(place);
                self.end(id, super::error_before_exchange(cause, phase));
            }
            Some(_) => self.schedule_transfer(id),
            None => {}
        }
    }

    fn check_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        match self.deadline(connection) {
            Some((at, Then::Fail(deadline), after)) if at <= self.now => {
                if matches!(connection.state, State::Idle(_)) {
                    self.close(id);
                } else if deadline != Deadline::LowSpeed || self.is_slow(id) {
                    self.fail(id, Cause::Timeout { deadline, after }, None);
                } else {
                    self.touch(id);
                }
            }
            Some((at, ..)) if at <= self.now => self.go_on(id),
            _ => self.touch(id),
        }
    }

    /// What was held back on a connection may move.
    #[cold]
    fn go_on(&mut self, id: ConnectionId) {
        let now = self.now;
        if let Some(state) = self.exchanging(id) {
            if std::mem::take(&mut state.throttled) {
                // the peer was not silent, but not heard; how slow it is counts on
                let measured = state.measured;
                state.restart_waits(now);
                state.measured = measured;
            } else {
                state.exchange.send_body();
            }
        }
        self.touch(id);
    }

    /// Ends a measurement of the speed and begins the next one.
    fn is_slow(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(id) else { return false };
        let wire = connection.wire;
        let State::Exchanging(state) = &mut connection.state else { return false };
        let Some(transfer) = self.transfers.get(state.transfer) else { return false };
        let Some(low) = transfer.request.options.low_speed else { return false };
        let moved = state.bytes_moved(wire);
        let (since, before) = std::mem::replace(&mut state.measured, (now, moved));
        let demanded = u128::from(low.bytes_per_second) * now.since(since).as_nanos();
        u128::from(moved - before) * 1_000_000_000 < demanded
    }
}

impl Connection {
    /// The phase of the transfer that occupies the connection.
    pub(super) fn phase(&self) -> Phase {
        match &self.state {
            State::Connecting(_) => Phase::Connect,
            State::Tunnelling(_) => Phase::Proxy,
            State::Handshaking(_) => Phase::Tls,
            State::Exchanging(state) if state.first_byte != Time::NEVER => Phase::Receive,
            State::Exchanging(state) if state.request_sent != Time::NEVER => Phase::FirstByte,
            State::Exchanging(_) => Phase::Send,
            State::Idle(_) | State::Names(_) => Phase::Queue,
        }
    }
}

fn total(transfer: &Transfer) -> Option<Due> {
    let after = transfer.request.options.timeouts.total?;
    Some((transfer.added + after, Then::Fail(Deadline::Total), after))
}

fn earlier(one: Option<Due>, other: Option<Due>) -> Option<Due> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}
