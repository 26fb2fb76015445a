//! The frontier on disk, in fjall: a log-structured store, whose filters stand before the set of what was seen.
//!
//! Knows keys. A queue's are the host, a zero byte and a place, so that a host's queue is a range; the set has the first half of the SHA-256
//! of each URL. Invariants: a batch has no key twice; within a run nobody is given the same place twice; in memory is what is awake and what
//! is not committed, and nothing else that grows.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode,
};
use sha2::{Digest as _, Sha256};

use super::recent::Recent;
use super::rows::Rows;
use super::similar::Similar;
use super::visits::Visits;
use super::{
    Entry, Frontier, FrontierError, HostRecord, Left, Queued, RobotsRecord, Seen, Totals, Until,
};
use crate::limits;

/// A URL in the set of what was seen: of 10^10 of them, two are taken for one with a chance of 10^-19.
pub(super) type Key = [u8; 16];

const QUEUED: u8 = b'q';
const DONE: u8 = b'd';

/// Key of what was committed beside.
const MARK: &str = "mark";
/// Key of the numbers of the frontier itself.
const NUMBERS: &str = "numbers";

/// About what a change takes beside its key and value.
const CHANGE: usize = 100;

/// The frontier on disk.
pub struct DiskFrontier {
    database: Database,
    queues: Keyspace,
    seen: Keyspace,
    hosts: Keyspace,
    robots: Keyspace,
    payloads: Keyspace,
    marks: Keyspace,
    rows: Rows,
    visits: Visits,
    similar: Similar,
    recent: Recent,
    /// The hosts that are awake, with the rows that they have still: so they sleep if the process ends.
    awake: HashMap<String, u64>,
    numbers: Numbers,
    changes: Changes,
}

/// What the frontier knows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    run: u64,
    /// The next place in any queue.
    place: u64,
    totals: Totals,
}

/// What the next commit makes true.
#[derive(Default)]
struct Changes {
    batch: Option<OwnedWriteBatch>,
    added: HashSet<Key>,
    hosts: HashMap<String, HostRecord>,
    robots: HashMap<String, RobotsRecord>,
    payloads: HashMap<String, String>,
    /// Whose queues have got something, and how many of that are new.
    longer: HashMap<String, u64>,
    /// About what all of it takes.
    bytes: usize,
}

impl DiskFrontier {
    /// Opens the one in this folder, or begins it: another run.
    ///
    /// # Errors
    ///
    /// It cannot be read, another process has it, or another version of this has written it.
    pub fn open(folder: &Path) -> Result<DiskFrontier, FrontierError> {
        let database = Database::builder(folder).cache_size(limits::STORE_CACHE).open()?;
        let usual = || KeyspaceCreateOptions::default().max_memtable_size(limits::STORE_UNSORTED);
        let apart = || usual().with_kv_separation(Some(KvSeparationOptions::default()));
        let keyspace = |name| database.keyspace(name, usual);
        let marks = keyspace("marks")?;
        let numbers = match (marks.get(NUMBERS)?, marks.get(MARK)?) {
            (None, None) => Numbers::default(),
            (numbers, _) => {
                numbers.and_then(|bytes| Numbers::from_bytes(&bytes)).ok_or_else(|| {
                    FrontierError(
                        "another version has written it, which this does not read".to_owned(),
                    )
                })?
            }
        };
        let numbers = Numbers { run: numbers.run + 1, ..numbers };
        Ok(DiskFrontier {
            queues: keyspace("queues")?,
            seen: keyspace("seen")?,
            hosts: keyspace("hosts")?,
            robots: database.keyspace("robots", apart)?,
            payloads: keyspace("payloads")?,
            rows: Rows::new(keyspace("waiting")?, numbers.run),
            similar: Similar::new(keyspace("similar")?),
            visits: Visits::new(keyspace("visits")?),
            recent: Recent::new(),
            marks,
            database,
            awake: HashMap::new(),
            numbers,
            changes: Changes::default(),
        })
    }

    fn batch(&mut self, bytes: usize) -> &mut OwnedWriteBatch {
        self.changes.bytes += bytes + CHANGE;
        self.changes.batch.get_or_insert_with(|| self.database.batch())
    }

