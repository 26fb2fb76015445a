//! Waking a loop that waits, from another thread.
//!
//! Knows an eventfd. Must not know what the loop does when it wakes. Invariant: a wake after
//! [`Waker::drain`] has begun makes the fd readable again, so that none is lost; wakes before it cost
//! one system call together.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::count::{self, Counter};
use super::errno::Errno;
use super::socket::{check, owned};

/// An fd that becomes readable when any clone of it says so.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    /// Written since the last drain began.
    awake: AtomicBool,
}

impl Waker {
    /// A waker that nobody has used yet.
    ///
    /// # Errors
    ///
    /// As eventfd(2).
    pub fn new() -> Result<Waker, Errno> {
        count::add(Counter::Eventfd, 1);
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        Ok(Waker(Arc::new(Inner { fd: owned(fd), awake: AtomicBool::new(false) })))
    }

    /// Another descriptor of it.
    ///
    /// # Errors
    ///
    /// As fcntl(2).
    pub fn duplicate(&self) -> Result<OwnedFd, Errno> {
        count::add(Counter::Fcntl, 1);
        self.0.fd.try_clone().map_err(Errno::from)
    }

    /// Makes the fd readable, from any thread.
    pub fn wake(&self) {
        if self.0.awake.swap(true, Ordering::AcqRel) {
            return;
        }
        let one: u64 = 1;
        count::add(Counter::Write, 1);
        // SAFETY: `one` outlives the call, which reads its 8 bytes and keeps no pointer.
        let _ = unsafe { libc::write(self.as_raw_fd(), (&raw const one).cast(), 8) };
        // the only failure, EAGAIN, says that the fd is readable already
    }

    /// Makes the fd unreadable until the next wake. To be called before looking at what one was woken
    /// for: what comes later wakes again.
    pub fn drain(&self) {
        let mut value: u64 = 0;
        count::add(Counter::Read, 1);
        // SAFETY: `value` outlives the call, which writes its 8 bytes and keeps no pointer.
        let _ = unsafe { libc::read(self.as_raw_fd(), (&raw mut value).cast(), 8) };
        // the only failure, EAGAIN, says that nobody woke us

        // Only now: a wake that comes between the two writes nothing, and what it was for is seen by
        // whoever called this. The other way round, its write would be read here and its mark stay,
        // and no wake would ever write again.
        self.0.awake.swap(false, Ordering::AcqRel);
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd.as_raw_fd()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // the field closes itself
        count::add(Counter::Close, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Epoll, Interest};
    use std::time::Duration;

    #[test]
    fn wakes_from_another_thread_until_drained() {
        let waker = Waker::new().expect("an eventfd");
        let mut epoll = Epoll::new().expect("an epoll");
        epoll.add(waker.as_raw_fd(), Interest::RECV, 1).expect("adds");
        assert_eq!(epoll.wait(Some(Duration::ZERO)), Ok(0));
        let other = waker.clone();
        std::thread::scope(|s| s.spawn(move || other.wake()).join().expect("the thread ends"));
        assert_eq!(epoll.wait(Some(Duration::from_secs(10))), Ok(1));
        waker.drain();
        assert_eq!(epoll.wait(Some(Duration::ZERO)), Ok(0));
        waker.wake();
        assert_eq!(epoll.wait(Some(Duration::ZERO)), Ok(1));
    }

    #[test]
    fn a_wake_that_meets_a_drain_is_not_the_last() {
        use std::sync::atomic::AtomicU32;
        const ROUNDS: u32 = 10_000;
        let waker = Waker::new().expect("an eventfd");
        let (begun, ended) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|s| {
            s.spawn(|| {
                for round in 1..=ROUNDS {
                    while begun.load(Ordering::Acquire) < round {
                        std::thread::yield_now();
                    }
                    (0..round % 32).for_each(|_| std::hint::spin_loop());
                    waker.wake();
                    ended.store(round, Ordering::Release);
                }
            });
            let mut lost = 0;
            for round in 1..=ROUNDS {
                begun.store(round, Ordering::Release);
                waker.drain();
                while ended.load(Ordering::Acquire) < round {
                    std::thread::yield_now();
                }
                waker.wake();
                lost += u32::from(!crate::sys::readiness(waker.as_raw_fd()).expect("polls").recv);
                waker.drain();
            }
            assert_eq!(lost, 0, "of {ROUNDS} wakes that came after a drain");
        });
    }

    #[test]
    fn many_wakes_cost_one_write() {
        let waker = Waker::new().expect("an eventfd");
        let before = count::snapshot();
        for _ in 0..10 {
            waker.wake();
        }
        waker.drain();
        waker.wake();
        assert_eq!(count::snapshot().since(&before).get(Counter::Write), 2);
    }
}
