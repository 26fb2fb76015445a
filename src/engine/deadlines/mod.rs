//! Which deadline binds whom, and what happens when it passes.
//!
//! A transfer that holds no connection has a timer of its own; on a connection its deadlines are
//! the connection's. Deadlines that move later (every byte moves the idle one) leave the timer
//! where it is: when it fires too early it is set anew, so that a byte costs no timer operation.
//! What is overdue is looked at once more before it fails: [`overdue`]. Must not know a clock, nor what a connection or an
//! exchange does with its time.

pub(super) mod overdue;

use std::time::Duration;

use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::{Exchange, ExchangeId, Hold, Rest};
use crate::engine::links::connection::{Connection, Idle, State};
use crate::engine::multiplex::Multiplex;
use crate::engine::transfers::request::Timeouts;
use crate::engine::transfers::transfer::{Place, Transfer};
use crate::engine::{ConnectionId, Engine, Options, Timer, TransferId, error_before_exchange};
use crate::error::{Cause, Deadline};
use crate::limits;
use crate::time::Time;

/// What happens, and when; at [`Time::NEVER`] nothing does.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) at: Time,
    pub(super) then: Then,
}

/// What happens at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// What waits has waited in vain.
    Fail(Deadline),
    /// A body that has waited for leave is sent without.
    SendBody,
    /// It is time to know how much the peer has yet to acknowledge, so that it can be seen whether that becomes less.
    Ask,
    /// What has moved is paid for: more may.
    GoOn,
    /// The transfer comes back to ask again.
    ComeBack,
    /// The rest of a response that goes nowhere has been waited for long enough.
    Leave,
    /// The peer of several exchanges is asked whether it is there.
    Ping,
    /// An idle connection gives back the memory that only a busy one needs.
    Shrink,
    /// It waits for memory for so long that it is looked at who has it.
    Inspect,
}

