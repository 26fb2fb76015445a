//! Sets of options, files, what `-w` says and traces by HTTP/2.

use crate::both::{Case, compare_with};
use crate::http2::{CHOSEN, answer, compare_by};
use crate::{output, sets, traces};
use ringdove_test_support::h2::{Plan, Script, Setup};

fn sets() -> Plan {
    Plan::new()
        .path("/a", answer(200, &[], "first"))
        .path("/a1", answer(200, &[], "first"))
        .path("/b", answer(200, &[], "second"))
        .path("/up", answer(200, &[], "taken"))
        .path("/login", answer(200, &[("set-cookie", "session=1")], "in"))
        .path("/missing", answer(404, &[], "no"))
}

fn files() -> Plan {
    let hints = Script::new().informational(103, &[("link", "</a>")]).head(200, &[]);
    Plan::new()
        .path("/to", answer(200, &[], "there"))
        .path("/moved", answer(302, &[("location", "/to")], "moved"))
        .path("/dir/name.txt", answer(200, &[], "named"))
        .path("/dir/a%20b", answer(200, &[], "spaced"))
        .path("/dir/", answer(200, &[], "nameless"))
        .path("/hints", hints.bytes("hinted"))
        .path("/missing", answer(404, &[], "no"))
        .path("/twice", answer(200, &[("x-b", "2"), ("x-a", "\"1\""), ("x-a", "3")], "b"))
}

fn names() -> Plan {
    let says = |value| answer(200, &[("content-disposition", value)], "named");
    Plan::new()
        .path("/new", says("attachment; filename=\"made.txt\""))
        .path("/token", says("attachment; filename=made.txt; size=5"))
        .path("/spaced", says("attachment; filename=\"made of words.txt\""))
        .path("/untyped", says("filename=made.txt"))
        .path("/single", says("attachment; filename='made.txt'"))
        .path("/path", says("attachment; filename=\"/etc/made.txt\""))
        .path("/back", says("attachment; filename=\"a\\\\made.txt\""))
        .path("/old", says("attachment; filename=name.txt"))
        .path("/inline", says("inline"))
        .path("/star", says("attachment; filename*=UTF-8''%e2%82%ac"))
        .path("/hidden", says("attachment; filename=.hidden"))
        .path("/missing", answer(404, &[], "no"))
        .path("/name.txt", answer(200, &[], "replaced"))
}

#[test]
fn sets_of_options_are_curls() {
    // curl's first failure ends its connection, and its exit status is that of the next transfer, which fails by that
    compare_by(CHOSEN, sets::SETS, &["-f of one"], sets, &sets::FILES);
}

#[test]
fn files_and_heads_go_where_curl_has_them() {
    let old = [("name.txt", "old")];
    compare_by(CHOSEN, output::HEADS, &[], files, &old);
    compare_by(CHOSEN, output::FILES, &[], files, &old);
    compare_by(CHOSEN, output::PROPOSED, &[], names, &old);
}

#[test]
fn transfers_are_told_as_curl_does() {
    let lines = "%{http_code}\n\r\n a\nb\\n\n";
    let formats = [("format", "%{http_code}\\n"), ("lines", lines)];
    compare_by(CHOSEN, output::TOLD, &["no TLS"], files, &formats);
}

/// In plaintext: with TLS, curl tells of records as well.
#[test]
fn traces_are_curls() {
    let plan = || {
        let bytes: Vec<u8> = (0..=255).collect();
        Plan::new()
            .path("/bytes", Script::new().await_body().head(200, &[]).bytes(bytes))
            .path("/moved", answer(302, &[("location", "/bytes")], ""))
            .path("/up", answer(200, &[], "a\r\nb"))
    };
    let start = || Setup::new(plan()).start();
    // curl (7.88) does not follow redirects on such a connection; and what stands before the cases is for the first set alone
    let without = ["a redirect", "both sets"];
    let is_here = |case: &&Case| !without.contains(&case.name);
    let cases: Vec<_> = traces::TRACES.iter().filter(is_here).copied().collect();
    compare_with(&cases, &["--http2-prior-knowledge"], start, &[], &[]);
}
