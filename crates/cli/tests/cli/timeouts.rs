//! Each time limit ends what it limits, and says so.

use std::time::{Duration, Instant};

use crate::command::{Ringdove, drivers};
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{Plan, Script};

#[test]
fn each_limit_is_named_on_every_driver() {
    let hole = Blackhole::start().expect("an address that does not answer");
    let hole = format!("http://{}/", hole.addr());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let server = Plan::new()
        .path("/mute", Script::new().stall())
        .path("/stalls", Script::new().send(head).send("x").stall())
        .path(
            "/trickles",
            Script::new().send(head).trickle([b'x'; 1000], 1, Duration::from_millis(50)),
        )
        .start();
    let (mute, stalls, trickles) =
        (server.url("/mute"), server.url("/stalls"), server.url("/trickles"));
    let table = [
        ("--connect-timeout", &hole, "connect timeout after 500ms"),
        ("--idle-timeout", &mute, "first-byte timeout after 500ms"),
        ("--idle-timeout", &stalls, "idle timeout after 500ms"),
        ("--timeout", &mute, "total timeout after 500ms"),
        ("--timeout", &trickles, "total timeout after 500ms"),
    ];
    for driver in drivers() {
        for (option, url, message) in table {
            let start = Instant::now();
            Ringdove::fetch([option, "0.5", "--discard", "--driver", driver, url])
                .run()
                .exits(1)
                .says(&[url, message])
                .says(&["failed", "1 (timeout 1)"]);
            let elapsed = start.elapsed();
            assert!(elapsed >= Duration::from_millis(500), "{option} {url}: {elapsed:?}");
            assert!(elapsed < Duration::from_secs(10), "{option} {url}: {elapsed:?}");
        }
    }
}

#[test]
fn waiting_for_ones_turn_eats_no_time_limit() {
    // 40 transfers of 50 ms one after the other take four times the limit
    let slow = Script::new().wait(Duration::from_millis(50)).ok("fine");
    let server = Plan::new().path("/", slow).start();
    let urls = format!("{}\n", server.url("/")).repeat(40);
    for option in ["--timeout", "--connect-timeout", "--idle-timeout"] {
        Ringdove::fetch(["--discard", "--connections", "1", option, "0.5", "-i", "-"])
            .stdin(&urls)
            .run()
            .exits(0)
            .says(&["done", "40 (2xx 40)"]);
    }
}
