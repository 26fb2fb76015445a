//! What is had of a host, whatever another one, an earlier run or its robots.txt says.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use ringdove::sys::clock;
use ringdove_crawl::crawl::{Crawl, CrawlConfig, End};
use ringdove_crawl::frontier::{DiskFrontier, Entry, Frontier as _, RobotsRecord, Until};
use ringdove_crawl::limits;

use crate::hostile::{Site, fast, html, send};
use crate::whole::{Words, crawl_and_log, run};

const HOUR: u64 = 60 * 60 * 1_000;
const DAY: u64 = 24 * HOUR;

/// Milliseconds since 1970.
fn now() -> u64 {
    u64::try_from(clock::unix_micros() / 1_000).unwrap()
}

fn frontier(job: &Path) -> DiskFrontier {
    DiskFrontier::open(&job.join("frontier")).unwrap()
}

fn begin(job: &Path, site: &Site, config: CrawlConfig, words: &Words) -> Crawl {
    crawl_and_log(job, &site.url(0, "/page"), config, words.clone()).unwrap()
}

/// Goes on until that is so.
fn turn_until(crawl: &mut Crawl, is_so: impl Fn(&Crawl) -> bool) {
    let began = Instant::now();
    while !is_so(crawl) {
        assert_eq!(crawl.turn(Duration::from_secs(1)).unwrap(), None);
        assert!(began.elapsed() < Duration::from_secs(600), "{:?}", crawl.tally());
    }
}

#[test]
fn queues_that_are_refused_are_settled_over_many_turns() {
    const URLS: u64 = 3_000;
    let site = Site::start(31, |site, host, target, socket| match (host, target) {
        (0, "/robots.txt") => send(socket, 200, "", b"User-agent: *\nDisallow: /never"),
        (_, "/robots.txt") => send(socket, 500, "", b""),
        _ => {
            let mut page = String::new();
            for number in 0..URLS {
                let other = site.url(1, &format!("/{number}"));
                let _ = write!(page, "<a href=/never/{number}></a><a href={other}></a>");
            }
            html(socket, &page)
        }
    });
    let job = tempfile::tempdir().unwrap();
    let mut crawl = begin(job.path(), &site, fast(), &Words::default());
    let (mut settled, mut most) = (0, 0);
    while crawl.turn(Duration::from_secs(1)).unwrap().is_none() {
        let now = crawl.tally().refused + crawl.tally().left;
        most = most.max(now - settled);
        settled = now;
    }
    assert!(most <= limits::SETTLED as u64, "{most} in one turn");
    let tally = crawl.stop().unwrap();
    assert_eq!((tally.pages, tally.refused, tally.left), (1, URLS, URLS));
}

#[test]
fn a_host_is_not_given_up_for_robots_txts_that_others_have_there() {
    const OTHERS: std::ops::Range<u8> = 2..8;
    let site = Site::start(32, |site, host, target, socket| match (host, target) {
        (1, "/silent") => Err(ErrorKind::Other.into()),
        (host, "/robots.txt") if OTHERS.contains(&host) => {
            send(socket, 302, &format!("Location: {}\r\n", site.url(1, "/silent")), b"")
        }
        (_, "/robots.txt") => send(socket, 404, "", b""),
        (0, _) => {
            let links = OTHERS.map(|other| format!("<a href={}></a>", site.url(other, "/page")));
            html(socket, &links.collect::<String>())
        }
        _ => html(socket, "page"),
    });
    let (job, words) = (tempfile::tempdir().unwrap(), Words::default());
    let config = CrawlConfig { retry_wait: Duration::from_millis(1), ..fast() };
    let mut crawl = begin(job.path(), &site, config, &words);
    let others = OTHERS.len() as u64;
    assert!(others > u64::from(limits::ORIGIN_FAILURES));
    turn_until(&mut crawl, |crawl| crawl.tally().left == others);
    // that it has lost nothing is seen as soon as there is something to lose
    crawl.add_seeds(&[site.url(1, "/page").parse().unwrap()]).unwrap();
    let (end, tally) = run(crawl).unwrap();
    let log = words.text();
    assert_eq!((end, tally.pages, tally.hosts_left), (End::Everything, 2, 0), "{log}");
    assert_eq!(log.matches("robots.txt could not be had").count(), 2 * OTHERS.len(), "{log}");
}

