//! Which addresses may be connected to, however they were come by.

use std::net::IpAddr;
use std::sync::Arc;

use ringdove::engine::{Config, ConnectTo, Options, Request, Ways};
use ringdove::error::{Cause, Error, Operation, Phase, Progress, Retry};
use ringdove::{AddressPolicy, Proxies, Proxy, RedirectPolicy, Report, RetryPolicy};

use crate::harness::{Harness, OK, following, get_url};

fn harness(policy: AddressPolicy) -> Harness {
    Harness::with(Config { address_policy: Some(policy), ..Config::default() })
}

/// Denies what is private but for 10.0.0.0/8, where the tests' servers are.
fn policy() -> AddressPolicy {
    AddressPolicy::deny_private().allow("10.0.0.0/8".parse().unwrap())
}

fn override_with(h: &mut Harness, addresses: &[&str]) {
    let host = get_url("http://a.test/").head().origin().host().clone();
    let addresses: Arc<[IpAddr]> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    h.engine.set_override(host, 80, addresses);
}

fn denied(address: &str, why: &str) -> Cause {
    Cause::Denied { address: Some(address.parse().unwrap()), why: why.into() }
}

/// The transfer fails by the policy, and nobody is connected to.
#[track_caller]
fn is_denied(h: &mut Harness) -> (Error, Report) {
    h.wants_nothing();
    let outcome = h.message().outcome;
    let error = outcome.result.expect_err("it is denied");
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error:?}");
    assert_eq!((error.retry(), error.progress), (Retry::No, Progress::NothingSent));
    assert_eq!(error.kind(), "denied");
    h.ends_empty();
    (error, outcome.report)
}

/// However one writes it: the URL standard makes one address of them.
#[test]
fn spellings_of_a_denied_literal() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.01",
        "0x7F.0.0x0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "127%2e0%2e0%2e1",
        "127。0。0。1",
        "127.0.0.1",
        "①②⑦.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7F00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[2001:4860::5efe:127.0.0.1]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "0xa9fea9fe",
        "100.100.100.200",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
    ] {
        let mut h = harness(policy());
        h.add(get_url(&format!("http://{host}/")));
        let (error, report) = is_denied(&mut h);
        assert_eq!(error.phase, Phase::Connect, "{host}");
        assert_eq!(report.attempts.expect(host).len(), 1, "{host}");
        assert_eq!(report.remote, None, "{host}");
    }
}

/// Names that mean it: what they are looked up to is what counts.
#[test]
fn names_of_a_denied_address() {
    for host in ["localhost", "LOCALHOST", "localhost.", "a.localhost", "lvh.test", "l%6fcalhost"] {
        let mut h = harness(policy());
        h.add(get_url(&format!("http://{host}/")));
        let lookup = h.wants_lookup();
        h.resolved(lookup, &["127.0.0.1", "::1"]);
        let (error, _) = is_denied(&mut h);
        assert_eq!(
            error.to_string(),
            "the address ::1 is denied: loopback; tried 127.0.0.1:80: denied, loopback; \
             [::1]:80: denied, loopback"
        );
    }
}

#[test]
fn what_is_no_url_reaches_nobody() {
    for url in
        ["http://[fe80::1%25eth0]/", "http://[::1%lo]/", "http://256.0.0.1/", "http://0x/a b:80"]
    {
        let known = Request::get(url).map(|request| request.head().origin().to_string());
        assert!(known.is_err() || url.contains("0x/"), "{url}: {known:?}");
    }
}

/// A redirect into the inside ends there, and so does one to a name that leads there.
#[test]
fn redirects_are_checked() {
    let to = |location: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    };
    for location in
        ["http://127.0.0.1/", "http://0x7f.1:8080/x", "//[::ffff:127.0.0.1]/", "http://a.test/"]
    {
        let mut h = harness(policy());
        override_with(&mut h, &["127.0.0.1"]);
        h.add(get_url("http://10.0.0.1/").options(following()));
        let connection = h.ask();
        h.received(connection, to(location).as_bytes());
        let outcome = h.message().outcome;
        let error = outcome.result.expect_err(location);
        assert!(matches!(error.cause, Cause::Denied { .. }), "{error:?}");
        assert_eq!(outcome.report.hops.len(), 2);
        h.wants_nothing();
        h.ends_empty();
    }
}

