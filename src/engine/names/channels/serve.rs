//! Look-ups that the engine makes itself: begun, carried, answered.
//!
//! Opens channels to name servers as connections, and passes on what the DNS client says.

use std::net::SocketAddr;

use crate::dial::Dial;
use crate::dns::{Kind, Switch};
use crate::engine::dials::ways::Family;
use crate::engine::ids::{ConnectionId, LookupId};
use crate::engine::links::connection::{Connection, State};
use crate::engine::names::answer::LookupOutcome;
use crate::engine::names::channels::Stub;
use crate::engine::names::resolve::LookupWay;
use crate::engine::names::stub::{
    ChannelId, Failure, Fixed, Found, Names, NamesConfig, Transport, Want,
};
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::engine::{Engine, Output};
use crate::error::{Cause, Operation};
use crate::id::IdMap;
use crate::limits;
use crate::protocol::Host;

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
                Want::Found { lookup, result } => {
                    self.end_lookup(lookup, LookupOutcome::of(result))
                }
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
            Some(LookupWay::Fixed | LookupWay::Own) => {
                let first = match self.families.first(self.now) {
                    Family::V4 => Kind::A,
                    Family::V6 => Kind::Aaaa,
                };
                self.channels.start(lookup, host, first, self.now)
            }
            Some(LookupWay::System) | None => false,
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
