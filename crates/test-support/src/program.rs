//! A server from a package, started for one test: own directory, own ports on 127.0.0.1, killed on drop.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::child::Guarded;
use super::ports::Port;
use super::{PATIENCE, eventually};

/// A running program that accepts on its ports.
#[derive(Debug)]
pub(crate) struct Program {
    // Dropped in this order: first the process, then what it writes to.
    process: Guarded,
    dir: TempDir,
    addrs: Vec<SocketAddr>,
    _ports: Vec<Port>,
}

impl Program {
    /// Starts what `argv` makes of a directory and free ports, and waits until it accepts on each. Panics with the program's
    /// own words when it does not.
    #[track_caller]
    pub(crate) fn start(
        package: &str,
        ports: usize,
        argv: impl Fn(&Path, &[u16]) -> io::Result<Vec<String>>,
    ) -> Program {
        Program::try_start(ports, argv).unwrap_or_else(|error| {
            panic!("{package} did not start (`scripts/test deps` installs it):\n{error}")
        })
    }

    fn try_start(
        ports: usize,
        argv: impl Fn(&Path, &[u16]) -> io::Result<Vec<String>>,
    ) -> io::Result<Program> {
        let dir = tempfile::Builder::new().prefix("ringdove-program-").tempdir()?;
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ports: Vec<_> = (0..ports).map(|_| Port::free(host)).collect::<io::Result<_>>()?;
        let numbers: Vec<_> = ports.iter().map(Port::number).collect();
        let addrs: Vec<_> = numbers.iter().map(|&port| SocketAddr::new(host, port)).collect();
        let log = dir.path().join("log");
        let mut process = Guarded::spawn(&argv(dir.path(), &numbers)?, &log)?;
        let mut ended = None;
        let accepts = |addr: &SocketAddr| {
            TcpStream::connect_timeout(addr, Duration::from_millis(100)).is_ok()
        };
        let accepting = eventually(PATIENCE, || {
            ended = process.exited().ok().flatten();
            ended.is_some() || addrs.iter().all(accepts)
        });
        if ended.is_some() || !accepting {
            return Err(io::Error::other(fs::read_to_string(log).unwrap_or_default()));
        }
        Ok(Program { process, dir, addrs, _ports: ports })
    }

    /// Where it listens, in the order of the ports.
    pub(crate) fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// A file in a directory, as text.
pub(crate) fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// Debian keeps daemons where a plain user's PATH may not look.
pub(crate) fn sbin(name: &str) -> String {
    let known = format!("/usr/sbin/{name}");
    if Path::new(&known).exists() { known } else { name.to_owned() }
}
