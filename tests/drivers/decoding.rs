//! Coded bodies: bombs, pauses within what one receive brought, and ends of every kind.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ringdove::driver::Kind;
use ringdove::error::Cause;
use ringdove::protocol::{Coding, CodingFault};
use ringdove::{DecodePolicy, Options, Request};

use crate::run::{Recorder, Run, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Plan, Script};

on_every_driver! {
    every_framing_plain_and_over_tls,
    pauses_within_one_receive,
    a_bomb_meets_its_cap_while_others_go_on,
    a_cut_is_told_after_what_was_decoded,
    what_a_server_flushes_comes_before_it_goes_on,
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn coded(framing: Framing, body: &[u8]) -> Script {
    Script::new().respond("200 OK\r\nContent-Encoding: gzip", framing, gzip(body))
}

fn decoding(url: &str, policy: DecodePolicy) -> Request {
    let options = Options { decode: Some(policy), ..Options::default() };
    Request::get(url).expect("a good URL").options(Arc::new(options))
}

fn text() -> Vec<u8> {
    (0..60_000).flat_map(|n| format!("{n} and so on\n").into_bytes()).collect()
}

fn every_framing_plain_and_over_tls(kind: Kind) {
    let authority = Authority::new();
    let body = text();
    let plan = || {
        Plan::new()
            .path("/length", coded(Framing::ContentLength, &body))
            .path("/chunked", coded(Framing::Chunked(700), &body))
            .path("/close", coded(Framing::UntilClose, &body).close())
    };
    let (plain, tls) = (plan().start(), plan().tls(authority.server().server_config()).start());
    let mut run = Run::trusting(kind, &authority);
    for server in [&plain, &tls] {
        for path in ["/length", "/chunked", "/close"] {
            let transfer = run.add(decoding(&server.url(path), DecodePolicy::default()));
            run.finish();
            transfer.assert_response(200, &body);
            let report = transfer.outcome().report;
            assert_eq!(report.body_decoded, Some(body.len() as u64));
            assert!(report.body_received < body.len() as u64 / 3);
        }
    }
}

fn pauses_within_one_receive(kind: Kind) {
    let body = vec![b'p'; 1_000_000];
    let server = Plan::new()
        .path("/length", coded(Framing::ContentLength, &body))
        .path("/close", coded(Framing::UntilClose, &body).close())
        .start();
    let mut run = Run::new(kind);
    for path in ["/length", "/close"] {
        let request = decoding(&server.url(path), DecodePolicy::default());
        let transfer = run.add_recorded(request, Recorder::pausing_always());
        let mut resumes = 0;
        while !transfer.is_done() {
            let before = transfer.body_len();
            run.turn_for(std::time::Duration::from_millis(5));
            assert!(transfer.body_len() <= before + 64 * 1024, "a buffer for each resume");
            if !transfer.is_done() {
                run.driver.resume(transfer.id).expect("it runs");
                resumes += 1;
            }
            assert!(resumes < 10_000, "it gets on");
        }
        transfer.assert_response(200, &body);
        assert!(resumes > 15, "{resumes}");
    }
}

fn a_bomb_meets_its_cap_while_others_go_on(kind: Kind) {
    let body = vec![0; 200_000_000];
    let server = Plan::new()
        .path("/bomb", coded(Framing::ContentLength, &body))
        .path("/ok", coded(Framing::ContentLength, b"fine"))
        .start();
    let mut run = Run::new(kind);
    let bombs: Vec<_> = [
        (
            DecodePolicy {
                max_decoded: Some(50_000_000),
                max_ratio: None,
                ..DecodePolicy::default()
            },
            CodingFault::TooLarge { limit: 50_000_000 },
        ),
        (
            DecodePolicy { max_ratio: Some(900), ..DecodePolicy::default() },
            CodingFault::RatioTooLarge { limit: 900 },
        ),
    ]
    .into_iter()
    .map(|(policy, fault)| (run.add(decoding(&server.url("/bomb"), policy)), fault))
    .collect();
    let fine = run.add(decoding(&server.url("/ok"), DecodePolicy::default()));
    run.finish();
    fine.assert_response(200, b"fine");
    for (bomb, fault) in bombs {
        assert_eq!(bomb.error().cause, Cause::Coding(fault));
    }
}

fn a_cut_is_told_after_what_was_decoded(kind: Kind) {
    let body = text();
    let whole = gzip(&body);
    let head = "200 OK\r\nContent-Encoding: gzip";
    let cut = |framing| Script::new().respond(head, framing, &whole[..whole.len() - 1]);
    let server = Plan::new()
        .path("/length", cut(Framing::ContentLength))
        .path("/close", cut(Framing::UntilClose).close())
        .start();
    let mut run = Run::new(kind);
    for path in ["/length", "/close"] {
        let transfer = run.add(decoding(&server.url(path), DecodePolicy::default()));
        run.finish();
        let fault = CodingFault::Truncated { coding: Coding::Gzip };
        assert_eq!(transfer.error().cause, Cause::Coding(fault));
        assert!(transfer.record().body == body);
    }
}

/// The body never ends: a decoder that waits for what comes after gives nothing out.
fn what_a_server_flushes_comes_before_it_goes_on(kind: Kind) {
    let parts: Vec<_> =
        (0..4).map(|n| format!("event: {n}\n").repeat(1 + 3 * n).into_bytes()).collect();
    let gzip = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let mut flush = |part: &Vec<u8>| {
            encoder.write_all(part).unwrap();
            encoder.flush().unwrap();
            std::mem::take(encoder.get_mut())
        };
        parts.iter().map(&mut flush).collect::<Vec<_>>()
    };
    let br = {
        let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 18);
        let mut flush = |part: &Vec<u8>| {
            encoder.write_all(part).unwrap();
            encoder.flush().unwrap();
            encoder.get_ref().clone()
        };
        let so_far: Vec<_> = parts.iter().map(&mut flush).collect();
        let ends: Vec<_> = so_far.iter().map(Vec::len).collect();
        let begins = [&[0], &ends[..3]].concat();
        begins.iter().zip(&ends).map(|(&from, &to)| so_far[3][from..to].to_vec()).collect()
    };
    // a frame with a window of 8 MiB (RFC 8878), and in it blocks as they are, none of them the last
    let zstd = {
        let block =
            |part: &Vec<u8>| [&((part.len() as u32) << 3).to_le_bytes()[..3], part].concat();
        let mut blocks: Vec<_> = parts.iter().map(block).collect();
        blocks[0].splice(0..0, [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3]);
        blocks
    };
    for (coding, coded) in [("gzip", gzip), ("br", br), ("zstd", zstd)] {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: 99999\r\n\r\n"
        );
        let mut script = Script::new().read_head().send(head);
        for part in &coded {
            script = script.send(part).wait(Duration::from_millis(30));
        }
        let server = Plan::new().connection(script.stall()).start();
        let mut run = Run::new(kind);
        let transfer = run.add(decoding(&server.url("/"), DecodePolicy::default()));
        let whole = parts.concat();
        run.turn_until("all that was flushed comes", |_| transfer.body_len() >= whole.len());
        assert!(transfer.record().body == whole, "{coding}");
        run.driver.remove(transfer.id).expect("it runs");
    }
}
