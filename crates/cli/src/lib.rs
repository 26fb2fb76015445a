//! The `ringdove` command: what was typed (`options`) → what it means (`plan`) → the run (`run`), with its
//! `files` and its `report`; or `doctor`, `bench`, `crawl`, `manual`, `completions`.
//!
//! This is a library so that fuzz targets can reach what reads text that people type. It is for them and for `main.rs`,
//! and no promise to anybody else: programs use the crate `ringdove`.
//!
//! Knows ringdove's public API, files, the terminal and signals. Must not know how a transfer is
//! made. Invariants: whatever can be wrong with the command line is told before anything begins, in
//! one line that names the offending thing; what cannot be written to a terminal is no reason to
//! stop.

mod args;
mod bench;
mod completions;
mod config;
#[cfg(feature = "crawl")]
mod crawl;
mod doctor;
mod files;
mod interrupt;
mod manual;
mod options;
mod plan;
mod report;
mod run;
mod status;
mod text;
mod typed;

use std::process::ExitCode;

use args::{Args, Command};
use clap::CommandFactory as _;
use ringdove::sys::{heap, standard};
use run::threads;
use status::Status;

pub use config::words;
pub use files::source::Piece;
pub use options::form::Form;
pub use report::record::Failure;
pub use report::write_out::{Rendered, Told, render};
pub use text::date::parse as parse_date;

/// The command: its arguments are those of the process.
pub fn main() -> ExitCode {
    let args = match typed::parse() {
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
        Command::Fetch(args) => {
            // windows of decoders come and go, by the dozen
            heap::give_back_large_blocks();
            threads::run(*args)
        }
        Command::Doctor(args) => doctor::run(&args),
        Command::Bench(args) => match bench::run(&args) {
            Ok(true) => Status::Done,
            Ok(false) => Status::SomeFailed,
            Err(error) => {
                eprintln!("ringdove bench: {error}");
                Status::Usage
            }
        },
        #[cfg(feature = "crawl")]
        Command::Crawl(args) => crawl::run(&args),
        #[cfg(feature = "crawl")]
        Command::Warc(args) => crawl::run_warc(&args),
        Command::Man(args) => manual::run(&args, Args::command()),
        Command::Completions(args) => completions::run(&args, Args::command()),
    };
    status.into()
}
