//! What the operating system is asked for on behalf of the whole process: a CPU, descriptors, an
//! end, and what it used.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, alarm};

static EXPIRED: AtomicBool = AtomicBool::new(false);

/// What the process used up to now, with the clock.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// When this was read.
    pub at: Instant,
    /// CPU time in user space, all threads.
    pub user_us: i64,
    /// CPU time in the kernel, all threads, io_uring's workers included.
    pub system_us: i64,
    /// Context switches, voluntary and not.
    pub context_switches: i64,
}

impl Usage {
    /// Reads getrusage(2) and the clock.
    pub fn now() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage(RUSAGE_SELF) cannot fail");
        Self {
            at: Instant::now(),
            user_us: usage.user_time().num_microseconds(),
            system_us: usage.system_time().num_microseconds(),
            context_switches: usage.voluntary_context_switches()
                + usage.involuntary_context_switches(),
        }
    }
}

/// Most memory resident at a time, in KiB.
///
/// From proc(5): `ru_maxrss` counts what the process was before its exec.
pub fn peak_rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Whether the time limit has passed.
///
/// The signal that says so also interrupts the system call that the main thread waits in.
pub fn expired() -> bool {
    EXPIRED.load(Ordering::Relaxed)
}

/// Pins the process, before it has any other thread.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    Ok(())
}

pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}

/// A signal rather than a thread: a second thread would make every look-up of a descriptor dearer.
pub(crate) fn arm_time_limit(limit: Duration) -> io::Result<()> {
    extern "C" fn on_alarm(_: libc::c_int) {
        EXPIRED.store(true, Ordering::Relaxed);
        // Once more in a second, in case that the main thread was just about to wait.
        alarm::set(1);
    }
    let action = SigAction::new(SigHandler::Handler(on_alarm), SaFlags::empty(), SigSet::empty());
    // SAFETY: an atomic store and alarm(2) are async-signal-safe.
    unsafe { sigaction(Signal::SIGALRM, &action) }?;
    alarm::set(u32::try_from(limit.as_secs()).unwrap_or(u32::MAX));
    Ok(())
}
