//! One epoll that all sockets of a multi are in, and waiting for it and for the program's own descriptors.
//!
//! Knows epoll(7), poll(2) and eventfd(2). Must not know whose the descriptors are.
#![allow(unsafe_code, reason = "system calls")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use ringdove::sys::{Interest, Readiness};

/// Events that one look takes from the kernel; what is more is had by the next.
const EVENTS: usize = 1024;

/// An epoll.
#[derive(Debug)]
pub(super) struct Poller(OwnedFd);

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(Poller(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Watches a descriptor for this from here on; `known`: it is watched for something already.
    pub(super) fn watch(
        &self,
        fd: RawFd,
        interest: Interest,
        token: u64,
        known: bool,
    ) -> io::Result<()> {
        let recv = if interest.recv { libc::EPOLLIN } else { 0 };
        let send = if interest.send { libc::EPOLLOUT } else { 0 };
        let what = if known { libc::EPOLL_CTL_MOD } else { libc::EPOLL_CTL_ADD };
        self.control(what, fd, (recv | send) as u32, token)
    }

    /// Watches a descriptor no more.
    pub(super) fn forget(&self, fd: RawFd) {
        // one that is closed is not watched anyhow
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    fn control(&self, what: libc::c_int, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` outlives the call, which reads it and keeps no pointer.
        check(unsafe { libc::epoll_ctl(self.fd(), what, fd, &mut event) }).map(drop)
    }

    /// What is ready now, by token.
    pub(super) fn poll(&mut self) -> Vec<(u64, Readiness)> {
        let mut events: Vec<libc::epoll_event> = Vec::with_capacity(EVENTS);
        // SAFETY: the call writes at most as many events as there is room for, and keeps no pointer.
        let found =
            unsafe { libc::epoll_wait(self.fd(), events.as_mut_ptr(), EVENTS as libc::c_int, 0) };
        // SAFETY: so many were written.
        unsafe { events.set_len(usize::try_from(found).unwrap_or_default()) };
        events.iter().map(|event| (event.u64, readiness(event.events as libc::c_int))).collect()
    }
}

fn readiness(bits: libc::c_int) -> Readiness {
    let failed = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
    Readiness {
        recv: bits & libc::EPOLLIN != 0 || failed,
        send: bits & libc::EPOLLOUT != 0 || failed,
        error: failed,
    }
}

/// What ends a wait from another thread (curl_multi_wakeup(3)).
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(Bell(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Ends the wait under way, or the next one. Any thread may.
    pub(super) fn ring(&self) -> bool {
        let one = 1_u64;
        // SAFETY: the call reads eight bytes of `one` and keeps no pointer. A full counter rings already.
        let wrote = unsafe { libc::write(self.fd(), (&raw const one).cast(), size_of::<u64>()) };
        wrote > 0 || io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
    }

    /// Takes back what was rung.
    pub(super) fn quiet(&self) {
        let mut count = 0_u64;
        // SAFETY: the call writes eight bytes of `count` at most and keeps no pointer.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

/// What poll(2) looks at, and what it found.
pub(super) type Polled = libc::pollfd;

/// A descriptor that is to be looked at.
pub(super) fn polled(fd: RawFd, interest: Interest) -> Polled {
    let recv = if interest.recv { libc::POLLIN } else { 0 };
    let send = if interest.send { libc::POLLOUT } else { 0 };
    libc::pollfd { fd, events: recv | send, revents: 0 }
}

/// Waits until one of these is ready, for so many milliseconds at most. Says how many are; a signal ends the wait with none.
pub(super) fn wait(fds: &mut [Polled], milliseconds: libc::c_int) -> io::Result<usize> {
    // SAFETY: the call reads and writes as many entries as there are, and keeps no pointer.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds) };
    match check(ready) {
        Ok(ready) => Ok(usize::try_from(ready).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
