//! Which CPUs a thread may run on.
//!
//! Knows sched_setaffinity(2). Must not know who is to run where.

use std::mem::size_of;

use super::count::{self, Counter};
use super::errno::Errno;
use super::socket::check;

/// The CPUs that the calling thread may run on, in order.
///
/// # Errors
///
/// As sched_getaffinity(2).
pub fn allowed() -> Result<Vec<usize>, Errno> {
    let mut set = empty();
    count::add(Counter::SchedGetaffinity, 1);
    // SAFETY: `set` outlives the call, which writes at most its size and keeps no pointer.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) })?;
    let capacity = libc::CPU_SETSIZE as usize;
    // SAFETY: reads a bit of `set`, which has `capacity` of them.
    Ok((0..capacity).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect())
}

/// Binds the calling thread, and the threads that it makes from now on, to one CPU.
///
/// # Errors
///
/// As sched_setaffinity(2); `EINVAL` where there is no such CPU, or it is not allowed.
pub fn pin(cpu: usize) -> Result<(), Errno> {
    let mut set = empty();
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: sets a bit of `set`, which has it, as was just checked.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    count::add(Counter::SchedSetaffinity, 1);
    // SAFETY: `set` outlives the call, which reads its size and keeps no pointer.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) })?;
    Ok(())
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: all zero bytes are a value of this plain C struct: the empty set.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_its_cpu_alone() {
        let before = allowed().expect("a set");
        let &last = before.last().expect("this runs somewhere");
        let pinned = std::thread::spawn(move || {
            pin(last).expect("allowed");
            allowed().expect("a set")
        });
        assert_eq!(pinned.join().expect("ends"), [last]);
        assert_eq!(allowed().expect("a set"), before);
        assert!(pin(usize::MAX).is_err());
    }
}
