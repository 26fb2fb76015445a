//! Handshakes with proxies, CONNECT and SOCKS: whatever the proxy answers, the same comes of it whole and cut anywhere.
//!
//! The first byte of the input chooses the proxy, the next eight seed the cuts, the rest is what the proxy says before it
//! closes.

#![no_main]

#[path = "support/client.rs"]
mod client;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ringdove::engine::Config;
use ringdove::protocol::AuthScheme;
use ringdove::{Options, Proxies, Proxy};

use client::{Client, Ending, pieces};

const PROXIES: [&str; 8] = [
    "http://192.0.2.1:1",
    "http://u:p@192.0.2.1:1",
    "socks4://192.0.2.1:1",
    "socks4a://u@192.0.2.1:1",
    "socks5://192.0.2.1:1",
    "socks5://u:p@192.0.2.1:1",
    "socks5h://192.0.2.1:1",
    "socks5h://u:p@192.0.2.1:1",
];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((seed, wire)) = rest.split_first_chunk::<8>() else { return };
    let whole = talk(choice, std::iter::once(wire));
    let single = talk(choice, wire.chunks(1));
    assert_eq!(whole, single, "byte by byte");
    let cut = talk(choice, pieces(wire, u64::from_le_bytes(*seed)));
    assert_eq!(whole, cut, "cut at random");
});

fn talk<'w>(choice: u8, pieces: impl Iterator<Item = &'w [u8]>) -> Ending {
    let proxy = Proxy::parse(PROXIES[usize::from(choice & 7)]).expect("a proxy");
    let proxy = match choice & 8 {
        0 => proxy,
        _ => proxy.with_scheme(AuthScheme::Any),
    };
    let proxies = Some(Arc::new(Proxies::all(proxy).tunnel(true)));
    // by name where a name can be told, else by address
    let url = if choice & 16 == 0 { "http://192.0.2.9/" } else { "http://[2001:db8::9]:81/" };
    let mut client = Client::new(Config::default(), url, Options { proxies, ..Options::default() });
    for piece in pieces {
        client.hear(piece);
    }
    let end = client.end();
    // what follows on the answer at once comes before there is a request: that it is no response is not looked at then
    let result = if end.result == Err("http") { Err("closed") } else { end.result };
    Ending { result, ..end }
}
