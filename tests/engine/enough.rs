//! Responses of which no more is wanted: by a handler that has had enough, or since another request follows.

use std::sync::Arc;

use ringdove::engine::{Flow, Options};
use ringdove::engine::{RetryPolicy, Wait};
use ringdove::protocol::DecodePolicy;

use crate::harness::{Harness, Log, OK, following, get, ms};

const ENOUGH: Flow = Flow::Enough;

/// The transfer succeeds with this status, and nothing of its body was delivered.
#[track_caller]
fn succeeds(h: &mut Harness, log: &Log, status: u16) {
    assert_eq!(h.succeeds().outcome.result.unwrap().status, status);
    assert_eq!(log.body(), b"");
}

#[test]
fn what_is_short_and_there_is_read_and_the_connection_kept() {
    for rest in
        ["Content-Length: 2\r\n\r\nno", "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"]
    {
        let mut h = Harness::new(1);
        let log = Log::at_head(ENOUGH);
        h.add_with(get("/"), log.clone());
        let connection = h.ask();
        h.received(connection, format!("HTTP/1.1 404 No\r\n{rest}").as_bytes());
        succeeds(&mut h, &log, 404);
        h.wants_nothing();
        h.add(get("/"));
        assert!(!h.sent(connection).is_empty(), "on the same connection");
        h.received(connection, OK);
        h.succeeds();
    }
}

#[test]
fn what_comes_soon_is_waited_for_and_what_stalls_is_not() {
    let head = b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\n";
    let mut h = Harness::new(1);
    let log = Log::at_head(ENOUGH);
    h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, head);
    h.at(1_400);
    h.received(connection, b"rest");
    succeeds(&mut h, &log, 404);
    h.wants_nothing();

    // each byte of a trickle gives it no more time
    let log = Log::at_head(ENOUGH);
    h.add_with(get("/"), log.clone());
    assert!(!h.sent(connection).is_empty());
    h.received(connection, head);
    for at in [1_500, 1_700, 1_899] {
        h.at(at);
        h.received(connection, b"x");
        assert_eq!(h.deadline(connection), Some(1_900), "at {at}");
    }
    h.at(1_902);
    succeeds(&mut h, &log, 404);
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn what_is_long_or_broken_or_cut_short_is_given_up() {
    let table: &[(&str, &[u8])] = &[
        ("long", b"HTTP/1.1 500 No\r\nContent-Length: 50000000\r\n\r\nx"),
        ("until the end", b"HTTP/1.1 500 No\r\n\r\nx"),
        ("broken chunks", b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nx"),
        ("mislabelled", b"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nno"),
    ];
    for &(name, wire) in table {
        let mut h = Harness::new(1);
        let log = Log::at_head(ENOUGH);
        let options = Options { decode: Some(DecodePolicy::default()), ..Options::default() };
        h.add_with(get("/").options(Arc::new(options)), log.clone());
        let connection = h.ask();
        h.received(connection, wire);
        eprintln!("{name}");
        succeeds(&mut h, &log, 500);
        h.wants_close(connection);
        h.ends_empty();
    }
    // and cut short later
    let mut h = Harness::new(1);
    let log = Log::at_head(ENOUGH);
    h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nx");
    h.engine.handle_end(connection);
    succeeds(&mut h, &log, 500);
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn enough_of_a_body_is_what_has_come() {
    let mut h = Harness::new(1);
    let log = Log::at_body(ENOUGH);
    h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nsome");
    h.succeeds();
    assert_eq!(log.body(), b"some");
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn enough_of_a_redirect_is_not_followed() {
    let mut h = Harness::new(1);
    let log = Log::at_redirect(ENOUGH);
    h.add_with(get("/").options(following()), log.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    succeeds(&mut h, &log, 302);
    h.wants_nothing();
}

#[test]
fn a_redirect_that_stalls_in_its_body_is_followed_all_the_same() {
    let mut h = Harness::new(1);
    h.add(get("/").options(following()));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 4\r\n\r\nx");
    h.at(1_499);
    h.wants_nothing();
    h.at(1_502);
    let requests = h.answers(&[OK.to_vec()]);
    assert!(requests[0].starts_with("GET /b "), "{requests:?}");
    h.succeeds();
}

#[test]
fn a_status_that_is_a_failure_is_asked_again_where_all_failures_are() {
    let policy = RetryPolicy { max: 1, wait: Wait::Fixed(ms(100)), ..RetryPolicy::default() };
    for (all_errors, error_statuses, again) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
    {
        let policy = RetryPolicy { all_errors, error_statuses, ..policy.clone() };
        let options = Options { retry: Some(Arc::new(policy)), ..Options::default() };
        let mut h = Harness::new(1);
        h.add(get("/").options(Arc::new(options)));
        let connection = h.ask();
        h.received(connection, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        h.at(1_102);
        if again {
            assert!(!h.sent(connection).is_empty());
            h.received(connection, OK);
        }
        let report = h.succeeds().outcome.report;
        assert_eq!(report.status, Some(if again { 200 } else { 404 }));
    }
}
