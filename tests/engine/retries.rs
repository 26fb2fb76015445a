//! Asking again: what is, when, how often, and what the handler sees of it.

use std::sync::Arc;
use std::time::Duration;

use ringdove::engine::{Config, Options, Output, Request, RetryBudget, RetryPolicy, Wait};
use ringdove::error::{Cause, Deadline, Operation, Progress};
use ringdove::protocol::Date;
use ringdove::{RedirectPolicy, Time, Timeouts};

use crate::harness::{Harness, Log, OK, get, get_url, ms, timeouts};

const ECONNREFUSED: i32 = 111;
const ECONNRESET: i32 = 104;

fn with(policy: RetryPolicy) -> Arc<Options> {
    Arc::new(Options { retry: Some(Arc::new(policy)), ..Options::default() })
}

/// Three times, after 100 ms each.
fn policy() -> RetryPolicy {
    RetryPolicy { max: 3, wait: Wait::Fixed(ms(100)), ..RetryPolicy::default() }
}

fn retrying() -> Arc<Options> {
    with(policy())
}

fn post(path: &str) -> Request {
    Request::new(http::Method::POST, &format!("http://10.0.0.1{path}")).unwrap().body("body")
}

fn response(status: u16, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n{fields}\r\nsick").into_bytes()
}

#[test]
fn a_transient_response_is_asked_for_again_and_not_delivered() {
    let log = Log::default();
    let mut h = Harness::new(1);
    let id = h.add_with(get("/a").options(retrying()), log.clone());
    let connection = h.ask();
    h.received(connection, &response(503, ""));
    assert!(h.engine.paused(id).is_some() && log.seen.borrow().status.is_none());
    assert_eq!(h.engine.stats().idle, 1, "who waits holds no connection");
    h.at(1_099);
    assert!(!h.level(connection).send);
    h.at(1_102);
    assert!(h.sent(connection).starts_with(b"GET /a HTTP/1.1\r\n"));
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    let seen: Vec<_> = report.retried.iter().map(|retried| retried.status).collect();
    assert_eq!((seen, report.retried[0].wait), (vec![Some(503)], ms(100)));
    assert_eq!((report.status, report.body_received), (Some(200), 2));
    assert_eq!(report.wire_received, (response(503, "").len() + OK.len()) as u64);
    assert!(report.times.total >= ms(102));
    let seen = log.seen.borrow();
    assert_eq!((seen.status, &seen.body[..], seen.done), (Some(200), &b"ok"[..], 1));
    assert_eq!(h.engine.stats().retried, 1);
    drop(seen);
    h.ends_empty();
}

#[test]
fn the_last_response_is_delivered() {
    let log = Log::default();
    let mut h = Harness::new(1);
    h.add_with(get("/a").options(retrying()), log.clone());
    let mut connection = h.ask();
    for retry in 0..4 {
        h.received(connection, &response(500, "Connection: close\r\n"));
        h.wants_close(connection);
        if retry < 3 {
            h.at(1_102 + retry * 102);
            connection = h.ask();
        }
    }
    let outcome = h.succeeds().outcome;
    assert_eq!((outcome.report.status, outcome.report.retried.len()), (Some(500), 3));
    assert_eq!(log.body(), b"sick");
    h.ends_empty();
}

/// Which responses are asked for again: by status, method, policy.
#[test]
fn statuses_and_methods() {
    let all = RetryPolicy { all_errors: true, ..policy() };
    let table = [
        (200, get("/"), policy(), false),
        (404, get("/"), policy(), false),
        (501, get("/"), policy(), false),
        (404, get("/"), all.clone(), false),
        (408, get("/"), policy(), true),
        (429, get("/"), policy(), true),
        (500, get("/"), policy(), true),
        (502, get("/"), policy(), true),
        (503, get("/"), policy(), true),
        (504, get("/"), policy(), true),
        // whether it was acted upon is not known, but for 408
        (503, post("/"), policy(), false),
        (429, post("/"), policy(), false),
        (408, post("/"), policy(), true),
        (503, post("/"), all, true),
        (503, get("/"), RetryPolicy { max: 0, ..policy() }, false),
    ];
    for (status, request, policy, again) in table {
        let mut h = Harness::new(1);
        h.add(request.options(with(policy)));
        let connection = h.ask();
        h.received(connection, &response(status, ""));
        assert_eq!(h.engine.poll_message().is_none(), again, "{status}");
    }
}

