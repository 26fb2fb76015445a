//! Redirects, from nginx and from servers that do what nginx does not.

use std::sync::Arc;

use ringdove::driver::Kind;
use ringdove::error::Cause;
use ringdove::protocol::RedirectFault;
use ringdove::tls::TlsVersion;
use ringdove::{Config, KeepPost, Options, RedirectPolicy, Request, TlsPolicy};

use crate::run::{Run, Told, Transfer, on_every_driver, policy};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};

on_every_driver! {
    each_status_of_a_real_server,
    any_status_where_that_is_said,
    a_crowd_is_redirected,
    to_tls_and_back,
    bodies_go_along_or_not,
    credentials_stay_behind,
    a_client_certificate_stays_behind,
    demands_of_tls_go_along,
    bodies_of_redirects_are_not_delivered,
    where_it_ends,
}

fn following() -> Arc<Options> {
    with(RedirectPolicy::default())
}

fn with(policy: RedirectPolicy) -> Arc<Options> {
    Arc::new(Options { record_hops: true, redirects: Some(policy), ..Options::default() })
}

fn get(run: &mut Run, url: &str) -> Transfer {
    run.add(Request::get(url).expect("a good URL").options(following()))
}

/// An nginx that redirects from `/STATUS?to=URL`.
fn redirecting(config: NginxConfig) -> Nginx {
    let location = |status| format!("location = /{status} {{ return {status} $arg_to; }}\n");
    let redirects: String = [301, 302, 303, 307, 308].map(location).concat();
    let server_directives = config.server_directives.clone() + &redirects;
    Nginx::start(NginxConfig { server_directives, ..config })
}

fn each_status_of_a_real_server(kind: Kind) {
    let nginx = redirecting(NginxConfig::default());
    let mut run = Run::new(kind);
    for status in [301, 302, 303, 307, 308] {
        for to in ["/ok".to_owned(), nginx.url("/ok"), "ok#x".to_owned()] {
            let transfer = get(&mut run, &nginx.url(&format!("/{status}?to={to}")));
            run.finish();
            transfer.assert_response(200, OK_BODY);
            assert_eq!(transfer.told()[0], Told::Redirected(status));
            let report = transfer.outcome().report;
            let [first, last] = &report.hops[..] else { panic!("{report:?}") };
            assert_eq!((first.status, last.status), (Some(status), Some(200)));
            assert_eq!(first.remote, Some(nginx.addr()));
            assert_eq!(last.url.as_ref().unwrap().path(), "/ok");
            assert!(report.times.total >= first.times.total + last.times.total);
        }
    }
    assert_eq!(run.driver.stats().opened, 1, "all on one connection");
}

fn any_status_where_that_is_said(kind: Kind) {
    let choice =
        Script::new().respond("300 Which\r\nLocation: /ok", Framing::ContentLength, "these");
    let server = Plan::new().path("/choice", choice).path("/ok", Script::new().ok(OK_BODY)).start();
    let mut run = Run::new(kind);
    for (any_status, status, body) in [(false, 300, &b"these"[..]), (true, 200, OK_BODY)] {
        let options = with(RedirectPolicy { any_status, ..RedirectPolicy::default() });
        let request = Request::get(&server.url("/choice")).expect("a good URL");
        let transfer = run.add(request.options(options));
        run.finish();
        transfer.assert_response(status, body);
    }
}

fn a_crowd_is_redirected(kind: Kind) {
    let (one, other) = (redirecting(NginxConfig::default()), redirecting(NginxConfig::default()));
    let mut run = Run::with(kind, Config { max_connections: 8, ..Config::default() });
    let transfers: Vec<_> = (0..200)
        .map(|n| {
            let target = if n % 2 == 0 { other.url("/ok") } else { "/ok".to_owned() };
            let via = one.url(&format!("/307?to={target}"));
            get(&mut run, &other.url(&format!("/302?to={via}")))
        })
        .collect();
    run.finish();
    for transfer in &transfers {
        transfer.assert_response(200, OK_BODY);
        assert_eq!(transfer.outcome().report.hops.len(), 3);
    }
    let stats = run.driver.stats();
    assert_eq!((stats.redirects, stats.succeeded), (400, 200));
    assert!(stats.opened + stats.reused >= 600, "{stats:?}");
}

