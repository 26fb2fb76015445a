//! Races: several addresses tried for one connection (Happy Eyeballs, RFC 8305).
//!
//! Knows which addresses a transfer has tried, when, and what became of each; which one is next, and when it is
//! begun beside those that have not answered. Must not know how a socket is opened, nor what follows on a
//! connect. Each attempt is a connection of its own in [`State::Connecting`]; the first to be connected gets the
//! transfer, and the others are closed.
//!
//! Invariants: no byte of a request leaves before a race is won (a ClientHello may), so that nothing is sent twice;
//! a race has one deadline, from its first attempt on; an attempt beside others takes no slot, and no place at a gate,
//! that anybody waits for;
//! every address is checked against the policy right before it is tried; a transfer that has but one address has
//! nothing of this but a null pointer, unless that one fails.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::engine::dials::launch::addresses;
use crate::engine::links::connection::{Connection, State};
use crate::engine::names::resolve::Addresses;
use crate::engine::pool::OriginId;
use crate::engine::timers::TimerId;
use crate::engine::transfers::transfer::{Place, Transfer};
use crate::engine::{ConnectionId, Engine, Output, Timer, TransferId};
use crate::error::{Attempt, AttemptEnd, Attempts, Cause, Unresolved};
use crate::limits;
use crate::time::Time;

/// The addresses of one connection that is to be.
pub(in crate::engine) struct Race {
    /// As they were known last.
    addresses: Addresses,
    port: u16,
    began: Time,
    attempts: Vec<Run>,
    /// Addresses that had no room for one more connection when they were looked at last.
    passed: Vec<IpAddr>,
    /// When one more is begun.
    timer: Option<TimerId>,
    /// When it was time for one more, there was none.
    lacks_addresses: bool,
    /// All attempts have failed, the last on this connection, and there may be more addresses yet.
    stranded: Option<(ConnectionId, Cause)>,
    /// The transfer waits for room at addresses that were passed, and goes on with them.
    parked: bool,
}

/// One attempt.
struct Run {
    address: SocketAddr,
    began: Time,
    /// On which connection; none for an address that was denied.
    connection: Option<ConnectionId>,
    end: Option<(AttemptEnd, Time)>,
}

/// Which family of addresses has proven to be the better one, and for how long that holds.
#[derive(Default)]
pub(in crate::engine) struct Families {
    better: Option<(Family, Time)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Family {
    V4,
    V6,
}

/// Where the first attempt goes to.
pub(super) struct First {
    pub(super) address: SocketAddr,
    /// The transfer has a race.
    pub(super) races: bool,
}

impl Race {
    pub(super) fn new(addresses: Addresses, port: u16, now: Time) -> Race {
        Race {
            addresses,
            port,
            began: now,
            attempts: Vec::new(),
            passed: Vec::new(),
            timer: None,
            lacks_addresses: false,
            stranded: None,
            parked: false,
        }
    }

    /// One that was parked goes on, with the addresses that are known now.
    fn resume(&mut self, addresses: Addresses, now: Time) {
        (self.addresses, self.began, self.parked) = (addresses, now, false);
        self.passed.clear();
    }

    fn has_tried(&self, ip: IpAddr) -> bool {
        self.attempts.iter().any(|run| run.address.ip() == ip)
    }

    /// The address to be tried next: in the order given, but families take turns (RFC 8305, 4), and the first is of the
    /// `better` one if there is such.
    fn next(&self, better: Option<Family>) -> Option<IpAddr> {
        if self.attempts.len() >= limits::ATTEMPTS {
            return None;
        }
        let tried = |ip: &IpAddr| self.passed.contains(ip) || self.has_tried(*ip);
        let wanted = match self.attempts.last() {
            Some(last) => Some(Family::of(last.address.ip()).other()),
            None => better,
        };
        let left = || self.addresses.iter().copied().filter(|ip| !tried(ip));
        left().find(|&ip| wanted.is_none_or(|family| Family::of(ip) == family)).or(left().next())
    }

    fn begin(&mut self, address: SocketAddr, connection: Option<ConnectionId>, now: Time) {
        self.attempts.push(Run { address, began: now, connection, end: None });
    }

    /// The attempt on this connection that is under way.
    fn run_on(&mut self, id: ConnectionId) -> Option<&mut Run> {
        self.attempts.iter_mut().find(|run| run.is_on(id))
    }

    fn end_on(&mut self, id: ConnectionId, end: AttemptEnd, now: Time) {
        if let Some(run) = self.run_on(id) {
            run.end = Some((end, now));
        }
    }

