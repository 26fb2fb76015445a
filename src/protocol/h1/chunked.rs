//! The chunked transfer coding, read (RFC 9112, 7.1).
//!
//! Knows sizes, extensions, data and trailers, at any byte. Must not know heads. Invariants: each
//! framing byte is looked at once, data not at all; nothing is kept but the place in the grammar and the trailer section;
//! sizes are below 2^64; the size line without extensions, the extensions of a chunk and those of a
//! body in proportion to its data, and its trailer section are bounded.
//!
//! Lines that end with LF alone, as servers made by hand write them, are read; but who disagrees on that disagrees on where
//! a chunk ends, so that the connection is not used again. White space after a size, which old servers write, is let pass. Of the trailer
//! section nothing may change how the message is understood (RFC 9110, 6.5.1): it is kept as it came, for
//! whoever wants it. What would be a fault in a head is one here (see [`field_line`](crate::protocol::field_line)).

use crate::limits::HttpLimits;
use crate::protocol::fault::HttpFault;
use crate::protocol::field::{is_token_byte, is_value_byte};
use crate::protocol::field_line::Resemblance;

/// The place in a chunked body.
#[derive(Debug)]
pub(in crate::protocol) struct ChunkedDecoder {
    /// The size so far; then what is left of the chunk.
    remaining: u64,
    /// Bytes of extensions beyond as many as there was data.
    extension_bytes: u32,
    trailer_bytes: u32,
    /// Bytes of the size and of the white space after it.
    size_bytes: u8,
    state: State,
    /// What the name of the present trailer line resembles.
    name: Resemblance,
    /// Whether that line is no field line.
    is_malformed: bool,
    has_bare_lf: bool,
}

/// Named for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FirstDigit,
    Digit,
    SizePadding,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Complete,
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::protocol) struct Decoded {
    /// Bytes of the input that are done with.
    pub(in crate::protocol) consumed: usize,
    /// How many of these, at their end, are data.
    pub(in crate::protocol) data: usize,
}

impl ChunkedDecoder {
    pub(in crate::protocol) fn new() -> ChunkedDecoder {
        ChunkedDecoder {
            remaining: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            size_bytes: 0,
            state: State::FirstDigit,
            name: Resemblance::NONE_YET,
            is_malformed: false,
            has_bare_lf: false,
        }
    }

    /// Whether a line has ended with LF alone.
    pub(in crate::protocol) fn has_bare_lf(&self) -> bool {
        self.has_bare_lf
    }

    pub(in crate::protocol) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Reads on to the next data, to the end of the body, or to the end of the input. If there are trailers, their lines are
    /// `kept`, if anywhere, with the empty line after them.
    pub(in crate::protocol) fn decode(
        &mut self,
        input: &[u8],
        limits: &HttpLimits,
        mut kept: Option<&mut Vec<u8>>,
    ) -> Result<Decoded, HttpFault> {
        let mut consumed = 0;
        while consumed < input.len() && self.state != State::Complete {
            if self.state == State::Data {
                let data = self.take_data(input.len() - consumed);
                return Ok(Decoded { consumed: consumed + data, data });
            }
            consumed += match self.take_usual_line(&input[consumed..]) {
                0 => {
                    let byte = input[consumed];
                    if let Some(kept) = &mut kept
                        && (!kept.is_empty() || self.begins_trailers(byte))
                    {
                        kept.push(byte);
                    }
                    self.state = self.advance(byte, limits)?;
                    1
                }
                line => line,
            };
        }
        Ok(Decoded { consumed, data: 0 })
    }

    fn take_data(&mut self, available: usize) -> usize {
        let data = usize::try_from(self.remaining).map_or(available, |n| n.min(available));
        self.remaining -= data as u64;
        if self.remaining == 0 {
            self.state = State::DataCr;
        }
        data
    }

    /// What is between two chunks, as nearly all have it: the end of one, the size of the next, all of it here. The
    /// number of its bytes; none if it is anything else.
    fn take_usual_line(&mut self, input: &[u8]) -> usize {
        let before = match self.state {
            State::DataCr => 2,
            State::FirstDigit => 0,
            _ => return 0,
        };
        let Some((b"\r\n" | b"", line)) = input.split_at_checked(before) else { return 0 };
        let mut size = 0;
        // as many digits as cannot overflow
        for (digits, &byte) in line.iter().enumerate().take(16) {
            match char::from(byte).to_digit(16) {
                Some(digit) => size = size << 4 | u64::from(digit),
                None if size > 0 && line[digits..].starts_with(b"\r\n") => {
                    self.remaining = size;
                    self.state = self.begin_data();
                    return before + digits + 2;
                }
                None => return 0,
            }
        }
        0
    }

    /// Whether this byte is the first of a trailer section that is not empty.
    fn begins_trailers(&self, byte: u8) -> bool {
        self.state == State::TrailerLine && !matches!(byte, b'\r' | b'\n')
    }

    /// The state after one byte of framing.
    fn advance(&mut self, byte: u8, limits: &HttpLimits) -> Result<State, HttpFault> {
        if byte == b'\n' && self.state.may_end_line() {
            self.has_bare_lf = true;
            self.state = self.step(b'\r', limits)?;
        }
        self.step(byte, limits)
    }

