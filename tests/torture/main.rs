//! Many transfers, by every way that a connection can be made, to servers that reset, stall and trickle, with cancels,
//! pauses and deadlines at random, a third of them into files, and half of what is sent from one: each ends once, and nothing is left of any of them, of a file that is not whole
//! neither.
//!
//! `RINGDOVE_TORTURE` sets the number of transfers (`scripts/torture` runs a million), `RINGDOVE_SEED` the seed.

#![allow(clippy::disallowed_methods, reason = "a run is timed, for the one who started it")]

mod chance;
mod unix_server;
mod world;

use std::alloc::System;
use std::env;
use std::time::{Duration, Instant};

use chance::Chance;
use ringdove::MultiError::UnknownTransfer;
use ringdove::driver::Kind;
use ringdove::engine::NameService;
use ringdove::sys::count::{self, Counter};
use ringdove::sys::ring::{self, InUse, ZeroCopy};
use ringdove::sys::usage;
use ringdove::{
    Body, Config, Driver, Existing, FileWriter, Flow, Handler, Outcome, Room, TransferId,
};
use ringdove_test_support::leak::Census;
use ringdove_test_support::{PATIENCE, eventually, isolated};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tempfile::TempDir;
use world::{Route, World};

const IN_FLIGHT: usize = 150;

/// Takes a body, pausing now and then, and may have it written to a file.
struct Sink {
    chance: Chance,
    pauses: bool,
    file: Option<FileWriter>,
}

impl Handler for Sink {
    fn body(&mut self, chunk: &[u8]) -> Flow {
        match self.file.as_mut().map(|file| file.write(chunk)) {
            None | Some(Ok(Room::More)) => {}
            Some(Ok(Room::Full)) => return Flow::Pause,
            Some(Err(errno)) => return Flow::Abort(errno.to_string()),
        }
        if self.pauses && self.chance.one_in(20) { Flow::Pause } else { Flow::Continue }
    }

    fn done(&mut self, outcome: &Outcome) {
        match &mut self.file {
            Some(file) if outcome.result.is_ok() && !self.chance.one_in(10) => file.finish(),
            _ => self.file = None,
        }
    }
}

fn setting(name: &str, or: u64) -> u64 {
    let number =
        |value: String| value.parse().unwrap_or_else(|_| panic!("{name}={value}: a number"));
    env::var(name).map_or(or, number)
}

/// From here on a run is a long one: most transfers are quick, and memory must stay as it is.
const LONG: u64 = 20_000;

/// Answers to look-ups that are kept: fewer than there are names.
const LOOKUPS_KEPT: usize = 256;

/// Counts what is allocated: what grows with the number of transfers is a leak.
#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many more bytes may be allocated when all was given back at the end of a long run than when it was after the first
/// fifth: what tables that have grown once keep of room.
const GROWTH: usize = 1024 * 1024;

/// From here on what is resident has come to its height by the half of a run: pools are touched, and arenas of the allocator filled, as
/// far as a crowd by chance needs it, which takes some hundred thousand transfers.
const SETTLED: u64 = 300_000;

/// How much more memory may be resident at the end of a run that has settled than after its first half.
const RESIDENT_GROWTH_KIB: u64 = 8 * 1024;

/// A driver under torture.
struct Torture {
    driver: Driver,
    world: World,
    directory: TempDir,
    chance: Chance,
    seed: u64,
    running: Vec<(TransferId, Route)>,
    /// How many of each route ended well.
    well: [u64; Route::ALL.len()],
    ended: u64,
    removed: u64,
    /// Files that got their names.
    files: u64,
}

