//! Gates: what there may be at once, and how often, by host, by registrable domain and by address.
//!
//! A gate counts connections or requests, and may keep a least time between two beginnings; an origin that
//! finds one closed waits there, in one line, and is called when it opens. Here the engine asks them on a
//! transfer's way to its exchange, and tells them what has come and gone; [`table`] decides. Must not
//! know requests. Invariant: an engine that has no such rules has no gates, and asks nothing.

mod gate;
mod list;
mod resting;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use crate::engine::links::connection::State;
use crate::engine::names::resolve::Addresses;
use crate::engine::pool::OriginId;
use crate::engine::transfers::transfer::Place;
use crate::engine::{ConnectionId, Engine, TransferId};
use crate::http::Host;

pub(super) use gate::{GateId, Rules};
pub(super) use table::Gates;

use table::{Clock, Stage};

/// How gently servers are asked: the rules of a crawler. Whoever is asked by several of them at once has all of
/// them kept.
///
/// A host is one whatever the scheme and port; its registrable domain is its public suffix with one label
/// more (an address, and a name without, is a domain of its own). The address is the one that a connection
/// leads to. What a proxy forwards counts for the proxy's host, and all that goes by a proxy for its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Politeness {
    /// For each scheme, host and port.
    pub per_origin: Allowance,
    /// For each host. [`Engine::set_interval`] sets the interval of one.
    pub per_host: Allowance,
    /// For each registrable domain.
    pub per_domain: Allowance,
    /// For each address.
    pub per_address: Allowance,
}

/// What is allowed to each of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The least time between the beginnings of two requests, as exact as the engine's batches are short; none
    /// unless set. A request begins when its connection is ready for it. Attempts to connect keep their
    /// distance, too.
    pub interval: Option<Duration>,
    /// Requests at once, those included whose connections are being made; any number unless set.
    pub concurrency: Option<usize>,
}

impl Engine {
    /// How many connections there may be to one host (all its ports and schemes) and to one address, idle ones
    /// included; any number where it is `None`. A connection over a lowered limit is closed when its exchange
    /// is over.
    pub fn set_host_limits(&mut self, max_per_host: Option<usize>, max_per_address: Option<usize>) {
        let rules = self.rules();
        self.set_rules(Rules { max_per_host, max_per_address, ..rules });
    }

    /// How gently servers are asked from here on. Times that are being kept are kept still.
    pub fn set_politeness(&mut self, politeness: Politeness) {
        let rules = self.rules();
        self.set_rules(Rules { politeness, ..rules });
    }

    /// Sets the least time between the beginnings of two requests to one host, instead of that of
    /// [`Politeness::per_host`]; `None` takes it back. It counts from the next beginning on, but a wait that is
    /// under way gets no longer than this. Remembered until it is taken back, at some 30 bytes for each host.
    pub fn set_interval(&mut self, host: &Host, interval: Option<Duration>) {
        if self.gates.is_none() && interval.is_some() {
            self.set_rules(self.rules());
        }
        let now = self.now;
        if let Some(gates) = &mut self.gates {
            gates.set_interval(host, interval, now);
        }
        if !self.gates.as_ref().is_some_and(|gates| gates.has_rules()) {
            self.set_rules(self.rules());
        }
    }

    fn rules(&self) -> Rules {
        self.gates.as_ref().map_or_else(Rules::default, |gates| gates.rules)
    }

    /// Puts other rules in force, at the cost of looking at all origins and connections.
    fn set_rules(&mut self, rules: Rules) {
        let clock = Clock { timers: &mut self.timers, now: self.now };
        let mut gates = match self.gates.take() {
            Some(gates) => gates.with_rules(rules, clock),
            None => Gates::new(rules),
        };
        for (id, connection) in self.pool.connections.iter() {
            if connection.channel().is_some() {
                continue;
            }
            let Some(origin) = self.pool.get(connection.origin) else { continue };
            gates.meet(connection.origin, &origin.key);
            let starting = matches!(
                connection.state,
                State::Connecting(_) | State::Tunnelling(_) | State::Handshaking(_)
            );
            let requests = match &connection.state {
                State::Multiplexed(link) => link.exchanges,
                _ => usize::from(!connection.is_idle()),
            };
            let transfer = connection.opens_for().and_then(|id| self.transfers.get(id));
            let beside = transfer.is_some_and(|transfer| transfer.place != Place::Opening(id));
            let stage = Stage { requests, starting, beside };
            let ip = (!origin.key.is_local()).then(|| connection.remote.ip());
            gates.adopt((id, connection.origin), ip, stage, self.now);
        }
        self.gates = Some(Box::new(gates));
        while let Some(idle) = self.gates.as_ref().and_then(|gates| gates.idle_surplus()) {
            self.close(idle);
        }
        self.to_serve.extend(self.pool.waiting_origins());
    }

