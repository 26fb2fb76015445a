//! What the peers share: one command line, one process set-up, one way to count, one record.
//!
//! A peer is a client that ringdove is measured against. Each is a binary of its own that hands
//! [`run`] a function; everything that must be equal for a fair comparison (what is asked for, when
//! the meter starts and stops, what counts as an error) is here, and nothing else is.
//!
//! The workload: `-c` requests are in flight at any time, and go round the targets. With keep-alive a
//! client with a pool sends request *i* to target *i* mod their number, and has room for as many
//! connections as requests in flight and targets together, so that none is closed for want of room.
//! A client without one has a connection for each request in flight or for each target, whichever is
//! more, and takes the one that has been idle the longest, with its target.

pub mod canned;
mod meter;
mod options;
pub mod process;
pub mod tls;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

pub use meter::Meter;
pub use options::{Plan, Target, Trust};

/// Why a client gave no record.
#[derive(Debug)]
pub enum Failure {
    /// The client cannot do what was asked for: nothing was measured. Exit status 3.
    Unsupported(String),
    /// It could not be set up. Exit status 2.
    Setup(Box<dyn Error + Send + Sync>),
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Setup(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
            Self::Setup(error) => write!(f, "{error}"),
        }
    }
}

/// Reads the command line, prepares the process, lets `client` make its requests and prints the
/// record as one line of JSON.
///
/// `client` returns when the meter has [finished](Meter::finished), or when the time is up
/// ([`process::expired`], or a timer of its own over [`Plan::time_limit`]).
///
/// Exit status: 0, 1 if a request failed or the time ran out, 2 if the client could not be set up,
/// 3 if it cannot do what was asked for.
pub fn run(
    name: &'static str,
    version: &str,
    client: impl FnOnce(Arc<Plan>, Arc<Meter>) -> Result<(), Failure>,
) -> ExitCode {
    match prepare_and_measure(name, version, client) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{name}: {failure}");
            ExitCode::from(if matches!(failure, Failure::Unsupported(_)) { 3 } else { 2 })
        }
    }
}

fn prepare_and_measure(
    name: &'static str,
    version: &str,
    client: impl FnOnce(Arc<Plan>, Arc<Meter>) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let plan = Arc::new(Plan::from_command_line()?);
    if let Some(cpu) = plan.cpu {
        process::pin(cpu)?;
    }
    process::raise_descriptor_limit()?;
    process::arm_time_limit(plan.time_limit)?;

    let meter = Arc::new(Meter::new(&plan)?);
    client(plan.clone(), meter.clone())?;

    let record = meter.record(name, version, &plan);
    println!("{}", serde_json::to_string(&record)?);
    if let Some(error) = meter.first_error() {
        eprintln!("{name}: {} failed, the first with: {error}", record.errors);
    }
    Ok(ExitCode::from(u8::from(record.errors > 0 || record.timed_out)))
}
