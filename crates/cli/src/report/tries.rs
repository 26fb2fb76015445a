//! What was tried before it went well or failed: addresses, and requests.

use ringdove::error::Attempt;
use ringdove::{Report, Retried};
use serde::Serialize;

/// An address that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct AttemptRecord {
    address: std::net::SocketAddr,
    /// `connected`, `failed`, `denied`, `unanswered` or `lost`.
    result: &'static str,
    error: Option<String>,
    /// Microseconds.
    time: u64,
}

impl AttemptRecord {
    pub(crate) fn of(report: &Report) -> Vec<AttemptRecord> {
        report.attempts.iter().flat_map(|attempts| attempts.iter()).map(Self::new).collect()
    }

    fn new(attempt: &Attempt) -> AttemptRecord {
        let Attempt { address, end, took } = attempt;
        AttemptRecord {
            address: *address,
            result: end.name(),
            error: end.cause().map(ToString::to_string),
            time: took.as_micros() as u64,
        }
    }
}

/// A request that was not the last one.
#[derive(Debug, Serialize)]
pub(crate) struct RetriedRecord {
    status: Option<u16>,
    error: Option<String>,
    /// Microseconds before the next one.
    wait: u64,
}

impl RetriedRecord {
    pub(crate) fn of(retried: &Retried) -> RetriedRecord {
        RetriedRecord {
            status: retried.status,
            error: retried.error.as_ref().map(ToString::to_string),
            wait: retried.wait.as_micros() as u64,
        }
    }
}
