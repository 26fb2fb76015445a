//! The command line, and the plan that it amounts to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use clap::builder::TypedValueParser;
use url::Url;

use crate::Failure;

/// What to ask for, from whom, and for how long at most.
#[derive(Debug)]
pub struct Plan {
    /// Where requests go in turn; never empty.
    pub targets: Vec<Target>,
    /// Requests in flight at any time.
    pub connections: usize,
    /// How many of these share a connection, for clients of HTTP/2.
    pub streams: usize,
    /// Requests that are measured.
    pub requests: u64,
    /// Requests before them, which are not.
    pub warmup: u64,
    /// Whether a connection is used again; if not, each request says `Connection: close`.
    pub keepalive: bool,
    /// Whom to trust in TLS; `None` if no target wants TLS.
    pub trust: Option<Trust>,
    /// After this the client reports what it did.
    pub time_limit: Duration,
    /// Where perf is told when to count, and where it says that it does.
    pub(crate) perf_control: Option<[PathBuf; 2]>,
    pub(crate) hosts: usize,
    pub(crate) cpu: Option<usize>,
    pub(crate) urls: usize,
}

/// One URL on one host.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL, with the address in place of the host where hosts are spread.
    pub url: Url,
    /// Where to connect.
    pub address: SocketAddr,
    /// Which of the URLs on the command line it is: all with the same number have equal bodies.
    pub url_index: usize,
}

/// Whom to trust in TLS.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The certificates in this file (PEM).
    File(PathBuf),
    /// Anybody.
    Insecure,
}

impl Plan {
    pub(crate) fn from_command_line() -> Result<Self, Failure> {
        Self::new(Options::parse())
    }

    fn new(options: Options) -> Result<Self, Failure> {
        let targets = match &options.url_list {
            Some(file) => listed(file)?,
            None => spread(&options.url, options.hosts)?,
        };
        let secure = targets.iter().any(|target| target.url.scheme() == "https");
        let trust = match (secure, options.insecure, options.cacert) {
            (false, ..) => None,
            (true, true, _) => Some(Trust::Insecure),
            (true, false, Some(file)) => Some(Trust::File(file)),
            (true, false, None) => return Err("https needs --cacert FILE or --insecure".into()),
        };
        Ok(Self {
            targets,
            connections: options.connections,
            streams: options.streams,
            requests: options.requests,
            warmup: options.warmup,
            keepalive: !options.no_keepalive,
            trust,
            time_limit: Duration::from_secs(options.time_limit),
            perf_control: options
                .perf_control
                .map(|paths| paths.try_into().map_err(|_| "--perf-control takes two paths"))
                .transpose()?,
            hosts: options.hosts.unwrap_or(1),
            cpu: options.cpu,
            urls: options.url.len().max(1),
        })
    }

    /// The target of a request by its number.
    pub fn target(&self, request: u64) -> &Target {
        &self.targets[(request % self.targets.len() as u64) as usize]
    }

    /// Connections that may be open at once, for clients with a pool of their own: more than there are
    /// in flight and targets, since a target whose turn it is may still be busy.
    pub fn pooled_connections(&self) -> usize {
        if self.keepalive { self.connections + self.targets.len() } else { self.connections }
    }

    /// Connections that are open at once, for clients that keep one to each target, or several where
    /// targets are few.
    pub fn open_connections(&self) -> usize {
        if self.keepalive { self.connections.max(self.targets.len()) } else { self.connections }
    }

    /// Refuses TLS, for clients that have none.
    pub fn plaintext_only(&self) -> Result<(), Failure> {
        if self.trust.is_some() {
            return Err(Failure::Unsupported("TLS".into()));
        }
        Ok(())
    }
}

