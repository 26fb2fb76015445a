//! A connection, as whoever holds it sees it: what it is told, what is asked of it, what it wants.
//!
//! Knows streams in all their states, and what both sides have said of themselves. Must not know sockets, time, or what a
//! request is for: it names each by a key of the caller's. The two directions are [`receive`](super::receive) and
//! [`send`](super::send). Invariants: after a fault there is no stream and nothing is read, and what is left to be sent says
//! why; nothing grows beyond [`H2Limits`] and [`HttpLimits`].

use std::collections::VecDeque;

use super::budget::{Budget, Ended};
use super::event::GoAway;
use super::fault::{ErrorCode, LinkFault};
use super::fields::FieldEncoder;
use super::flow::{Inbound, Outbound, Reserve, Windows};
use super::frame::MOST_STREAM;
use super::input::{Input, Owed};
use super::outbox::Outbox;
use super::section::Section;
use super::settings::{self, INITIAL_WINDOW, PeerSettings};
use super::stream::{Progress, RequestHalf, Stream, StreamId};
use super::streams::Streams;
use crate::limits::{H2Limits, HttpLimits};
use crate::protocol::h1::body::BodyLength;
use crate::protocol::request::RequestHead;

/// The client's side of an HTTP/2 connection.
///
/// * Requests: [`capacity`](Self::capacity), [`begin`](Self::begin), [`cancel`](Self::cancel);
///   [`resume`](Self::resume), [`send_body`](Self::send_body), [`prioritize`](Self::prioritize).
/// * In: [`read`](Self::read), [`eof`](Self::eof), [`consumed`](Self::consumed), [`rested`](Self::rested).
/// * Out: [`wants_fill`](Self::wants_fill), [`fill`](Self::fill).
/// * The connection: [`ping`](Self::ping), [`shut_down`](Self::shut_down), [`shrink`](Self::shrink).
#[derive(Debug)]
pub struct Connection {
    pub(super) http: HttpLimits,
    pub(super) limits: H2Limits,
    pub(super) fault: Option<LinkFault>,
    // both directions
    pub(super) streams: Streams,
    pub(super) ended: Ended,
    /// The number of the next stream.
    pub(super) next: u32,
    pub(super) peer: PeerSettings,
    /// The number of the last stream that has left.
    pub(super) last_sent: u32,
    /// Streams that have left, and not ended.
    pub(super) active: usize,
    // in
    pub(super) input: Input,
    pub(super) owed: Owed,
    /// A frame that came in pieces.
    pub(super) gathered: Vec<u8>,
    /// A block that came in several frames.
    pub(super) block: Vec<u8>,
    pub(super) section: Section,
    pub(super) inbound: Inbound,
    pub(super) windows: Windows,
    pub(super) budget: Budget,
    /// The peer's settings have come.
    pub(super) is_settled: bool,
    /// What the peer said last of how it goes away.
    pub(super) goaway: Option<GoAway>,
    // out
    pub(super) outbox: Outbox,
    pub(super) encoder: FieldEncoder,
    pub(super) outbound: Outbound,
    /// Streams that have yet to leave, in the order of their numbers.
    pub(super) heads: VecDeque<StreamId>,
    /// Streams that have a body to send, and may, in turn.
    pub(super) bodies: VecDeque<StreamId>,
    pub(super) ping: Option<[u8; 8]>,
    pub(super) resets: u64,
    is_shut_down: bool,
    /// Keys of the requests that a fault has ended.
    lost: Vec<u64>,
}

impl Connection {
    /// A connection on which nothing was sent and nothing has come. Its windows grow by what the reserve has for them.
    pub fn new(http: &HttpLimits, limits: &H2Limits, reserve: &Reserve) -> Connection {
        let window = settings::initial_window(limits);
        let mut connection = Connection {
            http: *http,
            limits: *limits,
            fault: None,
            streams: Streams::default(),
            ended: Ended::new(),
            next: 1,
            peer: PeerSettings::INITIAL,
            last_sent: 0,
            active: 0,
            input: Input::Header,
            owed: Owed::default(),
            gathered: Vec::new(),
            block: Vec::new(),
            section: Section::new(),
            inbound: Inbound::new(INITIAL_WINDOW),
            windows: Windows::new(window, limits, reserve),
            budget: Budget::new(limits),
            is_settled: false,
            goaway: None,
            outbox: Outbox::new(&settings::ours(http, limits), limits.answers),
            encoder: FieldEncoder::new(),
            outbound: Outbound::new(INITIAL_WINDOW),
            heads: VecDeque::new(),
            bodies: VecDeque::new(),
            ping: None,
            resets: 0,
            is_shut_down: false,
            lost: Vec::new(),
        };
        let wider = limits.connection_window.min(MOST_STREAM).saturating_sub(INITIAL_WINDOW);
        if wider > 0 {
            let increment = connection.inbound.grant(wider);
            connection.outbox.update(0, increment);
        }
        connection
    }

