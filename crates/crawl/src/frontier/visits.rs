//! What is to be fetched again, in the order of the times for that: rows of a key space, which are read as far as their time has come.
//!
//! Knows keys: a row's are eight bytes of its time and those of its URL. Must not know why a page is fetched again. Invariant: what is not due costs no look at the
//! store; between two commits
//! no row is given out twice.

use fjall::{Database, Keyspace, PersistMode};

use super::disk::Key;
use super::{Entry, FrontierError};

/// The key of a row, and what it is, if it can be read.
type Due = (Vec<u8>, Option<Entry>);

pub(super) struct Visits {
    rows: Keyspace,
    /// Up to where they were given out.
    cursor: Vec<u8>,
    /// The latest time up to which that was.
    passed: u64,
    /// No row behind the cursor has an earlier time.
    first: u64,
    /// Nor one that the next commit brings.
    coming: u64,
}

impl Visits {
    pub(super) fn new(rows: Keyspace) -> Visits {
        Visits { rows, cursor: Vec::new(), passed: 0, first: 0, coming: u64::MAX }
    }

    pub(super) fn rows(&self) -> &Keyspace {
        &self.rows
    }

    /// Rows of times later than `within` after `now` get others from `now` on, each its own, by their URLs: so
    /// many of them are written at a time.
    pub(super) fn distrust(
        &mut self,
        database: &Database,
        now: u64,
        within: u64,
    ) -> Result<(), FrontierError> {
        const PART: usize = 1024;
        let Some(latest) = now.checked_add(within) else { return Ok(()) };
        loop {
            let (mut batch, mut moved) = (database.batch(), 0);
            let untimely = latest.saturating_add(1).to_be_bytes().to_vec();
            for found in self.rows.range(untimely..).take(PART) {
                let (key, value) = found.into_inner()?;
                let url = key.get(size_of::<u64>()..).unwrap_or_default();
                let share = url.first_chunk().map_or(0, |share| u64::from_be_bytes(*share));
                let share = (u128::from(share) * u128::from(within)) >> 64;
                let time = now + u64::try_from(share).unwrap_or(0);
                batch.insert(&self.rows, [&time.to_be_bytes(), url].concat(), &*value);
                batch.remove(&self.rows, &*key);
                moved += 1;
            }
            if moved == 0 {
                return Ok(());
            }
            batch.durability(Some(PersistMode::SyncData)).commit()?;
        }
    }

    /// The row that there will be of an entry, key and value; at `time`, which is none that has passed.
    pub(super) fn row(&mut self, entry: &Entry, time: u64, key: &Key) -> (Vec<u8>, Vec<u8>) {
        let time = time.max(self.passed.saturating_add(1));
        self.coming = self.coming.min(time);
        // no host of a URL is longer
        let host = entry.host.get(..entry.host.len().min(usize::from(u16::MAX)));
        let host = host.unwrap_or_default().as_bytes();
        let length = u16::try_from(host.len()).unwrap_or(0).to_le_bytes();
        let value = [&length, host, &entry.to_bytes()].concat();
        ([&time.to_be_bytes(), &key[..]].concat(), value)
    }

    /// All rows are there.
    pub(super) fn committed(&mut self) {
        self.first = self.first.min(self.coming);
        self.coming = u64::MAX;
    }

    /// The rows whose time has come, `most` of them at most.
    pub(super) fn due(&mut self, now: u64, most: usize) -> Result<Vec<Due>, FrontierError> {
        let mut due = Vec::new();
        // what comes is not passed by
        let now = now.min(self.coming.saturating_sub(1));
        if now < self.first {
            return Ok(due);
        }
        self.passed = self.passed.max(now);
        self.first = u64::MAX;
        for found in self.rows.range(self.cursor.clone()..) {
            let (key, value) = found.into_inner()?;
            let time = key.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
            if time > now || due.len() == most {
                self.first = time;
                break;
            }
            // what is behind it
            self.cursor = [&key[..], &[0]].concat();
            due.push((key.to_vec(), entry_of(&value)));
        }
        Ok(due)
    }
}

fn entry_of(value: &[u8]) -> Option<Entry> {
    let (length, rest) = value.split_first_chunk()?;
    let (host, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Entry::from_bytes(str::from_utf8(host).ok()?, rest)
}
