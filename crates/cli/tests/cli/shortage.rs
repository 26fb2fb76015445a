//! What the system has no room for, as the records of the transfers to which it happened have it; and what never has any
//! ends the command.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::{Config, Driver};
use ringdove_test_support::hostile::{Plan, Script};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::nginx::Nginx;

/// Four ports for many more connections.
#[test]
fn records_name_what_was_exhausted() {
    let nginx = Nginx::plain();
    let free = |port: u16| TcpListener::bind(("0.0.0.0", port)).is_ok();
    for (driver, from) in drivers().zip([21_000, 23_000, 25_000]) {
        let first = (from..from + 2_000).step_by(7).find(|&port| (port..port + 4).all(free));
        let first = first.expect("free ports");
        let ports = format!("{first}-{}", first + 3);
        let args = ["--driver", driver, "--jsonl", "--discard", "-c", "50", "--local-port", &ports];
        let urls = format!("{}\n", nginx.url("/ok")).repeat(400);
        let ended = Ringdove::fetch(args).args(["-i", "-"]).stdin(urls).run().exits(0);
        let text = String::from_utf8(ended.stdout).expect("text");
        let records: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(records.len(), 400, "{driver}");
        let told: Vec<_> = records.iter().filter(|record| !record["exhausted"].is_null()).collect();
        assert!(!told.is_empty(), "{driver}: {}", ended.stderr);
        for record in told {
            let (exhausted, times) = (&record["exhausted"], &record["times"]);
            assert_eq!(exhausted["errno"], "EADDRINUSE", "{driver}: {record}");
            assert!(exhausted["times"].as_u64() > Some(0), "{driver}: {record}");
            assert!(exhausted["waited"].as_u64() <= times["queue"].as_u64(), "{driver}: {record}");
            assert_eq!(record["status"], 200, "{driver}: {record}");
        }
    }
}

/// No request could end, and nobody would be told: the command fails, without having kept the CPU busy.
#[test]
fn a_kernel_that_never_has_memory_ends_the_ring() {
    let strace = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    if !strace.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: strace cannot do its work here");
        return;
    }
    let trickle = Script::new()
        .read_head()
        .send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        .trickle([b'x'; 100_000], 1, Duration::from_millis(10));
    let server = Plan::new().connection(trickle).start();
    for kind in [Kind::Ring, Kind::Poll] {
        if let Err(refused) = Driver::new(kind, Config::default()) {
            eprintln!("skipped: {refused}");
            continue;
        }
        let calls = NamedTempFile::new().expect("a file");
        let calls = calls.path().to_str().expect("a plain name");
        let inject = "inject=io_uring_enter:error=EAGAIN:when=8+";
        let ended = Ringdove::fetch(["--driver", kind.name(), &server.url("/")])
            .under(&["strace", "-f", "-e", "trace=io_uring_enter", "-e", inject, "-o", calls])
            .run();
        assert!(!ended.status.success(), "{kind}");
        ended.says(&["memory"]);
        let calls = fs::read_to_string(calls).expect("a record").lines().count();
        assert!(calls < 40_000, "{kind}: asked {calls} times in five seconds");
    }
}
