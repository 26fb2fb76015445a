//! HTTP/2: servers that try a client, and what is agreed on by ALPN.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::protocol::Version;
use ringdove::{Config, HttpVersions, Options};

use crate::run::{Run, Told, Transfer, on_every_driver, policy};
use crate::uploads::post;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::raw::{code, setting};
use ringdove_test_support::h2::{Last, Peer, Plan, Script, Seen, Setup, cases, pattern};
use ringdove_test_support::hostile;

on_every_driver! {
    each_case_of_the_rfc,
    each_case_of_the_rfc_over_tls,
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
pub(crate) fn assert_version(transfer: &Transfer, version: Version) {
    let told = transfer.told();
    assert!(
        told.iter().any(|told| matches!(told, Told::Head(_, by) if *by == version)),
        "{told:?}"
    );
}

// servers that try a client

/// Asks for all of these at once; the bodies of what succeeded.
fn fetched(mut run: Run, urls: &[String], versions: HttpVersions) -> Vec<Option<Vec<u8>>> {
    let transfers: Vec<_> = urls.iter().map(|url| run.get_with(url, speaking(versions))).collect();
    run.finish();
    let body = |transfer: &Transfer| {
        transfer.outcome().result.is_ok().then(|| transfer.record().body.clone())
    };
    transfers.iter().map(body).collect()
}

fn each_case_of_the_rfc(kind: Kind) {
    let fetch = |urls: &[String]| fetched(Run::new(kind), urls, HttpVersions::Http2);
    let wrong: Vec<_> = cases::all().filter_map(|case| case.run(None, fetch).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn each_case_of_the_rfc_over_tls(kind: Kind) {
    let authority = Authority::new();
    let tls = authority.server().server_config_that_speaks(&["h2"]);
    let run = || Run::trusting(kind, &authority);
    let fetch = |urls: &[String]| fetched(run(), urls, HttpVersions::Negotiated);
    let wrong = cases::all().filter_map(|case| case.run(Some(tls.clone()), fetch).err());
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said at the end of a connection may not arrive, since more of the flood has than was read: a peer sees the end alone.
fn floods_are_ended(kind: Kind) {
    let authority = Authority::new();
    let tls = authority.server().server_config_that_speaks(&["h2"]);
    for case in cases::floods() {
        let harmless = Plan::new().each(|_| Script::ok(0));
        let plain = Setup::new(case.plan()).then(harmless);
        let by_tls = (plain.clone().tls(tls.clone()), HttpVersions::Negotiated);
        for (setup, versions) in [(plain, HttpVersions::Http2), by_tls] {
            let (peer, mut run) = (setup.start(), Run::trusting(kind, &authority));
            for path in cases::PATHS {
                run.get_with(&peer.url(path), speaking(versions));
            }
            let is_ended = |seen: &Seen| seen.ended || !seen.resets.is_empty();
            run.turn_until("the flood is ended", |_| peer.seen().first().is_some_and(is_ended));
            run.finish();
            obeyed(&peer);
        }
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

/// RFC 9113, 7: HTTP_1_1_REQUIRED, of a stream or of the connection. Whatever was asked by HTTP/2 then is not asked by it again.
fn a_server_that_requires_http1_is_asked_by_that_from_then_on(kind: Kind) {
    let go_away = |last| Script::new().await_body().go_away(last, code::HTTP_1_1_REQUIRED);
    for refusal in [Script::new().reset(code::HTTP_1_1_REQUIRED), go_away(Last::BeforeThis)] {
        asked_by_http1_from_then_on(kind, refusal, false);
    }
    // one that answers yet
    asked_by_http1_from_then_on(kind, go_away(Last::This).head(200, &[]).pattern(1000), true);
}

/// `script` is what is done by HTTP/2, and whether that is an answer.
fn asked_by_http1_from_then_on(kind: Kind, script: Script, answers: bool) {
    let authority = Authority::new();
    let by_http2 = Plan::new().each(move |_| script.clone());
    let peer = bilingual(&authority, &["h2", "http/1.1"], by_http2)
        .then(Plan::new().path("/echo", Script::echoing()).each(|_| Script::ok(1000)))
        .start();
    let mut run = Run::trusting(kind, &authority);
    if answers {
        let first = run.get(&peer.url("/"));
        run.finish();
        first.assert_response(200, &pattern("/", 1000));
        assert_version(&first, Version::Http2);
    }
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
