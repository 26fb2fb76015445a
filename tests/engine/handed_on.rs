//! A connection that is being made goes to the next of its origin's queue where its transfer leaves.

use ringdove::engine::{Options, Output};
use ringdove::error::{Cause, Deadline, Operation, Phase};

use crate::harness::{Harness, OK, get, get_url, ms, timeouts};

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
fn whose_time_is_over_leaves_it_to_who_waits() {
    let mut h = Harness::new(1);
    h.add(get("/leaves").options(timeouts(|t| t.total = Some(ms(100)))));
    let (connection, _) = h.wants_connect();
    h.add(get("/waits").options(timeouts(|t| t.connect = Some(ms(300)))));
    h.again();
    h.times_out(1_100, Deadline::Total, Phase::Connect);
    h.wants_nothing();
    // from here on it is waited for
    h.at(1_350);
    h.wants_nothing();
    h.engine.handle_connected(connection);
    assert!(h.sent(connection).starts_with(b"GET /waits "));
    h.received(connection, OK);
    h.succeeds();
    h.ends_empty();
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
    h.add(get_url("http://a.test/waits").options(std::sync::Arc::new(Options::default())));
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
