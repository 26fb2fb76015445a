//! Connections at the gates: the places that they hold, and the requests that begin on them.
//!
//! Knows what the table has of connections. Must not know who waits in a line. Invariant: what a connection holds it gives
//! back once, when it is closed or its request is over.

use super::*;

impl Table {
    /// A connection is about to be made for a request of this origin; or one `beside` another, which is being made
    /// for the same.
    pub(in crate::engine::gates) fn open(
        &mut self,
        connection: ConnectionId,
        origin: OriginId,
        beside: bool,
        now: Time,
    ) {
        if self.connections.len() <= connection.slot() {
            self.connections.resize(connection.slot() + 1, AtConnection::default());
        }
        self.connections[connection.slot()] = AtConnection {
            ids: Some((connection, origin)),
            requests: 1,
            starting: true,
            beside,
            ..AtConnection::default()
        };
        for gate in self.starts_of(connection).into_iter().flatten() {
            self.start(gate, now);
        }
        let place = self.origins[origin.slot()].place;
        if let Some(gate) = place.and_then(|gate| self.gates.get_mut(gate)) {
            gate.uses += 1;
        }
    }

    /// Has a connection lead to this address, if that lets it through. The one before, which failed, is given back in
    /// any case.
    pub(in crate::engine) fn take_address(
        &mut self,
        id: ConnectionId,
        ip: IpAddr,
        now: Time,
    ) -> bool {
        let Some((_, origin)) = self.at(id) else { return true };
        self.leave_address(id, now);
        let Some((place, start)) = self.room_at(ip, origin, now) else { return false };
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

    /// Whether this address lets one more connection of an origin through.
    pub(in crate::engine) fn has_room_at(&mut self, ip: IpAddr, id: OriginId, now: Time) -> bool {
        let Some((place, start)) = self.room_at(ip, id, now) else { return false };
        [place, start].into_iter().flatten().for_each(|gate| self.let_go(gate, now));
        true
    }

    /// The gates of an address if they let one more connection through, without an idle one having to go. Whoever asks
    /// knows them.
    fn room_at(
        &mut self,
        ip: IpAddr,
        id: OriginId,
        now: Time,
    ) -> Option<(Option<GateId>, Option<GateId>)> {
        let place = self.gate_for(Scope::AddressPlaces, ip.to_canonical());
        let start = self.gate_for(Scope::AddressStarts, ip.to_canonical());
        let gates = [place, start].into_iter().flatten();
        let closed =
            gates.clone().any(|gate| self.closed(gate, id, now).is_some() || self.is_full(gate));
        if closed {
            gates.for_each(|gate| self.let_go(gate, now));
            return None;
        }
        Some((place, start))
    }

    /// Whether a host has a place for one more connection that nobody waits for.
    pub(in crate::engine) fn has_place_beside(&self, id: OriginId) -> bool {
        let place = self.origins.get(id.slot()).and_then(|at| self.gates.get(at.place?));
        place.is_none_or(|gate| gate.uses < gate.most && gate.line.len() == 0 && !gate.is_passed)
    }

    /// What a connection holds for its request at the gates of its origin goes to another, with which it races.
    pub(in crate::engine) fn hand_over(&mut self, from: ConnectionId, to: ConnectionId) {
        let holds = |id| self.at(id).map(|(at, _)| !at.beside);
        if (holds(from), holds(to)) == (Some(true), Some(false)) {
            self.connections[from.slot()].beside = true;
            self.connections[to.slot()].beside = false;
        }
    }

    /// Whether the request for which a connection was made may begin as soon as it is ready. Others may have
    /// begun on the way.
    pub(in crate::engine::gates) fn may_begin(&self, id: ConnectionId, now: Time) -> bool {
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
    pub(in crate::engine::gates) fn begin(&mut self, id: ConnectionId, now: Time) {
        let Some((at, origin)) = self.at(id) else { return };
        self.unset_idle(id);
        for gate in self.starts_of(id).into_iter().flatten() {
            if !at.starting {
                self.start(gate, now);
            }
            self.begun(gate, now);
        }
        let at = &mut self.connections[id.slot()];
        at.requests += usize::from(!at.starting);
        at.starting = false;
        self.launched(origin, now);
    }

    /// An origin's transfer has all that it waited for.
    pub(in crate::engine::gates) fn launched(&mut self, origin: OriginId, now: Time) {
        self.origins[origin.slot()].missed = false;
        self.turn = self.turn.filter(|&turn| turn != origin);
        self.pass(origin, now);
    }

    /// The request that a connection was to be made for never came to be: it does not count.
    pub(in crate::engine::gates) fn take_back(&mut self, id: ConnectionId, now: Time) {
        if !self.at(id).is_some_and(|(at, _)| at.starting) {
            return;
        }
        for gate in self.starts_of(id).into_iter().flatten() {
            if let Some(gate) = self.gates.get_mut(gate).filter(|gate| gate.keeps_time()) {
                gate.next = gate.next.min(gate.next_begin.max(now));
            }
        }
    }

    /// A request of a connection is over.
    pub(in crate::engine::gates) fn leave(&mut self, id: ConnectionId) {
        let Some((at, _)) = self.at(id) else { return };
        if at.requests == 0 {
            return;
        }
        self.starts_of(id).into_iter().flatten().for_each(|gate| self.give_back(gate));
        let at = &mut self.connections[id.slot()];
        at.requests -= 1;
        at.starting = false;
    }

    pub(in crate::engine::gates) fn set_idle(&mut self, id: ConnectionId) {
        let Some((at, _)) = self.at(id) else { return };
        if !at.idle {
            self.connections[id.slot()].idle = true;
            self.each_idle_list(id, |links, gate, slot| links.push_back(&mut gate.idle, slot));
            self.places_of(id).into_iter().flatten().for_each(|gate| self.note_change(gate));
        }
    }

    /// A connection is gone.
    pub(in crate::engine::gates) fn close(&mut self, id: ConnectionId, now: Time) {
        let Some((at, origin)) = self.at(id) else { return };
        (0..at.requests).for_each(|_| self.leave(id));
        self.unset_idle(id);
        self.leave_address(id, now);
        if let Some(place) = self.origins[origin.slot()].place {
            self.give_back(place);
        }
        self.connections[id.slot()] = AtConnection::default();
    }

    /// Whether its host or its address has more connections than it may, since a limit was lowered.
    pub(in crate::engine::gates) fn has_surplus(&self, id: ConnectionId) -> bool {
        self.places_of(id).into_iter().flatten().any(|gate| self.is_over(gate))
    }

    /// An idle connection that is one too many.
    pub(in crate::engine::gates) fn idle_surplus(&self) -> Option<ConnectionId> {
        let over = self.gates.iter().filter(|&(id, _)| self.is_over(id));
        over.filter_map(|(_, gate)| self.idle_of(gate)).next()
    }

    /// Whether another origin waits for a place that this connection holds.
    pub(in crate::engine::gates) fn others_want_place(&self, id: ConnectionId) -> bool {
        let Some((_, origin)) = self.at(id) else { return false };
        self.places_of(id).into_iter().flatten().any(|gate| {
            let waiting = self.gates.get(gate).map_or(0, |gate| gate.line.len());
            waiting > usize::from(waiting > 0 && self.waits_at(origin, gate))
        })
    }

    /// An origin that held a place for long enough does not come before others again.
    pub(in crate::engine::gates) fn go_last(&mut self, id: OriginId) {
        let mut next = self.origins[id.slot()].wait;
        while let Some(place) = next {
            let wait = self.waits[place];
            next = wait.next;
            if let Some(gate) = self.gates.get_mut(wait.gate).filter(|gate| gate.is_place()) {
                self.waiting.remove(&mut gate.line, place);
                self.waiting.push_back(&mut gate.line, place);
            }
        }
    }

    /// Takes a connection in that was there before the rules.
    pub(in crate::engine::gates) fn adopt(
        &mut self,
        ids: (ConnectionId, OriginId),
        ip: Option<IpAddr>,
        Stage { requests, starting, beside }: Stage,
        now: Time,
    ) {
        let (id, origin) = ids;
        self.open(id, origin, beside, now);
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
        (1..requests).for_each(|_| self.begin(id, now));
        if requests == 0 {
            self.leave(id);
            self.set_idle(id);
        }
    }

    /// An origin has passed the gate where its turn came, or does without.
    pub(super) fn pass(&mut self, origin: OriginId, now: Time) {
        let Some(id) = self.origins[origin.slot()].passing.take() else { return };
        if let Some(gate) = self.gates.get_mut(id) {
            gate.is_passed = false;
        }
        self.note_change(id);
        self.let_go(id, now);
    }
}
