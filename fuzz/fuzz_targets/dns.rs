//! DNS answers and the files of name look-ups: any bytes are read or refused, within their bounds.
//!
//! The first byte of the input says what the rest is: an answer, or one of the files. The header and the question of
//! an answer are made good where another bit says so, so that the records behind them are reached.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringdove::dns::{Answer, Code, Conf, Data, Fault, Hosts, Kind, Switch, message};

const NAME: &str = "www.example.com";
const ID: u16 = 0x1234;

/// Addresses, aliases and servers that are kept at most, as the documentation has them.
const ADDRESSES: usize = 16;
const ALIASES: usize = 16;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    match choice & 7 {
        0..=3 => answer(choice, rest),
        4 => {
            let conf = Conf::parse(rest, |name| (name.len() < 5).then_some(1));
            assert!((1..=3).contains(&conf.servers.len()) && conf.ndots <= 15);
            assert!(conf.search.iter().all(|domain| !domain.is_empty()));
        }
        5 => {
            let hosts = Hosts::parse(rest);
            for name in String::from_utf8_lossy(rest).split_ascii_whitespace() {
                let found = hosts.get(&name.to_ascii_lowercase()).unwrap_or_default();
                assert!(found.len() <= ADDRESSES);
            }
        }
        6 => {
            let switch = Switch::parse(rest);
            // what is the system's among names that DNS has is all the system's
            assert!(!switch.asks_system(NAME) || switch.asks_system("host"));
        }
        _ => query(&String::from_utf8_lossy(rest)),
    }
});

fn answer(choice: u8, rest: &[u8]) {
    let kind = if choice & 1 == 0 { Kind::A } else { Kind::Aaaa };
    let mut bytes = Vec::new();
    if choice & 2 == 0 {
        assert!(message::encode(ID, NAME, kind, false, &mut bytes));
        let Some((head, rest)) = rest.split_at_checked(8) else { return };
        bytes[2] = 0x80 | head[0] & 0x07;
        bytes[3] = head[1];
        bytes[6..12].copy_from_slice(&[0, head[2], 0, head[3], 0, head[4]]);
        bytes.extend_from_slice(rest);
    } else {
        bytes.extend_from_slice(rest);
    }
    let read = message::decode(&bytes, ID, NAME, kind);
    if let Ok(answer) = &read {
        check(answer, kind);
        // it is the answer to no other question
        assert_eq!(message::decode(&bytes, ID ^ 1, NAME, kind), Err(Fault::Mismatch));
        let other = message::decode(&bytes, ID, "example.org", kind);
        let repeats = bytes[4..6] != [0, 0];
        assert!(!repeats || other == Err(Fault::Mismatch));
    }
    // the same bytes say the same
    assert_eq!(read, message::decode(&bytes, ID, NAME, kind));
}

fn check(answer: &Answer, kind: Kind) {
    match &answer.data {
        Data::Addresses { addresses, ttl } => {
            assert!((1..=ADDRESSES).contains(&addresses.len()) && *ttl < 1 << 31);
            assert!(addresses.iter().all(|ip| ip.is_ipv4() == (kind == Kind::A)));
        }
        Data::Alias { name, steps, ttl } => {
            assert!((1..=ALIASES).contains(steps) && *ttl < 1 << 31);
            assert_eq!(answer.code, Code::NoError);
            assert!(message::encode(1, name, kind, true, &mut Vec::new()), "{name:?}");
        }
        Data::Nothing { ttl } => assert!(ttl.is_none_or(|ttl| ttl < 1 << 31)),
        Data::Loop => {}
    }
}

/// A name that can be asked for is the one that is asked for.
fn query(name: &str) {
    let mut bytes = Vec::new();
    if message::encode(ID, name, Kind::A, false, &mut bytes) {
        assert!(bytes.len() == name.len() + 18 && message::id(&bytes) == Some(ID));
        bytes[2] |= 0x80;
        let answer = message::decode(&bytes, ID, name, Kind::A).expect("an empty answer");
        assert_eq!(answer.data, Data::Nothing { ttl: None });
    }
}
