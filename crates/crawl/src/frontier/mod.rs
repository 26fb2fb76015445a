//! What is still to be fetched, by host, and what has ever been seen.
//!
//! Knows URLs as text, hosts as names, and what survives a crash. Must not know what a URL leads to, nor when a host may be
//! asked. Invariants: a URL is added once, for ever; what is given out was committed before; what is over is over with the commit that says
//! so, and not before.

mod disk;
mod entry;

use std::fmt;

pub use disk::DiskFrontier;
pub use entry::{Entry, HostRecord, Queued};

/// Whether a URL has been seen, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It waits, or is being fetched.
    Queued,
    /// It is over.
    Done,
}

/// Queues by host, and the set of all URLs seen.
///
/// Changes are gathered, and become true together with [`commit`](Self::commit): whatever ends the process before, they were never made. Of what
/// is gathered nothing is given out.
pub trait Frontier {
    /// Queues a URL at the end of its host's queue, unless it has been seen. Returns whether it has not.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn add(&mut self, entry: &Entry) -> Result<bool, FrontierError>;

    /// The next of a host's queue. It is in flight until it is [finished](Self::finish) or [put back](Self::put_back), or the process ends: then it is queued again.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn take(&mut self, host: &str) -> Result<Option<Queued>, FrontierError>;

    /// What was taken is over.
    fn finish(&mut self, queued: &Queued);

    /// What was taken is to be tried again: it goes to the end of its host's queue.
    fn put_back(&mut self, queued: &Queued);

    /// What is known of a host, and kept with the next commit.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn host(&mut self, host: &str) -> Result<HostRecord, FrontierError>;

    /// Changes what is known of a host.
    fn set_host(&mut self, host: &str, record: HostRecord);

    /// All hosts that something is known of.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn hosts(&self) -> Result<Vec<String>, FrontierError>;

    /// Whether a URL has been seen.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn seen(&self, url: &str) -> Result<Option<Seen>, FrontierError>;

    /// An earlier page of the same payload: what [`Frontier::remember_payload`] was told, as far as it is committed.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn payload(&self, digest: &str) -> Result<Option<String>, FrontierError>;

    /// Remembers where a payload was met first.
    fn remember_payload(&mut self, digest: &str, place: &str);

    /// Whether a commit would change anything.
    fn is_changed(&self) -> bool;

    /// Makes all changes true together, and `mark` with them: how far whatever is kept elsewhere has come. When this returns, the disk has
    /// it. Returns the hosts that have got something to take.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn commit(&mut self, mark: &[u8]) -> Result<Vec<String>, FrontierError>;

    /// The mark of the last commit; none before the first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn mark(&self) -> Result<Option<Vec<u8>>, FrontierError>;
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
