//! Ringdove and its peers against nginx, over the matrix of docs/benchmarks: `scripts/bench` builds
//! what this needs and runs it.
//!
//! Server and client have a CPU each. In each round every client has its turn, in the opposite
//! order of the round before. How many requests a client makes is found by a trial, so that each
//! measurement takes about as long; what is recorded is per request.

#![allow(clippy::disallowed_methods, reason = "this waits for other programs")]

mod cases;
mod clients;
mod report;
#[path = "../../tests/support/mod.rs"]
#[allow(unused_imports, reason = "a part of it is used")]
mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use cases::{Case, Servers};
use clients::{Client, Outcome};

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
    /// Cases whose name contains this
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
    let records = args.output.join("records.jsonl");
    if args.report {
        return report::write(&read(&records)?, &args.output);
    }
    let clients = clients::all(args);
    let cases = cases::all(args);
    if args.list {
        for case in &cases {
            println!("{}", case.name);
        }
        println!("{}", forecast(args, cases.len() * clients.len()));
        return Ok(());
    }
    std::fs::create_dir_all(&args.output)?;
    let machine = clients::machine(args)?;
    let mut file = File::create(&records)?;
    eprintln!("{}", forecast(args, cases.len() * clients.len()));
    let start = Instant::now();
    for (number, case) in cases.iter().enumerate() {
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        eprintln!("{} of {}: {} ({minutes:.1} min so far)", number + 1, cases.len(), case.name);
        measure(args, case, &clients, &machine, &mut file)?;
    }
    report::write(&read(&records)?, &args.output)
}

/// All rounds of one case, on a server of its own.
fn measure(
    args: &Args,
    case: &Case,
    clients: &[Client],
    machine: &Value,
    file: &mut File,
) -> Result<(), Failure> {
    let servers = Servers::start(case, args.cpus[1]);
    let mut able = Vec::new();
    for client in clients {
        match client.trial(case, &servers) {
            Outcome::Measured(rate) => able.push((client, requests(args, rate))),
            Outcome::Unsupported(why) => eprintln!("  {}: {why}", client.name),
            Outcome::Failed(why) => {
                eprintln!("  {}: FAILED: {why}", client.name);
                let failed = json!({"case": case.name, "client": client.name, "failed": why});
                writeln!(file, "{failed}")?;
            }
        }
    }
    for round in 0..rounds(args) {
        for (client, requests) in &able {
            match client.measure(case, &servers, *requests, time_limit(args)) {
                Ok(mut record) => {
                    let common = json!({"case": case.name, "round": round, "client": client.name,
                        "group": case.group, "body_size": case.body, "keepalive": case.keepalive,
                        "connections": case.connections, "hosts": case.hosts, "tls": case.tls});
                    for source in [common, machine.clone()] {
                        for (key, value) in source.as_object().into_iter().flatten() {
                            record.insert(key.clone(), value.clone());
                        }
                    }
                    writeln!(file, "{}", Value::Object(record))?;
                }
                Err(why) => eprintln!("  {}: FAILED: {why}", client.name),
            }
        }
        able.reverse();
    }
    Ok(())
}

fn rounds(args: &Args) -> u32 {
    args.rounds.unwrap_or(if args.quick { 1 } else { 3 })
}

fn seconds(args: &Args) -> f64 {
    args.seconds.unwrap_or(if args.quick { 1.0 } else { 2.0 })
}

fn time_limit(args: &Args) -> Duration {
    Duration::from_secs_f64(20.0 + 4.0 * seconds(args))
}

fn requests(args: &Args, rate: f64) -> u64 {
    ((rate * seconds(args)) as u64).clamp(20, 10_000_000)
}

/// A trial of about a second, then the rounds, each with its warm-up.
fn forecast(args: &Args, cells: usize) -> String {
    let each = 1.5 + f64::from(rounds(args)) * (seconds(args) + 1.0);
    let minutes = cells as f64 * each / 60.0;
    format!("{cells} pairs of client and case, {} rounds: about {minutes:.0} minutes", rounds(args))
}

fn read(path: &Path) -> Result<Vec<Value>, Failure> {
    let file = File::open(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let mut records = Vec::new();
    for line in BufReader::new(file).lines() {
        records.push(serde_json::from_str(&line?)?);
    }
    Ok(records)
}