    /// How many streams can be begun now. Until the peer has said, some 100 are assumed; it may allow fewer than are open.
    pub fn capacity(&self) -> usize {
        if self.is_draining() {
            return 0;
        }
        self.allowed().saturating_sub(self.streams.len()).min(self.numbers_left())
    }

    /// Bytes of a block that are held since more frames of it are to come.
    pub fn unfinished(&self) -> usize {
        if self.owed.block.is_some() { self.block.len() } else { 0 }
    }

    /// Begins a request: a stream with which events come back under `key`. None if there is no [`capacity`](Self::capacity).
    ///
    /// Nothing is sent before [`fill`](Self::fill), which asks for the same head; `body` is what [`RequestHead::check`] was
    /// asked about.
    pub fn begin(&mut self, key: u64, head: &RequestHead, body: BodyLength) -> Option<StreamId> {
        if self.capacity() == 0 {
            return None;
        }
        let windows = (self.peer.initial_window, settings::initial_window(&self.limits));
        let stream = Stream::new(key, head.kind(), body, head.expects_continue(), windows);
        let id = self.streams.insert(self.next, stream);
        self.next += 2;
        self.heads.push_back(id);
        Some(id)
    }

    /// Gives up a request. Whether anything of it has been sent, so that the peer is told.
    pub fn cancel(&mut self, id: StreamId) -> bool {
        self.reset(id, ErrorCode::CANCEL)
    }

    /// How far a stream has come; none if it has ended.
    pub fn progress(&self, id: StreamId) -> Option<Progress> {
        self.streams.peek(id).map(Stream::progress)
    }

    /// `bytes` of the body that were given in [`Event::Body`](super::Event::Body) are done with: the peer may send as many
    /// more. Whoever pauses does not call this.
    pub fn consumed(&mut self, id: StreamId, bytes: usize) {
        let Some(stream) = self.streams.get(id) else { return };
        stream.inbound.consume(bytes);
        // a body that fits what is granted needs no more, if a byte is left over: many servers that have sent all that they may
        // do not say either that it was all
        let left = u64::from(stream.inbound.left());
        let rest = if stream.is_padded { None } else { stream.remaining() };
        if stream.inbound.is_due() && rest.is_none_or(|rest| rest >= left) {
            let increment = self.windows.grant(&mut stream.inbound, rest);
            self.outbox.update(id.number, increment);
        }
    }

    /// The body of a response is consumed at a pace of its own, so that no more of it may be on its way than a window as streams
    /// begin with.
    pub fn pace(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get(id) {
            stream.inbound.stay();
        }
    }

    /// The source of a request's body, which was pending, may have more.
    pub fn resume(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get(id) {
            stream.is_pending = false;
            self.line_up(id);
        }
    }

    /// Sends the body that waits for 100 (Continue) without having been told to.
    pub fn send_body(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get(id) {
            stream.awaits_continue = false;
            self.line_up(id);
        }
    }

    /// Tells the peer how urgent a response is, from 0 to 7, where 3 is what nobody says, and whether it is of use piece by
    /// piece (RFC 9218, 4).
    pub fn prioritize(&mut self, id: StreamId, urgency: u8, incremental: bool) {
        if self.streams.peek(id).is_some() {
            let value = [b'u', b'=', b'0' + urgency.min(7), b',', b'i'];
            self.outbox.prioritize(id.number, if incremental { &value } else { &value[..3] });
        }
    }

    /// Asks the peer whether it is there; [`Event::Pong`](super::Event::Pong) is its answer. False if it has yet to answer the
    /// last time.
    pub fn ping(&mut self, payload: u64) -> bool {
        if self.ping.is_some() || self.fault.is_some() {
            return false;
        }
        self.ping = Some(payload.to_be_bytes());
        self.outbox.ping(payload.to_be_bytes());
        true
    }

