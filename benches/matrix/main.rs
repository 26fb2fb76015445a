//! Ringdove and its peers against nginx and nghttpd, over the matrix of docs/benchmarks: `scripts/bench` builds
//! what this needs and runs it.
//!
//! Server and client have a CPU each. In each round every client has its turn, in the opposite
//! order of the round before. How many requests a client makes is found by a trial, so that each
//! measurement takes about as long; what is recorded is per request. System calls are counted in
//! the trial, so that counting slows nothing down that is timed.
//!
//! A client that fails in a case is recorded as having failed there, and nothing else is lost:
//! records and tables are written after each case.

#![allow(clippy::disallowed_methods, reason = "this waits for other programs")]

mod cases;
mod clients;
mod forecast;
mod perf;
mod plot;
mod report;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use cases::{Case, Load, Servers};
use clients::{Client, Effort, Record, Start, Trouble};
use perf::Counter;

/// Of one client in one case; after these it is asked no more.
const FAILURES: u32 = 2;
/// At least, however slow the client is.
const REQUESTS_PER_CONNECTION: u64 = 2;

/// Measures ringdove and its peers against nginx.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
struct Args {
    /// A few cases, one second each, one round: some minutes
    #[arg(long)]
    quick: bool,
    /// The whole cross product instead of a selection: hours
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// The cases alone in which requests start on schedule
    #[arg(long)]
    latency: bool,
    /// Go on after an interrupted run: measure the cases that have no records
    #[arg(long)]
    resume: bool,
    /// Cases whose name contains this; like --client and --latency it keeps all other records
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Clients whose name contains this
    #[arg(long, value_name = "TEXT")]
    client: Vec<String>,
    /// Rounds of each case
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Seconds of each measurement
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Where results go
    #[arg(long, value_name = "DIR", default_value = "docs/benchmarks")]
    output: PathBuf,
    /// Tables and plots from the records that are there; measures nothing
    #[arg(long)]
    report: bool,
    /// Names the cases, and says how long it takes
    #[arg(long)]
    list: bool,
    /// The ringdove command
    #[arg(long, value_name = "FILE", default_value = "target/release/ringdove")]
    ringdove: PathBuf,
    /// Where the peers' programs are
    #[arg(long, value_name = "DIR", default_value = "benches/peers/target/release")]
    peers: PathBuf,
    /// The CPU of the client, and that of the server
    #[arg(long, value_name = "CPU,CPU", value_delimiter = ',', num_args = 2, default_values_t = [0, 1])]
    cpus: Vec<usize>,
    /// cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

type Failure = Box<dyn std::error::Error>;

impl Args {
    /// Whether what is not measured keeps its records.
    fn is_partial(&self) -> bool {
        self.resume || self.latency || !self.only.is_empty() || !self.client.is_empty()
    }
}

fn main() -> ExitCode {
    // `cargo bench` runs all benches without a word: this one takes too long for that
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        println!("matrix: run by scripts/bench");
        return ExitCode::SUCCESS;
    }
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("scripts/bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let path = args.output.join("records.jsonl");
    if args.report {
        return report::write(&read(&path)?, &args.output);
    }
    let clients = clients::all(args);
    let cases = cases::all(args);
    if args.list {
        print!("{}", forecast::list(args, &cases, &clients));
        return Ok(());
    }
    fs::create_dir_all(&args.output)?;
    let mut records = if args.is_partial() { read(&path)? } else { Vec::new() };
    let machine = clients::machine(args)?;
    let counter = Counter::new();
    if let Err(why) = &counter {
        eprintln!("system calls are counted by ringdove alone: {why}");
    }
    let minutes = forecast::minutes(args, &cases, &clients);
    eprintln!("{} cases, about {minutes:.0} minutes", cases.len());
    let start = Instant::now();
    for (number, case) in cases.iter().enumerate() {
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        eprintln!("{} of {}: {} ({minutes:.1} min so far)", number + 1, cases.len(), case.name);
        if args.resume && records.iter().any(|record| record["case"] == case.name) {
            eprintln!("  is there");
            continue;
        }
        let measured = measure(args, case, &clients, &machine, counter.as_ref().ok());
        records.retain(|old| {
            let again = clients.iter().any(|client| old["client"] == client.name);
            !(again && old["case"] == case.name)
        });
        records.extend(measured);
        save(&records, &path)?;
        report::write(&records, &args.output)?;
    }
    eprintln!("{:.1} minutes in all", start.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// All rounds of one case, on a server of its own.
fn measure(
    args: &Args,
    case: &Case,
    clients: &[Client],
    machine: &Record,
    counter: Option<&Counter>,
) -> Vec<Value> {
    let mut log = Log { case, machine, records: Vec::new() };
    // it panics, as tests want it to
    match catch_unwind(AssertUnwindSafe(|| Servers::start(case, args.cpus[1]))) {
        Err(_) => log.add_all(clients, "failed", "there was no server"),
        Ok(servers) => match case.load {
            Load::Closed => closed_loop(args, case, &servers, clients, counter, &mut log),
            Load::ShareOfSaturated(share) => on_schedule(args, &servers, clients, share, &mut log),
        },
    }
    log.records
}

fn closed_loop(
    args: &Args,
    case: &Case,
    servers: &Servers,
    clients: &[Client],
    counter: Option<&Counter>,
    log: &mut Log<'_>,
) {
    let mut able = Vec::new();
    for client in clients {
        if let Some(why) = client.cannot(case) {
            log.add(client, json!({"unsupported": why}));
            continue;
        }
        match client.trial(case, servers, counter) {
            Ok(trial) => {
                if let Some(calls) = trial.calls_per_request {
                    log.add(client, json!({"counted_syscalls_per_request": calls}));
                } else if trial.calls_are_lost {
                    let why =
                        "system calls: two runs differed by less than a third of the shorter one's";
                    log.add(client, json!({"lost": why}));
                }
                let effort = effort(args, case, trial.requests_per_s);
                able.push((client, Effort { start: trial.start, ..effort }));
            }
            Err(trouble) => log.trouble(client, trouble),
        }
    }
    interleave(rounds(args, case), &able, servers, log);
}

/// Ringdove's drivers, at a share of the rate that epoll reaches in a closed loop.
fn on_schedule(args: &Args, servers: &Servers, clients: &[Client], share: f64, log: &mut Log<'_>) {
    let case = log.case;
    let clients: Vec<&Client> =
        clients.iter().filter(|client| client.cannot(case).is_none()).collect();
    let epoll = Client::ringdove(args, "epoll");
    let saturated = epoll.trial(case, servers, None).and_then(|trial| {
        let effort = effort(args, case, trial.requests_per_s);
        let rates = (0..3).map(|_| epoll.measure(case, servers, effort));
        let rates = rates.collect::<Result<Vec<_>, _>>()?;
        let rates = rates.iter().filter_map(|record| clients::number(record, "requests_per_s"));
        report::median(rates.collect())
            .ok_or_else(|| Trouble::Failed("no request was answered".to_owned()))
    });
    match saturated {
        Ok(saturated) => {
            let rate = share * saturated;
            let effort = Effort {
                requests: (rate * seconds(args)).ceil() as u64,
                rate: Some(rate),
                ..effort(args, case, rate)
            };
            let able: Vec<_> = clients.into_iter().map(|client| (client, effort)).collect();
            interleave(rounds(args, case), &able, servers, log);
        }
        Err(trouble) => log.trouble(&epoll, trouble),
    }
}

/// Each client once, then each once more in the opposite order, …
fn interleave(rounds: u32, able: &[(&Client, Effort)], servers: &Servers, log: &mut Log<'_>) {
    let mut failures = vec![0; able.len()];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..able.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let (client, effort) = able[index];
            if failures[index] == FAILURES {
                continue;
            }
            let (before, server_before) = (CpuTime::now(), servers.cpu());
            match client.measure(log.case, servers, effort) {
                Ok(mut record) => {
                    record.insert("round".to_owned(), round.into());
                    let stolen = before.zip(CpuTime::now()).map(|(from, to)| to.stolen_since(from));
                    record.insert("stolen".to_owned(), stolen.into());
                    let server = server_before.zip(servers.cpu()).map(|(from, to)| to - from);
                    let server =
                        server.map(|cpu| cpu.as_micros() as f64 / answers(&record, log.case));
                    record.insert("server_cpu_us_per_request".to_owned(), server.into());
                    log.add(client, Value::Object(record));
                }
                Err(trouble) => {
                    failures[index] += 1;
                    log.trouble(client, trouble);
                }
            }
        }
    }
}

/// How many requests the server was sent, about: it does not know what is a warm-up.
fn answers(record: &Record, case: &Case) -> f64 {
    let measured = clients::number(record, "requests").unwrap_or(0.0);
    let all = match record.contains_key("whole_process") {
        true => measured,
        false => measured + clients::warm_up(case) as f64,
    };
    all.max(1.0)
}

/// Of all CPUs since the system was started, in the kernel's ticks: proc_stat(5).
#[derive(Clone, Copy)]
struct CpuTime {
    all: u64,
    /// By the hypervisor, for others.
    stolen: u64,
}

impl CpuTime {
    fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let fields = text.lines().next()?.split_whitespace().skip(1);
        let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of these
        Some(Self { all: ticks.iter().take(8).sum(), stolen: *ticks.get(7)? })
    }

