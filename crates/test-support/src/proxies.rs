//! Real proxies from Debian's packages, one for each test: squid and tinyproxy (HTTP), microsocks (SOCKS 5),
//! dante (SOCKS 4 and 5), and stunnel to put TLS before any of them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};

use super::certs::Identity;
use super::program::{Program, path, sbin};

/// A running proxy on 127.0.0.1; dropping it kills it.
#[derive(Debug)]
pub struct RealProxy {
    // Dropped in this order: first the process, then what it leaves.
    program: Program,
    _segments: Segments,
}

/// Shared memory of a squid's own, which it leaves when it is killed.
#[derive(Debug)]
struct Segments(String);

impl Drop for Segments {
    fn drop(&mut self) {
        for part in ["metadata", "queues", "readers"] {
            _ = fs::remove_file(format!("/dev/shm/{}-cf__{part}.shm", self.0));
        }
    }
}

/// How a squid asks who makes a request.
#[derive(Clone, Copy, Debug)]
pub enum Asks {
    /// Not at all.
    Nobody,
    /// By Basic.
    Basic,
    /// By Digest, with MD5, which is what it knows.
    Digest,
    /// By the one or the other.
    Either,
}

/// Whom a squid lets in that asks.
pub const SQUID_USER: (&str, &str) = ("user", "secret");

/// A name and password that a proxy asks for.
pub type Login = Option<(&'static str, &'static str)>;

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

    /// An HTTP proxy that keeps connections on both sides, and may ask for Digest.
    #[track_caller]
    pub fn squid(asks: Asks) -> RealProxy {
        RealProxy::start("squid", |dir, port| {
            fs::write(dir.join("conf"), squid_config(dir, port, asks)?)?;
            let name = service(port);
            let argv = [&sbin("squid"), "-n", &name, "-N", "-d", "1", "-f", &path(dir, "conf")];
            Ok(argv.map(str::to_owned).to_vec())
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
        self.program.addrs()[0]
    }

    #[track_caller]
    fn start(package: &str, argv: impl Fn(&Path, u16) -> io::Result<Vec<String>>) -> RealProxy {
        let program = Program::start(package, 1, |dir, ports| argv(dir, ports[0]));
        let segments = Segments(service(program.addrs()[0].port()));
        RealProxy { program, _segments: segments }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.program.log()
    }
}

/// What a squid calls itself, and its shared memory: letters and digits.
fn service(port: u16) -> String {
    format!("ringdove{}p{port}", std::process::id())
}

/// Nothing is cached or logged, and no name is looked up anywhere but here.
fn squid_config(dir: &Path, port: u16, asks: Asks) -> io::Result<String> {
    let (user, password) = SQUID_USER;
    let hash = |text: String| -> String {
        Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (basic, digest) = (path(dir, "basic"), path(dir, "digest"));
    fs::write(&basic, format!("{user}:{}\n", hash(password.to_owned())))?;
    fs::write(&digest, format!("{user}:r:{}\n", hash(format!("{user}:r:{password}"))))?;
    // as root it becomes another user, and so do its helpers
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    let helpers = PathBuf::from("/usr/lib/squid");
    let asking = |scheme: &str, program: String| {
        format!(
            "auth_param {scheme} program {program}\nauth_param {scheme} realm r\n\
             auth_param {scheme} children 1 startup=1 idle=1\n"
        )
    };
    let basic = asking("basic", format!("{} {basic}", path(&helpers, "basic_ncsa_auth")));
    let digest = asking("digest", format!("{} -c {digest}", path(&helpers, "digest_file_auth")));
    let known = "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n";
    let access = match asks {
        Asks::Nobody => "http_access allow all\n".to_owned(),
        Asks::Basic => basic + known,
        Asks::Digest => digest + known,
        Asks::Either => basic + &digest + known,
    };
    Ok(format!(
        "http_port 127.0.0.1:{port}\n{access}cache deny all\ncache_mem 0 MB\npid_filename none\n\
         cache_log none\naccess_log none\ncache_store_log none\ncoredump_dir none\n\
         cache_effective_user proxy\nvisible_hostname ringdove.test\npinger_enable off\n\
         dns_nameservers 127.0.0.1\nshutdown_lifetime 0 seconds\nvia off\n"
    ))
}
