//! Several addresses for one connection: who is tried when, who wins, and what becomes of the others.

use std::net::IpAddr;
use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Options, Output, Request};
use ringdove::error::{AttemptEnd, Cause, Deadline, Operation, Phase};
use ringdove::{Report, RetryPolicy, TlsPolicy};

use crate::harness::{Harness, OK, get, get_url, ms, timeouts};

const ECONNREFUSED: i32 = 111;
const EMFILE: i32 = 24;

fn override_with(h: &mut Harness, addresses: &[&str]) {
    let host = get_url("http://a.test/").head().origin().host().clone();
    let addresses: Arc<[IpAddr]> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    for port in [80, 443] {
        h.engine.set_override(host.clone(), port, addresses.clone());
    }
}

/// An engine that knows these addresses of `a.test`.
fn harness(addresses: &[&str]) -> Harness {
    let tls = Some(TlsPolicy::builder().insecure().build().unwrap());
    let mut h = Harness::with(Config { tls, ..Config::default() });
    override_with(&mut h, addresses);
    h
}

fn request() -> Request {
    get_url("http://a.test/")
}

fn refuse(h: &mut Harness, connection: ConnectionId) {
    h.engine.handle_failed(connection, Operation::Connect, ECONNREFUSED);
}

/// The next attempt, which is made `after` so many milliseconds and not before.
#[track_caller]
fn wants_after(h: &mut Harness, now: u64, after: u64) -> (ConnectionId, String) {
    h.at(now + after - 1);
    h.wants_nothing();
    h.at(now + after + 2);
    let (connection, address) = h.wants_connect();
    (connection, address.ip().to_string())
}

#[track_caller]
fn wants_address(h: &mut Harness, expected: &str) -> ConnectionId {
    let (connection, address) = h.wants_connect();
    assert_eq!(address.ip().to_string(), expected);
    connection
}

/// Of each attempt the address and what became of it.
fn told(report: &Report) -> Vec<(String, &'static str)> {
    let attempts = report.attempts.iter().flat_map(|attempts| attempts.iter());
    attempts.map(|a| (a.address.ip().to_string(), a.end.name())).collect()
}

#[track_caller]
fn finish(h: &mut Harness, connection: ConnectionId) -> Report {
    let sent = h.sent(connection);
    assert!(sent.starts_with(b"GET / HTTP/1.1\r\n"), "{}", sent.escape_ascii());
    h.received(connection, OK);
    h.succeeds().outcome.report
}

#[test]
fn the_second_address_wins_where_the_first_is_late() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    h.add(request());
    let first = wants_address(&mut h, "10.0.0.1");
    let (second, address) = wants_after(&mut h, 1_000, 250);
    assert_eq!(address, "10.0.0.2");
    h.engine.handle_connected(second);
    h.wants_close(first);
    // what the driver had not heard of yet
    h.engine.handle_connected(first);
    h.engine.handle_failed(first, Operation::Connect, ECONNREFUSED);
    h.wants_nothing();
    let report = finish(&mut h, second);
    assert_eq!(told(&report), [("10.0.0.1".into(), "lost"), ("10.0.0.2".into(), "connected")]);
    assert_eq!(report.remote, Some("10.0.0.2:80".parse().unwrap()));
    assert_eq!(report.times.connect, ms(252), "from the first attempt on");
    h.ends_empty();
}

#[test]
fn the_first_address_may_still_win() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    h.add(request());
    let first = wants_address(&mut h, "10.0.0.1");
    let (second, _) = wants_after(&mut h, 1_000, 250);
    h.at(1_300);
    h.engine.handle_connected(first);
    h.wants_close(second);
    let report = finish(&mut h, first);
    assert_eq!(told(&report), [("10.0.0.1".into(), "connected"), ("10.0.0.2".into(), "lost")]);
    h.ends_empty();
}

#[test]
fn who_connects_in_time_has_nothing_to_tell() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    h.engine.handle_connected(connection);
    assert_eq!(h.engine.stats().timers, 1, "the deadline, and no more of the race");
    assert_eq!(finish(&mut h, connection).attempts, None);
    h.ends_empty();
}

