//! A transfer whose connection takes long to be made goes on another that is ready before.

use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Output};
use ringdove::{HttpVersions, TlsPolicy};
use ringdove_test_support::h2::{Plan, Server};
use ringdove_test_support::sim_tls::TlsPeer;

use crate::harness::{Harness, OK, every, exchange, get, get_url, ms, timeouts};

/// Two transfers, each with a connection being made for it: the second connects, and asks.
fn one_is_slow(h: &mut Harness) -> (ConnectionId, ConnectionId) {
    h.add(get("/slow"));
    let (slow, _) = h.wants_connect();
    h.add(get("/fast"));
    let fast = h.connect();
    assert!(h.sent(fast).starts_with(b"GET /fast "));
    (slow, fast)
}

#[test]
fn who_waits_long_for_a_connection_takes_one_that_is_free_before() {
    let mut h = Harness::new(9);
    let (slow, fast) = one_is_slow(&mut h);
    h.at(1_600);
    h.received(fast, OK);
    h.succeeds();
    h.wants_close(slow);
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.received(fast, OK);
    let report = h.succeeds().outcome.report;
    assert!(report.reused);
    assert_eq!((report.times.queue, report.times.connect), (ms(0), ms(600)));
    h.ends_empty();
}

/// What is as good as made is not given up for a moment.
#[test]
fn who_has_not_waited_for_long_stays() {
    let mut h = Harness::new(9);
    let (slow, fast) = one_is_slow(&mut h);
    h.at(1_400);
    h.received(fast, OK);
    h.succeeds();
    h.wants_nothing();
    h.engine.handle_connected(slow);
    assert!(h.sent(slow).starts_with(b"GET /slow "));
    h.received(slow, OK);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn it_comes_before_those_that_are_queued() {
    let mut h = Harness::new(2);
    let (slow, fast) = one_is_slow(&mut h);
    h.add(get("/next"));
    h.at(1_600);
    h.received(fast, OK);
    h.succeeds();
    let wants = h.wants();
    let [Output::Close { connection: closed, .. }, Output::Connect { connection: next, .. }] =
        wants[..]
    else {
        panic!("wants {wants:?}");
    };
    assert_eq!(closed, slow);
    h.engine.handle_connected(next);
    for (connection, request) in [(fast, b"GET /slow "), (next, b"GET /next ")] {
        assert!(h.sent(connection).starts_with(request));
        h.received(connection, OK);
        h.succeeds();
    }
    h.ends_empty();
}

/// Of several the one that has waited longest; those that are no more are passed over.
#[test]
fn the_oldest_goes_first() {
    let mut h = Harness::new(9);
    let gone = h.add(get("/gone"));
    let (closed, _) = h.wants_connect();
    let (older, fast) = one_is_slow(&mut h);
    h.engine.remove(gone);
    h.wants_close(closed);
    h.at(1_600);
    h.add(get("/younger"));
    h.wants_connect();
    h.received(fast, OK);
    h.succeeds();
    h.wants_close(older);
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.received(fast, OK);
    h.succeeds();
    h.wants_nothing();
    assert_eq!((h.engine.stats().idle, h.engine.running()), (1, 1));
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
    h.at(1_600);
    h.received(fast, OK);
    h.succeeds();
    assert_eq!((h.engine.stats().idle, h.engine.running()), (1, 1));
}

/// What a transfer has passed the gates for is its connection's.
#[test]
fn who_is_at_gates_stays() {
    let politeness = ringdove::Politeness { per_host: every(1), ..ringdove::Politeness::default() };
    let mut h = Harness::with(Config { politeness, ..Config::default() });
    h.add(get("/slow"));
    h.wants_connect();
    h.at(1_010);
    h.add(get("/fast"));
    let fast = h.ask();
    h.at(1_700);
    h.received(fast, OK);
    h.succeeds();
    assert_eq!((h.engine.stats().idle, h.engine.running()), (1, 1));
}

/// All that race for it are closed, and nobody is told of what was tried.
#[test]
fn a_race_is_given_up() {
    let mut h = Harness::new(9);
    h.add(get_url("http://a.test/slow"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1", "10.0.0.2"]);
    h.wants_connect();
    h.at(1_252);
    h.wants_connect();
    h.add(get_url("http://a.test/fast"));
    let fast = h.ask();
    h.at(1_502);
    h.received(fast, OK);
    h.succeeds();
    assert!(matches!(h.wants()[..], [Output::Close { .. }, Output::Close { .. }]));
    assert!(h.sent(fast).starts_with(b"GET /slow "));
    h.received(fast, OK);
    assert_eq!(h.succeeds().outcome.report.attempts, None);
    h.ends_empty();
}

/// The times of a transfer are in no two of its waits.
#[test]
fn a_handshake_that_takes_long_is_given_up() {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    let mut h = Harness::with(Config { tls: Some(tls), ..Config::default() });
    let mut peer = TlsPeer::new();
    h.add(get_url("https://10.0.0.1/slow"));
    let (slow, _) = h.wants_connect();
    h.at(1_010);
    h.engine.handle_connected(slow);
    h.add(get_url("https://10.0.0.1/fast"));
    // whether both go on one connection is to be seen first, for a while
    h.at(1_600);
    let fast = h.connect();
    assert!(exchange(&mut h, fast, &mut peer).starts_with(b"GET /fast "));
    peer.write(OK);
    let wire = peer.wire();
    h.received(fast, &wire);
    h.succeeds();
    assert!(matches!(h.wants()[..], [Output::Close { connection, .. }] if connection == slow));
    assert!(exchange(&mut h, fast, &mut peer).starts_with(b"GET /slow "));
    peer.write(OK);
    let wire = peer.wire();
    h.received(fast, &wire);
    let times = h.succeeds().outcome.report.times;
    assert_eq!((times.connect, times.tls, times.queue), (ms(10), ms(590), ms(0)));
    h.ends_empty();
}

/// Where many go on one connection there is room as soon as one of them is over.
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
    h.succeeds();
    h.succeeds();
    h.wants_close(slow);
    h.ends_empty();
}
