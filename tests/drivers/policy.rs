//! With a policy of addresses on, nothing reaches an address that is denied, however it is written or resolved.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::engine::{ConnectTo, NameService};
use ringdove::error::Cause;
use ringdove::{AddressPolicy, Config, Options, Proxies, Proxy, RedirectPolicy, Request, Ways};

use crate::run::{Run, Transfer, on_every_driver};
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::name_server::NameServer;

on_every_driver! {
    no_spelling_reaches_the_inside,
    no_redirect_reaches_the_inside,
    no_change_of_mind_reaches_the_inside,
    no_proxy_is_sent_inside,
    no_name_server_leads_inside,
    no_other_way_leads_inside,
    who_is_denied_keeps_nobody_waiting,
}

/// A service inside, which must not see anybody.
struct Inside {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Inside {
    fn start() -> Inside {
        let all = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = all.local_addr().expect("an address").port();
        let mut listeners = vec![all];
        match TcpListener::bind(SocketAddr::new("::1".parse().unwrap(), port)) {
            Ok(listener) => listeners.push(listener),
            Err(error) => eprintln!("skipped ::1: {error}"),
        }
        Inside { listeners, port }
    }

    /// Nobody has connected, nor will: what is over cannot.
    #[track_caller]
    fn assert_unseen(&self) {
        for listener in &self.listeners {
            listener.set_nonblocking(true).expect("a flag");
            let seen = listener.accept();
            assert!(seen.is_err(), "{seen:?}");
        }
    }
}

/// The servers of these tests are at 127.0.0.2.
fn run(kind: Kind) -> Run {
    let policy = AddressPolicy::deny_private().allow("127.0.0.2".parse().unwrap());
    Run::with(kind, Config { address_policy: Some(policy), ..Config::default() })
}

fn outside() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], 0))
}

fn resolve(run: &mut Run, name: &str, port: u16, addresses: &[&str]) {
    let url = format!("http://{name}:{port}/");
    let host = Request::get(&url).expect("a good URL").head().origin().host().clone();
    let addresses: Arc<[IpAddr]> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    run.driver.settings().set_override(host, port, addresses);
}

#[track_caller]
fn assert_denied(transfer: &Transfer) {
    let error = transfer.error();
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error:?}");
}

fn no_spelling_reaches_the_inside(kind: Kind) {
    let inside = Inside::start();
    let port = inside.port;
    let mut run = run(kind);
    resolve(&mut run, "rebound.test", port, &["127.0.0.1", "::1", "::ffff:127.0.0.1"]);
    let spellings = [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7F00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "l%6fcalhost",
        "rebound.test",
        "REBOUND.test.",
    ];
    let transfers = spellings.map(|host| run.get(&format!("http://{host}:{port}/")));
    run.finish();
    for (host, transfer) in spellings.iter().zip(&transfers) {
        eprintln!("{host}: {}", transfer.error());
        assert_denied(transfer);
    }
    inside.assert_unseen();
    assert_eq!(run.driver.stats().opened, 0);
}

fn no_redirect_reaches_the_inside(kind: Kind) {
    let inside = Inside::start();
    let port = inside.port;
    let targets = [format!("http://127.0.0.1:{port}/"), format!("http://rebound.test:{port}/")];
    for target in targets {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
        let redirect = Script::new().read_head().send(head);
        let server = Plan::new().addr(outside()).connection(redirect).start();
        let mut run = run(kind);
        resolve(&mut run, "rebound.test", port, &["127.0.0.1"]);
        let redirects = Some(RedirectPolicy::default());
        let transfer = run.get_with(
            &server.url("/"),
            Options { redirects, record_hops: true, ..Options::default() },
        );
        run.finish();
        assert_denied(&transfer);
        assert_eq!(transfer.outcome().report.hops.len(), 2);
        inside.assert_unseen();
    }
}

/// The name has one address when it is looked at first, and another when it is connected to next.
fn no_change_of_mind_reaches_the_inside(kind: Kind) {
    let inside = Inside::start();
    let server = Plan::new()
        .addr(SocketAddr::from(([127, 0, 0, 2], inside.port)))
        .connection(
            Script::new()
                .read_head()
                .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine"),
        )
        .start();
    let mut run = run(kind);
    let url = format!("http://changes.test:{}/", inside.port);
    resolve(&mut run, "changes.test", inside.port, &["127.0.0.2"]);
    let before = run.get(&url);
    run.finish();
    before.assert_response(200, b"fine");
    resolve(&mut run, "changes.test", inside.port, &["127.0.0.1"]);
    let after = run.get(&url);
    run.finish();
    assert_denied(&after);
    inside.assert_unseen();
    assert_eq!(server.requests().len(), 1);
}

