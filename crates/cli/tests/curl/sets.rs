//! `--next`: sets of options, one after the other.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

pub(crate) fn server() -> Plan {
    let login = "200 OK\r\nSet-Cookie: session=1";
    Plan::new()
        .path("/a", Script::new().ok("first"))
        .path("/b", Script::new().ok("second"))
        .path("/up", Script::new().read_body().ok("taken"))
        .path("/login", Script::new().read_body().respond(login, Framing::ContentLength, "in"))
        .path("/missing", Script::new().respond("404 No", Framing::ContentLength, "no"))
}

pub(crate) const SETS: &[Case] = &[
    Case::new("two", &["URL/a", "--next", "-d", "x", "URL/up"]),
    Case::new("-:", &["-d", "x", "URL/up", "-:", "URL/a"]),
    Case::new("three", &["URL/a", "--next", "URL/b", "--next", "-I", "URL/a"]),
    Case::new("fields", &["-H", "X-A: b", "-A", "me", "-e", "r", "URL/a", "--next", "URL/b"]),
    Case::new("a login", &["-u", "user:pass", "URL/a", "--next", "URL/b"]),
    Case::new("a login of the second", &["URL/a", "--next", "-u", "user:pass", "URL/b"]),
    Case::new("methods", &["-X", "PUT", "-d", "x", "URL/up", "--next", "-G", "-d", "q", "URL/a"]),
    Case::new("files", &["-o", "one", "URL/a", "--next", "-o", "two", "URL/b"]),
    Case::new("a file and none", &["-o", "one", "URL/a", "--next", "URL/b"]),
    Case::new("-O and none", &["-O", "URL/a", "--next", "URL/b"]),
    Case::new("-i and none", &["--include", "URL/a", "--next", "URL/b"]),
    Case::new(
        "what was fetched is sent",
        &["-o", "f", "URL/a", "--next", "-H", "Expect:", "-T", "f", "URL/up"],
    ),
    Case::new("cookies", &["-b", "", "-d", "u", "URL/login", "--next", "-b", "", "URL/a"]),
    Case::new("cookies of one alone", &["-b", "", "-d", "u", "URL/login", "--next", "URL/a"]),
    Case::new("jars", &["-c", "jar", "-d", "u", "URL/login", "--next", "-b", "", "URL/a"]),
    Case::new("-f of one", &["-f", "-o", "f", "URL/missing", "--next", "URL/missing", "URL/a"])
        .differs("Exit status"),
    Case::new("--fail-early", &["-f", "URL/missing", "--next", "--fail-early", "URL/a"]),
    Case::new("-s", &["URL/a", "--next", "-s", "URL/b"]),
    Case::new("-w", &["-w", "%{urlnum} ", "URL/a", "--next", "-w", "|%{urlnum}", "URL/b"]),
    Case::new("-w of one", &["URL/a", "--next", "-w", "|%{http_code}", "URL/b"]),
    Case::new("globs", &["-g", "URL/a?[1-2]", "--next", "-o", "#1", "URL/{a,b}"]),
    Case::new("-D", &["-D", "heads", "URL/a", "--next", "-D", "heads", "URL/b"]),
    Case::new("a value", &["-d", "--next", "URL/up"]),
    Case::new("at the beginning", &["--next", "-d", "x", "URL/up"]),
    Case::new("twice", &["URL/a", "--next", "--next", "URL/b"]),
    Case::new("options without a URL", &["-d", "x", "--next", "URL/up"]),
    Case::new("before and after -K", &["-d", "a", "-K", "options", "-d", "b", "URL/up"]),
    Case::new("-K has the last word", &["-A", "me", "-K", "agent", "URL/a"]),
    Case::new("-K has the first word", &["-K", "agent", "-A", "me", "URL/a"]),
    Case::new("-K with next", &["-d", "a", "URL/up", "-K", "next", "-d", "b", "URL/up"]),
    Case::new("-K with -:", &["URL/a", "-K", "short", "-d", "b", "URL/up"]),
    Case::new("-K", &["-K", "options", "URL/up", "--next", "-K", "options", "-d", "y", "URL/up"]),
];

pub(crate) const FILES: [(&str, &str); 4] = [
    ("options", "data = x\n"),
    ("agent", "user-agent = file\n"),
    ("next", "data = c\nnext\nuser-agent = \"f\"\n"),
    ("short", "-:\n-dx=y\n"),
];

#[test]
fn sets_of_options_are_curls() {
    compare(SETS, server, &FILES);
}
