//! Provided buffers that are kept beyond the event that lent them, without a copy.
//!
//! Knows the memory of a buffer group, and who holds each of its buffers. Must not know the ring of entries, nor who receives.
//! Invariants (`docs/ring-ownership.md`): the kernel has no buffer that somebody here holds; the memory outlives its
//! ring as long as a lease does; half of the buffers are never leased, so that those who keep what they get keep nobody from receiving.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::buffers::{BufferId, Buffers};
use super::errno::Errno;
use super::memory::Pages;
use crate::limits;

/// The memory that a driver receives into, for handlers that keep what they get: clones are the same memory. From
/// [`Driver::receive_buffers`](crate::Driver::receive_buffers). All of it (32 MiB of address space, resident as far as it was used) stays
/// as long as a clone does, or anything that was kept.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let server = listener.local_addr()?;
/// # std::thread::Builder::new().spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let _ = socket.read(&mut [0; 1024]);
/// #     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
/// # })?;
/// use ringdove::{Bytes, Config, Driver, Flow, Handler, ReceiveBuffers, Request};
///
/// struct Pieces(Vec<Bytes>, ReceiveBuffers);
///
/// impl Handler for Pieces {
///     fn body(&mut self, chunk: &[u8]) -> Flow {
///         let kept = self.1.keep(chunk).unwrap_or_else(|| Bytes::copy_from_slice(chunk));
///         self.0.push(kept);
///         Flow::Continue
///     }
/// }
///
/// let mut driver = Driver::auto(Config::default())?;
/// let handler = Pieces(Vec::new(), driver.receive_buffers());
/// driver.add(Request::get(&format!("http://{server}/"))?, Box::new(handler))?;
/// while driver.running() > 0 {
///     driver.turn(None)?;
/// }
/// let (_, pieces) = driver.next_message().expect("it is over").into_parts::<Pieces>().expect("as added");
/// assert_eq!(pieces.0.concat(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct ReceiveBuffers(Option<Arc<Memory>>);

impl ReceiveBuffers {
    pub(super) fn of(memory: &Arc<Memory>) -> ReceiveBuffers {
        ReceiveBuffers(Some(memory.clone()))
    }

    /// These bytes, to be kept: the buffer that they lie in is lent on, whole, until the last of what is made here of it is dropped,
    /// on any thread. `None` where they are to be copied: they lie in no such buffer (those of an `https` response, of one that was
    /// compressed, or that came while a transfer was paused do not; nor does anything on a driver other than
    /// [`DriverKind::Ring`](crate::DriverKind::Ring)), they are empty, or half of the buffers are lent on.
    ///
    /// Whoever keeps a few bytes of a buffer keeps all of it, so that small chunks are better copied.
    pub fn keep(&self, chunk: &[u8]) -> Option<Bytes> {
        let memory = self.0.as_ref()?;
        let id = memory.buffer_of(chunk)?;
        memory.hold(id).then(|| {
            let start = NonNull::from(chunk).cast();
            let (len, memory) = (chunk.len(), memory.clone());
            Bytes::from_owner(Lease { start, len, id, memory })
        })
    }
}

impl fmt::Debug for ReceiveBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiveBuffers")
    }
}

/// From one buffer to the next. Not the size, which is a power of two: the first bytes of all buffers, and small
/// bodies have no others, would share a few lines of the cache.
fn stride(shape: Buffers) -> usize {
    shape.size as usize + 5 * 64
}

/// The buffers of a group.
pub(super) struct Memory {
    pages: Pages,
    shape: Buffers,
    /// Who holds each: nobody but the ring (0), or so many leases, and the ring as one more until its event is over.
    holders: Box<[AtomicU32]>,
    /// Buffers of which there are leases, or were in the event that goes on.
    leased: AtomicU32,
    /// Buffers that the ring had given back when their last lease was dropped. There is room for all, so that nobody allocates
    /// under its lock.
    returned: Mutex<Vec<BufferId>>,
}

