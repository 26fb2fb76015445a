//! Which host may be asked next, and when.
//!
//! Knows hosts by name and times. Must not know URLs. The time is an argument. Invariants: a host is given out once until it is told how it went; never
//! before its time; and of those whose time has come first who has waited longest.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use ringdove::Time;

/// The hosts that wait for their time, and those that are being asked.
#[derive(Debug, Default)]
pub struct Schedule {
    waiting: BinaryHeap<Reverse<(Time, u64, Arc<str>)>>,
    hosts: HashMap<Arc<str>, Stand>,
    /// So that of two times alike the earlier one comes first.
    serial: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It has nothing to be asked for; when it may be, if it has later.
    Idle(Time),
    Waiting,
    Busy,
}

impl Schedule {
    /// A host has got something to be asked for. It may be at once, if nothing was ever said of it.
    pub fn wake(&mut self, host: &str) {
        match self.hosts.get(host) {
            Some(Stand::Waiting | Stand::Busy) => {}
            Some(&Stand::Idle(time)) => self.wait(host, time),
            None => self.wait(host, Time::ZERO),
        }
    }

    /// The next host whose time has come: it is being asked from here on.
    pub fn next(&mut self, now: Time) -> Option<Arc<str>> {
        let Reverse((time, _, _)) = self.waiting.peek()?;
        if *time > now {
            return None;
        }
        let Reverse((_, _, host)) = self.waiting.pop()?;
        self.hosts.insert(Arc::clone(&host), Stand::Busy);
        Some(host)
    }

    /// When the next host's time comes; `None` if none waits.
    pub fn next_time(&self) -> Option<Time> {
        self.waiting.peek().map(|Reverse((time, _, _))| *time)
    }

    /// A host that was being asked, or was never, has more, and may be asked again at `time`.
    pub fn wait(&mut self, host: &str, time: Time) {
        let host = self.name(host);
        self.serial += 1;
        self.hosts.insert(Arc::clone(&host), Stand::Waiting);
        self.waiting.push(Reverse((time, self.serial, host)));
    }

    /// A host that was being asked, or was never, has nothing more for now; it may be asked at `time` at the earliest.
    pub fn rest(&mut self, host: &str, time: Time) {
        let host = self.name(host);
        self.hosts.insert(host, Stand::Idle(time));
    }

    /// A host that was being asked, or rests, is none of these any more.
    pub fn forget(&mut self, host: &str) {
        if self.hosts.get(host).is_some_and(|stand| *stand != Stand::Waiting) {
            self.hosts.remove(host);
        }
    }

    /// Whether a host has nothing to be asked for.
    pub fn is_resting(&self, host: &str) -> bool {
        matches!(self.hosts.get(host), Some(Stand::Idle(_)))
    }

    fn name(&self, host: &str) -> Arc<str> {
        self.hosts.get_key_value(host).map_or_else(|| host.into(), |(name, _)| Arc::clone(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn hosts_are_given_out_in_their_time() {
        let mut schedule = Schedule::default();
        schedule.wake("a");
        schedule.wake("b");
        schedule.wake("a");
        assert_eq!(schedule.next(at(1)).as_deref(), Some("a"));
        assert_eq!(schedule.next(at(1)).as_deref(), Some("b"));
        assert_eq!(schedule.next(at(1)), None);
        // while it is asked it is not given out again, whatever it gets
        schedule.wake("a");
        assert_eq!((schedule.next(at(9)), schedule.next_time()), (None, None));
        schedule.wait("a", at(5));
        schedule.rest("b", at(3));
        assert_eq!((schedule.next(at(4)), schedule.next_time()), (None, Some(at(5))));
        assert!(schedule.is_resting("b") && !schedule.is_resting("a"));
        schedule.wake("b");
        // what waits is not forgotten
        schedule.forget("b");
        assert_eq!(schedule.next_time(), Some(at(3)));
        assert_eq!(schedule.next(at(6)).as_deref(), Some("b"));
        assert_eq!(schedule.next(at(6)).as_deref(), Some("a"));
        schedule.forget("a");
        schedule.rest("b", at(9));
        schedule.forget("b");
        assert!(schedule.hosts.is_empty() && schedule.waiting.is_empty());
    }
}
