//! Squid before real servers, on every driver: it keeps its connections, asks who makes a request, and checks that
//! itself.

use std::sync::Arc;

use ringdove::driver::Kind;
use ringdove::engine::Body;
use ringdove::error::Cause;
use ringdove::protocol::{AuthScheme, ProxyFault};
use ringdove::{Options, Proxies, Proxy, Request};

use crate::run::{Run, Transfer, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};
use ringdove_test_support::proxies::{Asks, RealProxy, SQUID_USER};

on_every_driver! {
    connections_are_kept_and_bodies_whole,
    a_password_is_shown_at_once,
    a_password_is_proved_when_squid_asks,
    the_strongest_of_what_squid_offers,
    a_wrong_password,
    uploads_by_way_of_squid,
}

/// By this proxy for this user, whose password is this.
fn by(proxy: &RealProxy, scheme: AuthScheme, password: &str) -> Proxies {
    let text = format!("{}:{password}@{}", SQUID_USER.0, proxy.addr());
    Proxies::all(Proxy::parse(&text).expect("a proxy")).with_scheme(scheme)
}

fn known(proxy: &RealProxy, scheme: AuthScheme) -> Proxies {
    by(proxy, scheme, SQUID_USER.1)
}

fn options(proxies: Proxies) -> Options {
    Options { proxies: Some(Arc::new(proxies)), record_hops: true, ..Options::default() }
}

fn nginx(authority: &Authority) -> Nginx {
    let tls = Some(NginxTls::new(&authority.server()));
    Nginx::start(NginxConfig { tls, ..NginxConfig::default() })
}

#[track_caller]
fn fetch(run: &mut Run, url: &str, proxies: Proxies) -> Transfer {
    let transfer = run.get_with(url, options(proxies));
    run.finish();
    transfer
}

/// The statuses that came, the last included.
fn statuses(transfer: &Transfer) -> Vec<u16> {
    let report = transfer.outcome().report;
    let hops: Vec<_> = report.hops.iter().filter_map(|hop| hop.status).collect();
    if hops.is_empty() { vec![transfer.status()] } else { hops }
}

