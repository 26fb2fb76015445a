//! The requests of a transfer that others followed on, as far as they are of use afterwards.
//!
//! Knows of each a hash, how it was answered, and the beginning of its URL; and what all of them took. Keeps a [`Hop`] of each
//! where that was asked for. Must not know what leads on. Invariants: a request without such a record is some 200 bytes,
//! whatever its peer had it ask for; the URLs of a record are bounded,
//! and kept where there is memory for them.

use std::time::Duration;

use url::Url;

use crate::engine::memory::loans::{Loan, Memory};
use crate::engine::transfers::report::{Hop, Outcome, Report, Times};
use crate::error::{Progress, Redirected};
use crate::limits;
use crate::protocol::{Origin, RequestHead, is_same_site, redirects};

/// What one transfer has asked for before its request under way.
pub(super) struct History {
    past: Vec<Past>,
    took: Took,
    /// Where the last of them went.
    origin: Option<Origin>,
    /// They went to more than one site.
    crossed_sites: bool,
    record: Option<Vec<Hop>>,
    /// The URLs of the record, of so many bytes.
    urls: Option<Loan>,
}

struct Past {
    hash: u64,
    status: Option<u16>,
    url: Box<str>,
}

/// Sums over all.
#[derive(Default)]
struct Took {
    times: Times,
    wire_sent: u64,
    wire_received: u64,
    resent: u8,
}

impl Past {
    /// The status, if a redirect led on from it.
    fn redirected(&self) -> Option<u16> {
        self.status.filter(|&status| redirects(status))
    }
}

impl History {
    /// Of nothing yet; with a record of each if that is wanted.
    pub(super) fn new(records: bool) -> History {
        History {
            past: Vec::new(),
            took: Took::default(),
            origin: None,
            crossed_sites: false,
            record: records.then(Vec::new),
            urls: None,
        }
    }

    /// A request is over, another follows; `before` it began the transfer had lasted so long.
    pub(super) fn push(
        &mut self,
        head: &RequestHead,
        has_body: bool,
        report: Report,
        before: Duration,
        memory: &Memory,
    ) {
        let (origin, url) = (head.origin().clone(), head.shown_url());
        self.crossed_sites |= self.leads_elsewhere(&origin);
        self.origin = Some(origin);
        self.past.push(Past { hash: head.hash_of_request(has_body), status: report.status, url });
        self.took.add(&report);
        if self.record.is_some() {
            let urls = self.urls.get_or_insert_with(|| memory.lend());
            let bytes = urls.bytes() + head.target().len();
            let is_kept = bytes <= limits::HOP_URLS && urls.may_grow();
            if is_kept {
                urls.set(bytes);
            }
            self.record_hop(is_kept.then(|| head.url()), head, report, before);
        }
    }

    /// How many redirects were followed.
    pub(super) fn redirects(&self) -> usize {
        self.past.iter().filter(|past| past.redirected().is_some()).count()
    }

    /// Whether the same was asked for before.
    pub(super) fn has_asked(&self, head: &RequestHead, has_body: bool) -> bool {
        let hash = head.hash_of_request(has_body);
        self.past.iter().any(|past| past.hash == hash)
    }

    /// Whether any of them went to another site than `origin`'s.
    pub(super) fn leads_elsewhere(&self, origin: &Origin) -> bool {
        let last = self.origin.as_ref();
        self.crossed_sites || last.is_some_and(|last| !is_same_site(last.host(), origin.host()))
    }

    /// Those that redirected, in order.
    pub(super) fn chain(&self) -> Vec<Redirected> {
        let told =
            |past: &Past| Some(Redirected { url: past.url.clone(), status: past.redirected()? });
        self.past.iter().filter_map(told).collect()
    }

    /// Makes of the outcome of the last request, which began `before`, that of the whole transfer.
    #[cold]
    pub(super) fn conclude(mut self, head: &RequestHead, before: Duration, outcome: &mut Outcome) {
        if self.past.is_empty() {
            return;
        }
        let Outcome { result, report } = outcome;
        if let Err(error) = result {
            // whatever became of the last request, the first has been acted upon
            error.progress = error.progress.max(Progress::RequestSent);
        }
        if self.record.is_some() {
            // the last one's URL is kept in any case: it is where the transfer arrived
            self.record_hop(Some(head.url()), head, report.clone(), before);
        }
        report.requests = self.past.len() as u32 + 1;
        self.took.add(report);
        let Took { times, wire_sent, wire_received, resent } = self.took;
        let Times { first_byte, total, .. } = report.times;
        report.times = Times { first_byte, total, ..times };
        (report.wire_sent, report.wire_received) = (wire_sent, wire_received);
        report.resent = resent;
        report.hops = self.record.unwrap_or_default();
    }

    fn record_hop(
        &mut self,
        url: Option<Url>,
        head: &RequestHead,
        report: Report,
        before: Duration,
    ) {
        if let Some(record) = &mut self.record {
            record.push(Hop::new(url, head.method().clone(), report, before));
        }
    }
}