    fn queue(&mut self, entry: &Entry) {
        let (key, value) = (queue_key(&entry.host, self.numbers.place), entry.to_bytes());
        self.numbers.place += 1;
        let queues = self.queues.clone();
        self.batch(key.len() + value.len()).insert(&queues, key, value);
        self.changes.longer.entry(entry.host.clone()).or_default();
    }

    fn unqueue(&mut self, queued: &Queued) {
        let queues = self.queues.clone();
        self.batch(0).remove(&queues, queue_key(&queued.entry.host, queued.place));
    }

    /// What is known of a host, as far as it is committed.
    fn committed(&self, host: &str) -> Result<Option<HostRecord>, FrontierError> {
        Ok(self.hosts.get(host)?.and_then(|bytes| HostRecord::from_bytes(&bytes)))
    }

    /// Hosts that have got something to take: of those that sleep for it, the time begins. Returns those that are awake.
    fn wait_with_work(
        &mut self,
        changes: &mut Changes,
        now: u64,
    ) -> Result<Vec<String>, FrontierError> {
        let mut awake = Vec::new();
        for host in changes.longer.keys() {
            let known = match changes.hosts.get(host) {
                Some(record) => Some(*record),
                None => self.committed(host)?,
            };
            let run = self.numbers.run;
            let mut record = known.unwrap_or(HostRecord { run, ..HostRecord::default() });
            let is_left = self.rows.is_left(record.row) && record.left != Left::All;
            if record.row == 0 || is_left {
                record.row = Rows::of_time(record.not_before.max(now));
            }
            changes.hosts.insert(host.clone(), record);
            if let Some(row) = self.awake.get_mut(host) {
                *row = record.row;
                awake.push(host.clone());
            }
        }
        Ok(awake)
    }

    fn write_hosts(
        &mut self,
        changes: &Changes,
        batch: &mut OwnedWriteBatch,
    ) -> Result<(), FrontierError> {
        for (host, record) in &changes.hosts {
            let old = self.committed(host)?.unwrap_or_default();
            let urls = old.urls + changes.longer.get(host).copied().unwrap_or(0);
            let record = HostRecord { urls, ..*record };
            let totals = &mut self.numbers.totals;
            totals.pages += record.pages.saturating_sub(old.pages);
            totals.bytes += record.bytes.saturating_sub(old.bytes);
            self.rows.change(batch, host, old.row, record.row);
            if record.row != 0 && !self.awake.contains_key(host) {
                self.rows.sleeps(host, record.row);
            }
            batch.insert(&self.hosts, host.as_str(), record.to_bytes());
        }
        Ok(())
    }
}

impl Frontier for DiskFrontier {
    fn run(&self) -> u64 {
        self.numbers.run
    }

    fn add(&mut self, entry: &Entry) -> Result<bool, FrontierError> {
        let key = seen_key(&entry.url);
        if self.recent.has(&key) {
            return Ok(false);
        }
        let is_seen = self.changes.added.contains(&key) || self.seen.contains_key(key)?;
        self.recent.put(key);
        if is_seen {
            return Ok(false);
        }
        self.changes.added.insert(key);
        let seen = self.seen.clone();
        self.batch(key.len()).insert(&seen, key, [QUEUED]);
        self.queue(entry);
        self.changes.longer.entry(entry.host.clone()).and_modify(|new| *new += 1);
        Ok(true)
    }

    fn take(&mut self, host: &str, from: u64) -> Result<Option<Queued>, FrontierError> {
        for found in self.queues.range(queue_key(host, from)..=queue_key(host, u64::MAX)) {
            let (key, value) = found.into_inner()?;
            let place = key.last_chunk().map_or(0, |place| u64::from_be_bytes(*place));
            // what cannot be read was not written by this
            if let Some(entry) = Entry::from_bytes(host, &value) {
                return Ok(Some(Queued { entry, place }));
            }
        }
        Ok(None)
    }

    fn finish(&mut self, queued: &Queued) {
        self.unqueue(queued);
        let seen = self.seen.clone();
        self.batch(0).insert(&seen, seen_key(&queued.entry.url), [DONE]);
    }

    fn visit_again(&mut self, entry: &Entry, time: u64) {
        let (key, value) = self.visits.row(entry, time, &seen_key(&entry.url));
        let rows = self.visits.rows().clone();
        self.batch(key.len() + value.len()).insert(&rows, key, value);
    }

