//! From received bytes to events.
//!
//! * A frame is looked at when it has come whole, and where it lies in the input if that has all of it. DATA is handed on as
//!   it comes.
//! * A block is decoded where it lies if one frame has all of it, which nearly all have; otherwise its frames are put together
//!   first.
//! * What is wrong with one message ends its stream (RFC 9113, 5.4.2 and 8.1.1), anything else the connection (5.4.1).
//! * Frames on a stream that the peer itself had ended are a fault, those on other streams that are gone may be late: data gives
//!   its credit back, blocks are decoded, nobody gets them (5.1).
//!
//! Knows frames, and what each may do to a stream or to the connection. Must not know what is sent. Invariants: the same events
//! come however the input is cut; a byte is looked at a bounded number of times.

use super::connection::Connection;
use super::event::{Event, Read, Step, Stepped};
use super::fault::{ErrorCode, LinkFault};
use super::frame::{self, FRAME_SIZE, FrameHeader, kind};
use super::input::{Block, Data, Input};
use super::section::{Expected, Message};
use super::stream::{RequestHalf, StreamId};
use crate::protocol::fault::HttpFault;

impl Connection {
    /// Reads on: consumes some of `input` and says what it is.
    ///
    /// To be called again with the rest, until it answers [`Event::NeedMore`] (with more input, then). A fault is the end: the
    /// peer is told by [`fill`](Self::fill), and all streams are gone, without an event for each.
    pub fn read<'a>(&'a mut self, input: &'a [u8]) -> Result<Read<'a>, LinkFault> {
        let (consumed, step) = match self.step(input) {
            Ok(found) => found,
            Err(fault) => return Err(self.fail(fault)),
        };
        let event = match step {
            Step::NeedMore => Event::NeedMore,
            Step::Head { key, status: status @ ..200, .. } => {
                Event::Informational { key, head: self.section.head(status) }
            }
            Step::Head { key, status, length } => {
                Event::Head { key, head: self.section.head(status), length }
            }
            Step::Body { key, len } => Event::Body { key, bytes: &input[consumed - len..consumed] },
            Step::Trailers { key } => Event::Trailers { key, fields: self.section.trailers() },
            Step::Complete { key } => Event::Complete { key },
            Step::Failed { key, fault } => Event::Failed { key, fault },
            Step::Reset { key, code } => Event::Reset { key, code },
            Step::Refused { key } => Event::Refused { key },
            Step::GoAway(goaway) => Event::GoAway { goaway, debug: &self.owed.debug },
            Step::Pong { payload } => Event::Pong { payload },
        };
        Ok(Read { consumed, event })
    }