impl Torture {
    /// `None`, said aloud, if the driver cannot be had here.
    fn new(kind: Kind, rough: usize, seed: u64) -> Option<Torture> {
        let world = World::new(rough);
        let config = Config {
            max_connections: IN_FLIGHT,
            max_per_origin: 100,
            names: NameService::Servers(vec![world.name_server()]),
            lookup_cache: LOOKUPS_KEPT,
            ..Config::default()
        };
        let options = ring::Options { zero_copy: ZeroCopy::Always, ..ring::Options::default() };
        let mut driver = match Driver::with_ring(kind, config, &options) {
            Ok(driver) => driver,
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        world.tell(&mut driver);
        let (chance, running, well) = (Chance::new(seed), Vec::new(), [0; Route::ALL.len()]);
        let directory = tempfile::tempdir().expect("a directory");
        Some(Torture {
            driver,
            world,
            directory,
            chance,
            seed,
            running,
            well,
            ended: 0,
            removed: 0,
            files: 0,
        })
    }

    /// Carries so many more transfers to their ends.
    fn run(&mut self, transfers: u64) {
        let mut left = transfers;
        while left > 0 || !self.running.is_empty() {
            while left > 0 && self.running.len() < IN_FLIGHT {
                self.add();
                left -= 1;
            }
            self.driver.turn(Some(Duration::from_millis(5))).expect("the driver goes on");
            while let Some(message) = self.driver.next_message() {
                let place = self.running.iter().position(|&(id, _)| id == message.transfer);
                let place = place.unwrap_or_else(|| panic!("ended twice (seed {})", self.seed));
                let (_, route) = self.running.swap_remove(place);
                self.well[route as usize] += u64::from(message.outcome.result.is_ok());
                self.ended += 1;
                let (_, sink) = message.into_parts::<Sink>().expect("as added");
                if let Some(mut file) = sink.file {
                    let result = file.take_result().expect("a message comes after its file");
                    self.files += u64::from(result.is_ok());
                }
            }
            for _ in 0..self.running.len().min(4) {
                self.disturb();
            }
        }
    }

    fn add(&mut self) {
        let Self { chance, world, .. } = self;
        let route = Route::ALL[chance.below(Route::ALL.len())];
        let mut request = world.request(route, chance);
        if route == Route::Upload && chance.one_in(2) {
            let (path, length) = world.file();
            let source = Box::new(self.driver.files().read(path, 0, length));
            request = request.body(Body::Stream { length: Some(length), source });
        }
        let mut path = self.directory.path().to_owned();
        match chance.below(150) {
            // there is no such directory
            0 => path.push("none/file"),
            // one that others replace at the same time
            1..50 => path.push(chance.below(500).to_string()),
            _ => {}
        }
        let existing = [Existing::Replace, Existing::Keep][chance.below(2)];
        let has_file = path != self.directory.path();
        let file = has_file.then(|| self.driver.files().create(path, existing));
        let sink = Sink { chance: chance.fork(), pauses: chance.one_in(4), file: None };
        let add = |id| Sink { file: file.map(|file| file.of(id)), ..sink };
        let id = self.driver.add_with(request, add).expect("added");
        self.running.push((id, route));
    }

    /// Removes, pauses or resumes one of those that run.
    fn disturb(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let place = self.chance.below(self.running.len());
        let (id, _) = self.running[place];
        match self.chance.below(6) {
            0 => {
                self.running.swap_remove(place);
                drop(self.driver.remove(id).expect("it runs"));
                self.removed += 1;
            }
            // or is over, but for its file
            1 => assert!(matches!(self.driver.pause(id), Ok(()) | Err(UnknownTransfer(_)))),
            2..=4 => assert!(matches!(self.driver.resume(id), Ok(()) | Err(UnknownTransfer(_)))),
            _ => {}
        }
    }

    /// Nothing is left of any transfer.
    fn assert_all_given_back(&mut self) {
        let Self { driver, seed, .. } = self;
        driver.close_idle().unwrap();
        let clean = |driver: &mut Driver| {
            // the poll of what wakes the loop when a thread is done with a file
            let waker = |held: InUse| InUse {
                polls: held.polls.min(1),
                owed: held.owed.min(1),
                ..InUse::default()
            };
            let held = driver.ring_in_use().is_some_and(|held| held != waker(held));
            driver.is_empty() && !held
        };
        let done = eventually(PATIENCE, || {
            driver.turn(Some(Duration::ZERO)).expect("closes");
            clean(driver)
        });
        assert!(done, "seed {seed}: {:?}, {:?}", driver.stats(), driver.ring_in_use());
        let names = std::fs::read_dir(self.directory.path()).expect("a directory");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let asides = names.filter(|name| name.to_string_lossy().starts_with(".ringdove-"));
        assert_eq!(asides.count(), 0, "seed {seed}: written aside, and left there");
    }
}

/// Bytes that are allocated and not given back.
fn allocated() -> usize {
    let stats = ALLOCATIONS.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Runs `transfers` on a driver.
fn torture(kind: Kind, transfers: u64, seed: u64) {
    let rough = if transfers >= LONG { 20 } else { 2 };
    let Some(mut torture) = Torture::new(kind, rough, seed) else { return };
    let (start, before) = (Instant::now(), count::snapshot());
    torture.run(transfers / 5);
    torture.assert_all_given_back();
    let kept = allocated();
    torture.run(transfers / 2 - transfers / 5);
    let settled = resident();
    torture.run(transfers - transfers / 2);
    let (seconds, at_end) = (start.elapsed().as_secs_f64(), resident());
    assert_eq!(torture.ended + torture.removed, transfers, "seed {seed}");
    let stats = torture.driver.stats();
    let over = stats.succeeded + stats.failed + stats.removed;
    assert_eq!((stats.running, over), (0, transfers), "seed {seed}");
    assert!(stats.succeeded > 0 && stats.failed > 0 && torture.world.resets() > 0, "{stats:?}");
    let (well, files) = (torture.well, torture.files);
    assert!(files > 0, "seed {seed}");
    torture.assert_all_given_back();
    let is_flat = || allocated() <= kept + GROWTH;
    // the servers' threads end when they hear of it
    let grows = transfers >= LONG && !eventually(PATIENCE, is_flat);
    let kept_at_end = allocated();
    drop(torture);
    let counts = count::snapshot().since(&before);
    for lost in [Counter::StaleCqes, Counter::LostCqes, Counter::LeakedCqes] {
        assert_eq!(counts.get(lost), 0, "{}, seed {seed}", lost.name());
    }
    println!(
        "measured: {kind}, seed {seed}: {transfers} transfers in {seconds:.1} s, {} well, {} failed, {} removed, {} \
         connections, {} look-ups, {} exhausted, {} sends without copy, {files} files; allocated {kept} bytes at rest after a \
         fifth, {kept_at_end} at the end; resident {settled} KiB after a half, {at_end} KiB at the end",
        stats.succeeded,
        stats.failed,
        stats.removed,
        stats.opened,
        stats.lookups,
        stats.exhausted,
        counts.get(Counter::ZeroCopySends)
    );
    println!("measured: {kind}: ended well: {:?} {well:?}", Route::ALL);
    assert!(!grows, "allocated: from {kept} to {kept_at_end} bytes");
    if transfers >= SETTLED {
        let most = settled + RESIDENT_GROWTH_KIB;
        assert!(at_end <= most, "memory grew from {settled} KiB to {at_end} KiB");
    }
}

fn resident() -> u64 {
    usage::resident_kib().expect("/proc tells")
}

/// A test of one driver, of `most` transfers at most, in a process of its own so that what it leaves can be counted.
fn run(kind: Kind, test: &str, wrapper: &[&str], most: u64) {
    isolated::run(test, wrapper, || {
        let seed = setting("RINGDOVE_SEED", 0x5eed);
        let before = Census::take();
        let transfers = setting("RINGDOVE_TORTURE", 1500).min(most);
        // what the kernel has of workers for files ends with the thread whose ring it was
        let thread = std::thread::spawn(move || torture(kind, transfers, seed));
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
        before.assert_restored(PATIENCE);
    });
}

#[test]
fn ring() {
    run(Kind::Ring, "ring", &[], u64::MAX);
}

#[test]
fn poll() {
    run(Kind::Poll, "poll", &[], u64::MAX);
}

#[test]
fn epoll() {
    run(Kind::Epoll, "epoll", &[], u64::MAX);
}

/// The server needs descriptors too, and is of the same process; what remains is too few for either.
#[test]
fn ring_short_of_descriptors() {
    run(Kind::Ring, "ring_short_of_descriptors", &["prlimit", "--nofile=80"], LONG - 1);
}

#[test]
fn epoll_short_of_descriptors() {
    run(Kind::Epoll, "epoll_short_of_descriptors", &["prlimit", "--nofile=80"], LONG - 1);
}
