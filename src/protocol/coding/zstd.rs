//! The zstd coding: frames, each a header and blocks (RFC 8878), with the window of RFC 9659.
//!
//! The crate decodes a block at a time, from all of its bytes, and before a frame's end it gives out no more than
//! what has left the window. A server that flushes its blocks and then waits would be heard too late, so that the
//! decoder is made to believe that the frame has ended: what it holds is looked at where it lies. Invariants:
//! gathered is one block at most; when bytes are taken out of the decoder its window is put into it anew, so that what
//! it holds lies in one piece; it holds its window and half of it at most, and two blocks.

use std::hash::Hasher as _;
use std::io::{self, Read as _};

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use twox_hash::XxHash64;

use super::block;
use super::step::Step;
use super::{Coding, CodingFault};
use crate::limits;

/// The state of one zstd body.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    /// How many of the bytes that the decoder holds have been given out.
    given: usize,
    part: Part,
    /// What has come of the part.
    unit: Vec<u8>,
    frame: Frame,
    /// Frames begun, those that are skipped included.
    frames: u64,
    fault: Option<CodingFault>,
    most: Most,
}

/// The most that a body has had of each so far, in bytes: so much memory the decoder keeps.
#[derive(Default)]
struct Most {
    decoded: usize,
    block: usize,
    literals: usize,
    sequences: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Magic,
    SkippedLength,
    Skipped(u32),
    /// The frame header's first byte, which tells how long the header is.
    Descriptor,
    /// A header of so many bytes, the magic number included.
    Header(usize),
    BlockHeader,
    /// A block of so many bytes, its header included. The last has the checksum, too.
    Block(usize),
    /// All of a frame has come; it is being given out.
    Drain,
    /// What follows the last frame and begins none.
    Padding,
}

/// What a frame's header says.
#[derive(Default)]
struct Frame {
    /// How far back a block may refer.
    window: usize,
    size: Option<u64>,
    produced: u64,
    /// Of what was given out, if the frame says that it has one.
    checksum: Option<XxHash64>,
}

/// Looks at what the decoder holds, and takes nothing.
struct Peek<'a> {
    skip: usize,
    out: &'a mut [u8],
    copied: usize,
}

