//! Whatever is set and whatever a file has, cookies stay with their site, fit into a field, and come back
//! from a file as they went into it.
//!
//! The first byte of the input chooses between what a server sets and a file; the rest is lines of it.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::protocol::{CookieJar, Date, Initiator};

use support::{origin, request, with_head};

const NOW: Date = Date::from_unix(1_000_000_000);

fuzz_target!(|input: &[u8]| {
    let Some((choice, said)) = input.split_first() else { return };
    let jar = CookieJar::new();
    let is_file = choice & 1 == 1;
    if is_file {
        jar.read_netscape(said, NOW);
    } else {
        let from = ["https://x.a.example/d/e", "http://a.example/", "http://127.0.0.1/"]
            [usize::from(choice >> 1) % 3];
        with_head(200, "Set-Cookie", said, |head| jar.store(&origin(from), "/d/e", head, NOW));
    }
    let field = |jar: &CookieJar, url: &str, path: &str| {
        jar.field(&origin(url), path, Initiator::SameSite, NOW)
    };
    if !is_file {
        for stranger in ["https://example/", "https://b.example/", "https://a.example.org/"] {
            assert_eq!(field(&jar, stranger, "/"), None, "{stranger}");
        }
    }
    let written = jar.to_netscape(NOW);
    let other = CookieJar::new();
    let read = other.read_netscape(&written, NOW);
    assert_eq!((read, other.len()), (jar.len(), jar.len()), "{}", written.escape_ascii());
    for url in ["https://x.a.example/", "http://a.example/", "http://127.0.0.1/"] {
        for path in ["/", "/d/e", "/d/e/f"] {
            let (one, two) = (field(&jar, url, path), field(&other, url, path));
            let sorted = |field: &Option<Vec<u8>>| {
                let field = field.clone().unwrap_or_default();
                let mut cookies: Vec<_> = field
                    .split(|&byte| byte == b';')
                    .map(<[u8]>::trim_ascii)
                    .map(<[u8]>::to_vec)
                    .collect();
                cookies.sort();
                cookies
            };
            assert_eq!(sorted(&one), sorted(&two), "{url} {path}");
            if let Some(value) = one {
                assert!(value.len() <= 8 * 1024);
                let mut head = request("http://a.example/");
                head.field("Cookie", &value).expect("it can stand in a field");
            }
        }
    }
});
