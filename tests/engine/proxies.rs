//! Transfers that go by a proxy: what is sent to whom, whose connections are shared, and how it fails.

use std::net::SocketAddr;
use std::sync::Arc;

use ringdove::engine::{Config, ConnectionId, Options, Request};
use ringdove::error::{Cause, Deadline, Phase, Retry};
use ringdove::protocol::{AuthScheme, ProxyFault};
use ringdove::{Bypass, Proxies, Proxy, RedirectPolicy, Timeouts, TlsPolicy};

use crate::harness::{Harness, OK, exchange, get_url, ms};
use ringdove_test_support::sim_tls::TlsPeer;

const OPEN: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

fn proxies(proxy: &str) -> Proxies {
    Proxies::all(Proxy::parse(proxy).expect(proxy))
}

fn by(proxies: Proxies) -> Options {
    Options { proxies: Some(Arc::new(proxies)), record_hops: true, ..Options::default() }
}

fn get_by(url: &str, options: Options) -> Request {
    get_url(url).options(Arc::new(options))
}

fn insecure() -> TlsPolicy {
    TlsPolicy::builder().insecure().build().unwrap()
}

fn harness() -> Harness {
    Harness::with(Config { tls: Some(insecure()), ..Config::default() })
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// As [`exchange`], within the session of a proxy.
fn exchange_within(
    h: &mut Harness,
    connection: ConnectionId,
    outer: &mut TlsPeer,
    inner: &mut TlsPeer,
) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        let sent = h.sent(connection);
        said.extend_from_slice(&inner.read(&outer.read(&sent)));
        outer.write(&inner.wire());
        let wire = outer.wire();
        if sent.is_empty() && wire.is_empty() {
            return said;
        }
        h.received(connection, &wire);
    }
}

#[test]
fn a_forwarding_proxy_gets_requests_for_all_origins_on_one_connection() {
    let mut h = harness();
    let proxies = proxies("u:p@10.9.9.9:3128").field("X-Proxy", "1").unwrap();
    h.add(get_by("http://origin.test/a?b#c", by(proxies.clone())));
    let (connection, address) = h.wants_connect();
    assert_eq!(address, addr("10.9.9.9:3128"));
    h.engine.handle_connected(connection);
    assert_eq!(
        text(h.sent(connection)),
        "GET http://origin.test/a?b HTTP/1.1\r\nHost: origin.test\r\n\
         Proxy-Authorization: Basic dTpw\r\nX-Proxy: 1\r\n\r\n"
    );
    h.received(connection, OK);
    h.succeeds();
    h.add(get_by("http://other.test:81/", by(proxies)));
    assert!(text(h.sent(connection)).starts_with("GET http://other.test:81/ HTTP/1.1\r\n"));
    h.received(connection, OK);
    assert!(h.succeeds().outcome.report.reused);
    h.ends_empty();
}

/// The whole request with the connect, as everywhere.
#[test]
fn the_first_flight_is_what_the_proxy_is_to_hear_first() {
    let table = [
        ("10.9.9.9", "http://a.test/", &b"GET http://a.test/ HTTP/1.1\r\n"[..]),
        ("10.9.9.9", "https://a.test/", b"CONNECT a.test:443 HTTP/1.1\r\n"),
        ("socks5h://10.9.9.9", "http://a.test/", &[5, 1, 0]),
        ("socks4a://10.9.9.9", "http://a.test/", b"\x04\x01\x00\x50\x00\x00\x00\x01\x00a.test\x00"),
        ("https://10.9.9.9", "http://a.test/", &[22, 3, 1]),
    ];
    for (proxy, url, start) in table {
        let mut h = harness();
        let id = h.add(get_by(url, by(proxies(proxy))));
        let (connection, _) = h.wants_connect();
        let mut flight = [0; 4096];
        let filled = h.engine.fill(connection, &mut flight);
        assert!(flight[..filled].starts_with(start), "{}", flight[..filled].escape_ascii());
        h.engine.handle_connected(connection);
        h.engine.handle_sent(connection, filled);
        assert!(!h.level(connection).send, "{proxy} {url}: nothing more before an answer");
        h.engine.remove(id);
        h.wants();
        h.ends_empty();
    }
}

