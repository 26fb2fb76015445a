//! Proxies that ask who asks: what they are told, on which connection, how often, and that nobody else is.

use std::sync::Arc;

use ringdove::engine::{Config, ConnectTo, Options, Output, Request, Ways};
use ringdove::error::Cause;
use ringdove::protocol::{AuthPolicy, AuthScheme, ProxyFault, Secret};
use ringdove::{Bypass, Proxies, Proxy, RedirectPolicy, TlsPolicy};

use crate::harness::{Harness, OK, exchange, get_url};
use ringdove_test_support::sim_tls::TlsPeer;

const OPEN: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Rounds of one request, and the request itself.
const ROUNDS: u64 = 4;

fn proxies(scheme: AuthScheme) -> Proxies {
    Proxies::all(Proxy::parse("u:p@10.9.9.9:3128").unwrap()).with_scheme(scheme)
}

fn by(proxies: Proxies) -> Options {
    Options { proxies: Some(Arc::new(proxies)), record_hops: true, ..Options::default() }
}

fn get_by(url: &str, options: Options) -> Request {
    get_url(url).options(Arc::new(options))
}

fn harness() -> Harness {
    let tls = TlsPolicy::builder().insecure().build().unwrap();
    Harness::with(Config { tls: Some(tls), ..Config::default() })
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// A challenge of a proxy, with a body and more fields.
fn challenge(nonce: &str, more: &str) -> Vec<u8> {
    let digest = format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"");
    format!(
        "HTTP/1.1 407 Who\r\nProxy-Authenticate: {digest}{more}\r\nContent-Length: 4\r\n\r\nwho?"
    )
    .into_bytes()
}

fn to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

#[test]
fn a_forwarded_request_is_answered_like_any() {
    let mut h = harness();
    h.add(get_by("http://one.test/a?b", by(proxies(AuthScheme::Any))));
    let connection = h.connect();
    let asked = text(h.sent(connection));
    assert_eq!(asked, "GET http://one.test/a?b HTTP/1.1\r\nHost: one.test\r\n\r\n");
    h.received(connection, &challenge("n", ""));
    let again = text(h.sent(connection));
    let start =
        "GET http://one.test/a?b HTTP/1.1\r\nHost: one.test\r\nProxy-Authorization: Digest ";
    assert!(again.starts_with(start), "{again}");
    assert!(again.contains("uri=\"http://one.test/a?b\"") && again.contains("nc=00000001"));
    h.received(connection, OK);
    assert_eq!(h.succeeds().outcome.report.hops.len(), 2);
    // what a proxy said on the way goes for the next request, too
    h.add(get_by("http://two.test/", by(proxies(AuthScheme::Any))));
    assert!(text(h.sent(connection)).contains("nc=00000002"));
    h.received(
        connection,
        b"HTTP/1.1 200 OK\r\nProxy-Authentication-Info: nextnonce=\"m\"\r\nContent-Length: 0\r\n\r\n",
    );
    h.succeeds();
    h.add(get_by("http://two.test/", by(proxies(AuthScheme::Any))));
    let asked = text(h.sent(connection));
    assert!(asked.contains("nonce=\"m\"") && asked.contains("nc=00000001"), "{asked}");
    h.received(connection, OK);
    h.succeeds();
    assert_eq!(h.engine.stats().challenges, 1);
    h.ends_empty();
}

