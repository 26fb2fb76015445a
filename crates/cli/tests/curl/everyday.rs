//! What is used every day: codings, rates, retries, logins from files, cookies and hosts that are kept.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::both::{Case, compare, compare_by};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::hostile::{Framing, Plan, Script};
use ringdove_test_support::proxies::RealProxy;

fn with(fields: &str, body: impl AsRef<[u8]>) -> Script {
    Script::new().respond(&format!("200 OK\r\n{fields}"), Framing::ContentLength, body)
}

pub(crate) fn coded() -> Plan {
    let text = b"a text that is coded ".repeat(50);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&text)
        .and_then(|()| raw.write_all(&text))
        .and_then(|()| zlib.write_all(&text))
        .expect("a vector takes all");
    let gzip = gzip.finish().expect("a body");
    Plan::new()
        .path("/gzip", with("Content-Encoding: gzip", &gzip))
        .path("/cut", with("Content-Encoding: gzip", &gzip[..gzip.len() - 9]))
        .path("/raw", with("Content-Encoding: deflate", raw.finish().expect("a body")))
        .path("/zlib", with("Content-Encoding: deflate", zlib.finish().expect("a body")))
        .path("/identity", with("Content-Encoding: identity", "as it is"))
        .path("/none", with("Content-Encoding: none", "as it is"))
        .path("/other", with("Content-Encoding: rot13", "nf vg vf"))
        .path("/plain", Script::new().ok("plain"))
}

pub(crate) const CODED: &[Case] = &[
    Case::new("gzip", &["--compressed", "URL/gzip"]),
    Case::new("gzip cut off", &["--compressed", "-o", "/dev/null", "URL/cut"])
        .differs("Coded bodies"),
    Case::new("deflate without a header", &["--compressed", "URL/raw"]),
    Case::new("deflate", &["--compressed", "URL/zlib"]),
    Case::new("identity", &["--compressed", "URL/identity"]),
    Case::new("none", &["--compressed", "URL/none"]),
    Case::new("another", &["--compressed", "-o", "/dev/null", "URL/other"]).differs("Coded bodies"),
    Case::new("no coding", &["--compressed", "URL/plain"]),
    Case::new("not asked for", &["-o", "out", "URL/gzip", "-w", "%{size_download}"]),
    Case::new("bytes on the wire", &["--compressed", "-w", "%{size_download}", "URL/gzip"]),
    Case::new("what to ask for", &["--compressed", "-H", "Accept-Encoding: gzip", "URL/gzip"]),
    Case::new("nothing is asked for", &["--compressed", "-H", "Accept-Encoding:", "URL/gzip"]),
    Case::new("--limit-rate", &["--limit-rate", "1M", "URL/gzip", "-o", "out"]),
    Case::new("--limit-rate of an upload", &["--limit-rate", "1M", "-d", "a=b", "URL/plain"]),
];

#[test]
fn codings_are_undone_as_by_curl() {
    compare(CODED, coded, &[]);
}

/// Cut off, and well the next time.
pub(crate) fn recovering() -> [Script; 2] {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut";
    [Script::new().read_head().send(cut).close(), Script::new().ok("well")]
}

/// Says when to come back, and is well then.
pub(crate) fn busy() -> [Script; 2] {
    let later = "503 Busy\r\nRetry-After: 1\r\nConnection: close";
    let sick = Script::new().read_head().respond(later, Framing::ContentLength, "busy").close();
    [sick, Script::new().ok("well")]
}

/// A server that does the first on its first connection, and the second on all others.
fn in_turn([first, then]: [Script; 2]) -> Plan {
    Plan::new().connection(first).connection(Script::new().serve()).path("/", then)
}

pub(crate) const CUT: &[Case] = &[
    Case::new(
        "into a file that is begun again",
        &["--retry", "1", "--retry-delay", "1", "--retry-all-errors", "-o", "out", "URL/"],
    ),
    Case::new("not without --retry-all-errors", &["--retry", "1", "URL/"]),
];

pub(crate) const BUSY: &[Case] = &[
    Case::new("--retry", &["--retry", "1", "-o", "out", "URL/"]),
    Case::new("too late", &["--retry", "1", "--retry-max-time", "1", "-o", "out", "-f", "URL/"])
        .differs("Retries"),
];

#[test]
fn what_breaks_off_is_asked_again_as_by_curl() {
    compare(CUT, || in_turn(recovering()), &[]);
}

#[test]
fn who_is_busy_is_asked_again_as_by_curl() {
    compare(BUSY, || in_turn(busy()), &[]);
}

#[test]
fn who_refuses_is_asked_again_as_by_curl() {
    let cases = [Case::new(
        "--retry-connrefused",
        &["--retry", "1", "--retry-delay", "1", "--retry-connrefused", "http://127.0.0.1:1/"],
    )];
    compare(&cases, Plan::new, &[]);
}