    fn at_gates(&mut self) -> Option<(&mut Gates, Clock<'_>)> {
        let clock = Clock { timers: &mut self.timers, now: self.now };
        Some((self.gates.as_deref_mut()?, clock))
    }

    // on the way to an exchange

    /// Whether the gates that are known let a request of this origin begin. If not, the origin waits.
    #[inline]
    pub(super) fn may_start(&mut self, id: OriginId) -> bool {
        self.gates.is_none() || self.may_start_now(id)
    }

    #[cold]
    fn may_start_now(&mut self, id: OriginId) -> bool {
        let Some(origin) = self.pool.get(id) else { return true };
        let Some(gates) = self.gates.as_deref_mut() else { return true };
        let clock = &mut Clock { timers: &mut self.timers, now: self.now };
        if origin.queued() == 0 {
            gates.drop_out(id, clock);
            return true;
        }
        gates.meet(id, &origin.key);
        let admitted = gates.admits(id, clock);
        self.leave_slot_queue_if_waiting(id);
        admitted
    }

    /// The idle connection on which an origin's next request may begin; where there are gates, also one that others
    /// are on and that has room.
    #[inline]
    pub(super) fn idle_connection(&mut self, id: OriginId) -> Option<ConnectionId> {
        match self.gates {
            None => self.pool.last_idle(id),
            Some(_) => self.connection_past_gates(id),
        }
    }

    #[cold]
    fn connection_past_gates(&mut self, id: OriginId) -> Option<ConnectionId> {
        let has_else = self.pool.origin_has_room(id);
        let ready = self.pool.ready(id);
        let gates = self.gates.as_deref_mut()?;
        let clock = &mut Clock { timers: &mut self.timers, now: self.now };
        let chosen = gates.choose(id, ready, has_else, clock);
        self.leave_slot_queue_if_waiting(id);
        chosen
    }

    /// Whether a request may follow on a connection, as far as its address has a say. If not, its origin is
    /// served when it is idle.
    #[inline]
    pub(super) fn may_go_on(&mut self, id: ConnectionId, origin: OriginId) -> bool {
        let Some((gates, clock)) = self.at_gates() else { return true };
        let may = gates.may_go_on(id, clock.now);
        if !may {
            self.to_serve.push_back(origin);
        }
        may
    }

    /// Whether the host may have one more connection. If not, the origin waits.
    #[inline]
    pub(super) fn has_place(&mut self, id: OriginId) -> bool {
        let Some((gates, mut clock)) = self.at_gates() else { return true };
        let has_place = gates.has_place(id, &mut clock);
        self.leave_slot_queue_if_waiting(id);
        has_place
    }

    /// Whether one of the addresses may have one more connection, and a request. If not, the origin waits.
    #[inline]
    pub(super) fn has_address(&mut self, id: OriginId, addresses: &Addresses) -> bool {
        self.gates.is_none() || self.leads_inside(id) || self.has_address_at_gates(id, addresses)
    }

    /// Whether an origin's sockets are Unix sockets, which have no address, and so no gate of one.
    pub(super) fn leads_inside(&self, id: OriginId) -> bool {
        self.pool.get(id).is_some_and(|origin| origin.key.is_local())
    }

    #[cold]
    fn has_address_at_gates(&mut self, id: OriginId, addresses: &Addresses) -> bool {
        let transfers = &self.transfers;
        let origin = self.pool.get_mut(id);
        let next = origin.and_then(|origin| origin.next(|id| transfers.get(id).is_some()));
        let left = next.and_then(|next| self.left_to_try(next, addresses));
        let Some((gates, mut clock)) = self.at_gates() else { return true };
        let has_address = gates.has_address(id, left.as_ref().unwrap_or(addresses), &mut clock);
        self.leave_slot_queue_if_waiting(id);
        has_address
    }

    /// Closes idle connections whose places an origin's next connection, for this transfer, is to have.
    #[inline]
    pub(super) fn clear_the_way(
        &mut self,
        id: OriginId,
        transfer: TransferId,
        addresses: &Addresses,
    ) {
        if self.gates.is_some() {
            let left = self.left_to_try(transfer, addresses);
            let left = left.as_ref().unwrap_or(addresses);
            let with_gates = if self.leads_inside(id) { &[] } else { &**left };
            self.clear_the_way_to(id, with_gates);
        }
    }

    #[cold]
    fn clear_the_way_to(&mut self, id: OriginId, addresses: &[IpAddr]) {
        while let Some((gates, clock)) = self.at_gates()
            && let Some(idle) = gates.in_the_way(id, addresses, clock.now)
        {
            self.stats.evicted += 1;
            self.close(idle);
        }
    }

    /// A connection is about to be made; `beside` another one for the same request, or not.
    #[inline]
    pub(super) fn note_open(&mut self, id: ConnectionId, origin: OriginId, beside: bool) {
        if let Some((gates, clock)) = self.at_gates() {
            gates.open(id, origin, beside, clock.now);
        }
    }

