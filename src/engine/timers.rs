//! One timer queue for everything that waits: a hierarchical timing wheel.
//!
//! Knows times and keys. Must not know what a key stands for, nor any clock.
//! Invariants: insert, cancel and expiry cost the same for a thousand timers and for a million;
//! a timer fires at its time or up to one tick (about a millisecond) later, never earlier.

use std::num::NonZeroU32;

use slab::Slab;

use crate::time::Time;

/// log2 of a tick in nanoseconds: 2^20 ns, about 1.05 ms.
const TICK_SHIFT: u32 = 20;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Six levels of 64 slots reach two years; what is later waits in the last slot and is asked again.
const LEVELS: usize = 6;
const HORIZON: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;
const NONE: u32 = u32::MAX;

/// The name of a timer that is set: its entry's index and one, so that none takes no more room. Whoever holds it gives it up when
/// the timer fires or is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimerId(NonZeroU32);

pub(super) struct Timers<K> {
    entries: Slab<Entry<K>>,
    /// Heads of the slots' lists.
    heads: [[u32; SLOTS]; LEVELS],
    /// One bit per slot that has entries.
    occupied: [u64; LEVELS],
    /// For each of these slots a tick before which none of its entries is due.
    earliest: [[u64; SLOTS]; LEVELS],
    /// All ticks before this one have been expired.
    tick: u64,
}

struct Entry<K> {
    key: K,
    tick: u64,
    previous: u32,
    next: u32,
    level: u8,
    slot: u8,
}

impl<K: Copy> Timers<K> {
    pub(super) fn new() -> Self {
        Self {
            entries: Slab::new(),
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            earliest: [[0; SLOTS]; LEVELS],
            tick: 0,
        }
    }

    /// Sets a timer. A time that has passed fires with the next tick, so that whoever sets one
    /// while timers are being expired cannot keep the expiry from ending.
    pub(super) fn set(&mut self, at: Time, key: K) -> TimerId {
        let tick = at.as_nanos().div_ceil(1 << TICK_SHIFT).max(self.tick + 1);
        let entry = Entry { key, tick, previous: NONE, next: NONE, level: 0, slot: 0 };
        let index = self.entries.insert(entry) as u32;
        self.link(index);
        TimerId(NonZeroU32::MIN.saturating_add(index))
    }

    pub(super) fn cancel(&mut self, timer: TimerId) {
        let index = timer.0.get() - 1;
        self.unlink(index);
        self.entries.remove(index as usize);
    }

    /// Takes one timer that is due.
    pub(super) fn expire(&mut self, now: Time) -> Option<K> {
        let now = now.as_nanos() >> TICK_SHIFT;
        while let Some((level, slot, tick)) = self.first_slot() {
            if tick > now {
                break;
            }
            self.tick = self.tick.max(tick);
            if level == 0 {
                let index = self.heads[level][slot];
                self.unlink(index);
                return Some(self.entries.remove(index as usize).key);
            }
            self.cascade(level, slot);
        }
        self.tick = self.tick.max(now);
        None
    }

    /// When to ask again: at the first timer's time, or earlier if one before it was cancelled. Nobody is to be woken because the
    /// wheel has come to a slot.
    pub(super) fn next(&self) -> Option<Time> {
        let (level, slot, _) = self.first_slot()?;
        Some(Time::from_nanos(self.earliest[level][slot] << TICK_SHIFT))
    }

    /// One of those that are due first, more or less.
    pub(super) fn one_of_the_first(&self) -> Option<K> {
        let (level, slot, _) = self.first_slot()?;
        Some(self.entries[self.heads[level][slot] as usize].key)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first slot that has entries, and the tick at which it begins. All of a level's entries
    /// are due before any of the next level's.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = SLOT_BITS * level as u32;
        let block = self.tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some((level, slot, block | (slot as u64) << shift))
    }

    /// The wheel has come to a slot: all its timers move to finer slots. Left behind, one would be
    /// hidden by a later one in a finer slot.
    fn cascade(&mut self, level: usize, slot: usize) {
        while self.occupied[level] & 1 << slot != 0 {
            let index = self.heads[level][slot];
            self.unlink(index);
            self.link(index);
        }
    }

