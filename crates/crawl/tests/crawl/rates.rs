//! What a page costs, in a crowd of pages of 10 KB with 20 links: `scripts/crawl rates`.
//!
//! The crowd is another process, so that CPU time is that of the crawl alone. RINGDOVE_PAGES says how many pages.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringdove::{Config, NameService};
use ringdove_crawl::crawl::{Sink, WarcSink};
use ringdove_crawl::frontier::DiskFrontier;

use crate::crowd::Crowd;
use crate::politeness::Nowhere;
use crate::whole::{config, crawl_into, writer};

fn crowd(closes: bool) -> Crowd {
    let pages: u32 = std::env::var("RINGDOVE_PAGES").map_or(20_000, |pages| pages.parse().unwrap());
    Crowd {
        hosts: 200,
        pages: pages / 200,
        domains: 200,
        addresses: 20,
        delay: Duration::ZERO,
        domain_at_once: u32::MAX,
        address_at_once: u32::MAX,
        domain_interval: Duration::ZERO,
        page_bytes: 10_000,
        links: 20,
        closes,
        takes: Duration::ZERO,
    }
}

/// The crowd in a process of its own, which says where it is and ends with its input.
#[test]
fn a_crowd_to_be_crawled() {
    let Ok(closes) = std::env::var("CROWD_CLOSES") else { return };
    let serving = crowd(closes == "true").start(42);
    println!("\ncrowd {} {}", serving.seed(), serving.names());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn begin(closes: bool) -> (Child, String, Config) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rates::a_crowd_to_be_crawled", "--nocapture"])
        .env("CROWD_CLOSES", closes.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("crowd ")).unwrap();
    let [_, seed, names] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let names = NameService::Servers(vec![names.parse().unwrap()]);
    (child, seed.to_owned(), Config { names, ..Config::default() })
}

/// What all threads of this process have taken of CPUs.
fn cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok);
    let taken = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    taken.sum()
}

fn measure(name: &str, closes: bool, is_kept: bool) {
    let (mut child, seed, engine) = begin(closes);
    let job = tempfile::tempdir().unwrap();
    let sink: Box<dyn Sink> = if is_kept {
        Box::new(WarcSink::open(writer(job.path(), 1 << 30), None).unwrap())
    } else {
        Box::new(Nowhere)
    };
    let frontier = DiskFrontier::open(&job.path().join("frontier")).unwrap();
    let (began, before) = (Instant::now(), cpu());
    let mut crawl =
        crawl_into(frontier, &seed, config(Duration::ZERO), std::io::sink(), engine, sink).unwrap();
    while crawl.turn(Duration::from_secs(1)).unwrap().is_none() {}
    // with all threads that it has
    let (took, cpu) = (began.elapsed(), cpu() - before);
    let tally = crawl.stop().unwrap();
    let rate = tally.pages as f64 / took.as_secs_f64();
    let each = cpu.as_secs_f64() * 1e6 / tally.pages as f64;
    println!("{name}: {} pages, {rate:.0} pages/s, {each:.0} µs of CPU each", tally.pages);
    assert_eq!(tally.pages, crowd(closes).all());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "a measurement: scripts/crawl rates"]
fn pages() {
    measure("kept connections", false, false);
    measure("new connections", true, false);
    measure("WARC", false, true);
}
