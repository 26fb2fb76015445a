//! Counts requests, and knows when the measured part begins and ends.
//!
//! Invariants: the part that is measured begins when as many requests have finished as the warm-up
//! has, and ends when as many have as there are in all; a request that fails has finished too, so
//! that a run always ends. At both moments `-c` requests are under way: what of theirs was done in
//! the warm-up is made up for by what is done for others at the end. So there are `-c` more than are
//! counted.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::options::Plan;
use crate::process::{Usage, peak_rss_kib};

const UNKNOWN: u64 = u64::MAX;
/// From here on the bytes of a body cost more than its request.
const LARGE_BODY_BYTES: u64 = 64 << 10;

/// Hands out the requests and counts how they end.
#[derive(Debug)]
pub struct Meter {
    warmup: u64,
    all: u64,
    /// Requests that are handed out: so that as many are under way at the end as at the beginning.
    handed_out: u64,
    claimed: AtomicU64,
    finished: AtomicU64,
    errors: AtomicU64,
    first_error: OnceLock<String>,
    /// By URL on the command line, as the first response had it.
    body_bytes: Vec<AtomicU64>,
    latency: Mutex<Histogram<u32>>,
    begin: OnceLock<Usage>,
    end: OnceLock<Usage>,
    perf: Option<Mutex<Perf>>,
}

impl Meter {
    /// A meter for all requests of the plan. If there is no warm-up it runs from now on.
    pub(crate) fn new(plan: &Plan) -> io::Result<Self> {
        let longest = Duration::from_secs(3600).as_nanos() as u64;
        let perf = plan.perf_control.as_ref().map(Perf::open).transpose()?;
        let meter = Self {
            warmup: plan.warmup,
            all: plan.warmup + plan.requests,
            handed_out: plan.warmup + plan.requests + plan.connections as u64,
            claimed: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            first_error: OnceLock::new(),
            body_bytes: (0..plan.urls).map(|_| AtomicU64::new(UNKNOWN)).collect(),
            latency: Mutex::new(Histogram::new_with_max(longest, 3).expect("1 ns to 1 h")),
            begin: OnceLock::new(),
            end: OnceLock::new(),
            perf: perf.map(Mutex::new),
        };
        if plan.warmup == 0 {
            meter.begin();
        }
        Ok(meter)
    }

    /// The number of the next request to make, `None` when all have been handed out.
    pub fn claim(&self) -> Option<u64> {
        let request = self.claimed.fetch_add(1, Relaxed);
        (request < self.handed_out).then_some(request)
    }

    /// Whether every request that counts has finished.
    pub fn finished(&self) -> bool {
        self.finished.load(Relaxed) >= self.all
    }

    /// A response has arrived whole. It is an error unless its status is 200 and its body as long
    /// as that of the first response from the same URL.
    pub fn response(&self, url_index: usize, status: u16, body_bytes: u64, started: Instant) {
        let known = &self.body_bytes[url_index];
        let expected = match known.load(Relaxed) {
            UNKNOWN if status == 200 => {
                known.store(body_bytes, Relaxed);
                body_bytes
            }
            expected => expected,
        };
        if status != 200 {
            self.failure(format_args!("status {status}"));
        } else if body_bytes != expected {
            self.failure(format_args!("body of {body_bytes} bytes instead of {expected}"));
        } else {
            if self.begin.get().is_some() && self.end.get().is_none() {
                let nanoseconds = started.elapsed().as_nanos() as u64;
                self.latency.lock().expect("no panic under it").saturating_record(nanoseconds);
            }
            self.success();
        }
    }

    /// A response has arrived that the client itself has found to be right.
    pub fn success(&self) {
        self.finish_one();
    }

    /// A request has failed.
    pub fn failure(&self, error: impl fmt::Display) {
        self.errors.fetch_add(1, Relaxed);
        self.first_error.get_or_init(|| error.to_string());
        self.finish_one();
    }

    /// What all bodies of a URL must be long, for clients that know it beforehand.
    pub fn expect_body(&self, url_index: usize, body_bytes: u64) {
        self.body_bytes[url_index].store(body_bytes, Relaxed);
    }

    pub(crate) fn first_error(&self) -> Option<&str> {
        self.first_error.get().map(String::as_str)
    }

