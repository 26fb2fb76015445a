//! How an exchange is spoken: as HTTP/1.1, which has the connection to itself, or on a stream of HTTP/2.
//!
//! Knows what both have in common, so that whoever waits for an exchange asks here. Must not know sockets, nor who reads the
//! response.

use std::collections::VecDeque;

use crate::engine::links::wire::Wire;
use crate::engine::timers::TimerId;
use crate::limits;
use crate::protocol::h2::{Mark, Part as Sent, Reserve, Reserved, StreamId};
use crate::protocol::{
    BodyLength, CloseReason, Exchange as Http1, Fields, KeptFields, KeptHead, RequestHead,
    ResponseHead,
};
use crate::time::Time;

pub(in crate::engine) enum Codec {
    Http1(Http1),
    Http2(OnStream),
}

/// A request and its response on a stream of a connection, whose codec has them in frames.
pub(in crate::engine) struct OnStream {
    pub(in crate::engine) id: StreamId,
    /// Bytes of its frames.
    pub(in crate::engine) wire: Wire,
    /// Bytes of the request's body.
    pub(in crate::engine) sent: u64,
    /// Bytes of the response's body.
    pub(in crate::engine) received: u64,
    /// Bytes that the response's body will have, where that is known.
    pub(in crate::engine) length: Option<u64>,
    /// Bytes of the body that were delivered, and that the peer may not send as many more for yet.
    pub(in crate::engine) owed: usize,
    /// More of the request's body is to be sent.
    pub(in crate::engine) has_body: bool,
    /// The body waits for 100 (Continue).
    pub(in crate::engine) awaits_continue: bool,
    pub(in crate::engine) is_request_complete: bool,
    pub(in crate::engine) has_started: bool,
    /// What has come and is not delivered yet, if there has been such.
    later: Option<Box<Later>>,
    pub(in crate::engine) timer: Option<TimerId>,
    pub(in crate::engine) timer_at: Time,
}

/// What has come of a response and is to be delivered later, as much as the stream's window has room for.
#[derive(Default)]
struct Later {
    parts: VecDeque<Held>,
    /// Bytes of bodies among them.
    bytes: usize,
    /// They count, also when the stream has ended whose window had room for them.
    reserved: Option<Reserved>,
    /// The fields after the body.
    trailers: Option<KeptFields>,
}

/// A part of a response, as it is delivered.
pub(in crate::engine) enum Part<'a> {
    Informational(ResponseHead<'a>),
    Head(ResponseHead<'a>),
    Body(&'a [u8]),
    End,
}

/// A part of a response that is to be delivered later.
pub(in crate::engine) enum Held {
    Informational(KeptHead),
    Head(KeptHead),
    Body(Vec<u8>),
    End,
}

impl Codec {
    /// Whether bytes of the request's body can be asked for now.
    pub(in crate::engine) fn has_body_to_send(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.has_body_to_send(),
            Codec::Http2(stream) => stream.has_body && !stream.awaits_continue,
        }
    }

    /// Whether the body waits for 100 (Continue).
    pub(in crate::engine) fn awaits_continue(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.awaits_continue(),
            Codec::Http2(stream) => stream.awaits_continue,
        }
    }

    /// Whether the head and all of the body have been handed to the wire.
    pub(in crate::engine) fn request_complete(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.request_complete(),
            Codec::Http2(stream) => stream.is_request_complete,
        }
    }

    /// Whether any byte of a response has arrived.
    pub(in crate::engine) fn response_started(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.response_started(),
            Codec::Http2(stream) => stream.has_started,
        }
    }

    /// Bytes of the response's body that have arrived.
    pub(in crate::engine) fn body_received(&self) -> u64 {
        match self {
            Codec::Http1(codec) => codec.body_received(),
            Codec::Http2(stream) => stream.received,
        }
    }

    /// Bytes of the request's body that were taken to be sent.
    pub(in crate::engine) fn body_sent(&self) -> u64 {
        match self {
            Codec::Http1(codec) => codec.body_sent(),
            Codec::Http2(stream) => stream.sent,
        }
    }

    /// Bytes that the response's body will have in all, where that is known.
    pub(in crate::engine) fn content_length(&self) -> Option<u64> {
        match self {
            Codec::Http1(codec) => codec.content_length(),
            Codec::Http2(stream) => stream.length,
        }
    }

    /// Bytes that have come of a head of which more is to come.
    pub(in crate::engine) fn head_received(&self) -> usize {
        match self {
            Codec::Http1(codec) => codec.head_received(),
            Codec::Http2(_) => 0,
        }
    }

    /// Bytes of memory that it holds for these.
    pub(in crate::engine) fn head_held(&self) -> usize {
        match self {
            Codec::Http1(codec) => codec.head_held(),
            Codec::Http2(_) => 0,
        }
    }

    pub(in crate::engine) fn http1(&mut self) -> Option<&mut Http1> {
        match self {
            Codec::Http1(codec) => Some(codec),
            Codec::Http2(_) => None,
        }
    }

    pub(in crate::engine) fn stream(&self) -> Option<&OnStream> {
        match self {
            Codec::Http1(_) => None,
            Codec::Http2(stream) => Some(stream),
        }
    }

    pub(in crate::engine) fn stream_mut(&mut self) -> Option<&mut OnStream> {
        match self {
            Codec::Http1(_) => None,
            Codec::Http2(stream) => Some(stream),
        }
    }
}

