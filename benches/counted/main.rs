//! What can be counted: allocations, bytes of memory, and (under valgrind) instructions. Unlike
//! times these are the same from run to run, so that they can be held to.
//!
//!     cargo bench -p ringdove --bench counted                  memory and allocations
//!     cargo bench -p ringdove --bench counted -- gate          against what is recorded: see scripts/gate
//!
//! The allocator counts with a few instructions of its own, which are part of the figures.

#[path = "../support/canned.rs"]
mod canned;
mod gate;
mod http2;
mod memory;
mod scenarios;
#[path = "../support/server.rs"]
mod server;

use std::alloc::System;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    // cargo adds --bench
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            memory::print();
            scenarios::print_allocations();
            ExitCode::SUCCESS
        }
        ["gate", ref rest @ ..] => gate::main(rest),
        ["serve"] => memory::serve(),
        ["run", scenario, transfers] => scenarios::run_for_callgrind(scenario, transfers),
        _ => {
            eprintln!("usage: counted [gate [--record | --prove] | run SCENARIO TRANSFERS]");
            ExitCode::from(2)
        }
    }
}
