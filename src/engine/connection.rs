//! One connection, as a state named for what it waits for.
//!
//! Knows bytes and times of one connection. Must not know the socket it runs on.
//! Invariant: a state holds just that state's data; a transition replaces it whole.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::TransferId;
use crate::engine::exchange::ExchangeId;
use crate::engine::names::ChannelId;
use crate::engine::path::Path;
use crate::engine::pool::{IdleLinks, OriginId};
use crate::engine::route::Via;
use crate::engine::timers::TimerId;
use crate::error::Phase;
use crate::id::Id;
use crate::time::Time;

/// Names a connection.
pub type ConnectionId = Id<Connection>;

/// A connection in the engine. Opaque: see [`ConnectionId`].
pub struct Connection {
    pub(super) origin: OriginId,
    pub(super) state: State,
    pub(super) remote: SocketAddr,
    pub(super) path: Path,
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
    /// Carries an exchange.
    Exchanging(ExchangeId),
    /// Its exchange is over: before the batch ends it goes to the next transfer, is idle, or is closed.
    Free,
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
    pub(super) early: Option<ExchangeId>,
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
            path: Path::default(),
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
            | State::Free
            | State::Idle(_) => None,
        }
    }

    /// The exchange that it carries.
    pub(super) fn exchange(&self) -> Option<ExchangeId> {
        match &self.state {
            State::Exchanging(exchange) => Some(*exchange),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => None,
        }
    }

    /// The transfer for which it is being made.
    pub(super) fn opens_for(&self) -> Option<TransferId> {
        match &self.state {
            State::Connecting(state) => Some(state.transfer),
            State::Tunnelling(state) => Some(state.transfer),
            State::Handshaking(state) => Some(state.transfer),
            State::Exchanging(_) | State::Free | State::Idle(_) | State::Names(_) => None,
        }
    }

    /// The phase that a transfer is in whose connection it is to be.
    pub(super) fn phase(&self) -> Phase {
        match &self.state {
            State::Connecting(_) => Phase::Connect,
            State::Tunnelling(_) => Phase::Proxy,
            State::Handshaking(_) => Phase::Tls,
            State::Exchanging(_) | State::Free | State::Idle(_) | State::Names(_) => Phase::Queue,
        }
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
