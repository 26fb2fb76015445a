//! Strict-Transport-Security fields and files of such hosts: any bytes are read or refused, and what is written is read
//! again as it was.
//!
//! The first byte of the input says what the rest is: a file, or the fields of a response.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::Hsts;
use ringdove::protocol::Date;

use support::{origin, with_head};

const NOW: Date = Date::from_unix(1_700_000_000);

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let known = Hsts::new();
    let own = origin("https://www.a.example/");
    if choice & 1 == 0 {
        known.read_file(&String::from_utf8_lossy(rest), NOW);
    } else {
        with_head(200, "Strict-Transport-Security", rest, |head| {
            known.note(&own, head, NOW);
            let other = origin("https://b.example/");
            assert!(!known.covers(other.host(), NOW), "a host speaks for itself");
            let above = origin("https://a.example/");
            assert!(!known.covers(above.host(), NOW), "and for none above it");
            let plain = Hsts::new();
            plain.note(&origin("http://www.a.example/"), head, NOW);
            assert!(!plain.covers(own.host(), NOW), "what came without TLS is not believed");
        });
    }
    let written = known.to_file(NOW);
    let again = Hsts::new();
    again.read_file(&written, NOW);
    assert_eq!(written, again.to_file(NOW));
    assert_eq!(known.covers(own.host(), NOW), again.covers(own.host(), NOW));
});
