//! How fast one transfer may be: the bytes of both directions, against time.
//!
//! Knows a rate and when what has moved is paid for. Must not know a clock, nor what the bytes are.
//! Invariant: time that is not used is not saved up, so that no burst follows a pause.

use std::time::Duration;

use crate::time::Time;

/// The pace of one exchange.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Pace {
    /// Bytes per second.
    rate: u64,
    /// When all that has moved is paid for.
    due: Time,
}

impl Pace {
    pub(in crate::engine) fn new(rate: u64) -> Pace {
        Pace { rate: rate.max(1), due: Time::ZERO }
    }

    /// So many bytes have moved. Says whether to wait until [`Pace::due`] before more move.
    pub(super) fn take(&mut self, bytes: usize, now: Time) -> bool {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.due = self.due.max(now) + cost;
        self.due > now
    }

    pub(in crate::engine) fn due(&self) -> Time {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cost_time_and_pauses_save_none() {
        let at = |millis: u64| Time::from_nanos(millis * 1_000_000);
        let mut pace = Pace::new(1000);
        assert!(pace.take(500, at(1000)));
        assert_eq!(pace.due(), at(1500));
        assert!(pace.take(250, at(1500)));
        assert_eq!(pace.due(), at(1750));
        assert!(pace.take(100, at(9000)));
        assert_eq!(pace.due(), at(9100));
        assert!(!pace.take(0, at(9100)));
        assert!(Pace::new(0).take(1, at(1)), "a rate of nothing is taken for one byte");
        assert!(!Pace::new(u64::MAX).take(1_000_000, at(1)));
        assert!(Pace::new(1).take(usize::MAX, at(1)));
    }
}
