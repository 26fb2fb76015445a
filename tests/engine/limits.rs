//! The limits, who waits for them, and who goes first.

use ringdove::Body;
use ringdove::engine::{BodySource, Config, ConnectionId, Output, Request};
use ringdove::error::{Cause, Operation};
use ringdove::protocol::SourceRead;

use crate::harness::{Harness, OK, get, get_url, ms, timeouts};

const EMFILE: i32 = 24;

fn connects(outputs: &[Output]) -> Vec<ConnectionId> {
    let connect = |output: &Output| match output {
        Output::Connect { connection, .. } => Some(*connection),
        _ => None,
    };
    outputs.iter().filter_map(connect).collect()
}

fn serve(h: &mut Harness, connection: ConnectionId) {
    h.sent(connection);
    h.received(connection, OK);
    h.succeeds();
}

#[test]
fn no_more_connections_than_allowed_to_one_origin() {
    let mut h = Harness::with(Config { max_per_origin: 2, ..Config::default() });
    for _ in 0..5 {
        h.add(get("/"));
    }
    let [one, other] = connects(&h.wants())[..] else { panic!("two connections") };
    h.engine.handle_connected(one);
    // another origin has a limit of its own: the port is part of it
    h.add(get_url("http://10.0.0.1:8080/"));
    assert_eq!(connects(&h.wants()).len(), 1);
    serve(&mut h, one);
    serve(&mut h, one);
    h.engine.handle_failed(other, Operation::Connect, 111);
    h.fails();
    assert_eq!(connects(&h.wants()).len(), 1);
}

#[test]
fn a_freed_slot_wakes_exactly_one() {
    let mut h = Harness::with(Config { max_connections: 1, ..Config::default() });
    for host in 1..=4 {
        h.add(get_url(&format!("http://10.0.0.{host}/")));
    }
    let connection = h.connect();
    h.sent(connection);
    h.received(connection, OK);
    h.succeeds();
    let wants = h.wants();
    assert!(
        matches!(wants[..], [Output::Close { .. }, Output::Connect { ref dial, .. }]
            if dial.remote.to_string() == "10.0.0.2:80"),
        "{wants:?}"
    );
}

#[test]
fn an_idle_connection_makes_room_for_another_origin() {
    let mut h = Harness::new(1);
    let idle = h.idle();
    h.add(get_url("http://10.0.0.2/"));
    let wants = h.wants();
    assert_eq!(wants[0], Output::Close { connection: idle, last_words: Vec::new() });
    assert!(matches!(wants[1], Output::Connect { .. }));
    assert_eq!(h.engine.stats().evicted, 1);
}

#[test]
fn a_connection_changes_hands_after_its_turn() {
    let mut h = Harness::with(Config { max_connections: 1, ..Config::default() });
    for n in 0..200 {
        h.add(get(&format!("/{n}")));
    }
    let connection = h.connect();
    // alone, an origin keeps its connection
    for _ in 0..100 {
        serve(&mut h, connection);
    }
    h.wants_nothing();
    h.add(get_url("http://10.0.0.2/"));
    serve(&mut h, connection);
    let wants = h.wants();
    assert!(
        matches!(wants[..], [Output::Close { .. }, Output::Connect { ref dial, .. }]
            if dial.remote.to_string() == "10.0.0.2:80"),
        "{wants:?}"
    );
}

#[test]
fn raised_limits_are_used_at_once() {
    let mut h = Harness::new(1);
    for _ in 0..3 {
        h.add(get("/"));
    }
    h.add(get_url("http://10.0.0.2/"));
    h.connect();
    h.engine.set_limits(4, 2);
    assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO));
    h.again();
    assert_eq!(connects(&h.wants()).len(), 2);
    assert_eq!(h.engine.stats().connections, 3);
}

#[test]
fn connections_over_a_lowered_limit_close_when_they_are_done() {
    let mut h = Harness::new(3);
    for _ in 0..9 {
        h.add(get("/"));
    }
    let connections = connects(&h.wants());
    for &connection in &connections {
        h.engine.handle_connected(connection);
    }
    h.engine.set_limits(1, 1);
    h.again();
    assert_eq!(h.engine.stats().connections, 3);
    serve(&mut h, connections[0]);
    serve(&mut h, connections[1]);
    assert_eq!(h.engine.stats().connections, 1);
    for _ in 0..7 {
        serve(&mut h, connections[2]);
    }
    h.ends_empty();
}

#[test]
fn idle_connections_over_a_lowered_limit_are_closed() {
    let mut h = Harness::new(3);
    for _ in 0..3 {
        h.add(get("/"));
    }
    for connection in connects(&h.wants()) {
        h.engine.handle_connected(connection);
        serve(&mut h, connection);
    }
    assert_eq!(h.engine.stats().idle, 3);
    h.engine.set_limits(1, 3);
    h.again();
    assert_eq!(h.engine.stats().idle, 1);
}