    /// Some seconds have passed in which nothing came: a peer that now sends what brings nothing (a PING each minute, say) does
    /// not flood.
    pub fn rested(&mut self) {
        self.budget.rested();
    }

    /// Begins no more streams, and tells the peer so.
    pub fn shut_down(&mut self) {
        if !self.is_shut_down && self.fault.is_none() {
            self.is_shut_down = true;
            self.outbox.goaway(ErrorCode::NO_ERROR);
        }
    }

    /// Whether no more streams can be begun: the peer goes away, or we do, or the numbers have run out, or there was a fault.
    pub fn is_draining(&self) -> bool {
        self.fault.is_some()
            || self.goaway.is_some()
            || self.is_shut_down
            || self.numbers_left() == 0
    }

    /// Streams that are open.
    pub fn open(&self) -> usize {
        self.streams.len()
    }

    /// Streams that can be begun before the numbers run out.
    pub fn numbers_left(&self) -> usize {
        ((MOST_STREAM + 2).saturating_sub(self.next) / 2) as usize
    }

    /// Streams that the peer allows at a time, and we; some 100 are assumed until it has said so.
    pub fn allowed(&self) -> usize {
        self.peer.streams.min(self.limits.streams) as usize
    }

    /// Takes the keys of all requests that have not ended, in the order in which they were begun: the connection is lost, and
    /// they with it. Those that a fault has ended are among them.
    pub fn lose(&mut self) -> Vec<u64> {
        self.fail(LinkFault::UnexpectedEof);
        std::mem::take(&mut self.lost)
    }

    /// Writes what the peer is told of the end to the beginning of `out`, if it is told so; how many bytes that are.
    pub fn last_words(&mut self, out: &mut [u8]) -> usize {
        self.outbox.drain(out)
    }

    /// Whether the peer's SETTINGS have come, so that what it allows is known.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// What the peer said last of how it goes away.
    pub fn goaway(&self) -> Option<GoAway> {
        self.goaway
    }

    /// Streams that we have reset, in all. Servers take a rate of some ten in a second for an attack.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Gives back the memory that only a busy connection needs. To be called when it has no stream open, and will not soon.
    pub fn shrink(&mut self) {
        self.streams.shrink();
        self.section.shrink();
        self.outbox.shrink();
        self.encoder.shrink();
        if self.gathered.is_empty() {
            self.gathered = Vec::new();
        }
        if self.block.is_empty() {
            self.block = Vec::new();
        }
        self.heads.shrink_to_fit();
        self.bodies.shrink_to_fit();
    }

    fn keys(&self) -> Vec<u64> {
        let ids = self.streams.select(|_| true);
        ids.into_iter().filter_map(|id| self.streams.peek(id)).map(|stream| stream.key).collect()
    }

    /// Takes out a stream, and tells the peer if it knows of it.
    pub(super) fn reset(&mut self, id: StreamId, code: ErrorCode) -> bool {
        let left = self.streams.peek(id).map_or(0, |stream| stream.inbound.left());
        match self.close(id) {
            Some(RequestHalf::Body | RequestHalf::Complete | RequestHalf::Stopped) => {
                self.windows.leave(left);
                self.outbox.reset(id.number, code);
                self.resets += 1;
                true
            }
            Some(RequestHalf::Head) | None => false,
        }
    }

    /// Takes out a stream; how far its request had come.
    pub(super) fn close(&mut self, id: StreamId) -> Option<RequestHalf> {
        let stream = self.streams.remove(id)?;
        let (request, is_lined_up) = (stream.request, stream.is_lined_up);
        self.windows.closed(&stream.inbound);
        if request == RequestHalf::Head {
            self.heads.retain(|other| *other != id);
        } else {
            self.active -= 1;
        }
        if is_lined_up {
            self.bodies.retain(|other| *other != id);
        }
        Some(request)
    }

    /// Gives a stream its turn to send, if it has something to send and may.
    pub(super) fn line_up(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get(id)
            && stream.can_send()
            && !stream.is_lined_up
        {
            stream.is_lined_up = true;
            self.bodies.push_back(id);
        }
    }

    /// Ends the connection.
    #[cold]
    pub(super) fn fail(&mut self, fault: LinkFault) -> LinkFault {
        if self.fault.is_none() {
            self.fault = Some(fault);
            self.lost = self.keys();
            self.streams = Streams::default();
            self.windows.all_closed();
            self.heads.clear();
            self.bodies.clear();
            self.outbox.goaway(fault.code());
        }
        fault
    }
}
