//! A crowd in vitro: many hosts of names in few domains on fewer addresses, each with a tree of pages, and a judge of how they are asked.
//!
//! Knows HTTP, questions of the DNS, and what is owed to each host, domain and address. Must not know who visits. What it judges does not hang on how busy the
//! machine is: stamps are of when a request was read and of right before its answer is written, which is what a visitor can have known.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::web::{address, listeners};

/// How large it is, and what is owed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) hosts: u32,
    /// Of each host.
    pub(crate) pages: u32,
    pub(crate) domains: u32,
    pub(crate) addresses: u8,
    /// From the end of a host's answer to its next request.
    pub(crate) delay: Duration,
    /// Requests at once.
    pub(crate) domain_at_once: u32,
    pub(crate) address_at_once: u32,
    /// From one request to a domain to the next.
    pub(crate) domain_interval: Duration,
    /// Bytes of a page, about.
    pub(crate) page_bytes: usize,
    /// Links of a page beside those that the tree needs.
    pub(crate) links: u32,
    /// Each answer is its connection's last.
    pub(crate) closes: bool,
    /// How long each answer takes, so that there are many at once.
    pub(crate) takes: Duration,
}

/// One that serves.
#[derive(Clone)]
pub(crate) struct Serving(Arc<Shared>);

struct Shared {
    crowd: Crowd,
    port: u16,
    names: SocketAddr,
    judge: Mutex<Judge>,
}

/// What was asked, and what was wrong with that.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// Requests.
    pub(crate) asked: u64,
    pub(crate) faults: Vec<String>,
    /// The most at once of any domain and of any address, and the least from an answer of a host to its next request.
    pub(crate) most: [u32; 2],
    /// The most at once of all, and those that there are now.
    pub(crate) most_in_all: u32,
    in_all: u32,
    least_delay: Option<Duration>,
    counts: HashMap<Who, Count>,
    seen: HashSet<(u32, u32)>,
    robots: HashSet<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Host(u32),
    Domain(u32),
    Address(u8),
}

#[derive(Debug, Default)]
struct Count {
    at_once: u32,
    /// When a host's last answer was written, and for how long it is to be left alone since.
    owed: Option<(Instant, Duration)>,
    /// Requests to a domain, and when the first came.
    since: Option<(Instant, u32)>,
}

impl Crowd {
    /// Begins to serve, under addresses of this net.
    pub(crate) fn start(self, net: u8) -> Serving {
        let (listeners, port) = listeners(net, self.addresses);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let names = socket.local_addr().unwrap();
        let shared = Arc::new(Shared { crowd: self, port, names, judge: Mutex::default() });
        std::thread::spawn(move || answer_names(self, net, &socket));
        for listener in listeners {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.accept(&listener));
        }
        Serving(shared)
    }

    fn domain_of(self, host: u32) -> u32 {
        // one is larger than others
        if host.is_multiple_of(16) { 0 } else { host % self.domains }
    }

    fn address_of(self, host: u32) -> u8 {
        if host % 8 == 1 { 0 } else { u8::try_from(host % u32::from(self.addresses)).unwrap() }
    }

    fn name(self, host: u32) -> String {
        format!("h{host}.d{}.example", self.domain_of(host))
    }

    /// What the robots.txt of some asks for.
    fn crawl_delay(self, host: u32) -> Duration {
        if host % 10 == 3 { self.delay * 3 } else { self.delay }
    }

    /// Some hosts are busy once, with their second page, where there is a delay at all.
    fn is_busy(self, host: u32, page: u32) -> bool {
        !self.delay.is_zero() && host % 10 == 5 && page == 1
    }

    /// Pages that can be found.
    pub(crate) fn all(self) -> u64 {
        u64::from(self.hosts) * u64::from(self.pages)
    }
}

impl Serving {
    /// From where all of it is found.
    pub(crate) fn seed(&self) -> String {
        format!("http://{}:{}/0", self.0.crowd.name(0), self.0.port)
    }

    /// Who knows its names.
    pub(crate) fn names(&self) -> SocketAddr {
        self.0.names
    }

