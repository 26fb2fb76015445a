//! A web in vitro: hosts on 127.0.0.0/8 that make their pages from URLs by a seed, and a log that judges whoever visits.
//!
//! Knows HTTP and what its own pages are. Must not know who visits it. Each host is an address, all have one port, and a connection is a
//! thread. Of each host the pages are a tree, with links across and to other hosts; some are redirects, missing, broken, chunked, compressed,
//! cut in other charsets, or found by a sitemap alone. What must never be asked for is linked to, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) seed: u64,
    pub(crate) hosts: u8,
    /// Of each host, about.
    pub(crate) pages: u64,
}

/// What a host's robots.txt is. The first hosts have one each; all others have rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RobotsKind {
    Rules,
    Missing,
    /// 503: nothing may be asked for.
    Broken,
    /// It asks for [`CRAWL_DELAY`].
    Slow,
    /// It is elsewhere on the host.
    Moved,
}

/// What the robots.txt of a slow host asks for.
pub(crate) const CRAWL_DELAY: Duration = Duration::from_millis(300);

/// A request, as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) host: u8,
    pub(crate) target: String,
    /// It was read.
    arrived: Instant,
    /// Right before the answer was written.
    answered: Instant,
}

pub(crate) struct Web {
    site: Arc<Site>,
}

struct Site {
    size: Size,
    port: u16,
    /// The second byte of addresses, so that several webs are not in each other's way.
    net: u8,
    visits: Mutex<Vec<Visit>>,
}

impl Web {
    /// Begins to serve.
    pub(crate) fn start(size: Size) -> Web {
        let net = u8::try_from(1 + std::process::id() % 250).unwrap();
        let (listeners, port) = listeners(net, size.hosts);
        let site = Arc::new(Site { size, port, net, visits: Mutex::default() });
        for (host, listener) in (0..).zip(listeners) {
            let site = Arc::clone(&site);
            std::thread::spawn(move || {
                for socket in listener.incoming().map_while(Result::ok) {
                    let site = Arc::clone(&site);
                    std::thread::spawn(move || site.serve(host, &socket));
                }
            });
        }
        Web { site }
    }

    /// From where all that can be found is found.
    pub(crate) fn seed(&self) -> String {
        self.site.url(0, "/p/0")
    }

    /// How many there were.
    #[allow(dead_code, reason = "the command's tests, which have this web too, count none")]
    pub(crate) fn count(&self) -> usize {
        self.site.visits.lock().unwrap().len()
    }

    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.site.visits.lock().unwrap().clone()
    }

    pub(crate) fn url_of(&self, visit: &Visit) -> String {
        self.site.url(visit.host, &visit.target)
    }

    /// All that is to be found, each once, but for robots.txts.
    pub(crate) fn expected(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![(0_u8, "/p/0".to_owned())];
        open.extend((0..self.site.size.hosts).map(|host| (host, "/sitemap.xml".to_owned())));
        while let Some((host, target)) = open.pop() {
            let robots = self.site.robots_of(host);
            let is_told = robots != RobotsKind::Missing || target != "/sitemap.xml";
            if robots != RobotsKind::Broken && is_told && found.insert(self.site.url(host, &target))
            {
                open.extend(self.site.page(host, &target).leads_to);
            }
        }
        found
    }

    /// Of the visits after the first `before`, the first to each host that was known then, as far as it came sooner than `delay` (or what its
    /// robots.txt says) after `began`.
    pub(crate) fn too_soon(&self, before: usize, began: Instant, delay: Duration) -> Vec<Visit> {
        let visits = self.visits();
        let (old, new) = visits.split_at(before);
        let known: BTreeSet<_> = old.iter().map(|visit| visit.host).collect();
        let least = |host| match self.site.robots_of(host) {
            RobotsKind::Slow => CRAWL_DELAY.max(delay),
            _ => delay,
        };
        let is_early = |visit: &&Visit| {
            known.contains(&visit.host) && visit.arrived < began + least(visit.host)
        };
        new.iter().filter(is_early).cloned().collect()
    }

    /// What is wrong with how each host was asked: two things at once, or the next sooner than `delay` (or what its robots.txt says) after the
    /// answer before; pairs of which the second came at one of `pauses`, or later and the first before, are not looked at.
    pub(crate) fn faults(&self, delay: Duration, pauses: &[Instant]) -> Vec<String> {
        let mut by_host: BTreeMap<u8, Vec<Visit>> = BTreeMap::new();
        for visit in self.visits() {
            by_host.entry(visit.host).or_default().push(visit);
        }
        let mut faults = Vec::new();
        for (host, mut visits) in by_host {
            visits.sort_by_key(|visit| visit.arrived);
            let is_slow = self.site.robots_of(host) == RobotsKind::Slow;
            for pair in visits.windows(2) {
                let is_across =
                    pauses.iter().any(|at| (pair[0].arrived..=pair[1].arrived).contains(at));
                // what a robots.txt says is known after it
                let is_told = is_slow && !pair[0].target.contains("robots");
                let least = if is_told || is_slow { CRAWL_DELAY.max(delay) } else { delay };
                let gap = pair[1].arrived.checked_duration_since(pair[0].answered);
                if !is_across && gap.is_none_or(|gap| gap < least) {
                    faults.push(format!(
                        "host {host}: {} and {}: {gap:?}",
                        pair[0].target, pair[1].target
                    ));
                }
            }
            if let Some(wrong) = visits.iter().find(|visit| visit.target.contains("never")) {
                faults.push(format!("host {host}: {} was asked for", wrong.target));
            }
            if visits[0].target != "/robots.txt" {
                faults.push(format!("host {host}: {} before robots.txt", visits[0].target));
            }
        }
        faults
    }
}

