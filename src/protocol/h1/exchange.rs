//! One request and its response on one connection.
//!
//! # Rules
//!
//! * **Request half.** The head goes out first, then the body, framed as the head announced it.
//!   The half is complete when the head was taken and the body has ended (at once, if there is
//!   none). A body whose head says `Expect: 100-continue` waits for 100 (Continue), or until whoever
//!   knows the time says that it has waited long enough. A final response before that, or one of
//!   status 300 or above at any time, ends the half where it stands: the rest is not wanted (RFC 9110,
//!   10.1.1; RFC 9112, 9.5). Where it then ends neither length nor chunks can say, so that the
//!   connection is not reused.
//! * **Response half.** Any number of informational responses up to the limit, then one head, then
//!   the body that [RFC 9112, 6.3] says it has. 101 is a fault where no upgrade is offered.
//!   It may begin and end before the request half is complete: one of status 2xx may be made as the
//!   body comes.
//! * **Another protocol.** 101 to an offer, and 2xx to CONNECT, end HTTP on the connection: with a body of
//!   [`BodyLength::Raw`] what follows are bytes in both directions, the response's body until the peer's
//!   end and the request's body as it comes. Neither waits for the other, and the connection is not reused.
//! * **End of the connection.** It completes a body that it delimits; over TLS only if the peer
//!   said close_notify. Elsewhere it is a fault which says how much had come.
//! * **Reuse.** The connection can carry another exchange exactly if both halves are complete and
//!   no [`CloseReason`] was found in either.
//! * **Faults stay.** After a fault, the exchange answers everything with that fault.
//!
//! Knows these. Must not know sockets, time, or the transfer that it serves. Invariants: a byte of
//! input is looked at a bounded number of times; nothing is allocated but for a head that comes in
//! pieces, up to the limit.
//!
//! [RFC 9112, 6.3]: https://www.rfc-editor.org/rfc/rfc9112#section-6.3

use super::body::{BodyLength, Fill, RequestBody, SourceRead};
use super::chunked::ChunkedDecoder;
use super::framing::{Framing, RequestKind};
use super::reuse::{CloseReason, CloseReasons};
use crate::limits::HttpLimits;
use crate::protocol::fault::{BodyFault, HttpFault};
use crate::protocol::head::{self, Fields, HeadStart, ParsedHead, ResponseHead};
use crate::protocol::request::RequestHead;

/// The state of one request and its response.
///
/// * Request half: [`head_taken`](Self::head_taken), [`fill_body`](Self::fill_body);
///   [`request_complete`](Self::request_complete), [`has_body_to_send`](Self::has_body_to_send);
///   [`awaits_continue`](Self::awaits_continue), [`send_body`](Self::send_body).
/// * Response half: [`read`](Self::read), [`eof`](Self::eof);
///   [`response_started`](Self::response_started),
///   [`response_complete`](Self::response_complete), [`body_received`](Self::body_received),
///   [`content_length`](Self::content_length), [`trailers`](Self::trailers).
/// * Reuse: [`note_close`](Self::note_close), [`close_reasons`](Self::close_reasons).
///
/// At most 160 bytes, and a partial head, or a trailer section, while there is one.
#[derive(Debug)]
pub struct Exchange {
    body: RequestBody,
    response: Response,
    received: u64,
    /// Bytes of the request's body.
    sent: u64,
    length: Option<u64>,
    /// A head that came in pieces, and until the next call after its end. After that, the trailer section as far as it has
    /// come.
    partial: Vec<u8>,
    limits: HttpLimits,
    informational: u32,
    /// Of them all.
    informational_bytes: u32,
    reasons: CloseReasons,
    kind: RequestKind,
    head_taken: bool,
    /// The body waits for 100 (Continue).
    awaits_continue: bool,
    started: bool,
    /// `partial` is a whole head that was handed out: gone with the next call.
    partial_done: bool,
    keeps_chunks: bool,
}

