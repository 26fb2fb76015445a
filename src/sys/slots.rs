//! Memory that sends are made from.
//!
//! Knows slots of two sizes and which are free. Must not know who sends. Invariant: a slot that was taken
//! is neither moved, written nor freed until it is given back, which its owner does at the send's CQE.

use std::ptr::NonNull;

use super::errno::Errno;
use super::memory::Pages;

/// A slot that was taken, and how many of its bytes are to be sent. Not copied: whoever holds it gives it back.
#[derive(Debug)]
pub(super) struct SendSlot {
    start: NonNull<u8>,
    len: u32,
    large: bool,
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
}

/// Slots, made as they are needed and kept for reuse, the last used first.
pub(super) struct SendSlots {
    chunks: Vec<Pages>,
    small: Vec<NonNull<u8>>,
    large: Vec<NonNull<u8>>,
    taken: usize,
}

/// What a request without body fits into. No power of two, so that the slots' heads spread over the cache.
const SMALL: usize = 1024 - 64;

/// Small slots made at a time.
const SMALL_AT_ONCE: usize = 64;

/// What one send takes at most.
pub(super) const LARGE: usize = 64 * 1024;

impl SendSlots {
    pub(super) fn new() -> SendSlots {
        SendSlots { chunks: Vec::new(), small: Vec::new(), large: Vec::new(), taken: 0 }
    }

    /// Slots that are taken.
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
            SendSlot { start, len: len as u32, large: true }
        } else {
            let small = self.take_small()?;
            // SAFETY: both are slots of ours with room for `len` bytes, free until now, and do not overlap.
            unsafe { small.as_ptr().copy_from_nonoverlapping(start.as_ptr(), len) };
            SendSlot { start: small, len: len as u32, large: false }
        };
        self.taken += 1;
        Ok(Some(slot))
    }

    /// The kernel is done with it.
    pub(super) fn give_back(&mut self, slot: SendSlot) {
        self.taken -= 1;
        if slot.large { self.large.push(slot.start) } else { self.small.push(slot.start) }
    }

    /// Keeps the memory from ever being freed: the kernel may yet read it.
    pub(super) fn leak(self) {
        self.chunks.into_iter().for_each(std::mem::forget);
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
    fn nothing_filled_takes_nothing() {
        let mut slots = SendSlots::new();
        assert!(slots.fill(|_| 0).expect("memory").is_none());
        assert_eq!(slots.taken(), 0);
    }
}
