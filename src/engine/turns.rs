//! A line in which owners take turns.
//!
//! Knows whose each place is, and how many of each owner are at what was waited for. Must not know what that is. Invariants:
//! those of one owner keep their order; whoever has fewest there is next, and of owners with as many the one who has waited
//! for longest, so that however many are in line of one, others are called before most of them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

pub(super) struct Turns<T> {
    owners: HashMap<Arc<str>, Owned<T>>,
    /// Owners who have some in line, the next first: how many they have there, their turn, who they are.
    order: BTreeSet<(usize, u64, Arc<str>)>,
    /// Rises with each turn.
    turn: u64,
    in_line: usize,
    there: usize,
}

/// What is of one owner.
struct Owned<T> {
    line: VecDeque<T>,
    there: usize,
    turn: u64,
}

impl<T> Turns<T> {
    pub(super) fn new() -> Turns<T> {
        Turns { owners: HashMap::new(), order: BTreeSet::new(), turn: 0, in_line: 0, there: 0 }
    }

    pub(super) fn push(&mut self, owner: &Arc<str>, one: T) {
        self.in_line += 1;
        self.change(owner, |owned, turn| {
            if owned.line.is_empty() {
                owned.turn = turn;
            }
            owned.line.push_back(one);
        });
    }

    /// How many of the next one's owner are there, if any are in line.
    pub(super) fn next_has(&self) -> Option<usize> {
        self.order.first().map(|&(there, ..)| there)
    }

    /// The next, and whose it is.
    pub(super) fn pop(&mut self) -> Option<(Arc<str>, T)> {
        let (_, _, owner) = self.order.first()?.clone();
        let one = self.change(&owner, |owned, turn| {
            owned.turn = turn;
            owned.line.pop_front()
        })?;
        self.in_line -= 1;
        Some((owner, one))
    }

    /// One of this owner is there.
    pub(super) fn enter(&mut self, owner: &Arc<str>) {
        self.there += 1;
        self.change(owner, |owned, _| owned.there += 1);
    }

    /// One of this owner is there no more.
    pub(super) fn leave(&mut self, owner: &Arc<str>) {
        self.there -= 1;
        self.change(owner, |owned, _| owned.there -= 1);
    }

    /// Changes what an owner has, who is told of the turn that would be next.
    fn change<R>(&mut self, owner: &Arc<str>, change: impl FnOnce(&mut Owned<T>, u64) -> R) -> R {
        self.turn += 1;
        let owned = self.owners.entry(owner.clone()).or_insert_with(Owned::new);
        self.order.remove(&(owned.there, owned.turn, owner.clone()));
        let changed = change(owned, self.turn);
        if !owned.line.is_empty() {
            self.order.insert((owned.there, owned.turn, owner.clone()));
        } else if owned.there == 0 {
            self.owners.remove(owner);
        }
        changed
    }

    /// How many are in line.
    pub(super) fn len(&self) -> usize {
        self.in_line
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_line == 0
    }

    /// How many are there, of all owners.
    pub(super) fn there(&self) -> usize {
        self.there
    }

    /// Takes those out of the line who do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        for owned in self.owners.values_mut() {
            owned.line.retain(&stays);
        }
        self.owners.retain(|_, owned| owned.there > 0 || !owned.line.is_empty());
        let owners = &self.owners;
        self.order
            .retain(|(.., owner)| owners.get(owner).is_some_and(|owned| !owned.line.is_empty()));
        self.in_line = self.owners.values().map(|owned| owned.line.len()).sum();
    }
}

impl<T> Owned<T> {
    fn new() -> Owned<T> {
        Owned { line: VecDeque::new(), there: 0, turn: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &[(&str, u32)]) -> Turns<u32> {
        let mut turns = Turns::new();
        places.iter().for_each(|&(owner, one)| turns.push(&owner.into(), one));
        turns
    }

    fn all(turns: &mut Turns<u32>) -> Vec<u32> {
        let all = std::iter::from_fn(|| turns.pop()).map(|(_, one)| one).collect();
        assert!(turns.is_empty() && turns.order.is_empty());
        all
    }

    #[test]
    fn owners_take_turns() {
        let mut turns = line(&[("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]);
        assert_eq!(all(&mut turns), [1, 4, 5, 2, 6, 3]);
        assert!(turns.owners.is_empty());
    }

    #[test]
    fn who_leaves_keeps_nobody_waiting() {
        let mut turns = line(&[("a", 1), ("b", 2), ("a", 3), ("c", 4)]);
        turns.retain(|&one| one > 2);
        assert_eq!(turns.len(), 2);
        turns.push(&"b".into(), 5);
        assert_eq!(all(&mut turns), [3, 4, 5]);
        assert!(turns.owners.is_empty());
    }

    #[test]
    fn whoever_has_fewest_there_is_next() {
        let mut turns = line(&[("a", 1), ("a", 2), ("b", 3), ("b", 4), ("c", 5)]);
        ["a", "a", "b"].iter().for_each(|&owner| turns.enter(&owner.into()));
        assert_eq!((turns.next_has(), turns.there()), (Some(0), 3));
        assert_eq!(turns.pop(), Some(("c".into(), 5)));
        turns.leave(&"a".into());
        turns.leave(&"a".into());
        assert_eq!(all(&mut turns), [1, 2, 3, 4]);
        assert_eq!(turns.next_has(), None);
        turns.leave(&"b".into());
        assert!(turns.owners.is_empty() && turns.there() == 0);
    }
}