/// A request that is handed to the kernel with the connect could be sent by two sockets.
#[test]
fn no_request_leaves_before_the_race_is_won() {
    let mut buffer = [0; 4096];
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    h.add(request());
    let first = wants_address(&mut h, "10.0.0.1");
    assert_eq!(h.engine.fill(first, &mut buffer), 0);
    let (second, _) = wants_after(&mut h, 1_000, 250);
    assert_eq!(h.engine.fill(second, &mut buffer), 0);
    h.engine.handle_connected(second);
    h.wants_close(first);
    finish(&mut h, second);

    // a ClientHello may leave as often as it likes
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    let id = h.add(get_url("https://a.test/"));
    let first = wants_address(&mut h, "10.0.0.1");
    assert!(h.engine.fill(first, &mut buffer) > 100);
    assert_eq!(buffer[0], 22, "a handshake record");
    let (second, _) = wants_after(&mut h, 1_000, 250);
    assert!(h.engine.fill(second, &mut buffer) > 100);
    h.engine.remove(id);
    h.again();
    assert_eq!(h.wants().len(), 2, "both are closed");
    h.ends_empty();
}

/// Its request has been handed over: what is found later waits until it has failed.
#[test]
fn who_had_one_address_alone_goes_on_one_by_one() {
    let mut buffer = [0; 4096];
    let mut h = harness(&["10.0.0.1"]);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    assert!(h.engine.fill(connection, &mut buffer) > 0);
    override_with(&mut h, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    h.at(5_000);
    h.wants_nothing();
    refuse(&mut h, connection);
    assert_eq!(wants_address(&mut h, "10.0.0.2"), connection);
    h.at(10_000);
    h.wants_nothing();
    refuse(&mut h, connection);
    assert_eq!(wants_address(&mut h, "10.0.0.3"), connection);
    h.engine.handle_connected(connection);
    assert_eq!(h.sent(connection), b"", "it was filled before");
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    let expected = [("10.0.0.1", "failed"), ("10.0.0.2", "failed"), ("10.0.0.3", "connected")];
    assert_eq!(told(&report), expected.map(|(ip, end)| (ip.to_owned(), end)));
    h.ends_empty();
}

#[test]
fn families_take_turns() {
    let given = ["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"];
    let mut h = harness(&given);
    h.add(request());
    let mut connection = wants_address(&mut h, "::1");
    for expected in ["10.0.0.1", "::2", "10.0.0.2", "::3"] {
        refuse(&mut h, connection);
        connection = wants_address(&mut h, expected);
    }
    refuse(&mut h, connection);
    h.fails();
    h.wants_close(connection);
    h.ends_empty();
}

/// What won where another family was first is first for ten minutes.
#[test]
fn a_family_that_has_won_comes_first() {
    const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let serve = |h: &mut Harness, connection| {
        h.engine.handle_connected(connection);
        h.sent(connection);
        h.received(connection, CLOSE);
        h.succeeds();
        h.wants();
    };
    let mut h = harness(&["::1", "10.0.0.1"]);
    h.add(request());
    wants_address(&mut h, "::1");
    let (second, _) = wants_after(&mut h, 1_000, 250);
    serve(&mut h, second);
    for _ in 0..2 {
        h.add(request());
        let connection = wants_address(&mut h, "10.0.0.1");
        serve(&mut h, connection);
    }
    // that of others counts as well, and only new connections ask
    h.at(601_200);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    serve(&mut h, connection);
    h.at(601_300);
    h.add(request());
    let connection = wants_address(&mut h, "::1");
    // as one that fails
    refuse(&mut h, connection);
    assert_eq!(wants_address(&mut h, "10.0.0.1"), connection);
    serve(&mut h, connection);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    refuse(&mut h, connection);
    wants_address(&mut h, "::1");
    serve(&mut h, connection);
    h.add(request());
    let connection = wants_address(&mut h, "::1");
    serve(&mut h, connection);
    h.ends_empty();
}

#[test]
fn the_delay_is_an_option_within_bounds() {
    for (asked, used) in [(1, 10), (10, 10), (700, 700), (2_000, 2_000), (60_000, 2_000)] {
        let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
        let options = Options { attempt_delay: Some(ms(asked)), ..Options::default() };
        h.add(request().options(Arc::new(options)));
        wants_address(&mut h, "10.0.0.1");
        wants_after(&mut h, 1_000, used);
    }
}

/// A failure begins the next attempt at once, and the delay begins anew.
#[test]
fn the_delay_runs_from_the_last_attempt() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    h.at(1_200);
    refuse(&mut h, connection);
    assert_eq!(wants_address(&mut h, "10.0.0.2"), connection);
    let (third, _) = wants_after(&mut h, 1_200, 250);
    // one of two fails, with no address left: the other goes on
    refuse(&mut h, connection);
    h.wants_close(connection);
    h.engine.handle_connected(third);
    finish(&mut h, third);
    h.ends_empty();
}

