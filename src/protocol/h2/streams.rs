//! The open streams of a connection.
//!
//! Knows places and numbers. Must not know what streams do. Invariants: a place that was left is used again, so that beginning
//! a stream allocates nothing but where there have never been as many; a [`StreamId`] that outlived its stream finds nothing.

use super::stream::{Stream, StreamId};

#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Stream>,
    free: Vec<u32>,
    /// By number, round and round: a place, counted from one. Twice as many entries as places, at least.
    index: Vec<u32>,
    /// Places of streams which are open for so long that the index has come round to where they were.
    lapped: Vec<u32>,
    open: usize,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// Puts a stream in a place of its own.
    pub(super) fn insert(&mut self, number: u32, mut stream: Stream) -> StreamId {
        stream.number = number;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot as usize] = stream;
                slot
            }
            None => {
                self.places.push(stream);
                self.places.len() as u32 - 1
            }
        };
        self.open += 1;
        if self.index.len() < 2 * self.places.len() {
            self.rebuild_index((4 * self.places.len()).next_power_of_two());
        } else {
            self.enter(slot);
        }
        StreamId { slot, number }
    }

    pub(super) fn get(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.places.get_mut(id.slot as usize).filter(|stream| stream.number == id.number)
    }

    pub(super) fn peek(&self, id: StreamId) -> Option<&Stream> {
        self.places.get(id.slot as usize).filter(|stream| stream.number == id.number)
    }

    /// The stream of this number.
    pub(super) fn find(&self, number: u32) -> Option<StreamId> {
        let is_it = |slot: &u32| self.places[*slot as usize].number == number;
        let place = self.index.get(self.home(number))?;
        let slot = place
            .checked_sub(1)
            .filter(is_it)
            .or_else(|| self.lapped.iter().copied().find(is_it))?;
        Some(StreamId { slot, number })
    }

    /// Takes a stream out, as far as it matters to whoever does.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<&Stream> {
        self.peek(id)?;
        let home = self.home(id.number);
        if self.index[home] == id.slot + 1 {
            self.index[home] = 0;
        } else {
            self.lapped.retain(|slot| *slot != id.slot);
        }
        self.open -= 1;
        self.free.push(id.slot);
        let stream = &mut self.places[id.slot as usize];
        stream.number = 0;
        Some(stream)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|stream| stream.number != 0)
    }

    /// The streams for which this holds, in the order of their numbers.
    pub(super) fn select(&self, mut wanted: impl FnMut(&Stream) -> bool) -> Vec<StreamId> {
        let open = self.places.iter().enumerate().filter(|(_, stream)| stream.number != 0);
        let mut ids: Vec<StreamId> = open
            .filter(|(_, stream)| wanted(stream))
            .map(|(slot, stream)| StreamId { slot: slot as u32, number: stream.number })
            .collect();
        ids.sort_unstable_by_key(|id| id.number);
        ids
    }

    /// Gives back memory, if no stream is open.
    pub(super) fn shrink(&mut self) {
        if self.open == 0 {
            *self = Streams::default();
        }
    }

    /// Puts a place into the index. Who was there has been open for longer, or will be found as well where it goes.
    fn enter(&mut self, slot: u32) {
        let home = self.home(self.places[slot as usize].number);
        let before = std::mem::replace(&mut self.index[home], slot + 1);
        if before != 0 {
            self.lapped.push(before - 1);
        }
    }

    fn rebuild_index(&mut self, len: usize) {
        self.lapped.clear();
        self.index.clear();
        self.index.resize(len, 0);
        for slot in 0..self.places.len() {
            if self.places[slot].number != 0 {
                self.enter(slot as u32);
            }
        }
    }

    /// Numbers follow on one another, each by two.
    fn home(&self, number: u32) -> usize {
        (number >> 1) as usize & self.index.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::BodyLength;
    use crate::protocol::h1::framing::RequestKind;

    fn stream(key: u64) -> Stream {
        Stream::new(key, RequestKind::Other, BodyLength::None, false, (0, 0))
    }

    #[test]
    fn streams_are_found_while_they_are_open() {
        let (mut streams, mut open) = (Streams::default(), BTreeMap::new());
        let mut seed = 1u64;
        for number in (1..20_001).step_by(2) {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            open.insert(number, streams.insert(number, stream(u64::from(number))));
            // some stay for long, so that others come round to them
            while open.len() > (seed >> 33) as usize % 40 {
                let nth = (seed >> 40) as usize % open.len();
                let (&number, &id) = open.iter().nth(nth).unwrap();
                open.remove(&number);
                assert_eq!(streams.remove(id).unwrap().key, u64::from(number));
                assert!(streams.get(id).is_none() && streams.remove(id).is_none());
            }
            assert_eq!(streams.len(), open.len());
            for (&number, &id) in &open {
                assert_eq!(streams.find(number), Some(id));
                assert_eq!(streams.get(id).unwrap().key, u64::from(number));
            }
        }
        assert!(
            streams.places.len() <= 41 && streams.index.len() <= 256 && streams.lapped.len() <= 40
        );
        assert_eq!(streams.find(20_001), None);
        let numbers: Vec<u32> = streams.select(|_| true).iter().map(|id| id.number).collect();
        assert_eq!(numbers, open.keys().copied().collect::<Vec<_>>());
    }
}