// SAFETY: what is shared is written through atomics and a lock. The pages never move, and of their bytes the threads that
// have a `Memory` only read those of buffers that they hold, which nobody writes.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn map(shape: Buffers) -> Result<Memory, Errno> {
        Ok(Memory {
            pages: Pages::map(usize::from(shape.count) * stride(shape))?,
            shape,
            holders: (0..shape.count).map(|_| AtomicU32::new(0)).collect(),
            leased: AtomicU32::new(0),
            returned: Mutex::new(Vec::with_capacity(shape.count.into())),
        })
    }

    /// Where the first `len` bytes of a buffer are.
    pub(super) fn at(&self, id: BufferId, len: usize) -> NonNull<u8> {
        assert!(id.0 < self.shape.count && len <= self.shape.size as usize);
        self.pages.at(usize::from(id.0) * stride(self.shape), len)
    }

    /// The ring reads a buffer no more. Whether it is free; else it comes back by [`Memory::take_returned`].
    pub(super) fn release(&self, id: BufferId) -> bool {
        let holders = &self.holders[usize::from(id.0)];
        // the first lease is made of the bytes of an event, which is over
        if holders.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let is_free = self.let_go(id);
        if is_free {
            self.leased.fetch_sub(1, Ordering::Relaxed);
        }
        is_free
    }

    /// The buffers whose last lease was dropped after their event.
    pub(super) fn take_returned(&self, free: &mut Vec<BufferId>) {
        free.append(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BufferId>> {
        // nothing is done under the lock but a push or a move
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buffer that these bytes lie in. Whoever has them holds it: it is an event's, or a lease's.
    fn buffer_of(&self, chunk: &[u8]) -> Option<BufferId> {
        let start = self.pages.at(0, 1).as_ptr().addr();
        let offset = chunk.as_ptr().addr().checked_sub(start)?;
        let id = u16::try_from(offset / stride(self.shape)).ok()?;
        (id < self.shape.count && !chunk.is_empty()).then_some(BufferId(id))
    }

    /// One lease more of a buffer that somebody holds. Whether there may be one.
    fn hold(&self, id: BufferId) -> bool {
        let most = u32::from(self.shape.count / limits::KEPT_PART);
        let holders = &self.holders[usize::from(id.0)];
        let mut now = holders.load(Ordering::Relaxed);
        loop {
            let is_first = now == 0;
            // counted before, so that there are never more, whoever else asks
            if is_first && self.leased.fetch_add(1, Ordering::Relaxed) >= most || now > u32::MAX / 2
            {
                self.leased.fetch_sub(u32::from(is_first), Ordering::Relaxed);
                return false;
            }
            let next = if is_first { 2 } else { now + 1 };
            match holders.compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => {
                    self.leased.fetch_sub(u32::from(is_first), Ordering::Relaxed);
                    now = other;
                }
            }
        }
    }

    /// One holder less. Whether there is none any more.
    fn let_go(&self, id: BufferId) -> bool {
        // what was read before is read before the kernel writes: whoever is last goes on from there
        self.holders[usize::from(id.0)].fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// A part of a buffer that is held.
struct Lease {
    start: NonNull<u8>,
    len: usize,
    id: BufferId,
    memory: Arc<Memory>,
}

// SAFETY: it only reads bytes that nobody writes, of memory that every thread may have.
unsafe impl Send for Lease {}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the bytes are those of the chunk that this was made of. They lie in a buffer that is held from before that chunk's
        // borrow was over until this is dropped: the kernel does not have it. The pages are mapped as long as `memory` is.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.memory.let_go(self.id) {
            self.memory.lock().push(self.id);
            // only now: a buffer that is neither leased nor back would be one more than half
            self.memory.leased.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Buffers = Buffers { count: 4, size: 256 };

    fn memory() -> (Arc<Memory>, ReceiveBuffers) {
        let memory = Arc::new(Memory::map(SHAPE).unwrap());
        let buffers = ReceiveBuffers::of(&memory);
        (memory, buffers)
    }

    /// What an event lends, filled as the kernel would.
    fn event(memory: &Memory, id: BufferId, byte: u8) -> &[u8] {
        let start = memory.at(id, 256);
        // SAFETY: nobody holds the buffer; the slice is of what was written, and the memory outlives it.
        unsafe {
            start.as_ptr().write_bytes(byte, 256);
            std::slice::from_raw_parts(start.as_ptr(), 256)
        }
    }

    fn returned(memory: &Memory) -> Vec<BufferId> {
        let mut free = Vec::new();
        memory.take_returned(&mut free);
        free
    }

    #[test]
    fn what_is_kept_comes_back_with_its_last_lease() {
        let (memory, buffers) = memory();
        let id = BufferId(3);
        let chunk = event(&memory, id, 7);
        let one = buffers.keep(&chunk[10..200]).unwrap();
        let other = buffers.keep(&chunk[200..]).unwrap();
        assert_eq!(one.as_ptr(), chunk[10..].as_ptr(), "no copy");
        assert!(!memory.release(id), "it is leased");
        let third = buffers.keep(&one[5..6]).unwrap();
        drop(one);
        std::thread::scope(|scope| drop(scope.spawn(move || assert_eq!(*other, [7; 56]))));
        assert_eq!(returned(&memory), []);
        drop(third);
        assert_eq!(returned(&memory), [id]);
    }

    #[test]
    fn what_was_dropped_before_its_event_was_over_is_free_at_once() {
        let (memory, buffers) = memory();
        let id = BufferId(0);
        drop(buffers.keep(event(&memory, id, 1)).unwrap());
        assert!(memory.release(id));
        assert_eq!(returned(&memory), []);
        event(&memory, id, 2);
        assert!(memory.release(id), "nobody has kept it");
    }

    #[test]
    fn half_of_the_buffers_are_never_leased() {
        let (memory, buffers) = memory();
        let [one, two, three] =
            [0, 1, 2].map(|id| buffers.keep(event(&memory, BufferId(id), id as u8)));
        assert!(one.is_some() && two.is_some() && three.is_none());
        assert!(buffers.keep(&one.as_ref().unwrap()[..1]).is_some(), "it is leased already");
        drop(two);
        assert!(buffers.keep(event(&memory, BufferId(2), 0)).is_none(), "its event goes on");
        assert!(memory.release(BufferId(1)));
        assert!(buffers.keep(event(&memory, BufferId(2), 0)).is_some());
    }

    #[test]
    fn what_lies_elsewhere_is_not_kept() {
        let (memory, buffers) = memory();
        let last = event(&memory, BufferId(3), 0);
        assert!(buffers.keep(&last[256..]).is_none(), "nothing is");
        assert!(buffers.keep(&[1; 20]).is_none());
        assert!(ReceiveBuffers::default().keep(last).is_none());
    }

    #[test]
    fn a_lease_outlives_its_ring() {
        let (memory, buffers) = memory();
        let kept = buffers.keep(event(&memory, BufferId(2), 9)).unwrap();
        memory.release(BufferId(2));
        drop((memory, buffers));
        assert_eq!(kept[..], [9; 256]);
    }

    /// Leases of the same buffer made and dropped by threads at the same time.
    #[test]
    fn threads_may_keep_and_drop_as_they_like() {
        let (memory, buffers) = memory();
        for turn in 0..100 {
            let id = BufferId(turn % 4);
            let kept = buffers.keep(event(&memory, id, turn as u8)).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let (kept, buffers) = (kept.clone(), buffers.clone());
                    scope.spawn(move || {
                        let again = buffers.keep(&kept[1..]).unwrap();
                        drop(kept);
                        assert_eq!(again[..], [turn as u8; 255]);
                    });
                }
                drop(kept);
            });
            let at_once = memory.release(id);
            assert_eq!(returned(&memory).len(), usize::from(!at_once));
            assert_eq!(memory.leased.load(Ordering::Relaxed), 0);
        }
    }
}
