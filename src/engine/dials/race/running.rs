//! Connections to the addresses of a host, one beside the other: begun, won, lost and given up.
//!
//! Knows races, connections and gates, and does what a race says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::engine::Output;
use crate::engine::dials::launch::addresses;
use crate::engine::dials::race::{First, Onward, Race, Run};
use crate::engine::ids::{ConnectionId, OriginId, RaceId};
use crate::engine::links::claim::Claim;
use crate::engine::links::connection::{Connection, State};
use crate::engine::names::answer::Addresses;
use crate::engine::net::Net;
use crate::engine::timer::Timer;
use crate::engine::timers::TimerId;
use crate::error::{AttemptEnd, Attempts, Cause, Unresolved};
use crate::limits;

impl Net {
    /// The address that the first attempt goes to, where it needs no race: gates may have one wait, and there may be more addresses to
    /// come.
    #[inline(always)]
    pub(in crate::engine::dials) fn only_address(&self, addresses: &Addresses) -> Option<IpAddr> {
        match &**addresses {
            &[ip]
                if !is_of_a_link(ip)
                    && self.config.address_policy.is_none()
                    && !self.gates.any()
                    && !self.resolver.has_partial() =>
            {
                Some(ip)
            }
            _ => None,
        }
    }

    /// Begins a race for this claim, which may have one that was parked. Where its first attempt goes to.
    #[cold]
    pub(in crate::engine::dials) fn begin_race(
        &mut self,
        origin: OriginId,
        (claim, before): (Claim, Option<RaceId>),
        addresses: Addresses,
        port: u16,
    ) -> First {
        let parked = before.filter(|&id| self.races.get(id).is_some_and(|race| race.parked));
        let had_parked = parked.is_some();
        let resumed = parked.filter(|&id| {
            self.races.get(id).is_some_and(|race| race.left_of(&addresses).is_some())
        });
        let is_single = addresses.len() == 1;
        let id = match resumed {
            Some(id) => {
                if let Some(race) = self.races.get_mut(id) {
                    race.resume(addresses, self.now);
                }
                id
            }
            None => self.races.insert(Race::new(origin, claim, addresses, port, self.now)),
        };
        let alone = !self.awaits_more(id) && is_single && !had_parked;
        let address = self.next_allowed(id);
        if alone && address.is_ok() {
            self.races.discard(id);
            return First { address, race: None };
        }
        if let Some(before) = before.filter(|&before| before != id) {
            self.races.discard(before);
        }
        First { address, race: Some(id) }
    }

    /// Begins the first attempt, on its connection. False if the gates have no room at any address.
    #[inline]
    pub(in crate::engine::dials) fn dial_first(&mut self, connection_id: ConnectionId) -> bool {
        let Some(connection) = self.pool.connections.get(connection_id) else { return false };
        let State::Connecting(state) = &connection.state else { return false };
        let (race, address) = (state.race, connection.remote);
        let free = !self.gates.any() || self.pool.leads_inside(connection.origin);
        if free && race.is_none() {
            self.dial(connection_id);
            return true;
        }
        match self.pass_gates(race, connection_id, address) {
            Some(address) => self.try_instead(race, connection_id, address),
            None => false,
        }
    }

    /// The first address that the gates let a connection lead to: this one, or else one that was not tried.
    fn pass_gates(
        &mut self,
        id: Option<RaceId>,
        connection: ConnectionId,
        mut address: SocketAddr,
    ) -> Option<SocketAddr> {
        loop {
            if self.gates.take_address(connection, address.ip(), self.now) {
                return Some(address);
            }
            self.races.get_mut(id?)?.passed.push(address.ip());
            address = self.next_in_race(id?)?;
        }
    }

    /// Of these addresses those that a race, which waits for room at them, has not tried; `None` where they are all of
    /// them, or none.
    #[cold]
    pub(in crate::engine) fn left_to_try(
        &self,
        id: Option<RaceId>,
        addresses: &Addresses,
    ) -> Option<Addresses> {
        self.races.get(id?)?.left_of(addresses)
    }

    /// Has a race wait for room at the addresses that it has passed. False if there are none.
    #[cold]
    pub(in crate::engine::dials) fn park_race(&mut self, id: RaceId) -> bool {
        let Some(race) = self.races.get_mut(id) else { return true };
        if race.passed.is_empty() {
            return false;
        }
        race.parked = true;
        self.end_race(id);
        true
    }