#[test]
fn a_tunnel_carries_tls_to_its_origin_and_to_no_other() {
    let mut h = harness();
    let options = || by(proxies("u:p@10.9.9.9:3128"));
    let request = get_by("https://origin.test/", options()).field("Proxy-Authorization", "mine");
    h.add(request.unwrap());
    let connection = h.connect();
    assert_eq!(
        text(h.sent(connection)),
        "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\
         Proxy-Authorization: Basic dTpw\r\n\r\n"
    );
    h.at(1_030);
    h.received(connection, OPEN);
    let mut peer = TlsPeer::new();
    let said = text(exchange(&mut h, connection, &mut peer));
    assert_eq!(said, "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n");
    peer.write(OK);
    let wire = peer.wire();
    h.received(connection, &wire);
    let report = h.succeeds().outcome.report;
    assert_eq!((report.times.proxy, report.status), (ms(30), Some(200)));
    assert!(report.tls.is_some());
    // the same origin again: the same connection
    h.add(get_by("https://origin.test/2", options()));
    h.wants_nothing();
    assert!(text(exchange(&mut h, connection, &mut peer)).starts_with("GET /2 HTTP/1.1\r\n"));
    peer.write(OK);
    let wire = peer.wire();
    h.received(connection, &wire);
    h.succeeds();
    // others: tunnels of their own
    for url in ["https://other.test/", "https://origin.test:444/", "http://origin.test/"] {
        let id = h.add(get_by(url, by(proxies("u:p@10.9.9.9:3128").tunnel(true))));
        let (other, _) = h.wants_connect();
        assert_ne!(other, connection);
        h.engine.remove(id);
        h.wants();
    }
    h.ends_empty();
}

