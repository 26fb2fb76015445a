//! System calls of a program and all that it starts, counted by the kernel where they are entered:
//! perf(1) on the tracepoint raw_syscalls:sys_enter.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Failure;

const TRACEPOINT: &str = "raw_syscalls:sys_enter";

/// Counts for one program after another.
pub(crate) struct Counter {
    /// Has what perf writes, and two FIFOs through which it is told when to count.
    dir: TempDir,
}

/// When to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum During {
    /// From the program's start to its end.
    All,
    /// As the program, one of benches/peers, says: what it measures.
    Measured,
}

impl Counter {
    /// Unless perf is not installed, or may not do that here.
    pub(crate) fn new() -> Result<Self, Failure> {
        let counter = Self { dir: TempDir::new()? };
        let fifos = [counter.file("control"), counter.file("ack")];
        if !Command::new("mkfifo").args(fifos).status()?.success() {
            return Err("mkfifo failed".into());
        }
        let status = counter
            .around(&Command::new("true"), During::All)
            .stderr(Stdio::null())
            .status()
            .map_err(|why| format!("perf: {why}"))?;
        match counter.count() {
            Some(_) if status.success() => Ok(counter),
            _ => Err(format!("perf cannot count {TRACEPOINT} here ({status})").into()),
        }
    }

    /// The same command, counted.
    pub(crate) fn around(&self, command: &Command, during: During) -> Command {
        let mut counted = Command::new("perf");
        counted.args(["stat", "-x", ",", "-e", TRACEPOINT, "-o"]).arg(self.file("count"));
        let fifos = [self.file("control"), self.file("ack")].map(|path| path.display().to_string());
        let fifos = fifos.join(",");
        if during == During::Measured {
            counted.arg("--delay=-1").args(["--control", &format!("fifo:{fifos}")]);
        }
        counted.arg("--").arg(command.get_program()).args(command.get_args());
        if during == During::Measured {
            counted.args(["--perf-control", &fifos]);
        }
        counted
    }

    /// Of the last program that has ended.
    pub(crate) fn count(&self) -> Option<u64> {
        let text = fs::read_to_string(self.file("count")).ok()?;
        let line = text.lines().find(|line| line.contains(TRACEPOINT))?;
        line.split(',').next()?.parse().ok()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
