//! Pause and resume, by the application and by the handler.

use std::sync::Arc;

use ringdove::engine::{BodySource, Flow, Paused, Request};
use ringdove::error::{Deadline, Phase};
use ringdove::protocol::SourceRead;
use ringdove::{Body, LowSpeed, Options};

use crate::harness::{Harness, Log, following, get, ms, timeouts};

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

fn upload() -> Request {
    let body = Body::Stream { length: None, source: Box::new(Endless) };
    Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body(body)
}

/// What the handler will not take holds back nothing of the request's body.
#[test]
fn a_paused_response_lets_the_body_go_on() {
    let log = Log::at_body(Flow::Pause);
    let mut h = Harness::new(1);
    let id = h.add_with(upload(), log.clone());
    let connection = h.connect();
    let mut buffer = [0; 1024];
    assert!(h.engine.fill(connection, &mut buffer) > 0);
    h.received(connection, HEAD);
    h.received(connection, b"abc");
    h.received(connection, b"de");
    assert_eq!(log.body(), b"abc");
    assert!(!h.level(connection).recv && h.level(connection).send);
    assert!(h.engine.fill(connection, &mut buffer) > 1_000);
    h.engine.resume(id);
    h.again();
    assert_eq!(log.body(), b"abcde");
}

/// A body that waits holds back nothing of the response, and no silence counts while it does.
#[test]
fn a_paused_body_lets_the_response_come() {
    let log = Log::default();
    let mut h = Harness::new(1);
    let id = h.add_with(upload().options(timeouts(|t| t.idle = Some(ms(100)))), log.clone());
    let connection = h.connect();
    let mut buffer = [0; 1024];
    assert!(h.engine.fill(connection, &mut buffer) > 0);
    h.engine.set_paused(id, Paused { receiving: false, sending: true });
    assert!(h.level(connection).recv && !h.level(connection).send);
    h.at(5_000);
    h.received(connection, HEAD);
    h.received(connection, b"abc");
    assert_eq!(log.body(), b"abc");
    // the other way round, in one step
    h.engine.set_paused(id, Paused { receiving: true, sending: false });
    h.again();
    assert!(!h.level(connection).recv && h.level(connection).send);
    h.received(connection, b"de");
    assert_eq!(log.body(), b"abc");
    h.engine.resume(id);
    h.again();
    assert_eq!(log.body(), b"abcde");
    h.times_out(5_100, Deadline::Idle, Phase::Receive);
}

fn slow(request: Request) -> Request {
    request.options(Arc::new(Options { max_rate: Some(1_000), ..Options::default() }))
}

/// What is paid for moves on, whatever is paused of the other direction.
#[test]
fn a_pace_goes_on_beside_a_pause() {
    let mut h = Harness::new(1);
    let id = h.add(slow(get("/")));
    let connection = h.ask();
    h.engine.set_paused(id, Paused { receiving: false, sending: true });
    h.at(2_000);
    h.received(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    h.received(connection, &[b'x'; 500]);
    assert!(!h.level(connection).recv);
    h.at(3_000);
    assert!(h.level(connection).recv);

    let mut h = Harness::new(1);
    h.add_with(slow(upload()), Log::at_head(Flow::Pause));
    let connection = h.connect();
    let mut buffer = [0; 1024];
    let filled = h.engine.fill(connection, &mut buffer);
    h.engine.handle_sent(connection, filled);
    h.at(3_000);
    h.received(connection, HEAD);
    let filled = h.engine.fill(connection, &mut buffer);
    h.engine.handle_sent(connection, filled);
    assert!(!h.level(connection).send);
    h.at(6_000);
    assert!(h.level(connection).send);
}

/// Who has nothing to send waits for the peer, whatever is paused of that.
#[test]
fn a_pause_of_nothing_stops_no_clock() {
    let mut h = Harness::new(1);
    let id = h.add(get("/").options(timeouts(|t| t.first_byte = Some(ms(100)))));
    h.ask();
    h.engine.set_paused(id, Paused { receiving: false, sending: true });
    h.again();
    h.times_out(1_100, Deadline::FirstByte, Phase::FirstByte);
}

/// A body that waits for leave does not wait for the response to be taken as well.
#[test]
fn a_body_is_sent_without_leave_while_the_response_is_paused() {
    let mut h = Harness::new(1);
    let request = upload().field("Expect", "100-continue").unwrap();
    let id = h.add(request.options(timeouts(|t| t.expect = Some(ms(100)))));
    let connection = h.ask();
    h.engine.set_paused(id, Paused { receiving: true, sending: false });
    h.again();
    assert!(!h.level(connection).send);
    h.at(1_200);
    assert!(h.level(connection).send);
}

/// What is left of a redirect is not waited for, whatever is paused of the request.
#[test]
fn a_redirect_goes_on_beside_a_pause() {
    let mut h = Harness::new(1);
    let id = h.add(get("/").options(following()));
    let connection = h.ask();
    h.engine.set_paused(id, Paused { receiving: false, sending: true });
    h.again();
    h.received(connection, b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(h.engine.stats().redirects, 0);
    h.at(3_000);
    assert_eq!(h.engine.stats().redirects, 1);
}

/// Gives a byte now and then.
struct Trickle(bool);

impl BodySource for Trickle {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        self.0 = !self.0;
        match self.0 {
            true => {
                out[0] = b'x';
                SourceRead::Data(1)
            }
            false => SourceRead::Pending,
        }
    }
}

/// A source that has nothing for long is no peer that is silent; when it has said what it has, the peer is waited for.
#[test]
fn a_silent_source_is_no_silent_peer() {
    let mut h = Harness::new(1);
    let body = Body::Stream { length: Some(2), source: Box::new(Trickle(false)) };
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body(body);
    let id = h.add(request.options(timeouts(|t| {
        t.idle = Some(ms(100));
        t.first_byte = Some(ms(100));
    })));
    let connection = h.connect();
    h.sent(connection);
    h.at(60_000);
    h.engine.resume(id);
    h.again();
    h.sent(connection);
    h.times_out(60_100, Deadline::FirstByte, Phase::FirstByte);
}

/// Nor is a peer slow that waits for what the source has not, and answers without it.
#[test]
fn who_waits_for_a_source_is_not_slow() {
    let mut h = Harness::new(1);
    let body = Body::Stream { length: Some(9), source: Box::new(Trickle(true)) };
    let low = LowSpeed { bytes_per_second: 1_000, over: ms(100) };
    let options = Options { low_speed: Some(low), ..Options::default() };
    let request = Request::new(http::Method::PUT, "http://10.0.0.1/").unwrap().body(body);
    h.add(request.options(Arc::new(options)));
    let connection = h.connect();
    h.sent(connection);
    // less than twice the time that is measured
    h.at(1_150);
    h.received(connection, b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n");
    h.at(1_170);
    h.received(connection, b"there");
    h.succeeds();
}
