//! Frames of websockets (RFC 6455, 5): taken apart as they come, and begun as they go.
//!
//! Knows heads of frames, masks, and which frame may follow which. Must not know where bytes come from. Nothing of a payload is
//! kept here. Invariant: a frame of control is never longer than [`LONGEST_CONTROL`], whoever sends it, and never in pieces.

/// The most bytes of a payload that a frame of control has (RFC 6455, 5.5).
pub(crate) const LONGEST_CONTROL: usize = 125;

/// The bit of a frame's first byte that says that its message ends with it.
const FINAL: u8 = 0x80;
/// The bits that only extensions set, of which none is ever agreed on.
const RESERVED: u8 = 0x70;
/// The bit of a frame's second byte that says that its payload is masked.
const MASKED: u8 = 0x80;

/// What a frame is: of a message, or of control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    fn opcode(self) -> u8 {
        match self {
            Kind::Text => 1,
            Kind::Binary => 2,
            Kind::Close => 8,
            Kind::Ping => 9,
            Kind::Pong => 10,
        }
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Kind::Close | Kind::Ping | Kind::Pong)
    }
}

/// The opcode of a frame that goes on with a message.
const GOES_ON: u8 = 0;

/// Why what came is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    ReservedBits,
    UnknownOpcode(u8),
    Masked,
    ControlInPieces,
    LongControl,
    TooLong,
    NothingToGoOnWith,
    MessageWithinMessage,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::ReservedBits => f.write_str("a frame has bits of extensions"),
            Fault::UnknownOpcode(opcode) => write!(f, "unknown opcode: {opcode}"),
            Fault::Masked => f.write_str("masked input frame"),
            Fault::ControlInPieces => f.write_str("a frame of control is in pieces"),
            Fault::LongControl => f.write_str("a frame of control is too long"),
            Fault::TooLong => f.write_str("a frame is longer than a number can say"),
            Fault::NothingToGoOnWith => f.write_str("no ongoing fragmented message to resume"),
            Fault::MessageWithinMessage => f.write_str("fragmented message interrupted by new one"),
        }
    }
}

/// A frame whose head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    kind: Kind,
    is_last: bool,
    length: u64,
    /// How much of it was given out.
    given: u64,
}

/// A part of a frame's payload: all of it, where that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The kind of the message, also where the frame goes on with one.
    pub(crate) kind: Kind,
    /// No other frame of its message follows.
    pub(crate) is_last: bool,
    /// Where in the payload it begins.
    pub(crate) offset: u64,
    /// How much of the payload follows on it.
    pub(crate) left: u64,
    /// Where in the input it stands.
    pub(crate) start: usize,
    pub(crate) length: usize,
}

/// Takes apart what a server sends.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    frame: Option<Frame>,
    /// The message that a frame has begun, and none has ended yet.
    message: Option<Kind>,
    /// The server has said that it says no more.
    is_over: bool,
}

