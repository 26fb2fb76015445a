//! When a page is fetched again, and what is known of it then.
//!
//! Knows what it was like the last time, and an answer. Must not know how it is asked for, nor the clock.

use std::time::Duration;

use super::fetch::Fetch;
use super::hosts::millis;
use super::{Kept, Page};
use crate::frontier::{Entry, Visit};
use crate::limits;

/// How often pages are fetched again: after `first`, and from then on after half as long each time that they have changed, and half as long again each time
/// that they have not, within these bounds. What could not be had keeps its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recrawl {
    /// After how long a page is fetched again the first time.
    pub first: Duration,
    /// No sooner than this, however often it changes.
    pub least: Duration,
    /// No later than this, however seldom.
    pub most: Duration,
}

impl Default for Recrawl {
    /// After a day; no sooner than after an hour, and no later than after thirty days.
    fn default() -> Recrawl {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Recrawl { first: HOUR * 24, least: HOUR, most: HOUR * 24 * 30 }
    }
}

/// What a page is beside what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Changed,
    Same,
    /// It is the first time, or it could not be had.
    Unknown,
}

impl Recrawl {
    fn interval(&self, before: Option<&Visit>, change: Change) -> u64 {
        let last = before.map_or_else(|| millis(self.first), |visit| visit.interval);
        let next = match change {
            Change::Changed => last / 2,
            Change::Same => last.saturating_add(last / 2),
            Change::Unknown => last,
        };
        next.max(millis(self.least)).min(millis(self.most))
    }

    /// What there is to know of a page that was kept.
    pub(super) fn after(&self, page: &Page<'_>, kept: &Kept) -> Option<Visit> {
        let before = page.entry?.visit.as_deref();
        let field = |name: &str| {
            let value = page.fields.get(name).and_then(|value| value.to_str().ok());
            value.filter(|value| value.len() <= limits::VALIDATOR)
        };
        let text = |name| field(name).unwrap_or_default().to_owned();
        if let (Some(before), true) = (before, page.unmodified.is_some()) {
            // what is not said again is as it was (RFC 9111, 3.2); the ETag is the same
            let modified = field("last-modified").unwrap_or(&before.modified).to_owned();
            let interval = self.interval(Some(before), Change::Same);
            return Some(Visit { interval, modified, ..before.clone() });
        }
        let place = page.original.as_ref().map(|(url, date)| format!("{url} {date}"));
        let place = place.unwrap_or_else(|| kept.place.clone());
        let is_none = matches!(page.status, 304 | 429 | 500..);
        if is_none || page.truncated.is_some() {
            let mut visit = self.after_none(before);
            if page.status == 304 {
                // of another one, to be had without conditions (RFC 9111, 4.3.4)
                (visit.etag, visit.modified) = Default::default();
            }
            if visit.is_first() {
                visit.place = place;
            }
            return Some(visit);
        }
        let change = match before {
            Some(before) if (before.status, &before.digest) == (page.status, &kept.digest) => {
                Change::Same
            }
            // it could not be had until now
            Some(before) if before.status != 0 => Change::Changed,
            Some(_) | None => Change::Unknown,
        };
        Some(Visit {
            interval: self.interval(before, change),
            status: page.status,
            etag: text("etag"),
            modified: text("last-modified"),
            digest: kept.digest.clone(),
            place,
        })
    }

    /// What there is to know of one that could not be had.
    pub(super) fn after_none(&self, before: Option<&Visit>) -> Visit {
        let interval = self.interval(before, Change::Unknown);
        Visit { interval, ..before.cloned().unwrap_or_default() }
    }
}

impl Visit {
    /// By what a page is asked for if it has changed: If-None-Match and If-Modified-Since, as far as it has said.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [("if-none-match", &*self.etag), ("if-modified-since", &*self.modified)];
        let is_had = self.status == 200;
        fields.into_iter().filter(move |(_, value)| is_had && !value.is_empty())
    }

    /// Whether there was no answer yet, in whole or in part.
    pub(super) fn is_first(&self) -> bool {
        self.place.is_empty()
    }

    /// Whether a 304 with these validators is of what there was: not with another ETag, or where that said none, another Last-Modified.
    fn is_of(&self, etag: Option<&str>, modified: Option<&str>) -> bool {
        // a content coding makes a strong one weak, and a 304 has none
        let opaque = |etag: &str| etag.strip_prefix("W/").unwrap_or(etag).to_owned();
        match etag.filter(|_| !self.etag.is_empty()) {
            Some(etag) => opaque(etag) == opaque(&self.etag),
            None if self.etag.is_empty() => modified.is_none_or(|date| date == self.modified),
            None => true,
        }
    }
}

