//! The real servers of HTTP/2, with curl in place of ringdove.

use std::fs;
use std::process::Command;

use ringdove_test_support::certs::{Authority, Identity};
use ringdove_test_support::h2::pattern;
use ringdove_test_support::leak::Census;
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls};
use ringdove_test_support::servers::RealServer;
use ringdove_test_support::{PATIENCE, isolated};
use tempfile::TempDir;

/// A directory with a file, and an identity.
fn site() -> (TempDir, Identity, Authority) {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("file"), pattern("file", 300_000)).unwrap();
    let authority = Authority::new();
    (files, authority.server(), authority)
}

/// Whether it serves the file, in each way.
fn serves(plain: &str, tls: &str) {
    let ways = [(&["--http2-prior-knowledge"][..], plain), (&["--http2", "-k"], tls)];
    for (how, url) in ways {
        let says = curl(&[how, &["-w", "%{stderr}%{http_version}", url]].concat());
        assert!(says.0 == pattern("file", 300_000), "{url}: {} bytes", says.0.len());
        assert_eq!(says.1, "2", "{url}");
    }
}

fn both(server: &RealServer) {
    serves(&server.url("/file"), &server.tls_url("/file"));
}

#[test]
fn nghttpd_serves_files_and_does_what_it_is_told() {
    let (files, identity, _authority) = site();
    // curl is content with as much as is announced, and reads no trailers then
    let options =
        ["--echo-upload", "--trailer=digest: xyz", "--padding=100", "--no-content-length"];
    let server = RealServer::nghttpd(&identity, files.path(), &options);
    both(&server);
    let heads = curl(&["--http2", "-k", "-D", "-", "-o", "/dev/null", &server.tls_url("/file")]).0;
    let heads = String::from_utf8(heads).unwrap();
    assert!(heads.contains("digest: xyz"), "{heads}");
    let echo = curl(&["--http2", "-k", "-d", "hello", &server.tls_url("/")]).0;
    assert_eq!(echo, b"hello");
}

#[test]
fn apache_serves_files() {
    let (files, identity, _authority) = site();
    both(&RealServer::apache(&identity, files.path()));
}

#[test]
fn h2o_serves_files() {
    let (files, identity, _authority) = site();
    both(&RealServer::h2o(&identity, files.path()));
}

#[test]
fn caddy_serves_files() {
    let (files, identity, _authority) = site();
    match RealServer::caddy(&identity, files.path()) {
        Some(server) => both(&server),
        None => eprintln!("skipped: caddy is not installed"),
    }
}

#[test]
fn nginx_serves_files_also_by_haproxy() {
    let (files, identity, _authority) = site();
    let nginx = Nginx::start(NginxConfig {
        tls: Some(NginxTls::new(&identity)),
        http2: true,
        docroot: Some(files.path().to_owned()),
        ..NginxConfig::default()
    });
    serves(&format!("http://{}/file", nginx.http2_addr()), &nginx.tls_url("/file"));
    let haproxy = RealServer::haproxy(&identity, nginx.addr());
    both(&haproxy);
    // and HTTP/1.1 still to who wants that
    let args = ["--http1.1", "-k", "-o", "/dev/null", "-w", "%{http_version}"];
    for url in [nginx.tls_url("/file"), nginx.url("/file"), haproxy.tls_url("/file")] {
        assert_eq!(curl(&[&args[..], &[&url]].concat()).0, b"1.1", "{url}");
    }
}

#[test]
fn servers_leave_nothing_behind() {
    isolated::run("servers_leave_nothing_behind", &[], || {
        let before = Census::take();
        let (files, identity, authority) = site();
        let servers = [
            RealServer::nghttpd(&identity, files.path(), &[]),
            RealServer::apache(&identity, files.path()),
            RealServer::h2o(&identity, files.path()),
            RealServer::haproxy(&identity, ([127, 0, 0, 1], 9).into()),
        ];
        let addrs = servers.each_ref().map(|server| [server.addr(), server.tls_addr()]);
        drop((servers, files, authority));
        before.assert_restored(PATIENCE);
        for addr in addrs.as_flattened() {
            assert!(std::net::TcpStream::connect(addr).is_err(), "{addr} is served still");
        }
    });
}

/// What curl wrote to its output, and to the terminal.
#[track_caller]
fn curl(args: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new("curl")
        // No configuration file, no proxy, and an end to every wait.
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args(args)
        .output()
        .expect("curl runs (`scripts/test deps` installs it)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    (output.stdout, said)
}
