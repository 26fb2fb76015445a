//! Real servers of HTTP/2 from Debian's packages, one for each test: nghttpd, apache2, h2o, caddy, and haproxy before another
//! server. nginx has a room of its own.
//!
//! Each speaks HTTP/2 by TLS, and in plaintext with prior knowledge.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use super::certs::Identity;
use super::program::{Program, path, sbin};

/// A running server; dropping it kills it.
#[derive(Debug)]
pub struct RealServer {
    programs: Vec<Program>,
    plain: SocketAddr,
    tls: SocketAddr,
}

impl RealServer {
    /// nghttpd, which serves the files of `docroot`, with options of its own (nghttpd(1)), such as `--echo-upload`,
    /// `--trailer=…`, `--padding=…`, `--no-content-length`.
    #[track_caller]
    pub fn nghttpd(identity: &Identity, docroot: &Path, options: &[&str]) -> RealServer {
        let program = |tls: bool| {
            Program::start("nghttp2-server", 1, |_, ports| {
                let mut argv = vec!["nghttpd".to_owned(), "-a".into(), "127.0.0.1".into()];
                argv.extend(["-d".to_owned(), docroot.display().to_string()]);
                argv.extend(options.iter().map(|&option| option.to_owned()));
                match tls {
                    true => argv.extend([ports[0].to_string(), key(identity), cert(identity)]),
                    false => argv.extend(["--no-tls".to_owned(), ports[0].to_string()]),
                }
                Ok(argv)
            })
        };
        let programs = vec![program(false), program(true)];
        let (plain, tls) = (programs[0].addrs()[0], programs[1].addrs()[0]);
        RealServer { programs, plain, tls }
    }

    /// Apache, which serves the files of `docroot`. Started as root it becomes another user, so that `docroot` is made readable
    /// to all.
    #[track_caller]
    pub fn apache(identity: &Identity, docroot: &Path) -> RealServer {
        RealServer::start("apache2-bin", |dir, ports| {
            fs::set_permissions(docroot, fs::Permissions::from_mode(0o755))?;
            fs::write(dir.join("conf"), apache_config(identity, docroot, dir, ports))?;
            // in one process, which can be killed
            let argv = [&sbin("apache2"), "-X", "-f", &path(dir, "conf")];
            Ok(argv.map(str::to_owned).to_vec())
        })
    }

    /// h2o, which serves the files of `docroot`.
    #[track_caller]
    pub fn h2o(identity: &Identity, docroot: &Path) -> RealServer {
        RealServer::start("h2o", |dir, ports| {
            fs::write(dir.join("conf"), h2o_config(identity, docroot, dir, ports)?)?;
            Ok(["h2o", "-c", &path(dir, "conf")].map(str::to_owned).to_vec())
        })
    }

