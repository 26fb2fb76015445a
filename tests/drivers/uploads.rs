//! Request bodies: from memory, from a stream of known and of unknown length, with pauses.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::engine::{Body, BodySource};
use ringdove::error::Cause;
use ringdove::protocol::SourceRead;
use ringdove::{BlockingReader, Options, Request};

use crate::run::{Recorder, Run, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Hostile, Plan, Script};

on_every_driver! {
    from_memory,
    from_memory_over_tls,
    from_streams,
    a_source_that_has_nothing_yet,
    a_reader_that_blocks,
    a_source_that_fails,
    a_peer_that_reads_slowly,
    a_peer_that_takes_its_time_is_not_silent,
    a_peer_that_answers_before_the_end,
    paused_transfers_send_on,
}

pub(crate) fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 13 % 241) as u8).collect()
}

pub(crate) fn post(url: &str, body: impl Into<Body>) -> Request {
    Request::new(http::Method::POST, url).expect("a good URL").body(body)
}

/// Reads every request's whole body before it answers.
fn taking() -> Plan {
    Plan::new().path("/", Script::new().read_body().ok("taken"))
}

#[track_caller]
fn assert_taken(server: &Hostile, bodies: &[Vec<u8>]) {
    let mut seen: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    let mut bodies = bodies.to_vec();
    seen.sort();
    bodies.sort();
    assert!(seen == bodies, "what arrived is not what was sent");
}

const SIZES: [usize; 5] = [0, 1, 16_384, 16_385, 1_000_000];

pub(crate) fn from_memory(kind: Kind) {
    let server = taking().start();
    send_all(Run::new(kind), &server);
}

pub(crate) fn from_memory_over_tls(kind: Kind) {
    let authority = Authority::new();
    let server = taking().tls(authority.server().server_config()).start();
    send_all(Run::trusting(kind, &authority), &server);
}

fn send_all(mut run: Run, server: &Hostile) {
    let bodies = SIZES.map(bytes);
    let transfers = bodies.clone().map(|body| run.add(post(&server.url("/"), body)));
    run.finish();
    for (transfer, size) in transfers.iter().zip(SIZES) {
        transfer.assert_response(200, b"taken");
        assert!(transfer.outcome().report.wire_sent > size as u64);
    }
    assert_taken(server, &bodies);
}

/// Gives its bytes piece by piece, and between two pieces nothing until `ready` is set.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
    ready: Option<Arc<AtomicBool>>,
}

impl Pieces {
    fn of(bytes: Vec<u8>, piece: usize) -> Pieces {
        Pieces { bytes, at: 0, piece, ready: None }
    }
}

impl BodySource for Pieces {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        if self.at == self.bytes.len() {
            return SourceRead::End;
        }
        if self.ready.as_ref().is_some_and(|ready| !ready.swap(false, Ordering::Relaxed)) {
            return SourceRead::Pending;
        }
        let n = self.piece.min(out.len()).min(self.bytes.len() - self.at);
        out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        SourceRead::Data(n)
    }
}

fn stream(length: Option<u64>, source: impl BodySource + 'static) -> Body {
    Body::Stream { length, source: Box::new(source) }
}

pub(crate) fn from_streams(kind: Kind) {
    let server = taking().start();
    let mut run = Run::new(kind);
    let mut bodies = Vec::new();
    let mut transfers = Vec::new();
    for size in SIZES {
        for known in [true, false] {
            let source = Pieces::of(bytes(size), 5000);
            let body = stream(known.then_some(size as u64), source);
            transfers.push(run.add(post(&server.url("/"), body)));
            bodies.push(bytes(size));
        }
    }
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"taken"));
    assert_taken(&server, &bodies);
    let chunked =
        server.requests().iter().filter(|r| r.field("transfer-encoding").is_some()).count();
    assert_eq!(chunked, SIZES.len(), "unknown lengths are sent chunked");
}

fn a_source_that_has_nothing_yet(kind: Kind) {
    let server = taking().start();
    let mut run = Run::new(kind);
    let ready = Arc::new(AtomicBool::new(false));
    let source = Pieces { ready: Some(ready.clone()), ..Pieces::of(bytes(40), 10) };
    let transfer = run.add(post(&server.url("/"), stream(None, source)));
    for sent in 0..4 {
        run.turn_until("what was ready has arrived", |_| {
            server.requests().first().is_some_and(|request| request.body.len() == sent * 10)
        });
        run.turn_for(Duration::from_millis(20));
        assert_eq!(server.requests()[0].body.len(), sent * 10, "it waits for the source");
        ready.store(true, Ordering::Relaxed);
        run.driver.resume(transfer.id).expect("it runs");
    }
    run.finish();
    transfer.assert_response(200, b"taken");
    assert_taken(&server, &[bytes(40)]);
}

