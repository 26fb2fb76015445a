//! What has come: pages with their links, robots.txts, failures.

use std::time::Duration;

use ringdove::error::{Cause, Deadline, Error};
use ringdove::sys::clock;
use ringdove::{Message, Outcome, Report, Time, Times, Url};

use super::fetch::Fetch;
use super::pace::{self, retry_after};
use super::recrawl::unmodified;
use super::{Ask, Crawl, CrawlError, Job, Known, Page, Purpose, millis, origin_of};
use crate::frontier::{Entry, HostRecord, Queued, RobotsRecord, Visit};
use crate::limits;
use crate::links::{Kind, Link};
use crate::robots::{Answer, Robots, Standing};
use crate::warc::Truncated;

impl Crawl {
    /// Takes what a transfer has come to.
    pub(super) fn finish(&mut self, message: Message) -> Result<(), CrawlError> {
        let Some(job) = self.in_flight.remove(&message.transfer) else { return Ok(()) };
        let Ok((outcome, fetch)) = message.into_parts::<Fetch>() else { return Ok(()) };
        let now = clock::now();
        if is_held_up(&outcome) {
            return self.put_off(job, now);
        }
        self.uncommitted += 1;
        let rules = match &job.purpose {
            Purpose::Page(_) => None,
            Purpose::Robots(ask) => self.rules_before(&ask.origin, now)?,
        };
        let (host, origin) = (job.host.clone(), job.charged_origin());
        let pause = self.pause_after(&job, &origin, &outcome, &fetch, rules.is_some(), now);
        match job.purpose {
            Purpose::Page(queued) => {
                self.finish_page(queued, &job.url, outcome, &fetch, pause.is_none())?;
            }
            Purpose::Robots(ask) => {
                self.keep_robots(&job.url, &outcome, &fetch)?;
                self.finish_robots(ask, &host, outcome, &fetch, rules)?;
            }
        }
        if pause.is_none() {
            self.leave_origin(&origin);
        }
        let told = self.hosts.get(&host).map_or(0, |state| state.record.delay);
        let delay = self.config.delay.max(Duration::from_millis(told));
        self.settle_host(&host, now, delay.max(pause.unwrap_or_default()))
    }

    /// Others of its domain or address had their turns for too long: the host was not asked, and sleeps, so that others have its place.
    fn put_off(&mut self, job: Job, now: Time) -> Result<(), CrawlError> {
        let Some(state) = self.hosts.get_mut(&job.host) else { return Ok(()) };
        match job.purpose {
            Purpose::Page(queued) => state.held.push_front(queued),
            Purpose::Robots(ask) => state.asks.push_front(ask),
        }
        let wait = pace::held_up(&mut state.record, self.config.held_up_wait);
        self.settle_host(&job.host, now, wait)
    }

    /// What could not even be asked for.
    pub(super) fn finish_unasked(&mut self, job: Job, why: &str) -> Result<(), CrawlError> {
        match job.purpose {
            Purpose::Page(queued) => {
                self.tally.failed += 1;
                self.parts.log.failed(&queued.entry, why);
                self.visit_later(&queued.entry);
                self.parts.frontier.finish(&queued);
            }
            Purpose::Robots(ask) => {
                let why = format!("robots.txt could not be asked for: {why}");
                self.settle_robots(&ask, Standing::Denied(why), None)?;
            }
        }
        self.settle_host(&job.host, clock::now(), Duration::ZERO)
    }

    /// How long the host that was asked is to be left alone beyond its delay; `None` if the origin that this counts against is given up for this run.
    ///
    /// A host is left alone as long as it says itself, whoever has led there. That it does not answer, or is busy again and again, counts against
    /// the one whose robots.txt was asked for: where that leads is its own choice, and others lose nothing by it. That there is no answer counts against
    /// that origin alone: whoever has links to ports of a host that are closed takes nothing from its other ones.
    fn pause_after(
        &mut self,
        job: &Job,
        origin: &str,
        outcome: &Outcome,
        fetch: &Fetch,
        has_rules: bool,
        now: Time,
    ) -> Option<Duration> {
        let charged = job.charged();
        let Some(state) = self.hosts.get_mut(&job.host) else { return Some(Duration::ZERO) };
        let asked = &mut state.record;
        asked.held_up = 0;
        if !fetch.head.is_empty() {
            self.origins.answered(origin);
        }
        let is_denied = matches!(job.purpose, Purpose::Robots(_)) && !has_rules;
        let pause = match &outcome.result {
            Ok(response) if matches!(response.status, 429 | 503) => {
                let told = fetch.field("retry-after");
                let told = told.and_then(|value| retry_after(value, fetch.field("date")));
                if told.is_none() && response.status == 503 && is_denied {
                    // nothing more is asked of this origin in this run anyway
                    return Some(Duration::ZERO);
                }
                let mut nobody = HostRecord::default();
                let charged = self.hosts.get_mut(charged).map(|state| &mut state.record);
                pace::busy(charged.unwrap_or(&mut nobody), told, self.config.busy_wait)
            }
            Ok(_) => {
                let Times { queue, resolve, total, .. } = outcome.report.times;
                return Some(pace::answered(asked, total.saturating_sub(queue + resolve)));
            }
            // that it answers at all is not known
            Err(error) if error.is_transient() && fetch.head.is_empty() && !is_denied => {
                let times = self.origins.failed(origin);
                let pause = self.pause_after_none(charged, times, now);
                if charged == job.host { pause? } else { Duration::ZERO }
            }
            Err(_) => return Some(Duration::ZERO),
        };
        // so that another run keeps it, too
        self.is_urgent = true;
        Some(pause)
    }