    /// An attempt failed, and its socket is closed: whether there are others, under way or to be begun at once.
    #[cold]
    pub(in crate::engine) fn go_on_without(
        &mut self,
        id: RaceId,
        connection_id: ConnectionId,
        cause: &Cause,
    ) -> Onward {
        // there may be room by now
        self.races.get_mut(id).into_iter().for_each(|race| race.passed.clear());
        if let Some(address) = self.next_in_race(id)
            && let Some(address) = self.pass_gates(Some(id), connection_id, address)
        {
            self.try_instead(Some(id), connection_id, address);
            return Onward::Same;
        }
        match self.go_on_with_others(id, connection_id) {
            Onward::Nowhere if self.hopes_for_more(id, connection_id, cause) => Onward::Same,
            onward => onward,
        }
    }

    /// Has a race whose attempts have all failed wait for addresses of the other family, if those may come: what is
    /// slower to be looked up may be all that leads there. Its connection has no socket until then.
    fn hopes_for_more(&mut self, id: RaceId, connection_id: ConnectionId, cause: &Cause) -> bool {
        if !self.awaits_more(id) {
            return false;
        }
        let Some(race) = self.races.get_mut(id) else { return false };
        race.stranded = Some((connection_id, cause.clone()));
        if let Some(connection) = self.pool.connections.get_mut(connection_id) {
            connection.set_stranded(true);
        }
        self.schedule(connection_id);
        true
    }

    /// There was no room for an attempt's socket: whether others are under way.
    #[cold]
    pub(in crate::engine) fn go_on_elsewhere(&mut self, connection_id: ConnectionId) -> Onward {
        let Some(id) = self.pool.connections.get(connection_id).and_then(Connection::race) else {
            return Onward::Nowhere;
        };
        let Some(race) = self.races.get_mut(id) else { return Onward::Nowhere };
        // what was not tried may be yet
        let tried = race.attempts.iter().position(|run| run.is_on(connection_id));
        let run = tried.map(|at| race.attempts.remove(at));
        let onward = self.go_on_with_others(id, connection_id);
        if let (Onward::Nowhere, Some(race), Some(run)) = (&onward, self.races.get_mut(id), run) {
            race.attempts.push(run);
        }
        onward
    }

    /// It is time for one more address beside those that have not answered.
    pub(in crate::engine) fn widen_race(&mut self, id: RaceId) {
        let Some(race) = self.races.get_mut(id) else { return };
        race.timer = None;
        if race.under_way().is_none() {
            return;
        }
        let origin = race.origin;
        let begun = self.has_room_beside(origin)
            && match self.next_beside(id) {
                Some(address) => self.try_beside(id, address),
                None => false,
            };
        if let Some(race) = self.races.get_mut(id) {
            race.lacks_addresses = !begun;
        }
        self.await_next(id, (!begun).then_some(limits::MOST_ATTEMPT_DELAY));
    }

    /// There are more addresses of the name to which attempts may be under way, or it is known that there are none. If it is
    /// past the time for one more, one is tried now (RFC 8305, 3). Says which connection goes on, or fails, by that.
    pub(in crate::engine) fn hear_of_more(&mut self, id: RaceId) -> Option<(ConnectionId, Cause)> {
        let race = self.races.get_mut(id)?;
        if let Some(stranded) = race.stranded.take() {
            return Some(stranded);
        }
        if let Some(timer) = race.timer.take_if(|_| race.lacks_addresses) {
            self.timers.cancel(timer);
            self.widen_race(id);
        }
        None
    }

    /// The next address to which there is room for one more connection.
    fn next_beside(&mut self, id: RaceId) -> Option<SocketAddr> {
        let race = self.races.get_mut(id)?;
        race.passed.clear();
        let origin = race.origin;
        loop {
            let address = self.next_in_race(id)?;
            if self.gates.has_room_at(address.ip(), origin, self.now) {
                return Some(address);
            }
            self.races.get_mut(id)?.passed.push(address.ip());
        }
    }

    /// A connection is connected: the others that raced with it are closed. The race, if it is worth a report.
    #[cold]
    pub(in crate::engine::dials) fn win_race(
        &mut self,
        id: RaceId,
        connection: ConnectionId,
    ) -> Option<RaceId> {
        let now = self.now;
        let race = self.races.get_mut(id)?;
        race.end_on(connection, AttemptEnd::Connected, now);
        race.main = Some(connection);
        let losers = race.end_all(&AttemptEnd::Lost, now);
        for &loser in &losers {
            self.pool.hand_dial_over(loser, connection);
            self.gates.hand_over(loser, connection);
        }
        let (upset, timer) = (race.upset(), race.timer.take());
        let is_plain = race.attempts.len() == 1;
        if is_plain {
            self.races.discard(id);
        }
        if let Some(family) = upset {
            self.families.prefer(family, now);
        }
        self.end_attempts(losers, timer);
        (!is_plain).then_some(id)
    }

