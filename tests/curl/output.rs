//! Where bodies and heads go.

use crate::both::{Case, compare};
use crate::support::hostile::{Framing, Plan, Script};

fn server() -> Plan {
    let moved = "302 Moved\r\nLocation: /to";
    let hinted = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhinted";
    Plan::new()
        .path("/to", Script::new().ok("there"))
        .path("/moved", Script::new().respond(moved, Framing::ContentLength, "moved"))
        .path("/dir/name.txt", Script::new().ok("named"))
        .path("/dir/a%20b", Script::new().ok("spaced"))
        .path("/dir/", Script::new().ok("nameless"))
        .path("/hints", Script::new().read_head().send(hinted))
        .path("/missing", Script::new().respond("404 No", Framing::ContentLength, "no"))
}

const HEADS: &[Case] = &[
    Case::new("--include", &["--include", "URL/to"]),
    Case::new("--include of a redirect", &["--include", "-L", "URL/moved"]),
    Case::new("--include of hints", &["--include", "URL/hints"]),
    Case::new("--include into a file", &["--include", "-o", "out", "URL/to"]),
    Case::new("--include -f", &["--include", "-f", "URL/missing"]),
    Case::new("-I -L", &["-I", "-L", "URL/moved"]),
    Case::new("-D FILE", &["-D", "heads", "URL/to"]),
    Case::new("-D FILE of a redirect", &["-D", "heads", "-L", "-o", "out", "URL/moved"]),
    Case::new("-D FILE of many", &["-D", "heads", "URL/to", "URL/dir/name.txt"]),
    Case::new("-D FILE -f", &["-D", "heads", "-f", "URL/missing"]),
    Case::new("-D - -o FILE", &["-D", "-", "-o", "out", "URL/to"]),
    Case::new("-D in no directory", &["-D", "none/heads", "URL/to"]),
    Case::new("-D --create-dirs", &["--create-dirs", "-D", "new/heads", "URL/to"])
        .differs("Where files are written"),
];

const FILES: &[Case] = &[
    Case::new("-O", &["-O", "URL/dir/name.txt"]),
    Case::new("-O beside a query", &["-O", "URL/dir/name.txt?a=/b"]),
    Case::new("-O is not decoded", &["-O", "URL/dir/a%20b"]),
    Case::new("-O without a name", &["-O", "URL/dir/"]),
    Case::new("-O of a redirect", &["-O", "-L", "URL/moved"]),
    Case::new("-O of two", &["-O", "-O", "URL/to", "URL/dir/name.txt"]),
    Case::new("-O of one of two", &["-O", "URL/to", "URL/dir/name.txt"])
        .differs("Where files are written"),
    Case::new("--remote-name-all", &["--remote-name-all", "URL/to", "URL/dir/name.txt"]),
    Case::new("-O --output-dir", &["-O", "--output-dir", "new", "--create-dirs", "URL/to"]),
    Case::new("-O -f", &["-O", "-f", "URL/missing"]),
    Case::new("-o in no directory", &["-o", "none/out", "URL/to"])
        .differs("Where files are written"),
    Case::new("-o --create-dirs", &["--create-dirs", "-o", "new/dir/out", "URL/to"]),
];

#[test]
fn heads_are_written_as_curl_does() {
    compare(HEADS, server, &[]);
}

#[test]
fn files_are_named_as_curl_does() {
    compare(FILES, server, &[("name.txt", "old")]);
}
