//! A transfer for which a connection is being made goes on another that is ready before, and the connection is another's.

use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Output};
use ringdove::error::Operation;
use ringdove::{HttpVersions, TlsPolicy};
use ringdove_test_support::h2::{Plan, Server};
use ringdove_test_support::sim_tls::TlsPeer;

use crate::harness::{Harness, OK, exchange, get, get_url, ms, timeouts};

/// Two transfers, each with a connection being made for it: the second connects, and asks.
fn one_is_slow(h: &mut Harness) -> (ConnectionId, ConnectionId) {
    h.add(get("/slow").options(timeouts(|t| t.connect = Some(ms(9_000)))));
    let (slow, _) = h.wants_connect();
    h.add(get("/fast"));
    let fast = h.connect();
    assert!(h.sent(fast).starts_with(b"GET /fast "));
    (slow, fast)
}

#[test]
fn who_waits_for_a_connection_takes_one_that_is_free_before() {
    let mut h = Harness::new(9);
    let (slow, fast) = one_is_slow(&mut h);
    h.at(1_100);
    h.received(fast, OK);
    h.succeeds();
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.received(fast, OK);
    let message = h.succeeds();
    assert!(message.outcome.report.reused);
    let times = message.outcome.report.times;
    assert_eq!((times.queue, times.connect), (ms(0), ms(100)));
    // the other goes on, and is there for later
    h.wants_nothing();
    h.engine.handle_connected(slow);
    assert_eq!(h.engine.stats().idle, 2);
    h.ends_empty();
}

/// It comes before those that are queued, of whom the next gets its connection.
#[test]
fn the_connection_is_for_the_next_of_the_queue() {
    let mut h = Harness::new(2);
    let (slow, fast) = one_is_slow(&mut h);
    h.add(get("/next").options(timeouts(|t| t.connect = Some(ms(9_000)))));
    h.at(1_100);
    h.received(fast, OK);
    h.succeeds();
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.at(1_200);
    h.engine.handle_connected(slow);
    assert!(h.sent(slow).starts_with(b"GET /next "));
    h.received(slow, OK);
    let times = h.succeeds().outcome.report.times;
    assert_eq!((times.queue, times.connect), (ms(100), ms(100)));
    h.received(fast, OK);
    h.succeeds();
    h.ends_empty();
}

/// Whom it is handed to would have to answer for the time that others have waited.
#[test]
fn one_that_takes_long_is_nobodys() {
    let mut h = Harness::new(2);
    let (slow, fast) = one_is_slow(&mut h);
    h.add(get("/next").options(timeouts(|t| t.connect = Some(ms(9_000)))));
    h.at(5_000);
    h.received(fast, OK);
    h.succeeds();
    h.at(11_000);
    let wants = h.wants();
    assert!(
        matches!(wants[..], [Output::Close { connection: it, .. }, Output::Connect { .. }] if it == slow),
        "{wants:?}"
    );
    for path in [b"GET /slow ", b"GET /next "] {
        assert!(h.sent(fast).starts_with(path));
        h.received(fast, OK);
        h.succeeds();
    }
}

#[test]
fn who_comes_next_finds_the_connection_that_is_nobodys() {
    let mut h = Harness::new(9);
    let (slow, fast) = one_is_slow(&mut h);
    h.received(fast, OK);
    h.succeeds();
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.add(get("/next").options(timeouts(|t| t.connect = Some(ms(9_000)))));
    h.wants_nothing();
    h.engine.handle_connected(slow);
    assert!(h.sent(slow).starts_with(b"GET /next "));
    for connection in [slow, fast] {
        h.received(connection, OK);
        h.succeeds();
    }
    h.ends_empty();
}

/// Nor does anybody hear of it.
#[test]
fn nobodys_connection_fails_for_nobody() {
    for by_time in [false, true] {
        let mut h = Harness::new(9);
        let (slow, fast) = one_is_slow(&mut h);
        h.received(fast, OK);
        h.succeeds();
        match by_time {
            true => h.at(10_004),
            false => h.engine.handle_failed(slow, Operation::Connect, 111),
        }
        h.wants_close(slow);
        assert!(h.engine.poll_message().is_none());
        assert!(h.sent(fast).starts_with(b"GET /slow "));
        h.received(fast, OK);
        h.succeeds();
        h.ends_empty();
    }
}

/// A request is sent once: a part of it is with the driver.
#[test]
fn who_has_begun_early_stays() {
    let mut h = Harness::new(9);
    h.add(get("/slow"));
    let (slow, _) = h.wants_connect();
    assert!(h.engine.fill(slow, &mut [0; 4096]) > 0);
    h.add(get("/fast"));
    let fast = h.ask();
    h.received(fast, OK);
    h.succeeds();
    assert_eq!((h.engine.stats().idle, h.engine.running()), (1, 1));
}

