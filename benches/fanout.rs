//! What a request costs over real sockets, by driver: many requests over few and over many kept
//! connections to a server in a thread of its own, in CPU time of the thread that makes them.
//!
//! Most of it is the kernel's; `cargo bench --bench engine` has the part that is the engine's.

#[path = "support/server.rs"]
mod server;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringdove::driver::Kind;
use ringdove::sys::{affinity, rlimit, usage};
use ringdove::{Config, Discard, Driver, Request};
use server::Server;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = fan_out
}
criterion_main!(benches);

fn fan_out(c: &mut Criterion) {
    rlimit::raise_open_files().expect("up to the hard limit");
    let cpus = affinity::allowed().expect("a set");
    let server = Server::start(cpus.last().copied());
    affinity::pin(cpus[0]).expect("allowed");
    let mut group = c.benchmark_group("fanout");
    group.throughput(Throughput::Elements(1));
    for connections in [64, 1000] {
        for kind in Kind::ALL {
            let config = Config { max_per_origin: connections, ..Config::default() };
            let driver = match Driver::new(kind, config) {
                Ok(driver) => driver,
                Err(refused) => {
                    eprintln!("skipped: {refused}");
                    continue;
                }
            };
            let mut client = Client { driver, url: server.url(), connections };
            // opens the connections
            client.fetch(2 * connections as u64);
            let id = BenchmarkId::new(kind.name(), connections);
            group.bench_function(id, |b| {
                b.iter_custom(|requests| {
                    let start = usage::of_thread().expect("getrusage");
                    client.fetch(requests);
                    usage::of_thread().expect("getrusage").since(&start).cpu()
                });
            });
        }
    }
    group.finish();
}

struct Client {
    driver: Driver,
    url: String,
    connections: usize,
}

impl Client {
    /// Makes so many requests, as many at once as there are connections.
    fn fetch(&mut self, requests: u64) {
        let (mut started, mut finished) = (0, 0);
        while finished < requests {
            while started < requests && started - finished < self.connections as u64 {
                let request = Request::get(&self.url).expect("a URL");
                self.driver.add(request, Box::new(Discard)).expect("room");
                started += 1;
            }
            self.driver.turn(None).expect("a driver that works");
            while let Some(message) = self.driver.next_message() {
                message.outcome.result.as_ref().expect("an answer");
                finished += 1;
            }
        }
    }
}
