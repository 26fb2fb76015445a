//! What the system has no room for, as the records of the transfers to which it happened have it.

use std::net::TcpListener;

use serde_json::Value;

use crate::command::{Ringdove, drivers};
use crate::support::nginx::Nginx;

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
