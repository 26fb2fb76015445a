//! What connections hold of messages that have not come whole, and that are no transfer's: it counts, too.

use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Options, Output};
use ringdove::error::{Cause, Phase};
use ringdove::{DecodePolicy, HttpVersions, TlsPolicy};

use ringdove_test_support::h2::raw::frame;
use ringdove_test_support::sim_tls::unfinished_handshake;

use crate::decoding::gzip;
use crate::harness::{Harness, Log, get_url};

const MEMORY: usize = 400_000;

/// SETTINGS, and a block of 131,072 bytes in frames of which the last never comes (RFC 9113, 6.2, 6.10).
fn block() -> Vec<u8> {
    let fragment = [0x88; 16_384];
    let more = frame(9, 0, 1, &fragment).repeat(7);
    [frame(4, 0, 0, &[]), frame(1, 0, 1, &fragment), more].concat()
}

fn harness() -> Harness {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    Harness::with(Config {
        max_connections: 100,
        max_per_origin: 100,
        tls: Some(tls),
        memory: MEMORY,
        ..Config::default()
    })
}

/// Asks such a server, which says so much of what it has to say.
fn ask(h: &mut Harness, url: &str, says: &[u8]) -> ConnectionId {
    let versions = if url.starts_with("http:") { HttpVersions::Http2 } else { HttpVersions::Http1 };
    h.add(get_url(url).options(Arc::new(Options { versions, ..Options::default() })));
    let connection = h.connect();
    assert!(!h.sent(connection).is_empty());
    h.received(connection, says);
    connection
}

/// Has servers of one owner say something to a hundred requests, and says how many of these have failed for it.
fn crowd(scheme: &str, says: &[u8]) -> (Harness, usize) {
    let (mut h, mut failed) = (harness(), 0);
    for nth in 0..100 {
        ask(&mut h, &format!("{scheme}://[2001:db8::{nth}]/"), says);
        assert!(h.engine.stats().memory <= MEMORY, "{:?}", h.engine.stats());
        while let Some(message) = h.engine.poll_message() {
            let error = message.outcome.result.unwrap_err();
            assert_eq!(error.cause, Cause::NoMemory { limit: MEMORY });
            failed += 1;
        }
        h.wants();
    }
    (h, failed)
}

#[test]
fn handshakes_that_come_to_much_hold_no_more_than_all_may() {
    let (h, failed) = crowd("https", &unfinished_handshake());
    // 46 KiB of each count: what is beyond a record
    assert_eq!((failed, h.engine.stats().connections), (92, 8));
    let (h, failed) = crowd("https", &unfinished_handshake()[..18_000]);
    assert_eq!((failed, h.engine.stats().memory), (0, 0), "any may have a record");
}

#[test]
fn blocks_that_come_to_much_hold_no_more_than_all_may() {
    let (h, failed) = crowd("http", &block());
    assert_eq!((failed, h.engine.stats().connections), (97, 3));
    let (h, failed) = crowd("http", &block()[..16_000]);
    assert_eq!((failed, h.engine.stats().memory), (0, 0), "any may have a frame");
}

/// Who wants memory gets it of those, but for the share that they have at any time.
#[test]
fn a_body_gets_the_memory_of_handshakes() {
    let (mut h, _) = crowd("https", &unfinished_handshake());
    let other = ask(&mut h, "https://10.0.0.2/", &unfinished_handshake());
    let mut failed = h.wants().len();
    for nth in 0..4 {
        let decode = Some(DecodePolicy::default());
        let log = Log::default();
        let url = format!("http://10.0.1.{nth}/");
        let options = Arc::new(Options { decode, ..Options::default() });
        h.add_with(get_url(&url).options(options), log.clone());
        let connection = h.connect();
        h.sent(connection);
        let body = gzip(&[b'x'; 1000]);
        let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ";
        let head = format!("{head}{}\r\n\r\n", body.len() + 1);
        h.received(connection, &[head.as_bytes(), &body].concat());
        h.again();
        assert_eq!(log.body(), [b'x'; 1000], "{nth}");
        let failures = h.wants().into_iter().filter(|want| matches!(want, Output::Close { .. }));
        failed += failures.count();
        while let Some(message) = h.engine.poll_message() {
            assert_eq!(message.outcome.result.unwrap_err().phase, Phase::Tls);
        }
    }
    assert!((2..8).contains(&failed), "{failed}");
    assert!(h.engine.is_open(other), "whoever has most gives first");
}

/// A stream that waits for memory is sent what its window has room for, whatever is wanted: that counts.
#[test]
fn what_comes_on_a_stream_that_waits_counts() {
    let mut h = harness();
    let decode = Some(DecodePolicy { max_ratio: None, ..DecodePolicy::default() });
    let options = Arc::new(Options { decode, versions: HttpVersions::Http2, ..Options::default() });
    // `:status: 200`, `content-encoding: zstd` (RFC 7541, 6.1, 6.2.2), a frame of zstd with a window of 8 MiB
    let head = frame(1, 4, 1, b"\x88\x0f\x0b\x04zstd");
    let window = frame(0, 0, 1, &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x68]);
    let zeros = frame(0, 0, 1, &[2, 0, 16, 0]);
    let [first, second] = [1, 2].map(|host| {
        h.add(get_url(&format!("http://10.0.0.{host}/")).options(options.clone()));
        let connection = h.connect();
        h.sent(connection);
        h.received(connection, &[&frame(4, 0, 0, &[])[..], &head, &window].concat());
        connection
    });
    while h.engine.stats().memory < MEMORY {
        h.received(first, &zeros);
    }
    h.received(second, &zeros);
    let before = h.engine.stats().memory;
    for _ in 0..3 {
        h.received(second, &frame(0, 0, 1, &[0; 16_384]));
    }
    assert_eq!(h.engine.stats().memory, before + 3 * 16_384);
    assert!(h.engine.poll_message().is_none(), "there is a place to wait");
}
