//! A stub resolver as a machine: look-ups in, queries out, answers in, addresses out.
//!
//! Knows look-ups, the names that they try, queries and their tries, servers, and channels (sockets that
//! lead to one server each). Must not know descriptors, files, the clock, or where randomness comes from: a
//! seed, the time and the text of files are handed in. Invariants: a look-up ends by its deadline; one query
//! is in flight for each name and family of a look-up, and is tried a bounded number of times; what is
//! given up leaves nothing behind.
//!
//! What it does is told in docs/names.md.

mod channel;
mod fixed;
mod half;
mod lookup;
mod query;
mod random;
mod server;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::dns::{Conf, Hosts, Kind};
use crate::engine::ids::LookupId;
use crate::engine::timers::Timers;
use crate::id::{Id, IdMap, Slab};
use crate::limits;
use crate::protocol::Host;
use crate::time::Time;

use channel::Line;
pub(crate) use fixed::Fixed;
use lookup::Look;
use random::Random;
use server::Server;

/// Names a channel.
pub(crate) type ChannelId = Id<Channel>;

/// A socket that leads to one server. Opaque: see [`ChannelId`].
pub(crate) struct Channel(Line);

/// How names are looked up.
#[derive(Debug, Clone)]
pub struct NamesConfig {
    /// Servers, search list and options.
    pub conf: Conf,
    /// Names with fixed addresses.
    pub hosts: Arc<Hosts>,
    /// Whether IPv4 addresses are asked for.
    pub ipv4: bool,
    /// Whether IPv6 addresses are asked for.
    pub ipv6: bool,
    /// Queries in flight to one server.
    pub max_queries: usize,
    /// Queries in a second to one server; as many as there are unless set.
    pub queries_per_second: Option<u32>,
    /// How long one look-up takes at most; what its tries take together unless set, at most 30 s.
    pub deadline: Option<Duration>,
    /// After how long it is told that a look-up is slow, so that something else may do meanwhile; not unless set.
    pub patience: Option<Duration>,
    /// How long addresses of the family that is not tried first wait for those of the other: 50 ms (RFC 8305, 3).
    pub resolution_delay: Duration,
}

impl NamesConfig {
    /// Look-ups for all of which one server has places.
    pub(crate) fn max_lookups(&self) -> usize {
        self.max_queries / if self.ipv4 && self.ipv6 { 2 } else { 1 }
    }
}

impl Default for NamesConfig {
    fn default() -> Self {
        Self {
            conf: Conf::default(),
            hosts: Arc::default(),
            ipv4: true,
            ipv6: true,
            max_queries: limits::NAME_QUERIES,
            queries_per_second: None,
            deadline: None,
            patience: None,
            resolution_delay: Duration::from_millis(50),
        }
    }
}

/// What the machine wants done; taken with [`Names::poll_want`]. One for a channel that is gone is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// Open a socket that is connected to `server`, and report [`Names::opened`] or [`Names::failed`].
    Open { channel: ChannelId, server: SocketAddr, transport: Transport },
    /// [`Names::fill`] has something to send.
    Send { channel: ChannelId },
    /// Close the socket.
    Close { channel: ChannelId },
    /// A look-up is over.
    Found { lookup: LookupId, result: Result<Found, NameError> },
    /// A look-up has taken for as long as [`NamesConfig::patience`], and goes on.
    Slow { lookup: LookupId },
    /// The system has no room for a socket that a look-up needs; it is tried again.
    Starved { lookup: LookupId },
    /// The other family of a host, of which a look-up found a part, is over: all its addresses, or none if there are no
    /// more.
    Later { lookup: LookupId, host: Host, found: Option<Found> },
}

/// How a channel speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Datagrams, a message each.
    Udp,
    /// A TCP connection; messages have their length before them (RFC 7766).
    Tcp,
}

/// Why a channel failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server, or the way to it, refused: the next server is asked at once.
    Refused(String),
    /// This machine has no descriptor or port left: it is tried again soon.
    Exhausted,
}

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// IPv6 and IPv4 by turns (RFC 8305, 4), in the order of RFC 6724, 6, as far as it needs no source address.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long they hold. None where nothing says so.
    pub(crate) ttl: Option<Duration>,
    /// They are of one family, and [`Want::Later`] says what there is of the other.
    pub(crate) partial: bool,
}

