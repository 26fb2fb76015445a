//! Ways to a peer that the system would not choose: who is connected to, who is asked, and whose connections are shared.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringdove::dial::{Bind, Device, Dial, Remote, UnixAddress};
use ringdove::engine::{Config, ConnectTo, ConnectionId, Family, Output, Request, Sources, Ways};
use ringdove::error::{Cause, Error, Phase};
use ringdove::protocol::Host;
use ringdove::{Options, Proxies, Proxy, RedirectPolicy, Time};

use crate::harness::{Harness, OK, get, get_url, ms};

fn host(name: &str) -> Host {
    get_url(&format!("http://{name}/")).head().origin().host().clone()
}

fn by(ways: Ways) -> Options {
    Options { ways: Some(Arc::new(ways)), ..Options::default() }
}

fn get_by(url: &str, ways: Ways) -> Request {
    get_url(url).options(Arc::new(by(ways)))
}

fn elsewhere(name: &str, port: u16) -> Ways {
    let to = ConnectTo { to_host: Some(host(name)), to_port: Some(port), ..ConnectTo::default() };
    Ways { connect_to: vec![to], ..Ways::default() }
}

fn unix(path: &str) -> UnixAddress {
    UnixAddress::path(path.as_ref()).unwrap()
}

fn family(family: Family) -> Ways {
    Ways { family: Some(family), ..Ways::default() }
}

fn from(addresses: &[&str]) -> Ways {
    let bind = |ip: &&str| Bind { address: ip.parse().ok(), ..Bind::default() };
    Ways { sources: Sources::new(addresses.iter().map(bind)), ..Ways::default() }
}

fn ips(addresses: &[&str]) -> Arc<[IpAddr]> {
    addresses.iter().map(|ip| ip.parse().unwrap()).collect()
}

/// The one connection that is wanted, and how.
#[track_caller]
fn wants_dial(h: &mut Harness) -> (ConnectionId, Dial) {
    match &h.wants()[..] {
        [Output::Connect { connection, dial }] => (*connection, dial.clone()),
        other => panic!("wants {other:?}"),
    }
}

/// Connects, and answers the one request; says what it was, and how it went out.
#[track_caller]
fn answered(h: &mut Harness, request: Request) -> (String, Dial) {
    h.add(request);
    let (connection, dial) = wants_dial(h);
    h.engine.handle_connected(connection);
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    h.received(connection, OK);
    (sent, dial)
}

#[test]
fn connections_are_shared_by_those_who_go_the_same_way_alone() {
    let ways = || {
        [
            Ways::default(),
            elsewhere("10.0.0.9", 80),
            elsewhere("10.0.0.9", 81),
            Ways { unix_socket: Some(unix("/a")), ..Ways::default() },
            Ways { unix_socket: Some(unix("/b")), ..Ways::default() },
            Ways { unix_socket: UnixAddress::abstract_name(b"/a").ok(), ..Ways::default() },
            family(Family::V4),
            from(&["10.0.0.7"]),
            from(&["10.0.0.8"]),
            from(&["10.0.0.7", "10.0.0.8"]),
            Ways { unix_socket: Some(unix("/a")), ..elsewhere("10.0.0.9", 80) },
        ]
    };
    let mut h = Harness::new(64);
    for ways in ways() {
        answered(&mut h, get_by("http://10.0.0.1/", ways.clone()));
        assert!(!h.succeeds().outcome.report.reused, "{ways:?}");
    }
    for ways in ways() {
        h.add(get_by("http://10.0.0.1/", ways.clone()));
        assert!(h.wants().is_empty(), "a connection is there: {ways:?}");
    }
    assert_eq!(h.engine.stats().reused, ways().len() as u64);
}

