//! The matrix, and the servers that it needs.

use std::fs::{self, DirEntry};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::Args;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls};
use ringdove_test_support::servers::RealServer;

/// New connections come from so many hosts, so that no port is needed again before its time.
const HOSTS_FOR_NEW_CONNECTIONS: u32 = 16;
const CONNECTIONS: [usize; 4] = [64, 1000, 4000, 8000];
const BODIES: [(usize, &str); 3] = [(12, "12b"), (64 << 10, "64k"), (10 << 20, "10m")];

/// What every client is to do.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The table that it belongs into.
    pub(crate) group: &'static str,
    pub(crate) connections: usize,
    pub(crate) hosts: u32,
    pub(crate) body: usize,
    pub(crate) keepalive: bool,
    pub(crate) tls: bool,
    /// Requests at a time on each connection, by HTTP/2; without it HTTP/1.1 is spoken.
    pub(crate) streams: Option<usize>,
    pub(crate) server: Server,
    pub(crate) load: Load,
    /// Unless the command line says otherwise.
    pub(crate) rounds: u32,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Server {
    Nginx,
    /// HTTP/2 alone.
    Nghttpd,
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// Each that ends makes room for the next.
    Closed,
    /// They start on schedule, at this share of the rate that ringdove's epoll driver reaches in a
    /// closed loop.
    ShareOfSaturated(f64),
}

/// The cases that were asked for.
pub(crate) fn all(args: &Args) -> Vec<Case> {
    let mut cases = if args.full { everything() } else { selection() };
    if args.quick {
        let quick = ["keepalive-64-", "keepalive-1000-12b-plain", "keepalive-8000-", "new-64-12b"];
        cases.retain(|case| case.body < 10 << 20 && case.hosts < 4000);
        cases.retain(|case| quick.iter().any(|quick| case.name.starts_with(quick)));
    }
    if args.latency {
        cases.retain(|case| case.load != Load::Closed);
    }
    cases.retain(|case| {
        args.only.is_empty() || args.only.iter().any(|text| case.name.contains(text.as_str()))
    });
    cases
}

/// Each axis by itself, and the pairs that matter; docs/benchmarks/README.md says what is left out,
/// and why. Five rounds where bounds are held against the figures.
fn selection() -> Vec<Case> {
    const PLAIN: bool = false;
    const TLS: bool = true;
    let keep = |connections, hosts, body, tls| case(connections, hosts, body, true, tls);
    let new = |connections, hosts, tls| case(connections, hosts, 12, false, tls);
    vec![
        keep(64, 1, 12, PLAIN).rounds(5),
        keep(1000, 1, 12, PLAIN).rounds(5),
        keep(4000, 1, 12, PLAIN),
        keep(8000, 1, 12, PLAIN).rounds(5),
        keep(1000, 4000, 12, PLAIN).rounds(5),
        keep(4000, 4000, 12, PLAIN),
        new(64, 1, PLAIN),
        new(1000, 1, PLAIN).rounds(5),
        new(1000, 4000, PLAIN),
        keep(64, 1, 64 << 10, PLAIN),
        keep(1000, 1, 64 << 10, PLAIN),
        keep(8, 1, 10 << 20, PLAIN).rounds(5),
        keep(64, 1, 12, TLS),
        keep(1000, 1, 12, TLS),
        new(64, 1, TLS),
        keep(64, 1, 64 << 10, TLS),
        keep(8, 1, 10 << 20, TLS),
        http2(1, 100, Server::Nghttpd, PLAIN),
        http2(10, 100, Server::Nghttpd, PLAIN),
        http2(1, 100, Server::Nginx, PLAIN),
        http2(10, 100, Server::Nginx, PLAIN),
        http2(64, 1, Server::Nginx, PLAIN),
        http2(1, 100, Server::Nginx, TLS),
        http2(64, 1, Server::Nginx, TLS),
        keep(64, 1, 12, PLAIN).at_share(0.7),
        keep(1000, 1, 12, PLAIN).at_share(0.7),
    ]
}

/// Where a case stands among all that are selected; others come after them.
pub(crate) fn place(name: &str) -> usize {
    let selection = selection();
    selection.iter().position(|case| case.name == name).unwrap_or(selection.len())
}

fn everything() -> Vec<Case> {
    let mut cases = Vec::new();
    for tls in [false, true] {
        for keepalive in [true, false] {
            for hosts in [1, 4000] {
                for (body, _) in BODIES {
                    for connections in CONNECTIONS {
                        cases.push(case(connections, hosts, body, keepalive, tls));
                    }
                }
            }
        }
    }
    cases
}

fn case(connections: usize, hosts: u32, body: usize, keepalive: bool, tls: bool) -> Case {
    let kind = if keepalive { "keepalive" } else { "new" };
    let size = BODIES.iter().find(|(bytes, _)| *bytes == body).map_or("", |(_, name)| name);
    let wire = if tls { "tls" } else { "plain" };
    let spread = if hosts > 1 { format!("-{hosts}hosts") } else { String::new() };
    let group = match (keepalive, body, tls) {
        _ if hosts > 1 => "Many hosts",
        (false, ..) => "New connections",
        (true, 12, false) => "Keep-alive, 12 bytes",
        (true, 12, true) => "TLS, keep-alive, 12 bytes",
        (true, _, false) => "Large bodies",
        (true, _, true) => "Large bodies over TLS",
    };
    Case {
        name: format!("{kind}-{connections}-{size}-{wire}{spread}"),
        group,
        connections,
        hosts: if keepalive { hosts } else { hosts.max(HOSTS_FOR_NEW_CONNECTIONS) },
        body,
        keepalive,
        tls,
        streams: None,
        server: Server::Nginx,
        load: Load::Closed,
        rounds: 3,
    }
}

