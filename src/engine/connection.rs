//! One connection, as a state named for what it waits for.
//!
//! Knows bytes and times of one connection. Must not know the socket it runs on.
//! Invariant: a state holds just that state's data; a transition replaces it whole.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::decode::Decoding;
use crate::engine::memory::Loan;
use crate::engine::names::ChannelId;
use crate::engine::pace::Pace;
use crate::engine::pool::{IdleLinks, OriginId};
use crate::engine::route::Via;
use crate::engine::timers::TimerId;
use crate::engine::tls::TlsSession;
use crate::engine::tunnel::Tunnel;
use crate::engine::{Response, TransferId};
use crate::error::{Operation, Progress};
use crate::http::Exchange;
use crate::id::Id;
use crate::time::Time;

/// Names a connection.
pub type ConnectionId = Id<Connection>;

/// A connection in the engine. Opaque: see [`ConnectionId`].
pub struct Connection {
    pub(super) origin: OriginId,
    pub(super) state: State,
    pub(super) remote: SocketAddr,
    /// With the origin: through the tunnel, if there is one.
    pub(super) tls: Option<Box<TlsSession>>,
    /// That is to be opened, or that has TLS of its own.
    pub(super) tunnel: Option<Box<Tunnel>>,
    /// The proxy that forwards what is asked for.
    pub(super) forwarder: Option<Arc<Via>>,
    /// Wire bytes that a paused transfer has yet to take; at most what one receive brought.
    pub(super) held: Vec<u8>,
    /// The tail of a request head that did not fit into the driver's buffer.
    pub(super) unfilled: Vec<u8>,
    pub(super) wire: WireCount,
    /// Exchanges begun.
    pub(super) uses: u32,
    /// Exchanges begun since the connection last went idle or was opened.
    pub(super) turns: u32,
    /// The peer has sent all it will.
    pub(super) ended: bool,
    pub(super) timer: Option<TimerId>,
    pub(super) timer_at: Time,
    /// An [`crate::engine::Output::Level`] is in the output queue.
    pub(super) level_queued: bool,
}

/// Bytes since the connection was opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WireCount {
    /// Handed to the driver.
    pub(super) handed: u64,
    /// Of those, sent as the driver reported.
    pub(super) sent: u64,
    pub(super) received: u64,
}

pub(super) enum State {
    /// Waits for the socket to be connected, for this transfer.
    Connecting(Connecting),
    /// Waits for the proxy to open a tunnel, for this transfer.
    Tunnelling(Tunnelling),
    /// Waits for the TLS handshake, for this transfer.
    Handshaking(Handshaking),
    /// Waits for the rest of an exchange. Boxed, since it is what an idle connection has no need of.
    Exchanging(Box<Exchanging>),
    /// Waits for a transfer.
    Idle(Idle),
    /// Carries look-ups: no transfer is on it.
    Names(Asking),
}

#[derive(Clone, Copy)]
pub(super) struct Asking {
    pub(super) channel: ChannelId,
    pub(super) connected: bool,
    /// The resolver has something to send on it.
    pub(super) wants_send: bool,
}

pub(super) struct Connecting {
    pub(super) transfer: TransferId,
    /// When the first address was tried, on whichever connection.
    pub(super) since: Time,
    /// The transfer has a [`Race`](super::race::Race), of which this is one attempt.
    pub(super) races: bool,
    /// The exchange, begun by a driver that asked for the first bytes before it connects.
    pub(super) early: Option<Box<Exchanging>>,
}

#[derive(Clone, Copy)]
pub(super) struct Tunnelling {
    pub(super) transfer: TransferId,
    /// When connecting began: the tunnel is part of that.
    pub(super) since: Time,
    /// When the proxy was connected.
    pub(super) connected: Time,
}

pub(super) struct Handshaking {
    pub(super) transfer: TransferId,
    pub(super) since: Time,
}

pub(super) struct Exchanging {
    pub(super) transfer: TransferId,
    pub(super) exchange: Exchange,
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
    /// The body's source has nothing now.
    pub(super) source_pending: bool,
    pub(super) paused: bool,
    /// More has moved than the pace allows: nothing moves until that is paid for.
    pub(super) throttled: bool,
    pub(super) pace: Option<Box<Pace>>,
    pub(super) rest: Rest,
    pub(super) response: Option<Response>,
    /// The response's body is decoded for the handler.
    pub(super) decoding: Option<Box<Decoding>>,
    /// What is held of a large head that has not come whole.
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

pub(super) struct Idle {
    pub(super) since: Time,
    pub(super) links: IdleLinks,
}

impl Connection {
    pub(super) fn new(
        origin: OriginId,
        remote: SocketAddr,
        transfer: TransferId,
        races: bool,
        since: Time,
    ) -> Self {
        let state = Connecting { transfer, since, races, early: None };
        Self {
            origin,
            state: State::Connecting(state),
            remote,
            tls: None,
            tunnel: None,
            forwarder: None,
            held: Vec::new(),
            unfilled: Vec::new(),
            wire: WireCount::default(),
            uses: 0,
            turns: 0,
            ended: false,
            timer: None,
            timer_at: Time::NEVER,
            level_queued: false,
        }
    }

