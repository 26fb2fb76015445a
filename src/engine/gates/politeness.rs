//! How politely others are asked, as callers say it.

use std::time::Duration;

/// How gently servers are asked: the rules of a crawler. Whoever is asked by several of them at once has all of
/// them kept.
///
/// A host is one whatever the scheme and port; its registrable domain is its public suffix with one label
/// more (an address, and a name without, is a domain of its own). The address is the one that a connection
/// leads to. What a proxy forwards counts for the proxy's host, and all that goes by a proxy for its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Politeness {
    /// For each scheme, host and port.
    pub per_origin: Allowance,
    /// For each host. [`Engine::set_interval`](crate::engine::Engine::set_interval) sets the interval of one.
    pub per_host: Allowance,
    /// For each registrable domain.
    pub per_domain: Allowance,
    /// For each address.
    pub per_address: Allowance,
}

/// What is allowed to each of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The least time between the beginnings of two requests, as exact as the engine's batches are short; none
    /// unless set. A request begins when its connection is ready for it. Attempts to connect keep their
    /// distance, too.
    pub interval: Option<Duration>,
    /// Requests at once, those included whose connections are being made; any number unless set.
    pub concurrency: Option<usize>,
}