#[test]
fn who_is_asked_stays_who_is_asked() {
    let mut h = Harness::new(4);
    h.add(get_by("http://a.test:8080/x", elsewhere("b.test", 81)));
    let Output::Resolve { lookup, host } = &h.wants()[0] else { panic!("no look-up") };
    assert_eq!(host.to_string(), "b.test");
    h.resolved(*lookup, &["10.0.0.2"]);
    let (connection, dial) = wants_dial(&mut h);
    assert_eq!(dial, Dial::tcp("10.0.0.2:81".parse().unwrap()));
    h.engine.handle_connected(connection);
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    assert!(sent.starts_with("GET /x HTTP/1.1\r\nHost: a.test:8080\r\n"), "{sent}");
    h.received(connection, OK);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn each_hop_is_led_by_the_rules_anew() {
    let to = |name: &str, port| ConnectTo {
        host: Some(host(name)),
        to_host: Some(host("10.0.0.9")),
        to_port: Some(port),
        ..ConnectTo::default()
    };
    let ways = Ways { connect_to: vec![to("a.test", 81), to("b.test", 82)], ..Ways::default() };
    let redirects = Some(RedirectPolicy::default());
    let mut h = Harness::new(4);
    h.add(get_url("http://a.test/").options(Arc::new(Options { redirects, ..by(ways) })));
    let remote = |dial: Dial| dial.remote.ip().map(|at| at.to_string()).unwrap();
    let (connection, dial) = wants_dial(&mut h);
    assert_eq!(remote(dial), "10.0.0.9:81");
    h.engine.handle_connected(connection);
    h.sent(connection);
    let location = b"HTTP/1.1 302 \r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n";
    h.received(connection, location);
    h.again();
    let (_, dial) = wants_dial(&mut h);
    assert_eq!(remote(dial), "10.0.0.9:82");
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_to_elsewhere() {
    let proxy = Proxies::all(Proxy::parse("http://10.0.0.5:3128").unwrap());
    let options = Options { proxies: Some(Arc::new(proxy)), ..by(elsewhere("b.test", 81)) };
    let mut h = Harness::new(4);
    h.add(get_url("http://a.test/").options(Arc::new(options)));
    let (connection, dial) = wants_dial(&mut h);
    assert_eq!(dial, Dial::tcp("10.0.0.5:3128".parse().unwrap()));
    h.engine.handle_connected(connection);
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    assert!(sent.starts_with("CONNECT b.test:81 HTTP/1.1\r\n"), "{sent}");
    h.received(connection, b"HTTP/1.1 200 \r\n\r\n");
    let sent = String::from_utf8(h.sent(connection)).unwrap();
    assert!(sent.starts_with("GET / HTTP/1.1\r\nHost: a.test\r\n"), "{sent}");
}

#[test]
fn a_unix_socket_needs_no_look_up_and_has_no_address() {
    let ways = Ways { unix_socket: Some(unix("/run/s")), ..family(Family::V6) };
    let mut h = Harness::new(4);
    let (sent, dial) = answered(&mut h, get_by("http://a.test/", ways));
    assert_eq!(dial, Dial::unix(unix("/run/s")));
    assert!(sent.contains("\r\nHost: a.test\r\n"), "{sent}");
    assert_eq!(h.succeeds().outcome.report.remote, None);
    h.ends_empty();
}

/// Nor a place among the connections to one.
#[test]
fn unix_sockets_share_no_gate_of_an_address() {
    let config = Config { max_per_address: Some(1), ..Config::default() };
    let mut h = Harness::with(config);
    for path in ["/a", "/b"] {
        let ways = Ways { unix_socket: Some(unix(path)), ..Ways::default() };
        h.add(get_by("http://a.test/", ways));
        assert_eq!(wants_dial(&mut h).1, Dial::unix(unix(path)));
    }
    h.add(get_url("http://0.0.0.0/"));
    wants_dial(&mut h);
    h.add(get_url("http://0.0.0.0:81/"));
    assert!(h.wants().is_empty(), "that is an address");
}

#[test]
fn addresses_of_the_other_family_are_not_tried() {
    let mut h = Harness::new(4);
    h.add(get_by("http://a.test/", family(Family::V6)));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.2", "fd00::2", "10.0.0.3"]);
    let (connection, dial) = wants_dial(&mut h);
    assert_eq!(dial.remote, Remote::Ip("[fd00::2]:80".parse().unwrap()));
    h.engine.handle_failed(connection, ringdove::error::Operation::Connect, 111);
    assert!(matches!(h.wants()[..], [Output::Close { .. }]));
    h.fails();
    h.ends_empty();
}

#[test]
fn no_address_of_the_family_is_an_error_that_says_so() {
    let mut h = Harness::new(4);
    h.engine.set_override(host("a.test"), 80, ips(&["10.0.0.2"]));
    for url in ["http://a.test/", "http://10.0.0.1/"] {
        h.add(get_by(url, family(Family::V6)));
        h.wants_nothing();
        let error = h.fails();
        let Cause::Resolve(why) = &error.cause else { panic!("{error:?}") };
        assert!(why.contains("no IPv6 address"), "{why}");
        assert_eq!(error.phase, Phase::Resolve);
    }
    h.add(get_by("http://[::1]/", from(&["10.0.0.7"])));
    assert!(matches!(h.fails().cause, Cause::Resolve(why) if why.contains("to be bound to")));
    h.ends_empty();
}

#[test]
fn sources_take_turns() {
    let mut h = Harness::new(64);
    let ways = from(&["10.0.0.7", "10.0.0.8", "::7"]);
    for _ in 0..6 {
        h.add(get_by("http://10.0.0.1/", ways.clone()));
    }
    let wants = h.wants();
    let mut sources: Vec<_> = wants
        .iter()
        .map(|want| {
            let Output::Connect { dial, .. } = want else { panic!("{want:?}") };
            dial.bind.as_ref().and_then(|bind| bind.address).unwrap().to_string()
        })
        .collect();
    assert_ne!(sources[0], sources[1]);
    sources.sort();
    assert_eq!(sources.join(" "), ["10.0.0.7 "; 3].concat() + "10.0.0.8 10.0.0.8 10.0.0.8");
}

#[test]
fn an_override_for_all_gives_way_to_one_for_a_host_and_each_ends_in_its_time() {
    let mut h = Harness::with(Config { keep_idle: ms(1), ..Config::default() });
    let until = |ms: u64| Time::from_nanos(ms * 1_000_000);
    h.engine.set_override_until(None, 80, ips(&["10.0.0.1"]), Time::NEVER);
    h.engine.set_override_until(Some(host("a.test")), 80, ips(&["10.0.0.2"]), until(2_000));
    let remote = |h: &mut Harness, url: &str| {
        let (_, dial) = answered(h, get_url(url));
        h.succeeds();
        dial.remote.ip().unwrap()
    };
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(remote(&mut h, "http://a.test/"), at("10.0.0.2:80"));
    assert_eq!(remote(&mut h, "http://b.test/"), at("10.0.0.1:80"));
    h.at(1_900);
    h.wants();
    assert_eq!(remote(&mut h, "http://a.test/"), at("10.0.0.2:80"));
    h.at(2_100);
    h.wants();
    assert_eq!(remote(&mut h, "http://a.test/"), at("10.0.0.1:80"));
    h.engine.set_override_until(None, 80, ips(&[]), Time::NEVER);
    h.at(3_000);
    h.wants();
    h.add(get_url("http://a.test/"));
    h.wants_lookup();
}

#[test]
fn what_has_no_way_of_its_own_is_dialled_as_ever() {
    let mut h = Harness::new(4);
    let (_, dial) = answered(&mut h, get("/"));
    assert_eq!(dial, Dial::tcp("10.0.0.1:80".parse().unwrap()));
}

/// Of a URL, of a proxy and of what stands for another host; a redirect to the same address stays on the interface.
#[test]
fn a_zone_reaches_the_socket_and_no_server() {
    let dialled = |h: &mut Harness| {
        let wants = h.wants();
        let [Output::Connect { dial, .. }] = &wants[..] else { panic!("{wants:?}") };
        let Remote::Ip(SocketAddr::V6(address)) = dial.remote else { panic!("{dial:?}") };
        (address.ip().to_string(), address.scope_id(), address.port())
    };
    let expected = |port| ("fe80::1".to_owned(), 7, port);
    let mut h = Harness::new(8);
    let request = get_url("http://[fe80::1%257]:81/");
    assert_eq!(request.head().origin().authority().to_string(), "[fe80::1]:81");
    h.add(request);
    assert_eq!(dialled(&mut h), expected(81));

    let proxies = Some(Arc::new(
        Proxies::default().everywhere(Proxy::parse("http://[fe80::1%7]:82").unwrap()),
    ));
    let mut h = Harness::new(8);
    h.add(get_url("http://a.test/").options(Arc::new(Options { proxies, ..Options::default() })));
    assert_eq!(dialled(&mut h), expected(82));

    let to_host = Some(get_url("http://[fe80::1%7]/").head().origin().host().clone());
    let connect_to = vec![ConnectTo { to_host, ..ConnectTo::default() }];
    let mut h = Harness::new(8);
    h.add(get_by("http://a.test/", Ways { connect_to, ..Ways::default() }));
    assert_eq!(dialled(&mut h), expected(80));
}

/// Said before any socket is opened; the kernel would say EINVAL.
#[test]
fn an_address_of_a_link_needs_its_zone() {
    let lacks = |error: &Error, address: &str| {
        let no_zone = Cause::NoZone { address: address.parse().unwrap() };
        assert_eq!((&error.cause, error.kind()), (&no_zone, "zone"));
        let text = error.to_string();
        assert!(text.contains(&format!("[{address}%eth0]")), "{text}");
    };
    // in a URL
    let mut h = Harness::new(8);
    h.add(get_url("http://[fe80::1]/"));
    lacks(&h.fails(), "fe80::1");
    h.wants_nothing();
    h.add(get_url("http://[fe80::1%257]/"));
    assert_eq!(h.wants_connect().1.to_string(), "[fe80::1%7]:80");
    // fixed for a name
    h.engine.set_override(host("fixed.test"), 80, ips(&["fe80::2"]));
    h.add(get_url("http://fixed.test/"));
    lacks(&h.fails(), "fe80::2");
    // looked up: other addresses of the name may do
    h.add(get_url("http://a.test/"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["fe80::3"]);
    lacks(&h.fails(), "fe80::3");
    h.add(get_url("http://b.test/"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["fe80::3", "192.0.2.1"]);
    assert_eq!(h.wants_connect().1.to_string(), "192.0.2.1:80");
}

/// The interface that sockets are bound to says where it is.
#[test]
fn an_interface_stands_for_a_zone() {
    let mut h = Harness::new(8);
    let bind = Bind { device: Some(Device::new("eth0").unwrap()), ..Bind::default() };
    let ways = Ways { sources: Sources::new([bind]), ..Ways::default() };
    h.add(get_by("http://[fe80::1]/", ways));
    assert_eq!(h.wants_connect().1.to_string(), "[fe80::1]:80");
}
