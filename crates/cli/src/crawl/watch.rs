//! A crawl, as it is watched from outside: figures for Prometheus, and a page for a browser.
//!
//! Knows the text format of Prometheus and HTML. Must not know how a crawl is made. One thread answers, one request at a time, from
//! what the crawl left for it last: whoever watches takes nothing from the crawl. Invariants: what is shown is escaped; whoever sends slowly, or without end, is
//! given up soon; a page of another site that calls itself by this address (DNS rebinding) is refused.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringdove::Time;
use ringdove::sys::clock;
use ringdove_crawl::crawl::{Crawl, HostStatus, Refusal, Status};

use crate::interrupt::no_thread;

/// Hosts that the page shows.
const HOSTS: usize = 100;
/// How old what is shown may be while the crawl turns.
const SHOWN: Duration = Duration::from_millis(250);

/// Bytes of a request that are read, and how long each piece of them may take, and how many pieces there may be.
const REQUEST: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);
const PIECES: usize = 16;

/// Where it is served: a port of this machine, or an address with one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Address, Self::Err> {
        let local = |port: u16| (IpAddr::from(Ipv4Addr::LOCALHOST), port).into();
        let port = text.parse().map(local);
        let address = port.or_else(|_| text.parse::<SocketAddr>());
        address
            .map(Address)
            .map_err(|_| "a port, or an address with one: 9400, 127.0.0.1:9400 or [::1]:9400")
    }
}

/// Whoever asks is told what a crawl is at.
pub(super) struct Watch {
    board: Board,
    last: Time,
}

impl Watch {
    /// Begins to answer, and says where.
    pub(super) fn begin(address: Address) -> Result<Watch, String> {
        let board = Board::default();
        let here = board.serve(address)?;
        // who does not hear of it has chosen the port
        let _ = writeln!(io::stderr(), "what the crawl is at: http://{here}/");
        Ok(Watch { board, last: Time::ZERO })
    }

    /// Shows what it is at, if what is shown is old.
    pub(super) fn tell(&mut self, crawl: &Crawl) {
        let now = clock::now();
        if now.since(self.last) >= SHOWN {
            self.last = now;
            self.board.show(crawl.status(now, HOSTS));
        }
    }
}

/// What the crawl leaves for whoever asks.
#[derive(Debug, Clone, Default)]
struct Board(Arc<Mutex<Status>>);

impl Board {
    /// Begins to answer. Returns where.
    fn serve(&self, address: Address) -> Result<SocketAddr, String> {
        let own = |error: io::Error| format!("cannot serve figures at {}: {error}", address.0);
        let listener = TcpListener::bind(address.0).map_err(own)?;
        let here = listener.local_addr().map_err(own)?;
        let board = self.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "one thread, which sleeps until somebody asks"
        )]
        let thread =
            std::thread::Builder::new().name("ringdove-watch".to_owned()).spawn(move || {
                for stream in listener.incoming().flatten() {
                    // whoever has gone needs no answer
                    let _ = board.answer(&stream, here);
                }
            });
        thread.map_err(|error| no_thread("serves figures", &error))?;
        Ok(here)
    }

    fn show(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn answer(&self, mut stream: &TcpStream, here: SocketAddr) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = read_request(stream)?;
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (line, media, body) = match target(&request, here) {
            Ok("/metrics") => {
                ("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics(&status))
            }
            Ok("/") => ("200 OK", "text/html; charset=utf-8", page(&status)),
            Ok(_) => ("404 Not Found", "text/plain", "/ and /metrics are here\n".to_owned()),
            Err((line, why)) => (line, "text/plain", format!("{why}\n")),
        };
        let head = format!(
            "HTTP/1.1 {line}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nX-Content-Type-Options: nosniff\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())
    }
}

fn read_request(mut stream: &TcpStream) -> io::Result<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    for _ in 0..PIECES {
        let length = stream.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..length]);
        if length == 0 || bytes.len() > REQUEST || bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is asked for; or a status, and why.
fn target(request: &str, here: SocketAddr) -> Result<&str, (&'static str, &'static str)> {
    let mut lines = request.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next(), words.next());
    let (Some("GET"), Some(target), Some("HTTP/1.1" | "HTTP/1.0")) = (method, target, words.next())
    else {
        return Err(("400 Bad Request", "only GET is answered"));
    };
    let host = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map_or("", |(_, value)| value.trim());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_literal = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if here.ip().is_loopback() && !is_literal && !matches!(name, "" | "localhost") {
        return Err(("421 Misdirected Request", "ask for this by its address"));
    }
    Ok(target)
}

/// A name, what it counts, and its value.
type Figure = (&'static str, &'static str, u64);

/// Those that only grow, then those that do not.
fn figures(status: &Status) -> ([Figure; 14], [Figure; 3]) {
    let tally = &status.tally;
    let counters = [
        ("pages", "Responses that were kept, of all runs.", tally.pages),
        ("bytes", "Bytes of their bodies.", tally.bytes),
        ("fetched", "Responses that were kept, of this run.", tally.fetched),
        ("in_part", "Of these, those that were kept in part.", tally.in_part),
        ("queued", "URLs that were queued.", tally.queued),
        ("refused", "URLs that are not fetched.", tally.refused),
        ("failed", "URLs that were tried in vain.", tally.failed),
        ("retried", "Times that a URL is to be tried again.", tally.retried),
        ("revisits", "Payloads that were kept before.", tally.revisits),
        ("similar", "Pages that are nearly the same as another one.", tally.similar),
        ("again", "Pages that were fetched again.", tally.again),
        ("unmodified", "Of these, those that servers say are as they were.", tally.unmodified),
        ("left", "URLs that are left to another run.", tally.left),
        ("hosts_left", "Hosts that are left to another run.", tally.hosts_left),
    ];
    let gauges = [
        ("in_flight", "Requests in flight.", status.in_flight as u64),
        ("hosts_awake", "Hosts that are in memory.", status.awake as u64),
        ("seconds", "How long this run has taken.", status.time.as_secs()),
    ];
    (counters, gauges)
}