    /// The share of the time.
    fn stolen_since(self, earlier: Self) -> f64 {
        (self.stolen - earlier.stolen) as f64 / (self.all - earlier.all).max(1) as f64
    }
}

/// The records of one case.
struct Log<'a> {
    case: &'a Case,
    machine: &'a Record,
    records: Vec<Value>,
}

impl Log<'_> {
    /// With what it was measured on.
    fn add(&mut self, client: &Client, found: Value) {
        let case = self.case;
        let about = json!({"case": case.name, "client": client.name, "group": case.group,
            "body_size": case.body, "keepalive": case.keepalive, "connections": case.connections,
            "hosts": case.hosts, "tls": case.tls, "streams": case.streams});
        let mut record = Record::new();
        for source in [found, about, Value::Object(self.machine.clone())] {
            record.extend(source.as_object().cloned().into_iter().flatten());
        }
        self.records.push(Value::Object(record));
    }

    fn trouble(&mut self, client: &Client, trouble: Trouble) {
        match trouble {
            Trouble::Unsupported(why) => {
                eprintln!("  {}: {why}", client.name);
                self.add(client, json!({"unsupported": why}));
            }
            Trouble::Failed(why) => {
                eprintln!("  {}: FAILED: {why}", client.name);
                self.add(client, json!({"failed": why}));
            }
        }
    }

    fn add_all(&mut self, clients: &[Client], what: &str, why: &str) {
        eprintln!("  {what}: {why}");
        for client in clients {
            self.add(client, json!({what: why}));
        }
    }
}

