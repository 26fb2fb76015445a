//! What is going to happen: drawn from the seed before the engine is made.
//!
//! A request names its plan in its URL, and every byte of its bodies follows from the plan's
//! number, so that server and application can both say what is right.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use ringdove::{Allowance, Config, LowSpeed, Options, Politeness, Timeouts, TlsPolicy};

use crate::random::Random;

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// How the simulated driver works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Asks for bytes when the socket is connected and writable; reads when it may.
    Readiness,
    /// Asks for the first flight while connecting; sends and receives are in flight.
    Completion,
}

/// Everything about one seed that is not left to chance on the way.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) flavour: Flavour,
    pub(crate) config: Config,
    /// The driver carries the deadlines of connections itself.
    pub(crate) carried_deadlines: bool,
    /// How much later than asked a batch may begin, in nanoseconds.
    pub(crate) lateness: u64,
    pub(crate) latency: u64,
    pub(crate) cut: Cut,
    /// Of 100 connections, how many meet a broken link.
    pub(crate) broken_links: u64,
    /// Of 100 sockets asked for, how many the system has no room for.
    pub(crate) exhaustion: u64,
    /// Of 100 keep-alive connections, how many the server closes while they are idle.
    pub(crate) idle_closes: u64,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) plans: Vec<Plan>,
    /// New limits, and when.
    pub(crate) limits: Vec<(u64, usize, usize)>,
    /// New rules by host and address, and when.
    pub(crate) rules: Vec<(u64, Rules)>,
    /// When the application closes idle connections.
    pub(crate) close_idle: Option<u64>,
}

/// What there may be by host, domain and address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) per_host: Option<usize>,
    pub(crate) per_address: Option<usize>,
    pub(crate) politeness: Politeness,
}

/// How links cut what is sent into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Whole,
    Pieces,
    Bytes,
}

#[derive(Debug, Clone)]
pub(crate) struct HostPlan {
    pub(crate) lookup: LookupPlan,
    pub(crate) addresses: Vec<AddressPlan>,
    /// Its URL has an address in place of a name.
    pub(crate) literal: bool,
    /// Its addresses are those of all who share.
    pub(crate) shared: bool,
    pub(crate) tls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupPlan {
    Answer { after: u64 },
    Fail { after: u64 },
    Never,
    Override,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressPlan {
    Accept { after: u64 },
    Refuse { after: u64 },
    Hang,
}

/// One transfer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) id: usize,
    pub(crate) host: usize,
    pub(crate) port: u16,
    pub(crate) method: Method,
    pub(crate) body: BodyPlan,
    /// Bytes of a field that makes the head long.
    pub(crate) padding: usize,
    pub(crate) options: Arc<Options>,
    pub(crate) reply: Reply,
    pub(crate) added: u64,
    pub(crate) removed: Option<u64>,
    /// Paused by the application, and for how long.
    pub(crate) paused: Option<(u64, u64)>,
    /// Paused by the handler at this many bytes of the body.
    pub(crate) pause_at: Option<usize>,
    /// Aborted by the handler at this many bytes of the body.
    pub(crate) abort_at: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyPlan {
    None,
    Memory { size: usize },
    Stream { size: usize, known: bool, pending: bool, rewinds: bool, fails: bool },
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) at: ReplyAt,
    pub(crate) after: u64,
    pub(crate) status: u16,
    /// Answers as HTTP/1.0.
    pub(crate) http10: bool,
    pub(crate) framing: Framing,
    pub(crate) size: usize,
    pub(crate) informational: u32,
    /// Between the pieces that it writes; zero: all at once.
    pub(crate) pace: u64,
    pub(crate) closes: bool,
    pub(crate) fault: Fault,
}

/// By when the server has seen enough to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyAt {
    RequestLine,
    Head,
    Request,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    UntilClose,
}

/// Where the server leaves HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Content-Length says more than comes; then it closes, or says no more.
    LongLength {
        closes: bool,
    },
    /// Content-Length says less than comes.
    ShortLength,
    Garbage,
    EndlessInformational,
    /// Stops after so many percent of the response and stays silent.
    Stall {
        percent: u64,
    },
    /// Stops after so many percent of the response and ends the connection.
    End {
        percent: u64,
        resets: bool,
    },
    BadChunk,
    /// Garbage after a good response, at once or later.
    Trailing {
        after: u64,
    },
}

