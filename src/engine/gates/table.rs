//! All gates, who holds them and who waits at which.
//!
//! Knows origins and connections by their ids, keys of hosts, domains and addresses, and the times that
//! are to be kept. Must not know transfers, nor how a connection is made.
//!
//! Invariants: an origin waits at one gate at most; a gate at which somebody waits is closed, and what
//! opens it (the end of what holds it, or its timer) is under way, or it is among those that are `ready`;
//! a gate that nobody uses is an entry of [`Resting`] for as long as its time is to be kept, and nothing
//! after; every operation takes a few steps, however many gates there are or wait there.
//!
//! A gate's key is 64 bits of a keyed hash. Two hosts that had the same would be limited together: no
//! promise is broken by that.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use super::gate::{Gate, GateId, Rules, Scope};
use super::list::Links;
use super::resting::Resting;
use crate::engine::pool::{OriginId, PoolKey};
use crate::engine::timers::Timers;
use crate::engine::{ConnectionId, Timer};
use crate::http::{Host, registrable_domain};
use crate::id::Slab;
use crate::limits;
use crate::time::Time;

/// Of an origin's idle connections, how many are looked at for one whose address lets through.
const IDLE_LOOKED_AT: usize = 16;

pub(in crate::engine) struct Gates {
    pub(super) rules: Rules,
    /// The intervals of single hosts.
    own: HashMap<u64, Duration>,
    names: RandomState,
    gates: Slab<Gate>,
    by_key: HashMap<u64, GateId>,
    resting: Resting,
    /// Gates in use that have a time to be kept.
    timed: usize,
    /// How many may have one, resting ones included.
    most_timed: usize,
    /// Where those wait whose gate could not be remembered.
    memory: GateId,
    origins: Vec<AtOrigin>,
    connections: Vec<AtConnection>,
    waiting: Links,
    idle: [Links; 2],
    /// Gates with a line that may have become open.
    ready: VecDeque<GateId>,
    /// Whose turn it is now: it does not wait behind others.
    turn: Option<OriginId>,
}

/// Timers, and the time that it is.
pub(super) struct Clock<'a> {
    pub(super) timers: &'a mut Timers<Timer>,
    pub(super) now: Time,
}

/// The gates of an origin.
#[derive(Clone, Copy, Default)]
struct AtOrigin {
    id: Option<OriginId>,
    /// By origin, host and domain.
    starts: [Option<GateId>; 3],
    place: Option<GateId>,
    /// Where it waits.
    line: Option<GateId>,
    /// Where its turn came, which it has until it has what else it needs.
    passing: Option<GateId>,
    /// Its turn came in vain: it comes first from there on.
    missed: bool,
    /// Addresses that have failed while others had no room, by their place in the list.
    avoid: u32,
}

/// The gates of a connection, besides those of its origin.
#[derive(Clone, Copy, Default)]
struct AtConnection {
    /// The connection and its origin.
    ids: Option<(ConnectionId, OriginId)>,
    /// It has a request in flight, or one for which it is being made.
    in_flight: bool,
    /// That request has not begun.
    starting: bool,
    idle: bool,
    address_place: Option<GateId>,
    address_start: Option<GateId>,
    /// Addresses that had no room, and those not to be tried, by their place in the list.
    passed: u32,
    avoid: u32,
}

impl Gates {
    pub(in crate::engine) fn new(rules: Rules) -> Gates {
        Gates::with_most(rules, limits::GATES)
    }

    fn with_most(rules: Rules, most_timed: usize) -> Gates {
        let mut gates = Slab::new();
        let mut memory = Gate::new(0, Scope::Memory, rules.of(Scope::Memory));
        memory.users = 1;
        Gates {
            rules,
            own: HashMap::new(),
            names: RandomState::new(),
            memory: gates.insert(memory),
            gates,
            by_key: HashMap::new(),
            resting: Resting::new(),
            timed: 0,
            most_timed,
            origins: Vec::new(),
            connections: Vec::new(),
            waiting: Links::default(),
            idle: [Links::default(), Links::default()],
            ready: VecDeque::new(),
            turn: None,
        }
    }