fn to_tls_and_back(kind: Kind) {
    let authority = Authority::new();
    let tls = Some(NginxTls::new(&authority.server()));
    let nginx = redirecting(NginxConfig { tls, ..NginxConfig::default() });
    let mut run = Run::trusting(kind, &authority);
    let there = nginx.tls_url(&format!("/301?to={}", nginx.url("/ok")));
    let transfer = get(&mut run, &nginx.url(&format!("/308?to={there}")));
    run.finish();
    transfer.assert_response(200, OK_BODY);
    let report = transfer.outcome().report;
    let tls: Vec<_> = report.hops.iter().map(|hop| hop.tls.is_some()).collect();
    assert_eq!(tls, [false, true, false]);
    assert!(report.tls.is_none(), "the report's own is the last hop's");
}

/// A server whose `/STATUS` redirects to `to`, and whose other paths are fine.
fn server(to: &str) -> Hostile {
    [301, 302, 303, 307, 308]
        .into_iter()
        .fold(Plan::new().path("/to", Script::new().ok("fine")), |plan, status| {
            let head = format!("{status} X\r\nLocation: {to}");
            plan.path(
                &format!("/{status}"),
                Script::new().respond(&head, Framing::ContentLength, ""),
            )
        })
        .start()
}

fn bodies_go_along_or_not(kind: Kind) {
    let everything = KeepPost { on_301: true, on_302: true, on_303: true };
    for keep_post in [KeepPost::default(), everything] {
        let server = server("/to");
        let options = with(RedirectPolicy { keep_post, ..RedirectPolicy::default() });
        let mut run = Run::new(kind);
        let body = vec![b'x'; 100_000];
        for status in [301, 302, 303, 307, 308] {
            let request =
                Request::new(http::Method::POST, &server.url(&format!("/{status}"))).unwrap();
            let request = request.field("Content-Type", "text/plain").unwrap();
            let transfer = run.add(request.body(body.clone()).options(options.clone()));
            run.finish();
            transfer.assert_response(200, b"fine");
            let requests = server.requests();
            let [.., first, second] = &requests[..] else { panic!("{}", server.dump()) };
            assert_eq!((first.method(), first.body.len()), ("POST".into(), body.len()));
            let kept = status >= 307 || keep_post == everything;
            assert_eq!(second.method(), if kept { "POST" } else { "GET" }, "{status}");
            assert!(second.body == if kept { &body[..] } else { b"" }, "{status}");
            assert_eq!(second.field("content-type").is_some(), kept, "{status}");
            assert_eq!(second.field("content-length").is_some(), kept, "{status}");
        }
    }
}

fn credentials_stay_behind(kind: Kind) {
    let home = server("/to");
    let away = server(&home.url("/to"));
    let via = Plan::new()
        .path(
            "/",
            Script::new().respond(
                &format!("302 X\r\nLocation: {}", away.url("/302")),
                Framing::ContentLength,
                "",
            ),
        )
        .path("/same", Script::new().respond("302 X\r\nLocation: /", Framing::ContentLength, ""))
        .start();
    let mut run = Run::new(kind);
    let request = Request::get(&via.url("/same")).unwrap();
    let request = request.field("Authorization", "Basic dTpw").unwrap();
    let request = request.field("Cookie", "secret=1").unwrap().field("X-Kept", "1").unwrap();
    let transfer = run.add(request.options(following()));
    run.finish();
    transfer.assert_response(200, b"fine");
    let seen = [via.requests(), away.requests(), home.requests()].concat();
    let has = |name| seen.iter().map(|seen| seen.field(name).is_some()).collect::<Vec<_>>();
    assert_eq!(has("authorization"), [true, true, false, false]);
    assert_eq!(has("cookie"), [true, true, false, false]);
    assert_eq!(has("x-kept"), [true; 4]);
}

