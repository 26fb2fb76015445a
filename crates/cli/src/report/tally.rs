//! What a run came to, on one screen.
//!
//! Knows numbers. Must not know transfers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::HumanBytes;
use ringdove::{Report, Stats};

use super::figures::{errno_name, time_text};

/// Counts, sums and times of transfers that are over.
pub(crate) struct Tally {
    /// By the status' first digit.
    done: BTreeMap<u16, u64>,
    /// By the kind of failure.
    failed: BTreeMap<&'static str, u64>,
    left: u64,
    skipped: u64,
    body_bytes: u64,
    wire_bytes: u64,
    waits: [Wait; 4],
}

struct Wait {
    name: &'static str,
    of: fn(&Report) -> Duration,
    micros: Histogram<u64>,
}

/// Counts of two engines together, of those that a summary tells.
pub(crate) fn joined(mut one: Stats, other: &Stats) -> Stats {
    one.opened += other.opened;
    one.reused += other.reused;
    one.redirects += other.redirects;
    one.retried += other.retried;
    one.exhausted += other.exhausted;
    one.exhausted_wait += other.exhausted_wait;
    one.exhausted_last = one.exhausted_last.or(other.exhausted_last);
    one
}

/// What else is known at the end.
pub(crate) struct Summary<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) elapsed: Duration,
    pub(crate) stats: Stats,
    /// The driver and why it is that one.
    pub(crate) driver: String,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        let wait = |name, of| {
            let micros = Histogram::new(3).expect("three digits are kept");
            Wait { name, of, micros }
        };
        Tally {
            done: BTreeMap::new(),
            failed: BTreeMap::new(),
            left: 0,
            skipped: 0,
            body_bytes: 0,
            wire_bytes: 0,
            waits: [
                wait("queue", |report| report.times.queue),
                wait("connect", |report| report.times.connect + report.times.tls),
                wait("first byte", |report| report.times.first_byte),
                wait("total", |report| report.times.total),
            ],
        }
    }

    /// With what another came to.
    pub(crate) fn join(&mut self, other: &Tally) {
        for (class, count) in &other.done {
            *self.done.entry(*class).or_default() += count;
        }
        for (kind, count) in &other.failed {
            *self.failed.entry(kind).or_default() += count;
        }
        self.left += other.left;
        self.skipped += other.skipped;
        self.body_bytes += other.body_bytes;
        self.wire_bytes += other.wire_bytes;
        for (wait, other) in self.waits.iter_mut().zip(&other.waits) {
            // grows as it must
            _ = wait.micros.add(&other.micros);
        }
    }

    pub(crate) fn add_done(&mut self, report: &Report) {
        *self.done.entry(report.status.unwrap_or(0) / 100).or_default() += 1;
        for wait in &mut self.waits {
            // grows as it must; what is too long for 64 bits of microseconds is not counted
            _ = wait.micros.record((wait.of)(report).as_micros() as u64);
        }
    }

    pub(crate) fn add_failed(&mut self, kind: &'static str) {
        *self.failed.entry(kind).or_default() += 1;
    }

    pub(crate) fn add_skipped(&mut self) {
        self.skipped += 1;
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(crate) fn add_left(&mut self) {
        self.left += 1;
    }

    pub(crate) fn add_bytes(&mut self, report: &Report) {
        self.body_bytes += report.body_received;
        self.wire_bytes += report.wire_received;
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.values().sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { tally, elapsed, stats, driver } = self;
        write!(f, "done      {}", tally.done())?;
        list(f, tally.done.iter().map(|(class, count)| (format!("{class}xx"), *count)))?;
        write!(f, "\nfailed    {}", tally.failed())?;
        list(f, tally.failed.iter().map(|(kind, count)| ((*kind).to_owned(), *count)))?;
        if tally.skipped > 0 {
            write!(f, "\nskipped   {}", tally.skipped)?;
        }
        if tally.left > 0 {
            write!(f, "\nleft      {}", tally.left)?;
        }
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let transfers = (tally.done() + tally.failed()) as f64 / seconds;
        let (body, wire) = (HumanBytes(tally.body_bytes), HumanBytes(tally.wire_bytes));
        let speed = HumanBytes((tally.wire_bytes as f64 / seconds) as u64);
        write!(f, "\nreceived  {body} in bodies, {wire} on the wire")?;
        if tally.done() > 0 {
            write!(f, "\nrate      {transfers:.0} transfers/s, {speed}/s, in {elapsed:.2?}")?;
        }
        write!(f, "\nsockets   {} opened, {} reused", stats.opened, stats.reused)?;
        if stats.redirects > 0 {
            write!(f, "\nfollowed  {} redirects", stats.redirects)?;
        }
        if stats.retried > 0 {
            write!(f, "\nretried   {} requests", stats.retried)?;
        }
        if let Some((operation, errno)) = stats.exhausted_last {
            let (times, waited) = (stats.exhausted, stats.exhausted_wait);
            let (what, why) = (operation.name(), errno_name(errno));
            write!(
                f,
                "\nscarce    {times} times no room, at last {why} ({what}), {waited:.1?} waited"
            )?;
        }
        write!(f, "\ndriver    {driver}")?;
        if tally.done() > 0 {
            write!(
                f,
                "\ntimes     {:>10}{:>10}{:>10}{:>10}{:>10}",
                "p50", "p90", "p99", "p99.9", "max"
            )?;
            for wait in &tally.waits {
                write!(f, "\n{:10}", wait.name)?;
                for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
                    write!(f, "{:>10}", time_text(wait.micros.value_at_quantile(quantile)))?;
                }
            }
        }
        Ok(())
    }
}