    fn queue_visits(&mut self, now: u64, most: usize) -> Result<bool, FrontierError> {
        let rows = self.visits.rows().clone();
        let due = self.visits.due(now, most)?;
        let may_be_more = due.len() == most;
        for (key, entry) in due {
            self.batch(key.len()).remove(&rows, key);
            if let Some(entry) = entry {
                self.queue(&entry);
            }
        }
        Ok(may_be_more)
    }

    fn put_back(&mut self, queued: &Queued) {
        self.unqueue(queued);
        self.queue(&queued.entry);
    }

    fn wake_due(
        &mut self,
        now: u64,
        most: usize,
    ) -> Result<Vec<(String, HostRecord)>, FrontierError> {
        let mut woken: Vec<(String, HostRecord)> = Vec::new();
        if most == 0 {
            return Ok(woken);
        }
        let DiskFrontier { rows, awake, changes, hosts, .. } = self;
        rows.due(now, |row, host| {
            if let Some(record) = asleep(awake, changes, hosts, row, host)? {
                awake.insert(host.to_owned(), row);
                woken.push((host.to_owned(), record));
            }
            Ok(woken.len() < most)
        })?;
        Ok(woken)
    }

    fn wake(&mut self, host: &str) -> Result<HostRecord, FrontierError> {
        let run = self.numbers.run;
        let record = self.host(host)?.unwrap_or(HostRecord { run, ..HostRecord::default() });
        self.awake.insert(host.to_owned(), record.row);
        Ok(record)
    }

    fn distrust(&mut self, latest: u64) {
        self.rows.distrust(latest);
    }

    fn distrust_visits(&mut self, now: u64, within: u64) -> Result<(), FrontierError> {
        self.visits.distrust(&self.database, now, within)
    }

    fn next_wake(&mut self) -> Result<Option<u64>, FrontierError> {
        let DiskFrontier { rows, awake, changes, hosts, .. } = self;
        rows.first(|row, host| Ok(asleep(awake, changes, hosts, row, host)?.is_some()))
    }

    fn sleep(&mut self, host: &str, record: HostRecord, until: Until) {
        let row = match until {
            Until::Time => Rows::of_time(record.not_before),
            Until::Work => 0,
            Until::NextRun => self.rows.of_next_run(),
        };
        self.set_host(host, record);
        self.awake.remove(host);
        self.changes.hosts.entry(host.to_owned()).and_modify(|record| record.row = row);
    }

    fn set_host(&mut self, host: &str, record: HostRecord) {
        let record = HostRecord { row: self.awake.get(host).copied().unwrap_or(0), ..record };
        if self.changes.hosts.insert(host.to_owned(), record).is_none() {
            self.changes.bytes += host.len() + CHANGE;
        }
    }

    fn host(&self, host: &str) -> Result<Option<HostRecord>, FrontierError> {
        match self.changes.hosts.get(host) {
            Some(record) => Ok(Some(*record)),
            None => self.committed(host),
        }
    }

    fn robots(&self, origin: &str) -> Result<Option<RobotsRecord>, FrontierError> {
        if let Some(record) = self.changes.robots.get(origin) {
            return Ok(Some(record.clone()));
        }
        Ok(self.robots.get(origin)?.and_then(|bytes| RobotsRecord::from_bytes(&bytes)))
    }

    fn set_robots(&mut self, origin: &str, record: RobotsRecord) {
        self.changes.bytes += origin.len() + record.memory() + CHANGE;
        if let Some(old) = self.changes.robots.insert(origin.to_owned(), record) {
            self.changes.bytes -= origin.len() + old.memory() + CHANGE;
        }
    }

    fn seen(&self, url: &str) -> Result<Option<Seen>, FrontierError> {
        let key = seen_key(url);
        if self.changes.added.contains(&key) {
            return Ok(Some(Seen::Queued));
        }
        let state = self.seen.get(key)?;
        Ok(state.map(|state| if *state == [DONE] { Seen::Done } else { Seen::Queued }))
    }

    fn urls(&self, host: &str) -> Result<u64, FrontierError> {
        let new = self.changes.longer.get(host).copied().unwrap_or(0);
        Ok(self.committed(host)?.map_or(0, |record| record.urls) + new)
    }