    /// The same with other rules: of those who pass through and wait nothing is known, but what is to be
    /// kept is.
    pub(super) fn with_rules(mut self, rules: Rules, clock: Clock<'_>) -> Gates {
        for (_, gate) in self.gates.iter() {
            if let Some(timer) = gate.timer {
                clock.timers.cancel(timer);
            }
            if gate.next > clock.now {
                self.resting.put(gate.key, gate.next, clock.now);
            }
        }
        let Gates { own, names, resting, most_timed, .. } = self;
        Gates { own, names, resting, ..Gates::with_most(rules, most_timed) }
    }

    /// How many gates are known: those in use, and those whose time is to be kept.
    pub(in crate::engine) fn known(&self) -> usize {
        // without the one that is always there
        self.gates.len() - 1 + self.resting.len()
    }

    /// Whether any rule is in force.
    pub(super) fn has_rules(&self) -> bool {
        self.rules != Rules::default() || !self.own.is_empty()
    }

    /// Gives a host an interval of its own, or takes it back. A wait that is under way ends no later than
    /// it would have from now.
    pub(super) fn set_interval(&mut self, host: &Host, interval: Option<Duration>, now: Time) {
        let key = self.key(Scope::HostStarts, host);
        match interval {
            Some(interval) => self.own.insert(key, interval),
            None => self.own.remove(&key),
        };
        let interval = interval.or(self.rules.of(Scope::HostStarts).interval).unwrap_or_default();
        let latest = now + interval;
        self.resting.shorten(key, latest);
        if let Some(&id) = self.by_key.get(&key)
            && let Some(gate) = self.gates.get_mut(id)
        {
            gate.interval = interval;
            gate.next = gate.next.min(latest);
            gate.next_begin = gate.next_begin.min(latest);
            self.note_change(id);
        }
    }

    // origins

    /// Makes an origin known.
    pub(super) fn meet(&mut self, id: OriginId, key: &PoolKey) {
        if self.origins.len() <= id.slot() {
            self.origins.resize(id.slot() + 1, AtOrigin::default());
        }
        if self.origins[id.slot()].id == Some(id) {
            return;
        }
        let (origin, host) = (&key.origin, key.origin.host());
        let at = AtOrigin {
            id: Some(id),
            starts: [
                self.gate_for(Scope::OriginStarts, origin),
                self.gate_for(Scope::HostStarts, host),
                self.gate_of_domain(host),
            ],
            place: self.gate_for(Scope::HostPlaces, host),
            ..AtOrigin::default()
        };
        self.origins[id.slot()] = at;
    }

    /// An origin is used by nobody any more.
    pub(super) fn forget(&mut self, id: OriginId, clock: &mut Clock<'_>) {
        self.drop_out(id, clock);
        let Some(at) = self.origins.get_mut(id.slot()).filter(|at| at.id == Some(id)) else {
            return;
        };
        let AtOrigin { starts, place, .. } = std::mem::take(at);
        for gate in starts.into_iter().chain([place]).flatten() {
            self.let_go(gate, clock.now);
        }
    }

    /// Whether an origin's next request may begin, as far as its address has no say. If not, it waits.
    pub(super) fn admits(&mut self, id: OriginId, clock: &mut Clock<'_>) -> bool {
        let at = self.origins[id.slot()];
        if at.line.is_some_and(|gate| self.comes_before_addresses(gate)) {
            return false;
        }
        for gate in at.starts.into_iter().flatten() {
            if let Some(gate) = self.closed(gate, id, clock.now) {
                self.wait(id, gate, clock);
                return false;
            }
        }
        true
    }

    /// Whether there is a place at its host for one more of an origin's connections, or one held by an
    /// idle one. If not, it waits.
    pub(super) fn has_place(&mut self, id: OriginId, clock: &mut Clock<'_>) -> bool {
        let at = self.origins[id.slot()];
        if at.line.is_some() {
            return false;
        }
        match at.place.and_then(|gate| self.closed(gate, id, clock.now)) {
            Some(gate) => {
                self.wait(id, gate, clock);
                false
            }
            None => true,
        }
    }