#[test]
fn connect_is_sent_again_and_nothing_of_it_goes_through_the_tunnel() {
    for by_bytes in [false, true] {
        let mut h = harness();
        h.add(get_by("https://origin.test/", by(proxies(AuthScheme::Digest))));
        let connection = h.connect();
        let asked = text(h.sent(connection));
        assert_eq!(asked, "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
        let said = challenge("n", ", stale=false");
        let pieces = if by_bytes { 1 } else { said.len() };
        for piece in said.chunks(pieces) {
            assert!(!h.level(connection).send, "the whole challenge comes first");
            h.received(connection, piece);
        }
        let again = text(h.sent(connection));
        assert!(again.starts_with("CONNECT origin.test:443 HTTP/1.1\r\n"), "{again}");
        assert!(again.contains("Proxy-Authorization: Digest username=\"u\""), "{again}");
        assert!(again.contains("uri=\"origin.test:443\""), "{again}");
        h.received(connection, OPEN);
        let said = text(exchange(&mut h, connection, &mut TlsPeer::new()));
        assert_eq!(said, "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        assert_eq!((h.engine.stats().opened, h.engine.stats().challenges), (1, 1));
    }
}

/// Guard: only a proxy that asks for Basic gets it, and only as an answer.
#[test]
fn basic_is_told_when_it_is_asked_for_and_may_be() {
    let basic = "Proxy-Authorization: Basic dTpw\r\n";
    let challenge =
        b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=r\r\nContent-Length: 0\r\n\r\n";
    for scheme in [AuthScheme::Basic, AuthScheme::Digest, AuthScheme::Any] {
        for url in ["http://a.test/", "https://a.test/"] {
            let mut h = harness();
            let id = h.add(get_by(url, by(proxies(scheme))));
            let connection = h.connect();
            let first = text(h.sent(connection));
            assert_eq!(first.contains(basic), scheme == AuthScheme::Basic, "{first}");
            h.received(connection, challenge);
            match scheme {
                AuthScheme::Any => {
                    let again = text(h.sent(connection));
                    assert!(again.contains(basic), "{again}");
                    h.received(connection, challenge);
                }
                AuthScheme::Basic | AuthScheme::Digest => {}
            }
            let message = h.message();
            assert_eq!(message.transfer, id);
            match url.starts_with("https") {
                true => assert_eq!(message.outcome.result.unwrap_err().kind(), "proxy"),
                false => assert_eq!(message.outcome.result.unwrap().status, 407),
            }
            h.wants();
            h.ends_empty();
        }
    }
}

/// Nonces that always go stale, and passwords that are always wrong.
#[test]
fn rounds_are_bounded() {
    for (url, stale) in [
        ("http://a.test/", true),
        ("https://a.test/", true),
        ("http://a.test/", false),
        ("https://a.test/", false),
    ] {
        for close in [false, true] {
            let mut h = harness();
            h.add(get_by(url, by(proxies(AuthScheme::Digest))));
            let mut connection = h.connect();
            let rounds = if stale { ROUNDS } else { 1 };
            for round in 0..=rounds {
                let sent = text(h.sent(connection));
                assert_eq!(sent.contains("Proxy-Authorization"), round > 0, "{sent}");
                let more = if stale { ", stale=true" } else { "" };
                let close = if close { "\r\nConnection: close" } else { "" };
                h.received(connection, &challenge(&round.to_string(), &format!("{more}{close}")));
                for want in h.wants() {
                    if let Output::Connect { connection: other, .. } = want {
                        h.engine.handle_connected(other);
                        connection = other;
                    }
                }
            }
            let result = h.message().outcome.result;
            match url.starts_with("https") {
                true => assert!(matches!(
                    result.unwrap_err().cause,
                    Cause::Proxy(ProxyFault::Refused { status: 407, .. })
                )),
                false => assert_eq!(result.unwrap().status, 407),
            }
            assert_eq!(h.engine.stats().challenges, rounds);
            h.wants();
            h.ends_empty();
        }
    }
}

/// A proxy that closes without a word after it was told is asked on one more connection, not on ever more.
#[test]
fn a_proxy_that_only_closes_is_given_up() {
    let mut h = harness();
    h.add(get_by("https://a.test/", by(proxies(AuthScheme::Digest))));
    let first = h.ask();
    h.received(first, &challenge("n", ""));
    assert!(!h.sent(first).is_empty());
    h.engine.handle_end(first);
    let wants = h.wants();
    let [Output::Close { connection, .. }, Output::Connect { connection: second, .. }] = wants[..]
    else {
        panic!("{wants:?}")
    };
    assert_eq!(connection, first);
    h.engine.handle_connected(second);
    let again = text(h.sent(second));
    assert!(again.contains("nonce=\"n\"") && again.contains("nc=00000002"), "{again}");
    h.engine.handle_end(second);
    assert_eq!(h.fails().cause, Cause::Proxy(ProxyFault::Closed));
    h.wants();
    h.ends_empty();
}

/// Guard: `Identity::meet_proxy` has nothing to show where no proxy reads it.
#[test]
fn an_origin_that_poses_as_a_proxy_is_told_nothing() {
    // straight
    let mut h = harness();
    let past = proxies(AuthScheme::Any).except(Bypass::parse("10.0.0.1"));
    h.add(get_by("http://10.0.0.1/", by(past)));
    let connection = h.ask();
    h.received(connection, &challenge("n", ""));
    assert_eq!(h.succeeds().outcome.report.status, Some(407));
    h.ends_empty();
    // through a tunnel, by a proxy that has asked before
    let mut h = harness();
    h.add(get_by("http://a.test/", by(proxies(AuthScheme::Any).tunnel(true))));
    let connection = h.ask();
    h.received(connection, &challenge("n", ""));
    assert!(text(h.sent(connection)).contains("Proxy-Authorization"));
    h.received(connection, OPEN);
    assert_eq!(text(h.sent(connection)), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    // were it the proxy, that would be a nonce to go on with
    h.received(connection, &challenge("m", ", stale=true"));
    assert_eq!(h.succeeds().outcome.report.status, Some(407));
    h.ends_empty();
}

/// Guard: what a proxy was told is forgotten with the hop, and asked for anew by the connection's own proxy.
#[test]
fn a_redirect_past_the_proxy_leaves_its_credentials_behind() {
    let mut h = harness();
    let past = proxies(AuthScheme::Any).except(Bypass::parse("10.0.0.1"));
    let trusting = RedirectPolicy { trust_all_origins: true, ..RedirectPolicy::default() };
    let options = Options { record_hops: true, redirects: Some(trusting), ..by(past) };
    h.add(get_by("http://a.test/", options));
    let answers = [
        challenge("n", ""),
        to("http://10.0.0.1/straight"),
        to("http://b.test/by-proxy"),
        OK.to_vec(),
    ];
    let asked = h.answers(&answers);
    let has: Vec<_> = asked.iter().map(|sent| sent.contains("Proxy-Authorization")).collect();
    assert_eq!(has, [false, true, false, true], "{asked:?}");
    h.succeeds();
    h.ends_empty();
}

/// Rounds are counted for each request, and a redirect leads to another one.
#[test]
fn each_request_has_rounds_of_its_own() {
    let mut h = harness();
    let redirects = Some(RedirectPolicy::default());
    h.add(get_by("http://first.test/", Options { redirects, ..by(proxies(AuthScheme::Digest)) }));
    let hops = 2 * ROUNDS;
    let answers: Vec<_> = (0..hops)
        .flat_map(|hop| {
            let stale = if hop == 0 { "" } else { ", stale=true" };
            [challenge(&format!("n{hop}"), stale), to(&format!("http://h{hop}.test/"))]
        })
        .chain([OK.to_vec()])
        .collect();
    let asked = h.answers(&answers);
    assert_eq!(asked.len(), answers.len());
    for (hop, sent) in (0..hops).zip(asked.iter().skip(1).step_by(2)) {
        assert!(sent.contains(&format!("nonce=\"n{hop}\"")), "{sent}");
    }
    assert_eq!(h.succeeds().outcome.report.status, Some(200));
    h.ends_empty();
}

#[test]
fn a_field_of_the_callers_own_stands() {
    for own_field in [false, true] {
        let mut h = harness();
        let (proxies, request) = match own_field {
            false => (proxies(AuthScheme::Any).field("proxy-authorization", "x").unwrap(), None),
            true => (proxies(AuthScheme::Any), Some("x")),
        };
        let mut request_by = get_by("http://a.test/", by(proxies));
        if let Some(value) = request {
            request_by = request_by.field("proxy-authorization", value).unwrap();
        }
        h.add(request_by);
        let mut rounds = 0;
        let connection = h.connect();
        while h.level(connection).send {
            rounds += 1;
            let sent = text(h.sent(connection)).to_lowercase();
            assert!(sent.contains("proxy-authorization: x\r\n") && !sent.contains("digest"));
            h.received(connection, &challenge("n", ""));
        }
        assert_eq!(h.succeeds().outcome.report.status, Some(407));
        assert_eq!(rounds, 1);
        h.ends_empty();
    }
}

#[test]
fn a_server_and_a_proxy_may_ask_both() {
    let auth = AuthPolicy {
        scheme: AuthScheme::Any,
        secret: Secret::login("su", "sp").ok(),
        ..AuthPolicy::default()
    };
    let mut h = harness();
    let options = Options { auth: Some(auth), ..by(proxies(AuthScheme::Any)) };
    h.add(get_by("http://a.test/", options));
    let of_server = String::from_utf8(challenge("s", "")).unwrap();
    let of_server = of_server.replace("407", "401").replace("Proxy-A", "WWW-A").into_bytes();
    let asked = h.answers(&[challenge("n", ""), of_server, OK.to_vec()]);
    let users: Vec<_> = asked
        .iter()
        .map(|sent| (sent.contains("username=\"u\""), sent.contains("username=\"su\"")))
        .collect();
    assert_eq!(users, [(false, false), (true, false), (true, true)], "{asked:?}");
    assert!(asked[2].contains("\nProxy-Authorization: Digest username=\"u\""), "{}", asked[2]);
    assert!(asked[2].contains("\nAuthorization: Digest username=\"su\""), "{}", asked[2]);
    h.succeeds();
    h.ends_empty();
}

/// Who is told where to connect to is asked for that, the second time as the first.
#[test]
fn a_tunnel_to_another_host_is_asked_for_again() {
    let mut h = harness();
    let to_host = Some(get_url("http://other.test/").head().origin().host().clone());
    let to = ConnectTo { to_host, to_port: Some(444), ..ConnectTo::default() };
    let ways = Some(Arc::new(Ways { connect_to: vec![to], ..Ways::default() }));
    let options = Options { ways, ..by(proxies(AuthScheme::Any)) };
    h.add(get_by("https://origin.test/", options));
    let connection = h.connect();
    let asked = text(h.sent(connection));
    assert!(asked.starts_with("CONNECT other.test:444 HTTP/1.1\r\n"), "{asked}");
    h.received(connection, &challenge("n", ""));
    let again = text(h.sent(connection));
    assert!(again.starts_with("CONNECT other.test:444 HTTP/1.1\r\n"), "{again}");
    assert!(again.contains("uri=\"other.test:444\""), "{again}");
}