    fn payload(&self, digest: &str) -> Result<Option<String>, FrontierError> {
        let place = self.payloads.get(digest)?;
        Ok(place.map(|place| String::from_utf8_lossy(&place).into_owned()))
    }

    fn remember_payload(&mut self, digest: &str, place: &str) {
        self.changes.bytes += digest.len() + place.len() + CHANGE;
        self.changes.payloads.entry(digest.to_owned()).or_insert_with(|| place.to_owned());
    }

    fn similar(&self, simhash: u64) -> Result<Option<(String, u32)>, FrontierError> {
        self.similar.nearest(simhash)
    }

    fn remember_similar(&mut self, simhash: u64, place: &str) {
        self.changes.bytes += self.similar.remember(simhash, place) + CHANGE;
    }

    fn uncommitted(&self) -> usize {
        self.changes.bytes
    }

    fn commit(&mut self, mark: &[u8], now: u64) -> Result<Vec<String>, FrontierError> {
        let mut changes = std::mem::take(&mut self.changes);
        let mut batch = changes.batch.take().unwrap_or_else(|| self.database.batch());
        let awake = self.wait_with_work(&mut changes, now)?;
        self.write_hosts(&changes, &mut batch)?;
        for (origin, record) in &changes.robots {
            batch.insert(&self.robots, origin.as_str(), record.to_bytes());
        }
        for (digest, place) in &changes.payloads {
            batch.insert(&self.payloads, digest.as_str(), place.as_str());
        }
        self.similar.write(&mut batch);
        batch.insert(&self.marks, MARK, mark);
        batch.insert(&self.marks, NUMBERS, self.numbers.to_bytes());
        batch.durability(Some(PersistMode::SyncData)).commit()?;
        self.visits.committed();
        Ok(awake)
    }

    fn mark(&self) -> Result<Option<Vec<u8>>, FrontierError> {
        Ok(self.marks.get(MARK)?.map(|mark| mark.to_vec()))
    }

    fn totals(&self) -> Totals {
        self.numbers.totals
    }
}

impl Numbers {
    /// Of this layout of the whole store.
    const VERSION: u8 = 2;

