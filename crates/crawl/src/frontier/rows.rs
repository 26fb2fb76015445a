//! The hosts that sleep until a time, in its order: rows of a key space, which are read as far as their time has come.
//!
//! Knows keys: a row's are eight bytes of its time and the host. Must not know why a host sleeps. Invariant: before a cursor stands no row of a host that
//! sleeps, so that nothing that was given out, and none of what is left of it in the store, is looked at again.

use fjall::{Keyspace, OwnedWriteBatch};

use super::FrontierError;

/// Rows of hosts that a run has left to the next have this and the number of the run in the place of a time.
const LEFT: u64 = 1 << 63;

/// The rows, and how far they were read.
pub(super) struct Rows {
    rows: Keyspace,
    /// Of this run.
    run: u64,
    /// Up to where those that have a time were given out, those that runs have left, and those whose time is none.
    cursors: [Vec<u8>; 3],
    /// The time of the first that has not been given out, if that is known.
    first: Option<Option<u64>>,
}

impl Rows {
    pub(super) fn new(rows: Keyspace, run: u64) -> Rows {
        Rows { rows, run, cursors: [Vec::new(), key(LEFT, ""), key(LEFT, "")], first: None }
    }

    /// The row of a host that sleeps until `time`.
    pub(super) fn of_time(time: u64) -> u64 {
        time.clamp(1, LEFT - 1)
    }

    /// That of a host that is left to the run behind this one.
    pub(super) fn of_next_run(&self) -> u64 {
        LEFT + self.run
    }

    /// Times behind `latest` are none: such a host may be had at any time.
    pub(super) fn distrust(&mut self, latest: u64) {
        self.cursors[2] = key(Rows::of_time(latest) + 1, "");
        self.first = None;
    }

    /// Whether it is one of those that this run has left.
    pub(super) fn is_left(&self, row: u64) -> bool {
        row == self.of_next_run()
    }

    /// Gives out rows whose time has come, until `take` has had enough: what it says is whether it wants another one.
    pub(super) fn due(
        &mut self,
        now: u64,
        mut take: impl FnMut(u64, &str) -> Result<bool, FrontierError>,
    ) -> Result<(), FrontierError> {
        if self.first.is_some_and(|first| first.is_none_or(|first| first > now)) {
            return Ok(());
        }
        self.first = None;
        let ends = [key(Rows::of_time(now) + 1, ""), key(LEFT + self.run, ""), key(LEFT, "")];
        for (cursor, end) in self.cursors.iter_mut().zip(ends) {
            if *cursor >= end {
                continue;
            }
            for found in self.rows.range(cursor.clone()..end) {
                let key = found.key()?;
                cursor.clear();
                cursor.extend_from_slice(&key);
                // what is behind it
                cursor.push(0);
                if let Some((row, host)) = parts(&key)
                    && !take(row, host)?
                {
                    return Ok(());
                }
            }
        }
        // whatever comes there now is this run's
        self.cursors[2] = key(LEFT, "");
        Ok(())
    }

    /// The time of the first row that `counts`, of those that were not given out.
    pub(super) fn first(
        &mut self,
        mut counts: impl FnMut(u64, &str) -> Result<bool, FrontierError>,
    ) -> Result<Option<u64>, FrontierError> {
        if let Some(first) = self.first {
            return Ok(first);
        }
        let [timed, left, untimely] = &self.cursors;
        let anytime = [(untimely, key(LEFT, "")), (left, key(LEFT + self.run, ""))];
        let timed = (timed, key(LEFT, ""));
        let mut first = None;
        for (is_anytime, (cursor, end)) in
            anytime.into_iter().map(|range| (true, range)).chain([(false, timed)])
        {
            if first.is_some() || *cursor >= end {
                continue;
            }
            for found in self.rows.range(cursor.clone()..end) {
                let key = found.key()?;
                if let Some((row, host)) = parts(&key)
                    && counts(row, host)?
                {
                    first = Some(if is_anytime { 0 } else { row });
                    break;
                }
            }
        }
        self.first = Some(first);
        Ok(first)
    }

    /// Moves a host that sleeps, or does no longer, from one row to another; 0 is none.
    pub(super) fn change(&mut self, batch: &mut OwnedWriteBatch, host: &str, old: u64, new: u64) {
        self.first = None;
        if old == new {
            return;
        }
        if old != 0 {
            batch.remove(&self.rows, key(old, host));
        }
        if new != 0 {
            batch.insert(&self.rows, key(new, host), []);
        }
    }

    /// A host sleeps in this row from now on.
    pub(super) fn sleeps(&mut self, host: &str, row: u64) {
        let key = key(row, host);
        let cursor = &mut self.cursors[usize::from(row >= LEFT)];
        if row < LEFT && key < *cursor {
            *cursor = key;
        }
    }
}

fn key(row: u64, host: &str) -> Vec<u8> {
    [&row.to_be_bytes(), host.as_bytes()].concat()
}

fn parts(key: &[u8]) -> Option<(u64, &str)> {
    let (row, host) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*row), str::from_utf8(host).ok()?))
}