/// Small responses, so many requests at a time on each connection.
fn http2(connections: usize, streams: usize, server: Server, tls: bool) -> Case {
    let wire = if tls { "tls" } else { "plain" };
    let of = if server == Server::Nghttpd { "nghttpd" } else { "nginx" };
    Case {
        name: format!("http2-{connections}x{streams}-12b-{wire}-{of}"),
        group: "HTTP/2, 12 bytes",
        streams: Some(streams),
        server,
        rounds: 5,
        ..case(connections, 1, 12, true, tls)
    }
}

impl Case {
    /// Requests that are under way at a time.
    pub(crate) fn in_flight(&self) -> usize {
        self.connections * self.streams.unwrap_or(1)
    }

    /// Whether it is about many hosts.
    pub(crate) fn is_spread(&self) -> bool {
        self.hosts > HOSTS_FOR_NEW_CONNECTIONS
    }

    fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    fn at_share(self, share: f64) -> Self {
        Self {
            name: format!("rate{:.0}-{}", share * 100.0, self.name),
            group: "Latency on schedule",
            load: Load::ShareOfSaturated(share),
            // many and short, so that what holds up the whole machine now and then spoils few
            rounds: 15,
            ..self
        }
    }
}

/// The server does as little as it can, and sends what fits into one segment as one: with heads and
/// bodies apart, each client would wake twice for an answer, and all be measured at that.
const DIRECTIVES: &str = r#"
    open_file_cache max=16; sendfile on; tcp_nopush on;
    location = /12b { default_type text/plain; return 200 "xxxxxxxxxxxx"; }
"#;

/// A server with what one case asks for, and whom to trust.
pub(crate) struct Servers {
    running: Running,
    authority: Authority,
    tls: bool,
    path: &'static str,
}

enum Running {
    /// Which is asked by HTTP/2, or not.
    Nginx { nginx: Nginx, http2: bool },
    /// With the files that it serves.
    Nghttpd { server: RealServer, _files: TempDir },
}

impl Servers {
    pub(crate) fn start(case: &Case, cpu: usize) -> Self {
        let authority = Authority::new();
        let running = match case.server {
            Server::Nginx => nginx(case, cpu, &authority),
            Server::Nghttpd => nghttpd(cpu, &authority),
        };
        let path = BODIES.iter().find(|(bytes, _)| *bytes == case.body);
        Self { running, authority, tls: case.tls, path: path.expect("one of these").1 }
    }

    /// The URL on the first host.
    pub(crate) fn url(&self) -> String {
        let address = match &self.running {
            Running::Nginx { nginx, .. } if self.tls => nginx.tls_addr(),
            Running::Nginx { nginx, http2: true } => nginx.http2_addr(),
            Running::Nginx { nginx, http2: false } => nginx.addr(),
            Running::Nghttpd { server, .. } if self.tls => server.tls_addr(),
            Running::Nghttpd { server, .. } => server.addr(),
        };
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{address}/{}", self.path)
    }

    /// CPU time of the server so far.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let pid = match &self.running {
            Running::Nginx { nginx, .. } => nginx.pid(),
            Running::Nghttpd { server, .. } => *server.pids().get(usize::from(self.tls))?,
        };
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let of_task = |task: DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        let nanoseconds = tasks.filter_map(Result::ok).filter_map(of_task).sum();
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Whom to trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.authority.ca_file()
    }
}

fn nginx(case: &Case, cpu: usize, authority: &Authority) -> Running {
    let addresses: Vec<Ipv4Addr> = (0..case.hosts)
        .map(|host| Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host))
        .collect();
    let tls = case.tls.then(|| {
        let names: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        NginxTls::new(&authority.server_for(&names))
    });
    let nginx = Nginx::start(NginxConfig {
        addresses: addresses.into_iter().map(IpAddr::V4).collect(),
        tls,
        http2: case.streams.is_some(),
        cpu: Some(cpu),
        server_directives: DIRECTIVES.to_owned(),
        ..NginxConfig::default()
    });
    write_bodies(nginx.docroot());
    Running::Nginx { nginx, http2: case.streams.is_some() }
}

fn nghttpd(cpu: usize, authority: &Authority) -> Running {
    let files = tempfile::tempdir().expect("a directory");
    write_bodies(files.path());
    let identity = authority.server_for(&["127.0.0.1"]);
    let server = RealServer::nghttpd(&identity, files.path(), &[]);
    server.pin(cpu);
    Running::Nghttpd { server, _files: files }
}

fn write_bodies(docroot: &Path) {
    for (bytes, name) in BODIES {
        fs::write(docroot.join(name), vec![b'x'; bytes]).expect("room for the files");
    }
}
