//! What a crawl is told.
//!
//! Knows bounds and names. Must not know how they are kept.

use std::time::Duration;

use ringdove::{AddressPolicy, Allowance, Config, Politeness, Timeouts};

use super::{CrawlError, Recrawl, Tally};
use crate::canonical::Rules;
use crate::limits;
use crate::robots::product_token;
use crate::traps::TrapBounds;

/// What a crawl is told.
#[derive(Debug, Clone)]
pub struct CrawlConfig {
    /// What it calls itself: a product token, by which a robots.txt may speak of it, and somewhere in it a contact, an address of mail or a
    /// URL.
    pub user_agent: String,
    /// The least time between the end of a host's answer and the next request to it. A Crawl-delay lengthens it.
    pub delay: Duration,
    /// What it may take.
    pub budget: Budget,
    /// How URLs are written.
    pub rules: Rules,
    /// Which URLs are taken for traps.
    pub traps: TrapBounds,
    /// Bytes of a body that are kept, as it is sent.
    pub max_body: usize,
    /// Bytes of all bodies that are in flight. Where these are taken, a body is kept up to its share: this, divided by `parallel`.
    pub max_bodies: usize,
    /// Bytes of a decoded body in which links are looked for.
    pub max_decoded: usize,
    /// Hosts that are asked at once. Those that wait at a gate of their domain or address are not among them.
    pub parallel: usize,
    /// Whether loopback, private and other special addresses may be connected to.
    pub allow_private: bool,
    /// How long each wait may be.
    pub timeouts: Timeouts,
    /// How often a URL is tried.
    pub tries: u8,
    /// How long a host is left alone that did not answer; twice as long each further time.
    pub retry_wait: Duration,
    /// How long a host is left alone that answered 429 or 503 and did not say for how long; twice as long each further time.
    pub busy_wait: Duration,
    /// How long a host sleeps that could not be asked, since others of its domain or address had their turns for as long as the time-out of the
    /// queue; twice as long each further time.
    pub held_up_wait: Duration,
    /// Whether a payload that was kept before is kept as a revisit.
    pub revisits: bool,
    /// Whether pages that are nearly the same as one that was kept before are named: in the log, the tally and the WARC files' metadata.
    pub near_duplicates: bool,
    /// How often pages are fetched again, if they are.
    pub recrawl: Option<Recrawl>,
}

/// What a crawl may take. What is `None` is not bounded. Of a page that is fetched again the first response counts alone.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// Responses, over all runs.
    pub pages: Option<u64>,
    /// Bytes of their bodies, over all runs.
    pub bytes: Option<u64>,
    /// How long this run takes.
    pub time: Option<Duration>,
    /// Links from a seed.
    pub depth: Option<u32>,
    /// Responses of one host.
    pub host_pages: Option<u64>,
    /// Bytes of their bodies, of one host.
    pub host_bytes: Option<u64>,
    /// URLs of one host that are ever queued; what is found beyond them is refused, and may be found again.
    pub host_urls: Option<u64>,
}

impl CrawlConfig {
    /// That of a crawl that calls itself so: half a second between two requests to a host, 256 hosts at once, bodies of 16 MiB.
    pub fn new(user_agent: &str) -> CrawlConfig {
        CrawlConfig {
            user_agent: user_agent.to_owned(),
            delay: Duration::from_millis(500),
            budget: Budget::default(),
            rules: Rules::default(),
            traps: TrapBounds::default(),
            max_body: 16 * 1024 * 1024,
            max_bodies: 256 * 1024 * 1024,
            max_decoded: 64 * 1024 * 1024,
            parallel: 256,
            allow_private: false,
            timeouts: Timeouts {
                queue: Some(limits::HELD_UP_TIME),
                first_byte: Some(Duration::from_secs(60)),
                idle: Some(Duration::from_secs(60)),
                total: Some(Duration::from_secs(600)),
                ..Timeouts::default()
            },
            tries: 3,
            retry_wait: Duration::from_secs(5),
            busy_wait: Duration::from_secs(60),
            held_up_wait: Duration::from_secs(20),
            revisits: false,
            near_duplicates: false,
            recrawl: None,
        }
    }

    /// The engine's part of it: which addresses may be connected to, and a gate for each host. Those for domains and addresses are kept.
    pub fn engine(&self, config: Config) -> Config {
        let interval = Some(self.delay).filter(|delay| !delay.is_zero());
        let Politeness { per_domain, per_address, .. } = config.politeness;
        let has_gates = [per_domain, per_address] != [Allowance::default(); 2]
            || config.max_per_address.is_some();
        Config {
            // as many again may be idle; but where gates open for several at once, no more may be asked than this
            max_connections: self.parallel.max(1) * if has_gates { 1 } else { 2 },
            politeness: Politeness {
                per_host: Allowance { interval, concurrency: Some(1) },
                ..config.politeness
            },
            address_policy: match self.allow_private {
                true => config.address_policy,
                false => Some(config.address_policy.unwrap_or_else(AddressPolicy::deny_private)),
            },
            ..config
        }
    }

    /// The name by which a robots.txt may speak of it.
    ///
    /// # Errors
    ///
    /// [`CrawlError::UserAgent`]: it does not begin with one, or has no contact.
    pub fn token(&self) -> Result<&str, CrawlError> {
        let says = |why: &str| {
            CrawlError::UserAgent(format!("the user agent {:?} {why}", self.user_agent))
        };
        let token = product_token(&self.user_agent);
        let token =
            token.ok_or_else(|| says("does not begin with a name of letters, digits, - and _"))?;
        let has_contact =
            ["@", "http://", "https://"].iter().any(|sign| self.user_agent.contains(sign));
        if !has_contact {
            return Err(says(
                "says nowhere whom to ask about it: name an address of mail or a URL",
            ));
        }
        Ok(token)
    }
}

impl Budget {
    /// Whether nothing more may be begun.
    pub(super) fn is_spent(&self, tally: &Tally, time: Duration) -> bool {
        self.pages.is_some_and(|most| tally.pages >= most)
            || self.bytes.is_some_and(|most| tally.bytes >= most)
            || self.time.is_some_and(|most| time >= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_demanded() {
        for good in ["ourbot (me@a.example)", "OurBot/1.0 (+https://a.example/bot)"] {
            assert!(CrawlConfig::new(good).token().is_ok(), "{good}");
        }
        for bad in ["", "ourbot", "ourbot/1.0", "(me@a.example)"] {
            assert!(CrawlConfig::new(bad).token().is_err(), "{bad}");
        }
    }
}
