//! What hosts that wait take of memory.
//!
//! A process of its own, whose allocations are counted. RINGDOVE_HOSTS has it queue more hosts than an ordinary run does.

use std::alloc::System;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use ringdove::sys::clock;
use ringdove::{Config, Driver};
use ringdove_crawl::crawl::{Crawl, CrawlConfig, End, Log, Parts, StandardExtract, WarcSink};
use ringdove_crawl::frontier::{DiskFrontier, Entry, Frontier as _};
use ringdove_crawl::scope::{Reach, SeedScope};
use ringdove_crawl::warc::WriterConfig;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Hosts that may be asked at once, and with that eight times as many that may be awake.
const PARALLEL: usize = 16;
const AWAKE: usize = 8 * PARALLEL;

fn held() -> usize {
    let stats = ALLOCATIONS.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// A host for each number, all of them in this machine.
fn host(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(127, 100 + a, b, c).to_string()
}

/// Queues two URLs of each of these hosts, whose time comes at `time`.
fn queue(frontier: &mut DiskFrontier, hosts: std::ops::Range<u32>, port: u16, time: u64) {
    for number in hosts.clone() {
        let host = host(number);
        for page in ["", "2"] {
            let entry = Entry {
                url: format!("http://{host}:{port}/{page}"),
                host: host.clone(),
                depth: 0,
                redirects: 0,
                tries: 0,
                via: String::new(),
                visit: None,
            };
            assert!(frontier.add(&entry).unwrap());
        }
        if number % 10_000 == 9_999 {
            frontier.commit(b"", time).unwrap();
        }
    }
    frontier.commit(b"", time).unwrap();
}

fn crawl(job: &Path, frontier: DiskFrontier) -> Crawl {
    let mark = frontier.mark().unwrap().filter(|mark| !mark.is_empty());
    let config = CrawlConfig {
        delay: Duration::from_millis(10),
        allow_private: true,
        parallel: PARALLEL,
        retry_wait: Duration::from_millis(10),
        ..CrawlConfig::new("testbot/1.0 (test@a.example)")
    };
    let writer = WriterConfig {
        folder: job.join("warc"),
        prefix: "test".to_owned(),
        max_bytes: 1 << 30,
        info: Vec::new(),
        seed: [1; 16],
    };
    let parts = Parts {
        scope: Box::new(SeedScope::new(&[], Reach::All)),
        extract: Box::new(StandardExtract),
        sink: Box::new(WarcSink::open(writer, mark.as_deref()).unwrap()),
        frontier: Box::new(frontier),
        log: Log::new(Box::new(std::io::sink())),
    };
    let driver = Driver::auto(config.engine(Config::default())).unwrap();
    Crawl::new(driver, config, parts).unwrap()
}

/// A port that refuses, since it is bound by who does not listen elsewhere.
fn refusing_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn hosts_that_wait_take_no_memory() {
    let later = u64::try_from(clock::unix_micros() / 1_000).unwrap() + 6 * 60 * 60 * 1_000;
    let all: u32 = std::env::var("RINGDOVE_HOSTS").map_or(6_000, |all| all.parse().unwrap());
    let due = 0..(all / 20).min(1_000);
    let (_listener, port) = refusing_port();
    let job = tempfile::tempdir().unwrap();
    let folder = job.path().join("frontier");
    let mut frontier = DiskFrontier::open(&folder).unwrap();
    queue(&mut frontier, due.end..all, port, later);
    drop(frontier);
    // all of them wait: none is looked at
    let mut frontier = DiskFrontier::open(&folder).unwrap();
    assert_eq!(frontier.next_wake().unwrap(), Some(later));
    let before = held();
    let mut crawl = self::crawl(job.path(), frontier);
    for _ in 0..3 {
        assert_eq!(crawl.turn(Duration::from_millis(1)).unwrap(), None);
    }
    let taken = held().saturating_sub(before);
    println!("{all} hosts that wait, {taken} bytes");
    // of which the compressor of WARC files takes some 300 KiB
    assert!(crawl.awake() == 0 && taken < 512 * 1024, "{} hosts, {taken} bytes", crawl.awake());
    crawl.stop().unwrap();
    // the time of some has come: no more are awake than may be, each is asked once in a run, and by the next run again
    let mut frontier = DiskFrontier::open(&folder).unwrap();
    queue(&mut frontier, due.clone(), port, 1);
    drop(frontier);
    for _ in 0..2 {
        let mut crawl = self::crawl(job.path(), DiskFrontier::open(&folder).unwrap());
        let asked = u64::from(due.end);
        let mut most_awake = 0;
        while crawl.tally().left < 2 * asked {
            assert_eq!(crawl.turn(Duration::from_secs(1)).unwrap(), None::<End>);
            most_awake = most_awake.max(crawl.awake());
        }
        assert!((PARALLEL..=AWAKE).contains(&most_awake), "{most_awake}");
        let tally = crawl.stop().unwrap();
        assert_eq!((tally.left, tally.failed, tally.fetched), (2 * asked, 0, 0));
    }
}
