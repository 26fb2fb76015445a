//! What a transfer that made several requests keeps of those before, and what leads to the next one.

use crate::engine::transfers::history::History;
use crate::engine::transfers::report::Outcome;
use crate::error::Cause;
use crate::protocol::{Redirect, RequestHead};
use crate::time::Time;

/// What a transfer that was led on has gone through.
pub(in crate::engine) struct Hops {
    /// What the head of the exchange under way leads to, or why that cannot be.
    pub(super) next: Option<Result<FollowUp, Cause>>,
    /// The requests that others followed on.
    pub(super) history: History,
    /// When the one under way began to wait.
    pub(super) began: Time,
    /// It has left the scope of its credentials.
    pub(super) stripped: bool,
}

/// The request that follows on a response.
pub(super) enum FollowUp {
    /// The one that a redirect asks for.
    Redirect(Redirect),
    /// The same, with credentials that answer a challenge.
    Again,
}

impl Hops {
    pub(super) fn new(began: Time, records: bool) -> Hops {
        Hops { next: None, history: History::new(records), began, stripped: false }
    }

    /// The transfer leaves the scope of its credentials, for good.
    pub(super) fn strip(&mut self) {
        self.stripped = true;
    }

    /// Makes of the last hop's outcome that of the whole transfer.
    pub(super) fn conclude(self, head: &RequestHead, added: Time, outcome: &mut Outcome) {
        self.history.conclude(head, self.began.since(added), outcome);
    }
}