#[test]
fn without_a_free_slot_the_next_waits() {
    let mut h = Harness::new(2);
    override_with(&mut h, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    h.add(get("/holds one of two"));
    let other = h.ask();
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    h.at(3_000);
    h.wants_nothing();
    // a failure needs no slot
    refuse(&mut h, connection);
    assert_eq!(wants_address(&mut h, "10.0.0.2"), connection);
    h.at(4_000);
    h.received(other, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.wants_close(other);
    h.succeeds();
    h.at(6_003);
    let third = wants_address(&mut h, "10.0.0.3");
    h.engine.handle_connected(third);
    h.wants_close(connection);
    finish(&mut h, third);
    h.ends_empty();
}

/// An idle connection's slot is not taken either, nor one beyond the origin's own limit.
#[test]
fn an_origin_keeps_its_limit() {
    let mut h = Harness::with(Config { max_per_origin: 1, ..Config::default() });
    override_with(&mut h, &["10.0.0.1", "10.0.0.2"]);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    h.at(9_000);
    h.wants_nothing();
    h.engine.handle_connected(connection);
    finish(&mut h, connection);
    h.ends_empty();
}

#[test]
fn one_deadline_for_all() {
    let mut h = harness(&["10.0.0.1", "::1"]);
    h.add(request().options(timeouts(|t| t.connect = Some(ms(400)))));
    let first = wants_address(&mut h, "10.0.0.1");
    let (second, _) = wants_after(&mut h, 1_000, 250);
    assert_eq!((h.deadline(first), h.deadline(second)), (Some(1_400), Some(1_400)));
    h.at(1_399);
    assert!(h.engine.poll_message().is_none());
    h.at(1_402);
    let message = h.message();
    let error = message.outcome.result.expect_err("nobody answers");
    let cause = Cause::Timeout { deadline: Deadline::Connect, after: ms(400) };
    assert_eq!((&error.cause, error.phase), (&cause, Phase::Connect));
    assert_eq!(
        error.to_string(),
        "connect timeout after 400ms (connecting); tried 10.0.0.1:80: no answer, after 402 ms; \
         [::1]:80: no answer, after 150 ms"
    );
    assert_eq!(message.outcome.report.attempts, error.attempts);
    assert_eq!(h.wants().len(), 2, "both are closed");
    h.ends_empty();
}

#[test]
fn all_refuse() {
    let mut h = harness(&["10.0.0.1", "::1"]);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    h.at(1_007);
    refuse(&mut h, connection);
    wants_address(&mut h, "::1");
    refuse(&mut h, connection);
    let error = h.fails();
    let cause = Cause::Os { operation: Operation::Connect, errno: ECONNREFUSED };
    assert_eq!((&error.cause, error.phase), (&cause, Phase::Connect));
    let refused = "connect: Connection refused (os error 111)";
    assert_eq!(
        error.to_string(),
        format!(
            "{refused}; tried 10.0.0.1:80: {refused}, after 7 ms; [::1]:80: {refused}, after 0 ms"
        )
    );
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn one_alone_that_fails_is_told_as_well() {
    let mut h = harness(&["10.0.0.1"]);
    h.add(request());
    let connection = wants_address(&mut h, "10.0.0.1");
    refuse(&mut h, connection);
    let message = h.message();
    assert_eq!(told(&message.outcome.report), [("10.0.0.1".into(), "failed")]);
    let error = message.outcome.result.unwrap_err();
    assert_eq!(error.to_string(), "connect: Connection refused (os error 111)", "as ever");
}

/// A family that is found later joins the race, and the same address again does not.
#[test]
fn late_addresses_join() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    h.add(request());
    let first = wants_address(&mut h, "10.0.0.1");
    override_with(&mut h, &["10.0.0.2", "10.0.0.1", "::1"]);
    let (second, address) = wants_after(&mut h, 1_000, 250);
    assert_eq!(address, "::1");
    refuse(&mut h, second);
    assert_eq!(wants_address(&mut h, "10.0.0.2"), second);
    override_with(&mut h, &["10.0.0.2", "10.0.0.1", "::1", "::2"]);
    let (third, address) = wants_after(&mut h, 1_252, 250);
    assert_eq!(address, "::2");
    // all are tried, but more may come
    h.at(2_000);
    override_with(&mut h, &["::4"]);
    h.at(5_000);
    let fourth = wants_address(&mut h, "::4");
    h.engine.handle_connected(fourth);
    assert_eq!(h.wants().len(), 3);
    assert!([first, second, third].into_iter().all(|id| !h.engine.is_open(id)));
    finish(&mut h, fourth);
    h.ends_empty();
}

#[test]
fn a_transfer_that_is_removed_takes_all_with_it() {
    for connected in [false, true] {
        let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
        let id = h.add(request());
        wants_address(&mut h, "10.0.0.1");
        let (second, _) = wants_after(&mut h, 1_000, 250);
        if connected {
            h.engine.handle_connected(second);
        }
        assert!(h.engine.remove(id).is_some());
        h.again();
        let wants = h.wants();
        assert!(matches!(wants[..], [Output::Close { .. }, Output::Close { .. }]), "{wants:?}");
        h.ends_empty();
    }
}

/// The one that holds the transfer may fail before the other: the transfer is on the other from then on.
#[test]
fn the_transfer_goes_with_who_is_left() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    let id = h.add(request());
    let first = wants_address(&mut h, "10.0.0.1");
    let (second, _) = wants_after(&mut h, 1_000, 250);
    refuse(&mut h, first);
    h.wants_close(first);
    assert_eq!(h.engine.transfer_on(second), Some(id));
    h.engine.remove(id);
    h.again();
    h.wants_close(second);
    h.ends_empty();
}

#[test]
fn no_descriptor_for_one_more_is_no_end() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    h.add(request());
    let first = wants_address(&mut h, "10.0.0.1");
    let (second, _) = wants_after(&mut h, 1_000, 250);
    h.engine.handle_exhausted(second, Operation::Socket, EMFILE);
    h.wants_close(second);
    h.at(9_000);
    h.wants_nothing();
    assert_eq!(h.engine.stats().exhausted, 1);
    // its place is there now, and nothing has been found out about the second address
    refuse(&mut h, first);
    assert_eq!(wants_address(&mut h, "10.0.0.2"), first);
    h.engine.handle_connected(first);
    let report = finish(&mut h, first);
    assert_eq!(told(&report), [("10.0.0.1".into(), "failed"), ("10.0.0.2".into(), "connected")]);
    h.ends_empty();
}