/// What a pipe brings is sent as it comes, and nobody else waits while that has nothing.
fn a_reader_that_blocks(kind: Kind) {
    let server = taking().start();
    let mut run = Run::new(kind);
    let (pipe, mut end) = std::io::pipe().expect("a pipe");
    let waker = run.driver.waker().expect("it can be woken");
    let (reader, more) = BlockingReader::start(pipe, move || waker.wake()).expect("a thread");
    let resume = |run: &mut Run| {
        if let Some(transfer) = more.take() {
            let _ = run.driver.resume(transfer);
        }
    };
    let piped = run.add(post(&server.url("/"), stream(None, reader)));
    for sent in 1..=3 {
        end.write_all(&bytes(10_000)).expect("it is read");
        run.turn_until("what was written has arrived", |run| {
            resume(run);
            server.requests().first().is_some_and(|request| request.body.len() == sent * 10_000)
        });
        let beside = run.add(post(&server.url("/"), "beside"));
        run.turn_until("another one is over", |_| beside.is_done());
        assert!(!piped.is_done());
    }
    drop(end);
    run.turn_until("it is over", |run| {
        resume(run);
        piped.is_done()
    });
    piped.assert_response(200, b"taken");
    assert_eq!(server.requests()[0].body, bytes(10_000).repeat(3));
}

struct FailsAtOnce;

impl BodySource for FailsAtOnce {
    fn read(&mut self, _: &mut [u8]) -> SourceRead {
        SourceRead::Failed("the disk is gone".to_owned())
    }
}

fn a_source_that_fails(kind: Kind) {
    let server = taking().start();
    let mut run = Run::new(kind);
    let failed = run.add(post(&server.url("/"), stream(None, FailsAtOnce)));
    let fine = run.add(post(&server.url("/"), "fine"));
    // announces more than it has
    let short = run.add(post(&server.url("/"), stream(Some(10), Pieces::of(bytes(4), 4))));
    run.finish();
    for transfer in [failed, short] {
        assert!(matches!(transfer.error().cause, Cause::Body(_)), "{:?}", transfer.error());
    }
    fine.assert_response(200, b"taken");
}

/// The send blocks, and goes on when the socket takes bytes again.
pub(crate) fn a_peer_that_reads_slowly(kind: Kind) {
    let late = Script::new().read_head().wait(Duration::from_millis(100)).read_body().ok("taken");
    let server = Plan::new().recv_buffer(4096).connection(late).start();
    let mut run = Run::new(kind);
    let transfer = run.add(post(&server.url("/"), bytes(8_000_000)));
    run.finish();
    transfer.assert_response(200, b"taken");
    let body = server.seen().into_iter().map(|connection| connection.received_len).sum::<u64>();
    assert!(body > 8_000_000, "{body}");
}

/// A refusal is delivered although the body was not taken (RFC 9112, 9.6).
pub(crate) fn a_peer_that_answers_before_the_end(kind: Kind) {
    let refuse =
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    let script = Script::new().read_head().send(refuse).half_close().stall();
    let server = Plan::new().recv_buffer(4096).connection(script).start();
    let mut run = Run::new(kind);
    let transfer = run.add(post(&server.url("/"), bytes(4_000_000)));
    run.finish();
    transfer.assert_response(413, b"no");
    run.turn_until("the connection is closed", |_| server.seen()[0].end.is_some());
}

/// A pause stops what is delivered; bytes of a body in memory go out regardless.
fn paused_transfers_send_on(kind: Kind) {
    let server = taking().start();
    let mut run = Run::new(kind);
    let request = post(&server.url("/"), bytes(100_000));
    let transfer = run.add_recorded(request, Recorder::pausing_at(0));
    run.turn_until("the head has come", |_| !transfer.told().is_empty());
    run.turn_for(Duration::from_millis(20));
    assert!(!transfer.is_done());
    assert_taken(&server, &[bytes(100_000)]);
    run.driver.resume(transfer.id).expect("it runs");
    run.finish();
    transfer.assert_response(200, b"taken");
}

/// All of the body is in the kernel soon, or as much as it takes; the peer takes far longer than any limit for it.
fn a_peer_that_takes_its_time_is_not_silent(kind: Kind) {
    const SIZE: usize = 1_000_000;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("it has one"));
    let peer = std::thread::spawn(move || {
        let mut peer = listener.accept().expect("a connection").0;
        let (mut left, mut piece) = (SIZE, vec![0; 40_000]);
        while left > 0 {
            let taken = peer.read(&mut piece).expect("there is more");
            left = left.saturating_sub(taken);
            std::thread::sleep(Duration::from_millis(60));
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ntaken")
            .expect("it is taken");
        _ = peer.read_to_end(&mut Vec::new());
    });
    let mut run = Run::new(kind);
    let mut options = Options::default();
    let limit = Some(Duration::from_millis(800));
    (options.timeouts.first_byte, options.timeouts.idle) = (limit, limit);
    let transfer = run.add(post(&url, bytes(SIZE)).options(Arc::new(options)));
    run.finish();
    transfer.assert_response(200, b"taken");
    assert!(transfer.took() > Duration::from_millis(1400), "{:?}", transfer.took());
    drop(run);
    peer.join().expect("the peer is content");
}
