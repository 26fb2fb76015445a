//! Proxies as they are typed, and lists of hosts that none is used for: any text is read or refused, and no message
//! repeats a password.
//!
//! The first byte of the input says what the rest is.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::{Bypass, Proxies, Proxy};

use support::origin;

const SECRET: &str = "s3cr3t";

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match choice & 3 {
        0 => proxy(&text),
        1 => {
            // a password in whatever stands before it and after it
            let (before, after) = text.split_at(text.floor_char_boundary(text.len() / 2));
            let text = format!("{before}://u:{SECRET}@{after}");
            if !before.contains(SECRET) && !after.contains(SECRET) {
                let shown = match Proxy::parse(&text) {
                    Ok(proxy) => format!("{proxy} {proxy:?}"),
                    Err(error) => format!("{error} {error:?}"),
                };
                assert!(!shown.contains(SECRET), "{shown}");
            }
        }
        2 => {
            let list = Bypass::parse(&text);
            for url in ["http://a.example/", "https://192.0.2.7:8080/", "http://[2001:db8::1]/"] {
                list.contains(&origin(url));
            }
        }
        _ => {
            let (proxy, list) = text.split_once('\n').unwrap_or((&text, ""));
            if let Ok(proxy) = Proxy::parse(proxy) {
                let proxies = Proxies::all(proxy).except(Bypass::parse(list));
                let target = origin("http://a.example/");
                let spared = Bypass::parse(list).contains(&target);
                assert_eq!(proxies.proxy_for(&target).is_none(), spared);
            }
        }
    }
});

/// What is read is the same proxy when it is written.
fn proxy(text: &str) {
    let Ok(proxy) = Proxy::parse(text) else { return };
    let again = Proxy::parse(&proxy.to_string()).expect("it names a proxy");
    assert_eq!(again.protocol(), proxy.protocol());
    assert_eq!((again.host(), again.port()), (proxy.host(), proxy.port()));
}
