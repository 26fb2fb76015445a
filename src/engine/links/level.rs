//! What a connection wants of its socket.
//!
//! A level holds until it is changed, and is asked for whenever it may have. Knows what each state of a connection waits
//! for. Must not know how a driver waits.

use crate::engine::exchanges::exchange::Exchange;
use crate::engine::ids::{ConnectionId, of};
use crate::engine::links::connection::{Connection, State};
use crate::engine::net::Net;
use crate::engine::{Engine, Level};
use crate::id::Slab;
use crate::time::Time;

impl Engine {
    /// What a connection wants of its socket now. A connection that is gone wants nothing.
    pub fn level(&self, id: ConnectionId) -> Level {
        self.net.level(id)
    }

    /// Whether bytes received on a connection would be taken now.
    pub fn wants_recv(&self, id: ConnectionId) -> bool {
        self.net.wants_recv(id)
    }

    /// Whether [`Engine::fill`] would give bytes now.
    pub fn wants_send(&self, id: ConnectionId) -> bool {
        self.net.wants_send(id)
    }

    /// Whether what is received on a connection may have to wait for memory ([`Config::memory`](crate::engine::Config::memory)), so
    /// that a driver had better receive little of it at a time: the transfer would have its body decoded.
    pub fn may_await_memory(&self, id: ConnectionId) -> bool {
        let transfer = self.net.transfer_on(id).and_then(|id| self.roster.transfers.get(id));
        transfer.is_some_and(|transfer| transfer.request.options.decode.is_some())
    }
}

impl Net {
    /// As [`Engine::level`].
    pub(in crate::engine) fn level(&self, id: ConnectionId) -> Level {
        let Some(connection) = self.pool.connections.get(id) else {
            return Level { recv: false, send: false, deadline: Time::NEVER };
        };
        Level {
            recv: connection.takes_bytes(&self.exchanges),
            send: connection.has_bytes(&self.exchanges),
            deadline: self.deadline(connection).at,
        }
    }

    /// As [`Engine::wants_recv`].
    pub(in crate::engine) fn wants_recv(&self, id: ConnectionId) -> bool {
        let takes = |it: &Connection| it.takes_bytes(&self.exchanges);
        self.pool.connections.get(id).is_some_and(takes)
    }

    /// As [`Engine::wants_send`].
    pub(in crate::engine) fn wants_send(&self, id: ConnectionId) -> bool {
        let has = |it: &Connection| it.has_bytes(&self.exchanges);
        self.pool.connections.get(id).is_some_and(has)
    }
}

impl Connection {
    /// Whether bytes received would be taken now; the exchange that it carries is one of these.
    #[inline(always)]
    fn takes_bytes(&self, exchanges: &Slab<Exchange, of::Exchange>) -> bool {
        if self.ended {
            return false;
        }
        match &self.state {
            State::Connecting(_) => false,
            State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Multiplexed(_)
            | State::Idle(_)
            | State::Free => true,
            State::Names(state) => state.connected,
            State::Exchanging(id) => {
                exchanges.get(*id).is_some_and(|exchange| !exchange.holds.receiving())
            }
        }
    }

    /// Whether it has bytes for a socket that is connected; the exchange that it carries is one of these.
    #[inline(always)]
    fn has_bytes(&self, exchanges: &Slab<Exchange, of::Exchange>) -> bool {
        if self.path.wants_send() {
            return true;
        }
        match &self.state {
            State::Exchanging(id) => {
                exchanges.get(*id).is_some_and(|exchange| exchange.wants_send())
            }
            State::Multiplexed(link) => link.codec.wants_fill() && !self.ended,
            State::Names(state) => state.wants_send,
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Free
            | State::Idle(_) => false,
        }
    }
}
