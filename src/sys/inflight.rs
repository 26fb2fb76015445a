//! The operations that the kernel holds, and how many CQEs it owes for each.
//!
//! Knows slots and debts. Must not know what the operations are. Invariants
//! (`docs/ring-ownership.md`): a slot is freed when it owes nothing and only then; a CQE with F_MORE
//! settles nothing; an id that outlived its slot settles nothing.

use crate::id::{Id, Slab};

/// Operations of type `O`, by generational id, each with its debt.
pub(super) struct InFlight<O> {
    slots: Slab<Slot<O>>,
    /// The sum of all slots' debts.
    owed: usize,
}

/// One operation, or several that share memory and an owner.
pub(super) struct Slot<O> {
    owed: u32,
    pub(super) op: O,
}

/// The name of a slot, as tokens carry it.
pub(super) type SlotId<O> = Id<Slot<O>>;

impl<O> InFlight<O> {
    pub(super) const fn new() -> Self {
        Self { slots: Slab::new(), owed: 0 }
    }

    /// Takes a slot for an operation whose SQEs are about to be pushed, for which the kernel will post
    /// `owed` final CQEs (at least one).
    pub(super) fn insert(&mut self, op: O, owed: u32) -> SlotId<O> {
        debug_assert!(owed > 0, "a slot that owes nothing would never be freed");
        self.owed += owed as usize;
        self.slots.insert(Slot { owed, op })
    }

    pub(super) fn get_mut(&mut self, id: SlotId<O>) -> Option<&mut O> {
        self.slots.get_mut(id).map(|slot| &mut slot.op)
    }

    /// One more CQE will come for this slot. Does nothing for an id that outlived its slot.
    pub(super) fn owe_one(&mut self, id: SlotId<O>) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.owed += 1;
            self.owed += 1;
        }
    }

    /// A CQE came for this slot: settles one debt unless `more` (its F_MORE) is set, shows it to
    /// `handle` (which is told whether it was the last), and frees the slot after the last.
    /// `None`: no such operation is in flight, the CQE is stale.
    pub(super) fn settle<R>(
        &mut self,
        id: SlotId<O>,
        more: bool,
        handle: impl FnOnce(&mut O, bool) -> R,
    ) -> Option<R> {
        let slot = self.slots.get_mut(id)?;
        if !more {
            slot.owed -= 1;
            self.owed -= 1;
        }
        let last = slot.owed == 0;
        let handled = handle(&mut slot.op, last);
        if last {
            self.slots.remove(id);
        }
        Some(handled)
    }

    /// The only CQE came for this slot, which owes no other: frees it. `None` as for [`InFlight::settle`].
    pub(super) fn settle_and_take(&mut self, id: SlotId<O>) -> Option<O> {
        let Slot { owed, op } = self.slots.remove(id)?;
        self.owed -= owed as usize;
        Some(op)
    }

    /// CQEs owed by all slots together.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// Slots taken.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn ids(&self) -> Vec<SlotId<O>> {
        self.slots.iter().map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles one CQE; whether it was the slot's last, `None` if it was stale.
    fn settle(
        inflight: &mut InFlight<&'static str>,
        id: SlotId<&'static str>,
        more: bool,
    ) -> Option<bool> {
        inflight.settle(id, more, |_, last| last)
    }

    #[test]
    fn a_slot_is_freed_by_its_last_cqe_and_not_before() {
        let mut inflight = InFlight::new();
        let id = inflight.insert("poll", 2);
        assert_eq!((inflight.len(), inflight.owed()), (1, 2));
        assert_eq!(settle(&mut inflight, id, false), Some(false));
        assert_eq!((inflight.len(), inflight.owed()), (1, 1));
        assert_eq!(settle(&mut inflight, id, false), Some(true));
        assert_eq!((inflight.len(), inflight.owed()), (0, 0));
    }

    #[test]
    fn f_more_keeps_the_slot() {
        let mut inflight = InFlight::new();
        let id = inflight.insert("multishot", 1);
        for _ in 0..3 {
            assert_eq!(settle(&mut inflight, id, true), Some(false));
        }
        assert_eq!(inflight.owed(), 1);
        assert_eq!(settle(&mut inflight, id, false), Some(true));
    }

    #[test]
    fn a_removal_adds_to_the_debt() {
        let mut inflight = InFlight::new();
        let id = inflight.insert("poll", 1);
        inflight.owe_one(id);
        assert_eq!(settle(&mut inflight, id, false), Some(false));
        assert_eq!(settle(&mut inflight, id, false), Some(true));
        inflight.owe_one(id);
        assert_eq!(inflight.owed(), 0);
    }

    #[test]
    fn a_stale_cqe_leaves_the_slots_next_occupant_alone() {
        let mut inflight = InFlight::new();
        let first = inflight.insert("first", 1);
        settle(&mut inflight, first, false);
        let second = inflight.insert("second", 1);
        assert_eq!(first.slot(), second.slot());
        assert_eq!(settle(&mut inflight, first, false), None);
        assert_eq!(settle(&mut inflight, first, true), None);
        assert_eq!(inflight.get_mut(second), Some(&mut "second"));
        assert_eq!(inflight.owed(), 1);
    }
}
