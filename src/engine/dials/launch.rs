//! From a queued transfer to its exchange: admission, look-up, connection slot, connection.
//!
//! A transfer takes an idle connection of its origin, or waits for what it lacks to open one: the
//! origin's own limit, then the host's addresses, then a slot among all connections. Each of the
//! three is one queue; what becomes free wakes one eligible transfer.

use std::net::SocketAddr;

use crate::engine::dials::race::First;
use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::Exchange;
use crate::engine::gates::Clock;
use crate::engine::ids::{ConnectionId, ExchangeId, LookupId, OriginId, RaceId, TransferId};
use crate::engine::links::claim::Claim;
use crate::engine::links::connection::{Connecting, Connection, State};
use crate::engine::names::answer::{Addresses, LookupOutcome};
use crate::engine::names::resolve::Resolver;
use crate::engine::net::Net;
use crate::engine::pool::PoolOrigin;
use crate::engine::pool::key::PoolKey;
use crate::engine::roster::Roster;
use crate::engine::transfers::transfer::{Place, Transfer};
use crate::engine::{Engine, Output, Request};
use crate::error::{Cause, Error, Phase, Unresolved};
use crate::limits;
use crate::protocol::{Exchange as Http1, Host};
use crate::time::Time;

impl Engine {
    /// Admits transfers that were added since the last batch.
    pub(in crate::engine) fn admit(&mut self) {
        for _ in 0..limits::ADMITTED_PER_BATCH {
            let Some(id) = self.roster.arrivals.pop_front() else {
                self.roster.give_back_arrivals();
                break;
            };
            self.roster.stamp(&mut self.net, id);
            if let Some(transfer) = self.roster.transfers.get(id)
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
        let nobody = self.net.to_serve.is_empty()
            && self.net.pool.is_slot_queue_empty()
            && !self.net.resolver.has_queued()
            && !self.net.gates.any()
            && !self.net.channels.any();
        if !nobody {
            self.settle_all();
        }
    }

    fn settle_all(&mut self) {
        loop {
            self.release_free();
            while let Some(origin) = self.net.to_serve.pop_front() {
                self.serve(origin);
            }
            while self.net.pool.slots_wanted() && self.net.make_slot() {
                let Some(origin) = self.net.pool.next_for_slot() else { break };
                self.take_turn(origin);
            }
            if let Some(origin) = self.net.next_at_gates() {
                self.serve(origin);
                self.net.gates.end_turn(origin, &self.net.pool, self.net.now);
                continue;
            }
            self.start_lookups();
            self.serve_names();
            // what was found may be waited for
            if self.net.to_serve.is_empty() && self.net.free.is_empty() {
                return;
            }
        }
    }

    /// A connection that just became free serves its origin's next transfer. False if none waits.
    #[inline(always)]
    pub(in crate::engine) fn serve_next_on(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.net.pool.connections.get(id) else { return false };
        let origin = connection.origin;
        if !self.net.gates.may_start(
            origin,
            &mut self.net.pool,
            Clock::new(&mut self.net.timers, self.net.now),
        ) {
            return false;
        }
        if !self.net.gates.may_go_on(id, self.net.now) {
            // when the connection is idle
            self.net.to_serve.push_back(origin);
            return false;
        }
        let waits_longest = self.roster.recall(&mut self.net, id, origin);
        let Some(transfer) = waits_longest.or_else(|| self.pop(origin)) else { return false };
        self.roster.begin(&mut self.net, id, transfer);
        true
    }

    /// Puts a transfer, whose stale connection was closed, onto a new one.
    pub(in crate::engine) fn relaunch(&mut self, id: TransferId) {
        let Some(transfer) = self.roster.transfers.get_mut(id) else { return };
        transfer.place = Place::Connection;
        transfer.since = self.net.now;
        let origin = transfer.origin;
        // others may have lost the same connection: they are to share one again
        let alone = |origin: &&PoolOrigin| !origin.may_speak_http2();
        let known = self.net.pool.get(origin).filter(alone);
        match known.map(|origin| addresses(&self.net.resolver, &origin.key, self.net.now)) {
            // what is sent again is another request at the gates
            Some(Ok(addresses)) if self.net.pool.has_slot() && !self.net.gates.any() => {
                self.open(origin, id, addresses);
            }
            _ => {
                self.roster.queue_first(&mut self.net, id);
                self.roster.schedule_transfer(&mut self.net, id);
                self.net.to_serve.push_back(origin);
            }
        }
    }

    /// The socket of a connection is connected.
    pub fn handle_connected(&mut self, id: ConnectionId) {
        let now = self.net.now;
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        match &connection.state {
            State::Connecting(state) => {
                if let Some(race) = state.race {
                    let transfer = state.claim.transfer;
                    let race = self.net.win_race(race, id);
                    self.roster.set_race(&mut self.net, transfer, race);
                    if let Some(transfer) = self.roster.transfers.get_mut(transfer) {
                        transfer.place = Place::Opening(id);
                    }
                }
            }
            _ => {
                self.net.channel_connected(id);
                return self.settle();
            }
        }
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return };
        let state = std::mem::replace(&mut connection.state, State::Free);
        let State::Connecting(Connecting { claim, since, early, .. }) = state else {
            unreachable!("it was looked at")
        };
        if let Some(transfer) = self.roster.transfers.get_mut(claim.transfer) {
            transfer.spent.connect += now.nanos_since(since.max(transfer.since));
        }
        match early {
            Some(early) => {
                connection.state = State::Exchanging(early);
                self.roster.begin_on_time(&mut self.net, early);
            }
            None => self.roster.set_up(&mut self.net, id, claim, since),
        }
    }

