//! Heads that come in pieces: they pass, and no crowd of them has others wait for long.

use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Options, Output};
use ringdove::error::Cause;
use ringdove::{DecodePolicy, TransferId};

use crate::harness::{Harness, get_url, timeouts};

const KIB: usize = 1024;

/// What all transfers may hold.
const MEMORY: usize = 2 * 1024 * KIB;

fn crowd(memory: usize) -> Harness {
    Harness::with(Config {
        memory,
        max_connections: 5000,
        max_per_origin: 5000,
        ..Config::default()
    })
}

/// A transfer that is not bound by any deadline, and its connection.
fn ask(h: &mut Harness, host: &str) -> (TransferId, ConnectionId) {
    let transfer = h.add(get_url(&format!("http://{host}/")).options(timeouts(|_| {})));
    let wants = h.wants();
    let connection = wants.iter().find_map(|want| match want {
        Output::Connect { connection, .. } => Some(*connection),
        _ => None,
    });
    let connection = connection.expect("it connects");
    h.engine.handle_connected(connection);
    assert!(!h.sent(connection).is_empty());
    (transfer, connection)
}

/// A host of an owner that has many addresses.
fn of_one_owner(n: usize) -> String {
    format!("[2001:db8::{n:x}]")
}

/// The beginning of a head, of so many bytes, which come at once.
fn begin(h: &mut Harness, host: &str, bytes: usize) -> (TransferId, ConnectionId) {
    let (transfer, connection) = ask(h, host);
    let lines = line().repeat(bytes / KIB);
    h.received(connection, format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}").as_bytes());
    (transfer, connection)
}

/// Lines of so many bytes in all, as far as they are read.
fn grow(h: &mut Harness, connection: ConnectionId, bytes: usize) {
    for _ in 0..bytes / KIB {
        if !h.level(connection).recv {
            return;
        }
        h.received(connection, line().as_bytes());
    }
}

/// A line of 1 KiB.
fn line() -> String {
    format!("X: {}\r\n", "x".repeat(KIB - 5))
}

/// Transfers that have failed since, all for one reason.
fn failed(h: &mut Harness, reason: impl Fn(&Cause) -> bool) -> Vec<TransferId> {
    let failed = std::iter::from_fn(|| h.engine.poll_message()).map(|message| {
        let error = message.outcome.result.expect_err("it fails");
        assert!(reason(&error.cause), "{error:?}");
        message.transfer
    });
    failed.collect()
}

fn found_no_place(cause: &Cause) -> bool {
    matches!(cause, Cause::NoMemory { limit: MEMORY })
}

fn gave_up(cause: &Cause) -> bool {
    matches!(cause, Cause::Memory { .. })
}

/// Each has 250 KiB, and all come at once.
#[test]
fn more_than_there_is_memory_for_pass_one_after_the_other() {
    let mut h = crowd(MEMORY);
    let mut left: Vec<_> =
        (0..40).map(|n| (begin(&mut h, &format!("10.0.0.{n}"), 10 * KIB).1, 24)).collect();
    let (mut rounds, mut most) = (0, 0);
    while !left.is_empty() {
        for (connection, pieces) in &mut left {
            if !h.level(*connection).recv {
                continue;
            }
            match *pieces {
                0 => h.received(*connection, b"\r\n"),
                _ => grow(&mut h, *connection, 10 * KIB),
            }
            *pieces -= 1;
            most = most.max(h.engine.stats().memory);
        }
        left.retain(|&(_, pieces)| pieces >= 0);
        h.again();
        rounds += 1;
        assert!(rounds < 1000, "{left:?}: {:?}", h.engine.stats());
    }
    for _ in 0..40 {
        h.succeeds();
    }
    assert!(h.engine.stats().memory_waits > 0 && h.engine.stats().memory == 0);
    assert!(most < MEMORY + MEMORY / 4, "{most}");
    h.ends_empty();
}

