//! The stub resolver at work: its look-ups for the engine's, its channels on connections of the engine.
//!
//! Knows which connection carries which channel. Must not know what is asked on it. Invariants: a channel's connection
//! has no transfer and no origin, and counts against no limit of connections; what the resolver wants is done before
//! the driver is asked to do anything.

use std::net::SocketAddr;

use crate::dial::Dial;
use crate::dns::{Kind, Switch};
use crate::engine::dials::race::Family;
use crate::engine::links::connection::{Connection, State};
use crate::engine::names::resolve::{LookupId, Outcome, Way};
use crate::engine::names::stub::{
    ChannelId, Failure, Fixed, Found, NameError, Names, NamesConfig, Transport, Want,
};
use crate::engine::{ConnectionId, Engine, Output, error_before_exchange};
use crate::error::{Cause, Operation, Phase, Unresolved};
use crate::http::Host;
use crate::id::IdMap;
use crate::limits;
use crate::time::Time;

/// The stub resolver, and the connections of its channels.
pub(in crate::engine) struct Channels {
    names: Names,
    connections: IdMap<ChannelId, ConnectionId>,
}

impl Engine {
    /// From here on the engine looks names up itself, by asking the servers of the config. The driver is asked for
    /// those names alone of which `switch` says that the system has to look them up.
    ///
    /// `seed` makes what is sent unpredictable: 32 bytes from getrandom(2). It counts with the first call. If the sources
    /// are others than before (servers, hosts(5), nsswitch.conf(5)), what was found with those is forgotten.
    pub fn set_names(&mut self, config: NamesConfig, switch: Switch, seed: [u8; 32]) {
        let most = config.max_lookups().min(limits::LOOKUPS);
        let same_way = self.resolver.set_own(most, Fixed::of(&config), switch);
        match &mut self.channels {
            Some(channels) => {
                if !same_way || !channels.names.has_sources_of(&config) {
                    self.resolver.forget_all();
                }
                channels.names.set_config(config, self.now);
            }
            none => {
                let names = Names::new(config, seed);
                *none = Some(Box::new(Channels { names, connections: IdMap::default() }));
            }
        }
        self.settle();
    }

    /// Takes a look-up that the driver was asked for back, to look the name up itself. False if that is the
    /// driver's to do.
    pub fn take_lookup(&mut self, lookup: LookupId, host: &Host) -> bool {
        let begun = self.resolver.is_started(lookup);
        let taken = self.resolver.take_over(lookup, host);
        if begun && taken {
            // it is when its turn comes
            self.stats.lookups -= 1;
        }
        self.settle();
        taken
    }

    /// Whether the resolver has room for a look-up that waits for that.
    pub(in crate::engine) fn has_room_for_lookup(&mut self) -> bool {
        let channels = self.channels.as_deref_mut().filter(|_| self.resolver.has_queued_own());
        channels.is_some_and(|channels| channels.names.has_room(self.now))
    }

    /// Starts a look-up. False if it is the driver's to do.
    pub(in crate::engine) fn start_own_lookup(&mut self, lookup: LookupId, host: &Host) -> bool {
        let Some(channels) = &mut self.channels else { return false };
        match self.resolver.way_of(lookup) {
            Some(Way::Fixed | Way::Own) => {
                let first = match self.families.first(self.now) {
                    Family::V4 => Kind::A,
                    Family::V6 => Kind::Aaaa,
                };
                channels.names.start(lookup, host, first, self.now);
            }
            Some(Way::System) | None => return false,
        }
        true
    }

    /// Gives a look-up up. False if it is the driver's.
    pub(in crate::engine) fn abandon_own_lookup(&mut self, lookup: LookupId) -> bool {
        self.channels.as_mut().is_some_and(|channels| channels.names.abandon(lookup))
    }

    /// Does what the resolver wants.
    pub(in crate::engine) fn serve_names(&mut self) {
        while let Some(Channels { names, connections, .. }) = self.channels.as_deref_mut()
            && let Some(want) = names.poll_want()
        {
            match want {
                Want::Open { channel, server, transport } => {
                    self.open_channel(channel, server, transport);
                }
                Want::Send { channel } => {
                    if let Some(&id) = connections.get(&channel) {
                        self.channel_wants_send(id, true);
                        self.touch(id);
                    }
                }
                Want::Close { channel } => {
                    if let Some(id) = connections.remove(&channel) {
                        self.close(id);
                    }
                }
                Want::Found { lookup, result } => self.finish_own_lookup(lookup, result),
                Want::Slow { lookup } => self.serve_stale(lookup),
                Want::Starved { lookup } => self.note_starved(lookup),
                Want::Later { lookup, host, found } => self.learn_later(lookup, host, found),
            }
        }
    }

    /// The other family of a name has been looked up, too: whoever is connecting to it may go on with what was found, or
    /// knows that it was nothing.
    fn learn_later(&mut self, lookup: LookupId, host: Host, found: Option<Found>) {
        let waiters = match found {
            None => self.resolver.learn_no_more(lookup, &host),
            Some(Found { addresses, ttl, .. }) => {
                self.resolver.learn(lookup, host, addresses.into(), ttl, self.now)
            }
        };
        for transfer in waiters {
            self.hear_of_more(transfer);
        }
    }