impl OnStream {
    /// A request that is about to be sent on this stream.
    pub(in crate::engine) fn new(id: StreamId, head: &RequestHead, body: BodyLength) -> OnStream {
        let has_body = !matches!(body, BodyLength::None | BodyLength::Known(0));
        OnStream {
            id,
            wire: Wire::default(),
            sent: 0,
            received: 0,
            length: None,
            owed: 0,
            has_body,
            awaits_continue: has_body && head.expects_continue(),
            is_request_complete: false,
            has_started: false,
            later: None,
            timer: None,
            timer_at: Time::NEVER,
        }
    }

    /// Whether it is the first on its connection.
    pub(in crate::engine) fn is_first(&self) -> bool {
        self.id.number() == 1
    }

    /// Bytes of the request have been put into frames, as many as these frames have.
    pub(in crate::engine) fn note_written(&mut self, mark: Mark, bytes: usize) {
        self.wire.sent += bytes as u64;
        if let Sent::Body(bytes) = mark.part {
            self.sent += bytes as u64;
        }
        if mark.is_last {
            (self.is_request_complete, self.has_body) = (true, false);
        }
    }

    /// A response of this status came. What follows of the request is the codec's to decide, and is noted here.
    pub(in crate::engine) fn note_status(&mut self, status: u16) {
        let refused = self.awaits_continue && status >= 200;
        if status == 100 || status >= 200 {
            self.awaits_continue = false;
        }
        if refused || status >= 300 {
            self.has_body = false;
        }
    }

    /// Whether a part of the response waits.
    pub(in crate::engine) fn has_held(&self) -> bool {
        self.later.as_ref().is_some_and(|later| !later.parts.is_empty())
    }

    /// Has a part of the response wait; of a body it counts in the reserve.
    #[cold]
    pub(in crate::engine) fn hold(&mut self, part: &Part<'_>, reserve: &Reserve) {
        let later = self.later.get_or_insert_default();
        if let Part::Body(bytes) = part {
            later.reserved.get_or_insert_with(|| reserve.share());
            later.count(later.bytes + bytes.len());
        }
        let parts = &mut later.parts;
        let held = match part {
            Part::Body(bytes) => match parts.back_mut() {
                Some(Held::Body(held)) => return held.extend_from_slice(bytes),
                _ => Held::Body(bytes.to_vec()),
            },
            Part::Informational(head) => Held::Informational(KeptHead::new(head)),
            Part::Head(head) => Held::Head(KeptHead::new(head)),
            Part::End => Held::End,
        };
        parts.push_back(held);
    }

    /// Has the end of the response wait.
    pub(in crate::engine) fn hold_end(&mut self) {
        self.later.get_or_insert_default().parts.push_back(Held::End);
    }

    /// The first part that waits.
    pub(in crate::engine) fn take_held(&mut self) -> Option<Held> {
        let later = self.later.as_mut()?;
        let held = later.parts.pop_front()?;
        if let Held::Body(bytes) = &held {
            later.count(later.bytes - bytes.len());
        }
        Some(held)
    }

    /// Bytes of the body that wait.
    pub(in crate::engine) fn held(&self) -> usize {
        self.later.as_ref().map_or(0, |later| later.bytes)
    }

    /// Keeps the fields after the body for when that is delivered.
    #[cold]
    pub(in crate::engine) fn keep_trailers(&mut self, fields: Fields<'_>) {
        self.later.get_or_insert_default().trailers = Some(KeptFields::new(fields));
    }

    pub(in crate::engine) fn take_trailers(&mut self) -> Option<KeptFields> {
        self.later.as_mut()?.trailers.take()
    }
}

impl Later {
    /// So many bytes of bodies are among its parts.
    fn count(&mut self, bytes: usize) {
        self.bytes = bytes;
        if let Some(reserved) = &mut self.reserved {
            reserved.set(bytes as u64);
        }
    }
}

impl Held {
    pub(in crate::engine) fn part(&self) -> Part<'_> {
        match self {
            Held::Informational(head) => Part::Informational(head.view()),
            Held::Head(head) => Part::Head(head.view()),
            Held::Body(bytes) => Part::Body(bytes),
            Held::End => Part::End,
        }
    }
}

/// Whether to read the rest of a response that leads on, so that its connection can be used again.
pub(in crate::engine) fn is_worth_finishing(codec: &Http1) -> bool {
    let reasons = codec.close_reasons();
    let only_unfinished = reasons.iter().all(|reason| reason == CloseReason::ResponseUnfinished);
    let size = codec.content_length().unwrap_or(0).max(codec.body_received());
    only_unfinished && size <= limits::SUPERSEDED_BODY
}
