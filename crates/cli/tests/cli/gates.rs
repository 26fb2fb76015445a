//! Politeness as a server sees it: its own log says when each request came, and how many there were at once.
//!
//! Times are those at which the server's threads have read a request, which is some time after it was sent: never before.
//! So what is asserted of times is how early something cannot have been read, however busy the machine is.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{Ringdove, drivers};

const HOSTS: usize = 1_000;
const ADDRESSES: usize = 10;
/// Requests to each host.
const EACH: usize = 3;
/// How long the server takes for each.
const SERVICE: Duration = Duration::from_millis(10);
const DELAY: Duration = Duration::from_millis(100);
/// Connections to one address.
const MOST: usize = 2;

#[derive(Default)]
struct Log {
    arrivals: HashMap<String, Vec<Instant>>,
    in_flight: HashMap<IpAddr, usize>,
    most_in_flight: usize,
    /// When connections to an address came (1) and went (-1).
    connections: HashMap<IpAddr, Vec<(Instant, i32)>>,
}

struct Server {
    port: u16,
    log: Arc<Mutex<Log>>,
}

fn address(index: usize) -> IpAddr {
    Ipv4Addr::new(127, 77, 0, index as u8 + 1).into()
}

impl Server {
    /// One port on all addresses; it serves until the tests are over.
    fn start() -> Server {
        let first = TcpListener::bind((address(0), 0)).expect("an address of loopback");
        let port = first.local_addr().expect("it is bound").port();
        let others = (1..ADDRESSES).map(|index| {
            TcpListener::bind((address(index), port)).expect("the port is free on all addresses")
        });
        let log = Arc::new(Mutex::new(Log::default()));
        for listener in std::iter::once(first).chain(others) {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let (stream, log) = (stream.expect("a connection"), Arc::clone(&log));
                    thread::spawn(move || serve(stream, &log));
                }
            });
        }
        Server { port, log }
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Log>) {
    let to = stream.local_addr().expect("it is connected").ip();
    let note = |change| {
        log.lock().unwrap().connections.entry(to).or_default().push((Instant::now(), change));
    };
    note(1);
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        let arrived = Instant::now();
        head.extend_from_slice(&buffer[..bytes]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).expect("text");
        let host = text.lines().find_map(|line| line.strip_prefix("Host: ")).expect("a host");
        {
            let mut log = log.lock().unwrap();
            log.arrivals.entry(host.to_owned()).or_default().push(arrived);
            let now = log.in_flight.entry(to).or_default();
            *now += 1;
            let now = *now;
            log.most_in_flight = log.most_in_flight.max(now);
        }
        thread::sleep(SERVICE);
        *log.lock().unwrap().in_flight.get_mut(&to).expect("counted above") -= 1;
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            break;
        }
    }
    note(-1);
}

impl Log {
    /// For how long there were more connections to one address than there may be. A connection whose end is
    /// under way counts until the server has read that.
    fn longest_excess(&mut self) -> Duration {
        let mut longest = Duration::ZERO;
        for changes in self.connections.values_mut() {
            changes.sort();
            let (mut open, mut since) = (0, None);
            for &(at, change) in &*changes {
                open += change;
                if open <= MOST as i32 {
                    longest = longest.max(since.take().map_or(Duration::ZERO, |since| at - since));
                } else {
                    since = since.or(Some(at));
                }
            }
        }
        longest
    }
}

