//! What an engine may hold open, and for how long.

use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::dials::ways::Family;
use crate::engine::gates::Politeness;
use crate::engine::policy::AddressPolicy;
use crate::engine::transfers::budget::RetryBudget;
use crate::limits::{self, H2Limits};
use crate::tls::TlsPolicy;

/// What an engine may hold open, and for how long.
#[derive(Debug, Clone)]
pub struct Config {
    /// Connections in all, idle ones included.
    pub max_connections: usize,
    /// Connections to one origin.
    pub max_per_origin: usize,
    /// Connections to one host, all its ports and schemes together; any number unless set.
    pub max_per_host: Option<usize>,
    /// Connections to one address, whatever the names; any number unless set.
    pub max_per_address: Option<usize>,
    /// How often requests begin, and how many at once, by host, domain and address.
    pub politeness: Politeness,
    /// HTTP/2 connections to one origin on which requests begin; as many as the other limits allow unless set. Requests
    /// then wait for room on these, also where that costs time (while nothing is known of the server), and one is
    /// replaced when it takes no more.
    pub http2_connections: Option<usize>,
    /// How long an unused connection is kept.
    pub keep_idle: Duration,
    /// Who looks names up.
    pub names: NameService,
    /// Look-ups in flight, as far as the system does them: so many threads.
    pub max_lookups: usize,
    /// How long the answer to a look-up holds where nothing says so.
    pub lookup_ttl: Duration,
    /// Answers kept.
    pub lookup_cache: usize,
    /// The one family of addresses that is asked for in look-ups; both unless set. What a transfer tries is
    /// its own [`Ways::family`](crate::engine::Ways::family).
    pub lookup_family: Option<Family>,
    /// How long addresses that have expired are kept for when nobody can say anything better (RFC 8767); not at
    /// all unless set.
    pub serve_stale: Option<Duration>,
    /// How long the engine's own look-up of one name takes at most; what its tries take together unless set, and 30 s
    /// in any case.
    pub lookup_deadline: Option<Duration>,
    /// Queries in flight to one DNS server; 8,192 unless set.
    pub server_queries: Option<usize>,
    /// Queries to one DNS server in a second, evenly; any number unless set.
    pub server_queries_per_second: Option<u32>,
    /// Bytes of memory that peers can make all transfers together hold, in decoders and in heads that have not come whole; 128
    /// MiB unless set. A transfer that needs more then waits until others have ended ([`Timeouts::memory`](crate::engine::Timeouts::memory)).
    pub memory: usize,
    /// Bounds on what a peer may send on an HTTP/2 connection, and on what is sent on it.
    pub http2: H2Limits,
    /// How `https` is verified where a transfer's options do not say.
    pub tls: Option<TlsPolicy>,
    /// What all transfers together may spend on asking again.
    pub retry_budget: RetryBudget,
    /// What the waits before asking again are spread by: any number, another one for each process that
    /// asks the same servers. The drivers, and [`crate::Multi`], choose one unless it is set; an engine alone
    /// takes 0.
    pub seed: Option<u64>,
    /// What the client nonces of Digest are made from; zeros unless set. A driver sets it, from
    /// getrandom(2).
    pub nonce_seed: Option<[u8; 32]>,
    /// Which addresses may be connected to; any unless set.
    pub address_policy: Option<AddressPolicy>,
}

/// Who looks names up: the drivers, and [`crate::Multi`], act upon it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameService {
    /// The engine, which asks the servers of resolv.conf(5), after hosts(5). The system where nsswitch.conf(5) has
    /// services that know names of the kind and DNS does not. The files are read again when they change.
    Own,
    /// The engine, which asks these servers and none else, after hosts(5).
    Servers(Vec<SocketAddr>),
    /// The system: getaddrinfo(3), on [`Config::max_lookups`] threads.
    System,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_per_origin: 64,
            max_per_host: None,
            max_per_address: None,
            politeness: Politeness::default(),
            http2_connections: None,
            keep_idle: Duration::from_secs(90),
            names: NameService::Own,
            max_lookups: 32,
            lookup_ttl: Duration::from_secs(60),
            lookup_cache: limits::LOOKUP_CACHE,
            lookup_family: None,
            serve_stale: None,
            lookup_deadline: None,
            server_queries: None,
            server_queries_per_second: None,
            memory: limits::MEMORY,
            http2: H2Limits::DEFAULT,
            tls: None,
            retry_budget: RetryBudget::default(),
            seed: None,
            nonce_seed: None,
            address_policy: None,
        }
    }
}
