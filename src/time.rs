//! Time as the engine sees it: an argument, never a reading.
//!
//! Knows nanoseconds and their arithmetic. Must not know any clock: drivers read `sys::clock`
//! (`CLOCK_MONOTONIC`, so that a [`Time`] can be handed to the kernel as an absolute deadline),
//! the simulator counts its own.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: nanoseconds on `CLOCK_MONOTONIC` (or on the simulator's clock).
///
/// Compact on purpose (8 bytes): a connection and a transfer each hold several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The clock's origin. Not a wall-clock time.
    pub const ZERO: Time = Time(0);
    /// Later than anything that will happen.
    pub const NEVER: Time = Time(u64::MAX);

    /// A point in time, from nanoseconds since the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// As [`Time::since`], in nanoseconds.
    pub(crate) fn nanos_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::NEVER`].
    fn add(self, by: Duration) -> Time {
        let nanos =
            by.as_secs().saturating_mul(1_000_000_000).saturating_add(by.subsec_nanos().into());
        Time(self.0.saturating_add(nanos))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// As [`Time::since`].
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let t = Time::from_nanos(5);
        assert_eq!(t + Duration::MAX, Time::NEVER);
        assert_eq!(t - Time::from_nanos(9), Duration::ZERO);
        assert_eq!((t + Duration::from_nanos(7)) - t, Duration::from_nanos(7));
    }
}
