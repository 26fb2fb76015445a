//! The gzip coding: members, each a header, a deflate stream and a check (RFC 1952).

use flate2::{Crc, Decompress};

use super::deflate::{Bad, Inflated, inflate};
use super::step::Step;
use super::{Coding, CodingFault};
use crate::limits;

/// The state of one gzip body.
pub(super) struct Gzip {
    part: Part,
    stream: Decompress,
    /// Of the member's data.
    crc: Crc,
    /// No member has begun.
    is_empty: bool,
}

/// What of a member comes next.
#[derive(Debug)]
enum Part {
    Header(Header),
    Data,
    /// CRC32 and ISIZE, and how much of them has come.
    Trailer([u8; 8], usize),
    /// What follows the last member and begins none.
    Padding,
}

/// A member's header, of which nothing is kept.
#[derive(Debug, Default)]
struct Header {
    field: HeaderField,
    flags: u8,
    /// Bytes so far.
    length: usize,
    /// Of the bytes so far, for FHCRC.
    crc: Crc,
    /// The first byte of the extra field's length.
    low: u8,
    /// What FHCRC has to say.
    check: u16,
}

/// The fields of a header, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum HeaderField {
    /// The ten bytes that each has.
    #[default]
    Fixed,
    ExtraLength,
    ExtraLengthHigh,
    Extra(u16),
    Name,
    Comment,
    Crc,
    CrcHigh,
    Complete,
}

const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Default for Gzip {
    fn default() -> Gzip {
        Gzip {
            part: Part::Header(Header::default()),
            stream: Decompress::new(false),
            crc: Crc::new(),
            is_empty: true,
        }
    }
}

impl Gzip {
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        match &mut self.part {
            Part::Header(header) => {
                let consumed = match header.take(input) {
                    Ok(consumed) => consumed,
                    Err(NO_GZIP) if !self.is_empty => {
                        self.part = Part::Padding;
                        return Ok(Step::taken(input.len()));
                    }
                    Err(why) => return Err(corrupt(why)),
                };
                let begun = header.field == HeaderField::Complete;
                if begun {
                    self.is_empty = false;
                    self.stream.reset(false);
                    self.crc.reset();
                    self.part = Part::Data;
                }
                Ok(Step { begun, ..Step::taken(consumed) })
            }
            Part::Data => {
                let inflated = inflate(&mut self.stream, input, out);
                let Inflated { step, end } =
                    inflated.map_err(|Bad| corrupt("a bad deflate stream"))?;
                self.crc.update(&out[..step.produced]);
                if end {
                    self.part = Part::Trailer([0; 8], 0);
                }
                Ok(step)
            }
            Part::Trailer(trailer, filled) => {
                let consumed = input.len().min(trailer.len() - *filled);
                trailer[*filled..][..consumed].copy_from_slice(&input[..consumed]);
                *filled += consumed;
                if *filled == trailer.len() {
                    let trailer = u64::from_le_bytes(*trailer);
                    let (crc, size) = (trailer as u32, (trailer >> 32) as u32);
                    if crc != self.crc.sum() || size != self.crc.amount() {
                        return Err(corrupt("a wrong check"));
                    }
                    self.part = Part::Header(Header::default());
                }
                Ok(Step::taken(consumed))
            }
            Part::Padding => Ok(Step::taken(input.len())),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        match &self.part {
            Part::Header(header) => header.length == 0 && !self.is_empty,
            Part::Padding => true,
            Part::Data | Part::Trailer(..) => false,
        }
    }

    /// Whether bytes were left out that follow the last member.
    pub(super) fn has_padding(&self) -> bool {
        matches!(self.part, Part::Padding)
    }
}

const NO_GZIP: &str = "no gzip header";

impl Header {
    /// Takes what of `input` belongs to the header.
    fn take(&mut self, input: &[u8]) -> Result<usize, &'static str> {
        for (at, &byte) in input.iter().enumerate() {
            if self.length == limits::GZIP_HEADER {
                return Err("a header beyond all measure");
            }
            self.take_byte(byte)?;
            self.length += 1;
            if self.field == HeaderField::Complete {
                return Ok(at + 1);
            }
        }
        Ok(input.len())
    }

    fn take_byte(&mut self, byte: u8) -> Result<(), &'static str> {
        use HeaderField::{
            Comment, Complete, Crc, CrcHigh, Extra, ExtraLength, ExtraLengthHigh, Fixed, Name,
        };
        // without this byte
        let sum = self.crc.sum() as u16;
        self.crc.update(&[byte]);
        self.field = match self.field {
            Fixed => match (self.length, byte) {
                (0, 0x1f) | (1, 0x8b) | (4..=8, _) => Fixed,
                (0 | 1, _) => return Err(NO_GZIP),
                (2, 8) => Fixed,
                (2, _) => return Err("an unknown method of compression"),
                (3, flags) if flags & RESERVED == 0 => {
                    self.flags = flags;
                    Fixed
                }
                (3, _) => return Err("a reserved flag"),
                _ => self.after(Fixed),
            },
            ExtraLength => {
                self.low = byte;
                ExtraLengthHigh
            }
            ExtraLengthHigh => match u16::from_le_bytes([self.low, byte]) {
                0 => self.after(Extra(0)),
                length => Extra(length),
            },
            Extra(1) => self.after(Extra(0)),
            Extra(left) => Extra(left - 1),
            text @ (Name | Comment) if byte == 0 => self.after(text),
            text @ (Name | Comment) => text,
            Crc if byte == sum.to_le_bytes()[0] => {
                self.check = sum;
                CrcHigh
            }
            CrcHigh if byte == self.check.to_le_bytes()[1] => Complete,
            Crc | CrcHigh => return Err("a wrong check of the header"),
            Complete => Complete,
        };
        Ok(())
    }

    /// The field after this one, of those that the flags say are there.
    fn after(&self, field: HeaderField) -> HeaderField {
        let has = |flag| self.flags & flag != 0;
        let rank = match field {
            HeaderField::Fixed => 0,
            HeaderField::Extra(_) => 1,
            HeaderField::Name => 2,
            _ => 3,
        };
        match rank {
            0 if has(FEXTRA) => HeaderField::ExtraLength,
            0 | 1 if has(FNAME) => HeaderField::Name,
            0..=2 if has(FCOMMENT) => HeaderField::Comment,
            _ if has(FHCRC) => HeaderField::Crc,
            _ => HeaderField::Complete,
        }
    }
}

fn corrupt(why: &'static str) -> CodingFault {
    CodingFault::Corrupt { coding: Coding::Gzip, why }
}

impl std::fmt::Debug for Gzip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Gzip { part, stream: _, crc: _, is_empty } = self;
        f.debug_struct("Gzip")
            .field("part", part)
            .field("is_empty", is_empty)
            .finish_non_exhaustive()
    }
}
