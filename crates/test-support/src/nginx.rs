//! A real nginx for one test: own directory, own ports on loopback, one process in the foreground.
//!
//! It runs without a master (`master_process off`), so there is one process to pin, to measure and
//! to kill. Works as root and as a plain user alike.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::child::Guarded;
use super::ports::Port;
use super::{PATIENCE, eventually};

/// The body of `/ok`.
pub const OK_BODY: &[u8] = b"hello world\n";

/// Descriptors that nginx needs for itself (logs, listeners, epoll).
const SPARE_DESCRIPTORS: u64 = 64;

/// What to start. `NginxConfig::default()` is a plain server on 127.0.0.1.
#[derive(Clone, Debug)]
pub struct NginxConfig {
    /// Loopback addresses to listen on, all with the same ports; the first is the main one.
    pub addresses: Vec<IpAddr>,
    /// Also listen for TLS, on a port of its own.
    pub tls: Option<NginxTls>,
    /// Also speak HTTP/2: by TLS to whoever chooses it, and with prior knowledge on a port of its own.
    pub http2: bool,
    /// What to serve; without it an empty directory of the server's own ([`Nginx::docroot`]).
    pub docroot: Option<PathBuf>,
    /// Connections at once; the hard RLIMIT_NOFILE may allow fewer.
    pub connections: u64,
    /// How many requests one connection may carry.
    pub keepalive_requests: u32,
    /// How long an idle connection is kept, in seconds.
    pub keepalive_timeout: u32,
    /// Write [`Nginx::access_log`].
    pub access_log: bool,
    /// Run on this CPU only.
    pub cpu: Option<usize>,
    /// More directives for the `server` block, such as locations.
    pub server_directives: String,
}

/// The TLS side of an [`NginxConfig`].
#[derive(Clone, Debug)]
pub struct NginxTls {
    /// The certificate (chain), PEM.
    pub cert_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// Demand a client certificate that this root signed; others get a 400.
    pub client_ca: Option<PathBuf>,
    /// Versions, in nginx's words.
    pub protocols: &'static str,
}

impl Default for NginxConfig {
    fn default() -> NginxConfig {
        NginxConfig {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            tls: None,
            http2: false,
            docroot: None,
            connections: 20_000,
            keepalive_requests: 1_000_000_000,
            keepalive_timeout: 300,
            access_log: false,
            cpu: None,
            server_directives: String::new(),
        }
    }
}

impl NginxTls {
    /// TLS 1.2 and 1.3 with this certificate, and no client certificates.
    pub fn new(identity: &super::certs::Identity) -> NginxTls {
        NginxTls {
            cert_file: identity.cert_file.clone(),
            key_file: identity.key_file.clone(),
            client_ca: None,
            protocols: "TLSv1.2 TLSv1.3",
        }
    }
}

/// A running nginx; dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct Nginx {
    // Dropped in this order: first the process, then what it writes to.
    process: Guarded,
    dir: TempDir,
    docroot: PathBuf,
    plain: SocketAddr,
    tls: Option<SocketAddr>,
    http2: Option<SocketAddr>,
    _ports: [Port; 3],
}

impl Nginx {
    /// Starts nginx and waits until it accepts on every port. Panics with nginx's own words when
    /// it does not start: a test cannot go on without.
    #[track_caller]
    pub fn start(config: NginxConfig) -> Nginx {
        Nginx::try_start(&config).unwrap_or_else(|error| {
            panic!(
                "nginx did not start (is it installed? `scripts/test deps` installs it):\n{error}"
            )
        })
    }

    /// Starts the default server: plain, 127.0.0.1.
    #[track_caller]
    pub fn plain() -> Nginx {
        Nginx::start(NginxConfig::default())
    }

    /// Starts a plain server that lets this user in to `/private/x`, which is "secret".
    #[track_caller]
    pub fn guarded(user: &str, password: &str) -> Nginx {
        // a relative name is beside the configuration; the file is read by each request
        let guard = "location /private/ { auth_basic \"r\"; auth_basic_user_file users; }\n";
        let config = NginxConfig { server_directives: guard.to_owned(), ..NginxConfig::default() };
        let nginx = Nginx::start(config);
        let private = nginx.docroot.join("private");
        fs::write(nginx.dir.path().join("users"), format!("{user}:{{PLAIN}}{password}\n"))
            .and_then(|()| fs::create_dir(&private))
            .and_then(|()| fs::write(private.join("x"), "secret"))
            .expect("the server's directory is ours");
        nginx
    }

    /// Where plain HTTP is served.
    pub fn addr(&self) -> SocketAddr {
        self.plain
    }

    /// Where HTTPS is served. Panics when the configuration had no TLS.
    #[track_caller]
    pub fn tls_addr(&self) -> SocketAddr {
        self.tls.expect("this nginx was started without TLS")
    }

    /// Where HTTP/2 is spoken with prior knowledge. Panics when the configuration had none.
    #[track_caller]
    pub fn http2_addr(&self) -> SocketAddr {
        self.http2.expect("this nginx was started without HTTP/2")
    }

