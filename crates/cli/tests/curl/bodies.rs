//! Requests with bodies: forms, files, uploads.

use std::time::Duration;

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn server() -> Plan {
    Plan::new()
        .path("/", Script::new().ok("taken"))
        .path("/up/name.txt", Script::new().ok("taken"))
        .path("/refused", Script::new().respond("413 Too Large", Framing::ContentLength, "no"))
}

/// What stands in the directory of each run.
pub(crate) const FILES: [(&str, &str); 4] = [
    ("name.txt", "two\nlines\r\n"),
    ("a;b\"c.txt", "odd"),
    ("config", "data = \"from=file\"\n"),
    ("fields", "X-One: 1\r\n\r\nX-Two;\n\nAccept:\nX-One: 2"),
];

pub(crate) const CASES: &[Case] = &[
    Case::new("-d joins by &", &["-d", "a=1", "-d", "b=2", "URL/"]),
    Case::new("-d @FILE drops line ends", &["-d", "@name.txt", "URL/"]),
    Case::new("--data-ascii", &["--data-ascii", "a b", "URL/"]),
    Case::new("--data-raw takes @ as it is", &["--data-raw", "@name.txt", "URL/"]),
    Case::new("--data-binary keeps line ends", &["--data-binary", "@name.txt", "URL/"]),
    Case::new("--data-urlencode content", &["--data-urlencode", "a b&c/ä~", "URL/"]),
    Case::new("--data-urlencode =content", &["--data-urlencode", "=a=b c", "URL/"]),
    Case::new("--data-urlencode name=content", &["--data-urlencode", "n=a b&", "URL/"]),
    Case::new("--data-urlencode @file", &["--data-urlencode", "@name.txt", "URL/"]),
    Case::new("--data-urlencode name@file", &["--data-urlencode", "n@name.txt", "URL/"]),
    Case::new("kinds of -d joined", &["-d", "a=1", "--data-urlencode", "b=ü", "URL/"]),
    Case::new("-d of nothing", &["-d", "", "URL/"]),
    Case::new("-d of a file that is not there", &["-d", "@missing", "URL/"])
        .differs("Files that cannot be read"),
    Case::new("--json", &["--json", "{\"a\":", "--json", "1}", "URL/"]),
    Case::new("--json with its own type", &["--json", "1", "-H", "Accept: text/x", "URL/"]),
    Case::new("-G", &["-G", "-d", "a=1", "-d", "b=2+3", "URL/"]),
    Case::new("-G with a space", &["-G", "-d", "b=2 3", "URL/"]).differs("Spaces in a query"),
    Case::new("-G beside a query", &["-G", "-d", "a=1", "URL/?q=0"]),
    Case::new("-G -I", &["-G", "-I", "-d", "a=1", "URL/"]),
    Case::new("--url-query", &["--url-query", "a=b c", "URL/?q=0"]),
    Case::new("-F", &["-F", "a=1", "-F", "b=two words", "URL/"]),
    Case::new("-F of a file", &["-F", "f=@name.txt", "URL/"]),
    Case::new("-F of a file's content", &["-F", "f=<name.txt", "URL/"]),
    Case::new("-F with a type and a name", &["-F", "f=@name.txt;type=text/x;filename=n", "URL/"]),
    Case::new("--form-string", &["--form-string", "a=@<x;type=y", "URL/"]),
    Case::new("-F with quotation marks", &["-F", r#"a"b\c=x;filename="d\"e\\f""#, "URL/"]),
    Case::new(
        "--form-escape",
        &["--form-escape", "-F", r#"a"b\c=x;filename="d\"e\\f""#, "-F", "f=@name.txt", "URL/"],
    ),
    Case::new("-H @FILE", &["-H", "A: b", "-H", "@fields", "-H", "C: d", "URL/"]),
    Case::new("-H @-", &["-H", "@-", "URL/"]).fed("A: b\nC: d\n"),
    Case::new("-H of a file that is not there", &["-H", "@missing", "URL/"])
        .differs("Files that cannot be read"),
    Case::new("-F of a file that is not there", &["-F", "f=@missing", "URL/"]),
    Case::new("-T", &["-T", "name.txt", "URL/up/name.txt"]).differs("Expect for small uploads"),
    Case::new("-T appends the name", &["-T", "name.txt", "URL/up/"])
        .differs("Expect for small uploads"),
    Case::new("-T of a file that is not there", &["-T", "missing", "URL/"]),
    Case::new("-T by POST", &["-T", "name.txt", "-X", "POST", "URL/"])
        .differs("Expect for small uploads"),
    Case::new("-T of standard input", &["-T", "-", "URL/"]),
    Case::new("-T from an offset", &["-C", "4", "-T", "name.txt", "-H", "Expect:", "URL/"]),
    Case::new("-T -C -", &["-C", "-", "-T", "name.txt", "-H", "Expect:", "URL/"]),
    Case::new("-T -C 0", &["-C", "0", "-T", "name.txt", "-H", "Expect:", "URL/"]),
    Case::new("-T from its end", &["-C", "11", "-T", "name.txt", "URL/"]),
    Case::new(
        "-T -C and a Content-Range",
        &["-C", "4", "-T", "name.txt", "-H", "Expect:", "-H", "Content-Range: bytes 1-2/3", "URL/"],
    ),
    Case::new(
        "-T for each URL",
        &["-T", "name.txt", "-H", "Expect:", "URL/up/", "-T", "fields", "URL/up/name.txt"],
    ),
    Case::new(
        "-T for globs",
        &["-T", "name.txt", "-T", "fields", "-H", "Expect:", "URL/{a,b}", "URL/up/name.txt"],
    ),
    Case::new(
        "-T for each from an offset",
        &["-C", "4", "-T", "name.txt", "-T", "fields", "-H", "Expect:", "URL/", "URL/up/name.txt"],
    ),
    Case::new(
        "-T of standard input beside a file",
        &["-T", "-", "-T", "name.txt", "-H", "Expect:", "URL/", "URL/up/"],
    )
    .fed("from a pipe"),
    Case::new("-T - from an offset", &["-C", "4", "-T", "-", "URL/"]).differs("Bodies"),
    Case::new("chunked on demand", &["-d", "a=1", "-H", "Transfer-Encoding: chunked", "URL/"])
        .differs("Fields that frame the message"),
    Case::new("a body that is refused", &["-d", "a=1", "URL/refused"]),
    Case::new("-f and a body that is refused", &["-f", "-d", "a=1", "URL/refused"]),
    Case::new("-0", &["-0", "-d", "a=1", "URL/"]),
    Case::new("--path-as-is", &["--path-as-is", "URL/a/../b"]),
    Case::new("--request-target", &["--request-target", "/other?x", "URL/"]),
    Case::new("-K", &["-K", "config", "URL/"]),
    Case::new("--proto", &["--proto", "=https", "URL/"]),
];

#[test]
fn bodies_are_those_of_curl() {
    compare(CASES, server, &FILES);
}

/// Answers as soon as the head is there, and closes.
fn hasty() -> Plan {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    let wait = Duration::from_millis(50);
    Plan::new().connection(Script::new().read_head().send(refusal).wait(wait).close())
}

#[test]
fn an_early_answer_counts() {
    let cases = [
        Case::new("a small body", &["-d", "a=1", "URL/"]),
        Case::new("-f", &["-f", "-d", "a=1", "URL/"]),
    ];
    compare(&cases, hasty, &[]);
}