    /// A connection to a name server, of no origin.
    pub(super) fn of_channel(channel: ChannelId, server: SocketAddr) -> Self {
        let nobody = Id::from_bits(u64::MAX);
        let mut connection = Self::new(Id::from_bits(u64::MAX), server, nobody, false, Time::ZERO);
        connection.state = State::Names(Asking { channel, connected: false, wants_send: false });
        connection
    }

    /// The channel that it is, if it is one.
    pub(super) fn channel(&self) -> Option<ChannelId> {
        match &self.state {
            State::Names(state) => Some(state.channel),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Exchanging(_)
            | State::Idle(_) => None,
        }
    }

    /// The transfer that occupies the connection.
    pub(super) fn transfer(&self) -> Option<TransferId> {
        match &self.state {
            State::Connecting(state) => Some(state.transfer),
            State::Tunnelling(state) => Some(state.transfer),
            State::Handshaking(state) => Some(state.transfer),
            State::Exchanging(state) => Some(state.transfer),
            State::Idle(_) | State::Names(_) => None,
        }
    }

    /// How far the exchange has come, as far as it can be proven.
    pub(super) fn progress(&self, failed: Option<Operation>) -> Progress {
        let State::Exchanging(state) = &self.state else { return Progress::NothingSent };
        if state.first_byte != Time::NEVER {
            return Progress::ResponseStarted;
        }
        let before = state.wire_before;
        // a send that failed took nothing, so that all that may have left is what was reported
        let left = if failed == Some(Operation::Send) { self.wire.sent } else { self.wire.handed };
        if left > before.handed { Progress::RequestSent } else { Progress::NothingSent }
    }

    /// The exchange that it carries.
    pub(super) fn exchange(&self) -> Option<&Exchanging> {
        match &self.state {
            State::Exchanging(state) => Some(state),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Idle(_)
            | State::Names(_) => None,
        }
    }

    /// Whether its transfer takes nothing now.
    pub(super) fn is_paused(&self) -> bool {
        matches!(&self.state, State::Exchanging(state) if state.paused)
    }

    /// Whether it keeps a pace, and waits for that.
    pub(super) fn is_throttled(&self) -> bool {
        matches!(&self.state, State::Exchanging(state) if state.throttled)
    }

    /// Whether `fill` would give bytes, on a socket that is connected.
    pub(super) fn wants_send(&self) -> bool {
        if let Some(tunnel) = &self.tunnel
            && (tunnel.wants_send() || !tunnel.is_open())
        {
            return tunnel.wants_send();
        }
        if self.tls.as_ref().is_some_and(|tls| tls.wants_send()) {
            return true;
        }
        match &self.state {
            State::Exchanging(state) => state.wants_send() || !self.unfilled.is_empty(),
            State::Names(state) => state.wants_send,
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Idle(_) => false,
        }
    }

    /// Whether there are bytes of a transformation to be sent, besides those of the request.
    pub(super) fn wants_flush(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_send())
            || self.tunnel.as_ref().is_some_and(|tunnel| tunnel.wants_send())
    }

    /// Whether the peer has said that nothing follows, as far as there is TLS to say it by.
    pub(super) fn closed_cleanly(&self) -> bool {
        match (&self.tls, &self.tunnel) {
            (Some(tls), _) => tls.closed_cleanly(),
            (None, Some(tunnel)) => tunnel.closed_cleanly(),
            (None, None) => true,
        }
    }

    /// Whether bytes received would be taken.
    pub(super) fn wants_recv(&self) -> bool {
        if self.ended {
            return false;
        }
        match &self.state {
            State::Connecting(_) => false,
            State::Tunnelling(_) | State::Handshaking(_) | State::Idle(_) => true,
            State::Names(state) => state.connected,
            State::Exchanging(state) => !(state.paused || state.throttled),
        }
    }
}

impl Exchanging {
    /// The rest of the response goes nowhere, and is not read for long.
    pub(super) fn leave_rest(&mut self, rest: Rest) {
        self.rest = rest;
        self.measured.0 = self.moved;
    }

    /// Holds no memory any more but its own.
    pub(super) fn let_go(&mut self) {
        self.exchange.let_go();
        (self.pace, self.decoding, self.head_loan) = (None, None, None);
    }

    pub(super) fn wants_send(&self) -> bool {
        !self.head_taken || self.wants_body()
    }

    /// Whether the body is to be asked for more.
    pub(super) fn wants_body(&self) -> bool {
        self.exchange.has_body_to_send() && !(self.source_pending || self.paused || self.throttled)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tens of thousands may be idle: what only an exchange needs must not be part of each.
    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 256, "{}", size_of::<Connection>());
    }
}