impl io::Write for Peek<'_> {
    fn write(&mut self, held: &[u8]) -> io::Result<usize> {
        let held = held.get(self.skip..).unwrap_or_default();
        self.copied = held.len().min(self.out.len());
        self.out[..self.copied].copy_from_slice(&held[..self.copied]);
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes so many bytes of what the decoder holds, and forgets them.
struct Forget(usize);

impl io::Write for Forget {
    fn write(&mut self, held: &[u8]) -> io::Result<usize> {
        let taken = self.0.min(held.len());
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPED: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// RFC 8878, 3.1.1.2.
const BLOCK_HEADER: usize = 3;
const BLOCK_SIZE: usize = 128 * 1024;
const CHECKSUM: usize = 4;

/// Bytes of the tables of a decoder, roughly.
const TABLES: usize = 24 * 1024;

/// An empty block that is the last of its frame, and room for a checksum.
const FINAL_BLOCK: [u8; BLOCK_HEADER + CHECKSUM] = [1, 0, 0, 0, 0, 0, 0];

impl Default for Zstd {
    fn default() -> Zstd {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(limits::ZSTD_WINDOW);
        Zstd {
            decoder,
            given: 0,
            part: Part::Magic,
            unit: Vec::new(),
            frame: Frame::default(),
            frames: 0,
            fault: None,
            most: Most::default(),
        }
    }
}

impl Zstd {
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        if self.decoder.can_collect() > self.given {
            return Ok(Step { produced: self.give(out)?, ..Step::default() });
        }
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.part == Part::Drain {
            self.check_frame()?;
            self.part = Part::Magic;
        }
        let (consumed, before) = (self.take(input), self.frames);
        while self.fault.is_none() && self.has_come() {
            self.advance()?;
        }
        Ok(Step { begun: self.frames > before, ..Step::taken(consumed) })
    }

    /// Bytes of memory, besides its own.
    pub(super) fn held(&self) -> usize {
        let Most { decoded, block, literals, sequences } = self.most;
        TABLES + self.unit.capacity() + decoded + block + literals + sequences
    }

    pub(super) fn may_grow(&self) -> bool {
        self.frame.window == 0 || self.most.decoded < most_held(self.frame.window)
    }

    pub(super) fn is_at_end(&self) -> bool {
        match self.part {
            Part::Magic => self.unit.is_empty() && self.frames > 0,
            Part::Padding => true,
            Part::SkippedLength
            | Part::Skipped(_)
            | Part::Descriptor
            | Part::Header(_)
            | Part::BlockHeader
            | Part::Block(_)
            | Part::Drain => false,
        }
    }

    /// Whether bytes were left out that follow the last frame.
    pub(super) fn has_padding(&self) -> bool {
        self.part == Part::Padding
    }

    /// Gives out of what the decoder holds and was not given yet.
    fn give(&mut self, out: &mut [u8]) -> Result<usize, CodingFault> {
        let mut peek = Peek { skip: self.given, out, copied: 0 };
        // it always fails, since it takes nothing
        _ = self.decoder.collect_to_writer(&mut peek);
        let Peek { out, copied, .. } = peek;
        if copied == 0 {
            return Err(corrupt("it leads nowhere"));
        }
        if let Some(checksum) = &mut self.frame.checksum {
            checksum.write(&out[..copied]);
        }
        self.given += copied;
        self.frame.produced += copied as u64;
        Ok(copied)
    }

    /// Leaves the decoder its window alone, once it holds much more; all of it was given out.
    fn make_room(&mut self) -> Result<(), CodingFault> {
        let (held, window) = (self.decoder.can_collect(), self.frame.window);
        if held <= most_held(window) {
            return Ok(());
        }
        _ = self.decoder.collect_to_writer(Forget(held - window));
        // what is put into a decoder that holds nothing lies in one piece
        let kept = self.decoder.collect().unwrap_or_default();
        for piece in kept.chunks(BLOCK_SIZE) {
            let header = ((piece.len() as u32) << 3).to_le_bytes();
            self.decode(header[..BLOCK_HEADER].chain(piece))?;
        }
        self.given = self.decoder.can_collect();
        Ok(())
    }

    /// Has a block decoded.
    fn decode(&mut self, block: impl io::Read) -> Result<(), CodingFault> {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        self.decoder.decode_blocks(block, one).map(drop).map_err(|_| corrupt("a bad block"))
    }

    /// Takes what belongs to the part that comes next.
    fn take(&mut self, input: &[u8]) -> usize {
        if self.part == Part::Padding {
            return input.len();
        }
        if let Part::Skipped(left) = &mut self.part {
            let skipped = u32::try_from(input.len()).unwrap_or(u32::MAX).min(*left);
            *left -= skipped;
            return skipped as usize;
        }
        let wanted = self.wanted().saturating_sub(self.unit.len());
        let taken = wanted.min(input.len());
        self.unit.extend_from_slice(&input[..taken]);
        taken
    }

    /// How many bytes the part has that comes next.
    fn wanted(&self) -> usize {
        match self.part {
            Part::Magic => 4,
            Part::Descriptor => 5,
            Part::SkippedLength => 8,
            Part::Header(length) | Part::Block(length) => length,
            Part::BlockHeader => BLOCK_HEADER,
            Part::Skipped(_) | Part::Drain | Part::Padding => 0,
        }
    }

    /// Whether all of the part has come, and nothing has to be given out first.
    fn has_come(&self) -> bool {
        match self.part {
            Part::Skipped(left) => left == 0,
            Part::Drain | Part::Padding => false,
            _ => self.unit.len() == self.wanted(),
        }
    }

    /// Goes on to the next part: all of this one has come.
    fn advance(&mut self) -> Result<(), CodingFault> {
        match self.part {
            Part::Magic => {
                self.part = self.after_magic()?;
                if self.part == Part::Padding {
                    self.unit.clear();
                }
            }
            Part::SkippedLength => {
                self.frames += 1;
                self.part = Part::Skipped(u32_at(&self.unit, 4));
                self.unit.clear();
            }
            Part::Skipped(_) => self.part = Part::Magic,
            Part::Descriptor => self.part = Part::Header(header_length(self.unit[4])?),
            Part::Header(_) => {
                self.begin_frame()?;
                self.part = Part::BlockHeader;
                self.unit.clear();
            }
            Part::BlockHeader => self.part = Part::Block(self.block_length()?),
            Part::Block(_) => {
                let is_last = self.unit[0] & 1 == 1;
                self.part = if is_last { Part::Drain } else { Part::BlockHeader };
                self.take_block()?;
            }
            Part::Drain | Part::Padding => {}
        }
        Ok(())
    }

    fn after_magic(&self) -> Result<Part, CodingFault> {
        match u32_at(&self.unit, 0) {
            MAGIC => Ok(Part::Descriptor),
            magic if SKIPPED.contains(&magic) => Ok(Part::SkippedLength),
            _ if self.frames == 0 => Err(corrupt("no zstd frame")),
            _ => Ok(Part::Padding),
        }
    }

    fn begin_frame(&mut self) -> Result<(), CodingFault> {
        self.frames += 1;
        self.decoder.reset(&self.unit[..]).map_err(|error| match error {
            FrameDecoderError::WindowSizeTooBig { max: limit, .. } => {
                CodingFault::WindowTooLarge { coding: Coding::Zstd, limit }
            }
            FrameDecoderError::DictNotProvided { .. } => corrupt("it needs a dictionary"),
            _ => corrupt("a bad frame header"),
        })?;
        let descriptor = self.unit[4];
        let size = self.decoder.content_size();
        let window = match is_single_segment(descriptor) {
            true => size,
            false => window(self.unit[5]),
        };
        self.given = 0;
        self.frame = Frame {
            window: usize::try_from(window).map_err(|_| corrupt("a bad frame header"))?,
            size: (content_size_length(descriptor) > 0).then_some(size),
            produced: 0,
            checksum: has_checksum(descriptor).then(|| XxHash64::with_seed(0)),
        };
        // the decoder does not object to blocks after the last
        self.decode(&FINAL_BLOCK[..])
    }

    /// The length of the block whose header has come.
    fn block_length(&self) -> Result<usize, CodingFault> {
        let header = u32::from_le_bytes([self.unit[0], self.unit[1], self.unit[2], 0]);
        let (is_last, kind, size) = (header & 1 == 1, header >> 1 & 3, (header >> 3) as usize);
        let content = match kind {
            _ if size > BLOCK_SIZE => return Err(corrupt("a block larger than blocks are")),
            0 | 2 => size,
            1 => 1,
            _ => return Err(corrupt("a block of a reserved kind")),
        };
        let checksum = if is_last && self.frame.checksum.is_some() { CHECKSUM } else { 0 };
        Ok(BLOCK_HEADER + content + checksum)
    }

    /// Has the block decoded that has come. What is wrong with it is told when what came before it is given out.
    fn take_block(&mut self) -> Result<(), CodingFault> {
        self.make_room()?;
        let block = std::mem::take(&mut self.unit);
        self.note_sections(&block)?;
        self.fault = self.decode(&block[..]).err();
        self.most.decoded = self.most.decoded.max(self.decoder.can_collect());
        self.unit = block;
        self.unit.clear();
        Ok(())
    }

    /// Counts what the sections of a block make the decoder hold.
    fn note_sections(&mut self, block: &[u8]) -> Result<(), CodingFault> {
        let (header, content) = block.split_at(BLOCK_HEADER);
        if header[0] >> 1 & 3 != block::COMPRESSED {
            return Ok(());
        }
        let sections = block::sections(content).ok_or_else(|| corrupt("a bad block"))?;
        if sections.sequences > BLOCK_SIZE / block::LEAST_MATCH {
            return Err(corrupt("a block larger than blocks are"));
        }
        let Most { block: blocks, literals, sequences, decoded: _ } = &mut self.most;
        *blocks = (*blocks).max(content.len());
        *literals = (*literals).max(sections.literals);
        *sequences = (*sequences).max(sections.sequences * block::SEQUENCE);
        Ok(())
    }

    /// All of a frame has been given out: was it what its header and its end say?
    fn check_frame(&self) -> Result<(), CodingFault> {
        if self.frame.size.is_some_and(|size| size != self.frame.produced) {
            return Err(corrupt("a frame of another size than it says"));
        }
        let told = self.decoder.get_checksum_from_data();
        match &self.frame.checksum {
            // its lower half is what is told
            Some(checksum) if told != Some(checksum.finish() as u32) => {
                Err(corrupt("a wrong check"))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes that the decoder holds at most before it is made to forget what is older than its window.
fn most_held(window: usize) -> usize {
    window + (window / 2).max(BLOCK_SIZE)
}

/// The length of a frame header, the magic number included (RFC 8878, 3.1.1.1).
fn header_length(descriptor: u8) -> Result<usize, CodingFault> {
    if descriptor & 8 != 0 {
        return Err(corrupt("a reserved bit"));
    }
    let window = usize::from(!is_single_segment(descriptor));
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    Ok(5 + window + dictionary + content_size_length(descriptor))
}

/// The size of a window, by its descriptor (RFC 8878, 3.1.1.1.2).
fn window(descriptor: u8) -> u64 {
    let base = 1 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 7)
}

fn content_size_length(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(is_single_segment(descriptor)),
        flag => 1 << flag,
    }
}

fn has_checksum(descriptor: u8) -> bool {
    descriptor & 4 != 0
}

fn is_single_segment(descriptor: u8) -> bool {
    descriptor & 0x20 != 0
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn corrupt(why: &'static str) -> CodingFault {
    CodingFault::Corrupt { coding: Coding::Zstd, why }
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Zstd { decoder: _, given, part, unit, frame, frames, fault, most: _ } = self;
        f.debug_struct("Zstd")
            .field("given", given)
            .field("part", part)
            .field("gathered", &unit.len())
            .field("produced", &frame.produced)
            .field("frames", frames)
            .field("fault", fault)
            .finish_non_exhaustive()
    }
}
