//! The `ringdove` command.
//!
//! Knows which subcommand was typed, and hands over. The library is used as an outsider uses it.

mod cli;

use std::process::ExitCode;

use cli::args::Command;
use cli::{Status, bench, config, doctor, fetch};
use ringdove::sys::standard;

fn main() -> ExitCode {
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
    };
    status.into()
}
