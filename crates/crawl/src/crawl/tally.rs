//! What a crawl has done.

/// What a crawl has done. Pages and bytes are those of all runs; the rest is of this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Responses that were kept, robots.txts apart.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Responses of this run.
    pub fetched: u64,
    /// Of these, those that were kept in part: they were longer than they may be, took too long, or broke off.
    pub in_part: u64,
    /// URLs that were queued.
    pub queued: u64,
    /// Links that were not queued, and URLs that were not fetched: the log says why.
    pub refused: u64,
    /// URLs that were tried in vain.
    pub failed: u64,
    /// URLs that are to be tried again.
    pub retried: u64,
    /// URLs that stay queued for another run: their robots.txt could not be had, or their host was given up or has spent its budget.
    pub left: u64,
    /// Hosts that were given up for this run, or have spent their budget: whatever is queued of them stays.
    pub hosts_left: u64,
}

/// Why a crawl ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is nothing left that could be fetched now.
    Everything,
    /// A budget for all is spent.
    Budget,
}