    /// What has been seen so far.
    pub(crate) fn judged<T>(&self, look: impl FnOnce(&Judge) -> T) -> T {
        look(&self.0.judge.lock().unwrap())
    }
}

impl Shared {
    fn accept(self: &Arc<Shared>, listener: &TcpListener) {
        for socket in listener.incoming().map_while(Result::ok) {
            let shared = Arc::clone(self);
            let thread = std::thread::Builder::new().stack_size(128 * 1024);
            thread.spawn(move || shared.serve(&socket)).unwrap();
        }
    }

    fn serve(&self, mut socket: &TcpStream) -> Option<()> {
        let address = match socket.local_addr().ok()? {
            SocketAddr::V4(address) => address.ip().octets()[3] - address_base(),
            SocketAddr::V6(_) => return None,
        };
        let mut lines = BufReader::new(socket);
        let (mut line, mut field) = (String::new(), String::new());
        loop {
            line.clear();
            lines.read_line(&mut line).ok().filter(|length| *length > 0)?;
            let target = line.split(' ').nth(1)?.to_owned();
            let mut host = None;
            loop {
                field.clear();
                lines.read_line(&mut field).ok().filter(|length| *length > 0)?;
                match field.to_ascii_lowercase().strip_prefix("host: h") {
                    Some(name) => host = name.split('.').next()?.parse().ok(),
                    None if field == "\r\n" => break,
                    None => {}
                }
            }
            let host = host?;
            let who =
                [Who::Host(host), Who::Domain(self.crowd.domain_of(host)), Who::Address(address)];
            let is_first = self.judge.lock().unwrap().begin(&self.crowd, who, host, &target);
            let (answer, owed) = self.answer(host, &target, is_first);
            if !self.crowd.takes.is_zero() {
                std::thread::sleep(self.crowd.takes);
            }
            self.judge.lock().unwrap().end(who, owed);
            socket.write_all(&answer).ok()?;
            if self.crowd.closes {
                return None;
            }
        }
    }

    /// The answer, and for how long the host is to be left alone then.
    fn answer(&self, host: u32, target: &str, is_first: bool) -> (Vec<u8>, Duration) {
        let crowd = self.crowd;
        let owed = crowd.crawl_delay(host);
        let closes = if crowd.closes { "Connection: close\r\n" } else { "" };
        let response = |status, fields: &str, body: &str| {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\n{closes}{fields}Content-Length: {length}");
            format!("{head}\r\n\r\n{body}").into_bytes()
        };
        if target == "/robots.txt" {
            let text = match owed > crowd.delay {
                true => format!("User-agent: *\nCrawl-delay: {}\n", owed.as_secs_f64()),
                false => String::new(),
            };
            return (response("200 OK", "Content-Type: text/plain\r\n", &text), owed);
        }
        let Some(page) = target[1..].parse().ok().filter(|page| *page < crowd.pages) else {
            return (response("404 Not Found", "", ""), owed);
        };
        if is_first && crowd.is_busy(host, page) {
            let busy = Duration::from_secs(1);
            let fields = format!("Retry-After: {}\r\n", busy.as_secs());
            return (response("503 Busy", &fields, ""), owed.max(busy));
        }
        (response("200 OK", "Content-Type: text/html\r\n", &self.page(host, page)), owed)
    }

    fn page(&self, host: u32, page: u32) -> String {
        let crowd = self.crowd;
        let mut html = format!("<!DOCTYPE html><title>{host} {page}</title>");
        for next in [2 * page + 1, 2 * page + 2].into_iter().filter(|next| *next < crowd.pages) {
            let _ = writeln!(html, "<a href=/{next}>{next}</a>");
        }
        for link in 0..crowd.links {
            let other = (page.wrapping_mul(31) + link * 7) % crowd.pages;
            let _ = writeln!(html, "<p>Text of some length. <a href=\"/{other}\">{other}</a></p>");
        }
        if page == 0 {
            for next in [2 * host + 1, 2 * host + 2].into_iter().filter(|next| *next < crowd.hosts)
            {
                let name = crowd.name(next);
                let _ = writeln!(html, "<a href=http://{name}:{}/0>{name}</a>", self.port);
            }
        }
        while html.len() < crowd.page_bytes {
            html.push_str("<p class=\"text\">No link is here, and nobody needs to read it.</p>\n");
        }
        html
    }
}

