//! Memory that sends are made from.
//!
//! Knows slots of two sizes, which are free, and which are lent beyond their send's result. Must not know who
//! sends. Invariants: a slot that was taken is neither moved, written nor freed until it is given back, which its
//! owner does at the send's CQE; one that was lent too, not before the kernel has notified of that as well.

use std::ptr::NonNull;

use super::errno::Errno;
use super::memory::Pages;
use crate::id::{Id, Slab};

/// A slot that was taken, and how many of its bytes are to be sent. Not copied: whoever holds it gives it back.
#[derive(Debug)]
pub(super) struct SendSlot {
    start: NonNull<u8>,
    len: u32,
    large: bool,
    /// The kernel holds it until it notifies of this loan. If the loan is gone, it has.
    loan: Option<LoanId>,
}

/// The name of a loan, until its notification.
pub(super) type LoanId = Id<Loan>;

/// A slot that the kernel holds beyond its send's result.
#[derive(Debug)]
pub(super) struct Loan {
    /// Whose send it was, by the value given.
    owner: u64,
    /// The slot, if its owner has given it back.
    kept: Option<SendSlot>,
}

impl SendSlot {
    /// Where the kernel reads from byte `offset` on, and how many bytes.
    pub(super) fn rest(&self, offset: u32) -> (*const u8, u32) {
        assert!(offset <= self.len);
        // SAFETY: the offset lies within the slot, as asserted.
        (unsafe { self.start.as_ptr().add(offset as usize) }, self.len - offset)
    }

    pub(super) fn is_small(&self) -> bool {
        !self.large
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The loan made of it last.
    pub(super) fn loan(&self) -> Option<LoanId> {
        self.loan
    }
}

/// Slots, made as they are needed and kept for reuse, the last used first.
pub(super) struct SendSlots {
    chunks: Vec<Pages>,
    small: Vec<NonNull<u8>>,
    large: Vec<NonNull<u8>>,
    taken: usize,
    loans: Slab<Loan>,
}

/// What a request without body fits into. No power of two, so that the slots' heads spread over the cache.
const SMALL: usize = 1024 - 64;

/// Small slots made at a time.
const SMALL_AT_ONCE: usize = 64;

/// What one send takes at most.
pub(super) const LARGE: usize = 64 * 1024;

impl SendSlots {
    pub(super) fn new() -> SendSlots {
        SendSlots {
            chunks: Vec::new(),
            small: Vec::new(),
            large: Vec::new(),
            taken: 0,
            loans: Slab::new(),
        }
    }

