//! Proxies that want to know who asks, and check it themselves, on every driver.

use std::sync::Arc;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Phase};
use ringdove::protocol::{AuthPolicy, AuthScheme, ProxyFault, Secret};
use ringdove::{Options, Proxies, Proxy};

use crate::run::{Run, Transfer, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::digest::{Guard, parameter};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

on_every_driver! {
    forwarded_requests_prove_the_password,
    tunnels_are_asked_for_again,
    a_tunnel_through_a_proxy_over_tls,
    proxies_that_close_after_a_challenge,
    a_wrong_password_for_a_proxy,
    a_server_behind_a_proxy_asks_too,
}

fn by(proxy: &Hostile, scheme: AuthScheme, password: &str) -> Options {
    let proxy = Proxy::parse(&format!("user:{password}@{}", proxy.addr())).unwrap();
    let proxies = Proxies::all(proxy).with_scheme(scheme);
    Options { proxies: Some(Arc::new(proxies)), record_hops: true, ..Options::default() }
}

#[track_caller]
fn fetch(run: &mut Run, url: &str, options: Options) -> Transfer {
    let transfer = run.get_with(url, options);
    run.finish();
    transfer
}

/// Basic is offered, too, and first.
fn refusal(guard: Guard, framing: Framing) -> Script {
    let head = format!(
        "407 Who\r\nProxy-Authenticate: Basic realm=\"b\"\r\nProxy-Authenticate: {}",
        guard.challenge()
    );
    Script::new().respond(&head, framing, "who asks?")
}

fn guarded(guard: Guard) -> Script {
    let refusal = refusal(guard, Framing::ContentLength);
    Script::new().guard(move |request| guard.admits(request), refusal)
}

/// What the proxy was told, each time.
fn told(proxy: &Hostile, name: &str) -> Vec<Option<String>> {
    let requests = proxy.requests();
    let fields = requests.iter().map(|request| request.field("proxy-authorization"));
    fields.map(|field| field.and_then(|field| parameter(&field, name))).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

fn forwarded_requests_prove_the_password(kind: Kind) {
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-512-256-sess"] {
        let guard = Guard::of_proxy(algorithm);
        let proxy = Plan::new()
            .path("http://one.test/a", guarded(guard).ok("one"))
            .path("http://two.test/", guarded(guard).ok("two"))
            .start();
        let mut run = Run::new(kind);
        let options = by(&proxy, AuthScheme::Any, "pass");
        let transfer = fetch(&mut run, "http://one.test/a?b=c", options.clone());
        transfer.assert_response(200, b"one");
        let statuses = transfer.outcome().report.hops;
        assert_eq!(
            statuses.iter().map(|hop| hop.status).collect::<Vec<_>>(),
            [Some(407), Some(200)]
        );
        // another origin, the same proxy: its nonce goes on
        let transfer = fetch(&mut run, "http://two.test/", options);
        transfer.assert_response(200, b"two");
        assert!(transfer.outcome().report.hops.is_empty());
        let requests = proxy.requests();
        assert_eq!(requests.len(), 3, "{}", proxy.dump());
        assert_eq!(requests[0].field("proxy-authorization"), None);
        assert_eq!(told(&proxy, "nc")[1..], some(&["00000001", "00000002"]));
        assert!(requests.iter().all(|request| request.field("authorization").is_none()));
        assert_eq!(run.driver.stats().opened, 1);
    }
}

fn tunnels_are_asked_for_again(kind: Kind) {
    let authority = Authority::new();
    let guard = Guard::of_proxy("SHA-256");
    let tunnel = || guarded(guard).send("HTTP/1.1 200 Open\r\n\r\n").handshake().serve();
    let proxy = Plan::new()
        .tls(authority.server().server_config())
        .connection(Script::new().serve())
        .path("ringdove.test:443", tunnel())
        .path("ringdove.test:444", tunnel())
        .path("/", Script::new().ok("inside"))
        .start();
    let mut run = Run::trusting(kind, &authority);
    let options = by(&proxy, AuthScheme::Digest, "pass");
    let transfer = fetch(&mut run, "https://ringdove.test/", options.clone());
    transfer.assert_response(200, b"inside");
    assert_eq!(run.driver.stats().opened, 1, "the proxy keeps its connection");
    assert_eq!(run.driver.stats().challenges, 1);
    // a tunnel of another origin's is asked for with what is known
    fetch(&mut run, "https://ringdove.test:444/", options).assert_response(200, b"inside");
    let requests = proxy.requests();
    let methods: Vec<_> = requests.iter().map(|request| request.method()).collect();
    assert_eq!(methods, ["CONNECT", "CONNECT", "GET", "CONNECT", "GET"], "{}", proxy.dump());
    let (hosts, counts) = (told(&proxy, "uri"), told(&proxy, "nc"));
    let [one, two] = ["ringdove.test:443", "ringdove.test:444"].map(|text| Some(text.to_owned()));
    assert_eq!(hosts, [None, one, None, two, None]);
    assert_eq!(counts[3], Some("00000002".to_owned()));
}

/// TLS to the proxy, and none within: the script has one handshake for each connection.
fn a_tunnel_through_a_proxy_over_tls(kind: Kind) {
    let authority = Authority::new();
    let guard = Guard::of_proxy("MD5");
    let proxy = Plan::new()
        .tls(authority.server().server_config())
        .path("ringdove.test:80", guarded(guard).send("HTTP/1.1 200 Open\r\n\r\n"))
        .path("/", Script::new().ok("inside"))
        .start();
    let mut run = Run::trusting(kind, &authority);
    let at = format!("https://user:pass@localhost:{}", proxy.addr().port());
    let proxies = Proxies::all(Proxy::parse(&at).unwrap());
    let proxies = proxies.with_scheme(AuthScheme::Any).tunnel(true);
    let options =
        Options { proxies: Some(Arc::new(proxies)), record_hops: true, ..Options::default() };
    fetch(&mut run, "http://ringdove.test/", options).assert_response(200, b"inside");
    assert_eq!(run.driver.stats().opened, 1);
    assert_eq!(told(&proxy, "nc"), [None, Some("00000001".to_owned()), None]);
}

fn proxies_that_close_after_a_challenge(kind: Kind) {
    let guard = Guard::of_proxy("MD5");
    let head = format!("407 Who\r\nProxy-Authenticate: {}", guard.challenge());
    let said = |script: Script| script.respond(&head, Framing::ContentLength, "who asks?");
    let ways = [
        // said, and done
        refusal(guard, Framing::UntilClose).close(),
        // not said, after the body and in the middle of it
        said(Script::new()).close(),
        Script::new().respond(&head, Framing::Declared(100), "who").close(),
        // only when it is asked again
        said(Script::new()).read_head().reset(),
        said(Script::new()).read_head().close(),
        // more than is worth reading
        Script::new().respond(&head, Framing::Declared(10_000_000), "who").stall(),
    ];
    for (way, refusal) in ways.into_iter().enumerate() {
        let tunnel = Script::new()
            .guard(move |request| guard.admits(request), refusal)
            .send("HTTP/1.1 200 Open\r\n\r\n");
        let proxy = Plan::new()
            .path("ringdove.test:80", tunnel)
            .path("/", Script::new().ok("inside"))
            .start();
        let mut run = Run::new(kind);
        let proxies = by(&proxy, AuthScheme::Any, "pass").proxies.unwrap();
        let proxies = Arc::new(Proxies::clone(&proxies).tunnel(true));
        let options = Options { proxies: Some(proxies), record_hops: true, ..Options::default() };
        let transfer = fetch(&mut run, "http://ringdove.test/", options);
        transfer.assert_response(200, b"inside");
        assert_eq!(run.driver.stats().opened, 2, "{way}: {}", proxy.dump());
        assert_eq!(run.driver.stats().challenges, 1, "{way}");
    }
}

fn a_wrong_password_for_a_proxy(kind: Kind) {
    let guard = Guard::of_proxy("SHA-256");
    let proxy = Plan::new()
        .path("http://ringdove.test/", guarded(guard).ok("never"))
        .path("ringdove.test:443", guarded(guard).send("HTTP/1.1 200 Open\r\n\r\n"))
        .start();
    let mut run = Run::trusting(kind, &Authority::new());
    let options = by(&proxy, AuthScheme::Digest, "wrong");
    let transfer = fetch(&mut run, "http://ringdove.test/", options.clone());
    transfer.assert_response(407, b"who asks?");
    assert_eq!(proxy.requests().len(), 2);
    let error = fetch(&mut run, "https://ringdove.test/", options).error();
    let Cause::Proxy(ProxyFault::Refused { status: 407, .. }) = error.cause else {
        panic!("{error:?}")
    };
    assert_eq!(error.phase, Phase::Proxy);
    assert!(!format!("{error} {error:?}").contains("wrong"));
}

/// Each is answered with its own, and neither gets to see the other's.
fn a_server_behind_a_proxy_asks_too(kind: Kind) {
    let of_proxy = Guard::of_proxy("MD5");
    let server = "server";
    let of_server = Guard { field: "authorization", user: server, realm: server, ..of_proxy };
    let refusal = format!("401 Who\r\nWWW-Authenticate: {}", of_server.challenge());
    let refusal = Script::new().respond(&refusal, Framing::ContentLength, "who are you?");
    let script = guarded(of_proxy).guard(move |request| of_server.admits(request), refusal);
    let proxy = Plan::new().path("http://ringdove.test/", script.ok("in")).start();
    let mut run = Run::new(kind);
    let secret = Secret::login(server, "pass").ok();
    let auth = AuthPolicy { scheme: AuthScheme::Any, secret, ..AuthPolicy::default() };
    let options = Options { auth: Some(auth), ..by(&proxy, AuthScheme::Any, "pass") };
    let transfer = fetch(&mut run, "http://ringdove.test/", options);
    transfer.assert_response(200, b"in");
    let hops = transfer.outcome().report.hops;
    let statuses: Vec<_> = hops.iter().map(|hop| hop.status.unwrap_or(0)).collect();
    assert_eq!(statuses, [407, 401, 200]);
    let last = proxy.requests().pop().unwrap();
    let user = |field: &str| parameter(&last.field(field).unwrap()[7..], "username");
    assert_eq!(user("authorization").as_deref(), Some("server"));
    assert_eq!(user("proxy-authorization").as_deref(), Some("user"));
}