    /// Ends what is under way; the connections that it was on.
    fn end_all(&mut self, end: &AttemptEnd, now: Time) -> Vec<ConnectionId> {
        let open = self.attempts.iter_mut().filter(|run| run.end.is_none());
        let ended = open.filter_map(|run| {
            run.end = Some((end.clone(), now));
            run.connection
        });
        ended.collect()
    }

    /// A connection that has not answered yet.
    fn under_way(&self) -> Option<ConnectionId> {
        self.attempts.iter().find(|run| run.end.is_none()).and_then(|run| run.connection)
    }

    /// Whether the winner is of another family than what was tried first, and which it is.
    fn upset(&self) -> Option<Family> {
        let runs = || self.attempts.iter().filter(|run| run.connection.is_some());
        let won = |run: &&Run| matches!(run.end, Some((AttemptEnd::Connected, _)));
        let family = |run: &Run| Family::of(run.address.ip());
        let (first, winner) = (family(runs().next()?), family(runs().find(won)?));
        (first != winner).then_some(winner)
    }

    #[cold]
    fn into_attempts(self, now: Time) -> Attempts {
        let attempt = |run: Run| {
            let (end, at) = run.end.unwrap_or((AttemptEnd::Unanswered, now));
            Attempt { address: run.address, end, took: at.since(run.began) }
        };
        Attempts(self.attempts.into_iter().map(attempt).collect())
    }
}

impl Transfer {
    /// What it has tried for its connection, for its report.
    pub(in crate::engine) fn take_attempts(&mut self, now: Time) -> Option<Box<Attempts>> {
        let race = self.race.take()?;
        Some(Box::new(race.into_attempts(now)))
    }
}

impl Run {
    fn is_on(&self, id: ConnectionId) -> bool {
        self.end.is_none() && self.connection == Some(id)
    }
}

impl Families {
    fn better(&self, now: Time) -> Option<Family> {
        self.better.filter(|(_, until)| *until > now).map(|(family, _)| family)
    }

    /// The family that is tried first of a name that has both.
    pub(in crate::engine) fn first(&self, now: Time) -> Family {
        self.better(now).unwrap_or(Family::V6)
    }

    fn prefer(&mut self, family: Family, now: Time) {
        self.better = Some((family, now + limits::FAMILY_PREFERENCE));
    }
}

impl Family {
    fn of(ip: IpAddr) -> Family {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    fn other(self) -> Family {
        match self {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        }
    }
}

impl Engine {
    /// Where a transfer's first attempt goes to, or why to none of the addresses.
    #[inline]
    pub(super) fn first_attempt(
        &mut self,
        id: TransferId,
        addresses: &Addresses,
        port: u16,
    ) -> Result<First, Cause> {
        match &**addresses {
            // gates may have it wait, and there may be more to come
            &[ip]
                if !is_of_a_link(ip)
                    && self.config.address_policy.is_none()
                    && !self.gates.any()
                    && !self.resolver.has_partial() =>
            {
                Ok(First { address: SocketAddr::new(ip, port), races: false })
            }
            _ => self.begin_race(id, addresses.clone(), port),
        }
    }

    #[cold]
    fn begin_race(
        &mut self,
        id: TransferId,
        addresses: Addresses,
        port: u16,
    ) -> Result<First, Cause> {
        let parked = self.transfers.get_mut(id).and_then(|t| t.race.take_if(|race| race.parked));
        let more = self.awaits_more(id);
        let alone = addresses.len() == 1 && parked.is_none() && !more;
        let mut race = match parked {
            Some(mut race) if addresses.iter().any(|&ip| !race.has_tried(ip)) => {
                race.resume(addresses, self.now);
                *race
            }
            _ => Race::new(addresses, port, self.now),
        };
        let Some(origin) = self.transfers.get(id).map(|transfer| transfer.origin) else {
            return Err(Cause::Closed);
        };
        let next = self.next_allowed(&mut race, origin);
        let races = !alone || next.is_err();
        if races && let Some(transfer) = self.transfers.get_mut(id) {
            transfer.race = Some(Box::new(race));
        }
        next.map(|address| First { address, races })
    }

    /// Begins a transfer's first attempt, on its connection. False if the gates have no room at any address.
    #[inline]
    pub(super) fn dial_first(&mut self, id: TransferId, connection_id: ConnectionId) -> bool {
        let Some(connection) = self.pool.connections.get(connection_id) else { return false };
        let State::Connecting(state) = &connection.state else { return false };
        let (races, address) = (state.races, connection.remote);
        let free = !self.gates.any() || self.pool.leads_inside(connection.origin);
        if free && !races {
            self.dial(connection_id);
            return true;
        }
        match self.pass_gates(id, connection_id, address) {
            Some(address) => self.try_instead(id, connection_id, address),
            None => false,
        }
    }