impl Took {
    fn add(&mut self, report: &Report) {
        let Times { queue, resolve, connect, proxy, tls, first_byte: _, total: _ } = report.times;
        let times = &mut self.times;
        times.queue += queue;
        times.resolve += resolve;
        times.connect += connect;
        times.proxy += proxy;
        times.tls += tls;
        self.wire_sent += report.wire_sent;
        self.wire_received += report.wire_received;
        self.resent = self.resent.saturating_add(report.resent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cause, Error, Phase};
    use crate::protocol::Version;
    use crate::{Request, Response};

    fn head(url: &str) -> RequestHead {
        Request::get(url).unwrap().head().clone()
    }

    fn redirected() -> Report {
        Report { status: Some(302), wire_sent: 10, ..Report::default() }
    }

    fn concluded(history: History, last: &str) -> Report {
        let response = Response { status: 200, version: Version::Http11 };
        let mut outcome = Outcome { result: Ok(response), report: Report::default() };
        history.conclude(&head(last), Duration::ZERO, &mut outcome);
        outcome.report
    }

    fn long(at: usize) -> String {
        format!("http://a.test/{at}{}", "x".repeat(limits::LOCATION - 100))
    }

    #[test]
    fn a_history_keeps_the_beginnings_of_urls_alone() {
        let memory = Memory::new(usize::MAX);
        let mut history = History::new(false);
        for at in 0..50 {
            history.push(&head(&long(at)), false, redirected(), Duration::ZERO, &memory);
        }
        assert_eq!(history.redirects(), 50);
        assert!(history.has_asked(&head(&long(7)), false));
        assert!(
            !history.has_asked(&head(&long(7)), true)
                && !history.has_asked(&head(&long(50)), false)
        );
        let chain = history.chain();
        assert!(chain.iter().all(|told| told.url.len() <= limits::SHOWN_URL + '…'.len_utf8()));
        let report = concluded(history, "http://a.test/");
        assert_eq!((report.requests, report.hops.len(), report.wire_sent), (51, 0, 500));
    }

    #[test]
    fn a_record_has_as_many_urls_as_there_is_room_for_and_the_last() {
        let memory = Memory::new(usize::MAX);
        let mut history = History::new(true);
        for at in 0..50 {
            history.push(&head(&long(at)), false, redirected(), Duration::ZERO, &memory);
        }
        let report = concluded(history, &long(50));
        assert_eq!((report.requests, report.hops.len()), (51, 51));
        let kept = report.hops.iter().filter_map(|hop| hop.url.as_ref());
        assert!(
            kept.map(|url| url.as_str().len()).sum::<usize>()
                <= limits::HOP_URLS + limits::LOCATION
        );
        assert_eq!(report.hops[50].url.as_ref().unwrap().as_str(), long(50));
    }

    #[test]
    fn a_way_over_several_sites_is_remembered() {
        let memory = Memory::new(usize::MAX);
        let origin = |url: &str| head(url).origin().clone();
        let mut history = History::new(false);
        history.push(&head("http://a.example/"), false, redirected(), Duration::ZERO, &memory);
        assert!(!history.leads_elsewhere(&origin("https://b.a.example/")));
        assert!(history.leads_elsewhere(&origin("http://other.test/")));
        history.push(&head("http://other.test/"), false, redirected(), Duration::ZERO, &memory);
        history.push(&head("http://a.example/"), false, redirected(), Duration::ZERO, &memory);
        assert!(history.leads_elsewhere(&origin("http://a.example/")));
    }

    #[test]
    fn what_fails_in_the_end_was_acted_upon_in_the_beginning() {
        let memory = Memory::new(usize::MAX);
        let mut history = History::new(false);
        history.push(&head("http://a.test/"), false, redirected(), Duration::ZERO, &memory);
        let (phase, progress) = (Phase::Connect, Progress::NothingSent);
        let error = Error { cause: Cause::Closed, phase, progress, attempts: None, url: None };
        let mut outcome = Outcome { result: Err(error), report: Report::default() };
        history.conclude(&head("http://b.test/"), Duration::ZERO, &mut outcome);
        assert_eq!(outcome.result.unwrap_err().progress, Progress::RequestSent);
    }

    #[test]
    fn a_record_of_a_crowd_has_the_urls_that_there_is_memory_for() {
        let memory = Memory::new(4 * limits::LOCATION);
        let mut histories: Vec<_> = (0..100).map(|_| History::new(true)).collect();
        for history in &mut histories {
            for at in 0..5 {
                history.push(&head(&long(at)), false, redirected(), Duration::ZERO, &memory);
            }
        }
        assert!(memory.held() <= 5 * limits::LOCATION, "{}", memory.held());
        for history in histories {
            let report = concluded(history, "http://a.test/");
            assert_eq!(report.hops.len(), 6);
            assert!(report.hops[5].url.is_some());
        }
        assert_eq!(memory.held(), 0);
    }
}
