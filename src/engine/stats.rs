//! Counters of the whole engine.

use std::time::Duration;

use crate::error::Operation;
use crate::protocol::Origin;

/// What an engine holds for one origin now. An origin that is asked by several ways (proxies, TLS policies, versions) has one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginStats {
    /// Whom requests are sent to: a proxy, where that forwards them.
    pub origin: Origin,
    /// Connections with requests under way.
    pub active: usize,
    /// Connections that wait for a request.
    pub idle: usize,
    /// Connections that are being made: the socket, a tunnel, TLS.
    pub connecting: usize,
    /// Transfers that wait for a connection, or for a place on one.
    pub queued: usize,
}

/// What an engine has done since it was made, and what it holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Transfers added.
    pub added: u64,
    /// Transfers that ended with a response.
    pub succeeded: u64,
    /// Transfers that ended with an error.
    pub failed: u64,
    /// Transfers removed before their end.
    pub removed: u64,
    /// Requests sent again because a kept connection had gone stale.
    pub resent: u64,
    /// Requests retried by their transfers' policies, or without an expectation that the peer does not meet.
    pub retried: u64,
    /// Connections opened, connected or not.
    pub opened: u64,
    /// Exchanges begun on a connection that had served another.
    pub reused: u64,
    /// Redirects followed.
    pub redirects: u64,
    /// Challenges answered with the same request and credentials.
    pub challenges: u64,
    /// Idle connections closed to make room for others.
    pub evicted: u64,
    /// Look-ups begun, by the engine or by its driver.
    pub lookups: u64,
    /// DNS queries sent for them, those sent again included.
    pub queries: u64,
    /// Times that the system had no descriptor, port or memory left for one more connection, and
    /// the transfer went back to its queue; or for one more socket to a DNS server.
    pub exhausted: u64,
    /// What was refused the last time, and why, as in errno(3).
    pub exhausted_last: Option<(Operation, i32)>,
    /// How long transfers waited for that, all together, as far as they have got on since.
    pub exhausted_wait: Duration,
    /// Wire bytes sent.
    pub sent: u64,
    /// Wire bytes received.
    pub received: u64,
    /// Transfers that are not over.
    pub running: usize,
    /// Connections open now, idle ones included.
    pub connections: usize,
    /// Idle connections.
    pub idle: usize,
    /// Origins that are known because something uses them.
    pub origins: usize,
    /// Times that a transfer waited for memory, or for more of it.
    pub memory_waits: u64,
    /// Bytes of memory held now that [`crate::Config::memory`] bounds.
    pub memory: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Gates (of origins, hosts, domains and addresses) that are known: see [`crate::engine::Politeness`].
    pub gates: usize,
    /// Origins whose next transfer waits at one of these.
    pub held_up: usize,
}
