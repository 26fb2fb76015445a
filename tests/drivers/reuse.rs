//! Keep-alive: which connections are used again, and what happens when one has gone stale.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Progress};
use ringdove::{Config, Request};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{End, Plan, Script};
use ringdove_test_support::nginx::{Nginx, OK_BODY};

on_every_driver! {
    one_connection_serves_many,
    connections_are_as_many_as_allowed,
    an_idle_connection_that_ends_is_dropped_at_once,
    an_idle_connection_that_speaks_is_dropped,
    idle_connections_are_given_up_in_time,
    a_stale_connection_is_replaced_where_that_is_safe,
    a_stale_tls_connection_is_replaced,
    connection_close_is_obeyed,
}

fn one_connection_serves_many(kind: Kind) {
    let nginx = Nginx::plain();
    let mut run = Run::with(kind, Config { max_per_origin: 1, ..Config::default() });
    let transfers: Vec<_> = (0..300).map(|_| run.get(&nginx.url("/ok"))).collect();
    run.finish();
    for (i, transfer) in transfers.iter().enumerate() {
        transfer.assert_response(200, OK_BODY);
        assert_eq!(transfer.outcome().report.reused, i > 0, "in order, on one connection");
    }
    let stats = run.driver.stats();
    assert_eq!((stats.opened, stats.reused, stats.idle), (1, 299, 1));
}

fn connections_are_as_many_as_allowed(kind: Kind) {
    let server =
        Plan::new().path("/", Script::new().wait(Duration::from_millis(30)).ok("")).start();
    for (config, expected) in [
        (Config { max_per_origin: 4, ..Config::default() }, 4),
        (Config { max_connections: 3, ..Config::default() }, 3),
    ] {
        let before = server.connections();
        let mut run = Run::with(kind, config);
        for _ in 0..20 {
            run.get(&server.url("/"));
        }
        run.finish();
        assert_eq!(server.connections() - before, expected);
        assert_eq!(run.driver.stats().succeeded, 20);
    }
}

/// The peer's FIN is seen when it comes, not met on reuse.
fn an_idle_connection_that_ends_is_dropped_at_once(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("bye").close()).start();
    let mut run = Run::new(kind);
    for request in 1..=3 {
        let transfer = run.get(&server.url("/"));
        run.finish();
        transfer.assert_response(200, b"bye");
        run.turn_until("the end was seen", |run| run.driver.stats().connections == 0);
        let stats = run.driver.stats();
        assert_eq!((stats.opened, stats.resent), (request, 0));
    }
}

fn an_idle_connection_that_speaks_is_dropped(kind: Kind) {
    let wait = Duration::from_millis(20);
    let unasked = Script::new().ok("asked").wait(wait).ok("unasked").stall();
    let server = Plan::new().path("/", unasked).start();
    let mut run = Run::new(kind);
    for request in 1..=2 {
        let transfer = run.get(&server.url("/"));
        run.finish();
        transfer.assert_response(200, b"asked");
        run.turn_until("the connection is dropped", |run| run.driver.stats().connections == 0);
        assert_eq!(run.driver.stats().opened, request);
    }
}

fn idle_connections_are_given_up_in_time(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("")).start();
    let keep_idle = Duration::from_millis(150);
    let mut run = Run::with(kind, Config { keep_idle, ..Config::default() });
    run.get(&server.url("/"));
    run.finish();
    let idle_since = std::time::Instant::now();
    assert_eq!(run.driver.stats().idle, 1);
    run.turn_until("it is given up", |run| run.driver.stats().connections == 0);
    assert!(idle_since.elapsed() >= keep_idle - Duration::from_millis(10));
    run.turn_until("its peer sees the end", |_| server.seen()[0].end == Some(End::PeerClosed));
}

/// The server ends the kept connection when the second request has come: whether that may be sent
/// again depends on the method alone.
pub(crate) fn a_stale_connection_is_replaced_where_that_is_safe(kind: Kind) {
    for (method, again) in [("GET", true), ("PUT", true), ("POST", false), ("PATCH", false)] {
        let server = Plan::new()
            .path("/", Script::new().ok("ok"))
            .connection(Script::new().serve_once().read_head().close())
            .connection(Script::new().serve())
            .start();
        let mut run = Run::new(kind);
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let request = || Request::new(method.clone(), &server.url("/")).unwrap().body("x");
        run.add(request());
        run.finish();
        let transfer = run.add(request());
        run.finish();
        let report = transfer.outcome().report;
        if again {
            transfer.assert_response(200, b"ok");
            assert_eq!((report.resent, report.reused), (1, false));
            assert_eq!(run.driver.stats().resent, 1);
        } else {
            let error = transfer.error();
            assert_eq!((error.cause, error.progress), (Cause::Closed, Progress::RequestSent));
            assert_eq!((report.resent, report.reused), (0, true));
            assert_eq!(server.requests().len(), 2, "{}", server.dump());
        }
    }
}

fn a_stale_tls_connection_is_replaced(kind: Kind) {
    let authority = Authority::new();
    let server = Plan::new()
        .tls(authority.server().server_config())
        .path("/", Script::new().ok("ok"))
        .connection(Script::new().handshake().serve_once().read_head().reset())
        .connection(Script::new().handshake().serve())
        .start();
    let mut run = Run::trusting(kind, &authority);
    run.get(&server.url("/"));
    run.finish();
    let transfer = run.get(&server.url("/"));
    run.finish();
    transfer.assert_response(200, b"ok");
    assert_eq!(transfer.outcome().report.resent, 1);
}

fn connection_close_is_obeyed(kind: Kind) {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    // the server itself keeps the connection open
    let server = Plan::new().path("/", Script::new().send(closing)).start();
    let mut run = Run::new(kind);
    for opened in 1..=2 {
        run.get(&server.url("/"));
        run.finish();
        assert_eq!(run.driver.stats().opened, opened);
    }
}
