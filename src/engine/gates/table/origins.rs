//! Origins at the gates: who may go through, who waits in which line, whose turn it is.
//!
//! Knows what the table has of origins. Must not know connections but by their idle lists. Invariants: an origin waits in
//! one line, or in one for each of its addresses, and leaves all of them together; a turn is given back by whoever does
//! not use it.

use super::*;

impl Table {
    /// Makes an origin known.
    pub(in crate::engine::gates) fn meet(&mut self, id: OriginId, key: &PoolKey) {
        if self.origins.len() <= id.slot() {
            self.origins.resize(id.slot() + 1, AtOrigin::default());
        }
        if self.origins[id.slot()].id == Some(id) {
            return;
        }
        let (origin, host) = (&key.origin, &key.origin.host().without_dot());
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
    pub(in crate::engine::gates) fn forget(&mut self, id: OriginId, clock: &mut Clock<'_>) {
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
    pub(in crate::engine::gates) fn admits(&mut self, id: OriginId, clock: &mut Clock<'_>) -> bool {
        let at = self.origins[id.slot()];
        let line = at.wait.map(|place| self.waits[place].gate);
        if line.is_some_and(|gate| self.comes_before_addresses(gate)) {
            return false;
        }
        for gate in at.starts.into_iter().flatten() {
            if let Some(gate) = self.closed(gate, id, clock.now) {
                self.wait(id, &[gate], clock);
                return false;
            }
        }
        true
    }

    /// Whether there is a place at its host for one more of an origin's connections, or one held by an
    /// idle one. If not, it waits.
    pub(in crate::engine::gates) fn has_place(
        &mut self,
        id: OriginId,
        clock: &mut Clock<'_>,
    ) -> bool {
        let at = self.origins[id.slot()];
        if at.wait.is_some() {
            return false;
        }
        match at.place.and_then(|gate| self.closed(gate, id, clock.now)) {
            Some(gate) => {
                self.wait(id, &[gate], clock);
                false
            }
            None => true,
        }
    }

    /// Whether one of these addresses lets a connection and a request through. If not, the origin waits
    /// at all of them, or as many as are tried for a name.
    pub(in crate::engine::gates) fn has_address(
        &mut self,
        id: OriginId,
        addresses: &[IpAddr],
        clock: &mut Clock<'_>,
    ) -> bool {
        // to none at all the way is open: it ends there
        if !self.knows_addresses() || addresses.is_empty() {
            return true;
        }
        if self.origins[id.slot()].wait.is_some() {
            return false;
        }
        let mut lines: Vec<GateId> = Vec::new();
        let mut found = false;
        for ip in addresses.iter().map(IpAddr::to_canonical) {
            let Some(gate) = self.closed_at(ip, id, clock.now) else {
                found = true;
                break;
            };
            if lines.len() == limits::ADDRESSES || lines.contains(&gate) {
                self.let_go(gate, clock.now);
            } else {
                lines.push(gate);
            }
        }
        if !found {
            self.wait(id, &lines, clock);
        }
        lines.into_iter().for_each(|gate| self.let_go(gate, clock.now));
        found
    }

    /// Of an origin's connections that take one more request, the first whose address lets it through. If there is
    /// none and nothing `else` to be done, the origin waits for the first of them.
    pub(in crate::engine::gates) fn choose(
        &mut self,
        id: OriginId,
        ready: impl Iterator<Item = ConnectionId>,
        has_else: bool,
        clock: &mut Clock<'_>,
    ) -> Option<ConnectionId> {
        let mut closed = None;
        for connection in ready.take(LOOKED_AT) {
            let gate = self.connections[connection.slot()].address_start;
            match gate.and_then(|gate| self.closed(gate, id, clock.now)) {
                None => return Some(connection),
                Some(gate) => closed = closed.or(Some(gate)),
            }
        }
        if !has_else && let Some(gate) = closed {
            self.wait(id, &[gate], clock);
        }
        None
    }

    /// Whether the address of a connection lets its next request through.
    pub(in crate::engine::gates) fn may_go_on(&mut self, id: ConnectionId, now: Time) -> bool {
        let Some((at, origin)) = self.at(id) else { return true };
        at.address_start.is_none_or(|gate| self.closed(gate, origin, now).is_none())
    }

    /// An idle connection that holds a place which a connection of this origin is to have.
    pub(in crate::engine::gates) fn in_the_way(
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
        for ip in addresses.iter().map(IpAddr::to_canonical) {
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
    pub(in crate::engine::gates) fn drop_out(&mut self, id: OriginId, clock: &mut Clock<'_>) {
        if self.origins.get(id.slot()).is_some_and(|at| at.id == Some(id)) {
            self.pass(id, clock.now);
            self.leave_lines(id, clock);
        }
    }

    /// Whether an origin waits at a gate.
    pub(in crate::engine::gates) fn is_waiting(&self, id: OriginId) -> bool {
        let at = self.origins.get(id.slot());
        at.is_some_and(|at| at.id == Some(id) && at.wait.is_some())
    }

    pub(super) fn leave_lines(&mut self, id: OriginId, clock: &mut Clock<'_>) {
        let Some(at) = self.origins.get_mut(id.slot()).filter(|at| at.id == Some(id)) else {
            return;
        };
        let mut next = at.wait.take();
        self.held_up -= usize::from(next.is_some());
        while let Some(place) = next {
            let wait = self.waits.remove(place);
            next = wait.next;
            let Some(gate) = self.gates.get_mut(wait.gate) else { continue };
            self.waiting.remove(&mut gate.line, place);
            if gate.line.len() == 0
                && let Some(timer) = gate.timer.take()
            {
                clock.timers.cancel(timer);
            }
            self.let_go(wait.gate, clock.now);
        }
    }

    /// The origin's turn came, but not the time to begin.
    pub(in crate::engine::gates) fn put_off(&mut self, id: OriginId) {
        self.origins[id.slot()].missed = true;
    }

    /// The origin's turn came, but it has to find its addresses first.
    pub(in crate::engine::gates) fn miss_turn(&mut self, id: OriginId) {
        if self.turn == Some(id) {
            self.put_off(id);
        }
    }

    // turns

    /// Whether a gate may have become open for somebody.
    pub(in crate::engine) fn has_opened(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The origin whose turn it is at a gate that has become open, until [`Table::end_turn`].
    pub(in crate::engine::gates) fn next_turn(
        &mut self,
        clock: &mut Clock<'_>,
    ) -> Option<OriginId> {
        while let Some(&id) = self.ready.front() {
            if let Some(origin) = self.first_in_line(id, clock.now) {
                if let Some(gate) = self.gates.get_mut(id) {
                    gate.is_passed = true;
                    gate.users += 1;
                }
                self.leave_lines(origin, clock);
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
    pub(in crate::engine::gates) fn give_turn(&mut self, id: OriginId) {
        self.turn = Some(id);
    }

    /// A turn is over. Who still has to wait for a connection `keeps` what it came for: others would have
    /// to wait for that, too.
    pub(in crate::engine::gates) fn end_turn(&mut self, id: OriginId, keeps: bool, now: Time) {
        self.turn = None;
        if !keeps {
            self.pass(id, now);
        }
    }

    pub(super) fn first_in_line(&self, id: GateId, now: Time) -> Option<OriginId> {
        let gate = self.gates.get(id).filter(|_| self.is_open(id, now))?;
        Some(self.waits[gate.line.first()?].origin)
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
}