/// Thin HTTP clients, all with this command line and the same record, for comparison with ringdove.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// What to fetch; may be given more than once, requests go round
    #[arg(long, required_unless_present = "url_list", value_name = "URL")]
    url: Vec<Url>,
    /// Fetch the URLs in FILE, one a line, with names or addresses, whose bodies are all the same
    #[arg(long, conflicts_with_all = ["url", "hosts"], value_name = "FILE")]
    url_list: Option<PathBuf>,
    /// Spread over this many hosts: 127.0.0.1, 127.0.0.2, … in place of the URL's host
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..16_777_215).map(|n| n as usize))]
    hosts: Option<usize>,
    /// Requests in flight
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536).map(|n| n as usize))]
    connections: usize,
    /// How many of them share a connection; for clients of HTTP/2
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536).map(|n| n as usize))]
    streams: usize,
    /// Requests to measure
    #[arg(short = 'n', long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// A new connection for each request
    #[arg(long)]
    no_keepalive: bool,
    /// Pin the process to this CPU
    #[arg(long, value_name = "K")]
    cpu: Option<usize>,
    /// Certificates to trust, in PEM
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, conflicts_with = "cacert")]
    insecure: bool,
    /// Requests to make before the measured ones
    #[arg(long, default_value_t = 0, value_name = "N")]
    warmup: u64,
    /// Have perf count what is measured, through the FIFOs of `perf stat --control fifo:CONTROL,ACK`
    #[arg(long, value_name = "CONTROL,ACK", value_delimiter = ',', num_args = 1)]
    perf_control: Option<Vec<PathBuf>>,
    /// Stop after this many seconds and report what was done
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time_limit: u64,
}

fn spread(urls: &[Url], hosts: Option<usize>) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::with_capacity(urls.len() * hosts.unwrap_or(1));
    for host in 0..hosts.unwrap_or(1) {
        for (url_index, url) in urls.iter().enumerate() {
            let mut url = url.clone();
            if hosts.is_some() {
                let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host as u32);
                url.set_ip_host(IpAddr::V4(address)).map_err(|()| format!("{url}: no host"))?;
            }
            let address = address_of(&url)?;
            targets.push(Target { url, address, url_index });
        }
    }
    Ok(targets)
}

/// Names are not looked up: that is for the clients to do, and those that cannot have no use for them.
fn listed(file: &Path) -> Result<Vec<Target>, Failure> {
    let text = std::fs::read_to_string(file)?;
    let target = |line: &str| {
        let url = Url::parse(line)?;
        let address = match url.host() {
            Some(url::Host::Domain(_)) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            _ => address_of(&url)?,
        };
        Ok(Target { url, address, url_index: 0 })
    };
    text.lines().map(target).collect()
}

fn address_of(url: &Url) -> Result<SocketAddr, Failure> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::Unsupported(format!("the scheme of {url}")));
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(format!("{url}: no host").into());
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = (host, port).to_socket_addrs()?;
    addresses.next().ok_or_else(|| format!("{host}: no address").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &str) -> Result<Plan, Failure> {
        Plan::new(Options::try_parse_from(arguments.split(' ')).unwrap())
    }

    #[test]
    fn hosts_are_spread_over_loopback() {
        let plan = plan("x --url http://localhost:8080/ok --hosts 300 -c 10").unwrap();
        assert_eq!(plan.targets.len(), 300);
        assert_eq!(plan.target(0).url.as_str(), "http://127.0.0.1:8080/ok");
        assert_eq!(plan.target(299).address, "127.0.1.44:8080".parse().unwrap());
        assert_eq!(plan.target(300).address, plan.target(0).address);
        assert_eq!(plan.open_connections(), 300);
    }

    #[test]
    fn bodies_are_equal_by_url_and_not_by_host() {
        let plan = plan("x --url http://h.invalid/a --url http://h.invalid/b --hosts 2").unwrap();
        let indices: Vec<_> = plan.targets.iter().map(|target| target.url_index).collect();
        assert_eq!(indices, [0, 1, 0, 1]);
    }

    #[test]
    fn https_needs_somebody_to_trust() {
        assert!(plan("x --url https://127.0.0.1/").is_err());
        assert!(plan("x --url https://127.0.0.1/ --insecure").unwrap().trust.is_some());
    }

    #[test]
    fn new_connections_need_no_room_for_idle_ones() {
        let plan = plan("x --url http://127.0.0.1/ --hosts 300 -c 10 --no-keepalive").unwrap();
        assert_eq!(plan.open_connections(), 10);
    }
}
