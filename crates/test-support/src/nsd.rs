//! A real name server, NSD, for one test: own zone, own directory, a free port on 127.0.0.1.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::child::Guarded;
use super::ports::Port;
use super::{PATIENCE, eventually};

/// A running NSD that is the authority for `test.`; dropping it kills it.
#[derive(Debug)]
pub struct Nsd {
    // Dropped in this order: first the process, then what it writes to.
    process: Guarded,
    dir: TempDir,
    addr: SocketAddr,
    _port: Port,
}

/// What an [`Nsd`] was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queries {
    /// For IPv4 addresses.
    pub a: u64,
    /// For IPv6 addresses.
    pub aaaa: u64,
    /// In all.
    pub all: u64,
    /// Of them by TCP.
    pub tcp: u64,
}

impl Nsd {
    /// Serves these records, lines of a zone file relative to `test.`
    #[track_caller]
    pub fn start(records: &str) -> Nsd {
        Nsd::start_on(records, None)
    }

    /// The same, on this CPU alone.
    #[track_caller]
    pub fn start_on(records: &str, cpu: Option<usize>) -> Nsd {
        Nsd::try_start(records, cpu).unwrap_or_else(|error| {
            panic!("nsd did not start (is it installed? `scripts/test deps` installs it):\n{error}")
        })
    }

    /// Where it listens, for UDP and TCP.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it was asked so far.
    #[track_caller]
    pub fn queries(&self) -> Queries {
        let conf = self.dir.path().join("nsd.conf");
        let control = Command::new(sbin("nsd-control"))
            .arg("-c")
            .arg(conf)
            .arg("stats_noreset")
            .output()
            .expect("nsd-control is installed with nsd");
        let text = String::from_utf8_lossy(&control.stdout);
        let count = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        assert!(text.contains("num.queries="), "nsd-control says {text:?}");
        Queries {
            a: count("num.type.A"),
            aaaa: count("num.type.AAAA"),
            all: count("num.queries"),
            tcp: count("num.tcp") + count("num.tcp6"),
        }
    }

    /// The process, for reading its CPU time.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn try_start(records: &str, cpu: Option<usize>) -> io::Result<Nsd> {
        let dir = tempfile::Builder::new().prefix("ringdove-nsd-").tempdir()?;
        let held = Port::free(Ipv4Addr::LOCALHOST.into())?;
        let port = held.number();
        let at = dir.path().display();
        let control = dir.path().join("control");
        fs::write(
            dir.path().join("nsd.conf"),
            format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  \
                 chroot: \"\"\n  database: \"\"\n  zonesdir: \"{at}\"\n  \
                 zonelistfile: \"{at}/zones\"\n  xfrdfile: \"{at}/xfrd\"\n  xfrdir: \"{at}\"\n  \
                 pidfile: \"{at}/pid\"\n  rrl-ratelimit: 0\n  tcp-count: 100\n\
                 remote-control:\n  control-enable: yes\n  control-interface: \"{}\"\n\
                 zone:\n  name: \"test\"\n  zonefile: \"zone\"\n",
                control.display()
            ),
        )?;
        let head = "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 3600 600 86400 30\n@ NS ns\nns A 127.0.0.1\n";
        fs::write(dir.path().join("zone"), format!("{head}{records}"))?;
        let mut argv: Vec<String> = Vec::new();
        if let Some(cpu) = cpu {
            argv.extend(["taskset".to_owned(), "-c".to_owned(), cpu.to_string()]);
        }
        argv.extend([sbin("nsd"), "-d".into(), "-c".into(), format!("{at}/nsd.conf")]);
        let log = dir.path().join("log");
        let process = Guarded::spawn(&argv, &log)?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut nsd = Nsd { process, dir, addr, _port: held };
        let up = eventually(PATIENCE, || {
            nsd.process.exited().ok().flatten().is_some()
                || (control.exists()
                    && TcpStream::connect_timeout(&addr, Duration::from_millis(100)).is_ok())
        });
        match nsd.process.exited()? {
            None if up => Ok(nsd),
            _ => Err(io::Error::other(fs::read_to_string(log).unwrap_or_default())),
        }
    }
}

/// Debian keeps it in /usr/sbin, which a plain user's PATH may lack.
fn sbin(name: &str) -> String {
    let known = format!("/usr/sbin/{name}");
    if Path::new(&known).exists() { known } else { name.to_owned() }
}
