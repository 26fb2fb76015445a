//! What is still to be fetched, by host, and what has ever been seen; and what is known of hosts, most of which wait.
//!
//! Knows URLs as text, hosts and origins as names, and what survives a crash. Must not know what a URL leads to, nor the clock: times are
//! arguments, in milliseconds since 1970. Invariants: a URL is added once, for ever; what is given out was committed before; what is over is over with the
//! commit that says so, and not before; a host that sleeps takes no memory.

mod disk;
mod entry;
mod recent;
mod rows;
mod similar;
mod visits;

use std::fmt;

pub use disk::DiskFrontier;
pub use entry::{Entry, HostRecord, Left, Queued, RobotsRecord, Visit};

/// Whether a URL has been seen, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It waits, or is being fetched.
    Queued,
    /// It is over.
    Done,
}

/// Until when a host sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its [time](HostRecord::not_before).
    Time,
    /// It has got something to take, and its time has come.
    Work,
    /// Another run; or, of a run that has not left [all](Left::All) of it, as with [`Until::Work`].
    NextRun,
}

/// What all hosts have come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Responses that were kept.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// Queues by host, and the set of all URLs seen.
///
/// Changes are gathered, and become true together with [`commit`](Self::commit): whatever ends the process before, they were never made. Of what
/// is gathered nothing is given out.
///
/// A host sleeps until its time has come and it has something to take; then it is [given out](Self::wake_due), and awake until it is put to
/// [sleep](Self::sleep) again, or the process ends: then it sleeps as it did before.
pub trait Frontier {
    /// The number of this run: that of the one before and one.
    fn run(&self) -> u64;

    /// Queues a URL at the end of its host's queue, unless it has been seen. Returns whether it has not.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn add(&mut self, entry: &Entry) -> Result<bool, FrontierError>;

    /// The next of a host's queue, from a place on. It is in flight until it is [finished](Self::finish) or [put back](Self::put_back), or
    /// the process ends: then it is queued again.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn take(&mut self, host: &str, from: u64) -> Result<Option<Queued>, FrontierError>;

    /// What was taken is over.
    fn finish(&mut self, queued: &Queued);

    /// What was taken is to be tried again: it goes to the end of its host's queue.
    fn put_back(&mut self, queued: &Queued);

    /// What is over is to be fetched again at `time`, with what its [`Entry::visit`] says. Of each URL that is said once, until it is [queued](Self::queue_visits).
    fn visit_again(&mut self, entry: &Entry, time: u64);

    /// Queues what is to be fetched again by `now`, `most` of it at most, and first what was to be so first. Returns whether there may be more.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn queue_visits(&mut self, now: u64, most: usize) -> Result<bool, FrontierError>;

    /// Wakes `most` hosts at most whose time has come by `now`, first those that have waited longest.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn wake_due(
        &mut self,
        now: u64,
        most: usize,
    ) -> Result<Vec<(String, HostRecord)>, FrontierError>;

    /// Wakes a host, whatever it waits for.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn wake(&mut self, host: &str) -> Result<HostRecord, FrontierError>;

    /// Of the hosts that earlier runs have put to sleep, those that would sleep longer than until `latest` are due now: the clock was
    /// another one then.
    fn distrust(&mut self, latest: u64);

    /// Of what earlier runs have said is to be fetched again, that which would be so later than `within` after `now` is due at times between: the clock was
    /// another one then, or what was wanted. Before anything else is said of this run.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or not be written.
    fn distrust_visits(&mut self, now: u64, within: u64) -> Result<(), FrontierError>;

    /// When the time of the next host comes that sleeps; `None` if none waits for its time.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn next_wake(&mut self) -> Result<Option<u64>, FrontierError>;

    /// Has a host that is awake sleep.
    fn sleep(&mut self, host: &str, record: HostRecord, until: Until);

    /// Changes what is known of a host that is awake.
    fn set_host(&mut self, host: &str, record: HostRecord);

    /// What is known of a host.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn host(&self, host: &str) -> Result<Option<HostRecord>, FrontierError>;

    /// What is known of an origin's robots.txt.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn robots(&self, origin: &str) -> Result<Option<RobotsRecord>, FrontierError>;

    /// Changes what is known of it.
    fn set_robots(&mut self, origin: &str, record: RobotsRecord);

    /// Whether a URL has been seen.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn seen(&self, url: &str) -> Result<Option<Seen>, FrontierError>;

    /// How many URLs of a host were ever queued.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn urls(&self, host: &str) -> Result<u64, FrontierError>;

    /// An earlier page of the same payload: what [`Frontier::remember_payload`] was told, as far as it is committed.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn payload(&self, digest: &str) -> Result<Option<String>, FrontierError>;

    /// Remembers where a payload was met first.
    fn remember_payload(&mut self, digest: &str, place: &str);

    /// Of the pages that [`Frontier::remember_similar`] was told of, one that is nearly the same: what that was told, and in how many bits of
    /// the [`simhash`](crate::simhash) it differs.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn similar(&self, simhash: u64) -> Result<Option<(String, u32)>, FrontierError>;

    /// Remembers a page, to which no other was similar.
    fn remember_similar(&mut self, simhash: u64, place: &str);

    /// Bytes, about, of what the next commit makes true; none if it would change nothing.
    fn uncommitted(&self) -> usize;

    /// Makes all changes true together, and `mark` with them: how far whatever is kept elsewhere has come. When this returns, the disk has
    /// it. Returns the hosts that are awake and have got something to take; others that have wait from `now` on.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn commit(&mut self, mark: &[u8], now: u64) -> Result<Vec<String>, FrontierError>;

    /// The mark of the last commit; none before the first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn mark(&self) -> Result<Option<Vec<u8>>, FrontierError>;

    /// What all hosts have come to, as far as it is committed.
    fn totals(&self) -> Totals;
}

/// The store cannot be read or written, or is another process's.
#[derive(Debug)]
pub struct FrontierError(pub(crate) String);

impl fmt::Display for FrontierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the frontier: {}", self.0)
    }
}

impl std::error::Error for FrontierError {}

impl From<fjall::Error> for FrontierError {
    fn from(error: fjall::Error) -> FrontierError {
        FrontierError(match error {
            fjall::Error::Locked => "another process has it open".to_owned(),
            error => error.to_string(),
        })
    }
}