    /// Launches as many of an origin's transfers as can be.
    pub(in crate::engine) fn serve(&mut self, id: OriginId) {
        while self.net.gates.may_start(
            id,
            &mut self.net.pool,
            Clock::new(&mut self.net.timers, self.net.now),
        ) && let Some(origin) = self.net.pool.get(id)
            && origin.queued() > 0
        {
            let shares = origin.may_speak_http2();
            let ready = match shares || self.net.gates.any() {
                true => self.net.ready_connection(id),
                false => self.net.pool.last_idle(id),
            };
            if let Some(connection) = ready {
                let Some(transfer) = self.pop(id) else { break };
                self.roster.begin(&mut self.net, connection, transfer);
                continue;
            }
            if shares && (self.net.await_dial(id) || self.net.has_enough_connections(id)) {
                break;
            }
            if !self.net.pool.origin_has_room(id)
                || !self.net.gates.has_place(
                    id,
                    &mut self.net.pool,
                    Clock::new(&mut self.net.timers, self.net.now),
                )
            {
                break;
            }
            let Some(origin) = self.net.pool.get(id) else { break };
            match addresses(&self.net.resolver, &origin.key, self.net.now) {
                Err(_) if self.net.pool.slot_queue_is_long() => {
                    return self.net.pool.await_slot(id);
                }
                Err(host) => self.await_addresses(id, &host),
                Ok(addresses) if !self.roster.has_address(&mut self.net, id, &addresses) => break,
                Ok(_) if self.net.pool.slots_wanted() || !self.net.make_slot() => {
                    return self.net.pool.await_slot(id);
                }
                Ok(addresses) => {
                    let Some(transfer) = self.pop(id) else { break };
                    self.open(id, transfer, addresses);
                }
            }
        }
        if let Some(forgotten) = self.net.pool.forget_if_unused(id) {
            if let Some(timer) = forgotten.dial_timer {
                self.net.timers.cancel(timer);
            }
            let clock = Clock::new(&mut self.net.timers, self.net.now);
            self.net.gates.forget(id, clock);
        }
    }

