//! Bytes of memory that waiting costs: queued transfers, idle connections.

use std::cell::Cell;
use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::engine::{Engine, Output};
use ringdove::protocol::ResponseHead;
use ringdove::sys::rlimit;
use ringdove::{Config, Discard, Driver, Flow, Handler, Request, Time};

use crate::ALLOCATOR;
use crate::canned::{Canned, Scenario};
use crate::http2::{Heads, Http2, Http2Engine};
use crate::server::Server;

const CONNECTIONS: u64 = 10_000;
const QUEUED: u64 = 1_000_000;
const HOSTS: u32 = 1_000_000;

/// What a connection may take while it waits for the next request, with its driver's part.
const IDLE: u64 = 1024;
/// In the engine alone, and a transfer while it is queued: what they took when a connection carried one exchange and no more.
const IDLE_IN_ENGINE: u64 = 606;
const QUEUED_IN_ENGINE: u64 = 370;
/// The same, by HTTP/2: its tables of header fields are as large as peers make them.
const IDLE_HTTP2: u64 = 16 * 1024;

pub(crate) fn print() {
    println!("{:<52} {:>10} {:>8}", "bytes of user space, by the allocator's count", "each", "bar");
    row("idle keep-alive connection, engine alone, of 10,000", idle_connection(), IDLE_IN_ENGINE);
    for kind in Kind::ALL {
        match idle_connection_of_driver(kind) {
            Ok(bytes) => _ = row(&format!("the same with driver {kind}"), bytes, IDLE),
            Err(why) => eprintln!("skipped: driver {kind}: {why}"),
        }
    }
    row("idle HTTP/2 connection by itself, after 100 requests", idle_http2(), IDLE_HTTP2);
    row("the same in an engine, of 200", idle_http2_in_engine(), IDLE_HTTP2);
    row("queued transfer without its URL, of 1,000,000", queued_transfer(), QUEUED_IN_ENGINE);
    let scenario = Scenario::keepalive(6).with_all_deadlines();
    row("the same with a deadline for its wait", queued_in(&scenario, 1000, QUEUED) - 24.0, 512);
    row("host that was asked and is to be left alone, of 1,000,000", asked_host(), 48);
}

/// Whether what waits is within its bars, as far as no kernel and little time are needed to tell.
pub(crate) fn hold() -> bool {
    println!("{:<52} {:>10} {:>8}", "bytes of user space, by the allocator's count", "each", "bar");
    let bars = [
        ("idle keep-alive connection", idle_connection(), IDLE_IN_ENGINE),
        ("queued transfer without its URL", queued_transfer(), QUEUED_IN_ENGINE),
        ("idle HTTP/2 connection by itself", idle_http2(), IDLE_HTTP2),
        ("idle HTTP/2 connection in an engine", idle_http2_in_engine(), IDLE_HTTP2),
    ];
    bars.map(|(what, bytes, bar)| row(what, bytes, bar)).into_iter().all(|is_held| is_held)
}

/// Whether the bar is held.
fn row(what: &str, bytes: f64, bar: u64) -> bool {
    let is_held = bytes <= bar as f64;
    let verdict = if is_held { "" } else { "  MISSED" };
    println!("{what:<52} {bytes:>10.1} {bar:>8}{verdict}");
    is_held
}

/// The worse of two: of a server that fills the table of header fields, and of one that does not.
fn idle_http2() -> f64 {
    let of = |heads| {
        let before = live();
        let mut http2 = Http2::new(heads);
        http2.run(1000);
        let connection = http2.into_idle();
        let bytes = live() - before + size_of_val(&connection) as isize;
        drop(connection);
        bytes as f64
    };
    of(Heads::Indexed).max(of(Heads::Literal))
}

/// The same of connections in an engine, each to an origin of its own.
fn idle_http2_in_engine() -> f64 {
    const CONNECTIONS: u64 = 200;
    let of = |heads| {
        let mut http2 = Http2Engine::with_room_for(2 * CONNECTIONS as usize, heads);
        let bursts = |http2: &mut Http2Engine| {
            for _ in 0..CONNECTIONS {
                http2.go_elsewhere(heads);
                http2.run(100);
            }
            http2.rest();
            live()
        };
        // the first ones make room that all use
        let before = bursts(&mut http2);
        (bursts(&mut http2) - before) as f64 / CONNECTIONS as f64
    };
    of(Heads::Indexed).max(of(Heads::Literal))
}

/// Of an engine whose connections have each served a transfer, all that is left.
fn idle_connection() -> f64 {
    let mut canned = Canned::new(&Scenario::keepalive(CONNECTIONS as usize));
    let before = live();
    canned.run(CONNECTIONS);
    assert_eq!(canned.engine.stats().idle as u64, CONNECTIONS);
    (live() - before) as f64 / CONNECTIONS as f64
}