fn connections_are_kept_and_bodies_whole(kind: Kind) {
    let authority = Authority::new();
    let (one, other) = (nginx(&authority), nginx(&authority));
    let body: Vec<u8> =
        (0..2_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(one.docroot().join("large"), &body).expect("the file is written");
    let squid = RealProxy::squid(Asks::Nobody);
    let proxies = || Proxies::all(Proxy::parse(&squid.addr().to_string()).unwrap());
    let mut run = Run::trusting(kind, &authority);
    for (nginx, reused) in [(&one, false), (&other, true), (&one, true)] {
        let transfer = fetch(&mut run, &nginx.url("/ok"), proxies());
        transfer.assert_response(200, OK_BODY);
        assert_eq!(transfer.outcome().report.reused, reused);
        assert_eq!(transfer.outcome().report.remote, Some(squid.addr()));
    }
    fetch(&mut run, &one.url("/large"), proxies()).assert_response(200, &body);
    assert_eq!(run.driver.stats().opened, 1, "one connection for all that is forwarded");

    for (proxies, url) in
        [(proxies(), one.tls_url("/large")), (proxies().tunnel(true), one.url("/large"))]
    {
        for reused in [false, true] {
            let transfer = fetch(&mut run, &url, proxies.clone());
            transfer.assert_response(200, &body);
            assert_eq!(transfer.outcome().report.reused, reused, "{url}");
        }
    }
    // the next stands in line for the connection of the one before
    let transfers: Vec<_> =
        (0..20).map(|_| run.get_with(&one.url("/ok"), options(proxies()))).collect();
    run.finish();
    for transfer in transfers {
        transfer.assert_response(200, OK_BODY);
    }
}

fn a_password_is_shown_at_once(kind: Kind) {
    let authority = Authority::new();
    let nginx = nginx(&authority);
    let squid = RealProxy::squid(Asks::Basic);
    let mut run = Run::trusting(kind, &authority);
    let basic = || known(&squid, AuthScheme::Basic);
    for (url, proxies) in [
        (nginx.url("/ok"), basic()),
        (nginx.tls_url("/ok"), basic()),
        (nginx.url("/ok"), basic().tunnel(true)),
    ] {
        let transfer = fetch(&mut run, &url, proxies);
        transfer.assert_response(200, OK_BODY);
        assert_eq!(statuses(&transfer), [200]);
    }
    assert_eq!(run.driver.stats().challenges, 0);
}

fn a_password_is_proved_when_squid_asks(kind: Kind) {
    let authority = Authority::new();
    let (one, other) = (nginx(&authority), nginx(&authority));
    let squid = RealProxy::squid(Asks::Digest);
    let mut run = Run::trusting(kind, &authority);
    let digest = || known(&squid, AuthScheme::Digest);
    // forwarded: it asks once, and the nonce goes on for what follows, whatever its origin
    for (nginx, path, seen) in
        [(&one, "/ok?a=b&c=d", &[407, 200][..]), (&one, "/ok", &[200]), (&other, "/ok", &[200])]
    {
        let transfer = fetch(&mut run, &nginx.url(path), digest());
        transfer.assert_response(200, OK_BODY);
        assert_eq!(statuses(&transfer), seen, "{path}");
    }
    assert_eq!(run.driver.stats().opened, 1, "squid keeps the connection on which it asks");
    // tunnels, with what is known already
    for (nginx, proxies) in [(&one, digest()), (&other, digest()), (&one, digest().tunnel(true))] {
        let url = if proxies.is_empty() { nginx.url("/ok") } else { nginx.tls_url("/ok") };
        fetch(&mut run, &url, proxies).assert_response(200, OK_BODY);
    }
    assert_eq!(run.driver.stats().challenges, 1);
    // a tunnel that is asked for by who knows nothing yet
    let mut run = Run::trusting(kind, &authority);
    fetch(&mut run, &one.tls_url("/ok"), digest()).assert_response(200, OK_BODY);
    assert_eq!((run.driver.stats().challenges, run.driver.stats().opened), (1, 1));
}

fn the_strongest_of_what_squid_offers(kind: Kind) {
    let nginx = Nginx::plain();
    let squid = RealProxy::squid(Asks::Either);
    for (scheme, seen) in [
        (AuthScheme::Any, &[407, 200][..]),
        (AuthScheme::Digest, &[407, 200]),
        (AuthScheme::Basic, &[200]),
    ] {
        let mut run = Run::new(kind);
        let transfer = fetch(&mut run, &nginx.url("/ok"), known(&squid, scheme));
        transfer.assert_response(200, OK_BODY);
        assert_eq!(statuses(&transfer), seen, "{scheme:?}");
    }
}

fn a_wrong_password(kind: Kind) {
    let authority = Authority::new();
    let nginx = nginx(&authority);
    for (asks, scheme, rounds) in
        [(Asks::Basic, AuthScheme::Basic, 0), (Asks::Digest, AuthScheme::Digest, 1)]
    {
        let squid = RealProxy::squid(asks);
        let mut run = Run::trusting(kind, &authority);
        let transfer = fetch(&mut run, &nginx.url("/ok"), by(&squid, scheme, "wrong"));
        assert_eq!(transfer.status(), 407);
        assert_eq!(run.driver.stats().challenges, rounds, "{asks:?}");
        let error = fetch(&mut run, &nginx.tls_url("/ok"), by(&squid, scheme, "wrong")).error();
        let Cause::Proxy(ProxyFault::Refused { status: 407, .. }) = error.cause else {
            panic!("{error:?}")
        };
        // who is known is let in on a connection of the same kind
        fetch(&mut run, &nginx.url("/ok"), known(&squid, scheme)).assert_response(200, OK_BODY);
    }
}

/// The server says what came to it.
fn uploads_by_way_of_squid(kind: Kind) {
    const SIZES: [usize; 3] = [1, 70_000, 1_000_000];
    let taken = || Script::new().read_body().ok("taken");
    let plan = SIZES.iter().fold(Plan::new(), |plan, size| plan.path(&format!("/{size}"), taken()));
    let server = plan.start();
    let squid = RealProxy::squid(Asks::Digest);
    for size in SIZES {
        let body: Vec<u8> = (0..size).map(|i| (i * 13 % 241) as u8).collect();
        let mut run = Run::new(kind);
        for seen in [&[407, 200][..], &[200]] {
            let url = format!("http://{}/{size}", server.addr());
            let request =
                Request::new(http::Method::PUT, &url).unwrap().body(Body::from(body.clone()));
            let proxies = options(known(&squid, AuthScheme::Digest));
            let transfer = run.add(request.options(Arc::new(proxies)));
            run.finish();
            transfer.assert_response(200, b"taken");
            assert_eq!(statuses(&transfer), seen);
        }
        let arrived: Vec<_> = server
            .requests()
            .into_iter()
            .filter(|seen| seen.target() == format!("/{size}"))
            .collect();
        assert_eq!(arrived.len(), 2);
        for request in arrived {
            assert!(request.body == body, "{size}");
            assert_eq!(request.field("proxy-authorization"), None);
        }
    }
}
