//! `ringdove crawl` and `ringdove warc check`, in a web of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};

use ringdove_test_support::ports::Port;
use ringdove_test_support::{PATIENCE, eventually};

use crate::command::Ringdove;
use crate::web::{Size, Web};

const AGENT: [&str; 2] = ["--user-agent", "testbot/1.0 (test@a.example)"];

fn crawl(job: &Path, seed: &str) -> Ringdove {
    let words = ["--delay", "5ms", "--allow-private", "--scope", "all", "--dir"];
    Ringdove::new("crawl").args(AGENT).args(words).args([job.to_str().unwrap(), seed])
}

fn files(job: &Path) -> Vec<PathBuf> {
    fs::read_dir(job.join("warc")).unwrap().map(|file| file.unwrap().path()).collect()
}

/// The URLs that the log says of that they were fetched.
fn fetched(job: &Path) -> BTreeSet<String> {
    let log = fs::read_to_string(job.join("crawl.log")).unwrap();
    let lines = log.lines().filter_map(|line| line.split_once(" fetched "));
    lines.map(|(_, rest)| rest.split(' ').next().unwrap().to_owned()).collect()
}

/// What is at this target of a server, head and body; nothing where nobody answers.
fn got(address: &str, target: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut answer = String::new();
    let sent = stream.write_all(request.as_bytes());
    let read = sent.and_then(|()| stream.read_to_string(&mut answer));
    if read.is_ok() { answer } else { String::new() }
}

#[test]
fn what_a_crawl_is_at_is_served() {
    let web = Web::start(Size { seed: 8, hosts: 6, pages: 30 });
    let folder = tempfile::tempdir().unwrap();
    let port = Port::free(IpAddr::from([127, 0, 0, 1])).unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    // one that takes a while
    let words = ["--delay", "300ms", "--allow-private", "--scope", "all", "--metrics", &address];
    let running = Ringdove::new("crawl")
        .args(AGENT)
        .args(words)
        .args(["--dir", folder.path().to_str().unwrap(), &web.seed()])
        .start();
    let is_told = || {
        let metrics = got(&address, "/metrics");
        metrics.contains("ringdove_crawl_responses_total{class=\"2xx\"}")
            && !metrics.contains("\nringdove_crawl_fetched_total 0\n")
    };
    assert!(eventually(PATIENCE, is_told), "{}", got(&address, "/metrics"));
    let page = got(&address, "/");
    let host = web.seed().split(':').nth(1).unwrap().trim_start_matches('/').to_owned();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"), "{page}");
    assert!(page.contains(&format!("<tr><td>{host}<td>")), "{page}");
    assert!(got(&address, "/other").starts_with("HTTP/1.1 404 "));
    running.signal("INT");
    running.wait().exits(130).says(&["what the crawl is at", &address]);
}

#[test]
fn a_web_is_crawled_and_the_same_command_goes_on() {
    let web = Web::start(Size { seed: 7, hosts: 8, pages: 20 });
    let (folder, expected) = (tempfile::tempdir().unwrap(), web.expected());
    let job = folder.path().join("job");
    crawl(&job, &web.seed())
        .args(["--max-pages", "30"])
        .run()
        .exits(0)
        .says(&["the budget is spent"]);
    assert!(fetched(&job).len() < expected.len());
    let (before, began) = (web.visits().len(), std::time::Instant::now());
    crawl(&job, &web.seed()).run().exits(0).says(&["the same command asks for the rest"]);
    let early = web.too_soon(before, began, std::time::Duration::from_millis(5));
    assert!(early.is_empty(), "{early:#?}");
    assert!(fetched(&job) == expected);
    let visited = web.visits().iter().map(|visit| web.url_of(visit)).collect();
    assert!(expected.is_subset(&visited));
    let faults = web.faults(std::time::Duration::from_millis(5), &[]);
    assert!(faults.is_empty(), "{faults:#?}");
    let log = fs::read_to_string(job.join("crawl.log")).unwrap();
    for why in [
        "/never/1 robots.txt disallows it",
        "a trap: more than 3 times the same segment",
        "robots.txt was answered with 503",
    ] {
        assert!(log.contains(why), "{why}");
    }
    let visits = web.visits().len();
    crawl(&job, &web.seed()).run().exits(0);
    assert_eq!(web.visits().len(), visits + usize::from(log.contains("answered with 503")));
    let words: Vec<_> =
        files(&job).into_iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    let told = Ringdove::new("warc").args(["check"]).args(&words).run().exits(0).text();
    assert!(told.ends_with("good\n"), "{told}");
    let wacz = folder.path().join("x.wacz");
    let wacz = wacz.to_str().unwrap();
    let told = Ringdove::new("warc").args(["wacz", "-o", wacz]).args(&words).run().exits(0).text();
    assert!(told.contains(" records, "), "{told}");
    Ringdove::new("warc").args(["wacz", "-o", wacz]).args(&words).run().exits(1).says(&["x.wacz"]);
    let index = Ringdove::new("warc").args(["index"]).args(&words).run().exits(0).text();
    let is_of = |url: &String| index.contains(&format!("{{\"url\": \"{url}\", "));
    assert!(expected.iter().all(is_of) && index.lines().is_sorted(), "{index}");
    // and one byte less
    let file = fs::read(&words[0]).unwrap();
    fs::write(&words[0], &file[..file.len() - 1]).unwrap();
    let told = Ringdove::new("warc").args(["check", &words[0]]).run().exits(1).text();
    assert!(told.contains("no whole record") && told.ends_with("BROKEN\n"), "{told}");
}