#[test]
fn a_host_is_not_given_up_for_ports_that_others_lead_to() {
    const PORTS: u32 = 2 * limits::ORIGIN_FAILURES;
    let site = Site::start(36, |site, host, target, socket| match (host, target) {
        (_, "/robots.txt") => send(socket, 404, "", b""),
        (0, _) => {
            let page = site.url(1, "/page");
            let (host, _) = page.rsplit_once(':').unwrap();
            // nobody listens on any of these
            let links: String =
                (1..=PORTS).map(|port| format!("<a href={host}:{port}/>x</a>")).collect();
            html(socket, &format!("{links}<a href={page}>x</a>"))
        }
        _ => html(socket, "page"),
    });
    let (job, words) = (tempfile::tempdir().unwrap(), Words::default());
    // a pause for any of them would be longer than anybody waits
    let config = CrawlConfig { retry_wait: Duration::from_secs(3_600), ..fast() };
    let (end, tally) = run(begin(job.path(), &site, config, &words)).unwrap();
    let log = words.text();
    assert_eq!((end, tally.pages, tally.left), (End::Everything, 2, u64::from(PORTS)), "{log}");
}

/// Each of its URLs stays for another run, and its rules are known there.
#[test]
fn an_origin_that_does_not_answer_is_left_for_another_run() {
    let site = Site::start(37, |_, host, target, socket| match (host, target) {
        (_, "/robots.txt") => send(socket, 200, "", b"User-agent: *\nDisallow: /never\n"),
        (_, "/page") => {
            html(socket, &(0..9).map(|at| format!("<a href=/{at}>x</a>")).collect::<String>())
        }
        _ => Err(ErrorKind::Other.into()),
    });
    let (job, words) = (tempfile::tempdir().unwrap(), Words::default());
    let config = CrawlConfig { retry_wait: Duration::from_millis(1), ..fast() };
    let (end, tally) = run(begin(job.path(), &site, config, &words)).unwrap();
    let log = words.text();
    assert_eq!((end, tally.pages, tally.left, tally.failed), (End::Everything, 1, 9, 0), "{log}");
    let origin = site.url(0, "");
    assert!(log.contains(&format!(" left {origin} it does not answer")), "{log}");
    let is_asked = |at: u32| site.asked(&format!("/{at}")) > 0;
    assert!((0..9).all(|at| is_asked(at) == (at < limits::ORIGIN_FAILURES)), "{log}");
    let known = frontier(job.path()).robots(&origin).unwrap();
    assert!(matches!(known, Some(RobotsRecord::Rules { .. })), "{known:?}");
}

#[test]
fn rules_that_are_known_are_kept_to_where_robots_txt_is_too_busy() {
    let site = Site::start(38, |_, _, target, socket| match target {
        "/robots.txt" => send(socket, 429, "Retry-After: 0\r\n", b""),
        "/page" => html(socket, "<a href=/never></a><a href=/other></a>"),
        _ => html(socket, "page"),
    });
    let job = tempfile::tempdir().unwrap();
    let (origin, at) = (site.url(0, ""), now() - 25 * HOUR);
    let mut before = frontier(job.path());
    let text = b"User-agent: *\nDisallow: /never\n".to_vec();
    before.set_robots(&origin, RobotsRecord::Rules { at, until: at + DAY, text });
    before.commit(b"", now()).unwrap();
    drop(before);
    let words = Words::default();
    let (end, tally) = run(begin(job.path(), &site, fast(), &words)).unwrap();
    assert_eq!((end, tally.pages, tally.left), (End::Everything, 2, 0), "{}", words.text());
    assert_eq!((site.asked("/never"), site.asked("/robots.txt")), (0, 3));
    let known = frontier(job.path()).robots(&origin).unwrap();
    assert!(matches!(known, Some(RobotsRecord::Rules { at: then, .. }) if then == at), "{known:?}");
}

