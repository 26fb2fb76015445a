//! Ways to the server: other hosts and ports, addresses that stand in a look-up's place, families, sources.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Plan, Script};

pub(crate) fn server() -> Plan {
    let elsewhere = Script::new()
        .send("HTTP/1.1 302 Found\r\nLocation: http://b.test:99/\r\nContent-Length: 0\r\n\r\n");
    Plan::new().path("/", Script::new().ok("hello")).path("/elsewhere", elsewhere)
}

pub(crate) const CASES: &[Case] = &[
    Case::new("--connect-to", &["--connect-to", "a.test:80:127.0.0.1:PORT", "http://a.test/"]),
    Case::new("in another case", &["--connect-to", "A.TEST:80:127.0.0.1:PORT", "http://a.test/"]),
    Case::new("--connect-to of any", &["--connect-to", "::127.0.0.1:PORT", "http://a.test:9/"]),
    Case::new("another port", &["--connect-to", "127.0.0.1:9::PORT", "http://127.0.0.1:9/"]),
    Case::new(
        "the first that fits counts",
        &[
            "--connect-to",
            "a.test::127.0.0.1:PORT",
            "--connect-to",
            "a.test::127.0.0.1:1",
            "http://a.test/",
        ],
    ),
    Case::new(
        "one that does not fit is passed over",
        &["--connect-to", "b.test::127.0.0.1:1", "--connect-to", ":::PORT", "http://127.0.0.1:9/"],
    ),
    Case::new(
        "one that says nothing is passed over",
        &["--connect-to", ":::", "--connect-to", "::127.0.0.1:PORT", "http://a.test/"],
    ),
    Case::new(
        "redirects are led elsewhere too",
        &["-L", "--connect-to", "::127.0.0.1:PORT", "http://a.test/elsewhere"],
    ),
    Case::new("who is connected to refuses", &["--connect-to", "::127.0.0.1:1", "URL/"]),
    Case::new(
        "--connect-to looks up by --resolve",
        &[
            "--connect-to",
            "a.test::b.test:PORT",
            "--resolve",
            "b.test:PORT:127.0.0.1",
            "http://a.test/",
        ],
    ),
    Case::new("--resolve", &["--resolve", "a.test:PORT:127.0.0.1", "http://a.test:PORT/"]),
    Case::new(
        "the next address is tried",
        &["--resolve", "a.test:PORT:127.0.0.9,127.0.0.1", "http://a.test:PORT/"],
    ),
    Case::new("--resolve of all hosts", &["--resolve", "*:PORT:127.0.0.1", "http://a.test:PORT/"]),
    Case::new(
        "a host by name comes before all",
        &[
            "--resolve",
            "*:PORT:127.0.0.9",
            "--resolve",
            "a.test:PORT:127.0.0.1",
            "http://a.test:PORT/",
        ],
    ),
    Case::new("for a while", &["--resolve", "+a.test:PORT:127.0.0.1", "http://a.test:PORT/"]),
    Case::new(
        "the last counts",
        &[
            "--resolve",
            "a.test:PORT:127.0.0.9",
            "--resolve",
            "a.test:PORT:127.0.0.1",
            "http://a.test:PORT/",
        ],
    ),
    Case::new(
        "taken back",
        &[
            "--resolve",
            "a.invalid:PORT:127.0.0.1",
            "--resolve",
            "-a.invalid:PORT",
            "http://a.invalid:PORT/",
        ],
    ),
    Case::new("-4", &["-4", "URL/"]),
    Case::new("the last of -4 and -6 counts", &["-6", "-4", "URL/"]),
    Case::new(
        "-6 with two addresses",
        &["-6", "--resolve", "a.test:PORT:127.0.0.1,::1", "http://a.test:PORT/"],
    ),
    Case::new("--interface, an address", &["--interface", "127.0.0.1", "URL/"]),
    Case::new("another address", &["--interface", "127.0.0.7", "URL/"]),
    Case::new("host!", &["--interface", "host!127.0.0.1", "URL/"]),
    Case::new("a device", &["--interface", "lo", "URL/"]),
    Case::new("if!", &["--interface", "if!lo", "URL/"]),
    Case::new("no such device", &["--interface", "if!nothing0", "URL/"]),
    Case::new("nobody's address", &["--interface", "203.0.113.7", "URL/"]),
    Case::new("--local-port", &["--local-port", "41000-41900", "URL/"]),
    Case::new("no Unix socket there", &["--unix-socket", "nowhere", "URL/"]),
    Case::new("no abstract socket there", &["--abstract-unix-socket", "ringdove-nowhere", "URL/"]),
    Case::new("a path too long", &["--unix-socket", LONG, "URL/"]),
];

/// Longer than `sun_path`.
const LONG: &str = "/tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn ways_are_those_of_curl() {
    compare(CASES, server, &[]);
}
