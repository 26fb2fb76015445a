//! `--trace` and `--trace-ascii`, but for what each program says in its own words.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn server() -> Plan {
    let bytes: Vec<u8> = (0..=255).collect();
    let moved = "302 Moved\r\nLocation: /bytes";
    Plan::new()
        .path("/bytes", Script::new().ok(bytes))
        .path("/moved", Script::new().respond(moved, Framing::ContentLength, ""))
        .path("/up", Script::new().read_body().respond("200 OK", Framing::ContentLength, "a\r\nb"))
}

pub(crate) const TRACES: &[Case] = &[
    Case::new(
        "--trace",
        &["-A", "", "-H", "Host: h", "-o", "out", "--trace", "trace", "URL/bytes"],
    ),
    Case::new("--trace-ascii", &["-A", "", "-o", "out", "--trace-ascii", "trace", "URL/bytes"]),
    Case::new(
        "a body",
        &[
            "-A",
            "",
            "-H",
            "Content-Type:",
            "-d",
            "a=1",
            "-o",
            "out",
            "--trace-ascii",
            "trace",
            "URL/up",
        ],
    ),
    Case::new("a redirect", &["-A", "", "-Lo", "out", "--trace-ascii", "trace", "URL/moved"]),
    Case::new("the last counts", &["-A", "", "--trace", "x", "--trace-ascii", "trace", "URL/up"]),
    Case::new(
        "both sets",
        &["-A", "", "URL/up", "--next", "-A", "", "--trace-ascii", "trace", "URL/up"],
    ),
];

#[test]
fn traces_are_curls() {
    compare(TRACES, server, &[]);
}
