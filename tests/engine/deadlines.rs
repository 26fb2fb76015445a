//! Each wait has its own deadline and its own error.

use std::sync::Arc;

use ringdove::LowSpeed;
use ringdove::engine::{Config, Options, Output};
use ringdove::error::{Cause, Deadline, Phase, Progress};

use crate::harness::{Harness, get, get_url, ms, timeouts};

#[test]
fn queue() {
    let mut h = Harness::new(1);
    h.add(get("/holds the only connection"));
    h.ask();
    h.add(get("/").options(timeouts(|t| t.queue = Some(ms(100)))));
    h.times_out(1_100, Deadline::Queue, Phase::Queue);
}

#[test]
fn resolve() {
    let mut h = Harness::new(1);
    h.add(get_url("http://a.test/").options(timeouts(|t| t.resolve = Some(ms(100)))));
    let lookup = h.wants_lookup();
    h.times_out(1_100, Deadline::Resolve, Phase::Resolve);
    assert_eq!(h.wants(), [Output::Abandon { lookup }]);
    h.resolved(lookup, &["10.0.0.1"]);
    h.wants_nothing();
    h.ends_empty();
}

/// The driver looked late: the deadline had passed, but what it was for had come.
#[test]
fn what_arrived_counts_before_what_expired() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.first_byte = Some(ms(100)))));
    let connection = h.ask();
    h.begins_at(5_000);
    h.received(connection, crate::harness::OK);
    h.engine.expire();
    h.succeeds();
}

#[test]
fn waiting_for_the_resolver_is_queueing() {
    let mut h = Harness::with(Config { max_lookups: 1, ..Config::default() });
    h.add(get_url("http://a.test/").options(timeouts(|_| {})));
    h.wants_lookup();
    h.add(get_url("http://b.test/").options(timeouts(|t| {
        t.queue = Some(ms(100));
        t.resolve = Some(ms(10));
    })));
    h.times_out(1_100, Deadline::Queue, Phase::Queue);
}

#[test]
fn connect_over_all_addresses() {
    let mut h = Harness::new(1);
    h.add(get_url("http://a.test/").options(timeouts(|t| t.connect = Some(ms(100)))));
    let lookup = h.wants_lookup();
    h.at(1_050);
    h.resolved(lookup, &["10.0.0.1", "10.0.0.2"]);
    let (connection, _) = h.wants_connect();
    h.at(1_100);
    h.engine.handle_failed(connection, ringdove::error::Operation::Connect, 111);
    assert_eq!(h.wants_connect().1.to_string(), "10.0.0.2:80");
    h.times_out(1_150, Deadline::Connect, Phase::Connect);
    h.wants_close(connection);
}

#[test]
fn first_byte_from_the_last_byte_of_the_request() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.first_byte = Some(ms(100)))));
    let connection = h.connect();
    h.at(1_300);
    h.sent(connection);
    h.times_out(1_400, Deadline::FirstByte, Phase::FirstByte);
}

#[test]
fn idle_from_the_last_byte_of_the_response() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.idle = Some(ms(100)))));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\n");
    h.at(1_080);
    h.received(connection, b"A: b\r\n");
    h.times_out(1_180, Deadline::Idle, Phase::Receive);
}

#[test]
fn idle_while_the_request_is_sent() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.idle = Some(ms(100)))));
    h.connect();
    h.times_out(1_100, Deadline::Idle, Phase::Send);
}

/// The idle deadline after the first byte may be sooner than that of the first byte was.
#[test]
fn idle_after_a_long_wait_for_the_first_byte() {
    let options = timeouts(|t| {
        t.first_byte = Some(ms(10_000));
        t.idle = Some(ms(100));
    });
    let mut h = Harness::new(1);
    h.add(get("/").options(options.clone()));
    let connection = h.ask();
    h.at(6_000);
    h.received(connection, b"HTTP/1.1 200 OK\r\n");
    h.times_out(6_100, Deadline::Idle, Phase::Receive);

    // a driver that carries the deadline is told that it is another one
    let mut h = Harness::with_carried_deadlines(Config::default(), true);
    h.add(get("/").options(options));
    let connection = h.ask();
    assert_eq!(h.deadline(connection), Some(11_000));
    h.wants();
    h.at(6_000);
    h.received(connection, b"HTTP/1.1 200 OK\r\n");
    assert_eq!(h.engine.poll_output(), Some(Output::Level { connection }));
    assert_eq!(h.deadline(connection), Some(6_100));
}

