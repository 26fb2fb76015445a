//! The crawl: a frontier, a schedule, robots, a scope and a sink, joined around a driver.
//!
//! Knows all parts, which know nothing of each other. Invariants: a host is asked one thing at a time, its robots.txt first, and
//! not before its delay after the end of the last answer; what is fetched was committed as queued before; what is kept elsewhere is on the disk
//! before the commit that says so; what is in memory does not grow with the hosts that wait.

mod config;
mod fetch;
mod finish;
mod hosts;
mod log;
mod origins;
mod pace;
mod page;
mod places;
mod recrawl;
mod sink;
mod start;
mod status;
mod tally;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ringdove::protocol::Origin;
use ringdove::sys::clock;
use ringdove::{Driver, DriverError, MultiError, Time, TransferId, Url};

use crate::frontier::{Entry, Frontier, FrontierError, Queued, Seen, Totals};
use crate::limits;
use crate::links::Kind;
use crate::schedule::Schedule;
use crate::scope::Scope;
use fetch::Room;
use hosts::{HostState, Hosts, millis};
use origins::{Known, Origins};
use start::Prepared;

pub use config::{Budget, CrawlConfig};
pub use log::Log;
pub use page::{Extract, Page, StandardExtract};
pub use recrawl::Recrawl;
pub use sink::{Kept, Sink, WarcSink};
pub use status::{HostStatus, Status};
pub use tally::{End, Refusal, Tally};

/// A crawl.
///
/// Made from a driver and its parts, given seeds, and turned until it [ends](Self::turn). Whatever ends the process before, another one with
/// the same frontier and sink goes on.
pub struct Crawl {
    driver: Driver,
    config: CrawlConfig,
    /// The name by which a robots.txt speaks of it.
    token: String,
    parts: Parts,
    schedule: Schedule,
    hosts: Hosts,
    origins: Origins,
    room: Arc<Room>,
    in_flight: HashMap<TransferId, Job>,
    tally: Tally,
    began: Time,
    /// When that was, in milliseconds since 1970.
    began_at: u64,
    committed: Time,
    /// Pages and robots.txt since the last commit.
    uncommitted: usize,
    /// URLs that were settled without a request in this turn.
    settled: usize,
    /// Something was learnt that has to survive before the next request.
    is_urgent: bool,
    /// Nothing but robots.txt is asked for.
    only_robots: bool,
}

/// What a crawl is made of.
pub struct Parts {
    /// What is to be fetched.
    pub frontier: Box<dyn Frontier>,
    /// Which URLs belong to it.
    pub scope: Box<dyn Scope>,
    /// Where pages lead.
    pub extract: Box<dyn Extract>,
    /// Where pages are kept.
    pub sink: Box<dyn Sink>,
    /// Where is said what became of each URL.
    pub log: Log,
}

/// A request for an origin's robots.txt: at first where it is, then where that leads.
struct Ask {
    origin: String,
    /// The host of that.
    home: String,
    url: Url,
    redirects: usize,
}

/// What is in flight.
struct Job {
    host: String,
    url: Url,
    purpose: Purpose,
}

enum Purpose {
    Page(Queued),
    Robots(Ask),
}

/// What a crawl would do with a URL.
#[derive(Debug, Clone)]
pub struct Explained {
    /// How it is always written.
    pub canonical: Url,
    /// Whether it belongs to the crawl, or why not.
    pub scope: Result<(), String>,
    /// Whether it looks as if a program made it, and how.
    pub trap: Result<(), String>,
    /// What the robots.txt of its origin says.
    pub robots: Result<(), String>,
    /// The delay of its host.
    pub delay: Duration,
    /// Whether it has been seen.
    pub seen: Option<Seen>,
}

impl Crawl {
    /// Makes a crawl of its parts. What the frontier has from an earlier run is gone on with, each host after its delay, since nobody
    /// knows when it was asked last.
    ///
    /// `driver` has to be made with what [`CrawlConfig::engine`] makes of a configuration.
    ///
    /// # Errors
    ///
    /// The user agent is no name with a contact, or the frontier cannot be read or written.
    pub fn new(driver: Driver, config: CrawlConfig, parts: Parts) -> Result<Crawl, CrawlError> {
        let token = config.token()?.to_owned();
        let now = clock::now();
        let Totals { pages, bytes } = parts.frontier.totals();
        let mut crawl = Crawl {
            driver,
            room: Room::new(config.max_bodies, config.parallel),
            config,
            token,
            parts,
            schedule: Schedule::default(),
            hosts: Hosts::new(),
            origins: Origins::default(),
            in_flight: HashMap::new(),
            tally: Tally { pages, bytes, ..Tally::default() },
            began: now,
            began_at: u64::try_from(clock::unix_micros() / 1_000).unwrap_or(0),
            committed: now,
            uncommitted: 0,
            settled: 0,
            is_urgent: false,
            only_robots: false,
        };
        let latest = crawl.latest();
        crawl.parts.frontier.distrust(latest);
        if let Some(recrawl) = crawl.config.recrawl {
            crawl.parts.frontier.distrust_visits(crawl.began_at, millis(recrawl.most))?;
        }
        Ok(crawl)
    }