/// Where the payload is that an answer says is the same as before, and its digest; none of an answer that speaks of another one.
pub(super) fn unmodified(entry: &Entry, fetch: &Fetch) -> Option<((String, String), String)> {
    let visit = entry.visit.as_deref().filter(|_| fetch.status == 304)?;
    visit.conditions().next()?;
    if !visit.is_of(fetch.field("etag"), fetch.field("last-modified")) {
        return None;
    }
    let (url, date) = visit.place.split_once(' ')?;
    Some(((url.to_owned(), date.to_owned()), visit.digest.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warc::Truncated;

    #[test]
    fn intervals_follow_what_pages_do() {
        let second = Duration::from_secs(1);
        let recrawl = Recrawl { first: second * 8, least: second * 3, most: second * 20 };
        let mut visit = Visit::default();
        let table = [
            (None, Change::Unknown, 8_000),
            (Some(()), Change::Same, 12_000),
            (Some(()), Change::Same, 18_000),
            (Some(()), Change::Same, 20_000),
            (Some(()), Change::Unknown, 20_000),
            (Some(()), Change::Changed, 10_000),
            (Some(()), Change::Changed, 5_000),
            (Some(()), Change::Changed, 3_000),
            (Some(()), Change::Same, 4_500),
        ];
        for (before, change, expected) in table {
            visit.interval = recrawl.interval(before.map(|()| &visit), change);
            assert_eq!(visit.interval, expected, "{before:?} {change:?}");
        }
        // bounds that are none leave the upper one
        let recrawl = Recrawl { least: second * 30, ..recrawl };
        assert_eq!(recrawl.interval(None, Change::Unknown), 20_000);
    }

    /// What is known of a page after an answer, of which it was told before.
    fn after(
        before: Option<Visit>,
        status: u16,
        etag: &str,
        truncated: Option<Truncated>,
    ) -> Visit {
        let url = "http://a/".parse().unwrap();
        let entry = Entry {
            url: "http://a/".to_owned(),
            host: "a".to_owned(),
            depth: 0,
            redirects: 0,
            tries: 0,
            via: String::new(),
            visit: before.map(Box::new),
        };
        let mut fields = http::HeaderMap::new();
        fields.insert("etag", etag.parse().unwrap());
        let page = Page {
            url: &url,
            entry: Some(&entry),
            date: std::time::SystemTime::UNIX_EPOCH,
            address: None,
            request: b"",
            head: b"",
            status,
            fields: &fields,
            body: b"",
            decoded: b"",
            truncated,
            token: "",
            original: None,
            unmodified: None,
            simhash: None,
            similar: None,
        };
        let kept = Kept { digest: format!("of {etag}"), place: "http://a/ now".to_owned() };
        Recrawl::default().after(&page, &kept).unwrap()
    }

    #[test]
    fn an_error_or_a_part_is_no_change() {
        let had = after(None, 200, "1", None);
        assert_eq!((had.status, &*had.etag, &*had.digest), (200, "1", "of 1"));
        let parts = [(200, Some(Truncated::Length)), (404, Some(Truncated::Disconnect))];
        for (status, truncated) in [(429, None), (500, None), (503, None)].into_iter().chain(parts)
        {
            assert_eq!(after(Some(had.clone()), status, "2", truncated), had, "{status}");
            // nor is it anything to begin with, but that there was an answer
            let first = after(None, status, "2", truncated);
            assert!((first.status, &*first.etag) == (0, "") && !first.is_first(), "{first:?}");
            assert_eq!(after(Some(first), 200, "1", None), had, "{status}");
        }
        let gone = after(Some(had.clone()), 404, "2", None);
        assert_eq!((gone.status, gone.interval), (404, had.interval / 2));
    }

    #[test]
    fn a_304_that_is_of_another_one_ends_the_conditions() {
        let had = after(None, 200, "1", None);
        let bare = Visit { etag: String::new(), ..had.clone() };
        assert_eq!(after(Some(had), 304, "2", None), bare);
        let visit = |etag: &str, modified: &str| Visit {
            etag: etag.to_owned(),
            modified: modified.to_owned(),
            ..Visit::default()
        };
        let table = [
            (visit("\"1\"", "then"), Some("\"1\""), Some("now"), true),
            (visit("W/\"1\"", "then"), Some("\"1\""), None, true),
            (visit("\"1\"", "then"), Some("\"2\""), Some("then"), false),
            (visit("\"1\"", "then"), None, None, true),
            (visit("", "then"), Some("\"2\""), Some("then"), true),
            (visit("", "then"), Some("\"2\""), None, true),
            (visit("", "then"), None, Some("now"), false),
        ];
        for (visit, etag, modified, expected) in table {
            assert_eq!(visit.is_of(etag, modified), expected, "{visit:?} {etag:?} {modified:?}");
        }
    }

    #[test]
    fn validators_beyond_a_bound_are_none() {
        let longest = "x".repeat(limits::VALIDATOR);
        assert_eq!(after(None, 200, &longest, None).etag, longest);
        assert_eq!(after(None, 200, &format!("{longest}x"), None).etag, "");
    }

    #[test]
    fn only_what_was_had_is_asked_for_if_it_has_changed() {
        let visit = Visit {
            status: 200,
            etag: "\"1\"".to_owned(),
            modified: "then".to_owned(),
            ..Visit::default()
        };
        let fields = |visit: &Visit| visit.conditions().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(fields(&visit), ["if-none-match", "if-modified-since"]);
        let bare = Visit { etag: String::new(), ..visit.clone() };
        assert_eq!(fields(&bare), ["if-modified-since"]);
        assert_eq!(fields(&Visit { status: 404, ..visit }), [""; 0]);
    }
}
