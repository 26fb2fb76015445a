//! What is asked for is what is sent, and answers are judged as asked.

use std::fs;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script, SeenRequest};
use ringdove_test_support::nginx::{Nginx, OK_BODY};

fn server() -> Hostile {
    Plan::new().path("/", Script::new().ok("fine")).start()
}

/// The one request that the server has seen.
#[track_caller]
fn only_request(server: &Hostile) -> SeenRequest {
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1, "{}", server.dump());
    requests.remove(0)
}

#[track_caller]
fn request_of(args: &[&str]) -> SeenRequest {
    let server = server();
    Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
    only_request(&server)
}

#[test]
fn a_plain_request_says_who_asks() {
    let server = server();
    Ringdove::fetch([server.url("/?q=1#part")]).run().exits(0);
    let head = only_request(&server).head;
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "GET /?q=1 HTTP/1.1\r\nHost: {}\r\nUser-Agent: ringdove/{version}\r\nAccept: */*\r\n\r\n",
        server.addr()
    );
    assert_eq!(String::from_utf8_lossy(&head), want);
}

#[test]
fn methods_and_fields_are_those_given() {
    let request = request_of(&["-X", "PURGE", "-H", "X-One: 1", "-H", "X-One:2", "-H", "Host: h"]);
    assert_eq!(request.method(), "PURGE");
    let head = String::from_utf8_lossy(&request.head);
    assert!(head.contains("\r\nX-One: 1\r\nX-One: 2\r\n"), "{head}");
    assert_eq!(request.field("host").as_deref(), Some("h"));

    let request = request_of(&["-A", "me/1", "-e", "http://from/", "-H", "accept:"]);
    let fields = ["user-agent", "referer", "accept"].map(|name| request.field(name));
    assert_eq!(fields, [Some("me/1".into()), Some("http://from/".into()), None]);
}

#[test]
fn data_is_posted() {
    let request = request_of(&["-d", "a=1", "-d", "b=é"]);
    assert_eq!(
        (request.method().as_str(), request.body.as_slice()),
        ("POST", "a=1&b=é".as_bytes())
    );
    let content_type = request.field("content-type");
    assert_eq!(content_type.as_deref(), Some("application/x-www-form-urlencoded"));

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("data");
    let data: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    fs::write(&file, &data).expect("a file");
    let at_file = format!("@{}", file.display());
    let request = request_of(&["-X", "PUT", "--data-binary", &at_file, "-H", "Content-Type: x/y"]);
    assert_eq!((request.method().as_str(), request.body.len()), ("PUT", data.len()));
    assert!(request.body == data, "every byte");
    assert_eq!(request.field("content-type").as_deref(), Some("x/y"));

    let server = server();
    Ringdove::fetch(["-d", "@-", &server.url("/")]).stdin("from\nstdin\n").run().exits(0);
    assert_eq!(only_request(&server).body, b"fromstdin");
}

#[test]
fn heads_alone_go_where_bodies_would() {
    let nginx = Nginx::plain();
    let head = Ringdove::fetch(["-I", &nginx.url("/ok")]).run().exits(0).text();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("Content-Length: 12\r\n"), "{head}");
}