    /// The peer closed the connection. `Ok` if no stream was open.
    pub fn eof(&mut self) -> Result<(), LinkFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.streams.len() == 0 => Ok(()),
            None => Err(self.fail(LinkFault::UnexpectedEof)),
        }
    }

    pub(super) fn step(&mut self, input: &[u8]) -> Result<(usize, Step), LinkFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if let Some(step) = self.owed_step() {
            return Ok((0, step));
        }
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let (taken, step) = match self.input {
                Input::Header => match self.header(rest) {
                    (taken, Some(header)) => {
                        at += taken;
                        let step = self.begin_frame(header)?;
                        (0, step)
                    }
                    (taken, None) => return Ok((at + taken, Step::NeedMore)),
                },
                Input::Payload(header) => match self.payload(header, rest)? {
                    Some(found) => found,
                    None => return Ok((input.len(), Step::NeedMore)),
                },
                _ if rest.is_empty() => return Ok((at, Step::NeedMore)),
                Input::PadLength(header) => (1, self.begin_data(header, 1, usize::from(rest[0]))?),
                Input::Data(data) => self.data(data, rest),
                Input::Skip(left) => {
                    let taken = left.min(rest.len());
                    self.skip(left - taken);
                    (taken, None)
                }
            };
            at += taken;
            if let Some(step) = step {
                return Ok((at, step));
            }
        }
    }

    /// What is told without any input.
    fn owed_step(&mut self) -> Option<Step> {
        if let Some(id) = self.owed.complete.take()
            && let Some(step) = self.complete(id)
        {
            return Some(step);
        }
        while let Some(id) = self.owed.refused.pop() {
            if let Some(stream) = self.streams.peek(id) {
                let key = stream.key;
                self.close(id);
                let code = self.goaway.map_or(ErrorCode::NO_ERROR, |goaway| goaway.code);
                return Some(match code {
                    // for these it is the answer, as if each had been reset (RFC 9113, 7)
                    ErrorCode::HTTP_1_1_REQUIRED => Step::Reset { key, code },
                    _ => Step::Refused { key },
                });
            }
        }
        None
    }

    /// The response has ended.
    fn complete(&mut self, id: StreamId) -> Option<Step> {
        let stream = self.streams.peek(id)?;
        let key = stream.key;
        if let Err(fault) = stream.end_body() {
            return Some(self.fail_stream(id, fault, ErrorCode::PROTOCOL_ERROR));
        }
        self.ended.insert(id.number);
        if stream.request == RequestHalf::Complete {
            self.close(id);
        } else {
            self.reset(id, ErrorCode::CANCEL);
        }
        Some(Step::Complete { key })
    }

    /// Ends one stream because of what the peer has made of it.
    #[cold]
    pub(super) fn fail_stream(&mut self, id: StreamId, fault: HttpFault, code: ErrorCode) -> Step {
        let key = self.streams.peek(id).map_or(0, |stream| stream.key);
        self.reset(id, code);
        Step::Failed { key, fault }
    }

    /// The header of the next frame, once it is whole, and the bytes that were taken.
    fn header(&mut self, input: &[u8]) -> (usize, Option<FrameHeader>) {
        if let (true, Some(bytes)) = (self.gathered.is_empty(), input.first_chunk()) {
            return (FrameHeader::LEN, Some(FrameHeader::read(bytes)));
        }
        let taken = (FrameHeader::LEN - self.gathered.len()).min(input.len());
        self.gathered.extend_from_slice(&input[..taken]);
        let header = self.gathered.first_chunk().map(FrameHeader::read);
        if header.is_some() {
            self.gathered.clear();
        }
        (taken, header)
    }

    /// What can be said of a frame by its header.
    fn begin_frame(&mut self, header: FrameHeader) -> Stepped {
        if !self.is_settled && (header.kind != kind::SETTINGS || header.has(frame::ACK)) {
            return Err(LinkFault::NoSettings);
        }
        let is_next = self.owed.block.is_some_and(|block| block.stream == header.stream);
        if (header.kind == kind::CONTINUATION) != self.owed.block.is_some()
            || (header.kind == kind::CONTINUATION && !is_next)
        {
            return Err(LinkFault::Protocol(
                "a header block that is interrupted, or goes on without having begun",
            ));
        }
        if header.length > FRAME_SIZE {
            return Err(LinkFault::FrameSize("a frame"));
        }
        let belongs_to_stream = match header.kind {
            kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM | kind::CONTINUATION => {
                true
            }
            kind::SETTINGS | kind::PING | kind::GOAWAY => false,
            kind::WINDOW_UPDATE => header.stream != 0,
            kind::PUSH_PROMISE => return Err(LinkFault::Protocol("a push, which was refused")),
            _ => {
                self.budget.spend()?;
                self.skip(header.length);
                return Ok(None);
            }
        };
        if belongs_to_stream != (header.stream != 0) {
            return Err(LinkFault::Protocol("a frame on a stream that cannot have it"));
        }
        let fixed = match header.kind {
            kind::PRIORITY => Some(5),
            kind::RST_STREAM | kind::WINDOW_UPDATE => Some(4),
            kind::PING => Some(8),
            _ => None,
        };
        if fixed.is_some_and(|length| length != header.length) {
            return Err(LinkFault::FrameSize("a frame"));
        }
        if header.kind == kind::DATA {
            return self.begin_data_frame(header);
        }
        self.input = Input::Payload(header);
        Ok(None)
    }

    /// Counts a DATA frame against the windows, padding and all (RFC 9113, 6.9.1).
    fn begin_data_frame(&mut self, header: FrameHeader) -> Stepped {
        if !self.inbound.receive(header.length) {
            return Err(LinkFault::FlowControl(
                "more data than the connection's window has room for",
            ));
        }
        self.inbound.consume(header.length);
        if self.inbound.is_due() {
            let increment = self.inbound.grant(0);
            self.outbox.update(0, increment);
        }
        if header.has(frame::PADDED) {
            if header.length == 0 {
                return Err(LinkFault::FrameSize("DATA"));
            }
            self.input = Input::PadLength(header);
            return Ok(None);
        }
        self.begin_data(header, 0, 0)
    }

    /// What a DATA frame has to do with its stream; `before` bytes of its payload were taken.
    fn begin_data(&mut self, header: FrameHeader, before: usize, padding: usize) -> Stepped {
        let Some(left) = (header.length - before).checked_sub(padding) else {
            return Err(LinkFault::Protocol("more padding than a frame has"));
        };
        self.skip(left + padding);
        let Some(id) = self.find(header.stream)? else {
            match left {
                // nginx says twice that an empty body ends, where the head could not leave at once
                0 if self.ended.contains(header.stream) => self.budget.spend()?,
                // the peer sends as it likes until it hears that nobody wants more (RFC 9113, 5.1)
                1.. if !self.ended.contains(header.stream)
                    && self.windows.receive_late(header.length) => {}
                _ => self.frame_of_no_stream(header.stream)?,
            }
            return Ok(None);
        };
        let ends = header.has(frame::END_STREAM);
        match left {
            0 if !ends => self.budget.spend()?,
            0 => {}
            _ => self.budget.data(),
        }
        let Some(stream) = self.streams.get(id) else { return Ok(None) };
        if !stream.has_head {
            let fault = HttpFault::Malformed("data came before its head");
            return Ok(Some(self.fail_stream(id, fault, ErrorCode::PROTOCOL_ERROR)));
        }
        if !stream.inbound.receive(header.length) {
            let fault = HttpFault::Malformed("more data came than its window has room for");
            return Ok(Some(self.fail_stream(id, fault, ErrorCode::FLOW_CONTROL_ERROR)));
        }
        if let Err(fault) = stream.receive_body(left) {
            return Ok(Some(self.fail_stream(id, fault, ErrorCode::PROTOCOL_ERROR)));
        }
        if before + padding > 0 {
            stream.is_padded = true;
            self.consumed(id, before + padding);
        }
        self.input = Input::Data(Data { stream: id, left, padding, ends });
        if left + padding == 0 {
            return Ok(self.end_data(id, ends));
        }
        Ok(None)
    }

    /// Hands on data as it comes.
    fn data(&mut self, mut data: Data, input: &[u8]) -> (usize, Option<Step>) {
        let Some(stream) = self.streams.peek(data.stream) else {
            // given up meanwhile
            self.skip(data.left + data.padding);
            return (0, None);
        };
        let key = stream.key;
        let len = data.left.min(input.len());
        data.left -= len;
        self.input = Input::Data(data);
        if data.left == 0 {
            self.skip(data.padding);
            if data.ends {
                self.owed.complete = Some(data.stream);
            }
        }
        match len {
            0 => (0, self.owed_step()),
            _ => (len, Some(Step::Body { key, len })),
        }
    }

    /// A DATA frame has no more bytes.
    fn end_data(&mut self, id: StreamId, ends: bool) -> Option<Step> {
        self.input = Input::Header;
        if ends { self.complete(id) } else { None }
    }

    /// So many bytes do not matter.
    fn skip(&mut self, bytes: usize) {
        self.input = if bytes == 0 { Input::Header } else { Input::Skip(bytes) };
    }

    /// Takes a frame's payload once it is whole; none if more has to come.
    fn payload(
        &mut self,
        header: FrameHeader,
        input: &[u8],
    ) -> Result<Option<(usize, Option<Step>)>, LinkFault> {
        if self.gathered.is_empty()
            && let Some(payload) = input.get(..header.length)
        {
            self.input = Input::Header;
            return Ok(Some((header.length, self.frame(header, payload)?)));
        }
        let taken = (header.length - self.gathered.len()).min(input.len());
        self.gathered.extend_from_slice(&input[..taken]);
        if self.gathered.len() < header.length {
            return Ok(None);
        }
        self.input = Input::Header;
        let mut payload = std::mem::take(&mut self.gathered);
        let step = self.frame(header, &payload)?;
        payload.clear();
        self.gathered = payload;
        Ok(Some((taken, step)))
    }

    fn frame(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped {
        match header.kind {
            kind::HEADERS => self.headers(header, payload),
            kind::CONTINUATION => self.continuation(header, payload),
            kind::RST_STREAM => self.rst_stream(header.stream, payload),
            kind::SETTINGS => self.settings(header, payload),
            kind::PING => self.pinged(header, payload),
            kind::GOAWAY => self.goes_away(payload),
            kind::WINDOW_UPDATE => self.window_update(header.stream, payload),
            // PRIORITY, which means nothing any more (RFC 9113, 5.3.2)
            _ => {
                self.budget.spend()?;
                Ok(None)
            }
        }
    }

    fn headers(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped {
        let fragment = frame::fragment(&header, payload);
        let fragment = fragment.ok_or(LinkFault::Protocol("more padding than a frame has"))?;
        let ends_stream = header.has(frame::END_STREAM);
        if header.has(frame::END_HEADERS) {
            return self.whole_block(header.stream, ends_stream, fragment);
        }
        self.block.extend_from_slice(fragment);
        self.owed.block = Some(Block { stream: header.stream, ends_stream, continuations: 0 });
        self.check_block()
    }

    fn continuation(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped {
        let Some(mut block) = self.owed.block.take() else { return Ok(None) };
        block.continuations += 1;
        if block.continuations > self.limits.continuations {
            return Err(LinkFault::TooManyContinuations { limit: self.limits.continuations });
        }
        self.block.extend_from_slice(payload);
        self.check_block()?;
        if !header.has(frame::END_HEADERS) {
            self.owed.block = Some(block);
            return Ok(None);
        }
        let mut whole = std::mem::take(&mut self.block);
        let step = self.whole_block(block.stream, block.ends_stream, &whole)?;
        whole.clear();
        self.block = whole;
        Ok(step)
    }

    fn check_block(&self) -> Stepped {
        match self.block.len() > self.http.head_bytes {
            true => Err(LinkFault::BlockTooLarge { limit: self.http.head_bytes }),
            false => Ok(None),
        }
    }

    /// All of a block is there: it is decoded, whoever gets it.
    fn whole_block(&mut self, number: u32, ends_stream: bool, block: &[u8]) -> Stepped {
        let Some(id) = self.find(number)? else {
            self.frame_of_no_stream(number)?;
            // nobody gets it, and the table has to see it
            let _ =
                self.section.decode(block, Expected::Nothing).map_err(LinkFault::Compression)?;
            return Ok(None);
        };
        let has_head = self.streams.peek(id).is_some_and(|stream| stream.has_head);
        let expected = match has_head {
            false => Expected::Head(self.http.head_bytes),
            true => Expected::Trailers(self.http.trailer_bytes),
        };
        let decoded = self.section.decode(block, expected).map_err(LinkFault::Compression)?;
        self.budget.head();
        let accepted = match (decoded, has_head) {
            (Ok(message), false) => self.head(id, &message, ends_stream),
            (Ok(_), true) => self.trailers(id, ends_stream),
            (Err(fault), _) => Err(fault),
        };
        Ok(Some(
            accepted.unwrap_or_else(|fault| self.fail_stream(id, fault, ErrorCode::PROTOCOL_ERROR)),
        ))
    }

    fn head(
        &mut self,
        id: StreamId,
        message: &Message,
        ends_stream: bool,
    ) -> Result<Step, HttpFault> {
        let Message { status, length, .. } = *message;
        let Some(stream) = self.streams.get(id) else { return Ok(Step::NeedMore) };
        let key = stream.key;
        if status == 101 {
            return Err(HttpFault::UnexpectedUpgrade);
        }
        stream.answered(status);
        if status < 200 {
            if ends_stream {
                return Err(HttpFault::Malformed("it ends with an informational head"));
            }
            stream.count_informational(self.section.len(), &self.http)?;
            self.line_up(id);
            return Ok(Step::Head { key, status, length: None });
        }
        let length = stream.announce(status, length);
        if ends_stream {
            stream.end_body()?;
            self.owed.complete = Some(id);
        }
        Ok(Step::Head { key, status, length })
    }

    fn trailers(&mut self, id: StreamId, ends_stream: bool) -> Result<Step, HttpFault> {
        let Some(stream) = self.streams.get(id) else { return Ok(Step::NeedMore) };
        if !ends_stream {
            return Err(HttpFault::Malformed("it goes on after its trailers"));
        }
        stream.end_body()?;
        let key = stream.key;
        self.owed.complete = Some(id);
        Ok(Step::Trailers { key })
    }

    /// The stream that a frame is on, if it is open; one that has never left here is a fault.
    pub(super) fn find(&self, number: u32) -> Result<Option<StreamId>, LinkFault> {
        match number.is_multiple_of(2) || number > self.last_sent {
            true => Err(LinkFault::Protocol("a frame on a stream that was never begun")),
            false => Ok(self.streams.find(number)),
        }
    }

    /// A frame came on a stream that is not open: one that the peer had ended is its fault.
    fn frame_of_no_stream(&mut self, number: u32) -> Result<(), LinkFault> {
        if self.ended.contains(number) {
            return Err(LinkFault::StreamClosed);
        }
        self.budget.spend()
    }
}
