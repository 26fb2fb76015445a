//! What this thread has asked of the kernel, counted where it is asked.
//!
//! Knows counters. Must not know who reads them. Invariant: names, order and total all derive from
//! [`Counter`]; a system call is counted under the name that strace(1) gives it.

use std::cell::Cell;
use std::fmt;

/// Makes the enum, its list and its names from one table.
macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident $name:literal $kind:ident;)*) => {
        /// Something counted: a system call, or an event beside them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[$doc])* $variant,)*
        }

        impl Counter {
            /// Every counter, in the order of declaration.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant),*];

            /// The name: strace's for a system call, a plain word for what is none.
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)* }
            }

            /// Whether this is a system call.
            pub const fn is_system_call(self) -> bool {
                match self { $(Counter::$variant => counters!(@ $kind),)* }
            }
        }
    };
    (@ call) => { true };
    (@ event) => { false };
}

counters! {
    /// socket(2).
    Socket "socket" call;
    /// setsockopt(2).
    Setsockopt "setsockopt" call;
    /// getsockopt(2).
    Getsockopt "getsockopt" call;
    /// ioctl(2).
    Ioctl "ioctl" call;
    /// bind(2).
    Bind "bind" call;
    /// connect(2).
    Connect "connect" call;
    /// recv(2), which is recvfrom(2).
    Recv "recvfrom" call;
    /// send(2), which is sendto(2).
    Send "sendto" call;
    /// close(2).
    Close "close" call;
    /// epoll_create1(2).
    EpollCreate "epoll_create1" call;
    /// epoll_ctl(2).
    EpollCtl "epoll_ctl" call;
    /// epoll_pwait2(2).
    EpollPwait2 "epoll_pwait2" call;
    /// epoll_wait(2), on kernels without epoll_pwait2.
    EpollWait "epoll_wait" call;
    /// poll(2).
    Poll "poll" call;
    /// eventfd(2).
    Eventfd "eventfd2" call;
    /// fcntl(2).
    Fcntl "fcntl" call;
    /// read(2), of an eventfd.
    Read "read" call;
    /// pread(2), of a file that is sent.
    Pread "pread64" call;
    /// write(2), to an eventfd or a file.
    Write "write" call;
    /// statx(2).
    Statx "statx" call;
    /// openat(2), of a file to be written or read.
    Openat "openat" call;
    /// rename(2) and renameat2(2).
    Rename "rename" call;
    /// unlink(2).
    Unlink "unlink" call;
    /// getrlimit(2) and setrlimit(2).
    Prlimit "prlimit64" call;
    /// getrusage(2).
    Getrusage "getrusage" call;
    /// sched_getaffinity(2).
    SchedGetaffinity "sched_getaffinity" call;
    /// sched_setaffinity(2).
    SchedSetaffinity "sched_setaffinity" call;
    /// prctl(2), to refuse system calls to oneself.
    Prctl "prctl" call;
    /// io_uring_setup(2).
    RingSetup "io_uring_setup" call;
    /// io_uring_register(2).
    RingRegister "io_uring_register" call;
    /// io_uring_enter(2).
    RingEnter "io_uring_enter" call;
    /// mmap(2), of a ring.
    Mmap "mmap" call;
    /// madvise(2), of a ring.
    Madvise "madvise" call;
    /// munmap(2), of a ring.
    Munmap "munmap" call;
    /// Readings of the clock (no system call where the vDSO serves them).
    ClockReadings "clock readings" event;
    /// Submission queue entries pushed.
    Sqes "SQEs" event;
    /// Completion queue entries reaped.
    Cqes "CQEs" event;
    /// CQEs whose token named no live operation: dropped.
    StaleCqes "stale CQEs" event;
    /// Times the submission queue had no room before the wait, and was submitted to make some.
    SqFull "SQ full" event;
    /// Times the completion queue was found overflown; the kernel kept the CQEs and handed them over later.
    CqOverflows "CQ overflows" event;
    /// Receives that found no provided buffer (`ENOBUFS`); they are armed again as buffers come back.
    BuffersExhausted "buffers exhausted" event;
    /// Sends without a copy (SEND_ZC).
    ZeroCopySends "zero-copy sends" event;
    /// Notifications which say that the kernel copied after all.
    ZeroCopyCopied "zero-copy sends copied" event;
    /// CQEs that the kernel had no memory to keep.
    LostCqes "lost CQEs" event;
    /// CQEs still owed when a ring was closed: what they could touch was leaked.
    LeakedCqes "leaked CQEs" event;
}

const COUNTERS: usize = Counter::ALL.len();

thread_local! {
    static COUNTS: [Cell<u64>; COUNTERS] = const { [const { Cell::new(0) }; COUNTERS] };
}

pub(super) fn add(counter: Counter, n: u64) {
    COUNTS.with(|counts| {
        let count = &counts[counter as usize];
        count.set(count.get() + n);
    });
}

/// This thread's counts so far.
pub fn snapshot() -> Counts {
    COUNTS.with(|counts| Counts(std::array::from_fn(|i| counts[i].get())))
}

/// The counts of one thread, at one moment or between two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counts([u64; COUNTERS]);

impl Counts {
    /// One count.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// What was counted after `earlier`, a snapshot of the same thread.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts(std::array::from_fn(|i| self.0[i].wrapping_sub(earlier.0[i])))
    }

    /// All system calls together.
    pub fn system_calls(&self) -> u64 {
        self.iter().filter(|(counter, _)| counter.is_system_call()).map(|(_, n)| n).sum()
    }

    /// Every counter and its count.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.iter().map(|&counter| (counter, self.get(counter)))
    }
}

impl fmt::Debug for Counts {
    /// What is not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().filter(|(_, n)| *n > 0).map(|(c, n)| (c.name(), n)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_thread_and_sums_the_calls_alone() {
        let before = snapshot();
        add(Counter::Recv, 2);
        add(Counter::Sqes, 5);
        let counted = snapshot().since(&before);
        assert_eq!(counted.get(Counter::Recv), 2);
        assert_eq!(counted.system_calls(), 2);
        assert_eq!(format!("{counted:?}"), r#"{"recvfrom": 2, "SQEs": 5}"#);
        let elsewhere = std::thread::scope(|s| s.spawn(|| snapshot().system_calls()).join());
        assert_eq!(elsewhere.expect("the thread ends"), 0);
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::HashSet<_> = Counter::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Counter::ALL.len());
    }
}