fn metrics(status: &Status) -> String {
    let mut text = String::new();
    let (counters, gauges) = figures(status);
    let counters =
        counters.map(|(name, help, value)| (format!("{name}_total"), "counter", help, value));
    let gauges = gauges.map(|(name, help, value)| (name.to_owned(), "gauge", help, value));
    for (name, kind, help, value) in counters.into_iter().chain(gauges) {
        let name = format!("ringdove_crawl_{name}");
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    text.push_str("# HELP ringdove_crawl_responses_total Responses that were kept, by class.\n# TYPE ringdove_crawl_responses_total counter\n");
    for (class, count) in (1..).zip(status.tally.classes) {
        let _ = writeln!(text, "ringdove_crawl_responses_total{{class=\"{class}xx\"}} {count}");
    }
    text.push_str("# HELP ringdove_crawl_refusals_total URLs that are not fetched, by reason.\n# TYPE ringdove_crawl_refusals_total counter\n");
    for (refusal, count) in Refusal::ALL.iter().zip(status.tally.refusals) {
        let _ = writeln!(
            text,
            "ringdove_crawl_refusals_total{{reason=\"{}\"}} {count}",
            refusal.name()
        );
    }
    text
}

fn page(status: &Status) -> String {
    let (counters, gauges) = figures(status);
    let rate = status.tally.fetched as f64 / status.time.as_secs_f64().max(1.0);
    let rows: String = counters
        .into_iter()
        .chain(gauges)
        .map(|(_, help, value)| format!("<tr><td>{help}<td>{value}\n"))
        .collect();
    let classes: String = (1..)
        .zip(status.tally.classes)
        .map(|(class, count)| format!("<tr><td>{class}xx<td>{count}\n"))
        .collect();
    let refusals: String = Refusal::ALL
        .iter()
        .zip(status.tally.refusals)
        .map(|(refusal, count)| format!("<tr><td>{}<td>{count}\n", refusal.name()))
        .collect();
    let hosts: String = status.hosts.iter().map(row_of).collect();
    format!(
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2><title>ringdove crawl</title>\n\
         <style>body{{font:15px sans-serif;margin:2em}}table{{border-collapse:collapse;margin:1em 0}}\
         td,th{{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}}</style>\n\
         <h1>ringdove crawl</h1><p>{rate:.1} pages/s over this run. <a href=/metrics>Figures for Prometheus</a>\n\
         <table id=figures>{rows}</table>\n\
         <h2>Responses</h2><table id=responses>{classes}</table>\n\
         <h2>Refused</h2><table id=refusals>{refusals}</table>\n\
         <h2>Hosts that are awake</h2><table id=hosts><tr><th>host<th>pages<th>bytes<th>delay<th>failures<th>in flight\n{hosts}</table></html>\n"
    )
}

fn row_of(host: &HostStatus) -> String {
    let HostStatus { host, pages, bytes, delay, failures, url, .. } = host;
    let (host, url) = (escaped(host), escaped(url.as_deref().unwrap_or_default()));
    format!("<tr><td>{host}<td>{pages}<td>{bytes}<td>{delay:?}<td>{failures}<td>{url}\n")
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_this_machine_unless_others_are_named() {
        let table = [
            ("9400", Some("127.0.0.1:9400")),
            ("[::1]:1", Some("[::1]:1")),
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            ("localhost", None),
            ("70000", None),
        ];
        for (text, expected) in table {
            let address = text.parse::<Address>().ok().map(|address| address.0.to_string());
            assert_eq!(address.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn who_is_answered() {
        let here = "127.0.0.1:9400".parse().unwrap();
        let table = [
            ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9400\r\n\r\n", Ok("/metrics")),
            ("GET / HTTP/1.1\r\nhost: localhost:9400\r\n\r\n", Ok("/")),
            ("GET / HTTP/1.1\r\nHost: [::1]:9400\r\n\r\n", Ok("/")),
            ("GET / HTTP/1.0\r\n\r\n", Ok("/")),
            ("GET / HTTP/1.1\r\nHost: evil.example:9400\r\n\r\n", Err("421 Misdirected Request")),
            ("POST / HTTP/1.1\r\n\r\n", Err("400 Bad Request")),
            ("", Err("400 Bad Request")),
        ];
        for (request, expected) in table {
            assert_eq!(target(request, here).map_err(|(line, _)| line), expected, "{request:?}");
        }
    }

    #[test]
    fn what_is_shown_is_escaped() {
        let host = HostStatus {
            host: "<script>".to_owned(),
            pages: 1,
            bytes: 2,
            delay: Duration::from_secs(1),
            failures: 0,
            url: Some("http://a/?x=\"&'".to_owned()),
        };
        let status = Status { hosts: vec![host], ..Status::default() };
        let page = page(&status);
        assert!(
            page.contains(
                "<td>&lt;script&gt;<td>1<td>2<td>1s<td>0<td>http://a/?x=&quot;&amp;&#39;"
            )
        );
    }
}
