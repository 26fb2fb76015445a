//! Real proxies before real servers, and proxies that do what real ones do not.

use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Cause, Deadline, Phase};
use ringdove::protocol::ProxyFault;
use ringdove::{Bypass, Config, Options, Proxies, Proxy, RedirectPolicy, Timeouts, TlsPolicy};

use crate::run::{Run, Transfer, on_every_driver, policy};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};
use ringdove_test_support::proxies::RealProxy;

on_every_driver! {
    a_real_http_proxy,
    a_real_proxy_over_tls,
    real_socks_proxies,
    a_name_for_socks4a,
    large_bodies_through_each_kind_of_proxy,
    a_tunnel_is_kept_for_its_origin,
    proxies_that_refuse,
    a_silent_proxy,
    a_proxy_that_is_not_there,
    a_clients_certificate_is_for_origins,
}

fn by(proxy: &str) -> Options {
    let proxies = Proxies::all(Proxy::parse(proxy).expect(proxy));
    Options { proxies: Some(Arc::new(proxies)), ..Options::default() }
}

fn tunnelled(proxy: &str) -> Options {
    let proxies = Proxies::all(Proxy::parse(proxy).expect(proxy)).tunnel(true);
    Options { proxies: Some(Arc::new(proxies)), ..Options::default() }
}

fn nginx(authority: &Authority) -> Nginx {
    let tls = Some(NginxTls::new(&authority.server()));
    Nginx::start(NginxConfig { tls, ..NginxConfig::default() })
}

#[track_caller]
fn fetch(run: &mut Run, url: &str, options: Options) -> Transfer {
    let transfer = run.get_with(url, options);
    run.finish();
    transfer
}

fn a_real_http_proxy(kind: Kind) {
    let authority = Authority::new();
    let nginx = nginx(&authority);
    let proxy = RealProxy::tinyproxy(Some(("user", "secret")));
    let mut run = Run::trusting(kind, &authority);
    let known = format!("http://user:secret@{}", proxy.addr());
    for url in [nginx.url("/ok"), nginx.tls_url("/ok")] {
        let transfer = fetch(&mut run, &url, by(&known));
        transfer.assert_response(200, OK_BODY);
        assert_eq!(transfer.outcome().report.remote, Some(proxy.addr()));
    }
    let transfer = fetch(&mut run, &nginx.url("/ok"), tunnelled(&known));
    transfer.assert_response(200, OK_BODY);

    // who is not known is told so: by the response where it forwards, by the error where it does not
    for wrong in [proxy.addr().to_string(), format!("user:wrong@{}", proxy.addr())] {
        let status = fetch(&mut run, &nginx.url("/ok"), by(&wrong)).status();
        assert!(matches!(status, 401 | 407), "{status}");
        let error = fetch(&mut run, &nginx.tls_url("/ok"), by(&wrong)).error();
        let Cause::Proxy(ProxyFault::Refused { status: 401 | 407, .. }) = error.cause else {
            panic!("{error:?}")
        };
    }

    let past = Proxies::all(Proxy::parse(&known).unwrap()).except(Bypass::parse("127.0.0.1"));
    let options = Options { proxies: Some(Arc::new(past)), ..Options::default() };
    let transfer = fetch(&mut run, &nginx.url("/ok"), options);
    transfer.assert_response(200, OK_BODY);
    assert_eq!(transfer.outcome().report.remote, Some(nginx.addr()));
}

fn a_real_proxy_over_tls(kind: Kind) {
    let authority = Authority::new();
    let nginx = nginx(&authority);
    let http = RealProxy::tinyproxy(Some(("user", "secret")));
    let proxy = RealProxy::stunnel(http.addr(), &authority.server());
    let known = format!("https://user:secret@localhost:{}", proxy.addr().port());
    let mut run = Run::trusting(kind, &authority);
    fetch(&mut run, &nginx.url("/ok"), by(&known)).assert_response(200, OK_BODY);
    fetch(&mut run, &nginx.url("/ok"), tunnelled(&known)).assert_response(200, OK_BODY);
    fetch(&mut run, &nginx.tls_url("/ok"), by(&known)).assert_response(200, OK_BODY);

    // the proxy is verified by a policy of its own
    let stranger = Authority::new();
    let trusting =
        |who: &Authority, options: Options| Options { proxy_tls: Some(policy(who)), ..options };
    for options in [by(&known), tunnelled(&known)] {
        let error = fetch(&mut run, &nginx.url("/ok"), trusting(&stranger, options)).error();
        assert!(matches!(&error.cause, Cause::Tls(_)), "{error:?}");
    }
    let mut run = Run::trusting(kind, &stranger);
    let options = trusting(&authority, by(&known));
    fetch(&mut run, &nginx.url("/ok"), options.clone()).assert_response(200, OK_BODY);
    let error = fetch(&mut run, &nginx.tls_url("/ok"), options).error();
    assert_eq!(error.phase, Phase::Tls, "{error:?}");
}

