//! Blocks decode to what another decoder makes of them, and what we encode is decoded by both.
//!
//! The first byte of the input chooses the limit of the list, each block after it begins with its length.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringdove::protocol::h2::hpack::{Decoder, Encoder, Field, HpackFault, Indexing, Lines};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, mut rest)) = input.split_first() else { return };
    let limit = if choice & 1 == 0 { usize::MAX } else { usize::from(choice) * 8 };
    let (mut ours, mut limited) = (Decoder::new(4096), Decoder::new(4096));
    let mut other = httlib_hpack::Decoder::with_dynamic_size(4096);
    let (mut encoder, mut back) = (Encoder::new(4096), Decoder::new(4096));
    while let Some((&len, after)) = rest.split_first() {
        let (block, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        let decoded = decode(&mut ours, block, usize::MAX);
        let within = decode(&mut limited, block, limit);
        let Ok((fields, _)) = decoded else {
            // the table has seen the same
            assert_eq!(within.is_err(), decoded.is_err());
            return;
        };
        let (kept, over) = within.expect("a limit is no fault of the block");
        assert_eq!(kept.len() + over, fields.len());
        assert!(fields.starts_with(&kept) || over > 0);
        if !compare(&mut other, block, &fields) {
            return;
        }
        assert_eq!(encoded(&mut encoder, &mut back, &fields, len), fields);
    }
});

/// The fields of a block that are within the limit, and how many are not.
fn decode(
    decoder: &mut Decoder,
    mut block: &[u8],
    limit: usize,
) -> Result<(Fields, usize), HpackFault> {
    let (mut lines, mut fields, mut over) = (Lines::new(), Vec::new(), 0);
    lines.begin(limit);
    decoder.begin();
    loop {
        match decoder.next(&mut block, &mut lines)? {
            Field::Line(line) => {
                let (name, value) = (lines.name(&line).to_vec(), lines.value(&line).to_vec());
                assert!(lines.bytes().ends_with(&[&name[..], b": ", &value, b"\r\n"].concat()));
                assert_eq!(line.is_value, !value.iter().any(|byte| b"\0\r\n".contains(byte)));
                fields.push((name, value));
                assert!(lines.bytes().len() <= limit.max(4096 * 255));
            }
            Field::Over => over += 1,
            Field::End => return Ok((fields, over)),
        }
    }
}

/// Whether the other decoder could be asked; then it says the same.
fn compare(other: &mut httlib_hpack::Decoder<'_>, block: &[u8], fields: &Fields) -> bool {
    let mut list = Vec::new();
    if other.decode(&mut block.to_vec(), &mut list).is_err() {
        // it refuses some blocks that end with a change of the table's size
        return false;
    }
    let judged: Fields = list.into_iter().map(|(name, value, _)| (name, value)).collect();
    assert_eq!(&judged, fields);
    true
}

/// The fields, through our encoder and our decoder.
fn encoded(encoder: &mut Encoder, back: &mut Decoder, fields: &Fields, seed: u8) -> Fields {
    let mut block = Vec::new();
    if seed % 8 == 0 {
        encoder.set_peer_max(usize::from(seed) * 20);
    }
    encoder.begin(&mut block);
    for (nth, (name, value)) in fields.iter().enumerate() {
        let indexing = match (nth + usize::from(seed)) % 3 {
            0 => Indexing::Insert,
            1 => Indexing::Without,
            _ => Indexing::Never,
        };
        encoder.field(name, value, indexing, &mut block);
    }
    decode(back, &block, usize::MAX).expect("what we encode").0
}
