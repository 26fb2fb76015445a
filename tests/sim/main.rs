//! The engine under a simulated network: virtual time, and chance from a seed.
//!
//! Each seed draws a scenario (servers, links, a resolver, an application, a driver of one of two
//! kinds, limits and deadlines) and plays it to its end, while everything that the engine promises
//! is checked: each byte, each deadline, each limit, one end for each transfer, an error for a
//! reason only, progress in a bounded number of steps, and nothing left over.
//!
//! `RINGDOVE_SEEDS=100000` plays that many, `RINGDOVE_SEED=17` that one alone, and
//! `RINGDOVE_TRACE=1` tells what happens in it.

mod app;
mod check;
mod driver;
mod gates;
mod http2;
mod network;
mod plan;
mod random;
mod server;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

const SEEDS: u64 = 10_000;

/// As many of HTTP/2.
const HTTP2_SEEDS: u64 = 2_000;

#[test]
fn every_seed_plays_to_its_end() {
    play_all(SEEDS, |seed, trace| {
        let mut world = World::new(seed, trace);
        world.run();
        (world.succeeded, world.failed)
    });
}

#[test]
fn every_seed_of_http2_plays_to_its_end() {
    play_all(HTTP2_SEEDS, http2::play);
}

/// Plays seeds, each of which says how many transfers succeeded, and how many failed.
fn play_all(seeds: u64, play: impl Fn(u64, bool) -> (u64, u64) + Sync) {
    if let Some(seed) = number("RINGDOVE_SEED") {
        let trace = number("RINGDOVE_TRACE").is_some_and(|n| n > 0);
        play(seed, trace);
        return;
    }
    let seeds = number("RINGDOVE_SEEDS").unwrap_or(seeds);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let tally = [const { AtomicU64::new(0) }; 2];
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || failed.lock().unwrap().len() >= 5 {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| play(seed, false))) {
                        Ok((succeeded, failed)) => {
                            tally[0].fetch_add(succeeded, Ordering::Relaxed);
                            tally[1].fetch_add(failed, Ordering::Relaxed);
                        }
                        Err(_) => {
                            eprintln!("that was seed {seed}: RINGDOVE_SEED={seed} plays it again");
                            failed.lock().unwrap().push(seed);
                        }
                    }
                }
            });
        }
    });
    let [succeeded, errors] = tally.map(AtomicU64::into_inner);
    eprintln!("{succeeded} transfers succeeded and {errors} failed as they had to");
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
    // chance that makes everything fail, or nothing, tests nothing
    assert!(seeds < 100 || (succeeded > errors && errors > seeds / 10));
}

#[test]
fn a_seed_plays_the_same_each_time() {
    for seed in 0..100 {
        let (mut one, mut other) = (World::new(seed, false), World::new(seed, false));
        one.run();
        other.run();
        assert_eq!((one.now, one.engine.stats()), (other.now, other.engine.stats()));
    }
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}
