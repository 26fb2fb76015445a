//! Which addresses are connected to, and what is told of those that were tried.

use std::net::SocketAddr;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::dead_end::{Blackhole, Refusing};
use ringdove_test_support::hostile::{Plan, Script};

#[test]
fn a_black_hole_holds_nobody_up() {
    let hole = Blackhole::start().expect("an address that does not answer");
    let port = hole.addr().port();
    let at = SocketAddr::from(([127, 0, 0, 2], port));
    let server = Plan::new().addr(at).connection(Script::new().read_head().ok("fine")).start();
    let (url, resolve) =
        (format!("http://a.test:{port}/"), format!("a.test:{port}:127.0.0.1,127.0.0.2"));
    for driver in drivers() {
        let fetch = || {
            let args = ["--happy-eyeballs-timeout-ms", "50", "--driver", driver, "--resolve"];
            Ringdove::fetch(args).args([&resolve, &url])
        };
        let ended = fetch().args(["-v"]).run().exits(0);
        assert_eq!(ended.stdout, b"fine");
        ended.says(&["tried 127.0.0.1", "lost the race", "connected"]);
        let line = String::from_utf8(fetch().args(["--jsonl"]).run().exits(0).stdout).unwrap();
        assert!(line.contains(r#""result":"lost","error":null,"#), "{line}");
        assert!(line.contains(r#""result":"connected","error":null,"#), "{line}");
    }
    assert_eq!(server.requests().len(), 2 * drivers().count());
}

#[test]
fn all_that_failed_are_named() {
    let refusing = Refusing::start().expect("an address that refuses");
    let port = refusing.addr().port();
    let resolve = format!("a.test:{port}:127.0.0.1,127.0.0.3");
    Ringdove::fetch(["--resolve", &resolve, &format!("http://a.test:{port}/")])
        .run()
        .exits(1)
        .says(&[&format!("127.0.0.1:{port}: connect: Connection refused")])
        .says(&[&format!("127.0.0.3:{port}: connect: Connection refused")]);
}

#[test]
fn denied_addresses() {
    let server = Plan::new().connection(Script::new().read_head().ok("fine")).start();
    let port = server.addr().port();
    let url = server.url("/");
    let resolve = format!("a.test:{port}:127.0.0.1");
    for driver in drivers() {
        for host in ["127.0.0.1", "0x7f.1", "localhost", "[::ffff:127.0.0.1]", "a.test"] {
            let url = format!("http://{host}:{port}/");
            Ringdove::fetch(["--deny-private", "--driver", driver, "--resolve", &resolve, &url])
                .args(["--retry", "3", "--retry-all-errors", "--discard"])
                .run()
                .exits(1)
                .says(&["is denied: loopback"])
                .says(&["1 (denied 1)"]);
        }
    }
    // however the way there is written
    let redirect = |to: String| {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        Plan::new()
            .addr(SocketAddr::from(([127, 0, 0, 2], 0)))
            .connection(Script::new().read_head().send(head))
            .start()
    };
    let [redirect, rebound] =
        [format!("http://0x7f000001:{port}/"), format!("http://a.test:{port}/")].map(redirect);
    let inside = format!("::127.0.0.1:{port}");
    let proxy = format!("socks4://127.0.0.2:{port}");
    let ways: [&[&str]; 6] = [
        &["--resolve", &resolve, "-L", &redirect.url("/")],
        &["--resolve", &resolve, "-L", &rebound.url("/")],
        &["--connect-to", &inside, "http://127.0.0.2/"],
        &["--connect-to", &inside, "-x", &proxy, "http://127.0.0.2/"],
        &["-x", &proxy, &url],
        &["-x", &format!("http://127.1:{port}"), "http://127.0.0.2/"],
    ];
    for way in ways {
        let args = ["--deny-private", "--allow", "127.0.0.2", "--jsonl", "--discard"];
        let ended = Ringdove::fetch(args).args(way).run().exits(1);
        let line = String::from_utf8(ended.stdout).expect("JSON");
        assert!(line.contains(r#""kind":"denied""#), "{way:?}: {line}");
        assert!(!line.contains(r#""result":"connected""#), "{way:?}: {line}");
    }
    let run = |args: &[&str]| Ringdove::fetch([&url]).args(args).run();
    run(&["--deny", "10.0.0.0/8,127.0.0.0/8"]).exits(1).says(&["denied by 127.0.0.0/8"]);
    assert_eq!(server.connections(), 0);
    for allowed in [
        &["--deny-private", "--allow", "127.0.0.0/8"][..],
        &["--allow", "127.0.0.1", "--deny", "127.0.0.0/8"],
        &["--deny", "128.0.0.0/8"],
    ] {
        assert_eq!(run(allowed).exits(0).stdout, b"fine");
    }
    run(&["--deny", "10.0.0.1/8"]).exits(2).says(&["has bits beyond the length"]);
}
