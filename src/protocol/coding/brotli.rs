//! The br coding (RFC 7932). Its window is 16 MiB at most by its own format; the larger ones of a later
//! extension are refused. The crate makes room for what a stream is about to have, not for the window that its header
//! claims, and it is counted here.

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper as _, StandardAlloc,
};

use super::step::Step;
use super::{Coding, CodingFault};

/// The state of one br body.
pub(super) struct Brotli {
    state: BrotliState<Counted, Counted, Counted>,
    total: usize,
    part: Part,
}

/// Bytes that were allocated and not freed.
#[derive(Default)]
struct Counted(usize);

impl<T: Clone + Default> Allocator<T> for Counted
where
    StandardAlloc: Allocator<T>,
{
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        self.0 += length * size_of::<T>();
        StandardAlloc::default().alloc_cell(length)
    }

    fn free_cell(&mut self, cell: Self::AllocatedMemory) {
        self.0 = self.0.saturating_sub(size_of_val(cell.slice()));
    }
}

/// The largest window (RFC 7932, 9.1): who has one gets no more.
const LARGEST_WINDOW: usize = 1 << 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Stream,
    End,
    /// What follows the stream.
    Padding,
    /// To be told with the next step.
    Corrupt,
}

impl Default for Brotli {
    fn default() -> Brotli {
        let alloc = Counted::default;
        let state = BrotliState::new_strict(alloc(), alloc(), alloc());
        Brotli { state, total: 0, part: Part::Stream }
    }
}

impl Brotli {
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        match self.part {
            Part::Stream => {}
            Part::End | Part::Padding if input.is_empty() => return Ok(Step::default()),
            Part::End | Part::Padding => {
                self.part = Part::Padding;
                return Ok(Step::taken(input.len()));
            }
            Part::Corrupt => return Err(corrupt()),
        }
        let mut step = Step::default();
        let result = BrotliDecompressStream(
            &mut input.len(),
            &mut step.consumed,
            input,
            &mut out.len(),
            &mut step.produced,
            out,
            &mut self.total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultSuccess => self.part = Part::End,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultFailure if step.produced > 0 => self.part = Part::Corrupt,
            BrotliResult::ResultFailure => return Err(corrupt()),
        }
        Ok(step)
    }

    /// Bytes of memory, besides its own.
    pub(super) fn held(&self) -> usize {
        self.state.alloc_u8.0 + self.state.alloc_u32.0 + self.state.alloc_hc.0
    }

    pub(super) fn may_grow(&self) -> bool {
        self.part == Part::Stream && self.state.alloc_u8.0 < LARGEST_WINDOW
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.part, Part::End | Part::Padding)
    }

    /// Whether bytes were left out that follow the stream.
    pub(super) fn has_padding(&self) -> bool {
        self.part == Part::Padding
    }
}

fn corrupt() -> CodingFault {
    CodingFault::Corrupt { coding: Coding::Brotli, why: "no brotli stream" }
}

impl std::fmt::Debug for Brotli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Brotli { state: _, total, part } = self;
        f.debug_struct("Brotli").field("total", total).field("part", part).finish_non_exhaustive()
    }
}
