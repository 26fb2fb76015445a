//! A block, and the message's head or trailers that it is (RFC 9113, 8.1 to 8.3).
//!
//! Both become text in one buffer that is used again and again: a head as HTTP/1.1 would have it, with `HTTP/2 200` for a status
//! line, so that all that reads heads reads these.
//!
//! White space around a value is read past, as HTTP/1.1 has it, though RFC 9113, 8.2.1 has such a message refused: servers send
//! it, and clients read it. All else that is malformed there is malformed here.
//!
//! Knows fields. Must not know streams. Invariants: the table of the decoder sees every block, whatever is wrong with its
//! message; what is kept of one is within its limit.

use super::hpack::{Decoder, Field, HpackFault, Line, Lines, NameKind};
use crate::limits::{H2_HEADER_TABLE, HEAD_FIELDS};
use crate::protocol::fault::{HttpFault, excerpt};
use crate::protocol::field::trim_folded;
use crate::protocol::h1::framing;
use crate::protocol::head::{Fields, HeadStart, Lines as Kind, ResponseHead};
use crate::protocol::version::Version;

/// The decoder of a connection and what it has decoded last.
#[derive(Debug)]
pub(super) struct Section {
    decoder: Decoder,
    lines: Lines,
}

/// What a block is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// A head, of at most so many bytes as RFC 9113, 6.5.2 counts them.
    Head(usize),
    /// Trailers, of at most so many.
    Trailers(usize),
    /// Nobody wants it.
    Nothing,
}

/// What a head or trailers say that matters to their stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// Zero of trailers.
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    fields: usize,
}

impl Section {
    pub(super) fn new() -> Section {
        Section { decoder: Decoder::new(H2_HEADER_TABLE), lines: Lines::new() }
    }

    /// Decodes a block; what is wrong with the message is told apart from what is wrong with the block.
    pub(super) fn decode(
        &mut self,
        mut block: &[u8],
        expected: Expected,
    ) -> Result<Result<Message, HttpFault>, HpackFault> {
        let limit = match expected {
            Expected::Head(limit) | Expected::Trailers(limit) => limit,
            Expected::Nothing => 0,
        };
        self.decoder.begin();
        self.lines.begin(limit);
        let (mut message, mut fault) = (Message::default(), None);
        loop {
            let why = match self.decoder.next(&mut block, &mut self.lines)? {
                Field::Line(line) => match self.judge(&line, expected, &mut message) {
                    Ok(()) => continue,
                    Err(why) => why,
                },
                Field::Over => too_large(expected),
                Field::End => break,
            };
            fault.get_or_insert(why);
        }
        match (fault, expected) {
            (Some(fault), _) => return Ok(Err(fault)),
            (None, Expected::Head(_)) if message.status == 0 => {
                return Ok(Err(HttpFault::Malformed("it has no :status")));
            }
            (None, Expected::Head(_)) => self.lines.push(b"\r\n"),
            (None, Expected::Trailers(_) | Expected::Nothing) => {}
        }
        Ok(Ok(message))
    }

    /// The head that was decoded last.
    pub(super) fn head(&self, status: u16) -> ResponseHead<'_> {
        HeadStart { status, version: Version::Http2, lines: Kind::Fields }.view(self.lines.bytes())
    }

    /// The trailers that were decoded last.
    pub(super) fn trailers(&self) -> Fields<'_> {
        Fields::of_lines(self.lines.bytes())
    }

    /// Bytes of what was decoded last.
    pub(super) fn len(&self) -> usize {
        self.lines.bytes().len()
    }

    /// Gives back the memory of large heads.
    pub(super) fn shrink(&mut self) {
        self.lines.shrink();
    }

    fn judge(
        &mut self,
        line: &Line,
        expected: Expected,
        message: &mut Message,
    ) -> Result<(), HttpFault> {
        match line.kind {
            _ if !line.is_value => return Err(self.bad_field(line)),
            NameKind::Regular => {}
            NameKind::ContentLength => {
                let length = content_length(self.lines.value(line), message.length)?;
                message.length = Some(length);
            }
            NameKind::Status if matches!(expected, Expected::Head(_)) && message.fields == 0 => {
                return self.status(line, message);
            }
            NameKind::Status | NameKind::OtherPseudo => {
                return Err(HttpFault::Malformed("a pseudo-header field that cannot stand there"));
            }
            NameKind::Connection | NameKind::Bad => return Err(self.bad_field(line)),
        }
        message.fields += 1;
        match message.fields > HEAD_FIELDS {
            true => Err(HttpFault::TooManyFields { limit: HEAD_FIELDS }),
            false => Ok(()),
        }
    }

    /// The status line takes the place of the field that says the same.
    fn status(&mut self, line: &Line, message: &mut Message) -> Result<(), HttpFault> {
        let &[first @ b'1'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9'] =
            self.lines.value(line)
        else {
            return Err(self.bad_field(line));
        };
        if message.status != 0 {
            return Err(HttpFault::Malformed("it has :status twice"));
        }
        let digit = |digit: u8| u16::from(digit - b'0');
        message.status = digit(first) * 100 + digit(second) * 10 + digit(third);
        self.lines.take_back(line);
        let mut text = *b"HTTP/2 200 \r\n";
        text[7..10].copy_from_slice(&[first, second, third]);
        self.lines.push(&text);
        Ok(())
    }

    #[cold]
    fn bad_field(&self, line: &Line) -> HttpFault {
        let text = [self.lines.name(line), b": ", self.lines.value(line)].concat();
        HttpFault::BadField { line: excerpt(&text) }
    }
}

/// The one number that all lengths agree in (RFC 9110, 8.6).
fn content_length(value: &[u8], first: Option<u64>) -> Result<u64, HttpFault> {
    let mut agreed = first;
    for element in value.split(|&byte| byte == b',') {
        let bad = || HttpFault::BadLength { value: excerpt(value) };
        let other = framing::decimal(trim_folded(element)).ok_or_else(bad)?;
        let first = *agreed.get_or_insert(other);
        if first != other {
            return Err(HttpFault::ConflictingLengths { first, other });
        }
    }
    agreed.ok_or_else(|| HttpFault::BadLength { value: excerpt(value) })
}

#[cold]
fn too_large(expected: Expected) -> HttpFault {
    match expected {
        Expected::Head(limit) => HttpFault::HeadTooLarge { limit },
        Expected::Trailers(limit) => HttpFault::TrailerTooLarge { limit },
        Expected::Nothing => HttpFault::HeadTooLarge { limit: 0 },
    }
}