/// nginx says of each request whether it came with a certificate, resumed sessions included.
fn a_client_certificate_stays_behind(kind: Kind) {
    let authority = Authority::new();
    let identity = authority.client("me");
    let start = || {
        redirecting(NginxConfig {
            tls: Some(NginxTls::new(&authority.server())),
            server_directives: format!(
                "ssl_client_certificate \"{}\"; ssl_verify_client optional;\n\
                 location = /who {{ return 200 $ssl_client_verify; }}\n",
                authority.ca_file().display()
            ),
            ..NginxConfig::default()
        })
    };
    let (home, away) = (start(), start());
    let read = |path| std::fs::read(path).expect("a file");
    let builder = TlsPolicy::builder().only_these_roots().add_roots_file(authority.ca_file());
    let presenting = builder
        .client_identity_pem(read(&identity.cert_file), read(&identity.key_file))
        .build()
        .expect("a good policy");
    let back = away.tls_url(&format!("/302?to={}", home.tls_url("/who")));
    let there = away.tls_url("/302?to=/who");
    let urls = [
        (home.tls_url("/who"), "SUCCESS"),
        (home.tls_url("/302?to=/who"), "SUCCESS"),
        (home.tls_url(&format!("/302?to={}", away.tls_url("/who"))), "NONE"),
        (home.tls_url(&format!("/302?to={back}")), "NONE"),
        // nor does it come back where that other one leads to itself
        (home.tls_url(&format!("/302?to={there}")), "NONE"),
        (home.tls_url("/who"), "SUCCESS"),
    ];
    for max_connections in [1, 10] {
        let config = Config { max_connections, tls: Some(presenting.clone()), ..Config::default() };
        let mut run = Run::with(kind, config);
        for (url, verdict) in &urls {
            let transfer = get(&mut run, url);
            run.finish();
            transfer.assert_response(200, verdict.as_bytes());
        }
        // what is trusted with credentials is trusted with this one
        let trusting = RedirectPolicy { trust_all_origins: true, ..RedirectPolicy::default() };
        let transfer = run.add(Request::get(&urls[3].0).unwrap().options(with(trusting)));
        run.finish();
        transfer.assert_response(200, b"SUCCESS");
    }
    // without one, it is the same policy
    let mut run = Run::with(kind, Config { tls: Some(policy(&authority)), ..Config::default() });
    let transfer = get(&mut run, &urls[3].0);
    run.finish();
    transfer.assert_response(200, b"NONE");
}

/// Pins and versions hold for whoever a redirect leads to, also where credentials stay behind, and on the way back.
fn demands_of_tls_go_along(kind: Kind) {
    let authority = Authority::new();
    let (pinned, other, me) = (authority.server(), authority.server(), authority.client("me"));
    let start = |tls| redirecting(NginxConfig { tls: Some(tls), ..NginxConfig::default() });
    let (home, also) = (start(NginxTls::new(&pinned)), start(NginxTls::new(&pinned)));
    let away = start(NginxTls::new(&other));
    let old = start(NginxTls { protocols: "TLSv1.2", ..NginxTls::new(&pinned) });
    let read = |path| std::fs::read(path).expect("a file");
    let build = |insecure: bool| {
        let builder = TlsPolicy::builder().only_these_roots().add_roots_file(authority.ca_file());
        let builder = if insecure { builder.insecure() } else { builder };
        builder
            .client_identity_pem(read(&me.cert_file), read(&me.key_file))
            .pinned_public_keys(pinned.pin())
            .versions(TlsVersion::Tls13, TlsVersion::Tls13)
            .build()
            .expect("a good policy")
    };
    let through = |nginx: &Nginx, to: &str| nginx.tls_url(&format!("/302?to={to}"));
    let jump = |to: &str| home.url(&format!("/302?to={to}"));
    let urls = [
        (through(&home, &also.tls_url("/ok")), None),
        (through(&home, &through(&also, &home.tls_url("/ok"))), None),
        (through(&home, &away.tls_url("/ok")), Some("pinned")),
        (through(&home, &through(&also, &away.tls_url("/ok"))), Some("pinned")),
        // from plaintext, and by way of it
        (jump(&away.tls_url("/ok")), Some("pinned")),
        (through(&home, &jump(&away.tls_url("/ok"))), Some("pinned")),
        (through(&home, &old.tls_url("/ok")), Some("no version of TLS")),
    ];
    for tls in [build(false), build(true)] {
        let mut run = Run::with(kind, Config { tls: Some(tls), ..Config::default() });
        for (url, why) in &urls {
            let transfer = get(&mut run, url);
            run.finish();
            match why {
                None => transfer.assert_response(200, OK_BODY),
                Some(why) => {
                    let error = transfer.error();
                    let says = matches!(&error.cause, Cause::Tls(said) if said.contains(why));
                    assert!(says, "{url}: {error:?}");
                }
            }
        }
    }
}