    /// No answer came of an origin of this host, for so many times in a row. Returns how long the host is left alone.
    fn pause_after_none(&mut self, charged: &str, times: u32, now: Time) -> Option<Duration> {
        let now = self.millis(now);
        // one that sleeps since has begun anew
        let Some(state) = self.hosts.get_mut(charged) else { return Some(Duration::ZERO) };
        let pause = pace::failed(&mut state.record, times, self.config.retry_wait)?;
        state.record.not_before = state.record.not_before.max(now.saturating_add(millis(pause)));
        self.parts.frontier.set_host(charged, state.record);
        Some(pause)
    }

    /// Nothing more is asked of an origin in this run. What is known of its robots.txt stays for the next.
    fn leave_origin(&mut self, origin: &str) {
        const WHY: &str = "it does not answer";
        self.parts.log.left(origin, WHY);
        self.origins.leave(origin, WHY);
    }

    fn finish_page(
        &mut self,
        mut queued: Queued,
        url: &Url,
        outcome: Outcome,
        fetch: &Fetch,
        is_given_up: bool,
    ) -> Result<(), CrawlError> {
        let passes = match &outcome.result {
            Ok(response) if matches!(response.status, 429 | 503) => {
                Some(response.status.to_string())
            }
            Ok(_) => None,
            Err(error) if error.is_transient() => Some(error.to_string()),
            Err(_) => None,
        };
        if let Some(why) = passes.filter(|_| queued.entry.tries + 1 < self.config.tries) {
            queued.entry.tries += u8::from(!is_given_up);
            self.tally.retried += 1;
            self.parts.log.retried(&queued.entry, &why);
            self.parts.frontier.put_back(&queued);
            return Ok(());
        }
        match outcome.result {
            Err(error) if fetch.head.is_empty() => {
                self.tally.failed += 1;
                self.parts.log.failed(&queued.entry, &error.to_string());
                self.visit_later(&queued.entry);
            }
            result => {
                let truncated = truncated(result.err().as_ref(), fetch);
                self.keep_page(&queued, url, &outcome.report, fetch, truncated)?;
            }
        }
        self.parts.frontier.finish(&queued);
        Ok(())
    }

    /// Keeps a page, and queues where it leads.
    fn keep_page(
        &mut self,
        queued: &Queued,
        url: &Url,
        report: &Report,
        fetch: &Fetch,
        truncated: Option<Truncated>,
    ) -> Result<(), CrawlError> {
        let token = self.token.clone();
        let decoded = fetch.decoded(self.config.max_decoded);
        let mut parts = String::new();
        if let Some(why) = truncated {
            self.tally.in_part += 1;
            parts.push_str(&format!(", in part: {}", why.name()));
        }
        if decoded.len() == self.config.max_decoded {
            parts.push_str(&format!(", links of its first {} bytes, decoded", decoded.len()));
        }
        let mut page = page_of(url, report, fetch, &token);
        (page.entry, page.decoded, page.truncated) = (Some(&queued.entry), &decoded, truncated);
        if self.config.revisits && !fetch.body.is_empty() {
            let kept = self.parts.frontier.payload(&crate::warc::digest_of(&fetch.body))?;
            page.original = kept.and_then(|place| {
                place.split_once(' ').map(|(url, date)| (url.to_owned(), date.to_owned()))
            });
        }
        if let Some((original, digest)) = unmodified(&queued.entry, fetch) {
            (page.original, page.unmodified) = (Some(original), Some(digest));
            self.tally.unmodified += 1;
        }
        let links = self.extract(&mut page, &mut parts)?;
        let kept = self.parts.sink.keep(&page)?;
        if self.config.revisits && page.original.is_none() {
            self.parts.frontier.remember_payload(&kept.digest, &kept.place);
        }
        let is_revisit = page.original.is_some();
        let visit = self.config.recrawl.and_then(|recrawl| recrawl.after(&page, &kept));
        for link in links {
            self.add(&link.url, link.kind, Some(&queued.entry))?;
        }
        if let Some(visit) = visit {
            self.tally.again += u64::from(queued.entry.visit.is_some());
            self.visit_again(&queued.entry, visit);
        }
        // what is fetched again takes nothing of what a host, or all of them, may take
        let is_first = queued.entry.visit.as_deref().is_none_or(Visit::is_first);
        let bytes = fetch.body.len() as u64;
        if is_first && let Some(state) = self.hosts.get_mut(&queued.entry.host) {
            state.record.pages += 1;
            state.record.bytes += bytes;
            self.parts.frontier.set_host(&queued.entry.host, state.record);
        }
        self.tally.count_response(fetch.status, is_first.then_some(bytes));
        self.tally.revisits += u64::from(is_revisit);
        self.parts.log.fetched(&queued.entry, fetch.status, fetch.body.len(), &parts);
        Ok(())
    }

