//! What follows from how a robots.txt was answered (RFC 9309, 2.3.1): rules, leave, a refusal, or another try later.
//!
//! Knows statuses and ages. Must not know sockets; the time is an argument, by whichever clock the caller keeps.

use std::time::Duration;

use super::Robots;
use crate::limits;

/// How a request for a robots.txt ended. (Redirects come before this: [`limits::ROBOTS_REDIRECTS`] of them are followed, to other
/// hosts, too, and what was asked for stands where it was.)
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// A response of this status. The body counts with 2xx.
    Status(u16, &'a [u8]),
    /// None: no address, no connection, no answer in time, or none that is HTTP.
    Unreachable,
}

/// What an origin's robots.txt comes to for one crawler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its rules. There are none, and all is allowed, where it is "unavailable" (4xx, more redirects than are followed).
    Rules(Robots),
    /// Nothing may be fetched, since it could not be had (5xx, no answer): this says why.
    Denied(String),
    /// Nothing is to be fetched for now, and it is to be asked for again (429).
    Deferred,
}

impl Standing {
    /// Of an answer, for the crawler with this product token. `old` is what was known before: it stays in use where
    /// there is no answer or 5xx now, which the caller forgets when it is older than it likes.
    pub fn of(answer: Answer<'_>, agent: &str, old: Option<&Robots>) -> Standing {
        let failed = |why: String| match old {
            Some(old) => Standing::Rules(old.clone()),
            None => Standing::Denied(why),
        };
        match answer {
            Answer::Status(200..=299, text) => Standing::Rules(Robots::parse(text, agent)),
            Answer::Status(429, _) => Standing::Deferred,
            // 3xx: more redirects than are followed, or none that can be
            Answer::Status(300..=499, _) => Standing::Rules(Robots::default()),
            Answer::Status(status, _) => failed(format!("robots.txt was answered with {status}")),
            Answer::Unreachable => failed("robots.txt could not be had".to_owned()),
        }
    }

    /// How long it holds.
    pub fn age(&self) -> Duration {
        match self {
            Standing::Rules(_) => limits::ROBOTS_AGE,
            Standing::Denied(_) | Standing::Deferred => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let url = "http://a.example/x".parse().unwrap();
        let deny = b"User-agent: *\nDisallow: /\n";
        let old = Robots::parse(deny, "bot");
        let of = |status, old| Standing::of(Answer::Status(status, b""), "bot", old);
        assert!(matches!(Standing::of(Answer::Status(200, deny), "bot", None),
            Standing::Rules(robots) if !robots.allows(&url)));
        for status in [301, 400, 401, 403, 404, 410, 418, 451] {
            assert!(
                matches!(of(status, Some(&old)), Standing::Rules(robots) if robots.allows(&url)),
                "{status}"
            );
        }
        for status in [500, 502, 503, 599, 600] {
            assert!(matches!(of(status, None), Standing::Denied(_)), "{status}");
            assert_eq!(of(status, Some(&old)), Standing::Rules(old.clone()), "{status}");
        }
        assert_eq!(of(429, Some(&old)), Standing::Deferred);
        assert!(matches!(Standing::of(Answer::Unreachable, "bot", None), Standing::Denied(_)));
    }
}
