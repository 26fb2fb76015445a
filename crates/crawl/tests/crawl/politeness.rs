//! How a crowd of hosts is asked, judged by these: RINGDOVE_REQUESTS has it be of more than an ordinary run has (`scripts/crawl politeness`).

use std::time::{Duration, Instant};

use ringdove::{Allowance, Config, NameService, Politeness};
use ringdove_crawl::crawl::{CrawlConfig, End, Kept, Page, Sink};
use ringdove_crawl::frontier::DiskFrontier;

use crate::crowd::{Crowd, Serving};
use crate::whole::{PATIENCE, config, crawl_into};

/// Keeps nothing.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    fn keep(&mut self, _: &Page<'_>) -> std::io::Result<Kept> {
        Ok(Kept { digest: String::new(), place: String::new() })
    }

    fn sync(&mut self) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// What a driver is told of such a crowd: who knows its names, and what is owed to its domains and addresses.
pub(crate) fn engine(crowd: Crowd, serving: &Serving) -> Config {
    let at_once = |most| usize::try_from(most).ok();
    Config {
        names: NameService::Servers(vec![serving.names()]),
        politeness: Politeness {
            per_domain: Allowance {
                interval: Some(crowd.domain_interval).filter(|interval| !interval.is_zero()),
                concurrency: at_once(crowd.domain_at_once),
            },
            per_address: Allowance { interval: None, concurrency: at_once(crowd.address_at_once) },
            ..Politeness::default()
        },
        ..Config::default()
    }
}

#[test]
fn each_host_domain_and_address_has_its_due() {
    let requests = std::env::var("RINGDOVE_REQUESTS");
    let requests = requests.map_or(4_000, |requests| requests.parse().unwrap());
    let hosts = (requests / 500).max(80);
    let crowd = Crowd {
        hosts,
        pages: requests / hosts,
        domains: (hosts / 8).max(4),
        addresses: 20,
        delay: Duration::from_millis(20),
        domain_at_once: 2,
        address_at_once: 3,
        domain_interval: Duration::from_millis(2),
        page_bytes: 0,
        links: 0,
        closes: false,
        takes: Duration::from_millis(5),
    };
    let serving = crowd.start(41);
    let job = tempfile::tempdir().unwrap();
    let told = CrawlConfig { parallel: 512, ..config(crowd.delay) };
    let frontier = DiskFrontier::open(&job.path().join("frontier")).unwrap();
    let engine = engine(crowd, &serving);
    let crawl =
        crawl_into(frontier, &serving.seed(), told, std::io::sink(), engine, Box::new(Nowhere));
    let mut crawl = crawl.unwrap();
    let (mut end, mut told, mut since) = (None, 0, Instant::now());
    while end.is_none() {
        end = crawl.turn(Duration::from_secs(1)).unwrap();
        assert!(since.elapsed() < PATIENCE, "{:?}", crawl.tally());
        // a long run says how far it is, and ends with the first fault
        if crawl.tally().pages >= told + 50_000 {
            (told, since) = (crawl.tally().pages, Instant::now());
            serving.judged(|judge| {
                println!("{judge}");
                assert!(judge.faults.is_empty(), "{:#?}", judge.faults);
            });
        }
    }
    let tally = crawl.stop().unwrap();
    serving.judged(|judge| {
        println!("{judge}");
        assert!(judge.faults.is_empty(), "{:#?}", judge.faults);
        assert_eq!(end, Some(End::Everything));
        assert_eq!((tally.pages, judge.found()), (crowd.all(), crowd.all()));
        // both bounds were met, or nothing would be shown
        assert_eq!(judge.most, [crowd.domain_at_once, crowd.address_at_once]);
    });
}

/// Who waits for others of its domain for long sleeps, and has its turn in the end; there are no more of these than there is room for.
#[test]
fn who_waits_for_others_of_its_domain_has_its_turn() {
    let crowd = Crowd {
        hosts: 60,
        pages: 4,
        domains: 5,
        addresses: 20,
        delay: Duration::ZERO,
        domain_at_once: 1,
        address_at_once: 3,
        domain_interval: Duration::ZERO,
        page_bytes: 0,
        links: 0,
        closes: false,
        takes: Duration::from_millis(5),
    };
    let serving = crowd.start(42);
    let job = tempfile::tempdir().unwrap();
    let mut told =
        CrawlConfig { parallel: 2, held_up_wait: Duration::from_millis(40), ..config(crowd.delay) };
    told.timeouts.queue = Some(Duration::from_millis(60));
    let frontier = DiskFrontier::open(&job.path().join("frontier")).unwrap();
    let engine = engine(crowd, &serving);
    let crawl =
        crawl_into(frontier, &serving.seed(), told, std::io::sink(), engine, Box::new(Nowhere));
    let mut crawl = crawl.unwrap();
    let (mut end, mut most, began) = (None, 0, Instant::now());
    while end.is_none() {
        end = crawl.turn(Duration::from_secs(1)).unwrap();
        most = most.max(crawl.in_flight());
        assert!(began.elapsed() < PATIENCE, "{:?}", crawl.tally());
    }
    let tally = crawl.stop().unwrap();
    serving.judged(|judge| {
        assert!(judge.faults.is_empty(), "{:#?}", judge.faults);
        assert_eq!((tally.pages, judge.found()), (crowd.all(), crowd.all()));
        assert_eq!((tally.failed, tally.retried, tally.left), (0, 0, 0));
        // how many wait at a time is a matter of luck; that they take no place of others is told of `places` by itself
        assert!(most <= 8 && judge.most_in_all <= 2, "{most} {}", judge.most_in_all);
    });
}