#[test]
fn low_speed() {
    let low_speed = LowSpeed { bytes_per_second: 100, over: ms(1_000) };
    let options = Options { low_speed: Some(low_speed), ..Options::default() };
    let mut h = Harness::new(1);
    h.add(get("/").options(Arc::new(options)));
    let connection = h.ask();
    h.at(1_500);
    h.received(connection, b"HTTP/1.1 200 OK\r\n\r\n");
    h.received(connection, &[b'x'; 200]);
    // fast enough in the first measurement, too slow in the second
    h.at(2_002);
    assert!(h.engine.poll_message().is_none());
    h.at(2_900);
    h.received(connection, &[b'x'; 50]);
    h.times_out(3_002, Deadline::LowSpeed, Phase::Receive);
}

#[test]
fn no_speed_over_no_time_is_no_demand() {
    let low_speed = LowSpeed { bytes_per_second: 100, over: ms(0) };
    let options = Options { low_speed: Some(low_speed), ..Options::default() };
    let mut h = Harness::new(1);
    h.add(get("/").options(Arc::new(options)));
    let connection = h.ask();
    assert!(h.deadline(connection).is_some_and(|at| at > 1_000));
}

#[test]
fn total_in_each_state() {
    let options = || timeouts(|t| t.total = Some(ms(100)));
    let mut h = Harness::new(1);
    h.add(get_url("http://a.test/").options(options()));
    h.times_out(1_100, Deadline::Total, Phase::Resolve);

    let mut h = Harness::new(1);
    h.add(get("/").options(options()));
    h.times_out(1_100, Deadline::Total, Phase::Connect);

    let mut h = Harness::new(1);
    h.add(get("/").options(options()));
    h.ask();
    h.add(get("/").options(options()));
    h.at(1_102);
    let mut phases = [h.fails().phase, h.fails().phase];
    phases.sort();
    assert_eq!(phases, [Phase::Queue, Phase::FirstByte]);
    h.ends_empty();

    let mut h = Harness::new(1);
    h.add(get("/").options(options()));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\n");
    h.times_out(1_100, Deadline::Total, Phase::Receive);
}

#[test]
fn time_in_the_queue_does_not_eat_the_connect_timeout() {
    let options = || timeouts(|t| t.connect = Some(ms(100)));
    let mut h = Harness::new(1);
    for _ in 0..20 {
        h.add(get("/").options(options()));
    }
    for turn in 0..20 {
        let connection = h.wants().iter().find_map(|output| match output {
            &Output::Connect { connection, .. } => Some(connection),
            _ => None,
        });
        let connection = connection.expect("the next transfer wants a connection");
        h.at(1_090 + 90 * turn);
        h.engine.handle_connected(connection);
        h.sent(connection);
        h.received(connection, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        h.engine.handle_end(connection);
        let times = h.succeeds().outcome.report.times;
        assert_eq!((times.queue, times.connect), (ms(90 * turn), ms(90)));
    }
}

#[test]
fn what_was_not_sent_is_said() {
    let mut h = Harness::new(1);
    h.add(get("/").options(timeouts(|t| t.connect = Some(ms(10)))));
    h.at(1_012);
    let error = h.fails();
    assert_eq!(error.progress, Progress::NothingSent);
    assert!(matches!(error.cause, Cause::Timeout { after, .. } if after == ms(10)));
}

/// Connections that are idle have timers from what was waited for on them; whoever rests is woken for none of these, and once for all
/// that end together.
#[test]
fn idle_connections_wake_nobody_before_they_end() {
    let mut h = Harness::new(10);
    let options = timeouts(|t| (t.first_byte, t.idle) = (Some(ms(30_000)), Some(ms(30_000))));
    let mut ask = |_| {
        h.add(get("/").options(options.clone()));
        h.ask()
    };
    let connections: Vec<_> = (0..10).map(&mut ask).collect();
    for connection in connections {
        h.received(connection, crate::harness::OK);
        h.succeeds();
    }
    assert_eq!(h.engine.stats().idle, 10);
    h.again();
    h.engine.rest();
    let mut woken = Vec::new();
    while let Some(at) = h.engine.next_time() {
        // time passes in ticks of 2^20 ns, of which the last is begun
        woken.push(at.as_nanos() / 1_000_000);
        h.at(at.as_nanos().div_ceil(1_000_000));
        h.wants();
    }
    assert_eq!((woken.len(), h.engine.stats().connections), (1, 0), "{woken:?}");
    assert!((91_000..91_003).contains(&woken[0]), "{woken:?}");
    h.ends_empty();
}
