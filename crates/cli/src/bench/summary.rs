//! From rounds to figures: medians, and how far the rounds lie apart.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::load;
use super::machine::Machine;
use super::plan::{Latency, Measured, Plan};
use super::target::Target;

/// All rounds of one driver with one number of connections.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    pub(super) client: &'static str,
    pub(super) driver: String,
    pub(super) why: String,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) targets: usize,
    pub(super) keepalive: bool,
    pub(super) tls: bool,
    pub(super) rate: Option<f64>,
    pub(super) body_bytes: u64,
    /// All rounds together.
    pub(super) requests: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) first_error: Option<String>,
    pub(super) not_2xx: BTreeMap<u16, u64>,
    pub(super) sent_again: u64,
    pub(super) warnings: Vec<String>,
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// Per request, by name: system calls by strace's names, SQEs, CQEs and others beside them.
    pub(super) counts_per_request: BTreeMap<String, f64>,
    /// From when a request was to start.
    pub(super) latency_us: Option<Quantiles>,
    /// From when it got its connection; with a rate alone.
    pub(super) service_us: Option<Quantiles>,
    #[serde(skip)]
    pub(super) latency: Latency,
    #[serde(flatten)]
    pub(super) machine: Machine,
}

/// Each with its median, least and most over the rounds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) seconds: Spread,
    pub(super) requests_per_s: Spread,
    pub(super) cpu_us_per_request: Spread,
    pub(super) cpu_user_us_per_request: Spread,
    pub(super) cpu_sys_us_per_request: Spread,
    /// Of threads that are not the client's: io_uring's workers.
    pub(super) cpu_other_us_per_request: Spread,
    pub(super) syscalls_per_request: Spread,
    pub(super) sqes_per_request: Spread,
    pub(super) cqes_per_request: Spread,
    pub(super) submissions_per_request: Spread,
    pub(super) ctx_switches_per_request: Spread,
    pub(super) opened_per_request: Spread,
    /// CPU of the client's threads, of the time that they had.
    pub(super) busy: Spread,
    pub(super) peak_rss_kib: Option<Spread>,
    /// What the process grew by, by its connections.
    pub(super) bytes_per_connection: Option<Spread>,
}

/// Over the rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// In microseconds, of all rounds together.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

impl Summary {
    /// The rounds of one plan; there is at least one.
    pub(super) fn new(plan: &Plan, rounds: &[Measured], machine: &Machine) -> Self {
        let latency = all(rounds.iter().map(|round| &round.latency));
        let service = all(rounds.iter().map(|round| &round.service));
        let requests = rounds.iter().map(|round| round.requests).sum();
        let mut errors = BTreeMap::new();
        let mut not_2xx = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for round in rounds {
            for (kind, count) in &round.errors {
                *errors.entry(kind.clone()).or_default() += count;
            }
            for (&status, count) in &round.not_2xx {
                *not_2xx.entry(status).or_default() += count;
            }
            for (name, &count) in &round.counts {
                *counts.entry(name.clone()).or_default() += count as f64 / f64_of(requests);
            }
        }
        let figures = Figures::new(plan, rounds);
        let mut summary = Self {
            client: "ringdove",
            driver: plan.driver.clone(),
            why: rounds[0].why.clone(),
            connections: plan.connections,
            threads: plan.threads,
            targets: plan.urls.len(),
            keepalive: plan.keepalive,
            tls: plan.urls.iter().any(Target::is_https),
            rate: plan.rate,
            body_bytes: rounds.iter().map(|round| round.body_bytes).sum::<u64>() / requests.max(1),
            requests,
            errors,
            first_error: rounds.iter().find_map(|round| round.first_error.clone()),
            not_2xx,
            sent_again: rounds.iter().map(|round| round.sent_again).sum(),
            warnings: Vec::new(),
            figures,
            counts_per_request: counts,
            latency_us: Quantiles::of(&latency),
            service_us: plan.rate.and_then(|_| Quantiles::of(&service)),
            latency: Latency::of(&latency),
            machine: machine.clone(),
        };
        summary.warn(plan, rounds);
        summary
    }

