//! Gates: what there may be at once, and how often, by host, by registrable domain and by address.
//!
//! A gate counts connections or requests, and may keep a least time between two beginnings; an origin that
//! finds one closed waits there, in one line, and is called when it opens. [`ask`] asks them on a
//! transfer's way to its exchange, and tells them what has come and gone; [`table`] decides. Must not
//! know requests. Invariant: an engine that has no such rules has no gates, and asks nothing.

mod ask;
mod gate;
mod list;
pub(super) mod politeness;
mod resting;
mod table;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::engine::ids::{ConnectionId, GateId, OriginId};
use crate::engine::pool::Pool;
use crate::time::Time;

pub(super) use gate::Rules;
pub(super) use politeness::{Allowance, Politeness};
pub(super) use table::Clock;

use table::Table;

/// The gates of an engine. Where there are no rules there are none, and nothing is asked.
pub(super) struct Gates(Option<Box<Table>>);

impl Gates {
    pub(super) fn new(rules: Rules) -> Gates {
        Gates((rules != Rules::default()).then(|| Box::new(Table::new(rules))))
    }

    /// Whether there are any.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.0.is_some()
    }

    fn rules(&self) -> Rules {
        self.0.as_ref().map_or_else(Rules::default, |table| table.rules)
    }

    fn has_rules(&self) -> bool {
        self.0.as_ref().is_some_and(|table| table.has_rules())
    }

    /// How many are known.
    pub(super) fn known(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.known())
    }

    /// How many origins wait at one.
    pub(super) fn held_up(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.held_up())
    }

    /// Whether one may have become open for somebody.
    pub(super) fn have_opened(&self) -> bool {
        self.0.as_ref().is_some_and(|table| table.has_opened())
    }

    /// The timer of a gate has fired.
    pub(super) fn handle_timer(&mut self, id: GateId, now: Time) {
        if let Some(table) = &mut self.0 {
            table.handle_timer(id, now);
        }
    }

    // on the way to an exchange

    /// Whether the gates that are known let a request of this origin begin. If not, the origin waits.
    #[inline]
    pub(super) fn may_start(&mut self, id: OriginId, pool: &mut Pool, clock: Clock<'_>) -> bool {
        match &mut self.0 {
            None => true,
            Some(table) => may_start(table, id, pool, clock),
        }
    }

    /// Of an origin's connections that take one more request, the one on which its next may begin.
    #[cold]
    pub(super) fn choose(
        &mut self,
        id: OriginId,
        pool: &mut Pool,
        mut clock: Clock<'_>,
    ) -> Option<ConnectionId> {
        let has_else = pool.origin_has_room(id);
        let table = self.0.as_mut()?;
        let chosen = table.choose(id, pool.ready(id), has_else, &mut clock);
        leave_slot_queue_if_waiting(table, id, pool);
        chosen
    }

    /// Whether a request may follow on a connection, as far as its address has a say.
    #[inline]
    pub(super) fn may_go_on(&mut self, id: ConnectionId, now: Time) -> bool {
        self.0.as_mut().is_none_or(|table| table.may_go_on(id, now))
    }

    /// Whether the host may have one more connection. If not, the origin waits.
    #[inline]
    pub(super) fn has_place(
        &mut self,
        id: OriginId,
        pool: &mut Pool,
        mut clock: Clock<'_>,
    ) -> bool {
        let Some(table) = &mut self.0 else { return true };
        let has_place = table.has_place(id, &mut clock);
        leave_slot_queue_if_waiting(table, id, pool);
        has_place
    }

    fn has_address(
        &mut self,
        id: OriginId,
        addresses: &[IpAddr],
        pool: &mut Pool,
        mut clock: Clock<'_>,
    ) -> bool {
        let Some(table) = &mut self.0 else { return true };
        let has_address = table.has_address(id, addresses, &mut clock);
        leave_slot_queue_if_waiting(table, id, pool);
        has_address
    }

    /// Whether a host has a place for one more connection that nobody waits for.
    pub(super) fn has_place_beside(&self, id: OriginId) -> bool {
        self.0.as_ref().is_none_or(|table| table.has_place_beside(id))
    }

    /// Whether this address lets one more connection of an origin through.
    pub(super) fn has_room_at(&mut self, ip: IpAddr, id: OriginId, now: Time) -> bool {
        self.0.as_mut().is_none_or(|table| table.has_room_at(ip, id, now))
    }

    #[cold]
    fn in_the_way(
        &mut self,
        id: OriginId,
        addresses: &[IpAddr],
        now: Time,
    ) -> Option<ConnectionId> {
        self.0.as_mut()?.in_the_way(id, addresses, now)
    }

    /// Nobody of this origin waits.
    #[inline]
    pub(super) fn leave_lines(&mut self, id: OriginId, mut clock: Clock<'_>) {
        if let Some(table) = &mut self.0 {
            table.drop_out(id, &mut clock);
        }
    }

    /// An origin is forgotten.
    #[inline]
    pub(super) fn forget(&mut self, id: OriginId, mut clock: Clock<'_>) {
        if let Some(table) = &mut self.0 {
            table.forget(id, &mut clock);
        }
    }

    // turns

    #[inline]
    fn next_turn(&mut self, mut clock: Clock<'_>) -> Option<OriginId> {
        self.0.as_mut()?.next_turn(&mut clock)
    }

    /// It is an origin's turn to take a slot.
    #[inline]
    pub(super) fn begin_turn(&mut self, id: OriginId) {
        if let Some(table) = &mut self.0 {
            table.give_turn(id);
        }
    }

    #[inline]
    pub(super) fn end_turn(&mut self, id: OriginId, pool: &Pool, now: Time) {
        if let Some(table) = &mut self.0 {
            table.end_turn(id, pool.awaits_slot(id), now);
        }
    }

    /// An origin whose turn it is looks its host up first.
    #[inline]
    pub(super) fn miss_turn(&mut self, id: OriginId) {
        if let Some(table) = &mut self.0 {
            table.miss_turn(id);
        }
    }

    /// An origin has had its place for long enough.
    #[inline]
    pub(super) fn go_last(&mut self, id: OriginId) {
        if let Some(table) = &mut self.0 {
            table.go_last(id);
        }
    }

    /// The turn of an origin came, with a connection that is ready, but not the time to begin.
    fn put_off(&mut self, id: ConnectionId, origin: OriginId) {
        if let Some(table) = &mut self.0 {
            table.leave(id);
            table.put_off(origin);
        }
    }

    // connections

    /// A connection is about to be made; `beside` another one for the same request, or not.
    #[inline]
    pub(super) fn open(&mut self, id: ConnectionId, origin: OriginId, beside: bool, now: Time) {
        if let Some(table) = &mut self.0 {
            table.open(id, origin, beside, now);
        }
    }

    /// Has a connection lead to this address, if that lets it through.
    #[inline]
    pub(super) fn take_address(&mut self, id: ConnectionId, ip: IpAddr, now: Time) -> bool {
        self.0.as_mut().is_none_or(|table| table.take_address(id, ip, now))
    }

    /// What a connection holds for its request goes to another, with which it races.
    pub(super) fn hand_over(&mut self, from: ConnectionId, to: ConnectionId) {
        if let Some(table) = &mut self.0 {
            table.hand_over(from, to);
        }
    }

    /// A connection is being made, and leads somewhere.
    #[inline]
    pub(super) fn launched(&mut self, id: OriginId, now: Time) {
        if let Some(table) = &mut self.0 {
            table.launched(id, now);
        }
    }

    /// Whether a connection's request may begin now that it is ready.
    #[inline]
    pub(super) fn may_begin(&self, id: ConnectionId, now: Time) -> bool {
        self.0.as_ref().is_none_or(|table| table.may_begin(id, now))
    }

    /// A connection's request begins.
    #[inline]
    pub(super) fn begin(&mut self, id: ConnectionId, now: Time) {
        if let Some(table) = &mut self.0 {
            table.begin(id, now);
        }
    }

    /// Whether it matters when a connection's request begins.
    #[inline]
    pub(super) fn keep_time(&self, id: ConnectionId) -> bool {
        self.0.as_ref().is_some_and(|table| table.keeps_time(id))
    }

    /// The request that a connection was to be made for never came to be.
    #[inline]
    pub(super) fn take_back(&mut self, id: ConnectionId, now: Time) {
        if let Some(table) = &mut self.0 {
            table.take_back(id, now);
        }
    }

    /// A request on a connection is over.
    #[inline]
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if let Some(table) = &mut self.0 {
            table.leave(id);
        }
    }

    #[inline]
    pub(super) fn set_idle(&mut self, id: ConnectionId) {
        if let Some(table) = &mut self.0 {
            table.set_idle(id);
        }
    }

    #[inline]
    pub(super) fn close(&mut self, id: ConnectionId, now: Time) {
        if let Some(table) = &mut self.0 {
            table.close(id, now);
        }
    }

    /// Whether a connection whose exchange is over is one too many at its host or address.
    #[inline]
    pub(super) fn has_surplus(&self, id: ConnectionId) -> bool {
        self.0.as_ref().is_some_and(|table| table.has_surplus(id))
    }

    /// An idle connection that is one too many.
    fn idle_surplus(&self) -> Option<ConnectionId> {
        self.0.as_ref()?.idle_surplus()
    }

    /// Whether others wait for a place that a connection has.
    #[inline(always)]
    pub(super) fn others_want_place(&self, id: ConnectionId) -> bool {
        self.0.as_ref().is_some_and(|table| table.others_want_place(id))
    }
}

#[cold]
fn may_start(table: &mut Table, id: OriginId, pool: &mut Pool, mut clock: Clock<'_>) -> bool {
    let Some(origin) = pool.get(id) else { return true };
    if origin.queued() == 0 {
        table.drop_out(id, &mut clock);
        return true;
    }
    table.meet(id, &origin.key);
    let admitted = table.admits(id, &mut clock);
    leave_slot_queue_if_waiting(table, id, pool);
    admitted
}

/// Whoever waits at a gate waits nowhere else.
fn leave_slot_queue_if_waiting(table: &Table, id: OriginId, pool: &mut Pool) {
    if table.is_waiting(id) {
        pool.leave_slot_queue(id);
    }
}
