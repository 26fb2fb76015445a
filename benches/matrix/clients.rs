//! The clients: how each is told what to do, and what it says of it.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::cases::{Case, Load, Servers};
use crate::perf::{Counter, During};
use crate::{Args, Failure};

/// Requests of a trial.
const TRIAL: u64 = 4000;
/// Bytes that a trial may bring at most, give or take a request.
const TRIAL_BYTES: u64 = 1 << 30;
/// For what takes some microseconds a request; libcurl takes some hundreds at 8,000 connections.
const TRIAL_LIMIT: Duration = Duration::from_secs(60);

pub(crate) type Record = Map<String, Value>;

/// A client and its program.
pub(crate) struct Client {
    pub(crate) name: String,
    kind: Kind,
    program: PathBuf,
    cpu: usize,
}

#[derive(PartialEq)]
enum Kind {
    /// With this driver.
    Ringdove(&'static str),
    /// One of benches/peers.
    Peer,
    Wrk,
    H2load,
}

/// How much one run is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) requests: u64,
    /// For wrk, which runs for a time.
    pub(crate) seconds: u64,
    /// Per second, in an open loop.
    pub(crate) rate: Option<f64>,
    pub(crate) limit: Duration,
    pub(crate) start: Start,
}

/// Why a run has no record.
pub(crate) enum Trouble {
    Unsupported(String),
    Failed(String),
}

/// What is found before the rounds.
pub(crate) struct Trial {
    pub(crate) requests_per_s: f64,
    /// As perf counts them.
    pub(crate) calls_per_request: Option<f64>,
    /// They were counted, and are lost in how two runs differ by chance.
    pub(crate) calls_are_lost: bool,
    /// Of a program that does not measure itself: its starting and connecting are in it.
    pub(crate) start: Start,
}

/// What a short run did and took, to be subtracted from a longer one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Start {
    requests: f64,
    cpu_us: f64,
}

/// The clients that were asked for.
pub(crate) fn all(args: &Args) -> Vec<Client> {
    let mut clients: Vec<Client> =
        ["ring", "poll", "epoll"].map(|driver| Client::ringdove(args, driver)).into();
    let cpu = args.cpus[0];
    let peers = [
        "floor_ring",
        "floor_epoll",
        "libcurl_multi",
        "hyper_bare",
        "hyper_http2",
        "reqwest_client",
        "ringline_client",
    ];
    for name in peers {
        let program = args.peers.join(name);
        clients.push(Client { name: name.to_owned(), kind: Kind::Peer, program, cpu });
    }
    for (name, kind) in [("wrk", Kind::Wrk), ("h2load", Kind::H2load)] {
        clients.push(Client { name: name.to_owned(), kind, program: name.into(), cpu });
    }
    clients.retain(|client| {
        args.client.is_empty() || args.client.iter().any(|text| client.name.contains(text.as_str()))
    });
    clients
}

/// What ringdove says of the machine, and of itself.
pub(crate) fn machine(args: &Args) -> Result<Record, Failure> {
    let output = Command::new(&args.ringdove)
        .args(["bench", "--json", "--driver", "epoll", "--rounds", "1", "-c", "1", "-n", "1"])
        .output()
        .map_err(|why| format!("{}: {why}", args.ringdove.display()))?;
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    let keys = ["kernel", "cpu", "cpus", "vulnerabilities", "version", "commit"];
    Ok(keys.iter().map(|&key| (key.to_owned(), summary[key].clone())).collect())
}

impl Client {
    pub(crate) fn ringdove(args: &Args, driver: &'static str) -> Self {
        Self {
            name: format!("ringdove {driver}"),
            kind: Kind::Ringdove(driver),
            program: args.ringdove.clone(),
            cpu: args.cpus[0],
        }
    }

