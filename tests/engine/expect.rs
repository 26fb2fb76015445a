//! Expect: 100-continue, and responses that come before the request's end (RFC 9110, 10.1.1).

use std::sync::Arc;

use ringdove::engine::{Body, BodySource, Options, Output, Request};
use ringdove::protocol::{AuthPolicy, AuthScheme, Secret, SourceRead, Trailers};
use ringdove::{RedirectPolicy, RetryPolicy, Timeouts};

use crate::harness::{Harness, Log, OK, ms};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn asking(body: impl Into<Body>) -> Request {
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap();
    let timeouts = Timeouts { expect: Some(ms(200)), ..Timeouts::default() };
    let options = Arc::new(Options { timeouts, ..Options::default() });
    request.field("Expect", "100-continue").unwrap().body(body).options(options)
}

fn response(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 2\r\n\r\nno").into_bytes()
}

#[test]
fn the_body_waits_for_leave() {
    let mut h = Harness::new(1);
    h.add(asking("body"));
    let connection = h.connect();
    let head = h.sent(connection);
    assert!(head.ends_with(b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    h.at(1_199);
    assert!(!h.level(connection).send && h.level(connection).recv);
    h.received(connection, b"HTTP/1.1 103 Early Hints\r\n\r\n");
    assert!(!h.level(connection).send, "that is no leave");
    h.received(connection, CONTINUE);
    assert_eq!(h.sent(connection), b"body");
    h.received(connection, OK);
    assert_eq!(h.succeeds().outcome.report.status, Some(200));
    assert_eq!(h.engine.stats().idle, 1);
    h.ends_empty();
}

#[test]
fn who_is_not_answered_sends_all_the_same() {
    let mut h = Harness::new(1);
    h.add(asking("body"));
    let connection = h.connect();
    h.sent(connection);
    assert_eq!(h.deadline(connection), Some(1_200));
    h.at(1_199);
    assert!(!h.level(connection).send);
    h.at(1_202);
    assert_eq!(h.sent(connection), b"body");
    // late leave changes nothing
    h.received(connection, CONTINUE);
    assert!(!h.level(connection).send);
    h.received(connection, OK);
    h.succeeds();
    h.ends_empty();
}

/// The server has not had the body, and may wait for it: its connection is of no more use.
#[test]
fn a_final_response_instead_of_leave_is_the_end() {
    for line in ["200 OK", "401 Unauthorized", "413 Content Too Large"] {
        let log = Log::default();
        let mut h = Harness::new(1);
        h.add_with(asking("body"), log.clone());
        let connection = h.connect();
        h.sent(connection);
        h.received(connection, &response(line));
        h.wants_close(connection);
        h.succeeds();
        assert_eq!(log.body(), b"no", "{line}");
        h.ends_empty();
    }
}

#[test]
fn who_cannot_expect_is_asked_without() {
    let log = Log::default();
    let mut h = Harness::new(1);
    h.add_with(asking("body"), log.clone());
    let connection = h.connect();
    h.sent(connection);
    h.received(connection, &response("417 Expectation Failed"));
    let outputs = h.wants();
    assert_eq!(outputs.len(), 2, "closed, and another one: {outputs:?}");
    let ringdove::engine::Output::Connect { connection, .. } = outputs[1] else { panic!() };
    h.engine.handle_connected(connection);
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    assert!(!sent.contains("Expect") && sent.ends_with("\r\n\r\nbody"), "{sent}");
    // only once
    h.received(connection, &response("417 Expectation Failed"));
    let report = h.succeeds().outcome.report;
    assert_eq!((report.status, report.retried.len()), (Some(417), 1));
    assert_eq!(report.retried[0].status, Some(417));
    assert_eq!((log.body(), log.seen.borrow().done), (b"no".to_vec(), 1));
    h.ends_empty();
}

#[test]
fn without_a_body_nothing_is_waited_for() {
    let mut h = Harness::new(1);
    h.add(asking(""));
    let connection = h.connect();
    h.sent(connection);
    h.received(connection, OK);
    h.succeeds();
    assert_eq!(h.engine.stats().idle, 1);
}

/// Gives bytes without end.
struct Endless;

impl BodySource for Endless {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        out.fill(b'x');
        SourceRead::Data(out.len())
    }
}

fn fill(h: &mut Harness, connection: ringdove::engine::ConnectionId) -> usize {
    let filled = h.engine.fill(connection, &mut [0; 1024]);
    h.engine.handle_sent(connection, filled);
    filled
}

/// What is refused is not sent to its end (RFC 9112, 9.5); what is being answered is.
#[test]
fn an_early_response_ends_the_upload_unless_it_is_a_good_one() {
    let table = [("200 OK", true), ("302 Found", false), ("403 No", false), ("500 Oh", false)];
    for (line, goes_on) in table {
        for length in [None, Some(1_000_000)] {
            let log = Log::default();
            let mut h = Harness::new(1);
            let body = Body::Stream { length, source: Box::new(Endless) };
            let request = Request::new(http::Method::POST, "http://10.0.0.1/").unwrap();
            h.add_with(request.body(body), log.clone());
            let connection = h.connect();
            assert!(fill(&mut h, connection) > 0 && fill(&mut h, connection) > 0);
            let head = format!("HTTP/1.1 {line}\r\nContent-Length: 4\r\n\r\nha");
            h.received(connection, head.as_bytes());
            assert_eq!(h.level(connection).send, goes_on, "{line}");
            assert_eq!(fill(&mut h, connection) > 0, goes_on, "{line}");
            h.received(connection, b"lf");
            h.wants_close(connection);
            h.succeeds();
            assert_eq!(log.body(), b"half");
            h.ends_empty();
        }
    }
}

/// The engine tells that there is nothing more to send.
#[test]
fn the_level_falls_with_the_refusal() {
    let mut h = Harness::new(1);
    let body = Body::Stream { length: None, source: Box::new(Endless) };
    let request = Request::new(http::Method::POST, "http://10.0.0.1/").unwrap();
    h.add(request.body(body));
    let connection = h.connect();
    fill(&mut h, connection);
    while h.engine.poll_output().is_some() {}
    h.received(connection, b"HTTP/1.1 400 No\r\nContent-Length: 4\r\n\r\n");
    assert!(std::iter::from_fn(|| h.engine.poll_output()).count() > 0);
    assert!(!h.level(connection).send);
}

/// Gives one piece, and then its trailers.
struct WithTrailers(Option<&'static [u8]>);

impl BodySource for WithTrailers {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        match self.0.take() {
            Some(piece) => {
                out[..piece.len()].copy_from_slice(piece);
                SourceRead::Data(piece.len())
            }
            None => SourceRead::EndWith(Trailers::new().field("X-Sum", "5").expect("a good field")),
        }
    }
}

#[test]
fn trailers_come_with_a_chunked_body() {
    let request = Request::new(http::Method::POST, "http://10.0.0.1/").unwrap();
    let request = request.announce_trailers(&["X-Sum", "X-Other"]).unwrap();
    let body = Body::Stream { length: None, source: Box::new(WithTrailers(Some(b"hello"))) };
    let mut h = Harness::new(1);
    h.add(request.body(body));
    let connection = h.connect();
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    assert!(sent.contains("\r\nTrailer: X-Sum, X-Other\r\n"), "{sent}");
    assert!(sent.ends_with("hello\r\n0\r\nX-Sum: 5\r\n\r\n"), "{sent}");
    h.received(connection, OK);
    h.succeeds();
    assert_eq!(h.engine.stats().idle, 1, "it is framed to its end");

    let request = Request::new(http::Method::POST, "http://10.0.0.1/").unwrap();
    let request = request.announce_trailers(&["X-Sum"]).unwrap().body("known");
    assert!(h.engine.add(request, Box::new(Log::default())).is_err());
    let request = Request::new(http::Method::POST, "http://10.0.0.1/").unwrap();
    assert!(request.announce_trailers(&["Content-Length"]).is_err());
}

/// Gives its bytes once.
struct Pipe(&'static [u8]);

impl BodySource for Pipe {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let given = self.0.len().min(out.len());
        let (now, rest) = self.0.split_at(given);
        out[..given].copy_from_slice(now);
        self.0 = rest;
        if given == 0 { SourceRead::End } else { SourceRead::Data(given) }
    }
}

/// What the server answers before it has been sent the body; where the body goes then.
#[test]
fn a_body_that_nobody_has_read_need_not_be_rewound() {
    let answers = [
        ("307 Elsewhere\r\nLocation: /b", "PUT /b "),
        ("308 Elsewhere\r\nLocation: http://10.0.0.2/b", "PUT /b "),
        ("401 Who\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", "PUT / "),
        ("503 Busy", "PUT / "),
        ("417 What", "PUT / "),
    ];
    for (answer, line) in answers {
        for (was_read, length) in [(false, Some(5)), (false, None), (true, Some(5)), (true, None)] {
            let mut request = asking(Body::Stream { length, source: Box::new(Pipe(b"bytes")) });
            let options = Options {
                record_hops: true,
                redirects: Some(RedirectPolicy::default()),
                auth: Some(AuthPolicy {
                    scheme: AuthScheme::Digest,
                    secret: Secret::login("user", "pass").ok(),
                    ..AuthPolicy::default()
                }),
                retry: Some(Arc::new(RetryPolicy::default())),
                timeouts: Timeouts { expect: Some(ms(200)), ..Timeouts::default() },
                ..Options::default()
            };
            request = request.options(Arc::new(options));
            let mut h = Harness::new(1);
            h.add(request);
            let first = h.connect();
            h.sent(first);
            if was_read {
                h.received(first, CONTINUE);
                assert!(!h.sent(first).is_empty());
            }
            h.received(first, &response(answer));
            if was_read {
                let told = h.engine.poll_message().expect("it is over").outcome;
                // what is only a status is delivered
                let is_status = answer.starts_with("503") || answer.starts_with("417");
                assert_eq!(told.result.is_ok(), is_status, "{answer}: {told:?}");
                continue;
            }
            h.at(3_000);
            let [.., Output::Connect { connection: second, .. }] = h.wants()[..] else {
                panic!("{answer}: another connection")
            };
            h.engine.handle_connected(second);
            let mut sent = h.sent(second);
            assert!(sent.starts_with(line.as_bytes()), "{answer}: {}", sent.escape_ascii());
            if !answer.starts_with("417") {
                h.received(second, CONTINUE);
                sent = h.sent(second);
            }
            let body: &[u8] = if length.is_some() { b"bytes" } else { b"5\r\nbytes\r\n0\r\n\r\n" };
            let sent = String::from_utf8_lossy(&sent).replace("\r\n0005\r\n", "\r\n5\r\n");
            let sent = sent.trim_start_matches('0');
            assert!(sent.ends_with(&*String::from_utf8_lossy(body)), "{answer}: {sent:?}");
            h.received(second, OK);
            h.succeeds();
        }
    }
}
