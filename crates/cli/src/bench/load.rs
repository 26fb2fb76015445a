//! The loop that makes requests: one thread, one driver.
//!
//! Closed loop: as many requests are in flight as there are connections (times the streams of each, over HTTP/2); each that ends makes room
//! for the next. Open loop (with a rate): request *k* is to start at a fixed time, and starts then
//! whatever became of those before it, if need be into the engine's queue. Its latency counts from
//! that time, so that a server (or a client) that stands still is seen in all requests that it
//! kept waiting, and not in one alone.
//!
//! Invariants: the clock is read once per turn; what is measured begins when the warm-up is over
//! and all its connections are open.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringdove::driver::Kind;
use ringdove::engine::NameService;
use ringdove::limits::H2Limits;
use ringdove::sys::count::{self, Counts};
use ringdove::sys::usage::{self, Usage};
use ringdove::sys::{affinity, clock, ring};
use ringdove::{Config, Discard, Driver, Message, Options, Time, TransferId};

use super::asked::Requests;
use super::plan::{Measured, Stop};
use super::target::Target;

/// How long requests in flight may take after the last was started.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(200);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What one thread does.
pub(super) struct Load {
    pub(super) kind: Kind,
    pub(super) urls: Vec<Target>,
    pub(super) next_url: usize,
    pub(super) connections: usize,
    /// Requests at a time on each.
    pub(super) streams: u32,
    pub(super) stop: Stop,
    pub(super) warm_up: u64,
    pub(super) rate: Option<f64>,
    pub(super) keepalive: bool,
    pub(super) cpu: Option<usize>,
    pub(super) requests: Requests,
    pub(super) options: Arc<Options>,
    pub(super) body_bytes: Option<u64>,
    pub(super) ring: ring::Options,
    pub(super) names: NameService,
    pub(super) progress: bool,
}

/// What one thread found.
pub(super) struct Outcome {
    pub(super) measured: Measured,
    pub(super) latency: Histogram<u64>,
    pub(super) service: Histogram<u64>,
}

/// For nanoseconds, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1000, 3_600_000_000_000, 3).expect("a microsecond to an hour")
}

impl Load {
    /// Requests in flight.
    fn at_once(&self) -> usize {
        self.connections * self.streams as usize
    }
}

/// Makes the requests.
pub(super) fn run(load: Load) -> Result<Outcome, Failure> {
    if let Some(cpu) = load.cpu {
        affinity::pin(cpu)?;
    }
    let (connections, urls) = (load.connections, load.urls.len());
    let config = Config {
        // None is closed for want of room: a host whose turn it is may still be busy with its last
        // request, while the connections of others are idle.
        max_connections: if load.keepalive { connections + urls } else { connections },
        max_per_origin: connections,
        names: load.names.clone(),
        // as many on each as asked for, or as the server allows
        http2: H2Limits { streams: load.streams, ..H2Limits::DEFAULT },
        ..Config::default()
    };
    let driver = Driver::with_ring(load.kind, config, &load.ring)?;
    let mut running = Running::new(load, driver);
    running.warm_up()?;
    let begin = Reading::now()?;
    running.begin(begin.at);
    match running.load.rate {
        None => running.closed_loop()?,
        Some(rate) => running.open_loop(rate)?,
    }
    let end = Reading::now()?;
    Ok(running.outcome(&begin, &end))
}

/// All meters at one moment.
struct Reading {
    at: Time,
    thread: Usage,
    process: Usage,
    counts: Counts,
}

impl Reading {
    fn now() -> Result<Self, Failure> {
        let (thread, process) = (usage::of_thread()?, usage::of_process()?);
        Ok(Self { at: clock::now(), thread, process, counts: count::snapshot() })
    }
}

struct Running {
    load: Load,
    driver: Driver,
    now: Time,
    /// When each transfer was to start, by its slot.
    starts: Vec<Time>,
    started: u64,
    in_flight: usize,
    measuring: bool,
    opened_before: u64,
    told: Time,
    measured: Measured,
    latency: Histogram<u64>,
    service: Histogram<u64>,
}

impl Running {
    fn new(load: Load, driver: Driver) -> Self {
        Self {
            now: clock::now(),
            starts: Vec::new(),
            started: 0,
            in_flight: 0,
            measuring: false,
            opened_before: 0,
            told: Time::ZERO,
            measured: Measured { why: driver.why().to_owned(), ..Measured::default() },
            latency: histogram(),
            service: histogram(),
            load,
            driver,
        }
    }

    /// Opens the connections and makes the first requests. Ends with none in flight.
    fn warm_up(&mut self) -> Result<(), Failure> {
        let total = self.load.warm_up;
        while self.started < total || self.in_flight > 0 {
            let room = self.load.at_once() - self.in_flight;
            let left = usize::try_from(total - self.started).unwrap_or(usize::MAX);
            for _ in 0..room.min(left) {
                self.start(self.now)?;
            }
            self.turn(None)?;
        }
        Ok(())
    }

    fn begin(&mut self, now: Time) {
        self.now = now;
        self.measuring = true;
        self.started = 0;
        self.opened_before = self.driver.stats().opened;
    }

    fn closed_loop(&mut self) -> Result<(), Failure> {
        let (requests, end) = self.bounds();
        while self.measured.requests < requests && self.now < end {
            let room = self.load.at_once() - self.in_flight;
            let left = usize::try_from(requests - self.started).unwrap_or(usize::MAX);
            for _ in 0..room.min(left) {
                self.start(self.now)?;
            }
            self.turn(wait_until(end, self.now))?;
        }
        Ok(())
    }

