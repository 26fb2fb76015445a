//! Many transfers against a server that resets, stalls and trickles, with cancels, pauses and deadlines at random:
//! each ends once, and nothing is left of any of them.
//!
//! `RINGDOVE_TORTURE` sets the number of transfers (`scripts/torture` runs a million), `RINGDOVE_SEED` the seed.

#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::env;
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::{Config, Driver, Flow, Handler, Options, Request, Timeouts, TransferId};
use support::hostile::{End, Framing, Hostile, Plan, Script};
use support::isolated;
use support::leak::Census;

const IN_FLIGHT: usize = 150;

/// Takes a body, pausing now and then; knows how much of it came.
struct Sink {
    chance: Chance,
    pauses: bool,
}

impl Handler for Sink {
    fn body(&mut self, _: &[u8]) -> Flow {
        if self.pauses && self.chance.one_in(20) { Flow::Pause } else { Flow::Continue }
    }
}

/// A small generator: what matters is that a seed replays.
#[derive(Clone, Copy)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

fn setting(name: &str, or: u64) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

const PATHS: [&str; 8] =
    ["/ok", "/ok?again", "/big", "/chunked", "/trickle", "/reset", "/stall", "/close"];

fn server() -> Hostile {
    let big = vec![b'b'; 700_000];
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    Plan::new()
        .max_connections(2 * IN_FLIGHT)
        .path("/ok", Script::new().ok("hello"))
        .path("/big", Script::new().ok(&big))
        .path("/chunked", Script::new().respond("200 OK", Framing::Chunked(1000), &big[..90_000]))
        .path("/trickle", Script::new().trickle(part, 9, Duration::from_millis(3)).stall())
        .path("/reset", Script::new().send(part).reset())
        .path("/stall", Script::new().send(part).stall())
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, "bye").close())
        .start()
}

/// Runs `transfers` on a driver; false if the driver cannot be had here.
fn torture(kind: Kind, transfers: u64, seed: u64) -> bool {
    let server = server();
    let config = Config { max_connections: IN_FLIGHT, max_per_origin: 100, ..Config::default() };
    let mut driver = match Driver::new(kind, config) {
        Ok(driver) => driver,
        Err(error) => {
            eprintln!("skipped: {error}");
            return false;
        }
    };
    let mut chance = Chance(seed | 1);
    let mut running: HashMap<TransferId, bool> = HashMap::new();
    let mut ids: Vec<TransferId> = Vec::new();
    let (mut added, mut ended, mut removed) = (0, 0, 0);
    while added < transfers || !running.is_empty() {
        while added < transfers && running.len() < IN_FLIGHT {
            let path = PATHS[chance.below(PATHS.len())];
            let milliseconds = 20 + chance.below(300) as u64;
            let timeouts = Timeouts {
                total: Some(Duration::from_millis(milliseconds)),
                ..Timeouts::default()
            };
            let request = Request::get(&format!("http://{}{path}", server.addr()))
                .expect("a URL")
                .options(Arc::new(Options { timeouts, ..Options::default() }));
            let sink = Sink { chance: Chance(chance.next() | 1), pauses: chance.one_in(4) };
            let id = driver.add(request, Box::new(sink)).expect("added");
            running.insert(id, false);
            ids.push(id);
            added += 1;
        }
        driver.turn(Some(Duration::from_millis(5))).expect("the driver goes on");
        while let Some(message) = driver.next_message() {
            assert!(running.remove(&message.transfer).is_some(), "ended twice (seed {seed})");
            ended += 1;
        }
        ids.retain(|id| running.contains_key(id));
        for _ in 0..ids.len().min(4) {
            let id = ids[chance.below(ids.len())];
            match chance.below(6) {
                0 if running.remove(&id).is_some() => {
                    drop(driver.remove(id).expect("it runs"));
                    removed += 1;
                }
                1 if running.contains_key(&id) => driver.pause(id).expect("it runs"),
                2..=4 if running.contains_key(&id) => driver.resume(id).expect("it runs"),
                _ => {}
            }
        }
    }
    assert_eq!(ended + removed, transfers, "seed {seed}");
    let stats = driver.stats();
    assert_eq!((stats.running, stats.succeeded + stats.failed), (0, ended), "seed {seed}");
    assert!(stats.succeeded > 0 && stats.failed > 0, "{stats:?}");
    // the server saw requests, and connections that ended in each way
    let seen = server.seen();
    assert!(seen.iter().any(|connection| connection.end == Some(End::Reset)), "nothing was reset");
    driver.engine_mut().close_idle();
    driver.turn(Some(Duration::ZERO)).expect("closes");
    assert!(driver.engine_mut().is_empty(), "seed {seed}: {:?}", driver.stats());
    true
}

/// A test of one driver, in a process of its own so that what it leaves can be counted.
fn run(kind: Kind, test: &str, wrapper: &[&str]) {
    isolated::run(test, wrapper, || {
        let seed = setting("RINGDOVE_SEED", 0x5eed);
        let before = Census::take();
        torture(kind, setting("RINGDOVE_TORTURE", 1500), seed);
        before.assert_restored(Duration::from_secs(10));
    });
}

#[test]
fn ring() {
    run(Kind::Ring, "ring", &[]);
}

#[test]
fn poll() {
    run(Kind::Poll, "poll", &[]);
}

#[test]
fn epoll() {
    run(Kind::Epoll, "epoll", &[]);
}

/// The server needs descriptors too, and is of the same process; what remains is too few for either.
#[test]
fn ring_short_of_descriptors() {
    run(Kind::Ring, "ring_short_of_descriptors", &["prlimit", "--nofile=60"]);
}

#[test]
fn epoll_short_of_descriptors() {
    run(Kind::Epoll, "epoll_short_of_descriptors", &["prlimit", "--nofile=60"]);
}
