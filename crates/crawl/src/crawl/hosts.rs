//! The hosts that are awake: how they wake, and when they sleep again.
//!
//! Knows records and times. Must not know responses. Invariants: no more are awake than a bound for each that can be asked at once, and those that another
//! one's robots.txt leads to; a host that sleeps has nothing in memory, and nothing of it is lost by that.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ringdove::protocol::Origin;
use ringdove::{Time, Url};

use super::start::Prepared;
use super::{Ask, Crawl, CrawlError, Purpose};
use crate::frontier::{HostRecord, Left, Queued, Until};
use crate::limits;

/// A host that is awake.
#[derive(Default)]
pub(super) struct HostState {
    pub(super) record: HostRecord,
    /// Requests for a robots.txt: first its own, then those that lead here.
    pub(super) asks: VecDeque<Ask>,
    /// The last one was another host's: it is a page's turn.
    pub(super) has_served: bool,
    /// What was taken from the queue and waits for a robots.txt.
    pub(super) held: VecDeque<Queued>,
    /// What is sent when its time has come.
    pub(super) ready: Option<(Url, Purpose)>,
    /// Its origins whose robots.txt is being asked for.
    pub(super) awaited: Vec<String>,
}

/// All of them.
pub(super) type Hosts = HashMap<String, HostState>;

impl Crawl {
    /// Milliseconds since 1970, by a clock that nobody sets while this runs.
    pub(super) fn millis(&self, now: Time) -> u64 {
        self.began_at.saturating_add(millis(now.since(self.began)))
    }

    /// Wakes the hosts whose time has come, as many as there is room for.
    pub(super) fn wake_hosts(&mut self, now: Time) -> Result<(), CrawlError> {
        let room = self.room();
        let due = self.parts.frontier.wake_due(self.millis(now), room)?;
        for (host, record) in due {
            self.wake(&host, record, now);
        }
        Ok(())
    }

    /// When the next host can be asked, awake or to be woken.
    pub(super) fn next_time(&mut self, now: Time) -> Result<Option<Time>, CrawlError> {
        let awake = self.schedule.next_time();
        if self.room() == 0 {
            return Ok(awake);
        }
        let asleep = self
            .parts
            .frontier
            .next_wake()?
            .map(|time| now + Duration::from_millis(time.saturating_sub(self.millis(now))));
        Ok(awake.into_iter().chain(asleep).min())
    }

    /// How many more may be awake.
    fn room(&self) -> usize {
        let most = self.config.parallel.saturating_mul(limits::AWAKE_HOSTS);
        most.saturating_sub(self.hosts.len())
    }

    /// A host is awake, unless it has to wait for too long.
    fn wake(&mut self, host: &str, mut record: HostRecord, now: Time) {
        let run = self.parts.frontier.run();
        if record.run != run {
            record.begin(run);
            // when it was asked last nobody knows, nor by which clock it was said until when it is to be left alone
            let delay = millis(self.config.delay).max(record.delay);
            let latest = record.not_before.min(self.latest());
            record.not_before = latest.max(self.began_at.saturating_add(delay));
        }
        let wait = self.wait_of(&record, now);
        if wait > limits::AWAKE_WAIT {
            self.parts.frontier.sleep(host, record, Until::Time);
            return;
        }
        self.set_interval(host, record.delay, true);
        self.hosts.insert(host.to_owned(), HostState { record, ..HostState::default() });
        self.schedule.wait(host, now + wait);
    }

    /// Until when a host that an earlier run has asked can have to be left alone at most.
    pub(super) fn latest(&self) -> u64 {
        let longest = limits::BUSY_WAIT.max(limits::CRAWL_DELAY).max(self.config.delay);
        self.began_at.saturating_add(millis(longest))
    }

    /// Whether a host's time has come.
    pub(super) fn is_due(&self, host: &str, now: Time) -> bool {
        self.hosts.get(host).is_some_and(|state| self.wait_of(&state.record, now).is_zero())
    }

    fn wait_of(&self, record: &HostRecord, now: Time) -> Duration {
        Duration::from_millis(record.not_before.saturating_sub(self.millis(now)))
    }

