//! What a transfer and a connection ask of the gates on their way, and give back.
//!
//! Knows gates, transfers and connections, and wakes whom a gate calls.

use std::time::Duration;

use super::Gates;
use super::gate::Rules;
use super::politeness::Politeness;
use super::table::Clock;
use super::table::{Stage, Table};
use crate::engine::Engine;
use crate::engine::ids::{ConnectionId, OriginId, RaceId, TransferId};
use crate::engine::links::connection::State;
use crate::engine::names::answer::Addresses;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::protocol::Host;

impl Engine {
    /// How many connections there may be to one host (all its ports and schemes) and to one address, idle ones
    /// included; any number where it is `None`. A connection over a lowered limit is closed when its exchange
    /// is over.
    pub fn set_host_limits(&mut self, max_per_host: Option<usize>, max_per_address: Option<usize>) {
        self.net.set_host_limits(max_per_host, max_per_address);
    }

    /// How gently servers are asked from here on. Times that are being kept are kept still.
    pub fn set_politeness(&mut self, politeness: Politeness) {
        self.net.set_politeness(politeness);
    }

    /// Sets the least time between the beginnings of two requests to one host, instead of that of
    /// [`Politeness::per_host`]; `None` takes it back. It counts from the next beginning on, but a wait that is
    /// under way gets no longer than this. Remembered until it is taken back, at some 30 bytes for each host.
    pub fn set_interval(&mut self, host: &Host, interval: Option<Duration>) {
        self.net.set_interval(host, interval);
    }
}

impl Roster {
    // on the way to an exchange

    /// Whether one of the addresses may have one more connection, and a request. If not, the origin waits.
    #[inline]
    pub(in crate::engine) fn has_address(
        &mut self,
        net: &mut Net,
        id: OriginId,
        addresses: &Addresses,
    ) -> bool {
        !net.gates.any()
            || net.pool.leads_inside(id)
            || self.has_address_at_gates(net, id, addresses)
    }

    #[cold]
    fn has_address_at_gates(&mut self, net: &mut Net, id: OriginId, addresses: &Addresses) -> bool {
        let transfers = &self.transfers;
        let origin = net.pool.get_mut(id);
        let next = origin.and_then(|origin| origin.next(|id| transfers.get(id).is_some()));
        let race = next.and_then(|next| self.transfers.get(next)?.race);
        let left = net.left_to_try(race, addresses);
        let clock = Clock::new(&mut net.timers, net.now);
        net.gates.has_address(id, left.as_ref().unwrap_or(addresses), &mut net.pool, clock)
    }

    /// A connection is ready too early for its request, which waits for its time: it is idle until then.
    #[cold]
    pub(in crate::engine) fn step_aside(
        &mut self,
        net: &mut Net,
        id: ConnectionId,
        transfer: TransferId,
    ) {
        let Some(origin) = self.queue_first(net, transfer) else { return };
        self.schedule_transfer(net, transfer);
        net.gates.put_off(id, origin);
        net.pool.set_idle(id, net.now);
        net.gates.set_idle(id);
        net.touch(id);
        net.to_serve.push_back(origin);
    }
}

impl Net {
    /// The origin whose turn it is at a gate that has opened.
    #[inline]
    pub(in crate::engine) fn next_at_gates(&mut self) -> Option<OriginId> {
        self.gates.next_turn(Clock::new(&mut self.timers, self.now))
    }

    /// As [`Engine::set_host_limits`].
    pub(in crate::engine) fn set_host_limits(
        &mut self,
        max_per_host: Option<usize>,
        max_per_address: Option<usize>,
    ) {
        let rules = self.gates.rules();
        self.set_rules(Rules { max_per_host, max_per_address, ..rules });
    }

    /// As [`Engine::set_politeness`].
    pub(in crate::engine) fn set_politeness(&mut self, politeness: Politeness) {
        let rules = self.gates.rules();
        self.set_rules(Rules { politeness, ..rules });
    }

    /// As [`Engine::set_interval`].
    pub(in crate::engine) fn set_interval(&mut self, host: &Host, interval: Option<Duration>) {
        if !self.gates.any() && interval.is_some() {
            self.set_rules(self.gates.rules());
        }
        if let Some(table) = &mut self.gates.0 {
            table.set_interval(host, interval, self.now);
        }
        if !self.gates.has_rules() {
            self.set_rules(self.gates.rules());
        }
    }

    /// Puts other rules in force, at the cost of looking at all origins and connections.
    fn set_rules(&mut self, rules: Rules) {
        let clock = Clock::new(&mut self.timers, self.now);
        let mut table = match self.gates.0.take() {
            Some(table) => table.with_rules(rules, clock),
            None => Table::new(rules),
        };
        for (id, connection) in self.pool.connections.iter() {
            if connection.channel().is_some() {
                continue;
            }
            let Some(origin) = self.pool.get(connection.origin) else { continue };
            table.meet(connection.origin, &origin.key);
            let starting = matches!(
                connection.state,
                State::Connecting(_) | State::Tunnelling(_) | State::Handshaking(_)
            );
            let requests = match &connection.state {
                State::Multiplexed(link) => link.exchanges,
                _ => usize::from(!connection.is_idle()),
            };
            let race = connection.race().and_then(|race| self.races.get(race));
            let beside = race.is_some_and(|race| race.is_beside(id));
            let stage = Stage { requests, starting, beside };
            let ip = (!origin.key.is_local()).then(|| connection.remote.ip());
            table.adopt((id, connection.origin), ip, stage, self.now);
        }
        self.gates = Gates(Some(Box::new(table)));
        while let Some(idle) = self.gates.idle_surplus() {
            self.close(idle);
        }
        self.to_serve.extend(self.pool.waiting_origins());
    }

    /// Closes idle connections whose places an origin's next connection, which may have a `race` that was parked, is to have.
    #[inline]
    pub(in crate::engine) fn clear_the_way(
        &mut self,
        id: OriginId,
        race: Option<RaceId>,
        addresses: &Addresses,
    ) {
        if self.gates.any() {
            let left = self.left_to_try(race, addresses);
            let left = left.as_ref().unwrap_or(addresses);
            let with_gates = if self.pool.leads_inside(id) { &[] } else { &**left };
            while let Some(idle) = self.gates.in_the_way(id, with_gates, self.now) {
                self.stats.evicted += 1;
                self.close(idle);
            }
        }
    }
}
