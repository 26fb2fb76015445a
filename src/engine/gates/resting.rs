//! What is still to be waited for at gates that nobody uses now: the earliest time of the next request,
//! by a gate's key.
//!
//! Knows keys and times. Must not know whom a key stands for. Invariants: nothing is forgotten before its
//! time; what is past its time is swept out at the cost of a few steps for each that is put in, a part of
//! the table at a time.

use std::collections::HashMap;

use crate::time::Time;

/// Parts, each swept by itself: of a million entries one has 16,000.
const SHARDS: usize = 64;
/// Entries of a part that are not worth a sweep.
const FEW: usize = 64;

pub(super) struct Resting {
    shards: Vec<Shard>,
    len: usize,
}

#[derive(Default)]
struct Shard {
    next: HashMap<u64, Time>,
    /// As soon as it has so many entries it is swept.
    sweep_at: usize,
}

impl Resting {
    pub(super) fn new() -> Resting {
        let shards = (0..SHARDS).map(|_| Shard { sweep_at: FEW, ..Shard::default() }).collect();
        Resting { shards, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn put(&mut self, key: u64, next: Time, now: Time) {
        let shard = self.shard(key);
        let before = shard.next.len();
        if before >= shard.sweep_at {
            shard.sweep(now);
        }
        shard.next.insert(key, next);
        let after = shard.next.len();
        self.len = self.len + after - before;
    }

    /// Takes an entry out, past its time or not.
    pub(super) fn take(&mut self, key: u64) -> Option<Time> {
        let next = self.shard(key).next.remove(&key)?;
        self.len -= 1;
        Some(next)
    }

    /// The wait of an entry ends at this time at the latest.
    pub(super) fn shorten(&mut self, key: u64, latest: Time) {
        if let Some(next) = self.shard(key).next.get_mut(&key) {
            *next = latest.min(*next);
        }
    }

    /// Forgets all that is past its time, at the cost of looking at all.
    pub(super) fn sweep(&mut self, now: Time) {
        self.shards.iter_mut().for_each(|shard| shard.sweep(now));
        self.len = self.shards.iter().map(|shard| shard.next.len()).sum();
    }

    fn shard(&mut self, key: u64) -> &mut Shard {
        // the table within hashes the key once more, so that its bits are free to choose by
        &mut self.shards[key as usize % SHARDS]
    }
}

impl Shard {
    fn sweep(&mut self, now: Time) {
        self.next.retain(|_, next| *next > now);
        let left = self.next.len();
        if left * 8 < self.next.capacity() {
            self.next.shrink_to(left * 2);
        }
        self.sweep_at = (left * 2).max(FEW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn nothing_is_forgotten_before_its_time() {
        let mut resting = Resting::new();
        for key in 0..100_000 {
            resting.put(key, at(1_000_000), at(key));
        }
        assert_eq!(resting.len(), 100_000);
        resting.sweep(at(999_999));
        assert_eq!(resting.len(), 100_000);
        assert_eq!(resting.take(77), Some(at(1_000_000)));
        assert_eq!((resting.take(77), resting.len()), (None, 99_999));
        resting.sweep(at(1_000_000));
        assert_eq!(resting.len(), 0);
    }

    /// Of a stream of hosts that never ends those stay that are to be waited for, and as many again.
    #[test]
    fn what_is_past_is_swept_out_on_the_way() {
        let mut resting = Resting::new();
        for key in 0..1_000_000 {
            resting.put(key, at(key + 10_000), at(key));
            assert!(resting.len() <= 2 * 10_000 + 3 * FEW * SHARDS, "{} at {key}", resting.len());
        }
        let room: usize = resting.shards.iter().map(|shard| shard.next.capacity()).sum();
        assert!(room < 100_000, "{room}");
    }
}