fn real_socks_proxies(kind: Kind) {
    let authority = Authority::new();
    let nginx = nginx(&authority);
    let (open, guarded) = (RealProxy::dante(), RealProxy::microsocks(Some(("user", "secret"))));
    let mut run = Run::trusting(kind, &authority);
    for protocol in ["socks4", "socks4a", "socks5", "socks5h"] {
        let proxy = format!("{protocol}://{}", open.addr());
        fetch(&mut run, &nginx.url("/ok"), by(&proxy)).assert_response(200, OK_BODY);
        // dante takes a SOCKS 4a name for the address 0.0.0.1
        if protocol != "socks4a" {
            fetch(&mut run, &nginx.tls_url("/ok"), by(&proxy)).assert_response(200, OK_BODY);
        }
    }
    for protocol in ["socks5", "socks5h"] {
        let proxy = format!("{protocol}://user:secret@{}", guarded.addr());
        fetch(&mut run, &nginx.url("/ok"), by(&proxy)).assert_response(200, OK_BODY);
        fetch(&mut run, &nginx.tls_url("/ok"), by(&proxy)).assert_response(200, OK_BODY);
        for (login, fault) in
            [("", ProxyFault::NoSocksMethod), ("user:wrong@", ProxyFault::SocksCredentials)]
        {
            let proxy = format!("{protocol}://{login}{}", guarded.addr());
            let error = fetch(&mut run, &nginx.url("/ok"), by(&proxy)).error();
            assert_eq!((error.cause, error.phase), (Cause::Proxy(fault), Phase::Proxy));
        }
    }
}

/// The script is proxy and origin in one.
fn a_name_for_socks4a(kind: Kind) {
    let authority = Authority::new();
    let asked = b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00ringdove.test\x00";
    let granted = [0, 90, 0, 0, 0, 0, 0, 0];
    let script = Script::new().read_at_least(asked.len()).send(granted).handshake().serve();
    let server = Plan::new()
        .tls(authority.server().server_config())
        .connection(script)
        .path("/", Script::new().ok("hello"))
        .start();
    let mut run = Run::trusting(kind, &authority);
    let proxy = format!("socks4a://me@{}", server.addr());
    fetch(&mut run, "https://ringdove.test/", by(&proxy)).assert_response(200, b"hello");
    assert!(server.seen()[0].received.starts_with(asked));
}

/// Many at once, every byte compared.
fn large_bodies_through_each_kind_of_proxy(kind: Kind) {
    let authority = Authority::new();
    let nginx = nginx(&authority);
    let body: Vec<u8> =
        (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(nginx.docroot().join("large"), &body).expect("the file is written");
    let http = RealProxy::tinyproxy(None);
    let secure = RealProxy::stunnel(http.addr(), &authority.server());
    let socks = RealProxy::microsocks(None);
    let mut run = Run::trusting(kind, &authority);
    let mut transfers = Vec::new();
    for proxy in [
        format!("http://{}", http.addr()),
        format!("https://localhost:{}", secure.addr().port()),
        format!("socks5h://{}", socks.addr()),
    ] {
        for url in [nginx.url("/large"), nginx.tls_url("/large")] {
            for options in [by(&proxy), tunnelled(&proxy)] {
                transfers.push(run.get_with(&url, options));
            }
        }
    }
    run.finish();
    for transfer in transfers {
        transfer.assert_response(200, &body);
    }
}

fn a_tunnel_is_kept_for_its_origin(kind: Kind) {
    let authority = Authority::new();
    let (one, other) = (nginx(&authority), nginx(&authority));
    let proxy = RealProxy::tinyproxy(None);
    let options = || by(&proxy.addr().to_string());
    let mut run = Run::trusting(kind, &authority);
    for (nginx, reused) in [(&one, false), (&one, true), (&other, false), (&one, true)] {
        let transfer = fetch(&mut run, &nginx.tls_url("/ok"), options());
        transfer.assert_response(200, OK_BODY);
        assert_eq!(transfer.outcome().report.reused, reused);
    }
    assert_eq!(run.driver.stats().opened, 2);
}

fn proxies_that_refuse(kind: Kind) {
    let answers: [(&[u8], &str); 7] = [
        (
            b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello",
            "proxy: CONNECT was answered with 403 No",
        ),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "answered with 301 Moved"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101 Switching Protocols"),
        (b"\x05\xff", "not an HTTP/1 status line"),
        (b"HTTP/1.1 200", "closed the connection before it had answered"),
        (b"", "closed the connection before it had answered"),
        // the tunnel is open, and then there is no TLS in it
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "TLS"),
    ];
    for (answer, message) in answers {
        let server =
            Plan::new().connection(Script::new().read_head().send(answer).half_close()).start();
        let mut run = Run::trusting(kind, &Authority::new());
        let transfer = fetch(&mut run, "https://ringdove.test/", by(&server.addr().to_string()));
        let error = transfer.error();
        assert!(error.to_string().contains(message), "{error}");
        let seen = server.requests();
        assert!(seen[0].head.starts_with(b"CONNECT ringdove.test:443 HTTP/1.1\r\n"));
    }
    // a head without end
    let flood = Script::new()
        .read_head()
        .send("HTTP/1.1 200 OK\r\n")
        .flood("X: yyyyyyyyyyyyyyyyyyyyyyyy\r\n", 100_000);
    let server = Plan::new().connection(flood).start();
    let mut run = Run::trusting(kind, &Authority::new());
    let error = fetch(&mut run, "https://ringdove.test/", by(&server.addr().to_string())).error();
    assert!(
        matches!(&error.cause, Cause::Proxy(ProxyFault::Http(fault)) if fault.is_limit()),
        "{error:?}"
    );
    // SOCKS that never ends, and is not SOCKS
    let server =
        Plan::new().connection(Script::new().read_at_least(3).flood("\x05", 1_000_000)).start();
    let proxy = format!("socks5h://{}", server.addr());
    let error = fetch(&mut run, "https://ringdove.test/", by(&proxy)).error();
    assert!(matches!(error.cause, Cause::Proxy(_)), "{error:?}");
}