    /// Where a page leads; and whether it is nearly the same as another one, if that is asked for.
    fn extract(
        &mut self,
        page: &mut Page<'_>,
        parts: &mut String,
    ) -> Result<Vec<Link>, CrawlError> {
        if !self.config.near_duplicates {
            return Ok(self.parts.extract.extract(page));
        }
        let (links, simhash) = self.parts.extract.extract_with_text(page);
        page.simhash = simhash;
        if let Some(simhash) = simhash {
            match self.parts.frontier.similar(simhash)? {
                None => self.parts.frontier.remember_similar(simhash, page.url.as_str()),
                // fetched again it is no other page
                Some((url, _)) if url == page.url.as_str() => {}
                Some((url, distance)) => {
                    self.tally.similar += 1;
                    parts.push_str(&format!(", nearly the same as {url} ({distance} bits)"));
                    page.similar = Some((url, distance));
                }
            }
        }
        Ok(links)
    }

    /// What could not be had now, or may not, is to be fetched again as a page is, where that is done at all.
    pub(super) fn visit_later(&mut self, entry: &Entry) {
        if let Some(recrawl) = self.config.recrawl {
            self.visit_again(entry, recrawl.after_none(entry.visit.as_deref()));
        }
    }

    fn visit_again(&mut self, entry: &Entry, visit: Visit) {
        let time = self.millis(clock::now()).saturating_add(visit.interval);
        let again = Entry { tries: 0, visit: Some(Box::new(visit)), ..entry.clone() };
        self.parts.frontier.visit_again(&again, time);
    }

    /// Robots.txts are kept as they are, and counted with no page.
    fn keep_robots(
        &mut self,
        url: &Url,
        outcome: &Outcome,
        fetch: &Fetch,
    ) -> Result<(), CrawlError> {
        if !fetch.head.is_empty() && !self.only_robots {
            let token = self.token.clone();
            let mut page = page_of(url, &outcome.report, fetch, &token);
            page.truncated = truncated(outcome.result.as_ref().err(), fetch);
            self.parts.sink.keep(&page)?;
        }
        Ok(())
    }

    fn finish_robots(
        &mut self,
        ask: Ask,
        host: &str,
        outcome: Outcome,
        fetch: &Fetch,
        rules: Option<(u64, Vec<u8>)>,
    ) -> Result<(), CrawlError> {
        let status = outcome.result.as_ref().ok().map(|response| response.status);
        let location = fetch.field("location").and_then(|location| ask.url.join(location).ok());
        let location =
            location.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if let (Some(301 | 302 | 303 | 307 | 308), Some(url)) = (status, location)
            && ask.redirects < limits::ROBOTS_REDIRECTS
        {
            let (other, ask) = ask.redirected(url);
            return self.pass_on(ask, &other, clock::now());
        }
        let decoded = fetch.decoded(limits::ROBOTS_BYTES + 1);
        let answer = match status {
            Some(status) => Answer::Status(status, &decoded),
            None => Answer::Unreachable,
        };
        let mut standing = Standing::of(answer, rules.is_some());
        if let (Standing::Denied(why) | Standing::Kept(why), Err(error)) =
            (&mut standing, &outcome.result)
        {
            why.push_str(&format!(": {error}"));
        }
        if standing == Standing::Deferred && !self.only_robots {
            // one that sleeps since asks for it anew
            let Some(home) = self.hosts.get(&ask.home) else { return Ok(()) };
            if home.record.busy < limits::ROBOTS_DEFERRED
                && let Some(state) = self.hosts.get_mut(host)
            {
                self.parts.log.robots(&ask.origin, "429: asked for again later");
                state.asks.push_back(ask);
                return Ok(());
            }
            let why = "robots.txt was answered with 429".to_owned();
            standing = match rules {
                Some(_) => Standing::Kept(why),
                None => Standing::Denied(why),
            };
        }
        self.settle_robots(&ask, standing, rules)
    }

