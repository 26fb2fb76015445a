//! The clients: how each is told what to do, and what it says of it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::cases::{Case, Servers};
use crate::{Args, Failure};

/// Requests of a trial.
const TRIAL: u64 = 4000;
/// Bytes that a trial may bring at most, give or take a request.
const TRIAL_BYTES: u64 = 1 << 30;
const TRIAL_LIMIT: Duration = Duration::from_secs(30);

pub(crate) type Record = Map<String, Value>;

/// A client and its program.
pub(crate) struct Client {
    pub(crate) name: String,
    kind: Kind,
    program: PathBuf,
    cpu: usize,
}

enum Kind {
    /// With this driver.
    Ringdove(&'static str),
    /// One of benches/peers.
    Peer,
    Wrk,
    H2load,
}

/// What became of a trial.
pub(crate) enum Outcome {
    /// Requests per second.
    Measured(f64),
    Unsupported(String),
    Failed(String),
}

/// The clients that were asked for.
pub(crate) fn all(args: &Args) -> Vec<Client> {
    let cpu = args.cpus[0];
    let mut clients = Vec::new();
    for driver in ["ring", "poll", "epoll"] {
        let (name, program) = (format!("ringdove {driver}"), args.ringdove.clone());
        clients.push(Client { name, kind: Kind::Ringdove(driver), program, cpu });
    }
    let peers = [
        "floor_ring",
        "floor_epoll",
        "libcurl_multi",
        "hyper_bare",
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
pub(crate) fn machine(args: &Args) -> Result<Value, Failure> {
    let output = Command::new(&args.ringdove)
        .args(["bench", "--json", "--driver", "epoll", "--rounds", "1", "-c", "1", "-n", "1"])
        .output()
        .map_err(|why| format!("{}: {why}", args.ringdove.display()))?;
    let summary: Value = serde_json::from_slice(&output.stdout)?;
    let keys = ["kernel", "cpu", "cpus", "vulnerabilities", "version", "commit"];
    Ok(keys.iter().map(|&key| (key.to_owned(), summary[key].clone())).collect::<Map<_, _>>().into())
}

impl Client {
    /// Whether it can, and how fast about.
    pub(crate) fn trial(&self, case: &Case, servers: &Servers) -> Outcome {
        let requests = TRIAL.min(TRIAL_BYTES / case.body as u64).max(20);
        match self.run(case, servers, requests, TRIAL_LIMIT) {
            Ok(record) => match record.get("requests_per_s").and_then(Value::as_f64) {
                Some(rate) if rate > 0.0 => Outcome::Measured(rate),
                _ => Outcome::Failed("no request was answered".to_owned()),
            },
            Err(why) => why,
        }
    }

    pub(crate) fn measure(
        &self,
        case: &Case,
        servers: &Servers,
        requests: u64,
        limit: Duration,
    ) -> Result<Record, String> {
        self.run(case, servers, requests, limit).map_err(|outcome| match outcome {
            Outcome::Failed(why) | Outcome::Unsupported(why) => why,
            Outcome::Measured(_) => unreachable!("is no error"),
        })
    }

    fn run(
        &self,
        case: &Case,
        servers: &Servers,
        requests: u64,
        limit: Duration,
    ) -> Result<Record, Outcome> {
        let command = match self.kind {
            Kind::Ringdove(driver) => self.ringdove(case, servers, requests, driver),
            Kind::Peer => self.peer(case, servers, requests, limit),
            Kind::Wrk => self.wrk(case, servers, requests)?,
            Kind::H2load => self.h2load(case, servers, requests)?,
        };
        let ended = finish(command, limit + Duration::from_secs(10))?;
        match self.kind {
            Kind::Ringdove(_) | Kind::Peer => record_of(&ended),
            Kind::Wrk => wrk_record(&ended),
            Kind::H2load => h2load_record(&ended),
        }
    }

    fn ringdove(&self, case: &Case, servers: &Servers, requests: u64, driver: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["bench", "--json", "--rounds", "1", "--driver", driver]);
        command.args(["-c", &case.connections.to_string(), "-n", &requests.to_string()]);
        command.args(["--warm-up", &warm_up(case).to_string(), "--cpu", &self.cpu.to_string()]);
        self.common(&mut command, case, servers);
        command.arg(servers.url());
        command
    }

    fn peer(&self, case: &Case, servers: &Servers, requests: u64, limit: Duration) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--url", &servers.url(), "--time-limit", &limit.as_secs().to_string()]);
        command.args(["-c", &case.connections.to_string(), "-n", &requests.to_string()]);
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
    fn wrk(&self, case: &Case, servers: &Servers, requests: u64) -> Result<Command, Outcome> {
        if case.hosts > 1 && case.keepalive {
            return Err(Outcome::Unsupported("wrk has one target".to_owned()));
        }
        let seconds = if requests <= TRIAL { 1 } else { 3 };
        let mut command = self.pinned();
        command.arg(&self.program).args(["-t", "1", "--latency", "-d", &format!("{seconds}s")]);
        command.args(["-c", &case.connections.to_string()]);
        if !case.keepalive {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(servers.url());
        Ok(command)
    }

    fn h2load(&self, case: &Case, servers: &Servers, requests: u64) -> Result<Command, Outcome> {
        if case.hosts > 1 || !case.keepalive {
            return Err(Outcome::Unsupported(
                "h2load has one target, and keeps its connections".to_owned(),
            ));
        }
        let requests = requests.max(2 * case.connections as u64);
        let mut command = self.pinned();
        command.arg(&self.program).args(["--h1", "-t", "1", "-n", &requests.to_string()]);
        command.args(["-c", &case.connections.to_string()]).arg(servers.url());
        Ok(command)
    }

    fn pinned(&self) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.cpu.to_string()]);
        command
    }
}