    /// Queues seeds that have not been seen. Those that are refused are in the log, with the reason.
    ///
    /// # Errors
    ///
    /// The frontier cannot be read.
    pub fn add_seeds(&mut self, seeds: &[Url]) -> Result<(), CrawlError> {
        for seed in seeds {
            self.add(seed, Kind::Page, None)?;
        }
        self.is_urgent = true;
        Ok(())
    }

    /// Goes on for `max` at most: begins what is due, waits, and takes what has come.
    ///
    /// # Errors
    ///
    /// The driver, the frontier or the sink cannot go on. What was committed is safe.
    pub fn turn(&mut self, max: Duration) -> Result<Option<End>, CrawlError> {
        let now = clock::now();
        self.settled = 0;
        self.commit_if_due(now)?;
        let is_spent = self.config.budget.is_spent(&self.tally, now.since(self.began));
        if !is_spent {
            self.start_what_is_due(now)?;
        }
        let next = self.next_time(now)?;
        if self.in_flight.is_empty() && (is_spent || next.is_none()) {
            if self.is_uncommitted() {
                self.commit(now)?;
                return Ok(None);
            }
            return Ok(Some(if is_spent { End::Budget } else { End::Everything }));
        }
        let due = next.filter(|_| !is_spent && self.places() > 0);
        let until = due.map_or(max, |due| due.since(now).min(max));
        let until = if self.is_uncommitted() { until.min(limits::COMMIT_AGE) } else { until };
        self.driver.turn(Some(until))?;
        while let Some(message) = self.driver.next_message() {
            self.finish(message)?;
        }
        Ok(None)
    }

    /// Ends the crawl here: what is in flight will be fetched again, all else is committed.
    ///
    /// # Errors
    ///
    /// The frontier or the sink cannot be written.
    pub fn stop(mut self) -> Result<Tally, CrawlError> {
        self.commit(clock::now())?;
        Ok(self.tally)
    }

    /// What was done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What is being fetched now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Hosts that are in memory now: those that are asked, or will be in a while. All others are in the frontier.
    pub fn awake(&self) -> usize {
        self.hosts.len()
    }