    /// Connections that are being made fail, with the one of which `cause` is known. The race that this was.
    #[cold]
    pub(in crate::engine) fn lose_race(
        &mut self,
        connection: ConnectionId,
        cause: &Cause,
    ) -> Option<RaceId> {
        let end = match cause {
            Cause::Timeout { .. } => AttemptEnd::Unanswered,
            cause => AttemptEnd::Failed(cause.clone()),
        };
        let id = self.note_end(connection, end)?;
        self.end_race(id);
        Some(id)
    }

    /// A connection that is being made, with all that race for it, is for another transfer from here on.
    #[cold]
    pub(in crate::engine::dials) fn charge(&mut self, id: ConnectionId, claim: Claim) {
        let race = self.pool.connections.get(id).and_then(Connection::race);
        let mut connections = vec![id];
        if let Some(race) = race.and_then(|race| self.races.get_mut(race)) {
            race.claim = claim.clone();
            let open = race.attempts.iter().filter(|run| run.end.is_none());
            connections.extend(open.filter_map(|run| run.connection).filter(|&it| it != id));
        }
        for id in connections {
            if let Some(connection) = self.pool.connections.get_mut(id) {
                connection.charge(claim.clone());
                // whoever carries deadlines hears of another
                if !std::mem::replace(&mut connection.level_queued, true) {
                    self.outputs.push_back(Output::Level { connection: id });
                }
            }
            self.schedule(id);
        }
    }

    /// Nobody wants the connection any more that a race is for: what was tried is forgotten, and its connections are closed.
    #[cold]
    pub(in crate::engine) fn abandon_race(&mut self, id: RaceId) {
        self.end_race(id);
        self.races.discard(id);
    }

    /// What was tried, for a report.
    #[cold]
    pub(in crate::engine) fn take_attempts(&mut self, id: RaceId) -> Option<Box<Attempts>> {
        let race = self.races.remove(id)?;
        Some(Box::new(race.into_attempts(self.now)))
    }

    /// An attempt failed. The race that it is of; what was alone has one from here on. `None` if it is no attempt.
    pub(in crate::engine) fn note_failed(
        &mut self,
        connection: ConnectionId,
        cause: &Cause,
    ) -> Option<RaceId> {
        self.note_end(connection, AttemptEnd::Failed(cause.clone()))
    }

    // inside

    /// Notes how the attempt on a connection ended, unless that is known.
    fn note_end(&mut self, connection_id: ConnectionId, end: AttemptEnd) -> Option<RaceId> {
        let connection = self.pool.connections.get_mut(connection_id)?;
        let (remote, origin) = (connection.remote, connection.origin);
        let State::Connecting(state) = &mut connection.state else { return None };
        let (claim, since) = (&state.claim, state.since);
        let races = &mut self.races;
        let id = *state.race.get_or_insert_with(|| {
            let addresses = Addresses::from([remote.ip()]);
            let mut race = Race::new(origin, claim.clone(), addresses, remote.port(), since);
            race.begin(remote, connection_id, since);
            races.insert(race)
        });
        self.races.get_mut(id)?.end_on(connection_id, end, self.now);
        Some(id)
    }

    /// The next address that may be tried, of those that are known by now.
    fn next_in_race(&mut self, id: RaceId) -> Option<SocketAddr> {
        let race = self.races.get_mut(id)?;
        let key = &self.pool.get(race.origin)?.key;
        if let Ok(known) = addresses(&self.resolver, key, self.now) {
            race.addresses = known;
        }
        self.next_allowed(id).ok()
    }

    /// The next address that may be tried; those that the policy denies, or that lack a zone, are noted. The error is why the
    /// last one is not.
    fn next_allowed(&mut self, id: RaceId) -> Result<SocketAddr, Cause> {
        let mut denied = None;
        let better = self.families.better(self.now);
        while let Some(race) = self.races.get(id)
            && let Some(ip) = race.next(better)
        {
            let (address, origin) = (SocketAddr::new(ip, race.port), race.origin);
            match self.check_address(ip).and_then(|()| self.check_zone(origin, ip)) {
                Ok(()) => return Ok(address),
                Err(cause) => {
                    let end = Some((AttemptEnd::Failed(cause.clone()), self.now));
                    let run = Run { address, began: self.now, connection: None, end };
                    if let Some(race) = self.races.get_mut(id) {
                        race.attempts.push(run);
                    }
                    denied = Some(cause);
                }
            }
        }
        let none = || Cause::Resolve(Unresolved::lasting("the name has no address"));
        Err(denied.unwrap_or_else(none))
    }

