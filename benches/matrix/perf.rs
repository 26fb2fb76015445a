//! System calls of a program and all that it starts, counted by the kernel where they are entered:
//! perf(1) on the tracepoint raw_syscalls:sys_enter.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use crate::Failure;

const TRACEPOINT: &str = "raw_syscalls:sys_enter";

/// Counts for one program after another.
pub(crate) struct Counter {
    /// Where perf writes.
    file: NamedTempFile,
}

impl Counter {
    /// Unless perf is not installed, or may not do that here.
    pub(crate) fn new() -> Result<Self, Failure> {
        let counter = Self { file: NamedTempFile::new()? };
        let status = counter
            .around(&Command::new("true"))
            .stderr(Stdio::null())
            .status()
            .map_err(|why| format!("perf: {why}"))?;
        match counter.count() {
            Some(_) if status.success() => Ok(counter),
            _ => Err(format!("perf cannot count {TRACEPOINT} here ({status})").into()),
        }
    }

    /// The same command, counted.
    pub(crate) fn around(&self, command: &Command) -> Command {
        let mut counted = Command::new("perf");
        counted.args(["stat", "-x", ",", "-e", TRACEPOINT, "-o"]).arg(self.file.path());
        counted.arg("--").arg(command.get_program()).args(command.get_args());
        counted
    }

    /// Of the last program that has ended.
    pub(crate) fn count(&self) -> Option<u64> {
        let text = fs::read_to_string(self.file.path()).ok()?;
        let line = text.lines().find(|line| line.contains(TRACEPOINT))?;
        line.split(',').next()?.parse().ok()
    }
}
