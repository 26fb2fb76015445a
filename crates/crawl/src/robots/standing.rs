//! What follows from how a robots.txt was answered (RFC 9309, 2.3.1): rules, leave, a refusal, or another try later.
//!
//! Knows statuses. Must not know sockets, what rules say, or for how long they are believed.

/// How a request for a robots.txt ended. (Redirects come before this: [`ROBOTS_REDIRECTS`](crate::limits::ROBOTS_REDIRECTS) of them are followed, to other
/// hosts, too, and what was asked for stands where it was.)
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// A response of this status. The body counts with 2xx.
    Status(u16, &'a [u8]),
    /// None: no address, no connection, no answer in time, or none that is HTTP.
    Unreachable,
}

/// What an origin's robots.txt comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Rules: those of this text. There are none, and all is allowed, where it is "unavailable" (4xx, more redirects than are followed).
    Rules(Vec<u8>),
    /// The rules that were known before stay in use for now, since it could not be had (5xx, no answer): this says why.
    Kept(String),
    /// Nothing may be fetched, for the same reason.
    Denied(String),
    /// Nothing is to be fetched for now, and it is to be asked for again (429).
    Deferred,
}

impl Standing {
    /// Of an answer, where rules were known before (which are not older than the caller likes) or not.
    pub fn of(answer: Answer<'_>, has_rules: bool) -> Standing {
        let failed = if has_rules { Standing::Kept } else { Standing::Denied };
        match answer {
            Answer::Status(200..=299, text) => Standing::Rules(text.to_vec()),
            Answer::Status(429, _) => Standing::Deferred,
            // 3xx: more redirects than are followed, or none that can be
            Answer::Status(300..=499, _) => Standing::Rules(Vec::new()),
            Answer::Status(status, _) => failed(format!("robots.txt was answered with {status}")),
            Answer::Unreachable => failed("robots.txt could not be had".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let deny = b"User-agent: *\nDisallow: /\n";
        let rules = |text: &[u8]| Standing::Rules(text.to_vec());
        let of = |status, has_rules| Standing::of(Answer::Status(status, b"x"), has_rules);
        assert_eq!(Standing::of(Answer::Status(200, deny), true), rules(deny));
        for status in [301, 400, 401, 403, 404, 410, 418, 451] {
            assert_eq!(of(status, true), rules(b""), "{status}");
        }
        for status in [500, 502, 503, 599, 600] {
            assert!(matches!(of(status, false), Standing::Denied(_)), "{status}");
            assert!(matches!(of(status, true), Standing::Kept(_)), "{status}");
        }
        assert_eq!(of(429, true), Standing::Deferred);
        assert!(matches!(Standing::of(Answer::Unreachable, false), Standing::Denied(_)));
        assert!(matches!(Standing::of(Answer::Unreachable, true), Standing::Kept(_)));
    }
}
