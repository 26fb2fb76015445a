//! URLs that were met lately: most links lead to one of these, and the store is not asked for them.
//!
//! Knows keys. Invariants: what it has was seen, and stays so; it takes the same memory whatever it is told.

use super::disk::Key;
use crate::limits;

/// A place for each by the beginning of its key, where the latest one stands. (No URL is known to have the key that is all zeros, which is none here.)
pub(super) struct Recent(Vec<Key>);

impl Recent {
    pub(super) fn new() -> Recent {
        Recent(vec![Key::default(); limits::SEEN_CACHE])
    }

    /// Whether it is known that this was seen.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.0[place(key)] == *key
    }

    /// It was seen.
    pub(super) fn put(&mut self, key: Key) {
        self.0[place(&key)] = key;
    }
}

fn place(key: &Key) -> usize {
    usize::from_le_bytes(*key.first_chunk().expect("a key has as many bytes")) % limits::SEEN_CACHE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_until_another_has_its_place() {
        let mut recent = Recent::new();
        let (one, other) = ([1; 16], [[1; 8], [2; 8]].concat().try_into().unwrap());
        assert!(!recent.has(&one));
        recent.put(one);
        assert!(recent.has(&one) && !recent.has(&other));
        recent.put(other);
        assert!(!recent.has(&one) && recent.has(&other));
    }
}
