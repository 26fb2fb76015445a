//! Which deadline binds a connection, an exchange or a transfer, and when.
//!
//! Knows what each waits for, and since when. Must not know the engine, a timer or what time it is. Invariant: what something
//! else holds up is not failed for it.

use std::time::Duration;

use crate::engine::Options;
use crate::engine::exchanges::exchange::{Exchange, Hold, Rest};
use crate::engine::links::connection::{Connection, State};
use crate::engine::links::idle::Idle;
use crate::engine::links::wire::WireCount;
use crate::engine::multiplex::Multiplex;
use crate::engine::names::resolve::Resolver;
use crate::engine::transfers::request::Timeouts;
use crate::engine::transfers::transfer::{Place, Transfer};
use crate::error::Deadline;
use crate::limits;
use crate::time::Time;

/// What happens, and when; at [`Time::NEVER`] nothing does.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Due {
    pub(in crate::engine) at: Time,
    pub(in crate::engine) then: Then,
}

/// What happens at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Then {
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
    pub(super) const NEVER: Due = Due { at: Time::NEVER, then: Then::GoOn };

    /// Something has waited for so long since then.
    fn fail(since: Time, deadline: Deadline, after: Option<Duration>) -> Due {
        match after {
            Some(after) => Due { at: since + after, then: Then::Fail(deadline) },
            None => Due::NEVER,
        }
    }

    pub(super) fn or_earlier(self, other: Due) -> Due {
        if other.at < self.at { other } else { self }
    }
}