impl Scenario {
    pub(crate) fn new(random: &mut Random) -> Scenario {
        // a third of the seeds is polite, so that success is not the exception
        let hostility = random.pick(&[0, 0, 15, 60]);
        let cut = random.pick(&[Cut::Whole, Cut::Pieces, Cut::Pieces, Cut::Bytes]);
        // TLS is slow to simulate
        let tls = cut != Cut::Bytes && random.chance(20);
        let hosts: Vec<_> =
            (0..random.size(1, 4)).map(|_| HostPlan::new(random, hostility, tls)).collect();
        let transfers = if random.chance(5) { random.size(15, 40) } else { random.size(1, 10) };
        let tight = random.chance(40);
        let mut plans = Vec::new();
        for id in 0..transfers {
            let host = random.below(hosts.len() as u64) as usize;
            let mut plan = Plan::new(random, id, host, hostility, tight, cut);
            if hosts[host].tls {
                plan.port = if plan.port == 80 { 443 } else { 8443 };
            }
            plans.push(plan);
        }
        let rules = Rules::new(random);
        let config = Config {
            names: ringdove::engine::NameService::System,
            max_connections: random.size(1, 6),
            max_per_origin: random.size(1, 4),
            keep_idle: Duration::from_millis(random.range(1, 3_000)),
            max_lookups: random.size(1, 3),
            lookup_ttl: Duration::from_millis(random.range(0, 5_000)),
            lookup_cache: random.size(1, 4),
            lookup_family: None,
            max_per_host: rules.per_host,
            http2_connections: None,
            max_per_address: rules.per_address,
            politeness: rules.politeness,
            serve_stale: None,
            lookup_deadline: None,
            server_queries: None,
            server_queries_per_second: None,
            retry_budget: Default::default(),
            seed: Some(1),
            nonce_seed: None,
            address_policy: None,
            tls: tls.then(|| TlsPolicy::builder().insecure().build().expect("a policy")),
            memory: Config::default().memory,
            http2: Config::default().http2,
        };
        let carried_deadlines = random.chance(50);
        let limits = (0..if random.chance(20) { 3 } else { 0 })
            .map(|_| (random.below(500 * MS), random.size(1, 8), random.size(1, 6)))
            .collect();
        let new_rules = (0..if random.chance(10) { 2 } else { 0 })
            .map(|_| (random.below(500 * MS), Rules::new(random)))
            .collect();
        Scenario {
            flavour: random.pick(&[Flavour::Readiness, Flavour::Completion]),
            config,
            carried_deadlines,
            lateness: if random.chance(20) { random.below(10 * MS) } else { 0 },
            latency: random.below(10 * MS),
            cut,
            broken_links: if random.chance(hostility) { random.below(50) } else { 0 },
            exhaustion: if random.chance(10) { random.below(60) } else { 0 },
            idle_closes: random.pick(&[0, 20, 80]),
            hosts,
            plans,
            limits,
            rules: new_rules,
            close_idle: random.chance(10).then(|| random.below(500 * MS)),
        }
    }
}

impl Rules {
    /// None at all for most seeds.
    fn new(random: &mut Random) -> Rules {
        let mut rules =
            Rules { per_host: None, per_address: None, politeness: Politeness::default() };
        if random.chance(60) {
            return rules;
        }
        let places = |random: &mut Random| random.chance(40).then(|| random.size(1, 3));
        (rules.per_host, rules.per_address) = (places(random), places(random));
        let mut allowance = || Allowance {
            interval: random.chance(30).then(|| Duration::from_nanos(random.range(1, 200) * MS)),
            concurrency: random.chance(30).then(|| random.size(1, 3)),
        };
        rules.politeness = Politeness {
            per_origin: allowance(),
            per_host: allowance(),
            per_domain: allowance(),
            per_address: allowance(),
        };
        rules
    }
}

impl HostPlan {
    fn new(random: &mut Random, hostility: u64, tls: bool) -> HostPlan {
        let literal = random.chance(20);
        let lookup = match random.below(8) {
            0 if random.chance(hostility) => LookupPlan::Fail { after: random.below(100 * MS) },
            1 if random.chance(hostility) => LookupPlan::Never,
            2 => LookupPlan::Override,
            _ => LookupPlan::Answer { after: random.below(50 * MS) },
        };
        let count = if literal { 1 } else { random.size(1, 3) };
        let address = |random: &mut Random| match random.below(6) {
            0 if random.chance(hostility) => AddressPlan::Refuse { after: random.below(20 * MS) },
            1 if random.chance(hostility) => AddressPlan::Hang,
            _ => AddressPlan::Accept { after: random.below(20 * MS) },
        };
        let addresses = (0..count).map(|_| address(random)).collect();
        let shared = !literal && random.chance(40);
        HostPlan { lookup, literal, shared, tls: tls && random.chance(70), addresses }
    }
}