    /// Whether one of these addresses lets a connection and a request through. If not, the origin waits
    /// at the one where the fewest do.
    pub(super) fn has_address(
        &mut self,
        id: OriginId,
        addresses: &[IpAddr],
        clock: &mut Clock<'_>,
    ) -> bool {
        if !self.knows_addresses() {
            return true;
        }
        if self.origins[id.slot()].line.is_some() {
            return false;
        }
        let mut shortest: Option<(GateId, usize)> = None;
        let mut found = false;
        for ip in self.candidates(id, addresses) {
            let Some(gate) = self.closed_at(ip, id, clock.now) else {
                found = true;
                break;
            };
            let length = self.gates.get(gate).map_or(0, |gate| gate.line.len());
            let (kept, dropped) = match shortest {
                Some((other, least)) if least <= length => ((other, least), Some(gate)),
                other => ((gate, length), other.map(|(gate, _)| gate)),
            };
            shortest = Some(kept);
            if let Some(gate) = dropped {
                self.let_go(gate, clock.now);
            }
        }
        if let Some((gate, _)) = shortest {
            if !found {
                self.wait(id, gate, clock);
            }
            self.let_go(gate, clock.now);
        }
        found
    }

    /// Of an origin's idle connections, the last used first, the first whose address lets a request
    /// through. If there is none and nothing `else` to be done, the origin waits for the first of them.
    pub(super) fn choose_idle(
        &mut self,
        id: OriginId,
        idle: &[ConnectionId],
        has_else: bool,
        clock: &mut Clock<'_>,
    ) -> Option<ConnectionId> {
        let mut closed = None;
        for &connection in idle.iter().rev().take(IDLE_LOOKED_AT) {
            let gate = self.connections[connection.slot()].address_start;
            match gate.and_then(|gate| self.closed(gate, id, clock.now)) {
                None => return Some(connection),
                Some(gate) => closed = closed.or(Some(gate)),
            }
        }
        if !has_else && let Some(gate) = closed {
            self.wait(id, gate, clock);
        }
        None
    }

    /// Whether the address of a connection lets its next request through.
    pub(super) fn may_go_on(&mut self, id: ConnectionId, now: Time) -> bool {
        let Some((at, origin)) = self.at(id) else { return true };
        at.address_start.is_none_or(|gate| self.closed(gate, origin, now).is_none())
    }

    /// An idle connection that holds a place which a connection of this origin is to have.
    pub(super) fn in_the_way(
        &mut self,
        id: OriginId,
        addresses: &[IpAddr],
        now: Time,
    ) -> Option<ConnectionId> {
        let place = self.origins[id.slot()].place;
        let host = place.and_then(|gate| self.idle_on_full(gate));
        if host.is_some() || !self.rules.has(Scope::AddressPlaces) {
            return host;
        }
        for ip in self.candidates(id, addresses) {
            match self.closed_at(ip, id, now) {
                Some(gate) => self.let_go(gate, now),
                None => {
                    let place = self.by_key.get(&self.key(Scope::AddressPlaces, ip));
                    return place.and_then(|&gate| self.idle_on_full(gate));
                }
            }
        }
        None
    }

    /// An origin has nobody left who waits.
    pub(super) fn drop_out(&mut self, id: OriginId, clock: &mut Clock<'_>) {
        if self.origins.get(id.slot()).is_some_and(|at| at.id == Some(id)) {
            self.pass(id, clock.now);
            self.leave_line(id, clock);
        }
    }

    /// Whether an origin waits at a gate.
    pub(super) fn is_waiting(&self, id: OriginId) -> bool {
        let at = self.origins.get(id.slot());
        at.is_some_and(|at| at.id == Some(id) && at.line.is_some())
    }

    fn leave_line(&mut self, id: OriginId, clock: &mut Clock<'_>) {
        let Some(at) = self.origins.get_mut(id.slot()).filter(|at| at.id == Some(id)) else {
            return;
        };
        let Some(line) = at.line.take() else { return };
        let Some(gate) = self.gates.get_mut(line) else { return };
        self.waiting.remove(&mut gate.line, id.slot());
        if gate.line.len() == 0
            && let Some(timer) = gate.timer.take()
        {
            clock.timers.cancel(timer);
        }
        self.let_go(line, clock.now);
    }

    /// The origin's turn came, but not the time to begin.
    pub(super) fn put_off(&mut self, id: OriginId) {
        self.origins[id.slot()].missed = true;
    }

    /// The origin's turn came, but it has to find its addresses first.
    pub(super) fn miss_turn(&mut self, id: OriginId) {
        if self.turn == Some(id) {
            self.put_off(id);
        }
    }

    // turns

