//! Asking again, and what is told of it; how fast a transfer may be.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::command::{Ringdove, drivers};
use ringdove_test_support::hostile::{Framing, Plan, Script};

/// A server whose `/` is sick so many times, on a connection each, and well after.
fn recovering(times: usize, head: &str) -> ringdove_test_support::hostile::Hostile {
    let sick = || {
        Script::new().read_head().read_body().respond(head, Framing::ContentLength, "sick").close()
    };
    let plan = (0..times).fold(Plan::new(), |plan, _| plan.connection(sick()));
    plan.connection(Script::new().serve()).path("/", Script::new().ok("well")).start()
}

const SICK: &str = "503 Sick\r\nConnection: close";

#[test]
fn a_server_that_recovers_is_asked_until_it_has() {
    for driver in drivers() {
        let server = recovering(2, SICK);
        let args = ["--driver", driver, "--retry", "5", "--retry-delay", "0.05", "--jsonl"];
        let ended = Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
        let record: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a line");
        assert_eq!((&record["status"], &record["resent"]), (&200.into(), &0.into()), "{record}");
        assert_eq!(record["retried"].as_array().map(Vec::len), Some(2), "{record}");
        assert_eq!(record["retried"][1]["status"], 503);
        assert_eq!(record["retried"][1]["wait"], 50_000);
        assert!(record["times"]["total"].as_u64() >= Some(100_000), "{record}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn only_the_last_response_is_written() {
    let server = recovering(1, SICK);
    let args = ["--retry", "1", "--retry-delay", "0.01", "-v"];
    let ended = Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
    assert_eq!(ended.stdout, b"well");
    ended.says(&["200 by HTTP/1.1", "after 1 retry"]);
    let server = recovering(9, SICK);
    let ended = Ringdove::fetch(["--retry", "2", "--retry-delay", "0.01", &server.url("/")]).run();
    assert_eq!(ended.exits(0).stdout, b"sick");
    assert_eq!(server.requests().len(), 3);
    let server = recovering(9, SICK);
    Ringdove::fetch(["--fail", "--retry", "2", "--retry-delay", "0.01", &server.url("/")])
        .run()
        .exits(1)
        .says(&["status 503"]);
}

#[test]
fn what_is_not_safe_is_not_asked_again_unless_told() {
    let server = recovering(1, SICK);
    let post = ["-d", "x", "--retry", "3", "--retry-delay", "0.01"];
    let ended = Ringdove::fetch(post).args([server.url("/")]).run().exits(0);
    assert_eq!((ended.stdout, server.requests().len()), (b"sick".to_vec(), 1));
    let server = recovering(1, SICK);
    let ended = Ringdove::fetch(post).args(["--retry-all-errors", &server.url("/")]).run().exits(0);
    assert_eq!(ended.stdout, b"well");
    assert!(server.requests().iter().all(|request| request.body == b"x"));
}

#[test]
fn what_the_server_asks_for_is_heeded() {
    let server = recovering(1, "429 Slower\r\nConnection: close\r\nRetry-After: 1");
    let begun = Instant::now();
    let args = ["--retry", "1", "--retry-delay", "0.01"];
    let ended = Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
    assert_eq!(ended.stdout, b"well");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // longer than may be waited
    let server = recovering(1, "429 Slower\r\nConnection: close\r\nRetry-After: 3600");
    let ended = Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
    assert_eq!(ended.stdout, b"sick");
    let server = recovering(1, "429 Slower\r\nConnection: close\r\nRetry-After: 5");
    let within = ["--retry", "1", "--retry-max-time", "2"];
    let ended = Ringdove::fetch(within).args([server.url("/")]).run().exits(0);
    assert_eq!(ended.stdout, b"sick");
}

#[test]
fn a_file_that_breaks_off_is_begun_again_if_all_errors_are() {
    let cut = || {
        Script::new().read_head().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").close()
    };
    let server = || {
        let plan = Plan::new().connection(cut()).connection(cut());
        plan.connection(Script::new().serve()).path("/", Script::new().ok("well")).start()
    };
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let again = ["--retry", "2", "--retry-delay", "0.01"];
    for driver in drivers() {
        let fetch = || Ringdove::fetch(again).args(["--driver", driver, "--retry-all-errors"]);
        fetch().args([server().url("/")]).path("-o", &out).run().exits(0);
        assert_eq!(std::fs::read(&out).expect("a file"), b"well");
        // what was written to a stream cannot be taken back, nor heads that are before a body
        let ended = fetch().args([server().url("/")]).run().exits(1);
        assert_eq!(ended.stdout, b"cut");
        fetch().args(["--include", &server().url("/")]).path("-o", &out).run().exits(1);
        assert_eq!(std::fs::read(&out).expect("a file"), b"well");
    }
    Ringdove::fetch(again).args([server().url("/")]).path("-o", &out).run().exits(1);
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1, "no parts");
}

#[test]
fn retry_after_nothing_waits_as_if_it_were_not_there() {
    let server = recovering(1, "429 Slower\r\nConnection: close\r\nRetry-After: 0");
    let args = ["--retry", "1", "--retry-delay", "0.3", "--jsonl"];
    let ended = Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
    let record: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a line");
    assert_eq!(record["retried"][0]["wait"], 300_000);
}

#[test]
fn connections_that_are_refused_are_tried_again_if_told() {
    // what listens here later does not yet
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let url = format!("http://{address}/");
    let args = ["--retry", "2", "--retry-delay", "0.01"];
    let told = |ended: crate::command::Ended| {
        let line: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a line");
        line["retried"].as_array().map(Vec::len)
    };
    let ended = Ringdove::fetch(args).args(["--jsonl", &url]).run().exits(1);
    assert_eq!(told(ended), Some(0));
    let refused = ["--retry-connrefused", "--jsonl", &url];
    assert_eq!(told(Ringdove::fetch(args).args(refused).run().exits(1)), Some(2));
}

#[test]
fn options_that_need_retry_say_so() {
    let url = "http://127.0.0.1:1/";
    let table: &[(&[&str], &[&str])] = &[
        (&["--retry", "-1"], &["-1"]),
        (&["--retry", "1", "--retry-delay", "soon"], &["'soon'", "--retry-delay"]),
        (&["--limit-rate", "fast"], &["'fast'", "--limit-rate"]),
    ];
    for (args, words) in table {
        Ringdove::fetch(*args).args([url]).run().exits(2).says(words);
    }
}

#[test]
fn a_transfer_keeps_its_pace() {
    for driver in drivers() {
        let server = Plan::new().path("/", Script::new().ok(vec![b'x'; 4 << 20])).start();
        let begun = Instant::now();
        let args = ["--driver", driver, "--discard", "--limit-rate", "4M"];
        Ringdove::fetch(args).args([server.url("/")]).run().exits(0);
        // what came last is not waited for, and that is up to what one turn brings: 2 MiB on the ring
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_millis(450), "{driver}: {elapsed:?}");
    }
}

#[test]
fn uploads_keep_it_too() {
    let server = Plan::new().path("/", Script::new().read_body().ok("taken")).start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, vec![b'x'; 1 << 20]).expect("a file");
    let begun = Instant::now();
    Ringdove::fetch(["--limit-rate", "1M", &server.url("/")]).path("-T", &file).run().exits(0);
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(server.requests()[0].body.len(), 1 << 20);
}

#[test]
fn who_is_too_slow_fails() {
    let trickle = Script::new().read_head().trickle(
        [&b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"[..], &[b'x'; 1000]].concat(),
        1,
        Duration::from_millis(20),
    );
    let server = Plan::new().connection(trickle).start();
    Ringdove::fetch(["--discard", "-Y", "1k", "-y", "0.5", &server.url("/")])
        .run()
        .exits(1)
        .says(&["low-speed timeout"]);
}

#[test]
fn requests_to_one_host_keep_their_distance() {
    for driver in drivers() {
        let server = Plan::new().path("/", Script::new().ok("fine")).start();
        let begun = Instant::now();
        let urls = vec![server.url("/"); 5];
        let args = ["--driver", driver, "--discard", "--rate-per-host", "10"];
        Ringdove::fetch(args).args(urls).run().exits(0);
        assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    }
}
