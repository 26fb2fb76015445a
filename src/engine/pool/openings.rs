//! Connections of one origin that are being made, in the order in which that began.
//!
//! Knows ids alone: whoever asks says which of them are what it takes them for. Invariant: those that are not are passed over
//! once, and there are hardly more of these than of the others.

use std::collections::VecDeque;

use crate::engine::ids::ConnectionId;

/// Room for so many is made at once.
const LEAST: usize = 16;

#[derive(Default)]
pub(super) struct Openings(VecDeque<ConnectionId>);

impl Openings {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes one, among so many connections that there are.
    #[inline]
    pub(super) fn note(
        &mut self,
        id: ConnectionId,
        among: usize,
        holds: impl Fn(ConnectionId) -> bool,
    ) {
        if self.0.len() == self.0.capacity() {
            self.make_room(among, holds);
        }
        self.0.push_back(id);
    }

    #[cold]
    fn make_room(&mut self, among: usize, holds: impl Fn(ConnectionId) -> bool) {
        if self.0.len() > 2 * among {
            self.0.retain(|&id| holds(id));
        }
        self.0.reserve(self.0.len().max(LEAST));
    }

    /// Takes the oldest out.
    pub(super) fn take(&mut self, holds: impl Fn(ConnectionId) -> bool) -> Option<ConnectionId> {
        while let Some(id) = self.0.pop_front() {
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
        (0..5).for_each(|bits| openings.note(Id::from_bits(bits), 5, |_| true));
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
            openings.note(Id::from_bits(bits), 3, |id| id.slot() == 0);
            assert!(openings.0.len() <= 2 * LEAST, "{}", openings.0.len());
        }
        assert_eq!(openings.take(|id| id.slot() == 0), Some(Id::from_bits(0)));
    }
}
