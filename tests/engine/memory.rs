//! The memory that peers make all transfers together hold: who waits for some, for how long, and who gives it up.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use ringdove::engine::{ConnectionId, Options, Timeouts};
use ringdove::error::{Cause, Deadline, Phase};
use ringdove::protocol::CodingFault;
use ringdove::{Config, DecodePolicy};

use crate::harness::{Harness, Log, get, ms, timeouts};

const MEGA: usize = 1024 * 1024;

/// What a block of zstd decodes to at most.
const BLOCK: usize = 128 * 1024;

/// The header of a frame with a window of 8 MiB, and of one with 128 KiB (RFC 8878, 3.1.1.1).
const WIDE: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x68];
const NARROW: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];

/// 128 KiB of one byte.
const ZEROS: [u8; 4] = [2, 0, 16, 0];
const LAST_ZEROS: [u8; 4] = [3, 0, 16, 0];

/// Decodes whatever the ratio, with these deadlines.
fn decoding(set: impl FnOnce(&mut Timeouts)) -> Arc<Options> {
    let decode = Some(DecodePolicy { max_ratio: None, ..DecodePolicy::default() });
    Arc::new(Options { decode, ..Options::clone(&timeouts(set)) })
}

fn with_memory(memory: usize) -> Harness {
    Harness::with(Config { memory, max_connections: 10, max_per_origin: 10, ..Config::default() })
}

fn head(coding: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n")
        .into_bytes()
}

fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

const END: &[u8] = b"0\r\n\r\n";

/// A whole response of a body coded with gzip.
fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    [&head("gzip")[..], &chunk(&encoder.finish().unwrap()), END].concat()
}

/// Has a connection's transfer decode so many blocks.
fn decodes(h: &mut Harness, connection: ConnectionId, frame: &[u8], blocks: usize) {
    h.received(connection, &head("zstd"));
    h.received(connection, &chunk(frame));
    for _ in 0..blocks {
        h.received(connection, &chunk(&ZEROS));
    }
}

/// Has a transfer hold what there is room for.
fn fills(h: &mut Harness) -> ConnectionId {
    h.add(get("/full").options(decoding(|_| {})));
    let full = h.ask();
    decodes(h, full, &WIDE, 0);
    while h.engine.stats().memory < MEGA {
        assert!(h.level(full).recv);
        h.received(full, &chunk(&ZEROS));
    }
    full
}

fn ends(h: &mut Harness, connection: ConnectionId) {
    h.received(connection, &chunk(&LAST_ZEROS));
    h.received(connection, END);
}

#[test]
fn a_body_waits_for_memory_and_is_not_blamed_for_it() {
    let mut h = with_memory(MEGA);
    let full = fills(&mut h);
    let log = Log::default();
    let options = decoding(|timeouts| timeouts.idle = Some(ms(500)));
    h.add_with(get("/waits").options(options), log.clone());
    let waiting = h.ask();
    h.received(waiting, &gzipped(b"body"));
    assert!(!h.level(waiting).recv && log.body().is_empty());
    assert_eq!(h.engine.stats().memory_waits, 1);
    h.at(5_000);
    assert!(h.engine.poll_message().is_none(), "it was not silent, but not heard");
    // what is not decoded waits for nothing
    h.add(get("/plain").options(decoding(|_| {})));
    let plain = h.ask();
    h.received(plain, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    h.succeeds();
    ends(&mut h, full);
    // its memory went with the end of its body, or at once
    while log.body().is_empty() {
        assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO), "at once");
        h.again();
    }
    assert_eq!(log.body(), b"body");
    h.succeeds();
    h.succeeds();
    assert_eq!(h.engine.stats().memory, 0);
    h.ends_empty();
}

#[test]
fn who_all_wait_go_on_one_after_the_other() {
    let mut h = with_memory(600 * 1024);
    let mut left = Vec::new();
    for _ in 0..3 {
        h.add(get("/").options(decoding(|_| {})));
        let connection = h.ask();
        decodes(&mut h, connection, &WIDE, 0);
        left.push((connection, 20));
    }
    let (mut most, mut rounds) = (0, 0);
    while !left.is_empty() {
        for (connection, blocks) in &mut left {
            if !h.level(*connection).recv {
                continue;
            }
            match *blocks {
                1 => ends(&mut h, *connection),
                _ => h.received(*connection, &chunk(&ZEROS)),
            }
            *blocks -= 1;
        }
        left.retain(|&(_, blocks)| blocks > 0);
        h.again();
        most = most.max(h.engine.stats().memory);
        rounds += 1;
        assert!(rounds < 200, "{left:?}: {:?}", h.engine.stats());
    }
    for _ in 0..3 {
        let report = h.succeeds().outcome.report;
        assert_eq!(report.body_decoded, Some(20 * BLOCK as u64));
    }
    assert!(h.engine.stats().memory_waits >= 2, "{:?}", h.engine.stats());
    assert!(most < 600 * 1024 + 20 * BLOCK + 100_000, "one beyond the limit: {most}");
    h.ends_empty();
}

