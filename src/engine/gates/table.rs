//! All gates, who holds them and who waits at which.
//!
//! Knows origins and connections by their ids, keys of hosts, domains and addresses, and the times that
//! are to be kept. Must not know transfers, nor how a connection is made.
//!
//! Invariants: an origin waits at one gate at most, or else at one for each of its addresses, and is called
//! by the first to open; a gate at which somebody waits is closed, and what
//! opens it (the end of what holds it, or its timer) is under way, or it is among those that are `ready`;
//! a gate that nobody uses is an entry of [`Resting`] for as long as its time is to be kept, and nothing
//! after; every operation takes a few steps, however many gates there are or wait there.
//!
//! A gate's key is 64 bits of a keyed hash. Two hosts that had the same would be limited together: no
//! promise is broken by that.

mod connections;
mod origins;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use slab::Slab as Places;

use super::gate::{Gate, Rules, Scope};
use super::list::Links;
use super::resting::Resting;
use crate::engine::ids::{ConnectionId, OriginId};
use crate::engine::ids::{GateId, of};
use crate::engine::pool::key::PoolKey;
use crate::engine::timer::Timer;
use crate::engine::timers::Timers;
use crate::id::Slab;
use crate::limits;
use crate::protocol::{Host, registrable_domain};
use crate::time::Time;

/// Of an origin's connections that take one more request, how many are looked at for one whose address lets through.
const LOOKED_AT: usize = 16;

pub(in crate::engine) struct Table {
    pub(super) rules: Rules,
    /// The intervals of single hosts.
    own: HashMap<u64, Duration>,
    names: RandomState,
    gates: Slab<Gate, of::Gate>,
    by_key: HashMap<u64, GateId>,
    resting: Resting,
    /// Table in use that have a time to be kept.
    timed: usize,
    /// How many may have one, resting ones included.
    most_timed: usize,
    /// Where those wait whose gate could not be remembered.
    memory: GateId,
    origins: Vec<AtOrigin>,
    connections: Vec<AtConnection>,
    waits: Places<Wait>,
    /// Origins that have a place in a line.
    held_up: usize,
    waiting: Links,
    idle: [Links; 2],
    /// Table with a line that may have become open.
    ready: VecDeque<GateId>,
    /// Whose turn it is now: it does not wait behind others.
    turn: Option<OriginId>,
}

/// What a connection is about, as the gates see it.
pub(super) struct Stage {
    /// Requests on it, or one for which it is being made,
    pub(super) requests: usize,
    /// which has not begun,
    pub(super) starting: bool,
    /// and for which another is being made, too.
    pub(super) beside: bool,
}

/// Timers, and the time that it is.
pub(in crate::engine) struct Clock<'a> {
    timers: &'a mut Timers<Timer>,
    now: Time,
}

impl<'a> Clock<'a> {
    #[inline]
    pub(in crate::engine) fn new(timers: &'a mut Timers<Timer>, now: Time) -> Clock<'a> {
        Clock { timers, now }
    }
}

/// The gates of an origin.
#[derive(Clone, Copy, Default)]
struct AtOrigin {
    id: Option<OriginId>,
    /// By origin, host and domain.
    starts: [Option<GateId>; 3],
    place: Option<GateId>,
    /// Where it waits: the first of its places in lines.
    wait: Option<usize>,
    /// Where its turn came, which it has until it has what else it needs.
    passing: Option<GateId>,
    /// Its turn came in vain: it comes first from there on.
    missed: bool,
}

/// An origin's place in the line of a gate.
#[derive(Clone, Copy)]
struct Wait {
    origin: OriginId,
    gate: GateId,
    /// Its place in another line.
    next: Option<usize>,
}

/// The gates of a connection, besides those of its origin.
#[derive(Clone, Copy, Default)]
struct AtConnection {
    /// The connection and its origin.
    ids: Option<(ConnectionId, OriginId)>,
    /// Requests in flight on it, the one included for which it is being made.
    requests: usize,
    /// That one has not begun.
    starting: bool,
    idle: bool,
    /// Another connection, with which it races, holds what the request holds at the gates of its origin.
    beside: bool,
    address_place: Option<GateId>,
    address_start: Option<GateId>,
}

impl Table {
    pub(in crate::engine) fn new(rules: Rules) -> Table {
        Table::with_most(rules, limits::GATES)
    }