/// Each pair differs in one thing that makes a connection another one.
#[test]
fn a_connection_is_not_shared_with_another_identity() {
    let (one, other) = (insecure(), insecure());
    let secure = |tls: &TlsPolicy, url: &str, proxy: &str| {
        let options = Options { proxy_tls: Some(tls.clone()), ..by(proxies(proxy)) };
        get_by(url, options)
    };
    let plain = |proxy: &str| get_by("http://10.0.0.1/", by(proxies(proxy)));
    let tunnel = |proxy: &str| get_by("http://10.0.0.1/", by(proxies(proxy).tunnel(true)));
    let said = |proxies: Proxies| get_by("http://10.0.0.1/", by(proxies.tunnel(true)));
    let by_digest = |tunnel| {
        let proxies = proxies("u:p@10.9.9.9").with_scheme(AuthScheme::Digest);
        get_by("http://10.0.0.1/", by(proxies.tunnel(tunnel)))
    };
    let straight = || get_url("http://10.0.0.1/");
    let bypassed = || {
        let proxies = proxies("10.9.9.9").except(Bypass::parse("10.0.0.0/8"));
        get_by("http://10.0.0.1/", by(proxies))
    };
    let with_tls = |tls: &TlsPolicy| {
        let options = Options { tls: Some(tls.clone()), ..by(proxies("10.9.9.9")) };
        get_by("https://10.0.0.1/", options)
    };
    type Pair<'a> = (&'a str, Request, Request, bool);
    let pairs: Vec<Pair<'_>> = vec![
        ("the same forwarder", plain("u:p@10.9.9.9"), plain("u:p@10.9.9.9"), true),
        ("the same tunnel", tunnel("u:p@10.9.9.9"), tunnel("u:p@10.9.9.9"), true),
        ("straight, and past a proxy", straight(), bypassed(), true),
        ("no proxy and one", straight(), plain("10.9.9.9"), false),
        ("a proxy, and it as an origin", plain("10.9.9.9:80"), get_url("http://10.9.9.9/"), false),
        ("a proxy and none", tunnel("10.9.9.9"), straight(), false),
        ("other credentials, forwarded", plain("u:p@10.9.9.9"), plain("u:q@10.9.9.9"), false),
        ("no credentials, forwarded", plain("u:p@10.9.9.9"), plain("10.9.9.9"), false),
        ("other credentials", tunnel("u:p@10.9.9.9"), tunnel("v:p@10.9.9.9"), false),
        ("no credentials", tunnel("u:p@10.9.9.9"), tunnel("10.9.9.9"), false),
        ("the same, shown otherwise", tunnel("u:p@10.9.9.9"), by_digest(true), false),
        ("the same, shown otherwise and forwarded", plain("u:p@10.9.9.9"), by_digest(false), false),
        ("another proxy", tunnel("10.9.9.9"), tunnel("10.9.9.8"), false),
        ("another port", tunnel("10.9.9.9:1"), tunnel("10.9.9.9:2"), false),
        ("another protocol", tunnel("socks5h://10.9.9.9"), tunnel("socks4a://10.9.9.9"), false),
        ("forwarded and through a tunnel", plain("10.9.9.9"), tunnel("10.9.9.9"), false),
        (
            "forwarded, and through a tunnel that leads back to the proxy",
            plain("10.0.0.1:80"),
            tunnel("10.0.0.1:80"),
            false,
        ),
        (
            "another field for the proxy",
            said(proxies("10.9.9.9").field("X-Tenant", "1").unwrap()),
            said(proxies("10.9.9.9").field("X-Tenant", "2").unwrap()),
            false,
        ),
        (
            "the proxy verified otherwise",
            secure(&one, "http://10.0.0.1/", "https://10.9.9.9"),
            secure(&other, "http://10.0.0.1/", "https://10.9.9.9"),
            false,
        ),
        (
            "the proxy verified otherwise, around a tunnel",
            secure(&one, "https://10.0.0.1/", "https://10.9.9.9"),
            secure(&other, "https://10.0.0.1/", "https://10.9.9.9"),
            false,
        ),
        ("the origin verified otherwise", with_tls(&one), with_tls(&other), false),
        ("the origin verified alike", with_tls(&one), with_tls(&one), true),
    ];
    for (what, first, second, shared) in pairs {
        // one key, one origin: counted while both wait for their connections
        let mut h = harness();
        let ids = [first, second].map(|request| h.add(request));
        let origins = h.engine.stats().origins;
        assert_eq!(origins == 1, shared, "{what}");
        for id in ids {
            h.engine.remove(id);
        }
        h.wants();
        h.ends_empty();
    }
}

#[test]
fn a_refused_tunnel_says_the_status() {
    let table = [
        (
            &b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"[..],
            Retry::No,
            "proxy: CONNECT was answered with 407 Proxy Authentication Required",
        ),
        (b"HTTP/1.1 503 Busy\r\n\r\n", Retry::Safe, "proxy: CONNECT was answered with 503 Busy"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n\r\n",
            Retry::No,
            "proxy: CONNECT was answered with 302 Found",
        ),
        (
            b"220 smtp.test ESMTP\r\n",
            Retry::No,
            "proxy: not an HTTP/1 status line: \"220 smtp.test ESMTP\"",
        ),
    ];
    for (answer, retry, message) in table {
        let mut h = harness();
        let options = Options {
            record_hops: true,
            redirects: Some(RedirectPolicy::default()),
            ..by(proxies("10.9.9.9"))
        };
        h.add(get_by("https://a.test/", options));
        let connection = h.ask();
        h.received(connection, answer);
        let error = h.fails();
        assert_eq!((error.to_string().as_str(), error.phase), (message, Phase::Proxy));
        assert_eq!((error.kind(), error.retry()), ("proxy", retry), "{message}");
        h.wants_close(connection);
        h.ends_empty();
    }
}

