//! The codings of one body, one feeding the next.

use super::brotli::Brotli;
use super::deflate::Deflate;
use super::gzip::Gzip;
use super::step::Step;
use super::zstd::Zstd;
use super::{Coding, CodingFault, DecodePolicy};
use crate::limits;

/// Bytes of a deflate decoder: its window of 32 KiB, and tables.
const INFLATER: usize = 44 * 1024;

/// Undoes the codings of one body, piece by piece.
///
/// [`decode`](Self::decode) with what has come, until it has nothing more to give; at the body's end
/// [`end`](Self::end), then `decode` without input until it has nothing more to give, or says that
/// the body was not whole.
#[derive(Debug)]
pub struct ContentDecoder {
    /// In the order in which they were applied.
    codings: Box<[Coding]>,
    /// In the order in which they are undone: the first gets what was received. None before there is something to decode.
    stages: Vec<Stage>,
    policy: DecodePolicy,
    /// Bytes received.
    taken: u64,
    input: Input,
    /// Told when all that was decoded before it is given out.
    fault: Option<CodingFault>,
    /// It has been told.
    is_over: bool,
}

/// What a call of [`ContentDecoder::decode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Bytes put into the output. There may be none, and more to come all the same: much can be gone through of which
    /// nothing comes.
    pub produced: usize,
    /// Whether it goes on, by another call. If not, all input is consumed, and there is nothing more to give.
    pub more: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// No more will come.
    Ended,
    /// What more may come makes no difference: there is a fault to be told.
    Refused,
}

/// One coding, and what it has yet to take of the one before.
#[derive(Debug)]
struct Stage {
    decoder: Decoder,
    /// Unused in the first.
    buffer: Vec<u8>,
    at: usize,
    produced: u64,
    consumed: u64,
    /// Members or frames begun: each costs more than its bytes do.
    begun: u64,
}

