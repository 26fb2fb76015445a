//! What TLS adds: a handshake with its own deadline, an end that is said, records in between.

use ringdove::engine::{BodySource, Config, ConnectionId, Flow, Output, Request};
use ringdove::error::{Cause, Deadline, Phase};
use ringdove::protocol::{HttpFault, SourceRead};
use ringdove::{Body, TlsPolicy};

use crate::harness::{Harness, Log, exchange, get_url, ms, timeouts};
use ringdove_test_support::sim_tls::TlsPeer;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";

fn harness() -> Harness {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    Harness::with(Config { max_connections: 1, tls: Some(tls), ..Config::default() })
}

fn say(h: &mut Harness, connection: ConnectionId, peer: &mut TlsPeer, plain: &[u8]) {
    peer.write(plain);
    let wire = peer.wire();
    h.received(connection, &wire);
}

/// A connection whose request is sent, and the peer that has it.
fn ask(h: &mut Harness) -> (ConnectionId, TlsPeer) {
    let connection = h.connect();
    let mut peer = TlsPeer::new();
    let said = exchange(h, connection, &mut peer);
    assert!(said.starts_with(b"GET / HTTP/1.1\r\n"), "{}", said.escape_ascii());
    (connection, peer)
}

#[test]
fn a_handshake_has_its_own_deadline() {
    let mut h = harness();
    h.add(get_url("https://10.0.0.1/").options(timeouts(|t| {
        t.connect = Some(ms(100));
        t.tls = Some(ms(100));
    })));
    h.at(1_090);
    let connection = h.connect();
    assert!(!h.sent(connection).is_empty());
    h.times_out(1_190, Deadline::Tls, Phase::Tls);
    h.ends_empty();
}

#[test]
fn a_kept_connection_serves_again() {
    let mut h = harness();
    h.add(get_url("https://10.0.0.1/"));
    let (connection, mut peer) = ask(&mut h);
    say(&mut h, connection, &mut peer, HEAD);
    say(&mut h, connection, &mut peer, b"abcdef");
    let report = h.succeeds().outcome.report;
    assert!(report.tls.is_some() && report.wire_received > 500, "{report:?}");
    h.add(get_url("https://10.0.0.1/"));
    assert!(exchange(&mut h, connection, &mut peer).starts_with(b"GET /"));
    say(&mut h, connection, &mut peer, &[HEAD, b"ghijkl"].concat());
    assert!(h.succeeds().outcome.report.reused);
    h.ends_empty();
}

#[test]
fn a_pause_in_the_last_piece_delays_the_end() {
    let log = Log::at_body(Flow::Pause);
    let mut h = harness();
    let id = h.add_with(get_url("https://10.0.0.1/"), log.clone());
    let (connection, mut peer) = ask(&mut h);
    say(&mut h, connection, &mut peer, &[HEAD, b"abcdef"].concat());
    assert!(h.engine.poll_message().is_none());
    h.engine.resume(id);
    h.again();
    h.succeeds();
    assert_eq!(h.engine.stats().idle, 1);
}

#[test]
fn a_pause_within_a_record_keeps_every_byte() {
    let log = Log::at_head(Flow::Pause);
    let mut h = harness();
    let id = h.add_with(get_url("https://10.0.0.1/"), log.clone());
    let (connection, mut peer) = ask(&mut h);
    say(&mut h, connection, &mut peer, b"HTTP/1.1 200 OK\r\n\r\nabc");
    say(&mut h, connection, &mut peer, b"def");
    peer.close();
    let wire = peer.wire();
    h.received(connection, &wire);
    h.engine.handle_end(connection);
    assert_eq!(log.body(), b"");
    assert!(h.engine.poll_message().is_none());
    h.engine.resume(id);
    h.again();
    assert_eq!(log.body(), b"abcdef");
    h.succeeds();
    h.ends_empty();
}

#[test]
fn a_body_that_the_close_delimits_is_whole_with_close_notify_alone() {
    for says_so in [true, false] {
        let mut h = harness();
        h.add(get_url("https://10.0.0.1/"));
        let (connection, mut peer) = ask(&mut h);
        say(&mut h, connection, &mut peer, b"HTTP/1.1 200 OK\r\n\r\nabc");
        if says_so {
            peer.close();
            let wire = peer.wire();
            h.received(connection, &wire);
            h.succeeds();
        } else {
            h.engine.handle_end(connection);
            let error = h.fails();
            let fault = HttpFault::CloseWithoutNotify { received: 3 };
            assert_eq!(error.cause, Cause::Http(fault));
        }
        h.ends_empty();
    }
}

#[test]
fn a_connection_that_is_closed_says_so() {
    let mut h = harness();
    let id = h.add(get_url("https://10.0.0.1/"));
    let (connection, mut peer) = ask(&mut h);
    h.wants();
    assert!(h.engine.remove(id).is_some());
    let [Output::Close { connection: closed, last_words }] = &h.wants()[..] else {
        panic!("it is closed")
    };
    assert_eq!(*closed, connection);
    assert_eq!(peer.read(last_words), b"");
    assert!(!last_words.is_empty());
}

/// Cut into single bytes, in both directions.
#[test]
fn bytes_one_by_one() {
    let mut h = harness();
    h.add(get_url("https://10.0.0.1/"));
    let connection = h.connect();
    let mut peer = TlsPeer::new();
    let mut said = Vec::new();
    while said.is_empty() {
        for byte in h.sent(connection) {
            said.extend_from_slice(&peer.read(&[byte]));
        }
        for byte in peer.wire() {
            h.received(connection, &[byte]);
        }
    }
    peer.write(HEAD);
    peer.write(b"abcdef");
    for byte in peer.wire() {
        h.received(connection, &[byte]);
    }
    assert_eq!(h.succeeds().outcome.report.body_received, 6);
    h.ends_empty();
}

/// The last flight of the handshake goes into the same buffer as the request, which has no body to
/// give. Nothing can follow what is lost.
#[test]
fn a_body_that_fails_leaves_no_last_words_out_of_order() {
    struct Failing;
    impl BodySource for Failing {
        fn read(&mut self, _: &mut [u8]) -> SourceRead {
            SourceRead::Failed("no".into())
        }
    }
    let mut h = harness();
    let body = Body::Stream { length: None, source: Box::new(Failing) };
    h.add(Request::new(http::Method::POST, "https://10.0.0.1/").unwrap().body(body));
    let connection = h.connect();
    let mut peer = TlsPeer::new();
    let said = exchange(&mut h, connection, &mut peer);
    assert_eq!(said, b"");
    assert!(matches!(h.fails().cause, Cause::Body(_)));
    h.wants_close(connection);
}