#[test]
fn a_proxy_that_closes_or_says_nothing_is_given_up() {
    let mut h = harness();
    h.add(get_by("https://a.test/", by(proxies("10.9.9.9"))));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 20");
    h.engine.handle_end(connection);
    let error = h.fails();
    assert_eq!((error.cause, error.phase), (Cause::Proxy(ProxyFault::Closed), Phase::Proxy));
    h.wants();

    // connecting and the tunnel have one deadline
    let timeouts = Timeouts { connect: Some(ms(100)), ..Timeouts::default() };
    h.add(get_by("https://a.test/", Options { timeouts, ..by(proxies("10.9.9.9")) }));
    h.at(1_060);
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 20");
    h.times_out(1_100, Deadline::Connect, Phase::Proxy);
    h.wants();
    h.ends_empty();
}

/// What comes before anything was asked through the tunnel is nobody's answer.
#[test]
fn bytes_that_come_with_the_proxys_answer_answer_no_request() {
    let mut h = harness();
    h.add(get_by("http://a.test/", by(proxies("10.9.9.9").tunnel(true))));
    let connection = h.ask();
    h.received(connection, &[OPEN, OK].concat());
    assert_eq!(h.fails().cause, Cause::Closed);
    h.wants();
    h.ends_empty();
}

#[test]
fn socks_with_a_name_looked_up_here() {
    let mut h = harness();
    h.add(get_by("http://origin.test/", by(proxies("socks5://proxy.test:9"))));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.9.9.9"]);
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.5", "10.0.0.6"]);
    let (connection, address) = h.wants_connect();
    assert_eq!(address, addr("10.9.9.9:9"));
    h.engine.handle_connected(connection);
    assert_eq!(h.sent(connection), [5, 1, 0]);
    h.received(connection, &[5, 0]);
    assert_eq!(h.sent(connection), [5, 1, 0, 1, 10, 0, 0, 5, 0, 80]);
    h.received(connection, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(text(h.sent(connection)), "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n");
    h.received(connection, OK);
    h.succeeds();

    // SOCKS 4 takes the first that it can be asked for, or none
    for (addresses, expected) in [(&["::1", "10.0.0.7"][..], Some([10, 0, 0, 7])), (&["::1"], None)]
    {
        let mut h = harness();
        h.add(get_by("http://origin.test/", by(proxies("socks4://10.9.9.9"))));
        let lookup = h.wants_lookup();
        h.resolved(lookup, addresses);
        match expected {
            Some(ip) => {
                let connection = h.connect();
                assert_eq!(h.sent(connection), [&[4, 1, 0, 80][..], &ip, &[0]].concat());
                h.engine.handle_end(connection);
                h.fails();
            }
            None => {
                let error = h.fails();
                assert_eq!(
                    (error.cause, error.phase),
                    (Cause::Proxy(ProxyFault::NotForIpv6), Phase::Proxy)
                );
            }
        }
        h.wants();
        h.ends_empty();
    }
    h.ends_empty();
}

/// Both sessions, with everything cut into single bytes on the way in.
#[test]
fn tls_in_tls_byte_by_byte() {
    for by_bytes in [false, true] {
        let mut h = harness();
        h.add(get_by("https://origin.test/", by(proxies("https://u:p@10.9.9.9"))));
        let connection = h.connect();
        let (mut outer, mut inner) = (TlsPeer::new(), TlsPeer::new());
        let said = text(exchange(&mut h, connection, &mut outer));
        assert!(said.starts_with("CONNECT origin.test:443 HTTP/1.1\r\n"), "{said}");
        outer.write(OPEN);
        let said = text(exchange_within(&mut h, connection, &mut outer, &mut inner));
        assert_eq!(said, "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        let body = vec![b'x'; 40_000];
        inner.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n");
        inner.write(&body);
        outer.write(&inner.wire());
        let wire = outer.wire();
        if by_bytes {
            for byte in wire {
                h.received(connection, &[byte]);
            }
        } else {
            h.received(connection, &wire);
        }
        assert_eq!(h.succeeds().outcome.report.body_received, 40_000);
        // the connection is kept, and says farewell in both sessions
        assert_eq!(h.engine.stats().idle, 1);
        h.engine.close_idle();
        h.again();
        let wants = h.wants();
        let [ringdove::engine::Output::Close { last_words, .. }] = &wants[..] else {
            panic!("{wants:?}")
        };
        assert_eq!(inner.read(&outer.read(last_words)), b"");
        h.ends_empty();
    }
}

/// Without TLS of the origin's own, the proxy's says whether a body is whole.
#[test]
fn the_close_of_a_tunnel_within_tls_is_clean_with_close_notify_alone() {
    for says_so in [true, false] {
        let mut h = harness();
        h.add(get_by("http://origin.test/", by(proxies("https://10.9.9.9").tunnel(true))));
        let connection = h.connect();
        let mut outer = TlsPeer::new();
        exchange(&mut h, connection, &mut outer);
        outer.write(OPEN);
        assert!(exchange(&mut h, connection, &mut outer).starts_with(b"GET / HTTP/1.1\r\n"));
        outer.write(b"HTTP/1.1 200 OK\r\n\r\nabc");
        if says_so {
            outer.close();
        }
        let wire = outer.wire();
        h.received(connection, &wire);
        h.engine.handle_end(connection);
        let message = h.message();
        assert_eq!(message.outcome.result.is_ok(), says_so, "{message:?}");
        h.wants();
        h.ends_empty();
    }
}

/// Forwarded first, then through a tunnel: each hop goes its own way, and takes along what is its own.
#[test]
fn redirects_choose_their_proxy_anew() {
    let mut h = harness();
    let proxies = proxies("u:p@10.9.9.9").except(Bypass::parse("10.0.0.3"));
    let options =
        Options { record_hops: true, redirects: Some(RedirectPolicy::default()), ..by(proxies) };
    h.add(get_by("http://one.test/", options));
    let connection = h.connect();
    assert!(text(h.sent(connection)).contains("Proxy-Authorization: Basic dTpw\r\n"));
    h.received(
        connection,
        b"HTTP/1.1 302 Found\r\nLocation: https://two.test/\r\nContent-Length: 0\r\n\r\n",
    );
    let tunnel = h.connect();
    assert!(text(h.sent(tunnel)).starts_with("CONNECT two.test:443 HTTP/1.1\r\n"));
    h.received(tunnel, OPEN);
    let mut peer = TlsPeer::new();
    let said = text(exchange(&mut h, tunnel, &mut peer));
    assert_eq!(said, "GET / HTTP/1.1\r\nHost: two.test\r\n\r\n");
    peer.write(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.3/\r\nContent-Length: 0\r\n\r\n");
    let wire = peer.wire();
    h.received(tunnel, &wire);
    let (straight, address) = h.wants_connect();
    assert_eq!(address, addr("10.0.0.3:80"));
    h.engine.handle_connected(straight);
    assert_eq!(text(h.sent(straight)), "GET / HTTP/1.1\r\nHost: 10.0.0.3\r\n\r\n");
    h.received(straight, OK);
    assert_eq!(h.succeeds().outcome.report.hops.len(), 3);
    h.ends_empty();
}

#[test]
fn a_secure_proxy_needs_a_policy() {
    let mut h = Harness::new(1);
    let request = || get_by("http://a.test/", by(proxies("https://10.9.9.9")));
    assert!(h.engine.add(request(), Box::new(ringdove::Discard)).is_err());
    let options = Options { proxy_tls: Some(insecure()), ..by(proxies("https://10.9.9.9")) };
    let id = h.add(get_by("http://a.test/", options));
    h.engine.remove(id);
    h.wants();
    h.ends_empty();
}
