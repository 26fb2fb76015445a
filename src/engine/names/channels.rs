//! The stub resolver at work: its look-ups for the engine's, its channels on connections of the engine.
//!
//! Knows which connection carries which channel. Must not know what is asked on it. Invariants: a channel's connection
//! has no transfer and no origin, and counts against no limit of connections; what the resolver wants is done before
//! the driver is asked to do anything; an engine that looks no names up has nothing of this.

mod serve;

use crate::dns::Kind;
use crate::engine::ids::{ConnectionId, LookupId};
use crate::engine::names::stub::{ChannelId, Failure, Names, Want};
use crate::error::{Cause, Error, Phase};
use crate::id::IdMap;
use crate::protocol::Host;
use crate::time::Time;

/// The engine's own resolver, if it looks names up itself.
#[derive(Default)]
pub(in crate::engine) struct Channels(Option<Box<Stub>>);

/// The stub resolver, and the connections of its channels.
struct Stub {
    names: Names,
    connections: IdMap<ChannelId, ConnectionId>,
}

impl Channels {
    /// Whether there are any.
    #[inline]
    pub(in crate::engine) fn any(&self) -> bool {
        self.0.is_some()
    }

    /// DNS queries sent so far.
    pub(in crate::engine) fn queries_sent(&self) -> u64 {
        self.0.as_ref().map_or(0, |stub| stub.names.stats().sent)
    }

    /// When the resolver is to be looked after next.
    pub(in crate::engine) fn next_time(&self) -> Option<Time> {
        self.0.as_ref()?.names.next_time()
    }

    /// Whether there is room for one more look-up.
    pub(in crate::engine) fn have_room(&mut self, now: Time) -> bool {
        self.0.as_mut().is_some_and(|stub| stub.names.has_room(now))
    }

    /// Starts a look-up, by the addresses of one family first. False if there is no resolver.
    fn start(&mut self, lookup: LookupId, host: &Host, first: Kind, now: Time) -> bool {
        let Some(stub) = &mut self.0 else { return false };
        stub.names.start(lookup, host, first, now);
        true
    }

    /// Gives a look-up up. False if it is none of these.
    pub(in crate::engine) fn abandon(&mut self, lookup: LookupId) -> bool {
        self.0.as_mut().is_some_and(|stub| stub.names.abandon(lookup))
    }

    /// The connections, if something of look-ups is due: what has come on them by now comes before it is.
    pub(in crate::engine) fn overdue(&self, now: Time) -> Vec<ConnectionId> {
        let due = self.0.as_ref().filter(|stub| stub.names.is_due(now));
        due.map_or_else(Vec::new, |stub| stub.connections.values().copied().collect())
    }

    /// Sees to what is due of look-ups.
    pub(in crate::engine) fn expire(&mut self, now: Time) {
        if let Some(stub) = &mut self.0 {
            stub.names.expire(now);
        }
    }

    /// Closes those on which nothing is waited for, by what is wanted next.
    pub(in crate::engine) fn close_idle(&mut self) {
        if let Some(stub) = &mut self.0 {
            stub.names.close_idle();
        }
    }

    fn poll_want(&mut self) -> Option<Want> {
        self.0.as_mut()?.names.poll_want()
    }

    // their connections

    fn note_open(&mut self, channel: ChannelId, id: ConnectionId) {
        if let Some(stub) = &mut self.0 {
            stub.connections.insert(channel, id);
        }
    }

    fn connection_of(&self, channel: ChannelId) -> Option<ConnectionId> {
        self.0.as_ref()?.connections.get(&channel).copied()
    }

    fn note_connected(&mut self, channel: ChannelId) {
        if let Some(stub) = &mut self.0 {
            stub.names.opened(channel);
        }
    }

    fn note_closed(&mut self, channel: ChannelId) {
        if let Some(stub) = &mut self.0 {
            stub.connections.remove(&channel);
        }
    }

    /// Bytes came on a channel.
    #[cold]
    pub(in crate::engine) fn receive(&mut self, channel: ChannelId, bytes: &[u8], now: Time) {
        if let Some(stub) = &mut self.0 {
            stub.names.received(channel, bytes, now);
        }
    }

    /// The peer of a channel has ended it.
    #[cold]
    pub(in crate::engine) fn end(&mut self, channel: ChannelId, now: Time) {
        if let Some(stub) = &mut self.0 {
            stub.connections.remove(&channel);
            stub.names.ended(channel, now);
        }
    }

    /// The connection of a channel failed.
    #[cold]
    pub(in crate::engine) fn fail(&mut self, channel: ChannelId, cause: Cause, now: Time) {
        let why = Error::before_exchange(cause, Phase::Resolve).to_string();
        self.fail_for(channel, Failure::Refused(why), now);
    }

    fn fail_for(&mut self, channel: ChannelId, why: Failure, now: Time) {
        if let Some(stub) = &mut self.0 {
            stub.connections.remove(&channel);
            stub.names.failed(channel, why, now);
        }
    }

    /// What a channel has to send: how many bytes of `out` that is, and whether there is more.
    #[cold]
    pub(in crate::engine) fn fill(&mut self, channel: ChannelId, out: &mut [u8]) -> (usize, bool) {
        let Some(Stub { names, .. }) = self.0.as_deref_mut() else { return (0, false) };
        let filled = if names.wants_send(channel) { names.fill(channel, out) } else { 0 };
        (filled, names.wants_send(channel))
    }
}
