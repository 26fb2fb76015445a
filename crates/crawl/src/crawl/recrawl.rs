//! When a page is fetched again, and what is known of it then.
//!
//! Knows what it was like the last time, and an answer. Must not know how it is asked for, nor the clock.

use std::time::Duration;

use super::fetch::Fetch;
use super::hosts::millis;
use super::{Kept, Page};
use crate::frontier::{Entry, Visit};

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
        let field = |name: &str| page.fields.get(name).and_then(|value| value.to_str().ok());
        let text = |name| field(name).unwrap_or_default().to_owned();
        if let (Some(before), true) = (before, page.unmodified.is_some()) {
            // a validator that is not said again is as it was (RFC 9111, 3.2)
            let kept = |name: &str, old: &str| field(name).unwrap_or(old).to_owned();
            return Some(Visit {
                interval: self.interval(Some(before), Change::Same),
                etag: kept("etag", &before.etag),
                modified: kept("last-modified", &before.modified),
                ..before.clone()
            });
        }
        let change = match before {
            Some(before) if (before.status, &before.digest) == (page.status, &kept.digest) => {
                Change::Same
            }
            // it could not be had until now
            Some(before) if before.status != 0 => Change::Changed,
            Some(_) | None => Change::Unknown,
        };
        // of a part nobody can say that the whole is as it was
        let is_whole = page.truncated.is_none();
        let place = page.original.as_ref().map(|(url, date)| format!("{url} {date}"));
        Some(Visit {
            interval: self.interval(before, change),
            status: page.status,
            etag: if is_whole { text("etag") } else { String::new() },
            modified: if is_whole { text("last-modified") } else { String::new() },
            digest: kept.digest.clone(),
            place: place.unwrap_or_else(|| kept.place.clone()),
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
}

/// Where the payload is that an answer says is the same as before, and its digest.
pub(super) fn unmodified(entry: &Entry, fetch: &Fetch) -> Option<((String, String), String)> {
    let visit = entry.visit.as_deref().filter(|_| fetch.status == 304)?;
    visit.conditions().next()?;
    let (url, date) = visit.place.split_once(' ')?;
    Some(((url.to_owned(), date.to_owned()), visit.digest.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
