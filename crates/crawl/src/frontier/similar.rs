//! Pages by their simhash: those that are near one are found without a look at all.
//!
//! Knows keys. Two numbers of 64 bits that differ in three at most have one of their quarters alike: a number stands in four rows, each of which begins with another
//! quarter. Must not know what the numbers are of. Invariant: a look goes through a bounded number of rows.

use fjall::{Keyspace, OwnedWriteBatch};

use super::FrontierError;
use crate::limits;

pub(super) struct Similar {
    rows: Keyspace,
    /// What the next commit brings.
    coming: Vec<(u64, String)>,
}

impl Similar {
    pub(super) fn new(rows: Keyspace) -> Similar {
        Similar { rows, coming: Vec::new() }
    }

    /// The nearest that is near: where that is, and in how many bits it differs.
    pub(super) fn nearest(&self, simhash: u64) -> Result<Option<(String, u32)>, FrontierError> {
        let coming = self.coming.iter().map(|(other, _)| distance(*other, simhash));
        let mut nearest = coming.enumerate().map(|(at, distance)| (distance, Some(at), 0)).min();
        for quarter in 0..4 {
            let [first, last] = [0, u64::MAX].map(|rest| key(quarter, simhash, rest));
            for found in self.rows.range(first..=last).take(limits::SIMILAR_ROWS) {
                let other = found.key()?.last_chunk().map_or(0, |other| u64::from_be_bytes(*other));
                let near = (distance(other, simhash), None, other);
                nearest = Some(nearest.map_or(near, |nearest| nearest.min(near)));
            }
        }
        let near = nearest.filter(|(distance, ..)| *distance <= limits::SIMHASH_NEAR);
        let Some((distance, coming, other)) = near else { return Ok(None) };
        let place = match coming {
            Some(at) => Some(self.coming[at].1.clone()),
            None => {
                let place = self.rows.get(key(0, other, other))?;
                place.map(|place| String::from_utf8_lossy(&place).into_owned())
            }
        };
        Ok(place.map(|place| (place, distance)))
    }

    /// A page is there. Returns about what that takes.
    pub(super) fn remember(&mut self, simhash: u64, place: &str) -> usize {
        self.coming.push((simhash, place.to_owned()));
        place.len() + 4 * key(0, 0, 0).len()
    }

    pub(super) fn write(&mut self, batch: &mut OwnedWriteBatch) {
        for (simhash, place) in self.coming.drain(..) {
            for quarter in 0..4 {
                let value = if quarter == 0 { place.as_bytes() } else { &[] };
                batch.insert(&self.rows, key(quarter, simhash, simhash), value);
            }
        }
    }
}

fn distance(one: u64, other: u64) -> u32 {
    (one ^ other).count_ones()
}

/// The row of a number that begins with this quarter of another.
fn key(quarter: u8, begin: u64, simhash: u64) -> [u8; 11] {
    let mut key = [quarter; 11];
    let begin = begin.to_be_bytes();
    let at = usize::from(quarter) * 2;
    key[1..3].copy_from_slice(&begin[at..at + 2]);
    key[3..].copy_from_slice(&simhash.to_be_bytes());
    key
}
