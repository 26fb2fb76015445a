//! A connection that is being made goes to the next of its origin's queue where its transfer leaves.

use ringdove::TlsPolicy;
use ringdove::engine::{Config, Output};
use ringdove::error::{Cause, Deadline, Operation, Phase};
use ringdove_test_support::sim_tls::TlsPeer;

use crate::harness::{Harness, OK, exchange, get, get_url, ms, timeouts};

#[test]
fn who_is_removed_leaves_it_to_who_waits() {
    let mut h = Harness::new(1);
    let leaves = h.add(get("/leaves"));
    let (connection, _) = h.wants_connect();
    h.add(get("/waits"));
    h.again();
    assert!(h.engine.remove(leaves).is_some());
    h.wants_nothing();
    h.at(1_500);
    h.engine.handle_connected(connection);
    assert!(h.sent(connection).starts_with(b"GET /waits "));
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    assert_eq!((report.times.queue, report.times.connect), (ms(0), ms(500)));
    h.ends_empty();
}

#[test]
fn it_is_closed_where_nobody_waits() {
    let mut h = Harness::new(1);
    let leaves = h.add(get("/"));
    let (connection, _) = h.wants_connect();
    h.engine.remove(leaves);
    h.wants_close(connection);
    h.ends_empty();
}

/// A part of its request is with the driver, who may have sent it.
#[test]
fn it_is_closed_where_the_request_is_with_the_driver() {
    let mut h = Harness::new(1);
    let leaves = h.add(get("/leaves"));
    let (connection, _) = h.wants_connect();
    assert!(h.engine.fill(connection, &mut [0; 4096]) > 0);
    h.add(get("/waits"));
    h.again();
    h.engine.remove(leaves);
    h.again();
    assert!(matches!(h.wants()[..], [Output::Close { .. }, Output::Connect { .. }]));
}

/// The time of one is over, and not that of the connection.
#[test]
fn whose_time_is_over_in_a_handshake_leaves_it_to_who_waits() {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    let mut h = Harness::with(Config { max_connections: 1, tls: Some(tls), ..Config::default() });
    let mut peer = TlsPeer::new();
    let ask = |path: &str| get_url(&format!("https://10.0.0.1/{path}"));
    h.add(ask("leaves").options(timeouts(|t| t.total = Some(ms(100)))));
    let connection = h.connect();
    h.add(ask("waits").options(timeouts(|t| t.tls = Some(ms(300)))));
    h.again();
    h.times_out(1_100, Deadline::Total, Phase::Tls);
    h.at(1_250);
    assert!(exchange(&mut h, connection, &mut peer).starts_with(b"GET /waits "));
    peer.write(OK);
    let wire = peer.wire();
    h.received(connection, &wire);
    let times = h.succeeds().outcome.report.times;
    // the engine's timers tick
    assert!((ms(100)..ms(104)).contains(&times.queue), "{times:?}");
    assert_eq!(times.queue + times.tls, ms(250));
    h.ends_empty();
}

/// The connect may be with the kernel, together with its deadline.
#[test]
fn a_connect_is_made_anew_for_who_would_have_given_it_longer() {
    for (of_one, of_other) in [((300, 100), (300, 9_000)), ((300, 9_000), (500, 9_000))] {
        let given = |(connect, total)| {
            timeouts(|t| (t.connect, t.total) = (Some(ms(connect)), Some(ms(total))))
        };
        let mut h = Harness::new(1);
        let leaves = h.add(get("/leaves").options(given(of_one)));
        let (connection, _) = h.wants_connect();
        h.add(get("/waits").options(given(of_other)));
        h.again();
        h.engine.remove(leaves);
        h.again();
        assert!(
            matches!(h.wants()[..], [Output::Close { connection: it, .. }, Output::Connect { .. }] if it == connection)
        );
    }
}

/// The time to connect counts from when that began.
#[test]
fn a_connect_that_is_handed_on_has_its_own_time() {
    let mut h = Harness::new(1);
    let connect = || timeouts(|t| t.connect = Some(ms(300)));
    let leaves = h.add(get("/leaves").options(connect()));
    h.wants_connect();
    h.add(get("/waits").options(connect()));
    h.at(1_200);
    h.engine.remove(leaves);
    h.times_out(1_300, Deadline::Connect, Phase::Connect);
}

#[test]
fn the_connection_itself_has_failed_for_who_waited_for_it() {
    let mut h = Harness::new(1);
    let leaves = h.add(get("/leaves"));
    let (connection, _) = h.wants_connect();
    h.add(get("/waits"));
    h.again();
    h.engine.remove(leaves);
    h.engine.handle_failed(connection, Operation::Connect, 111);
    let error = h.fails();
    assert!(matches!(error.cause, Cause::Os { errno: 111, .. }), "{error:?}");
    h.wants_close(connection);
    h.ends_empty();
}

/// All attempts of a race go on, and the next that is begun is charged to who waited.
#[test]
fn a_race_goes_on_for_who_waits() {
    let mut h = Harness::new(2);
    let leaves = h.add(get_url("http://a.test/leaves"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1", "::1"]);
    let (first, _) = h.wants_connect();
    h.at(1_252);
    let (second, _) = h.wants_connect();
    h.engine.set_limits(2, 2);
    h.add(get_url("http://a.test/waits"));
    h.again();
    h.engine.remove(leaves);
    h.wants_nothing();
    h.engine.handle_failed(first, Operation::Connect, 111);
    h.wants_close(first);
    h.engine.handle_connected(second);
    assert!(h.sent(second).starts_with(b"GET /waits "));
    h.received(second, OK);
    let attempts = h.succeeds().outcome.report.attempts.expect("two were tried");
    assert_eq!(attempts.iter().count(), 2);
    h.ends_empty();
}

/// What was tried for who leaves in the handshake is forgotten.
#[test]
fn a_race_that_was_won_is_of_who_leaves() {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    let mut h = Harness::with(Config { max_connections: 1, tls: Some(tls), ..Config::default() });
    let mut peer = TlsPeer::new();
    let leaves = h.add(get_url("https://a.test/leaves"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.1", "10.0.0.2"]);
    let (connection, _) = h.wants_connect();
    h.engine.handle_failed(connection, Operation::Connect, 111);
    let (connection, _) = h.wants_connect();
    h.engine.handle_connected(connection);
    h.add(get_url("https://a.test/waits"));
    h.again();
    h.engine.remove(leaves);
    assert!(exchange(&mut h, connection, &mut peer).starts_with(b"GET /waits "));
    peer.write(OK);
    let wire = peer.wire();
    h.received(connection, &wire);
    assert_eq!(h.succeeds().outcome.report.attempts, None);
    h.ends_empty();
}