#[test]
fn without_fail_an_error_page_is_a_body_and_with_it_a_failure() {
    let nginx = Nginx::plain();
    let (good, bad) = (nginx.url("/ok"), nginx.url("/none"));
    let page = Ringdove::fetch([&bad]).run().exits(0).text();
    assert!(page.contains("404 Not Found"), "{page}");
    let directory = tempfile::tempdir().expect("a directory");
    // the connection that brought the error page is used again
    Ringdove::fetch(["--fail", "--connections", "1", &bad, &bad, &good])
        .path("--output-dir", directory.path())
        .run()
        .exits(1)
        .says(&[&bad, "status 404"])
        .says(&["failed", "2 (status 2)"])
        .says(&["sockets", "1 opened, 2 reused"]);
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
    assert_eq!(Ringdove::fetch(["--fail", &bad]).run().exits(1).stdout, b"");
    let head = Ringdove::fetch(["--fail", "-I", &bad]).run().exits(1).text();
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[test]
fn with_fail_the_head_decides_whatever_becomes_of_the_body() {
    let large = "x".repeat(1 << 20);
    let server = Plan::new()
        .path("/stalls", Script::new().respond("404 No", Framing::Declared(10), "page").stall())
        .path(
            "/large",
            Script::new()
                .send("HTTP/1.1 500 No\r\nContent-Length: 52428800\r\n\r\n")
                .flood(large, 50),
        )
        .path("/cut", Script::new().respond("404 No", Framing::Declared(10), "page").close())
        .path(
            "/mislabelled",
            Script::new().respond(
                "404 No\r\nContent-Encoding: gzip",
                Framing::ContentLength,
                "page",
            ),
        )
        .path(
            "/chunks",
            Script::new().send("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nx"),
        )
        .start();
    for path in ["/stalls", "/large", "/cut", "/mislabelled", "/chunks"] {
        let url = server.url(path);
        let args = ["--fail", "--compressed", "--jsonl", &url];
        let line = Ringdove::fetch(args).run().exits(1).text();
        let record: serde_json::Value = serde_json::from_str(&line).expect("a record");
        assert_eq!(record["error"]["kind"], "status", "{path}: {record}");
        let received = record["wire_received"].as_u64().expect("a number");
        assert!(received < 8 << 20, "{path}: {received}");
    }
    // the body is still there for who wants it
    let page = Ringdove::fetch(["--fail-with-body", &server.url("/cut")]).run().exits(1).text();
    assert_eq!(page, "page");
}

#[test]
fn with_fail_retry_sees_the_status() {
    let refuse =
        Script::new().read_head().send("HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\npage").stall();
    let fine = Script::new().read_head().respond("200 OK", Framing::ContentLength, "fine");
    let server = Plan::new().connection(refuse).connection(fine).start();
    let args = ["--fail", "--retry", "2", "--retry-delay", "0.01"];
    let body = Ringdove::fetch(args).args([server.url("/")]).run().exits(0).text();
    assert_eq!(body, "fine");
    // a status that fails is asked again where every failure is, and no other
    let missing = Script::new().respond("404 No", Framing::ContentLength, "page");
    let server = Plan::new().path("/missing", missing).start();
    let url = server.url("/missing");
    Ringdove::fetch(args).args([&url]).run().exits(1);
    Ringdove::fetch(args).args(["--retry-all-errors", &url]).run().exits(1);
    let asked = server
        .requests()
        .iter()
        .filter(|request| request.head.starts_with(b"GET /missing "))
        .count();
    assert_eq!(asked, 1 + 3);
}

#[test]
fn a_body_larger_than_allowed_fails() {
    let chunked = Framing::Chunked(1000);
    let server = Plan::new()
        .path("/exact", Script::new().ok(vec![b'x'; 2048]))
        .path("/more", Script::new().ok(vec![b'x'; 2049]))
        .path("/chunked", Script::new().respond("200 OK", chunked, vec![b'x'; 100_000]))
        .start();
    let urls = ["/exact", "/more", "/chunked"].map(|path| server.url(path));
    Ringdove::fetch(["--discard", "--max-body", "2k"])
        .args(urls)
        .run()
        .exits(1)
        .says(&["/more", "limit of 2048 bytes"])
        .says(&["/chunked", "limit of 2048 bytes"])
        .says(&["done", "1 (2xx 1)"]);
}

#[test]
fn names_are_resolved_as_told() {
    let nginx = Nginx::plain();
    let port = nginx.addr().port();
    let url = format!("http://Made-Up.invalid:{port}/ok");
    let resolve = |addresses: &str| format!("made-up.INVALID.:{port}:{addresses}");
    // the first address refuses
    for addresses in ["127.0.0.1", "127.9.9.9,127.0.0.1", "[::1],127.0.0.1"] {
        let ended = Ringdove::fetch([&url, "--resolve", &resolve(addresses)]).run().exits(0);
        assert_eq!(ended.stdout, OK_BODY, "{addresses}");
    }
    // for that port alone
    let other = format!("http://made-up.invalid:{}/", port ^ 1);
    Ringdove::fetch(["--connect-timeout", "5", &other, "--resolve", &resolve("127.0.0.1")])
        .run()
        .exits(1)
        .says(&[&other, "resolv"]);
}

#[test]
fn verbose_tells_heads_and_connections_and_no_control_characters() {
    let response = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 Fi\u{9b}ne\r\n\
                    X-Odd: \"\u{e9}\u{9b}2J\"\r\nContent-Length: 4\r\n\r\nfine";
    let server = Plan::new().path("/", Script::new().send(response)).start();
    let ended = Ringdove::fetch(["-v", "-d", "x", &server.url("/")]).run().exits(0);
    assert_eq!(ended.stdout, b"fine");
    let ended = ended
        .says(&["> POST / HTTP/1.1"])
        .says(&["> Content-Length: 1"])
        .says(&["< HTTP/1.1 103 Early Hints"])
        .says(&["< HTTP/1.1 200 Fi\\u{9b}ne"])
        .says(&["< X-Odd: \"\u{e9}\\u{9b}2J\""])
        .says(&["200 by HTTP/1.1", &server.addr().to_string(), "new connection", "4 bytes"]);
    assert!(!ended.stderr.contains('\u{9b}'), "{}", ended.stderr);
}

#[test]
fn fields_of_files_are_checked_before_anything_begins() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("fields");
    fs::write(&file, "\u{feff}X-One: 1\nX-Two: 2\n").expect("a file");
    let at_file = format!("@{}", file.display());
    Ringdove::fetch(["-H", &at_file, &server.url("/")]).run().exits(0);
    let request = only_request(&server);
    assert_eq!(["x-one", "x-two"].map(|name| request.field(name).unwrap()), ["1", "2"]);
    fs::write(&file, "X-One: 1\nContent-Length: 2\n").expect("a file");
    for option in ["-H", "--proxy-header"] {
        let fetch = Ringdove::fetch([option, &at_file, &server.url("/")]);
        fetch.run().exits(2).says(&[option, &at_file, "line 2", "Content-Length"]);
        let fetch = Ringdove::fetch([option, "@/no/such/file", &server.url("/")]);
        fetch.run().exits(2).says(&[option, "/no/such/file"]);
    }
    let fetch = Ringdove::fetch(["-H", "@-", "--proxy-header", "@-", &server.url("/")]);
    fetch.run().exits(2).says(&["standard input", "-H", "--proxy-header"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_is_told_goes_where_stderr_is_said_to_be() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("told");
    fs::write(&file, "of before\n").expect("a file");
    let told = |args: &[&str], status| {
        let ended = Ringdove::fetch(args).path("--stderr", &file).run().exits(status);
        assert_eq!(ended.stderr, "");
        fs::read_to_string(&file).expect("it is there")
    };
    assert_eq!(told(&[&server.url("/")], 0), "");
    assert!(told(&["-v", &server.url("/")], 0).contains("> GET / HTTP/1.1"));
    assert!(told(&["http://127.0.0.1:1/"], 1).contains("127.0.0.1:1"));
    assert!(told(&["-d", "@/no/such/file", &server.url("/")], 2).contains("/no/such/file"));
    let ended = Ringdove::fetch(["--stderr", "-", "http://127.0.0.1:1/"]).run().exits(1);
    assert!(ended.stderr.is_empty() && ended.text().contains("127.0.0.1:1"));
    let ended = Ringdove::fetch(["--stderr", "/no/such/dir/f", &server.url("/")]).run();
    ended.exits(2).says(&["--stderr", "/no/such/dir/f"]);
}
