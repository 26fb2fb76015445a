//! `ringdove bench` tells the truth: its counts are strace's, its CPU is the kernel's, and its
//! latency has no coordinated omission.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

const RINGDOVE: &str = env!("CARGO_BIN_EXE_ringdove");

/// The embedded server, as the command starts it; it ends with its stdin.
struct Server {
    child: Child,
    _stdin: ChildStdin,
    url: String,
}

impl Server {
    fn start(freeze: Value) -> Server {
        let serve = json!({
            "hosts": 1, "body_bytes": 12, "cpu": null, "tls": false, "freeze": freeze
        });
        let (mut child, stdin) = start(Command::new(RINGDOVE), "server", &serve);
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let serving: Value = serde_json::from_str(&line).expect("JSON");
        let url = format!("http://127.0.0.1:{}/", serving["port"]);
        Server { child, _stdin: stdin, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process of the command's own kind and tells it what to do.
fn start(mut command: Command, role: &str, message: &Value) -> (Child, ChildStdin) {
    if command.get_program() != RINGDOVE {
        command.arg(RINGDOVE);
    }
    let mut child = command
        .args(["bench", "--role", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(format!("{message}\n").as_bytes()).expect("it listens");
    (child, stdin)
}

fn round(url: &str, driver: &str, connections: usize, requests: u64) -> Value {
    json!({
        "driver": driver, "urls": [url], "connections": connections, "threads": 1,
        "stop": {"Requests": requests}, "warm_up": 0, "rate": null, "keepalive": true,
        "cpus": [], "trust": "System", "body_bytes": 12, "progress": false
    })
}

/// What a round found: the last line of what it says.
fn outcome(child: &mut Child) -> Value {
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
    let line = text.lines().last().expect("an outcome");
    serde_json::from_str(line).expect("JSON")
}

fn has_driver(driver: &str) -> bool {
    let kind = ringdove::driver::Kind::ALL.into_iter().find(|kind| kind.name() == driver);
    match ringdove::Driver::new(kind.expect("a name"), ringdove::Config::default()) {
        Ok(_) => true,
        Err(refused) => {
            eprintln!("skipped: {refused}");
            false
        }
    }
}

#[test]
fn system_calls_are_those_that_strace_counts() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    for driver in ["epoll", "poll", "ring"] {
        if !has_driver(driver) {
            continue;
        }
        let server = Server::start(Value::Null);
        let trace = tempfile::NamedTempFile::new().expect("a file");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(trace.path());
        let (mut child, _stdin) = start(strace, "round", &round(&server.url, driver, 1, 5000));
        let outcome = outcome(&mut child);
        assert!(child.wait().expect("ends").success());

        let text = fs::read_to_string(trace.path()).expect("a trace");
        let busiest = calls_by_thread(&text).into_values().max().expect("a thread");
        let counted = outcome["system_calls"].as_u64().expect("a number");
        let off = busiest.abs_diff(counted) as f64 / busiest as f64;
        println!("{driver}: strace {busiest}, counted {counted}");
        assert!(off < 0.01, "{driver}: strace {busiest}, counted {counted}");
        assert_eq!(outcome["requests"], 5000, "{outcome}");
        assert_eq!(outcome["errors"], json!({}), "{outcome}");
    }
}

/// The thread that makes the requests is the one with the most; what it needs to start and to end
/// is part of its count.
fn calls_by_thread(trace: &str) -> HashMap<&str, u64> {
    let mut calls = HashMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        // a call that another thread interrupted has a second line, signals and exits are no calls
        let rest = rest.trim_start();
        if !(rest.starts_with("<...") || rest.starts_with("---") || rest.starts_with("+++")) {
            *calls.entry(thread).or_default() += 1;
        }
    }
    calls
}

#[test]
fn cpu_is_what_the_kernel_books_to_the_process() {
    let server = Server::start(Value::Null);
    let (mut child, _stdin) =
        start(Command::new(RINGDOVE), "round", &round(&server.url, "epoll", 64, 40_000));
    let outcome = outcome(&mut child);
    // it has ended, and is remembered until it is waited for
    let stat = eventually_zombie(child.id());
    assert!(child.wait().expect("ends").success());
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    // utime and stime, in ticks of 10 ms
    let ticks: u64 =
        fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks");
    let booked = ticks as f64 * 10_000.0;
    let measured =
        outcome["user_us"].as_f64().expect("µs") + outcome["system_us"].as_f64().expect("µs");
    println!("booked {booked} µs, measured {measured} µs");
    // what the process needs to start is in the one, and not in the other
    assert!(measured <= booked + 20_000.0, "booked {booked} µs, measured {measured} µs");
    assert!(measured >= 0.9 * booked - 40_000.0, "booked {booked} µs, measured {measured} µs");
}

fn eventually_zombie(pid: u32) -> String {
    let path = format!("/proc/{pid}/stat");
    for _ in 0..100_000 {
        let stat = fs::read_to_string(&path).expect("not waited for yet");
        if stat.contains(") Z ") {
            return stat;
        }
        std::thread::yield_now();
    }
    panic!("it does not end");
}

#[test]
fn a_server_that_freezes_is_seen_in_every_request_it_kept_waiting() {
    let server = Server::start(json!({"after": 300, "seconds": 1.0}));
    let output = Command::new(RINGDOVE)
        .args(["bench", &server.url, "--driver", "epoll", "--rounds", "1", "--json"])
        .args(["-c", "4", "-n", "1500", "--rate", "500", "--warm-up", "8"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_str(&text).expect("one line of JSON");
    let latency = |series: &str, quantile: &str| {
        let microseconds = summary[series][quantile].as_f64();
        microseconds.unwrap_or_else(|| panic!("no {series}.{quantile}: {summary}")) / 1e6
    };
    // 500 of 1500 requests were to start while the server stood still: for half a second on average
    assert!(latency("latency_us", "max") >= 0.9, "{summary}");
    assert!(latency("latency_us", "p90") >= 0.5, "{summary}");
    // those that had a connection at the time, four, are all that a closed loop would have seen
    assert!(latency("service_us", "max") >= 0.9, "{summary}");
    assert!(latency("service_us", "p99") <= 0.5, "{summary}");
}