    /// Which of the two drivers takes less CPU per request; none where their rounds overlap.
    pub(super) fn cheaper<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let (ours, theirs) = (self.figures.cpu_us_per_request, other.figures.cpu_us_per_request);
        if ours.max < theirs.min {
            Some(&self.driver)
        } else if theirs.max < ours.min {
            Some(&other.driver)
        } else {
            None
        }
    }

    fn warn(&mut self, plan: &Plan, rounds: &[Measured]) {
        let mut warnings = Vec::new();
        if self.figures.busy.median > 0.95 {
            warnings.push(
                "the client was saturated: requests/s and latency are its own limits; compare CPU \
                 per request, or give --rate"
                    .to_owned(),
            );
        }
        if let Some(rate) = plan.rate {
            let late = rounds.iter().map(|round| round.latest_start_us).max().unwrap_or(0);
            let reached = self.figures.requests_per_s.median;
            if late > 10_000 || reached < 0.99 * rate {
                warnings.push(format!(
                    "the client fell behind its schedule: {reached:.0} of {rate:.0} requests/s, a \
                     start up to {:.1} ms late",
                    late as f64 / 1000.0
                ));
            }
        }
        if plan.keepalive && self.figures.opened_per_request.median > 0.01 {
            warnings
                .push("the server closes connections: their opening is measured too".to_owned());
        }
        self.warnings = warnings;
    }
}

impl Figures {
    fn new(plan: &Plan, rounds: &[Measured]) -> Self {
        let each = |figure: &dyn Fn(&Measured) -> f64| Spread::of(rounds.iter().map(figure));
        let per_request = |figure: &dyn Fn(&Measured) -> u64| {
            each(&|round| figure(round) as f64 / f64_of(round.requests))
        };
        let count = |name: &'static str| {
            per_request(&move |round| round.counts.get(name).copied().unwrap_or(0))
        };
        let memory = |figure: &dyn Fn(u64, u64, &Measured) -> f64| {
            let known = rounds
                .iter()
                .map(|round| round.memory_kib.map(|(before, peak)| figure(before, peak, round)));
            known.collect::<Option<Vec<_>>>().map(Spread::of)
        };
        let threads = plan.threads as f64;
        Self {
            seconds: each(&|round| round.seconds),
            requests_per_s: each(&|round| round.requests as f64 / round.seconds.max(1e-9)),
            cpu_us_per_request: per_request(&|round| round.user_us + round.system_us),
            cpu_user_us_per_request: per_request(&|round| round.user_us),
            cpu_sys_us_per_request: per_request(&|round| round.system_us),
            cpu_other_us_per_request: per_request(&|round| round.other_cpu_us),
            syscalls_per_request: per_request(&|round| round.system_calls),
            sqes_per_request: count("SQEs"),
            cqes_per_request: count("CQEs"),
            submissions_per_request: count("io_uring_enter"),
            ctx_switches_per_request: per_request(&|round| {
                round.voluntary_switches + round.involuntary_switches
            }),
            opened_per_request: per_request(&|round| round.opened),
            busy: each(&|round| {
                (round.user_us + round.system_us) as f64 / 1e6 / (round.seconds * threads).max(1e-9)
            }),
            peak_rss_kib: memory(&|_, peak, _| peak as f64),
            bytes_per_connection: memory(&|before, peak, round| {
                peak.saturating_sub(before) as f64 * 1024.0
                    / f64_of(round.connections.max(plan.connections as u64))
            }),
        }
    }
}

impl Spread {
    /// Of at least one.
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Self { median, min: values[0], max: values[values.len() - 1] }
    }
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        (!histogram.is_empty()).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: at(1.0),
        })
    }
}

fn all<'a>(parts: impl Iterator<Item = &'a Latency>) -> Histogram<u64> {
    let mut all = load::histogram();
    for &(microseconds, count) in parts.flat_map(|part| &part.0) {
        all.saturating_record_n((microseconds * 1000.0) as u64, count);
    }
    all
}

/// As a divisor.
fn f64_of(count: u64) -> f64 {
    count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        let odd = Spread::of([3.0, 1.0, 9.0]);
        assert_eq!((odd.median, odd.min, odd.max), (3.0, 1.0, 9.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 9.0]).median, 3.0);
        assert_eq!(Spread::of([4.0]).median, 4.0);
    }
}