    /// Whether a gate may have become open for somebody.
    pub(in crate::engine) fn has_opened(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The origin whose turn it is at a gate that has become open, until [`Gates::end_turn`].
    pub(super) fn next_turn(&mut self, clock: &mut Clock<'_>) -> Option<OriginId> {
        while let Some(&id) = self.ready.front() {
            if let Some(origin) = self.first_in_line(id, clock.now) {
                if let Some(gate) = self.gates.get_mut(id) {
                    gate.is_passed = true;
                    gate.users += 1;
                }
                self.leave_line(origin, clock);
                self.origins[origin.slot()].passing = Some(id);
                self.turn = Some(origin);
                return Some(origin);
            }
            self.ready.pop_front();
            if let Some(gate) = self.gates.get_mut(id) {
                gate.ready = false;
                self.set_timer(id, clock);
            }
        }
        None
    }

    /// It is an origin's turn for another reason.
    pub(super) fn give_turn(&mut self, id: OriginId) {
        self.turn = Some(id);
    }

    /// A turn is over. Who still has to wait for a connection `keeps` what it came for: others would have
    /// to wait for that, too.
    pub(super) fn end_turn(&mut self, id: OriginId, keeps: bool, now: Time) {
        self.turn = None;
        if !keeps {
            self.pass(id, now);
        }
    }

    fn first_in_line(&self, id: GateId, now: Time) -> Option<OriginId> {
        let gate = self.gates.get(id).filter(|_| self.is_open(id, now))?;
        self.origins[gate.line.first()?].id
    }

    /// The timer of a gate has fired.
    pub(in crate::engine) fn handle_timer(&mut self, id: GateId, now: Time) {
        if let Some(gate) = self.gates.get_mut(id) {
            gate.timer = None;
        }
        if id == self.memory {
            self.sweep(now);
        }
        self.note_change(id);
    }

    // connections

    /// A connection is about to be made for a request of this origin.
    pub(super) fn open(&mut self, connection: ConnectionId, origin: OriginId, now: Time) {
        if self.connections.len() <= connection.slot() {
            self.connections.resize(connection.slot() + 1, AtConnection::default());
        }
        let at = &mut self.origins[origin.slot()];
        let avoid = std::mem::take(&mut at.avoid);
        let (starts, place) = (at.starts, at.place);
        self.connections[connection.slot()] = AtConnection {
            ids: Some((connection, origin)),
            in_flight: true,
            starting: true,
            avoid,
            ..AtConnection::default()
        };
        for gate in starts.into_iter().flatten() {
            self.start(gate, now);
        }
        if let Some(gate) = place.and_then(|gate| self.gates.get_mut(gate)) {
            gate.uses += 1;
        }
    }

    /// Has a connection lead to the address at `index` in its list, if that lets it through. The one
    /// before, which failed, is given back in any case.
    pub(in crate::engine) fn take_address(
        &mut self,
        id: ConnectionId,
        index: usize,
        ip: IpAddr,
        now: Time,
    ) -> bool {
        let Some((at, origin)) = self.at(id) else { return true };
        self.leave_address(id, now);
        if at.avoid & bit(index) != 0 {
            return false;
        }
        let place = self.gate_for(Scope::AddressPlaces, ip.to_canonical());
        let start = self.gate_for(Scope::AddressStarts, ip.to_canonical());
        let closed = [place, start]
            .into_iter()
            .flatten()
            .any(|gate| self.closed(gate, origin, now).is_some() || self.is_full(gate));
        if closed {
            [place, start].into_iter().flatten().for_each(|gate| self.let_go(gate, now));
            self.connections[id.slot()].passed |= bit(index);
            return false;
        }
        if let Some(gate) = place.and_then(|gate| self.gates.get_mut(gate)) {
            gate.uses += 1;
        }
        if let Some(gate) = start {
            self.start(gate, now);
        }
        let at = &mut self.connections[id.slot()];
        (at.address_place, at.address_start) = (place, start);
        true
    }

    /// Whether addresses of a connection, none of which is left, were passed over. Those that failed are
    /// not tried by the next one.
    pub(super) fn passed_over(&mut self, id: ConnectionId, tried: usize) -> bool {
        let Some((at, origin)) = self.at(id) else { return false };
        let all = bit(tried).wrapping_sub(1);
        if at.passed != 0 {
            self.origins[origin.slot()].avoid = all & !at.passed;
        }
        at.passed != 0
    }

    /// Whether the request for which a connection was made may begin as soon as it is ready. Others may have
    /// begun on the way.
    pub(super) fn may_begin(&self, id: ConnectionId, now: Time) -> bool {
        let Some((AtConnection { starting: true, .. }, _)) = self.at(id) else { return true };
        let mut gates = self.starts_of(id).into_iter().flatten();
        gates.all(|gate| self.gates.get(gate).is_none_or(|gate| gate.next_begin <= now))
    }

    /// Whether it matters when a connection's request begins.
    pub(in crate::engine) fn keeps_time(&self, id: ConnectionId) -> bool {
        let mut gates = self.starts_of(id).into_iter().flatten();
        gates.any(|gate| self.gates.get(gate).is_some_and(Gate::keeps_time))
    }

    /// A connection's next request begins, be it the one for which it was made.
    pub(super) fn begin(&mut self, id: ConnectionId, now: Time) {
        let Some((at, origin)) = self.at(id) else { return };
        self.unset_idle(id);
        let starts = self.starts_of(id);
        if !at.in_flight {
            starts.into_iter().flatten().for_each(|gate| self.start(gate, now));
        }
        if at.starting || !at.in_flight {
            starts.into_iter().flatten().for_each(|gate| self.begun(gate, now));
        }
        let at = &mut self.connections[id.slot()];
        (at.in_flight, at.starting) = (true, false);
        self.launched(origin, now);
    }

    /// An origin's transfer has all that it waited for.
    pub(super) fn launched(&mut self, origin: OriginId, now: Time) {
        self.origins[origin.slot()].missed = false;
        self.turn = self.turn.filter(|&turn| turn != origin);
        self.pass(origin, now);
    }

    /// The request that a connection was to be made for never came to be: it does not count.
    pub(super) fn take_back(&mut self, id: ConnectionId, now: Time) {
        if !self.at(id).is_some_and(|(at, _)| at.starting) {
            return;
        }
        for gate in self.starts_of(id).into_iter().flatten() {
            if let Some(gate) = self.gates.get_mut(gate).filter(|gate| gate.keeps_time()) {
                gate.next = gate.next.min(gate.next_begin.max(now));
            }
        }
    }

    /// A connection's request is over.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        let Some((at, _)) = self.at(id) else { return };
        if !at.in_flight {
            return;
        }
        self.starts_of(id).into_iter().flatten().for_each(|gate| self.give_back(gate));
        let at = &mut self.connections[id.slot()];
        (at.in_flight, at.starting) = (false, false);
    }

