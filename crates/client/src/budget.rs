//! One budget of connections over several engines.
//!
//! Knows what an engine may have, and whom it can ask for more. Must not know how it spends them. Invariants: the limits of all
//! engines together are never more than the budget: whoever lends has lowered its own before the other hears of it; each
//! keeps one.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::inbox::{Command, Inbox};

/// All engines of a client, once they are there.
pub(crate) type Peers = Arc<OnceLock<Vec<Arc<Inbox>>>>;

/// How long an engine whose question brought nothing waits before it asks again.
const AGAIN: Duration = Duration::from_millis(10);

/// What one engine may have.
pub(crate) struct Budget {
    limit: usize,
    peers: Peers,
    /// Answers that are under way.
    asked: usize,
    /// When it may ask again.
    again: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(limit: usize, peers: Peers) -> Budget {
        Budget { limit, peers, asked: 0, again: None }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Asks all others for connections, for an engine that has as many as it may and needs more; not more often than is of
    /// use. When it would ask the next time.
    pub(crate) fn ask(&mut self, own: &Arc<Inbox>, now: Instant) -> Option<Instant> {
        let peers = self.peers.get()?;
        if self.asked == 0 && self.again.is_none_or(|again| now >= again) {
            self.again = Some(now + AGAIN);
            for peer in peers.iter().filter(|peer| !Arc::ptr_eq(peer, own)) {
                // one that is gone has none
                self.asked += usize::from(peer.post(Command::Lend(own.clone())).is_ok());
            }
        }
        self.again
    }

    /// What can be lent of it: half of what is not used, so that who asks and who lends have the same.
    pub(crate) fn lend(&mut self, used: usize) -> usize {
        let spare = self.limit.saturating_sub(used.max(1));
        let lent = spare.div_ceil(2);
        self.limit -= lent;
        lent
    }

    /// What another one has lent.
    pub(crate) fn borrow(&mut self, lent: usize) {
        self.limit += lent;
        self.asked = self.asked.saturating_sub(1);
        if lent > 0 {
            // there may be more
            self.again = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_not_used_and_leaves_one() {
        for limit in 1..20 {
            for used in 0..=limit {
                let mut budget = Budget::new(limit, Peers::default());
                let mut lent = 0;
                for _ in 0..10 {
                    lent += budget.lend(used);
                }
                assert_eq!(budget.limit(), used.max(1), "all that is not used can be had");
                assert_eq!(lent + budget.limit(), limit);
                budget.borrow(lent);
                assert_eq!(budget.limit(), limit);
            }
        }
    }
}