    /// The origin's turn to take a free slot has come. It takes one; if it wants more it queues
    /// again.
    fn take_turn(&mut self, id: OriginId) {
        self.net.gates.begin_turn(id);
        let wants = self.net.gates.may_start(
            id,
            &mut self.net.pool,
            Clock::new(&mut self.net.timers, self.net.now),
        ) && self.net.pool.get(id).is_some_and(|origin| origin.queued() > 0)
            && self.net.ready_connection(id).is_none()
            && !self.net.pool.awaits_dial(id)
            && !self.net.has_enough_connections(id)
            && self.net.pool.origin_has_room(id)
            && self.net.gates.has_place(
                id,
                &mut self.net.pool,
                Clock::new(&mut self.net.timers, self.net.now),
            );
        if wants && let Some(origin) = self.net.pool.get(id) {
            match addresses(&self.net.resolver, &origin.key, self.net.now) {
                Ok(addresses) if self.roster.has_address(&mut self.net, id, &addresses) => {
                    if let Some(transfer) = self.pop(id) {
                        self.open(id, transfer, addresses);
                    }
                }
                Ok(_) => {}
                Err(host) => {
                    self.net.pool.miss_turn(id);
                    self.await_addresses(id, &host);
                }
            }
        }
        self.serve(id);
        self.net.gates.end_turn(id, &self.net.pool, self.net.now);
    }

    fn pop(&mut self, origin: OriginId) -> Option<TransferId> {
        let id = loop {
            let transfers = &self.roster.transfers;
            let id = self.net.pool.get_mut(origin)?.pop(|id| transfers.get(id).is_some())?;
            let Some(cause) = self.roster.refusal(&self.net, id) else { break id };
            // as one that waits it can be taken out
            self.roster.queue_first(&mut self.net, id);
            self.end(id, Error::before_exchange(cause, Phase::Proxy));
        };
        if self.net.gates.any() && self.net.pool.get(origin)?.queued() == 0 {
            let clock = Clock::new(&mut self.net.timers, self.net.now);
            self.net.gates.leave_lines(origin, clock);
        }
        let transfer = self.roster.transfers.get_mut(id)?;
        match transfer.place {
            // it has not waited
            Place::Admission => self.roster.stamp(&mut self.net, id),
            _ => transfer.spent.queue += self.net.now.nanos_since(transfer.since),
        }
        Some(id)
    }

    /// Whoever a connection is being made for leaves: the next of its origin's queue gets it. False if none waits, or would have
    /// given it as long.
    #[cold]
    pub(in crate::engine) fn hand_on(&mut self, id: ConnectionId) -> bool {
        if !self.roster.has_heir(&mut self.net, id) {
            return false;
        }
        let Some(connection) = self.net.pool.connections.get(id) else { return false };
        let (origin, race) = (connection.origin, connection.race());
        let Some(next) = self.pop(origin) else { return false };
        self.roster.set_race(&mut self.net, next, race);
        let Some(transfer) = self.roster.transfers.get_mut(next) else { return false };
        (transfer.place, transfer.since) = (Place::Opening(id), self.net.now);
        if let Some(timer) = transfer.timer.take() {
            self.net.timers.cancel(timer);
        }
        let claim = transfer.claim(next);
        self.net.charge(id, claim);
        true
    }

    // look-ups

    fn await_addresses(&mut self, id: OriginId, host: &Host) {
        let Some(transfer_id) = self.pop(id) else { return };
        self.net.gates.miss_turn(id);
        let Some(origin) = self.net.pool.get_mut(id) else { return };
        let Some(transfer) = self.roster.transfers.get_mut(transfer_id) else { return };
        origin.resolving += 1;
        let lookup = self.net.resolver.join(host, transfer_id);
        transfer.place = Place::Addresses(lookup);
        transfer.since = self.net.now;
        self.roster.schedule_transfer(&mut self.net, transfer_id);
    }

    fn start_lookups(&mut self) {
        loop {
            let room =
                self.net.resolver.has_queued_own() && self.net.channels.have_room(self.net.now);
            let Some((lookup, host, waiters)) = self.net.resolver.start_next(room) else { return };
            let waiters = waiters.to_vec();
            for id in waiters {
                let Some(transfer) = self.roster.transfers.get_mut(id) else { continue };
                transfer.spent.queue += self.net.now.nanos_since(transfer.since);
                transfer.since = self.net.now;
                self.roster.schedule_transfer(&mut self.net, id);
            }
            if let Some(why) = self.net.resolver.known_failure(&host, self.net.now) {
                self.end_lookup(lookup, LookupOutcome::Unknown { why });
                continue;
            }
            self.net.stats.lookups += 1;
            if !self.net.start_own_lookup(lookup, &host) {
                self.net.outputs.push_back(Output::Resolve { lookup, host });
            }
        }
    }