fn a_silent_proxy(kind: Kind) {
    let server = Plan::new().connection(Script::new().read_at_least(3).stall()).start();
    let after = Duration::from_millis(300);
    let timeouts = Timeouts { connect: Some(after), ..Timeouts::default() };
    let mut run =
        Run::with(kind, Config { tls: Some(policy(&Authority::new())), ..Config::default() });
    let schemes = ["http", "https", "socks4a", "socks5h"];
    let transfers = schemes.map(|scheme| {
        let options = by(&format!("{scheme}://{}", server.addr()));
        run.get_with("https://ringdove.test/", Options { timeouts, ..options })
    });
    run.finish();
    for transfer in transfers {
        transfer.assert_timed_out(Deadline::Connect, Phase::Proxy, after);
    }
}

fn a_proxy_that_is_not_there(kind: Kind) {
    let refusing = ringdove_test_support::dead_end::Refusing::start().expect("a port");
    let mut run = Run::new(kind);
    for options in [by(&refusing.addr().to_string()), tunnelled(&refusing.addr().to_string())] {
        let transfer = fetch(&mut run, "http://ringdove.test/", options);
        let error = transfer.error();
        assert_eq!(error.phase, Phase::Connect, "{error:?}");
        assert_eq!(transfer.outcome().report.remote, Some(refusing.addr()));
    }
}

/// A proxy that asks for a certificate gets one only if it is the proxy's.
fn a_clients_certificate_is_for_origins(kind: Kind) {
    let authority = Authority::new();
    let identity = authority.client("me");
    let asking = format!(
        "ssl_client_certificate \"{}\"; ssl_verify_client optional;\n\
         location = /who {{ return 200 $ssl_client_verify; }}\n\
         location = /moved {{ return 302 http://other.test/who; }}\n",
        authority.ca_file().display()
    );
    let tls = Some(NginxTls::new(&authority.server()));
    let config = NginxConfig { tls, server_directives: asking, ..NginxConfig::default() };
    let nginx = Nginx::start(config);
    let read = |path| std::fs::read(path).expect("a file");
    let presenting = TlsPolicy::builder()
        .only_these_roots()
        .add_roots_file(authority.ca_file())
        .client_identity_pem(read(&identity.cert_file), read(&identity.key_file))
        .build()
        .expect("a good policy");
    let mut run = Run::with(kind, Config { tls: Some(presenting.clone()), ..Config::default() });
    let proxy = || by(&format!("https://localhost:{}", nginx.tls_addr().port()));
    let own = Options { proxy_tls: Some(presenting), ..proxy() };
    let redirects = Some(RedirectPolicy::default());
    // whose request it is changes, and who the proxy is does not
    let led_on = Options { redirects, ..own.clone() };
    for (url, options, verdict) in [
        ("http://ringdove.test/who", proxy(), "NONE"),
        (&nginx.tls_url("/who")[..], Options::default(), "SUCCESS"),
        ("http://ringdove.test/who", proxy(), "NONE"),
        ("http://ringdove.test/who", own, "SUCCESS"),
        ("http://ringdove.test/moved", led_on, "SUCCESS"),
    ] {
        fetch(&mut run, url, options).assert_response(200, verdict.as_bytes());
    }
}