    /// Why it is not asked to do the case.
    pub(crate) fn cannot(&self, case: &Case) -> Option<&'static str> {
        match self.kind {
            Kind::Ringdove(_) => None,
            Kind::Peer if case.streams.is_some() != (self.name == "hyper_http2") => {
                Some("speaks the other version of HTTP")
            }
            Kind::Wrk if case.streams.is_some() => Some("speaks HTTP/1.1 alone"),
            _ if case.load != Load::Closed => Some("has no schedule"),
            Kind::Peer if case.tls && self.name.starts_with("floor") => Some("has no TLS"),
            Kind::Peer => None,
            Kind::Wrk | Kind::H2load if case.is_spread() => Some("has one target"),
            Kind::H2load if !case.keepalive => Some("keeps its connections"),
            Kind::Wrk | Kind::H2load => None,
        }
    }

    /// Whether it can, how fast about, and how many system calls a request takes. Ringdove counts
    /// its own.
    pub(crate) fn trial(
        &self,
        case: &Case,
        servers: &Servers,
        counter: Option<&Counter>,
    ) -> Result<Trial, Trouble> {
        // a handshake costs some hundred times what a request does
        let most = if case.tls && !case.keepalive { TRIAL / 4 } else { TRIAL };
        let requests = most.min(TRIAL_BYTES / case.body as u64).max(20);
        let seconds = seconds_to_connect(case) + 1;
        let start = Start::default();
        let effort = Effort { requests, seconds, rate: None, limit: TRIAL_LIMIT, start };
        let during = match self.kind {
            Kind::Ringdove(_) => None,
            Kind::Peer => Some(During::Measured),
            Kind::Wrk | Kind::H2load => Some(During::All),
        };
        let counter = counter.zip(during);
        let (record, calls) = self.run(case, servers, effort, counter)?;
        let of = |key: &str| number(&record, key).unwrap_or(0.0);
        let mut trial = Trial {
            requests_per_s: of("requests_per_s"),
            calls_per_request: None,
            calls_are_lost: false,
            start: Start::default(),
        };
        if trial.requests_per_s <= 0.0 {
            return Err(Trouble::Failed("no request was answered".to_owned()));
        }
        match (during, calls) {
            (Some(During::Measured), Some(calls)) => {
                trial.calls_per_request = Some(calls as f64 / of("requests"));
            }
            (Some(During::All), calls) => {
                // without perf: its CPU is booked to the program that it starts
                let (short, _) = self.run(case, servers, effort, None)?;
                let of = |key: &str| number(&short, key).unwrap_or(0.0);
                trial.start = Start { requests: of("requests"), cpu_us: of("cpu_us") };
                let more = 2 * (trial.requests_per_s as u64).max(2 * case.in_flight() as u64);
                let requests = requests + more;
                let long = Effort { requests, seconds: 2 * seconds, ..effort };
                let (longer, more_calls) = self.run(case, servers, long, counter)?;
                // the first was connecting for most of its time, where there are many or TLS
                let rate = number(&longer, "requests_per_s").unwrap_or(0.0);
                trial.requests_per_s = trial.requests_per_s.max(rate);
                trial.calls_per_request = calls.zip(more_calls).and_then(|(calls, more_calls)| {
                    let requests = number(&longer, "requests")? - number(&record, "requests")?;
                    let more = more_calls as f64 - calls as f64;
                    // otherwise it is lost in how the two differ by chance
                    (requests > 0.0 && more > 0.3 * calls as f64).then(|| more / requests)
                });
                trial.calls_are_lost = calls.is_some() && trial.calls_per_request.is_none();
            }
            _ => {}
        }
        Ok(trial)
    }

    pub(crate) fn measure(
        &self,
        case: &Case,
        servers: &Servers,
        effort: Effort,
    ) -> Result<Record, Trouble> {
        self.run(case, servers, effort, None).map(|(record, _)| record)
    }

    /// Its record, and its system calls where they are counted.
    fn run(
        &self,
        case: &Case,
        servers: &Servers,
        effort: Effort,
        counter: Option<(&Counter, During)>,
    ) -> Result<(Record, Option<u64>), Trouble> {
        let mut command = match self.kind {
            Kind::Ringdove(driver) => self.ringdove_command(case, servers, effort, driver),
            Kind::Peer => self.peer_command(case, servers, effort),
            Kind::Wrk => self.wrk_command(case, servers, effort),
            Kind::H2load => self.h2load_command(case, servers, effort),
        };
        if let Some((counter, during)) = counter {
            command = counter.around(&command, during);
        }
        let ended = finish(command, effort.limit + Duration::from_secs(10))?;
        let record = match self.kind {
            Kind::Ringdove(_) | Kind::Peer => record_of(&ended, case),
            Kind::Wrk => wrk_record(&ended, effort.start),
            Kind::H2load => h2load_record(&ended, effort.start),
        }?;
        Ok((record, counter.and_then(|(counter, _)| counter.count())))
    }

    fn ringdove_command(
        &self,
        case: &Case,
        servers: &Servers,
        effort: Effort,
        driver: &str,
    ) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["bench", "--json", "--rounds", "1", "--driver", driver]);
        command.args(["-c", &case.connections.to_string(), "-n", &effort.requests.to_string()]);
        command.args(["--warm-up", &warm_up(case).to_string(), "--cpu", &self.cpu.to_string()]);
        if let Some(rate) = effort.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if let Some(streams) = case.streams {
            let how = if case.tls { "--http2" } else { "--http2-prior-knowledge" };
            command.args([how, "--streams", &streams.to_string()]);
        }
        self.common(&mut command, case, servers);
        command.arg(servers.url());
        command
    }

    fn peer_command(&self, case: &Case, servers: &Servers, effort: Effort) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--url", &servers.url()]);
        command.args(["--time-limit", &effort.limit.as_secs().to_string()]);
        command.args(["-c", &case.in_flight().to_string(), "-n", &effort.requests.to_string()]);
        if let Some(streams) = case.streams {
            command.args(["--streams", &streams.to_string()]);
        }
        command.args(["--warmup", &warm_up(case).to_string(), "--cpu", &self.cpu.to_string()]);
        self.common(&mut command, case, servers);
        command
    }

    fn common(&self, command: &mut Command, case: &Case, servers: &Servers) {
        if !case.keepalive {
            command.arg("--no-keepalive");
        }
        if case.hosts > 1 {
            command.args(["--hosts", &case.hosts.to_string()]);
        }
        if case.tls {
            command.arg("--cacert").arg(servers.ca_file());
        }
    }

    /// wrk runs for a time, opens its connections within it, and has one target.
    fn wrk_command(&self, case: &Case, servers: &Servers, effort: Effort) -> Command {
        let mut command = self.pinned();
        command.arg(&self.program).args(["-t", "1", "--latency"]);
        // what is later than this it counts as failed: its two seconds are less than a connect
        // takes that is tried again
        command.args(["--timeout", "30s", "-d", &format!("{}s", effort.seconds)]);
        command.args(["-c", &case.connections.to_string()]);
        if !case.keepalive {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(servers.url());
        command
    }

    fn h2load_command(&self, case: &Case, servers: &Servers, effort: Effort) -> Command {
        // beyond those of the start, which connects
        let requests = effort.requests.max(2 * case.in_flight() as u64);
        let requests = requests + effort.start.requests as u64;
        let mut command = self.pinned();
        command.arg(&self.program).args(["-t", "1", "-n", &requests.to_string()]);
        match case.streams {
            Some(streams) => command.args(["-m", &streams.to_string()]),
            None => command.arg("--h1"),
        };
        command.args(["-c", &case.connections.to_string()]).arg(servers.url());
        command
    }

    fn pinned(&self) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.cpu.to_string()]);
        command
    }
}