    /// The same, where LF has CR before it.
    fn step(&mut self, byte: u8, limits: &HttpLimits) -> Result<State, HttpFault> {
        match (self.state, byte) {
            (State::FirstDigit | State::Digit, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(byte)
            }
            (State::Digit | State::SizePadding, b' ' | b'\t') => {
                self.count_size_byte()?;
                Ok(State::SizePadding)
            }
            (State::Digit | State::SizePadding | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Digit | State::SizePadding, b';') => self.extension(limits),
            (State::Extension, _) if is_value_byte(byte) => self.extension(limits),
            (State::SizeLf, b'\n') if self.remaining == 0 => Ok(State::TrailerLine),
            (State::SizeLf, b'\n') => Ok(self.begin_data()),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.size_bytes = 0;
                Ok(State::FirstDigit)
            }
            (State::TrailerLine, b'\r') => Ok(State::LastLf),
            (State::TrailerLine, _) => {
                // a line that is folded onto another has no name, and is none either
                (self.name, self.is_malformed) = (Resemblance::NONE_YET, byte == b':');
                self.trailer_name(byte, limits)
            }
            (State::TrailerName, _) => self.trailer_name(byte, limits),
            (State::TrailerValue, b'\r') => self.trailer(State::TrailerLf, limits),
            (State::TrailerValue, b'\n' | 0) => Err(self.unexpected()),
            (State::TrailerValue, _) if is_value_byte(byte) || !self.name.forbids_controls() => {
                self.trailer(State::TrailerValue, limits)
            }
            (State::TrailerLf, b'\n') => self.trailer(State::TrailerLine, limits),
            (State::LastLf, b'\n') => Ok(State::Complete),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> HttpFault {
        HttpFault::BadChunk { expected: self.state.expected() }
    }

    /// A chunk's data pays for as many bytes of extensions: the next of them come after it.
    fn begin_data(&mut self) -> State {
        let paid = u32::try_from(self.remaining).unwrap_or(u32::MAX);
        self.extension_bytes = self.extension_bytes.saturating_sub(paid);
        State::Data
    }

    fn digit(&mut self, byte: u8) -> Result<State, HttpFault> {
        self.count_size_byte()?;
        let digit = u64::from(char::from(byte).to_digit(16).unwrap_or_default());
        self.remaining = self
            .remaining
            .checked_mul(16)
            .map(|size| size | digit)
            .ok_or(HttpFault::BadChunk { expected: "a size below 2^64" })?;
        Ok(State::Digit)
    }

    fn count_size_byte(&mut self) -> Result<(), HttpFault> {
        if self.size_bytes == SIZE_BYTES {
            return Err(HttpFault::BadChunk { expected: "a size of at most 32 bytes" });
        }
        self.size_bytes += 1;
        Ok(())
    }

    fn extension(&mut self, limits: &HttpLimits) -> Result<State, HttpFault> {
        self.extension_bytes = self.extension_bytes.saturating_add(1);
        if self.extension_bytes as usize > limits.chunk_extension_bytes {
            let limit = limits.chunk_extension_bytes;
            return Err(HttpFault::ChunkExtensionsTooLarge { limit });
        }
        Ok(State::Extension)
    }

    /// The state after a byte of a trailer field's name, or of a line that is none.
    fn trailer_name(&mut self, byte: u8, limits: &HttpLimits) -> Result<State, HttpFault> {
        let ends = matches!(byte, b':' | b'\r');
        self.is_malformed |= byte == b'\r' || !(ends || is_token_byte(byte));
        if matches!(byte, b'\n' | 0) || (ends && self.is_malformed && self.name.is_grave()) {
            return Err(HttpFault::BadChunk { expected: State::TrailerName.expected() });
        }
        self.name.take(byte);
        let next = match byte {
            b':' => State::TrailerValue,
            b'\r' => State::TrailerLf,
            _ => State::TrailerName,
        };
        self.trailer(next, limits)
    }

    fn trailer(&mut self, next: State, limits: &HttpLimits) -> Result<State, HttpFault> {
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        if self.trailer_bytes as usize > limits.trailer_bytes {
            return Err(HttpFault::TrailerTooLarge { limit: limits.trailer_bytes });
        }
        Ok(next)
    }
}

impl State {
    /// Whether the line may end here, with CR.
    fn may_end_line(self) -> bool {
        match self {
            State::Digit
            | State::SizePadding
            | State::Extension
            | State::DataCr
            | State::TrailerLine
            | State::TrailerName
            | State::TrailerValue => true,
            State::FirstDigit
            | State::SizeLf
            | State::Data
            | State::DataLf
            | State::TrailerLf
            | State::LastLf
            | State::Complete => false,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            State::FirstDigit | State::Digit => "a chunk's size in hexadecimal digits",
            State::SizePadding => "the end of a chunk's size line",
            State::Extension => "a chunk extension without control characters",
            State::SizeLf => "LF after the CR of a chunk's size line",
            State::DataCr | State::DataLf => "CRLF after a chunk's data",
            State::TrailerLine | State::TrailerName => "a trailer field's name and colon",
            State::TrailerValue => "a trailer field's value, and CRLF",
            State::TrailerLf => "LF after the CR of a trailer field",
            State::LastLf => "the LF that ends the body",
            State::Data | State::Complete => "nothing",
        }
    }
}

/// 16 digits say all; the rest is for leading zeros and the white space of old servers.
const SIZE_BYTES: u8 = 32;

#[cfg(test)]
mod tests;