/// What a call of [`Exchange::read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<'a> {
    /// Bytes of the input that are done with; the next call gets the input after them.
    pub consumed: usize,
    /// What they are.
    pub event: Event<'a>,
}

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// All input is consumed, and the response goes on.
    NeedMore,
    /// A 1xx response; the final one is still to come.
    Informational(ResponseHead<'a>),
    /// The final response's head.
    Head(ResponseHead<'a>),
    /// Bytes of the body, never none.
    Body(&'a [u8]),
    /// The response is complete. Input after it, if there is any, answers nothing that was asked:
    /// it has been noted as [`CloseReason::BytesAfterResponse`].
    Complete,
}

/// What of the response comes next.
#[derive(Debug)]
enum Response {
    Head,
    Length { remaining: u64 },
    Chunked(ChunkedDecoder),
    UntilClose,
    Complete,
    Failed(Box<HttpFault>),
}

/// As [`Event`], with nothing borrowed yet.
enum Step {
    NeedMore,
    Head {
        start: HeadStart,
        len: usize,
    },
    /// Bytes of data, at the end of those consumed.
    Body(usize),
    Complete,
}

impl Exchange {
    /// The smallest output that [`fill_body`](Self::fill_body) puts a chunk into, in bytes.
    pub const MIN_BODY_OUTPUT: usize = RequestBody::MIN_OUTPUT;

    /// An exchange that is about to begin. `body` is what [`RequestHead::encode`] is told, too.
    #[inline]
    pub fn new(head: &RequestHead, body: BodyLength, limits: &HttpLimits) -> Exchange {
        Exchange {
            body: RequestBody::new(body),
            response: Response::Head,
            received: 0,
            sent: 0,
            length: None,
            partial: Vec::new(),
            limits: *limits,
            informational: 0,
            informational_bytes: 0,
            reasons: head.close_reasons(),
            kind: head.kind(),
            head_taken: false,
            awaits_continue: head.expects_continue()
                && !matches!(body, BodyLength::None | BodyLength::Known(0) | BodyLength::Raw),
            started: false,
            partial_done: false,
            keeps_chunks: false,
        }
    }

    /// The response's body is given with its chunks' framing, as it is sent.
    pub fn keep_chunks(&mut self) {
        self.keeps_chunks = true;
    }

    /// All bytes of the request's head have been handed to the wire.
    pub fn head_taken(&mut self) {
        self.head_taken = true;
    }

    /// There is no request and no response: bytes in both directions, as after a switch of protocols.
    #[cold]
    pub fn open(&mut self) {
        self.switch();
        self.reasons.insert(CloseReason::Tunnel);
    }

    /// Fills `out` with bytes of the body, framed, pulling them from `source`.
    ///
    /// The source is asked as long as there is room, never with an empty slice and never for more
    /// than was announced; one that has more than that is not found out, unless it claims to have
    /// written beyond its slice. A body of unknown length becomes one chunk per call, and an
    /// output of less than [`MIN_BODY_OUTPUT`](Self::MIN_BODY_OUTPUT) bytes gets none of it
    /// ([`Fill::Filled(0)`](Fill::Filled)). After the end, [`Fill::Complete(0)`](Fill::Complete).
    ///
    /// A fault ends the request half for good: what was pulled in the same call is lost, and the
    /// connection must be closed.
    pub fn fill_body(
        &mut self,
        out: &mut [u8],
        source: &mut dyn FnMut(&mut [u8]) -> SourceRead,
    ) -> Result<Fill, BodyFault> {
        let mut sent = 0;
        let filled = self.body.fill(out, &mut |out| {
            let read = source(out);
            if let SourceRead::Data(length) | SourceRead::Piece(length) = read {
                sent += length as u64;
            }
            read
        });
        self.sent += sent;
        filled
    }

    /// Whether the head and all of the body have been handed to the wire.
    pub fn request_complete(&self) -> bool {
        self.head_taken && self.body.is_complete()
    }

    /// Whether bytes of the body can be asked for now.
    pub fn has_body_to_send(&self) -> bool {
        !self.awaits_continue && !self.body.is_over()
    }

    /// Whether the body waits for 100 (Continue).
    pub fn awaits_continue(&self) -> bool {
        self.awaits_continue
    }

    /// Sends the body without having been told to.
    pub fn send_body(&mut self) {
        self.awaits_continue = false;
    }

    /// Reads on in the response: consumes some of `input` and says what it is.
    ///
    /// To be called again with the rest, until it answers [`Event::NeedMore`] (with more input,
    /// then) or [`Event::Complete`]. However the response is cut into pieces, the same heads and
    /// bytes come out, and the work is linear in its length.
    ///
    /// A head that lies in `input` whole costs one pass over it, no copy, no allocation; a body,
    /// nothing per byte. A head in pieces is copied once.
    pub fn read<'a>(&'a mut self, input: &'a [u8]) -> Result<Read<'a>, HttpFault> {
        let (consumed, step) = self.step(input).map_err(|fault| self.fail(fault))?;
        if consumed < input.len() && self.response_complete() {
            self.reasons.insert(CloseReason::BytesAfterResponse);
        }
        let event = match step {
            Step::NeedMore => Event::NeedMore,
            Step::Body(len) => Event::Body(&input[consumed - len..consumed]),
            Step::Complete => Event::Complete,
            Step::Head { start, len } => {
                let raw = if self.partial_done { &self.partial[..] } else { &input[..len] };
                let head = start.view(raw);
                match start.status {
                    100..=199 if start.status != 101 => Event::Informational(head),
                    _ => Event::Head(head),
                }
            }
        };
        Ok(Read { consumed, event })
    }

    /// What makes a head whole that the end cuts after a line, if such are taken; to be read before [`eof`](Self::eof).
    #[cold]
    pub(crate) fn rest_of_head(&self) -> Option<&'static [u8]> {
        let is_cut = matches!(self.response, Response::Head) && self.partial.ends_with(b"\n");
        (self.limits.cut_heads && is_cut).then_some(&b"\r\n"[..])
    }

    /// The peer closed the connection; `clean` is false for TLS that ended without close_notify.
    ///
    /// `Ok` if the response is complete, be it by this.
    pub fn eof(&mut self, clean: bool) -> Result<(), HttpFault> {
        self.release_head();
        self.reasons.insert(CloseReason::PeerClosed);
        let received = self.received;
        let fault = match &self.response {
            Response::Complete => return Ok(()),
            Response::UntilClose if clean => {
                self.complete();
                return Ok(());
            }
            Response::UntilClose => HttpFault::CloseWithoutNotify { received },
            Response::Failed(fault) => return Err((**fault).clone()),
            // a partial head may be wrong already
            Response::Head => match head::parse(&self.partial, self.kind) {
                Err(fault) => fault,
                Ok(_) => HttpFault::UnexpectedEof { received, expected: None },
            },
            Response::Length { .. } | Response::Chunked(_) => {
                HttpFault::UnexpectedEof { received, expected: self.length }
            }
        };
        Err(self.fail(fault))
    }

    /// Whether any byte of a response has arrived.
    pub fn response_started(&self) -> bool {
        self.started
    }

    /// Whether the response has arrived whole.
    pub fn response_complete(&self) -> bool {
        matches!(self.response, Response::Complete)
    }

    /// Bytes of the body that have arrived, without their framing.
    pub fn body_received(&self) -> u64 {
        self.received
    }

    /// Bytes of the request's body that were taken to be sent, without framing.
    pub fn body_sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that the body will have in all, once the head has come, if Content-Length frames it.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// The fields that came after the body, once the response is complete; `None` if there are none. Where chunks are kept
    /// they are among these.
    pub fn trailers(&self) -> Option<Fields<'_>> {
        let has = self.response_complete() && !(self.partial_done || self.partial.is_empty());
        has.then(|| Fields::of_section(&self.partial))
    }

    /// Why the connection cannot carry another exchange now; empty: it can.
    pub fn close_reasons(&self) -> CloseReasons {
        let mut reasons = self.reasons;
        if !self.request_complete() {
            reasons.insert(CloseReason::RequestUnfinished);
        }
        if !self.response_complete() {
            reasons.insert(CloseReason::ResponseUnfinished);
        }
        reasons
    }

    /// A reason that was found elsewhere.
    pub fn note_close(&mut self, reason: CloseReason) {
        self.reasons.insert(reason);
    }

    /// Bytes that have come of a head of which more is to come.
    pub(crate) fn head_received(&self) -> usize {
        self.partial.len()
    }

    /// Bytes of memory that it holds for these.
    pub(crate) fn head_held(&self) -> usize {
        self.partial.capacity()
    }

    fn step(&mut self, input: &[u8]) -> Result<(usize, Step), HttpFault> {
        if self.partial_done {
            self.release_head();
        }
        self.started |= !input.is_empty();
        match &mut self.response {
            Response::Complete => Ok((0, Step::Complete)),
            Response::Failed(fault) => Err((**fault).clone()),
            _ if input.is_empty() => Ok((0, Step::NeedMore)),
            Response::Head if self.partial.is_empty() => self.whole_head(input),
            Response::Head => self.next_piece_of_head(input),
            Response::Length { remaining } => {
                let len = usize::try_from(*remaining).map_or(input.len(), |n| n.min(input.len()));
                *remaining -= len as u64;
                let is_last = *remaining == 0;
                self.received += len as u64;
                if is_last {
                    self.complete();
                }
                Ok((len, Step::Body(len)))
            }
            Response::UntilClose => {
                self.received += input.len() as u64;
                Ok((input.len(), Step::Body(input.len())))
            }
            Response::Chunked(decoder) => {
                let kept = (!self.keeps_chunks).then_some(&mut self.partial);
                let decoded = decoder.decode(input, &self.limits, kept)?;
                let is_complete = decoder.is_complete();
                if decoder.has_bare_lf() {
                    self.reasons.insert(CloseReason::OddFraming);
                }
                let len = if self.keeps_chunks { decoded.consumed } else { decoded.data };
                self.received += len as u64;
                let step = match len {
                    len if is_complete && len > 0 => {
                        self.complete();
                        Step::Body(len)
                    }
                    0 if is_complete => {
                        self.complete();
                        Step::Complete
                    }
                    0 => Step::NeedMore,
                    len => Step::Body(len),
                };
                Ok((decoded.consumed, step))
            }
        }
    }

    /// The response has no head: all that comes is its body, until the end.
    #[cold]
    fn begin_without_head(&mut self, input: &[u8]) -> (usize, Step) {
        self.response = Response::UntilClose;
        self.reasons.insert(CloseReason::DelimitedByClose);
        self.received += input.len() as u64;
        (input.len(), Step::Body(input.len()))
    }

    /// A head of which nothing has come before: nearly always, all of it is here.
    fn whole_head(&mut self, input: &[u8]) -> Result<(usize, Step), HttpFault> {
        let window = &input[..input.len().min(self.limits.head_bytes)];
        let parsed = match head::parse(window, self.kind) {
            Err(HttpFault::BadStatusLine { .. }) if self.limits.headless => {
                return Ok(self.begin_without_head(input));
            }
            parsed => parsed?,
        };
        if let Some(parsed) = parsed {
            return self.accept(&parsed);
        }
        if window.len() == self.limits.head_bytes {
            return Err(HttpFault::HeadTooLarge { limit: self.limits.head_bytes });
        }
        self.partial.extend_from_slice(window);
        Ok((window.len(), Step::NeedMore))
    }

    #[cold]
    fn next_piece_of_head(&mut self, input: &[u8]) -> Result<(usize, Step), HttpFault> {
        let limit = self.limits.head_bytes;
        let window = &input[..input.len().min(limit - self.partial.len())];
        let end = head::end(&self.partial, window);
        let len = end.unwrap_or(window.len());
        let needed = self.partial.len() + len;
        if needed > self.partial.capacity() {
            // little more than there is: it is counted, and there may be many
            let most = limit.min(needed + needed / 8);
            self.partial.reserve_exact(most - self.partial.len());
        }
        self.partial.extend_from_slice(&window[..len]);
        if end.is_none() && self.partial.len() < limit {
            return Ok((len, Step::NeedMore));
        }
        match head::parse(&self.partial, self.kind)? {
            Some(parsed) => {
                self.partial_done = true;
                let (_, step) = self.accept(&parsed)?;
                Ok((len, step))
            }
            None => Err(HttpFault::HeadTooLarge { limit }),
        }
    }

    fn accept(&mut self, parsed: &ParsedHead) -> Result<(usize, Step), HttpFault> {
        let &ParsedHead { len, start, framing, reasons } = parsed;
        self.reasons.extend(reasons);
        if !self.body.is_over() {
            self.answer_body(start.status);
        }
        match (start.status, framing) {
            (101, _) => match self.switch() {
                true => self.reasons.insert(CloseReason::Tunnel),
                false => return Err(HttpFault::UnexpectedUpgrade),
            },
            (100..=199, _) => self.count_informational(len)?,
            (_, Framing::Empty) => {
                if !(reasons.contains(CloseReason::Tunnel) && self.switch()) {
                    self.complete();
                }
            }
            (_, Framing::Length(length)) => {
                self.length = Some(length);
                match length {
                    0 => self.complete(),
                    _ => self.response = Response::Length { remaining: length },
                }
            }
            (_, Framing::Chunked) => self.response = Response::Chunked(ChunkedDecoder::new()),
            (_, Framing::UntilClose) => self.response = Response::UntilClose,
        }
        Ok((len, Step::Head { start, len }))
    }

    /// The peer speaks another protocol from here on, if one is offered: whether that is so. What it says is the rest of the
    /// response, and what is said to it the body of the request.
    #[cold]
    fn switch(&mut self) -> bool {
        let has_switched = self.body.switch();
        if has_switched {
            self.response = Response::UntilClose;
        }
        has_switched
    }

    /// A response came while there is body to send.
    #[cold]
    fn answer_body(&mut self, status: u16) {
        match status {
            100 => self.awaits_continue = false,
            101..=199 => {}
            200..=299 if !self.awaits_continue => {}
            _ => {
                self.awaits_continue = false;
                self.body.stop();
            }
        }
    }

    fn count_informational(&mut self, len: usize) -> Result<(), HttpFault> {
        let limit = self.limits.informational;
        if self.informational == limit {
            return Err(HttpFault::TooManyInformational { limit });
        }
        self.informational += 1;
        let limit = self.limits.head_bytes;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.informational_bytes = self.informational_bytes.saturating_add(len);
        match self.informational_bytes as usize > limit {
            true => Err(HttpFault::InformationalTooLarge { limit }),
            false => Ok(()),
        }
    }

    fn complete(&mut self) {
        self.response = Response::Complete;
        if !self.request_complete() {
            self.reasons.insert(CloseReason::RequestUnfinished);
        }
    }

    #[cold]
    fn fail(&mut self, fault: HttpFault) -> HttpFault {
        self.reasons.insert(CloseReason::Fault);
        self.response = Response::Failed(Box::new(fault.clone()));
        fault
    }

    fn release_head(&mut self) {
        if self.partial_done {
            self.partial = Vec::new();
            self.partial_done = false;
        }
    }
}

#[cfg(test)]
mod tests;
