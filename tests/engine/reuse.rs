//! When a connection serves again, when it does not, and what is sent again when it had gone stale.

use http::Method;
use ringdove::Body;
use ringdove::engine::{BodySource, ConnectionId, Output, Request};
use ringdove::error::{Cause, Operation, Progress};
use ringdove::protocol::SourceRead;

use crate::harness::{Harness, OK, get};

const EPIPE: i32 = 32;
const ECONNRESET: i32 = 104;

#[test]
fn a_kept_connection_serves_again() {
    let mut h = Harness::new(1);
    let connection = h.idle();
    h.add(get("/second"));
    assert!(h.sent(connection).starts_with(b"GET /second HTTP/1.1\r\n"));
    h.received(connection, OK);
    let report = h.succeeds().outcome.report;
    assert!(report.reused);
    assert_eq!((h.engine.stats().opened, h.engine.stats().reused), (1, 1));
    h.ends_empty();
}

#[test]
fn bytes_on_an_idle_connection_end_it() {
    let mut h = Harness::new(1);
    let connection = h.idle();
    h.received(connection, b"HTTP/1.1 408 Request Timeout\r\n\r\n");
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn the_end_of_an_idle_connection_ends_it() {
    let mut h = Harness::new(1);
    let connection = h.idle();
    h.engine.handle_end(connection);
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn bytes_after_a_response_end_the_connection() {
    let mut h = Harness::new(1);
    h.add(get("/"));
    let connection = h.ask();
    h.received(connection, &[OK, b"more"].concat());
    h.succeeds();
    h.wants_close(connection);
}

#[test]
fn bytes_before_the_request_are_no_response() {
    let mut h = Harness::new(1);
    h.add(get("/"));
    let connection = h.connect();
    h.received(connection, OK);
    let error = h.fails();
    assert_eq!((error.cause, error.progress), (Cause::Closed, Progress::NothingSent));
    h.wants_close(connection);
}

#[test]
fn bytes_before_the_request_on_a_kept_connection_send_it_elsewhere() {
    let mut h = Harness::new(1);
    let connection = h.idle();
    h.add(Request::new(Method::POST, "http://10.0.0.1/").unwrap());
    h.received(connection, OK);
    assert!(h.engine.poll_message().is_none());
    assert!(matches!(h.wants()[..], [Output::Close { .. }, Output::Connect { .. }]));
}

#[test]
fn an_early_response_closes() {
    let mut h = Harness::new(1);
    let source = Box::new(Pending);
    let body = Body::Stream { length: Some(10), source };
    h.add(Request::new(Method::POST, "http://10.0.0.1/").unwrap().body(body));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(h.succeeds().outcome.report.status, Some(413));
    h.wants_close(connection);
    h.ends_empty();
}

/// A head that did not fit into the driver's buffer, and an answer to its beginning.
#[test]
fn a_response_before_the_head_is_out_closes() {
    let mut h = Harness::new(1);
    h.add(get("/").field("x-long", "x".repeat(2_000)).unwrap());
    let connection = h.connect();
    let mut buffer = [0; 500];
    let filled = h.engine.fill(connection, &mut buffer);
    h.engine.handle_sent(connection, filled);
    h.add(get("/second"));
    h.received(connection, b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    assert!(matches!(h.wants()[..], [Output::Close { .. }, Output::Connect { .. }]));
}

/// What a connection that has served before does to the second request.
enum Stale {
    /// It ends before a byte of it was asked for.
    EndsBeforeTheHead,
    /// It does not take a byte of it.
    RefusesTheFirstByte,
    /// It ends after the head was sent.
    EndsAfterTheHead,
    /// It is reset while the driver has not reported what was sent.
    ResetsMeanwhile,
    /// It ends in the response.
    EndsInTheResponse,
}

/// What goes stale is sent again where that is provably safe, and nowhere else.
#[test]
fn stale_connections() {
    use Stale::*;
    let sent = Progress::RequestSent;
    let started = Progress::ResponseStarted;
    let table = [
        (EndsBeforeTheHead, Method::GET, None),
        (EndsBeforeTheHead, Method::POST, None),
        (RefusesTheFirstByte, Method::GET, None),
        (RefusesTheFirstByte, Method::POST, None),
        (EndsAfterTheHead, Method::GET, None),
        (EndsAfterTheHead, Method::PUT, None),
        (EndsAfterTheHead, Method::POST, Some(sent)),
        (EndsAfterTheHead, Method::PATCH, Some(sent)),
        (ResetsMeanwhile, Method::DELETE, None),
        (ResetsMeanwhile, Method::POST, Some(sent)),
        (EndsInTheResponse, Method::GET, Some(started)),
        (EndsInTheResponse, Method::POST, Some(started)),
    ];
    for (row, (stale, method, fails)) in table.into_iter().enumerate() {
        let mut h = Harness::new(1);
        let connection = h.idle();
        h.add(Request::new(method, "http://10.0.0.1/second").unwrap());
        go_stale(&mut h, connection, &stale);
        match fails {
            Some(progress) => {
                assert_eq!(h.fails().progress, progress, "row {row}");
                h.wants_close(connection);
            }
            None => {
                let wants = h.wants();
                assert!(h.engine.poll_message().is_none(), "row {row}");
                let [Output::Close { .. }, Output::Connect { connection, .. }] = wants[..] else {
                    panic!("row {row}: {wants:?}")
                };
                h.engine.handle_connected(connection);
                h.sent(connection);
                h.received(connection, OK);
                assert_eq!(h.succeeds().outcome.report.resent, 1, "row {row}");
            }
        }
        h.ends_empty();
    }
}

fn go_stale(h: &mut Harness, connection: ConnectionId, stale: &Stale) {
    let mut buffer = [0; 1024];
    match stale {
        Stale::EndsBeforeTheHead => h.engine.handle_end(connection),
        Stale::RefusesTheFirstByte => {
            h.engine.fill(connection, &mut buffer);
            h.engine.handle_failed(connection, Operation::Send, EPIPE);
        }
        Stale::EndsAfterTheHead => {
            h.sent(connection);
            h.engine.handle_end(connection);
        }
        Stale::ResetsMeanwhile => {
            h.engine.fill(connection, &mut buffer);
            h.engine.handle_failed(connection, Operation::Recv, ECONNRESET);
        }
        Stale::EndsInTheResponse => {
            h.sent(connection);
            h.received(connection, b"HTTP/1.1 2");
            h.engine.handle_end(connection);
        }
    }
}

#[test]
fn a_fresh_connection_that_ends_is_no_stale_one() {
    let mut h = Harness::new(1);
    h.add(get("/"));
    let connection = h.ask();
    h.engine.handle_end(connection);
    assert_eq!(h.fails().progress, Progress::RequestSent);
}

#[test]
fn a_body_that_cannot_be_rewound_is_not_sent_again_once_it_was_read() {
    for (reads, fails) in [(false, false), (true, true)] {
        let mut h = Harness::new(1);
        let connection = h.idle();
        let body = Body::Stream { length: Some(10), source: Box::new(Pending) };
        h.add(Request::new(Method::PUT, "http://10.0.0.1/").unwrap().body(body));
        if reads {
            h.sent(connection);
        }
        h.engine.handle_end(connection);
        assert_eq!(h.engine.poll_message().is_some(), fails, "{reads}");
    }
}

#[test]
fn a_transfer_gives_up_on_stale_connections() {
    let mut h = Harness::new(4);
    for path in ["/a", "/b", "/c", "/d"] {
        h.add(get(path));
    }
    let connections: Vec<_> = h
        .wants()
        .iter()
        .map(|output| match output {
            Output::Connect { connection, .. } => *connection,
            other => panic!("{other:?}"),
        })
        .collect();
    for &connection in &connections {
        h.engine.handle_connected(connection);
        h.sent(connection);
        h.received(connection, OK);
        h.succeeds();
    }
    h.add(get("/again"));
    // a new connection is no stale one, so that the second failure is the last
    let transfer =
        |h: &Harness| connections.iter().copied().find(|&id| h.engine.transfer_on(id).is_some());
    let connection = transfer(&h).expect("a kept connection is used");
    h.engine.handle_end(connection);
    assert_eq!(h.engine.stats().resent, 1);
    let wants = h.wants();
    let Some(&Output::Connect { connection, .. }) = wants.last() else { panic!("{wants:?}") };
    h.engine.handle_connected(connection);
    h.engine.handle_end(connection);
    assert_eq!(h.fails().cause, Cause::Closed);
}

/// A source that never has anything, and cannot go back.
struct Pending;

impl BodySource for Pending {
    fn read(&mut self, _: &mut [u8]) -> SourceRead {
        SourceRead::Pending
    }
}
