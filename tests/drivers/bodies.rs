//! Every way in which a response says where its body ends, told truly and falsely.

use ringdove::driver::Kind;
use ringdove::error::{Cause, Phase, Progress};
use ringdove::limits::HttpLimits;
use ringdove::protocol::Version;
use ringdove::{Config, Request};

use crate::run::{Run, Told, on_every_driver, policy};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::corpus::Corpus;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls};

on_every_driver! {
    a_corpus_in_plaintext,
    a_corpus_over_tls,
    each_framing,
    each_framing_byte_by_byte,
    old_versions,
    responses_without_body,
    informational_responses,
    lengths_that_lie,
    resets,
    ends_before_any_byte,
    truncated_tls,
    heads_that_are_none,
    heads_that_the_end_cuts,
}

/// Taken for whole where that is wanted, unless it is cut within a line, or a body was to follow.
pub(crate) fn heads_that_the_end_cuts(kind: Kind) {
    let table = [
        ("HTTP/1.0 200 OK\nServer: x\n", Ok(200)),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n", Ok(404)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Err(())),
        ("HTTP/1.1 200 OK\r\nServer: x", Err(())),
        ("HTTP/1.1 200 OK", Err(())),
    ];
    for (head, want) in table {
        for cut_heads in [true, false] {
            let script = Script::new().read_head().send(head).close();
            let server = Plan::new().connection(script).start();
            let mut run = Run::new(kind);
            let request = Request::get(&server.url("/")).expect("a good URL");
            let http = HttpLimits { cut_heads, ..HttpLimits::default() };
            let transfer = run.add(request.with_options(|options| options.http = http));
            run.finish();
            match want {
                Ok(status) if cut_heads => transfer.assert_response(status, b""),
                _ => assert!(transfer.outcome().result.is_err(), "{head}"),
            }
        }
    }
}

pub(crate) fn a_corpus_in_plaintext(kind: Kind) {
    let nginx = Nginx::plain();
    fetch_corpus(Run::with(kind, few_connections()), &nginx, &nginx.url("/"));
}

pub(crate) fn a_corpus_over_tls(kind: Kind) {
    let authority = Authority::new();
    let tls = Some(NginxTls::new(&authority.server()));
    let nginx = Nginx::start(NginxConfig { tls, ..NginxConfig::default() });
    let config = Config { tls: Some(policy(&authority)), ..few_connections() };
    fetch_corpus(Run::with(kind, config), &nginx, &nginx.tls_url("/"));
}

fn few_connections() -> Config {
    Config { max_connections: 16, ..Config::default() }
}

fn fetch_corpus(mut run: Run, nginx: &Nginx, base: &str) {
    let corpus = Corpus::new(3, 200);
    corpus.write_to(nginx.docroot()).expect("writes the corpus");
    let transfers: Vec<_> =
        corpus.files().iter().map(|file| run.get(&format!("{base}{}", file.path))).collect();
    run.finish();
    for (file, transfer) in corpus.files().iter().zip(transfers) {
        transfer.assert_response(200, &file.content());
        let report = transfer.outcome().report;
        assert_eq!(report.body_received, file.size as u64);
        assert!(report.wire_received > report.body_received);
    }
    let stats = run.driver.stats();
    assert!(stats.opened <= 16, "{stats:?}");
    assert_eq!(stats.reused, 200 - stats.opened, "{stats:?}");
}

const FRAMINGS: [(&str, Framing); 4] = [
    ("/length", Framing::ContentLength),
    ("/chunked", Framing::Chunked(1000)),
    ("/tiny-chunks", Framing::Chunked(1)),
    ("/close", Framing::UntilClose),
];

fn body(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 % 251) as u8).collect()
}

pub(crate) fn each_framing(kind: Kind) {
    for size in [0, 1, 5000, 300_000] {
        let mut plan = Plan::new();
        for (path, framing) in FRAMINGS {
            let script = Script::new().respond("200 OK", framing, body(size));
            let script = if framing == Framing::UntilClose { script.close() } else { script };
            plan = plan.path(path, script);
        }
        let server = plan.start();
        let mut run = Run::new(kind);
        let transfers = FRAMINGS.map(|(path, _)| run.get(&server.url(path)));
        run.finish();
        for transfer in transfers {
            transfer.assert_response(200, &body(size));
        }
    }
}

fn each_framing_byte_by_byte(kind: Kind) {
    let pause = std::time::Duration::from_micros(200);
    let head = "HTTP/1.1 200 OK\r\n";
    let responses = [
        format!("{head}Content-Length: 5\r\n\r\nhello"),
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"
        ),
        format!("{head}Connection: close\r\n\r\nhello"),
    ];
    let mut plan = Plan::new();
    for (i, response) in responses.iter().enumerate() {
        let script = Script::new().trickle(response, 1, pause);
        plan = plan.path(&format!("/{i}"), if i == 2 { script.close() } else { script });
    }
    let server = plan.start();
    let mut run = Run::new(kind);
    let transfers = [0, 1, 2].map(|i| run.get(&server.url(&format!("/{i}"))));
    run.finish();
    for transfer in transfers {
        transfer.assert_response(200, b"hello");
    }
}

