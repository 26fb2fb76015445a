//! Lists of slots, linked through a table: one is put in at the end, or taken out of anywhere, at once.
//!
//! Knows slots. Must not know what is in them. Invariant: a slot is in one list of its table at most,
//! which whoever keeps the lists knows.

const NONE: u32 = u32::MAX;

/// A list's ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    first: u32,
    last: u32,
    length: u32,
}

/// The links of all lists of one kind, by slot.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

impl List {
    pub(super) const EMPTY: List = List { first: NONE, last: NONE, length: 0 };

    pub(super) fn first(&self) -> Option<usize> {
        (self.first != NONE).then_some(self.first as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.length as usize
    }
}

impl Links {
    pub(super) fn push_back(&mut self, list: &mut List, slot: usize) {
        self.insert(list, slot, list.last, NONE);
    }

    pub(super) fn push_front(&mut self, list: &mut List, slot: usize) {
        self.insert(list, slot, NONE, list.first);
    }

    pub(super) fn remove(&mut self, list: &mut List, slot: usize) {
        let Link { before, after } = self.0[slot];
        *self.after(list, before) = after;
        *self.before(list, after) = before;
        list.length -= 1;
    }

    fn insert(&mut self, list: &mut List, slot: usize, before: u32, after: u32) {
        if self.0.len() <= slot {
            self.0.resize(slot + 1, Link { before: NONE, after: NONE });
        }
        self.0[slot] = Link { before, after };
        *self.after(list, before) = slot as u32;
        *self.before(list, after) = slot as u32;
        list.length += 1;
    }

    fn after<'a>(&'a mut self, list: &'a mut List, slot: u32) -> &'a mut u32 {
        if slot == NONE { &mut list.first } else { &mut self.0[slot as usize].after }
    }

    fn before<'a>(&'a mut self, list: &'a mut List, slot: u32) -> &'a mut u32 {
        if slot == NONE { &mut list.last } else { &mut self.0[slot as usize].before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leaves_is_missed_by_nobody() {
        let mut links = Links::default();
        let (mut one, mut other) = (List::EMPTY, List::EMPTY);
        for slot in [3, 5, 4] {
            links.push_back(&mut one, slot);
        }
        links.push_back(&mut other, 9);
        links.push_front(&mut one, 7);
        links.remove(&mut one, 5);
        let mut order = Vec::new();
        while let Some(slot) = one.first() {
            links.remove(&mut one, slot);
            order.push(slot);
        }
        assert_eq!(order, [7, 3, 4]);
        assert_eq!((one.len(), other.len(), other.first()), (0, 1, Some(9)));
        links.remove(&mut other, 9);
        links.push_back(&mut other, 0);
        assert_eq!((other.first(), other.len()), (Some(0), 1));
    }
}
