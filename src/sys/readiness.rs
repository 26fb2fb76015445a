//! What a socket is watched for, and what was found.
//!
//! Knows the bits of poll(2), which epoll(7) and io_uring share. Must not know who polls.

/// What to watch a socket for. Errors and hang-ups are always reported, also with neither set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interest {
    /// Bytes, an end of stream or a connection to accept.
    pub recv: bool,
    /// Room to send, or a connect that has ended either way.
    pub send: bool,
}

impl Interest {
    /// Watch for what can be received.
    pub const RECV: Interest = Interest { recv: true, send: false };
    /// Watch for room to send.
    pub const SEND: Interest = Interest { recv: false, send: true };
    /// Watch for both.
    pub const BOTH: Interest = Interest { recv: true, send: true };
    /// Watch for errors and hang-ups alone.
    pub const NONE: Interest = Interest { recv: false, send: false };

    /// The events of poll(2).
    pub(super) fn bits(self) -> u32 {
        let recv = if self.recv { libc::POLLIN } else { 0 };
        let send = if self.send { libc::POLLOUT } else { 0 };
        (recv | send) as u32
    }
}

/// What a poll has found. More than one may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Readiness {
    /// A receive will not block: bytes, an end of stream, or an error.
    pub recv: bool,
    /// A send will not block, or a connect has ended.
    pub send: bool,
    /// `POLLERR` or `POLLHUP`: the socket has failed or both directions are closed; the next receive or
    /// send says which.
    pub error: bool,
}

impl Readiness {
    /// From the events that poll(2), epoll(7) or a CQE report.
    pub(super) fn from_bits(bits: u32) -> Readiness {
        let has = |event: libc::c_short| bits & event as u32 != 0;
        Readiness {
            recv: has(libc::POLLIN),
            send: has(libc::POLLOUT),
            error: has(libc::POLLERR) || has(libc::POLLHUP),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoll_and_poll_share_their_bits() {
        assert_eq!(Interest::BOTH.bits(), (libc::EPOLLIN | libc::EPOLLOUT) as u32);
        let bits = (libc::EPOLLERR | libc::EPOLLHUP | libc::EPOLLIN) as u32;
        assert_eq!(Readiness::from_bits(bits), Readiness { recv: true, send: false, error: true });
        assert!(Readiness::from_bits(libc::EPOLLHUP as u32).error);
        assert_eq!(Interest::NONE.bits(), 0);
    }
}
