//! What a crawl has done.

/// What a crawl has done. Pages and bytes are those of all runs; the rest is of this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Responses that were kept, robots.txts apart; of a page that is fetched again the first.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Responses of this run.
    pub fetched: u64,
    /// Of these, those that were kept in part: they were longer than they may be, took too long, or broke off.
    pub in_part: u64,
    /// Responses of this run by the class of their status: 1xx, 2xx and so on.
    pub classes: [u64; 5],
    /// Of these, payloads that were kept before.
    pub revisits: u64,
    /// Pages that are nearly the same as one that was kept before.
    pub similar: u64,
    /// Pages that were fetched again.
    pub again: u64,
    /// Of these, those that are as they were, by what their servers say (304).
    pub unmodified: u64,
    /// URLs that were queued.
    pub queued: u64,
    /// Links that were not queued, and URLs that were not fetched: the log says why.
    pub refused: u64,
    /// Of these, for which reason, in the order of [`Refusal::ALL`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// URLs that were tried in vain.
    pub failed: u64,
    /// URLs that are to be tried again.
    pub retried: u64,
    /// URLs that stay queued for another run: their robots.txt could not be had, or their host was given up or has spent its budget.
    pub left: u64,
    /// Hosts that were given up for this run, or have spent their budget: whatever is queued of them stays.
    pub hosts_left: u64,
}

/// Why a URL is not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody can be asked for it.
    Unfit,
    /// It does not belong to the crawl.
    Scope,
    /// It looks as if a program made it.
    Trap,
    /// It is too many links from a seed.
    Depth,
    /// Too many redirects lead to it.
    Redirects,
    /// The robots.txt of its origin disallows it.
    Robots,
    /// Its host has as many URLs as it may.
    Crowded,
}

impl Refusal {
    /// All of them, in their order.
    pub const ALL: [Refusal; 7] = [
        Refusal::Unfit,
        Refusal::Scope,
        Refusal::Trap,
        Refusal::Depth,
        Refusal::Redirects,
        Refusal::Robots,
        Refusal::Crowded,
    ];

    /// The name, as figures have it.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Unfit => "unfit",
            Refusal::Scope => "scope",
            Refusal::Trap => "trap",
            Refusal::Depth => "depth",
            Refusal::Redirects => "redirects",
            Refusal::Robots => "robots",
            Refusal::Crowded => "crowded",
        }
    }
}

impl Tally {
    pub(super) fn count_refusal(&mut self, refusal: Refusal) {
        self.refused += 1;
        self.refusals[refusal as usize] += 1;
    }

    /// A response of this status was kept; if it is the first of its page, with a body of so many bytes.
    pub(super) fn count_response(&mut self, status: u16, first: Option<u64>) {
        self.fetched += 1;
        self.pages += u64::from(first.is_some());
        self.bytes += first.unwrap_or(0);
        if let Some(count) = self.classes.get_mut(usize::from(status / 100).wrapping_sub(1)) {
            *count += 1;
        }
    }
}

/// Why a crawl ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is nothing left that could be fetched now.
    Everything,
    /// A budget for all is spent.
    Budget,
}