    /// Caddy, which serves the files of `docroot`; `None` where it is not installed.
    #[track_caller]
    pub fn caddy(identity: &Identity, docroot: &Path) -> Option<RealServer> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&paths).any(|folder| folder.join("caddy").exists()) {
            return None;
        }
        Some(RealServer::start("caddy", |dir, ports| {
            fs::write(dir.join("conf"), caddy_config(identity, docroot, ports))?;
            // what it would keep for later goes with the test
            let home =
                [format!("HOME={}", dir.display()), format!("XDG_DATA_HOME={}", dir.display())];
            let argv = ["caddy", "run", "--adapter", "caddyfile", "--config", &path(dir, "conf")];
            let argv = argv.map(str::to_owned);
            Ok(["env".to_owned()].into_iter().chain(home).chain(argv).collect())
        }))
    }

    /// haproxy, which speaks HTTP/1.1 with a server behind it.
    #[track_caller]
    pub fn haproxy(identity: &Identity, behind: SocketAddr) -> RealServer {
        RealServer::start("haproxy", |dir, ports| {
            let both =
                fs::read_to_string(&identity.cert_file)? + &fs::read_to_string(&identity.key_file)?;
            fs::write(dir.join("both.pem"), both)?;
            fs::write(dir.join("conf"), haproxy_config(behind, dir, ports))?;
            Ok([&sbin("haproxy"), "-db", "-f", &path(dir, "conf")].map(str::to_owned).to_vec())
        })
    }

    /// Where HTTP/2 is spoken with prior knowledge.
    pub fn addr(&self) -> SocketAddr {
        self.plain
    }

    /// Where it is agreed on by TLS.
    pub fn tls_addr(&self) -> SocketAddr {
        self.tls
    }

    /// `path`, which begins with a slash, as a plain URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.plain)
    }

    /// `path` as an https URL for the name localhost.
    pub fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls.port())
    }

    /// Runs on this CPU alone from here on, with all its threads; panics where that cannot be.
    #[track_caller]
    pub fn pin(&self, cpu: usize) {
        for pid in self.pids() {
            let arguments =
                ["--all-tasks", "--pid", "--cpu-list", &cpu.to_string(), &pid.to_string()];
            let output =
                Command::new("taskset").args(arguments).output().expect("taskset is there");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Its processes, for reading their CPU time: of nghttpd first the one that speaks plaintext.
    pub fn pids(&self) -> Vec<u32> {
        self.programs.iter().map(Program::pid).collect()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.programs.iter().map(Program::log).collect()
    }

    /// A program with a port for plaintext, and one for TLS.
    #[track_caller]
    fn start(package: &str, argv: impl Fn(&Path, &[u16]) -> io::Result<Vec<String>>) -> RealServer {
        let program = Program::start(package, 2, argv);
        let (plain, tls) = (program.addrs()[0], program.addrs()[1]);
        RealServer { programs: vec![program], plain, tls }
    }
}

fn cert(identity: &Identity) -> String {
    identity.cert_file.display().to_string()
}

fn key(identity: &Identity) -> String {
    identity.key_file.display().to_string()
}

fn apache_config(identity: &Identity, docroot: &Path, dir: &Path, ports: &[u16]) -> String {
    let module =
        |name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let modules = ["mpm_event", "authz_core", "ssl", "http2"].map(module).concat();
    let (docroot, dir) = (docroot.display(), dir.display());
    let (plain, tls) = (ports[0], ports[1]);
    let (cert, key) = (cert(identity), key(identity));
    format!(
        "{modules}ServerRoot \"{dir}\"\nDefaultRuntimeDir \"{dir}\"\nPidFile \"{dir}/pid\"\n\
         ErrorLog \"{dir}/log\"\nMutex pthread\nServerName localhost\nUser www-data\nGroup www-data\n\
         Listen 127.0.0.1:{plain}\nListen 127.0.0.1:{tls} https\nProtocols h2 h2c http/1.1\n\
         DocumentRoot \"{docroot}\"\n<Directory \"{docroot}\">\nRequire all granted\n</Directory>\n\
         SSLSessionCache none\n<VirtualHost 127.0.0.1:{tls}>\nSSLEngine on\n\
         SSLCertificateFile \"{cert}\"\nSSLCertificateKeyFile \"{key}\"\n</VirtualHost>\n"
    )
}

fn h2o_config(
    identity: &Identity,
    docroot: &Path,
    dir: &Path,
    ports: &[u16],
) -> io::Result<String> {
    // who is root and says no user becomes nobody, who may not read the files
    let user = if fs::metadata("/proc/self")?.uid() == 0 { "user: root\n" } else { "" };
    let (docroot, dir) = (docroot.display(), dir.display());
    let (plain, tls) = (ports[0], ports[1]);
    let (cert, key) = (cert(identity), key(identity));
    Ok(format!(
        "{user}num-threads: 1\npid-file: \"{dir}/pid\"\nlisten:\n  host: 127.0.0.1\n  port: {plain}\n\
         hosts:\n  default:\n    listen:\n      host: 127.0.0.1\n      port: {tls}\n      ssl:\n        \
         certificate-file: \"{cert}\"\n        key-file: \"{key}\"\n        ocsp-update-interval: 0\n    \
         paths:\n      /:\n        file.dir: \"{docroot}\"\n"
    ))
}

fn caddy_config(identity: &Identity, docroot: &Path, ports: &[u16]) -> String {
    let (plain, tls) = (ports[0], ports[1]);
    let (cert, key) = (cert(identity), key(identity));
    let files = format!("bind 127.0.0.1\nroot * \"{}\"\nfile_server\n", docroot.display());
    format!(
        "{{\nadmin off\nauto_https off\nservers {{\nprotocols h1 h2 h2c\n}}\n}}\n\
         http://:{plain} {{\n{files}}}\nhttps://:{tls} {{\ntls \"{cert}\" \"{key}\"\n{files}}}\n"
    )
}

/// No more connections to the server behind than wait in line at its socket.
fn haproxy_config(behind: SocketAddr, dir: &Path, ports: &[u16]) -> String {
    let (plain, tls) = (ports[0], ports[1]);
    let dir = dir.display();
    format!(
        "global\n  maxconn 1000\ndefaults\n  mode http\n  timeout connect 60s\n  timeout client 60s\n  \
         timeout server 60s\nfrontend front\n  bind 127.0.0.1:{plain} proto h2\n  \
         bind 127.0.0.1:{tls} ssl crt {dir}/both.pem alpn h2,http/1.1\n  default_backend back\n\
         backend back\n  server behind {behind} maxconn 100\n"
    )
}
