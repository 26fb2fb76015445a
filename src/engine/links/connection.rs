//! One connection, as a state named for what it waits for.
//!
//! Knows bytes and times of one connection. Must not know the socket it runs on.
//! Invariant: a state holds just that state's data; a transition replaces it whole.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::dials::route::Via;
use crate::engine::ids::{ExchangeId, OriginId, RaceId, TransferId};
use crate::engine::links::claim::Claim;
use crate::engine::links::idle::Idle;
use crate::engine::links::path::Path;
use crate::engine::links::wire::WireCount;
use crate::engine::multiplex::Multiplex;
use crate::engine::names::stub::ChannelId;
use crate::engine::timers::TimerId;
use crate::error::Phase;
use crate::id::Id;
use crate::limits;
use crate::time::Time;

/// A connection in the engine.
pub(in crate::engine) struct Connection {
    pub(in crate::engine) origin: OriginId,
    pub(in crate::engine) state: State,
    pub(in crate::engine) remote: SocketAddr,
    pub(in crate::engine) path: Path,
    /// The proxy that forwards what is asked for.
    pub(in crate::engine) forwarder: Option<Arc<Via>>,
    pub(in crate::engine) wire: WireCount,
    /// Exchanges begun.
    pub(in crate::engine) uses: u32,
    /// Exchanges begun since the connection last went idle or was opened.
    pub(in crate::engine) turns: u32,
    /// The peer has sent all it will.
    pub(in crate::engine) ended: bool,
    pub(in crate::engine) timer: Option<TimerId>,
    pub(in crate::engine) timer_at: Time,
    /// An [`crate::engine::Output::Level`] is in the output queue.
    pub(in crate::engine) level_queued: bool,
    /// Others of its origin may wait to see what is spoken on it, and how many requests it takes.
    pub(in crate::engine) is_dialed: bool,
}

pub(in crate::engine) enum State {
    /// Waits for the socket to be connected.
    Connecting(Connecting),
    /// Waits for the proxy to open a tunnel.
    Tunnelling(Tunnelling),
    /// Waits for the TLS handshake.
    Handshaking(Handshaking),
    /// Carries an exchange.
    Exchanging(ExchangeId),
    /// Speaks HTTP/2, and carries any number of exchanges, none too.
    Multiplexed(Box<Multiplex>),
    /// Its exchange is over: before the batch ends it goes to the next transfer, is idle, or is closed.
    Free,
    /// Waits for a transfer.
    Idle(Idle),
    /// Carries look-ups: no transfer is on it.
    Names(Asking),
}

#[derive(Clone, Copy)]
pub(in crate::engine) struct Asking {
    pub(in crate::engine) channel: ChannelId,
    pub(in crate::engine) connected: bool,
    /// The resolver has something to send on it.
    pub(in crate::engine) wants_send: bool,
}

pub(in crate::engine) struct Connecting {
    pub(in crate::engine) claim: Claim,
    /// When the first address was tried, on whichever connection.
    pub(in crate::engine) since: Time,
    /// Of which this is one attempt, if there may be others.
    pub(in crate::engine) race: Option<RaceId>,
    /// Its socket is gone, and its transfer hopes for another address.
    pub(in crate::engine) stranded: bool,
    /// The exchange, begun by a driver that asked for the first bytes before it connects.
    pub(in crate::engine) early: Option<ExchangeId>,
}

pub(in crate::engine) struct Tunnelling {
    pub(in crate::engine) claim: Claim,
    /// When the proxy was connected.
    pub(in crate::engine) connected: Time,
    /// Since connecting began: the tunnel is part of that.
    pub(in crate::engine) progress: Progress,
}

pub(in crate::engine) struct Handshaking {
    pub(in crate::engine) claim: Claim,
    pub(in crate::engine) since: Time,
    pub(in crate::engine) progress: Progress,
}

/// How a layer comes along that takes several steps.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Progress {
    /// From when on its time counts: later than it began by as long as nobody has looked.
    pub(in crate::engine) since: Time,
    /// When its last step was taken.
    pub(in crate::engine) moved: Time,
}

impl Progress {
    pub(in crate::engine) fn begun(at: Time) -> Progress {
        Progress { since: at, moved: at }
    }
}

impl Connection {
    /// How the layer comes along that is being set up.
    pub(in crate::engine) fn progress_mut(&mut self) -> Option<&mut Progress> {
        match &mut self.state {
            State::Tunnelling(state) => Some(&mut state.progress),
            State::Handshaking(state) => Some(&mut state.progress),
            State::Connecting(_)
            | State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => None,
        }
    }

