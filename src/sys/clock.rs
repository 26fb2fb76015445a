//! The one place where time is read.
//!
//! Knows `CLOCK_MONOTONIC`, and `CLOCK_REALTIME` for dates. Must not know what the time is for. Invariant: each reading is counted, so
//! that a test can hold a driver to one per batch.

use super::count::{self, Counter};
use crate::time::Time;

/// The time on `CLOCK_MONOTONIC`; the kernel's absolute deadlines are on the same clock.
/// No system call where the vDSO serves it.
pub fn now() -> Time {
    count::add(Counter::ClockReadings, 1);
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours and outlives the call, which writes it and keeps no pointer.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    assert_eq!(result, 0, "CLOCK_MONOTONIC exists on every Linux");
    Time::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// The date on `CLOCK_REALTIME`: seconds since 1970.
pub fn unix() -> i64 {
    realtime().tv_sec
}

/// The same, in microseconds.
pub fn unix_micros() -> i64 {
    let time = realtime();
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

fn realtime() -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours and outlives the call, which writes it and keeps no pointer.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    assert_eq!(result, 0, "CLOCK_REALTIME exists on every Linux");
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_one_of_ours() {
        assert!(unix() > 1_700_000_000);
    }

    #[test]
    fn moves_forward_and_counts_its_readings() {
        let before = count::snapshot();
        let first = now();
        let second = now();
        assert!(second >= first);
        assert!(first > Time::ZERO);
        assert_eq!(count::snapshot().since(&before).get(Counter::ClockReadings), 2);
    }
}
