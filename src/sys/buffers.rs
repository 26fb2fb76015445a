//! A ring of provided buffers: the kernel picks one when bytes arrive, not when a receive is armed.
//!
//! Knows one buffer group and which of its buffers the kernel has. Must not know who receives, nor who keeps what was
//! received. Invariants (`docs/ring-ownership.md`): a buffer is the kernel's from its publication to the CQE that
//! names it, ours from there on; it is read while it is ours alone; the kernel gets those that came back last,
//! which the caches still hold, and no more than are of use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::count::{self, Counter};
use super::errno::Errno;
use super::leases::{Memory, ReceiveBuffers};
use super::memory::Pages;

/// The name of a buffer in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BufferId(pub(super) u16);

/// How many buffers of what size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffers {
    /// A power of two, at most 32,768.
    pub count: u16,
    /// Bytes of each.
    pub size: u32,
}

/// One group of provided buffers.
pub(super) struct BufferRing {
    /// The ring of entries that the kernel reads.
    entries: Pages,
    memory: Arc<Memory>,
    shape: Buffers,
    /// Entries written so far, wrapping.
    tail: u16,
    /// Buffers that wait to be published, the last to come back on top.
    free: Vec<BufferId>,
    /// Buffers that CQEs have named and that were not given back.
    taken: u16,
    /// Buffers that were given back while somebody keeps some of them.
    kept: u16,
}

impl BufferRing {
    /// Registers the group, and gives the kernel one of its buffers.
    pub(super) fn register(
        ring: &io_uring::IoUring,
        group: u16,
        shape: Buffers,
    ) -> Result<BufferRing, Errno> {
        assert!(shape.count.is_power_of_two() && shape.count <= 1 << 15);
        let entries = Pages::map(usize::from(shape.count) * size_of::<BufRingEntry>())?;
        let memory = Arc::new(Memory::map(shape)?);
        let address = entries.at(0, 1).as_ptr() as u64;
        count::add(Counter::RingRegister, 1);
        // SAFETY: `entries` is page-aligned, large enough, and zeroed: nothing is published yet. It and
        // `memory` live in the result (the latter longer, if some of it is kept), which is dropped after the ring is closed with
        // nothing owed, or leaked.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(address, shape.count, group, 0)?;
        }
        let free = (0..shape.count).rev().map(BufferId).collect();
        let mut buffers = BufferRing { entries, memory, shape, tail: 0, free, taken: 0, kept: 0 };
        buffers.publish(1);
        Ok(buffers)
    }

    pub(super) fn size(&self) -> u32 {
        self.shape.size
    }

    /// Buffers lent: a CQE has named them, and they were not given back.
    pub(super) fn taken(&self) -> u16 {
        self.taken
    }

    /// Buffers that were published and that no CQE taken in has named.
    pub(super) fn with_kernel(&self) -> usize {
        usize::from(self.shape.count - self.taken - self.kept) - self.free.len()
    }

    /// A CQE names this buffer: it is ours until it is published again.
    pub(super) fn take(&mut self, _id: BufferId) {
        self.taken += 1;
    }

    /// What was taken is read. It is free unless somebody keeps some of it.
    pub(super) fn give_back(&mut self, id: BufferId) {
        self.taken -= 1;
        match self.memory.release(id) {
            true => self.free.push(id),
            false => self.kept += 1,
        }
    }

    /// For handlers that keep what they get.
    pub(super) fn receive_buffers(&self) -> ReceiveBuffers {
        ReceiveBuffers::of(&self.memory)
    }

    /// What was kept and is not any more is free.
    fn take_returned(&mut self) {
        let before = self.free.len();
        self.memory.take_returned(&mut self.free);
        self.kept -= (self.free.len() - before) as u16;
    }

    /// The first `len` bytes of a buffer that is ours.
    pub(super) fn bytes(&self, id: BufferId, len: usize) -> &[u8] {
        let start = self.memory.at(id, len);
        // SAFETY: a CQE has named the buffer and it was not given back since: the kernel does not touch it. The
        // slice borrows `self`, without which nothing is given back. The kernel has written (or the mapping has
        // zeroed) every byte.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// Writes the next entry of the ring, which the kernel does not look at yet.
    fn write_entry(&mut self, id: BufferId) {
        let place = usize::from(self.tail & (self.shape.count - 1)) * size_of::<BufRingEntry>();
        let entry = self.entries.at(place, size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let start = self.memory.at(id, self.shape.size as usize);
        let address = start.as_ptr() as u64;
        // SAFETY: the place is within the ring and aligned (entries of 16 bytes from a page on). The kernel
        // reads it only once the tail has passed it, and has consumed what stood there before: there are no
        // more buffers than places. Single fields are written: the first place holds the tail too.
        unsafe {
            (*entry.as_ptr()).set_addr(address);
            (*entry.as_ptr()).set_len(self.shape.size);
            (*entry.as_ptr()).set_bid(id.0);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Keeps the memory from ever being freed: the kernel may yet write it.
    pub(super) fn leak(self) {
        std::mem::forget((self.entries, self.memory));
    }

    /// Has the kernel have `wanted` buffers, or all there are.
    pub(super) fn publish(&mut self, wanted: usize) {
        if self.kept > 0 {
            self.take_returned();
        }
        while self.with_kernel() < wanted
            && let Some(id) = self.free.pop()
        {
            self.write_entry(id);
        }
        let base = self.entries.at(0, 1).cast::<BufRingEntry>();
        // SAFETY: the tail lies within the first place, aligned, and the kernel alone reads it meanwhile,
        // atomically as we write it.
        let tail = unsafe { &*BufRingEntry::tail(base.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}