    /// A look-up is over.
    pub(in crate::engine) fn end_lookup(&mut self, lookup: LookupId, outcome: LookupOutcome) {
        let (waiters, result) = self.net.resolver.finish(lookup, outcome, self.net.now);
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
            let Some(transfer) = self.roster.transfers.get_mut(id) else { continue };
            transfer.spent.resolve += self.net.now.nanos_since(transfer.since);
            transfer.since = self.net.now;
            match result {
                Ok(_) => self.roster.requeue(&mut self.net, id),
                Err(why) => {
                    let cause = Cause::Resolve(why.clone());
                    self.end(id, Error::before_exchange(cause, Phase::Resolve));
                }
            }
        }
    }

    // connections

    fn open(&mut self, origin: OriginId, id: TransferId, addresses: Addresses) {
        let has_proxies = |transfer: &Transfer| transfer.request.options.proxies.is_some();
        let told = match self.roster.transfers.get(id).is_some_and(has_proxies) {
            true => self.roster.introduction(&mut self.net, origin, id),
            false => None,
        };
        let Some(transfer) = self.roster.transfers.get_mut(id) else { return };
        let claim = transfer.claim(id);
        let (race, opened) = self.net.open(origin, (claim, transfer.race), told, &addresses);
        transfer.race = race.or(transfer.race);
        let (connection, leads_somewhere) = match opened {
            Ok(opened) => opened,
            Err((cause, phase)) => {
                self.roster.queue_first(&mut self.net, id);
                return self.end(id, Error::before_exchange(cause, phase));
            }
        };
        transfer.place = Place::Opening(connection);
        if let Some(timer) = transfer.timer.take() {
            self.net.timers.cancel(timer);
        }
        let leads_somewhere =
            leads_somewhere || !self.roster.await_address(&mut self.net, connection);
        self.net.gates.launched(origin, self.net.now);
        if leads_somewhere {
            self.net.schedule(connection);
        }
    }
}

impl Roster {
    /// Whether a connection that is being made may be for the next of its origin's queue as well as for whom it is made. A connect
    /// may be with the kernel together with its deadline, and has to have that still; or with a part of the request.
    #[cold]
    fn has_heir(&self, net: &mut Net, id: ConnectionId) -> bool {
        let Some(connection) = net.pool.connections.get(id) else { return false };
        let Some(claim) = connection.claim() else { return false };
        let connect = claim.options.timeouts.connect;
        let must_be_alike = match &connection.state {
            State::Connecting(state) if state.early.is_some() => return false,
            State::Connecting(_) if connection.is_bound_by_total() => return false,
            State::Connecting(_) => true,
            _ => false,
        };
        let Some(origin) = net.pool.get_mut(connection.origin) else { return false };
        let next = origin.next(|id| self.transfers.get(id).is_some());
        let next = next.and_then(|id| self.transfers.get(id));
        next.is_some_and(|it| !must_be_alike || it.request.options.timeouts.connect == connect)
    }

    /// The transfer that has waited longest for a connection which is being made for it, if that takes long: it goes on one that is
    /// `ready`, before those that are queued, and what was being made is closed. At gates the one has what the other needs, so
    /// that it keeps it.
    #[inline]
    fn recall(
        &mut self,
        net: &mut Net,
        ready: ConnectionId,
        origin: OriginId,
    ) -> Option<TransferId> {
        match net.pool.has_openings(origin) && !net.gates.any() {
            true => self.recall_late(net, ready, origin),
            false => None,
        }
    }