/// Why a look-up found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameError {
    pub(crate) kind: NameErrorKind,
    /// For how long that holds, if a server said so (RFC 2308).
    pub(crate) ttl: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameErrorKind {
    /// The name does not exist.
    NoName,
    /// It has no address of a family that was asked for.
    NoAddress,
    /// It is one that is never asked for, such as `.invalid` (RFC 6761) and `.onion` (RFC 7686).
    Special,
    /// No server answered in time.
    Timeout,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED, or a server that knows nothing of the name.
    Refused,
    /// FORMERR or NOTIMP, with EDNS and without.
    NotUnderstood,
    /// Another response code.
    Code(u16),
    /// Its aliases lead in a circle, or over too many names.
    Loop,
    /// Answers were malformed, or for other questions.
    BadAnswer,
    /// The servers cannot be reached.
    Unreachable(String),
    /// This machine had no descriptor or port left to ask them.
    Exhausted,
}

impl NameErrorKind {
    /// Whether servers said so of this one name, so that another may be found; silence would be waited for again.
    fn is_of_the_name(&self) -> bool {
        use NameErrorKind::{Code, Loop, NotUnderstood, Refused, ServerFailure};
        matches!(self, ServerFailure | Refused | NotUnderstood | Code(_) | Loop)
    }
}

impl NameError {
    /// Whether the servers said so, so that asking again soon is of no use.
    pub(crate) fn is_negative(&self) -> bool {
        use NameErrorKind::{NoAddress, NoName, Special};
        matches!(self.kind, NoName | NoAddress | Special)
    }
}

impl std::fmt::Display for NameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.kind {
            NameErrorKind::NoName => "there is no such name (NXDOMAIN)",
            NameErrorKind::NoAddress => "the name has no address",
            NameErrorKind::Special => "a name that is not in DNS",
            NameErrorKind::Timeout => "no DNS server answered in time",
            NameErrorKind::ServerFailure => "the DNS server could not find out (SERVFAIL)",
            NameErrorKind::Refused => "the DNS server refused to answer (REFUSED)",
            NameErrorKind::NotUnderstood => "the DNS server did not understand the query",
            NameErrorKind::Code(code) => {
                return write!(f, "the DNS server answered with code {code}");
            }
            NameErrorKind::Loop => "the name's aliases lead in a circle",
            NameErrorKind::BadAnswer => "the DNS server's answers could not be used",
            NameErrorKind::Exhausted => {
                "the system had no descriptor or port left to ask a DNS server"
            }
            NameErrorKind::Unreachable(why) => {
                return write!(f, "no DNS server can be reached: {why}");
            }
        })
    }
}

/// What was done, and what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NameStats {
    /// Queries sent, tries included.
    pub(crate) sent: u64,
    /// Answers that were taken.
    pub(crate) answers: u64,
    /// Tries that were not answered in time.
    pub(crate) timeouts: u64,
    /// Messages that no query waited for: late, twice, or with another id.
    pub(crate) strays: u64,
    /// Messages for a query that were malformed, or not for its question.
    pub(crate) bad: u64,
    /// Answers that were cut short, so that TCP was used.
    pub(crate) truncated: u64,
    /// Sockets opened.
    pub(crate) channels: u64,
    /// Look-ups that are not over.
    pub(crate) lookups: usize,
    /// Sockets open now.
    pub(crate) open: usize,
}

/// A query of a look-up: of the name that it has come to, for addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Query {
    look: Id<Look>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Timer {
    /// A look-up has taken too long.
    Deadline(Id<Look>),
    /// A look-up is slow.
    Patience(Id<Look>),
    /// One family has waited for the other.
    Delay(Id<Look>),
    /// A try has taken too long.
    Try(Query),
    /// A server may be asked again.
    Server(usize),
    /// A channel may be idle.
    Channel(ChannelId),
}

/// Servers of the config, and those that were in it before and still have sockets: one bit each in a query.
const SERVERS: usize = 64;

/// All look-ups, servers and channels.
///
/// Commands and facts change it, then [`Names::poll_want`] is asked until there is none, and
/// [`Names::next_time`] says by when [`Names::expire`] is due.
pub(crate) struct Names {
    config: NamesConfig,
    random: Random,
    looks: Slab<Look>,
    by_lookup: IdMap<LookupId, Id<Look>>,
    /// Those of the config, and those that were in it and are not done yet.
    servers: Vec<Server>,
    /// Servers of the config, in its order.
    order: Vec<usize>,
    /// The time of the last fact.
    now: Time,
    /// The most that a look-up takes.
    most: Duration,
    /// Servers that have a place for queries that wait.
    freed: Vec<usize>,
    /// Look-ups of which the family is there that comes first, to be told of when the batch ends.
    ready: Vec<Id<Look>>,
    /// Look-ups begun: with `rotate` each begins with another server.
    begun: usize,
    channels: Slab<Channel>,
    timers: Timers<Timer>,
    wants: VecDeque<Want>,
    /// The query that is being written.
    scratch: Vec<u8>,
    stats: NameStats,
}

