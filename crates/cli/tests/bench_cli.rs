//! `ringdove bench` tells the truth: its counts are strace's, its CPU is the kernel's, its latency
//! has no coordinated omission; and it tells all of it, in each of its forms.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use ringdove_test_support::h2;
use ringdove_test_support::hostile::{Framing, Plan, Script};
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
        Server::serving(12, freeze)
    }

    fn serving(body_bytes: usize, freeze: Value) -> Server {
        let serve = json!({
            "hosts": 1, "body_bytes": body_bytes, "cpu": null, "tls": false, "freeze": freeze
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
        "streams": 1, "speaks": "Http1",
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
    for (driver, threads) in [("epoll", 1), ("epoll", 2), ("poll", 1), ("ring", 1)] {
        if !has_driver(driver) {
            continue;
        }
        let of = |requests: u64| {
            let mut round = round(&server.url, driver, 64, requests);
            round["threads"] = threads.into();
            booked_and_measured(&round)
        };
        // what the process needs to start and to end is booked to it, and no part of the round
        let (booked, measured) = of(threads);
        let start = (booked - measured).max(0.0);
        let (booked, measured) = of(150_000);
        println!("{driver}, {threads} threads: {measured} of {booked} µs, {start} to start");
        let off = (booked - start - measured).abs();
        // user and system time are told in ticks of 10 ms, of both runs
        let allowed = 0.01 * booked + 30_000.0;
        assert!(
            off <= allowed,
            "{driver}, {threads} threads: {booked} µs are booked, {start} µs of it are for the \
             start, {measured} µs were measured"
        );
    }
}

/// CPU time of a round in µs: by the kernel's book of its process, by its own account.
fn booked_and_measured(round: &Value) -> (f64, f64) {
    let (mut child, _stdin) = start(Command::new(RINGDOVE), "round", round);
    let outcome = outcome(&mut child);
    // it has ended, and is remembered until it is waited for
    let stat = eventually_zombie(child.id());
    assert!(child.wait().expect("ends").success());
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    // utime and stime, in ticks of 10 ms
    let ticks: u64 =
        fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks");
    let of = |what: &str| outcome[what].as_f64().expect("µs");
    (ticks as f64 * 10_000.0, of("user_us") + of("system_us") + of("other_cpu_us"))
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

/// What `ringdove bench --json` says with these arguments, a line each.
fn bench_json(args: &[&str]) -> Vec<Value> {
    let output =
        Command::new(RINGDOVE).args(["bench", "--json"]).args(args).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn number(value: &Value, key: &str) -> f64 {
    let value = if value[key].is_object() { &value[key]["median"] } else { &value[key] };
    value.as_f64().unwrap_or_else(|| panic!("no number {key}"))
}

#[test]
fn a_record_says_all_that_a_figure_means_nothing_without() {
    for summary in bench_json(&["--rounds", "2", "-c", "8", "-n", "2000", "--warm-up", "16"]) {
        for text in ["driver", "why", "kernel", "cpu", "version"] {
            assert!(
                summary[text].as_str().is_some_and(|text| !text.is_empty()),
                "{text}: {summary}"
            );
        }
        assert!(summary["vulnerabilities"].is_object(), "{summary}");
        assert!(summary["commit"].is_null() || summary["commit"].is_string(), "{summary}");
        assert_eq!(summary["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((number(&summary, "connections"), number(&summary, "requests")), (8.0, 4000.0));
        assert_eq!(summary["errors"], json!({}), "{summary}");
        assert!(summary["warnings"].is_array(), "{summary}");

        // of each figure the median lies between the extremes
        let spreads = [
            "seconds",
            "requests_per_s",
            "cpu_us_per_request",
            "cpu_user_us_per_request",
            "cpu_sys_us_per_request",
            "cpu_other_us_per_request",
            "syscalls_per_request",
            "sqes_per_request",
            "cqes_per_request",
            "submissions_per_request",
            "ctx_switches_per_request",
            "opened_per_request",
            "busy",
            "peak_rss_kib",
            "bytes_per_connection",
        ];
        for key in spreads {
            let of = |which: &str| summary[key][which].as_f64().unwrap_or_else(|| panic!("{key}"));
            assert!(of("min") <= of("median") && of("median") <= of("max"), "{key}: {summary}");
        }
        for key in ["seconds", "requests_per_s", "cpu_us_per_request", "peak_rss_kib"] {
            assert!(number(&summary, key) > 0.0, "{key}: {summary}");
        }
        let latency =
            ["p50", "p90", "p99", "p99_9", "max"].map(|at| number(&summary["latency_us"], at));
        assert!(latency[0] > 0.0 && latency.is_sorted(), "{latency:?}");
        in_keeping(&summary);
    }
}

/// What is known of a driver by how it works.
fn in_keeping(summary: &Value) {
    let [calls, sqes, cqes, submissions] =
        ["syscalls_per_request", "sqes_per_request", "cqes_per_request", "submissions_per_request"]
            .map(|key| number(summary, key));
    match summary["driver"].as_str().expect("a name") {
        // send and receive, and a wait for some of them
        "epoll" => assert!(calls >= 2.0 && sqes == 0.0 && cqes == 0.0, "{summary}"),
        "poll" => assert!(calls >= 2.0 && sqes >= 1.0 && submissions > 0.0, "{summary}"),
        "ring" => assert!(calls < 2.0 && sqes >= 1.0 && cqes >= 1.0, "{summary}"),
        driver => panic!("no such driver: {driver}"),
    }
}

#[test]
fn errors_are_counted_by_their_kind() {
    let server = Server::serving(12, Value::Null);
    let mut round = round(&server.url, "epoll", 4, 100);
    round["body_bytes"] = 13.into();
    let (mut child, _stdin) = start(Command::new(RINGDOVE), "round", &round);
    let outcome = outcome(&mut child);
    assert!(child.wait().expect("ends").success());
    assert_eq!(outcome["errors"], json!({"body": 100}), "{outcome}");
    assert_eq!(outcome["first_error"], "a body of 12 bytes");
}

#[test]
fn requests_are_described_as_to_fetch() {
    let words = ["-X", "PUT", "-H", "X-A: b", "-d", "a=1", "-d", "c", "--compressed"];
    let mut seen = Vec::new();
    for command in [
        &["bench", "--driver", "epoll", "--rounds", "1", "-c", "1", "-n", "1", "--warm-up", "0"][..],
        &["fetch"],
    ] {
        let server = Plan::new().path("/", Script::new().read_body().ok("taken")).start();
        let url = server.url("/");
        let mut command = [command, &words].concat();
        command.push(&url);
        let output = Command::new(RINGDOVE).args(command).output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{}", server.dump());
        let fields = ["x-a", "accept-encoding", "content-type", "content-length"];
        let fields = fields.map(|name| requests[0].field(name).expect(name));
        seen.push((requests[0].method(), fields, requests[0].body.clone()));
    }
    assert_eq!(seen[0], seen[1], "bench, fetch");
    // what comes is decoded, and only where that is asked for
    let coded = "200 OK\r\nContent-Encoding: gzip";
    let script = Script::new().respond(coded, Framing::ContentLength, "none");
    let server = Plan::new().path("/", script).start();
    for (option, status) in [(None, 0), (Some("--compressed"), 1)] {
        let mut command = Command::new(RINGDOVE);
        command.args(["bench", "--driver", "epoll", "--rounds", "1", "-n", "1", "--warm-up", "0"]);
        let output = command.args(option).arg(server.url("/")).output().expect("runs");
        assert_eq!(output.status.code(), Some(status), "{option:?}: {output:?}");
    }
    let output = Command::new(RINGDOVE).args(["bench", "-n", "1", "-d", "@nowhere"]).output();
    let said = String::from_utf8_lossy(&output.expect("runs").stderr).into_owned();
    assert!(said.contains("cannot read -d @nowhere"), "{said}");
}

#[test]
fn the_embedded_server_takes_any_request() {
    // the end of a head, and what asks for a close, within a body
    let body = format!("x\r\n\r\ny: close\r\n\r\n{}", "z".repeat(40_000));
    for options in [&["--data-raw", &body][..], &["-X", "HEAD"], &["--compressed", "--tls"]] {
        let args = ["--rounds", "1", "-c", "2", "-n", "50", "--warm-up", "4", "--driver", "epoll"];
        let summary = &bench_json(&[&args[..], options].concat())[0];
        assert_eq!((number(summary, "requests"), &summary["errors"]), (50.0, &json!({})));
    }
}

#[test]
fn answers_that_are_not_2xx_and_requests_sent_again_are_shown() {
    let moved = Script::new().respond("301 Moved", Framing::ContentLength, "");
    // each connection is closed on its second request
    let script = Script::new().serve_once().read_head().close();
    let server = Plan::new().connection(script).path("/moved", moved).start();
    let urls = [server.url("/moved"), server.url("/none")];
    let args = ["--driver", "epoll", "--rounds", "1", "-c", "1", "-n", "10", "--warm-up", "0"];
    let dir = tempfile::tempdir().expect("a directory");
    let plot = dir.path().join("plot.svg");
    for json in [true, false] {
        let mut command = Command::new(RINGDOVE);
        command.args(["bench"]).args(args).args(&urls).arg("--plot").arg(&plot);
        let output = command.args(json.then_some("--json")).output().expect("runs");
        assert_eq!(output.status.code(), Some(1), "404 is an error: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        let html = fs::read_to_string(dir.path().join("plot.svg.html")).expect("the report");
        let said = [
            "epoll, 1: answers that are not 2xx: 5 × 301, 5 × 404",
            "epoll, 1: requests sent again, as their connections were closed: 9",
        ];
        for line in said {
            assert!(html.contains(line), "{line}: {html}");
            assert!(json || text.contains(line), "{line}: {text}");
        }
        if json {
            let summary: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(summary["not_2xx"], json!({"301": 5, "404": 5}), "{summary}");
            assert_eq!(summary["sent_again"], 9, "{summary}");
        }
    }
}

#[test]
fn a_client_that_cannot_keep_its_schedule_says_so() {
    // one that the server keeps from it
    let server = Server::start(json!({"after": 100, "seconds": 0.5}));
    let args = ["--driver", "epoll", "--rounds", "1", "-c", "1", "-n", "1000", "--warm-up", "8"];
    let summaries = bench_json(&[&args[..], &["--rate", "9000000", &server.url]].concat());
    let warnings = summaries[0]["warnings"].to_string();
    assert!(warnings.contains("fell behind its schedule"), "{warnings}");
    assert_eq!(number(&summaries[0], "rate"), 9e6);
}

#[test]
fn threads_share_the_connections_and_the_requests() {
    let args = ["--driver", "epoll", "--rounds", "1", "-c", "9", "-n", "2001", "--warm-up", "40"];
    for threads in ["2", "5"] {
        let summaries = bench_json(&[&args[..], &["--threads", threads]].concat());
        assert_eq!(summaries[0]["threads"].to_string(), threads);
        assert_eq!(number(&summaries[0], "requests"), 2001.0);
        assert_eq!(summaries[0]["errors"], json!({}));
    }
    let server = Server::start(Value::Null);
    let mut round = round(&server.url, "epoll", 9, 2001);
    round["threads"] = 2.into();
    let (mut child, _stdin) = start(Command::new(RINGDOVE), "round", &round);
    let outcome = outcome(&mut child);
    assert_eq!((&outcome["connections"], &outcome["opened"]), (&json!(9), &json!(9)), "{outcome}");
}

#[test]
fn urls_are_read_from_a_file_and_loaded_in_turn() {
    let (small, large) = (Server::serving(10, Value::Null), Server::serving(1010, Value::Null));
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!("# two of them\n{}\n\n  {}b?c=d  \n", small.url, large.url);
    fs::write(file.path(), &text).expect("room");
    let path = file.path().to_str().expect("UTF-8");
    let args = ["--driver", "epoll", "--rounds", "1", "-c", "2", "-n", "100", "--warm-up", "4"];
    let summaries = bench_json(&[&args[..], &["-i", path]].concat());
    assert_eq!(number(&summaries[0], "targets"), 2.0);
    assert_eq!(number(&summaries[0], "body_bytes"), 510.0, "each had its half");

    for (text, complaint) in [
        (format!("{}\nhttp://\n", small.url), "line 2"),
        ("ftp.foo\n".to_owned(), "http:// or https://"),
        ("# nothing\n".to_owned(), "no URL"),
    ] {
        fs::write(file.path(), text).expect("room");
        let output = Command::new(RINGDOVE)
            .args(["bench", "-n", "1", "-i", path])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(path) && said.contains(complaint), "{said}");
    }
}

#[test]
fn zones_of_addresses_reach_the_rounds() {
    let plan = Plan::new().path("/", Script::new().ok("fine"));
    let server = plan.addr((std::net::Ipv6Addr::LOCALHOST, 0).into()).start();
    let url = format!("http://[::1%25lo]:{}/", server.addr().port());
    let args = ["--requests", "5", "--warm-up", "0", "--rounds", "1", "--driver", "epoll"];
    let summaries = bench_json(&[&args[..], &["--connections", "1", &url]].concat());
    assert_eq!((number(&summaries[0], "requests"), &summaries[0]["errors"]), (5.0, &json!({})));
    let refused = Command::new(RINGDOVE)
        .args(["bench", "--driver", "epoll", "http://[fe80::1%25no-such-one]/"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("no-such-one"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn plots_and_report_show_what_was_measured() {
    let dir = tempfile::tempdir().expect("a directory");
    let svg = dir.path().join("plot.svg");
    let plot = ["--plot", svg.to_str().expect("UTF-8")];
    let args = ["--rounds", "2", "-c", "2,16", "-n", "1000", "--warm-up", "40"];
    let summaries = bench_json(&[&args[..], &plot].concat());
    let drivers: Vec<&str> = summaries
        .iter()
        .filter(|s| s["connections"] == 2)
        .filter_map(|s| s["driver"].as_str())
        .collect();
    assert_eq!(summaries.len(), 2 * drivers.len());

    let svg = fs::read_to_string(svg).expect("the plot");
    let texts = elements(&svg, "text");
    let titles = [
        "CPU µs per request",
        "System calls per request",
        "Latency in µs by quantile, 16 connections",
    ];
    for title in titles {
        assert_eq!(texts.iter().filter(|text| **text == title).count(), 1, "{title}: {texts:?}");
    }
    for &driver in &drivers {
        // in the legend of each of the three
        assert_eq!(texts.iter().filter(|text| **text == driver).count(), 3, "{driver}: {texts:?}");
    }
    // beside the lines of its panel, and not over them
    let right_of = |x: f64| if x < 500.0 { 410.0 } else { 910.0 };
    for (x, text) in placed(&svg) {
        assert!(!drivers.contains(&text) || x >= right_of(x), "{text} at {x}");
    }
    for points in polylines(&svg) {
        let (left, top) = points[0];
        let edge = if top < 400.0 { right_of(left) } else { 910.0 };
        let is_sample = points.len() == 2 && left >= edge;
        assert!(is_sample || points.iter().all(|point| point.0 <= edge), "{points:?}");
    }
    // a point for each number of connections, of each driver, in the first two
    assert_eq!(svg.matches("<circle").count(), 2 * summaries.len(), "{svg}");

    let html = fs::read_to_string(dir.path().join("plot.svg.html")).expect("the report");
    assert!(html.contains(&svg), "the plot stands in it");
    let kernel = summaries[0]["kernel"].as_str().expect("a kernel");
    assert!(html.contains(kernel), "{html}");
    let (_, table) = html.split_once("Where epoll wins").expect("that table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("<tr><td>"))
        .map(|line| line.split("<td>").skip(1).collect())
        .collect();
    assert_eq!(rows, where_epoll_wins(&summaries));
}

/// The texts of a plot, and where each stands.
fn placed(svg: &str) -> Vec<(f64, &str)> {
    let begins = svg.split("<text x=\"").skip(1);
    let read = begins.filter_map(|rest| {
        let x = rest.split('"').next()?.parse().ok()?;
        Some((x, rest.split_once('>')?.1.split('<').next()?.trim()))
    });
    read.collect()
}

/// The points of each line of a plot.
fn polylines(svg: &str) -> Vec<Vec<(f64, f64)>> {
    let points = svg.split(" points=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let point = |text: &str| {
        let (x, y) = text.split_once(',')?;
        Some((x.parse().ok()?, y.parse().ok()?))
    };
    points.map(|points| points.split_whitespace().filter_map(point).collect()).collect()
}

/// The same table, from the records.
fn where_epoll_wins(summaries: &[Value]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for epoll in summaries.iter().filter(|summary| summary["driver"] == "epoll") {
        let other = summaries.iter().filter(|other| {
            other["driver"] != "epoll" && other["connections"] == epoll["connections"]
        });
        for other in other {
            let cpu = |summary: &Value, which: &str| {
                summary["cpu_us_per_request"][which].as_f64().expect("µs")
            };
            let driver = other["driver"].as_str().expect("a name");
            let verdict = if cpu(epoll, "max") < cpu(other, "min") {
                "epoll"
            } else if cpu(other, "max") < cpu(epoll, "min") {
                driver
            } else {
                "neither: the rounds overlap"
            };
            let (theirs, ours) = (cpu(other, "median"), cpu(epoll, "median"));
            rows.push(vec![
                epoll["connections"].to_string(),
                driver.to_owned(),
                format!("{theirs:.2}"),
                format!("{ours:.2}"),
                format!("{:+.1} %", (theirs / ours - 1.0) * 100.0),
                verdict.to_owned(),
            ]);
        }
    }
    rows
}

/// What stands between `<name …>` and `</name>`, in order.
fn elements<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name} "), format!("</{name}>"));
    let parts = text.split(&open).skip(1);
    parts
        .map(|part| {
            let (_, rest) = part.split_once('>').expect("the end of the tag");
            rest.split_once(&close).expect("the end of the element").0.trim()
        })
        .collect()
}

#[test]
fn requests_over_http2_share_connections() {
    let plan = h2::Plan::new().each(|_| h2::Script::new().await_body().head(200, &[]).bytes("x"));
    for driver in ["epoll", "poll", "ring"] {
        if !has_driver(driver) {
            continue;
        }
        let server = plan.clone().start();
        let bench = Command::new(RINGDOVE)
            .args(["bench", &server.url("/"), "--http2-prior-knowledge", "--streams", "5"])
            .args(["-c", "2", "-n", "200", "--warm-up", "0", "--rounds", "1", "--driver", driver])
            .arg("--json")
            .output()
            .expect("it runs");
        assert!(bench.status.success(), "{}", String::from_utf8_lossy(&bench.stderr));
        assert_eq!((server.seen().len(), server.requests().len()), (2, 200));
        assert_eq!(server.violations(), [""; 0], "{}", server.dump());
    }
}

#[test]
fn http2_needs_somewhere_that_speaks_it() {
    for args in
        [&["--http2"][..], &["--http2-prior-knowledge"], &["http://127.0.0.1/", "--streams", "2"]]
    {
        let bench = Command::new(RINGDOVE).arg("bench").args(args).output().expect("it runs");
        assert_eq!(bench.status.code(), Some(2), "{args:?}");
        assert!(!bench.stderr.is_empty());
    }
}
