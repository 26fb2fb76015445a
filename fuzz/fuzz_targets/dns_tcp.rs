//! DNS over TCP: messages behind their lengths, however they are cut; whatever a server says, the look-up ends.
//!
//! The first byte of the input says what the rest is, the next eight seed the cuts: bytes of a server, or messages of a
//! server that puts the right length, id and question before each.

#![no_main]

#[path = "support/client.rs"]
mod client;

use libfuzzer_sys::fuzz_target;
use ringdove::Options;
use ringdove::dns::{Conf, Switch};
use ringdove::engine::{Config, NamesConfig};

use client::{Client, Ending, pieces};

/// Bytes of a DNS message's header.
const HEADER: usize = 12;

/// "The answer is cut short", and the bits of an answer.
const TRUNCATED: [u8; 2] = [0x83, 0x80];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some((seed, said)) = rest.split_first_chunk::<8>() else { return };
    let whole = look_up(choice, said, |client, wire| client.hear(wire));
    let single = look_up(choice, said, |client, wire| {
        wire.chunks(1).for_each(|byte| client.hear(byte));
    });
    assert_eq!(whole, single, "byte by byte");
    let cut = look_up(choice, said, |client, wire| {
        pieces(wire, u64::from_le_bytes(*seed)).for_each(|piece| client.hear(piece));
    });
    assert_eq!(whole, cut, "cut at random");
});

fn look_up(choice: u8, said: &[u8], mut hear: impl FnMut(&mut Client, &[u8])) -> Ending {
    let mut client = Client::idle(Config::default());
    let servers = vec!["192.0.2.53:53".parse().expect("an address")];
    let conf = Conf { servers, ..Conf::default() };
    let config = NamesConfig { conf, ..NamesConfig::default() };
    client.engine.set_names(config, Switch::default(), [7; 32]);
    client.ask("http://a.example/", Options::default());
    let Some((channel, query)) = client.take_sent().into_iter().next() else { return client.end() };
    let question = question(&query);
    let cut_short = [&query[..2], &TRUNCATED, &[0, 1, 0, 0, 0, 0, 0, 0], question].concat();
    client.hear_on(channel, &cut_short);
    // asked again, behind two bytes of length
    let asked = client.take_sent().pop().expect("it comes again over TCP").1;
    let id = &asked[2..4];
    let mut wire = Vec::new();
    if choice & 1 == 0 {
        wire.extend_from_slice(said);
    } else {
        for message in said.split(|&byte| byte == 0xa5) {
            let Some((counts, records)) = message.split_first_chunk::<4>() else { continue };
            let [code, answers, authorities, others] = *counts;
            let counts = [0, 1, 0, answers, 0, authorities, 0, others];
            let message = [id, &[0x81, 0x80 | code & 15], &counts, question, records].concat();
            wire.extend(u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
            wire.extend(message);
        }
    }
    hear(&mut client, &wire);
    client.end()
}

/// The question of a query.
fn question(query: &[u8]) -> &[u8] {
    let name = query[HEADER..].iter().position(|&byte| byte == 0).expect("names end");
    &query[HEADER..HEADER + name + 5]
}