    pub(in crate::engine) fn new(
        origin: OriginId,
        remote: SocketAddr,
        claim: Claim,
        race: Option<RaceId>,
        since: Time,
    ) -> Self {
        let state = Connecting { claim, since, race, stranded: false, early: None };
        Self::in_state(origin, remote, State::Connecting(state))
    }

    fn in_state(origin: OriginId, remote: SocketAddr, state: State) -> Self {
        Self {
            origin,
            state,
            remote,
            path: Path::default(),
            forwarder: None,
            wire: WireCount::default(),
            uses: 0,
            turns: 0,
            ended: false,
            timer: None,
            timer_at: Time::NEVER,
            level_queued: false,
            is_dialed: false,
        }
    }

    /// A connection to a name server, of no origin.
    pub(in crate::engine) fn of_channel(channel: ChannelId, server: SocketAddr) -> Self {
        let state = State::Names(Asking { channel, connected: false, wants_send: false });
        Self::in_state(Id::from_bits(u64::MAX), server, state)
    }

    /// Whether its socket is gone while its transfer hopes for another address.
    pub(in crate::engine) fn set_stranded(&mut self, stranded: bool) {
        if let State::Connecting(state) = &mut self.state {
            state.stranded = stranded;
        }
    }

    /// Its channel, if it has one, has something to send, or nothing.
    pub(in crate::engine) fn set_wants_send(&mut self, wants: bool) {
        if let State::Names(state) = &mut self.state {
            state.wants_send = wants;
        }
    }

    /// The channel that it is, if it is one.
    pub(in crate::engine) fn channel(&self) -> Option<ChannelId> {
        match &self.state {
            State::Names(state) => Some(state.channel),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_) => None,
        }
    }

    /// Whether others of its origin wait for it, or are on it.
    #[inline]
    pub(in crate::engine) fn may_be_shared(&self) -> bool {
        self.is_dialed || matches!(self.state, State::Multiplexed(_))
    }

    /// Whether it waits for a transfer, and carries none.
    pub(in crate::engine) fn is_idle(&self) -> bool {
        match &self.state {
            State::Idle(_) => true,
            State::Multiplexed(link) => link.idle.is_some(),
            _ => false,
        }
    }

    /// The exchange that it carries; none is told of several.
    pub(in crate::engine) fn exchange(&self) -> Option<ExchangeId> {
        match &self.state {
            State::Exchanging(exchange) => Some(*exchange),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => None,
        }
    }

    /// The transfer for which it is being made.
    pub(in crate::engine) fn opens_for(&self) -> Option<TransferId> {
        self.claim().map(|claim| claim.transfer)
    }

    /// Whether it has been on one step for long while it is set up, and nothing of a request is with the driver.
    pub(in crate::engine) fn is_late(&self, now: Time) -> bool {
        let since = match &self.state {
            State::Connecting(state) if state.early.is_none() => state.since,
            State::Tunnelling(state) => state.connected,
            State::Handshaking(state) => state.since,
            State::Connecting(_)
            | State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => return false,
        };
        since + limits::DIAL_PATIENCE <= now
    }

    /// Whether its socket is connected, and the layers above are being set up.
    pub(in crate::engine) fn is_past_connect(&self) -> bool {
        matches!(self.state, State::Tunnelling(_) | State::Handshaking(_))
    }

    /// The race that it is one attempt of.
    pub(in crate::engine) fn race(&self) -> Option<RaceId> {
        match &self.state {
            State::Connecting(state) => state.race,
            _ => None,
        }
    }

    /// It is made for another transfer from here on.
    pub(in crate::engine) fn charge(&mut self, claim: Claim) {
        match &mut self.state {
            State::Connecting(state) => state.claim = claim,
            State::Tunnelling(state) => state.claim = claim,
            State::Handshaking(state) => state.claim = claim,
            State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => {}
        }
    }

    /// The claim of the transfer for which it is being made.
    pub(in crate::engine) fn claim(&self) -> Option<&Claim> {
        match &self.state {
            State::Connecting(state) => Some(&state.claim),
            State::Tunnelling(state) => Some(&state.claim),
            State::Handshaking(state) => Some(&state.claim),
            State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => None,
        }
    }

    /// The phase that a transfer is in whose connection it is to be.
    pub(in crate::engine) fn phase(&self) -> Phase {
        match &self.state {
            State::Connecting(_) => Phase::Connect,
            State::Tunnelling(_) => Phase::Proxy,
            State::Handshaking(_) => Phase::Tls,
            State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => Phase::Queue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tens of thousands may be idle: what only an exchange needs must not be part of each.
    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 176, "{}", size_of::<Connection>());
    }
}
