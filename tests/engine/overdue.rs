//! A deadline has passed while nobody looked: what came by then counts, and only what still waits has waited in vain.

use std::sync::Arc;

use ringdove::engine::{Body, Config, ConnectionId, Options, Output, Overdue, Request};
use ringdove::error::{Cause, Deadline, Phase};
use ringdove::{HttpVersions, LowSpeed, Proxies, Proxy, Timeouts, TlsPolicy};

use crate::harness::{Harness, OK, exchange, get, get_url, ms, timeouts};
use crate::own_lookups::{A, AAAA, World, harness, server};
use ringdove_test_support::sim_tls::TlsPeer;

/// The batch begins long after all deadlines, and the driver hears of this connection.
#[track_caller]
fn wakes_late(h: &mut Harness, connection: ConnectionId) {
    h.begins_at(60_000);
    assert_eq!(h.engine.poll_overdue(), Some(Overdue::Connection(connection)));
    assert_eq!(h.engine.poll_overdue(), None);
}

#[test]
fn what_lies_in_the_socket_is_taken_before_its_deadline_strikes() {
    let (head, body) = OK.split_at(OK.len() - 2);
    let limits = [
        (timeouts(|t| t.first_byte = Some(ms(100))), OK, &b""[..]),
        (timeouts(|t| t.idle = Some(ms(100))), body, head),
        (timeouts(|t| t.total = Some(ms(100))), body, head),
    ];
    for (options, late, before) in limits {
        let mut h = Harness::new(1);
        h.add(get("/").options(options));
        let connection = h.ask();
        h.at(1_050);
        if !before.is_empty() {
            h.received(connection, before);
        }
        wakes_late(&mut h, connection);
        h.received(connection, late);
        h.engine.expire();
        h.succeeds();
    }
}

#[test]
fn who_said_nothing_fails_in_the_same_batch() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.idle = Some(ms(100)))));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\n");
    wakes_late(&mut h, connection);
    assert!(h.engine.poll_message().is_none());
    h.engine.expire();
    h.fails();
    assert_eq!(h.engine.poll_overdue(), None);
}

#[test]
fn a_deadline_that_the_driver_carries_is_looked_at_too() {
    let mut h = Harness::with_carried_deadlines(Config::default(), true);
    h.add(get("/").options(timeouts(|t| t.first_byte = Some(ms(100)))));
    let connection = h.ask();
    h.begins_at(60_000);
    h.engine.handle_deadline(connection);
    assert_eq!(h.engine.poll_overdue(), Some(Overdue::Connection(connection)));
    h.received(connection, OK);
    h.engine.expire();
    h.succeeds();
}

#[test]
fn a_connect_that_is_done_is_no_connect_that_failed() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.connect = Some(ms(100)))));
    let (connection, _) = h.wants_connect();
    wakes_late(&mut h, connection);
    h.engine.handle_connected(connection);
    h.engine.expire();
    assert!(!h.sent(connection).is_empty());
    h.received(connection, OK);
    h.succeeds();
}

#[test]
fn a_handshake_goes_on() {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    let mut h = Harness::with(Config { tls: Some(tls), ..Config::default() });
    h.add(get_url("https://10.0.0.1/").options(timeouts(|t| t.tls = Some(ms(100)))));
    let connection = h.connect();
    let mut peer = TlsPeer::new();
    peer.read(&h.sent(connection));
    let flight = peer.wire();
    wakes_late(&mut h, connection);
    h.received(connection, &flight);
    peer.read(&h.sent(connection));
    h.engine.expire();
    assert!(h.engine.poll_message().is_none());
    exchange(&mut h, connection, &mut peer);
    peer.write(OK);
    let answer = peer.wire();
    h.received(connection, &answer);
    h.succeeds();
}

const GREETED: &[u8] = &[5, 0];
const OPEN: &[u8] = &[5, 0, 0, 1, 10, 9, 9, 9, 0, 80];

/// A request by a SOCKS 5 proxy, which has 100 ms to open a tunnel; whether the connection to it stands.
fn by_socks(is_connected: bool) -> (Harness, ConnectionId) {
    let mut h = Harness::new(1);
    let proxies = Proxies::all(Proxy::parse("socks5h://10.9.9.9").unwrap());
    let timeouts = Timeouts { connect: Some(ms(100)), ..Timeouts::default() };
    let options = Options { proxies: Some(Arc::new(proxies)), timeouts, ..Options::default() };
    h.add(get_url("http://a.test/").options(Arc::new(options)));
    let (connection, _) = h.wants_connect();
    if is_connected {
        h.engine.handle_connected(connection);
        assert!(!h.sent(connection).is_empty(), "it greets");
    }
    (h, connection)
}

