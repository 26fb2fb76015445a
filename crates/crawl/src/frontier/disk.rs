//! The frontier on disk, in fjall: a log-structured store, whose filters stand before the set of what was seen.
//!
//! Knows keys. A queue's are the host, a zero byte and a place, so that a host's queue is a range; the set has the first half of the SHA-256
//! of each URL. Invariants: a batch has no key twice; within a run nobody is given the same place twice.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use sha2::{Digest as _, Sha256};

use super::{Entry, Frontier, FrontierError, HostRecord, Queued, Seen};

/// A URL in the set of what was seen: of 10^10 of them, two are taken for one with a chance of 10^-19.
type Key = [u8; 16];

const QUEUED: u8 = b'q';
const DONE: u8 = b'd';

/// Key of what was committed beside.
const MARK: &str = "mark";
/// Key of the next place in queues.
const PLACE: &str = "place";

/// The frontier on disk.
pub struct DiskFrontier {
    database: Database,
    queues: Keyspace,
    seen: Keyspace,
    hosts: Keyspace,
    payloads: Keyspace,
    marks: Keyspace,
    /// The next place in any queue.
    place: u64,
    /// Up to where each host's queue was given out.
    given: HashMap<String, u64>,
    changes: Changes,
}

/// What the next commit makes true.
#[derive(Default)]
struct Changes {
    batch: Option<OwnedWriteBatch>,
    added: HashSet<Key>,
    hosts: HashMap<String, HostRecord>,
    payloads: HashMap<String, String>,
    /// Whose queues have got something.
    longer: HashSet<String>,
}

impl DiskFrontier {
    /// Opens the one in this folder, or begins it.
    ///
    /// # Errors
    ///
    /// It cannot be read, or another process has it.
    pub fn open(folder: &Path) -> Result<DiskFrontier, FrontierError> {
        let database = Database::builder(folder).open()?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let (queues, seen, hosts) = (keyspace("queues")?, keyspace("seen")?, keyspace("hosts")?);
        let (payloads, marks) = (keyspace("payloads")?, keyspace("marks")?);
        let place =
            marks.get(PLACE)?.and_then(|bytes| Some(u64::from_be_bytes((*bytes).try_into().ok()?)));
        Ok(DiskFrontier {
            database,
            queues,
            seen,
            hosts,
            payloads,
            marks,
            place: place.unwrap_or(0),
            given: HashMap::new(),
            changes: Changes::default(),
        })
    }

    fn batch(&mut self) -> &mut OwnedWriteBatch {
        self.changes.batch.get_or_insert_with(|| self.database.batch())
    }

    fn queue(&mut self, entry: &Entry) {
        let key = queue_key(&entry.host, self.place);
        self.place += 1;
        let queues = self.queues.clone();
        self.batch().insert(&queues, key, entry.to_bytes());
        self.changes.longer.insert(entry.host.clone());
    }

    fn unqueue(&mut self, queued: &Queued) {
        let queues = self.queues.clone();
        self.batch().remove(&queues, queue_key(&queued.entry.host, queued.place));
    }
}

impl Frontier for DiskFrontier {
    fn add(&mut self, entry: &Entry) -> Result<bool, FrontierError> {
        let key = seen_key(&entry.url);
        if self.changes.added.contains(&key) || self.seen.contains_key(key)? {
            return Ok(false);
        }
        self.changes.added.insert(key);
        let seen = self.seen.clone();
        self.batch().insert(&seen, key, [QUEUED]);
        self.queue(entry);
        Ok(true)
    }

