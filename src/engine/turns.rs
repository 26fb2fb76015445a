//! A line in which owners take turns.
//!
//! Knows whose each place is. Must not know what is waited for. Invariants: those of one owner keep their order; however
//! many of them there are, whoever else comes is called after one of each at most.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub(super) struct Turns<T> {
    lines: HashMap<Arc<str>, VecDeque<T>>,
    /// Owners whose lines are not empty, the next first.
    order: VecDeque<Arc<str>>,
    len: usize,
}

impl<T> Turns<T> {
    pub(super) fn new() -> Turns<T> {
        Turns { lines: HashMap::new(), order: VecDeque::new(), len: 0 }
    }

    pub(super) fn push(&mut self, owner: &Arc<str>, one: T) {
        let line = self.lines.entry(owner.clone()).or_default();
        if line.is_empty() {
            self.order.push_back(owner.clone());
        }
        line.push_back(one);
        self.len += 1;
    }

    /// The first of the owner whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let owner = self.order.pop_front()?;
        let line = self.lines.get_mut(&owner)?;
        let one = line.pop_front()?;
        self.len -= 1;
        if line.is_empty() {
            self.lines.remove(&owner);
        } else {
            self.order.push_back(owner);
        }
        Some(one)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        let lines = &mut self.lines;
        lines.values_mut().for_each(|line| line.retain(&stays));
        lines.retain(|_, line| !line.is_empty());
        self.order.retain(|owner| lines.contains_key(owner));
        self.len = lines.values().map(VecDeque::len).sum();
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

    fn all(mut turns: Turns<u32>) -> Vec<u32> {
        let all: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert!(turns.is_empty() && turns.lines.is_empty() && turns.order.is_empty());
        all
    }

    #[test]
    fn owners_take_turns() {
        let turns = line(&[("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]);
        assert_eq!(all(turns), [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn who_leaves_keeps_nobody_waiting() {
        let mut turns = line(&[("a", 1), ("b", 2), ("a", 3), ("c", 4)]);
        turns.retain(|&one| one > 2);
        assert_eq!(turns.len(), 2);
        turns.push(&"b".into(), 5);
        assert_eq!(all(turns), [3, 4, 5]);
    }
}