    pub(super) fn set_idle(&mut self, id: ConnectionId) {
        let Some((at, _)) = self.at(id) else { return };
        if !at.idle {
            self.connections[id.slot()].idle = true;
            self.each_idle_list(id, |links, gate, slot| links.push_back(&mut gate.idle, slot));
            self.places_of(id).into_iter().flatten().for_each(|gate| self.note_change(gate));
        }
    }

    /// A connection is gone.
    pub(super) fn close(&mut self, id: ConnectionId, now: Time) {
        self.leave(id);
        self.unset_idle(id);
        self.leave_address(id, now);
        let Some((_, origin)) = self.at(id) else { return };
        if let Some(place) = self.origins[origin.slot()].place {
            self.give_back(place);
        }
        self.connections[id.slot()] = AtConnection::default();
    }

    /// Whether its host or its address has more connections than it may, since a limit was lowered.
    pub(super) fn has_surplus(&self, id: ConnectionId) -> bool {
        self.places_of(id).into_iter().flatten().any(|gate| self.is_over(gate))
    }

    /// An idle connection that is one too many.
    pub(super) fn idle_surplus(&self) -> Option<ConnectionId> {
        let over = self.gates.iter().filter(|&(id, _)| self.is_over(id));
        over.filter_map(|(_, gate)| self.idle_of(gate)).next()
    }

    /// Whether another origin waits for a place that this connection holds.
    pub(super) fn others_want_place(&self, id: ConnectionId) -> bool {
        let Some((_, origin)) = self.at(id) else { return false };
        let line = self.origins[origin.slot()].line;
        self.places_of(id).into_iter().flatten().any(|gate| {
            let waiting = self.gates.get(gate).map_or(0, |gate| gate.line.len());
            waiting > usize::from(line == Some(gate))
        })
    }