impl Judge {
    /// A request was read. Returns whether it is the first for that.
    fn begin(&mut self, crowd: &Crowd, who: [Who; 3], host: u32, target: &str) -> bool {
        let now = Instant::now();
        self.asked += 1;
        self.in_all += 1;
        self.most_in_all = self.most_in_all.max(self.in_all);
        let page = target[1..].parse().ok();
        let is_first = page.is_some_and(|page| self.seen.insert((host, page)));
        if page.is_none() {
            self.robots.insert(host);
        } else if !self.robots.contains(&host) {
            self.faults.push(format!("{host}: {target} before its robots.txt"));
        }
        for who in who {
            let count = self.counts.entry(who).or_default();
            count.at_once += 1;
            let at_once = count.at_once;
            let most = match who {
                Who::Host(_) => 1,
                Who::Domain(_) => crowd.domain_at_once,
                Who::Address(_) => crowd.address_at_once,
            };
            let mut fault = (at_once > most).then(|| format!("{at_once} at once"));
            if let Some((answered, owed)) = count.owed {
                let gap = now.duration_since(answered);
                self.least_delay = Some(self.least_delay.map_or(gap, |least| least.min(gap)));
                fault = fault.or((gap < owed).then(|| format!("{gap:?} after an answer")));
            }
            if matches!(who, Who::Domain(_)) {
                let (first, requests) = count.since.get_or_insert((now, 0));
                *requests += 1;
                // the first may have been read late
                let least = crowd.domain_interval * (*requests - 1);
                let least = least.saturating_sub(LATE);
                let took = now.duration_since(*first);
                fault = fault.or((took < least).then(|| format!("{requests} in {took:?}")));
            }
            match who {
                Who::Host(_) => {}
                Who::Domain(_) => self.most[0] = self.most[0].max(at_once),
                Who::Address(_) => self.most[1] = self.most[1].max(at_once),
            }
            if let Some(fault) = fault.filter(|_| self.faults.len() < 100) {
                self.faults.push(format!("{who:?}, {target}: {fault}"));
            }
        }
        is_first
    }

    /// Its answer is about to be written.
    fn end(&mut self, who: [Who; 3], owed: Duration) {
        let now = Instant::now();
        self.in_all -= 1;
        for who in who {
            let count = self.counts.entry(who).or_default();
            count.at_once -= 1;
            if matches!(who, Who::Host(_)) {
                count.owed = Some((now, owed));
            }
        }
    }

    /// Pages that were asked for, however often.
    pub(crate) fn found(&self) -> u64 {
        self.seen.len() as u64
    }
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judge { asked, faults, most: [domain, address], least_delay, .. } = self;
        let faults = faults.len();
        write!(
            f,
            "{asked} requests, {faults} faults; at most {domain} at once to a domain and {address} to an address; \
             a host's next request came {least_delay:?} after its answer at the earliest"
        )
    }
}

/// How late a request is read at most.
const LATE: Duration = Duration::from_secs(5);

/// The last octet of the first address.
fn address_base() -> u8 {
    address(0, 0).octets()[3]
}

/// Every host has its address, and nothing else.
fn answer_names(crowd: Crowd, net: u8, socket: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        let query = &query[..length];
        if let Some(answer) = answer_of(crowd, net, query) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// RFC 1035, 4.1: the head and the question as they came, and a record that points to its name.
fn answer_of(crowd: Crowd, net: u8, query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(12..)?;
    let label = name.get(1..=usize::from(*name.first()?))?;
    let host: u32 = std::str::from_utf8(label).ok()?.strip_prefix('h')?.parse().ok()?;
    let end = 12 + name.iter().position(|byte| *byte == 0)? + 5;
    let is_v4 = query.get(end - 4..end)? == [0, 1, 0, 1];
    let mut answer = query[..end].to_vec();
    // an answer with authority, of one question, with one record or none
    answer[2..4].copy_from_slice(&[0x84, 0]);
    answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
    if is_v4 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4]);
        answer.extend(address(net, crowd.address_of(host)).octets());
    }
    Some(answer)
}
