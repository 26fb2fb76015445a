//! How a ring is to be set up, for the commands that run on one.
//!
//! Knows the words. Must not know which drivers there are.

use std::time::Duration;

use clap::{Args as Group, ValueEnum};
use ringdove::sys::ring::{Batch, Options, SqPoll, ZeroCopy};
use serde::{Deserialize, Serialize};

use super::values::whole_number;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Group, Serialize, Deserialize)]
#[command(next_help_heading = "The ring (docs/cli.md says when each of these pays)")]
pub(crate) struct RingArgs {
    /// Have a thread of the kernel take submissions (SQPOLL), for no system call in a steady state at
    /// the cost of a CPU
    #[arg(long)]
    pub(crate) sq_poll: bool,

    /// The CPU for that thread
    #[arg(long, value_name = "CPU", requires = "sq_poll", value_parser = whole_number)]
    pub(crate) sq_poll_cpu: Option<u32>,

    /// Before sleeping, poll the network device for this long (NAPI busy polling)
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) busy_poll: Option<u32>,

    /// Let completions gather for this long, unless there are many before
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) min_wait: Option<u32>,

    /// Send large parts of bodies without copying them into the kernel (SEND_ZC); auto: to other machines, as long
    /// as the kernel does not copy after all
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) zero_copy: Option<ZeroCopyChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum ZeroCopyChoice {
    Auto,
    Never,
    Always,
}

/// Completions that end a wait which lets them gather.
const MANY: u32 = 64;

impl RingArgs {
    /// The first word given that wants a ring.
    pub(crate) fn given(&self) -> Option<&'static str> {
        [
            (self.sq_poll, "--sq-poll"),
            (self.busy_poll.is_some(), "--busy-poll"),
            (self.min_wait.is_some(), "--min-wait"),
            (self.zero_copy.is_some(), "--zero-copy"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }

    pub(crate) fn options(&self) -> Options {
        let micros = |micros: u32| Duration::from_micros(micros.into());
        let batch = |within: u32| Batch { completions: MANY, within: micros(within) };
        let sq_poll = SqPoll { cpu: self.sq_poll_cpu, ..SqPoll::default() };
        Options {
            sq_poll: self.sq_poll.then_some(sq_poll),
            busy_poll: self.busy_poll.map(micros),
            batch: self.min_wait.map(batch),
            zero_copy: match self.zero_copy {
                None | Some(ZeroCopyChoice::Auto) => ZeroCopy::Auto,
                Some(ZeroCopyChoice::Never) => ZeroCopy::Never,
                Some(ZeroCopyChoice::Always) => ZeroCopy::Always,
            },
            ..Options::default()
        }
    }
}