/// What takes several steps has as much time for those to come as it had when somebody looked last.
#[test]
fn steps_that_nobody_saw_cost_no_time() {
    for is_connected in [true, false] {
        let (mut h, connection) = by_socks(is_connected);
        wakes_late(&mut h, connection);
        if is_connected {
            h.received(connection, GREETED);
        } else {
            h.engine.handle_connected(connection);
        }
        assert!(!h.sent(connection).is_empty(), "it goes on");
        h.engine.expire();
        assert!(h.engine.poll_message().is_none(), "connected: {is_connected}");
        h.at(60_050);
        if !is_connected {
            h.received(connection, GREETED);
            assert!(!h.sent(connection).is_empty(), "it asks");
        }
        h.received(connection, OPEN);
        assert!(h.sent(connection).starts_with(b"GET / "));
        h.received(connection, OK);
        h.succeeds();
    }
}

#[test]
fn a_step_that_was_seen_late_is_the_last_without_another() {
    let (mut h, connection) = by_socks(true);
    wakes_late(&mut h, connection);
    h.received(connection, GREETED);
    h.sent(connection);
    h.engine.expire();
    h.times_out(60_100, Deadline::Connect, Phase::Proxy);
    // and who comes at the last moment has had its time
    let (mut h, connection) = by_socks(true);
    h.begins_at(1_105);
    h.received(connection, &GREETED[..1]);
    h.engine.expire();
    h.fails();
}

