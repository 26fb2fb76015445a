//! The `ringdove` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "ringdove", version, max_term_width = 100)]
enum Args {
    Bench(Box<cli::bench::BenchArgs>),
}

fn main() -> ExitCode {
    let Args::Bench(args) = Args::parse();
    match cli::bench::run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("ringdove bench: {error}");
            ExitCode::from(2)
        }
    }
}
