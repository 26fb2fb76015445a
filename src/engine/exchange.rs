//! One exchange: a request and its response, from when a connection is ready for it until it is over.
//!
//! Knows its clocks and counts, what holds it up, and what becomes of its response. Must not know the socket, nor
//! other exchanges. Invariants: it has one transfer and one connection, and both outlive it; it takes bytes, or gives
//! some, only where nothing holds it.

use super::connection::WireCount;
use super::decode::Decoding;
use super::memory::Loan;
use super::pace::Pace;
use super::{ConnectionId, Engine, Paused, Response, TransferId};
use crate::error::{Operation, Phase, Progress};
use crate::http::Exchange as Codec;
use crate::id::Id;
use crate::time::Time;

pub(super) type ExchangeId = Id<Exchange>;

pub(super) struct Exchange {
    pub(super) transfer: TransferId,
    pub(super) connection: ConnectionId,
    pub(super) codec: Codec,
    pub(super) since: Time,
    /// When bytes last moved in either direction.
    pub(super) moved: Time,
    /// When the last byte of the request was sent; [`Time::NEVER`] before.
    pub(super) request_sent: Time,
    /// When the first byte of the response came; [`Time::NEVER`] before.
    pub(super) first_byte: Time,
    /// The connection's counts when the exchange began. What a first exchange reports includes
    /// what came before it: the TLS handshake.
    pub(super) wire_before: WireCount,
    /// Bytes of a body in memory that have been taken.
    pub(super) body_taken: usize,
    pub(super) head_taken: bool,
    /// The body has been asked for its bytes.
    pub(super) body_begun: bool,
    /// The driver has been told to look at the deadline that binds since then.
    pub(super) body_told: bool,
    pub(super) holds: Holds,
    pub(super) pace: Option<Box<Pace>>,
    pub(super) rest: Rest,
    pub(super) response: Option<Response>,
    /// The response's body is decoded for the handler.
    pub(super) decoding: Option<Box<Decoding>>,
    /// What is held of a large head, or of trailers, that have not come whole.
    pub(super) head_loan: Option<Box<Loan>>,
    /// The low-speed measurement: since when, and bytes moved by then. Of a rest that goes nowhere: since when.
    pub(super) measured: (Time, u64),
    /// When it was last known how much of what was sent the peer had yet to acknowledge, and how much that was.
    pub(super) unacknowledged: (Time, u32),
}

/// What becomes of the rest of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
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
pub(super) enum Hold {
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
pub(super) struct Holds(u8);

impl Holds {
    /// Nothing of the response is delivered.
    const DELIVERY: u8 = Hold::Receiving as u8 | Hold::Turn as u8 | Hold::Memory as u8;

    pub(super) fn set(&mut self, hold: Hold, holds: bool) {
        match holds {
            true => self.0 |= hold as u8,
            false => self.0 &= !(hold as u8),
        }
    }

    /// What the caller has paused.
    #[inline]
    pub(super) fn set_paused(&mut self, paused: Paused) {
        self.set(Hold::Receiving, paused.receiving);
        self.set(Hold::Sending, paused.sending);
    }

    pub(super) fn has(self, hold: Hold) -> bool {
        self.0 & hold as u8 != 0
    }

    /// Whether nothing of the response is delivered, for a reason other than the pace.
    pub(super) fn delivery(self) -> bool {
        self.0 & Self::DELIVERY != 0
    }

    /// Whether bytes received would have to wait.
    pub(super) fn receiving(self) -> bool {
        self.0 & (Self::DELIVERY | Hold::Pace as u8) != 0
    }

    /// Whether bytes of the request's body have to wait.
    pub(super) fn sending(self) -> bool {
        // all but that the response is not taken
        self.0 & !(Hold::Receiving as u8) != 0
    }
}

impl Exchange {
    /// The rest of the response goes nowhere, and is not read for long.
    pub(super) fn leave_rest(&mut self, rest: Rest) {
        self.rest = rest;
        self.measured.0 = self.moved;
    }

    pub(super) fn wants_send(&self) -> bool {
        !self.head_taken || self.wants_body()
    }

    /// Whether the body is to be asked for more.
    pub(super) fn wants_body(&self) -> bool {
        self.codec.has_body_to_send() && !self.holds.sending()
    }

    /// Whether the peer waits for a body that the caller has paused, or whose source has nothing, and is not the one who is
    /// waited for.
    pub(super) fn is_waited_for(&self) -> bool {
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

    /// What is waited for was not waited for during a pause.
    pub(super) fn restart_waits(&mut self, now: Time) {
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
    pub(super) fn knows_unacknowledged(&self) -> bool {
        self.unacknowledged.0 >= self.moved
    }

    /// Whether that is to be known: while a body may be on its way to the peer, who has not answered.
    pub(super) fn asks_unacknowledged(&self) -> bool {
        self.body_begun && self.response.is_none() && !self.knows_unacknowledged()
    }

    /// How much the peer has yet to acknowledge, if that was asked now.
    pub(super) fn unacknowledged_at(&self, now: Time) -> u32 {
        if self.unacknowledged.0 == now { self.unacknowledged.1 } else { 0 }
    }

    /// Bytes moved on the wire in this exchange, both directions.
    pub(super) fn bytes_moved(&self, wire: WireCount) -> u64 {
        (wire.sent - self.wire_before.sent) + (wire.received - self.wire_before.received)
    }

    /// How far it has come, as far as it can be proven.
    pub(super) fn progress(&self, wire: WireCount, failed: Option<Operation>) -> Progress {
        if self.first_byte != Time::NEVER {
            return Progress::ResponseStarted;
        }
        // a send that failed took nothing, so that all that may have left is what was reported
        let left = if failed == Some(Operation::Send) { wire.sent } else { wire.handed };
        match left > self.wire_before.handed {
            true => Progress::RequestSent,
            false => Progress::NothingSent,
        }
    }

    /// The phase that its transfer is in.
    pub(super) fn phase(&self) -> Phase {
        match (self.first_byte, self.request_sent) {
            (Time::NEVER, Time::NEVER) => Phase::Send,
            (Time::NEVER, _) => Phase::FirstByte,
            _ => Phase::Receive,
        }
    }
}

impl Engine {
    /// What the exchange wants of its connection's socket may have changed.
    pub(super) fn touch_exchange(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchanges.get(id) {
            self.touch(exchange.connection);
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