    fn to_bytes(self) -> Vec<u8> {
        let Numbers { run, place, totals: Totals { pages, bytes } } = self;
        let numbers = [run, place, pages, bytes].into_iter().flat_map(u64::to_le_bytes);
        std::iter::once(Numbers::VERSION).chain(numbers).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Numbers> {
        let (&[Numbers::VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (numbers, []) = rest.as_chunks() else { return None };
        let &[run, place, pages, bytes] = numbers else { return None };
        let [run, place, pages, bytes] = [run, place, pages, bytes].map(u64::from_le_bytes);
        Some(Numbers { run, place, totals: Totals { pages, bytes } })
    }
}

/// What is known of a host that was found in a row, if it is there that it sleeps: it may be awake, or have moved since the last commit.
fn asleep(
    awake: &HashMap<String, u64>,
    changes: &Changes,
    hosts: &Keyspace,
    row: u64,
    host: &str,
) -> Result<Option<HostRecord>, FrontierError> {
    if awake.contains_key(host) {
        return Ok(None);
    }
    let record = match changes.hosts.get(host) {
        Some(record) => Some(*record),
        None => hosts.get(host)?.and_then(|bytes| HostRecord::from_bytes(&bytes)),
    };
    Ok(record.filter(|record| record.row == row))
}

/// A host has no zero byte, so no host's range has another's keys.
fn queue_key(host: &str, place: u64) -> Vec<u8> {
    [host.as_bytes(), &[0], &place.to_be_bytes()].concat()
}

fn seen_key(url: &str) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(&Sha256::digest(url.as_bytes())[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::super::Visit;
    use super::*;

    fn entry(host: &str, path: &str) -> Entry {
        Entry {
            url: format!("http://{host}/{path}"),
            host: host.to_owned(),
            depth: 0,
            redirects: 0,
            tries: 0,
            via: String::new(),
            visit: None,
        }
    }

    fn taken(frontier: &mut DiskFrontier, host: &str) -> Vec<String> {
        let (mut urls, mut from) = (Vec::new(), 0);
        while let Some(queued) = frontier.take(host, from).unwrap() {
            from = queued.place + 1;
            urls.push(queued.entry.url);
        }
        urls
    }

    fn woken(frontier: &mut DiskFrontier, now: u64, most: usize) -> Vec<String> {
        let woken = frontier.wake_due(now, most).unwrap();
        woken.into_iter().map(|(host, _)| host).collect()
    }

    #[test]
    fn only_what_is_committed_is_given_out_or_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert!(frontier.add(&entry("a", "1")).unwrap());
        assert!(!frontier.add(&entry("a", "1")).unwrap());
        assert!(frontier.add(&entry("a", "2")).unwrap());
        assert!(frontier.add(&entry("aa", "3")).unwrap());
        assert_eq!(frontier.take("a", 0).unwrap(), None);
        assert!(frontier.commit(b"one", 5).unwrap().is_empty());
        assert_eq!(frontier.uncommitted(), 0);
        assert!(!frontier.add(&entry("a", "2")).unwrap());
        let first = frontier.take("a", 0).unwrap().unwrap();
        assert_eq!(first.entry.url, "http://a/1");
        frontier.finish(&first);
        drop(frontier);
        // that was not committed
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(frontier.mark().unwrap(), Some(b"one".to_vec()));
        let first = frontier.take("a", 0).unwrap().unwrap();
        assert_eq!(first.entry.url, "http://a/1");
        frontier.finish(&first);
        let record = frontier.wake("a").unwrap();
        frontier.set_host("a", HostRecord { pages: 1, bytes: 7, ..record });
        frontier.commit(b"two", 6).unwrap();
        assert_eq!(taken(&mut frontier, "a"), ["http://a/2"]);
        drop(frontier);
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(frontier.seen("http://a/1").unwrap(), Some(Seen::Done));
        assert_eq!(frontier.seen("http://a/2").unwrap(), Some(Seen::Queued));
        assert_eq!(frontier.seen("http://a/9").unwrap(), None);
        assert_eq!(frontier.host("a").unwrap().unwrap().pages, 1);
        assert_eq!(frontier.totals(), Totals { pages: 1, bytes: 7 });
        assert_eq!(woken(&mut frontier, 6, 9), ["a", "aa"]);
        assert_eq!(taken(&mut frontier, "a"), ["http://a/2"]);
        assert_eq!(taken(&mut frontier, "aa"), ["http://aa/3"]);
        assert_eq!(frontier.run(), 3);
    }

    #[test]
    fn what_is_put_back_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        for path in ["1", "2"] {
            frontier.add(&entry("a", path)).unwrap();
        }
        frontier.commit(b"", 1).unwrap();
        assert_eq!(woken(&mut frontier, 1, 1), ["a"]);
        let mut first = frontier.take("a", 0).unwrap().unwrap();
        first.entry.tries += 1;
        frontier.put_back(&first);
        assert_eq!(frontier.commit(b"", 2).unwrap(), ["a"]);
        let second = frontier.take("a", first.place + 1).unwrap().unwrap();
        assert_eq!(second.entry.url, "http://a/2");
        let again = frontier.take("a", second.place + 1).unwrap().unwrap();
        assert_eq!((again.entry.url.as_str(), again.entry.tries), ("http://a/1", 1));
        assert_eq!(frontier.take("a", again.place + 1).unwrap(), None);
    }

    #[test]
    fn hosts_sleep_until_their_time_or_until_there_is_work() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        for host in ["a", "b", "c"] {
            frontier.add(&entry(host, "1")).unwrap();
        }
        frontier.commit(b"", 10).unwrap();
        assert_eq!(frontier.next_wake().unwrap(), Some(10));
        assert_eq!(woken(&mut frontier, 9, 9), [""; 0]);
        assert_eq!(woken(&mut frontier, 10, 2), ["a", "b"]);
        let sleep = |frontier: &mut DiskFrontier, host: &str, not_before, left, until| {
            let record = frontier.host(host).unwrap().unwrap_or_default();
            frontier.sleep(host, HostRecord { not_before, left, ..record }, until);
        };
        // until its time: neither before the commit nor before that
        sleep(&mut frontier, "a", 30, Left::Nothing, Until::Time);
        assert_eq!(woken(&mut frontier, 40, 9), ["c"]);
        assert_eq!(frontier.next_wake().unwrap(), None);
        frontier.commit(b"", 20).unwrap();
        assert_eq!(frontier.next_wake().unwrap(), Some(30));
        assert_eq!(woken(&mut frontier, 29, 9), [""; 0]);
        // for work, which comes: not before its time either
        sleep(&mut frontier, "b", 50, Left::Nothing, Until::Work);
        frontier.commit(b"", 25).unwrap();
        frontier.add(&entry("b", "2")).unwrap();
        frontier.commit(b"", 26).unwrap();
        assert_eq!(woken(&mut frontier, 49, 9), ["a"]);
        assert_eq!(woken(&mut frontier, 50, 9), ["b"]);
        // an earlier time than others that were given out is no hindrance
        sleep(&mut frontier, "a", 5, Left::Nothing, Until::Time);
        frontier.commit(b"", 51).unwrap();
        assert_eq!(woken(&mut frontier, 51, 9), ["a"]);
        // of what is left to another run, some has got more work, and all has not
        sleep(&mut frontier, "b", 0, Left::Some, Until::NextRun);
        sleep(&mut frontier, "c", 0, Left::All, Until::NextRun);
        for host in ["b", "c"] {
            frontier.add(&entry(host, "3")).unwrap();
        }
        frontier.commit(b"", 52).unwrap();
        assert_eq!(woken(&mut frontier, 99, 9), ["b"]);
        sleep(&mut frontier, "a", 1_000, Left::Nothing, Until::Time);
        frontier.commit(b"", 53).unwrap();
        drop(frontier);
        // what was awake sleeps as it did
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(frontier.next_wake().unwrap(), Some(0));
        assert_eq!(woken(&mut frontier, 99, 9), ["b", "c"]);
        assert_eq!(frontier.next_wake().unwrap(), Some(1_000));
    }

    /// Its queue is not empty, so it must be found by the next run.
    #[test]
    fn a_host_that_was_awake_without_a_row_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        let record = frontier.wake("a").unwrap();
        frontier.set_host("a", record);
        frontier.add(&entry("a", "1")).unwrap();
        assert_eq!(frontier.commit(b"", 1).unwrap(), ["a"]);
        frontier.set_host("a", record);
        frontier.commit(b"", 2).unwrap();
        drop(frontier);
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(woken(&mut frontier, 2, 9), ["a"]);
    }

