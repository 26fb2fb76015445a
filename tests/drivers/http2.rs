//! HTTP/2: real servers, servers that try a client, and what is agreed on by ALPN.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::http::Version;
use ringdove::{Config, HttpVersions, Options, Request};
use tempfile::TempDir;

use crate::run::{Run, Told, Transfer, on_every_driver, policy};
use crate::uploads::post;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::raw::{code, setting};
use ringdove_test_support::h2::{Peer, Plan, Script, Seen, Setup, cases, pattern};
use ringdove_test_support::hostile;
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls};
use ringdove_test_support::servers::RealServer;

on_every_driver! {
    files_of_nghttpd,
    files_of_apache,
    files_of_h2o,
    files_of_caddy,
    files_of_nginx,
    echoes_by_haproxy,
    each_case_of_the_rfc,
    floods_are_ended,
    a_server_of_http1_alone_has_as_many_connections_as_before,
    what_a_server_picks_is_spoken,
    who_wants_http1_alone_gets_it,
    a_server_that_requires_http1_is_asked_by_that_from_then_on,
    a_thousand_at_once_take_as_many_connections_as_their_streams_need,
    a_thousand_at_once_take_all_connections_of_http1,
}

/// HTTP/2 where it is agreed on, and where it is known.
pub(crate) fn speaking(versions: HttpVersions) -> Options {
    Options { versions, ..Options::default() }
}

/// Nobody may have broken the rules.
#[track_caller]
pub(crate) fn obeyed(peer: &Peer) {
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}

/// The response to this came by this version.
#[track_caller]
fn assert_version(transfer: &Transfer, version: Version) {
    let told = transfer.told();
    assert!(
        told.iter().any(|told| matches!(told, Told::Head(_, by) if *by == version)),
        "{told:?}"
    );
}

// real servers

const FILES: usize = 200;
const SIZES: [usize; 12] =
    [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 9, 1000, 8192, 32_769];

fn path(nth: usize) -> String {
    format!("/{nth}")
}

fn file(nth: usize) -> Vec<u8> {
    let size = if nth % 50 == 7 { 1 << 20 } else { SIZES[nth % SIZES.len()] };
    pattern(&path(nth), size)
}

/// What a server serves, and as whom.
fn site() -> (TempDir, Authority) {
    let files = tempfile::tempdir().expect("a directory");
    for nth in 0..FILES {
        fs::write(files.path().join(nth.to_string()), file(nth)).expect("it is ours");
    }
    (files, Authority::new())
}

/// All files are asked for at once, and come over a few connections: as is agreed on by TLS, and by prior knowledge.
fn fetch_all(kind: Kind, authority: &Authority, plain: &str, tls: &str) {
    for (base, versions) in [(plain, HttpVersions::Http2), (tls, HttpVersions::Negotiated)] {
        let mut run = Run::trusting(kind, authority);
        let options = Arc::new(speaking(versions));
        let ask = |nth| Request::get(&format!("{base}{}", path(nth))).unwrap();
        let transfers: Vec<_> =
            (0..FILES).map(|nth| run.add(ask(nth).options(options.clone()))).collect();
        run.finish();
        for (nth, transfer) in transfers.iter().enumerate() {
            transfer.assert_response(200, &file(nth));
            assert_version(transfer, Version::Http2);
        }
        let stats = run.driver.stats();
        assert!(stats.opened <= 4, "{base}: {stats:?}");
    }
}

fn fetch_all_of(kind: Kind, authority: &Authority, server: &RealServer) {
    fetch_all(kind, authority, &server.url(""), &server.tls_url(""));
}

/// It gives back what is posted, too.
fn files_of_nghttpd(kind: Kind) {
    let (files, authority) = site();
    let server = RealServer::nghttpd(&authority.server(), files.path(), &["--echo-upload"]);
    fetch_all_of(kind, &authority, &server);
    post_all(kind, &authority, &server);
}

fn files_of_apache(kind: Kind) {
    let (files, authority) = site();
    fetch_all_of(kind, &authority, &RealServer::apache(&authority.server(), files.path()));
}

fn files_of_h2o(kind: Kind) {
    let (files, authority) = site();
    fetch_all_of(kind, &authority, &RealServer::h2o(&authority.server(), files.path()));
}

fn files_of_caddy(kind: Kind) {
    let (files, authority) = site();
    match RealServer::caddy(&authority.server(), files.path()) {
        Some(server) => fetch_all_of(kind, &authority, &server),
        None => eprintln!("skipped: caddy is not installed"),
    }
}

