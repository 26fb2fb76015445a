//! What is asked, and what becomes of the answer.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn server() -> Plan {
    let chunked = |size| Script::new().respond("200 OK", Framing::Chunked(size), "in chunks");
    Plan::new()
        .path("/", Script::new().ok("hello"))
        .path("/empty", Script::new().ok(""))
        .path("/chunked", chunked(3))
        .path("/close", Script::new().respond("200 OK", Framing::UntilClose, "bye").close())
        .path("/missing", Script::new().respond("404 Not Found", Framing::ContentLength, "none"))
        .path("/broken", Script::new().respond("500 Oh", Framing::ContentLength, "broken"))
        .path("/none", Script::new().send("HTTP/1.1 204 No Content\r\n\r\n"))
        .path("/cut", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").close())
        .path("/a%20b", Script::new().ok("query"))
}

pub(crate) const CASES: &[Case] = &[
    Case::new("GET", &["URL/"]),
    Case::new("the path may be left out", &["URL"]),
    Case::new("several URLs", &["URL/", "URL/empty", "URL/chunked"]),
    Case::new("chunks", &["URL/chunked"]),
    Case::new("until the connection closes", &["URL/close"]),
    Case::new("an empty body", &["URL/empty"]),
    Case::new("204", &["URL/none"]),
    Case::new("404 is no failure", &["URL/missing"]),
    Case::new("-f", &["-f", "URL/missing"]),
    Case::new("-f of 500", &["-f", "URL/broken"]),
    Case::new("a body that is cut off", &["URL/cut"]),
    Case::new("HEAD", &["-I", "URL/"]),
    Case::new("a method", &["-X", "DELETE", "URL/"]),
    Case::new("a field", &["-H", "X-A: b", "-H", "x-c:d", "URL/"]),
    Case::new("a default field left out", &["-H", "Accept:", "-H", "User-Agent:", "URL/"]),
    Case::new("a default field replaced", &["-H", "Accept: text/html", "URL/"]),
    Case::new("Host", &["-H", "Host: other.example", "URL/"]),
    Case::new("-A and -e", &["-A", "me/1", "-e", "http://from.example/", "URL/"]),
    Case::new("-d", &["-d", "a=1", "-d", "b=2", "URL/"]),
    Case::new("-d with a type", &["-d", "{}", "-H", "Content-Type: application/json", "URL/"]),
    Case::new("-d and -X", &["-d", "a=1", "-X", "PUT", "URL/"]),
    Case::new("-o", &["-o", "out", "URL/"]),
    Case::new("a query", &["URL/a%20b?c=d"]),
    Case::new("a fragment is not sent", &["URL/#part"]),
    Case::new("dot segments are taken out", &["URL/x/../"]),
    Case::new("no server there", &["http://127.0.0.1:1/"]),
    Case::new("no such protocol", &["gopherx://127.0.0.1/"]),
];

#[test]
fn requests_are_those_of_curl() {
    compare(CASES, server, &[]);
}
