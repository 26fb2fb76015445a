//! Cookies and HSTS on a transfer's way: what each hop is sent with, and where it goes.

use std::sync::Arc;

use ringdove::engine::{AddError, Config, Options, Output, Request};
use ringdove::error::Cause;
use ringdove::protocol::{CookieJar, Date, Hsts, RedirectFault};
use ringdove::{RedirectPolicy, Time, TlsPolicy};

use crate::harness::{Harness, OK, exchange, get, get_url};
use ringdove_test_support::sim_tls::TlsPeer;

const TODAY: Date = Date::from_unix(1_700_000_000);

fn with(jar: &CookieJar) -> Arc<Options> {
    let redirects = Some(RedirectPolicy::default());
    Arc::new(Options { cookies: Some(jar.clone()), redirects, ..Options::default() })
}

fn harness() -> Harness {
    let mut h = Harness::new(4);
    h.engine.set_date(Time::from_nanos(1_000_000_000), TODAY);
    h
}

/// A response with these field lines.
fn response(status: u16, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{fields}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// The Cookie lines of the requests that are sent as each of these responses is received.
#[track_caller]
fn cookies(h: &mut Harness, request: Request, responses: &[Vec<u8>]) -> Vec<String> {
    h.add(request);
    let of_cookies = |sent: &String| {
        let is_cookie = |line: &&str| line.to_ascii_lowercase().starts_with("cookie");
        sent.lines().filter(is_cookie).collect::<Vec<_>>().join(" | ")
    };
    let lines = h.answers(responses).iter().map(of_cookies).collect();
    h.engine.close_idle();
    lines
}

#[test]
fn each_hop_has_the_cookies_of_its_own() {
    let jar = CookieJar::new();
    let mut h = harness();
    let lines = cookies(
        &mut h,
        get("/a").options(with(&jar)),
        &[
            response(302, "Set-Cookie: one=1\r\nSet-Cookie: two=2; path=/b\r\nLocation: /b"),
            response(302, "Set-Cookie: one=; max-age=0\r\nLocation: http://10.0.0.2/c"),
            response(302, "Set-Cookie: other=3\r\nLocation: http://10.0.0.1/b/d"),
            response(200, "Set-Cookie: last=4; path=/"),
        ],
    );
    assert_eq!(lines, ["", "Cookie: two=2; one=1", "", "Cookie: two=2"]);
    h.succeeds();
    assert_eq!(jar.len(), 3);
    // another transfer has the same jar
    let lines = cookies(&mut h, get("/x").options(with(&jar)), &[OK.to_vec()]);
    assert_eq!(lines, ["Cookie: last=4"]);
    // and one without has none
    assert_eq!(cookies(&mut h, get("/b"), &[OK.to_vec()]), [""]);
    h.succeeds();
    h.succeeds();
    h.ends_empty();
}

/// Guard: the caller's own cookies have an origin, too, and go along in one field with the jar's.
#[test]
fn cookies_of_the_callers_own() {
    let jar = CookieJar::new();
    let mut h = harness();
    let request = get("/").field("COOKIE", "own=1").unwrap().field("cookie", "mine=2").unwrap();
    let lines = cookies(
        &mut h,
        request.options(with(&jar)),
        &[
            response(302, "Set-Cookie: set=3\r\nLocation: /b"),
            response(302, "Location: http://10.0.0.1:81/c"),
            response(302, "Location: http://10.0.0.1/d"),
            OK.to_vec(),
        ],
    );
    let both = "Cookie: set=3; own=1; mine=2";
    // cookies know no ports (RFC 6265bis, 8.5), what the caller gave does
    assert_eq!(lines, ["Cookie: own=1; mine=2", both, "Cookie: set=3", "Cookie: set=3"]);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn the_same_url_with_another_cookie_is_no_loop() {
    let jar = CookieJar::new();
    let mut h = harness();
    let to_itself = response(302, "Set-Cookie: seen=1\r\nLocation: /a");
    let lines = cookies(&mut h, get("/a").options(with(&jar)), &[to_itself.clone(), OK.to_vec()]);
    assert_eq!(lines, ["", "Cookie: seen=1"]);
    h.succeeds();
    let twenty_one = vec![to_itself; 21];
    cookies(&mut h, get("/a").options(with(&CookieJar::new())), &twenty_one);
    let Cause::Redirect(error) = h.fails().cause else { panic!("a loop") };
    assert_eq!(error.fault, RedirectFault::Loop { limit: 20 });
    h.ends_empty();
}

#[test]
fn a_site_has_no_part_in_what_another_redirects_to() {
    let jar = CookieJar::new();
    let mut h = harness();
    let set = "Set-Cookie: strict=1; samesite=strict\r\nSet-Cookie: lax=1; samesite=lax\r\nX: y";
    cookies(&mut h, get("/").options(with(&jar)), &[response(200, set)]);
    h.succeeds();
    for (method, want) in [("GET", "Cookie: lax=1"), ("POST", "")] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::new(method, "http://10.0.0.2/").unwrap().options(with(&jar));
        let away = response(307, "Location: http://10.0.0.1/");
        assert_eq!(cookies(&mut h, request, &[away, OK.to_vec()]), ["", want]);
        h.succeeds();
    }
    let lines = cookies(&mut h, get("/").options(with(&jar)), &[OK.to_vec()]);
    assert_eq!(lines, ["Cookie: strict=1; lax=1"]);
    h.succeeds();
    h.ends_empty();
}

#[test]
fn the_date_goes_on_with_the_time() {
    let jar = CookieJar::new();
    let mut h = harness();
    let set = response(200, "Set-Cookie: a=1; max-age=10");
    cookies(&mut h, get("/").options(with(&jar)), &[set]);
    h.succeeds();
    for (at, want) in [(10_900, "Cookie: a=1"), (11_000, "")] {
        h.at(at);
        assert_eq!(cookies(&mut h, get("/").options(with(&jar)), &[OK.to_vec()]), [want]);
        h.succeeds();
    }
}

fn strict(list: &str) -> (Hsts, Arc<Options>) {
    let hsts = Hsts::new();
    hsts.read_file(list, TODAY);
    let redirects = Some(RedirectPolicy::default());
    let options = Options { hsts: Some(hsts.clone()), redirects, ..Options::default() };
    (hsts, Arc::new(options))
}

fn harness_with_tls() -> Harness {
    let tls = Some(TlsPolicy::builder().insecure().build().unwrap());
    let mut h = Harness::with(Config { tls, ..Config::default() });
    h.engine.set_date(Time::from_nanos(1_000_000_000), TODAY);
    h
}

/// Guard: `Keeper::secure` looks for the canonical host before anything is connected.
#[test]
fn a_known_host_is_asked_over_tls_alone() {
    let (_, options) = strict(".a.test \"unlimited\"\nbücher.test \"unlimited\"");
    let table = [
        ("http://a.test/", "a.test", 443),
        ("http://A.TEST.:80/", "a.test.", 443),
        ("http://b.a.test:8080/", "b.a.test", 8080),
        ("http://Bücher.test./", "xn--bcher-kva.test.", 443),
        ("http://x.xn--bcher-kva.test/", "x.xn--bcher-kva.test", 80),
        ("http://c.test/", "c.test", 80),
    ];
    for (url, host, port) in table {
        let mut h = harness_with_tls();
        h.add(get_url(url).options(options.clone()));
        let [Output::Resolve { lookup, host: asked }] = &h.wants()[..] else { panic!("{url}") };
        assert_eq!(asked.to_string(), host);
        h.resolved(*lookup, &["10.0.0.9"]);
        assert_eq!(h.wants_connect().1.port(), port, "{url}");
    }
    // without a policy it is refused rather than asked in plaintext
    let mut h = harness();
    let request = get_url("http://a.test/").options(options);
    let refused = h.engine.add(request, Box::new(ringdove::Discard));
    assert_eq!(refused.err(), Some(AddError::NoTlsPolicy));
}

#[test]
fn a_redirect_to_a_known_host_is_followed_over_tls() {
    let (_, options) = strict("a.test \"unlimited\"");
    let mut h = harness_with_tls();
    h.add(get("/").options(options));
    let connection = h.ask();
    h.received(connection, &response(302, "Location: http://a.test/x"));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.9"]);
    assert_eq!(h.wants_connect().1.to_string(), "10.0.0.9:443");
}

/// Guard: RFC 6797, 8.1. Whoever sits on the path could otherwise have a host asked in vain for years.
#[test]
fn what_an_unverified_server_says_is_not_believed() {
    let (hsts, options) = strict("");
    let mut h = harness_with_tls();
    h.add(get_url("https://a.test/").options(options));
    let lookup = h.wants_lookup();
    h.resolved(lookup, &["10.0.0.9"]);
    let connection = h.connect();
    let mut peer = TlsPeer::new();
    exchange(&mut h, connection, &mut peer);
    peer.write(&response(200, "Strict-Transport-Security: max-age=100"));
    exchange(&mut h, connection, &mut peer);
    h.succeeds();
    assert!(!hsts.to_file(TODAY).contains("a.test"));
}

#[test]
fn what_comes_in_plaintext_is_not_believed() {
    let (hsts, options) = strict("");
    let mut h = harness();
    h.add(get("/").options(options));
    let connection = h.ask();
    h.received(connection, &response(200, "Strict-Transport-Security: max-age=100"));
    h.succeeds();
    assert_eq!(format!("{hsts:?}"), "Hsts(0 hosts)");
    h.ends_empty();
}

/// Where that is said, a Host field of the caller's says whose cookies they are.
#[test]
fn cookies_may_go_by_the_host_field() {
    let jar = CookieJar::new();
    for (by_field, sent) in [(true, false), (false, false), (true, true)] {
        let options = Options {
            cookies: Some(jar.clone()),
            cookies_by_host_field: by_field,
            ..Options::default()
        };
        let request = get("/").options(Arc::new(options)).field("Host", "shop.example:99").unwrap();
        let mut h = Harness::new(1);
        h.add(request);
        let connection = h.connect();
        let asked = String::from_utf8(h.sent(connection)).unwrap();
        assert_eq!(asked.contains("Cookie: a=1\r\n"), sent, "{asked}");
        let answer =
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=shop.example\r\nContent-Length: 0\r\n\r\n";
        h.received(connection, answer.as_bytes());
        h.succeeds();
        assert_eq!(jar.len(), 1, "only the first is a cookie of the site that sets it");
    }
}