fn files_of_nginx(kind: Kind) {
    let (files, authority) = site();
    let nginx = Nginx::start(NginxConfig {
        tls: Some(NginxTls::new(&authority.server())),
        http2: true,
        docroot: Some(files.path().to_owned()),
        ..NginxConfig::default()
    });
    fetch_all(kind, &authority, &format!("http://{}", nginx.http2_addr()), &nginx.tls_url(""));
}

/// haproxy speaks HTTP/1.1 with who is behind it.
fn echoes_by_haproxy(kind: Kind) {
    let authority = Authority::new();
    let plan = Plan::new().path("/echo", Script::echoing()).each(|request| {
        let nth = request.path()[1..].parse().expect("a file's number");
        Script::ok(file(nth).len() as u64)
    });
    let behind = Setup::new(plan).and_http1().start();
    let server = RealServer::haproxy(&authority.server(), behind.addr());
    fetch_all_of(kind, &authority, &server);
    post_all(kind, &authority, &server);
    assert!(behind.seen().iter().all(|seen| seen.by_http1));
}

/// What is posted comes back.
fn post_all(kind: Kind, authority: &Authority, server: &RealServer) {
    let ways = [
        (server.url("/echo"), HttpVersions::Http2),
        (server.tls_url("/echo"), HttpVersions::Negotiated),
    ];
    for (url, versions) in ways {
        let mut run = Run::trusting(kind, authority);
        let options = Arc::new(speaking(versions));
        let ask = |nth| post(&url, file(nth)).options(options.clone());
        let transfers: Vec<_> = (1..40).map(|nth| (nth, run.add(ask(nth)))).collect();
        run.finish();
        for (nth, transfer) in &transfers {
            transfer.assert_response(200, &file(*nth));
            assert_version(transfer, Version::Http2);
        }
        let stats = run.driver.stats();
        assert!(stats.opened <= 4, "{url}: {stats:?}");
    }
}

// servers that try a client

/// Asks for all of these at once; the bodies of what succeeded.
fn fetched(kind: Kind, urls: &[String]) -> Vec<Option<Vec<u8>>> {
    let mut run = Run::new(kind);
    let options = || speaking(HttpVersions::Http2);
    let transfers: Vec<_> = urls.iter().map(|url| run.get_with(url, options())).collect();
    run.finish();
    let body = |transfer: &Transfer| {
        transfer.outcome().result.is_ok().then(|| transfer.record().body.clone())
    };
    transfers.iter().map(body).collect()
}