    /// The first address that the gates let a connection lead to: this one, or else one that was not tried.
    fn pass_gates(
        &mut self,
        id: TransferId,
        connection: ConnectionId,
        mut address: SocketAddr,
    ) -> Option<SocketAddr> {
        loop {
            if self.gates.take_address(connection, address.ip(), self.now) {
                return Some(address);
            }
            self.race(id)?.passed.push(address.ip());
            address = self.next_in_race(id)?;
        }
    }

    /// Of these addresses those that a transfer, which has waited for room at them, has not tried; `None` where
    /// they are all of them, or none.
    #[cold]
    pub(in crate::engine) fn left_to_try(
        &self,
        id: TransferId,
        addresses: &Addresses,
    ) -> Option<Addresses> {
        let race = self.transfers.get(id)?.race.as_ref().filter(|race| race.parked)?;
        let left: Addresses = addresses.iter().copied().filter(|&ip| !race.has_tried(ip)).collect();
        (!left.is_empty()).then_some(left)
    }

    /// Has the transfer of a connection, of whose addresses all that had room have failed, wait for the others. False if
    /// there are none.
    #[cold]
    pub(in crate::engine) fn await_address(&mut self, connection_id: ConnectionId) -> bool {
        let Some(connection) = self.pool.connections.get(connection_id) else { return false };
        let State::Connecting(state) = &connection.state else { return false };
        let (id, since) = (state.transfer, state.since);
        let Some(transfer) = self.transfers.get_mut(id).filter(|_| self.gates.any()) else {
            return false;
        };
        match &mut transfer.race {
            Some(race) if race.passed.is_empty() => return false,
            Some(race) => race.parked = true,
            // its only address, which has not been tried
            None => {}
        }
        transfer.spent.connect += self.now.nanos_since(since);
        self.end_race(id);
        self.queue_first(id);
        self.close(connection_id);
        self.schedule_transfer(id);
        true
    }

    /// An attempt failed, and its socket is closed. Whether the transfer has others, under way or to be begun at once.
    #[cold]
    pub(in crate::engine) fn goes_on_without(
        &mut self,
        connection_id: ConnectionId,
        cause: &Cause,
    ) -> bool {
        let Some(id) = self.note_failed(connection_id, cause) else { return false };
        // there may be room by now
        self.race(id).into_iter().for_each(|race| race.passed.clear());
        if let Some(address) = self.next_in_race(id)
            && let Some(address) = self.pass_gates(id, connection_id, address)
        {
            return self.try_instead(id, connection_id, address);
        }
        self.goes_on_with_others(id, connection_id) || self.hopes_for_more(id, connection_id, cause)
    }

    /// Has a transfer whose attempts have all failed wait for addresses of the other family, if those may come: what is
    /// slower to be looked up may be all that leads there. Its connection has no socket until then.
    fn hopes_for_more(&mut self, id: TransferId, connection: ConnectionId, cause: &Cause) -> bool {
        if !self.awaits_more(id) {
            return false;
        }
        let Some(race) = self.race(id) else { return false };
        race.stranded = Some((connection, cause.clone()));
        self.schedule(connection);
        true
    }

    /// Whether a connection's socket is gone, and its transfer hopes for another address.
    pub(in crate::engine) fn is_stranded(&self, id: ConnectionId, connection: &Connection) -> bool {
        let State::Connecting(state) = &connection.state else { return false };
        let race = self.transfers.get(state.transfer).and_then(|transfer| transfer.race.as_ref());
        let stranded = race.and_then(|race| race.stranded.as_ref());
        stranded.is_some_and(|(stranded, _)| *stranded == id)
    }

    /// There was no room for an attempt's socket. Whether the transfer has others under way.
    #[cold]
    pub(in crate::engine) fn goes_on_elsewhere(&mut self, connection_id: ConnectionId) -> bool {
        let Some(connection) = self.pool.connections.get(connection_id) else { return false };
        let State::Connecting(state) = &connection.state else { return false };
        let id = state.transfer;
        let Some(race) = self.race(id) else { return false };
        // what was not tried may be yet
        let tried = race.attempts.iter().position(|run| run.is_on(connection_id));
        let run = tried.map(|at| race.attempts.remove(at));
        if self.goes_on_with_others(id, connection_id) {
            return true;
        }
        if let (Some(race), Some(run)) = (self.race(id), run) {
            race.attempts.push(run);
        }
        false
    }

