//! A server that speaks both HTTP/2 and HTTP/1.1, asked through real proxies.

use crate::both::Case;
use crate::http2::{CHOSEN, HTTP1, compare_through, plan};
use ringdove_test_support::proxies::RealProxy;

/// `TUNNEL` and `SOCKS` let everybody through, `ASKS` and `SOCKS_ASKS` those with a password.
const CASES: &[Case] = &[
    Case::new(
        "the version in a tunnel",
        &["-x", "http://TUNNEL", "-w", "%{http_version} %{http_code}", "URL/"],
    ),
    Case::new(
        "two through one tunnel",
        &["-x", "http://TUNNEL", "-w", "%{num_connects}", "URL/", "URL/empty"],
    ),
    Case::new("the head in a tunnel", &["-x", "http://TUNNEL", "--include", "URL/"])
        .differs("Where files are written"),
    Case::new("a body in a tunnel", &["-x", "http://TUNNEL", "-d", "a=b", "URL/"]),
    Case::new("a file in a tunnel", &["-x", "http://TUNNEL", "-T", "name.txt", "URL/up/"]),
    Case::new("the head alone in a tunnel", &["-x", "http://TUNNEL", "-I", "URL/none"])
        .differs("Where files are written"),
    Case::new("redirects in a tunnel", &["-x", "http://TUNNEL", "-L", "URL/dir/", "URL/307"]),
    Case::new("a login in a tunnel", &["-x", "http://TUNNEL", "-u", "me:pw", "URL/"]),
    Case::new("fields in a tunnel", &["-x", "http://TUNNEL", "-H", "X-A: b", "URL/"]),
    Case::new(
        "fields of the proxy alone",
        &["-x", "http://TUNNEL", "--proxy-header", "X-A: b", "URL/"],
    ),
    Case::new("a stream that is reset in a tunnel", &["-x", "http://TUNNEL", "URL/reset"]),
    Case::new("-U", &["-x", "http://ASKS", "-U", "user:secret", "URL/"]),
    Case::new("-U in the URL", &["-x", "http://user:secret@ASKS", "URL/"]),
    Case::new(
        "--proxy-anyauth",
        &["-x", "http://ASKS", "-U", "user:secret", "--proxy-anyauth", "URL/"],
    ),
    Case::new(
        "another password",
        &["-x", "http://ASKS", "-U", "user:other", "-w", "%{http_code}", "URL/"],
    ),
    Case::new("no password", &["-x", "http://ASKS", "-w", "%{http_code}", "URL/"]),
    Case::new("--noproxy", &["-x", "http://ASKS", "--noproxy", "127.0.0.1,localhost", "URL/"]),
    Case::new("https_proxy", &["-w", "%{http_code}", "URL/"])
        .with(&[("https_proxy", "http://TUNNEL")]),
    Case::new("ALL_PROXY", &["-w", "%{http_code}", "URL/"]).with(&[("ALL_PROXY", "http://TUNNEL")]),
    Case::new("SOCKS 5", &["--socks5", "SOCKS", "-w", "%{http_version}", "URL/", "URL/empty"]),
    Case::new("SOCKS 5 with names", &["--socks5-hostname", "SOCKS", "URL/"]),
    Case::new("SOCKS 5 as a URL", &["-x", "socks5h://SOCKS", "-d", "a=b", "URL/"]),
    Case::new("SOCKS 4", &["--socks4", "SOCKS", "-w", "%{http_version}", "URL/"]),
    Case::new("SOCKS 4a", &["--socks4a", "SOCKS", "URL/"]),
    Case::new("SOCKS 5 with a password", &["--socks5", "SOCKS_ASKS", "-U", "user:secret", "URL/"]),
    Case::new(
        "SOCKS 5 with another password",
        &["--socks5", "SOCKS_ASKS", "-U", "user:other", "-w", "%{http_code}", "URL/"],
    ),
];

#[test]
fn http2_is_spoken_through_proxies_as_by_curl() {
    let login = Some(("user", "secret"));
    let (tunnel, asks) = (RealProxy::tinyproxy(None), RealProxy::tinyproxy(login));
    let (socks, socks_asks) = (RealProxy::dante(), RealProxy::microsocks(login));
    let words = [
        ("SOCKS_ASKS", socks_asks.addr().to_string()),
        ("SOCKS", socks.addr().to_string()),
        ("TUNNEL", tunnel.addr().to_string()),
        ("ASKS", asks.addr().to_string()),
    ];
    let files = [("name.txt", "named")];
    compare_through(CHOSEN, CASES, &[], plan, &files, &words);
    // by HTTP/1.1 curl expects a 100 first
    compare_through(HTTP1, CASES, &["a file in a tunnel"], plan, &files, &words);
}
