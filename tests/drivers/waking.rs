//! Waits that another thread ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::engine::BodySource;
use ringdove::protocol::SourceRead;
use ringdove::sys::ring;
use ringdove::{Body, Config, DecodePolicy, Driver, HttpVersions, Options, Request};

use crate::run::{Recorder, Run, on_every_driver};
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::{PATIENCE, h2};

on_every_driver! {
    a_wait_without_end_is_ended,
    wakes_are_heard_however_crowded_it_is,
    a_turn_that_has_told_does_not_wait,
    a_turn_that_has_asked_a_source_does_not_wait,
}

/// A wake that comes before the wait ends it too.
fn a_wait_without_end_is_ended(kind: Kind) {
    let mut run = Run::new(kind);
    let waker = run.driver.waker().expect("it has one");
    for before in [true, false, true, false] {
        let waker = waker.clone();
        let delay = if before { Duration::ZERO } else { Duration::from_millis(20) };
        let begin = Instant::now();
        let waking = thread::spawn(move || {
            thread::sleep(delay);
            waker.wake();
        });
        if before {
            waking.join().expect("it wakes");
            run.driver.turn(None).expect("the driver can go on");
        } else {
            // one wake may be heard in two turns
            while begin.elapsed() < delay {
                run.driver.turn(None).expect("the driver can go on");
            }
            waking.join().expect("it wakes");
        }
        assert!(begin.elapsed() < PATIENCE);
    }
}

/// The kernel ends the poll of the waker when the completion queue overflows.
fn wakes_are_heard_however_crowded_it_is(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("here")).start();
    let options = ring::Options { sq_entries: 8, cq_entries: 16, ..ring::Options::default() };
    let config = Config { max_connections: 100, max_per_origin: 100, ..Config::default() };
    let driver = Driver::with_ring(kind, config, &options).expect("asked before");
    let mut run = Run { driver, reads_files: false };
    let waker = run.driver.waker().expect("it has one");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                waker.wake();
                thread::yield_now();
            }
        });
        for _ in 0..10 {
            let transfers: Vec<_> = (0..100).map(|_| run.get(&server.url("/"))).collect();
            run.finish();
            transfers.iter().for_each(|transfer| transfer.assert_response(200, b"here"));
        }
        over.store(true, Ordering::Relaxed);
    });
    run.driver.turn(Some(Duration::ZERO)).expect("the driver can go on");
    let begin = Instant::now();
    waker.wake();
    run.driver.turn(Some(PATIENCE)).expect("the driver can go on");
    assert!(begin.elapsed() < PATIENCE / 2, "it was not heard");
}

/// What is delivered as a turn begins may be what is waited for: nothing else need ever happen. Plain, decoded, and on a stream.
fn a_turn_that_has_told_does_not_wait(kind: Kind) {
    let plain = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n";
    let members = [gzip(b"ab"), gzip(b"cd")].concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 999\r\n\r\n";
    let decoded = [head.as_bytes(), &members].concat();
    let plan = Plan::new().path("/plain", Script::new().send(plain).stall());
    let server = plan.path("/decoded", Script::new().send(decoded).stall()).start();
    let pieces = h2::Script::new().head(200, &[]).bytes("ab").bytes("cd").stall();
    let peer = h2::Setup::new(h2::Plan::new().path("/", pieces)).start();
    let decoding = Options { decode: Some(DecodePolicy::default()), ..Options::default() };
    let on_stream = Options { versions: HttpVersions::Http2, ..Options::default() };
    let mut run = Run::new(kind);
    for (url, options) in [
        (server.url("/plain"), Options::default()),
        (server.url("/decoded"), decoding),
        (peer.url("/"), on_stream),
    ] {
        let request = Request::get(&url).expect("a good URL").options(options.into());
        let transfer = run.add_recorded(request, Recorder::pausing_at(1));
        run.turn_until("the first piece", |_| transfer.body_len() == 2);
        // what came with it is there, and nothing follows
        run.turn_for(Duration::from_millis(30));
        run.driver.resume(transfer.id).expect("it runs");
        let begin = Instant::now();
        run.turn(PATIENCE);
        assert!(begin.elapsed() < PATIENCE / 2, "{url}: {:?}", begin.elapsed());
        assert_eq!(transfer.body_len(), 4, "{url}");
        run.driver.remove(transfer.id).expect("it runs");
        run.turn(Duration::ZERO);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // one stored block (RFC 1951, 3.2.4)
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let length = u16::try_from(bytes.len()).expect("it is short");
    member.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
    member.extend(bytes);
    let mut crc = !0_u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    member.extend((!crc).to_le_bytes());
    member.extend(u32::from(length).to_le_bytes());
    member
}

/// Has a piece, then nothing, and counts how often it was asked.
struct Piece(Arc<AtomicU32>);

impl BodySource for Piece {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => {
                out[0] = b'x';
                SourceRead::Data(1)
            }
            _ => SourceRead::Pending,
        }
    }
}

/// Whoever fills what a source reads from sees that there is room after the turn that has read from it.
fn a_turn_that_has_asked_a_source_does_not_wait(kind: Kind) {
    let server = Plan::new()
        .path("/", Script::new().ok("here"))
        .path("/up", Script::new().read_body().ok("never"))
        .start();
    let mut run = Run::new(kind);
    let first = run.get(&server.url("/"));
    run.finish();
    first.assert_response(200, b"here");
    let asked = Arc::new(AtomicU32::new(0));
    let body = Body::Stream { length: None, source: Box::new(Piece(asked.clone())) };
    let request = Request::new(http::Method::POST, &server.url("/up")).expect("a good URL");
    let upload = run.add(request.body(body));
    let begin = Instant::now();
    while asked.load(Ordering::Relaxed) < 2 {
        run.turn(PATIENCE);
    }
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    run.driver.remove(upload.id).expect("it runs");
}