#[test]
fn retry_after_is_heeded_up_to_a_bound() {
    let date =
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:57 GMT\r\n";
    let longest = RetryPolicy { longest: Duration::from_secs(30), ..policy() };
    let within = RetryPolicy { within: Some(Duration::from_secs(10)), ..policy() };
    let table = [
        ("Retry-After: 20\r\n", policy(), Some(21_000)),
        (date, policy(), Some(21_000)),
        // at once would be sooner than without
        ("Retry-After: 0\r\n", policy(), Some(1_100)),
        // by the engine's own date
        ("Retry-After: Sun, 06 Nov 1994 08:49:57 GMT\r\n", policy(), Some(21_000)),
        ("Retry-After: Sun, 06 Nov 1994 08:48:57 GMT\r\n", policy(), Some(1_100)),
        ("Retry-After: nonsense\r\n", policy(), Some(1_100)),
        ("Retry-After: 31\r\n", longest.clone(), None),
        ("Retry-After: 30\r\n", longest, Some(31_000)),
        ("Retry-After: 20\r\n", within, None),
        ("Retry-After: 99999999999999999999\r\n", policy(), None),
    ];
    for (fields, policy, at) in table {
        let mut h = Harness::new(1);
        // 08:49:37
        h.engine.set_date(Time::from_nanos(1_000_000_000), Date::from_unix(784_111_777));
        h.add(get("/").options(with(policy)));
        let connection = h.ask();
        h.received(connection, &response(429, fields));
        let Some(at) = at else {
            assert_eq!(h.succeeds().outcome.report.status, Some(429), "{fields}");
            continue;
        };
        if at > 1_000 {
            h.at(at - 1);
            assert!(!h.level(connection).send, "too soon: {fields}");
            h.at(at + 2);
        }
        assert!(h.level(connection).send, "too late: {fields}");
    }
}

#[test]
fn a_wait_that_would_outlast_the_total_is_not_begun() {
    let timeouts = Timeouts { total: Some(ms(150)), ..Timeouts::default() };
    let options = Options { timeouts, retry: Some(Arc::new(policy())), ..Options::default() };
    let mut h = Harness::new(1);
    h.add(get("/").options(Arc::new(options)));
    let connection = h.ask();
    h.received(connection, &response(503, ""));
    h.at(1_102);
    h.sent(connection);
    h.received(connection, &response(503, ""));
    let report = h.succeeds().outcome.report;
    assert_eq!((report.status, report.retried.len()), (Some(503), 1));
}

#[test]
fn failures_that_may_pass_are_asked_again() {
    let connrefused = RetryPolicy { connection_refused: true, ..policy() };
    let all = RetryPolicy { all_errors: true, ..policy() };
    let (reset, refused) = (ECONNRESET, ECONNREFUSED);
    // before the connection is made nothing was sent
    let connecting = [
        (reset, get("/"), policy(), true),
        (reset, post("/"), policy(), true),
        (refused, get("/"), policy(), false),
        (refused, get("/"), connrefused, true),
        (refused, post("/"), all.clone(), true),
    ];
    for (errno, request, policy, again) in connecting {
        let mut h = Harness::new(1);
        h.add(request.options(with(policy)));
        let (connection, _) = h.wants_connect();
        h.engine.handle_failed(connection, Operation::Connect, errno);
        h.wants_close(connection);
        assert_eq!(h.engine.poll_message().is_none(), again, "{errno}");
        if again {
            h.at(1_102);
            let connection = h.ask();
            h.received(connection, OK);
            let report = h.succeeds().outcome.report;
            let error = report.retried[0].error.as_ref().expect("it failed");
            assert_eq!(error.progress, Progress::NothingSent);
            assert!(matches!(error.cause, Cause::Os { .. }));
        }
    }
    // once sent it may have been acted upon
    let asking = [(get("/"), policy(), true), (post("/"), policy(), false), (post("/"), all, true)];
    for (request, policy, again) in asking {
        let mut h = Harness::new(1);
        h.add(request.options(with(policy)));
        let connection = h.ask();
        h.engine.handle_end(connection);
        h.wants_close(connection);
        assert_eq!(h.engine.poll_message().is_none(), again);
    }
}