    /// `path`, which begins with a slash, as a plain URL on the main address.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.plain)
    }

    /// `path` as an https URL for the name localhost.
    #[track_caller]
    pub fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls_addr().port())
    }

    /// The directory that is served at `/`.
    pub fn docroot(&self) -> &Path {
        &self.docroot
    }

    /// The process that serves, for reading its CPU time.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The access log so far; nginx writes a line when a request ends.
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }

    /// What nginx complained about so far.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }

    fn try_start(config: &NginxConfig) -> io::Result<Nginx> {
        let dir = tempfile::Builder::new().prefix("ringdove-nginx-").tempdir()?;
        let docroot = config.docroot.clone().unwrap_or_else(|| dir.path().join("html"));
        fs::create_dir_all(&docroot)?;
        let main = config.addresses[0];
        let ports = [Port::free(main)?, Port::free(main)?, Port::free(main)?];
        let [plain, tls, http2] = [0, 1, 2].map(|at| SocketAddr::new(main, ports[at].number()));
        fs::write(dir.path().join("nginx.conf"), render(config, &docroot, [plain, tls, http2]))?;
        let log = dir.path().join("error.log");
        let process = Guarded::spawn(&argv(config, dir.path()), &log)?;
        let tls = config.tls.is_some().then_some(tls);
        let http2 = config.http2.then_some(http2);
        let mut nginx = Nginx { process, dir, docroot, plain, tls, http2, _ports: ports };
        nginx.wait_until_accepting()?;
        Ok(nginx)
    }

    fn wait_until_accepting(&mut self) -> io::Result<()> {
        let mut ended = None;
        let plain = self.plain;
        let (tls, http2) = (self.tls, self.http2);
        let accepting = eventually(PATIENCE, || {
            ended = self.process.exited().ok().flatten();
            let accepts = |addr: &SocketAddr| {
                TcpStream::connect_timeout(addr, Duration::from_millis(100)).is_ok()
            };
            ended.is_some() || [Some(plain), tls, http2].iter().flatten().all(accepts)
        });
        match ended {
            None if accepting => Ok(()),
            None => {
                Err(io::Error::other(format!("{plain} does not accept:\n{}", self.error_log())))
            }
            Some(status) => {
                Err(io::Error::other(format!("nginx ended ({status}):\n{}", self.error_log())))
            }
        }
    }
}

/// Debian keeps nginx in /usr/sbin, which a plain user's PATH may lack.
fn binary() -> String {
    let known = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];
    known.into_iter().find(|path| Path::new(path).exists()).unwrap_or("nginx").to_owned()
}

fn argv(config: &NginxConfig, dir: &Path) -> Vec<String> {
    let mut argv = Vec::new();
    if let Some(cpu) = config.cpu {
        argv.extend(["taskset".to_owned(), "-c".to_owned(), cpu.to_string()]);
    }
    let dir = dir.display();
    argv.push(binary());
    argv.extend(["-p".to_owned(), dir.to_string()]);
    argv.extend(["-c".to_owned(), format!("{dir}/nginx.conf")]);
    argv.extend(["-e".to_owned(), format!("{dir}/error.log")]);
    argv
}

fn render(config: &NginxConfig, docroot: &Path, addrs: [SocketAddr; 3]) -> String {
    let [plain, tls, http2] = addrs.map(|addr| addr.port());
    let mut server = String::new();
    for &address in &config.addresses {
        let listen = |port| SocketAddr::new(address, port);
        _ = writeln!(server, "    listen {} backlog=4096;", listen(plain));
        if config.tls.is_some() {
            let http2 = if config.http2 { "http2" } else { "" };
            _ = writeln!(server, "    listen {} ssl {http2} backlog=4096;", listen(tls));
        }
        if config.http2 {
            _ = writeln!(server, "    listen {} http2 backlog=4096;", listen(http2));
        }
    }
    if let Some(tls) = &config.tls {
        _ = writeln!(server, "    ssl_certificate \"{}\";", tls.cert_file.display());
        _ = writeln!(server, "    ssl_certificate_key \"{}\";", tls.key_file.display());
        _ = writeln!(server, "    ssl_protocols {};", tls.protocols);
        _ = writeln!(server, "    ssl_session_cache shared:tls:4m;");
        if let Some(client_ca) = &tls.client_ca {
            _ = writeln!(server, "    ssl_client_certificate \"{}\";", client_ca.display());
            _ = writeln!(server, "    ssl_verify_client on;");
        }
    }
    let connections = config.connections.min(descriptors_for_connections());
    let access_log = if config.access_log { "access.log" } else { "off" };
    let NginxConfig { keepalive_requests, keepalive_timeout, server_directives, .. } = config;
    let docroot = docroot.display();
    format!(
        r#"daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections {connections}; }}
http {{
  access_log {access_log};
  client_body_temp_path tmp-body;
  proxy_temp_path tmp-proxy;
  fastcgi_temp_path tmp-fastcgi;
  uwsgi_temp_path tmp-uwsgi;
  scgi_temp_path tmp-scgi;
  types {{ text/html html; text/plain txt; }}
  default_type application/octet-stream;
  sendfile on;
  gzip off;
  client_max_body_size 0;
  keepalive_requests {keepalive_requests};
  keepalive_timeout {keepalive_timeout}s;
  keepalive_time 24h;
  server_names_hash_bucket_size 128;
  server {{
{server}    server_name _;
    root "{docroot}";
    location = /ok {{ default_type text/plain; return 200 "hello world\n"; }}
    {server_directives}
  }}
}}
"#
    )
}

/// What the hard limit of open files, to which the guarding shell raises the soft one, leaves
/// for connections (proc_pid_limits(5)).
fn descriptors_for_connections() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").expect("/proc/self/limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let hard = line.and_then(|line| line.split_whitespace().nth(4)).expect("a hard limit of files");
    let hard: u64 = hard.parse().unwrap_or(u64::MAX);
    hard.saturating_sub(SPARE_DESCRIPTORS).max(SPARE_DESCRIPTORS)
}