    /// The rules that an origin had, and when they were fetched, if that is not too long ago.
    fn rules_before(&self, origin: &str, now: Time) -> Result<Option<(u64, Vec<u8>)>, CrawlError> {
        let now = self.millis(now);
        Ok(match self.parts.frontier.robots(origin)? {
            Some(RobotsRecord::Rules { at, text, .. })
                if now.abs_diff(at) < millis(limits::ROBOTS_STALE) =>
            {
                Some((at, text))
            }
            _ => None,
        })
    }

    /// What an origin's robots.txt comes to is known: its host can go on. `before` is what was known of it.
    fn settle_robots(
        &mut self,
        ask: &Ask,
        standing: Standing,
        before: Option<(u64, Vec<u8>)>,
    ) -> Result<(), CrawlError> {
        let now = self.millis(clock::now());
        let said = match (standing, before) {
            (Standing::Rules(text), _) => {
                let until = now.saturating_add(millis(limits::ROBOTS_AGE));
                self.learn_rules(ask, text, now, until)?
            }
            (Standing::Kept(why), Some((at, text))) => {
                let until = now.saturating_add(millis(limits::ROBOTS_AGAIN));
                let said = self.learn_rules(ask, text, at, until)?;
                format!("{why}: as before, {said}")
            }
            (Standing::Denied(why) | Standing::Kept(why), _) => {
                let run = self.parts.frontier.run();
                let record = RobotsRecord::Denied { run, why: why.clone() };
                self.parts.frontier.set_robots(&ask.origin, record);
                self.origins.keep(&ask.origin, Known::Denied(why.clone()));
                why
            }
            (Standing::Deferred, _) => "429".to_owned(),
        };
        self.parts.log.robots(&ask.origin, &said);
        if let Some(state) = self.hosts.get_mut(&ask.home) {
            state.awaited.retain(|origin| *origin != ask.origin);
            self.schedule.wake(&ask.home);
        }
        Ok(())
    }

    /// Takes the rules that were fetched at this time, and are believed until that. Returns what is to be said of them.
    fn learn_rules(
        &mut self,
        ask: &Ask,
        mut text: Vec<u8>,
        at: u64,
        until: u64,
    ) -> Result<String, CrawlError> {
        let length = text.len();
        text.truncate(limits::ROBOTS_BYTES);
        let mut robots = Robots::parse(&text, &self.token);
        self.parts.frontier.set_robots(&ask.origin, RobotsRecord::Rules { at, until, text });
        let delay = robots.crawl_delay().unwrap_or_default();
        self.lengthen_delay(&ask.home, millis(delay))?;
        if !self.only_robots
            && let Ok(base) = Url::parse(&ask.origin)
        {
            for sitemap in robots.sitemaps().iter().filter_map(|at| base.join(at).ok()) {
                self.add(&sitemap, Kind::Sitemap, None)?;
            }
        }
        robots.forget_sitemaps();
        self.origins.keep(&ask.origin, Known::Rules { robots, at, until });
        let part = if length > limits::ROBOTS_BYTES {
            format!(", of its first {} bytes", limits::ROBOTS_BYTES)
        } else {
            String::new()
        };
        Ok(format!("rules, with a delay of {delay:?}{part}"))
    }
}

impl Job {
    /// Against whom it counts that there is no answer.
    fn charged(&self) -> &str {
        match &self.purpose {
            Purpose::Page(_) => &self.host,
            Purpose::Robots(ask) => &ask.home,
        }
    }

    /// Which origin that is.
    fn charged_origin(&self) -> String {
        match &self.purpose {
            Purpose::Page(_) => origin_of(&self.url),
            Purpose::Robots(ask) => ask.origin.clone(),
        }
    }
}

fn page_of<'a>(url: &'a Url, report: &Report, fetch: &'a Fetch, token: &'a str) -> Page<'a> {
    Page {
        url,
        entry: None,
        date: fetch.date,
        address: report.remote.map(|remote| remote.ip()),
        request: &fetch.request,
        head: &fetch.head,
        status: fetch.status,
        fields: &fetch.fields,
        body: &fetch.body,
        decoded: &fetch.body,
        truncated: None,
        token,
        original: None,
        unmodified: None,
        simhash: None,
        similar: None,
    }
}

/// Whether nobody was asked, since others at the engine's gates had not let it through.
fn is_held_up(outcome: &Outcome) -> bool {
    let cause = outcome.result.as_ref().err().map(|error| &error.cause);
    matches!(cause, Some(Cause::Timeout { deadline: Deadline::Queue, .. }))
}

fn truncated(error: Option<&Error>, fetch: &Fetch) -> Option<Truncated> {
    match error.map(|error| &error.cause) {
        None => fetch.is_cut.then_some(Truncated::Length),
        Some(Cause::Timeout { .. }) => Some(Truncated::Time),
        Some(_) => Some(Truncated::Disconnect),
    }
}