/// The answer is taken anew for each connect, and checked then.
#[test]
fn a_name_that_changes_its_answer() {
    let mut h = harness(policy());
    override_with(&mut h, &["10.0.0.1"]);
    h.add(get_url("http://a.test/"));
    let connection = h.ask();
    h.received(connection, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    h.succeeds();
    h.wants_close(connection);
    override_with(&mut h, &["127.0.0.1"]);
    h.add(get_url("http://a.test/"));
    is_denied(&mut h);
    // also within one race
    override_with(&mut h, &["10.0.0.1", "10.0.0.2"]);
    h.add(get_url("http://a.test/"));
    let (connection, _) = h.wants_connect();
    override_with(&mut h, &["127.0.0.1", "192.168.0.1"]);
    h.at(5_000);
    h.wants_nothing();
    h.engine.handle_failed(connection, Operation::Connect, 111);
    let error = h.fails();
    assert_eq!(error.cause, Cause::Os { operation: Operation::Connect, errno: 111 });
    let ends: Vec<_> = error.attempts.unwrap().iter().map(|a| a.end.name()).collect();
    assert_eq!(ends, ["failed", "denied", "denied"]);
    h.wants_close(connection);
    h.ends_empty();
}

#[test]
fn other_addresses_of_the_name_are_tried() {
    let mut h = harness(policy());
    override_with(&mut h, &["127.0.0.1", "10.0.0.2", "::1", "10.0.0.3"]);
    h.add(get_url("http://a.test/"));
    let (connection, address) = h.wants_connect();
    assert_eq!(address.to_string(), "10.0.0.2:80");
    h.at(1_300);
    let (beside, address) = h.wants_connect();
    assert_eq!(address.to_string(), "10.0.0.3:80");
    h.engine.handle_connected(beside);
    h.wants_close(connection);
    h.sent(beside);
    h.received(beside, OK);
    let report = h.succeeds().outcome.report;
    let ends: Vec<_> = report.attempts.unwrap().iter().map(|a| a.end.name()).collect();
    assert_eq!(ends, ["denied", "denied", "lost", "connected"]);
    h.ends_empty();
}

#[test]
fn what_is_denied_is_not_asked_again() {
    let mut h = harness(policy());
    let retry = RetryPolicy { all_errors: true, ..RetryPolicy::default() };
    let options = Options { retry: Some(Arc::new(retry)), record_hops: true, ..Options::default() };
    h.add(get_url("http://127.0.0.1/").options(Arc::new(options)));
    let (error, _) = is_denied(&mut h);
    assert_eq!(error.cause, denied("127.0.0.1", "loopback"));
}

fn by(proxy: &str) -> Arc<Options> {
    let proxies = Proxies::all(Proxy::parse(proxy).expect(proxy));
    let redirects = Some(RedirectPolicy::default());
    Arc::new(Options {
        proxies: Some(Arc::new(proxies)),
        redirects,
        record_hops: true,
        ..Options::default()
    })
}

#[test]
fn the_proxy_itself_is_checked() {
    for proxy in ["127.0.0.1:3128", "socks5h://[::1]:1080", "socks4://0x7f.1"] {
        let mut h = harness(policy());
        h.add(get_url("http://10.0.0.1/").options(by(proxy)));
        is_denied(&mut h);
    }
}

/// By a proxy that forwards, and by each kind of tunnel.
#[test]
fn a_literal_behind_a_proxy_is_checked() {
    for proxy in [
        "10.9.9.9",
        "socks4://10.9.9.9",
        "socks4a://10.9.9.9",
        "socks5://10.9.9.9",
        "socks5h://10.9.9.9",
    ] {
        let mut h = harness(policy());
        h.add(get_url("http://127.0.0.1/").options(by(proxy)));
        let (error, _) = is_denied(&mut h);
        assert_eq!((error.cause, error.phase), (denied("127.0.0.1", "loopback"), Phase::Proxy));
        h.add(get_url("http://10.0.0.1/").options(by(proxy)));
        h.wants_connect();
    }
}

/// Where a tunnel is to lead counts, not who is asked for.
#[test]
fn whoever_stands_for_a_host_behind_a_proxy_is_checked() {
    let to = |host: &str, proxy: &str| {
        let host = get_url(&format!("http://{host}/")).head().origin().host().clone();
        let there = ConnectTo { to_host: Some(host), ..ConnectTo::default() };
        let ways = Ways { connect_to: vec![there], ..Ways::default() };
        Arc::new(Options { ways: Some(Arc::new(ways)), ..Options::clone(&by(proxy)) })
    };
    for proxy in ["10.9.9.9", "socks4://10.9.9.9", "socks5h://10.9.9.9"] {
        let mut h = harness(policy());
        h.add(get_url("http://10.0.0.1/").options(to("127.0.0.1", proxy)));
        let (error, _) = is_denied(&mut h);
        assert_eq!((error.cause, error.phase), (denied("127.0.0.1", "loopback"), Phase::Proxy));
        h.add(get_url("http://127.0.0.1/").options(to("10.0.0.1", proxy)));
        h.wants_connect();
    }
}

#[test]
fn a_redirect_behind_a_proxy_is_checked() {
    let mut h = harness(policy());
    h.add(get_url("http://10.0.0.1/").options(by("10.9.9.9")));
    let connection = h.ask();
    let redirect =
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n";
    h.received(connection, redirect);
    assert_eq!(h.fails().cause, denied("169.254.169.254", "cloud metadata"));
    assert!(!h.level(connection).send);
    // those behind it in the same queue go on
    h.add(get_url("http://127.0.0.1/").options(by("10.9.9.9")));
    h.add(get_url("http://10.0.0.1/").options(by("10.9.9.9")));
    assert_eq!(h.fails().cause, denied("127.0.0.1", "loopback"));
    assert!(h.level(connection).send);
    h.sent(connection);
    h.received(connection, OK);
    h.succeeds();
    h.ends_empty();
}

/// What a proxy finds when it looks a name up is not ours to check.
#[test]
fn names_for_proxies_are_refused() {
    for proxy in ["10.9.9.9", "socks4a://10.9.9.9", "socks5h://10.9.9.9"] {
        let mut h = harness(policy());
        h.add(get_url("http://a.test/").options(by(proxy)));
        let (error, _) = is_denied(&mut h);
        assert!(error.to_string().starts_with("denied: the proxy would look"), "{error}");
        let mut h = harness(policy().let_proxies_resolve(true));
        h.add(get_url("http://a.test/").options(by(proxy)));
        h.wants_connect();
    }
}

#[test]
fn an_address_that_a_proxy_is_given_is_checked() {
    for proxy in ["socks4://10.9.9.9", "socks5://10.9.9.9"] {
        let mut h = harness(policy());
        h.add(get_url("http://b.test/").options(by(proxy)));
        let lookup = h.wants_lookup();
        h.resolved(lookup, &["127.0.0.1"]);
        let (error, _) = is_denied(&mut h);
        assert_eq!((error.cause, error.phase), (denied("127.0.0.1", "loopback"), Phase::Proxy));
        let mut h = harness(policy());
        h.add(get_url("http://b.test/").options(by(proxy)));
        let lookup = h.wants_lookup();
        h.resolved(lookup, &["127.0.0.1", "10.0.0.7"]);
        let connection = h.connect();
        if proxy.starts_with("socks4") {
            assert_eq!(h.sent(connection), b"\x04\x01\x00\x50\x0a\x00\x00\x07\x00");
        }
    }
}

#[test]
fn a_hook_of_the_callers_own() {
    let policy = AddressPolicy::new().ask(|ip| match ip.is_ipv6() {
        true => Err("no IPv6 here".into()),
        false => Ok(()),
    });
    let mut h = harness(policy);
    h.add(get_url("http://[2001:4860::1]/"));
    let (error, _) = is_denied(&mut h);
    assert_eq!(error.to_string(), "the address 2001:4860::1 is denied: no IPv6 here");
    h.add(get_url("http://127.0.0.1/"));
    h.connect();
}
