//! What is begun: of the hosts whose time has come, the next request of each.

use std::time::Duration;

use ringdove::{Request, Time, Url};

use super::fetch::Fetch;
use super::hosts::HostState;
use super::{
    Ask, Crawl, CrawlError, Job, Known, Purpose, Refusal, SharedOptions, host_of, origin_of,
};
use crate::frontier::{Left, Queued, Visit};
use crate::limits;

/// What is to be done with the next of a host's queue.
enum Next {
    Fetch(Url),
    /// Its robots.txt comes first.
    Ask(Url),
    /// Not in this crawl.
    Refuse(Refusal, &'static str),
    /// Not in this run.
    Leave(String),
}

/// What there is to ask a host for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// Its next request is ready.
    Ready,
    /// Nothing, for now.
    Nothing,
    /// That is not known yet: so much was settled in this turn that the rest is for the next.
    InPart,
}

impl Crawl {
    pub(super) fn start_what_is_due(&mut self, now: Time) -> Result<(), CrawlError> {
        if !self.only_robots {
            if self.config.recrawl.is_some() {
                self.parts.frontier.queue_visits(self.millis(now), limits::SETTLED)?;
            }
            self.wake_hosts(now)?;
        }
        for _ in 0..self.places() {
            let Some(host) = self.schedule.next(now) else { break };
            match self.prepare(&host, now)? {
                Prepared::Ready if self.is_due(&host, now) => self.send_ready(&host)?,
                Prepared::Ready | Prepared::Nothing => {
                    self.settle_host(&host, now, Duration::ZERO)?;
                }
                Prepared::InPart => {
                    // behind all whose time has come before
                    self.schedule.wait(&host, now);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes the next request of a host ready, if there is one. What needs no request is settled here, whatever the host's time, as far as
    /// [`limits::SETTLED`] in all of a turn.
    pub(super) fn prepare(&mut self, host: &str, now: Time) -> Result<Prepared, CrawlError> {
        let Some(state) = self.hosts.get_mut(host) else { return Ok(Prepared::Nothing) };
        // after another host's robots.txt it is a page's turn
        let is_first = state.asks.front().is_some_and(|ask| ask.home == host || !state.has_served);
        if state.ready.is_some() || is_first && state.make_ask_ready(host) {
            return Ok(Prepared::Ready);
        }
        state.has_served = false;
        while let Some(queued) = self.next_of(host)? {
            let Some(state) = self.hosts.get_mut(host) else { return Ok(Prepared::Nothing) };
            if self.settled >= limits::SETTLED {
                state.held.push_front(queued);
                return Ok(Prepared::InPart);
            }
            let next = self.consider(&queued, now)?;
            let Some(state) = self.hosts.get_mut(host) else { return Ok(Prepared::Nothing) };
            match next {
                Next::Fetch(url) => {
                    state.ready = Some((url, Purpose::Page(queued)));
                    return Ok(Prepared::Ready);
                }
                Next::Ask(url) => {
                    state.held.push_front(queued);
                    self.ask_for_robots(host, &origin_of(&url), &url);
                    break;
                }
                Next::Refuse(refusal, why) => {
                    self.settled += 1;
                    self.tally.count_refusal(refusal);
                    self.parts.log.refused(&queued.entry, why);
                    self.parts.frontier.finish(&queued);
                    self.visit_later(&queued.entry);
                }
                Next::Leave(why) => {
                    self.settled += 1;
                    state.record.left = state.record.left.max(Left::Some);
                    self.tally.left += 1;
                    self.parts.log.left(&queued.entry.url, &why);
                }
            }
        }
        let has_ask = self.hosts.get_mut(host).is_some_and(|state| state.make_ask_ready(host));
        Ok(if has_ask { Prepared::Ready } else { Prepared::Nothing })
    }

    /// What was held, or else the next of the queue, if the host may be asked for pages now.
    fn next_of(&mut self, host: &str) -> Result<Option<Queued>, CrawlError> {
        let budget = &self.config.budget;
        let Some(state) = self.hosts.get_mut(host) else { return Ok(None) };
        let record = state.record;
        if self.only_robots || !state.awaited.is_empty() || record.left == Left::All {
            return Ok(None);
        }
        if budget.host_pages.is_some_and(|most| record.pages >= most)
            || budget.host_bytes.is_some_and(|most| record.bytes >= most)
        {
            self.give_up(host, "its budget is spent");
            return Ok(None);
        }
        if let Some(queued) = state.held.pop_front() {
            return Ok(Some(queued));
        }
        let taken = self.parts.frontier.take(host, record.from)?;
        if let Some(queued) = &taken {
            state.record.from = queued.place + 1;
        }
        Ok(taken)
    }

    fn consider(&mut self, queued: &Queued, now: Time) -> Result<Next, CrawlError> {
        let Ok(url) = Url::parse(&queued.entry.url) else {
            return Ok(Next::Refuse(Refusal::Unfit, "it is no URL"));
        };
        Ok(match self.known(&origin_of(&url), now)?.as_deref() {
            Some(Known::Rules { robots, .. }) if robots.allows(&url) => Next::Fetch(url),
            Some(Known::Rules { .. }) => Next::Refuse(Refusal::Robots, "robots.txt disallows it"),
            Some(Known::Denied(why)) => Next::Leave(why.clone()),
            None => Next::Ask(url),
        })
    }

    /// Nothing more is asked of a host in this run; the rest of its queue stays.
    pub(super) fn give_up(&mut self, host: &str, why: &str) {
        let Some(state) = self.hosts.get_mut(host) else { return };
        if state.record.left != Left::All {
            state.record.left = Left::All;
            self.tally.left += state.held.len() as u64;
            self.tally.hosts_left += 1;
            self.parts.log.left(host, why);
        }
    }

    /// Puts the request for an origin's robots.txt before all else of its host, if it is not there.
    pub(super) fn ask_for_robots(&mut self, host: &str, origin: &str, url: &Url) {
        let Ok(robots) = url.join("/robots.txt") else { return };
        let Some(state) = self.hosts.get_mut(host) else { return };
        if !state.awaited.iter().any(|awaited| awaited == origin) {
            let (origin, home) = (origin.to_owned(), host.to_owned());
            state.awaited.push(origin.clone());
            state.asks.push_front(Ask { origin, home, url: robots, redirects: 0 });
        }
    }

    fn send_ready(&mut self, host: &str) -> Result<(), CrawlError> {
        match self.hosts.get_mut(host).and_then(|state| state.ready.take()) {
            Some((url, purpose)) => self.send(host, url, purpose),
            None => Ok(()),
        }
    }

    /// Sends a request. What cannot be asked for at all is over at once.
    fn send(&mut self, host: &str, url: Url, purpose: Purpose) -> Result<(), CrawlError> {
        let max_body = match purpose {
            Purpose::Page(_) => self.config.max_body,
            Purpose::Robots(_) => limits::ROBOTS_BYTES + 1,
        };
        let visit = match &purpose {
            Purpose::Page(queued) => queued.entry.visit.as_deref(),
            Purpose::Robots(_) => None,
        };
        let request = self.request(&url, visit);
        let job = Job { host: host.to_owned(), url, purpose };
        match request {
            Ok(request) => {
                let id =
                    self.driver.add(request, Box::new(Fetch::new(max_body, self.room.clone())))?;
                self.in_flight.insert(id, job);
            }
            Err(why) => self.finish_unasked(job, &why.to_string())?,
        }
        Ok(())
    }

    fn request(&self, url: &Url, visit: Option<&Visit>) -> Result<Request, ringdove::RequestError> {
        let mut request = Request::for_url(ringdove::Method::GET, url)?
            .field("user-agent", &self.config.user_agent)?
            .field("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")?
            .field("accept-encoding", "gzip, deflate, br, zstd")?;
        for (name, value) in visit.into_iter().flat_map(Visit::conditions) {
            request = request.field(name, value)?;
        }
        Ok(request.options(self.options()))
    }

    fn options(&self) -> SharedOptions {
        let options = ringdove::Options {
            timeouts: self.config.timeouts,
            // their bytes are what is kept
            versions: ringdove::HttpVersions::Http1,
            ..ringdove::Options::default()
        };
        options.into()
    }
}

impl HostState {
    /// Makes the next request for a robots.txt ready, if there is one.
    fn make_ask_ready(&mut self, host: &str) -> bool {
        let Some(ask) = self.asks.pop_front() else { return false };
        self.has_served = ask.home != host;
        self.ready = Some((ask.url.clone(), Purpose::Robots(ask)));
        true
    }
}

impl Ask {
    /// Where a redirect leads, and whose host that is.
    pub(super) fn redirected(self, url: Url) -> (String, Ask) {
        (host_of(&url), Ask { url, redirects: self.redirects + 1, ..self })
    }
}
