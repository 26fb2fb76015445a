//! The br coding (RFC 7932). Its window is 16 MiB at most by its own format; the larger ones of a later
//! extension are refused.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::chain::Step;
use super::{Coding, CodingFault};

/// The state of one br body.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    total: usize,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Stream,
    End,
    /// To be told with the next step.
    Corrupt,
}

impl Default for Brotli {
    fn default() -> Brotli {
        let alloc = StandardAlloc::default;
        let state = BrotliState::new_strict(alloc(), alloc(), alloc());
        Brotli { state, total: 0, part: Part::Stream }
    }
}

impl Brotli {
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        match self.part {
            Part::Stream => {}
            Part::End if input.is_empty() => return Ok(Step::default()),
            Part::End => return Err(CodingFault::TrailingBytes { coding: Coding::Brotli }),
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

    pub(super) fn is_at_end(&self) -> bool {
        self.part == Part::End
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
