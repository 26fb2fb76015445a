//! What the engine costs per transfer, without a kernel: from `add` to `done`, in CPU time of this
//! thread, which other programs disturb less than the clock.
//!
//! `queue` asks whether a transfer costs more when a million wait than when a thousand do. The
//! same number of transfers is measured on both sides: with the queue kept at its length (one
//! added for each that ends), and over whole runs (a million at once beside a thousand at a time,
//! a thousand times).

#[path = "support/canned.rs"]
mod canned;

use std::time::Duration;

use canned::{Canned, Scenario};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringdove::sys::usage;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(4));
    targets = transfers, queue, timers
}
criterion_main!(benches);

const MILLION: u64 = 1_000_000;

fn transfers(c: &mut Criterion) {
    let mut group = c.benchmark_group("transfer");
    group.throughput(Throughput::Elements(1));
    let scenarios = [
        ("keepalive", Scenario::keepalive(64)),
        ("keepalive_8000_connections", Scenario::keepalive(8000)),
        ("new_connection", Scenario::new_connections(64)),
        ("body_of_64_kib", Scenario::body(64, 64 * 1024)),
        ("chunks_of_4_kib_64_kib", Scenario::chunked(64, 64 * 1024)),
    ];
    for (name, scenario) in scenarios {
        let mut canned = Canned::new(&scenario);
        canned.add(scenario.connections as u64);
        group.bench_function(name, |b| {
            b.iter_custom(|transfers| timed(|| canned.run_steadily(transfers)))
        });
    }
    group.finish();
}

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    for queued in [1000, MILLION] {
        let mut canned = Canned::new(&Scenario::keepalive(6));
        canned.add(queued);
        group.bench_function(format!("steady_{queued}_queued"), |b| {
            b.iter_custom(|transfers| timed(|| canned.run_steadily(transfers)))
        });
    }
    group.throughput(Throughput::Elements(MILLION));
    group.sample_size(10);
    for at_once in [1000, MILLION] {
        let mut canned = Canned::new(&Scenario::keepalive(6));
        group.bench_function(format!("million_{at_once}_at_a_time"), |b| {
            b.iter_custom(|times| {
                timed(|| {
                    for _ in 0..times * MILLION / at_once {
                        canned.run(at_once);
                    }
                })
            })
        });
    }
    group.finish();
}

fn timers(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    group.throughput(Throughput::Elements(1));
    for queued in [1000, MILLION] {
        let mut canned = Canned::new(&Scenario::keepalive(6).with_all_deadlines());
        canned.add(queued);
        group.bench_function(format!("all_deadlines_{queued}_queued"), |b| {
            b.iter_custom(|transfers| timed(|| canned.run_steadily(transfers)))
        });
    }
    group.finish();
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = usage::of_thread().expect("getrusage");
    work();
    usage::of_thread().expect("getrusage").since(&start).cpu()
}