impl Decoder {
    /// The next piece of at most so many bytes, and how much of the input is done with once it is taken: be it none that has come
    /// whole. A ping is given whole, whatever the most.
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        most: usize,
    ) -> Result<(usize, Option<Piece>), Fault> {
        if self.is_over {
            return Ok((input.len(), None));
        }
        let (start, frame) = match self.frame {
            Some(frame) => (0, frame),
            None => match self.head(input)? {
                Some((start, frame)) => (start, frame),
                None => return Ok((0, None)),
            },
        };
        let there = input.len() - start;
        let wanted = usize::try_from(frame.length - frame.given).unwrap_or(usize::MAX);
        if there < wanted && (there == 0 || frame.kind.is_control()) {
            // what was read of the head is read again
            return Ok((0, None));
        }
        let most = if frame.kind == Kind::Ping { wanted } else { most };
        let length = there.min(wanted).min(most);
        if length == 0 && wanted > 0 {
            return Ok((0, None));
        }
        Ok((start + length, Some(self.give(frame, start, length))))
    }

    fn give(&mut self, frame: Frame, start: usize, length: usize) -> Piece {
        let Frame { kind, is_last, given: offset, .. } = frame;
        let given = offset + length as u64;
        let left = frame.length - given;
        self.frame = (left > 0).then_some(Frame { given, ..frame });
        if !kind.is_control() {
            self.message = (left > 0 || !is_last).then_some(kind);
        }
        self.is_over = kind == Kind::Close && left == 0;
        Piece { kind, is_last, offset, left, start, length }
    }

    /// Whether a close has come.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether what comes next is more of what has begun.
    pub(crate) fn is_within(&self) -> bool {
        self.frame.is_some() || self.message.is_some()
    }

    /// The head at the beginning of the input, and how long it is, if it has come whole.
    fn head(&self, input: &[u8]) -> Result<Option<(usize, Frame)>, Fault> {
        let Some(&first) = input.first() else { return Ok(None) };
        let (kind, is_last) = self.kind_of(first)?;
        let Some(&second) = input.get(1) else { return Ok(None) };
        if second & MASKED != 0 {
            return Err(Fault::Masked);
        }
        let short = second & !MASKED;
        if kind.is_control() && usize::from(short) > LONGEST_CONTROL {
            return Err(Fault::LongControl);
        }
        let more = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(bytes) = input.get(2..2 + more) else { return Ok(None) };
        let length = match more {
            0 => u64::from(short),
            _ => bytes.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        };
        if i64::try_from(length).is_err() {
            return Err(Fault::TooLong);
        }
        Ok(Some((2 + more, Frame { kind, is_last, length, given: 0 })))
    }

    fn kind_of(&self, first: u8) -> Result<(Kind, bool), Fault> {
        let is_last = first & FINAL != 0;
        if first & RESERVED != 0 {
            return Err(Fault::ReservedBits);
        }
        let kinds = [Kind::Text, Kind::Binary, Kind::Close, Kind::Ping, Kind::Pong];
        let opcode = first & 0x0f;
        let kind = match (opcode, self.message) {
            (GOES_ON, Some(kind)) => return Ok((kind, is_last)),
            (GOES_ON, None) => return Err(Fault::NothingToGoOnWith),
            (opcode, _) => kinds.into_iter().find(|kind| kind.opcode() == opcode),
        };
        match kind.ok_or(Fault::UnknownOpcode(opcode))? {
            kind if kind.is_control() && !is_last => Err(Fault::ControlInPieces),
            kind if !kind.is_control() && self.message.is_some() => {
                Err(Fault::MessageWithinMessage)
            }
            kind => Ok((kind, is_last)),
        }
    }
}

/// Why a frame cannot be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no message that it could go on with.
    NothingToGoOnWith,
    ControlInPieces,
    LongControl,
    /// So many bytes of the frame before have yet to come.
    Unfinished(u64),
}

/// Begins frames, and masks what is in them.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// A message has begun, and not ended.
    message: bool,
    /// Bytes of the frame's payload that have yet to come.
    left: u64,
    mask: [u8; 4],
    /// Where in the mask the next byte stands.
    at: usize,
}

impl Encoder {
    /// Begins a frame of so many bytes. Of no kind it goes on with the message that has begun; so it does if there is one
    /// and the kind is a message's. `is_last`: its message ends with it.
    pub(crate) fn begin(
        &mut self,
        kind: Option<Kind>,
        is_last: bool,
        length: u64,
        mask: [u8; 4],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let is_control = kind.is_some_and(Kind::is_control);
        if self.left > 0 {
            return Err(Refusal::Unfinished(self.left));
        }
        let opcode = match kind {
            Some(_) if is_control && !is_last => return Err(Refusal::ControlInPieces),
            Some(_) if is_control && length > LONGEST_CONTROL as u64 => {
                return Err(Refusal::LongControl);
            }
            None if !self.message => return Err(Refusal::NothingToGoOnWith),
            Some(kind) if is_control || !self.message => kind.opcode(),
            _ => GOES_ON,
        };
        if !is_control {
            self.message = !is_last;
        }
        out.push(if is_last { opcode | FINAL } else { opcode });
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => out.push(short | MASKED),
            (_, Ok(length)) => {
                out.push(126 | MASKED);
                out.extend(length.to_be_bytes());
            }
            _ => {
                out.push(127 | MASKED);
                out.extend(length.to_be_bytes());
            }
        }
        out.extend(mask);
        (self.left, self.mask, self.at) = (length, mask, 0);
        Ok(())
    }

    /// How much of the frame has yet to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Masks the next bytes of the frame's payload: as many as are left of it at most. Says how many.
    pub(crate) fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let masked = bytes[..length].iter().enumerate();
        out.extend(masked.map(|(at, byte)| byte ^ self.mask[(self.at + at) % 4]));
        self.at = (self.at + length) % 4;
        self.left -= length as u64;
        length
    }
}

/// A whole frame of control.
pub(crate) fn control(kind: Kind, payload: &[u8], mask: [u8; 4]) -> Result<Vec<u8>, Refusal> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    encoder.begin(Some(kind), true, payload.len() as u64, mask, &mut out)?;
    encoder.payload(payload, &mut out);
    Ok(out)
}

#[cfg(test)]
mod tests;