/// All connections are opened, and used once more.
pub(crate) fn warm_up(case: &Case) -> u64 {
    let targets = if case.keepalive { case.hosts as usize } else { 0 };
    let requests = 2 * case.in_flight().max(targets).max(500) as u64;
    // until the receive windows have grown the server's work is done in the client's system calls
    if case.body > 1 << 20 { 20 * case.connections as u64 } else { requests }
}

/// For wrk, which connects within the time that it runs. Many overflow the server's accept queue
/// (net.core.somaxconn is 4,096), and what is dropped there is tried again after a second.
pub(crate) fn seconds_to_connect(case: &Case) -> u64 {
    let each_us = if case.tls { 2000 } else { 500 };
    (case.connections as u64 * each_us).div_ceil(1_000_000)
}

/// A program that has ended, and the CPU that it took.
struct Ended {
    output: Output,
    cpu_us: f64,
}

/// Runs a program to its end, or to that of our patience.
fn finish(mut command: Command, patience: Duration) -> Result<Ended, Trouble> {
    let program = Path::new(command.get_program()).display().to_string();
    let failed = |why: String| Trouble::Failed(format!("{program}: {why}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // so that with it can be ended what it has started
        .process_group(0)
        .spawn()
        .map_err(|why| Trouble::Unsupported(format!("{program}: {why}")))?;
    let start = Instant::now();
    // it says a few lines at its end: the pipes have room for them
    while !is_zombie(child.id()) {
        if start.elapsed() > patience {
            kill(&mut child);
            return Err(failed(format!("did not end within {} s", patience.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let cpu_us = booked_us(child.id()).unwrap_or(0.0);
    let mut stdout = Vec::new();
    let mut stderr = Vec::new();
    let read = |pipe: &mut dyn std::io::Read, into: &mut Vec<u8>| pipe.read_to_end(into).is_ok();
    let _ = child.stdout.take().is_some_and(|mut pipe| read(&mut pipe, &mut stdout));
    let _ = child.stderr.take().is_some_and(|mut pipe| read(&mut pipe, &mut stderr));
    let status = child.wait().map_err(|why| failed(why.to_string()))?;
    Ok(Ended { output: Output { status, stdout, stderr }, cpu_us })
}

/// With all processes of its group.
fn kill(child: &mut Child) {
    let group = format!("kill -KILL -{}", child.id());
    let _ = Command::new("sh").args(["-c", &group]).status();
    let _ = child.wait();
}

fn stat(pid: u32) -> Option<Vec<String>> {
    let mut text = String::new();
    fs::File::open(format!("/proc/{pid}/stat")).ok()?.read_to_string(&mut text).ok()?;
    Some(text.rsplit_once(") ")?.1.split_whitespace().map(str::to_owned).collect())
}

fn is_zombie(pid: u32) -> bool {
    stat(pid).is_none_or(|fields| fields.first().is_some_and(|state| state == "Z"))
}

/// User and system time of a process that has ended and was not waited for, in ticks of 10 ms.
fn booked_us(pid: u32) -> Option<f64> {
    let fields = stat(pid)?;
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 * 10_000.0)
}

/// The one line of JSON that ringdove and the peers write. Exit status 3: cannot do that.
fn record_of(ended: &Ended, case: &Case) -> Result<Record, Trouble> {
    let said = String::from_utf8_lossy(&ended.output.stderr).trim().to_owned();
    if ended.output.status.code() == Some(3) {
        return Err(Trouble::Unsupported(said));
    }
    let record: Option<Value> = serde_json::from_slice(&ended.output.stdout).ok();
    let Some(Value::Object(record)) = record else {
        return Err(Trouble::Failed(format!("no record ({}); {said}", ended.output.status)));
    };
    let errors = match &record["errors"] {
        Value::Object(kinds) => kinds.len() as u64,
        errors => errors.as_u64().unwrap_or(0),
    };
    if errors > 0 {
        return Err(Trouble::Failed(format!("requests failed: {} {said}", record["errors"])));
    }
    let requests = record["requests"].as_u64().unwrap_or(0);
    if record.get("timed_out") == Some(&Value::Bool(true)) && requests < case.in_flight() as u64 {
        return Err(Trouble::Failed(format!("{requests} requests were measured in the time")));
    }
    // ringdove gives spreads over its one round
    let plain = record.into_iter().map(|(key, value)| match value.get("median") {
        Some(median) => (key, median.clone()),
        None => (key, value),
    });
    Ok(plain.collect())
}

fn wrk_record(ended: &Ended, start: Start) -> Result<Record, Trouble> {
    let text = String::from_utf8_lossy(&ended.output.stdout).into_owned();
    let said = || Trouble::Failed(format!("not understood: {text}"));
    let wrong = |line: &&str| line.contains("Socket errors") || line.contains("Non-2xx");
    if let Some(line) = text.lines().find(wrong) {
        return Err(Trouble::Failed(format!("requests failed: {}", line.trim())));
    }
    let requests = number_before(&text, " requests in").ok_or_else(said)?;
    let rate = number_after(&text, "Requests/sec:").ok_or_else(said)?;
    Ok(outside_record(ended, start, requests, rate))
}

fn h2load_record(ended: &Ended, start: Start) -> Result<Record, Trouble> {
    let text = String::from_utf8_lossy(&ended.output.stdout).into_owned();
    let said = || Trouble::Failed(format!("not understood: {text}"));
    let requests = number_before(&text, " succeeded").ok_or_else(said)?;
    let failed = number_before(&text, " failed").ok_or_else(said)?;
    if failed > 0.0 {
        return Err(Trouble::Failed(format!("{failed} requests failed, {requests} did not")));
    }
    let rate = number_before(&text, " req/s").ok_or_else(said)?;
    Ok(outside_record(ended, start, requests, rate))
}

/// For programs that do not measure themselves: the CPU of the whole process, beyond what it took to
/// start and to connect.
fn outside_record(ended: &Ended, start: Start, requests: f64, rate: f64) -> Record {
    let beyond = (requests - start.requests).max(1.0);
    let cpu_us = ended.cpu_us - start.cpu_us;
    let record = json!({
        "requests": requests, "requests_per_s": rate, "cpu_us": ended.cpu_us,
        // none, where many handshakes took more of it by chance than all after them
        "cpu_us_per_request": (cpu_us > 0.0).then(|| cpu_us / beyond),
        "whole_process": true,
    });
    record.as_object().cloned().unwrap_or_default()
}

pub(crate) fn number(record: &Record, key: &str) -> Option<f64> {
    record.get(key).and_then(Value::as_f64)
}

fn number_before(text: &str, mark: &str) -> Option<f64> {
    let before = &text[..text.find(mark)?];
    let start = before.rfind(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(0, |at| at + 1);
    before[start..].parse().ok()
}

fn number_after(text: &str, mark: &str) -> Option<f64> {
    text[text.find(mark)? + mark.len()..].split_whitespace().next()?.parse().ok()
}
