//! The `ringdove` command: what was typed ([`args`], [`values`]) → what it means ([`plan`]) → the run
//! ([`fetch`], [`doctor`], [`bench`]).
//!
//! This is a library so that fuzz targets can reach what reads text that people type. It is for them and for `main.rs`,
//! and no promise to anybody else: programs use the crate `ringdove`.
//!
//! Knows ringdove's public API, files, the terminal and signals. Must not know how a transfer is
//! made. Invariants: whatever can be wrong with the command line is told before anything begins, in
//! one line that names the offending thing; what cannot be written to a terminal is no reason to
//! stop.

mod addresses;
mod args;
mod bench;
mod body;
mod coding;
mod completions;
mod condition;
mod config;
mod connect;
mod console;
mod cookies;
mod credentials;
mod date;
mod delivery;
mod doctor;
mod existing;
mod fetch;
mod field_lines;
mod form;
mod glob;
mod guess;
mod heads;
mod input;
mod interrupt;
mod lookup;
mod manual;
mod names;
mod ordered;
mod output;
mod partial;
mod percent;
mod plan;
mod politeness;
mod proxy;
mod record;
mod remote;
mod resolve;
mod retry;
mod ring;
mod source;
mod speed;
mod tally;
mod target;
mod trace;
mod values;
mod ways;
mod whole;
mod write_out;
mod writers;
mod zones;

use std::io::{self, Write as _};
use std::process::ExitCode;

use args::Command;
use ringdove::sys::standard;

pub use config::words;
pub use date::parse as parse_date;
pub use form::Form;
pub use record::Failure;
pub use source::Piece;
pub use write_out::{Told, render};

/// The command: its arguments are those of the process.
pub fn main() -> ExitCode {
    let args = match config::parse() {
        Ok(args) => args,
        Err(reason) => {
            eprintln!("ringdove: {reason}");
            return Status::Usage.into();
        }
    };
    if standard::output_was_closed() && !matches!(args.command, Command::Fetch(_)) {
        eprintln!("ringdove: cannot write to standard output: it is closed");
        return Status::Usage.into();
    }
    let status = match args.command {
        Command::Fetch(args) => fetch::run(*args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Bench(args) => match bench::run(&args) {
            Ok(true) => Status::Done,
            Ok(false) => Status::SomeFailed,
            Err(error) => {
                eprintln!("ringdove bench: {error}");
                Status::Usage
            }
        },
        Command::Man(args) => manual::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    status.into()
}

/// Writes what was asked for to standard output, whole.
fn print(text: &[u8]) -> Status {
    // a reader who has had enough is no failure
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            _ = writeln!(io::stderr(), "ringdove: cannot write to standard output: {error}");
            Status::SomeFailed
        }
        Ok(()) | Err(_) => Status::Done,
    }
}

/// What the command tells the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All that was asked for is done.
    Done,
    /// Some transfers failed.
    SomeFailed,
    /// Nothing began: bad usage, or something that all of it needs is missing.
    Usage,
    /// Ended by this signal.
    Interrupted(u8),
    /// The reader of standard output has closed it, and what was left was given up.
    Unread,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(match status {
            Status::Done => 0,
            Status::SomeFailed => 1,
            Status::Usage => 2,
            Status::Interrupted(signal) => 128 + signal,
            // as a shell has it of who is ended by SIGPIPE
            Status::Unread => 128 + 13,
        })
    }
}