    /// It is time for one more address beside those that have not answered.
    pub(in crate::engine) fn widen_race(&mut self, id: TransferId) {
        let Some(race) = self.race(id) else { return };
        race.timer = None;
        let Some(beside) = race.under_way() else { return };
        let Some(origin) = self.pool.connections.get(beside).map(|c| c.origin) else { return };
        let begun = self.has_room_beside(origin)
            && match self.next_beside(id, origin) {
                Some(address) => self.try_beside(id, origin, address),
                None => false,
            };
        if let Some(race) = self.race(id) {
            race.lacks_addresses = !begun;
        }
        self.await_next(id, (!begun).then_some(limits::MOST_ATTEMPT_DELAY));
    }

    /// There are more addresses of the name to which a transfer may be connecting, or it is known that there are none. If
    /// it is past the time for one more, one is tried now (RFC 8305, 3).
    pub(in crate::engine) fn hear_of_more(&mut self, id: TransferId) {
        if let Some((connection, cause)) = self.race(id).and_then(|race| race.stranded.take()) {
            return self.attempt_failed(connection, cause);
        }
        let Some(race) = self.race(id).filter(|race| race.lacks_addresses) else { return };
        if let Some(timer) = race.timer.take() {
            self.timers.cancel(timer);
            self.widen_race(id);
        }
    }

    /// The next address to which there is room for one more connection.
    fn next_beside(&mut self, id: TransferId, origin: OriginId) -> Option<SocketAddr> {
        self.race(id)?.passed.clear();
        loop {
            let address = self.next_in_race(id)?;
            if self.gates.has_room_at(address.ip(), origin, self.now) {
                return Some(address);
            }
            self.race(id)?.passed.push(address.ip());
        }
    }

    /// A connection is connected: the others that raced with it are closed.
    #[cold]
    pub(super) fn win_race(&mut self, id: TransferId, connection: ConnectionId) {
        let now = self.now;
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        transfer.place = Place::Opening(connection);
        let Some(race) = &mut transfer.race else { return };
        race.end_on(connection, AttemptEnd::Connected, now);
        let losers = race.end_all(&AttemptEnd::Lost, now);
        for &loser in &losers {
            self.pool.hand_dial_over(loser, connection);
            self.gates.hand_over(loser, connection);
        }
        let (upset, timer) = (race.upset(), race.timer.take());
        if race.attempts.len() == 1 {
            transfer.race = None;
        }
        if let Some(family) = upset {
            self.families.prefer(family, now);
        }
        self.end_attempts(losers, timer);
    }

    /// A transfer's connections fail, with the one of which `cause` is known.
    #[cold]
    pub(in crate::engine) fn lose_race(&mut self, connection: ConnectionId, cause: &Cause) {
        let end = match cause {
            Cause::Timeout { .. } => AttemptEnd::Unanswered,
            cause => AttemptEnd::Failed(cause.clone()),
        };
        let Some(id) = self.note_end(connection, end) else { return };
        self.end_race(id);
    }

    /// The transfer is taken out, or goes back to its queue: what it has tried is forgotten, and its connections are
    /// closed.
    #[inline]
    pub(in crate::engine) fn abandon_race(&mut self, id: TransferId) {
        if self.transfers.get(id).is_some_and(|transfer| transfer.race.is_some()) {
            self.end_race(id);
            if let Some(transfer) = self.transfers.get_mut(id) {
                transfer.race = None;
            }
        }
    }

    // inside

    fn race(&mut self, id: TransferId) -> Option<&mut Race> {
        self.transfers.get_mut(id)?.race.as_deref_mut()
    }

    fn note_failed(&mut self, connection: ConnectionId, cause: &Cause) -> Option<TransferId> {
        self.note_end(connection, AttemptEnd::Failed(cause.clone()))
    }

    /// Notes how the attempt on a connection ended, unless that is known. A transfer that was on its only address has a
    /// race from here on. `None` if it is no attempt.
    fn note_end(&mut self, connection_id: ConnectionId, end: AttemptEnd) -> Option<TransferId> {
        let now = self.now;
        let connection = self.pool.connections.get_mut(connection_id)?;
        let remote = connection.remote;
        let State::Connecting(state) = &mut connection.state else { return None };
        state.races = true;
        let (id, since) = (state.transfer, state.since);
        let transfer = self.transfers.get_mut(id)?;
        let race = transfer.race.get_or_insert_with(|| {
            let mut race = Race::new(Addresses::from([remote.ip()]), remote.port(), since);
            race.begin(remote, Some(connection_id), since);
            Box::new(race)
        });
        race.end_on(connection_id, end, now);
        Some(id)
    }