impl Engine {
    /// The deadline of what a connection waits for passed, as the driver saw it: what that ends, [`Engine::expire`]
    /// does. If it has moved, [`Engine::level`] tells where to.
    pub fn handle_deadline(&mut self, id: ConnectionId) {
        self.connection_is_due(id);
        self.settle();
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Transfer(id) => {
                if let Some(transfer) = self.transfers.get_mut(id) {
                    transfer.timer = None;
                    self.transfer_is_due(id);
                }
            }
            Timer::Gate(id) => self.gates.handle_timer(id, self.now),
            Timer::Race(id) => self.widen_race(id),
            Timer::Exchange(id) => {
                let exchange = self.exchanges.get_mut(id);
                if let Some(stream) = exchange.and_then(|exchange| exchange.codec.stream_mut()) {
                    (stream.timer, stream.timer_at) = (None, Time::NEVER);
                    self.exchange_is_due(id);
                }
            }
            Timer::Dial(id) => self.end_patience(id),
            Timer::Connection(id) => {
                if let Some(connection) = self.pool.connections.get_mut(id) {
                    connection.timer = None;
                    connection.timer_at = Time::NEVER;
                    self.connection_is_due(id);
                }
            }
        }
    }

    /// Sees to it that a connection's deadline is not missed.
    pub(super) fn schedule(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        if self.carried_deadlines && !self.is_unwatched(id, connection) {
            return;
        }
        let at = self.deadline(connection).at;
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

    /// Whether a connection's socket is not watched, or is no more: nobody carries its deadline.
    fn is_unwatched(&self, id: ConnectionId, connection: &Connection) -> bool {
        self.exchange_of(connection).is_some_and(|exchange| exchange.holds.receiving())
            || self.is_stranded(id, connection)
    }

    /// Sees to it that the deadline of a transfer without connection is not missed.
    pub(super) fn schedule_transfer(&mut self, id: TransferId) {
        let at = self.transfer_deadline(id).at;
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        if let Some(timer) = transfer.timer.take() {
            self.timers.cancel(timer);
        }
        if at != Time::NEVER {
            transfer.timer = Some(self.timers.set(at, Timer::Transfer(id)));
        }
    }

    /// The first deadline of what a connection waits for.
    #[inline]
    pub(super) fn deadline(&self, connection: &Connection) -> Due {
        match &connection.state {
            State::Exchanging(id) => match self.exchanges.get(*id) {
                Some(exchange) => self.exchange_deadline(exchange),
                None => Due::NEVER,
            },
            State::Idle(idle) => self.idle_due(idle),
            // one that has ended waits for those alone who have yet to take what came
            State::Multiplexed(_) if connection.ended => Due::NEVER,
            State::Multiplexed(link) => self.multiplexed_due(link),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Free
            | State::Names(_) => self.opening_due(connection),
        }
    }

    fn idle_due(&self, idle: &Idle) -> Due {
        Due::fail(idle.since, Deadline::Idle, Some(self.config.keep_idle))
    }

    #[cold]
    fn multiplexed_due(&self, link: &Multiplex) -> Due {
        match &link.idle {
            Some(idle) if link.is_wide => self
                .idle_due(idle)
                .or_earlier(Due { at: idle.since + limits::WIDE, then: Then::Shrink }),
            Some(idle) => self.idle_due(idle),
            None => silence_of(link),
        }
    }

    fn opening_due(&self, connection: &Connection) -> Due {
        let transfer = connection.opens_for().and_then(|id| self.transfers.get(id));
        let Some(transfer) = transfer else { return Due::NEVER };
        self.setup_due(connection).or_earlier(total(transfer))
    }

    /// The deadline of the step on which a connection is that is being set up.
    pub(in crate::engine) fn setup_due(&self, connection: &Connection) -> Due {
        let transfer = connection.opens_for().and_then(|id| self.transfers.get(id));
        let Some(transfer) = transfer else { return Due::NEVER };
        let timeouts = &transfer.request.options.timeouts;
        match &connection.state {
            State::Connecting(state) => Due::fail(state.since, Deadline::Connect, timeouts.connect),
            State::Tunnelling(state) => {
                Due::fail(state.progress.since, Deadline::Connect, timeouts.connect)
            }
            State::Handshaking(state) => {
                Due::fail(state.progress.since, Deadline::Tls, timeouts.tls)
            }
            State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => Due::NEVER,
        }
    }

    /// The first deadline of what an exchange waits for.
    #[inline(always)]
    pub(in crate::engine) fn exchange_deadline(&self, exchange: &Exchange) -> Due {
        let Some(transfer) = self.transfers.get(exchange.transfer) else { return Due::NEVER };
        let Options { timeouts, low_speed, .. } = &*transfer.request.options;
        if low_speed.is_some() || !exchange.is_free() {
            return self.deadline_of_held(exchange, transfer);
        }
        // as nearly always
        let (since, deadline, after) = silence(exchange, timeouts);
        let mut due = Due::fail(since, deadline, after);
        if exchange.body_begun {
            due = due.or_earlier(ask(exchange, since, after));
        }
        due.or_earlier(total(transfer))
    }

    /// As [`exchange_deadline`](Self::exchange_deadline), of one that something holds up, or that must not be slow.
    fn deadline_of_held(&self, exchange: &Exchange, transfer: &Transfer) -> Due {
        let Options { timeouts, low_speed, .. } = &*transfer.request.options;
        let holds = exchange.holds;
        let wait = if holds.delivery() {
            match exchange.awaits_memory() {
                Some(since) if !holds.has(Hold::Receiving) => {
                    self.memory_due(since, timeouts.memory)
                }
                Some(_) | None => Due::NEVER,
            }
        } else if holds.has(Hold::Pace) {
            Due::NEVER
        } else if exchange.rest != Rest::Delivered {
            Due { at: exchange.measured.0 + limits::UNWANTED_REST, then: Then::Leave }
        } else if exchange.is_waited_for() {
            Due::NEVER
        } else {
            let (since, deadline, after) = silence(exchange, timeouts);
            let mut due = Due::fail(since, deadline, after);
            if exchange.body_begun {
                due = due.or_earlier(ask(exchange, since, after));
            }
            if let Some(low) = low_speed.filter(|low| !low.over.is_zero()) {
                let slow = Due::fail(exchange.measured.0, Deadline::LowSpeed, Some(low.over));
                due = due.or_earlier(slow);
            }
            due
        };
        wait.or_earlier(moves_again(exchange, timeouts)).or_earlier(total(transfer))
    }

    /// For how long memory is waited for.
    fn memory_due(&self, since: Time, after: Option<Duration>) -> Due {
        let at = since.max(self.memory.inspected) + limits::MEMORY_PATIENCE;
        Due::fail(since, Deadline::Memory, after).or_earlier(Due { at, then: Then::Inspect })
    }

    pub(super) fn transfer_deadline(&self, id: TransferId) -> Due {
        let Some(transfer) = self.transfers.get(id) else { return Due::NEVER };
        let timeouts = &transfer.request.options.timeouts;
        let wait = match transfer.place {
            Place::Admission | Place::Opening(_) | Place::Exchange(_) => return Due::NEVER,
            Place::Later(at) => Due { at, then: Then::ComeBack },
            Place::Addresses(lookup) if self.resolver.is_started(lookup) => {
                Due::fail(transfer.since, Deadline::Resolve, timeouts.resolve)
            }
            Place::Connection | Place::Addresses(_) => {
                let spent = Duration::from_nanos(transfer.spent.queue);
                let left = timeouts.queue.map(|after| after.saturating_sub(spent));
                Due::fail(transfer.since, Deadline::Queue, left)
            }
        };
        wait.or_earlier(total(transfer))
    }

    pub(super) fn check_transfer(&mut self, id: TransferId) {
        let Due { at, then } = self.transfer_deadline(id);
        let Some(transfer) = self.transfers.get(id) else { return };
        if at > self.now {
            return self.schedule_transfer(id);
        }
        match then {
            Then::ComeBack => self.seek_connection(id),
            Then::Fail(deadline) => {
                let cause = Cause::Timeout { deadline, after: length(deadline, transfer) };
                let phase = self.phase(transfer.place);
                self.end(id, error_before_exchange(cause, phase));
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

    pub(super) fn check_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let Due { at, then } = self.deadline(connection);
        if at > self.now {
            return self.touch(id);
        }
        if let Some(exchange) = connection.exchange() {
            return self.end_wait(exchange, then);
        }
        if let State::Multiplexed(_) = connection.state {
            return self.end_silence(id, then);
        }
        let Then::Fail(deadline) = then else { return self.touch(id) };
        match connection.opens_for().and_then(|id| self.transfers.get(id)) {
            Some(transfer) => {
                let after = length(deadline, transfer);
                self.fail_link(id, Cause::Timeout { deadline, after }, None);
            }
            // it is idle
            None => self.close(id),
        }
    }

    /// A connection that speaks HTTP/2 has been silent, or idle, for so long.
    fn end_silence(&mut self, id: ConnectionId, then: Then) {
        let now = self.now;
        let Some(link) = self.multiplex(id) else { return };
        match then {
            Then::Ping => link.ping(now),
            Then::Shrink => link.shrink(),
            Then::Fail(deadline @ Deadline::Ping) => {
                let after = limits::PING_PATIENCE;
                return self.fail_link(id, Cause::Timeout { deadline, after }, None);
            }
            // it is idle
            _ => return self.close(id),
        }
        self.touch(id);
    }

    /// As [`check_connection`](Self::check_connection), of an exchange on a stream.
    pub(in crate::engine) fn check_exchange(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get(id) else { return };
        let Due { at, then } = self.exchange_deadline(exchange);
        match at > self.now {
            true => self.schedule_exchange(id),
            false => self.end_wait(id, then),
        }
    }

    /// What an exchange waits for has come to nothing, or to pass.
    fn end_wait(&mut self, id: ExchangeId, then: Then) {
        match then {
            Then::Fail(Deadline::LowSpeed) if !self.is_slow(id) => self.touch_exchange(id),
            Then::Fail(deadline) => {
                let exchange = self.exchanges.get(id);
                let transfer = exchange.and_then(|exchange| self.transfers.get(exchange.transfer));
                let after = transfer.map(|transfer| length(deadline, transfer));
                let after = after.unwrap_or_default();
                self.distrust(id);
                self.fail_exchange(id, Cause::Timeout { deadline, after }, None);
            }
            Then::Inspect => {
                self.inspect_holders();
                self.touch_exchange(id);
            }
            Then::Ask => self.ask_no_more(id),
            Then::Leave => self.complete(id),
            Then::GoOn | Then::SendBody | Then::ComeBack | Then::Ping | Then::Shrink => {
                self.go_on(id);
            }
        }
    }

    /// The driver cannot say what the peer has yet to acknowledge: nothing is known to become less.
    #[cold]
    fn ask_no_more(&mut self, id: ExchangeId) {
        self.note_unacknowledged(id, 0);
        self.touch_exchange(id);
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

    /// Ends a measurement of the speed and begins the next one.
    fn is_slow(&mut self, id: ExchangeId) -> bool {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(id) else { return false };
        let wire = self.pool.connections.get(exchange.connection).map(|connection| connection.wire);
        let low = self.transfers.get(exchange.transfer).map(|it| it.request.options.low_speed);
        let (Some(wire), Some(Some(low))) = (wire, low) else { return false };
        let moved = exchange.bytes_moved(wire);
        let moved = moved.saturating_sub(exchange.unacknowledged_at(now).into());
        let (since, before) = std::mem::replace(&mut exchange.measured, (now, moved));
        if now.since(since) > low.over * 2 {
            // nobody has looked for long: how fast the peer would have been cannot be known
            return false;
        }
        let demanded = u128::from(low.bytes_per_second) * now.since(since).as_nanos();
        u128::from(moved.saturating_sub(before)) * 1_000_000_000 < demanded
    }
}

impl Then {
    /// Whether what has come may be looked at before.
    pub(in crate::engine) fn looks(self) -> bool {
        match self {
            Then::Fail(_) | Then::SendBody | Then::Ask | Then::Leave => true,
            Then::Ping => true,
            Then::GoOn | Then::ComeBack | Then::Inspect | Then::Shrink => false,
        }
    }
}

impl Due {
    const NEVER: Due = Due { at: Time::NEVER, then: Then::GoOn };

    /// Something has waited for so long since then.
    fn fail(since: Time, deadline: Deadline, after: Option<Duration>) -> Due {
        match after {
            Some(after) => Due { at: since + after, then: Then::Fail(deadline) },
            None => Due::NEVER,
        }
    }

    fn or_earlier(self, other: Due) -> Due {
        if other.at < self.at { other } else { self }
    }
}

/// For how long the peer of several exchanges may be silent before it is asked whether it is there, and after that. Each of
/// them has deadlines of its own beside.
fn silence_of(link: &Multiplex) -> Due {
    match link.pinged {
        None if link.is_there => Due::NEVER,
        None => Due { at: link.heard + limits::PING_AFTER, then: Then::Ping },
        Some(pinged) => Due::fail(pinged, Deadline::Ping, Some(limits::PING_PATIENCE)),
    }
}

/// When what was held back may move: what the pace allows, and a body that has waited for leave.
#[inline]
fn moves_again(exchange: &Exchange, timeouts: &Timeouts) -> Due {
    if let Some(pace) = &exchange.pace
        && exchange.holds.has(Hold::Pace)
    {
        return Due { at: pace.due(), then: Then::GoOn };
    }
    let waits = exchange.codec.awaits_continue()
        && exchange.rest == Rest::Delivered
        && !exchange.holds.sending();
    match timeouts.expect {
        Some(after) if waits => Due { at: exchange.moved + after, then: Then::SendBody },
        _ => Due::NEVER,
    }
}

/// The silence that is borne: since when, which it is, and for how long.
#[inline]
fn silence(exchange: &Exchange, timeouts: &Timeouts) -> (Time, Deadline, Option<Duration>) {
    if exchange.request_sent == Time::NEVER || exchange.first_byte != Time::NEVER {
        (exchange.moved, Deadline::Idle, timeouts.idle)
    } else {
        (exchange.request_sent, Deadline::FirstByte, timeouts.first_byte)
    }
}

/// While a body may still be on its way to the peer, that is asked for soon, to know when the silence has lasted for too
/// long whether the peer has taken any of it.
#[cold]
fn ask(exchange: &Exchange, since: Time, after: Option<Duration>) -> Due {
    match after {
        Some(after) if exchange.asks_unacknowledged() => {
            Due { at: since.max(exchange.moved) + after / 8, then: Then::Ask }
        }
        _ => Due::NEVER,
    }
}

fn total(transfer: &Transfer) -> Due {
    Due::fail(transfer.added, Deadline::Total, transfer.request.options.timeouts.total)
}

/// How long a deadline was that a transfer has missed.
fn length(deadline: Deadline, transfer: &Transfer) -> Duration {
    let Options { timeouts, low_speed, .. } = &*transfer.request.options;
    let length = match deadline {
        Deadline::Queue => timeouts.queue,
        Deadline::Resolve => timeouts.resolve,
        Deadline::Connect => timeouts.connect,
        Deadline::Tls => timeouts.tls,
        Deadline::FirstByte => timeouts.first_byte,
        Deadline::Idle => timeouts.idle,
        Deadline::LowSpeed => low_speed.map(|low| low.over),
        Deadline::Memory => timeouts.memory,
        Deadline::Ping => Some(limits::PING_PATIENCE),
        Deadline::Total => timeouts.total,
    };
    length.unwrap_or_default()
}
