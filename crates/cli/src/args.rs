//! The subcommands.
//!
//! Knows their names. Must not know what any option means.

use clap::{Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::completions::CompletionArgs;
#[cfg(feature = "crawl")]
use crate::crawl::{CrawlArgs, WarcArgs};
use crate::doctor::DoctorArgs;
use crate::manual::ManArgs;
use crate::options::fetch::FetchArgs;

/// Many HTTP transfers at once, driven by io_uring or epoll.
#[derive(Debug, Parser)]
#[command(name = "ringdove", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Fetch(Box<FetchArgs>),
    Doctor(DoctorArgs),
    Bench(Box<BenchArgs>),
    #[cfg(feature = "crawl")]
    Crawl(Box<CrawlArgs>),
    #[cfg(feature = "crawl")]
    Warc(WarcArgs),
    Man(ManArgs),
    Completions(CompletionArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
