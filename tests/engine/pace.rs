//! How fast a transfer may be.

use std::sync::Arc;

use ringdove::engine::{Config, Options, Politeness, Request};

use crate::harness::{Harness, Log, every, get, get_url, ms};

fn at_most(rate: u64) -> Arc<Options> {
    Arc::new(Options { max_rate: Some(rate), ..Options::default() })
}

#[test]
fn receiving_pauses_until_what_came_is_paid_for() {
    for carried_deadlines in [false, true] {
        let log = Log::default();
        let mut h = Harness::with_carried_deadlines(Config::default(), carried_deadlines);
        h.add_with(get("/").options(at_most(1_000)), log.clone());
        let connection = h.connect();
        let sent = h.sent(connection).len() as u64;
        // the request, too, has its price
        h.at(1_000 + sent + 2);
        assert!(h.level(connection).recv);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        let now = 2_000;
        h.at(now);
        h.received(connection, head);
        let price = head.len() as u64;
        assert!(!h.level(connection).recv);
        h.at(now + price - 1);
        assert!(!h.level(connection).recv);
        h.at(now + price + 2);
        assert!(h.level(connection).recv, "carried: {carried_deadlines}");
        h.at(3_000);
        // what comes is taken, however much it is, and paid for
        h.received(connection, &[b'x'; 500]);
        assert_eq!(log.body().len(), 500);
        h.at(3_499);
        assert!(!h.level(connection).recv);
        h.at(3_502);
        assert!(h.level(connection).recv);
        h.received(connection, &[b'x'; 500]);
        let report = h.succeeds().outcome.report;
        assert_eq!((report.body_received, report.times.total), (1000, ms(2_502)));
        h.ends_empty();
    }
}

/// A pause of our own is no silence of the peer's.
#[test]
fn the_idle_time_does_not_run_while_the_pace_is_kept() {
    let mut timeouts = ringdove::Timeouts { idle: Some(ms(500)), ..Default::default() };
    timeouts.first_byte = Some(ms(500));
    let options = Options { timeouts, max_rate: Some(50), ..Options::default() };
    let mut h = Harness::new(1);
    h.add(get("/").options(Arc::new(options)));
    let connection = h.connect();
    h.sent(connection);
    h.at(1_400);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    h.received(connection, head);
    // nearly a second, and the request before it
    for now in [1_600, 1_950, 2_470] {
        h.at(now);
        assert!(!h.level(connection).recv && h.engine.poll_message().is_none());
    }
    h.at(2_503);
    assert!(h.level(connection).recv);
    h.at(2_990);
    assert!(h.engine.poll_message().is_none());
    h.at(3_010);
    h.fails();
}

#[test]
fn sending_keeps_the_pace_too() {
    let mut h = Harness::new(1);
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap();
    h.add(request.body(vec![b'x'; 100_000]).options(at_most(10_000)));
    let connection = h.connect();
    let (mut sent, mut now) = (0, 1_000);
    while sent < 100_000 {
        if h.level(connection).send {
            let filled = h.engine.fill(connection, &mut [0; 1024]);
            h.engine.handle_sent(connection, filled);
            sent += filled;
        }
        now += 1;
        h.at(now);
        assert!(sent as u64 <= 2_048 + (now - 1_000) * 10, "{sent} at {now}");
    }
    assert!((10_900..11_500).contains(&now), "{now}");
}

/// Requests to one origin keep their distance, those to another do not wait for them.
#[test]
fn requests_to_one_origin_keep_their_distance() {
    let config = Config {
        politeness: Politeness { per_origin: every(100), ..Politeness::default() },
        ..Config::default()
    };
    let mut h = Harness::with(config);
    for path in ["/1", "/2", "/3"] {
        h.add(get(path));
    }
    h.add(get_url("http://10.0.0.2/"));
    let wants = h.wants();
    assert_eq!(wants.len(), 2, "one each: {wants:?}");
    h.at(1_099);
    h.wants_nothing();
    h.at(1_102);
    h.ask();
    h.at(1_190);
    h.wants_nothing();
    h.at(1_204);
    h.ask();
    h.at(2_000);
    h.wants_nothing();
}

/// It holds where connections do not last, and where one that is kept is free at once.
#[test]
fn the_distance_outlives_the_connections() {
    for fields in ["", "Connection: close\r\n"] {
        let config = Config {
            politeness: Politeness { per_origin: every(100), ..Politeness::default() },
            ..Config::default()
        };
        let mut h = Harness::with(config);
        let response = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
        let mut began = 1_000;
        let mut kept = None;
        for n in 0..5 {
            h.add(get(&format!("/{n}")));
            if n > 0 {
                h.at(began + 99);
                assert!(h.wants().is_empty() && h.engine.stats().running == 1, "too soon");
                assert!(kept.is_none_or(|connection| !h.level(connection).send));
                began += 103;
                h.at(began);
            }
            let connection = match kept {
                Some(connection) => connection,
                None => h.connect(),
            };
            assert!(!h.sent(connection).is_empty());
            h.received(connection, response.as_bytes());
            h.succeeds();
            h.wants();
            kept = fields.is_empty().then_some(connection);
        }
    }
}

#[test]
fn a_lookup_is_no_request() {
    let config = Config {
        politeness: Politeness { per_origin: every(100), ..Politeness::default() },
        ..Config::default()
    };
    let mut h = Harness::with(config);
    h.add(get_url("http://a.test/"));
    h.add(get_url("http://a.test/2"));
    let lookup = h.wants_lookup();
    h.at(1_010);
    h.resolved(lookup, &["10.0.0.1"]);
    h.ask();
    h.at(1_090);
    h.wants_nothing();
    h.at(1_115);
    h.ask();
}