/// One for each host, all on one port.
pub(crate) fn listeners(net: u8, hosts: u8) -> (Vec<TcpListener>, u16) {
    for _ in 0..100 {
        let first = TcpListener::bind((address(net, 0), 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others = (1..hosts).map(|host| TcpListener::bind((address(net, host), port)));
        if let Ok(others) = others.collect::<Result<Vec<_>, _>>() {
            return (std::iter::once(first).chain(others).collect(), port);
        }
    }
    panic!("no port is free on all addresses");
}

pub(crate) fn address(net: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, net, 7, host + 1)
}

/// What is answered, and where that leads.
#[derive(Default)]
struct Page {
    status: u16,
    fields: String,
    body: Vec<u8>,
    is_chunked: bool,
    leads_to: Vec<(u8, String)>,
}

impl Site {
    fn url(&self, host: u8, target: &str) -> String {
        format!("http://{}:{}{target}", address(self.net, host), self.port)
    }

    fn robots_of(&self, host: u8) -> RobotsKind {
        match host {
            1 => RobotsKind::Missing,
            2 => RobotsKind::Broken,
            3 => RobotsKind::Slow,
            4 => RobotsKind::Moved,
            _ => RobotsKind::Rules,
        }
    }

    /// How many pages a host has: most have few, some many.
    fn pages_of(&self, host: u8) -> u64 {
        match self.robots_of(host) {
            RobotsKind::Slow => 5,
            _ => self.size.pages / 2 + self.random(host, 1 << 40) % (self.size.pages + 1),
        }
    }

    /// A number for each page (SplitMix64).
    fn random(&self, host: u8, page: u64) -> u64 {
        let mut bits =
            self.size.seed ^ (u64::from(host) << 48) ^ page.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            bits = (bits ^ bits >> 30).wrapping_mul(factor);
        }
        bits ^ bits >> 31
    }

    fn serve(&self, host: u8, socket: &TcpStream) {
        let mut reader = BufReader::new(socket);
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) => {}
                Ok(0) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            let mut field = String::new();
            while field != "\r\n" {
                field.clear();
                if reader.read_line(&mut field).unwrap_or(0) == 0 {
                    return;
                }
            }
            let arrived = Instant::now();
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let is_busy = target == "/p/2" && {
                let visits = self.visits.lock().unwrap();
                !visits.iter().any(|visit| visit.host == host && visit.target == target)
            };
            let page = if is_busy { busy() } else { self.page(host, &target) };
            let bytes = bytes_of(&page);
            let answered = Instant::now();
            self.visits.lock().unwrap().push(Visit { host, target, arrived, answered });
            if (&*socket).write_all(&bytes).is_err() {
                return;
            }
        }
    }

    fn page(&self, host: u8, target: &str) -> Page {
        let number = |prefix: &str| {
            target.strip_prefix(prefix).and_then(|number| number.parse::<u64>().ok())
        };
        if let Some(number) = number("/p/").filter(|number| *number < self.pages_of(host)) {
            return match self.random(host, number) % 50 {
                0 | 1 if number > 2 => redirect(host, format!("/r/{number}")),
                _ => self.html(host, number),
            };
        }
        match target {
            "/robots.txt" | "/moved-robots.txt" => self.robots(host, target),
            "/sitemap.xml" => self.sitemap(host),
            _ if number("/r/").is_some() => self.html(host, number("/r/").unwrap_or(0)),
            _ if number("/broken/").is_some() => text(500, "broken"),
            _ if target.starts_with("/map/") => text(200, "found by a sitemap"),
            _ if target.starts_with("/trap/") => trap(host, target),
            _ => text(404, "missing"),
        }
    }

    fn robots(&self, host: u8, target: &str) -> Page {
        let rules = format!(
            "User-agent: *\nDisallow: /never/\nSitemap: {}\n",
            self.url(host, "/sitemap.xml")
        );
        match self.robots_of(host) {
            RobotsKind::Missing => text(404, "none"),
            RobotsKind::Broken => text(503, "later"),
            RobotsKind::Slow => {
                text(200, &format!("{rules}Crawl-delay: {}\n", CRAWL_DELAY.as_secs_f64()))
            }
            RobotsKind::Moved if target == "/robots.txt" => {
                Page { leads_to: Vec::new(), ..redirect(host, "/moved-robots.txt".to_owned()) }
            }
            RobotsKind::Moved | RobotsKind::Rules => text(200, &rules),
        }
    }

    fn sitemap(&self, host: u8) -> Page {
        let target = "/map/1".to_owned();
        let url = self.url(host, &target);
        Page {
            status: 200,
            fields: "Content-Type: application/xml\r\n".to_owned(),
            body: format!("<?xml version=\"1.0\"?><urlset><url><loc>{url}</loc></url></urlset>")
                .into_bytes(),
            leads_to: vec![(host, target)],
            ..Page::default()
        }
    }

    fn html(&self, host: u8, number: u64) -> Page {
        let random = self.random(host, number);
        let pages = self.pages_of(host);
        let mut leads_to: Vec<_> =
            [2 * number + 1, 2 * number + 2, random % pages, (random >> 20) % pages]
                .into_iter()
                .filter(|number| *number < pages)
                .map(|number| (host, format!("/p/{number}")))
                .collect();
        let other = u8::try_from((random >> 8) % u64::from(self.size.hosts)).unwrap();
        if random.is_multiple_of(10) {
            leads_to.push((other, format!("/p/{}", (random >> 30) % self.pages_of(other))));
        }
        if number == 0 && host + 1 < self.size.hosts {
            leads_to.push((host + 1, "/p/0".to_owned()));
        }
        match number {
            1 => leads_to.extend([(host, "/missing/1".to_owned()), (host, "/broken/1".to_owned())]),
            2 => leads_to.push((host, "/trap/x/".to_owned())),
            _ => {}
        }
        let mut html =
            format!("<!DOCTYPE html><title>{number}</title><p>Gr\u{fc}\u{df}e {random}</p>");
        for (at, (other, target)) in leads_to.iter().enumerate() {
            let href = if *other == host && at % 2 == 0 {
                target.clone()
            } else {
                self.url(*other, target)
            };
            let _ = writeln!(html, "<a href=\"{href}#part{at}\">{at}</a> <img src='{target}'>");
        }
        html.push_str("<a rel=nofollow href=/p/never>x</a>");
        if self.robots_of(host) != RobotsKind::Missing {
            html.push_str("<a href=/never/1>x</a>");
        }
        // an image is where the link is
        leads_to.extend(leads_to.clone().into_iter().map(|(_, target)| (host, target)));
        dress(html, random, leads_to)
    }
}