    /// The next address that may be tried, of those that are known by now.
    fn next_in_race(&mut self, id: TransferId) -> Option<SocketAddr> {
        let transfer = self.transfers.get_mut(id)?;
        let origin = transfer.origin;
        let key = &self.pool.get(origin)?.key;
        let mut race = transfer.race.take()?;
        if let Ok(known) = addresses(&self.resolver, key, self.now) {
            race.addresses = known;
        }
        let next = self.next_allowed(&mut race, origin);
        self.transfers.get_mut(id)?.race = Some(race);
        next.ok()
    }

    /// The next address that may be tried; those that the policy denies, or that lack a zone, are noted. The error is why the
    /// last one is not.
    fn next_allowed(&self, race: &mut Race, origin: OriginId) -> Result<SocketAddr, Cause> {
        let mut denied = None;
        while let Some(ip) = race.next(self.families.better(self.now)) {
            let address = SocketAddr::new(ip, race.port);
            match self.check_address(ip).and_then(|()| self.check_zone(origin, ip)) {
                Ok(()) => return Ok(address),
                Err(cause) => {
                    race.begin(address, None, self.now);
                    if let Some(run) = race.attempts.last_mut() {
                        run.end = Some((AttemptEnd::Failed(cause.clone()), self.now));
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
        id: TransferId,
        connection_id: ConnectionId,
        address: SocketAddr,
    ) -> bool {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(connection_id) else { return false };
        connection.remote = address;
        if let Some(race) = self.race(id) {
            race.begin(address, Some(connection_id), now);
        }
        self.dial(connection_id);
        self.await_next(id, None);
        true
    }

    /// Tries an address on a connection of its own.
    fn try_beside(&mut self, id: TransferId, origin_id: OriginId, address: SocketAddr) -> bool {
        let now = self.now;
        let Some(since) = self.race(id).map(|race| race.began) else { return false };
        let told = self.introduction(origin_id, id);
        let Some(origin) = self.pool.get(origin_id) else { return false };
        let mut connection = Connection::new(origin_id, address, id, true, since);
        if self.equip(&mut connection, origin, id, told.as_deref()).is_err() {
            return false;
        }
        let connection = self.pool.open(origin_id, connection);
        self.gates.open(connection, origin_id, true, now);
        self.gates.take_address(connection, address.ip(), now);
        self.stats.opened += 1;
        let Some(race) = self.race(id) else { return false };
        race.begin(address, Some(connection), now);
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

    /// Whether more addresses may be found of the host that a transfer is to be connected to. Then it hears of them.
    fn awaits_more(&mut self, id: TransferId) -> bool {
        let origin = self.transfers.get(id).and_then(|transfer| self.pool.get(transfer.origin));
        origin.is_some_and(|origin| self.resolver.await_more(origin.key.peer().0, id))
    }

    /// Has the next address tried in `wait`, or after the delay between two attempts. A request that was handed to the
    /// driver with the connect is not risked: who has one alone goes on when it has failed.
    fn await_next(&mut self, id: TransferId, wait: Option<Duration>) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let Some(race) = &mut transfer.race else { return };
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
            let delay = transfer.request.options.attempt_delay.unwrap_or(limits::ATTEMPT_DELAY);
            delay.clamp(limits::LEAST_ATTEMPT_DELAY, limits::MOST_ATTEMPT_DELAY)
        });
        race.timer = Some(self.timers.set(self.now + wait, Timer::Race(id)));
    }

    /// Leaves the transfer to its other attempts, if there are any, and closes a connection that is of no more use to it.
    fn goes_on_with_others(&mut self, id: TransferId, failed: ConnectionId) -> bool {
        let Some(transfer) = self.transfers.get_mut(id) else { return false };
        let Some(other) = transfer.race.as_ref().and_then(|race| race.under_way()) else {
            return false;
        };
        if transfer.place == Place::Opening(failed) {
            transfer.place = Place::Opening(other);
            self.pool.hand_dial_over(failed, other);
            self.gates.hand_over(failed, other);
        }
        self.close(failed);
        true
    }

    /// Ends what is under way of a race.
    fn end_race(&mut self, id: TransferId) {
        let now = self.now;
        let Some(race) = self.race(id) else { return };
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
    pub(super) fn dial(&mut self, id: ConnectionId) {
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
