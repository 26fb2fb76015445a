//! The `ringdove` command.
//!
//! Knows which subcommand was typed, and hands over. The library is used as an outsider uses it.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

use cli::args::{Args, Command};
use cli::{Status, bench, doctor, fetch};

fn main() -> ExitCode {
    let status = match Args::parse().command {
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
    };
    status.into()
}
