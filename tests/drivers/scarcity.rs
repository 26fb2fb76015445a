//! What there is a limited number of, made scarce: the queues of a ring, its buffers, ports. All transfers end well all the
//! same, or fail and say why, and what was short is counted.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Operation};
use ringdove::sys::count::{self, Counter};
use ringdove::sys::{Errno, ring};
use ringdove::{Config, Driver, Stats};

use crate::in_step::Server;
use crate::run::{Run, Transfer, closes_late, on_every_driver};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::isolated;
use ringdove_test_support::nginx::{Nginx, OK_BODY};

on_every_driver! {
    under crate::scarcity::network_with_few_ports:
    ports_run_out,
    ports_run_out_for_connections_that_close,
    ports_that_others_have,
}

on_every_driver! {
    short_queues,
    more_large_bodies_than_buffers,
}

/// Entries for a hundredth of what is asked for at a time.
fn short_queues(kind: Kind) {
    let nginx = Nginx::plain();
    let before = count::snapshot();
    let options = ring::Options { sq_entries: 8, cq_entries: 16, ..ring::Options::default() };
    let config = Config { max_connections: 200, max_per_origin: 200, ..Config::default() };
    let driver = Driver::with_ring(kind, config, &options).expect("asked before");
    let mut run = Run { driver, reads_files: false };
    let transfers: Vec<_> = (0..2000).map(|_| run.get(&nginx.url("/ok"))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, OK_BODY));
    let counts = count::snapshot().since(&before);
    if kind != Kind::Epoll {
        let short = [Counter::SqFull, Counter::CqOverflows].map(|counter| counts.get(counter));
        assert!(short.iter().all(|&times| times > 0), "{counts:?}");
    }
    assert_eq!(counts.get(Counter::LostCqes) + counts.get(Counter::StaleCqes), 0, "{counts:?}");
}

/// So much has arrived of each when the driver looks that all together fill its buffers several times over.
fn more_large_bodies_than_buffers(kind: Kind) {
    const BODIES: usize = 64;
    let body: Vec<u8> = (0..2_000_000_usize).map(|i| (i * 31 % 253) as u8).collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let response = [head.as_bytes(), &body].concat();
    let server = Server::start();
    let mut run = Run::new(kind);
    let mut transfers = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..BODIES {
        transfers.push(run.get(&server.url("/")));
        answers.push((server.accept(&mut run), &response[..]));
    }
    let before = count::snapshot();
    run.turn_until("all is there", |run| {
        for (stream, rest) in &mut answers {
            while !rest.is_empty()
                && let Ok(written) = stream.write(rest)
            {
                *rest = &rest[written..];
            }
        }
        run.driver.running() == 0
    });
    transfers.iter().for_each(|transfer| transfer.assert_response(200, &body));
    let counts = count::snapshot().since(&before);
    if kind == Kind::Ring {
        let buffers_filled = (BODIES * response.len() / (32 * 1024)) as u64;
        let exhausted = counts.get(Counter::BuffersExhausted);
        assert!((1..=buffers_filled / 4).contains(&exhausted), "{counts:?}");
        // a receive for each buffer filled
        let filled = (BODIES * response.len() / (16 * 1024)) as u64;
        assert!(counts.get(Counter::Sqes) <= filled, "{} at most: {counts:?}", filled);
    }
}

pub(crate) const PORTS: usize = 16;

/// Runs its arguments in a network of their own.
const NETWORK_WITH_FEW_PORTS: [&str; 7] = [
    "unshare",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    r#"ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range="40000 40015" && exec "$@""#,
    "sh",
];

pub(crate) fn network_with_few_ports() -> Option<&'static [&'static str]> {
    isolated::possible(&NETWORK_WITH_FEW_PORTS, "no network can be made here (unshare, ip, sysctl)")
}

fn server() -> Hostile {
    Plan::new()
        // not one of the few
        .addr(SocketAddr::from(([127, 0, 0, 1], 8080)))
        .path("/", Script::new().ok("served"))
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, "served").close())
        .start()
}

fn wide(kind: Kind) -> Run {
    Run::with(kind, Config { max_connections: 200, max_per_origin: 200, ..Config::default() })
}

fn ports_run_out(kind: Kind) {
    let stats = run_out(kind, "/");
    assert_eq!(stats.connections, PORTS, "{stats:?}");
}

fn ports_run_out_for_connections_that_close(kind: Kind) {
    if closes_late(&wide(kind).driver) {
        return eprintln!(
            "skipped: the kernel closes late, and gives no port back when it is wanted"
        );
    }
    run_out(kind, "/close");
}

/// Many more connections are allowed than there are ports: all transfers end well, without many connections tried
/// in vain.
fn run_out(kind: Kind, path: &str) -> Stats {
    let server = server();
    let mut run = wide(kind);
    let transfers: Vec<_> = (0..1000).map(|_| run.get(&server.url(path))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"served"));
    let stats = run.driver.stats();
    // all that are allowed at first, and one whenever another one has closed
    let most = 200 + stats.succeeded;
    assert!(stats.exhausted > 0 && stats.exhausted <= most, "tried in vain: {stats:?}");
    let told = told_of_exhaustion(&transfers, Operation::Connect, Errno::EADDRNOTAVAIL);
    assert_eq!(told, stats.exhausted, "each has been told to whom it happened");
    stats
}

/// How often these transfers were refused in all, as their reports have it: by this operation and for this reason, and
/// each has waited for what came next, as a part of its time in the queue.
pub(crate) fn told_of_exhaustion(
    transfers: &[Transfer],
    operation: Operation,
    errno: Errno,
) -> u64 {
    let reports = transfers.iter().map(|transfer| transfer.outcome().report);
    let refused = reports.filter_map(|report| Some((*report.exhausted?, report.times)));
    let times = refused.map(|(exhausted, times)| {
        assert_eq!((exhausted.operation, exhausted.errno), (operation, errno.raw()));
        assert!(exhausted.times > 0 && exhausted.waited <= times.queue, "{exhausted:?} {times:?}");
        u64::from(exhausted.times)
    });
    times.sum()
}

/// There is nothing to wait for if all of them are somebody else's.
fn ports_that_others_have(kind: Kind) {
    let server = server();
    let taken = take_all_ports(server.addr());
    assert_eq!(taken.len(), PORTS);
    let mut run = wide(kind);
    let transfers: Vec<_> = (0..50).map(|_| run.get(&server.url("/"))).collect();
    run.finish();
    let cause = Cause::Os { operation: Operation::Connect, errno: Errno::EADDRNOTAVAIL.raw() };
    transfers.iter().for_each(|transfer| assert_eq!(transfer.error().cause, cause));
    let error = transfers[0].error().to_string();
    assert!(error.contains("Cannot assign requested address"), "{error}");
    let stats = run.driver.stats();
    assert!(stats.exhausted <= 2 * stats.failed, "tried in vain: {stats:?}");

    drop(taken);
    run.turn_until("there are ports again", |run| {
        let transfer = run.get(&server.url("/"));
        run.finish();
        transfer.outcome().result.is_ok()
    });
}

/// Connections that leave nothing behind when they are closed.
fn take_all_ports(server: SocketAddr) -> Vec<TcpStream> {
    let mut taken = Vec::new();
    loop {
        match TcpStream::connect(server) {
            Ok(stream) => {
                let socket = socket2::SockRef::from(&stream);
                socket.set_linger(Some(Duration::ZERO)).expect("sets");
                taken.push(stream);
            }
            Err(error) => {
                assert_eq!(Errno::from(error), Errno::EADDRNOTAVAIL);
                return taken;
            }
        }
    }
}
