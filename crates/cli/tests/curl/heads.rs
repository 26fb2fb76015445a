//! Heads that are not as the standards have them.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Plan, Script};

fn answer(head: &str, rest: &str) -> Script {
    Script::new().send(format!("HTTP/1.1 200 OK\r\n{head}\r\n{rest}"))
}

fn odd() -> Plan {
    let length = "Content-Length: 5\r\n";
    let redirect =
        "HTTP/1.1 302 Found\r\nPHP Warning: x\r\nLocation: /named\r\nContent-Length: 0\r\n\r\n";
    let hints = "HTTP/1.1 103 Early Hints\r\nA B: c\r\n\r\n";
    let late = "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let long = format!("X: {}\r\n", "y".repeat(10_000));
    let chunked = "Transfer-Encoding: chunked\r\n";
    let chunks = "5\r\nhello\r\n0\r\nX-T: v\r\n\r\n";
    Plan::new()
        .path("/named", answer(&format!("PHP Warning: x in y.php: 3\r\n{length}"), "hello"))
        .path("/space", answer(&format!("Name : v\r\n{length}"), "hello"))
        .path("/empty", answer(&format!(": v\r\n{length}"), "hello"))
        .path("/utf8", answer(&format!("caf\u{e9}: v\r\n{length}"), "hello"))
        .path("/colon", answer(&format!("no colon\r\n{length}"), "hello"))
        .path("/control", answer(&format!("X: a\u{1}\u{7f}b\r\n{length}"), "hello"))
        .path("/redirect", Script::new().send(redirect))
        .path("/hints", Script::new().send(format!("{hints}HTTP/1.1 200\r\n{length}\r\nhello")))
        .path("/trailers", answer(chunked, "5\r\nhello\r\n0\r\nA B: c\r\nD : e\r\n\r\n"))
        .path("/after", answer(chunked, "5\r\nhello\r\n0\r\nX-T: v\r\nDigest: a  b\r\n\r\n"))
        .path("/length", answer("Content-Length : 5\r\nConnection: close\r\n", "hello"))
        .path("/large", answer(&format!("{}{length}", "X: y\r\n".repeat(4900)), "hello"))
        .path("/long", answer(&format!("{}{length}", long.repeat(25)), "hello"))
        .path("/version", Script::new().send(late))
        .path(
            "/reason",
            Script::new().send(format!("HTTP/1.1 200 O\u{1}\u{7f}K\r\n{length}\r\nhello")),
        )
        .path("/blanks", Script::new().send(format!("HTTP/1.1  200  OK\r\n{length}\r\nhello")))
        .path("/small", Script::new().send(format!("http/1.1 200 OK\r\n{length}\r\nhello")))
        .path("/no-coding", answer(&format!("Transfer-Encoding: \r\n{length}"), "hello"))
        .path("/identity", answer(&format!("Transfer-Encoding: identity\r\n{length}"), "hello"))
        .path("/twice", answer(&chunked.repeat(2), chunks))
        .path("/old", Script::new().send(format!("HTTP/1.0 200 OK\r\n{chunked}\r\n{chunks}")))
        .path("/lf", answer(chunked, &chunks.replace("\r\n", "\n")))
        .path("/cr", answer(&format!("X: a\rb\r\n{length}"), "hello"))
        .path("/plus", answer("Content-Length: +5\r\n", "hello"))
}

const ODD: &[Case] = &[
    Case::new("a name with a space", &["--include", "URL/named"]),
    Case::new("a space before the colon", &["--include", "URL/space"]),
    Case::new("an empty name", &["--include", "URL/empty"]),
    Case::new("a name in UTF-8", &["--include", "URL/utf8"]),
    Case::new("controls in a value", &["--include", "URL/control"]),
    Case::new("in a redirect", &["--include", "-L", "URL/redirect"]),
    Case::new("in 103", &["--include", "URL/hints"]),
    Case::new("in trailers", &["URL/trailers"]),
    Case::new("trailers", &["URL/after"]),
    Case::new("trailers behind the body", &["--include", "URL/after"]),
    Case::new("trailers behind the heads", &["-D", "heads", "URL/after", "URL/named"]),
    Case::new("trailers in both", &["-f", "--include", "-D", "heads", "-o", "out", "URL/after"]),
    Case::new("trailers as they came", &["--raw", "--include", "-D", "heads", "URL/after"]),
    Case::new("many fields", &["URL/large"]),
    Case::new("long fields", &["URL/long"]),
    Case::new("controls in the reason", &["--include", "URL/reason"]),
    Case::new("blanks in the status line", &["--include", "URL/blanks"]),
    Case::new("an empty Transfer-Encoding", &["-m", "5", "URL/no-coding"]).differs("Heads"),
    Case::new("identity and a length", &["-m", "5", "URL/identity"]).differs("Heads"),
    Case::new("chunked twice", &["--include", "URL/twice"]),
    Case::new("chunked in HTTP/1.0", &["--include", "URL/old"]),
    Case::new("chunks whose lines end with LF", &["--include", "URL/lf"]),
    Case::new("no colon", &["URL/colon"]).differs("Heads"),
    Case::new("a CR in a value", &["URL/cr"]).differs("Heads"),
    Case::new("a length with a sign", &["URL/plus"]).differs("Heads"),
    Case::new("http in small letters", &["URL/small"]).differs("Heads"),
    Case::new("a length that is malformed", &["URL/length", "-m", "5"]).differs("Heads"),
    Case::new("a higher minor version", &["URL/version"]).differs("Heads"),
];

#[test]
fn odd_heads_are_read_as_by_curl() {
    compare(ODD, odd, &[]);
}