fn bodies_of_redirects_are_not_delivered(kind: Kind) {
    let head = "302 Found\r\nLocation: /ok";
    let wire = "HTTP/1.1 302 Found\r\nLocation: /ok\r\n";
    let endless = format!("{wire}Content-Length: 99999999999\r\n\r\n");
    let body = vec![b'x'; 30_000];
    let server = Plan::new()
        .path("/ok", Script::new().ok("fine"))
        .path("/length", Script::new().respond(head, Framing::ContentLength, &body))
        .path("/chunked", Script::new().respond(head, Framing::Chunked(100), &body))
        .path("/close", Script::new().respond(head, Framing::UntilClose, &body).stall())
        .path("/short", Script::new().respond(head, Framing::Declared(40_000), &body).close())
        .path("/endless", Script::new().send(&endless).flood(vec![b'x'; 1 << 16], 10_000))
        .path(
            "/chunks",
            Script::new()
                .send(format!("{wire}Transfer-Encoding: chunked\r\n\r\n"))
                .flood([&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat(), 40_000),
        )
        .start();
    let mut run = Run::new(kind);
    for path in ["/length", "/chunked", "/close", "/short", "/endless", "/chunks"] {
        let transfer = get(&mut run, &server.url(path));
        run.finish();
        transfer.assert_response(200, b"fine");
        let report = transfer.outcome().report;
        assert!(report.wire_received < 1 << 20, "{path}: {report:?}");
        assert_eq!(report.reused, ["/length", "/chunked"].contains(&path), "{path}");
    }
}

fn where_it_ends(kind: Kind) {
    let moved = |location: &str| {
        Script::new().respond(&format!("302 X\r\nLocation: {location}"), Framing::ContentLength, "")
    };
    let long = "x".repeat(60_000);
    let longer = "x".repeat(1 << 20);
    let server = Plan::new()
        .path("/loop", moved("/pool"))
        .path("/pool", moved("/loop"))
        .path("/self", moved("#here"))
        .path("/empty", moved(""))
        .path("/ftp", moved("ftp://localhost/"))
        .path("/illegal", moved("http://[oops/"))
        .path("/differ", moved("/a\r\nLocation: /b"))
        .path("/long", moved(&long))
        .path("/longer", moved(&longer))
        .start();
    let mut run = Run::new(kind);
    let transfer = get(&mut run, &server.url("/empty"));
    run.finish();
    transfer.assert_response(302, b"");
    type IsRight = fn(&RedirectFault) -> bool;
    let table: [(&str, usize, IsRight); 6] = [
        ("/loop", 21, |fault| matches!(fault, RedirectFault::Loop { limit: 20 })),
        ("/self", 21, |fault| matches!(fault, RedirectFault::Loop { limit: 20 })),
        ("/ftp", 1, |fault| matches!(fault, RedirectFault::BadLocation { .. })),
        ("/illegal", 1, |fault| matches!(fault, RedirectFault::BadLocation { .. })),
        ("/differ", 1, |fault| matches!(fault, RedirectFault::Conflicting { .. })),
        ("/long", 1, |fault| matches!(fault, RedirectFault::TooLong { .. })),
    ];
    for (path, hops, is_right) in table {
        let transfer = get(&mut run, &server.url(path));
        run.finish();
        let error = transfer.error();
        let Cause::Redirect(redirect) = &error.cause else { panic!("{path}: {error:?}") };
        assert!(is_right(&redirect.fault), "{path}: {error}");
        assert_eq!(redirect.chain.len(), hops, "{path}: {error}");
        assert!(error.to_string().contains(&server.url(path)), "{error}");
        assert!(error.to_string().len() < 1000, "{error}");
    }
    // more than a head may be is not even read
    let transfer = get(&mut run, &server.url("/longer"));
    run.finish();
    assert!(matches!(transfer.error().cause, Cause::Http(_)), "{:?}", transfer.error());
}