impl HostPlan {
    /// The host as in a URL.
    pub(crate) fn name(&self, number: usize) -> String {
        if self.literal { self.address(number, 0).to_string() } else { host_name(number) }
    }

    /// One of its addresses.
    pub(crate) fn address(&self, number: usize, index: usize) -> IpAddr {
        let third = if self.shared { 200 } else { number as u8 };
        match index % 2 {
            0 => Ipv4Addr::new(10, 0, third, index as u8 + 1).into(),
            _ => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, third.into(), index as u16 + 1).into(),
        }
    }

    /// Which of its addresses this is.
    pub(crate) fn index_of(&self, number: usize, ip: IpAddr) -> usize {
        let mut addresses = (0..self.addresses.len()).map(|index| self.address(number, index));
        addresses.position(|address| address == ip).expect("an address of this host")
    }

    /// What a request to one of its ports names in Host.
    pub(crate) fn authority(&self, number: usize, port: u16) -> String {
        match port {
            80 | 443 => self.name(number),
            port => format!("{}:{port}", self.name(number)),
        }
    }
}

/// The name of a host, by its number. All are of one registrable domain.
pub(crate) fn host_name(number: usize) -> String {
    format!("h{number}.sim.test")
}

/// The host of which this is the name.
pub(crate) fn host_named(name: &str) -> usize {
    let number = name.strip_prefix('h').and_then(|name| name.strip_suffix(".sim.test"));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("a look-up of {name}"))
}

/// The byte at an offset of a body: of a response's, or, with `salt` 1, of a request's.
pub(crate) fn byte_at(id: usize, salt: u64, at: usize) -> u8 {
    let mixed = (id as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (at as u64 + 7 * salt).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ (mixed >> 29)) as u8
}

/// That many bytes of a body, from its beginning.
pub(crate) fn body_of(id: usize, salt: u64, size: usize) -> Vec<u8> {
    (0..size).map(|at| byte_at(id, salt, at)).collect()
}

impl Plan {
    fn new(
        random: &mut Random,
        id: usize,
        host: usize,
        hostility: u64,
        tight: bool,
        cut: Cut,
    ) -> Plan {
        let method = random.pick(&[
            &Method::GET,
            &Method::GET,
            &Method::GET,
            &Method::HEAD,
            &Method::POST,
            &Method::POST,
            &Method::PUT,
        ]);
        let large = cut != Cut::Bytes;
        let body = match *method {
            Method::POST | Method::PUT => BodyPlan::new(random, hostility, large),
            _ => BodyPlan::None,
        };
        let reply = Reply::new(random, method, hostility, large);
        let mut options = Options { timeouts: timeouts(random, tight), ..Options::default() };
        if tight && random.chance(20) {
            options.low_speed = Some(LowSpeed {
                bytes_per_second: random.range(1, 100_000),
                over: Duration::from_millis(random.range(1, 500)),
            });
        }
        if random.chance(50) {
            options.attempt_delay = Some(Duration::from_millis(random.range(10, 300)));
        }
        if random.chance(5) {
            options.max_body = Some(random.below(1_000));
        }
        Plan {
            id,
            host,
            port: random.pick(&[80, 80, 8080]),
            method: method.clone(),
            body,
            padding: match random.below(20) {
                0 if large => random.size(100, 3_000),
                0 => random.size(100, 500),
                _ => 0,
            },
            options: Arc::new(options),
            reply,
            added: if random.chance(50) { 0 } else { random.below(300 * MS) },
            removed: random.chance(8).then(|| random.below(400 * MS)),
            paused: random.chance(15).then(|| (random.below(300 * MS), random.range(1, 300) * MS)),
            pause_at: random.chance(15).then(|| random.below(600) as usize),
            abort_at: random.chance(3).then(|| random.below(600) as usize),
        }
    }

    pub(crate) fn url(&self, hosts: &[HostPlan]) -> String {
        let Plan { id, host, port, .. } = self;
        let scheme = if hosts[*host].tls { "https" } else { "http" };
        format!("{scheme}://{}:{port}/t/{id}", hosts[*host].name(*host))
    }

