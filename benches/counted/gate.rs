//! Holds instructions and allocations per transfer to what is recorded in `gates.json`, and memory to its bars.
//!
//! Instructions are callgrind's, as the difference between a long run and a short one, so that what
//! starts and ends the process cancels out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

use crate::{memory, scenarios};

const SHORT: u64 = 500;
const LONG: u64 = 4500;
/// What `--prove` makes worse, in per cent of the instructions recorded.
const SLOWDOWN: f64 = 5.0;

#[derive(Debug, Serialize, Deserialize)]
struct Gates {
    /// More instructions than recorded, by this many per cent, fail.
    instructions_tolerance_percent: f64,
    /// More allocations than recorded, by this many per transfer, fail.
    allocations_tolerance: f64,
    /// What the instructions were counted with.
    rustc: String,
    cpu: String,
    /// Per transfer.
    scenarios: BTreeMap<String, Counts>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Counts {
    instructions: f64,
    allocations: f64,
}

/// Instructions of a request that are never allowed, whatever is recorded and by however little it is missed.
const BARS: [(&str, f64); 2] = [("h2_indexed", 9_000.0), ("h2_nginx", 13_000.0)];

type Failure = Box<dyn std::error::Error>;

pub(crate) fn main(arguments: &[&str]) -> ExitCode {
    let result = match arguments {
        [] => check(0.0).map(|passed| memory::hold() && passed),
        ["--record"] => record(),
        ["--prove"] => prove(),
        _ => Err("usage: counted gate [--record | --prove]".into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("gate: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing is worse than recorded.
fn check(slowdown: f64) -> Result<bool, Failure> {
    let gates = Gates::read()?;
    let mut valgrind = has_valgrind();
    if !valgrind {
        eprintln!("skipped: instruction counts (valgrind is not installed)");
    } else if gates.rustc != rustc() {
        valgrind = false;
        eprintln!("skipped: instruction counts (recorded with {}, not {})", gates.rustc, rustc());
    }
    println!("{:<16} {:>33} {:>31}", "per transfer", "instructions", "allocations");
    let mut passed = true;
    for (name, scenario) in scenarios::ALL {
        let recorded = gates.scenarios.get(name).ok_or("a scenario is not recorded: --record")?;
        let allocations = scenarios::allocations(scenario());
        let more = allocations > recorded.allocations + gates.allocations_tolerance;
        let mut slower = false;
        let mut instructions = "-".to_owned();
        if valgrind {
            let extra = recorded.instructions * slowdown / 100.0;
            let (count, cpu) = count_instructions(name, extra)?;
            if cpu == gates.cpu {
                let change = (count / recorded.instructions - 1.0) * 100.0;
                let bar = BARS.into_iter().find(|(of, _)| *of == name);
                slower = change > gates.instructions_tolerance_percent
                    || bar.is_some_and(|(_, most)| count > most);
                instructions = format!("{count:.0} ({change:+.2} %)");
            } else {
                eprintln!("skipped: instruction counts (recorded on {}, not {cpu})", gates.cpu);
                valgrind = false;
            }
        }
        println!(
            "{name:<16} {:>12.0} → {instructions:<18} {:>12.2} → {allocations:<8.2} {}",
            recorded.instructions,
            recorded.allocations,
            verdict(slower, more)
        );
        passed &= !(slower || more);
    }
    println!(
        "allowed: {:+} % instructions, {:+} allocations; better figures are recorded with --record",
        gates.instructions_tolerance_percent, gates.allocations_tolerance
    );
    Ok(passed)
}

fn record() -> Result<bool, Failure> {
    let mut gates = Gates {
        instructions_tolerance_percent: 3.0,
        allocations_tolerance: 0.1,
        rustc: rustc(),
        cpu: String::new(),
        scenarios: BTreeMap::new(),
    };
    for (name, scenario) in scenarios::ALL {
        let (instructions, cpu) = count_instructions(name, 0.0)?;
        let allocations = scenarios::allocations(scenario());
        let round = |x: f64| (x * 100.0).round() / 100.0;
        let counts = Counts { instructions: round(instructions), allocations: round(allocations) };
        println!("{name}: {counts:?}");
        gates.cpu = cpu;
        gates.scenarios.insert(name.to_owned(), counts);
    }
    let text = serde_json::to_string_pretty(&gates)?;
    std::fs::write(Gates::path(), text + "\n")?;
    Ok(true)
}

/// Makes every scenario slower and sees whether that is found.
fn prove() -> Result<bool, Failure> {
    if !has_valgrind() {
        eprintln!("skipped: valgrind is not installed");
        return Ok(true);
    }
    println!("with {SLOWDOWN} % more instructions:");
    let found = !check(SLOWDOWN)?;
    println!("{}", if found { "found, as it must be" } else { "NOT FOUND: the gate is blind" });
    Ok(found)
}

/// Instructions per transfer, and the kind of CPU that they were counted on.
fn count_instructions(scenario: &str, extra: f64) -> Result<(f64, String), Failure> {
    let (short, _) = callgrind(scenario, SHORT, extra)?;
    let (long, cpu) = callgrind(scenario, LONG, extra)?;
    Ok(((long - short) as f64 / (LONG - SHORT) as f64, cpu))
}

fn callgrind(scenario: &str, transfers: u64, extra: f64) -> Result<(u64, String), Failure> {
    // a turn of the empty loop is four instructions
    let turns = (extra / 4.0).ceil();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", scenario, &format!("{transfers}+{turns}")])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected :"));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    match count {
        Some(count) if output.status.success() => {
            Ok((count, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        }
        _ => Err(format!("valgrind failed: {log}").into()),
    }
}

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The compiler decides on the instructions; it is pinned in `rust-toolchain.toml`.
fn rustc() -> String {
    match Command::new("rustc").arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => "an unknown compiler".to_owned(),
    }
}

fn verdict(slower: bool, more: bool) -> &'static str {
    match (slower, more) {
        (false, false) => "ok",
        (true, false) => "SLOWER",
        (false, true) => "MORE ALLOCATIONS",
        (true, true) => "SLOWER, MORE ALLOCATIONS",
    }
}

impl Gates {
    fn path() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks/gates.json"))
    }

    fn read() -> Result<Self, Failure> {
        let path = Self::path();
        let text = std::fs::read_to_string(&path)
            .map_err(|why| format!("{}: {why}; --record makes it", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }
}