/// A decoder of one coding. Boxed: they differ in size, and none is small.
#[derive(Debug)]
enum Decoder {
    Gzip(Box<Gzip>),
    Deflate(Box<Deflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

impl ContentDecoder {
    /// Undoes `codings`, which were applied in this order.
    pub fn new(codings: &[Coding], policy: DecodePolicy) -> ContentDecoder {
        ContentDecoder {
            codings: codings.into(),
            stages: Vec::new(),
            policy,
            taken: 0,
            input: Input::Open,
            fault: None,
            is_over: false,
        }
    }

    /// Decodes into `out`, which is not empty, and of which no more than
    /// `limits::DECODE_BUFFER` bytes are used: after so much work, whatever comes of it, the caps are checked.
    ///
    /// After a fault every call answers that fault.
    pub fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Decoded, CodingFault> {
        if self.is_over {
            let nothing = Decoded { consumed: 0, produced: 0, more: false };
            return self.fault.clone().map_or(Ok(nothing), Err);
        }
        if self.stages.is_empty() && !input.is_empty() {
            self.stages = self.codings.iter().rev().map(|&coding| Stage::new(coding)).collect();
        }
        let decoded = self.decode_on(input, out);
        self.is_over = decoded.is_err();
        decoded
    }

    fn decode_on(&mut self, input: &[u8], out: &mut [u8]) -> Result<Decoded, CodingFault> {
        let most = out.len().min(limits::DECODE_BUFFER);
        let mut wire = if self.input == Input::Refused { &[][..] } else { input };
        let before = wire.len();
        let mut work = limits::DECODE_BUFFER as u64;
        let filled = fill(&mut self.stages, &mut wire, &mut out[..most], &mut work);
        let consumed = before - wire.len();
        self.taken += consumed as u64;
        let produced = match filled {
            Ok(produced) => produced,
            // nothing more can be saved
            Err(_) if self.fault.is_some() => 0,
            Err(fault) => {
                self.refuse(fault);
                return self.decode_on(&[], out);
            }
        };
        if let Some(fault) = self.over_cap() {
            self.refuse(fault.clone());
            return Err(fault);
        }
        if self.policy.refuse_padding
            && self.fault.is_none()
            && let Some(coding) = self.padded()
        {
            self.refuse(CodingFault::Corrupt { coding, why: "bytes follow its end" });
        }
        let more = produced > 0 || work == 0;
        if !more && self.input == Input::Ended && self.fault.is_none() {
            self.fault = self.unfinished();
        }
        match &self.fault {
            Some(fault) if !more => Err(fault.clone()),
            Some(_) | None => Ok(Decoded { consumed, produced, more }),
        }
    }

    /// No more input will come: what is still held back is given out by [`decode`](Self::decode).
    pub fn end(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Ended;
        }
    }

    /// Bytes decoded, by all codings of the chain together, and what else cost as much.
    pub fn work(&self) -> u64 {
        self.stages.iter().map(Stage::work).sum()
    }

    /// The coding after whose end bytes were left out, if there were any.
    pub fn padded(&self) -> Option<Coding> {
        let padded = self.stages.iter().find(|stage| stage.decoder.has_padding())?;
        Some(padded.decoder.coding())
    }

    /// Bytes of memory that it holds for windows, tables and what lies between two codings.
    pub fn held(&self) -> usize {
        self.stages.iter().map(Stage::held).sum()
    }

    /// Whether it may come to hold more than it does: with one call of [`decode`](Self::decode) as much as it ever may.
    pub fn may_grow(&self) -> bool {
        self.stages.len() < self.codings.len()
            || self.stages.iter().any(|stage| stage.decoder.may_grow())
    }

    fn refuse(&mut self, fault: CodingFault) {
        self.fault = Some(fault);
        self.input = Input::Refused;
    }

    fn over_cap(&self) -> Option<CodingFault> {
        let most = self.stages.iter().map(|stage| stage.produced).max()?;
        let DecodePolicy { max_decoded, max_ratio, .. } = self.policy;
        if let Some(limit) = max_decoded
            && most > limit
        {
            return Some(CodingFault::TooLarge { limit });
        }
        if self.held() > limits::DECODER {
            return Some(CodingFault::TooMuchMemory { limit: limits::DECODER });
        }
        if let Some(stage) =
            self.stages.iter().find(|stage| stage.begun > stage.excused(self.taken))
        {
            return Some(CodingFault::TooManyMembers { coding: stage.decoder.coding() });
        }
        let limit = max_ratio?;
        let (_, before) = self.stages.split_last()?;
        let between = before.iter().map(|stage| stage.produced).max().unwrap_or(0);
        let least = limits::CODED_RATIO.min(limit.max(1));
        if between > limits::CODED_FREELY && between / u64::from(least) > self.taken {
            return Some(CodingFault::CodedTooLarge { limit: least });
        }
        let over = most > limits::DECODED_FREELY && most / u64::from(limit.max(1)) > self.taken;
        over.then_some(CodingFault::RatioTooLarge { limit })
    }

    /// What the body has begun and not ended.
    fn unfinished(&self) -> Option<CodingFault> {
        if self.taken == 0 {
            return None;
        }
        let stage = self.stages.iter().find(|stage| !stage.decoder.is_at_end())?;
        Some(CodingFault::Truncated { coding: stage.decoder.coding() })
    }
}

/// Fills `out` from the last of `stages`, as far as it takes what `wire` has and `work` lasts, which is taken from that.
/// Nothing produced, and work left: all of `wire` is consumed.
fn fill(
    stages: &mut [Stage],
    wire: &mut &[u8],
    out: &mut [u8],
    work: &mut u64,
) -> Result<usize, CodingFault> {
    let Some((stage, before)) = stages.split_last_mut() else {
        // no coding at all
        let n = wire.len().min(out.len());
        out[..n].copy_from_slice(&wire[..n]);
        *wire = &wire[n..];
        return Ok(n);
    };
    let mut is_stuck = false;
    while *work > 0 {
        let input = if before.is_empty() { *wire } else { &stage.buffer[stage.at..] };
        let is_starved = input.is_empty();
        let Step { consumed, produced, begun } = stage.decoder.step(input, out)?;
        match before.is_empty() {
            true => *wire = &wire[consumed..],
            false => stage.at += consumed,
        }
        let before_step = stage.work();
        stage.produced += produced as u64;
        stage.consumed += consumed as u64;
        stage.begun += u64::from(begun);
        *work = work.saturating_sub(stage.work() - before_step);
        if produced > 0 {
            return Ok(produced);
        }
        if is_starved && (before.is_empty() || !stage.refill(before, wire, work)?) {
            return Ok(0);
        }
        // once without progress, where a decoder finds itself at an end
        if consumed == 0 && !is_starved && std::mem::replace(&mut is_stuck, true) {
            let coding = stage.decoder.coding();
            return Err(CodingFault::Corrupt { coding, why: "it leads nowhere" });
        }
        is_stuck &= consumed == 0 && !is_starved;
    }
    Ok(0)
}

impl Stage {
    fn new(coding: Coding) -> Stage {
        let decoder = match coding {
            Coding::Gzip => Decoder::Gzip(Box::default()),
            Coding::Deflate => Decoder::Deflate(Box::default()),
            Coding::Brotli => Decoder::Brotli(Box::default()),
            Coding::Zstd => Decoder::Zstd(Box::default()),
        };
        Stage { decoder, buffer: Vec::new(), at: 0, produced: 0, consumed: 0, begun: 0 }
    }

