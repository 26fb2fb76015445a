//! Pages are fetched again, by what they said of themselves the last time.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use ringdove_crawl::crawl::{CrawlConfig, End, Recrawl, Tally};
use ringdove_crawl::frontier::{DiskFrontier, Entry, Frontier as _, Visit};
use ringdove_crawl::warc::check;

use crate::whole::{PATIENCE, Words, config, crawl, crawl_and_log, run};

/// A request: its target, and the fields that make it conditional.
type Asked = (String, Vec<String>);

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A host with pages that stay, of which one says so of another one, one that stays and has no validator, one that changes each time, and one that is gone.
struct Host {
    seed: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Host {
    fn start() -> Host {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let seed = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || while serve(&socket, &seen).is_some() {});
            }
        });
        Host { seed, asked }
    }

    /// How often each target was asked for.
    fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for (target, _) in &*self.asked.lock().unwrap() {
            *counts.entry(target.clone()).or_insert(0) += 1;
        }
        counts
    }
}

fn serve(mut socket: &TcpStream, seen: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let fields = lines.take_while(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase());
    let conditions: Vec<_> = fields.filter(|line| line.starts_with("if-")).collect();
    let is_conditional = !conditions.is_empty();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push((target.clone(), conditions));
        seen.len()
    };
    let (status, fields, body) = match &*target {
        "/" => {
            let links = ["tagged", "dated", "mistagged", "plain", "changing", "gone"];
            let links = links.map(|at| format!("<a href=/{at}>x</a>")).concat();
            (200, "Content-Type: text/html\r\n".to_owned(), links)
        }
        "/tagged" if is_conditional => (304, "ETag: W/\"1\"\r\n".to_owned(), String::new()),
        "/dated" | "/mistagged" if is_conditional => {
            (304, "ETag: \"2\"\r\n".to_owned(), String::new())
        }
        "/tagged" | "/mistagged" => (200, "ETag: \"1\"\r\n".to_owned(), target[1..].to_owned()),
        "/dated" => (200, format!("Last-Modified: {DATE}\r\n"), "dated".to_owned()),
        "/plain" => (200, String::new(), "plain".to_owned()),
        "/changing" => (200, format!("ETag: \"{number}\"\r\n"), format!("changing {number}")),
        _ => (404, "ETag: \"x\"\r\n".to_owned(), String::new()),
    };
    let length = body.len();
    let length =
        if status == 304 { String::new() } else { format!("Content-Length: {length}\r\n") };
    write!(socket, "HTTP/1.1 {status} Status\r\n{fields}{length}\r\n{body}").ok()
}

fn often() -> CrawlConfig {
    let recrawl = Recrawl {
        first: Duration::from_millis(60),
        least: Duration::from_millis(40),
        most: Duration::from_secs(3_600),
    };
    CrawlConfig { recrawl: Some(recrawl), ..config(Duration::from_millis(1)) }
}

/// All records of a job, as text.
pub(crate) fn records(job: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(job.join("warc")).unwrap() {
        let path = file.unwrap().path();
        let checked = check(&path).unwrap();
        assert!(checked.is_good(), "{:?}", checked.faults);
        let mut bytes = Vec::new();
        MultiGzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        all.extend(text.split("WARC/1.1\r\n").skip(1).map(str::to_owned));
    }
    all
}

/// Crawls, in several runs, until that is so.
fn until(host: &Host, job: &Path, is_enough: impl Fn(&HashMap<String, usize>) -> bool) -> Tally {
    let (began, mut all) = (Instant::now(), Tally::default());
    for pages in 1.. {
        let mut config = often();
        // whatever ends a run, the next one goes on
        config.budget.pages = Some(all.pages + pages);
        // also where something is always due
        config.budget.time = Some(Duration::from_secs(2));
        let (_, tally) = run(crawl(job, &host.seed, config).unwrap()).unwrap();
        all.pages = tally.pages;
        all.again += tally.again;
        all.unmodified += tally.unmodified;
        if is_enough(&host.counts()) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{all:?}");
    }
    all
}