fn no_proxy_is_sent_inside(kind: Kind) {
    let inside = Inside::start();
    let server =
        Plan::new().addr(outside()).connection(Script::new().read_head().ok("fine")).start();
    let mut run = run(kind);
    for proxy in ["http", "socks4", "socks5h"] {
        let proxy = Proxy::parse(&format!("{proxy}://{}", server.addr())).expect("a proxy");
        let by = |proxies| Options {
            proxies: Some(Arc::new(proxies)),
            record_hops: true,
            ..Options::default()
        };
        let options = by(Proxies::all(proxy));
        let transfer = run.get_with(&format!("http://127.0.0.1:{}/", inside.port), options);
        run.finish();
        assert_denied(&transfer);
    }
    let proxy = Proxy::parse(&format!("http://127.0.0.1:{}", inside.port)).expect("a proxy");
    let options = Options {
        proxies: Some(Arc::new(Proxies::all(proxy))),
        record_hops: true,
        ..Options::default()
    };
    let transfer = run.get_with(&server.url("/"), options);
    run.finish();
    assert_denied(&transfer);
    inside.assert_unseen();
    assert_eq!(server.connections(), 0, "the proxy was not even asked");
}

/// A name server may be where nobody else may go: it is the machine's own, or the caller's. What it says is checked at
/// each connect, also when it says something else the second time.
fn no_name_server_leads_inside(kind: Kind) {
    let names = NameServer::start();
    let inside = Inside::start();
    let server = Plan::new()
        .addr(SocketAddr::from(([127, 0, 0, 2], inside.port)))
        .connection(
            Script::new()
                .read_head()
                .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine"),
        )
        .start();
    let policy = AddressPolicy::deny_private().allow("127.0.0.2".parse().unwrap());
    let config = Config {
        address_policy: Some(policy),
        names: NameService::Servers(vec![names.addr()]),
        ..Config::default()
    };
    let mut run = Run::with(kind, config);
    let denied = run.get(&format!("http://good.test:{}/", inside.port));
    let url = format!("http://changing.test:{}/", inside.port);
    let before = run.get(&url);
    run.finish();
    assert_denied(&denied);
    before.assert_response(200, b"fine");
    // a second is the least that an answer is kept
    run.turn_for(Duration::from_millis(1100));
    let after = run.get(&url);
    run.finish();
    assert_denied(&after);
    assert!(names.asked_for("changing") >= 3, "it was asked again");
    inside.assert_unseen();
    assert_eq!((server.requests().len(), run.driver.stats().opened), (1, 1));
}

/// To whom else a connection is to be made is checked as the origin would be, and so is where a tunnel is to lead.
fn no_other_way_leads_inside(kind: Kind) {
    let inside = Inside::start();
    let proxy =
        Plan::new().addr(outside()).connection(Script::new().read_head().ok("fine")).start();
    let mut run = run(kind);
    let to = |host: &str| {
        let url = format!("http://{host}/");
        let host = Request::get(&url).expect("a good URL").head().origin().host().clone();
        let there =
            ConnectTo { to_host: Some(host), to_port: Some(inside.port), ..Default::default() };
        Some(Arc::new(Ways { connect_to: vec![there], ..Ways::default() }))
    };
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0x7f.1"] {
        let straight = Options { ways: to(host), record_hops: true, ..Options::default() };
        let transfer = run.get_with("http://127.0.0.2/", straight);
        run.finish();
        assert_denied(&transfer);
        for scheme in ["http", "socks4", "socks4a", "socks5", "socks5h"] {
            let by = Proxy::parse(&format!("{scheme}://{}", proxy.addr())).expect("a proxy");
            let proxies = Some(Arc::new(Proxies::all(by)));
            let transfer = run.get_with(
                "http://127.0.0.2/",
                Options { ways: to(host), proxies, record_hops: true, ..Options::default() },
            );
            run.finish();
            assert_denied(&transfer);
        }
    }
    inside.assert_unseen();
    assert_eq!((proxy.connections(), run.driver.stats().opened), (0, 0));
}

/// It is over as it begins, before anything is waited for.
fn who_is_denied_keeps_nobody_waiting(kind: Kind) {
    let mut run = run(kind);
    let transfer = run.get("http://127.0.0.1/");
    assert_eq!(run.driver.turn(None).expect("the driver can go on"), 0);
    run.turn(Duration::ZERO);
    assert_denied(&transfer);
}
