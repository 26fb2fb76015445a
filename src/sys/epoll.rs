//! epoll(7), level-triggered.
//!
//! Knows an interest list and waits with nanosecond time-outs (epoll_pwait2, Linux 5.11). Must not know
//! what the tokens name. Invariant: an fd is in the list from `add` to `delete`; closing it without
//! `delete` is the caller's fault, and harmless if nobody else holds the file.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::count::{self, Counter};
use super::errno::Errno;
use super::readiness::{Interest, Readiness};
use super::socket::{check, owned};

/// Events taken from the kernel by one wait; what is more is had by the next.
const EVENTS: usize = 1024;

/// An epoll instance and the events of its last wait.
pub struct Epoll {
    fd: OwnedFd,
    /// As long as the last wait found events.
    events: Vec<libc::epoll_event>,
    /// Whether the kernel has epoll_pwait2; assumed until it says otherwise.
    nanoseconds: bool,
}

impl Epoll {
    /// An empty interest list.
    ///
    /// # Errors
    ///
    /// As epoll_create1(2).
    pub fn new() -> Result<Epoll, Errno> {
        count::add(Counter::EpollCreate, 1);
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Epoll { fd: owned(fd), events: Vec::with_capacity(EVENTS), nanoseconds: true })
    }

    /// Another descriptor of it, readable while something is ready (epoll(7): an epoll nests in another).
    ///
    /// # Errors
    ///
    /// As fcntl(2).
    pub fn duplicate(&self) -> Result<OwnedFd, Errno> {
        count::add(Counter::Fcntl, 1);
        self.fd.try_clone().map_err(Errno::from)
    }

    /// Watches `fd`; its events carry `token`.
    ///
    /// # Errors
    ///
    /// As epoll_ctl(2); `EEXIST` if it is watched already.
    pub fn add(&self, fd: RawFd, interest: Interest, token: u64) -> Result<(), Errno> {
        self.control(libc::EPOLL_CTL_ADD, fd, interest, token)
    }

    /// Watches `fd` for something else, or with another token.
    ///
    /// # Errors
    ///
    /// As epoll_ctl(2); `ENOENT` if it is not watched.
    pub fn modify(&self, fd: RawFd, interest: Interest, token: u64) -> Result<(), Errno> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest, token)
    }

    /// Watches `fd` no more. Events that were taken already are not taken back.
    ///
    /// # Errors
    ///
    /// As epoll_ctl(2); `ENOENT` if it is not watched.
    pub fn delete(&self, fd: RawFd) -> Result<(), Errno> {
        self.control(libc::EPOLL_CTL_DEL, fd, Interest::NONE, 0)
    }

    fn control(
        &self,
        what: libc::c_int,
        fd: RawFd,
        interest: Interest,
        token: u64,
    ) -> Result<(), Errno> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: token };
        count::add(Counter::EpollCtl, 1);
        // SAFETY: `event` outlives the call, which reads it and keeps no pointer.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), what, fd, &mut event) })?;
        Ok(())
    }

    /// Waits for events, for `timeout` at most (`None`: without end), and says how many
    /// [`Epoll::events`] there are. A signal ends the wait with none.
    ///
    /// # Errors
    ///
    /// As epoll_wait(2), but for `EINTR`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<usize, Errno> {
        self.events.clear();
        let mut result = Err(Errno::ENOSYS);
        if self.nanoseconds {
            result = self.wait_nanoseconds(timeout);
            // EPERM: seccomp filters that do not know the call say so too
            self.nanoseconds = !matches!(result, Err(Errno::ENOSYS | Errno::EPERM));
        }
        if !self.nanoseconds {
            result = self.wait_milliseconds(timeout);
        }
        match result {
            Ok(n) => {
                // SAFETY: the kernel has written the first `n` events, and `n` is at most the capacity.
                unsafe { self.events.set_len(n as usize) };
                Ok(n as usize)
            }
            Err(Errno::EINTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    fn wait_nanoseconds(&mut self, timeout: Option<Duration>) -> Result<libc::c_int, Errno> {
        let timeout = timeout.map(|timeout| libc::timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        count::add(Counter::EpollPwait2, 1);
        // SAFETY: `timeout` and `events` outlive the call; it writes at most the vector's capacity of
        // events and keeps no pointer.
        let n = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.capacity() as libc::c_int,
                timeout.as_ref().map_or(ptr::null(), ptr::from_ref),
                ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        check(n as libc::c_int)
    }

    fn wait_milliseconds(&mut self, timeout: Option<Duration>) -> Result<libc::c_int, Errno> {
        count::add(Counter::EpollWait, 1);
        // SAFETY: `events` outlives the call, which writes at most the vector's capacity of events and
        // keeps no pointer.
        check(unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.capacity() as libc::c_int,
                timeout.map_or(-1, whole_milliseconds),
            )
        })
    }

    /// The events of the last wait: token and what was found. The list may be changed meanwhile.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (u64, Readiness)> + '_ {
        self.events.iter().map(|event| {
            let (token, bits) = (event.u64, event.events);
            (token, Readiness::from_bits(bits))
        })
    }
}

impl std::fmt::Debug for Epoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epoll").field("fd", &self.fd).field("events", &self.events.len()).finish()
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // the field closes itself
        count::add(Counter::Close, 1);
    }
}

/// Rounded up, so that a wait does not end before its deadline only to begin again.
fn whole_milliseconds(timeout: Duration) -> libc::c_int {
    libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Waker, clock};

    #[test]
    fn reports_levels_until_the_interest_is_gone() {
        let mut epoll = Epoll::new().expect("an epoll");
        let waker = Waker::new().expect("an eventfd");
        let fd = waker.as_raw_fd();
        epoll.add(fd, Interest::RECV, 7).expect("adds");
        waker.wake();
        for _ in 0..2 {
            assert_eq!(epoll.wait(None), Ok(1));
            let readable = Readiness { recv: true, ..Readiness::default() };
            assert_eq!(epoll.events().collect::<Vec<_>>(), [(7, readable)]);
        }
        epoll.modify(fd, Interest::SEND, u64::MAX).expect("modifies");
        assert_eq!(epoll.wait(None), Ok(1));
        let writable = Readiness { send: true, ..Readiness::default() };
        assert_eq!(epoll.events().collect::<Vec<_>>(), [(u64::MAX, writable)]);
        epoll.modify(fd, Interest::NONE, 7).expect("modifies");
        assert_eq!(epoll.wait(Some(Duration::ZERO)), Ok(0));
        epoll.delete(fd).expect("deletes");
        assert_eq!(epoll.delete(fd), Err(Errno::ENOENT));
    }

    #[test]
    fn never_ends_a_wait_before_its_time() {
        for nanoseconds in [true, false] {
            let mut epoll = Epoll::new().expect("an epoll");
            epoll.nanoseconds = nanoseconds;
            let timeout = Duration::from_micros(1300);
            let before = clock::now();
            assert_eq!(epoll.wait(Some(timeout)), Ok(0));
            assert!(clock::now() - before >= timeout, "nanoseconds: {nanoseconds}");
        }
    }

    #[test]
    fn milliseconds_are_rounded_up() {
        assert_eq!(whole_milliseconds(Duration::ZERO), 0);
        assert_eq!(whole_milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(whole_milliseconds(Duration::from_millis(2)), 2);
        assert_eq!(whole_milliseconds(Duration::MAX), libc::c_int::MAX);
    }
}
