//! The stub resolver at work: its look-ups for the engine's, its channels on connections of the engine.
//!
//! Knows which connection carries which channel. Must not know what is asked on it. Invariants: a channel's connection
//! has no transfer and no origin, and counts against no limit of connections; what the resolver wants is done before
//! the driver is asked to do anything; an engine that looks no names up has nothing of this.

use std::net::{IpAddr, SocketAddr};

use crate::dial::Dial;
use crate::dns::{Kind, Switch};
use crate::engine::dials::race::Family;
use crate::engine::links::connection::{Connection, State};
use crate::engine::names::resolve::{LookupId, Outcome, Way};
use crate::engine::names::stub::{
    ChannelId, Failure, Fixed, Found, NameError, Names, NamesConfig, Transport, Want,
};
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::engine::{ConnectionId, Engine, Output, error_before_exchange};
use crate::error::{Cause, Operation, Phase, Unresolved};
use crate::id::IdMap;
use crate::limits;
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
        let why = error_before_exchange(cause, Phase::Resolve).to_string();
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

impl Engine {
    /// From here on the engine looks names up itself, by asking the servers of the config. The driver is asked for
    /// those names alone of which `switch` says that the system has to look them up.
    ///
    /// `seed` makes what is sent unpredictable: 32 bytes from getrandom(2). It counts with the first call. If the sources
    /// are others than before (servers, hosts(5), nsswitch.conf(5)), what was found with those is forgotten.
    pub fn set_names(&mut self, config: NamesConfig, switch: Switch, seed: [u8; 32]) {
        let most = config.max_lookups().min(limits::LOOKUPS);
        let same_way = self.net.resolver.set_own(most, Fixed::of(&config), switch);
        match &mut self.net.channels.0 {
            Some(stub) => {
                if !same_way || !stub.names.has_sources_of(&config) {
                    self.net.resolver.forget_all();
                }
                stub.names.set_config(config, self.net.now);
            }
            none => {
                let names = Names::new(config, seed);
                *none = Some(Box::new(Stub { names, connections: IdMap::default() }));
            }
        }
        self.settle();
    }

    /// Takes a look-up that the driver was asked for back, to look the name up itself. False if that is the
    /// driver's to do.
    pub fn take_lookup(&mut self, lookup: LookupId, host: &Host) -> bool {
        let begun = self.net.resolver.is_started(lookup);
        let taken = self.net.resolver.take_over(lookup, host);
        if begun && taken {
            // it is when its turn comes
            self.net.stats.lookups -= 1;
        }
        self.settle();
        taken
    }

    /// Does what the resolver wants.
    pub(in crate::engine) fn serve_names(&mut self) {
        while let Some(want) = self.net.channels.poll_want() {
            match want {
                Want::Open { channel, server, transport } => {
                    self.net.open_channel(channel, server, transport);
                }
                Want::Send { channel } => {
                    if let Some(id) = self.net.channels.connection_of(channel) {
                        if let Some(connection) = self.net.pool.connections.get_mut(id) {
                            connection.set_wants_send(true);
                        }
                        self.net.touch(id);
                    }
                }
                Want::Close { channel } => {
                    if let Some(id) = self.net.channels.connection_of(channel) {
                        self.net.channels.note_closed(channel);
                        self.net.close(id);
                    }
                }
                Want::Found { lookup, result } => self.end_lookup(lookup, Outcome::of(result)),
                Want::Slow { lookup } => {
                    // who waits goes on with addresses that have expired, if there are such
                    if let Some((waiters, addresses)) =
                        self.net.resolver.take_stale(lookup, self.net.now)
                    {
                        self.tell_waiters(waiters, &Ok(addresses));
                    }
                }
                Want::Starved { lookup } => self.roster.note_starved(&mut self.net, lookup),
                Want::Later { lookup, host, found } => {
                    for (connection, cause) in self.net.learn_later(lookup, host, found) {
                        self.attempt_failed(connection, cause);
                    }
                }
            }
        }
    }
}

impl Roster {
    /// Those who wait for a look-up wait for what the system has no room for.
    fn note_starved(&mut self, net: &mut Net, lookup: LookupId) {
        let Some(last) = net.stats.exhausted_last else { return };
        for &id in net.resolver.waiters(lookup) {
            if let Some(transfer) = self.transfers.get_mut(id) {
                transfer.note_starved_lookup(last);
            }
        }
    }
}

impl Net {
    /// The socket of a channel is connected.
    #[cold]
    pub(in crate::engine) fn channel_connected(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let State::Names(state) = &mut connection.state else { return };
        state.connected = true;
        self.channels.note_connected(state.channel);
        self.touch(id);
    }

    /// Starts a look-up. False if it is the driver's to do.
    pub(in crate::engine) fn start_own_lookup(&mut self, lookup: LookupId, host: &Host) -> bool {
        match self.resolver.way_of(lookup) {
            Some(Way::Fixed | Way::Own) => {
                let first = match self.families.first(self.now) {
                    Family::V4 => Kind::A,
                    Family::V6 => Kind::Aaaa,
                };
                self.channels.start(lookup, host, first, self.now)
            }
            Some(Way::System) | None => false,
        }
    }

    /// The other family of a name has been looked up, too: whoever is connecting to it may go on with what was found, or
    /// knows that it was nothing. The connections that go on by that, or fail.
    fn learn_later(
        &mut self,
        lookup: LookupId,
        host: Host,
        found: Option<Found>,
    ) -> Vec<(ConnectionId, Cause)> {
        let waiters = match found {
            None => self.resolver.learn_no_more(lookup, &host),
            Some(Found { addresses, ttl, .. }) => {
                self.resolver.learn(lookup, host, addresses.into(), ttl, self.now)
            }
        };
        waiters.into_iter().filter_map(|race| self.hear_of_more(race)).collect()
    }

    fn open_channel(&mut self, channel: ChannelId, server: SocketAddr, transport: Transport) {
        let id = self.pool.open_apart(Connection::of_channel(channel, server));
        let dial = match transport {
            Transport::Udp => Dial::udp(server),
            Transport::Tcp => Dial::tcp(server),
        };
        self.outputs.push_back(Output::Connect { connection: id, dial });
        self.channels.note_open(channel, id);
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
        self.channels.fail_for(channel, Failure::Exhausted, self.now);
        self.close(id);
        if let Some(idle) = self.pool.oldest_idle() {
            self.stats.evicted += 1;
            self.close(idle);
        }
    }
}

impl Outcome {
    /// What the system has found.
    pub(in crate::engine) fn of_system(result: Result<Vec<IpAddr>, String>) -> Outcome {
        match result {
            Ok(addresses) if addresses.is_empty() => {
                Outcome::Unknown { why: Unresolved::lasting("the name has no address") }
            }
            Ok(addresses) => Outcome::Found { addresses: addresses.into(), ttl: None },
            Err(why) => Outcome::Unknown { why: why.into() },
        }
    }

    fn of(result: Result<Found, NameError>) -> Outcome {
        match result {
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
        }
    }
}