/// A first attempt that the system has no room for goes back to the queue with all of the race.
#[test]
fn no_descriptor_for_the_first_is_a_wait() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    h.add(get("/first"));
    let other = h.ask();
    h.add(request());
    let (connection, _) = h.wants_connect();
    h.engine.handle_exhausted(connection, Operation::Socket, EMFILE);
    h.wants_close(connection);
    h.at(2_000);
    h.wants_nothing();
    h.received(other, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    let wants = h.wants();
    let [Output::Close { .. }, Output::Connect { connection, .. }] = wants[..] else {
        panic!("{wants:?}")
    };
    h.engine.handle_connected(connection);
    finish(&mut h, connection);
    h.ends_empty();
}

/// Each time that a transfer asks again it tries all addresses, and tells of the last time.
#[test]
fn asking_again_is_a_new_race() {
    let mut h = harness(&["10.0.0.1", "10.0.0.2"]);
    let policy = RetryPolicy { connection_refused: true, ..RetryPolicy::default() };
    let options = Options { retry: Some(Arc::new(policy)), ..Options::default() };
    h.add(request().options(Arc::new(options)));
    for at in [1_000, 9_000] {
        h.at(at);
        let connection = wants_address(&mut h, "10.0.0.1");
        refuse(&mut h, connection);
        wants_address(&mut h, "10.0.0.2");
        if at == 1_000 {
            refuse(&mut h, connection);
            h.wants_close(connection);
        } else {
            h.engine.handle_connected(connection);
            let report = finish(&mut h, connection);
            let ends = ["failed", "connected"];
            assert_eq!(told(&report).iter().map(|(_, end)| *end).collect::<Vec<_>>(), ends);
            let before = report.retried[0].error.as_ref().and_then(|e| e.attempts.as_ref());
            assert!(before.unwrap().iter().all(|a| matches!(a.end, AttemptEnd::Failed(_))));
        }
    }
    h.ends_empty();
}

/// A million addresses of one name are no million attempts.
#[test]
fn attempts_are_bounded() {
    let mut h = Harness::new(8);
    let many: Vec<_> = (0..1_000).map(|i| format!("10.0.{}.{}", i / 250, i % 250 + 1)).collect();
    override_with(&mut h, &many.iter().map(String::as_str).collect::<Vec<_>>());
    h.add(request());
    let (connection, _) = h.wants_connect();
    let mut tried = 1;
    loop {
        refuse(&mut h, connection);
        if h.engine.running() == 0 {
            break;
        }
        h.wants_connect();
        tried += 1;
    }
    assert_eq!(tried, 64);
    let error = h.fails();
    assert_eq!(error.attempts.unwrap().len(), 64);
    h.wants_close(connection);
    h.ends_empty();
}
