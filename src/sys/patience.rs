//! How long the end of a ring is waited for.
//!
//! Knows a time, and how much is left to be waited for. Must not know what that is. Invariant: the time counts from when there
//! was last less of it than ever before, so that a machine that is busy is not taken for a kernel that does
//! not answer; since it was less each time, the wait ends.

use std::time::Duration;

use crate::time::Time;

/// A wait for something to become nothing.
#[derive(Debug)]
pub(super) struct Patience {
    time: Duration,
    until: Time,
    least: usize,
}

impl Patience {
    pub(super) fn new(time: Duration, now: Time, left: usize) -> Patience {
        Patience { time, until: now + time, least: left }
    }

    /// When it ends, unless there is less by then.
    pub(super) fn until(&self) -> Time {
        self.until
    }

    /// So much is left now: whether it has come to its end.
    pub(super) fn ends(&mut self, now: Time, left: usize) -> bool {
        if left < self.least {
            self.least = left;
            self.until = now + self.time;
        }
        now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_as_long_as_there_is_less_each_time() {
        let at = Time::from_nanos;
        let mut patience = Patience::new(Duration::from_nanos(10), at(100), 5);
        assert!(!patience.ends(at(109), 5));
        assert!(!patience.ends(at(500), 4), "less");
        assert_eq!(patience.until(), at(510));
        // more, and then as much as before, is no less
        assert!(!patience.ends(at(505), 6));
        assert!(!patience.ends(at(509), 4));
        assert!(patience.ends(at(510), 4));
    }

    #[test]
    fn none_at_all_ends_at_once() {
        let now = Time::from_nanos(100);
        assert!(Patience::new(Duration::ZERO, now, 5).ends(now, 5));
    }
}
