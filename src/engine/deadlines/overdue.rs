//! What is about to fail because its time is over, and is looked at once more before it does.
//!
//! Time passes between the moment at which a driver looked and the one at which it reads the clock: a little always, any
//! amount while the process is stopped or the machine busy. What came meanwhile came perhaps in time. So a deadline
//! that has passed ends nothing by itself: the driver hears of it, takes what there is by now, and what then still
//! waits has waited in vain.

mod look;

use crate::engine::exchanges::exchange::Exchange;
use crate::engine::ids::ConnectionId;
use crate::engine::timer::Timer;

/// What is overdue: what is to be looked at before [`Engine::expire`](crate::engine::Engine::expire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// What this connection waits for: whether it is connected, takes bytes again, has received any; all that it has
    /// received. If [`Engine::asks_unacknowledged`](crate::engine::Engine::asks_unacknowledged), what the peer has yet to acknowledge.
    Connection(ConnectionId),
    /// A transfer that holds no connection: what ends its wait may come from any, or from a look-up.
    Anything,
}

/// What a batch has found to be overdue.
#[derive(Default)]
pub(in crate::engine) struct OverdueList {
    timers: Vec<Timer>,
    /// So many of them the driver has heard of.
    told: usize,
    /// It has heard that anything is to be looked at.
    told_anything: bool,
    /// Channels of look-ups are among them.
    has_channels: bool,
}

impl Exchange {
    /// Whether it has a body that may be on its way to the peer of this connection.
    fn uploads_on(&self, id: ConnectionId) -> bool {
        self.connection == id && self.body_begun
    }
}

impl OverdueList {
    /// Has this looked at before it ends.
    pub(super) fn push(&mut self, timer: Timer) {
        self.timers.push(timer);
    }
}