    pub(super) fn with_most(rules: Rules, most_timed: usize) -> Table {
        let mut gates = Slab::new();
        let mut memory = Gate::new(0, Scope::Memory, rules.of(Scope::Memory));
        memory.users = 1;
        Table {
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
            waits: Places::new(),
            held_up: 0,
            waiting: Links::default(),
            idle: [Links::default(), Links::default()],
            ready: VecDeque::new(),
            turn: None,
        }
    }

    /// The same with other rules: of those who pass through and wait nothing is known, but what is to be
    /// kept is.
    pub(super) fn with_rules(mut self, rules: Rules, clock: Clock<'_>) -> Table {
        for (_, gate) in self.gates.iter() {
            if let Some(timer) = gate.timer {
                clock.timers.cancel(timer);
            }
            if gate.next > clock.now {
                self.resting.put(gate.key, gate.next, clock.now);
            }
        }
        let Table { own, names, resting, most_timed, .. } = self;
        Table { own, names, resting, ..Table::with_most(rules, most_timed) }
    }

    /// How many gates are known: those in use, and those whose time is to be kept.
    pub(in crate::engine) fn known(&self) -> usize {
        // without the one that is always there
        self.gates.len() - 1 + self.resting.len()
    }

    /// How many origins wait at one.
    pub(in crate::engine) fn held_up(&self) -> usize {
        self.held_up
    }

    /// Times that are kept, of gates in use and of others.
    #[cfg(test)]
    pub(super) fn times_kept(&self) -> usize {
        self.timed + self.resting.len()
    }

    /// Whether any rule is in force.
    pub(super) fn has_rules(&self) -> bool {
        self.rules != Rules::default() || !self.own.is_empty()
    }

    /// Gives a host an interval of its own, or takes it back. A wait that is under way ends no later than
    /// it would have from now.
    pub(super) fn set_interval(&mut self, host: &Host, interval: Option<Duration>, now: Time) {
        let key = self.key(Scope::HostStarts, host.without_dot());
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

    /// As [`Table::closed`], of both gates of an address. Whoever asks knows the id that is returned.
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

    /// Has an origin wait at these gates, and nowhere else: the first to open calls it.
    fn wait(&mut self, origin: OriginId, gates: &[GateId], clock: &mut Clock<'_>) {
        if gates.iter().all(|&gate| self.waits_at(origin, gate)) {
            return;
        }
        self.pass(origin, clock.now);
        self.leave_lines(origin, clock);
        let missed = self.origins[origin.slot()].missed;
        self.held_up += usize::from(!gates.is_empty());
        for &id in gates {
            let Some(gate) = self.gates.get_mut(id) else { continue };
            let next = self.origins[origin.slot()].wait;
            let place = self.waits.insert(Wait { origin, gate: id, next });
            match missed {
                true => self.waiting.push_front(&mut gate.line, place),
                false => self.waiting.push_back(&mut gate.line, place),
            }
            gate.users += 1;
            self.origins[origin.slot()].wait = Some(place);
            self.set_timer(id, clock);
        }
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
        if at.beside {
            return [None, None, None, at.address_start];
        }
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

    /// An origin's places in lines.
    fn places(&self, id: OriginId) -> impl Iterator<Item = (usize, GateId)> {
        let first = self.origins.get(id.slot()).filter(|at| at.id == Some(id));
        let mut next = first.and_then(|at| at.wait);
        std::iter::from_fn(move || {
            let at = next?;
            next = self.waits[at].next;
            Some((at, self.waits[at].gate))
        })
    }

    fn waits_at(&self, id: OriginId, gate: GateId) -> bool {
        self.places(id).any(|(_, other)| other == gate)
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
            for _ in 0..at.requests {
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
