//! What is begun: of the hosts whose time has come, the next request of each.

use ringdove::sys::clock;
use ringdove::{Request, Time, Url};

use super::fetch::Fetch;
use super::{Ask, Crawl, CrawlError, Job, Purpose, SharedOptions, host_of, origin_of, state};
use crate::frontier::Queued;
use crate::limits;
use crate::robots::Standing;

/// What is to be done with the next of a host's queue.
enum Next {
    Fetch(Url),
    /// Its robots.txt comes first.
    Ask(Url),
    /// Not in this crawl.
    Refuse(String),
    /// Not in this run.
    Leave(String),
}

impl Crawl {
    pub(super) fn start_what_is_due(&mut self, now: Time) -> Result<(), CrawlError> {
        while self.in_flight.len() < self.config.parallel {
            let Some(host) = self.schedule.next(now) else { break };
            if !self.prepare(&host, now)? {
                self.schedule.rest(&host, now);
                continue;
            }
            if let Some((url, purpose)) = state(&mut self.hosts, &host).ready.take() {
                self.send(&host, url, purpose)?;
            }
        }
        Ok(())
    }

    /// Makes the next request of a host ready. Returns whether there is one: what needs no request is settled here, whatever the
    /// host's time.
    pub(super) fn prepare(&mut self, host: &str, now: Time) -> Result<bool, CrawlError> {
        let state = state(&mut self.hosts, host);
        if state.ready.is_some() {
            return Ok(true);
        }
        if let Some(ask) = state.asks.pop_front() {
            state.ready = Some((ask.url.clone(), Purpose::Robots(ask)));
            return Ok(true);
        }
        while let Some(queued) = self.next_of(host)? {
            match self.consider(&queued, now) {
                Next::Fetch(url) => {
                    let ready = Some((url, Purpose::Page(queued)));
                    self::state(&mut self.hosts, host).ready = ready;
                    return Ok(true);
                }
                Next::Ask(url) => {
                    self::state(&mut self.hosts, host).held.push_front(queued);
                    self.ask_for_robots(host, &origin_of(&url), &url);
                    return self.prepare(host, now);
                }
                Next::Refuse(why) => {
                    self.tally.refused += 1;
                    self.parts.log.refused(&queued.entry, &why);
                    self.parts.frontier.finish(&queued);
                }
                Next::Leave(why) => {
                    self.tally.left += 1;
                    self.parts.log.left(&queued.entry.url, &why);
                }
            }
        }
        Ok(false)
    }

    /// What was held, or else the next of the queue, if the host may be asked for pages now.
    fn next_of(&mut self, host: &str) -> Result<Option<Queued>, CrawlError> {
        let budget = &self.config.budget;
        let state = state(&mut self.hosts, host);
        if self.only_robots || state.awaited > 0 || state.given_up.is_some() {
            return Ok(None);
        }
        let record = state.record;
        if budget.host_pages.is_some_and(|most| record.pages >= most)
            || budget.host_bytes.is_some_and(|most| record.bytes >= most)
        {
            self.give_up(host, "its budget is spent");
            return Ok(None);
        }
        match state.held.pop_front() {
            Some(queued) => Ok(Some(queued)),
            None => Ok(self.parts.frontier.take(host)?),
        }
    }

    fn consider(&self, queued: &Queued, now: Time) -> Next {
        let Ok(url) = Url::parse(&queued.entry.url) else {
            return Next::Refuse("it is no URL".to_owned());
        };
        match self.origins.standing(&origin_of(&url), now) {
            Some(Standing::Rules(robots)) if robots.allows(&url) => Next::Fetch(url),
            Some(Standing::Rules(_)) => Next::Refuse("robots.txt disallows it".to_owned()),
            Some(Standing::Denied(why)) => Next::Leave(why.clone()),
            Some(Standing::Deferred) | None => Next::Ask(url),
        }
    }

    /// Nothing more is asked of a host in this run; the rest of its queue stays.
    pub(super) fn give_up(&mut self, host: &str, why: &str) {
        let state = state(&mut self.hosts, host);
        if state.given_up.is_none() {
            state.given_up = Some(why.to_owned());
            self.tally.left += state.held.len() as u64;
            self.parts.log.left(host, why);
        }
    }

    /// Puts the request for an origin's robots.txt before all else of its host, if it is not there.
    pub(super) fn ask_for_robots(&mut self, host: &str, origin: &str, url: &Url) {
        let Ok(robots) = url.join("/robots.txt") else { return };
        if self.origins.ask(origin) {
            let state = state(&mut self.hosts, host);
            state.awaited += 1;
            state.asks.push_back(Ask { origin: origin.to_owned(), url: robots, redirects: 0 });
        }
    }

    /// Sends a request. What cannot be asked for at all is over at once.
    fn send(&mut self, host: &str, url: Url, purpose: Purpose) -> Result<(), CrawlError> {
        let max_body = match purpose {
            Purpose::Page(_) => self.config.max_body,
            Purpose::Robots(_) => limits::ROBOTS_BYTES + 1,
        };
        let request = self.request(&url);
        let job = Job { host: host.to_owned(), url, purpose, began: clock::now() };
        match request {
            Ok(request) => {
                let id = self.driver.add(request, Box::new(Fetch::new(max_body)))?;
                self.in_flight.insert(id, job);
            }
            Err(why) => self.finish_unasked(job, &why.to_string())?,
        }
        Ok(())
    }

    fn request(&self, url: &Url) -> Result<Request, ringdove::RequestError> {
        let request = Request::for_url(ringdove::Method::GET, url)?
            .field("user-agent", &self.config.user_agent)?
            .field("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")?
            .field("accept-encoding", "gzip, deflate, br, zstd")?;
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

impl Ask {
    /// Where a redirect leads, and whose host that is.
    pub(super) fn redirected(self, url: Url) -> (String, Ask) {
        (host_of(&url), Ask { url, redirects: self.redirects + 1, ..self })
    }
}
