//! Servers without end: whatever they send, a crawl ends within its budgets, and says so.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ringdove_crawl::canonical::Rule;
use ringdove_crawl::crawl::{CrawlConfig, End, Tally};

use crate::web::{address, listeners};
use crate::whole::{Words, config, crawl_and_log, run};

const HOSTS: u8 = 8;

/// What one host answers, by target.
pub(crate) type Answer = fn(&Site, u8, &str, &TcpStream) -> std::io::Result<()>;

pub(crate) struct Site {
    port: u16,
    net: u8,
    answer: Answer,
    asked: Mutex<Vec<String>>,
    serial: AtomicU64,
    /// Bytes of bodies that were taken off the server.
    sent: AtomicU64,
}

impl Site {
    pub(crate) fn start(net: u8, answer: Answer) -> Arc<Site> {
        let (listeners, port) = listeners(net, HOSTS);
        let site = Arc::new(Site {
            port,
            net,
            answer,
            asked: Mutex::default(),
            serial: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        for (host, listener) in (0..).zip(listeners) {
            let site = Arc::clone(&site);
            std::thread::spawn(move || {
                for socket in listener.incoming().map_while(Result::ok) {
                    let site = Arc::clone(&site);
                    std::thread::spawn(move || while site.serve(host, &socket).is_some() {});
                }
            });
        }
        site
    }

    fn serve(&self, host: u8, socket: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(socket).lines();
        let line = lines.next()?.ok()?;
        let target = line.split(' ').nth(1)?.to_owned();
        lines.map_while(Result::ok).find(String::is_empty)?;
        self.asked.lock().unwrap().push(target.clone());
        (self.answer)(self, host, &target, socket).ok()
    }

    pub(crate) fn url(&self, host: u8, target: &str) -> String {
        let address: Ipv4Addr = address(self.net, host);
        format!("http://{address}:{}{target}", self.port)
    }

    /// Crawls from a target of the first host. Returns what was done, and the log.
    fn crawl(&self, seed: &str, config: CrawlConfig) -> (End, Tally, String) {
        let job = tempfile::tempdir().unwrap();
        let words = Words::default();
        let crawl = crawl_and_log(job.path(), &self.url(0, seed), config, words.clone()).unwrap();
        let (end, tally) = run(crawl).unwrap();
        (end, tally, words.text())
    }

    pub(crate) fn asked(&self, prefix: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|target| target.starts_with(prefix)).count()
    }

    /// Begins with `begin`, and goes on with `rest` for as long as anybody reads.
    fn send_without_end(
        &self,
        mut socket: &TcpStream,
        begin: &[u8],
        rest: &[u8],
    ) -> std::io::Result<()> {
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")?;
        socket.write_all(begin)?;
        loop {
            socket.write_all(rest)?;
            self.sent.fetch_add(rest.len() as u64, Ordering::Relaxed);
        }
    }
}

pub(crate) fn send(
    mut socket: &TcpStream,
    status: u16,
    fields: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    write!(socket, "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n{fields}\r\n")?;
    socket.write_all(body)
}

pub(crate) fn html(socket: &TcpStream, body: &str) -> std::io::Result<()> {
    send(socket, 200, "Content-Type: text/html\r\n", body.as_bytes())
}

pub(crate) fn fast() -> CrawlConfig {
    config(Duration::ZERO)
}

/// The first number of a target.
pub(crate) fn number(target: &str) -> u64 {
    let digits: String = target
        .chars()
        .skip_while(|char| !char.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or(0)
}

#[test]
fn a_calendar_without_end_takes_a_hosts_budget() {
    let site = Site::start(11, |_, _, target, socket| match target {
        "/robots.txt" => send(socket, 404, "", b""),
        target => {
            let day = number(target);
            html(socket, &format!("<a href=/day/{}></a><a href=/day/{}></a>", day + 1, day + 2))
        }
    });
    let mut config = fast();
    config.budget.host_pages = Some(40);
    let (end, tally, log) = site.crawl("/day/1", config);
    assert_eq!((end, tally.pages, tally.hosts_left), (End::Everything, 40, 1));
    assert_eq!(site.asked("/day/"), 40);
    let host = address(11, 0);
    assert!(log.contains(&format!(" left {host} its budget is spent")), "{log}");
}

#[test]
fn session_ids_without_end_take_a_hosts_budget_or_are_left_out() {
    let site = || {
        Site::start(12, |site, _, target, socket| match target {
            "/robots.txt" => send(socket, 404, "", b""),
            _ => {
                let ids = (0..200).map(|_| site.serial.fetch_add(1, Ordering::Relaxed));
                let links = ids.map(|id| format!("<a href=/page?sid={id}></a>"));
                html(socket, &links.collect::<String>())
            }
        })
    };
    let mut config = fast();
    config.budget.host_bytes = Some(100_000);
    let (end, tally, log) = site().crawl("/page", config);
    assert_eq!((end, tally.hosts_left), (End::Everything, 1));
    // no more than what one page goes beyond it
    assert!((100_000..110_000).contains(&tally.bytes), "{tally:?}");
    assert!(log.contains("its budget is spent"), "{log}");
    let config = CrawlConfig { rules: fast().rules.with(Rule::Session), ..fast() };
    let (end, tally, _) = site().crawl("/page", config);
    assert_eq!((end, tally.pages, tally.hosts_left), (End::Everything, 1, 0));
}

#[test]
fn a_host_has_no_more_urls_queued_than_it_may() {
    const MOST: u64 = 50;
    let site = Site::start(18, |site, _, target, socket| match target {
        "/robots.txt" => send(socket, 404, "", b""),
        _ => {
            let serial = site.serial.fetch_add(100, Ordering::Relaxed);
            let links = (serial..serial + 100).map(|id| format!("<a href=/page?id={id}></a>"));
            html(socket, &(links.collect::<String>() + "<a href=/page></a>"))
        }
    });
    let job = tempfile::tempdir().unwrap();
    let mut config = fast();
    config.budget.host_urls = Some(MOST);
    for (pages, refused) in [(MOST, MOST * 100 - (MOST - 1)), (0, 0)] {
        let words = Words::default();
        let seed = site.url(0, "/page");
        let crawl = crawl_and_log(job.path(), &seed, config.clone(), words.clone()).unwrap();
        let (end, tally) = run(crawl).unwrap();
        // the page's link to itself is none that is new
        assert_eq!((end, tally.queued, tally.refused), (End::Everything, pages, refused));
        assert_eq!(words.text().contains("as many URLs as it may"), refused > 0);
    }
    // and what earlier runs have queued counts
    let words = Words::default();
    let seed = site.url(0, "/another");
    run(crawl_and_log(job.path(), &seed, config, words.clone()).unwrap()).unwrap();
    assert!(words.text().contains("/another its host has as many URLs as it may"));
    assert_eq!(site.asked("/another"), 0);
}

#[test]
fn a_page_without_end_is_kept_in_part() {
    let site = Site::start(13, |site, _, target, socket| match target {
        "/robots.txt" => send(socket, 404, "", b""),
        "/huge" => site.send_without_end(socket, b"<a href=/next>", &[b'x'; 65_536]),
        _ => html(socket, "next"),
    });
    let config = CrawlConfig { max_body: 200_000, ..fast() };
    let (end, tally, log) = site.crawl("/huge", config);
    assert_eq!((end, tally.pages, tally.in_part), (End::Everything, 2, 1));
    assert_eq!(tally.bytes, 200_000 + 4);
    assert!(log.contains("/huge 200 200000 0 seed, in part: length"), "{log}");
    // what sockets take up, and no more
    assert!(site.sent.load(Ordering::Relaxed) < 64 << 20);
}

#[test]
fn a_bomb_is_looked_at_in_part() {
    let site = Site::start(14, |_, _, target, socket| match target {
        "/robots.txt" => send(socket, 404, "", b""),
        "/bomb" => {
            let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
            coder.write_all(b"<a href=/early></a>")?;
            for _ in 0..64 {
                coder.write_all(&[b' '; 65_536])?;
            }
            coder.write_all(b"<a href=/late></a>")?;
            let fields = "Content-Type: text/html\r\nContent-Encoding: gzip\r\n";
            send(socket, 200, fields, &coder.finish()?)
        }
        _ => html(socket, "found"),
    });
    let config = CrawlConfig { max_decoded: 1 << 20, ..fast() };
    let (end, tally, log) = site.crawl("/bomb", config);
    assert_eq!(
        (end, tally.pages, site.asked("/early"), site.asked("/late")),
        (End::Everything, 2, 1, 0)
    );
    assert!(log.contains("seed, links of its first 1048576 bytes, decoded"), "{log}");
}

#[test]
fn redirects_across_hosts_end() {
    let site = Site::start(15, |site, host, target, socket| match target {
        "/robots.txt" => send(socket, 404, "", b""),
        target => {
            let next = site.url(1 - host, &format!("/to/{}", number(target) + 1));
            send(socket, 302, &format!("Location: {next}\r\n"), b"")
        }
    });
    let (end, tally, log) = site.crawl("/to/0", fast());
    // the seed, and ten more
    assert_eq!((end, tally.pages, tally.refused), (End::Everything, 11, 1));
    assert!(log.contains("/to/11 more than 10 redirects"), "{log}");
}

#[test]
fn redirects_of_a_robots_txt_end() {
    let site = Site::start(16, |site, host, target, socket| match target {
        "/page" => html(socket, "page"),
        target => {
            let next = site.url(1 - host, &format!("/robots/{}", number(target) + 1));
            send(socket, 302, &format!("Location: {next}\r\n"), b"")
        }
    });
    let (end, tally, _) = site.crawl("/page", fast());
    // more than are followed: as if there were none
    assert_eq!((end, tally.pages, site.asked("/robots")), (End::Everything, 1, 6));
}

#[test]
fn a_robots_txt_without_end_is_read_in_part() {
    let site = Site::start(17, |site, _, target, socket| match target {
        "/robots.txt" => {
            let begin = b"User-agent: *\nDisallow: /never\n";
            site.send_without_end(socket, begin, &b"# nothing\n".repeat(6_000))
        }
        "/page" => html(socket, "<a href=/never/1></a><a href=/other></a>"),
        _ => html(socket, "page"),
    });
    let (end, tally, log) = site.crawl("/page", fast());
    assert_eq!((end, tally.pages, site.asked("/never")), (End::Everything, 2, 0));
    assert!(log.contains("rules, with a delay of 0ns, of its first 512000 bytes"), "{log}");
    assert!(site.sent.load(Ordering::Relaxed) < 64 << 20);
}
