//! How long small requests take beside large bodies: a measurement, for whoever asks for it on a quiet machine.
//!
//!     cargo test --release --test drivers latency -- --ignored --nocapture

use std::collections::HashMap;
use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::sys::affinity;
use ringdove::{Discard, Request, TransferId};

use crate::run::Run;
use ringdove_test_support::nginx::{Nginx, NginxConfig};

/// Large bodies at a time. One that ends is followed by the next.
const BODIES: usize = 8;
const LARGE: u64 = 256 << 20;

/// A small request is due every 10 ms.
const EVERY: Duration = Duration::from_millis(10);
const REQUESTS: usize = 1000;

/// How much longer than alone a small request may take on the ring, as the 99th percentile.
const MOST: f64 = 3.0;

/// The driver has a CPU of its own. The servers share the other; the one of the small requests comes first there, so
/// that what is measured is the driver's doing.
#[test]
#[ignore = "a measurement: it takes a minute, and its bound holds on a quiet machine alone"]
fn small_requests_beside_large_bodies() {
    let cpus = affinity::allowed().expect("known");
    let (Some(&here), Some(&there)) = (cpus.first(), cpus.last()) else { panic!("no CPU") };
    let server = || Nginx::start(NginxConfig { cpu: Some(there), ..NginxConfig::default() });
    let (small, large) = (server(), server());
    File::create(large.docroot().join("large"))
        .and_then(|file| file.set_len(LARGE))
        .expect("a file");
    let first = Command::new("chrt").args(["-f", "-p", "1", &small.pid().to_string()]).status();
    if !first.is_ok_and(|status| status.success()) {
        eprintln!("skipped: the server of the small requests cannot be put first (chrt)");
    }
    affinity::pin(here).expect("allowed");
    // servers that were just started stall under the first load of all, whoever the client is: requests lie in their
    // sockets for tens of milliseconds (`ss`), and none of the client's has anything to be received
    measure(Kind::Epoll, &small.url("/ok"), Some(&large.url("/large")));
    for kind in Kind::ALL {
        let alone = measure(kind, &small.url("/ok"), None);
        let beside = measure(kind, &small.url("/ok"), Some(&large.url("/large")));
        let ratio = beside.p99.as_secs_f64() / alone.p99.as_secs_f64();
        eprintln!(
            "measured: {kind} alone {alone}, beside {BODIES} large bodies {beside}: p99 {ratio:.2} times"
        );
        // by readiness a turn takes 64 KiB from each socket up to eight times, which the small requests wait for
        if kind == Kind::Ring {
            assert!(ratio <= MOST, "{ratio:.2} times");
        }
    }
}

/// How long small requests took from when they were due.
struct Measured {
    p50: Duration,
    p99: Duration,
    most: Duration,
    /// Bytes of large bodies in a second.
    rate: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Measured { p50, p99, most, rate } = self;
        write!(f, "p50 {p50:?}, p99 {p99:?}, most {most:?} ({:.2} GB/s)", rate / 1e9)
    }
}

fn measure(kind: Kind, small: &str, large: Option<&str>) -> Measured {
    let mut run = Run::new(kind);
    let get = |run: &mut Run, url: &str| {
        let request = Request::get(url).expect("a good URL");
        run.driver.add(request, Box::new(Discard)).expect("it can be added")
    };
    let large_ones = large.map_or(0, |_| BODIES);
    let mut waiting: HashMap<TransferId, Instant> = HashMap::new();
    let mut bodies: Vec<TransferId> =
        (0..large_ones).filter_map(|_| Some(get(&mut run, large?))).collect();
    let mut took = Vec::new();
    let start = Instant::now();
    // the first of them wait for connections
    let (mut due, mut warm) = (start + Duration::from_millis(500), 0);
    while took.len() < REQUESTS {
        let now = Instant::now();
        if now >= due && warm < REQUESTS + 100 {
            waiting.insert(get(&mut run, small), due);
            (due, warm) = (due + EVERY, warm + 1);
            continue;
        }
        run.driver.turn(Some(due.saturating_duration_since(now))).expect("the driver can go on");
        while let Some(message) = run.driver.next_message() {
            assert!(message.outcome.result.is_ok(), "{:?}", message.outcome);
            match waiting.remove(&message.transfer) {
                Some(due) => took.push(due.elapsed()),
                None => {
                    bodies.retain(|&id| id != message.transfer);
                    bodies.extend(large.map(|url| get(&mut run, url)));
                }
            }
        }
    }
    let rate = run.driver.stats().received as f64 / start.elapsed().as_secs_f64();
    waiting.into_keys().chain(bodies).for_each(|id| drop(run.driver.remove(id).expect("it runs")));
    took.sort();
    let at = |share: usize| took[took.len() * share / 1000];
    Measured { p50: at(500), p99: at(990), most: took[took.len() - 1], rate }
}
