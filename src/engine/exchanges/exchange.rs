//! One exchange: a request and its response, from when a connection is ready for it until it is over.
//!
//! Knows its clocks and counts, what holds it up, and what becomes of its response. Must not know the socket, nor
//! other exchanges. Invariants: it has one transfer and one connection, which may carry others, and both outlive it; it takes bytes, or gives
//! some, only where nothing holds it.

use crate::engine::Paused;
use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::decode::Decoding;
use crate::engine::exchanges::leftover::Leftover;
use crate::engine::exchanges::pace::Pace;
use crate::engine::ids::{ConnectionId, TransferId};
use crate::engine::links::claim::Claim;
use crate::engine::links::wire::WireCount;
use crate::engine::memory::loans::Loan;
use crate::engine::transfers::report::Response;
use crate::engine::transfers::transfer::Transfer;
use crate::error::{Operation, Phase, Progress};
use crate::time::Time;

pub(in crate::engine) struct Exchange {
    pub(in crate::engine) claim: Claim,
    pub(in crate::engine) connection: ConnectionId,
    pub(in crate::engine) codec: Codec,
    pub(in crate::engine) since: Time,
    /// When bytes last moved in either direction.
    pub(in crate::engine) moved: Time,
    /// When the last byte of the request was sent; [`Time::NEVER`] before.
    pub(in crate::engine) request_sent: Time,
    /// When the first byte of the response came; [`Time::NEVER`] before.
    pub(in crate::engine) first_byte: Time,
    /// The connection's counts when the exchange began. What a first exchange reports includes
    /// what came before it: the TLS handshake.
    pub(in crate::engine) wire_before: WireCount,
    /// Bytes of a body in memory that have been taken.
    pub(in crate::engine) body_taken: usize,
    pub(in crate::engine) head_taken: bool,
    /// The tail of a request head that did not fit into the driver's buffer.
    pub(in crate::engine) unfilled: Leftover,
    /// Wire bytes that its transfer has yet to take, being paused; at most what one receive brought.
    pub(in crate::engine) held: Leftover,
    /// The body has been asked for its bytes.
    pub(in crate::engine) body_begun: bool,
    /// The driver has been told to look at the deadline that binds since then.
    pub(in crate::engine) body_told: bool,
    pub(in crate::engine) holds: Holds,
    pub(in crate::engine) pace: Option<Box<Pace>>,
    pub(in crate::engine) rest: Rest,
    pub(in crate::engine) response: Option<Response>,
    /// The response's body is decoded for the handler.
    pub(in crate::engine) decoding: Option<Box<Decoding>>,
    /// What is held of a large head, or of trailers, that have not come whole.
    pub(in crate::engine) head_loan: Option<Box<Loan>>,
    /// The low-speed measurement: since when, and bytes moved by then. Of a rest that goes nowhere: since when.
    pub(in crate::engine) measured: (Time, u64),
    /// When it was last known how much of what was sent the peer had yet to acknowledge, and how much that was.
    pub(in crate::engine) unacknowledged: (Time, u32),
}

/// What becomes of the rest of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Rest {
    /// It goes to the handler.
    Delivered,
    /// It goes nowhere: another request of the transfer follows on the response, or the same is asked again.
    Superseded,
    /// It goes nowhere: the handler has had enough, and the transfer is done.
    Unwanted,
}

/// Why an exchange waits although its connection is ready. Each reason ends without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::engine) enum Hold {
    /// The caller, or the handler, takes no more of the response.
    Receiving = 1,
    /// Others have their turn to decode.
    Turn = 2,
    /// There is no memory for what it would take.
    Memory = 4,
    /// More has moved than the pace allows, and is not paid for yet.
    Pace = 8,
    /// The source of the request's body has nothing now.
    Source = 16,
    /// The caller has the request's body wait.
    Sending = 32,
}

/// All reasons for which an exchange waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct Holds(u8);

impl Holds {
    /// Nothing of the response is delivered.
    const DELIVERY: u8 = Hold::Receiving as u8 | Hold::Turn as u8 | Hold::Memory as u8;

    pub(in crate::engine) fn set(&mut self, hold: Hold, holds: bool) {
        match holds {
            true => self.0 |= hold as u8,
            false => self.0 &= !(hold as u8),
        }
    }