/// All connections are opened, and used once more.
fn warm_up(case: &Case) -> u64 {
    let targets = if case.keepalive { case.hosts as usize } else { 0 };
    let requests = 2 * case.connections.max(targets).max(500) as u64;
    // large bodies need no more than the connections
    if case.body > 1 << 20 { case.connections as u64 } else { requests }
}

/// A program that has ended, and the CPU that it took.
struct Ended {
    output: Output,
    cpu_us: f64,
}

/// Runs a program to its end, or to that of our patience.
fn finish(mut command: Command, patience: Duration) -> Result<Ended, Outcome> {
    let program = Path::new(command.get_program()).display().to_string();
    let failed = |why: String| Outcome::Failed(format!("{program}: {why}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|why| Outcome::Unsupported(format!("{program}: {why}")))?;
    let start = Instant::now();
    // it says a few lines at its end: the pipes have room for them
    while !is_zombie(child.id()) {
        if start.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(format!("did not end within {patience:?}")));
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
fn record_of(ended: &Ended) -> Result<Record, Outcome> {
    let said = String::from_utf8_lossy(&ended.output.stderr).trim().to_owned();
    if ended.output.status.code() == Some(3) {
        return Err(Outcome::Unsupported(said));
    }
    let record: Option<Value> = serde_json::from_slice(&ended.output.stdout).ok();
    let Some(Value::Object(record)) = record else {
        return Err(Outcome::Failed(format!("no record; {said}")));
    };
    let errors = match &record["errors"] {
        Value::Object(kinds) => kinds.len() as u64,
        errors => errors.as_u64().unwrap_or(0),
    };
    if errors > 0 {
        return Err(Outcome::Failed(format!("requests failed: {} {said}", record["errors"])));
    }
    // ringdove gives spreads over its one round
    let plain = record.into_iter().map(|(key, value)| match value.get("median") {
        Some(median) => (key, median.clone()),
        None => (key, value),
    });
    Ok(plain.collect())
}

fn wrk_record(ended: &Ended) -> Result<Record, Outcome> {
    let text = String::from_utf8_lossy(&ended.output.stdout).into_owned();
    let said = || Outcome::Failed(format!("not understood: {text}"));
    if text.contains("Socket errors") || text.contains("Non-2xx") {
        return Err(Outcome::Failed(format!("requests failed: {text}")));
    }
    let requests = number_before(&text, " requests in").ok_or_else(said)?;
    let rate = number_after(&text, "Requests/sec:").ok_or_else(said)?;
    Ok(outside_record(ended, requests, rate))
}

fn h2load_record(ended: &Ended) -> Result<Record, Outcome> {
    let text = String::from_utf8_lossy(&ended.output.stdout).into_owned();
    let said = || Outcome::Failed(format!("not understood: {text}"));
    let requests = number_before(&text, " succeeded").ok_or_else(said)?;
    let failed = number_before(&text, " failed").ok_or_else(said)?;
    if failed > 0.0 {
        return Err(Outcome::Failed(format!("requests failed: {text}")));
    }
    let rate = number_before(&text, " req/s").ok_or_else(said)?;
    Ok(outside_record(ended, requests, rate))
}

/// For programs that do not measure themselves: the CPU of the whole process, start included.
fn outside_record(ended: &Ended, requests: f64, rate: f64) -> Record {
    let record = json!({
        "requests": requests, "requests_per_s": rate,
        "cpu_us_per_request": ended.cpu_us / requests.max(1.0),
        "whole_process": true,
    });
    record.as_object().cloned().unwrap_or_default()
}

fn number_before(text: &str, mark: &str) -> Option<f64> {
    let before = &text[..text.find(mark)?];
    let start = before.rfind(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(0, |at| at + 1);
    before[start..].parse().ok()
}

fn number_after(text: &str, mark: &str) -> Option<f64> {
    text[text.find(mark)? + mark.len()..].split_whitespace().next()?.parse().ok()
}
