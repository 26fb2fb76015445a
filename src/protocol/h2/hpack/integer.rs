//! Integers with a prefix (RFC 7541, 5.1).
//!
//! Knows their bytes. Must not know what they count. Invariant: what is read is below 2^28, in at most five bytes; no index,
//! length or size here comes near.

use super::HpackFault;

/// Reads an integer whose first `prefix` bits are the lowest of the first byte of `block`, and takes it from there.
pub(super) fn decode(block: &mut &[u8], prefix: u32) -> Result<usize, HpackFault> {
    let most = (1 << prefix) - 1;
    let (&first, mut rest) = block.split_first().ok_or(HpackFault::Truncated)?;
    let mut value = usize::from(first) & most;
    if value == most {
        for shift in [0, 7, 14, 21] {
            let (&byte, after) = rest.split_first().ok_or(HpackFault::Truncated)?;
            rest = after;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *block = rest;
                return Ok(value);
            }
        }
        return Err(HpackFault::IntegerTooLarge);
    }
    *block = rest;
    Ok(value)
}

/// Appends an integer, with `flags` above the prefix.
pub(super) fn encode(value: usize, prefix: u32, flags: u8, out: &mut Vec<u8>) {
    let most = (1 << prefix) - 1;
    if value < most {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_examples() {
        // RFC 7541, C.1
        let table: &[(usize, u32, &[u8])] =
            &[(10, 5, &[0b01010]), (1337, 5, &[0b11111, 0b1001_1010, 0b1010]), (42, 8, &[42])];
        for &(value, prefix, bytes) in table {
            let mut out = Vec::new();
            encode(value, prefix, 0, &mut out);
            assert_eq!(out, bytes);
            let mut rest = bytes;
            assert_eq!(decode(&mut rest, prefix), Ok(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for prefix in 4..=7 {
            for value in
                [0, 1, 14, 15, 16, 30, 31, 62, 63, 126, 127, 128, 254, 255, 256, 16_383, 1 << 27]
            {
                let mut out = Vec::new();
                encode(value, prefix, 0x80, &mut out);
                let mut rest = &out[..];
                assert_eq!(decode(&mut rest, prefix), Ok(value));
                assert!(rest.is_empty());
                for end in 0..out.len() {
                    assert_eq!(decode(&mut &out[..end], prefix), Err(HpackFault::Truncated));
                }
            }
        }
    }

    #[test]
    fn long_ones_are_refused() {
        for tail in [&[0x80, 0x80, 0x80, 0x80, 0][..], &[0xff; 5], &[0xff; 12]] {
            let block = [&[0x7f], tail].concat();
            assert_eq!(decode(&mut &block[..], 7), Err(HpackFault::IntegerTooLarge));
        }
        assert_eq!(decode(&mut &[0x7f, 0x80, 0x80, 0][..], 7), Ok(127));
    }
}