    /// What the caller has paused.
    #[inline]
    pub(in crate::engine) fn set_paused(&mut self, paused: Paused) {
        self.set(Hold::Receiving, paused.receiving);
        self.set(Hold::Sending, paused.sending);
    }

    pub(in crate::engine) fn has(self, hold: Hold) -> bool {
        self.0 & hold as u8 != 0
    }

    /// Whether nothing of the response is delivered, for a reason other than the pace.
    pub(in crate::engine) fn delivery(self) -> bool {
        self.0 & Self::DELIVERY != 0
    }

    /// Whether bytes received would have to wait.
    pub(in crate::engine) fn receiving(self) -> bool {
        self.0 & (Self::DELIVERY | Hold::Pace as u8) != 0
    }

    /// The peer answers: if it has waited for the rest of the request, it was not slow since it was `measured`.
    #[inline]
    pub(in crate::engine) fn end_wait(self, measured: &mut Time, now: Time) {
        if self.sending() {
            *measured = now;
        }
    }

    /// Whether bytes of the request's body have to wait.
    pub(in crate::engine) fn sending(self) -> bool {
        // all but that the response is not taken
        self.0 & !(Hold::Receiving as u8) != 0
    }
}

impl Exchange {
    /// One that begins now, of these two.
    #[inline(always)]
    pub(in crate::engine) fn new(
        (transfer, connection): (TransferId, ConnectionId),
        codec: Codec,
        of: &Transfer,
        wire_before: WireCount,
        now: Time,
    ) -> Exchange {
        let mut holds = Holds::default();
        holds.set_paused(of.paused);
        Exchange {
            claim: of.claim(transfer),
            connection,
            codec,
            since: now,
            moved: now,
            request_sent: Time::NEVER,
            first_byte: Time::NEVER,
            wire_before,
            body_taken: 0,
            head_taken: false,
            unfilled: Leftover::default(),
            held: Leftover::default(),
            body_begun: false,
            body_told: false,
            holds,
            pace: of.request.options.max_rate.map(|rate| Box::new(Pace::new(rate))),
            rest: Rest::Delivered,
            response: None,
            decoding: None,
            head_loan: None,
            measured: (now, 0),
            unacknowledged: (Time::ZERO, 0),
        }
    }

    /// The rest of the response goes nowhere, and is not read for long.
    pub(super) fn leave_rest(&mut self, rest: Rest) {
        self.rest = rest;
        self.measured.0 = self.moved;
    }

    #[inline(always)]
    pub(in crate::engine) fn wants_send(&self) -> bool {
        !self.head_taken || self.wants_body() || !self.unfilled.is_empty()
    }

    /// Whether the body is to be asked for more.
    #[inline]
    pub(super) fn wants_body(&self) -> bool {
        self.codec.has_body_to_send() && !self.holds.sending()
    }

    /// Whether nothing holds it up, and its response is wanted.
    #[inline(always)]
    pub(in crate::engine) fn is_free(&self) -> bool {
        self.holds == Holds::default()
            && self.rest == Rest::Delivered
            && !self.codec.awaits_continue()
    }

    /// Whether the peer waits for a body that the caller has paused, or whose source has nothing, and is not the one who is
    /// waited for.
    pub(in crate::engine) fn is_waited_for(&self) -> bool {
        (self.holds.has(Hold::Sending) || self.holds.has(Hold::Source))
            && (self.codec.has_body_to_send() || self.codec.awaits_continue())
    }

    /// Bytes of it have moved on the wire.
    #[inline]
    pub(super) fn note_moved(&mut self, bytes: usize, now: Time) {
        self.moved = now;
        if let Some(pace) = &mut self.pace {
            let is_over = pace.take(bytes, now);
            self.holds.set(Hold::Pace, is_over);
        }
    }

    /// Bytes of its stream came.
    #[inline]
    pub(in crate::engine) fn note_received(&mut self, bytes: usize, now: Time) {
        self.note_moved(bytes, now);
        if let Codec::Http2(stream) = &mut self.codec {
            stream.wire.received += bytes as u64;
        }
    }

    /// What is waited for was not waited for during a pause.
    pub(in crate::engine) fn restart_waits(&mut self, now: Time) {
        self.moved = now;
        self.measured.0 = now;
        if self.request_sent != Time::NEVER {
            self.request_sent = now;
        }
    }