    /// Puts an entry into the slot that its distance from now asks for: the level is that of the
    /// highest digit (base 64) in which its tick differs from the present one.
    fn link(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let tick = entry.tick.clamp(self.tick, self.tick | HORIZON);
        let distance = (tick ^ self.tick) | 1;
        let level = (distance.ilog2() / SLOT_BITS) as usize;
        let slot = (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let head = self.heads[level][slot];
        (entry.level, entry.slot) = (level as u8, slot as u8);
        (entry.previous, entry.next) = (NONE, head);
        let earliest = &mut self.earliest[level][slot];
        if head != NONE {
            self.entries[head as usize].previous = index;
            *earliest = tick.min(*earliest);
        } else {
            *earliest = tick;
        }
        self.heads[level][slot] = index;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, index: u32) {
        let Entry { previous, next, level, slot, .. } = self.entries[index as usize];
        let (level, slot) = (level as usize, slot as usize);
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous != NONE {
            self.entries[previous as usize].next = next;
        } else {
            self.heads[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TICK: u64 = 1 << TICK_SHIFT;

    #[test]
    fn fires_at_its_time_or_one_tick_later() {
        for at in [1, TICK - 1, TICK, TICK + 1, 63 * TICK, 64 * TICK, 5_000 * TICK + 7, 1 << 50] {
            let mut timers = Timers::new();
            timers.set(Time::from_nanos(at), ());
            assert_eq!(timers.expire(Time::from_nanos(at - 1)), None, "early: {at}");
            let late = Time::from_nanos(at + TICK + TICK);
            assert_eq!(timers.expire(late), Some(()), "late: {at}");
            assert_eq!(timers.expire(late), None);
            assert_eq!(timers.next(), None);
        }
    }

    #[test]
    fn a_passed_time_set_while_expiring_waits_for_the_next_tick() {
        let mut timers = Timers::new();
        let now = Time::from_nanos(100 * TICK);
        assert_eq!(timers.expire(now), None);
        timers.set(Time::ZERO, ());
        assert_eq!(timers.expire(now), None);
        assert_eq!(timers.expire(Time::from_nanos(101 * TICK)), Some(()));
    }

    /// Those of one coarse slot, whichever of them was set last.
    #[test]
    fn timers_of_one_coarse_slot_keep_their_order() {
        let (soon, late) = (64 * 64 * TICK + 13 * TICK, 64 * 64 * TICK + 128 * TICK);
        for [one, other] in [[soon, late], [late, soon]] {
            let mut timers = Timers::new();
            timers.set(Time::from_nanos(one), one);
            timers.set(Time::from_nanos(other), other);
            assert_eq!(timers.expire(Time::from_nanos(64 * 64 * TICK)), None);
            assert_eq!(timers.next(), Some(Time::from_nanos(soon)));
            assert_eq!(timers.expire(Time::from_nanos(soon)), Some(soon));
            assert_eq!(timers.expire(Time::from_nanos(late)), Some(late));
        }
    }

    /// However many slots the wheel comes to before.
    #[test]
    fn nobody_is_asked_before_the_first_is_due() {
        for at in [TICK, 100 * TICK, 30_000 * TICK + 1, 90_000 * TICK, 20_000_000 * TICK] {
            for begin in [0, 63, 64 * 64 - 1, 64 * 64 * 64 - 1_000] {
                let mut timers = Timers::new();
                assert_eq!(timers.expire(Time::from_nanos(begin * TICK)), None);
                timers.set(Time::from_nanos(begin * TICK + at), ());
                timers.set(Time::from_nanos(begin * TICK + 2 * at), ());
                let next = timers.next().unwrap();
                assert_eq!(next.as_nanos(), (begin * TICK + at).next_multiple_of(TICK));
                assert_eq!(timers.expire(next), Some(()));
            }
        }
    }

    /// Against a sorted map: random sets, cancels and steps of time of all sizes.
    #[test]
    fn agrees_with_a_sorted_map() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut timers = Timers::new();
        let mut model: BTreeMap<u32, (u64, TimerId)> = BTreeMap::new();
        let mut now = 0;
        for key in 0..200_000 {
            match next() % 4 {
                0 | 1 => {
                    let at = now + next() % (TICK << (next() % 26));
                    model.insert(key, (at, timers.set(Time::from_nanos(at), key)));
                }
                2 => {
                    if let Some((&key, &(_, timer))) = model.iter().nth(next() as usize % 7) {
                        timers.cancel(timer);
                        model.remove(&key);
                    }
                }
                _ => {
                    now += next() % (TICK << (next() % 16));
                    if let Some(first) = timers.next() {
                        let earliest = model.values().map(|entry| entry.0).min().unwrap();
                        assert!(first.as_nanos() < earliest + 2 * TICK);
                    }
                    while let Some(key) = timers.expire(Time::from_nanos(now)) {
                        let (at, _) = model.remove(&key).expect("fired once");
                        assert!(at <= now, "fired {} early", at - now);
                    }
                    assert!(model.values().all(|entry| entry.0 + 2 * TICK > now), "missed");
                }
            }
            assert_eq!(timers.len(), model.len());
        }
    }
}
