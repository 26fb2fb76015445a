//! The same over https, of a server that speaks both HTTP/2 and HTTP/1.1: as each program chooses, and with `--http1.1`.

use crate::both::{Case, Server as _, compare_with};
use crate::{bodies, redirects, requests};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::raw::code;
use ringdove_test_support::h2::{Length, Plan, Script, Setup};

pub(crate) fn answer(status: u16, fields: &[(&str, &str)], body: &str) -> Script {
    Script::new().await_body().head(status, fields).bytes(body)
}

/// What the servers of the other comparisons have, as far as HTTP/2 can say it.
pub(crate) fn plan() -> Plan {
    let moved = |status, to| answer(status, &[("location", to)], "moved");
    let statuses = [300, 301, 302, 303, 304, 305, 307, 308];
    let plan = statuses.into_iter().fold(Plan::new(), |plan, status| {
        let body = if status == 304 { "" } else { "moved" };
        let to = [("location", "/end?from=here")];
        plan.path(&format!("/{status}"), answer(status, &to, body))
    });
    plan.path("/", answer(200, &[("x-a", "b"), ("x-a", "c")], "hello"))
        .path("/empty", answer(200, &[], ""))
        .path("/missing", answer(404, &[], "none"))
        .path("/broken", answer(500, &[], "broken"))
        .path("/none", answer(204, &[], ""))
        .path("/a%20b", answer(200, &[], "query"))
        .path(
            "/hints",
            Script::new().informational(103, &[("link", "</x>")]).head(200, &[]).bytes("hello"),
        )
        .path("/after", answer(200, &[], "hello").trailers(&[("digest", "x")]))
        .path("/sets", answer(200, &[("set-cookie", "a=1; Path=/; Secure")], "set"))
        .path("/up/name.txt", answer(200, &[], "taken"))
        .path("/refused", answer(413, &[], "no"))
        .path("/end", answer(200, &[], "the end"))
        .path("/dir/", moved(302, "sibling"))
        .path("/dir/sibling", answer(200, &[], "sibling"))
        .path("/loop", moved(302, "/loop"))
        .path("/ping", moved(302, "/pong"))
        .path("/pong", moved(307, "/ping"))
        .path("/fragment", moved(302, "/end#part"))
        .path(
            "/reset",
            Script::new().head_that_says(200, &[], Length::Says(9)).reset(code::INTERNAL_ERROR),
        )
}

const OF_HTTP2: &[Case] = &[
    Case::new("the version", &["-w", "%{http_version}", "URL/"]),
    Case::new("the head", &["--include", "URL/"]),
    Case::new("the head alone", &["-I", "URL/"]),
    Case::new("the head in a file", &["-D", "heads", "URL/", "URL/missing"]),
    Case::new("hints", &["--include", "URL/hints"]),
    Case::new("cookies", &["-c", "jar", "URL/sets", "URL/"]),
    Case::new("two on one connection", &["-w", "%{num_connects}", "URL/", "URL/empty"]),
    Case::new("a login", &["-u", "me:pw", "URL/"]),
    Case::new("a stream that is reset", &["URL/reset"]),
    Case::new("a range", &["-r", "0-1", "URL/"]),
    Case::new("a field of a connection", &["-H", "Connection: keep-alive", "-H", "X: y", "URL/"]),
    Case::new("TE", &["-H", "TE: trailers", "URL/"]).differs("Fields that frame the message"),
    Case::new("capitals in a name", &["-H", "X-Some-Name: Value", "URL/"]),
    Case::new("an empty value", &["-H", "X-Empty;", "URL/"]),
];

/// Of the other comparisons: they take what this server does not have, or are about how HTTP/1.1 frames a message.
const OF_HTTP1: [&str; 13] = [
    "several URLs",
    "chunks",
    "until the connection closes",
    "a body that is cut off",
    "no such protocol",
    "a relative Location, and a dead end",
    "without Location",
    "to another protocol",
    "http:/host",
    "with a space",
    "chunked on demand",
    "-0",
    "--proto",
];

/// What is another thing by HTTP/2 than by HTTP/1.1.
const BY_HTTP2: &[Case] = &[
    Case::new("trailers", &["--include", "URL/after"]).differs("HTTP/2"),
    Case::new("-T", &["-T", "name.txt", "URL/up/name.txt"]),
    Case::new("-T appends the name", &["-T", "name.txt", "URL/up/"]),
    Case::new("-T by POST", &["-T", "name.txt", "-X", "POST", "URL/"]),
    Case::new("-T of standard input", &["-T", "-", "URL/"]).fed("from a pipe").differs("HTTP/2"),
    Case::new("without Expect", &["-T", "-", "-H", "Expect:", "URL/"]).fed("from a pipe"),
];

/// `without` names cases that are left out.
fn compare_all(options: &[&str], of: &[Case], without: &[&str]) {
    compare_by(options, of, without, plan, &bodies::FILES);
}

/// The same, with a server of these plans and with these files.
pub(crate) fn compare_by(
    options: &[&str],
    of: &[Case],
    without: &[&str],
    plan: impl Fn() -> Plan,
    files: &[(&str, &str)],
) {
    compare_through(options, of, without, plan, files, &[]);
}

/// The same, with words of the arguments that stand for others.
pub(crate) fn compare_through(
    options: &[&str],
    of: &[Case],
    without: &[&str],
    plan: impl Fn() -> Plan,
    files: &[(&str, &str)],
    words: &[(&str, String)],
) {
    let authority = Authority::new();
    let tls = authority.server().server_config_that_speaks(&["h2", "http/1.1"]);
    let start = || Setup::new(plan()).tls(tls.clone()).and_http1().start();
    assert!(start().base().starts_with("https://"));
    let is_here = |case: &&Case| !without.contains(&case.name);
    let cases: Vec<_> = of.iter().filter(is_here).copied().collect();
    compare_with(&cases, options, start, files, words);
}

pub(crate) const CHOSEN: &[&str] = &["-k"];
pub(crate) const HTTP1: &[&str] = &["-k", "--http1.1"];

#[test]
fn http2_is_spoken_as_by_curl() {
    compare_all(CHOSEN, OF_HTTP2, &[]);
    compare_all(CHOSEN, BY_HTTP2, &[]);
}

#[test]
fn http1_is_spoken_with_who_speaks_both_as_by_curl() {
    compare_all(HTTP1, OF_HTTP2, &[]);
}

#[test]
fn requests_are_those_of_curl() {
    compare_all(CHOSEN, requests::CASES, &OF_HTTP1);
    compare_all(HTTP1, requests::CASES, &OF_HTTP1);
}

#[test]
fn redirects_are_followed_as_curl_does() {
    compare_all(CHOSEN, redirects::CASES, &OF_HTTP1);
    compare_all(HTTP1, redirects::CASES, &OF_HTTP1);
}

#[test]
fn bodies_are_those_of_curl() {
    let others = BY_HTTP2.iter().map(|case| case.name);
    let without: Vec<_> = OF_HTTP1.into_iter().chain(others).collect();
    compare_all(CHOSEN, bodies::CASES, &without);
    compare_all(HTTP1, bodies::CASES, &OF_HTTP1);
}
