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
        bits.refill();
        while bits.count >= LONGEST {
            let entry = bits.entry();
            if entry.bits == 0 {
                bits.long(&mut decoded, out)?;
                continue;
            }
            out[decoded.len..decoded.len + 2].copy_from_slice(&entry.symbols);
            decoded.len += entry.count();
            bits.drop(u32::from(entry.bits));
        }
        if bits.rest.is_empty() {
            break;
        }
    }
    bits.last(&mut decoded, out)?;
    Ok(decoded)
}

/// Bits that are to be decoded, of which the next stand highest.
struct Bits<'a> {
    next: u64,
    /// How many of them were taken from the string.
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// Takes whole bytes from the string, as many as there is room for.
    fn refill(&mut self) {
        if let Some(word) = self.rest.first_chunk() {
            // the bits of a byte that has no room whole are taken once more next time, and are the same
            self.next |= u64::from_be_bytes(*word) >> self.count;
            let taken = (63 - self.count) / 8;
            self.rest = &self.rest[taken as usize..];
            self.count += taken * 8;
            return;
        }
        while let (true, Some((&byte, rest))) = (self.count <= 56, self.rest.split_first()) {
            self.next |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }

    fn entry(&self) -> Entry {
        PAIRS[(self.next >> (64 - PAIR_BITS)) as usize]
    }

    fn drop(&mut self, bits: u32) {
        self.next <<= bits;
        self.count -= bits;
    }

    /// The symbol of a code that is longer than the table's.
    #[cold]
    fn long(&mut self, decoded: &mut Decoded, out: &mut [u8]) -> Result<(), HpackFault> {
        for length in PAIR_BITS as usize + 1..=LONGEST as usize {
            let code = (self.next >> (64 - length)) as u32;
            let Some(nth) = code.checked_sub(CODE.first[length]) else { continue };
            if nth >= u32::from(CODE.count[length]) {
                continue;
            }
            let symbol = CODE.symbols[usize::from(CODE.before[length]) + nth as usize];
            // its bits may be those of the padding
            if symbol == END || length as u32 > self.count {
                break;
            }
            out[decoded.len] = symbol as u8;
            decoded.len += 1;
            decoded.is_value &= !matches!(symbol as u8, 0 | b'\r' | b'\n');
            self.drop(length as u32);
            return Ok(());
        }
        Err(HpackFault::BadHuffman)
    }

    /// What is left when all of the string was taken: at most one bit less than the longest code has, and the padding,
    /// which is the beginning of the code that nothing else begins with (RFC 7541, 5.2).
    fn last(&mut self, decoded: &mut Decoded, out: &mut [u8]) -> Result<(), HpackFault> {
        self.next |= u64::MAX >> self.count;
        while self.count > 0 {
            if self.count < 8 && self.next == u64::MAX {
                return Ok(());
            }
            let entry = self.entry();
            let (bits, symbols) = match entry.bits {
                0 => {
                    self.long(decoded, out)?;
                    self.next |= u64::MAX >> self.count;
                    continue;
                }
                bits if u32::from(bits) <= self.count => (bits, entry.count()),
                _ if u32::from(entry.first) <= self.count => (entry.first, 1),
                _ => return Err(HpackFault::BadHuffman),
            };
            out[decoded.len..decoded.len + 2].copy_from_slice(&entry.symbols);
            decoded.len += symbols;
            self.drop(u32::from(bits));
            self.next |= u64::MAX >> self.count;
        }
        Ok(())
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
    /// Of the symbols that are whole; none: the first code is longer.
    bits: u8,
    /// Of the first symbol.
    first: u8,
}

impl Entry {
    /// How many symbols there are, if any.
    fn count(self) -> usize {
        1 + usize::from(self.bits > self.first)
    }
}

static PAIRS: [Entry; 1 << PAIR_BITS] = pairs();

const fn pairs() -> [Entry; 1 << PAIR_BITS] {
    let mut table = [Entry { symbols: [0; 2], bits: 0, first: 0 }; 1 << PAIR_BITS];
    let mut at = 0;
    while at < table.len() {
        let (symbol, first) = short(at as u32, PAIR_BITS);
        if first > 0 {
            let (second, bits) = short(at as u32, PAIR_BITS - first);
            let symbols = [symbol, second];
            table[at] = Entry { symbols, bits: (first + bits) as u8, first: first as u8 };
        }
        at += 1;
    }
    table
}

/// The symbol whose code begins the lowest `count` bits, and its length; none if it is longer than these.
const fn short(bits: u32, count: u32) -> (u8, u32) {
    let mut length = 5;
    while length <= count {
        let code = (bits >> (count - length)) & ((1 << length) - 1);
        let at = length as usize;
        if code >= CODE.first[at] && code - CODE.first[at] < CODE.count[at] as u32 {
            let nth = CODE.before[at] as usize + (code - CODE.first[at]) as usize;
            return (CODE.symbols[nth] as u8, length);
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
