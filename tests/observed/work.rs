//! The work that is observed, in a process of its own.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use ringdove::driver::Kind;
use ringdove::sys::count::{self, Counter};
use ringdove::{Collect, Config, Driver, Request};

use ringdove_test_support::isolated;
use ringdove_test_support::nginx::{Nginx, OK_BODY};

const URL: &str = "RINGDOVE_OBSERVED_URL";
const COUNTS: &str = "RINGDOVE_OBSERVED_COUNTS";

/// Requests whose system calls are counted, and the connections that carry them.
pub(crate) const REQUESTS: u64 = 3000;
pub(crate) const CONNECTIONS: usize = 16;

/// Paths that do not exist: looking for one leaves a mark in a trace.
pub(crate) const MARKS: [&str; 4] =
    ["/ringdove-begin", "/ringdove-steady", "/ringdove-end", "/ringdove-over"];

/// What the process under the tool counted itself.
pub(crate) struct Counted {
    /// From the making of the driver to its end.
    pub(crate) all: BTreeMap<String, u64>,
    /// While connections were neither opened nor closed.
    pub(crate) steady: BTreeMap<String, u64>,
}

/// Runs the work on a driver of this kind under a tool, and returns what it counted; `None` in the
/// process under the tool.
pub(crate) fn under(tool: &[&str], test: &str, kind: Kind) -> Option<Counted> {
    if let Ok(url) = env::var(URL) {
        isolated::run(test, &[], || work(kind, &url));
        return None;
    }
    let nginx = Nginx::plain();
    let dir = tempfile::tempdir().expect("a directory");
    let counts = dir.path().join("counts");
    let settings =
        [format!("{URL}={}", nginx.url("/ok")), format!("{COUNTS}={}", counts.display())];
    let mut wrapper = vec!["env", &settings[0], &settings[1]];
    wrapper.extend(tool);
    isolated::run(test, &wrapper, || unreachable!("the process under the tool has a URL"));
    let read = |which: &str| {
        let text = fs::read_to_string(counts.with_extension(which)).expect("it wrote its counts");
        let line = |line: &str| {
            let (name, count) = line.split_once('\t').expect("name and count");
            (name.to_owned(), count.parse().expect("a count"))
        };
        text.lines().map(line).collect()
    };
    Some(Counted { all: read("all"), steady: read("steady") })
}

fn work(kind: Kind, url: &str) {
    mark(0);
    let begin = count::snapshot();
    let config = Config { max_connections: CONNECTIONS, ..Config::default() };
    let mut driver = Driver::new(kind, config).expect("asked before");
    // all connections are there when the counting begins
    fetch(&mut driver, url, 4 * CONNECTIONS as u64);
    mark(1);
    let steady = count::snapshot();
    fetch(&mut driver, url, REQUESTS);
    let steady = count::snapshot().since(&steady);
    mark(2);
    driver.close_idle().unwrap();
    driver.turn(Some(std::time::Duration::ZERO)).expect("the driver can go on");
    driver.turn(Some(std::time::Duration::ZERO)).expect("the driver can go on");
    drop(driver);
    let all = count::snapshot().since(&begin);
    mark(3);
    save("steady", &steady);
    save("all", &all);
}

fn fetch(driver: &mut Driver, url: &str, requests: u64) {
    for _ in 0..requests {
        let request = Request::get(url).expect("a good URL");
        driver.add(request, Box::new(Collect::default())).expect("it can be added");
    }
    let mut bodies = 0;
    while driver.running() > 0 {
        driver.turn(None).expect("the driver can go on");
        while let Some(message) = driver.next_message() {
            let (outcome, Collect { body, .. }) = message.into_parts().expect("as added");
            outcome.result.expect("it ends well");
            bodies += u64::from(body == OK_BODY);
        }
    }
    assert_eq!(bodies, requests);
}

fn mark(which: usize) {
    let _ = fs::symlink_metadata(MARKS[which]);
}

fn save(which: &str, counts: &count::Counts) {
    let path = env::var(COUNTS).expect("where to put the counts");
    let text: String =
        counts.iter().map(|(counter, n)| format!("{}\t{n}\n", counter.name())).collect();
    fs::write(Path::new(&path).with_extension(which), text).expect("writes the counts");
}

/// The names of the counters that stand for system calls.
pub(crate) fn system_calls() -> impl Iterator<Item = &'static str> {
    Counter::ALL.iter().filter(|counter| counter.is_system_call()).map(|counter| counter.name())
}

/// Whether a driver of this kind can be had; says so aloud if not.
pub(crate) fn available(kind: Kind) -> bool {
    match Driver::new(kind, Config::default()) {
        Ok(_) => true,
        Err(refused) => {
            eprintln!("skipped: {refused}");
            false
        }
    }
}

/// Whether a tool can do its work here; says so aloud if not. Under the tool it can.
pub(crate) fn runs(program: &str, args: &[&str]) -> bool {
    if env::var(URL).is_ok() {
        return true;
    }
    match std::process::Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            eprintln!("skipped: {program} cannot do its work here: {}", why.trim());
            false
        }
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            false
        }
    }
}
