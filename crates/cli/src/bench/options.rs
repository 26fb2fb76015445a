//! The options of `ringdove bench`.
//!
//! Knows what can be typed and what excludes what. Must not know how it is measured.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use ringdove::driver::{Kind, UnknownKind};

use crate::options::lookup::LookupArgs;
use crate::options::ring::RingArgs;

use super::asked::AskedArgs;
use super::plan::Speaks;

/// Measure what a request costs, on the real engine: CPU, system calls, latency.
///
/// Without a URL, a server of ringdove's own is started on another CPU, and all drivers are
/// compared. Each measurement is a process of its own; with several drivers the rounds of all are
/// interleaved, and the table shows medians.
///
/// Exit status: 0 all measured, 1 some requests failed, 2 nothing was measured.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
#[command(group = clap::ArgGroup::new("somewhere").args(["urls", "input"]).multiple(true))]
#[command(group = clap::ArgGroup::new("over_http2").args(["http2", "http2_prior_knowledge"]))]
pub(crate) struct BenchArgs {
    /// URLs to load, in turn, http or https
    #[arg(value_name = "URL")]
    pub(super) urls: Vec<String>,

    /// Read URLs from FILE, one a line (- for standard input)
    #[arg(short, long, value_name = "FILE")]
    pub(super) input: Option<PathBuf>,

    /// Connections; with several numbers each is measured
    #[arg(short, long, value_name = "N[,N]…", default_value = "64", value_delimiter = ',', value_parser = connections)]
    pub(super) connections: Vec<usize>,

    /// Use HTTP/2, agreed on over TLS; needs an https URL
    #[arg(long, requires = "somewhere", conflicts_with = "http2_prior_knowledge")]
    pub(super) http2: bool,

    /// Use HTTP/2 without asking; needs a URL
    #[arg(long, requires = "somewhere")]
    pub(super) http2_prior_knowledge: bool,

    /// Requests at a time on each HTTP/2 connection
    #[arg(long, value_name = "N", default_value_t = 1, requires = "over_http2", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) streams: u32,

    /// Requests in each round, instead of a time
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) requests: Option<u64>,

    /// Seconds of each round
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub(super) duration: f64,

    /// Which drivers: all, or some of ring, poll, epoll
    #[arg(long, value_name = "NAME[,NAME]…", default_value = "all", value_delimiter = ',')]
    pub(super) driver: Vec<Drivers>,

    /// Rounds for each driver
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) rounds: u32,

    /// Requests to make before the measured ones (default: twice the connections, and 1000 at least)
    #[arg(long, value_name = "N")]
    pub(super) warm_up: Option<u64>,

    /// Open loop: start this many requests per second, whether or not earlier ones have ended.
    /// Latency then counts from when a request was to start
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// A new connection for each request
    #[arg(long)]
    pub(super) no_keepalive: bool,

    /// Client threads, each with a driver and its share of the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) threads: u32,

    /// Spread each URL over N hosts: 127.0.0.1, 127.0.0.2, … in place of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub(super) hosts: Option<u32>,

    /// Pin the client's threads to the CPUs from this one on (default: 0 with ringdove's own server,
    /// otherwise not pinned)
    #[arg(long, value_name = "CPU")]
    pub(super) cpu: Option<usize>,

    /// Bytes of each body of ringdove's own server
    #[arg(long, value_name = "BYTES", default_value_t = 12, conflicts_with = "urls")]
    pub(super) body_size: usize,

    /// Have ringdove's own server speak TLS
    #[arg(long, conflicts_with = "urls")]
    pub(super) tls: bool,

    /// Trust the PEM certificates in FILE instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,

    /// Accept any certificate of any server
    #[arg(short = 'k', long)]
    pub(super) insecure: bool,

    /// One JSON object a line for each driver and number of connections, instead of the table
    #[arg(long)]
    pub(super) json: bool,

    /// Plot CPU and system calls per request, and latency, into FILE, and a report into FILE.html
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,

    #[command(flatten)]
    pub(super) asked: AskedArgs,

    #[command(flatten)]
    pub(super) ring: RingArgs,

    #[command(flatten)]
    pub(super) lookup: LookupArgs,

    /// What this process is: the program starts itself for servers and rounds
    #[arg(long, hide = true, value_enum, default_value = "command")]
    pub(super) role: Role,
}

/// What a process that was started by this program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Role {
    /// What the user started.
    Command,
    /// One round: a plan on stdin, the outcome on stdout.
    Round,
    /// The server: what to serve on stdin, the port on stdout.
    Server,
}

/// A word for one driver or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drivers {
    All,
    Only(Kind),
}

impl FromStr for Drivers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Drivers::All);
        }
        match text.parse() {
            Ok(kind) => Ok(Drivers::Only(kind)),
            Err(UnknownKind) => Err(format!("no driver '{text}' here: {UnknownKind}; or all")),
        }
    }
}

impl BenchArgs {
    /// What is spoken: HTTP/1.1 unless asked for, so that figures of before and after compare.
    pub(super) fn speaks(&self) -> Speaks {
        match (self.http2, self.http2_prior_knowledge) {
            (true, _) => Speaks::Negotiated,
            (false, true) => Speaks::Http2,
            (false, false) => Speaks::Http1,
        }
    }

    /// The drivers asked for, each once.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let asked = |kind: &Kind| {
            self.driver.iter().any(|word| match word {
                Drivers::All => true,
                Drivers::Only(only) => only == kind,
            })
        };
        Kind::ALL.into_iter().filter(asked).collect()
    }
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=65_536) => Ok(number),
        _ => Err("not a number from 1 to 65536".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("not a number of seconds up to a day".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e7 => Ok(rate),
        _ => Err("not a number of requests per second up to ten million".to_owned()),
    }
}