/// In some charset, compressed or not, chunked or not.
fn dress(html: String, random: u64, leads_to: Vec<(u8, String)>) -> Page {
    let latin = random >> 40 & 7 == 0;
    let mut body = match latin {
        true => html.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect(),
        false => html.into_bytes(),
    };
    let charset = if latin { "iso-8859-1" } else { "utf-8" };
    let mut fields = format!("Content-Type: text/html; charset={charset}\r\n");
    if random >> 44 & 3 == 0 {
        let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
        coder.write_all(&body).unwrap();
        body = coder.finish().unwrap();
        fields.push_str("Content-Encoding: gzip\r\n");
    }
    Page { status: 200, fields, body, is_chunked: random >> 48 & 1 == 0, leads_to }
}

fn text(status: u16, text: &str) -> Page {
    let fields = "Content-Type: text/plain\r\n".to_owned();
    Page { status, fields, body: text.as_bytes().to_vec(), ..Page::default() }
}

/// Ask again in a while.
fn busy() -> Page {
    Page { fields: "Retry-After: 1\r\n".to_owned(), ..text(503, "busy") }
}

fn redirect(host: u8, target: String) -> Page {
    let fields = format!("Location: {target}\r\n");
    Page { status: 302, fields, leads_to: vec![(host, target)], ..Page::default() }
}

/// One folder deeper without end, as far as anybody may go: three times the same.
fn trap(host: u8, target: &str) -> Page {
    let next = format!("{target}x/");
    let leads_to =
        if next.matches("x/").count() <= 3 { vec![(host, next.clone())] } else { Vec::new() };
    Page {
        status: 200,
        fields: "Content-Type: text/html\r\n".to_owned(),
        body: format!("<a href=\"{next}\">deeper</a>").into_bytes(),
        leads_to,
        ..Page::default()
    }
}

fn bytes_of(page: &Page) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} Status\r\n{}", page.status, page.fields).into_bytes();
    match page.is_chunked {
        true => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in page.body.chunks(100) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        }
        false => {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", page.body.len()).into_bytes());
            bytes.extend(&page.body);
        }
    }
    bytes
}
