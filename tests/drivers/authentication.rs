//! Authentication, cookies and HSTS against servers, on every driver.

use std::sync::Arc;

use md5::{Digest as _, Md5};
use ringdove::driver::Kind;
use ringdove::protocol::{AuthPolicy, AuthScheme, CookieJar, Secret};
use ringdove::{Config, Options, RedirectPolicy, Request};
use sha2::{Sha256, Sha512_256};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::hostile::{Framing, Plan, Script, SeenRequest};
use ringdove_test_support::nginx::Nginx;

on_every_driver! {
    a_real_server_asks_for_basic,
    digest_proves_the_password,
    bodies_go_along_with_answers,
    a_crowd_shares_a_jar,
}

fn policy(scheme: AuthScheme) -> AuthPolicy {
    AuthPolicy { scheme, secret: Secret::login("user", "pass").ok(), ..AuthPolicy::default() }
}

fn with(scheme: AuthScheme) -> Arc<Options> {
    Arc::new(Options { auth: Some(policy(scheme)), record_hops: true, ..Options::default() })
}

fn a_real_server_asks_for_basic(kind: Kind) {
    let nginx = Nginx::guarded("user", "pass");
    let mut run = Run::new(kind);
    for (scheme, requests) in [(AuthScheme::Basic, 0), (AuthScheme::Any, 2), (AuthScheme::Any, 0)] {
        let request = Request::get(&nginx.url("/private/x")).unwrap();
        let transfer = run.add(request.options(with(scheme)));
        run.finish();
        transfer.assert_response(200, b"secret");
        assert_eq!(transfer.outcome().report.hops.len(), requests, "what was learned is kept");
    }
    let url = nginx.url("/private/x").replace("//", "//user:wrong@");
    let transfer = run.add(Request::get(&url).unwrap());
    run.finish();
    assert_eq!(transfer.status(), 401);
    assert_eq!(run.driver.stats().opened, 1, "all on one connection");
}

/// The value of a parameter of the request's credentials.
fn parameter(request: &SeenRequest, name: &str) -> String {
    let value = request.field("authorization").expect("credentials");
    let at = value.find(&format!(" {name}=")).unwrap_or_else(|| panic!("{name} in {value}"));
    let rest = &value[at + name.len() + 2..];
    let rest = &rest[..rest.find(", ").unwrap_or(rest.len())];
    rest.trim_matches('"').to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As a server does: computes the response from the password and the request's own parameters.
fn digest_proves_the_password(kind: Kind) {
    type Hash = fn(String) -> String;
    let table: [(&str, bool, Hash); 5] = [
        ("MD5", false, |text| hex(&Md5::digest(text))),
        ("MD5-sess", true, |text| hex(&Md5::digest(text))),
        ("SHA-256", false, |text| hex(&Sha256::digest(text))),
        ("SHA-256-sess", true, |text| hex(&Sha256::digest(text))),
        ("SHA-512-256", false, |text| hex(&Sha512_256::digest(text))),
    ];
    for (algorithm, is_session, hash) in table {
        let challenge = |script: Script, more: &str| {
            let head = format!(
                "401 X\r\nWWW-Authenticate: Basic realm=\"r\"\r\nWWW-Authenticate: Digest \
                 realm=\"r\", qop=\"auth,auth-int\", algorithm={algorithm}, opaque=\"o\", {more}"
            );
            script.read_head().respond(&head, Framing::ContentLength, "no")
        };
        let script = challenge(Script::new(), "nonce=\"n1\"");
        let script = challenge(script, "nonce=\"n2\", stale=true");
        let script = script.read_head().ok("fine").read_head().ok("again");
        let server = Plan::new().connection(script).start();
        let mut run = Run::new(kind);
        for (body, hops) in [(&b"fine"[..], 3), (b"again", 0)] {
            let request = Request::get(&server.url("/x?y=1")).unwrap();
            let transfer = run.add(request.options(with(AuthScheme::Any)));
            run.finish();
            transfer.assert_response(200, body);
            assert_eq!(transfer.outcome().report.hops.len(), hops);
        }
        let requests = server.requests();
        assert_eq!(requests.len(), 4, "{}", server.dump());
        assert_eq!(requests[0].field("authorization"), None);
        for (request, (nonce, count)) in
            requests[1..].iter().zip([("n1", "00000001"), ("n2", "00000001"), ("n2", "00000002")])
        {
            let cnonce = parameter(request, "cnonce");
            let mut a1 = hash("user:r:pass".to_owned());
            if is_session {
                a1 = hash(format!("{a1}:{nonce}:{cnonce}"));
            }
            let a2 = hash("GET:/x?y=1".to_owned());
            let response = hash(format!("{a1}:{nonce}:{count}:{cnonce}:auth:{a2}"));
            assert_eq!(parameter(request, "response"), response, "{algorithm} {nonce} {count}");
            assert_eq!(parameter(request, "algorithm"), algorithm);
            let echoed = ["nonce", "nc", "uri", "opaque"].map(|name| parameter(request, name));
            assert_eq!(echoed, [nonce, count, "/x?y=1", "o"]);
        }
    }
}

fn bodies_go_along_with_answers(kind: Kind) {
    let body = vec![b'x'; 100_000];
    let challenge = "401 X\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    let server = Plan::new()
        .connection(
            Script::new()
                .read_head()
                .respond(challenge, Framing::Chunked(10), "no")
                .read_head()
                .ok("fine"),
        )
        .start();
    let mut run = Run::new(kind);
    let request = Request::new(http::Method::PUT, &server.url("/")).unwrap().body(body.clone());
    let transfer = run.add(request.options(with(AuthScheme::Digest)));
    run.finish();
    transfer.assert_response(200, b"fine");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.body == body), "{}", requests.len());
    assert_eq!(requests.len(), 2);
}

fn a_crowd_shares_a_jar(kind: Kind) {
    let head = |cookie: &str, to: &str| format!("302 X\r\nSet-Cookie: {cookie}\r\nLocation: {to}");
    let server = Plan::new()
        .path(
            "/in",
            Script::new().respond(&head("id=1; path=/", "/next"), Framing::ContentLength, ""),
        )
        .path("/next", Script::new().ok("fine"))
        .start();
    let jar = CookieJar::new();
    let redirects = Some(RedirectPolicy::default());
    let options = Arc::new(Options {
        cookies: Some(jar.clone()),
        redirects,
        record_hops: true,
        ..Options::default()
    });
    let mut run = Run::with(kind, Config { max_connections: 4, ..Config::default() });
    let add = |run: &mut Run, path: &str| {
        run.add(Request::get(&server.url(path)).unwrap().options(options.clone()))
    };
    let transfers: Vec<_> = (0..50).map(|_| add(&mut run, "/in")).collect();
    run.finish();
    for transfer in &transfers {
        transfer.assert_response(200, b"fine");
    }
    let of_next = server.requests().into_iter().filter(|request| request.target() == "/next");
    let cookies: Vec<_> = of_next.map(|request| request.field("cookie")).collect();
    assert_eq!(cookies, vec![Some("id=1".to_owned()); 50]);
    assert_eq!(jar.len(), 1);
}