    pub(crate) fn record(&self, client: &'static str, version: &str, plan: &Plan) -> Record {
        let end = *self.end.get_or_init(Usage::now);
        let begin = *self.begin.get().unwrap_or(&end);
        let finished = self.finished.load(Relaxed).min(self.all);
        let requests = finished.saturating_sub(self.warmup);
        let seconds = (end.at - begin.at).as_secs_f64();
        let per_request = |us: i64| (requests > 0).then(|| us as f64 / requests as f64);
        let (user, system) = (end.user_us - begin.user_us, end.system_us - begin.system_us);
        let body_bytes = self.body_bytes.iter().map(|bytes| bytes.load(Relaxed));
        let body_bytes = body_bytes.filter(|bytes| *bytes != UNKNOWN).max();
        let large = body_bytes.filter(|bytes| *bytes >= LARGE_BODY_BYTES);
        let mib = large.unwrap_or(0) as f64 * requests as f64 / f64::from(1 << 20);
        Record {
            client,
            version: version.to_owned(),
            connections: plan.connections,
            hosts: plan.hosts,
            keepalive: plan.keepalive,
            tls: plan.trust.is_some(),
            requests,
            errors: self.errors.load(Relaxed),
            timed_out: !self.finished(),
            seconds,
            requests_per_s: (seconds > 0.0).then(|| requests as f64 / seconds),
            cpu_user_us_per_request: per_request(user),
            cpu_sys_us_per_request: per_request(system),
            cpu_us_per_request: per_request(user + system),
            cpu_us_per_mib: (mib > 0.0).then(|| (user + system) as f64 / mib),
            ctx_switches: end.context_switches - begin.context_switches,
            peak_rss_kib: peak_rss_kib(),
            body_bytes,
            latency_us: Latency::of(&self.latency.lock().expect("no panic under it")),
        }
    }

    fn finish_one(&self) {
        let finished = self.finished.fetch_add(1, Relaxed) + 1;
        if finished == self.warmup {
            self.begin();
        }
        if finished == self.all {
            let _ = self.end.set(Usage::now());
            self.tell_perf("disable");
        }
    }

    fn begin(&self) {
        self.tell_perf("enable");
        let _ = self.begin.set(Usage::now());
    }

    fn tell_perf(&self, command: &str) {
        if let Some(perf) = &self.perf {
            let told = perf.lock().expect("no panic under it").tell(command);
            told.unwrap_or_else(|why| eprintln!("perf: {command}: {why}"));
        }
    }
}

/// A perf(1) that counts when it is told to (`perf stat --control`), and says when it does.
#[derive(Debug)]
struct Perf {
    control: File,
    ack: BufReader<File>,
}

impl Perf {
    fn open([control, ack]: &[PathBuf; 2]) -> io::Result<Self> {
        let control = File::options().write(true).open(control)?;
        Ok(Self { control, ack: BufReader::new(File::open(ack)?) })
    }

    fn tell(&mut self, command: &str) -> io::Result<()> {
        // in one piece: perf takes what a read brings for a command
        self.control.write_all(format!("{command}\n").as_bytes())?;
        self.ack.read_line(&mut String::new())?;
        Ok(())
    }
}

/// One line of the results. Everything but `errors` is of the measured part alone.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    client: &'static str,
    version: String,
    /// Requests in flight.
    connections: usize,
    hosts: usize,
    keepalive: bool,
    tls: bool,
    /// Finished, well or not.
    requests: u64,
    /// Of the warm-up too.
    pub(crate) errors: u64,
    pub(crate) timed_out: bool,
    seconds: f64,
    requests_per_s: Option<f64>,
    cpu_user_us_per_request: Option<f64>,
    cpu_sys_us_per_request: Option<f64>,
    cpu_us_per_request: Option<f64>,
    /// Per MiB of body, where bodies are large.
    cpu_us_per_mib: Option<f64>,
    ctx_switches: i64,
    /// Of the whole run.
    peak_rss_kib: Option<u64>,
    /// Of the largest, where URLs differ.
    body_bytes: Option<u64>,
    /// From before the request is made to after its body has ended; the floors keep none.
    latency_us: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u32>) -> Option<Self> {
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
