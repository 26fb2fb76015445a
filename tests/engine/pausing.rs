//! Pause and resume, by the application and by the handler.

use ringdove::Body;
use ringdove::engine::{BodySource, Flow, Request};
use ringdove::error::{Deadline, Phase};
use ringdove::http::SourceRead;

use crate::harness::{Harness, Log, get, ms, timeouts};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";

#[test]
fn a_pause_keeps_every_byte() {
    let log = Log::at_body(Flow::Pause);
    let mut h = Harness::new(1);
    let id = h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, HEAD);
    h.received(connection, b"abc");
    assert_eq!(log.body(), b"abc");
    assert!(!h.level(connection).recv);
    // received before the driver knew
    h.received(connection, b"de");
    h.received(connection, b"f");
    assert_eq!(log.body(), b"abc");
    h.engine.resume(id);
    assert_eq!(log.body(), b"abc");
    h.again();
    assert_eq!(log.body(), b"abcdef");
    h.succeeds();
    h.ends_empty();
}

#[test]
fn a_pause_after_a_resume_holds() {
    let log = Log::default();
    let mut h = Harness::new(1);
    let id = h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.engine.pause(id);
    h.engine.resume(id);
    h.engine.pause(id);
    h.again();
    assert!(!h.level(connection).recv);
    h.received(connection, HEAD);
    assert_eq!(log.seen.borrow().status, None);
    h.engine.resume(id);
    h.again();
    assert_eq!(log.seen.borrow().status, Some(200));
}

#[test]
fn the_end_of_the_connection_waits_for_the_resume() {
    let log = Log::default();
    let mut h = Harness::new(1);
    let id = h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\n\r\nabc");
    h.engine.pause(id);
    h.engine.handle_end(connection);
    assert_eq!(log.seen.borrow().done, 0);
    assert!(h.engine.poll_message().is_none());
    h.engine.resume(id);
    h.again();
    assert_eq!(h.succeeds().outcome.report.body_received, 3);
}

#[test]
fn a_pause_in_the_last_piece_delays_the_end() {
    let log = Log::at_body(Flow::Pause);
    let mut h = Harness::new(1);
    let id = h.add_with(get("/"), log.clone());
    let connection = h.ask();
    h.received(connection, HEAD);
    h.received(connection, b"abcdef");
    assert!(h.engine.poll_message().is_none());
    h.engine.resume(id);
    h.again();
    h.succeeds();
    assert_eq!(h.engine.stats().idle, 1);
}

#[test]
fn no_deadline_but_the_total_runs_while_paused() {
    let mut h = Harness::new(1);
    let options = timeouts(|t| {
        t.first_byte = Some(ms(100));
        t.idle = Some(ms(100));
        t.total = Some(ms(1_000));
    });
    let id = h.add(get("/").options(options));
    h.ask();
    h.engine.pause(id);
    h.times_out(2_000, Deadline::Total, Phase::FirstByte);
}

#[test]
fn the_wait_for_the_first_byte_begins_anew_after_a_pause() {
    let mut h = Harness::new(1);
    let id = h.add(get("/").options(timeouts(|t| t.first_byte = Some(ms(100)))));
    h.ask();
    h.engine.pause(id);
    h.at(5_000);
    h.engine.resume(id);
    h.again();
    h.times_out(5_100, Deadline::FirstByte, Phase::FirstByte);
}

struct Endless;

impl BodySource for Endless {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        out.fill(b'x');
        SourceRead::Data(out.len())
    }
}

#[test]
fn a_paused_transfer_sends_no_more_of_its_body() {
    let mut h = Harness::new(1);
    let body = Body::Stream { length: None, source: Box::new(Endless) };
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body(body);
    let id = h.add(request);
    h.engine.pause(id);
    let connection = h.connect();
    let sent = h.sent(connection);
    assert!(sent.ends_with(b"\r\n\r\n"), "the head and no more: {}", sent.escape_ascii());
    h.engine.resume(id);
    h.again();
    assert!(h.level(connection).send);
    let mut buffer = [0; 1024];
    assert!(h.engine.fill(connection, &mut buffer) > 1_000);
    h.engine.pause(id);
    assert!(!h.level(connection).send);
    assert_eq!(h.engine.fill(connection, &mut buffer), 0);
}