    fn open_channel(&mut self, channel: ChannelId, server: SocketAddr, transport: Transport) {
        let id = self.pool.open_apart(Connection::of_channel(channel, server));
        let dial = match transport {
            Transport::Udp => Dial::udp(server),
            Transport::Tcp => Dial::tcp(server),
        };
        self.outputs.push_back(Output::Connect { connection: id, dial });
        if let Some(channels) = &mut self.channels {
            channels.connections.insert(channel, id);
        }
    }

    /// DNS queries sent so far.
    pub(in crate::engine) fn queries_sent(&self) -> u64 {
        self.channels.as_ref().map_or(0, |channels| channels.names.stats().sent)
    }

    /// When the resolver is to be looked after next.
    pub(in crate::engine) fn next_name_time(&self) -> Option<Time> {
        self.channels.as_ref()?.names.next_time()
    }

    /// The channels, if something of look-ups is due: what has come on them by now comes before it is.
    pub(in crate::engine) fn overdue_channels(&self) -> Vec<ConnectionId> {
        let channels = self.channels.as_ref().filter(|channels| channels.names.is_due(self.now));
        channels.map_or_else(Vec::new, |channels| channels.connections.values().copied().collect())
    }

    /// Sees to what is due of look-ups.
    pub(in crate::engine) fn expire_names(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.names.expire(self.now);
        }
    }

    // facts of channels

    #[cold]
    pub(in crate::engine) fn channel_connected(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let State::Names(state) = &mut connection.state else { return };
        state.connected = true;
        let channel = state.channel;
        if let Some(channels) = &mut self.channels {
            channels.names.opened(channel);
        }
        self.touch(id);
        self.settle();
    }

    #[cold]
    pub(in crate::engine) fn channel_received(&mut self, channel: ChannelId, bytes: &[u8]) {
        if let Some(channels) = &mut self.channels {
            channels.names.received(channel, bytes, self.now);
        }
    }

    #[cold]
    pub(in crate::engine) fn channel_ended(&mut self, id: ConnectionId, channel: ChannelId) {
        if let Some(Channels { names, connections, .. }) = self.channels.as_deref_mut() {
            connections.remove(&channel);
            names.ended(channel, self.now);
        }
        self.close(id);
    }

    #[cold]
    pub(in crate::engine) fn channel_failed(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        cause: Cause,
    ) {
        let why = error_before_exchange(cause, Phase::Resolve).to_string();
        self.end_channel(id, channel, Failure::Refused(why));
    }

    /// The system has no room for a channel's socket. An idle connection, which nobody needs, gives its own.
    #[cold]
    pub(in crate::engine) fn channel_exhausted(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        operation: Operation,
        errno: i32,
    ) {
        self.stats.exhausted += 1;
        self.stats.exhausted_last = Some((operation, errno));
        self.end_channel(id, channel, Failure::Exhausted);
        if let Some(idle) = self.pool.oldest_idle() {
            self.stats.evicted += 1;
            self.close(idle);
        }
    }

    fn end_channel(&mut self, id: ConnectionId, channel: ChannelId, why: Failure) {
        if let Some(Channels { names, connections, .. }) = self.channels.as_deref_mut() {
            connections.remove(&channel);
            names.failed(channel, why, self.now);
        }
        self.close(id);
    }

    /// Those who wait for a look-up that is slow go on with addresses that have expired, if there are such.
    fn serve_stale(&mut self, lookup: LookupId) {
        if let Some((waiters, addresses)) = self.resolver.take_stale(lookup, self.now) {
            self.tell_waiters(waiters, &Ok(addresses));
        }
    }

    /// Those who wait for a look-up wait for what the system has no room for.
    fn note_starved(&mut self, lookup: LookupId) {
        let Some(last) = self.stats.exhausted_last else { return };
        for &id in self.resolver.waiters(lookup) {
            if let Some(transfer) = self.transfers.get_mut(id) {
                transfer.note_starved_lookup(last);
            }
        }
    }

    /// What a channel has to send.
    #[cold]
    pub(in crate::engine) fn fill_channel(
        &mut self,
        id: ConnectionId,
        channel: ChannelId,
        out: &mut [u8],
    ) -> usize {
        let Some(Channels { names, .. }) = self.channels.as_deref_mut() else { return 0 };
        let filled = if names.wants_send(channel) { names.fill(channel, out) } else { 0 };
        let more = names.wants_send(channel);
        self.channel_wants_send(id, more);
        filled
    }

    fn channel_wants_send(&mut self, id: ConnectionId, wants: bool) {
        if let Some(connection) = self.pool.connections.get_mut(id)
            && let State::Names(state) = &mut connection.state
        {
            state.wants_send = wants;
        }
    }

    /// Closes the channels on which nothing is waited for.
    pub(in crate::engine) fn close_idle_channels(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.names.close_idle();
            self.serve_names();
        }
    }

    fn finish_own_lookup(&mut self, lookup: LookupId, result: Result<Found, NameError>) {
        let outcome = match result {
            Ok(Found { addresses, ttl, partial }) => {
                let addresses = addresses.into();
                match partial {
                    true => Outcome::Partial { addresses, ttl },
                    false => Outcome::Found { addresses, ttl },
                }
            }
            Err(error) => {
                let text = error.to_string();
                match error.is_negative() {
                    true => Outcome::Nothing { why: Unresolved::lasting(&text), ttl: error.ttl },
                    false => Outcome::Failed { why: text.into() },
                }
            }
        };
        self.end_lookup(lookup, outcome);
    }
}