/// A connection is not kept for nobody where somebody wants its slot.
#[test]
fn nobodys_connection_is_closed_where_others_want_its_slot() {
    let mut h = Harness::new(2);
    let (slow, fast) = one_is_slow(&mut h);
    h.add(get_url("http://10.0.0.2/other"));
    h.received(fast, OK);
    h.succeeds();
    h.again();
    let wants = h.wants();
    let [Output::Close { connection, .. }, Output::Connect { connection: other, .. }] = wants[..]
    else {
        panic!("wants {wants:?}");
    };
    assert_eq!(connection, slow);
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.engine.handle_connected(other);
    assert!(h.sent(other).starts_with(b"GET /other "));
    for connection in [fast, other] {
        h.received(connection, OK);
        h.succeeds();
    }
    h.ends_empty();
}

/// All that race for it go on, and nobody is told of what was tried.
#[test]
fn a_race_goes_on_for_nobody() {
    for wins in [false, true] {
        let mut h = Harness::new(9);
        h.add(get_url("http://a.test/slow"));
        let lookup = h.wants_lookup();
        h.resolved(lookup, &["10.0.0.1", "10.0.0.2"]);
        let (first, _) = h.wants_connect();
        h.at(1_252);
        let (second, _) = h.wants_connect();
        h.add(get_url("http://a.test/fast"));
        let fast = h.ask();
        h.received(fast, OK);
        h.succeeds();
        assert!(h.sent(fast).starts_with(b"GET /slow "));
        h.received(fast, OK);
        assert_eq!(h.succeeds().outcome.report.attempts, None);
        h.engine.handle_failed(first, Operation::Connect, 111);
        h.wants_close(first);
        match wins {
            true => h.engine.handle_connected(second),
            false => {
                h.engine.handle_failed(second, Operation::Connect, 111);
                h.wants_close(second);
            }
        }
        assert_eq!(h.engine.stats().idle, 1 + usize::from(wins));
        h.ends_empty();
    }
}

/// The times of a transfer are in no two of its waits.
#[test]
fn a_handshake_is_finished_for_nobody() {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    let mut h = Harness::with(Config { tls: Some(tls), ..Config::default() });
    let (mut slow_peer, mut fast_peer) = (TlsPeer::new(), TlsPeer::new());
    h.add(get_url("https://10.0.0.1/slow"));
    let slow = {
        let (connection, _) = h.wants_connect();
        h.at(1_010);
        h.engine.handle_connected(connection);
        connection
    };
    h.add(get_url("https://10.0.0.1/fast"));
    // whether both go on one connection is to be seen first, for a while
    h.at(1_600);
    let fast = h.connect();
    assert!(exchange(&mut h, fast, &mut fast_peer).starts_with(b"GET /fast "));
    fast_peer.write(OK);
    let wire = fast_peer.wire();
    h.received(fast, &wire);
    h.succeeds();
    assert!(exchange(&mut h, fast, &mut fast_peer).starts_with(b"GET /slow "));
    fast_peer.write(OK);
    let wire = fast_peer.wire();
    h.received(fast, &wire);
    let times = h.succeeds().outcome.report.times;
    assert_eq!((times.connect, times.tls, times.queue), (ms(10), ms(590), ms(0)));
    assert!(exchange(&mut h, slow, &mut slow_peer).is_empty());
    h.again();
    assert_eq!(h.engine.stats().idle, 2);
    h.ends_empty();
}

/// Where many go on one connection, who waits for another of his own comes along as soon as it is known that there is room.
#[test]
fn who_waits_goes_along_on_a_connection_for_many() {
    let ask = |path: &str| {
        let mut options = timeouts(|t| t.connect = Some(ms(9_000)));
        Arc::make_mut(&mut options).versions = HttpVersions::Http2;
        get(path).options(options)
    };
    let mut h = Harness::new(9);
    h.add(ask("/slow"));
    let (slow, _) = h.wants_connect();
    h.add(ask("/fast"));
    h.at(1_600);
    let fast = h.connect();
    let mut server = Server::new(Plan::new());
    for _ in 0..9 {
        server.receive(&h.sent(fast));
        let wire = server.transmit();
        h.received(fast, &wire);
    }
    assert_eq!(h.engine.running(), 0);
    h.succeeds();
    h.succeeds();
    h.at(10_004);
    h.wants_close(slow);
    h.ends_empty();
}

/// It was the time of another that is over: nobody fails by it who came late.
#[test]
fn the_deadline_of_nobodys_connection_is_that_of_who_left() {
    let mut h = Harness::new(9);
    h.add(get("/slow").options(timeouts(|t| t.connect = Some(ms(300)))));
    let (slow, _) = h.wants_connect();
    h.add(get("/fast"));
    let fast = h.ask();
    h.received(fast, OK);
    h.succeeds();
    // who would give it longer has one made
    h.add(get("/next").options(timeouts(|t| t.connect = Some(ms(900)))));
    let next = h.connect();
    h.at(1_304);
    h.wants_close(slow);
    assert!(h.engine.poll_message().is_none());
    assert!(h.sent(next).starts_with(b"GET /next "));
}