/// Without its path, of 24 bytes.
fn queued_transfer() -> f64 {
    queued(1000, QUEUED) - 24.0
}

/// The same with sockets: all that the driver and its engine hold, less what an empty one does.
fn idle_connection_of_driver(kind: Kind) -> Result<f64, Box<dyn Error>> {
    rlimit::raise_open_files()?;
    let (_server, url) = serve_apart()?;
    let config = Config {
        max_connections: CONNECTIONS as usize,
        max_per_origin: CONNECTIONS as usize,
        ..Config::default()
    };
    let mut driver = Driver::new(kind, config)?;
    let before = live();
    let mut transfers = Vec::new();
    let held = Rc::new(Cell::new(0));
    // in steps: a server's queue of connections to accept is short
    while held.get() < CONNECTIONS {
        for _ in 0..1000 {
            let handler = Hold { held: held.clone() };
            transfers.push(driver.add(Request::get(&url)?, Box::new(handler))?);
        }
        while held.get() < transfers.len() as u64 {
            driver.turn(None)?;
        }
    }
    // in steps also: a queue of messages keeps its room
    for transfers in transfers.chunks(500) {
        let before = driver.running();
        for &transfer in transfers {
            driver.resume(transfer)?;
        }
        while driver.running() > before - transfers.len() {
            driver.turn(None)?;
        }
        while let Some(message) = driver.next_message() {
            message.outcome.result?;
        }
    }
    let connections = driver.stats().connections;
    if connections < CONNECTIONS as usize {
        return Err(format!("only {connections} connections").into());
    }
    Ok((live() - before) as f64 / CONNECTIONS as f64)
}

/// Keeps its connection until all are open.
struct Hold {
    held: Rc<Cell<u64>>,
}

impl Handler for Hold {
    fn head(&mut self, _: &ResponseHead<'_>) -> Flow {
        self.held.set(self.held.get() + 1);
        Flow::Pause
    }

    fn body(&mut self, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// A server in a process of its own, since what it holds is not to be counted, and its URL; it ends when its standard
/// input does.
fn serve_apart() -> Result<(ChildStdin, String), Box<dyn Error>> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = server.stdin.take().ok_or("no pipe")?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
    Ok((stdin, line.trim_end().to_owned()))
}

/// That process: says its URL, and serves until nobody holds its standard input.
pub(crate) fn serve() -> ExitCode {
    if let Err(why) = rlimit::raise_open_files() {
        eprintln!("serve: {why}");
        return ExitCode::FAILURE;
    }
    let server = Server::start(None);
    println!("{}", server.url());
    // nothing is said on it
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

fn queued(first: u64, last: u64) -> f64 {
    queued_in(&Scenario::keepalive(6), first, last)
}

/// What each of the transfers from the `first` to the `last` adds, once all are admitted.
fn queued_in(scenario: &Scenario, first: u64, last: u64) -> f64 {
    let mut canned = Canned::new(scenario);
    canned.add(first);
    canned.run_steadily(first);
    let before = live();
    canned.add(last - first);
    // some turns, until all have been admitted
    canned.run_steadily(last / 100);
    (live() - before) as f64 / (last - first) as f64
}

/// What is kept of a host whose one transfer is over, for as long as it may not be asked again.
fn asked_host() -> f64 {
    const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut config = Config::default();
    config.politeness.per_host.interval = Some(Duration::from_secs(3600));
    let mut engine = Engine::new(config);
    let mut ask = |n: u32| {
        let url = format!("http://{}/", Ipv4Addr::from((11 << 24) + n));
        let request = Request::get(&url).expect("a good URL");
        engine.add(request, Box::new(Discard)).expect("a good request");
        engine.advance(Time::from_nanos(1_000));
        engine.expire();
        while let Some(output) = engine.poll_output() {
            if let Output::Connect { connection, .. } = output {
                engine.handle_connected(connection);
                let sent = engine.fill(connection, &mut [0; 1024]);
                engine.handle_sent(connection, sent);
                engine.handle_received(connection, CLOSE);
            }
        }
        let message = engine.poll_message().expect("it is over");
        message.outcome.result.expect("it is served");
    };
    (0..1000).for_each(&mut ask);
    let before = live();
    (1000..HOSTS).for_each(&mut ask);
    let bytes = (live() - before) as f64 / f64::from(HOSTS - 1000);
    assert_eq!(engine.stats().gates, HOSTS as usize);
    bytes
}

fn live() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}