#[test]
fn pages_are_fetched_again_by_what_they_said() {
    let (host, job) = (Host::start(), tempfile::tempdir().unwrap());
    let all = ["/", "/tagged", "/dated", "/mistagged", "/plain", "/changing", "/gone"];
    let tally = until(&host, job.path(), |counts| {
        all.iter().all(|at| counts.get(*at).is_some_and(|count| *count >= 3))
    });
    // of each the first alone counts
    assert_eq!(tally.pages, 7);
    assert!(tally.again >= 10 && (4..tally.again).contains(&tally.unmodified), "{tally:?}");
    let asked = host.asked.lock().unwrap().clone();
    let of = |target: &str| {
        let asked = asked.iter().filter(|(other, _)| other == target);
        asked.map(|(_, fields)| fields.join(", ")).collect::<Vec<_>>()
    };
    assert_eq!(of("/tagged")[..3], ["", "if-none-match: \"1\"", "if-none-match: \"1\""]);
    // once it was another one's, it is asked for anew
    assert_eq!(of("/mistagged")[..3], ["", "if-none-match: \"1\"", ""]);
    let date = DATE.to_ascii_lowercase();
    let dated = of("/dated");
    assert_eq!(dated[..2], [String::new(), format!("if-modified-since: {date}")]);
    // nobody has said that this is the ETag of what there was
    assert_eq!(dated[2], dated[1]);
    for (target, is_conditional) in [("/plain", false), ("/gone", false), ("/changing", true)] {
        assert!(
            of(target)[1..].iter().all(|fields| fields.is_empty() != is_conditional),
            "{target}"
        );
    }
    // what changes is fetched more often than what does not
    let counts = host.counts();
    assert!(counts["/changing"] >= counts["/plain"], "{counts:?}");
    let records = records(job.path());
    let field = |record: &str, name: &str| {
        let line = record.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_start_matches(": ").to_owned()
    };
    let kept_of = |target: &str, kind: &str| {
        let is_of = format!("{target}\r\nContent-Type: application/http; msgtype=response");
        let is_it = move |record: &&String| record.starts_with(kind) && record.contains(&is_of);
        records.iter().filter(is_it).collect::<Vec<_>>()
    };
    assert!(kept_of("/mistagged", "WARC-Type: revisit").is_empty());
    let [first, revisits] =
        ["WARC-Type: response", "WARC-Type: revisit"].map(|kind| kept_of("/tagged", kind));
    assert!(first.len() == 1 && revisits.len() >= 2, "{} {}", first.len(), revisits.len());
    for revisit in revisits {
        assert!(field(revisit, "WARC-Profile").ends_with("/revisit/server-not-modified"));
        for (name, other) in [
            ("WARC-Refers-To-Date", "WARC-Date"),
            ("WARC-Refers-To-Target-URI", "WARC-Target-URI"),
            ("WARC-Payload-Digest", "WARC-Payload-Digest"),
        ] {
            assert_eq!(field(revisit, name), field(first[0], other), "{revisit}");
        }
        assert!(revisit.contains("HTTP/1.1 304 Status\r\n"), "{revisit}");
    }
}

/// What cannot even be asked for is due again as anything that was not had.
#[test]
fn what_could_not_be_asked_for_is_fetched_again() {
    let (host, job) = (Host::start(), tempfile::tempdir().unwrap());
    let mut frontier = DiskFrontier::open(&job.path().join("frontier")).unwrap();
    // no field's value
    let visit = Visit { status: 200, etag: "\n".to_owned(), ..Visit::default() };
    let entry = Entry {
        url: format!("{}unfit", host.seed),
        host: "127.0.0.1".to_owned(),
        depth: 0,
        redirects: 0,
        tries: 0,
        via: String::new(),
        visit: Some(Box::new(visit)),
    };
    assert!(frontier.add(&entry).unwrap());
    frontier.commit(b"", 1).unwrap();
    drop(frontier);
    let day = Recrawl::default();
    let config = CrawlConfig { recrawl: Some(day), ..config(Duration::ZERO) };
    let (_, tally) = run(crawl(job.path(), &host.seed, config).unwrap()).unwrap();
    assert_eq!((tally.failed, host.counts().get("/unfit")), (1, None));
    let mut frontier = DiskFrontier::open(&job.path().join("frontier")).unwrap();
    frontier.queue_visits(u64::MAX, usize::MAX).unwrap();
    frontier.commit(b"", 2).unwrap();
    let (mut from, mut urls) = (0, Vec::new());
    while let Some(queued) = frontier.take("127.0.0.1", from).unwrap() {
        from = queued.place + 1;
        urls.push(queued.entry.url);
    }
    assert!(urls.contains(&entry.url), "{urls:?}");
}

/// Nothing of it is in a crawl that fetches nothing again, and what is not due ends no crawl later.
#[test]
fn what_is_not_due_is_left_in_peace() {
    let (host, job) = (Host::start(), tempfile::tempdir().unwrap());
    let words = Words::default();
    let hour = Duration::from_secs(3_600);
    let recrawl = Recrawl { first: hour, least: hour, most: hour };
    let config = CrawlConfig { recrawl: Some(recrawl), ..config(Duration::ZERO) };
    for fetched in [7, 0] {
        let crawl = crawl_and_log(job.path(), &host.seed, config.clone(), words.clone()).unwrap();
        let (end, tally) = run(crawl).unwrap();
        assert_eq!((end, tally.fetched, tally.again), (End::Everything, fetched, 0));
    }
}
