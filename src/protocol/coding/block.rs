//! What a compressed block of zstd says of itself (RFC 8878, 3.1.1.3): how much its decoder will hold.
//!
//! Knows the headers of the two sections. Must not know what is in them: the decoder looks at that.

/// The kind of a block that has sections.
pub(super) const COMPRESSED: u8 = 2;

/// Bytes that each sequence copies at least.
pub(super) const LEAST_MATCH: usize = 3;

/// Bytes of a sequence in the decoder's memory.
pub(super) const SEQUENCE: usize = 12;

/// What the sections of a block have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sections {
    /// Bytes, decoded.
    pub(super) literals: usize,
    pub(super) sequences: usize,
}

/// Of a block's content. None: it is cut off.
pub(super) fn sections(content: &[u8]) -> Option<Sections> {
    let (literals, length) = literals(content)?;
    let after = content.get(length..)?;
    let at = |index: usize| after.get(index).map(|&byte| usize::from(byte));
    let sequences = match at(0)? {
        few @ 0..128 => few,
        high @ 128..255 => (high - 128) << 8 | at(1)?,
        _ => (at(1)? | at(2)? << 8) + 0x7f00,
    };
    Some(Sections { literals, sequences })
}

/// How many literals there are, and how many bytes their section has.
fn literals(content: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*content.first()?);
    let (kind, format) = (first & 3, first >> 2 & 3);
    let header_length = match (kind, format) {
        (0 | 1, 0 | 2) => 1,
        (0 | 1, 1) => 2,
        (_, 0 | 1) | (0 | 1, _) => 3,
        (_, 2) => 4,
        (_, _) => 5,
    };
    let mut header = [0; 8];
    header[..header_length].copy_from_slice(content.get(..header_length)?);
    let header = u64::from_le_bytes(header) as usize;
    let (decoded, coded) = match (kind, header_length) {
        (0, 1) => (header >> 3, header >> 3),
        (0, _) => (header >> 4, header >> 4),
        (1, 1) => (header >> 3, 1),
        (1, _) => (header >> 4, 1),
        (_, 3) => (header >> 4 & 0x3ff, header >> 14 & 0x3ff),
        (_, 4) => (header >> 4 & 0x3fff, header >> 18 & 0x3fff),
        (_, _) => (header >> 4 & 0x3ffff, header >> 22 & 0x3ffff),
    };
    Some((decoded, header_length + coded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_measured_by_their_headers() {
        type Measured = Option<(usize, usize)>;
        let table: [(&[u8], Measured); 10] = [
            // raw literals, of each length of header
            (&[3 << 3, b'a', b'b', b'c', 0], Some((3, 0))),
            (&[2 << 4 | 1 << 2, 0, b'a', b'b', 5], Some((2, 5))),
            (&[1 << 4 | 3 << 2, 0, 0, b'a', 0x81, 2], Some((1, 0x102))),
            // one byte, repeated
            (&[20 << 3 | 1, b'a', 255, 1, 2], Some((20, 0x7f00 + 0x201))),
            (&[1 | 3 << 2, 0, 1, b'a', 0], Some((0x1000, 0))),
            // coded
            (&[2 | 5 << 4, 1 << 6, 0, b'x', 7], Some((5, 7))),
            (&[2 | 2 << 2 | 5 << 4, 0, 1 << 2, 0, b'x', 7], Some((5, 7))),
            (&[3 | 3 << 2 | 5 << 4, 0, 1 << 6, 0, 0, b'x', 7], Some((5, 7))),
            (&[], None),
            (&[3 << 3, b'a', b'b'], None),
        ];
        for (content, want) in table {
            let want = want.map(|(literals, sequences)| Sections { literals, sequences });
            assert_eq!(sections(content), want, "{content:x?}");
        }
    }
}