fn old_versions(kind: Kind) {
    let server = Plan::new()
        .path(
            "/kept",
            Script::new()
                .send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"),
        )
        .path("/closed", Script::new().send("HTTP/1.0 200 OK\r\n\r\nhi").close())
        .path("/length", Script::new().send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
        .start();
    let mut run = Run::new(kind);
    for (path, connections) in [("/kept", 1), ("/closed", 1), ("/length", 2), ("/kept", 3)] {
        let transfer = run.get(&server.url(path));
        run.finish();
        transfer.assert_response(200, b"hi");
        assert_eq!(transfer.told()[0], Told::Head(200, Version::Http10));
        assert_eq!(run.driver.stats().opened, connections, "{path}");
    }
}

fn responses_without_body(kind: Kind) {
    let announced = |status: &str| {
        Script::new().send(format!("HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n"))
    };
    let server = Plan::new()
        .path("/head", announced("200 OK"))
        .path("/204", Script::new().send("HTTP/1.1 204 No Content\r\n\r\n"))
        .path("/304", announced("304 Not Modified"))
        .start();
    let mut run = Run::new(kind);
    for (method, path, status) in [
        (http::Method::HEAD, "/head", 200),
        (http::Method::GET, "/204", 204),
        (http::Method::GET, "/304", 304),
        (http::Method::HEAD, "/head", 200),
    ] {
        let transfer = run.add(Request::new(method, &server.url(path)).unwrap());
        run.finish();
        transfer.assert_response(status, b"");
    }
    assert_eq!(server.connections(), 1, "all on one connection");
}

fn informational_responses(kind: Kind) {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let server = Plan::new().path("/", Script::new().send(early).send(early).ok("done")).start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/"));
    run.finish();
    transfer.assert_response(200, b"done");
    let expected = [Told::Informational(103), Told::Informational(103)];
    assert_eq!(transfer.told()[..2], expected);
}

fn lengths_that_lie(kind: Kind) {
    let server = Plan::new()
        .path("/long", Script::new().respond("200 OK", Framing::Declared(10), "short").close())
        .path("/short", Script::new().respond("200 OK", Framing::Declared(5), "hello and more"))
        .path(
            "/differ",
            Script::new()
                .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        )
        .path(
            "/chunk",
            Script::new()
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
                .close(),
        )
        .path("/ok", Script::new().ok("fine"))
        .start();
    let mut run = Run::new(kind);

    for (path, arrived) in [("/long", "short"), ("/chunk", "hel")] {
        let transfer = run.get(&server.url(path));
        run.finish();
        let error = transfer.error();
        assert!(matches!(error.cause, Cause::Http(_)), "{error:?}");
        assert_eq!((error.phase, error.progress), (Phase::Receive, Progress::ResponseStarted));
        assert_eq!(transfer.record().body, arrived.as_bytes(), "what arrived was delivered");
        assert_eq!(transfer.outcome().report.status, Some(200));
    }

    let transfer = run.get(&server.url("/differ"));
    run.finish();
    assert!(matches!(transfer.error().cause, Cause::Http(_)));
    assert_eq!(transfer.told(), [Told::Done]);

    // bytes after the end belong to nobody: the response is good, the connection is not
    let opened = run.driver.stats().opened;
    for path in ["/short", "/ok"] {
        let transfer = run.get(&server.url(path));
        run.finish();
        transfer.assert_response(200, if path == "/ok" { b"fine" } else { b"hello" });
        assert!(!transfer.outcome().report.reused);
    }
    assert_eq!(run.driver.stats().opened, opened + 2);
}

pub(crate) fn resets(kind: Kind) {
    let server = Plan::new()
        .path("/head", Script::new().send("HTTP/1.1 200").reset())
        .path("/body", Script::new().respond("200 OK", Framing::Declared(10), "short").reset())
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, "short").reset())
        .start();
    let mut run = Run::new(kind);
    for path in ["/head", "/body", "/close"] {
        let transfer = run.get(&server.url(path));
        run.finish();
        let error = transfer.error();
        // a RST discards what was not read yet, so that what arrived may differ
        assert!(matches!(error.cause, Cause::Os { .. }), "{path}: {error:?}");
    }
}

fn ends_before_any_byte(kind: Kind) {
    let server = Plan::new().path("/", Script::new().close()).start();
    let mut run = Run::new(kind);
    let transfer = run.get(&server.url("/"));
    run.finish();
    let error = transfer.error();
    assert_eq!((error.cause, error.phase), (Cause::Closed, Phase::FirstByte));
    assert_eq!(error.progress, Progress::RequestSent);
    assert_eq!(server.requests().len(), 1, "a fresh connection's failure is not retried");
}

/// Over TLS a close-delimited body is whole only if the peer said so (RFC 8446, 6.1).
fn truncated_tls(kind: Kind) {
    let authority = Authority::new();
    let until_close = Script::new().respond("200 OK", Framing::UntilClose, "all of it");
    let server = Plan::new()
        .tls(authority.server().server_config())
        .path("/whole", until_close.clone().close())
        .path("/cut", until_close.truncate())
        .start();
    let mut run = Run::trusting(kind, &authority);
    let whole = run.get(&server.url("/whole"));
    let cut = run.get(&server.url("/cut"));
    run.finish();
    whole.assert_response(200, b"all of it");
    assert!(matches!(cut.error().cause, Cause::Http(_)), "{:?}", cut.error());
    assert_eq!(cut.record().body, b"all of it");
}

fn heads_that_are_none(kind: Kind) {
    let server = Plan::new()
        .path("/garbage", Script::new().send("SSH-2.0-OpenSSH\r\n"))
        .path("/endless", Script::new().send("HTTP/1.1 200 OK\r\n").flood("A: b\r\n", 100_000))
        .start();
    let mut run = Run::new(kind);
    for path in ["/garbage", "/endless"] {
        let transfer = run.get(&server.url(path));
        run.finish();
        let error = transfer.error();
        assert!(matches!(error.cause, Cause::Http(_)), "{path}: {error:?}");
        assert_eq!(transfer.told(), [Told::Done]);
    }
}