    fn take(&mut self, host: &str) -> Result<Option<Queued>, FrontierError> {
        let from = self.given.get(host).map_or(0, |place| place + 1);
        let range = queue_key(host, from)..=queue_key(host, u64::MAX);
        for found in self.queues.range(range) {
            let (key, value) = found.into_inner()?;
            let place = key.last_chunk().map_or(0, |place| u64::from_be_bytes(*place));
            self.given.insert(host.to_owned(), place);
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
        self.batch().insert(&seen, seen_key(&queued.entry.url), [DONE]);
    }

    fn put_back(&mut self, queued: &Queued) {
        self.unqueue(queued);
        self.queue(&queued.entry);
    }

    fn host(&mut self, host: &str) -> Result<HostRecord, FrontierError> {
        if let Some(record) = self.changes.hosts.get(host) {
            return Ok(*record);
        }
        let kept = self.hosts.get(host)?;
        Ok(kept.and_then(|bytes| HostRecord::from_bytes(&bytes)).unwrap_or_default())
    }

    fn set_host(&mut self, host: &str, record: HostRecord) {
        self.changes.hosts.insert(host.to_owned(), record);
    }

    fn hosts(&self) -> Result<Vec<String>, FrontierError> {
        let mut hosts = Vec::new();
        for found in self.hosts.iter() {
            hosts.push(String::from_utf8_lossy(&found.key()?).into_owned());
        }
        Ok(hosts)
    }

    fn seen(&self, url: &str) -> Result<Option<Seen>, FrontierError> {
        let state = self.seen.get(seen_key(url))?;
        Ok(state.map(|state| if *state == [DONE] { Seen::Done } else { Seen::Queued }))
    }

    fn payload(&self, digest: &str) -> Result<Option<String>, FrontierError> {
        let place = self.payloads.get(digest)?;
        Ok(place.map(|place| String::from_utf8_lossy(&place).into_owned()))
    }

    fn remember_payload(&mut self, digest: &str, place: &str) {
        self.changes.payloads.entry(digest.to_owned()).or_insert_with(|| place.to_owned());
    }

    fn is_changed(&self) -> bool {
        let Changes { batch, hosts, payloads, .. } = &self.changes;
        batch.is_some() || !hosts.is_empty() || !payloads.is_empty()
    }

    fn commit(&mut self, mark: &[u8]) -> Result<Vec<String>, FrontierError> {
        let changes = std::mem::take(&mut self.changes);
        let mut batch = changes.batch.unwrap_or_else(|| self.database.batch());
        for host in &changes.longer {
            // so that it is among the hosts
            if !changes.hosts.contains_key(host) && !self.hosts.contains_key(host)? {
                batch.insert(&self.hosts, host.as_str(), HostRecord::default().to_bytes());
            }
        }
        for (host, record) in &changes.hosts {
            batch.insert(&self.hosts, host.as_str(), record.to_bytes());
        }
        for (digest, place) in &changes.payloads {
            batch.insert(&self.payloads, digest.as_str(), place.as_str());
        }
        batch.insert(&self.marks, MARK, mark);
        batch.insert(&self.marks, PLACE, self.place.to_be_bytes());
        batch.durability(Some(PersistMode::SyncData)).commit()?;
        Ok(changes.longer.into_iter().collect())
    }

    fn mark(&self) -> Result<Option<Vec<u8>>, FrontierError> {
        Ok(self.marks.get(MARK)?.map(|mark| mark.to_vec()))
    }
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
    use super::*;

    fn entry(host: &str, path: &str) -> Entry {
        Entry {
            url: format!("http://{host}/{path}"),
            host: host.to_owned(),
            depth: 0,
            redirects: 0,
            tries: 0,
            via: String::new(),
        }
    }

    fn taken(frontier: &mut DiskFrontier, host: &str) -> Vec<String> {
        let mut urls = Vec::new();
        while let Some(queued) = frontier.take(host).unwrap() {
            urls.push(queued.entry.url);
        }
        urls
    }

    #[test]
    fn only_what_is_committed_is_given_out_or_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert!(frontier.add(&entry("a", "1")).unwrap());
        assert!(!frontier.add(&entry("a", "1")).unwrap());
        assert!(frontier.add(&entry("a", "2")).unwrap());
        assert!(frontier.add(&entry("aa", "3")).unwrap());
        assert_eq!(frontier.take("a").unwrap(), None);
        let mut hosts = frontier.commit(b"one").unwrap();
        hosts.sort();
        assert_eq!(hosts, ["a", "aa"]);
        assert!(!frontier.add(&entry("a", "2")).unwrap());
        let first = frontier.take("a").unwrap().unwrap();
        assert_eq!(first.entry.url, "http://a/1");
        frontier.finish(&first);
        drop(frontier);
        // that was not committed
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(frontier.mark().unwrap(), Some(b"one".to_vec()));
        let first = frontier.take("a").unwrap().unwrap();
        assert_eq!(first.entry.url, "http://a/1");
        frontier.finish(&first);
        frontier.set_host("a", HostRecord { pages: 1, ..HostRecord::default() });
        frontier.commit(b"two").unwrap();
        assert_eq!(taken(&mut frontier, "a"), ["http://a/2"]);
        drop(frontier);
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        assert_eq!(frontier.seen("http://a/1").unwrap(), Some(Seen::Done));
        assert_eq!(frontier.seen("http://a/2").unwrap(), Some(Seen::Queued));
        assert_eq!(frontier.seen("http://a/9").unwrap(), None);
        assert_eq!(frontier.host("a").unwrap().pages, 1);
        assert_eq!(frontier.hosts().unwrap(), ["a", "aa"]);
        assert_eq!(taken(&mut frontier, "a"), ["http://a/2"]);
        assert_eq!(taken(&mut frontier, "aa"), ["http://aa/3"]);
    }

    #[test]
    fn what_is_put_back_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        for path in ["1", "2"] {
            frontier.add(&entry("a", path)).unwrap();
        }
        frontier.commit(b"").unwrap();
        let mut first = frontier.take("a").unwrap().unwrap();
        first.entry.tries += 1;
        frontier.put_back(&first);
        assert_eq!(frontier.commit(b"").unwrap(), ["a"]);
        assert_eq!(frontier.take("a").unwrap().unwrap().entry.url, "http://a/2");
        let again = frontier.take("a").unwrap().unwrap();
        assert_eq!((again.entry.url.as_str(), again.entry.tries), ("http://a/1", 1));
        assert_eq!(frontier.take("a").unwrap(), None);
    }

    #[test]
    fn two_processes_cannot_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let _one = DiskFrontier::open(folder.path()).unwrap();
        let other = DiskFrontier::open(folder.path()).map(|_| ());
        assert!(other.unwrap_err().to_string().contains("another process"));
    }
}