/// A robots.txt that was had `age` ago, and now is answered with 503. Returns what was done, how often it was asked for, and what is known then.
fn with_rules_of(net: u8, age: u64) -> (u64, u64, usize, RobotsRecord) {
    let site = Site::start(net, |_, _, target, socket| match target {
        "/robots.txt" => send(socket, 503, "", b""),
        "/page" => html(socket, "<a href=/never></a><a href=/other></a>"),
        _ => html(socket, "page"),
    });
    let job = tempfile::tempdir().unwrap();
    let mut before = frontier(job.path());
    let origin = site.url(0, "");
    let at = now() - age;
    let text = b"User-agent: *\nDisallow: /never\n".to_vec();
    before.set_robots(&origin, RobotsRecord::Rules { at, until: at + DAY, text });
    before.commit(b"", now()).unwrap();
    drop(before);
    let config = CrawlConfig { busy_wait: Duration::from_secs(2), ..fast() };
    let (began, words) = (Instant::now(), Words::default());
    let (end, tally) = run(begin(job.path(), &site, config.clone(), &words)).unwrap();
    assert_eq!(end, End::Everything);
    assert!(tally.pages == 0 || began.elapsed() >= config.busy_wait, "{}", words.text());
    assert_eq!(site.asked("/never"), 0);
    let known = frontier(job.path()).robots(&origin).unwrap().unwrap();
    if let RobotsRecord::Rules { at: then, .. } = known {
        assert_eq!(then, at);
    }
    (tally.pages, tally.left, site.asked("/robots.txt"), known)
}

#[test]
fn rules_that_cannot_be_had_again_stay_for_a_while_and_are_asked_for_again() {
    let again = u64::try_from(limits::ROBOTS_AGAIN.as_millis()).unwrap();
    let began = now();
    let (pages, left, asked, known) = with_rules_of(33, 25 * HOUR);
    assert_eq!((pages, left, asked), (2, 0, 1));
    let RobotsRecord::Rules { until, .. } = known else { panic!("{known:?}") };
    assert!((began + again..=now() + again).contains(&until), "{until}");
    // and are too old in the end
    let (pages, left, asked, known) = with_rules_of(34, 31 * DAY);
    assert_eq!((pages, left, asked), (0, 1, 1));
    assert!(matches!(known, RobotsRecord::Denied { .. }), "{known:?}");
}

#[test]
fn a_clock_that_was_wrong_in_an_earlier_run_holds_no_host() {
    let site = Site::start(35, |_, _, target, socket| match target {
        "/robots.txt" => send(socket, 404, "", b""),
        _ => html(socket, "page"),
    });
    let job = tempfile::tempdir().unwrap();
    let years = now() + 10 * 365 * DAY;
    let url = |host| site.url(host, "/page").parse::<ringdove::Url>().unwrap();
    let name = |host| url(host).host_str().unwrap().to_owned();
    let mut before = frontier(job.path());
    for host in 0..2 {
        let entry = Entry {
            url: url(host).into(),
            host: name(host),
            depth: 0,
            redirects: 0,
            tries: 0,
            via: String::new(),
            visit: None,
        };
        before.add(&entry).unwrap();
    }
    before.commit(b"", years).unwrap();
    // the other one has asked to be left alone, too
    let mut record = before.wake(&name(1)).unwrap();
    record.not_before = years;
    before.sleep(&name(1), record, Until::Time);
    before.commit(b"", years).unwrap();
    drop(before);
    let mut crawl = begin(job.path(), &site, fast(), &Words::default());
    turn_until(&mut crawl, |crawl| crawl.tally().pages == 1);
    crawl.stop().unwrap();
    assert_eq!(site.asked("/page"), 1);
    let mut after = frontier(job.path());
    let latest = now() + DAY;
    let wakes = after.next_wake().unwrap();
    assert!(wakes.is_some_and(|time| time <= latest), "{wakes:?} {latest}");
    assert!(after.host(&name(1)).unwrap().unwrap().not_before <= latest);
}