    /// Tries an address on the connection whose attempt failed.
    fn try_instead(
        &mut self,
        id: Option<RaceId>,
        connection_id: ConnectionId,
        address: SocketAddr,
    ) -> bool {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(connection_id) else { return false };
        connection.remote = address;
        connection.set_stranded(false);
        if let Some(race) = id.and_then(|id| self.races.get_mut(id)) {
            race.begin(address, connection_id, now);
        }
        self.dial(connection_id);
        if let Some(id) = id {
            self.await_next(id, None);
        }
        true
    }

    /// Tries an address on a connection of its own.
    fn try_beside(&mut self, id: RaceId, address: SocketAddr) -> bool {
        let now = self.now;
        let Some(race) = self.races.get(id) else { return false };
        let (origin_id, claim) = (race.origin, race.claim.clone());
        let Some(origin) = self.pool.get(origin_id) else { return false };
        let mut connection = Connection::new(origin_id, address, claim, Some(id), race.began);
        if self.equip(&mut connection, origin, race.told.as_deref()).is_err() {
            return false;
        }
        let connection = self.pool.open(origin_id, connection);
        self.gates.open(connection, origin_id, true, now);
        self.gates.take_address(connection, address.ip(), now);
        self.stats.opened += 1;
        let Some(race) = self.races.get_mut(id) else { return false };
        race.begin(address, connection, now);
        self.dial(connection);
        self.schedule(connection);
        true
    }

    /// Whether one more connection may be opened that nobody has waited for.
    fn has_room_beside(&mut self, origin: OriginId) -> bool {
        self.pool.has_slot()
            && self.pool.origin_has_room(origin)
            && !self.pool.slots_wanted()
            && self.gates.has_place_beside(origin)
    }

    /// Whether more addresses may be found of the host that is to be connected to. Then the race hears of them.
    fn awaits_more(&mut self, id: RaceId) -> bool {
        let origin = self.races.get(id).and_then(|race| self.pool.get(race.origin));
        origin.is_some_and(|origin| self.resolver.await_more(origin.key.peer().0, id))
    }

    /// Has the next address tried in `wait`, or after the delay between two attempts. A request that was handed to the
    /// driver with the connect is not risked: who has one alone goes on when it has failed.
    fn await_next(&mut self, id: RaceId, wait: Option<Duration>) {
        let Some(race) = self.races.get_mut(id) else { return };
        if let Some(timer) = race.timer.take() {
            self.timers.cancel(timer);
        }
        let begun = |run: &Run| {
            let connection = run.connection.and_then(|id| self.pool.connections.get(id));
            matches!(connection.map(|c| &c.state), Some(State::Connecting(s)) if s.early.is_some())
        };
        if race.attempts.iter().any(begun) {
            return;
        }
        let wait = wait.unwrap_or_else(|| {
            let delay = race.claim.options.attempt_delay.unwrap_or(limits::ATTEMPT_DELAY);
            delay.clamp(limits::LEAST_ATTEMPT_DELAY, limits::MOST_ATTEMPT_DELAY)
        });
        race.timer = Some(self.timers.set(self.now + wait, Timer::Race(id)));
    }

    /// Leaves it to other attempts, if there are any, and closes a connection that is of no more use.
    fn go_on_with_others(&mut self, id: RaceId, failed: ConnectionId) -> Onward {
        let Some(other) = self.races.get(id).and_then(Race::under_way) else {
            return Onward::Nowhere;
        };
        let is_beside = self.races.get(id).is_some_and(|race| race.is_beside(failed));
        if !is_beside {
            self.races.get_mut(id).into_iter().for_each(|race| race.main = Some(other));
            self.pool.hand_dial_over(failed, other);
            self.gates.hand_over(failed, other);
        }
        self.close(failed);
        if is_beside { Onward::Same } else { Onward::With(other) }
    }

    /// Ends what is under way of a race.
    fn end_race(&mut self, id: RaceId) {
        let now = self.now;
        let Some(race) = self.races.get_mut(id) else { return };
        let (connections, timer) = (race.end_all(&AttemptEnd::Unanswered, now), race.timer.take());
        self.end_attempts(connections, timer);
    }

    fn end_attempts(&mut self, connections: Vec<ConnectionId>, timer: Option<TimerId>) {
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        for connection in connections {
            self.close(connection);
        }
    }

    /// Has the driver connect a connection.
    fn dial(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let dial = self.dial_to(connection.origin, connection.remote);
        self.outputs.push_back(Output::Connect { connection: id, dial });
    }
}

/// Whether an address is on one of this machine's links alone.
#[inline]
fn is_of_a_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