#[test]
fn a_wait_for_memory_has_a_deadline() {
    let mut h = with_memory(MEGA);
    fills(&mut h);
    h.add(get("/waits").options(decoding(|timeouts| timeouts.memory = Some(ms(3_000)))));
    let waiting = h.ask();
    h.received(waiting, &gzipped(b"body"));
    h.times_out(4_000, Deadline::Memory, Phase::Receive);
}

/// But a body that goes on keeps what it holds, and so does who holds little.
#[test]
fn who_makes_no_use_of_memory_gives_it_up() {
    let mut h = with_memory(MEGA);
    h.add(get("/busy").options(decoding(|_| {})));
    let busy = h.ask();
    decodes(&mut h, busy, &NARROW, 4);
    h.add(get("/small").options(decoding(|_| {})));
    let small = h.ask();
    let whole = gzipped(&[b'x'; 100]);
    h.received(small, &whole[..whole.len() - 20]);
    let full = fills(&mut h);
    let log = Log::default();
    h.add_with(get("/waits").options(decoding(|_| {})), log.clone());
    let waiting = h.ask();
    h.received(waiting, &gzipped(b"body"));
    for at in 1..=10 {
        assert!(h.engine.poll_message().is_none() && log.body().is_empty(), "{at}");
        h.received(busy, &chunk(&ZEROS));
        h.at(1_000 + at * 1_000 + 1);
        h.again();
    }
    h.at(12_010);
    let error = h.fails();
    assert!(matches!(error.cause, Cause::Memory { held } if held > MEGA / 3), "{error:?}");
    assert_eq!((error.kind(), error.phase), ("limit", Phase::Receive));
    h.again();
    assert_eq!(log.body(), b"body");
    h.succeeds();
    assert!(!h.engine.is_open(full) && h.engine.is_open(busy) && h.engine.is_open(small));
    ends(&mut h, busy);
    h.received(small, &whole[whole.len() - 20..]);
    h.succeeds();
    h.succeeds();
    h.wants();
    h.ends_empty();
}

#[test]
fn who_waits_for_memory_can_be_removed() {
    let mut h = with_memory(MEGA);
    let full = fills(&mut h);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let id = h.add(get("/waits").options(decoding(|_| {})));
            let connection = h.ask();
            h.received(connection, &gzipped(b"body"));
            assert!(!h.level(connection).recv);
            id
        })
        .collect();
    assert!(h.engine.remove(waiting[0]).is_some());
    // a resumption is no call
    h.engine.resume(waiting[1]);
    h.again();
    assert!(h.engine.poll_message().is_none());
    ends(&mut h, full);
    for _ in 0..5 {
        h.again();
    }
    for _ in 0..3 {
        h.succeeds();
    }
    h.wants();
    h.ends_empty();
}

#[test]
fn heads_wait_for_memory() {
    let mut h = with_memory(30_000);
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: {}", "x".repeat(20_000));
    let [first, second] = [(); 2].map(|()| {
        h.add(get("/"));
        let connection = h.ask();
        h.received(connection, long.as_bytes());
        connection
    });
    assert!(h.level(first).recv && !h.level(second).recv);
    h.received(first, b"\r\n\r\nok");
    h.succeeds();
    h.again();
    assert!(h.level(second).recv);
    h.received(second, b"\r\n\r\nok");
    h.succeeds();
    h.ends_empty();
}

#[test]
fn bombs_hold_nothing_once_they_are_found() {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 24);
    encoder.write_all(&vec![0; 15 * MEGA]).unwrap();
    let brotli = encoder.into_inner();
    let zstd = [&WIDE[..], &ZEROS.repeat(64)].concat();
    for (coding, bomb) in [("br", brotli), ("zstd", zstd)] {
        assert!(bomb.len() < 300, "{coding}: {}", bomb.len());
        let mut h = with_memory(MEGA);
        let options = Options { decode: Some(DecodePolicy::default()), ..Options::default() };
        h.add(get("/").options(Arc::new(options)));
        let connection = h.ask();
        h.received(connection, &[&head(coding)[..], &chunk(&bomb)].concat());
        // in turns
        for _ in 0..5 {
            h.again();
        }
        let cause = h.fails().cause;
        assert!(matches!(cause, Cause::Coding(CodingFault::RatioTooLarge { .. })), "{cause:?}");
        assert_eq!(h.engine.stats().memory, 0);
    }
}

#[test]
fn who_finds_no_place_to_wait_fails() {
    let mut h = with_memory(100_000);
    h.add(get("/full").options(decoding(|_| {})));
    let full = h.ask();
    decodes(&mut h, full, &WIDE, 1);
    let coded: Vec<u8> =
        (0..50_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let wire = gzipped(&coded[..40_000]);
    let mut fails = 0;
    for _ in 0..6 {
        h.add(get("/waits").options(decoding(|_| {})));
        let connection = h.ask();
        h.received(connection, &wire);
        if let Some(message) = h.engine.poll_message() {
            let error = message.outcome.result.unwrap_err();
            assert_eq!(
                (&error.cause, error.kind()),
                (&Cause::NoMemory { limit: 100_000 }, "limit")
            );
            h.wants();
            fails += 1;
        }
        assert!(h.engine.stats().memory < 500_000, "{:?}", h.engine.stats());
    }
    assert!((1..6).contains(&fails), "{fails}");
}
