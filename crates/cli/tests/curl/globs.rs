//! URLs that stand for others, and URLs without a scheme.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

pub(crate) fn server() -> Plan {
    let names = ["a", "b", "b2", "08", "09", "10", "c", "e", "", "{a,b}", "%7Ba%7D", "[]", "{a}"];
    let plan =
        Plan::new().path("/no", Script::new().respond("404 No", Framing::ContentLength, "no"));
    names
        .into_iter()
        .fold(plan, |plan, name| plan.path(&format!("/{name}"), Script::new().ok(name)))
}

pub(crate) const GLOBS: &[Case] = &[
    Case::new("a set", &["URL/{a,b}"]),
    Case::new("a set of one", &["URL/{a}"]),
    Case::new("an empty member", &["URL/{,a}"]),
    Case::new("--url", &["--url", "URL/{a,b}"]),
    Case::new("numbers", &["URL/[08-10]"]),
    Case::new("numbers with a step", &["URL/[08-10:2]"]),
    Case::new("letters", &["URL/[a-c]"]),
    Case::new("letters with a step", &["URL/[a-e:2]"]),
    Case::new("two globs", &["URL/{a,b}?[1-2]", "URL/c"]),
    Case::new("a glob in the query", &["URL/a?{x,y}=[9-11]"]),
    Case::new("braces that stand for themselves", &["URL/\\{a\\}"]).differs("URLs"),
    Case::new("brackets that stand for themselves", &["URL/\\[a\\]", "URL/[]"]),
    Case::new("-g", &["-g", "URL/{a,b}"]).differs("URLs"),
    Case::new("-g of brackets", &["-g", "URL/a?[1-2]"]),
    Case::new("-w", &["-w", " %{urlnum} %{url}\\n", "URL/{a,b}", "URL/c"]),
    Case::new("-o with a number", &["-o", "f_#1_#2.txt", "URL/{a,b}?[08-10]"]),
    Case::new("-o with numbers that there are none for", &["-o", "#0#2#1x#", "URL/{a,b}"]),
    Case::new("-o with a number, without a glob", &["-o", "f#1", "URL/a"]),
    Case::new("-o with a number, of two", &["-o", "f#1", "-o", "g#1", "URL/{a,b}", "URL/[a-c:2]"]),
    Case::new("-o into directories", &["--create-dirs", "-o", "#1/#2", "URL/{a,b}?[1-2]"]),
    Case::new(
        "-o into a directory",
        &["--create-dirs", "--output-dir", "d", "-o", "#1", "URL/{a,b}"],
    ),
    Case::new("-o without a number, of several", &["-o", "f", "URL/a{,}"]),
    Case::new("-O", &["-O", "URL/{a,b}"]),
    Case::new("-I", &["-I", "URL/{a,b}"]),
    Case::new("-d", &["-d", "x", "URL/{a,b}"]),
    Case::new("--fail-early", &["--fail-early", "-f", "URL/no", "URL/a"]),
    Case::new("--fail-early of a glob", &["--fail-early", "-f", "URL/{a,no,b}"]),
    Case::new("an open brace", &["URL/{a"]),
    Case::new("an open bracket", &["URL/[1-2"]),
    Case::new("a closed brace", &["URL/a}"]),
    Case::new("nothing in braces", &["URL/{}"]),
    Case::new("braces in braces", &["URL/{a,{b}}"]),
    Case::new("downwards", &["URL/[3-1]"]),
    Case::new("a step that leads nowhere", &["URL/[1-2:5]"]),
    Case::new("a step of nothing", &["URL/[1-2:0]"]),
    Case::new("letters and capitals", &["URL/[A-z]"]),
    Case::new("more than can be counted", &["URL/[0-9999999999][0-9999999999]"]),
];

const SCHEMES: &[Case] = &[
    Case::new("none", &["127.0.0.1:PORT/a"]),
    Case::new("none, with a login", &["user:pass@127.0.0.1:PORT/a"]),
    Case::new("none, and -w", &["-w", " %{url} %{url_effective}", "127.0.0.1:PORT/a"]),
    Case::new("none, and a glob", &["127.0.0.1:PORT/{a,b}"]),
    Case::new("none, and no path", &["127.0.0.1:PORT?q"]),
    Case::new("none, and -O", &["-O", "127.0.0.1:PORT/a"]),
    Case::new("none, and --path-as-is", &["--path-as-is", "127.0.0.1:PORT/x/../a"]),
    Case::new("--proto-default", &["--proto-default", "http", "127.0.0.1:PORT/a"]),
    Case::new(
        "--proto-default of TLS",
        &["--proto-default", "https", "-w", "%{url_effective}", "127.0.0.1:1/a"],
    ),
    Case::new("--proto-default of no protocol", &["--proto-default", "x", "127.0.0.1:PORT/a"]),
    Case::new("--proto forbids what is guessed", &["--proto", "=https", "127.0.0.1:PORT/a"]),
    Case::new("a path", &["/127.0.0.1:PORT/a"]),
    Case::new("nothing", &[""]),
];

#[test]
fn urls_stand_for_what_they_do_to_curl() {
    compare(GLOBS, server, &[]);
}

#[test]
fn schemes_are_guessed_as_by_curl() {
    compare(SCHEMES, server, &[]);
}
