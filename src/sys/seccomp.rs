//! Refusing system calls to oneself, as sandboxes do.
//!
//! Knows just enough of seccomp(2) to see how ringdove behaves where io_uring is denied: it is no
//! security boundary (it does not look at the architecture). Must not know who falls back to what.

use super::count::{self, Counter};
use super::errno::Errno;
use super::socket::check;

/// A system call that sandboxes are known to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// io_uring_setup(2).
    RingSetup,
    /// io_uring_register(2).
    RingRegister,
    /// io_uring_enter(2).
    RingEnter,
    /// epoll_pwait2(2).
    EpollPwait2,
}

impl Call {
    fn number(self) -> u32 {
        let number = match self {
            Call::RingSetup => libc::SYS_io_uring_setup,
            Call::RingRegister => libc::SYS_io_uring_register,
            Call::RingEnter => libc::SYS_io_uring_enter,
            Call::EpollPwait2 => libc::SYS_epoll_pwait2,
        };
        number as u32
    }
}

/// From now on `call` fails with `errno` (sandboxes answer `EPERM` or `ENOSYS`) in this thread, in the
/// threads that it starts and in the programs that it executes. Cannot be undone.
///
/// # Errors
///
/// As prctl(2).
pub fn refuse(call: Call, errno: Errno) -> Result<(), Errno> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let statement = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let mut filter = [
        // the number of the call is the first field of struct seccomp_data
        statement(LOAD, 0, 0),
        statement(IF_EQUAL, 1, call.number()),
        statement(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        statement(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno.raw() as u32),
    ];
    let program =
        libc::sock_fprog { len: filter.len() as libc::c_ushort, filter: filter.as_mut_ptr() };
    count::add(Counter::Prctl, 2);
    // SAFETY: no memory is passed.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: `program` and the `filter` that it points to outlive the call, which copies them.
    check(unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    })?;
    Ok(())
}
