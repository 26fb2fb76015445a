//! The Huffman code of strings (RFC 7541, 5.2 and appendix B).
//!
//! Knows the code. Must not know what strings mean, but for this: the three bytes that no field value may have have the
//! longest codes but few, so that looking for them costs nothing here. Invariants: what is decoded was coded as the RFC
//! demands, padding included; the work is linear in the coded bytes.

use super::HpackFault;

/// What a string decoded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Bytes, from the beginning of the output.
    pub(super) len: usize,
    /// There is no NUL, CR or LF among them.
    pub(super) is_value: bool,
}

/// The room that decoding so many bytes needs: the shortest code has five bits, and symbols are written in pairs.
pub(super) const fn room(coded: usize) -> usize {
    coded * 8 / 5 + 2
}

/// Decodes a string to the beginning of `out`, which has [`room`] for it.
pub(super) fn decode(coded: &[u8], out: &mut [u8]) -> Result<Decoded, HpackFault> {
    let mut bits = Bits { next: 0, count: 0, rest: coded };
    let mut decoded = Decoded { len: 0, is_value: true };
    loop {
        if bits.count < PAIR_BITS {
            bits.refill();
        }
        let entry = PAIRS[(bits.next >> (64 - PAIR_BITS)) as usize];
        let length = u32::from(entry.bits);
        if length > bits.count {
            bits.refill();
            if !bits.single(&mut decoded, out)? {
                return Ok(decoded);
            }
            continue;
        }
        out[decoded.len..decoded.len + 2].copy_from_slice(&entry.symbols);
        decoded.len += usize::from(entry.count);
        bits.drop(length);
    }
}

/// Bits that are to be decoded, of which the next stand highest, each turned over: so the ones that a string is padded with
/// (RFC 7541, 5.2) come by themselves.
struct Bits<'a> {
    next: u64,
    /// How many of them were taken from the string.
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// Takes whole bytes from the string, as many as there is room for.
    #[inline]
    fn refill(&mut self) {
        if let Some(word) = self.rest.first_chunk() {
            // the bits of a byte that has no room whole are taken once more next time, and are the same
            self.next |= !u64::from_be_bytes(*word) >> self.count;
            let taken = (63 - self.count) / 8;
            self.rest = &self.rest[taken as usize..];
            self.count += taken * 8;
            return;
        }
        while let (true, Some((&byte, rest))) = (self.count <= 56, self.rest.split_first()) {
            self.next |= u64::from(!byte) << (56 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }

    #[inline]
    fn drop(&mut self, bits: u32) {
        self.next <<= bits;
        self.count -= bits;
    }

    /// The next symbol, by itself: one whose code is longer than the table's, or the last. False at the end, which is the
    /// beginning of the code that nothing else begins with, of less than a byte (RFC 7541, 5.2).
    fn single(&mut self, decoded: &mut Decoded, out: &mut [u8]) -> Result<bool, HpackFault> {
        if self.count < 8 && self.next == 0 {
            return Ok(false);
        }
        let (symbol, length) = first((!self.next >> 32) as u32, LONGEST);
        // its bits may be those of the padding
        if length == 0 || symbol == END || length > self.count {
            return Err(HpackFault::BadHuffman);
        }
        out[decoded.len] = symbol as u8;
        decoded.len += 1;
        decoded.is_value &= !matches!(symbol as u8, 0 | b'\r' | b'\n');
        self.drop(length);
        Ok(true)
    }
}

/// Bytes that a string has coded.
pub(super) fn coded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Appends a string coded.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u64, 0);
    for &byte in text {
        let (code, length) = (CODE.of[usize::from(byte)], u32::from(LENGTHS[usize::from(byte)]));
        bits = bits << length | u64::from(code);
        count += length;
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&((bits >> count) as u32).to_be_bytes());
        }
    }
    let padding = (8 - count % 8) % 8;
    let bits = bits << padding | ((1 << padding) - 1);
    let bytes = (bits as u32).to_be_bytes();
    out.extend_from_slice(&bytes[4 - ((count + padding) / 8) as usize..]);
}

/// Bits that are looked at at once. Nearly all text is of codes of five to seven bits, so that two of them fit.
const PAIR_BITS: u32 = 12;

/// Bits of the longest code.
const LONGEST: u32 = 30;

/// The symbol that ends nothing: its code is for padding alone.
const END: u16 = 256;

/// What the next bits say.
#[derive(Clone, Copy)]
struct Entry {
    symbols: [u8; 2],
    /// Of the symbols that are whole; too many, if the first is not.
    bits: u8,
    count: u8,
}

/// By the next bits, turned over.
static PAIRS: [Entry; 1 << PAIR_BITS] = pairs();

const fn pairs() -> [Entry; 1 << PAIR_BITS] {
    let mut table = [Entry { symbols: [0; 2], bits: u8::MAX, count: 0 }; 1 << PAIR_BITS];
    let mut at = 0;
    while at < table.len() {
        let bits = !(at as u32) << (32 - PAIR_BITS);
        let (one, length) = first(bits, PAIR_BITS);
        if length > 0 {
            let (two, second) = first(bits << length, PAIR_BITS - length);
            let count = if second > 0 { 2 } else { 1 };
            table[at] =
                Entry { symbols: [one as u8, two as u8], bits: (length + second) as u8, count };
        }
        at += 1;
    }
    table
}

/// The symbol whose code the highest bits begin with, and its length; none if it has more than `most`.
const fn first(bits: u32, most: u32) -> (u16, u32) {
    let mut length = 5;
    while length <= most {
        let code = bits >> (32 - length);
        let at = length as usize;
        if code >= CODE.first[at] && code - CODE.first[at] < CODE.count[at] as u32 {
            return (
                CODE.symbols[CODE.before[at] as usize + (code - CODE.first[at]) as usize],
                length,
            );
        }
        length += 1;
    }
    (0, 0)
}

/// The code, which is canonical: it follows from its lengths.
struct Code {
    /// The code of each byte.
    of: [u32; 256],
    /// The first code of each length, the number of them, and the number of those that are shorter.
    first: [u32; LONGEST as usize + 1],
    count: [u16; LONGEST as usize + 1],
    before: [u16; LONGEST as usize + 1],
    /// In the order of their codes.
    symbols: [u16; 257],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut all = Code {
        of: [0; 256],
        first: [0; LONGEST as usize + 1],
        count: [0; LONGEST as usize + 1],
        before: [0; LONGEST as usize + 1],
        symbols: [0; 257],
    };
    let (mut code, mut nth, mut length) = (0, 0, 1);
    while length <= LONGEST as usize {
        code <<= 1;
        all.first[length] = code;
        all.before[length] = nth as u16;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                if symbol < 256 {
                    all.of[symbol] = code;
                }
                all.symbols[nth] = symbol as u16;
                all.count[length] += 1;
                nth += 1;
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    all
}

/// Bits of the code of each byte, and of [`END`].
#[rustfmt::skip]
static LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