impl Names {
    /// A resolver whose ids come from a seed that nobody else knows.
    pub(crate) fn new(config: NamesConfig, seed: [u8; 32]) -> Names {
        let mut names = Names {
            config: NamesConfig {
                conf: Conf { servers: Vec::new(), ..Conf::default() },
                ..config.clone()
            },
            random: Random::new(seed),
            looks: Slab::new(),
            by_lookup: IdMap::default(),
            servers: Vec::new(),
            order: Vec::new(),
            now: Time::ZERO,
            most: Duration::ZERO,
            freed: Vec::new(),
            ready: Vec::new(),
            begun: 0,
            channels: Slab::new(),
            timers: Timers::new(),
            wants: VecDeque::new(),
            scratch: Vec::new(),
            stats: NameStats::default(),
        };
        names.set_config(config, Time::ZERO);
        names
    }

    /// Changes how names are looked up from here on. Look-ups under way keep to what they have asked.
    pub(crate) fn set_config(&mut self, config: NamesConfig, now: Time) {
        self.now = self.now.max(now);
        self.config = config;
        let addresses = self.config.conf.servers.clone();
        self.order.clear();
        for address in addresses.into_iter().take(limits::NAME_SERVERS) {
            let Some(server) = self.server(address) else { continue };
            self.servers[server].set_rate(self.config.queries_per_second, self.now);
            if !self.order.contains(&server) {
                self.order.push(server);
            }
        }
        self.most = self.most_time();
        for server in 0..self.servers.len() {
            if !self.order.contains(&server) {
                self.leave_server(server);
            }
        }
        self.pump_freed();
    }

    /// Whether a config has names looked up at the same servers and in the same file.
    pub(crate) fn has_sources_of(&self, config: &NamesConfig) -> bool {
        self.config.conf == config.conf && self.config.hosts == config.hosts
    }

    /// Where a server stands, in the place of one that is over if there is one.
    fn server(&mut self, address: SocketAddr) -> Option<usize> {
        if let Some(at) = self.servers.iter().position(|server| server.address == address) {
            return Some(at);
        }
        let over = |&at: &usize| !self.order.contains(&at) && self.servers[at].is_idle();
        let free = (0..self.servers.len()).find(over);
        match free {
            Some(at) => self.servers[at] = Server::new(address),
            None if self.servers.len() == SERVERS => return None,
            None => self.servers.push(Server::new(address)),
        }
        Some(free.unwrap_or(self.servers.len() - 1))
    }

    // wants

    /// The next want.
    pub(crate) fn poll_want(&mut self) -> Option<Want> {
        self.wants.pop_front()
    }

    /// By when [`Names::expire`] is due.
    pub(crate) fn next_time(&self) -> Option<Time> {
        if self.ready.is_empty() { self.timers.next() } else { Some(self.now) }
    }

    /// Whether [`Names::expire`] may have something to end: a try of a query, or a look-up.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.timers.next().is_some_and(|at| at <= now)
    }

    /// Sees to all that is due.
    pub(crate) fn expire(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(timer) = self.timers.expire(self.now) {
            match timer {
                Timer::Deadline(look) => self.deadline(look),
                Timer::Patience(look) => self.patience_over(look),
                Timer::Delay(look) => self.delay_over(look),
                Timer::Try(query) => self.try_over(query),
                Timer::Server(server) => {
                    self.servers[server].awaited = false;
                    self.pump(server);
                }
                Timer::Channel(channel) => self.look_after(channel),
            }
        }
        self.report_ready();
        self.pump_freed();
    }

    /// The counters.
    pub(crate) fn stats(&self) -> NameStats {
        NameStats { lookups: self.looks.len(), open: self.channels.len(), ..self.stats }
    }

    /// Closes all channels that nothing waits for, as if they had been idle for long.
    pub(crate) fn close_idle(&mut self) {
        let ids: Vec<_> = self.channels.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.retire(id);
        }
    }
}