/// How long the same requests take those who have nothing to decide: to each address as many threads as there may be
/// connections, of which each connects, asks, hears the answer and closes, again and again.
fn ideal() -> Duration {
    let server = Server::start();
    let ask = move |to: IpAddr, n: usize| {
        let mut stream = TcpStream::connect((to, server.port)).expect("it listens");
        let request = format!("GET / HTTP/1.1\r\nHost: h{n}.test\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let read = stream.read(&mut [0; 256]).expect("it answers");
        assert!(read > 0, "it answers");
    };
    let begun = Instant::now();
    let threads: Vec<_> = (0..ADDRESSES * MOST)
        .map(|thread| {
            let each = HOSTS * EACH / ADDRESSES / MOST;
            thread::spawn(move || (0..each).for_each(|n| ask(address(thread % ADDRESSES), n)))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("all are answered"));
    begun.elapsed()
}

/// 1,000 names on 10 addresses, with 2 connections to each address and 100 ms for each host. Each request has a
/// connection of its own, since the next host's turn comes with its place.
///
/// That no time is lost over it the engine's tests tell, where time is exact; here it is measured, and said.
#[test]
fn neither_the_addresses_nor_the_delays_are_broken() {
    for driver in drivers() {
        let server = Server::start();
        let ideal = ideal();
        let begun = Instant::now();
        polite_run(&server, driver, HOSTS, EACH);
        let elapsed = begun.elapsed();
        let mut log = server.log.lock().unwrap();
        assert_eq!(
            log.most_in_flight, MOST,
            "{driver}: at one address, of which all places were used"
        );
        // two connections to each address, busy all the time
        let bound = SERVICE * (HOSTS * EACH / ADDRESSES / MOST) as u32;
        assert!(elapsed >= bound, "{driver}: {elapsed:?}");
        let excess = log.longest_excess();
        eprintln!(
            "measured: {driver}: {elapsed:.2?} with the command's start, {ideal:.2?} is ideal, {bound:.2?} the least; \
             ends of connections read {excess:.1?} late"
        );
    }
}

/// The delays of a host add up: its n-th request is not sent before so many have passed. Without them all would be
/// over in a tenth of the time.
#[test]
fn the_delays_of_a_host_add_up() {
    for driver in drivers() {
        let server = Server::start();
        let begun = Instant::now();
        polite_run(&server, driver, 10, 20);
        for (host, times) in &mut server.log.lock().unwrap().arrivals {
            times.sort();
            for (n, time) in times.iter().enumerate() {
                let after = time.duration_since(begun);
                assert!(
                    after >= DELAY * n as u32,
                    "{driver}: request {n} to {host} after {after:?}"
                );
            }
        }
    }
}

/// So many requests to each of so many names, spread over the addresses.
fn polite_run(server: &Server, driver: &str, hosts: usize, each: usize) {
    let port = server.port;
    let resolve = (0..hosts)
        .map(|host| format!("--resolve=h{host}.test:{port}:{}", address(host % ADDRESSES)));
    let urls: String = (0..hosts * each)
        .map(|n| format!("http://h{}.test:{port}/{}\n", n % hosts, n / hosts))
        .collect();
    let most = MOST.to_string();
    Ringdove::fetch(["--driver", driver, "--discard", "-q", "-i", "-"])
        .args(["--max-address-connections", &most, "--delay-per-host", "100ms"])
        .args(resolve)
        .stdin(urls)
        .run()
        .exits(0);
    let log = server.log.lock().unwrap();
    let requests: usize = log.arrivals.values().map(Vec::len).sum();
    assert_eq!((log.arrivals.len(), requests), (hosts, hosts * each), "{driver}");
    assert!(log.most_in_flight <= MOST, "{driver}: {} at one address", log.most_in_flight);
}

/// All names of one registrable domain go one by one.
#[test]
fn a_domain_is_asked_for_one_thing_at_a_time() {
    let server = Server::start();
    let port = server.port;
    let host = |n: usize| format!("h{n}.example.co.uk");
    let resolve = (0..8).map(|n| format!("--resolve={}:{port}:{}", host(n), address(n)));
    let urls = (0..8).map(|n| format!("http://{}:{port}/", host(n)));
    let begun = Instant::now();
    Ringdove::fetch([
        "--discard",
        "-q",
        "--concurrency-per-domain",
        "1",
        "--delay-per-domain",
        "0.05",
    ])
    .args(resolve)
    .args(urls)
    .run()
    .exits(0);
    assert!(begun.elapsed() >= Duration::from_millis(7 * 50), "{:?}", begun.elapsed());
    assert_eq!(server.log.lock().unwrap().most_in_flight, 1);
}