/// Each host is an address, and so a domain of its own: what is owed to one of these is owed to each host.
#[test]
fn domains_and_addresses_have_their_least_time() {
    const LEAST: std::time::Duration = std::time::Duration::from_millis(100);
    for option in ["--delay-per-domain", "--delay-per-address"] {
        let web = Web::start(Size { seed: 9, hosts: 1, pages: 6 });
        let folder = tempfile::tempdir().unwrap();
        let began = std::time::Instant::now();
        crawl(&folder.path().join("job"), &web.seed()).args([option, "100ms"]).run().exits(0);
        let requests = u32::try_from(web.visits().len()).unwrap();
        assert!(requests > 5 && began.elapsed() >= LEAST * (requests - 1), "{option} {requests}");
    }
}

/// All are had once, and then again, by a later run at the latest.
#[test]
fn pages_are_fetched_again_where_that_is_asked_for() {
    let web = Web::start(Size { seed: 10, hosts: 1, pages: 6 });
    let (folder, expected) = (tempfile::tempdir().unwrap(), web.expected());
    let often = ["--recrawl", "--recrawl-first", "1ms", "--recrawl-least", "1ms"];
    let job = folder.path().join("job");
    for _ in 0..2 {
        let words = ["--near-duplicates", "--max-time", "2"];
        crawl(&job, &web.seed()).args(often).args(words).run().exits(0);
    }
    assert!(fetched(&job) == expected);
    let again =
        |url: &String| web.visits().iter().filter(|visit| web.url_of(visit) == *url).count() > 1;
    assert!(expected.iter().any(again));
    let faults = web.faults(std::time::Duration::from_millis(5), &[]);
    assert!(faults.is_empty(), "{faults:#?}");
    crawl(&job, &web.seed()).args(["--recrawl-most", "1h"]).run().exits(2).says(&["--recrawl"]);
}

#[test]
fn what_would_be_done_is_told() {
    let web = Web::start(Size { seed: 8, hosts: 1, pages: 5 });
    let url = web.seed().replace("/p/0", "/never/2#x");
    let words = ["--allow-private", "--dry-run", &url, &web.seed()];
    let told = Ringdove::new("crawl").args(AGENT).args(words).run().exits(0).text();
    let canonical = url.trim_end_matches("#x");
    for line in [
        format!("canonical  {canonical}\n"),
        "scope      yes\n".to_owned(),
        "trap       no\n".to_owned(),
        "robots     robots.txt disallows it\n".to_owned(),
        "delay      500ms\n".to_owned(),
        "queue      not seen\n".to_owned(),
        "fetched    no\n".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}{told}");
    }
    assert!(web.visits().iter().all(|visit| visit.target == "/robots.txt"));
}

#[test]
fn what_is_wrong_is_told_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().to_str().unwrap();
    let run = |words: &[&str]| Ringdove::new("crawl").args(words).run().exits(2);
    run(&["--dir", job, "--user-agent", "bot", "http://a.example/"])
        .says(&["whom to ask about it"]);
    run(&["--dir", job, "http://a.example/"]).says(&["--user-agent"]);
    run(&["--dir", job, AGENT[0], AGENT[1]]).says(&["there are no seeds"]);
    run(&["--dir", job, AGENT[0], AGENT[1], "ftp://a.example/"]).says(&["no crawler fetches ftp"]);
    run(&["--dir", job, AGENT[0], AGENT[1], "--scope", "moon", "http://a.example/"])
        .says(&["host, subdomains, prefix, all"]);
    Ringdove::new("warc").args(["check", "/nowhere"]).run().exits(1);
}
