//! The whole crawl, in a web of its own that judges it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use ringdove::{Config, Driver};
use ringdove_crawl::crawl::{
    Crawl, CrawlConfig, CrawlError, End, Log, Parts, Sink, StandardExtract, Tally, WarcSink,
};
use ringdove_crawl::frontier::{DiskFrontier, Frontier as _};
use ringdove_crawl::scope::{Reach, SeedScope};
use ringdove_crawl::warc::{WriterConfig, check};

use crate::hostile::{Site, html, send};
use crate::recrawl::records;
use crate::web::{CRAWL_DELAY, Size, Web};

/// As long as nobody waits in vain, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) fn config(delay: Duration) -> CrawlConfig {
    CrawlConfig { delay, allow_private: true, ..CrawlConfig::new("testbot/1.0 (test@a.example)") }
}

/// A log that can be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words(Arc<Mutex<Vec<u8>>>);

impl Words {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Words {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn crawl(job: &Path, seed: &str, config: CrawlConfig) -> Result<Crawl, CrawlError> {
    crawl_and_log(job, seed, config, Words::default())
}

pub(crate) fn crawl_and_log(
    job: &Path,
    seed: &str,
    config: CrawlConfig,
    words: Words,
) -> Result<Crawl, CrawlError> {
    let frontier = DiskFrontier::open(&job.join("frontier"))?;
    let mark = frontier.mark()?;
    let sink = WarcSink::open(writer(job, 300_000), mark.as_deref())?;
    crawl_into(frontier, seed, config, words, Config::default(), Box::new(sink))
}

/// Files of a job, of so many bytes each.
pub(crate) fn writer(job: &Path, max_bytes: u64) -> WriterConfig {
    WriterConfig {
        folder: job.join("warc"),
        prefix: "test".to_owned(),
        max_bytes,
        info: Vec::new(),
        seed: [1; 16],
    }
}

/// On such an engine, and what is had goes there.
pub(crate) fn crawl_into(
    frontier: DiskFrontier,
    seed: &str,
    config: CrawlConfig,
    words: impl Write + 'static,
    engine: Config,
    sink: Box<dyn Sink>,
) -> Result<Crawl, CrawlError> {
    let seeds = [seed.parse().unwrap()];
    let parts = Parts {
        frontier: Box::new(frontier),
        scope: Box::new(SeedScope::new(&seeds, Reach::All)),
        extract: Box::new(StandardExtract),
        sink,
        log: Log::new(Box::new(words)),
    };
    let driver = Driver::auto(config.engine(engine))?;
    let mut crawl = Crawl::new(driver, config, parts)?;
    crawl.add_seeds(&seeds)?;
    Ok(crawl)
}

pub(crate) fn run(mut crawl: Crawl) -> Result<(End, Tally), CrawlError> {
    let began = Instant::now();
    loop {
        if let Some(end) = crawl.turn(Duration::from_secs(1))? {
            return Ok((end, crawl.stop()?));
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", crawl.tally());
    }
}

/// How often each URL has a response in the files, which are checked, too.
pub(crate) fn kept(job: &Path) -> BTreeMap<String, usize> {
    let mut kept = BTreeMap::new();
    for file in fs::read_dir(job.join("warc")).unwrap() {
        let path = file.unwrap().path();
        let checked = check(&path).unwrap();
        assert!(checked.is_good(), "{}: {:?}", path.display(), checked.faults);
        let mut bytes = Vec::new();
        MultiGzDecoder::new(fs::File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for record in text.split("WARC/1.1\r\nWARC-Type: response\r\n").skip(1) {
            let url = record.lines().find_map(|line| line.strip_prefix("WARC-Target-URI: "));
            *kept.entry(url.unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    kept.retain(|url: &String, _| !url.ends_with("robots.txt"));
    kept
}

pub(crate) fn differences(one: &BTreeSet<String>, other: &BTreeSet<String>) -> String {
    let only =
        |one: &BTreeSet<String>, other| one.difference(other).take(5).cloned().collect::<Vec<_>>();
    format!("{:?} / {:?}", only(one, other), only(other, one))
}

#[test]
fn all_is_found_once_and_no_delay_is_broken() {
    const DELAY: Duration = Duration::from_millis(15);
    let web = Web::start(Size { seed: 1, hosts: 30, pages: 80 });
    let expected = web.expected();
    assert!(expected.len() > 1_500, "{}", expected.len());
    let job = tempfile::tempdir().unwrap();
    let (end, tally) = run(crawl(job.path(), &web.seed(), config(DELAY)).unwrap()).unwrap();
    assert_eq!(end, End::Everything);
    let faults = web.faults(DELAY, &[]);
    assert!(faults.is_empty(), "{faults:#?}");
    let kept = kept(job.path());
    let urls: BTreeSet<_> = kept.keys().cloned().collect();
    assert!(urls == expected, "{}", differences(&urls, &expected));
    assert!(kept.values().all(|count| *count == 1), "{kept:?}");
    assert_eq!(tally.pages, expected.len() as u64);
    let visited: Vec<_> = web.visits().iter().map(|visit| web.url_of(visit)).collect();
    // one is busy on each host at first, and then answers
    let busy = visited.iter().filter(|url| url.ends_with("/p/2")).count();
    let robots = visited.iter().filter(|url| url.ends_with("robots.txt")).count();
    assert_eq!(visited.len() - robots, expected.len() + busy / 2);
    assert_eq!(robots, 31);
    // and there is nothing left to do
    let (end, again) = run(crawl(job.path(), &web.seed(), config(DELAY)).unwrap()).unwrap();
    assert_eq!((end, again.pages, again.fetched), (End::Everything, tally.pages, 0));
}

#[test]
fn a_budget_ends_a_crawl_and_another_run_goes_on() {
    let web = Web::start(Size { seed: 3, hosts: 6, pages: 20 });
    let job = tempfile::tempdir().unwrap();
    let mut config = config(Duration::from_millis(10));
    config.budget.pages = Some(20);
    let (end, tally) = run(crawl(job.path(), &web.seed(), config.clone()).unwrap()).unwrap();
    assert_eq!(end, End::Budget);
    // what was in flight then is kept, too
    assert!((20..20 + 6).contains(&tally.pages), "{tally:?}");
    // nobody knows when a host was asked last: it is left alone for its delay first
    let (before, began) = (web.visits().len(), Instant::now());
    config.delay = Duration::from_millis(600);
    config.budget.pages = None;
    config.budget.host_pages = Some(7);
    let (end, tally) = run(crawl(job.path(), &web.seed(), config.clone()).unwrap()).unwrap();
    assert_eq!(end, End::Everything);
    assert!(tally.pages <= 6 * 7 + 6, "{tally:?}");
    let late = web.too_soon(before, began, config.delay);
    assert!(late.is_empty(), "{late:#?}");
    config.delay = Duration::from_millis(10);
    config.budget.host_pages = None;
    run(crawl(job.path(), &web.seed(), config).unwrap()).unwrap();
    let urls: BTreeSet<_> = kept(job.path()).into_keys().collect();
    assert!(urls == web.expected(), "{}", differences(&urls, &web.expected()));
}

#[test]
fn private_addresses_are_refused_unless_allowed() {
    let web = Web::start(Size { seed: 4, hosts: 1, pages: 5 });
    let job = tempfile::tempdir().unwrap();
    let config = CrawlConfig { allow_private: false, ..config(Duration::ZERO) };
    let (end, tally) = run(crawl(job.path(), &web.seed(), config).unwrap()).unwrap();
    assert_eq!((end, tally.fetched, tally.left), (End::Everything, 0, 1));
    assert!(web.visits().is_empty());
}

#[test]
fn what_would_be_done_is_explained() {
    let web = Web::start(Size { seed: 5, hosts: 4, pages: 5 });
    let explain = |target: &str| {
        let job = tempfile::tempdir().unwrap();
        let crawl = crawl(job.path(), &web.seed(), config(Duration::ZERO)).unwrap();
        crawl.explain(&target.parse().unwrap()).unwrap()
    };
    let seed = web.seed();
    let explained = explain(&format!("{seed}#x"));
    assert_eq!(explained.canonical.as_str(), seed);
    assert_eq!((explained.robots, explained.scope, explained.trap), (Ok(()), Ok(()), Ok(())));
    let never = explain(&seed.replace("/p/0", "/never/x/x/x/x"));
    assert_eq!(never.robots, Err("robots.txt disallows it".to_owned()));
    assert!(never.trap.is_err());
    let slow = web.expected().into_iter().find(|url| url.contains(".7.4:")).unwrap();
    assert_eq!(explain(&slow).delay, CRAWL_DELAY);
    let visits = web.visits();
    assert!(visits.iter().all(|visit| visit.target == "/robots.txt"), "{visits:?}");
}

#[test]
fn near_duplicates_are_named_and_kept() {
    let site = Site::start(39, |_, _, target, socket| {
        let text = |begin: &str| (0..3_000).map(|at| format!("{begin}{at} ")).collect::<String>();
        match target {
            "/robots.txt" => send(socket, 404, "", b""),
            "/page" => {
                html(socket, "<a href=/1>1</a> <a href=/2>2</a> <a href=/3>3</a> <a href=/4>4</a>")
            }
            "/2" => html(socket, &format!("<h1>{}</h1><p>and a word more", text("word"))),
            "/3" => html(socket, &text("other")),
            "/4" => send(
                socket,
                200,
                "Content-Type: text/html\r\nX-Robots-Tag: nofollow\r\n",
                format!("<a href=/5>{}</a>", text("word")).as_bytes(),
            ),
            _ => html(socket, &text("word")),
        }
    });
    for is_named in [false, true] {
        let (job, words) = (tempfile::tempdir().unwrap(), Words::default());
        let config = CrawlConfig { near_duplicates: is_named, ..config(Duration::ZERO) };
        let seed = site.url(0, "/page");
        let crawl = crawl_and_log(job.path(), &seed, config, words.clone()).unwrap();
        let (_, tally) = run(crawl).unwrap();
        assert_eq!((tally.pages, tally.similar), (5, if is_named { 2 } else { 0 }));
        let log = words.text();
        let is_near = |at: u8| {
            let line = log.lines().find(|line| line.contains(&format!("/{at} 200"))).unwrap();
            line.contains(&format!("nearly the same as {}", site.url(0, "/1")))
        };
        assert_eq!([1, 2, 3, 4].map(is_near), [false, is_named, false, is_named], "{log}");
        let records = records(job.path());
        let named = records.iter().filter(|record| {
            record.contains(&format!("\r\nsimilarTo: {}\r\nsimhashDistance: ", site.url(0, "/1")))
        });
        assert_eq!(named.count(), if is_named { 2 } else { 0 });
        let hashed = records.iter().filter(|record| record.contains("\r\nsimhash: ")).count();
        assert_eq!(hashed, if is_named { 4 } else { 0 });
        assert_eq!(kept(job.path()).len(), 5);
    }
}