pub(crate) fn served() -> Plan {
    Plan::new()
        .path("/", Script::new().read_body().ok("fine"))
        .path("/sets", with("Set-Cookie: a=1; Path=/; Max-Age=0\r\nSet-Cookie: b=2; Path=/", "set"))
        .path("/secure", with("Set-Cookie: s=1; Secure", "set"))
        .path("http://a.test/", Script::new().ok("by proxy"))
        .path("http://b.test/", Script::new().ok("by proxy, too"))
}

const LOGINS: &str = "machine elsewhere.test login you password no\n\
                      machine 127.0.0.1:80 login port password no\n\
                      machine 127.0.0.1 login me password secret\n";

const COOKIES: &str = "127.0.0.1\tFALSE\t/\tFALSE\t0\tfrom\tfile\n";

const FIELDS: &str = "Set-Cookie: of=field; domain=127.0.0.1; path=/\n";

pub(crate) const FILES: [(&str, &str); 4] =
    [(".netrc", LOGINS), ("logins", LOGINS), ("cookies", COOKIES), ("fields", FIELDS)];

pub(crate) const KEPT: &[Case] = &[
    Case::new("-n", &["-n", "URL/"]),
    Case::new("no login without -n", &["URL/"]),
    Case::new("--netrc-file", &["--netrc-file", "logins", "URL/"]),
    Case::new("--netrc-optional", &["--netrc-optional", "http://u:p@127.0.0.1:PORT/"]),
    Case::new("--oauth2-bearer", &["--oauth2-bearer", "token", "URL/"]),
    Case::new("-c", &["-c", "jar", "URL/sets"]),
    Case::new("-b and -c", &["-b", "cookies", "-c", "jar", "URL/sets", "URL/"]),
    Case::new("a Secure cookie of this machine", &["-c", "jar", "URL/secure", "URL/"]),
    Case::new("-c of nothing", &["-c", "jar", "URL/"]),
    Case::new("-b of fields", &["-b", "fields", "URL/"]),
    Case::new("--proxy-header", &["-x", "URL", "--proxy-header", "X-A: b", "http://a.test/"]),
    Case::new("--proxy-header past no proxy", &["--proxy-header", "X-A: b", "URL/"]),
    Case::new("http_proxy", &["http://a.test/"]).with(&[("http_proxy", "URL")]),
    Case::new("http_proxy in capitals", &["-m", "5", "URL/"]).with(&[("HTTP_PROXY", "x://y")]),
    Case::new("all_proxy", &["http://a.test/"]).with(&[("all_proxy", "URL")]),
    Case::new("ALL_PROXY", &["http://a.test/"]).with(&[("ALL_PROXY", "URL")]),
    Case::new("no_proxy", &["URL/"])
        .with(&[("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "127.0.0.1")]),
    Case::new("--noproxy", &["--noproxy", "127.0.0.1", "URL/"])
        .with(&[("http_proxy", "http://127.0.0.1:1")]),
    Case::new("--noproxy *", &["--noproxy", "*", "-x", "http://127.0.0.1:1", "URL/"]),
    Case::new("--noproxy of another", &["--noproxy", "b.test", "-x", "URL", "http://a.test/"]),
    Case::new("--noproxy instead of no_proxy", &["--noproxy", "b.test", "http://a.test/"])
        .with(&[("http_proxy", "URL"), ("no_proxy", "a.test")]),
    Case::new("another's proxy is none", &["URL/"]).with(&[("https_proxy", "x://y")]),
    Case::new("a variable that is used, and another", &["http://a.test/"])
        .with(&[("http_proxy", "URL"), ("all_proxy", "x://y")]),
    Case::new("a path of a proxy", &["-x", "URL/path", "http://a.test/"]),
    Case::new(
        "--location-trusted",
        &["--location-trusted", "-u", "me:pw", "-x", "URL", "http://c.test/"],
    ),
    Case::new("-L -u", &["-L", "-u", "me:pw", "-x", "URL", "http://c.test/"]),
];

#[test]
fn what_is_kept_and_who_is_asked_is_as_with_curl() {
    let away = "302 Moved\r\nLocation: http://b.test/";
    let served = || {
        served().path("http://c.test/", Script::new().respond(away, Framing::ContentLength, "away"))
    };
    compare(KEPT, served, &FILES);
}

const BY_SOCKS: &[Case] = &[
    Case::new("--socks5", &["--socks5", "SOCKS", "URL/"]),
    Case::new("--socks5-hostname", &["--socks5-hostname", "SOCKS", "URL/"]),
    Case::new("--socks4", &["--socks4", "SOCKS", "URL/"]),
    Case::new("--socks4a", &["--socks4a", "SOCKS", "http://localhost:PORT/"]),
    Case::new("-x socks5://", &["-x", "socks5://SOCKS", "URL/"]),
    Case::new("-x socks5h://", &["-x", "socks5h://SOCKS", "URL/"]),
    Case::new("-x socks4://", &["-x", "socks4://SOCKS", "URL/"]),
    Case::new("the last counts", &["-x", "http://127.0.0.1:1", "--socks5", "SOCKS", "URL/"]),
    Case::new("who asks", &["-x", "socks5://user:pass@GUARDED", "URL/"]),
    Case::new("who else asks", &["-x", "socks5://user:other@GUARDED", "URL/"]),
    Case::new("-U", &["--socks5", "GUARDED", "-U", "user:pass", "URL/"]),
    Case::new("nobody asks", &["--socks5", "GUARDED", "URL/"]),
];

#[test]
fn socks_proxies_are_gone_by_as_with_curl() {
    let open = RealProxy::dante();
    let guarded = RealProxy::microsocks(Some(("user", "pass")));
    let words = [("SOCKS", open.addr().to_string()), ("GUARDED", guarded.addr().to_string())];
    compare_by(BY_SOCKS, served, &[], &words);
}

const OVER_TLS: &[Case] = &[
    Case::new("--cacert", &["--cacert", "ca.pem", "URL/"]),
    Case::new("another's roots", &["--cacert", "other.pem", "URL/"]),
    Case::new("no roots", &["URL/"]),
    Case::new("-k", &["-k", "URL/"]),
    Case::new(
        "another name",
        &["--cacert", "ca.pem", "--connect-to", "::127.0.0.1:PORT", "https://b.test/"],
    ),
    Case::new(
        "-k and another name",
        &["-k", "--connect-to", "::127.0.0.1:PORT", "https://b.test/"],
    ),
    Case::new("a key that is pinned", &["--cacert", "ca.pem", "--pinnedpubkey", "key.pem", "URL/"]),
    Case::new("its hash", &["--cacert", "ca.pem", "--pinnedpubkey", "PIN", "URL/"]),
    Case::new("another key", &["--cacert", "ca.pem", "--pinnedpubkey", "other-key.pem", "URL/"]),
    Case::new("-k and another key", &["-k", "--pinnedpubkey", "other-key.pem", "URL/"]),
    Case::new("a pinned key behind a redirect", &["-k", "-L", "--pinnedpubkey", "PIN", "URL/self"]),
    Case::new("another key there", &["-k", "-L", "--pinnedpubkey", "PIN", "URL/away"]),
    Case::new("verified", &["--cacert", "ca.pem", "-w", "%{ssl_verify_result}", "URL/"]),
    Case::new("nobody vouches", &["--cacert", "other.pem", "-w", "%{ssl_verify_result}", "URL/"]),
    Case::new("--hsts", &["--cacert", "ca.pem", "--hsts", "hsts", "http://localhost:PORT/"]),
    Case::new("no --hsts", &["--cacert", "ca.pem", "http://localhost:PORT/"]),
];

#[test]
fn servers_are_verified_as_by_curl() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (identity, another) = (authority.server(), other.server());
    let text = |path| std::fs::read_to_string(path).expect("a file");
    let files = [
        ("ca.pem", &*text(authority.ca_file())),
        ("other.pem", &*text(other.client("other").cert_file)),
        ("key.pem", &*identity.public_key_pem()),
        ("other-key.pem", &*another.public_key_pem()),
        ("hsts", "localhost \"20991231 23:59:59\"\n"),
    ];
    let away = Plan::new().path("/", Script::new().ok("away")).tls(another.server_config()).start();
    let there = format!("302 X\r\nLocation: {}", away.url("/"));
    let back = "302 X\r\nLocation: /";
    let server = || {
        served()
            .path("/away", Script::new().respond(&there, Framing::ContentLength, ""))
            .path("/self", Script::new().respond(back, Framing::ContentLength, ""))
            .tls(identity.server_config())
    };
    compare_by(OVER_TLS, server, &files, &[("PIN", identity.pin())]);
    assert_eq!(away.requests().len(), 0);
}

const SHOWN: &[Case] = &[
    Case::new(
        "--cert and --key",
        &["--cacert", "ca.pem", "--cert", "me.pem", "--key", "me.key", "URL/"],
    ),
    Case::new("both in one file", &["--cacert", "ca.pem", "-E", "both.pem", "URL/"]),
    Case::new("nothing to show", &["--cacert", "ca.pem", "URL/"]),
    Case::new("no such certificate", &["--cacert", "ca.pem", "--cert", "none.pem", "URL/"]),
];

#[test]
fn certificates_are_shown_as_by_curl() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (identity, me) = (authority.server(), clients.client("me"));
    let text = |path| std::fs::read_to_string(path).expect("a file");
    let (cert, key) = (text(me.cert_file.clone()), text(me.key_file.clone()));
    let files = [
        ("ca.pem", &*text(authority.ca_file())),
        ("me.pem", &*cert),
        ("me.key", &*key),
        ("both.pem", &*[&*cert, &*key].concat()),
    ];
    let server = || served().tls(identity.server_config_for_clients_of(&clients));
    compare(SHOWN, server, &files);
}