    /// Whether the peer can have seen any of the request, so that bytes from it can be an answer.
    pub(super) fn has_asked(&self) -> bool {
        self.head_taken
    }

    /// Whether it is known since bytes last moved how much the peer has yet to acknowledge.
    pub(in crate::engine) fn knows_unacknowledged(&self) -> bool {
        self.unacknowledged.0 >= self.moved
    }

    /// Whether that is to be known: while a body may be on its way to the peer, who has not answered.
    pub(in crate::engine) fn asks_unacknowledged(&self) -> bool {
        self.body_begun && self.response.is_none() && !self.knows_unacknowledged()
    }

    /// How much of its own the peer has yet to acknowledge, if that was asked now. Of a connection that it shares nobody knows
    /// whose it is.
    pub(in crate::engine) fn unacknowledged_at(&self, now: Time) -> u32 {
        let is_alone = matches!(self.codec, Codec::Http1(_));
        if is_alone && self.unacknowledged.0 == now { self.unacknowledged.1 } else { 0 }
    }

    /// So many of the bytes sent on its connection the peer has not acknowledged. If those become less it is not silent.
    pub(in crate::engine) fn note_unacknowledged(&mut self, bytes: u32, now: Time) {
        if self.knows_unacknowledged() && self.unacknowledged.1 != bytes {
            self.moved = now;
            if self.request_sent != Time::NEVER {
                self.request_sent = now;
            }
        }
        self.unacknowledged = (now, bytes);
    }

    /// Bytes moved on the wire in this exchange, both directions.
    pub(in crate::engine) fn bytes_moved(&self, wire: WireCount) -> u64 {
        match &self.codec {
            Codec::Http1(_) => {
                (wire.sent - self.wire_before.sent) + (wire.received - self.wire_before.received)
            }
            Codec::Http2(stream) => stream.wire.sent + stream.wire.received,
        }
    }

    /// How far it has come, as far as it can be proven.
    pub(in crate::engine) fn progress(
        &self,
        wire: WireCount,
        failed: Option<Operation>,
    ) -> Progress {
        if self.first_byte != Time::NEVER {
            return Progress::ResponseStarted;
        }
        if let Codec::Http2(_) = self.codec {
            return if self.head_taken { Progress::RequestSent } else { Progress::NothingSent };
        }
        // a send that failed took nothing, so that all that may have left is what was reported
        let left = if failed == Some(Operation::Send) { wire.sent } else { wire.handed };
        match left > self.wire_before.handed {
            true => Progress::RequestSent,
            false => Progress::NothingSent,
        }
    }

    /// The phase that its transfer is in.
    pub(in crate::engine) fn phase(&self) -> Phase {
        match (self.first_byte, self.request_sent) {
            (Time::NEVER, Time::NEVER) => Phase::Send,
            (Time::NEVER, _) => Phase::FirstByte,
            _ => Phase::Receive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each reason ends by itself, and the others go on.
    #[test]
    fn reasons_to_wait_are_apart() {
        let mut holds = Holds::default();
        assert!(!(holds.sending() || holds.receiving() || holds.delivery()));
        holds.set(Hold::Source, true);
        assert!(holds.sending() && !holds.receiving());
        holds.set(Hold::Pace, true);
        assert!(holds.sending() && holds.receiving() && !holds.delivery());
        for hold in [Hold::Receiving, Hold::Turn, Hold::Memory] {
            holds.set(hold, true);
            assert!(holds.has(hold) && holds.delivery() && holds.receiving());
        }
        holds.set(Hold::Turn, false);
        holds.set_paused(Paused::default());
        assert!(holds.delivery(), "there is no memory yet");
        holds.set(Hold::Memory, false);
        assert!(!holds.delivery() && holds.has(Hold::Pace) && holds.has(Hold::Source));
    }

    /// What is paused in one direction goes on in the other.
    #[test]
    fn directions_are_apart() {
        let mut holds = Holds::default();
        holds.set_paused(Paused { receiving: true, sending: false });
        assert!(holds.receiving() && !holds.sending());
        holds.set_paused(Paused { receiving: false, sending: true });
        assert!(!holds.receiving() && holds.sending());
        holds.set_paused(Paused::default());
        assert_eq!(holds, Holds::default());
    }
}
