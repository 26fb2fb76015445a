//! Generational ids and the slab they index.
//!
//! Knows slots and generations. Must not know what is kept in them.
//! Invariant: an id that outlived its entry finds nothing, though its slot is in use again
//! (until the slot's 24-bit generation has wrapped, 16 million reuses later).

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;

/// Bits of a generation that count; a ring token carries them beside an 8-bit kind and a 32-bit slot.
const GENERATION_MASK: u32 = (1 << 24) - 1;

/// The bit above those.
const NOT_ZERO: NonZeroU32 = NonZeroU32::new(GENERATION_MASK + 1).unwrap();

/// An empty slab gives back room for more entries than this: a million may have been in it once.
const KEPT_WHEN_EMPTY: usize = 1024;

/// The name of an entry of type `T` in a slab: a slot and the generation of its occupant.
pub struct Id<T> {
    slot: u32,
    generation: Generation,
    of: PhantomData<fn() -> T>,
}

/// Which occupant of its slot an entry is. Never 0, so that an id that may be absent takes no more room than one that is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Generation(NonZeroU32);

impl Generation {
    const FIRST: Generation = Generation(NOT_ZERO);

    /// The one of this count; what is above its bits is ignored.
    fn of(count: u32) -> Self {
        Self(NOT_ZERO | count & GENERATION_MASK)
    }

    fn count(self) -> u32 {
        self.0.get() & GENERATION_MASK
    }

    fn next(self) -> Self {
        Self::of(self.count() + 1)
    }
}

impl<T> Id<T> {
    /// The id as one integer (generation above, slot in the low 32 bits), for a token.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation.count()) << 32 | u64::from(self.slot)
    }

    /// The id whose [`Id::to_bits`] this is; the top 8 bits are ignored.
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: Generation::of((bits >> 32) as u32), of: PhantomData }
    }

    /// The slot: unique among the ids alive at one time, small, reused.
    pub fn slot(self) -> usize {
        self.slot as usize
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot && self.generation == other.generation
    }
}
impl<T> Eq for Id<T> {}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation.count())
    }
}

/// What is known by ids, or by other numbers that nobody outside chooses.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Spreads numbers that nobody has chosen with care to make them meet: one multiplication.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 by the golden ratio; a table looks at the highest bits and at the lowest
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(24);
    }
}

/// Entries by generational id. The generation lies with the entry, so that one look finds both, and an entry that
/// nobody asks for is dropped where it is. They go by the name of their own type, or by another.
pub(crate) struct Slab<T, N = T> {
    entries: Vec<Entry<T>>,
    len: usize,
    /// The first of the free slots; [`END`] if there is none.
    free: u32,
    /// The generation of slots that come to be: above that of all that were given back.
    young: Generation,
    named: PhantomData<fn() -> N>,
}

struct Entry<T> {
    /// Goes up when the slot's occupant leaves.
    generation: Generation,
    /// The free slot after this one, if this is one.
    next: u32,
    occupant: Option<T>,
}

/// The end of the list of free slots.
const END: u32 = u32::MAX;

impl<T, N> Slab<T, N> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            len: 0,
            free: END,
            young: Generation::FIRST,
            named: PhantomData,
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Id<N> {
        self.len += 1;
        let slot = self.free;
        match self.entries.get_mut(slot as usize) {
            Some(entry) => {
                self.free = entry.next;
                entry.occupant = Some(value);
                Id { slot, generation: entry.generation, of: PhantomData }
            }
            None => {
                let (slot, generation) = (self.entries.len() as u32, self.young);
                self.entries.push(Entry { generation, next: END, occupant: Some(value) });
                Id { slot, generation, of: PhantomData }
            }
        }
    }

    /// The id that what is inserted next will have.
    pub(crate) fn next_id(&self) -> Id<N> {
        match self.entries.get(self.free as usize) {
            Some(entry) => Id { slot: self.free, generation: entry.generation, of: PhantomData },
            None => Id { slot: self.entries.len() as u32, generation: self.young, of: PhantomData },
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: Id<N>) -> Option<&T> {
        let entry = self.entries.get(id.slot())?;
        if entry.generation == id.generation { entry.occupant.as_ref() } else { None }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id<N>) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.slot())?;
        if entry.generation == id.generation { entry.occupant.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, id: Id<N>) -> Option<T> {
        self.get(id)?;
        let value = self.entries[id.slot()].occupant.take();
        self.note_free(id);
        value
    }

    /// As [`Slab::remove`], for an entry that is large to be moved about. Says whether there was one.
    pub(crate) fn discard(&mut self, id: Id<N>) -> bool {
        let there = self.get(id).is_some();
        if there {
            self.entries[id.slot()].occupant = None;
            self.note_free(id);
        }
        there
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id<N>, &T)> {
        self.entries.iter().enumerate().filter_map(|(slot, entry)| {
            let value = entry.occupant.as_ref()?;
            let (slot, generation) = (slot as u32, entry.generation);
            Some((Id { slot, generation, of: PhantomData }, value))
        })
    }

    /// The occupant of a slot, which is first of the free ones now, has left.
    fn note_free(&mut self, id: Id<N>) {
        let entry = &mut self.entries[id.slot()];
        (entry.generation, entry.next) = (id.generation.next(), self.free);
        self.free = id.slot;
        self.len -= 1;
        if self.len == 0 && self.entries.capacity() > KEPT_WHEN_EMPTY {
            let oldest = self.entries.iter().map(|entry| entry.generation).max();
            self.young = oldest.map_or(self.young, |oldest| self.young.max(oldest));
            (self.entries, self.free) = (Vec::new(), END);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing_in_a_reused_slot() {
        let mut slab: Slab<_> = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.slot(), second.slot());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn bits_round_trip_and_ignore_the_kind() {
        let mut slab: Slab<_> = Slab::new();
        for _ in 0..3 {
            let id = slab.insert(());
            slab.remove(id);
        }
        let id = slab.insert(());
        assert_eq!(Id::from_bits(id.to_bits() | 0xff << 56), id);
    }

    #[test]
    fn slots_that_were_given_back_forget_nobody() {
        let mut slab: Slab<_> = Slab::new();
        let many: Vec<_> = (0..2 * KEPT_WHEN_EMPTY).map(|n| slab.insert(n)).collect();
        assert_eq!(
            slab.iter().map(|(id, n)| (id.slot(), *n)).last(),
            many.last().map(|id| (id.slot(), id.slot()))
        );
        for (n, &id) in many.iter().enumerate() {
            if n % 2 == 0 {
                assert_eq!(slab.remove(id), Some(n));
            } else {
                assert!(slab.discard(id));
            }
            assert!(!slab.discard(id), "it is gone");
        }
        assert!(slab.is_empty() && slab.entries.capacity() == 0);
        let fresh = slab.insert(7);
        assert_eq!((fresh.slot(), slab.get(fresh), slab.len()), (0, Some(&7), 1));
        assert!(many.iter().all(|&id| slab.get(id).is_none()), "stale ids stay stale");
    }

    #[test]
    fn an_id_that_was_made_up_finds_no_free_slot() {
        let mut slab: Slab<_> = Slab::new();
        let id = slab.insert(());
        slab.remove(id);
        let next = Id { slot: id.slot, generation: id.generation.next(), of: PhantomData };
        assert_eq!(slab.get(next), None);
        assert_eq!(slab.remove(next), None);
        assert_eq!(slab.insert(()), next);
    }
}
