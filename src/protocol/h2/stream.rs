//! One request and its response on one stream (RFC 9113, 5.1 and 8.1).
//!
//! Knows how far each half has come. Must not know frames, nor other streams. Invariant: a stream that is here is open for one
//! of the halves at least: it goes with the end of its response, or with a reset.

use super::flow::{Inbound, Outbound};
use crate::limits::HttpLimits;
use crate::protocol::fault::HttpFault;
use crate::protocol::h1::body::BodyLength;
use crate::protocol::h1::framing::RequestKind;

/// A stream of a connection, as whoever began it names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId {
    pub(super) slot: u32,
    pub(super) number: u32,
}

impl StreamId {
    /// Its identifier on the wire.
    pub fn number(self) -> u32 {
        self.number
    }
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the request have been handed to the wire.
    pub is_sent: bool,
    /// All of the request has.
    pub is_request_complete: bool,
    /// Bytes of the request's body that have been handed to the wire.
    pub body_sent: u64,
    /// The body waits for 100 (Continue).
    pub awaits_continue: bool,
    /// A response has begun, be it an informational one.
    pub has_response: bool,
    /// Bytes of the response's body that have come.
    pub body_received: u64,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// Zero: there is none in this place.
    pub(super) number: u32,
    pub(super) key: u64,
    pub(super) kind: RequestKind,
    pub(super) request: RequestHalf,
    pub(super) length: BodyLength,
    /// Bytes of the request's body.
    pub(super) sent: u64,
    pub(super) outbound: Outbound,
    pub(super) awaits_continue: bool,
    /// The source had nothing when it was asked.
    pub(super) is_pending: bool,
    /// It is among those that send in turn.
    pub(super) is_lined_up: bool,
    pub(super) has_response: bool,
    /// The final response's head has come.
    pub(super) has_head: bool,
    pub(super) inbound: Inbound,
    /// Bytes of the response's body.
    pub(super) received: u64,
    /// Bytes that it will have in all, where that is known.
    pub(super) announced: Option<u64>,
    /// It comes with padding, which spends the window as well.
    pub(super) is_padded: bool,
    informational: u32,
    informational_bytes: u32,
}

/// What of the request comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestHalf {
    Head,
    Body,
    Complete,
    /// What is left will not be sent.
    Stopped,
}

impl Stream {
    pub(super) fn new(
        key: u64,
        kind: RequestKind,
        length: BodyLength,
        expects: bool,
        windows: (u32, u32),
    ) -> Stream {
        let (outbound, inbound) = windows;
        Stream {
            number: 0,
            key,
            kind,
            request: RequestHalf::Head,
            length,
            sent: 0,
            outbound: Outbound::new(outbound),
            awaits_continue: expects && !matches!(length, BodyLength::None | BodyLength::Known(0)),
            is_pending: false,
            is_lined_up: false,
            has_response: false,
            has_head: false,
            inbound: Inbound::new(inbound),
            received: 0,
            announced: None,
            informational: 0,
            informational_bytes: 0,
            is_padded: false,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            is_sent: self.request != RequestHalf::Head,
            is_request_complete: self.request == RequestHalf::Complete,
            body_sent: self.sent,
            awaits_continue: self.awaits_continue,
            has_response: self.has_response,
            body_received: self.received,
        }
    }

    /// The head has left.
    pub(super) fn head_sent(&mut self) {
        self.request = match self.length {
            // of which HTTP/2 has none
            BodyLength::None | BodyLength::Known(0) | BodyLength::Raw => RequestHalf::Complete,
            BodyLength::Known(_) | BodyLength::Unknown => RequestHalf::Body,
        };
    }

    /// Whether bytes of the body can be asked for, and may be sent.
    pub(super) fn can_send(&self) -> bool {
        self.request == RequestHalf::Body
            && !self.awaits_continue
            && !self.is_pending
            && self.outbound.left() > 0
    }

    /// A response of this status came. What is left of the request is not wanted after a final one that refuses leave to send
    /// it, or is none of success (RFC 9110, 10.1.1): as over HTTP/1.1.
    pub(super) fn answered(&mut self, status: u16) {
        self.has_response = true;
        match status {
            100 => self.awaits_continue = false,
            101..=199 => return,
            200..=299 if !self.awaits_continue => {}
            _ if self.request != RequestHalf::Complete => {
                self.awaits_continue = false;
                self.request = RequestHalf::Stopped;
            }
            _ => {}
        }
        self.has_head |= status >= 200;
    }

    /// An informational response of so many bytes came.
    pub(super) fn count_informational(
        &mut self,
        bytes: usize,
        limits: &HttpLimits,
    ) -> Result<(), HttpFault> {
        if self.informational == limits.informational {
            return Err(HttpFault::TooManyInformational { limit: limits.informational });
        }
        self.informational += 1;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.informational_bytes = self.informational_bytes.saturating_add(bytes);
        match self.informational_bytes as usize > limits.head_bytes {
            true => Err(HttpFault::InformationalTooLarge { limit: limits.head_bytes }),
            false => Ok(()),
        }
    }

    /// What the final response's head says of its body (RFC 9113, 8.1.1): of some there is none, whatever they announce.
    /// Returns what it announces of one that there is.
    pub(super) fn announce(&mut self, status: u16, length: Option<u64>) -> Option<u64> {
        let is_empty = self.kind == RequestKind::Head || matches!(status, 204 | 304);
        self.announced = if is_empty { Some(0) } else { length };
        length.filter(|_| !is_empty)
    }

    /// So many bytes of the body come; whether that many were announced.
    pub(super) fn receive_body(&mut self, bytes: usize) -> Result<(), HttpFault> {
        self.received += bytes as u64;
        match self.announced {
            Some(announced) if announced < self.received => self.mismatch(announced),
            _ => Ok(()),
        }
    }

    /// The body ends; whether it has all that was announced.
    pub(super) fn end_body(&self) -> Result<(), HttpFault> {
        match self.announced {
            Some(announced) if announced != self.received => self.mismatch(announced),
            _ => Ok(()),
        }
    }

    /// Bytes of the body that are still to come, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.announced.map(|announced| announced.saturating_sub(self.received))
    }

    fn mismatch(&self, announced: u64) -> Result<(), HttpFault> {
        Err(HttpFault::LengthMismatch { announced, received: self.received })
    }
}
