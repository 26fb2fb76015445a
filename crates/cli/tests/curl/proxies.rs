//! What proxies are asked and told.

use crate::both::{Case, compare};
use ringdove_test_support::digest::Guard;
use ringdove_test_support::hostile::{Framing, Plan, Script};

/// Proxy and origin in one, which lets through whoever proves the password.
fn server() -> Plan {
    let guard = |algorithm| Guard::of_proxy(algorithm);
    let refusal = |guard: Guard, more: &str| {
        let head = format!("407 Who\r\nProxy-Authenticate: {}{more}", guard.challenge());
        Script::new().respond(&head, Framing::ContentLength, "who asks?")
    };
    let guarded = |algorithm| {
        let guard = guard(algorithm);
        Script::new().guard(move |request| guard.admits(request), refusal(guard, ""))
    };
    let closing = {
        let guard = guard("MD5");
        let refusal = refusal(guard, "\r\nConnection: close").close();
        Script::new().guard(move |request| guard.admits(request), refusal)
    };
    let basic = Script::new().guard(
        |request| request.field("proxy-authorization").as_deref() == Some("Basic dXNlcjpwYXNz"),
        Script::new().respond(
            "407 Who\r\nProxy-Authenticate: Basic realm=\"b\"",
            Framing::ContentLength,
            "who asks?",
        ),
    );
    const OPEN: &str = "HTTP/1.1 200 Open\r\n\r\n";
    Plan::new()
        .path("http://md5.test/", guarded("MD5").ok("md5"))
        .path("http://sha256.test/a", guarded("SHA-256").ok("sha256"))
        .path("http://basic.test/", basic.clone().ok("basic"))
        .path("http://open.test/", Script::new().ok("open"))
        .path("md5.test:80", guarded("MD5").send(OPEN))
        .path("closing.test:80", closing.send(OPEN))
        .path("basic.test:80", basic.send(OPEN))
        .path("/", Script::new().ok("inside"))
}

const CASES: &[Case] = &[
    Case::new("no password is asked for", &["-x", "URL", "http://open.test/"]),
    Case::new("-U goes out unasked", &["-x", "URL", "-U", "user:pass", "http://basic.test/"]),
    Case::new(
        "--proxy-basic",
        &["-x", "URL", "-U", "user:pass", "--proxy-basic", "http://basic.test/"],
    ),
    Case::new(
        "--proxy-digest",
        &["-x", "URL", "-U", "user:pass", "--proxy-digest", "http://md5.test/"],
    ),
    Case::new(
        "--proxy-digest by SHA-256",
        &["-x", "URL", "-U", "user:pass", "--proxy-digest", "http://sha256.test/a?b=c"],
    ),
    Case::new(
        "--proxy-digest where Basic is asked for",
        &["-x", "URL", "-U", "user:pass", "--proxy-digest", "http://basic.test/"],
    ),
    Case::new(
        "--proxy-digest with another password",
        &["-x", "URL", "-U", "user:other", "--proxy-digest", "http://md5.test/"],
    ),
    Case::new(
        "--proxy-digest and --proxy-basic",
        &["-x", "URL", "-U", "user:pass", "--proxy-digest", "--proxy-basic", "http://md5.test/"],
    ),
    Case::new(
        "--proxy-anyauth and Digest",
        &["-x", "URL", "-U", "user:pass", "--proxy-anyauth", "http://md5.test/"],
    ),
    Case::new(
        "--proxy-anyauth and Basic",
        &["-x", "URL", "-U", "user:pass", "--proxy-anyauth", "http://basic.test/"],
    ),
    Case::new(
        "a tunnel by Digest",
        &["-p", "-x", "URL", "-U", "user:pass", "--proxy-digest", "http://md5.test/"],
    ),
    Case::new(
        "a tunnel by Basic, asked for",
        &["-p", "-x", "URL", "-U", "user:pass", "--proxy-anyauth", "http://basic.test/"],
    ),
    Case::new(
        "a tunnel by a proxy that closes",
        &["-p", "-x", "URL", "-U", "user:pass", "--proxy-anyauth", "http://closing.test/"],
    ),
    Case::new(
        "a tunnel with another password",
        &["-p", "-x", "URL", "-U", "user:other", "--proxy-digest", "http://md5.test/"],
    ),
    Case::new("a tunnel without a password", &["-p", "-x", "URL", "http://md5.test/"]),
];

#[test]
fn proxies_are_told_who_asks_as_by_curl() {
    compare(CASES, server, &[]);
}