    /// Has another thread, or a signal handler, end the wait of a turn.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn waker(&mut self) -> Result<ringdove::Waker, CrawlError> {
        Ok(self.driver.waker()?)
    }

    /// What the crawl would do with a URL. Its origin's robots.txt is asked for, and nothing else.
    ///
    /// # Errors
    ///
    /// As [`Crawl::turn`].
    pub fn explain(mut self, url: &Url) -> Result<Explained, CrawlError> {
        let canonical = self.config.rules.canonical(url);
        let seen = self.parts.frontier.seen(canonical.as_str())?;
        let (host, origin) = (host_of(&canonical), origin_of(&canonical));
        self.only_robots = true;
        // whatever it waits for, this is now
        let mut record = self.parts.frontier.wake(&host)?;
        record.not_before = 0;
        self.hosts.insert(host.clone(), HostState { record, ..HostState::default() });
        self.ask_for_robots(&host, &origin, &canonical);
        self.schedule.wait(&host, Time::ZERO);
        while !self.in_flight.is_empty() || self.schedule.next_time().is_some() {
            self.start_what_is_due(clock::now())?;
            let due =
                self.schedule.next_time().map_or(limits::COMMIT_AGE, |due| due.since(clock::now()));
            self.driver.turn(Some(due.min(limits::COMMIT_AGE)))?;
            while let Some(message) = self.driver.next_message() {
                self.finish(message)?;
            }
        }
        let robots = match self.known(&origin, clock::now())?.as_deref() {
            Some(Known::Rules { robots, .. }) if robots.allows(&canonical) => Ok(()),
            Some(Known::Rules { .. }) => Err("robots.txt disallows it".to_owned()),
            Some(Known::Denied(why)) => Err(why.clone()),
            None => Err("robots.txt is to be asked for later".to_owned()),
        };
        let record = self.parts.frontier.host(&host)?.unwrap_or_default();
        let delay = self.config.delay.max(Duration::from_millis(record.delay));
        let (scope, trap) =
            (self.parts.scope.admits(&canonical), self.config.traps.check(&canonical));
        Ok(Explained { canonical, scope, trap, robots, delay, seen })
    }

    /// Queues where a link leads, unless something stands against it, which the log says.
    fn add(&mut self, url: &Url, kind: Kind, from: Option<&Entry>) -> Result<(), CrawlError> {
        let url = self.config.rules.canonical(url);
        let is_redirect = kind == Kind::Redirect;
        let entry = Entry {
            host: host_of(&url),
            depth: from.map_or(0, |from| from.depth + u32::from(!is_redirect)),
            redirects: from.map_or(0, |from| if is_redirect { from.redirects + 1 } else { 0 }),
            tries: 0,
            via: from.map_or_else(String::new, |from| from.url.clone()),
            visit: None,
            url: url.as_str().to_owned(),
        };
        let stands_against = self.stands_against(&entry, &url);
        if let Some((refusal, why)) = stands_against {
            self.tally.count_refusal(refusal);
            self.parts.log.refused(&entry, &why);
        } else if self.is_too_many(&entry)? {
            self.tally.count_refusal(Refusal::Crowded);
            self.parts.log.refused(&entry, "its host has as many URLs as it may");
        } else if self.parts.frontier.add(&entry)? {
            self.tally.queued += 1;
        }
        Ok(())
    }

    /// Whether it would be a new one of a host that has had as many URLs queued as it may.
    fn is_too_many(&self, entry: &Entry) -> Result<bool, CrawlError> {
        let Some(most) = self.config.budget.host_urls else { return Ok(false) };
        let frontier = &self.parts.frontier;
        Ok(frontier.urls(&entry.host)? >= most && frontier.seen(&entry.url)?.is_none())
    }

    fn stands_against(&self, entry: &Entry, url: &Url) -> Option<(Refusal, String)> {
        // who cannot be asked at all
        if let Err(why) = Origin::from_url(url) {
            return Some((Refusal::Unfit, why.to_string()));
        }
        if entry.redirects > limits::REDIRECTS {
            let why = format!("more than {} redirects", limits::REDIRECTS);
            return Some((Refusal::Redirects, why));
        }
        if self.config.budget.depth.is_some_and(|most| entry.depth > most) {
            return Some((Refusal::Depth, format!("{} links from a seed", entry.depth)));
        }
        let scope = self.parts.scope.admits(url).map_err(|why| (Refusal::Scope, why));
        let trap = |()| self.config.traps.check(url).map_err(|why| (Refusal::Trap, why));
        scope.and_then(trap).err()
    }

    /// How many more requests may be begun.
    fn places(&self) -> usize {
        let held_up = self.driver.stats().held_up;
        places::free(self.config.parallel, self.in_flight.len(), held_up)
    }

    fn is_uncommitted(&self) -> bool {
        self.parts.frontier.uncommitted() > 0 || self.uncommitted > 0
    }

    fn commit_if_due(&mut self, now: Time) -> Result<(), CrawlError> {
        let is_old = now.since(self.committed) >= limits::COMMIT_AGE;
        let is_large = self.uncommitted >= limits::COMMIT_PAGES
            || self.parts.frontier.uncommitted() >= limits::COMMIT_BYTES;
        // nothing else can be done before
        let is_idle = self.in_flight.is_empty() && self.next_time(now)?.is_none_or(|due| due > now);
        if self.is_uncommitted() && (is_old || is_large || is_idle || self.is_urgent) {
            self.commit(now)?;
        }
        Ok(())
    }

    /// First what is kept, then the frontier that says so.
    fn commit(&mut self, now: Time) -> Result<(), CrawlError> {
        let mark = self.parts.sink.sync()?;
        for host in self.parts.frontier.commit(&mark, self.millis(now))? {
            if self.prepare(&host, now)? != Prepared::Nothing {
                self.schedule.wake(&host);
            }
        }
        self.parts.log.flush()?;
        (self.committed, self.uncommitted, self.is_urgent) = (now, 0, false);
        Ok(())
    }

    /// What holds for an origin now; `None` if its robots.txt is to be asked for.
    fn known(&mut self, origin: &str, now: Time) -> Result<Option<Arc<Known>>, CrawlError> {
        let now = self.millis(now);
        Ok(self.origins.known(origin, &*self.parts.frontier, &self.token, now)?)
    }
}

/// A crawl cannot go on, or not begin.
#[derive(Debug)]
#[non_exhaustive]
pub enum CrawlError {
    /// What it calls itself is no name with a contact.
    UserAgent(String),
    /// The frontier.
    Frontier(FrontierError),
    /// The driver cannot go on.
    Driver(MultiError),
    /// There is no driver here.
    NoDriver(DriverError),
    /// What is kept, or said, cannot be written.
    Io(io::Error),
}

impl fmt::Display for CrawlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrawlError::UserAgent(why) => f.write_str(why),
            CrawlError::Frontier(error) => write!(f, "{error}"),
            CrawlError::Driver(error) => write!(f, "{error}"),
            CrawlError::NoDriver(error) => write!(f, "{error}"),
            CrawlError::Io(error) => write!(f, "cannot write what is kept: {error}"),
        }
    }
}

impl std::error::Error for CrawlError {}

impl From<FrontierError> for CrawlError {
    fn from(error: FrontierError) -> CrawlError {
        CrawlError::Frontier(error)
    }
}

impl From<MultiError> for CrawlError {
    fn from(error: MultiError) -> CrawlError {
        CrawlError::Driver(error)
    }
}

impl From<DriverError> for CrawlError {
    fn from(error: DriverError) -> CrawlError {
        CrawlError::NoDriver(error)
    }
}

impl From<io::Error> for CrawlError {
    fn from(error: io::Error) -> CrawlError {
        CrawlError::Io(error)
    }
}

/// Whose queue a URL is in.
fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Whose robots.txt holds for a URL.
fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What all requests have in common.
type SharedOptions = Arc<ringdove::Options>;
