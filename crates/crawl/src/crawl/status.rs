//! What a crawl is at, for whoever watches it.

use std::time::Duration;

use ringdove::Time;

use super::{Crawl, Tally};

/// What a crawl is at.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// What was done so far.
    pub tally: Tally,
    /// What is being fetched.
    pub in_flight: usize,
    /// Hosts that are in memory: those that are asked, or will be in a while.
    pub awake: usize,
    /// How long this run has taken.
    pub time: Duration,
    /// Of these hosts those with the most pages.
    pub hosts: Vec<HostStatus>,
}

/// What a host that is awake is at.
#[derive(Debug, Clone)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// Responses that were kept, of all runs.
    pub pages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// How long it is left alone after each answer, at least.
    pub delay: Duration,
    /// How often in a row it gave no answer.
    pub failures: u32,
    /// What is being fetched of it.
    pub url: Option<String>,
}

impl Crawl {
    /// What it is at, with so many hosts at most.
    pub fn status(&self, now: Time, hosts: usize) -> Status {
        let mut states: Vec<_> = self.hosts.iter().collect();
        states.sort_unstable_by(|(a, one), (b, other)| {
            other.record.pages.cmp(&one.record.pages).then_with(|| a.cmp(b))
        });
        let hosts = states.into_iter().take(hosts).map(|(host, state)| {
            let job = self.in_flight.values().find(|job| job.host == *host);
            HostStatus {
                host: host.clone(),
                pages: state.record.pages,
                bytes: state.record.bytes,
                delay: self.config.delay.max(Duration::from_millis(state.record.delay)),
                failures: state.record.failures,
                url: job.map(|job| job.url.to_string()),
            }
        });
        Status {
            tally: self.tally.clone(),
            in_flight: self.in_flight.len(),
            awake: self.hosts.len(),
            time: now.since(self.began),
            hosts: hosts.collect(),
        }
    }
}