    #[cold]
    fn recall_late(
        &mut self,
        net: &mut Net,
        ready: ConnectionId,
        origin: OriginId,
    ) -> Option<TransferId> {
        let waits = |id, connection| {
            let transfer: Option<&Transfer> = self.transfers.get(id);
            transfer.is_some_and(|transfer| transfer.place == Place::Opening(connection))
        };
        let dial = net.pool.first_opening(origin, waits)?;
        let connection = net.pool.connections.get(dial).filter(|it| it.is_late(net.now))?;
        let shares = net.pool.connections.get(ready)?.may_be_shared();
        // one that was refused by HTTP/2 waits for a connection of the other kind
        if shares && !net.pool.get(origin)?.may_speak_http2() {
            return None;
        }
        let id = connection.opens_for()?;
        let transfer = self.transfers.get_mut(id)?;
        transfer.spent = transfer.spent_by_now(Some(connection), net);
        (transfer.place, transfer.since) = (Place::Connection, net.now);
        let race = transfer.race.take();
        net.close(dial);
        race.into_iter().for_each(|race| net.abandon_race(race));
        Some(id)
    }

    /// An exchange, whose first bytes the driver had before, begins: its connection is there.
    fn begin_on_time(&mut self, net: &mut Net, id: ExchangeId) {
        let now = net.now;
        let Some(exchange) = net.exchanges.get_mut(id) else { return };
        let connection = exchange.connection;
        exchange.since = now;
        exchange.moved = now;
        exchange.measured.0 = now;
        if let Some(transfer) = self.transfers.get_mut(exchange.claim.transfer) {
            exchange.holds.set_paused(transfer.paused);
            transfer.place = Place::Exchange(id);
        }
        net.gates.begin(connection, net.now);
        net.touch(connection);
    }

    /// Starts a transfer's exchange on a connection that is ready for it.
    pub(in crate::engine) fn begin(
        &mut self,
        net: &mut Net,
        id: ConnectionId,
        transfer: TransferId,
    ) {
        if !net.gates.may_begin(id, net.now) {
            return self.step_aside(net, id, transfer);
        }
        let Some(exchange) = self.exchange_for(net, id, transfer) else { return };
        net.pool.unlink_idle(id);
        let Some(connection) = net.pool.connections.get_mut(id) else { return };
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
            net.stats.reused += 1;
        }
        connection.uses += 1;
        connection.turns += 1;
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.place = Place::Exchange(exchange);
        }
        net.gates.begin(id, net.now);
        net.touch(id);
        if on_stream {
            net.schedule_exchange(exchange);
        }
    }

    /// A fresh exchange of a transfer on a connection.
    pub(in crate::engine) fn exchange_for(
        &mut self,
        net: &mut Net,
        id: ConnectionId,
        transfer_id: TransferId,
    ) -> Option<ExchangeId> {
        let connection = net.pool.connections.get_mut(id)?;
        let transfer = self.transfers.get_mut(transfer_id)?;
        if let Some(timer) = transfer.timer.take() {
            net.timers.cancel(timer);
        }
        if transfer.identity.is_some() {
            transfer.write_identity(
                connection.forwarder.as_deref(),
                &mut self.common.knowledge,
                net.now,
            );
        }
        let parties = (transfer_id, id);
        let exchange = match &mut connection.state {
            State::Multiplexed(link) => {
                let key = net.exchanges.next_id().to_bits();
                let stream = link.begin(key, &transfer.request)?;
                Exchange::new(parties, Codec::Http2(stream), transfer, connection.wire, net.now)
            }
            _ => {
                let Request { head, body, options, .. } = &transfer.request;
                let mut codec = Http1::new(head, body.length(), &options.http);
                if options.raw {
                    codec.keep_chunks();
                }
                Exchange::new(parties, Codec::Http1(codec), transfer, connection.wire, net.now)
            }
        };
        Some(net.exchanges.insert(exchange))
    }

    /// Notes the time at which a transfer was admitted.
    pub(super) fn stamp(&mut self, net: &mut Net, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        if transfer.place == Place::Admission {
            transfer.place = Place::Connection;
            transfer.added = net.now;
            transfer.since = net.now;
            self.schedule_transfer(net, id);
        }
    }

    /// A transfer whose addresses are known now goes back to wait for a connection.
    fn requeue(&mut self, net: &mut Net, id: TransferId) {
        let Some(origin_id) = self.queue_first(net, id) else { return };
        if let Some(origin) = net.pool.get_mut(origin_id) {
            origin.resolving -= 1;
        }
        self.schedule_transfer(net, id);
        net.to_serve.push_back(origin_id);
    }

    /// Puts a transfer that is in no queue first in its origin's.
    pub(in crate::engine) fn queue_first(
        &mut self,
        net: &mut Net,
        id: TransferId,
    ) -> Option<OriginId> {
        let transfer = self.transfers.get_mut(id)?;
        transfer.place = Place::Connection;
        transfer.since = net.now;
        net.pool.get_mut(transfer.origin)?.push_front(id);
        Some(transfer.origin)
    }

    /// Has the transfer of a connection, of whose addresses all that had room have failed, wait for the others. False if
    /// there are none.
    #[cold]
    pub(in crate::engine) fn await_address(
        &mut self,
        net: &mut Net,
        connection_id: ConnectionId,
    ) -> bool {
        let Some(connection) = net.pool.connections.get(connection_id) else { return false };
        let State::Connecting(state) = &connection.state else { return false };
        let (id, since, race) = (state.claim.transfer, state.since, state.race);
        if !net.gates.any() || self.transfers.get(id).is_none() {
            return false;
        }
        // its only address has not been tried
        if race.is_some_and(|race| !net.park_race(race)) {
            return false;
        }
        if let Some(transfer) = self.transfers.get_mut(id) {
            transfer.spent.connect += net.now.nanos_since(since.max(transfer.since));
        }
        self.queue_first(net, id);
        net.close(connection_id);
        self.schedule_transfer(net, id);
        true
    }
}