    /// A connection is being made, and leads somewhere.
    #[inline]
    pub(super) fn note_launch(&mut self, id: OriginId) {
        if let Some((gates, clock)) = self.at_gates() {
            gates.launched(id, clock.now);
        }
    }

    /// Nobody of this origin waits.
    #[inline]
    pub(super) fn leave_lines(&mut self, id: OriginId) {
        if let Some((gates, mut clock)) = self.at_gates() {
            gates.drop_out(id, &mut clock);
        }
    }

    /// An origin is forgotten.
    #[inline]
    pub(super) fn forget_at_gates(&mut self, id: OriginId) {
        if let Some((gates, mut clock)) = self.at_gates() {
            gates.forget(id, &mut clock);
        }
    }

    /// An origin whose turn it is looks its host up first.
    #[inline]
    pub(super) fn miss_turn_at_gates(&mut self, id: OriginId) {
        if let Some(gates) = &mut self.gates {
            gates.miss_turn(id);
        }
    }

    /// Whoever waits at a gate waits nowhere else.
    fn leave_slot_queue_if_waiting(&mut self, id: OriginId) {
        if self.gates.as_ref().is_some_and(|gates| gates.is_waiting(id)) {
            self.pool.leave_slot_queue(id);
        }
    }

    // turns

    /// Serves the origin whose turn it is at a gate that has opened. False if there is none.
    #[inline]
    pub(super) fn serve_at_gates(&mut self) -> bool {
        let Some((gates, mut clock)) = self.at_gates() else { return false };
        let Some(origin) = gates.next_turn(&mut clock) else { return false };
        self.serve(origin);
        self.end_turn_at_gates(origin);
        true
    }

    /// It is an origin's turn to take a slot.
    #[inline]
    pub(super) fn begin_turn_at_gates(&mut self, id: OriginId) {
        if let Some(gates) = &mut self.gates {
            gates.give_turn(id);
        }
    }

    #[inline]
    pub(super) fn end_turn_at_gates(&mut self, id: OriginId) {
        let keeps = self.pool.awaits_slot(id);
        if let Some((gates, clock)) = self.at_gates() {
            gates.end_turn(id, keeps, clock.now);
        }
    }

    // connections

    /// What goes on at the gates when a connection's request begins.
    #[inline]
    pub(super) fn note_begin(&mut self, id: ConnectionId) {
        if let Some((gates, clock)) = self.at_gates() {
            gates.begin(id, clock.now);
        }
    }

    /// A request on a connection is over.
    #[inline]
    pub(super) fn leave_gates(&mut self, id: ConnectionId) {
        if let Some(gates) = &mut self.gates {
            gates.leave(id);
        }
    }

    /// Whether a connection's request may begin now that it is ready. If not, the transfer waits for its time.
    #[inline]
    pub(super) fn may_begin(&mut self, id: ConnectionId, transfer: TransferId) -> bool {
        let may = self.gates.as_ref().is_none_or(|gates| gates.may_begin(id, self.now));
        if !may {
            self.step_aside(id, transfer);
        }
        may
    }

    /// A connection is ready too early for its request: it is idle until then.
    #[cold]
    fn step_aside(&mut self, id: ConnectionId, transfer: TransferId) {
        let Some(origin) = self.queue_first(transfer) else { return };
        self.schedule_transfer(transfer);
        self.leave_gates(id);
        if let Some(gates) = &mut self.gates {
            gates.put_off(origin);
        }
        self.pool.set_idle(id, self.now);
        self.note_idle(id);
        self.touch(id);
        self.to_serve.push_back(origin);
    }

    #[inline]
    pub(super) fn note_idle(&mut self, id: ConnectionId) {
        if let Some(gates) = &mut self.gates {
            gates.set_idle(id);
        }
    }

    #[inline]
    pub(super) fn note_close(&mut self, id: ConnectionId) {
        if let Some((gates, clock)) = self.at_gates() {
            gates.close(id, clock.now);
        }
    }

    /// Whether a connection whose exchange is over is one too many at its host or address.
    #[inline]
    pub(super) fn is_surplus_at_gates(&self, id: ConnectionId) -> bool {
        self.gates.as_ref().is_some_and(|gates| gates.has_surplus(id))
    }

    #[inline(always)]
    pub(super) fn others_want_place(&self, id: ConnectionId) -> bool {
        self.gates.as_ref().is_some_and(|gates| gates.others_want_place(id))
    }

    /// The origin of a connection has had its place for long enough.
    #[inline]
    pub(super) fn go_last_at_gates(&mut self, id: OriginId) {
        if let Some(gates) = &mut self.gates {
            gates.go_last(id);
        }
    }

    /// The request that a connection was to be made for never came to be.
    #[inline]
    pub(super) fn take_back_start(&mut self, id: ConnectionId) {
        if let Some((gates, clock)) = self.at_gates() {
            gates.take_back(id, clock.now);
        }
    }
}
