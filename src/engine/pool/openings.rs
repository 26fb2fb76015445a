//! Connections of one origin that are being made, in the order in which that began.
//!
//! Knows ids alone: whoever asks says which of them are what it takes them for. Invariant: those that are not are passed over
//! once, and there are no more of these than of the others, and a few.

use std::collections::VecDeque;

use crate::engine::ids::ConnectionId;

/// As many that are no more what they were are kept, whatever there is else.
const GONE: usize = 32;

#[derive(Default)]
pub(super) struct Openings {
    ids: VecDeque<ConnectionId>,
    /// How many there may be before all are looked at.
    most: usize,
}

impl Openings {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn note(&mut self, id: ConnectionId, holds: impl Fn(ConnectionId) -> bool) {
        while self.ids.front().is_some_and(|&first| !holds(first)) {
            self.ids.pop_front();
        }
        if self.ids.len() > self.most {
            self.ids.retain(|&id| holds(id));
            self.most = 2 * self.ids.len() + GONE;
        }
        self.ids.push_back(id);
    }

    /// Takes the oldest out.
    pub(super) fn take(&mut self, holds: impl Fn(ConnectionId) -> bool) -> Option<ConnectionId> {
        while let Some(id) = self.ids.pop_front() {
            if holds(id) {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn the_oldest_that_holds_is_taken() {
        let mut openings = Openings::default();
        (0..5).for_each(|bits| openings.note(Id::from_bits(bits), |_| true));
        let is_odd = |id: ConnectionId| id.slot() % 2 == 1;
        assert_eq!(openings.take(is_odd), Some(Id::from_bits(1)));
        assert_eq!(openings.take(is_odd), Some(Id::from_bits(3)));
        assert_eq!(openings.take(is_odd), None);
        assert!(openings.is_empty());
    }

    /// One that is never over must not have all keep those that came after it.
    #[test]
    fn what_is_gone_is_swept_out_behind_one_that_stays() {
        let mut openings = Openings::default();
        for bits in 0..100_000 {
            openings.note(Id::from_bits(bits), |id| id.slot() == 0);
            assert!(openings.ids.len() <= GONE + 4, "{}", openings.ids.len());
        }
        assert_eq!(openings.take(|id| id.slot() == 0), Some(Id::from_bits(0)));
    }
}
