//! A signal in the middle: files that are being written may become whole, the rest is left and told.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::command::{Ringdove, Running, drivers};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::{PATIENCE, eventually};

/// More than is gathered before a file is written aside.
const BEGUN: usize = 100_000;

/// `/fast` is whole at once; `/slow` is after a second; `/never` stops half-way; `/mute` says
/// nothing.
fn server() -> Hostile {
    let begin = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let half = vec![b'x'; BEGUN];
    let fast = "200 OK\r\nSet-Cookie: kept=1; Max-Age=1000";
    Plan::new()
        .path("/fast", Script::new().respond(fast, Framing::ContentLength, &half))
        .path(
            "/slow",
            Script::new()
                .send(begin(2 * BEGUN))
                .send(&half)
                .wait(Duration::from_secs(1))
                .send(&half),
        )
        .path("/never", Script::new().send(begin(2 * BEGUN)).send(&half).stall())
        .path("/mute", Script::new().stall())
        .start()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Signals that would be ignored where the tests run in the background are not.
const ALL_BY_DEFAULT: [&str; 2] = ["env", "--default-signal"];

/// Starts the paths, and waits until `parts` files are being written and one is whole.
fn start(server: &Hostile, paths: &[&str], parts: usize, driver: &str, bodies: &Path) -> Running {
    start_under(&ALL_BY_DEFAULT, server, paths, parts, driver, bodies)
}

fn start_under(
    wrapper: &[&str],
    server: &Hostile,
    paths: &[&str],
    parts: usize,
    driver: &str,
    bodies: &Path,
) -> Running {
    let running = Ringdove::fetch(["--connections", "8", "--driver", driver])
        .args(paths.iter().map(|path| server.url(path)))
        .path("--output-dir", bodies)
        .path("-c", &bodies.with_extension("jar"))
        .under(wrapper)
        .start();
    let is_part = |name: &&String| name.ends_with(".part");
    let begun = eventually(PATIENCE, || {
        bodies.exists() && {
            let names = names(bodies);
            let whole = names.iter().any(|name| name.ends_with(",fast"));
            whole && names.iter().filter(is_part).count() == parts
        }
    });
    assert!(begun, "{:?}", names(bodies));
    assert!(server.wait_for(PATIENCE, |seen| seen.len() == paths.len()), "{}", server.dump());
    running
}

#[test]
fn what_has_begun_may_end_and_nothing_half_written_gets_a_name() {
    let signals = [("INT", 130), ("TERM", 143), ("HUP", 129)];
    for (driver, (signal, code)) in drivers().zip(signals.iter().cycle()) {
        let server = server();
        let directory = tempfile::tempdir().expect("a directory");
        let bodies = directory.path().join("bodies");
        let running = start(&server, &["/fast", "/slow", "/mute"], 1, driver, &bodies);
        running.signal(signal);
        running
            .wait()
            .exits(*code)
            .says(&["interrupted", "1 files that are being written"])
            .says(&["interrupted: 1 transfers given up"])
            .says(&["done", "2 (2xx 2)"])
            .says(&["left", "1"]);
        let prefix = format!("http,127.0.0.1+{}", server.addr().port());
        assert_eq!(names(&bodies), [format!("{prefix},fast"), format!("{prefix},slow")]);
        let slow = fs::read(bodies.join(format!("{prefix},slow"))).expect("a file");
        assert_eq!(slow.len(), 2 * BEGUN);
    }
}

#[test]
fn who_demands_an_end_gets_it_and_no_part_is_left() {
    let demands = [
        ("QUIT", 131),
        ("XCPU", 152),
        ("ALRM", 142),
        ("VTALRM", 154),
        ("USR1", 138),
        ("USR2", 140),
    ];
    for (signal, code) in demands {
        let server = server();
        let directory = tempfile::tempdir().expect("a directory");
        let bodies = directory.path().join("bodies");
        let running = start(&server, &["/fast", "/never"], 1, "auto", &bodies);
        running.signal(signal);
        let ended = running.wait().exits(code).says(&["interrupted: 1 transfers given up"]);
        assert!(!ended.stderr.contains("to become whole"), "{signal}: {}", ended.stderr);
        assert_eq!(names(&bodies), [format!("http,127.0.0.1+{},fast", server.addr().port())]);
        let jar = fs::read_to_string(bodies.with_extension("jar")).expect("cookies");
        assert!(jar.contains("kept"), "{signal}: {jar}");
    }
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let bodies = directory.path().join("bodies");
    let ignoring = ["env", "--default-signal", "--ignore-signal=HUP"];
    let running = start_under(&ignoring, &server, &["/fast", "/slow"], 1, "auto", &bodies);
    running.signal("HUP");
    running.wait().exits(0);
    assert_eq!(names(&bodies).len(), 2);
}

#[test]
fn a_second_signal_does_not_wait() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let bodies = directory.path().join("bodies");
    let running = start(&server, &["/fast", "/never", "/never?again"], 2, "auto", &bodies);
    running.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    let second = Instant::now();
    running.signal("INT");
    running.wait().exits(130).says(&["interrupted: 2 transfers given up"]);
    assert!(second.elapsed() < Duration::from_secs(3), "{:?}", second.elapsed());
    assert_eq!(names(&bodies), [format!("http,127.0.0.1+{},fast", server.addr().port())]);
}

#[test]
fn what_does_not_end_is_given_up_after_a_while() {
    let server = server();
    let directory = tempfile::tempdir().expect("a directory");
    let bodies = directory.path().join("bodies");
    let running = start(&server, &["/fast", "/never"], 1, "auto", &bodies);
    running.signal("INT");
    running.wait().exits(130).says(&["interrupted: 1 transfers given up"]);
    assert_eq!(names(&bodies).len(), 1);
}

#[test]
fn the_records_tell_what_was_given_up() {
    let server = server();
    let urls = [server.url("/mute"), server.url("/mute"), server.url("/mute")];
    let running = Ringdove::fetch(["--connections", "1", "--jsonl"]).args(urls).start();
    assert!(server.wait_for(PATIENCE, |seen| seen.iter().any(|seen| !seen.requests.is_empty())));
    running.signal("INT");
    let ended = running.wait().exits(130);
    // two were taken ahead
    ended_with(&ended.text(), 2);
    ended.says(&["2 transfers given up, 1 URLs of the command line not begun"]);
}

fn ended_with(records: &str, interrupted: usize) {
    let lines: Vec<serde_json::Value> =
        records.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), interrupted, "{records}");
    assert!(lines.iter().all(|line| line["error"]["kind"] == "interrupted"), "{records}");
}