#[test]
fn an_exhausted_system_makes_transfers_wait() {
    let mut h = Harness::new(8);
    h.add(get("/first"));
    let first = h.connect();
    h.add(get_url("http://10.0.0.2/").options(timeouts(|t| t.connect = Some(ms(100)))));
    let (second, _) = h.wants_connect();
    h.engine.handle_exhausted(second, Operation::Socket, EMFILE);
    h.wants_close(second);
    h.at(5_000);
    h.wants_nothing();
    assert!(h.engine.poll_message().is_none());
    h.sent(first);
    h.received(first, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    let second = connects(&h.wants())[0];
    h.engine.handle_connected(second);
    serve(&mut h, second);
    assert_eq!(h.engine.stats().exhausted, 1);
    h.ends_empty();
}

/// Those who wait are many, and what has closed is one.
#[test]
fn an_exhausted_system_is_not_tried_by_all_whenever_a_connection_closes() {
    let mut h = Harness::new(20);
    h.add(get("/first"));
    let first = h.connect();
    (2..12).for_each(|i| _ = h.add(get_url(&format!("http://10.0.0.{i}/"))));
    for connection in connects(&h.wants()) {
        h.engine.handle_exhausted(connection, Operation::Socket, EMFILE);
    }
    assert_eq!(connects(&h.wants()), []);
    h.sent(first);
    h.received(first, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    // one for the place that it left, one to see whether there is room for more than there was
    let [one, other] = connects(&h.wants())[..] else { panic!("two are tried") };
    h.engine.handle_connected(one);
    h.engine.handle_exhausted(other, Operation::Socket, EMFILE);
    assert_eq!(connects(&h.wants()), []);
}

#[test]
fn an_exhausted_system_gives_up_idle_connections() {
    let mut h = Harness::new(8);
    h.idle();
    h.add(get_url("http://10.0.0.2/"));
    let (second, _) = h.wants_connect();
    h.engine.handle_exhausted(second, Operation::Socket, EMFILE);
    assert_eq!(h.engine.stats().idle, 0);
    assert_eq!(connects(&h.wants()).len(), 1);
}

#[test]
fn an_exhausted_system_without_connections_is_an_error() {
    let mut h = Harness::new(8);
    h.add(get("/"));
    let (connection, _) = h.wants_connect();
    h.engine.handle_exhausted(connection, Operation::Socket, EMFILE);
    assert_eq!(h.fails().cause, Cause::Os { operation: Operation::Socket, errno: EMFILE });
    h.wants_close(connection);
    h.ends_empty();
}

/// No byte was read of a body whose connection never had a socket.
#[test]
fn an_exhausted_system_makes_streams_wait_too() {
    struct Unread;
    impl BodySource for Unread {
        fn read(&mut self, _: &mut [u8]) -> SourceRead {
            panic!("nobody can take it")
        }
    }
    let mut h = Harness::new(8);
    h.add(get("/first"));
    h.connect();
    let body = Body::Stream { length: None, source: Box::new(Unread) };
    h.add(Request::new(http::Method::POST, "http://10.0.0.2/").unwrap().body(body));
    let (second, _) = h.wants_connect();
    h.engine.handle_exhausted(second, Operation::Socket, EMFILE);
    assert!(h.engine.poll_message().is_none());
    assert_eq!(h.engine.stats().exhausted, 1);
}

/// An origin that waited for a slot and has nothing left to send costs nobody a connection.
#[test]
fn an_idle_connection_is_given_up_for_somebody_alone() {
    let mut h = Harness::with(Config { max_connections: 2, ..Config::default() });
    h.add(get_url("http://10.0.0.1/"));
    h.add(get_url("http://10.0.0.2/"));
    let [one, other] = connects(&h.wants())[..] else { panic!("two connections") };
    let waits = h.add(get_url("http://10.0.0.3/"));
    h.engine.handle_connected(one);
    h.engine.handle_connected(other);
    h.engine.remove(waits);
    serve(&mut h, one);
    serve(&mut h, other);
    h.again();
    h.wants_nothing();
    assert_eq!(h.engine.stats().idle, 2);
}

/// The work of a queue does not depend on its length: each event has as few outputs as with one.
#[test]
fn a_long_queue_wants_nothing() {
    let mut h = Harness::new(6);
    for _ in 0..200_000 {
        h.engine.add(get("/"), Box::new(ringdove::Discard)).unwrap();
    }
    while h.engine.next_time() == Some(ringdove::Time::ZERO) {
        h.again();
    }
    let connections = connects(&h.wants());
    assert_eq!(connections.len(), 6);
    for &connection in &connections {
        h.engine.handle_connected(connection);
    }
    for turn in 0..1_000 {
        let connection = connections[turn % 6];
        serve(&mut h, connection);
        h.wants_nothing();
    }
    // no timer but the connections'
    assert!(h.engine.stats().timers <= 6);
}
