//! Frames that bring nothing (RFC 9113, 10.5), and streams that the peer has ended.
//!
//! Knows counts. Must not know frames. Invariants: whoever sends little else is found out; whoever sends responses, data, or
//! is sent data, is not, however long the connection lasts.

use super::fault::LinkFault;
use crate::limits::{H2_BARREN_FOR_DATA, H2_BARREN_FOR_HEAD, H2_ENDED, H2Limits};

/// How many frames that bring nothing may come.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    limit: u32,
}

impl Budget {
    pub(super) fn new(limits: &H2Limits) -> Budget {
        Budget { left: limits.barren_frames, limit: limits.barren_frames }
    }

    /// One came.
    pub(super) fn spend(&mut self) -> Result<(), LinkFault> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(LinkFault::TooManyBarren { limit: self.limit }),
        }
    }

    /// A response's head came.
    pub(super) fn head(&mut self) {
        self.refill(H2_BARREN_FOR_HEAD);
    }

    /// Data came, or was sent.
    pub(super) fn data(&mut self) {
        self.refill(H2_BARREN_FOR_DATA);
    }

    /// Time has passed in which nothing came.
    pub(super) fn rested(&mut self) {
        self.left = self.limit;
    }

    fn refill(&mut self, by: u32) {
        self.left = self.left.saturating_add(by).min(self.limit);
    }
}

/// The streams that the peer has ended last: another frame on one of them is its fault (RFC 9113, 5.1). On streams that we have
/// ended, and on those that are forgotten, frames may be late, and are passed over.
#[derive(Debug)]
pub(super) struct Ended {
    streams: [u32; H2_ENDED],
    next: usize,
}

impl Ended {
    pub(super) fn new() -> Ended {
        Ended { streams: [0; H2_ENDED], next: 0 }
    }

    pub(super) fn insert(&mut self, stream: u32) {
        self.streams[self.next] = stream;
        self.next = (self.next + 1) % H2_ENDED;
    }

    pub(super) fn contains(&self, stream: u32) -> bool {
        self.streams.contains(&stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_refills_the_budget_up_to_the_limit() {
        let limits = H2Limits { barren_frames: 10, ..H2Limits::DEFAULT };
        let mut budget = Budget::new(&limits);
        for _ in 0..1000 {
            budget.data();
            budget.spend().unwrap();
        }
        budget.head();
        for _ in 0..10 {
            budget.spend().unwrap();
        }
        assert_eq!(budget.spend(), Err(LinkFault::TooManyBarren { limit: 10 }));
        budget.rested();
        assert_eq!(budget.spend(), Ok(()));
    }

    #[test]
    fn the_last_that_ended_are_remembered() {
        let mut ended = Ended::new();
        for nth in 0..=H2_ENDED as u32 {
            ended.insert(2 * nth + 1);
        }
        assert!(!ended.contains(1));
        assert!(ended.contains(3) && ended.contains(2 * H2_ENDED as u32 + 1));
    }
}
