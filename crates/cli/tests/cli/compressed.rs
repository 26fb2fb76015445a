//! `--compressed`, `--raw` and the sizes that go with them.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_nginx_compresses_is_decoded_on_every_driver() {
    let nginx = Nginx::start(NginxConfig {
        server_directives: "gzip on; gzip_types *;".to_owned(),
        ..NginxConfig::default()
    });
    let body: String = (0..50_000).map(|n| format!("{n} and so on\n")).collect();
    fs::write(nginx.docroot().join("big.txt"), &body).unwrap();
    let url = nginx.url("/big.txt");
    for driver in drivers() {
        let args = ["--driver", driver, &url];
        assert!(Ringdove::fetch(args).run().exits(0).text() == body);
        assert!(Ringdove::fetch(args).args(["--compressed"]).run().exits(0).text() == body);
        let jsonl = ["--compressed", "--jsonl"];
        let line = Ringdove::fetch(args).args(jsonl).run().exits(0).text();
        let record: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["decoded_bytes"], body.len());
        assert!(record["body_bytes"].as_u64().unwrap() < body.len() as u64 / 2, "{record}");
    }
}

#[test]
fn what_is_asked_for_can_be_said_and_is_told() {
    let server = Plan::new().path("/", Script::new().ok("plain")).start();
    for (args, want) in [
        (&[][..], None),
        (&["--compressed"], Some("gzip, deflate, br, zstd")),
        (&["--compressed", "-H", "accept-encoding: br"], Some("br")),
        (&["--compressed", "-H", "Range: bytes=0-"], Some("identity")),
    ] {
        let ended = Ringdove::fetch(args).args(["-v", &server.url("/")]).run().exits(0);
        let asked = server.requests().pop().unwrap().field("accept-encoding");
        assert_eq!(asked.as_deref(), want, "{args:?}");
        if let Some(want) = want {
            ended.says(&["ccept-", "ncoding: ", want]);
        }
    }
}

#[test]
fn what_is_wrong_and_what_is_too_large_is_said() {
    let coded = |coding: &str, body: &[u8]| {
        let head = format!("200 OK\r\nContent-Encoding: {coding}");
        Script::new().respond(&head, Framing::Chunked(1000), body)
    };
    let whole = gzip(&[b'x'; 5000]);
    let server = Plan::new()
        .path("/cut", coded("gzip", &whole[..whole.len() - 1]))
        .path("/padded", coded("gzip", &[&whole[..], &[0; 512]].concat()))
        .path("/unknown", coded("lzma", b"x"))
        .path("/bomb", coded("gzip, gzip", &gzip(&gzip(&vec![0; 100_000_000]))))
        .path("/ok", coded("gzip", &whole))
        .start();
    let fetch = |args: &[&str], path: &str| {
        Ringdove::fetch(["--compressed"]).args(args).args([server.url(path)]).run()
    };
    let cut = fetch(&[], "/cut").exits(1).says(&["ended within its gzip content"]);
    assert_eq!(cut.stdout, [b'x'; 5000], "what was decoded is written");
    let unknown = fetch(&[], "/unknown").exits(0).says(&["unknown content coding \"lzma\""]);
    assert_eq!(unknown.stdout, b"x", "as it was sent");
    let padded = fetch(&[], "/padded").exits(0).says(&["after the end of the gzip content"]);
    assert_eq!(padded.stdout, [b'x'; 5000]);
    let json = fetch(&["--jsonl"], "/padded").exits(0).says(&[]).text();
    assert!(json.contains("\"undecoded\":\"bytes after the end"), "{json}");
    fetch(&["--discard"], "/bomb").exits(1).says(&["more than 1000 times its size"]);
    fetch(&["--discard", "--max-ratio", "0"], "/bomb").exits(0);
    fetch(&["--max-filesize", "4k"], "/ok").exits(1).says(&["decoded", "4096 bytes"]);
    fetch(&["--max-filesize", "10"], "/ok").exits(1).says(&["limit of 10 bytes"]);
    assert_eq!(fetch(&["--max-filesize", "5k"], "/ok").exits(0).stdout.len(), 5000);
    let json = fetch(&["--jsonl"], "/bomb").exits(1).text();
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(record["error"]["kind"], "limit");
}

#[test]
fn raw_is_as_it_is_sent() {
    let server = Plan::new()
        .path("/", Script::new().respond("200 OK", Framing::Chunked(3), "abcde"))
        .start();
    let raw = ["--raw", &server.url("/"), &server.url("/")];
    let chunks = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".repeat(2);
    assert_eq!(Ringdove::fetch(raw).run().exits(0).text(), chunks);
    assert_eq!(server.seen().len(), 1, "the connection is kept");
}
