//! Content codings: what is asked for, what is delivered, pauses within, and how it ends.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use ringdove::engine::{Flow, Options, Request};
use ringdove::error::{Cause, Phase};
use ringdove::protocol::{Coding, CodingFault};
use ringdove::{Config, DecodePolicy, Undecoded};

use crate::harness::{Harness, Log, get, ms};

fn decoding() -> Arc<Options> {
    with(DecodePolicy::default())
}

fn with(policy: DecodePolicy) -> Arc<Options> {
    Arc::new(Options { decode: Some(policy), ..Options::default() })
}

/// Of any ratio.
fn decoding_freely() -> Arc<Options> {
    with(DecodePolicy { max_ratio: None, ..DecodePolicy::default() })
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn response(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const GZIP: &str = "Content-Encoding: gzip";

#[test]
fn what_is_asked_for() {
    let table: [(&[(&str, &str)], &str); 4] = [
        (&[], "Accept-Encoding: gzip, deflate, br, zstd\r\n"),
        (&[("accept-encoding", "x")], "accept-encoding: x\r\n"),
        (&[("Accept-Encoding", "")], "Accept-Encoding: \r\n"),
        (&[("Range", "bytes=1-")], "Accept-Encoding: identity\r\n"),
    ];
    for (fields, want) in table {
        let mut h = Harness::new(1);
        let request =
            fields.iter().fold(get("/"), |r, (name, value)| r.field(name, value).unwrap());
        h.add(request.options(decoding()));
        let connection = h.connect();
        let sent = String::from_utf8(h.sent(connection)).unwrap();
        assert!(sent.contains(want), "{sent}");
        assert_eq!(sent.to_lowercase().matches("accept-encoding").count(), 1, "{sent}");
    }
    let mut h = Harness::new(1);
    h.add(get("/"));
    let connection = h.connect();
    assert!(!h.sent(connection).escape_ascii().to_string().contains("Accept-Encoding"));
}

#[test]
fn a_coded_body_is_delivered_decoded_and_both_sizes_are_told() {
    let body = vec![b'a'; 100_000];
    let coded = gzip(&body);
    for piece in [1, 7, usize::MAX] {
        let log = Log::default();
        let mut h = Harness::new(1);
        h.add_with(get("/").options(decoding()), log.clone());
        let connection = h.ask();
        let wire = response(GZIP, &coded);
        for piece in wire.chunks(piece.min(wire.len())) {
            h.received(connection, piece);
        }
        assert!(log.body() == body);
        let report = h.succeeds().outcome.report;
        assert_eq!(report.body_received, coded.len() as u64);
        assert_eq!(report.body_decoded, Some(100_000));
        assert_eq!(h.engine.stats().idle, 1, "the connection is kept");
    }
}

#[test]
fn what_is_not_coded_or_not_to_be_decoded_is_delivered_as_it_is() {
    let coded = gzip(b"body");
    for (options, coding) in [
        (decoding(), "Content-Encoding: identity"),
        (decoding(), "X-Content-Encoding: gzip"),
        (Arc::default(), GZIP),
    ] {
        let log = Log::default();
        let mut h = Harness::new(1);
        h.add_with(get("/").options(options), log.clone());
        let connection = h.ask();
        h.received(connection, &response(coding, &coded));
        assert_eq!(h.succeeds().outcome.report.body_decoded, None);
        assert!(log.body() == coded);
    }
}

#[test]
fn a_response_without_a_body_has_nothing_to_decode() {
    for (method, head) in [
        (http::Method::HEAD, "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100"),
        (http::Method::GET, "204 No Content\r\nContent-Encoding: br"),
        (http::Method::GET, "304 Not Modified\r\nContent-Encoding: unheard-of"),
        (http::Method::GET, "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0"),
    ] {
        let mut h = Harness::new(1);
        let request = Request::new(method, "http://10.0.0.1/").unwrap();
        h.add(request.options(decoding()));
        let connection = h.ask();
        h.received(connection, format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
        h.succeeds();
    }
}

#[test]
fn a_pause_within_a_decoded_piece_keeps_the_rest_coded() {
    let body: Vec<u8> = (0..1_000_000_u32).flat_map(|n| (n / 1000).to_le_bytes()).collect();
    let wire = response(GZIP, &gzip(&body));
    assert!(wire.len() < 40_000, "one receive brings all: {}", wire.len());
    for ends in [false, true] {
        let log = Log::at_body(Flow::Pause);
        let mut h = Harness::new(1);
        let id = h.add_with(get("/").options(decoding()), log.clone());
        let connection = h.ask();
        let wire = match ends {
            false => wire.clone(),
            true => {
                let head = format!("HTTP/1.1 200 OK\r\n{GZIP}\r\n\r\n");
                [head.as_bytes(), &gzip(&body)].concat()
            }
        };
        h.received(connection, &wire);
        if ends {
            h.engine.handle_end(connection);
        }
        let mut pauses = 1;
        while log.body().len() < body.len() {
            let before = log.body().len();
            assert!(before <= pauses * 64 * 1024, "no more than a buffer for each resume");
            assert!(!h.level(connection).recv);
            h.again();
            assert_eq!(log.body().len(), before, "a pause holds");
            log.seen.borrow_mut().at_body = Some(Flow::Pause);
            h.engine.resume(id);
            h.again();
            assert!(log.body().len() > before);
            pauses += 1;
        }
        assert!(h.engine.poll_message().is_none(), "paused at the last piece");
        h.engine.resume(id);
        h.again();
        h.succeeds();
        assert!(log.body() == body);
        h.ends_empty();
    }
}

#[test]
fn much_from_little_gives_others_their_turn() {
    let wire = response(GZIP, &gzip(&vec![0; 30_000_000]));
    let log = Log::default();
    let mut h = Harness::new(1);
    h.add_with(get("/").options(decoding_freely()), log.clone());
    let connection = h.ask();
    h.received(connection, &wire);
    let mut turns = 1;
    while log.seen.borrow().done == 0 {
        assert!(log.body().len() < turns * 5_000_000, "{turns}");
        assert!(h.engine.next_time().is_some_and(|at| at == ringdove::Time::ZERO), "at once");
        h.again();
        turns += 1;
    }
    assert_eq!(log.body().len(), 30_000_000);
    assert!(turns > 6, "{turns}");
    h.succeeds();
}

#[test]
fn the_end_of_the_connection_and_removal_while_a_turn_is_waited_for() {
    let wire = response(GZIP, &gzip(&vec![0; 30_000_000]));
    let log = Log::default();
    let mut h = Harness::new(1);
    let id = h.add_with(get("/").options(decoding_freely()), log.clone());
    let connection = h.ask();
    h.received(connection, &wire);
    h.engine.handle_end(connection);
    while log.seen.borrow().done == 0 {
        h.again();
    }
    assert_eq!(log.body().len(), 30_000_000);
    h.succeeds();
    h.ends_empty();
    assert!(h.engine.remove(id).is_none());
    let id = h.add_with(get("/").options(decoding_freely()), Log::default());
    let connection = h.ask();
    h.received(connection, &wire);
    assert!(h.engine.remove(id).is_some());
    h.again();
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn what_is_wrong_is_told_after_what_was_decoded() {
    let corrupt = |why| CodingFault::Corrupt { coding: Coding::Gzip, why };
    let body = b"all of the body";
    let mut spoilt = gzip(body);
    *spoilt.last_mut().unwrap() ^= 1;
    let cut = gzip(body).len() - 3;
    let table: [(&str, Vec<u8>, &[u8], CodingFault); 3] = [
        (GZIP, spoilt, body, corrupt("a wrong check")),
        (GZIP, gzip(body)[..cut].to_vec(), body, CodingFault::Truncated { coding: Coding::Gzip }),
        (GZIP, b"plain".to_vec(), b"", corrupt("no gzip header")),
    ];
    for (coding, coded, delivered, fault) in table {
        let log = Log::default();
        let mut h = Harness::new(1);
        h.add_with(get("/").options(decoding()), log.clone());
        let connection = h.ask();
        h.received(connection, &response(coding, &coded));
        let error = h.fails();
        assert_eq!((&error.cause, error.kind()), (&Cause::Coding(fault), "coding"));
        assert_eq!(error.phase, Phase::Receive);
        assert_eq!(log.body(), delivered);
    }
}

#[test]
fn caps_say_which_they_are() {
    let bomb = gzip(&gzip(&vec![0; 40_000_000]));
    let twice = "Content-Encoding: gzip, gzip";
    let policy =
        |max_decoded, max_ratio| DecodePolicy { max_decoded, max_ratio, ..DecodePolicy::default() };
    for (policy, fault) in [
        (policy(None, Some(100)), CodingFault::RatioTooLarge { limit: 100 }),
        (policy(Some(1000), None), CodingFault::TooLarge { limit: 1000 }),
    ] {
        let mut h = Harness::with(Config::default());
        h.add(get("/").options(with(policy)));
        let connection = h.ask();
        h.received(connection, &response(twice, &bomb));
        for _ in 0..20 {
            h.again();
        }
        let error = h.fails();
        assert_eq!((&error.cause, error.kind()), (&Cause::Coding(fault), "limit"));
    }
    let options = Options { max_body: Some(20), ..Options::clone(&decoding()) };
    let mut h = Harness::new(1);
    h.add(get("/").options(options.into()));
    let connection = h.ask();
    h.received(connection, &response(GZIP, &gzip(b"a body of some length")));
    assert_eq!(h.fails().cause, Cause::BodyTooLarge { limit: 20 }, "as it is sent");
}

#[test]
fn what_was_decoded_is_delivered_at_once_and_not_with_the_time_out() {
    let body = vec![b'z'; 1000];
    let coded = {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        // an empty frame after it, of which the last byte does not come
        let frame = |data: &[u8]| compress_to_vec(data, CompressionLevel::Uncompressed);
        [frame(&body), frame(b"")].concat()
    };
    let log = Log::default();
    let mut h = Harness::new(1);
    let mut options = Options::clone(&decoding());
    options.timeouts.idle = Some(ms(100));
    h.add_with(get("/").options(options.into()), log.clone());
    let connection = h.ask();
    let wire = response("Content-Encoding: zstd", &coded);
    h.received(connection, &wire[..wire.len() - 1]);
    assert_eq!(log.body(), body);
    h.at(5_000);
    assert!(matches!(h.fails().cause, Cause::Timeout { .. }));
    assert_eq!(log.body(), body);
}

/// What of a body is not decoded is delivered or left out, and said.
#[test]
fn an_unknown_coding_is_delivered_as_it_is_and_padding_is_left_out() {
    let coded = gzip(b"body");
    let padded = [&coded[..], &[0; 20]].concat();
    let unknown = |name: &str| Some(Undecoded::Unknown(name.into()));
    type Row<'a> = (&'a str, &'a [u8], &'a [u8], Option<Undecoded>);
    let table: [Row<'_>; 8] = [
        ("Content-Encoding: binary", b"body", b"body", unknown("binary")),
        ("Content-Encoding: UTF-8", b"body", b"body", unknown("UTF-8")),
        ("Content-Encoding: aws-chunked", b"body", b"body", unknown("aws-chunked")),
        ("Content-Encoding: gzip, aws-chunked", &coded, &coded, unknown("aws-chunked")),
        ("Content-Encoding: aws-chunked, gzip", &coded, &coded, unknown("aws-chunked")),
        ("Content-Encoding: ,", b"body", b"body", None),
        (GZIP, &padded, b"body", Some(Undecoded::Padding(Coding::Gzip))),
        (GZIP, &coded, b"body", None),
    ];
    for (coding, sent, delivered, undecoded) in table {
        for piece in [1, usize::MAX] {
            let log = Log::default();
            let mut h = Harness::new(1);
            h.add_with(get("/").options(decoding()), log.clone());
            let connection = h.ask();
            let wire = response(coding, sent);
            for piece in wire.chunks(piece.min(wire.len())) {
                h.received(connection, piece);
            }
            let report = h.succeeds().outcome.report;
            assert_eq!(
                (log.body(), report.undecoded.as_ref()),
                (delivered.to_vec(), undecoded.as_ref())
            );
            assert_eq!(report.body_decoded.is_some(), coding == GZIP, "{coding}");
        }
    }
}

/// What came before them is delivered first.
#[test]
fn bytes_after_the_end_fail_a_body_that_may_have_none() {
    let coded = gzip(b"body");
    let refusing = with(DecodePolicy { refuse_padding: true, ..DecodePolicy::default() });
    for (after, is_whole) in [(&b""[..], true), (b"0\r\n", false), (&[0; 20], false)] {
        for piece in [1, coded.len() + 5, usize::MAX] {
            let log = Log::default();
            let mut h = Harness::new(1);
            h.add_with(get("/").options(refusing.clone()), log.clone());
            let connection = h.ask();
            let wire = response(GZIP, &[&coded, after].concat());
            for piece in wire.chunks(piece.min(wire.len())) {
                h.received(connection, piece);
            }
            assert_eq!(log.body(), b"body");
            match h.message().outcome.result {
                Ok(_) => assert!(is_whole, "{after:?}"),
                Err(error) => {
                    let fault =
                        CodingFault::Corrupt { coding: Coding::Gzip, why: "bytes follow its end" };
                    assert!(
                        !is_whole && error.cause == Cause::Coding(fault),
                        "{after:?} {error:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_body_of_an_unknown_coding_can_be_paused() {
    let log = Log::at_body(Flow::Pause);
    let mut h = Harness::new(1);
    let id = h.add_with(get("/").options(decoding()), log.clone());
    let connection = h.ask();
    h.received(connection, &response("Content-Encoding: binary", b"body"));
    assert!(h.engine.poll_message().is_none() && log.body() == b"body");
    h.engine.resume(id);
    h.again();
    h.succeeds();
    assert_eq!(log.body(), b"body");
}

/// What many bodies decode in one batch is bounded, and all get their turns.
#[test]
fn a_crowd_that_decodes_much_leaves_time_for_others() {
    let wire = response(GZIP, &gzip(&vec![0; 3_000_000]));
    let mut h = Harness::new(100);
    let logs: Vec<_> = (0..100).map(|_| Log::default()).collect();
    let asked: Vec<_> = logs
        .iter()
        .map(|log| {
            h.add_with(get("/").options(decoding_freely()), log.clone());
            h.ask()
        })
        .collect();
    for connection in asked {
        h.received(connection, &wire);
    }
    let delivered = || logs.iter().map(|log| log.seen.borrow().body.len()).sum::<usize>();
    let mut before = delivered();
    while before < 300_000_000 {
        assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO), "at once");
        h.again();
        let now = delivered();
        assert!(now > before && now - before < 20_000_000, "{}", now - before);
        before = now;
    }
    for _ in 0..100 {
        h.succeeds();
    }
}

/// Members of which nothing comes are work as well.
#[test]
fn who_decodes_much_of_which_nothing_comes_leaves_time_for_others() {
    let members = gzip(b"").repeat(2000);
    let wire = response(GZIP, &[&members[..], &gzip(b"body")].concat());
    let mut h = Harness::new(100);
    let logs: Vec<_> = (0..20).map(|_| Log::default()).collect();
    let asked: Vec<_> = logs
        .iter()
        .map(|log| {
            h.add_with(get("/").options(decoding_freely()), log.clone());
            h.ask()
        })
        .collect();
    for connection in asked {
        h.received(connection, &wire);
    }
    let left = || logs.iter().filter(|log| log.body().is_empty()).count();
    assert_eq!(left(), 20, "a turn is over before");
    let mut batches = 0;
    while left() > 0 {
        assert_eq!(h.engine.next_time(), Some(ringdove::Time::ZERO), "at once");
        h.again();
        batches += 1;
    }
    assert!((5..100).contains(&batches), "{batches}");
    for log in &logs {
        assert_eq!(log.body(), b"body");
        h.succeeds();
    }
}