fn try_all(kind: Kind, cases: impl Iterator<Item = &'static cases::Case>) {
    let wrong: Vec<_> =
        cases.filter_map(|case| case.run(None, |urls| fetched(kind, urls)).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn each_case_of_the_rfc(kind: Kind) {
    try_all(kind, cases::all());
}

/// What is said at the end of a connection may not arrive, since more of the flood has than was read: a peer sees the end alone.
fn floods_are_ended(kind: Kind) {
    for case in cases::floods() {
        let harmless = Plan::new().each(|_| Script::ok(0));
        let peer = Setup::new(case.plan()).then(harmless).start();
        let mut run = Run::new(kind);
        let options = || speaking(HttpVersions::Http2);
        for path in cases::PATHS {
            run.get_with(&peer.url(path), options());
        }
        let is_ended = |seen: &Seen| seen.ended || !seen.resets.is_empty();
        run.turn_until("the flood is ended", |_| peer.seen().first().is_some_and(is_ended));
        run.finish();
        obeyed(&peer);
    }
}

// what is agreed on

fn a_server_of_http1_alone_has_as_many_connections_as_before(kind: Kind) {
    let authority = Authority::new();
    let server = hostile::Plan::new()
        .tls(authority.server().server_config())
        .path("/", hostile::Script::new().wait(Duration::from_millis(30)).ok("by 1.1"))
        .start();
    let mut before = 0;
    for versions in [HttpVersions::Http1, HttpVersions::Negotiated] {
        let tls = Some(policy(&authority));
        let mut run = Run::with(kind, Config { max_per_origin: 6, tls, ..Config::default() });
        let transfers: Vec<_> =
            (0..40).map(|_| run.get_with(&server.url("/"), speaking(versions))).collect();
        run.finish();
        transfers.iter().for_each(|transfer| transfer.assert_response(200, b"by 1.1"));
        assert_eq!(server.connections() - before, 6, "{versions:?}");
        before = server.connections();
    }
}

/// A server that speaks both by TLS.
fn bilingual(authority: &Authority, offers: &[&str], plan: Plan) -> Setup {
    Setup::new(plan).tls(authority.server().server_config_that_speaks(offers)).and_http1()
}

fn what_a_server_picks_is_spoken(kind: Kind) {
    let authority = Authority::new();
    for (offers, version) in [
        (&["h2", "http/1.1"][..], Version::Http2),
        (&["h2"], Version::Http2),
        (&["http/1.1", "h2"], Version::Http11),
        (&["http/1.1"], Version::Http11),
        (&[], Version::Http11),
    ] {
        let peer = bilingual(&authority, offers, Plan::new().each(|_| Script::ok(1000))).start();
        let mut run = Run::trusting(kind, &authority);
        let transfers: Vec<_> = (0..20).map(|_| run.get(&peer.url("/"))).collect();
        run.finish();
        for transfer in &transfers {
            transfer.assert_response(200, &pattern("/", 1000));
            assert_version(transfer, version);
        }
        let seen = peer.seen();
        assert!(seen.iter().all(|seen| seen.by_http1 == (version == Version::Http11)));
        assert!(version == Version::Http11 || seen.len() == 1, "{}", peer.dump());
        obeyed(&peer);
    }
}

fn who_wants_http1_alone_gets_it(kind: Kind) {
    let authority = Authority::new();
    let plan = Plan::new().each(|_| Script::ok(1000));
    let peer = bilingual(&authority, &["h2", "http/1.1"], plan).start();
    let mut run = Run::trusting(kind, &authority);
    let versions = [HttpVersions::Http1, HttpVersions::Negotiated, HttpVersions::Http1];
    for versions in versions {
        let transfer = run.get_with(&peer.url("/"), speaking(versions));
        run.finish();
        transfer.assert_response(200, &pattern("/", 1000));
        let by_http1 = versions == HttpVersions::Http1;
        assert_version(&transfer, if by_http1 { Version::Http11 } else { Version::Http2 });
    }
    // each kept its connection, and had it again
    assert_eq!(run.driver.stats().opened, 2);
    obeyed(&peer);
}

/// RFC 9113, 7: HTTP_1_1_REQUIRED.
fn a_server_that_requires_http1_is_asked_by_that_from_then_on(kind: Kind) {
    let authority = Authority::new();
    let refusing = Plan::new().each(|_| Script::new().reset(code::HTTP_1_1_REQUIRED));
    let peer = bilingual(&authority, &["h2", "http/1.1"], refusing)
        .then(Plan::new().path("/echo", Script::echoing()).each(|_| Script::ok(1000)))
        .start();
    let mut run = Run::trusting(kind, &authority);
    for _ in 0..3 {
        let gets: Vec<_> = (0..5).map(|_| run.get(&peer.url("/"))).collect();
        let posted = run.add(post(&peer.url("/echo"), "what is posted"));
        run.finish();
        for transfer in &gets {
            transfer.assert_response(200, &pattern("/", 1000));
            assert_version(transfer, Version::Http11);
        }
        posted.assert_response(200, b"what is posted");
    }
    let by_http2 = peer.seen().iter().filter(|seen| !seen.by_http1).count();
    assert_eq!(by_http2, 1, "{}", peer.dump());
    obeyed(&peer);
}

// many at once

/// A thousand requests to an origin of which nothing is known.
fn a_thousand(kind: Kind, authority: &Authority, peer: &Peer, max_per_origin: usize) -> usize {
    let tls = Some(policy(authority));
    let mut run = Run::with(kind, Config { max_per_origin, tls, ..Config::default() });
    let transfers: Vec<_> = (0..1000).map(|_| run.get(&peer.url("/"))).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, &pattern("/", 100)));
    obeyed(peer);
    assert_eq!(peer.requests().len(), 1000);
    run.driver.stats().opened as usize
}

fn a_thousand_at_once_take_as_many_connections_as_their_streams_need(kind: Kind) {
    for (streams, connections) in [(100, 10), (250, 4), (1000, 1)] {
        let authority = Authority::new();
        let plan = Plan::new().settings(&[(setting::MAX_CONCURRENT_STREAMS, streams)]);
        let plan = plan.each(|_| Script::ok(100));
        let peer = bilingual(&authority, &["h2", "http/1.1"], plan).start();
        let opened = a_thousand(kind, &authority, &peer, 64);
        assert!(opened <= connections, "{streams}: {opened} connections");
    }
}

fn a_thousand_at_once_take_all_connections_of_http1(kind: Kind) {
    let authority = Authority::new();
    let plan = Plan::new().each(|_| Script::ok(100));
    let peer = bilingual(&authority, &["http/1.1"], plan).start();
    assert_eq!(a_thousand(kind, &authority, &peer, 16), 16);
}
