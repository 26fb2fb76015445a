//! Large heads: they pass, but not any number of them at a time.

use ringdove::engine::{Config, ConnectionId, Output};
use ringdove::error::Cause;
use ringdove::http::HttpFault;

use crate::harness::{Harness, get_url};

/// How many may be on their way at a time.
const LARGE_HEADS: usize = 128;

/// Begins a head that is large already, on a connection of its own.
fn begin(h: &mut Harness, host: &str) -> ConnectionId {
    h.add(get_url(&format!("http://{host}/")));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for _ in 0..70 {
        h.received(connection, format!("X: {}\r\n", "x".repeat(1000)).as_bytes());
    }
    connection
}

fn crowd() -> Harness {
    let config = Config { max_connections: 1000, max_per_origin: 1000, ..Config::default() };
    Harness::with(config)
}

#[track_caller]
fn fails(h: &mut Harness, connection: ConnectionId) {
    let fault = HttpFault::HeadTooLarge { limit: 64 * 1024 };
    assert_eq!(h.fails().cause, Cause::Http(fault));
    assert!(
        matches!(&h.wants()[..], [Output::Close { connection: closed, .. }] if *closed == connection)
    );
}

#[test]
fn so_many_pass_at_a_time_and_no_more() {
    let mut h = crowd();
    let under_way: Vec<_> = (0..LARGE_HEADS).map(|_| begin(&mut h, "10.0.0.1")).collect();
    assert!(h.engine.poll_message().is_none());
    let one_more = begin(&mut h, "10.0.0.1");
    fails(&mut h, one_more);
    // one that is over makes room
    h.received(under_way[0], b"\r\n");
    h.succeeds();
    begin(&mut h, "10.0.0.2");
    assert!(h.engine.poll_message().is_none());
    for &connection in &under_way[1..] {
        h.received(connection, b"\r\n");
        h.succeeds();
    }
}

#[test]
fn who_has_the_most_of_them_loses_one_for_another() {
    let mut h = crowd();
    let under_way: Vec<_> = (0..LARGE_HEADS).map(|_| begin(&mut h, "10.0.0.1")).collect();
    let other = begin(&mut h, "10.0.0.2");
    fails(&mut h, under_way[LARGE_HEADS - 1]);
    h.received(other, b"\r\n");
    h.succeeds();
}