    /// An origin that held a place for long enough does not come before others again.
    pub(super) fn go_last(&mut self, id: OriginId, clock: &mut Clock<'_>) {
        let line = self.origins[id.slot()].line;
        if let Some(gate) = line.filter(|&gate| self.is_place(gate)) {
            if let Some(gate) = self.gates.get_mut(gate) {
                gate.users += 1;
            }
            self.leave_line(id, clock);
            self.wait(id, gate, clock);
            self.let_go(gate, clock.now);
        }
    }

    /// Takes a connection in that was there before the rules.
    pub(super) fn adopt(
        &mut self,
        ids: (ConnectionId, OriginId),
        ip: Option<IpAddr>,
        (in_flight, starting): (bool, bool),
        now: Time,
    ) {
        let (id, origin) = ids;
        self.open(id, origin, now);
        if let Some(ip) = ip.map(|ip| ip.to_canonical()) {
            let place = self.gate_for(Scope::AddressPlaces, ip);
            if let Some(gate) = place.and_then(|gate| self.gates.get_mut(gate)) {
                gate.uses += 1;
            }
            let start = self.gate_for(Scope::AddressStarts, ip);
            start.into_iter().for_each(|gate| self.start(gate, now));
            let at = &mut self.connections[id.slot()];
            (at.address_place, at.address_start) = (place, start);
        }
        if !starting {
            self.begin(id, now);
        }
        if !in_flight {
            self.leave(id);
            self.set_idle(id);
        }
    }

    /// An origin has passed the gate where its turn came, or does without.
    fn pass(&mut self, origin: OriginId, now: Time) {
        let Some(id) = self.origins[origin.slot()].passing.take() else { return };
        if let Some(gate) = self.gates.get_mut(id) {
            gate.is_passed = false;
        }
        self.note_change(id);
        self.let_go(id, now);
    }

    // gates

    fn key(&self, scope: Scope, what: impl Hash) -> u64 {
        self.names.hash_one((scope, what))
    }

    /// The gate of a scope that has rules. Whoever asks knows its id from then on.
    fn gate_for(&mut self, scope: Scope, what: impl Hash) -> Option<GateId> {
        self.rules.has(scope).then(|| self.gate(scope, self.key(scope, what)))
    }

    fn gate_of_domain(&mut self, host: &Host) -> Option<GateId> {
        match registrable_domain(host) {
            Some(domain) => self.gate_for(Scope::DomainStarts, domain),
            None => self.gate_for(Scope::DomainStarts, host),
        }
    }

    fn gate(&mut self, scope: Scope, key: u64) -> GateId {
        if let Some(&id) = self.by_key.get(&key)
            && let Some(gate) = self.gates.get_mut(id)
        {
            gate.users += 1;
            return id;
        }
        let mut gate = Gate::new(key, scope, self.rules.of(scope));
        gate.users = 1;
        if let Some(&interval) = self.own.get(&key) {
            gate.interval = interval;
        }
        if let Some(next) = self.resting.take(key) {
            (gate.next, gate.next_begin) = (next, next);
            self.timed += 1;
        }
        let id = self.gates.insert(gate);
        self.by_key.insert(key, id);
        id
    }

    /// Somebody who knew a gate's id has no use for it any more.
    fn let_go(&mut self, id: GateId, now: Time) {
        let Some(gate) = self.gates.get_mut(id) else { return };
        gate.users -= 1;
        if gate.users > 0 {
            return;
        }
        if let Some(gate) = self.gates.remove(id) {
            debug_assert!(gate.timer.is_none() && gate.uses == 0, "nobody knows it");
            self.by_key.remove(&gate.key);
            self.timed -= usize::from(gate.next != Time::ZERO);
            if gate.next > now {
                self.resting.put(gate.key, gate.next, now);
            }
        }
    }

    /// Where an origin has to wait if a gate does not let it through now. None passes while others wait there
    /// but who goes first; a connection passes if an idle one is there that can make room.
    fn closed(&mut self, id: GateId, who: OriginId, now: Time) -> Option<GateId> {
        self.take_off_time(id, now);
        let room = self.has_memory();
        let (mine, first) = (self.origins[who.slot()].passing == Some(id), self.goes_first(who));
        let gate = self.gates.get(id)?;
        if gate.keeps_time() && gate.next == Time::ZERO && !room {
            return Some(self.memory);
        }
        let others = (gate.line.len() > 0 && !first) || (gate.is_passed && !mine);
        (!gate.has_room(now) || others).then_some(id)
    }

