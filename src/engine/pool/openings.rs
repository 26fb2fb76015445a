//! Connections of one origin that are being made, in the order in which that began.
//!
//! Knows ids alone: whoever asks says which of them are awaited still. Invariant: those that are not are passed over once, and
//! there are hardly more of these than of the others.

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
        is_awaited: impl Fn(ConnectionId) -> bool,
    ) {
        if self.0.len() == self.0.capacity() {
            self.make_room(among, is_awaited);
        }
        self.0.push_back(id);
    }

    #[cold]
    fn make_room(&mut self, among: usize, is_awaited: impl Fn(ConnectionId) -> bool) {
        if self.0.len() > 2 * among {
            self.0.retain(|&id| is_awaited(id));
        }
        self.0.reserve(self.0.len().max(LEAST));
    }

    /// The oldest that is awaited.
    pub(super) fn first(
        &mut self,
        is_awaited: impl Fn(ConnectionId) -> bool,
    ) -> Option<ConnectionId> {
        while let Some(&id) = self.0.front()
            && !is_awaited(id)
        {
            self.0.pop_front();
        }
        self.0.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn the_oldest_that_is_awaited_is_the_first() {
        let mut openings = Openings::default();
        (0..5).for_each(|bits| openings.note(Id::from_bits(bits), 5, |_| true));
        for awaited in [1, 1, 3] {
            assert_eq!(
                openings.first(|id| id.slot() == awaited),
                Some(Id::from_bits(awaited as u64))
            );
        }
        assert_eq!(openings.first(|_| false), None);
        assert!(openings.is_empty());
    }

    /// One that is never over must not have all keep those that came after it.
    #[test]
    fn what_is_over_is_swept_out_behind_one_that_stays() {
        let mut openings = Openings::default();
        for bits in 0..100_000 {
            openings.note(Id::from_bits(bits), 3, |id| id.slot() == 0);
            assert!(openings.0.len() <= 2 * LEAST, "{}", openings.0.len());
        }
        assert_eq!(openings.first(|id| id.slot() == 0), Some(Id::from_bits(0)));
    }
}
