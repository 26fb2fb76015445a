//! Several threads: what is asked for, told and left is as with one.

use std::collections::BTreeMap;
use std::fs;

use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::{PATIENCE, eventually};

use crate::command::{Ringdove, drivers};

const HOSTS: usize = 12;
const EACH: usize = 15;

/// `/ok/N` for each number, `/bad` that is a 500, `/half` that never ends.
fn server() -> Hostile {
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n{}", "x".repeat(100_000));
    let bad = Script::new().respond("500 Internal Server Error", Framing::ContentLength, "no");
    let plan = Plan::new().path("/bad", bad).path("/half", Script::new().send(half).stall());
    let ok = |number: usize| (format!("/ok/{number}"), Script::new().ok(format!("{number}")));
    (0..EACH).map(ok).fold(plan, |plan, (path, script)| plan.path(&path, script)).start()
}

/// Has all names lead to the server.
fn resolved(server: &Hostile) -> String {
    format!("*:{}:127.0.0.1", server.addr().port())
}

fn url(server: &Hostile, host: usize, path: &str) -> String {
    format!("http://h{host}.test:{}{path}", server.addr().port())
}

fn urls(server: &Hostile) -> Vec<String> {
    let all = (0..EACH).flat_map(|number| (0..HOSTS).map(move |host| (host, number)));
    all.map(|(host, number)| url(server, host, &format!("/ok/{number}"))).collect()
}

#[test]
fn each_url_is_fetched_once_and_a_host_by_one_thread() {
    for driver in drivers() {
        let server = server();
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("list");
        fs::write(&list, format!("# a comment\n{}\n", urls(&server).join("\n"))).unwrap();
        let bodies = directory.path().join("bodies");
        let ended = Ringdove::fetch(["--threads", "4", "--per-host", "1", "--jsonl"])
            .args(["--driver", driver, "--resolve", &resolved(&server)])
            .path("-i", &list)
            .path("--output-dir", &bodies)
            .run()
            .exits(0);
        let mut told = BTreeMap::new();
        for line in String::from_utf8(ended.stdout.clone()).unwrap().lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("a whole record");
            let file = record["file"].as_str().unwrap().to_owned();
            told.insert(record["url"].as_str().unwrap().to_owned(), (file, record["line"].clone()));
        }
        for (at, url) in urls(&server).into_iter().enumerate() {
            let (file, line) = told.remove(&url).expect("each is told of");
            assert_eq!(line, at + 2, "{url}");
            let number = url.rsplit('/').next().unwrap();
            assert_eq!(fs::read_to_string(file).unwrap(), number, "{url}");
        }
        assert!(told.is_empty());
        assert_eq!(server.connections(), HOSTS, "those of a host were on one connection");
        let all = HOSTS * EACH;
        let ended = ended.says(&["done", &format!("{all} (2xx {all})")]);
        let ended = ended.says(&["driver", driver, "on 4 threads"]);
        assert_eq!(ended.stderr.matches("done ").count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn what_fails_is_named_once_and_makes_the_status() {
    let server = server();
    let bad: Vec<_> = (0..HOSTS).map(|host| url(&server, host, "/bad")).collect();
    let ended = Ringdove::fetch(["--threads", "3", "--discard", "--fail", "ftp://h/", "http://"])
        .args(["--resolve", &resolved(&server)])
        .args(bad.iter().chain(&urls(&server)))
        .run()
        .exits(1)
        .says(&["failed", "14 (input 2, status 12)"])
        .says(&["done", &format!("{}", HOSTS * EACH)]);
    for url in bad.iter().map(String::as_str).chain(["ftp://h/", "http://"]) {
        let said = ended.stderr.lines().filter(|line| line.contains(&format!(": {url}: ")));
        assert_eq!(said.count(), 1, "{url}: {}", ended.stderr);
    }
}

#[test]
fn connections_are_shared_out() {
    let server = server();
    let halves: Vec<_> = (0..3 * HOSTS).map(|host| url(&server, host, "/half")).collect();
    let directory = tempfile::tempdir().unwrap();
    let bodies = directory.path().join("bodies");
    let running = Ringdove::fetch(["--threads", "4", "--connections", "6"])
        .args(["--resolve", &resolved(&server)])
        .args(halves)
        .path("--output-dir", &bodies)
        .under(&["env", "--default-signal"])
        .start();
    assert!(eventually(PATIENCE, || server.connections() == 6), "{}", server.dump());
    let parts = || fs::read_dir(&bodies).map_or(0, Iterator::count);
    assert!(eventually(PATIENCE, || parts() == 6));
    running.signal("QUIT");
    let ended = running.wait().exits(131).says(&["left"]);
    assert_eq!(ended.stderr.matches("interrupted: ").count(), 1, "{}", ended.stderr);
    assert_eq!(parts(), 0, "nothing is left of those that are not whole");
    assert_eq!(server.connections(), 6);
}

#[test]
fn what_needs_all_in_one_place_is_refused() {
    let server = server();
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    let refused: [(&[&str], &str); 14] = [
        (&["-c", "jar", "--discard"], "-b, -c and --hsts"),
        (&["-C", "-", "-O"], "-C"),
        (&["--fail-early", "--discard"], "--fail-early"),
        (&["-D", "heads", "--discard"], "-D"),
        (&["--trace", "trace", "--discard"], "--trace"),
        (&["--delay-per-address", "1", "--discard"], "--delay-per-address"),
        (&["--discard", "--next", "--discard", "http://h/"], "--next"),
        (&["--connections", "1", "--discard"], "--connections"),
        (&["--discard", "-i", "-"], "standard input"),
        (&["--discard", "-d", &format!("@{pipe}")], "is no plain file"),
        (&["--discard", "--netrc-file", pipe], "is no plain file"),
        (&["--discard", "-w", &format!("@{pipe}")], "is no plain file"),
        (&["-o", "-"], "into a stream"),
        (&[], "into a stream"),
    ];
    for (args, words) in refused {
        Ringdove::fetch(["--threads", "2", &server.url("/ok/1")])
            .args(args)
            .within(directory.path())
            .run()
            .exits(2)
            .says(&["ringdove: ", "--threads", words]);
    }
    Ringdove::fetch(["--threads", "0", &server.url("/ok/1")]).run().exits(2);
    assert_eq!(server.connections(), 0, "nothing began");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