    /// As [`Gates::closed`], of both gates of an address. Whoever asks knows the id that is returned.
    fn closed_at(&mut self, ip: IpAddr, who: OriginId, now: Time) -> Option<GateId> {
        let place = self.gate_for(Scope::AddressPlaces, ip);
        let start = self.gate_for(Scope::AddressStarts, ip);
        let gates = [place, start];
        let closed = gates.into_iter().flatten().find_map(|gate| self.closed(gate, who, now));
        if let Some(gate) = closed.and_then(|gate| self.gates.get_mut(gate)) {
            gate.users += 1;
        }
        gates.into_iter().flatten().for_each(|gate| self.let_go(gate, now));
        closed
    }

    fn is_open(&self, id: GateId, now: Time) -> bool {
        let has_room = |gate: &Gate| !gate.is_passed && gate.has_room(now);
        self.gates.get(id).is_some_and(has_room) && (id != self.memory || self.has_memory())
    }

    /// Whether one more gate with a time to be kept can be remembered.
    fn has_memory(&self) -> bool {
        self.timed + self.resting.len() < self.most_timed
    }

    /// A time that has come need not be kept.
    fn take_off_time(&mut self, id: GateId, now: Time) {
        if let Some(gate) = self.gates.get_mut(id)
            && gate.next != Time::ZERO
            && gate.next <= now
        {
            gate.next = Time::ZERO;
            self.timed -= 1;
        }
    }

    fn is_over(&self, id: GateId) -> bool {
        self.gates.get(id).is_some_and(|gate| gate.is_place() && gate.uses > gate.most)
    }

    fn is_place(&self, id: GateId) -> bool {
        self.gates.get(id).is_some_and(Gate::is_place)
    }

    /// Whether it is asked before it is known where a connection leads.
    fn comes_before_addresses(&self, id: GateId) -> bool {
        let scope = self.gates.get(id).map(|gate| gate.scope);
        !matches!(scope, Some(Scope::HostPlaces | Scope::AddressPlaces | Scope::AddressStarts))
    }

    fn knows_addresses(&self) -> bool {
        self.rules.has(Scope::AddressPlaces) || self.rules.has(Scope::AddressStarts)
    }

    /// The idle connection that goes if one more is to come.
    fn idle_on_full(&self, id: GateId) -> Option<ConnectionId> {
        self.idle_of(self.gates.get(id)?).filter(|_| self.is_full(id))
    }

    fn is_full(&self, id: GateId) -> bool {
        self.gates.get(id).is_some_and(|gate| gate.uses >= gate.most)
    }

    fn idle_of(&self, gate: &Gate) -> Option<ConnectionId> {
        let slot = gate.idle.first()?;
        Some(self.connections[slot].ids?.0)
    }

    /// A request is about to begin.
    fn start(&mut self, id: GateId, now: Time) {
        let Some(gate) = self.gates.get_mut(id) else { return };
        gate.uses += 1;
        if gate.keeps_time() {
            self.timed += usize::from(gate.next == Time::ZERO);
            gate.next = gate.next.max(now + gate.interval);
        }
    }

    /// It has begun.
    fn begun(&mut self, id: GateId, now: Time) {
        let Some(gate) = self.gates.get_mut(id) else { return };
        if gate.keeps_time() {
            self.timed += usize::from(gate.next == Time::ZERO);
            gate.next_begin = now + gate.interval;
            gate.next = gate.next.max(gate.next_begin);
        }
        self.note_change(id);
    }

    fn give_back(&mut self, id: GateId) {
        if let Some(gate) = self.gates.get_mut(id) {
            gate.uses -= 1;
        }
        self.note_change(id);
    }

    /// A gate may have become open for those who wait there, or will be at another time.
    fn note_change(&mut self, id: GateId) {
        let Some(gate) = self.gates.get_mut(id) else { return };
        if gate.line.len() > 0 && !std::mem::replace(&mut gate.ready, true) {
            self.ready.push_back(id);
        }
    }

    /// Has an origin wait at a gate, and nowhere else.
    fn wait(&mut self, origin: OriginId, id: GateId, clock: &mut Clock<'_>) {
        let AtOrigin { line, missed, .. } = self.origins[origin.slot()];
        if line == Some(id) {
            return;
        }
        self.pass(origin, clock.now);
        self.leave_line(origin, clock);
        let Some(gate) = self.gates.get_mut(id) else { return };
        match missed {
            true => self.waiting.push_front(&mut gate.line, origin.slot()),
            false => self.waiting.push_back(&mut gate.line, origin.slot()),
        }
        gate.users += 1;
        self.origins[origin.slot()].line = Some(id);
        self.set_timer(id, clock);
    }