impl Connection {
    /// The deadline of the step on which it is while it is set up for a transfer.
    pub(in crate::engine) fn step_due(&self) -> Due {
        let Some(claim) = self.claim() else { return Due::NEVER };
        let timeouts = &claim.options.timeouts;
        match &self.state {
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

    /// Whether it is the time of its transfer that ends first while it is set up.
    pub(in crate::engine) fn is_bound_by_total(&self) -> bool {
        self.setup_due().at < self.step_due().at
    }

    /// The first deadline while it is set up.
    pub(super) fn setup_due(&self) -> Due {
        let total = self.claim().map(|claim| claim.options.total_since(claim.added));
        self.step_due().or_earlier(total.unwrap_or(Due::NEVER))
    }
}

impl Idle {
    pub(super) fn due(&self, keep_idle: Duration) -> Due {
        Due::fail(self.since, Deadline::Idle, Some(keep_idle))
    }
}

impl Multiplex {
    #[cold]
    pub(super) fn due(&self, keep_idle: Duration) -> Due {
        let Some(idle) = &self.idle else { return self.silence_due() };
        let mut due = idle.due(keep_idle);
        if self.is_wide {
            due = due.or_earlier(Due { at: idle.since + limits::WIDE, then: Then::Shrink });
        }
        match self.pinged {
            Some(pinged) => due.or_earlier(pong_due(pinged)),
            None => due,
        }
    }

    /// For how long the peer may be silent before it is asked whether it is there, after that, and before it is asked again.
    /// Each of the exchanges has deadlines of its own beside.
    fn silence_due(&self) -> Due {
        match self.pinged {
            None if self.is_there => Due { at: self.heard + limits::PING_AGAIN, then: Then::Ping },
            None => Due { at: self.heard + limits::PING_AFTER, then: Then::Ping },
            Some(pinged) => pong_due(pinged),
        }
    }
}

/// Until when who was asked whether he is there has to say so, asked for or not.
fn pong_due(pinged: Time) -> Due {
    Due::fail(pinged, Deadline::Ping, Some(limits::PING_PATIENCE))
}

impl Transfer {
    /// The first deadline of one that holds no connection; a look-up that it waits for is one of these.
    #[inline]
    pub(super) fn due(&self, lookups: &Resolver) -> Due {
        let timeouts = &self.request.options.timeouts;
        let wait = match self.place {
            Place::Admission | Place::Opening(_) | Place::Exchange(_) => return Due::NEVER,
            Place::Later(at) => Due { at, then: Then::ComeBack },
            Place::Addresses(lookup) if lookups.is_started(lookup) => {
                Due::fail(self.since, Deadline::Resolve, timeouts.resolve)
            }
            Place::Connection | Place::Addresses(_) => {
                let spent = Duration::from_nanos(self.spent.queue);
                let left = timeouts.queue.map(|after| after.saturating_sub(spent));
                Due::fail(self.since, Deadline::Queue, left)
            }
        };
        wait.or_earlier(self.request.options.total_since(self.added))
    }
}

impl Options {
    /// The deadline of all of a transfer that was added then.
    #[inline]
    fn total_since(&self, added: Time) -> Due {
        Due::fail(added, Deadline::Total, self.timeouts.total)
    }

    /// How long a deadline was that has been missed.
    pub(super) fn allowed(&self, deadline: Deadline) -> Duration {
        let Options { timeouts, low_speed, .. } = self;
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
}

impl Exchange {
    /// The first deadline of what it waits for. It was last `inspected` then who has memory.
    #[inline(always)]
    pub(in crate::engine) fn due(&self, inspected: Time) -> Due {
        let Options { timeouts, low_speed, .. } = &*self.claim.options;
        if low_speed.is_some() || !self.is_free() {
            return self.due_of_held(inspected);
        }
        // as nearly always
        let (since, deadline, after) = self.silence(timeouts);
        let mut due = Due::fail(since, deadline, after);
        if self.body_begun {
            due = due.or_earlier(self.ask_due(since, after));
        }
        due.or_earlier(self.claim.options.total_since(self.claim.added))
    }

    /// As [`due`](Self::due), of one that something holds up, or that must not be slow.
    fn due_of_held(&self, inspected: Time) -> Due {
        let Options { timeouts, low_speed, .. } = &*self.claim.options;
        let holds = self.holds;
        let wait = if holds.delivery() {
            match self.awaits_memory() {
                Some(since) if !holds.has(Hold::Receiving) => {
                    memory_due(since, inspected, timeouts.memory)
                }
                Some(_) | None => Due::NEVER,
            }
        } else if holds.has(Hold::Pace) {
            Due::NEVER
        } else if self.rest != Rest::Delivered {
            Due { at: self.measured.0 + limits::UNWANTED_REST, then: Then::Leave }
        } else if self.is_waited_for() {
            Due::NEVER
        } else {
            let (since, deadline, after) = self.silence(timeouts);
            let mut due = Due::fail(since, deadline, after);
            if self.body_begun {
                due = due.or_earlier(self.ask_due(since, after));
            }
            if let Some(low) = low_speed.filter(|low| !low.over.is_zero()) {
                let slow = Due::fail(self.measured.0, Deadline::LowSpeed, Some(low.over));
                due = due.or_earlier(slow);
            }
            due
        };
        let total = self.claim.options.total_since(self.claim.added);
        wait.or_earlier(self.moves_again(timeouts)).or_earlier(total)
    }

    /// When what was held back may move: what the pace allows, and a body that has waited for leave.
    #[inline]
    fn moves_again(&self, timeouts: &Timeouts) -> Due {
        if let Some(pace) = &self.pace
            && self.holds.has(Hold::Pace)
        {
            return Due { at: pace.due(), then: Then::GoOn };
        }
        let waits =
            self.codec.awaits_continue() && self.rest == Rest::Delivered && !self.holds.sending();
        match timeouts.expect {
            Some(after) if waits => Due { at: self.moved + after, then: Then::SendBody },
            _ => Due::NEVER,
        }
    }

    /// The silence that is borne: since when, which it is, and for how long.
    #[inline]
    fn silence(&self, timeouts: &Timeouts) -> (Time, Deadline, Option<Duration>) {
        if self.request_sent == Time::NEVER || self.first_byte != Time::NEVER {
            (self.moved, Deadline::Idle, timeouts.idle)
        } else {
            (self.request_sent, Deadline::FirstByte, timeouts.first_byte)
        }
    }

    /// While a body may still be on its way to the peer, that is asked for soon, to know when the silence has lasted for too
    /// long whether the peer has taken any of it.
    #[cold]
    fn ask_due(&self, since: Time, after: Option<Duration>) -> Due {
        match after {
            Some(after) if self.asks_unacknowledged() => {
                Due { at: since.max(self.moved) + after / 8, then: Then::Ask }
            }
            _ => Due::NEVER,
        }
    }

    /// Ends a measurement of the speed and begins the next one: whether too little has moved on its connection's `wire`.
    pub(super) fn is_slow(&mut self, wire: WireCount, now: Time) -> bool {
        let Some(low) = self.claim.options.low_speed else { return false };
        let moved = self.bytes_moved(wire).saturating_sub(self.unacknowledged_at(now).into());
        let (since, before) = std::mem::replace(&mut self.measured, (now, moved));
        if now.since(since) > low.over * 2 {
            // nobody has looked for long: how fast the peer would have been cannot be known
            return false;
        }
        let demanded = u128::from(low.bytes_per_second) * now.since(since).as_nanos();
        u128::from(moved.saturating_sub(before)) * 1_000_000_000 < demanded
    }
}

/// For how long memory is waited for.
fn memory_due(since: Time, inspected: Time, after: Option<Duration>) -> Due {
    let at = since.max(inspected) + limits::MEMORY_PATIENCE;
    Due::fail(since, Deadline::Memory, after).or_earlier(Due { at, then: Then::Inspect })
}
