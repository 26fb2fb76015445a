//! From a queued transfer to its exchange: admission, look-up, connection slot, connection.
//!
//! A transfer takes an idle connection of its origin, or waits for what it lacks to open one: the
//! origin's own limit, then the host's addresses, then a slot among all connections. Each of the
//! three is one queue; what becomes free wakes one eligible transfer.

use std::net::{IpAddr, SocketAddr};

use crate::engine::dials::race::First;
use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::{Exchange, ExchangeId};
use crate::engine::gates::Clock;
use crate::engine::links::connection::{Connecting, Connection, State};
use crate::engine::names::resolve::{Addresses, LookupId, Outcome, Resolver};
use crate::engine::pool::{OriginId, PoolKey, PoolOrigin};
use crate::engine::transfers::transfer::Place;
use crate::engine::{ConnectionId, Engine, Output, Request, TransferId, error_before_exchange};
use crate::error::{Cause, Phase, Unresolved};
use crate::limits;
use crate::protocol::{Exchange as Http1, Host};
use crate::time::Time;

impl Engine {
    /// Admits transfers that were added since the last batch.
    pub(in crate::engine) fn admit(&mut self) {
        for _ in 0..limits::ADMITTED_PER_BATCH {
            let Some(id) = self.arrivals.pop_front() else { break };
            self.stamp(id);
            if let Some(transfer) = self.transfers.get(id)
                && transfer.place == Place::Connection
            {
                self.serve(transfer.origin);
            }
        }
    }

    /// Lets everybody proceed who has become able to.
    #[inline]
    pub(in crate::engine) fn settle(&mut self) {
        self.release_free();
        // most facts concern nobody who waits
        let nobody = self.to_serve.is_empty()
            && self.pool.is_slot_queue_empty()
            && !self.resolver.has_queued()
            && !self.gates.any()
            && !self.channels.any();
        if !nobody {
            self.settle_all();
        }
    }

    fn settle_all(&mut self) {
        loop {
            self.release_free();
            while let Some(origin) = self.to_serve.pop_front() {
                self.serve(origin);
            }
            while self.pool.slots_wanted() && self.make_slot() {
                let Some(origin) = self.pool.next_for_slot() else { break };
                self.take_turn(origin);
            }
            if self.serve_at_gates() {
                continue;
            }
            self.start_lookups();
            self.serve_names();
            // what was found may be waited for
            if self.to_serve.is_empty() && self.free.is_empty() {
                return;
            }
        }
    }

    /// A connection that just became free serves its origin's next transfer. False if none waits.
    #[inline(always)]
    pub(in crate::engine) fn serve_next_on(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.pool.connections.get(id) else { return false };
        let origin = connection.origin;
        if !self.gates.may_start(origin, &mut self.pool, Clock::new(&mut self.timers, self.now)) {
            return false;
        }
        if !self.gates.may_go_on(id, self.now) {
            // when the connection is idle
            self.to_serve.push_back(origin);
            return false;
        }
        let Some(transfer) = self.pop(origin) else { return false };
        self.begin(id, transfer);
        true
    }

    /// Puts a transfer, whose stale connection was closed, onto a new one.
    pub(in crate::engine) fn relaunch(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        transfer.place = Place::Connection;
        transfer.since = self.now;
        let origin = transfer.origin;
        // others may have lost the same connection: they are to share one again
        let alone = |origin: &&PoolOrigin| !origin.may_speak_http2();
        let known = self.pool.get(origin).filter(alone);
        match known.map(|origin| addresses(&self.resolver, &origin.key, self.now)) {
            // what is sent again is another request at the gates
            Some(Ok(addresses)) if self.pool.has_slot() && !self.gates.any() => {
                self.open(origin, id, addresses);
            }
            _ => {
                self.queue_first(id);
                self.schedule_transfer(id);
                self.to_serve.push_back(origin);
            }
        }
    }

