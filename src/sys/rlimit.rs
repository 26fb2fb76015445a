//! Limits of the process: descriptors and locked memory.
//!
//! Knows getrlimit(2). Must not know how many descriptors anybody wants.

use super::count::{self, Counter};
use super::errno::Errno;
use super::socket::check;

/// A soft limit, which is in force, and the hard one up to which it may be raised.
/// `u64::MAX` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In force.
    pub soft: u64,
    /// The most that the process may raise the soft one to.
    pub hard: u64,
}

/// File descriptors that the process may hold (RLIMIT_NOFILE).
///
/// # Errors
///
/// As getrlimit(2).
pub fn open_files() -> Result<Limit, Errno> {
    get(libc::RLIMIT_NOFILE)
}

/// Raises the soft limit on file descriptors to the hard one, and says what it now is.
///
/// # Errors
///
/// As setrlimit(2).
pub fn raise_open_files() -> Result<Limit, Errno> {
    let limit = open_files()?;
    if limit.soft == limit.hard {
        return Ok(limit);
    }
    let raised = libc::rlimit { rlim_cur: limit.hard, rlim_max: limit.hard };
    count::add(Counter::Prlimit, 1);
    // SAFETY: `raised` outlives the call, which reads it and keeps no pointer.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) })?;
    Ok(Limit { soft: limit.hard, ..limit })
}

/// Bytes of memory that the process may lock (RLIMIT_MEMLOCK). Rings count against it before
/// Linux 5.12, registered buffers always.
///
/// # Errors
///
/// As getrlimit(2).
pub fn locked_memory() -> Result<Limit, Errno> {
    get(libc::RLIMIT_MEMLOCK)
}

fn get(resource: libc::__rlimit_resource_t) -> Result<Limit, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    count::add(Counter::Prlimit, 1);
    // SAFETY: `limit` outlives the call, which writes it and keeps no pointer.
    check(unsafe { libc::getrlimit(resource, &mut limit) })?;
    Ok(Limit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_what_may_be_raised() {
        let before = open_files().expect("a limit");
        assert!(before.soft <= before.hard);
        let raised = raise_open_files().expect("up to the hard limit is allowed");
        assert_eq!(raised, open_files().expect("a limit"));
        assert_eq!(raised.soft, raised.hard);
        assert!(locked_memory().is_ok());
    }
}
