//! Bodies that wait for leave, and those that are refused on their way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::engine::Wait;
use ringdove::{Options, Request, RetryPolicy, Timeouts};

use crate::run::{Run, Told, on_every_driver};
use ringdove_test_support::hostile::{Framing, Plan, Script};

on_every_driver! {
    leave_is_given,
    leave_is_not_given,
    leave_is_refused,
    an_expectation_that_fails,
    an_upload_that_is_refused_ends,
    sick_servers_are_asked_again,
}

const BODY: usize = 3_000_000;

fn asking(url: &str, wait: Duration) -> Request {
    let timeouts = Timeouts { expect: Some(wait), ..Timeouts::default() };
    let request = Request::new(http::Method::PUT, url).expect("a good URL");
    let request = request.field("Expect", "100-continue").expect("a good field");
    let options = Options { timeouts, ..Options::default() };
    request.body(vec![b'x'; BODY]).options(Arc::new(options))
}

const LONG: Duration = Duration::from_secs(100);

fn leave_is_given(kind: Kind) {
    let script = Script::new()
        .read_head()
        .wait(Duration::from_millis(100))
        .send("HTTP/1.1 100 Continue\r\n\r\n")
        .read_body()
        .ok("taken");
    let server = Plan::new().connection(script).start();
    let mut run = Run::new(kind);
    let transfer = run.add(asking(&server.url("/"), LONG));
    run.turn_for(Duration::from_millis(50));
    assert!(server.requests().iter().all(|request| request.body.is_empty()), "too soon");
    run.finish();
    transfer.assert_response(200, b"taken");
    assert_eq!(transfer.told()[0], Told::Informational(100));
    assert_eq!(server.requests()[0].body.len(), BODY);
}

fn leave_is_not_given(kind: Kind) {
    let server = Plan::new().path("/", Script::new().read_body().ok("taken")).start();
    let mut run = Run::new(kind);
    let begun = Instant::now();
    let transfer = run.add(asking(&server.url("/"), Duration::from_millis(200)));
    run.finish();
    transfer.assert_response(200, b"taken");
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(server.requests()[0].body.len(), BODY);
}

fn leave_is_refused(kind: Kind) {
    let refuse = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
    let server = Plan::new().connection(Script::new().read_head().send(refuse).stall()).start();
    let mut run = Run::new(kind);
    let transfer = run.add(asking(&server.url("/"), LONG));
    run.finish();
    transfer.assert_response(413, b"no");
    run.turn_until("the connection is closed", |_| server.seen()[0].end.is_some());
    assert!(server.seen()[0].received_len < 1000, "nothing of the body");
}

fn an_expectation_that_fails(kind: Kind) {
    let fails = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno";
    let server = Plan::new()
        .connection(Script::new().read_head().send(fails).stall())
        .connection(Script::new().serve())
        .path("/", Script::new().read_body().ok("taken"))
        .start();
    let mut run = Run::new(kind);
    let transfer = run.add(asking(&server.url("/"), LONG));
    run.finish();
    transfer.assert_response(200, b"taken");
    let requests = server.requests();
    let [first, second] = &requests[..] else { panic!("{}", server.dump()) };
    assert!(first.field("expect").is_some() && second.field("expect").is_none());
    assert_eq!((first.body.len(), second.body.len()), (0, BODY));
}

/// The rest of what is refused stays where it is.
fn an_upload_that_is_refused_ends(kind: Kind) {
    let refuse = "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
    let script = Script::new().read_head().send(refuse).stall();
    let server = Plan::new().recv_buffer(4096).connection(script).start();
    let mut run = Run::new(kind);
    let request = Request::new(http::Method::POST, &server.url("/")).expect("a good URL");
    let transfer = run.add(request.body(vec![b'x'; 100_000_000]));
    run.finish();
    transfer.assert_response(403, b"no");
    run.turn_until("the connection is closed", |_| server.seen()[0].end.is_some());
    let received = server.seen()[0].received_len;
    assert!(received < 50_000_000, "{received}");
    assert_eq!(run.driver.stats().idle, 0);
}

/// A crowd meets a server that is sick to each connection's first request.
fn sick_servers_are_asked_again(kind: Kind) {
    let sick = Script::new().respond("503 X", Framing::ContentLength, "sick");
    let script = Script::new().read_head().send("HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n");
    let server = Plan::new()
        .connection(script.serve())
        .path("/", Script::new().ok("well"))
        .path("/sick", sick)
        .start();
    let policy =
        RetryPolicy { wait: Wait::Fixed(Duration::from_millis(20)), ..RetryPolicy::default() };
    let options = Arc::new(Options { retry: Some(Arc::new(policy)), ..Options::default() });
    let mut run = Run::new(kind);
    let transfers: Vec<_> = (0..30)
        .map(|_| run.add(Request::get(&server.url("/")).unwrap().options(options.clone())))
        .collect();
    let sick = run.add(Request::get(&server.url("/sick")).unwrap().options(options.clone()));
    run.finish();
    for transfer in &transfers {
        transfer.assert_response(200, b"well");
    }
    sick.assert_response(503, b"sick");
    assert_eq!(sick.outcome().report.retried.len(), 3);
    assert_eq!(run.driver.stats().succeeded, 31);
    assert!(run.driver.stats().retried >= 31 + 2, "{:?}", run.driver.stats());
}
