//! The `ringdove` command: all of it is in the library beside.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringdove_cli::main()
}
