//! A coded body decodes the same whole and cut anywhere, and never to more than its caps.
//!
//! The first bytes of the input choose the codings, the next eight seed the cuts, the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringdove::DecodePolicy;
use ringdove::protocol::{Coding, CodingFault, ContentDecoder, Decoded};

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

/// Decoded bytes, at most: fuzzing is to try many bodies, not long ones.
const MOST: u64 = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((choice, coded)) = input.split_at_checked(9) else { return };
    let number = usize::from(choice[0] & 3);
    let codings: Vec<Coding> =
        (0..number).map(|n| ALL[usize::from(choice[0] >> (2 + 2 * n) & 3)]).collect();
    let whole = decode(&codings, coded, || usize::MAX);
    assert!(whole.0.len() as u64 <= MOST, "the cap holds");
    assert_same(&whole, &decode(&codings, coded, || 1));
    let mut seed = u64::from_le_bytes(choice[1..].try_into().expect("eight bytes")) | 1;
    let cut = decode(&codings, coded, || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % 24) as usize + 1
    });
    assert_same(&whole, &cut);
});

type Outcome = (Vec<u8>, Result<(), CodingFault>);

/// A fault is found at the same place; how much is given out before it depends on the pieces.
fn assert_same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.1.is_ok(), other.1.is_ok());
    let shorter = one.0.len().min(other.0.len());
    assert!(one.0[..shorter] == other.0[..shorter]);
    assert!(one.1.is_err() || one.0.len() == other.0.len());
}

fn decode(codings: &[Coding], coded: &[u8], mut piece_len: impl FnMut() -> usize) -> Outcome {
    let policy =
        DecodePolicy { max_decoded: Some(MOST), max_ratio: None, ..DecodePolicy::default() };
    let mut decoder = ContentDecoder::new(codings, policy);
    let mut body = Vec::new();
    let mut rest = coded;
    let mut out = vec![0; 4096];
    loop {
        let at_end = rest.is_empty();
        let (mut piece, after) = rest.split_at(piece_len().min(rest.len()));
        rest = after;
        if at_end {
            decoder.end();
        }
        loop {
            match decoder.decode(piece, &mut out) {
                Ok(Decoded { more: false, consumed, produced }) => {
                    assert_eq!((consumed, produced), (piece.len(), 0), "all is taken");
                    break;
                }
                Ok(Decoded { more: true, consumed, produced }) => {
                    body.extend_from_slice(&out[..produced]);
                    piece = &piece[consumed..];
                }
                Err(fault) => return (body, Err(fault)),
            }
        }
        if at_end {
            return (body, Ok(()));
        }
    }
}