    /// Sees to it that whoever waits for a gate's time is called then.
    fn set_timer(&mut self, id: GateId, clock: &mut Clock<'_>) {
        let Some(gate) = self.gates.get_mut(id).filter(|gate| gate.line.len() > 0) else { return };
        let at = match id == self.memory {
            true => clock.now + limits::GATES_SWEPT_EVERY,
            false => gate.next,
        };
        if let Some(timer) = gate.timer.take() {
            clock.timers.cancel(timer);
        }
        // of what holds it, the end is noted
        if at > clock.now && gate.uses < gate.most {
            gate.timer = Some(clock.timers.set(at, Timer::Gate(id)));
        } else if self.is_open(id, clock.now) {
            // the time has come, though the timer has not fired
            self.note_change(id);
        }
    }

    fn sweep(&mut self, now: Time) {
        self.resting.sweep(now);
        let in_use: Vec<_> = self.by_key.values().copied().collect();
        in_use.into_iter().for_each(|id| self.take_off_time(id, now));
    }

    // shared

    fn at(&self, id: ConnectionId) -> Option<(AtConnection, OriginId)> {
        let at = self.connections.get(id.slot())?;
        let (_, origin) = at.ids.filter(|&(connection, _)| connection == id)?;
        Some((*at, origin))
    }

    /// The gates that count a connection's requests.
    fn starts_of(&self, id: ConnectionId) -> [Option<GateId>; 4] {
        let Some((at, origin)) = self.at(id) else { return [None; 4] };
        let [one, host, domain] = self.origins[origin.slot()].starts;
        [one, host, domain, at.address_start]
    }

    /// The gates that count a connection.
    fn places_of(&self, id: ConnectionId) -> [Option<GateId>; 2] {
        let Some((at, origin)) = self.at(id) else { return [None; 2] };
        [self.origins[origin.slot()].place, at.address_place]
    }

    fn goes_first(&self, id: OriginId) -> bool {
        let at = &self.origins[id.slot()];
        self.turn == Some(id) || at.missed || at.passing.is_some()
    }

    /// The addresses that may be tried; all where none would be left.
    fn candidates<'a>(
        &mut self,
        id: OriginId,
        addresses: &'a [IpAddr],
    ) -> impl Iterator<Item = IpAddr> + use<'a> {
        let avoid = &mut self.origins[id.slot()].avoid;
        if (0..addresses.len()).all(|index| *avoid & bit(index) != 0) {
            *avoid = 0;
        }
        let avoid = *avoid;
        let fit = move |&(index, _): &(usize, &IpAddr)| avoid & bit(index) == 0;
        addresses.iter().enumerate().filter(fit).map(|(_, ip)| ip.to_canonical())
    }

    fn unset_idle(&mut self, id: ConnectionId) {
        let Some((at, _)) = self.at(id) else { return };
        if at.idle {
            self.connections[id.slot()].idle = false;
            self.each_idle_list(id, |links, gate, slot| links.remove(&mut gate.idle, slot));
        }
    }

    fn each_idle_list(&mut self, id: ConnectionId, change: impl Fn(&mut Links, &mut Gate, usize)) {
        let places = self.places_of(id);
        for (links, gate) in self.idle.iter_mut().zip(places) {
            if let Some(gate) = gate.and_then(|gate| self.gates.get_mut(gate)) {
                change(links, gate, id.slot());
            }
        }
    }

    /// A connection gives back its address, and what it has begun there.
    fn leave_address(&mut self, id: ConnectionId, now: Time) {
        let Some((at, _)) = self.at(id) else { return };
        if let Some(start) = at.address_start {
            if at.in_flight {
                self.give_back(start);
            }
            self.let_go(start, now);
        }
        if let Some(place) = at.address_place {
            self.give_back(place);
            self.let_go(place, now);
        }
        let at = &mut self.connections[id.slot()];
        (at.address_place, at.address_start) = (None, None);
    }
}

/// The bit of an address, by its place in the list; the last ones share theirs.
fn bit(index: usize) -> u32 {
    1 << index.min(31)
}
