//! The zstd coding: frames, each a header and blocks (RFC 8878), with the window of RFC 9659.
//!
//! The crate decodes a block at a time, from all of its bytes, and gives out what has left the window:
//! the last bytes of a frame, as many as its window has, come with its end. Gathered is one block at
//! most.

use std::io::Read as _;

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::chain::{Members, Step};
use super::{Coding, CodingFault};
use crate::limits;

/// The state of one zstd body.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    part: Part,
    /// What has come of the part.
    unit: Vec<u8>,
    frame: Frame,
    members: Members,
    fault: Option<CodingFault>,
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
    /// The rest of what can be saved is being given out.
    Salvage,
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    has_checksum: bool,
    size: Option<u64>,
    produced: u64,
}

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPED: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// RFC 8878, 3.1.1.2.
const BLOCK_HEADER: usize = 3;
const BLOCK_SIZE: usize = 128 * 1024;
const CHECKSUM: usize = 4;

/// An empty block that is the last of its frame, and a checksum.
const FINAL_BLOCK: [u8; BLOCK_HEADER + CHECKSUM] = [1, 0, 0, 0, 0, 0, 0];

impl Default for Zstd {
    fn default() -> Zstd {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(limits::ZSTD_WINDOW);
        Zstd {
            decoder,
            part: Part::Magic,
            unit: Vec::new(),
            frame: Frame::default(),
            members: Members::default(),
            fault: None,
        }
    }
}

impl Zstd {
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        if self.has_output() {
            let produced = self.decoder.read(out).map_err(|_| corrupt("a bad block"))?;
            self.frame.produced += produced as u64;
            self.members.note(produced);
            if produced > 0 {
                return Ok(Step { consumed: 0, produced });
            }
        }
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.part == Part::Drain {
            self.check_frame()?;
            self.part = Part::Magic;
        }
        let consumed = self.take(input);
        while self.fault.is_none() && self.has_come() {
            self.advance()?;
        }
        Ok(Step { consumed, produced: 0 })
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.part == Part::Magic && self.unit.is_empty() && !self.members.is_first()
    }

    /// No more input will come: makes what the window holds back ready to be given out.
    pub(super) fn salvage(&mut self) {
        if matches!(self.part, Part::BlockHeader | Part::Block(_)) {
            self.part = Part::Salvage;
            // an error now changes nothing
            let last = BlockDecodingStrategy::UptoBlocks(1);
            _ = self.decoder.decode_blocks(&FINAL_BLOCK[..], last);
        }
    }

    /// The decoder has a frame, and may have bytes of it to give.
    fn has_output(&self) -> bool {
        matches!(self.part, Part::BlockHeader | Part::Block(_) | Part::Drain | Part::Salvage)
    }

    /// Takes what belongs to the part that comes next.
    fn take(&mut self, input: &[u8]) -> usize {
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
            Part::Skipped(_) | Part::Drain | Part::Salvage => 0,
        }
    }

    /// Whether all of the part has come, and nothing has to be given out first.
    fn has_come(&self) -> bool {
        match self.part {
            Part::Skipped(left) => left == 0,
            Part::Drain | Part::Salvage => false,
            _ => self.unit.len() == self.wanted(),
        }
    }

    /// Goes on to the next part: all of this one has come.
    fn advance(&mut self) -> Result<(), CodingFault> {
        match self.part {
            Part::Magic => self.part = self.after_magic()?,
            Part::SkippedLength => {
                self.members.begin(Coding::Zstd)?;
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
                self.decode_block(if is_last { Part::Drain } else { Part::BlockHeader });
                self.unit.clear();
            }
            Part::Drain | Part::Salvage => {}
        }
        Ok(())
    }

    fn after_magic(&self) -> Result<Part, CodingFault> {
        match u32_at(&self.unit, 0) {
            MAGIC => Ok(Part::Descriptor),
            magic if SKIPPED.contains(&magic) => Ok(Part::SkippedLength),
            _ if self.members.is_first() => Err(corrupt("no zstd frame")),
            _ => Err(CodingFault::TrailingBytes { coding: Coding::Zstd }),
        }
    }

    fn begin_frame(&mut self) -> Result<(), CodingFault> {
        self.members.begin(Coding::Zstd)?;
        self.decoder.reset(&self.unit[..]).map_err(|error| match error {
            FrameDecoderError::WindowSizeTooBig { max: limit, .. } => {
                CodingFault::WindowTooLarge { coding: Coding::Zstd, limit }
            }
            FrameDecoderError::DictNotProvided { .. } => corrupt("it needs a dictionary"),
            _ => corrupt("a bad frame header"),
        })?;
        let descriptor = self.unit[4];
        let size = self.decoder.content_size();
        self.frame = Frame {
            has_checksum: descriptor & 4 != 0,
            size: (content_size_length(descriptor) > 0).then_some(size),
            produced: 0,
        };
        Ok(())
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
        let checksum = if is_last && self.frame.has_checksum { CHECKSUM } else { 0 };
        Ok(BLOCK_HEADER + content + checksum)
    }

    fn decode_block(&mut self, next: Part) {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        match self.decoder.decode_blocks(&self.unit[..], one) {
            Ok(_) => self.part = next,
            Err(_) => {
                // told when what came before it is given out
                self.fault = Some(corrupt("a bad block"));
                self.salvage();
            }
        }
    }

    /// All of a frame has been given out: was it what its header and its end say?
    fn check_frame(&self) -> Result<(), CodingFault> {
        if self.frame.size.is_some_and(|size| size != self.frame.produced) {
            return Err(corrupt("a frame of another size than it says"));
        }
        let told = self.decoder.get_checksum_from_data();
        if told.is_some() && told != self.decoder.get_calculated_checksum() {
            return Err(corrupt("a wrong check"));
        }
        Ok(())
    }
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

fn content_size_length(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(is_single_segment(descriptor)),
        flag => 1 << flag,
    }
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
        let Zstd { decoder: _, part, unit, frame, members, fault } = self;
        f.debug_struct("Zstd")
            .field("part", part)
            .field("gathered", &unit.len())
            .field("frame", frame)
            .field("members", members)
            .field("fault", fault)
            .finish_non_exhaustive()
    }
}