/// ` (a 1, b 2)`, or nothing.
fn list(f: &mut fmt::Formatter<'_>, counts: impl Iterator<Item = (String, u64)>) -> fmt::Result {
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {count}")).collect();
    if counts.is_empty() { Ok(()) } else { write!(f, " ({})", counts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringdove::error::Operation;

    use super::*;

    fn report(status: u16, total: Duration) -> Report {
        let mut report = Report::default();
        report.times.total = total;
        (report.wire_sent, report.wire_received, report.body_received) = (10, 2000, 1000);
        report.status = Some(status);
        report
    }

    #[test]
    fn the_summary_counts_by_outcome_and_fits_a_screen() {
        let mut tally = Tally::new();
        for micros in 1..=100 {
            let report = report(if micros == 7 { 404 } else { 200 }, Duration::from_micros(micros));
            tally.add_done(&report);
            tally.add_bytes(&report);
        }
        tally.add_failed("timeout");
        tally.add_failed("input");
        tally.add_failed("timeout");
        tally.add_left();
        let mut stats = Stats::default();
        (stats.opened, stats.reused) = (3, 97);
        (stats.exhausted, stats.exhausted_last) = (2, Some((Operation::Socket, 24)));
        stats.exhausted_wait = Duration::from_millis(2_500);
        let driver = "epoll (it was asked for)".to_owned();
        let text = Summary { tally: &tally, elapsed: Duration::from_secs(2), stats, driver };
        let text = text.to_string();
        let want = [
            "done      100 (2xx 99, 4xx 1)",
            "failed    3 (input 1, timeout 2)",
            "left      1",
            "received  97.66 KiB in bodies, 195.31 KiB on the wire",
            "rate      52 transfers/s, 97.66 KiB/s, in 2.00s",
            "sockets   3 opened, 97 reused",
            "scarce    2 times no room, at last EMFILE (socket), 2.5s waited",
            "driver    epoll (it was asked for)",
            "total          50 µs     90 µs     99 µs    100 µs    100 µs",
        ];
        for line in want {
            assert!(text.lines().any(|got| got == line), "{line} is not in\n{text}");
        }
        assert!(text.lines().count() < 24 && text.lines().all(|line| line.len() < 80), "{text}");
    }

    #[test]
    fn where_nothing_succeeded_there_is_no_rate() {
        let mut tally = Tally::new();
        tally.add_failed("resolve");
        let (elapsed, driver) = (Duration::from_secs(2), "ring".to_owned());
        let text = Summary { tally: &tally, elapsed, stats: Stats::default(), driver }.to_string();
        assert!(text.contains("failed    1 (resolve 1)"), "{text}");
        assert!(text.contains("sockets   0 opened, 0 reused"), "{text}");
        assert!(!text.contains("rate"), "{text}");
    }
}
