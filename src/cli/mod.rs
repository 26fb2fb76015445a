//! What the command does with the library: what was typed ([`args`], [`values`]) → what it means
//! ([`plan`]) → the run ([`fetch`], [`doctor`], [`bench`]).
//!
//! Knows ringdove's public API, files, the terminal and signals. Must not know how a transfer is
//! made. Invariants: whatever can be wrong with the command line is told before anything begins, in
//! one line that names the offending thing; what cannot be written to a terminal is no reason to
//! stop.

mod addresses;
pub(crate) mod args;
pub(crate) mod bench;
mod body;
mod coding;
mod condition;
pub(crate) mod config;
mod connect;
mod console;
mod cookies;
mod credentials;
pub(crate) mod date;
mod delivery;
pub(crate) mod doctor;
mod existing;
pub(crate) mod fetch;
mod field_lines;
pub(crate) mod form;
mod glob;
mod guess;
mod heads;
mod input;
mod interrupt;
mod lookup;
mod names;
mod ordered;
mod output;
mod partial;
mod percent;
mod plan;
mod politeness;
mod proxy;
pub(crate) mod record;
mod remote;
mod resolve;
mod retry;
mod ring;
pub(crate) mod source;
mod speed;
mod tally;
mod target;
mod trace;
mod values;
mod ways;
mod whole;
pub(crate) mod write_out;
mod writers;
mod zones;

use std::process::ExitCode;

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
