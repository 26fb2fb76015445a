//! What one round does, and what it finds: the two messages between the command and the process
//! that makes the round.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::options::lookup::LookupArgs;
use crate::options::ring::RingArgs;

use super::asked::Asked;
use super::target::Target;

/// What one round does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The driver's name.
    pub(super) driver: String,
    /// Where requests go, in turn; never empty.
    pub(super) urls: Vec<Target>,
    /// Connections of all threads together; without a rate, as many requests are in flight, times `streams`.
    pub(super) connections: usize,
    /// Requests at a time on each.
    pub(super) streams: u32,
    pub(super) speaks: Speaks,
    pub(super) threads: usize,
    pub(super) stop: Stop,
    /// Requests before the measured ones.
    pub(super) warm_up: u64,
    /// Requests per second, for an open loop.
    pub(super) rate: Option<f64>,
    pub(super) keepalive: bool,
    /// The CPU of each thread; empty: not pinned.
    pub(super) cpus: Vec<usize>,
    pub(super) trust: Trust,
    /// Bytes that each body must have, where that is known.
    pub(super) body_bytes: Option<u64>,
    /// What requests have beside their URLs.
    #[serde(default)]
    pub(super) asked: Asked,
    /// How rings are set up.
    #[serde(default)]
    pub(super) ring: RingArgs,
    /// Who looks names up.
    #[serde(default)]
    pub(super) lookup: LookupArgs,
    /// Tell on stdout how far it is.
    pub(super) progress: bool,
}

/// Which versions of HTTP.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Speaks {
    Http1,
    Http2,
    Negotiated,
}

/// When a round is over.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Stop {
    Requests(u64),
    Seconds(f64),
}

/// Whom to trust over TLS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Trust {
    System,
    File(PathBuf),
    Pem(String),
    Anybody,
}

/// What a thread or all threads of a round found. Everything is of the measured part, unless it
/// says otherwise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Why this driver, and what it is.
    pub(super) why: String,
    /// Finished, well or not.
    pub(super) requests: u64,
    /// By kind.
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) first_error: Option<String>,
    /// Answers with another status than 2xx, by status.
    pub(super) not_2xx: BTreeMap<u16, u64>,
    /// Times that a request was sent again, as its connection was closed before any answer.
    pub(super) sent_again: u64,
    pub(super) seconds: f64,
    /// CPU time of the threads that make requests.
    pub(super) user_us: u64,
    pub(super) system_us: u64,
    /// CPU time of the process beyond that: workers of io_uring, if there are any.
    pub(super) other_cpu_us: u64,
    pub(super) voluntary_switches: u64,
    pub(super) involuntary_switches: u64,
    /// System calls, SQEs, CQEs, …, by their names.
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) system_calls: u64,
    /// Connections opened.
    pub(super) opened: u64,
    /// Connections open at the end.
    pub(super) connections: u64,
    /// Of the process: before the first connection, and the most.
    pub(super) memory_kib: Option<(u64, u64)>,
    pub(super) body_bytes: u64,
    /// From when a request was to start (without a rate: when it started).
    pub(super) latency: Latency,
    /// From when a connection took the request, with a rate alone.
    pub(super) service: Latency,
    /// How long after its time the latest request was started, with a rate alone.
    pub(super) latest_start_us: u64,
}

/// A histogram on its way: values in microseconds, and how often each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Latency(pub(super) Vec<(f64, u64)>);

/// What the server serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Serve {
    /// 127.0.0.1, 127.0.0.2, …
    pub(super) hosts: u32,
    pub(super) body_bytes: usize,
    pub(super) cpu: Option<usize>,
    pub(super) tls: bool,
    /// Bytes of the body that each request has.
    #[serde(default)]
    pub(super) request_bytes: usize,
    /// Answers have no body, as those to HEAD.
    #[serde(default)]
    pub(super) heads_only: bool,
    /// To see whether a client notices.
    pub(super) freeze: Option<Freeze>,
}

/// A server that does nothing for a while.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Freeze {
    /// After so many answers.
    pub(super) after: u64,
    pub(super) seconds: f64,
}

/// What the server says once it listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Serving {
    pub(super) port: u16,
    /// The certificate to trust, with TLS.
    pub(super) certificate: Option<String>,
}