    /// The socket of a connection is connected.
    pub fn handle_connected(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let State::Connecting(Connecting { transfer, since, races, early }) = &mut connection.state
        else {
            return self.channel_connected(id);
        };
        let (transfer, since, races, early) = (*transfer, *since, *races, early.take());
        let connection = if races {
            self.win_race(transfer, id);
            let Some(connection) = self.pool.connections.get_mut(id) else { return };
            connection
        } else {
            connection
        };
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.spent.connect += now.nanos_since(since);
        }
        match early {
            Some(early) => {
                connection.state = State::Exchanging(early);
                self.begin_on_time(early);
            }
            None => self.set_up(id, transfer, since),
        }
    }

    /// An exchange, whose first bytes the driver had before, begins: its connection is there.
    fn begin_on_time(&mut self, id: ExchangeId) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let connection = exchange.connection;
        exchange.since = now;
        exchange.moved = now;
        exchange.measured.0 = now;
        if let Some(transfer) = self.transfers.get_mut(exchange.transfer) {
            exchange.holds.set_paused(transfer.paused);
            transfer.place = Place::Exchange(id);
        }
        self.gates.begin(connection, self.now);
        self.touch(connection);
    }

    /// Starts a transfer's exchange on a connection that is ready for it.
    pub(in crate::engine) fn begin(&mut self, id: ConnectionId, transfer: TransferId) {
        if !self.gates.may_begin(id, self.now) {
            return self.step_aside(id, transfer);
        }
        let Some(exchange) = self.exchange_for(id, transfer) else { return };
        self.pool.unlink_idle(id);
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let on_stream = match &mut connection.state {
            State::Multiplexed(link) => {
                link.exchanges += 1;
                link.idle = None;
                true
            }
            state => {
                *state = State::Exchanging(exchange);
                false
            }
        };
        if connection.uses > 0 {
            self.stats.reused += 1;
        }
        connection.uses += 1;
        connection.turns += 1;
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.place = Place::Exchange(exchange);
        }
        self.gates.begin(id, self.now);
        self.touch(id);
        if on_stream {
            self.schedule_exchange(exchange);
        }
    }

    /// A fresh exchange of a transfer on a connection.
    pub(in crate::engine) fn exchange_for(
        &mut self,
        id: ConnectionId,
        transfer_id: TransferId,
    ) -> Option<ExchangeId> {
        let connection = self.pool.connections.get_mut(id)?;
        let transfer = self.transfers.get_mut(transfer_id)?;
        if let Some(timer) = transfer.timer.take() {
            self.timers.cancel(timer);
        }
        if transfer.identity.is_some() {
            transfer.dress(connection.forwarder.as_deref(), &mut self.common.keeper, self.now);
        }
        let parties = (transfer_id, id);
        let exchange = match &mut connection.state {
            State::Multiplexed(link) => {
                let key = self.exchanges.next_id().to_bits();
                let stream = link.begin(key, &transfer.request)?;
                Exchange::new(parties, Codec::Http2(stream), transfer, connection.wire, self.now)
            }
            _ => {
                let Request { head, body, options, .. } = &transfer.request;
                let mut codec = Http1::new(head, body.length(), &options.http);
                if options.raw {
                    codec.keep_chunks();
                }
                Exchange::new(parties, Codec::Http1(codec), transfer, connection.wire, self.now)
            }
        };
        Some(self.exchanges.insert(exchange))
    }

    /// Launches as many of an origin's transfers as can be.
    pub(in crate::engine) fn serve(&mut self, id: OriginId) {
        while self.gates.may_start(id, &mut self.pool, Clock::new(&mut self.timers, self.now))
            && let Some(origin) = self.pool.get(id)
            && origin.queued() > 0
        {
            let shares = origin.may_speak_http2();
            let ready = match shares || self.gates.any() {
                true => self.ready_connection(id),
                false => self.pool.last_idle(id),
            };
            if let Some(connection) = ready {
                let Some(transfer) = self.pop(id) else { break };
                self.begin(connection, transfer);
                continue;
            }
            if shares && (self.await_dial(id) || self.has_enough_connections(id)) {
                break;
            }
            if !self.pool.origin_has_room(id)
                || !self.gates.has_place(id, &mut self.pool, Clock::new(&mut self.timers, self.now))
            {
                break;
            }
            let Some(origin) = self.pool.get(id) else { break };
            match addresses(&self.resolver, &origin.key, self.now) {
                Err(_) if self.pool.slot_queue_is_long() => return self.pool.await_slot(id),
                Err(host) => self.await_addresses(id, &host),
                Ok(addresses) if !self.has_address(id, &addresses) => break,
                Ok(_) if self.pool.slots_wanted() || !self.make_slot() => {
                    return self.pool.await_slot(id);
                }
                Ok(addresses) => {
                    let Some(transfer) = self.pop(id) else { break };
                    self.open(id, transfer, addresses);
                }
            }
        }
        if let Some(forgotten) = self.pool.forget_if_unused(id) {
            if let Some(timer) = forgotten.dial_timer {
                self.timers.cancel(timer);
            }
            let clock = Clock::new(&mut self.timers, self.now);
            self.gates.forget(id, clock);
        }
    }

    /// The origin's turn to take a free slot has come. It takes one; if it wants more it queues
    /// again.
    fn take_turn(&mut self, id: OriginId) {
        self.gates.begin_turn(id);
        let wants =
            self.gates.may_start(id, &mut self.pool, Clock::new(&mut self.timers, self.now))
                && self.pool.get(id).is_some_and(|origin| origin.queued() > 0)
                && self.ready_connection(id).is_none()
                && !self.pool.awaits_dial(id)
                && !self.has_enough_connections(id)
                && self.pool.origin_has_room(id)
                && self.gates.has_place(id, &mut self.pool, Clock::new(&mut self.timers, self.now));
        if wants && let Some(origin) = self.pool.get(id) {
            match addresses(&self.resolver, &origin.key, self.now) {
                Ok(addresses) if self.has_address(id, &addresses) => {
                    if let Some(transfer) = self.pop(id) {
                        self.open(id, transfer, addresses);
                    }
                }
                Ok(_) => {}
                Err(host) => {
                    self.pool.miss_turn(id);
                    self.await_addresses(id, &host);
                }
            }
        }
        self.serve(id);
        self.gates.end_turn(id, &self.pool, self.now);
    }

    /// Makes sure that one more connection may be opened, at the cost of an idle one if need be.
    fn make_slot(&mut self) -> bool {
        while !self.pool.has_slot() {
            let Some(idle) = self.pool.oldest_idle() else { return false };
            self.stats.evicted += 1;
            self.close(idle);
        }
        true
    }

    fn pop(&mut self, origin: OriginId) -> Option<TransferId> {
        let id = loop {
            let transfers = &self.transfers;
            let id = self.pool.get_mut(origin)?.pop(|id| transfers.get(id).is_some())?;
            if !self.refuses_target(id) {
                break id;
            }
        };
        if self.gates.any() && self.pool.get(origin)?.queued() == 0 {
            let clock = Clock::new(&mut self.timers, self.now);
            self.gates.leave_lines(origin, clock);
        }
        let transfer = self.transfers.get_mut(id)?;
        match transfer.place {
            // it has not waited
            Place::Admission => self.stamp(id),
            _ => transfer.spent.queue += self.now.nanos_since(transfer.since),
        }
        Some(id)
    }

    /// Notes the time at which a transfer was admitted.
    pub(super) fn stamp(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        if transfer.place == Place::Admission {
            transfer.place = Place::Connection;
            transfer.added = self.now;
            transfer.since = self.now;
            self.schedule_transfer(id);
        }
    }

    // look-ups

    fn await_addresses(&mut self, id: OriginId, host: &Host) {
        let Some(transfer_id) = self.pop(id) else { return };
        self.gates.miss_turn(id);
        let Some(origin) = self.pool.get_mut(id) else { return };
        let Some(transfer) = self.transfers.get_mut(transfer_id) else { return };
        origin.resolving += 1;
        let lookup = self.resolver.join(host, transfer_id);
        transfer.place = Place::Addresses(lookup);
        transfer.since = self.now;
        self.schedule_transfer(transfer_id);
    }

    fn start_lookups(&mut self) {
        loop {
            let room = self.resolver.has_queued_own() && self.channels.have_room(self.now);
            let Some((lookup, host, waiters)) = self.resolver.start_next(room) else { return };
            let waiters = waiters.to_vec();
            for id in waiters {
                let Some(transfer) = self.transfers.get_mut(id) else { continue };
                transfer.spent.queue += self.now.nanos_since(transfer.since);
                transfer.since = self.now;
                self.schedule_transfer(id);
            }
            if let Some(why) = self.resolver.known_failure(&host, self.now) {
                self.end_lookup(lookup, Outcome::Unknown { why });
                continue;
            }
            self.stats.lookups += 1;
            if !self.start_own_lookup(lookup, &host) {
                self.outputs.push_back(Output::Resolve { lookup, host });
            }
        }
    }

    pub(in crate::engine) fn finish_lookup(
        &mut self,
        lookup: LookupId,
        result: Result<Vec<IpAddr>, String>,
    ) {
        let outcome = match result {
            Ok(addresses) if addresses.is_empty() => {
                Outcome::Unknown { why: Unresolved::lasting("the name has no address") }
            }
            Ok(addresses) => Outcome::Found { addresses: addresses.into(), ttl: None },
            Err(why) => Outcome::Unknown { why: why.into() },
        };
        self.end_lookup(lookup, outcome);
    }

    /// A look-up is over.
    pub(in crate::engine) fn end_lookup(&mut self, lookup: LookupId, outcome: Outcome) {
        let (waiters, result) = self.resolver.finish(lookup, outcome, self.now);
        self.tell_waiters(waiters, &result);
    }

    /// Those who have waited for a look-up go on, or fail.
    pub(in crate::engine) fn tell_waiters(
        &mut self,
        waiters: Vec<TransferId>,
        result: &Result<Addresses, Unresolved>,
    ) {
        // last first, since each goes to the front of its queue
        for id in waiters.into_iter().rev() {
            let Some(transfer) = self.transfers.get_mut(id) else { continue };
            transfer.spent.resolve += self.now.nanos_since(transfer.since);
            transfer.since = self.now;
            match result {
                Ok(_) => self.requeue(id),
                Err(why) => {
                    let cause = Cause::Resolve(why.clone());
                    self.end(id, error_before_exchange(cause, Phase::Resolve));
                }
            }
        }
    }

    /// A transfer whose addresses are known now goes back to wait for a connection.
    fn requeue(&mut self, id: TransferId) {
        let Some(origin_id) = self.queue_first(id) else { return };
        if let Some(origin) = self.pool.get_mut(origin_id) {
            origin.resolving -= 1;
        }
        self.schedule_transfer(id);
        self.to_serve.push_back(origin_id);
    }

    /// Puts a transfer that is in no queue first in its origin's.
    pub(in crate::engine) fn queue_first(&mut self, id: TransferId) -> Option<OriginId> {
        let transfer = self.transfers.get_mut(id)?;
        transfer.place = Place::Connection;
        transfer.since = self.now;
        self.pool.get_mut(transfer.origin)?.push_front(id);
        Some(transfer.origin)
    }

    // connections

    fn open(&mut self, origin_id: OriginId, transfer_id: TransferId, addresses: Addresses) {
        self.clear_the_way(origin_id, transfer_id, &addresses);
        let Some(origin) = self.pool.get(origin_id) else { return };
        if addresses.is_empty() {
            // of those that there are the way leads to none
            let complaint = origin.key.way.as_ref().map_or(String::new(), |way| way.complaint());
            return self.give_up_opening(
                transfer_id,
                Cause::Resolve(Unresolved::lasting(&complaint)),
                Phase::Resolve,
            );
        }
        let (_, port) = origin.key.peer();
        let apart = origin.key.is_local();
        let has_via = origin.key.via.is_some();
        let may_share = origin.may_speak_http2();
        let first = match apart {
            // what is connected to has no address
            true => Ok(First { address: SocketAddr::new(addresses[0], port), races: false }),
            false => self.first_attempt(transfer_id, &addresses, port),
        };
        let First { address, races } = match first {
            Ok(first) => first,
            Err(cause) => return self.give_up_opening(transfer_id, cause, Phase::Connect),
        };
        let told = if has_via { self.introduction(origin_id, transfer_id) } else { None };
        let Some(origin) = self.pool.get(origin_id) else { return };
        let mut connection = Connection::new(origin_id, address, transfer_id, races, self.now);
        let equipped = self.equip(&mut connection, origin, transfer_id, told.as_deref());
        if let Err((cause, phase)) = equipped {
            return self.give_up_opening(transfer_id, cause, phase);
        }
        let id = self.pool.open(origin_id, connection);
        if may_share {
            self.pool.note_dial(id);
        }
        self.gates.open(id, origin_id, false, self.now);
        self.stats.opened += 1;
        let Some(transfer) = self.transfers.get_mut(transfer_id) else { return };
        transfer.place = Place::Opening(id);
        if let Some(timer) = transfer.timer.take() {
            self.timers.cancel(timer);
        }
        let leads_somewhere = self.dial_first(transfer_id, id) || !self.await_address(id);
        self.gates.launched(origin_id, self.now);
        if leads_somewhere {
            self.schedule(id);
        }
    }

    #[cold]
    fn give_up_opening(&mut self, id: TransferId, cause: Cause, phase: Phase) {
        // as one that waits it can be taken out
        self.queue_first(id);
        self.end(id, error_before_exchange(cause, phase));
    }
}

/// The addresses that a connection can be opened to, or the name that has to be looked up before.
pub(super) fn addresses(resolver: &Resolver, key: &PoolKey, now: Time) -> Result<Addresses, Host> {
    let (host, port) = key.peer();
    let known = || resolver.known(host, port, now);
    let addresses = match &key.way {
        None => known(),
        Some(way) => way.addresses(known),
    };
    let addresses = addresses.ok_or_else(|| host.clone())?;
    if let Some(via) = key.tunnel()
        && via.proxy.protocol().wants_address()
        && let (host, port) = key.target()
        && resolver.known(host, port, now).is_none()
    {
        return Err(host.clone());
    }
    Ok(addresses)
}
