//! io_uring_enter(2), and what each of its errors means.
//!
//! Knows the system call and the registered fd of a ring. Must not know what is submitted.

use std::os::fd::RawFd;
use std::ptr;

use io_uring::EnterFlags;
use io_uring::types::{SubmitArgs, Timespec};

use super::count::{self, Counter};
use super::errno::Errno;
use super::op::timespec;
use crate::time::Time;

/// What io_uring_enter(2) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// The kernel consumed this many SQEs, and there may be CQEs.
    Submitted(u32),
    /// `ETIME`: the wait's deadline passed. `EINTR`: a signal arrived. `EBADR`: a completion was lost, which the
    /// completion queue tells too. Nothing was submitted.
    Nothing,
    /// `EAGAIN`: no memory for another request. `EBUSY`: completions are kept aside because the CQ is
    /// full. Reap, then try again.
    Crowded(Errno),
}

/// How long io_uring_enter(2) waits, and what for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// Where a kernel thread submits: until the submission queue has room.
    pub(super) room: bool,
    /// It ends when there are this many CQEs; zero does not wait.
    pub(super) completions: u32,
    pub(super) deadline: Deadline,
    /// After so long one CQE suffices; zero: as many as asked for.
    pub(super) min_wait_usec: u32,
}

/// When a wait ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    None,
    At(Time),
    /// Nanoseconds from now on.
    After(u64),
}

impl Wait {
    pub(super) const NO: Wait =
        Wait { room: false, completions: 0, deadline: Deadline::None, min_wait_usec: 0 };

    pub(super) const FOR_ROOM: Wait = Wait { room: true, ..Wait::NO };
}

/// The fd by which a ring is entered: registered if the kernel and the thread's table have it.
#[derive(Debug)]
pub(super) struct RingFd {
    fd: RawFd,
    /// Index in the thread's table of registered rings.
    registered: Option<u32>,
    /// A kernel thread submits, which may have to be woken.
    sq_poll: bool,
}

/// `IORING_REGISTER_RING_FDS` and its undoing, which `io-uring` keeps to itself.
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

impl RingFd {
    /// Registers `fd` with the calling thread, which must be the one to enter the ring.
    pub(super) fn register(fd: RawFd, sq_poll: bool) -> RingFd {
        let mut update = RsrcUpdate { offset: u32::MAX, reserved: 0, data: fd as u64 };
        let done = register(fd, REGISTER_RING_FDS, &mut update);
        RingFd { fd, registered: (done == Ok(1)).then_some(update.offset), sq_poll }
    }

    /// Of a ring that any thread may enter.
    pub(super) fn plain(fd: RawFd, sq_poll: bool) -> RingFd {
        RingFd { fd, registered: None, sq_poll }
    }

    /// Gives the registration back. It holds a reference to the ring: without this, closing the fd
    /// would not close the ring.
    pub(super) fn unregister(&mut self) {
        if let Some(index) = self.registered.take() {
            let mut update = RsrcUpdate { offset: index, reserved: 0, data: 0 };
            let _ = register(self.fd, UNREGISTER_RING_FDS, &mut update);
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// Asks the kernel for a wait that ended long ago; it has no feature bit for them.
    pub(super) fn takes_absolute_waits(&self) -> bool {
        let wait = Wait { completions: 1, deadline: Deadline::At(Time::from_nanos(1)), ..Wait::NO };
        self.enter(0, wait) == Ok(Entered::Nothing)
    }

    /// Submits `to_submit` SQEs, waits, and has the kernel post what has completed.
    ///
    /// An error means that the ring is of no use (any more): `EBADF`, `EOPNOTSUPP` (not a ring), `EBADFD`
    /// (disabled), `ENXIO` (being torn down), `EEXIST` (not the thread it belongs to), `EOWNERDEAD` (its
    /// SQPOLL thread is dead), `EINVAL` and `EFAULT` (flags or arguments that this kernel does not take).
    pub(super) fn enter(&self, to_submit: u32, wait: Wait) -> Result<Entered, Errno> {
        let mut flags = EnterFlags::GETEVENTS;
        let deadline = match wait.deadline {
            Deadline::None => Timespec::new(),
            Deadline::At(time) => {
                flags |= EnterFlags::ABS_TIMER;
                timespec(time)
            }
            Deadline::After(nanos) => timespec(Time::from_nanos(nanos)),
        };
        let mut args = SubmitArgs::new().min_wait_usec(wait.min_wait_usec);
        if wait.deadline != Deadline::None {
            args = args.timespec(&deadline);
        }
        let (args, size) = if wait.completions > 0 {
            flags |= EnterFlags::EXT_ARG;
            (ptr::from_ref(&args), size_of::<SubmitArgs<'_, '_>>())
        } else {
            flags -= EnterFlags::ABS_TIMER;
            (ptr::null(), 0)
        };
        if self.sq_poll {
            flags |= EnterFlags::SQ_WAKEUP;
            flags.set(EnterFlags::SQ_WAIT, wait.room);
        }
        let fd = match self.registered {
            Some(index) => {
                flags |= EnterFlags::REGISTERED_RING;
                index as RawFd
            }
            None => self.fd,
        };
        count::add(Counter::RingEnter, 1);
        // SAFETY: `args` and the timespec that it points to are on this stack and outlive the call, which
        // keeps no pointer. What the SQEs point to is kept alive by `Ring`, which pushed them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                to_submit,
                wait.completions,
                flags.bits(),
                args,
                size,
            )
        };
        if let Ok(n) = u32::try_from(result) {
            return Ok(Entered::Submitted(n));
        }
        match Errno::last() {
            Errno::ETIME | Errno::EINTR | Errno::EBADR => Ok(Entered::Nothing),
            errno @ (Errno::EAGAIN | Errno::EBUSY) => Ok(Entered::Crowded(errno)),
            errno => Err(errno),
        }
    }
}

/// One call of io_uring_register(2) with one entry; how many the kernel took.
fn register(fd: RawFd, opcode: u32, update: &mut RsrcUpdate) -> Result<i64, Errno> {
    count::add(Counter::RingRegister, 1);
    // SAFETY: `update` outlives the call, which reads and writes it and keeps no pointer.
    let result = unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, opcode, ptr::from_mut(update), 1_u32)
    };
    if result < 0 { Err(Errno::last()) } else { Ok(result) }
}
