//! Real proxies from Debian's packages, one for each test: tinyproxy (HTTP), microsocks (SOCKS 5), dante
//! (SOCKS 4 and 5), and stunnel to put TLS before any of them.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::certs::Identity;
use super::child::Guarded;
use super::{PATIENCE, eventually};

/// A running proxy on 127.0.0.1; dropping it kills it.
#[derive(Debug)]
pub struct RealProxy {
    // Dropped in this order: first the process, then what it writes to.
    _process: Guarded,
    dir: TempDir,
    addr: SocketAddr,
}

/// A name and password that a proxy asks for.
pub type Login = Option<(&'static str, &'static str)>;

/// Between finding a free port and the proxy taking it, somebody else may.
const ATTEMPTS: usize = 5;

impl RealProxy {
    /// An HTTP proxy.
    #[track_caller]
    pub fn tinyproxy(login: Login) -> RealProxy {
        RealProxy::start("tinyproxy", |dir, port| {
            let auth =
                login.map_or(String::new(), |(user, pass)| format!("BasicAuth {user} {pass}\n"));
            let config = format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nAllow 127.0.0.1\n{auth}"
            );
            fs::write(dir.join("conf"), config)?;
            Ok(vec!["tinyproxy".into(), "-d".into(), "-c".into(), path(dir, "conf")])
        })
    }

    /// A SOCKS 5 proxy.
    #[track_caller]
    pub fn microsocks(login: Login) -> RealProxy {
        RealProxy::start("microsocks", |_, port| {
            let port = port.to_string();
            let mut argv = vec!["microsocks", "-i", "127.0.0.1", "-p", &port];
            if let Some((user, pass)) = login {
                argv.extend(["-u", user, "-P", pass]);
            }
            Ok(argv.into_iter().map(str::to_owned).collect())
        })
    }

    /// A SOCKS proxy of both versions, without authentication.
    #[track_caller]
    pub fn dante() -> RealProxy {
        RealProxy::start("dante-server", |dir, port| {
            let config = format!(
                "logoutput: stderr\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\n\
                 clientmethod: none\nsocksmethod: none\n\
                 client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}\n\
                 socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}\n"
            );
            fs::write(dir.join("conf"), config)?;
            Ok(vec![sbin("danted"), "-f".into(), path(dir, "conf"), "-p".into(), path(dir, "pid")])
        })
    }

    /// TLS before another proxy.
    #[track_caller]
    pub fn stunnel(to: SocketAddr, identity: &Identity) -> RealProxy {
        RealProxy::start("stunnel4", |dir, port| {
            let (cert, key) = (identity.cert_file.display(), identity.key_file.display());
            let config = format!(
                "foreground = yes\npid =\n[proxy]\naccept = 127.0.0.1:{port}\nconnect = {to}\n\
                 cert = {cert}\nkey = {key}\n"
            );
            fs::write(dir.join("conf"), config)?;
            Ok(vec!["stunnel4".into(), path(dir, "conf")])
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts what `argv` makes of a directory and a free port.
    #[track_caller]
    fn start(package: &str, argv: impl Fn(&Path, u16) -> io::Result<Vec<String>>) -> RealProxy {
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            match RealProxy::try_start(&argv) {
                Ok(proxy) => return proxy,
                Err(error) => failure = error.to_string(),
            }
        }
        panic!("{package} did not start (`scripts/test deps` installs it):\n{failure}");
    }

    fn try_start(argv: impl Fn(&Path, u16) -> io::Result<Vec<String>>) -> io::Result<RealProxy> {
        let dir = tempfile::Builder::new().prefix("ringdove-proxy-").tempdir()?;
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = dir.path().join("log");
        let mut process = Guarded::spawn(&argv(dir.path(), addr.port())?, &log)?;
        let mut ended = None;
        let accepts = eventually(PATIENCE, || {
            ended = process.exited().ok().flatten();
            ended.is_some() || TcpStream::connect_timeout(&addr, Duration::from_millis(100)).is_ok()
        });
        if ended.is_some() || !accepts {
            return Err(io::Error::other(fs::read_to_string(log).unwrap_or_default()));
        }
        Ok(RealProxy { _process: process, dir, addr })
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// Debian keeps daemons where a plain user's PATH may not look.
fn sbin(name: &str) -> String {
    let known = format!("/usr/sbin/{name}");
    if Path::new(&known).exists() { known } else { name.to_owned() }
}
