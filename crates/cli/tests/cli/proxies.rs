//! Proxies by curl's options and variables.

use crate::command::{Ringdove, drivers};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};
use ringdove_test_support::proxies::RealProxy;

#[test]
fn urls_of_both_schemes_go_by_the_proxy_given() {
    let authority = Authority::new();
    let tls = Some(NginxTls::new(&authority.server()));
    let nginx = Nginx::start(NginxConfig { tls, ..NginxConfig::default() });
    let proxy = RealProxy::tinyproxy(Some(("user", "secret")));
    let (plain, secure) = (nginx.url("/ok"), nginx.tls_url("/ok"));
    let at = proxy.addr().to_string();
    for driver in drivers() {
        let fetch = || {
            Ringdove::fetch(["--driver", driver, &plain, &secure])
                .path("--cacert", &authority.ca_file())
        };
        let good = ["-x", &at, "-U", "us%65r:secret"];
        assert_eq!(fetch().args(good).run().exits(0).stdout, OK_BODY.repeat(2));
        let ended = fetch().args(good).args(["-p", "-v"]).run().exits(0);
        assert_eq!(ended.stdout, OK_BODY.repeat(2));
        let bad = fetch().args(["-x", &at, "-U", "user:wrong", "--jsonl", "--fail"]).run().exits(1);
        let lines = String::from_utf8(bad.stdout).unwrap();
        assert!(
            lines.contains(
                r#""kind":"proxy","phase":"proxy","message":"proxy: CONNECT was answered with 4"#
            ),
            "{lines}"
        );
        assert!(!lines.contains("wrong"), "{lines}");
    }
}

/// A variable that is no proxy ends what would go by it, and nothing else; and that does not go straight.
#[test]
fn a_variable_that_is_no_proxy_is_in_nobody_elses_way() {
    let moved = "302 Moved\r\nLocation: https://127.0.0.1:1/";
    let server = Plan::new()
        .path("/", Script::new().ok("straight"))
        .path("/moved", Script::new().respond(moved, Framing::ContentLength, ""))
        .start();
    let url = server.url("/");
    let fetch = |variables: &[&str], args: &[&str]| {
        let environment: Vec<_> = ["env"].iter().chain(variables).copied().collect();
        Ringdove::fetch(args).under(&environment).run()
    };
    let bad = "https_proxy=x://y";
    assert_eq!(fetch(&[bad], &[&url]).exits(0).text(), "straight");
    fetch(&[bad], &["https://127.0.0.1:1/"]).exits(1).says(&["https_proxy", "x://y"]);
    fetch(&[bad], &["-L", &server.url("/moved")]).exits(1).says(&["https_proxy", "x://y"]);
    let proxied = format!("http_proxy={}", server.url(""));
    fetch(&["all_proxy=x://y", &proxied], &["-f", "http://a.test/"]).exits(1).says(&["status 404"]);
    fetch(&["all_proxy=x://y"], &[&url]).exits(1).says(&["all_proxy"]);
    let ended = fetch(&["all_proxy=x://y", "no_proxy=127.0.0.1"], &[&url]).exits(0);
    assert_eq!(ended.text(), "straight");
    assert!(server.requests().iter().all(|request| request.target() != "http://127.0.0.1/"));
}

#[test]
fn the_environment_names_proxies_as_for_curl() {
    let server = Plan::new().connection(Script::new().read_head().ok("by proxy")).start();
    let at = format!("http://u:p@{}", server.addr());
    let run = |variables: &[&str], args: &[&str]| {
        let env = [&["env"], variables].concat();
        // nothing listens at port 9 of that address
        let url = "http://127.9.9.9:9/";
        let ended = Ringdove::fetch([url, "--connect-timeout", "5"]).args(args).under(&env).run();
        ended.stdout == b"by proxy"
    };
    let lower = format!("http_proxy={at}");
    let all = format!("ALL_PROXY={at}");
    assert!(run(&[&lower], &[]));
    assert!(run(&[&all], &[]));
    assert!(!run(&[&format!("HTTP_PROXY={at}")], &[]), "a request's Proxy field under CGI");
    assert!(!run(&[&format!("https_proxy={at}")], &[]));
    assert!(!run(&[&lower, "NO_PROXY=127.9.9.0/24"], &[]));
    assert!(run(&[&lower, "NO_PROXY=127.9.9.0/24"], &["--noproxy", ""]));
    assert!(!run(&[&lower], &["--noproxy", "*"]));
    assert!(!run(&[&lower], &["-x", ""]));
    let head = &server.requests()[0].head;
    let head = String::from_utf8_lossy(head);
    assert!(head.starts_with("GET http://127.9.9.9:9/ HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic dTpw\r\n"), "{head}");
}

/// The script is proxy and origin in one.
#[test]
fn fields_for_the_proxy_stay_outside_the_tunnel() {
    let authority = Authority::new();
    let tunnel = Script::new().read_head().send("HTTP/1.1 200 OK\r\n\r\n").handshake().serve();
    let server = Plan::new()
        .tls(authority.server().server_config())
        .connection(tunnel)
        .path("/", Script::new().ok("hello"))
        .start();
    let proxy = format!("u:p@{}", server.addr());
    let ended = Ringdove::fetch(["https://ringdove.test/", "-x", &proxy])
        .args(["--proxy-header", "X-Proxy: outside", "-H", "X-Origin: inside"])
        .args(["-H", "Proxy-Authorization: mine"])
        .path("--cacert", &authority.ca_file())
        .run()
        .exits(0);
    assert_eq!(ended.stdout, b"hello");
    let requests = server.requests();
    let [outside, inside] = [0, 1].map(|i| String::from_utf8_lossy(&requests[i].head).into_owned());
    assert!(outside.starts_with("CONNECT ringdove.test:443 HTTP/1.1\r\n"), "{outside}");
    assert!(outside.contains("X-Proxy: outside\r\n") && !outside.contains("X-Origin"), "{outside}");
    assert!(inside.contains("X-Origin: inside\r\n") && !inside.contains("X-Proxy"), "{inside}");
    assert!(!inside.contains("Proxy-Authorization"), "{inside}");
}

#[test]
fn a_proxy_over_tls_is_verified_by_itself() {
    let authority = Authority::new();
    let nginx = Nginx::plain();
    let http = RealProxy::tinyproxy(None);
    let secure = RealProxy::stunnel(http.addr(), &authority.server());
    let at = format!("https://localhost:{}", secure.addr().port());
    let fetch = || Ringdove::fetch([&nginx.url("/ok"), "-x", &at]);
    fetch().args(["-k"]).run().exits(1).says(&["TLS", "certificate"]);
    fetch().path("--cacert", &authority.ca_file()).run().exits(1).says(&["TLS", "certificate"]);
    assert_eq!(fetch().args(["--proxy-insecure"]).run().exits(0).stdout, OK_BODY);
    let ended = fetch().path("--proxy-cacert", &authority.ca_file()).run().exits(0);
    assert_eq!(ended.stdout, OK_BODY);
}

#[test]
fn what_is_no_proxy_is_said_before_anything_begins() {
    for (args, says) in [
        (&["-x", "gopher://u:secret@p"][..], "is no kind of proxy"),
        (&["-x", "p", "-U", "a%3Ab:secret"], "--proxy-user"),
        (&["-x", "p", "--proxy-header", "Host: x"], "--proxy-header"),
    ] {
        let ended =
            Ringdove::fetch(["http://127.0.0.1:9/"]).args(args).run().exits(2).says(&[says]);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}