#[test]
fn nothing_is_asked_again_once_the_handler_has_seen_some() {
    let log = Log::default();
    let mut h = Harness::new(1);
    let all = RetryPolicy { all_errors: true, ..policy() };
    h.add_with(get("/").options(with(all)), log.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    h.engine.handle_end(connection);
    assert!(matches!(h.fails().cause, Cause::Http(_)));
    assert_eq!(log.body(), b"half");
}

#[test]
fn what_a_handler_forgets_is_asked_for_again_if_all_errors_are() {
    for (policy, again) in [(RetryPolicy { all_errors: true, ..policy() }, true), (policy(), false)]
    {
        let log = Log::forgetful();
        let mut h = Harness::new(1);
        h.add_with(get("/").options(with(policy)), log.clone());
        let connection = h.ask();
        h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        h.engine.handle_end(connection);
        h.wants_close(connection);
        if !again {
            h.fails();
            assert_eq!(log.body(), b"half");
            continue;
        }
        h.at(1_102);
        let connection = h.ask();
        h.received(connection, OK);
        assert_eq!(h.succeeds().outcome.report.retried.len(), 1);
        assert_eq!(log.body(), b"ok");
    }
}

#[test]
fn names_that_do_not_resolve_are_looked_up_again() {
    let mut h = Harness::new(1);
    h.add(get_url("http://a.test/").options(retrying()));
    let lookup = h.wants_lookup();
    h.engine.handle_resolved(lookup, Err("try again".to_owned()));
    h.wants_nothing();
    h.at(1_102);
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.9"]);
    let connection = h.ask();
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    let error = report.retried[0].error.as_ref().expect("it failed");
    assert!(matches!(error.cause, Cause::Resolve(_)));
    h.ends_empty();
}

#[test]
fn a_phase_that_timed_out_is_tried_again_and_the_total_is_not() {
    let options = timeouts(|t| (t.first_byte, t.total) = (Some(ms(50)), Some(ms(400))));
    let options = Options { retry: Some(Arc::new(policy())), ..(*options).clone() };
    let mut h = Harness::new(1);
    h.add(get("/").options(Arc::new(options)));
    h.ask();
    h.at(1_052);
    let [Output::Close { .. }] = &h.wants()[..] else { panic!("it is closed") };
    h.at(1_154);
    h.ask();
    h.at(1_206);
    h.wants();
    h.at(1_308);
    h.ask();
    h.at(1_360);
    // a third wait would end after the total
    let error = h.fails();
    assert!(matches!(error.cause, Cause::Timeout { deadline: Deadline::FirstByte, .. }));
}

#[test]
fn a_wait_can_be_ended_by_the_total_or_by_removal() {
    let options = Options { retry: Some(Arc::new(policy())), ..Options::default() };
    let options = Arc::new(options);
    let mut h = Harness::new(1);
    let id = h.add(get("/").options(options));
    let connection = h.ask();
    h.received(connection, &response(503, "Connection: close\r\n"));
    h.wants_close(connection);
    assert!(h.engine.remove(id).is_some());
    h.at(2_000);
    h.wants_nothing();
    assert!(h.engine.poll_message().is_none());
    h.ends_empty();
}

/// A hundred transfers to a server that is down: what they ask is bounded by the budget.
#[test]
fn all_transfers_share_a_budget() {
    let budget = RetryBudget { burst: 5, percent: 10 };
    let config = Config { retry_budget: budget, max_per_origin: 1, ..Config::default() };
    let mut h = Harness::with(config);
    for _ in 0..100 {
        h.add(get("/").options(with(RetryPolicy { wait: Wait::Fixed(ms(10)), ..policy() })));
    }
    let connection = h.connect();
    let (mut asked, mut now) = (0, 1_000);
    while h.engine.running() > 0 {
        while h.level(connection).send {
            assert!(!h.sent(connection).is_empty());
            asked += 1;
            h.received(connection, &response(503, ""));
        }
        now += 12;
        h.at(now);
        assert!(now < 100_000, "it comes to an end");
    }
    // five from the beginning, and a tenth of a hundred
    assert!((105..=115).contains(&asked), "{asked}");
    assert_eq!(h.engine.stats().retried, asked - 100);
}

#[test]
fn a_site_that_is_down_leaves_others_their_retries() {
    let budget = RetryBudget { burst: 2, percent: 0 };
    let mut h = Harness::with(Config { retry_budget: budget, ..Config::default() });
    for (url, rounds) in [("http://10.0.0.1/", 2), ("http://10.0.0.2/", 1)] {
        let id =
            h.add(get_url(url).options(with(RetryPolicy { wait: Wait::Fixed(ms(0)), ..policy() })));
        let connection = h.ask();
        for _ in 0..rounds {
            h.received(connection, &response(503, ""));
            assert!(h.engine.paused(id).is_some() && !h.sent(connection).is_empty(), "{url}");
        }
        h.received(connection, &response(503, ""));
        assert_eq!(h.succeeds().outcome.report.retried.len(), rounds, "{url}");
    }
}

#[test]
fn bodies_are_sent_again_from_their_beginning() {
    let mut h = Harness::new(1);
    let put = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body("the body");
    h.add(put.options(retrying()));
    let connection = h.connect();
    assert!(h.sent(connection).ends_with(b"\r\n\r\nthe body"));
    h.received(connection, &response(503, ""));
    h.at(1_102);
    assert!(h.sent(connection).ends_with(b"\r\n\r\nthe body"));
}

#[test]
fn redirects_and_retries_go_together() {
    let options = Options {
        retry: Some(Arc::new(policy())),
        record_hops: true,
        redirects: Some(RedirectPolicy::default()),
        ..Options::default()
    };
    let mut h = Harness::new(1);
    h.add(get("/a").options(Arc::new(options)));
    let connection = h.ask();
    h.received(connection, &response(502, ""));
    h.at(1_102);
    h.sent(connection);
    h.received(connection, &response(302, "Location: /b\r\n"));
    assert!(h.sent(connection).starts_with(b"GET /b "));
    h.received(connection, &response(504, ""));
    h.at(1_204);
    assert!(h.sent(connection).starts_with(b"GET /b "));
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    let statuses: Vec<_> = report.retried.iter().map(|retried| retried.status).collect();
    assert_eq!((statuses, report.hops.len()), (vec![Some(502), Some(504)], 2));
    h.ends_empty();
}