    /// A host was asked, and is not asked again for `wait`. If it has more it waits for that, awake if that is not for long and there is
    /// room; if it has not it sleeps, but for what it awaits from others.
    pub(super) fn settle_host(
        &mut self,
        host: &str,
        now: Time,
        wait: Duration,
    ) -> Result<(), CrawlError> {
        let prepared = self.prepare(host, now)?;
        let not_before = self.millis(now).saturating_add(millis(wait)).saturating_add(1);
        let has_room = self.room() > 0;
        let Some(state) = self.hosts.get_mut(host) else { return Ok(()) };
        state.record.not_before = state.record.not_before.max(not_before);
        let record = state.record;
        let serves = !state.asks.is_empty() || matches!(state.ready, Some((_, Purpose::Robots(_))));
        let is_awaiting = !state.awaited.is_empty();
        let wait = wait.max(self.wait_of(&record, now));
        let until = match prepared {
            Prepared::InPart => {
                // there is more to settle, whatever its time
                self.schedule.wait(host, now);
                self.parts.frontier.set_host(host, record);
                return Ok(());
            }
            Prepared::Ready if wait <= limits::AWAKE_WAIT && (has_room || serves) => {
                self.schedule.wait(host, now + wait);
                self.parts.frontier.set_host(host, record);
                return Ok(());
            }
            Prepared::Ready => Until::Time,
            Prepared::Nothing if is_awaiting => {
                self.schedule.rest(host, now + wait);
                self.parts.frontier.set_host(host, record);
                return Ok(());
            }
            Prepared::Nothing if record.left == Left::Nothing => Until::Work,
            Prepared::Nothing => Until::NextRun,
        };
        self.sleep(host, until);
        Ok(())
    }

    /// A host sleeps. What was taken of its queue is taken again; robots.txts of others that were to be asked for here are by these.
    fn sleep(&mut self, host: &str, until: Until) {
        let Some(state) = self.hosts.remove(host) else { return };
        let HostState { mut record, mut asks, held, ready, .. } = state;
        let mut taken: Vec<_> = held.iter().map(|queued| queued.place).collect();
        match ready {
            Some((_, Purpose::Page(queued))) => taken.push(queued.place),
            Some((_, Purpose::Robots(ask))) => asks.push_front(ask),
            None => {}
        }
        record.from = taken.into_iter().fold(record.from, u64::min);
        self.schedule.forget(host);
        self.set_interval(host, record.delay, false);
        self.parts.frontier.sleep(host, record, until);
        for ask in asks.into_iter().filter(|ask| ask.home != host) {
            self.postpone(&ask, record.not_before);
        }
    }

    /// A robots.txt is asked for at another host.
    pub(super) fn pass_on(&mut self, ask: Ask, to: &str, now: Time) -> Result<(), CrawlError> {
        if !self.hosts.contains_key(to) {
            let record = self.parts.frontier.wake(to)?;
            self.wake(to, record, now);
        }
        match self.hosts.get_mut(to) {
            Some(state) => {
                state.asks.push_back(ask);
                self.schedule.wake(to);
            }
            None => {
                let record = self.parts.frontier.host(to)?.unwrap_or_default();
                self.postpone(&ask, record.not_before);
            }
        }
        Ok(())
    }

    /// A robots.txt cannot be asked for before `time`: until then its host sleeps.
    fn postpone(&mut self, ask: &Ask, time: u64) {
        let Some(state) = self.hosts.get_mut(&ask.home) else { return };
        state.awaited.retain(|origin| *origin != ask.origin);
        state.record.not_before = state.record.not_before.max(time);
        if state.awaited.is_empty() && self.schedule.is_resting(&ask.home) {
            self.sleep(&ask.home, Until::Time);
        }
    }

    /// A robots.txt of a host asks for a delay: the longest of all holds.
    pub(super) fn lengthen_delay(&mut self, host: &str, delay: u64) -> Result<(), CrawlError> {
        let frontier = &mut self.parts.frontier;
        let Some(state) = self.hosts.get_mut(host) else {
            let mut record = frontier.wake(host)?;
            record.delay = record.delay.max(delay);
            frontier.sleep(host, record, Until::Time);
            return Ok(());
        };
        if delay > state.record.delay {
            state.record.delay = delay;
            frontier.set_host(host, state.record);
            self.is_urgent = true;
            self.set_interval(host, delay, true);
        }
        Ok(())
    }

    /// The engine's gate keeps a longer delay, too, whoever asks, while its host is awake.
    pub(super) fn set_interval(&mut self, host: &str, delay: u64, is_awake: bool) {
        let delay = Duration::from_millis(delay);
        let named = Url::parse(&format!("http://{host}/")).ok();
        if delay > self.config.delay
            && let Some(origin) = named.and_then(|url| Origin::from_url(&url).ok())
        {
            self.driver.settings().set_interval(origin.host(), is_awake.then_some(delay));
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