    #[test]
    fn what_is_to_be_fetched_again_is_queued_at_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        let times = [("1", 30), ("2", 10), ("3", 20)];
        for (at, _) in times {
            let visit = Visit { etag: at.to_owned(), ..Visit::default() };
            frontier.add(&Entry { visit: Some(Box::new(visit)), ..entry("a", at) }).unwrap();
        }
        frontier.commit(b"", 1).unwrap();
        let mut from = 0;
        for (_, time) in times {
            let queued = frontier.take("a", from).unwrap().unwrap();
            from = queued.place + 1;
            frontier.finish(&queued);
            frontier.visit_again(&queued.entry, time);
        }
        // not before that is committed
        assert!(!frontier.queue_visits(99, 9).unwrap());
        frontier.commit(b"", 2).unwrap();
        assert!(!frontier.queue_visits(9, 9).unwrap());
        assert_eq!(frontier.uncommitted(), 0);
        // what comes is not passed by, whatever was looked at meanwhile
        let late = entry("a", "late");
        frontier.visit_again(&late, 5);
        assert!(!frontier.queue_visits(9, 9).unwrap());
        frontier.commit(b"", 3).unwrap();
        assert_eq!(taken(&mut frontier, "a"), [""; 0]);
        assert!(!frontier.queue_visits(10, 9).unwrap());
        frontier.commit(b"", 4).unwrap();
        drop(frontier);
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        frontier.queue_visits(25, 1).unwrap();
        frontier.queue_visits(25, 9).unwrap();
        frontier.queue_visits(25, 9).unwrap();
        frontier.commit(b"", 25).unwrap();
        let urls = taken(&mut frontier, "a");
        // two were to be so at the same time
        let is_first = |url: &str| urls[..2].iter().any(|other| other == url);
        assert!(is_first("http://a/2") && is_first("http://a/late"), "{urls:?}");
        assert_eq!(urls[2..], ["http://a/3"]);
        let mut again = frontier.take("a", 0).unwrap().unwrap();
        while again.entry.url != "http://a/2" {
            again = frontier.take("a", again.place + 1).unwrap().unwrap();
        }
        assert_eq!(again.entry.visit.unwrap().etag, "2");
        assert_eq!(frontier.urls("a").unwrap(), 3);
        drop(frontier);
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        frontier.queue_visits(30, 9).unwrap();
        frontier.commit(b"", 30).unwrap();
        assert_eq!(taken(&mut frontier, "a").len(), 4);
    }

    /// By a clock that was years ahead nothing is put off for years, nor is all of it due at once.
    #[test]
    fn times_of_another_clock_are_spread_out() {
        const ROWS: u64 = 300;
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        let paths = |times: std::ops::Range<u64>| times.map(|at| entry("a", &at.to_string()));
        paths(0..ROWS).for_each(|entry| frontier.visit_again(&entry, 1 << 50));
        frontier.visit_again(&entry("a", "last"), 1_100);
        frontier.commit(b"", 1).unwrap();
        let mut counts = Vec::new();
        for now in [1_000, 1_050, 1_099, 1_100] {
            drop(frontier);
            frontier = DiskFrontier::open(folder.path()).unwrap();
            frontier.distrust_visits(1_000, 100).unwrap();
            while frontier.queue_visits(now, 100).unwrap() {}
            frontier.commit(b"", now).unwrap();
            counts.push(taken(&mut frontier, "a").len() as u64);
        }
        assert!(counts[0] < ROWS / 10, "{counts:?}");
        assert!((ROWS / 4..3 * ROWS / 4).contains(&counts[1]), "{counts:?}");
        assert_eq!(counts[2..], [ROWS, ROWS + 1]);
    }

    #[test]
    fn what_is_nearly_the_same_is_found() {
        const PAGE: u64 = 0x0123_4567_89ab_cdef;
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        frontier.remember_similar(PAGE, "page");
        frontier.remember_similar(!PAGE, "other");
        let is_found = |frontier: &DiskFrontier| {
            // one bit in each of three quarters, two of one quarter, or none
            for bits in [0x0001_0100_8000_0000, 0x8000_0000_0000_0001, 0x0000_0003_0000_0000, 0] {
                let found = frontier.similar(PAGE ^ bits).unwrap();
                assert_eq!(found, Some(("page".to_owned(), u64::count_ones(bits))), "{bits:x}");
            }
            assert_eq!(frontier.similar(PAGE ^ 0xf).unwrap(), None);
            assert_eq!(frontier.similar(!PAGE ^ 1).unwrap(), Some(("other".to_owned(), 1)));
        };
        is_found(&frontier);
        assert!(frontier.uncommitted() > 0);
        frontier.commit(b"", 1).unwrap();
        is_found(&frontier);
        drop(frontier);
        is_found(&DiskFrontier::open(folder.path()).unwrap());
    }

    #[test]
    fn robots_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        let record = RobotsRecord::Rules { at: 1, until: 2, text: vec![b'x'; 100_000] };
        frontier.set_robots("http://a", record.clone());
        frontier.set_robots("http://a", record.clone());
        assert!((100_000..101_000).contains(&frontier.uncommitted()));
        assert_eq!(frontier.robots("http://a").unwrap(), Some(record.clone()));
        frontier.commit(b"", 1).unwrap();
        drop(frontier);
        let frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(frontier.robots("http://a").unwrap(), Some(record));
    }

    #[test]
    fn another_layout_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        frontier.commit(b"mark", 1).unwrap();
        frontier.marks.insert(NUMBERS, [1; 9]).unwrap();
        drop(frontier);
        let other = DiskFrontier::open(folder.path()).map(|_| ());
        assert!(other.unwrap_err().to_string().contains("another version"));
    }

    #[test]
    fn two_processes_cannot_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let _one = DiskFrontier::open(folder.path()).unwrap();
        let other = DiskFrontier::open(folder.path()).map(|_| ());
        assert!(other.unwrap_err().to_string().contains("another process"));
    }
}