    /// Slots that are taken, those that are lent among them.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Has `fill` write into a slot; `None` if it wrote nothing. Few bytes are moved to a small slot, so that
    /// what is written first is memory that the cache holds.
    pub(super) fn fill(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<Option<SendSlot>, Errno> {
        let start = self.free_large()?;
        // SAFETY: the slot is free: the kernel does not touch it and no other slice of it exists. It has LARGE bytes.
        let buffer = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), LARGE) };
        let len = fill(buffer);
        assert!(len <= LARGE, "more was filled than there is room for");
        let slot = if len == 0 {
            return Ok(None);
        } else if len > SMALL {
            self.large.pop();
            SendSlot { start, len: len as u32, large: true, loan: None }
        } else {
            let small = self.take_small()?;
            // SAFETY: both are slots of ours with room for `len` bytes, free until now, and do not overlap.
            unsafe { small.as_ptr().copy_from_nonoverlapping(start.as_ptr(), len) };
            SendSlot { start: small, len: len as u32, large: false, loan: None }
        };
        self.taken += 1;
        Ok(Some(slot))
    }

    /// No operation in flight reads it. It is free now, unless it is lent: then as soon as that has ended.
    pub(super) fn give_back(&mut self, slot: SendSlot) {
        if let Some(loan) = slot.loan.and_then(|loan| self.loans.get_mut(loan)) {
            loan.kept = Some(slot);
            return;
        }
        self.taken -= 1;
        if slot.large { self.large.push(slot.start) } else { self.small.push(slot.start) }
    }

    /// Lends a slot to the kernel until [`SendSlots::end_loan`].
    pub(super) fn lend(&mut self, slot: &mut SendSlot, owner: u64) -> LoanId {
        assert!(slot.loan.is_none(), "it is lent once, as it was filled");
        let loan = self.loans.insert(Loan { owner, kept: None });
        slot.loan = Some(loan);
        loan
    }

    /// Slots that are lent.
    pub(super) fn lent(&self) -> usize {
        self.loans.len()
    }

    /// Who lent a slot.
    pub(super) fn lender(&self, loan: LoanId) -> Option<u64> {
        self.loans.get(loan).map(|loan| loan.owner)
    }

    /// The kernel has let go of a slot. Says who lent it; `None` if nobody has.
    pub(super) fn end_loan(&mut self, loan: LoanId) -> Option<u64> {
        let Loan { owner, kept } = self.loans.remove(loan)?;
        if let Some(slot) = kept {
            self.give_back(slot);
        }
        Some(owner)
    }

    /// Keeps the memory from ever being freed: the kernel may yet read it.
    pub(super) fn leak(self) {
        self.chunks.into_iter().for_each(std::mem::forget);
    }

    /// Keeps what is lent from ever being freed.
    pub(super) fn leak_lent(self) {
        let kept = self.loans.iter().filter_map(|(_, loan)| loan.kept.as_ref());
        let lent: Vec<_> = kept.map(|slot| slot.start).collect();
        let is_lent = |chunk: &Pages| lent.contains(&chunk.at(0, 1));
        self.chunks.into_iter().filter(is_lent).for_each(std::mem::forget);
    }

    /// The large slot to be filled next; it stays free.
    fn free_large(&mut self) -> Result<NonNull<u8>, Errno> {
        if let Some(&start) = self.large.last() {
            return Ok(start);
        }
        let pages = Pages::map(LARGE)?;
        let start = pages.at(0, LARGE);
        self.chunks.push(pages);
        self.large.push(start);
        Ok(start)
    }

    fn take_small(&mut self) -> Result<NonNull<u8>, Errno> {
        if let Some(start) = self.small.pop() {
            return Ok(start);
        }
        let pages = Pages::map(SMALL * SMALL_AT_ONCE)?;
        self.small.extend((1..SMALL_AT_ONCE).map(|i| pages.at(i * SMALL, SMALL)));
        let start = pages.at(0, SMALL);
        self.chunks.push(pages);
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::count::{self, Counter};

    fn take(slots: &mut SendSlots, len: usize) -> SendSlot {
        let slot = slots.fill(|buffer| {
            buffer[..len].fill(7);
            len
        });
        slot.expect("memory").expect("something was filled")
    }

    #[test]
    fn slots_are_distinct_until_given_back() {
        let mut slots = SendSlots::new();
        let taken: Vec<_> = (0..300).map(|i| take(&mut slots, 1 + i * 10)).collect();
        let mut starts: Vec<_> = taken.iter().map(|slot| slot.rest(0).0).collect();
        starts.sort();
        starts.dedup();
        assert_eq!(starts.len(), 300);
        assert_eq!(slots.taken(), 300);
        taken.into_iter().for_each(|slot| slots.give_back(slot));
        assert_eq!(slots.taken(), 0);
        let chunks = slots.chunks.len();
        let again: Vec<_> = (0..300).map(|i| take(&mut slots, 1 + i * 10)).collect();
        assert_eq!(slots.chunks.len(), chunks);
        assert_eq!(again[299].rest(2000).1, 2991 - 2000);
    }

    #[test]
    fn a_lent_slot_is_free_when_both_have_let_go_of_it() {
        // what has let go comes in any order
        let mut slots = SendSlots::new();
        let mut random = 1_u64;
        let mut below = |n: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            (random >> 33) as usize % n
        };
        let (mut held, mut lent) = (Vec::new(), Vec::new());
        for step in 0..20_000 {
            match below(3) {
                0 if held.len() < 50 => {
                    let mut slot = take(&mut slots, [LARGE, 10][below(2)]);
                    let start = slot.start;
                    let busy = |other: &SendSlot| other.start == start;
                    assert!(!held.iter().any(busy), "step {step}: held by another");
                    assert!(!lent.iter().any(|&(_, s, _)| s == start), "step {step}: still lent");
                    if below(2) == 0 {
                        lent.push((slots.lend(&mut slot, step), start, step));
                    }
                    held.push(slot);
                }
                1 if !held.is_empty() => slots.give_back(held.swap_remove(below(held.len()))),
                2 if !lent.is_empty() => {
                    let (loan, _, owner) = lent.swap_remove(below(lent.len()));
                    assert_eq!(slots.lender(loan), Some(owner));
                    assert_eq!(slots.end_loan(loan), Some(owner));
                    assert_eq!((slots.lender(loan), slots.end_loan(loan)), (None, None));
                }
                _ => {}
            }
            let alone = lent.iter().filter(|(_, s, _)| !held.iter().any(|h| h.start == *s)).count();
            assert_eq!((slots.taken(), slots.lent()), (held.len() + alone, lent.len()));
        }
        held.into_iter().for_each(|slot| slots.give_back(slot));
        lent.into_iter().for_each(|(loan, ..)| _ = slots.end_loan(loan));
        assert_eq!((slots.taken(), slots.lent()), (0, 0));
    }

    #[test]
    fn what_is_lent_is_leaked_and_nothing_else() {
        let mut slots = SendSlots::new();
        let mut taken: Vec<_> = [LARGE, LARGE, 10].map(|len| take(&mut slots, len)).into();
        let mut lent = taken.remove(0);
        slots.lend(&mut lent, 1);
        let start = lent.start;
        slots.give_back(lent);
        taken.into_iter().for_each(|slot| slots.give_back(slot));
        assert_eq!(slots.chunks.len(), 4, "one is free, to be filled next");
        let before = count::snapshot();
        slots.leak_lent();
        assert_eq!(count::snapshot().since(&before).get(Counter::Munmap), 3);
        // SAFETY: it was leaked, and nobody writes it.
        assert_eq!(unsafe { start.as_ptr().add(LARGE - 1).read() }, 7);
    }

    #[test]
    fn nothing_filled_takes_nothing() {
        let mut slots = SendSlots::new();
        assert!(slots.fill(|_| 0).expect("memory").is_none());
        assert_eq!(slots.taken(), 0);
    }
}
