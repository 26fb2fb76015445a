//! What the kernel has booked to this thread or process: CPU time, context switches, memory.
//!
//! Knows getrusage(2) and `/proc/self`. Must not know what the time was spent on.

use std::fs;
use std::time::Duration;

use super::count::{self, Counter};
use super::errno::Errno;
use super::socket::check;

/// Resources used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time in user space.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Context switches because of a wait.
    pub voluntary_switches: u64,
    /// Context switches because others wanted the CPU.
    pub involuntary_switches: u64,
}

/// What the calling thread has used. Workers that io_uring made for it are not part of it.
///
/// # Errors
///
/// As getrusage(2).
pub fn of_thread() -> Result<Usage, Errno> {
    get(libc::RUSAGE_THREAD)
}

/// What all threads of the process have used, io_uring's workers included.
///
/// # Errors
///
/// As getrusage(2).
pub fn of_process() -> Result<Usage, Errno> {
    get(libc::RUSAGE_SELF)
}

/// Memory of the process that is resident now, in KiB. `None` where `/proc` is not to be had.
pub fn resident_kib() -> Option<u64> {
    status_kib("VmRSS:")
}

/// The most that was resident at a time since the program started, in KiB. (`ru_maxrss` would
/// count what the process was before its exec.)
pub fn peak_resident_kib() -> Option<u64> {
    status_kib("VmHWM:")
}

impl Usage {
    /// User space and kernel together.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// What was used after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            voluntary_switches: self.voluntary_switches - earlier.voluntary_switches,
            involuntary_switches: self.involuntary_switches - earlier.involuntary_switches,
        }
    }
}

fn get(who: libc::c_int) -> Result<Usage, Errno> {
    count::add(Counter::Getrusage, 1);
    // SAFETY: all zero bytes are a value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` outlives the call, which writes it and keeps no pointer.
    check(unsafe { libc::getrusage(who, &mut usage) })?;
    Ok(Usage {
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        voluntary_switches: usage.ru_nvcsw as u64,
        involuntary_switches: usage.ru_nivcsw as u64,
    })
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

fn status_kib(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_booked_what_it_burns_and_no_more() {
        let before = of_thread().expect("usage");
        let idle = std::thread::spawn(|| {
            let start = of_thread().expect("usage");
            of_thread().expect("usage").since(&start).cpu()
        });
        let mut x = 1_u64;
        while of_thread().expect("usage").since(&before).cpu() < Duration::from_millis(20) {
            for _ in 0..10_000 {
                x = std::hint::black_box(x.wrapping_mul(3));
            }
        }
        assert!(idle.join().expect("ends") < Duration::from_millis(20));
        assert!(of_process().expect("usage").cpu() >= Duration::from_millis(20));
    }

    #[test]
    fn memory_is_known() {
        let (Some(now), Some(peak)) = (resident_kib(), peak_resident_kib()) else {
            eprintln!("skipped: no /proc/self/status");
            return;
        };
        assert!(now > 100 && peak >= 100, "{now} {peak}");
    }
}