    /// Bytes of body that a response has which arrives as it should.
    pub(crate) fn response_size(&self) -> usize {
        let without = self.method == Method::HEAD || matches!(self.reply.status, 204 | 304);
        if without { 0 } else { self.reply.size }
    }
}

impl BodyPlan {
    fn new(random: &mut Random, hostility: u64, large: bool) -> BodyPlan {
        let size = match random.below(4) {
            0 => 0,
            1 if large => random.size(0, 25_000),
            _ => random.size(1, 600),
        };
        match random.below(3) {
            0 => BodyPlan::None,
            1 => BodyPlan::Memory { size },
            _ => BodyPlan::Stream {
                size,
                known: random.chance(50),
                pending: random.chance(50),
                rewinds: random.chance(50),
                fails: random.chance(hostility / 6),
            },
        }
    }

    pub(crate) fn size(self) -> usize {
        match self {
            BodyPlan::None => 0,
            BodyPlan::Memory { size } | BodyPlan::Stream { size, .. } => size,
        }
    }
}

impl Reply {
    fn new(random: &mut Random, method: &Method, hostility: u64, large: bool) -> Reply {
        let status = random.pick(&[200, 200, 200, 404, 204, 304, 500]);
        let http10 = random.chance(10);
        let framing = random.pick(&[
            Framing::Length,
            Framing::Length,
            Framing::Chunked,
            Framing::Chunked,
            Framing::UntilClose,
        ]);
        let size = match random.below(6) {
            0 => 0,
            1 if large => random.size(0, 30_000),
            _ => random.size(1, 800),
        };
        let mut fault = if random.chance(hostility / 2) { Fault::new(random) } else { Fault::None };
        let has_body = *method != Method::HEAD && !matches!(status, 204 | 304);
        let until_close = has_body && framing != Framing::Length;
        if matches!(fault, Fault::Trailing { .. }) && until_close {
            fault = Fault::Garbage;
        }
        let lies = matches!(fault, Fault::LongLength { .. } | Fault::ShortLength);
        if lies && !(has_body && framing == Framing::Length && size > 0) {
            fault = Fault::Garbage;
        }
        if fault == Fault::BadChunk && !(has_body && framing == Framing::Chunked && !http10) {
            fault = Fault::EndlessInformational;
        }
        Reply {
            at: random.pick(&[
                ReplyAt::Request,
                ReplyAt::Request,
                ReplyAt::Request,
                ReplyAt::Head,
                ReplyAt::RequestLine,
            ]),
            after: if random.chance(10) { random.below(2_000 * MS) } else { random.below(5 * MS) },
            status,
            http10,
            framing,
            size,
            informational: if random.chance(10) { random.range(1, 3) as u32 } else { 0 },
            pace: if random.chance(10) { random.below(100 * MS) } else { 0 },
            closes: random.chance(15),
            fault,
        }
    }
}

impl Fault {
    fn new(random: &mut Random) -> Fault {
        match random.below(10) {
            0 => Fault::LongLength { closes: random.chance(50) },
            1 => Fault::ShortLength,
            2 => Fault::Garbage,
            3 => Fault::EndlessInformational,
            4 | 5 => Fault::Stall { percent: random.below(100) },
            6 | 7 => {
                // half of them without a word: what was asked has been done all the same
                let percent = random.below(2) * random.below(100);
                Fault::End { percent, resets: random.chance(50) }
            }
            8 => Fault::BadChunk,
            _ => Fault::Trailing { after: random.below(3) * random.below(20 * MS) },
        }
    }
}

/// Every wait has an end: either its own, or one that is the transfer's.
fn timeouts(random: &mut Random, tight: bool) -> Timeouts {
    let default = Timeouts::default();
    if !tight {
        return default;
    }
    let mut tighter = |otherwise: Option<Duration>| {
        if random.chance(30) {
            Some(Duration::from_millis(random.range(0, 300)))
        } else {
            otherwise
        }
    };
    Timeouts {
        queue: tighter(default.queue),
        resolve: tighter(default.resolve),
        connect: tighter(default.connect),
        tls: tighter(default.tls),
        expect: default.expect,
        first_byte: tighter(default.first_byte),
        idle: tighter(default.idle),
        memory: default.memory,
        total: tighter(default.total),
    }
}
