//! TLS records: whatever a server sends, the transfer ends; and a server in order is understood however its records are
//! cut, unless a byte is another, and then nothing of the record that has it is believed.
//!
//! The first byte of the input says whether the server is one. The next eight seed the cuts. To what is no server, the
//! rest is what it says; of a server, it is the body of a response, and two bytes before it say which byte is changed.

#![no_main]

#[path = "support/client.rs"]
mod client;

use libfuzzer_sys::fuzz_target;
use ringdove::engine::Config;
use ringdove::{Options, TlsPolicy};
use ringdove_test_support::sim_tls::TlsPeer;

use client::{Client, Ending, pieces};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((seed, rest)) = rest.split_first_chunk::<8>() else { return };
    let seed = u64::from_le_bytes(*seed);
    if choice & 1 == 0 {
        let ending = garbage(std::iter::once(rest));
        assert_eq!(ending, garbage(rest.chunks(1)), "byte by byte");
        assert_eq!(ending, garbage(pieces(rest, seed)), "cut at random");
        return;
    }
    let Some((changed, body)) = rest.split_first_chunk::<2>() else { return };
    let changed = (choice & 2 != 0).then_some(usize::from(u16::from_le_bytes(*changed)));
    serve(seed, changed, body);
});

fn client() -> Client {
    let tls = TlsPolicy::builder().insecure().build().expect("a policy");
    let config = Config { tls: Some(tls), ..Config::default() };
    Client::new(config, "https://192.0.2.9/", Options::default())
}

fn garbage<'w>(pieces: impl Iterator<Item = &'w [u8]>) -> Ending {
    let mut client = client();
    for piece in pieces {
        client.hear(piece);
    }
    let ending = client.end();
    assert!(ending.result.is_err() && ending.body.is_empty(), "{ending:?}");
    ending
}

fn serve(seed: u64, changed: Option<usize>, body: &[u8]) {
    let mut client = client();
    let mut peer = TlsPeer::new();
    let (mut at, mut answered) = (0, false);
    loop {
        let said: Vec<u8> = client.take_sent().into_iter().flat_map(|(_, bytes)| bytes).collect();
        let Ok(plain) = peer.try_read(&said) else { break };
        if !plain.is_empty() && !answered {
            answered = true;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            peer.write(head.as_bytes());
            peer.write(body);
            peer.close();
        }
        let mut wire = peer.wire();
        if wire.is_empty() {
            break;
        }
        if let Some(byte) = changed.and_then(|changed| wire.get_mut(changed.checked_sub(at)?)) {
            *byte ^= 0x10;
        }
        at += wire.len();
        for piece in pieces(&wire, seed) {
            client.hear(piece);
        }
    }
    let is_changed = changed.is_some_and(|changed| changed < at);
    let ending = client.end();
    assert!(body.starts_with(&ending.body), "never what was not sent");
    if !is_changed {
        assert_eq!(ending, Ending { body: body.to_vec(), result: Ok(200) });
    }
}
