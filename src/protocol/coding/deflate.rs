//! The deflate coding: zlib's format (RFC 1950), or the deflate stream alone (RFC 1951).

use flate2::{Decompress, FlushDecompress, Status};

use super::step::Step;
use super::{Coding, CodingFault};

/// The state of one deflate body.
#[derive(Debug, Default)]
pub(super) struct Deflate {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing has come.
    #[default]
    Start,
    /// The first byte has come, which does not tell which format it is.
    One(u8),
    Stream(Decompress),
    End,
    /// What follows the stream.
    Padding,
}

impl Deflate {
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        let Some(&byte) = input.first() else {
            return match &mut self.state {
                State::Stream(_) => self.inflate(input, out),
                State::Start | State::One(_) | State::End | State::Padding => Ok(Step::default()),
            };
        };
        match self.state {
            State::Start => {
                self.state = State::One(byte);
                Ok(Step::taken(1))
            }
            State::One(first) => {
                let mut stream = Decompress::new(is_zlib(first, byte));
                // one byte is not enough for any output
                inflate(&mut stream, &[first], out).map_err(|Bad| corrupt())?;
                self.state = State::Stream(stream);
                self.inflate(input, out)
            }
            State::Stream(_) => self.inflate(input, out),
            State::End | State::Padding => {
                self.state = State::Padding;
                Ok(Step::taken(input.len()))
            }
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.state, State::End | State::Padding)
    }

    /// Whether bytes were left out that follow the stream.
    pub(super) fn has_padding(&self) -> bool {
        matches!(self.state, State::Padding)
    }

    fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, CodingFault> {
        let State::Stream(stream) = &mut self.state else { return Ok(Step::default()) };
        let Inflated { step, end } = inflate(stream, input, out).map_err(|Bad| corrupt())?;
        if end {
            self.state = State::End;
        }
        Ok(step)
    }
}

/// Whether these begin zlib's format (RFC 1950, 2.2). A deflate stream of its own begins so only if
/// its first block is stored, and the bits that pad its header are not zero.
fn is_zlib(cmf: u8, flg: u8) -> bool {
    let (method, window) = (cmf & 0x0f, cmf >> 4);
    let check = u16::from(cmf) << 8 | u16::from(flg);
    method == 8 && window <= 7 && check.is_multiple_of(31)
}

fn corrupt() -> CodingFault {
    CodingFault::Corrupt { coding: Coding::Deflate, why: "no deflate stream, or a wrong check" }
}

/// What came of a piece of a deflate stream.
pub(super) struct Inflated {
    pub(super) step: Step,
    /// The stream is over.
    pub(super) end: bool,
}

/// The bytes are no deflate stream.
pub(super) struct Bad;

pub(super) fn inflate(
    stream: &mut Decompress,
    input: &[u8],
    out: &mut [u8],
) -> Result<Inflated, Bad> {
    let before = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, out, FlushDecompress::None).map_err(|_| Bad)?;
    let step = Step {
        consumed: (stream.total_in() - before.0) as usize,
        produced: (stream.total_out() - before.1) as usize,
        begun: false,
    };
    Ok(Inflated { step, end: status == Status::StreamEnd })
}
