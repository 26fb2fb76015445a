//! Memory that the kernel may read or write after a call has returned.
//!
//! Knows anonymous mappings. Must not know what is kept in them. Invariants: a mapping never moves; its
//! bytes are reached through raw pointers, and slices of what the kernel does not have, so that no reference spans
//! bytes that it is writing.

use std::ptr::NonNull;

use super::count::{self, Counter};
use super::errno::Errno;

/// Zeroed pages, given back when dropped. Untouched pages cost no memory.
#[derive(Debug)]
pub(super) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

impl Pages {
    /// At least `len` bytes, aligned to pages.
    pub(super) fn map(len: usize) -> Result<Pages, Errno> {
        let len = len.max(1);
        count::add(Counter::Mmap, 1);
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Pages { start, len }),
            _ => Err(Errno::last()),
        }
    }

    /// Where byte `offset` is; there are `len` bytes from there on.
    pub(super) fn at(&self, offset: usize, len: usize) -> NonNull<u8> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "outside the mapping");
        // SAFETY: the offset lies within the mapping, as asserted.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        count::add(Counter::Munmap, 1);
        // SAFETY: the mapping is ours, and whoever drops it has seen to it that the kernel is done with it
        // (else it is leaked) and that nobody holds a slice of it: those borrow its owner, or a lease that has a part in it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
