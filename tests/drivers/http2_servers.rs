//! HTTP/2 of real servers: files byte for byte, many requests over few connections, and what is posted.
//!
//! `scripts/http2` has many more of each, and says how long they took.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use ringdove::driver::Kind;
use ringdove::protocol::Version;
use ringdove::{Config, HttpVersions, Options, Request};
use tempfile::TempDir;

use crate::http2::{assert_version, speaking};
use crate::run::{Run, Transfer, at_size, is_long, on_every_driver, policy};
use crate::uploads::post;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::{Plan, Script, Setup, pattern};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls};
use ringdove_test_support::servers::RealServer;

on_every_driver! {
    nghttpd,
    apache,
    h2o,
    caddy,
    nginx,
    haproxy,
}

/// It gives back what is posted, too.
fn nghttpd(kind: Kind) {
    let (site, authority) = site();
    let server = RealServer::nghttpd(&authority.server(), site.path(), &["--echo-upload"]);
    let client = client("nghttpd", kind, &authority);
    client.reads_all_of(&server.url(""), &server.tls_url(""));
    client.posts_to(&server);
}

fn apache(kind: Kind) {
    let (site, authority) = site();
    let server = RealServer::apache(&authority.server(), site.path());
    client("apache", kind, &authority).reads_all_of(&server.url(""), &server.tls_url(""));
}

fn h2o(kind: Kind) {
    let (site, authority) = site();
    let server = RealServer::h2o(&authority.server(), site.path());
    client("h2o", kind, &authority).reads_all_of(&server.url(""), &server.tls_url(""));
}

fn caddy(kind: Kind) {
    let (site, authority) = site();
    match RealServer::caddy(&authority.server(), site.path()) {
        Some(server) => {
            client("caddy", kind, &authority).reads_all_of(&server.url(""), &server.tls_url(""));
        }
        None => eprintln!("skipped: caddy is not installed"),
    }
}

fn nginx(kind: Kind) {
    let (site, authority) = site();
    let nginx = Nginx::start(NginxConfig {
        tls: Some(NginxTls::new(&authority.server())),
        http2: true,
        docroot: Some(site.path().to_owned()),
        ..NginxConfig::default()
    });
    let plain = format!("http://{}", nginx.http2_addr());
    client("nginx", kind, &authority).reads_all_of(&plain, &nginx.tls_url(""));
}

/// It speaks HTTP/1.1 with who is behind it.
fn haproxy(kind: Kind) {
    let authority = Authority::new();
    let plan = Plan::new().path("/echo", Script::echoing()).each(|request| {
        let nth = request.path()[1..].parse().expect("a file's number");
        Script::ok(size(nth) as u64)
    });
    let behind = Setup::new(plan).and_http1().start();
    let server = RealServer::haproxy(&authority.server(), behind.addr());
    let client = client("haproxy", kind, &authority);
    client.reads_all_of(&server.url(""), &server.tls_url(""));
    client.posts_to(&server);
    assert!(behind.seen().iter().all(|seen| seen.by_http1));
}

// files

fn files() -> usize {
    at_size(200, 2000)
}

fn path(nth: usize) -> String {
    format!("/{nth}")
}

/// Around what frames, windows and buffers hold; now and then more than all of these.
fn size(nth: usize) -> usize {
    const AROUND: [usize; 11] =
        [1, 9, 1000, 8192, 16_384, 32_768, 65_535, 65_536, 131_072, 100, 16_375];
    match nth {
        _ if nth.is_multiple_of(13) => 0,
        _ if nth % 50 == 7 => (1 << 20) + nth / 50,
        _ => (AROUND[nth % AROUND.len()] + nth / AROUND.len() % 5).saturating_sub(2),
    }
}

fn file(nth: usize) -> Vec<u8> {
    pattern(&path(nth), size(nth))
}

/// What a server serves, and as whom.
fn site() -> (TempDir, Authority) {
    let files_of_it = tempfile::tempdir().expect("a directory");
    for nth in 0..files() {
        fs::write(files_of_it.path().join(nth.to_string()), file(nth)).expect("it is ours");
    }
    (files_of_it, Authority::new())
}

// who reads them

struct Client<'a> {
    server: &'static str,
    kind: Kind,
    authority: &'a Authority,
}