/// A connection that was opened, and whether it leads somewhere by now; or why there is none.
type Opened = Result<(ConnectionId, bool), (Cause, Phase)>;

impl Net {
    /// Opens a connection of an origin for a claim, which may have a race that was `parked`, and whose proxy may be `told` who
    /// asks. Its race, if it has one from here on; the connection, and whether it leads somewhere by now, or why there is none.
    #[inline(always)]
    fn open(
        &mut self,
        origin_id: OriginId,
        (claim, parked): (Claim, Option<RaceId>),
        told: Option<Vec<u8>>,
        addresses: &Addresses,
    ) -> (Option<RaceId>, Opened) {
        self.clear_the_way(origin_id, parked, addresses);
        let Some(origin) = self.pool.get(origin_id) else {
            return (None, Err((Cause::Closed, Phase::Connect)));
        };
        if addresses.is_empty() {
            // of those that there are the way leads to none
            let complaint = origin.key.way.as_ref().map_or(String::new(), |way| way.complaint());
            let cause = Cause::Resolve(Unresolved::lasting(&complaint));
            return (None, Err((cause, Phase::Resolve)));
        }
        let (_, port) = origin.key.peer();
        let may_share = origin.may_speak_http2();
        // what a local way leads to has no address
        let only = match origin.key.is_local() {
            true => Some(addresses[0]),
            false => self.only_address(addresses),
        };
        let (address, race) = match only {
            Some(ip) => (SocketAddr::new(ip, port), None),
            None => {
                let before = (claim.clone(), parked);
                match self.begin_race(origin_id, before, addresses.clone(), port) {
                    First { address: Ok(address), race } => (address, race),
                    First { address: Err(cause), race } => {
                        return (race, Err((cause, Phase::Connect)));
                    }
                }
            }
        };
        let Some(origin) = self.pool.get(origin_id) else {
            return (race, Err((Cause::Closed, Phase::Connect)));
        };
        let mut connection = Connection::new(origin_id, address, claim, race, self.now);
        if let Err(failure) = self.equip(&mut connection, origin, told.as_deref()) {
            return (race, Err(failure));
        }
        if let Some(race) = race.and_then(|race| self.races.get_mut(race)) {
            race.tell(told);
        }
        let id = self.pool.open(origin_id, connection);
        if may_share {
            self.pool.note_dial(id);
        }
        self.gates.open(id, origin_id, false, self.now);
        self.stats.opened += 1;
        (race, Ok((id, self.dial_first(id))))
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
