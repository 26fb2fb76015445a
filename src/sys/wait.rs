//! poll(2): waiting for any of a few descriptors, without an interest list in the kernel.
//!
//! Knows one system call. Must not know what the descriptors are.

use std::os::fd::RawFd;
use std::time::Duration;

use super::count::{self, Counter};
use super::errno::Errno;
use super::readiness::{Interest, Readiness};
use super::socket::check;

/// Waits until one of the descriptors is ready, for `timeout` at most, and says how many are. A
/// signal ends the wait with none.
///
/// # Errors
///
/// As poll(2), but for `EINTR`.
pub fn wait_any(
    fds: impl IntoIterator<Item = (RawFd, Interest)>,
    timeout: Duration,
) -> Result<usize, Errno> {
    poll(&mut fds.into_iter().map(entry).collect::<Vec<_>>(), timeout)
}

/// Waits for a time, or for a signal.
pub(super) fn pause(time: Duration) {
    let _ = poll(&mut [], time);
}

/// What a descriptor is ready for now.
///
/// # Errors
///
/// As poll(2).
pub fn readiness(fd: RawFd) -> Result<Readiness, Errno> {
    let mut fds = [entry((fd, Interest::BOTH))];
    poll(&mut fds, Duration::ZERO)?;
    Ok(Readiness::from_bits(u32::from(fds[0].revents.cast_unsigned())))
}

/// What descriptors are ready for now, of what they are watched for: one each, in their order.
///
/// # Errors
///
/// As poll(2).
pub fn readiness_of(
    fds: impl IntoIterator<Item = (RawFd, Interest)>,
) -> Result<Vec<Readiness>, Errno> {
    let mut fds: Vec<_> = fds.into_iter().map(entry).collect();
    poll(&mut fds, Duration::ZERO)?;
    let found = |fd: libc::pollfd| Readiness::from_bits(u32::from(fd.revents.cast_unsigned()));
    Ok(fds.into_iter().map(found).collect())
}

fn entry((fd, interest): (RawFd, Interest)) -> libc::pollfd {
    libc::pollfd { fd, events: interest.bits() as libc::c_short, revents: 0 }
}

fn poll(fds: &mut [libc::pollfd], timeout: Duration) -> Result<usize, Errno> {
    // rounded up, so that a wait does not end before its deadline only to begin again
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
    let milliseconds = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
    count::add(Counter::Poll, 1);
    // SAFETY: `fds` is borrowed for the call, which writes within it and keeps no pointer.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds) };
    match check(ready) {
        Ok(ready) => Ok(ready as usize),
        Err(Errno::EINTR) => Ok(0),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::sys::Waker;

    #[test]
    fn says_what_is_ready() {
        let waker = Waker::new().expect("an eventfd");
        let fd = waker.as_raw_fd();
        assert_eq!(wait_any([(fd, Interest::RECV)], Duration::ZERO), Ok(0));
        assert_eq!(readiness(fd), Ok(Readiness { send: true, ..Readiness::default() }));
        waker.wake();
        assert_eq!(wait_any([(fd, Interest::RECV)], Duration::from_secs(60)), Ok(1));
        assert_eq!(readiness(fd), Ok(Readiness { recv: true, send: true, error: false }));
        let recv = Readiness { recv: true, ..Readiness::default() };
        let found = readiness_of([(fd, Interest::NONE), (fd, Interest::RECV)]);
        assert_eq!(found, Ok(vec![Readiness::default(), recv]));
    }
}