fn client<'a>(server: &'static str, kind: Kind, authority: &'a Authority) -> Client<'a> {
    Client { server, kind, authority }
}

impl Client<'_> {
    /// As is known of the plain one, and as is agreed on with the other.
    fn reads_all_of(&self, plain: &str, tls: &str) {
        for (base, versions) in [(plain, HttpVersions::Http2), (tls, HttpVersions::Negotiated)] {
            let options = Arc::new(speaking(versions));
            self.reads_files(base, &options);
            for connections in [1, 16] {
                self.asks_often(base, &options, connections);
            }
        }
    }

    /// All at once; they come over few connections.
    fn reads_files(&self, base: &str, options: &Arc<Options>) {
        let numbers: Vec<_> = (0..files()).collect();
        let (started, mut run) = (Instant::now(), self.run(64));
        let transfers = ask(&mut run, base, options, &numbers);
        run.finish();
        let bytes: usize = transfers.iter().map(Transfer::body_len).sum();
        self.measured(started, base, &format!("{} files of {bytes} bytes", files()));
        assert_files(&transfers, &numbers);
        let stats = run.driver.stats();
        assert!(stats.opened as usize <= files().div_ceil(50), "{base}: {stats:?}");
    }

    /// Small files again and again, over so many connections at most.
    fn asks_often(&self, base: &str, options: &Arc<Options>, connections: usize) {
        const SMALL: usize = 20_000;
        let small: Vec<_> = (0..files()).filter(|&nth| size(nth) < SMALL).collect();
        let numbers: Vec<_> = small.iter().copied().cycle().take(at_size(500, 10_000)).collect();
        let (started, mut run) = (Instant::now(), self.run(connections));
        let transfers = ask(&mut run, base, options, &numbers);
        run.finish();
        let opened = run.driver.stats().opened as usize;
        self.measured(started, base, &format!("{} requests, {opened} connections", numbers.len()));
        assert_files(&transfers, &numbers);
        // few requests do not fill as many
        assert!(if is_long() { opened == connections } else { opened <= connections }, "{opened}");
    }

    /// What is posted comes back. No more at once than haproxy passes on: a body of one that waits in its line fills a buffer of its
    /// own, and then haproxy reads no others of that connection, which those that are passed on may wait for.
    fn posts_to(&self, server: &RealServer) {
        const AT_ONCE: usize = 90;
        let ways = [
            (server.url("/echo"), HttpVersions::Http2),
            (server.tls_url("/echo"), HttpVersions::Negotiated),
        ];
        for (url, versions) in ways {
            let mut run = self.run(64);
            let options = Arc::new(speaking(versions));
            let ask = |nth| post(&url, file(nth)).options(options.clone());
            let numbers: Vec<_> = (1..files() / 5).collect();
            for numbers in numbers.chunks(AT_ONCE) {
                let transfers: Vec<_> = numbers.iter().map(|&nth| run.add(ask(nth))).collect();
                run.finish();
                assert_files(&transfers, numbers);
            }
            let stats = run.driver.stats();
            assert!(stats.opened as usize <= files().div_ceil(50), "{url}: {stats:?}");
        }
    }

    fn run(&self, max_per_origin: usize) -> Run {
        let tls = Some(policy(self.authority));
        Run::with(self.kind, Config { max_per_origin, tls, ..Config::default() })
    }

    fn measured(&self, started: Instant, base: &str, what: &str) {
        if is_long() {
            let (Client { server, kind, .. }, seconds) = (self, started.elapsed().as_secs_f64());
            let scheme = base.split(':').next().unwrap_or_default();
            println!("measured: {server}, {kind}, {scheme}: {what}, {seconds:.2} s");
        }
    }
}

fn ask(run: &mut Run, base: &str, options: &Arc<Options>, numbers: &[usize]) -> Vec<Transfer> {
    let ask = |nth: &usize| {
        let request = Request::get(&format!("{base}{}", path(*nth))).unwrap();
        run.add(request.options(options.clone()))
    };
    numbers.iter().map(ask).collect()
}

/// Each has its file, by HTTP/2.
fn assert_files(transfers: &[Transfer], numbers: &[usize]) {
    for (transfer, &nth) in transfers.iter().zip(numbers) {
        transfer.assert_response(200, &file(nth));
        assert_version(transfer, Version::Http2);
    }
}