    fn open_loop(&mut self, rate: f64) -> Result<(), Failure> {
        let begin = self.now;
        let interval = 1e9 / rate;
        let time = |k: u64| begin + Duration::from_nanos((k as f64 * interval) as u64);
        let (requests, end) = self.bounds();
        while self.started < requests && time(self.started) < end {
            let next = time(self.started);
            if next <= self.now {
                let late = self.now.since(next).as_micros() as u64;
                self.measured.latest_start_us = self.measured.latest_start_us.max(late);
                self.start(next)?;
            } else {
                self.turn(wait_until(next, self.now))?;
            }
        }
        self.drain()
    }

    /// Waits for what is in flight, but not for ever: what is not done by then has failed, and has
    /// taken as long as it was waited for.
    fn drain(&mut self) -> Result<(), Failure> {
        let end = self.now + PATIENCE;
        while self.in_flight > 0 && self.now < end {
            self.turn(wait_until(end, self.now))?;
        }
        let unfinished = self.started - self.measured.requests;
        if unfinished > 0 {
            self.latency.saturating_record_n(PATIENCE.as_nanos() as u64, unfinished);
            self.count_error("unfinished", "requests were not answered in time");
            self.measured.errors.insert("unfinished".to_owned(), unfinished);
        }
        Ok(())
    }

    /// After how many requests, and when, it is over.
    fn bounds(&self) -> (u64, Time) {
        match self.load.stop {
            Stop::Requests(requests) => (requests, Time::NEVER),
            Stop::Seconds(seconds) => (u64::MAX, self.now + Duration::from_secs_f64(seconds)),
        }
    }

    /// Starts a request that was to start at `time`.
    fn start(&mut self, time: Time) -> Result<(), Failure> {
        let load = &mut self.load;
        let Target { url, scope } = &load.urls[load.next_url];
        load.next_url = if load.next_url + 1 == load.urls.len() { 0 } else { load.next_url + 1 };
        let mut request = load.requests.request(url)?.scope(*scope).options(load.options.clone());
        if !load.keepalive {
            request = request.field("Connection", "close")?;
        }
        let id = self.driver.add(request, Box::new(Discard))?;
        self.note_start(id, time);
        self.started += 1;
        self.in_flight += 1;
        Ok(())
    }

    fn note_start(&mut self, id: TransferId, time: Time) {
        if self.starts.len() <= id.slot() {
            self.starts.resize(id.slot() + 1, Time::ZERO);
        }
        self.starts[id.slot()] = time;
    }

    fn turn(&mut self, wait: Option<Duration>) -> Result<(), Failure> {
        self.driver.turn(wait)?;
        self.now = clock::now();
        while let Some(message) = self.driver.next_message() {
            self.in_flight -= 1;
            if self.measuring {
                self.measure(&message);
            } else if let Err(error) = &message.outcome.result {
                return Err(format!("while warming up: {error}").into());
            }
        }
        if self.load.progress && self.now >= self.told + PROGRESS {
            self.told = self.now;
            println!("{}", self.measured.requests);
            let _ = std::io::stdout().flush();
        }
        Ok(())
    }

    fn measure(&mut self, message: &Message) {
        let report = &message.outcome.report;
        self.measured.requests += 1;
        self.measured.body_bytes += report.body_received;
        self.measured.sent_again += u64::from(report.resent);
        if let Some(status) = report.status.filter(|status| !(200..300).contains(status)) {
            *self.measured.not_2xx.entry(status).or_default() += 1;
        }
        match &message.outcome.result {
            Err(error) => self.count_error(error.kind(), &error.to_string()),
            Ok(response) if response.status >= 400 => {
                self.count_error(&format!("status {}", response.status), "an error of the server");
            }
            Ok(_) if self.load.body_bytes.is_some_and(|bytes| bytes != report.body_received) => {
                self.count_error("body", &format!("a body of {} bytes", report.body_received));
            }
            Ok(_) => {}
        }
        let taken = self.now.since(self.starts[message.transfer.slot()]);
        self.latency.saturating_record(taken.as_nanos() as u64);
        if self.load.rate.is_some() {
            let served = report.times.total.saturating_sub(report.times.queue);
            self.service.saturating_record(served.as_nanos() as u64);
        }
    }

    fn count_error(&mut self, kind: &str, text: &str) {
        *self.measured.errors.entry(kind.to_owned()).or_default() += 1;
        self.measured.first_error.get_or_insert_with(|| text.to_owned());
    }

    fn outcome(mut self, begin: &Reading, end: &Reading) -> Outcome {
        let used = end.thread.since(&begin.thread);
        let counted = end.counts.since(&begin.counts);
        let stats = self.driver.stats();
        let measured = &mut self.measured;
        measured.seconds = end.at.since(begin.at).as_secs_f64();
        measured.user_us = used.user.as_micros() as u64;
        measured.system_us = used.system.as_micros() as u64;
        // the whole process: the other threads are subtracted where all are known
        measured.other_cpu_us = end.process.since(&begin.process).cpu().as_micros() as u64;
        measured.voluntary_switches = used.voluntary_switches;
        measured.involuntary_switches = used.involuntary_switches;
        measured.system_calls = counted.system_calls();
        let counts = counted.iter().filter(|(_, count)| *count > 0);
        measured.counts =
            counts.map(|(counter, count)| (counter.name().to_owned(), count)).collect();
        measured.opened = stats.opened - self.opened_before;
        measured.connections = stats.connections as u64;
        Outcome { measured: self.measured, latency: self.latency, service: self.service }
    }
}

/// `None` for a time that never comes.
fn wait_until(time: Time, now: Time) -> Option<Duration> {
    (time != Time::NEVER).then(|| time.since(now))
}