/// Leave is in the socket, or a refusal: the body is not sent without having looked.
#[test]
fn a_body_that_waits_for_leave_hears_the_answer_first() {
    let mut h = Harness::new(1);
    let timeouts = Timeouts { expect: Some(ms(200)), ..Timeouts::default() };
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap();
    let options = Arc::new(Options { timeouts, ..Options::default() });
    h.add(request.field("Expect", "100-continue").unwrap().body("body").options(options));
    let connection = h.connect();
    h.sent(connection);
    h.begins_at(2_000);
    assert_eq!(h.engine.poll_overdue(), Some(Overdue::Connection(connection)));
    h.received(connection, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    h.engine.expire();
    assert_eq!(h.message().outcome.report.status, Some(403));
    assert!(h.engine.stats().sent < 200, "without its body");
}

/// What is waited for in a queue is another's end, which may lie in a socket.
#[test]
fn who_waits_for_a_place_gets_the_one_that_has_become_free() {
    let mut h = Harness::new(1);
    h.add(get("/holds the only connection"));
    let connection = h.ask();
    h.add(get("/").options(timeouts(|t| t.queue = Some(ms(100)))));
    h.begins_at(60_000);
    assert_eq!(h.engine.poll_overdue(), Some(Overdue::Anything));
    assert_eq!(h.engine.poll_overdue(), None);
    h.received(connection, OK);
    h.engine.expire();
    h.succeeds();
    assert!(h.sent(connection).starts_with(b"GET / "));
}

#[test]
fn a_look_up_hears_what_lies_in_its_channels() {
    let mut h = harness(Config::default());
    let mut world = World::default();
    h.add(get_url("http://a.test/").options(timeouts(|t| t.resolve = Some(ms(100)))));
    world.turn(&mut h);
    let channel = world.asked[0].0;
    h.begins_at(60_000);
    let overdue: Vec<_> = std::iter::from_fn(|| h.engine.poll_overdue()).collect();
    assert!(overdue.contains(&Overdue::Connection(channel)), "{overdue:?}");
    assert!(overdue.contains(&Overdue::Anything), "{overdue:?}");
    world.answer(&mut h, AAAA, None);
    world.answer(&mut h, A, Some("10.0.0.9"));
    h.engine.expire();
    world.turn(&mut h);
    assert!(h.engine.poll_message().is_none());
    assert!(world.asked.is_empty(), "asked again: {:?}", server());
    world.connects_to(&["10.0.0.9"]);
}

/// The measurement took far longer than it was to: how fast the peer would have been is not known.
#[test]
fn a_speed_that_nobody_measured_is_not_slow() {
    let low_speed = Some(LowSpeed { bytes_per_second: 1_000, over: ms(1_000) });
    let mut h = Harness::new(1);
    h.add(get("/").options(Arc::new(Options { low_speed, ..Options::default() })));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    h.begins_at(11_000);
    assert_eq!(h.engine.poll_overdue(), Some(Overdue::Connection(connection)));
    h.received(connection, &[b'x'; 3000]);
    h.engine.expire();
    assert!(h.engine.poll_message().is_none());
    // from then on it counts again
    h.times_out(12_000, Deadline::LowSpeed, Phase::Receive);
}

fn upload(options: Arc<Options>) -> Request {
    let body = Body::from(vec![b'x'; 100_000]);
    Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body(body).options(options)
}

/// What the driver hears of at this time is this connection, of whose bytes so many are yet to be acknowledged.
#[track_caller]
pub(crate) fn left(h: &mut Harness, connection: ConnectionId, at: u64, bytes: u32) {
    h.begins_at(at);
    assert_eq!(h.engine.poll_overdue(), Some(Overdue::Connection(connection)), "at {at}");
    assert!(h.engine.asks_unacknowledged(connection));
    h.engine.handle_unacknowledged(connection, bytes);
    h.engine.expire();
}

#[test]
fn an_upload_that_the_peer_takes_is_not_silence() {
    for limit in [timeouts(|t| t.first_byte = Some(ms(800))), timeouts(|t| t.idle = Some(ms(800)))]
    {
        let is_idle = limit.timeouts.idle.is_some();
        let mut h = Harness::new(1);
        h.add(upload(limit));
        let connection = h.connect();
        if is_idle {
            // the socket takes no more
            let mut buffer = vec![0; 50_000];
            let filled = h.engine.fill(connection, &mut buffer);
            h.engine.handle_sent(connection, filled);
        } else {
            h.sent(connection);
        }
        left(&mut h, connection, 1_102, 90_000);
        left(&mut h, connection, 1_802, 60_000);
        left(&mut h, connection, 2_604, 30_000);
        assert!(h.engine.poll_message().is_none());
        h.at(3_402);
        assert!(h.engine.poll_message().is_none(), "too early");
        // nothing of it was acknowledged since
        left(&mut h, connection, 3_406, 30_000);
        h.fails();
    }
}

#[test]
fn a_peer_that_takes_nothing_fails_in_time() {
    let mut h = Harness::new(1);
    h.add(upload(timeouts(|t| t.first_byte = Some(ms(800)))));
    let connection = h.connect();
    h.sent(connection);
    left(&mut h, connection, 1_102, 90_000);
    h.at(1_799);
    assert!(h.engine.poll_message().is_none());
    left(&mut h, connection, 1_802, 90_000);
    h.fails();
}

/// With the body another deadline begins to bind: whoever carries it is told, once.
#[test]
fn a_driver_that_carries_deadlines_is_told_when_a_body_begins() {
    let mut h = Harness::with_carried_deadlines(Config::default(), true);
    h.add(upload(timeouts(|t| t.idle = Some(ms(800)))));
    let connection = h.connect();
    h.wants_nothing();
    let mut buffer = [0; 1024];
    for told in [Some(Output::Level { connection }), None] {
        h.engine.fill(connection, &mut buffer);
        assert_eq!(h.engine.poll_output(), told);
        assert_eq!(h.deadline(connection), Some(1_100));
    }
}

/// Where the kernel does not say what was acknowledged, the limits are what they were.
#[test]
fn a_driver_that_does_not_know_changes_nothing() {
    let mut h = Harness::new(1);
    h.add(upload(timeouts(|t| t.first_byte = Some(ms(800)))));
    let connection = h.connect();
    h.sent(connection);
    h.times_out(1_800, Deadline::FirstByte, Phase::FirstByte);
}

/// What lies in the kernel has not moved: the speed is that at which the peer takes it.
#[test]
fn the_speed_of_an_upload_is_that_of_the_peer() {
    for (bytes, slow) in [(98_000, false), (99_900, true)] {
        let low_speed = Some(LowSpeed { bytes_per_second: 1_000, over: ms(1_000) });
        let mut h = Harness::new(1);
        let timeouts = Timeouts { first_byte: None, idle: None, ..Timeouts::default() };
        h.add(upload(Arc::new(Options { low_speed, timeouts, ..Options::default() })));
        let connection = h.connect();
        h.sent(connection);
        left(&mut h, connection, 2_002, bytes);
        assert_eq!(h.engine.poll_message().is_some(), slow, "{bytes} left");
    }
}

/// The answer to a PING that lies in the socket is heard, however late, before the connection is taken for dead.
#[test]
fn an_answer_to_a_ping_is_heard_first() {
    for answers in [true, false] {
        let mut h = Harness::new(1);
        let options =
            Options { versions: HttpVersions::Http2, ..Options::clone(&timeouts(|_| {})) };
        h.add(get("/").options(Arc::new(options)));
        let connection = h.ask();
        h.received(connection, &[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        h.sent(connection);
        h.at(40_000);
        assert!(h.sent(connection).ends_with(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        wakes_late(&mut h, connection);
        if answers {
            h.received(connection, &[0, 0, 8, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        h.engine.expire();
        match answers {
            true => assert!(h.engine.poll_message().is_none()),
            false => {
                assert!(matches!(h.fails().cause, Cause::Timeout { deadline: Deadline::Ping, .. }))
            }
        }
    }
}