    /// What it has decoded and what else cost as much, in decoded bytes.
    fn work(&self) -> u64 {
        self.produced + self.consumed * limits::CODED_BYTE + self.begun * limits::CODING_MEMBER
    }

    /// As many members or frames as there may be of what it has given, and of so many bytes received.
    fn excused(&self, received: u64) -> u64 {
        limits::CODING_MEMBERS
            + self.produced / limits::CODING_MEMBER
            + received / limits::CODING_MEMBER_RECEIVED
    }

    fn held(&self) -> usize {
        self.decoder.held() + self.buffer.capacity()
    }

    /// Gets what the stages before have for this one, which has taken all it had.
    fn refill(
        &mut self,
        before: &mut [Stage],
        wire: &mut &[u8],
        work: &mut u64,
    ) -> Result<bool, CodingFault> {
        self.at = 0;
        self.buffer.resize(limits::CODING_BUFFER, 0);
        let filled = fill(before, wire, &mut self.buffer, work);
        self.buffer.truncate(*filled.as_ref().unwrap_or(&0));
        Ok(filled? > 0)
    }
}

impl Decoder {
    fn coding(&self) -> Coding {
        match self {
            Decoder::Gzip(_) => Coding::Gzip,
            Decoder::Deflate(_) => Coding::Deflate,
            Decoder::Brotli(_) => Coding::Brotli,
            Decoder::Zstd(_) => Coding::Zstd,
        }
    }

    /// Bytes of memory.
    fn held(&self) -> usize {
        match self {
            Decoder::Gzip(gzip) => size_of_val(&**gzip) + INFLATER,
            Decoder::Deflate(deflate) => size_of_val(&**deflate) + INFLATER,
            Decoder::Brotli(brotli) => size_of_val(&**brotli) + brotli.held(),
            Decoder::Zstd(zstd) => size_of_val(&**zstd) + zstd.held(),
        }
    }

    fn may_grow(&self) -> bool {
        match self {
            Decoder::Gzip(_) | Decoder::Deflate(_) => false,
            Decoder::Brotli(brotli) => brotli.may_grow(),
            Decoder::Zstd(zstd) => zstd.may_grow(),
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        match self {
            Decoder::Gzip(gzip) => gzip.step(input, out),
            Decoder::Deflate(deflate) => deflate.step(input, out),
            Decoder::Brotli(brotli) => brotli.step(input, out),
            Decoder::Zstd(zstd) => zstd.step(input, out),
        }
    }

    /// Whether bytes were left out after the end.
    fn has_padding(&self) -> bool {
        match self {
            Decoder::Gzip(gzip) => gzip.has_padding(),
            Decoder::Deflate(deflate) => deflate.has_padding(),
            Decoder::Brotli(brotli) => brotli.has_padding(),
            Decoder::Zstd(zstd) => zstd.has_padding(),
        }
    }

    /// Whether the coded bytes may end here.
    fn is_at_end(&self) -> bool {
        match self {
            Decoder::Gzip(gzip) => gzip.is_at_end(),
            Decoder::Deflate(deflate) => deflate.is_at_end(),
            Decoder::Brotli(brotli) => brotli.is_at_end(),
            Decoder::Zstd(zstd) => zstd.is_at_end(),
        }
    }
}
