//! Generational ids and the slab they index.
//!
//! Knows slots and generations. Must not know what is kept in them.
//! Invariant: an id that outlived its entry finds nothing, though its slot is in use again
//! (until the slot's 24-bit generation has wrapped, 16 million reuses later).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// Bits of a generation; a ring token carries it beside an 8-bit kind and a 32-bit slot.
const GENERATION_MASK: u32 = (1 << 24) - 1;

/// An empty slab gives back room for more entries than this: a million may have been in it once.
const KEPT_WHEN_EMPTY: usize = 1024;

/// The name of an entry of type `T` in a slab: a slot and the generation of its occupant.
pub struct Id<T> {
    slot: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id as one integer (generation above, slot in the low 32 bits), for a token.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The id whose [`Id::to_bits`] this is; the top 8 bits are ignored.
    pub fn from_bits(bits: u64) -> Self {
        Self {
            slot: bits as u32,
            generation: (bits >> 32) as u32 & GENERATION_MASK,
            of: PhantomData,
        }
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
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Entries by generational id.
pub(crate) struct Slab<T> {
    entries: slab::Slab<T>,
    /// One per slot ever used; goes up when the slot's occupant leaves.
    generations: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: slab::Slab::new(), generations: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> Id<T> {
        let slot = self.entries.insert(value);
        if slot == self.generations.len() {
            self.generations.push(0);
        }
        self.id(slot)
    }

    pub(crate) fn get(&self, id: Id<T>) -> Option<&T> {
        if self.holds(id) { self.entries.get(id.slot()) } else { None }
    }

    pub(crate) fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        if self.holds(id) { self.entries.get_mut(id.slot()) } else { None }
    }

    pub(crate) fn remove(&mut self, id: Id<T>) -> Option<T> {
        if !self.holds(id) {
            return None;
        }
        let value = self.entries.try_remove(id.slot())?;
        if self.entries.is_empty() && self.entries.capacity() > KEPT_WHEN_EMPTY {
            self.entries = slab::Slab::new();
        }
        let generation = &mut self.generations[id.slot()];
        *generation = (*generation + 1) & GENERATION_MASK;
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.entries.iter().map(|(slot, value)| (self.id(slot), value))
    }

    fn holds(&self, id: Id<T>) -> bool {
        self.generations.get(id.slot()) == Some(&id.generation)
    }

    fn id(&self, slot: usize) -> Id<T> {
        Id { slot: slot as u32, generation: self.generations[slot], of: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing_in_a_reused_slot() {
        let mut slab = Slab::new();
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
        let mut slab = Slab::new();
        for _ in 0..3 {
            let id = slab.insert(());
            slab.remove(id);
        }
        let id = slab.insert(());
        assert_eq!(Id::from_bits(id.to_bits() | 0xff << 56), id);
    }
}
