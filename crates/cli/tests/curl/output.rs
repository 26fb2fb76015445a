//! Where bodies and heads go.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

pub(crate) fn server() -> Plan {
    let moved = "302 Moved\r\nLocation: /to";
    let hinted = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhinted";
    Plan::new()
        .path("/to", Script::new().ok("there"))
        .path("/moved", Script::new().respond(moved, Framing::ContentLength, "moved"))
        .path("/dir/name.txt", Script::new().ok("named"))
        .path("/dir/a%20b", Script::new().ok("spaced"))
        .path("/dir/", Script::new().ok("nameless"))
        .path("/hints", Script::new().send(hinted))
        .path("/missing", Script::new().respond("404 No", Framing::ContentLength, "no"))
}

pub(crate) const HEADS: &[Case] = &[
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

pub(crate) const FILES: &[Case] = &[
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

pub(crate) fn proposing() -> Plan {
    let says = |value: &str| {
        let head = format!("200 OK\r\nContent-Disposition: {value}");
        Script::new().respond(&head, Framing::ContentLength, "named")
    };
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
        .path("/missing", Script::new().respond("404 No", Framing::ContentLength, "no"))
        .path("/name.txt", Script::new().ok("replaced"))
}

pub(crate) const PROPOSED: &[Case] = &[
    Case::new("-J", &["-O", "-J", "URL/new"]),
    Case::new("-J of a token", &["-OJ", "URL/token"]),
    Case::new("-J of words", &["-OJ", "URL/spaced"]),
    Case::new("-J without a type", &["-OJ", "URL/untyped"]),
    Case::new("-J in single marks", &["-OJ", "URL/single"]),
    Case::new("-J of a path", &["-OJ", "URL/path"]),
    Case::new("-J of a path with backslashes", &["-OJ", "URL/back"]),
    Case::new("-J of what is there", &["-OJ", "URL/old"]),
    Case::new("-J without a name", &["-OJ", "URL/inline"]),
    Case::new("-J of nothing", &["-OJ", "URL/name.txt"]),
    Case::new("-J --output-dir", &["-OJ", "--output-dir", "new", "--create-dirs", "URL/new"]),
    Case::new("-J -f", &["-OJ", "-f", "URL/missing"]),
    Case::new("-J alone", &["-J", "URL/new"]),
    Case::new("-J --include", &["-OJ", "--include", "URL/new"]),
    Case::new("filename*", &["-OJ", "URL/star"]).differs("Names that servers propose"),
    Case::new("a hidden file", &["-OJ", "URL/hidden"]).differs("Names that servers propose"),
];

#[test]
fn files_are_named_by_responses_as_curl_does() {
    compare(PROPOSED, proposing, &[("name.txt", "old")]);
}

pub(crate) fn dated() -> Plan {
    let then = "200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT";
    let same = "HTTP/1.1 304 Not Modified\r\n\r\n";
    Plan::new()
        .path("/then", Script::new().respond(then, Framing::ContentLength, "then"))
        .path("/same", Script::new().send(same))
        .path("/undated", Script::new().ok("undated"))
}

pub(crate) const DATES: &[Case] = &[
    Case::new("-z", &["-z", "Sun, 06 Nov 1994 08:49:37 GMT", "URL/undated"]),
    Case::new("-z of 304", &["-z", "06-Nov-94 08:49:37", "URL/same"]),
    Case::new("-z of 304 into a file", &["-z", "19941106", "-o", "out", "URL/same"]),
    Case::new("-z of 304 keeps the file", &["-z", "19941106", "-o", "part", "URL/same"]),
    Case::new("-z of a later date", &["-z", "1994 Nov 5", "URL/then"]),
    Case::new("-z that is not heeded", &["-z", "7 Nov 1994", "URL/then"]),
    Case::new("-z that is not heeded, to a file", &["-z", "7 Nov 1994", "-o", "part", "URL/then"]),
    Case::new("-z with a zone", &["-z", "06 Nov 1994 09:49:36 +0100", "URL/then"]),
    Case::new("-z -", &["-z", "-7 Nov 1994", "URL/then"]),
    Case::new("-z - that is not heeded", &["-z", "-5 Nov 1994", "URL/then"]),
    Case::new("-z +", &["-z", "+7 Nov 1994", "URL/undated"]),
    Case::new("--time-cond", &["--time-cond", "Nov 6 1994 08:49", "URL/undated"]),
    Case::new("-z -I", &["-I", "-z", "7 Nov 1994", "URL/same"]),
    Case::new("-z of nothing", &["-z", "some day", "URL/undated"]),
    Case::new("-z of a file that is not there", &["-z", "new", "-o", "new", "URL/undated"]),
    Case::new("-z of a file", &["-z", "part", "-o", "part", "URL/same"]),
    Case::new("-z - of the same moment", &["-z", "-Sun Nov  6 08:49:37 1994", "URL/then"])
        .differs("Dates"),
];

#[test]
fn dates_are_conditions_as_for_curl() {
    compare(DATES, dated, &[("part", "1234")]);
}

#[test]
fn heads_are_written_as_curl_does() {
    compare(HEADS, server, &[]);
}

#[test]
fn files_are_named_as_curl_does() {
    compare(FILES, server, &[("name.txt", "old")]);
}

pub(crate) fn ranges() -> Plan {
    let rest = "206 Partial Content\r\nContent-Range: bytes 4-8/9";
    let part = |head: &str, body: &str| Script::new().respond(head, Framing::ContentLength, body);
    Plan::new()
        .path("/416", part("416 X", "out of range"))
        .path("/416?unit", part("416 X\r\nContent-Range: */4", ""))
        .path("/416?length", part("416 X\r\nContent-Range: bytes */*", ""))
        .path("/short", part("206 X\r\nContent-Range: bytes 4-5/9", "56"))
        .path("/unitless", part("206 X\r\nContent-Range: 4-8/9", "56789"))
        .path("/named", part("200 X\r\nContent-Range: bytes 4-8/9", "56789"))
        .path("/same", part("200 X", "abcd"))
        .path("/moved?rest", part("302 X\r\nLocation: /rest", "moved"))
        .path("/moved?416", part("302 X\r\nLocation: /416", "moved"))
        .path("/rest", part(rest, "56789"))
        .path("/whole", Script::new().ok("123456789"))
        .path(
            "/end",
            Script::new().respond(
                "416 No\r\nContent-Range: bytes */4",
                Framing::ContentLength,
                "no",
            ),
        )
        .path(
            "/beyond",
            Script::new().respond(
                "416 No\r\nContent-Range: bytes */2",
                Framing::ContentLength,
                "no",
            ),
        )
        .path(
            "/other",
            Script::new().respond(
                "206 X\r\nContent-Range: bytes 3-8/9",
                Framing::ContentLength,
                "456789",
            ),
        )
}

pub(crate) fn tagged() -> Plan {
    let found = "200 OK\r\nETag: \"v1\"";
    let same = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n";
    Plan::new()
        .path("/tagged", Script::new().respond(found, Framing::ContentLength, "tagged"))
        .path("/same", Script::new().send(same))
        .path("/plain", Script::new().ok("plain"))
}

pub(crate) const TAGS: &[Case] = &[
    Case::new("--etag-save", &["--etag-save", "new", "URL/tagged"]),
    Case::new("--etag-save of nothing", &["--etag-save", "new", "URL/plain"]),
    Case::new("--etag-compare", &["--etag-compare", "tag", "-o", "out", "URL/same"]),
    Case::new("--etag-compare of another", &["--etag-compare", "tag", "-o", "out", "URL/tagged"]),
    Case::new("--etag-compare of no file", &["--etag-compare", "none", "URL/tagged"])
        .differs("Entity tags"),
    Case::new(
        "--etag-compare keeps the file",
        &["--etag-compare", "tag", "-o", "part", "URL/same"],
    ),
    Case::new("both", &["--etag-compare", "tag", "--etag-save", "tag", "-o", "out", "URL/tagged"]),
];

#[test]
fn tags_are_saved_and_compared_as_curl_does() {
    compare(TAGS, tagged, &[("part", "1234"), ("tag", "\"v0\"\n")]);
}

pub(crate) const TOLD: &[Case] = &[
    Case::new("codes", &["-w", "%{http_code} %{response_code}\\n", "URL/to"]),
    Case::new("escapes", &["-w", "a%%b\\t\\q%q%{none}|", "URL/to"]),
    Case::new("URLs", &["-L", "-w", "%{url} %{url_effective} %{num_redirects}", "URL/moved"]),
    Case::new("sizes", &["-L", "-w", "%{size_download} %{size_header}", "URL/moved"]),
    Case::new("a peer", &["-w", "%{remote_ip} %{remote_port} %{num_connects}", "URL/to"]),
    Case::new("a method", &["-w", "%{method} %{http_version}", "-d", "a=b", "URL/to"]),
    Case::new("a type", &["-w", "%{content_type}|", "URL/to"]),
    Case::new("a file", &["-O", "-w", "%{filename_effective}", "URL/to"]),
    Case::new("of each", &["-w", "%{http_code}\\n", "URL/to", "URL/missing"]),
    Case::new("a format from a file", &["-w", "@format", "URL/to"]),
    Case::new("a format of lines", &["-w", "@lines", "URL/to"]),
    Case::new("numbers", &["-w", "%{urlnum} %{num_headers}\\n", "URL/to", "URL/missing"]),
    Case::new("uploads", &["-d", "abc", "-e", "from", "-w", "%{size_upload} %{referer}", "URL/to"]),
    Case::new("%{onerror}", &["-w", "a%{onerror}b", "URL/to"]),
    Case::new("%{onerror} of a failure", &["-f", "-w", "a%{onerror}b", "URL/missing"]),
    Case::new(
        "%header{}",
        &["-w", "%header{x-a}|%header{X-B}|%header{none}|%header{", "URL/twice"],
    ),
    Case::new("%{stderr}", &["-w", "a%{stderr}b%{stdout}c%%{stderr}%{stderr}", "URL/to"]),
    Case::new("%{header_json}", &["-w", "%{header_json}", "URL/twice"]),
    Case::new("no TLS", &["-w", "%{time_appconnect} %{ssl_verify_result} %{exitcode}", "URL/to"]),
];

pub(crate) fn telling() -> Plan {
    // some versions of curl lose what stands between two of one name
    let twice = "200 OK\r\nX-B: 2\r\nX-A: \"1\"\r\nx-a: 3";
    server().path("/twice", Script::new().respond(twice, Framing::ContentLength, "b"))
}

#[test]
fn transfers_are_told_as_curl_does() {
    let lines = "%{http_code}\n\r\n a\nb\\n\n";
    compare(TOLD, telling, &[("format", "%{http_code}\\n"), ("lines", lines)]);
}

pub(crate) const RANGES: &[Case] = &[
    Case::new("-r", &["-r", "4-8", "URL/rest"]),
    Case::new("-r from", &["-r", "4-", "URL/rest"]),
    Case::new("-r of the end", &["-r", "-5", "URL/rest"]),
    Case::new("-r of a number", &["-r", "4", "URL/rest"]),
    Case::new("-r of two", &["-r", "0-1,4-5", "URL/whole"]),
    Case::new("-r of what is not there", &["-r", "9-", "URL/end"]),
    Case::new("-C -", &["-C", "-", "-o", "part", "URL/rest"]),
    Case::new("-C OFFSET", &["-C", "4", "-o", "part", "URL/rest"]),
    Case::new("-C OFFSET of no file", &["-C", "4", "-o", "new", "URL/rest"]),
    Case::new("-C OFFSET to standard output", &["-C", "4", "URL/rest"]),
    Case::new("-C - of no file", &["-C", "-", "-o", "new", "URL/whole"]),
    Case::new("-C - at the end", &["-C", "-", "-o", "part", "URL/end"]),
    Case::new("-C - beyond the end", &["-C", "-", "-o", "part", "URL/beyond"]).differs("Resuming"),
    Case::new("-C - and the whole", &["-C", "-", "-o", "part", "URL/whole"]).differs("Resuming"),
    Case::new("-C OFFSET and the whole", &["-C", "4", "-o", "part", "URL/whole"]),
    Case::new("-C 0 onto a file", &["-C", "0", "-o", "part", "URL/whole"]),
    Case::new("-C - and another range", &["-C", "-", "-o", "part", "URL/other"]),
    Case::new("416 without a range", &["-f", "-C", "-", "-o", "part", "URL/416"]),
    Case::new("416 without a unit", &["-C", "-", "-o", "part", "URL/416?unit"]),
    Case::new("416 without a length", &["-C", "-", "-o", "part", "URL/416?length"]),
    Case::new("a 206 that ends earlier", &["-C", "-", "-o", "part", "URL/short"]),
    Case::new("a 206 without a unit", &["-C", "-", "-o", "part", "URL/unitless"]),
    Case::new("a 200 that is a part", &["-C", "-", "-o", "part", "URL/named"]),
    Case::new("a whole as long as the file", &["-C", "-", "-o", "part", "URL/same"]),
    Case::new("a rest behind a redirect", &["-L", "-C", "-", "-o", "part", "URL/moved?rest"]),
    Case::new("a 416 behind a redirect", &["-L", "-C", "-", "-o", "part", "URL/moved?416"]),
    Case::new("a redirect that is not followed", &["-C", "-", "-o", "part", "URL/moved?rest"]),
];

#[test]
fn parts_are_those_of_curl() {
    compare(RANGES, ranges, &[("part", "1234")]);
}