#[test]
fn who_is_the_owner_of_most_loses_it_first() {
    let mut h = crowd(MEMORY);
    let (_, one) = begin(&mut h, "10.0.0.1", 200 * KIB);
    for n in 0..9 {
        begin(&mut h, &of_one_owner(n), 200 * KIB);
    }
    let (_, comes) = begin(&mut h, "10.0.0.2", 100 * KIB);
    let (_, waits) = begin(&mut h, "10.0.0.3", 10 * KIB);
    assert!(!h.level(waits).recv, "{:?}", h.engine.stats());
    for at in 0..12 {
        assert!(h.engine.poll_message().is_none(), "{at}");
        h.at(1_000 + at * 1_000);
        // steadily, if slowly
        grow(&mut h, comes, 10 * KIB);
    }
    let mut at = 13_500;
    while !h.level(waits).recv {
        h.at(at);
        grow(&mut h, comes, 10 * KIB);
        at += 1_000;
        assert!(at < 30_000, "{:?}", h.engine.stats());
    }
    assert!(h.engine.is_open(one) && h.engine.is_open(comes));
    let lost = failed(&mut h, gave_up);
    assert!((1..6).contains(&lost.len()), "{lost:?}");
    h.received(waits, b"\r\n");
    h.succeeds();
}

/// Thousands trickle heads, and more of them come. Whoever else comes amid them gets through, and nobody else loses
/// anything.
#[test]
fn a_crowd_that_trickles_holds_what_all_may_and_makes_room_for_others() {
    let mut h = crowd(MEMORY);
    let policy = DecodePolicy { max_ratio: None, ..DecodePolicy::default() };
    let decoding = Options { decode: Some(policy), ..Options::clone(&timeouts(|_| {})) };
    h.add(get_url("http://10.0.0.9/").options(Arc::new(decoding)));
    let steady = h.ask();
    h.received(steady, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    let (mut flood, mut lost) = (Vec::new(), 0);
    for n in 0..2000 {
        flood.push(begin(&mut h, &of_one_owner(n), 8 * KIB));
        lost += failed(&mut h, found_no_place).len();
        assert!(h.engine.stats().memory <= 2 * MEMORY + 16 * KIB, "{:?}", h.engine.stats());
    }
    assert!((1000..1600).contains(&lost), "{lost}");
    // more than the crowd gives up at a time
    let mut others: Vec<_> =
        (0..20).map(|n| begin(&mut h, &format!("10.0.1.{n}"), 16 * KIB).1).collect();
    assert!(others.iter().all(|&other| h.engine.is_open(other) && !h.level(other).recv));
    let mut at = 1_000;
    while !others.is_empty() {
        at += 1_000;
        assert!(at < 100_000, "{:?}", h.engine.stats());
        h.at(at);
        for &(_, connection) in flood.iter().filter(|_| at % 3_000 == 0) {
            if h.engine.is_open(connection) && h.level(connection).recv {
                h.received(connection, b"Y: y\r\n");
            }
        }
        let lost = failed(&mut h, |cause| found_no_place(cause) || gave_up(cause));
        assert!(lost.iter().all(|lost| flood.iter().any(|(id, _)| id == lost)));
        others.retain(|&other| {
            let is_heard = h.level(other).recv;
            if is_heard {
                h.received(other, b"\r\n");
                h.succeeds();
            }
            !is_heard
        });
    }
    assert!(h.engine.is_open(steady));
}

/// Informational responses are heads of their own.
#[test]
fn what_an_informational_head_held_is_given_back() {
    let mut h = crowd(MEMORY);
    let (_, connection) = ask(&mut h, "10.0.0.1");
    h.received(connection, b"HTTP/1.1 103 Early Hints\r\n");
    grow(&mut h, connection, 20 * KIB);
    assert!(h.engine.stats().memory >= 20 * KIB);
    h.received(connection, b"\r\n");
    assert_eq!(h.engine.stats().memory, 0);
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    assert!(h.wants().iter().all(|want| !matches!(want, Output::Close { .. })));
    h.ends_empty();
}