fn rounds(args: &Args, case: &Case) -> u32 {
    args.rounds.unwrap_or(if args.quick { 1 } else { case.rounds })
}

fn seconds(args: &Args) -> f64 {
    args.seconds.unwrap_or(1.0)
}

fn effort(args: &Args, case: &Case, requests_per_s: f64) -> Effort {
    let least = REQUESTS_PER_CONNECTION * case.in_flight() as u64;
    let requests = ((requests_per_s * seconds(args)) as u64).clamp(least, 10_000_000);
    Effort {
        requests,
        // a second more than the start of a program that does not measure itself
        seconds: clients::seconds_to_connect(case) + 1 + seconds(args).ceil() as u64,
        rate: None,
        limit: Duration::from_secs_f64(30.0 + 4.0 * seconds(args)),
        start: Start::default(),
    }
}

/// In the order of the matrix; there is a whole file at any time.
fn save(records: &[Value], path: &Path) -> Result<(), Failure> {
    let mut ordered: Vec<&Value> = records.iter().collect();
    ordered.sort_by_key(|record| cases::place(record["case"].as_str().unwrap_or("")));
    let part = path.with_added_extension("part");
    let mut file = File::create(&part)?;
    for record in ordered {
        writeln!(file, "{record}")?;
    }
    fs::rename(&part, path)?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Value>, Failure> {
    let file = match File::open(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.map_err(|why| format!("{}: {why}", path.display()))?,
    };
    let mut records = Vec::new();
    for line in BufReader::new(file).lines() {
        records.push(serde_json::from_str(&line?)?);
    }
    Ok(records)
}
