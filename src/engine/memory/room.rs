//! Transfers that wait for memory, on their connections.
//!
//! Joins [`Memory`](crate::engine::memory::loans::Memory), which knows bytes, to connections, which hold them. Decides who gives up what
//! it makes no use of while others wait, and who goes where too much is held by those who wait: those of whoever has most of
//! it. Invariants: who waits is not read from, and no silence is held against it; no deadline but that of the wait, and of
//! the whole transfer, binds it; a holder that decodes, or whose head comes, keeps what it holds.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::engine::exchanges::codec::OnStream;
use crate::engine::exchanges::exchange::{Exchange, Hold};
use crate::engine::exchanges::next::Next;
use crate::engine::ids::ExchangeId;
use crate::engine::memory::loans::Memory;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::error::Cause;
use crate::limits;
use crate::owner::Owner;
use crate::time::Time;

impl Exchange {
    /// Since when it has waited for memory, if it does.
    pub(in crate::engine) fn awaits_memory(&self) -> Option<Time> {
        let head = self.head_loan.as_ref().and_then(|loan| loan.waits_since());
        head.or_else(|| self.decoding.as_ref()?.loan().waits_since())
    }

    /// Whether to read on, where there is no whole event yet.
    #[inline]
    pub(in crate::engine) fn read_on(&mut self, memory: &Memory) -> Next {
        match self.codec.head_received() <= limits::HEAD_UNASKED {
            true => Next::Wait,
            false => self.borrow_for_head(memory),
        }
    }

    /// Counts the part of a head, or of trailers, that has come, which is not small any more. Says whether to read on.
    #[cold]
    fn borrow_for_head(&mut self, memory: &Memory) -> Next {
        let loan = self.head_loan.get_or_insert_with(|| Box::new(memory.lend()));
        loan.set(self.codec.head_held());
        // of trailers little more can come, and the body's decoder waits for nothing any more
        let may_go_on = self.response.is_some() || loan.may_grow();
        if may_go_on { Next::Wait } else { Next::AwaitMemory }
    }

    fn memory_held(&self) -> usize {
        let head = self.head_loan.as_ref().map_or(0, |loan| loan.bytes());
        head + self.decoding.as_ref().map_or(0, |decoding| decoding.loan().bytes())
    }

    /// Whether it could go on, and has done little with what it holds since it was last looked at; looks anew.
    fn makes_little_use(&self, now: Time) -> bool {
        match (&self.head_loan, &self.decoding) {
            _ if self.holds.delivery() => false,
            (Some(loan), _) => {
                loan.is_little_used(self.codec.head_received() as u64, limits::HEAD_USE, now)
            }
            (None, Some(decoding)) => {
                decoding.loan().is_little_used(decoding.delivered(), limits::MEMORY_USE, now)
            }
            (None, None) => false,
        }
    }

    /// Counts bytes that came while it waited for memory, or for its turn.
    pub(in crate::engine) fn count_held(&mut self, bytes: usize) {
        let waits = self.holds.has(Hold::Memory) || self.holds.has(Hold::Turn);
        let loan = match (&mut self.decoding, &mut self.head_loan) {
            (Some(decoding), _) => decoding.loan_mut(),
            (None, Some(loan)) => loan,
            (None, None) => return,
        };
        if waits {
            loan.set(loan.bytes() + bytes);
        }
    }

    /// Whether it waits for memory, or for its turn with more than any may have: on a stream whose window has grown.
    fn waits_with_much(&self) -> bool {
        let held = self.codec.stream().map_or(0, OnStream::held);
        self.awaits_memory().is_some()
            || (self.holds.has(Hold::Turn) && held > limits::MEMORY_UNASKED)
    }

    fn stop_waiting(&mut self) {
        self.holds.set(Hold::Memory, false);
        if let Some(loan) = &mut self.head_loan {
            loan.go_on();
        }
        if let Some(decoding) = &mut self.decoding {
            decoding.loan_mut().go_on();
        }
    }
}

impl Engine {
    /// An exchange waits until there is room for what it has yet to take.
    #[cold]
    pub(in crate::engine) fn await_memory(&mut self, id: ExchangeId) {
        let now = self.net.now;
        let Some(exchange) = self.net.exchanges.get_mut(id) else { return };
        let Some(transfer) = self.roster.transfers.get(exchange.claim.transfer) else { return };
        exchange.holds.set(Hold::Memory, true);
        match (&mut exchange.decoding, &mut exchange.head_loan) {
            (Some(decoding), _) => decoding.loan_mut().wait(now),
            (None, Some(loan)) => loan.wait(now),
            (None, None) => {}
        }
        self.roster.common.memory.join(&transfer.owner().to_text(), id);
        self.net.stats.memory_waits += 1;
        self.net.count_all_held(id);
        self.shorten_line();
        if self.roster.common.memory.in_line() > 2 * self.net.exchanges.len() {
            let exchanges = &self.net.exchanges;
            let waits = |exchange: &Exchange| exchange.awaits_memory().is_some();
            self.roster.common.memory.forget(|id| exchanges.get(id).is_some_and(waits));
        }
        self.net.touch_exchange(id);
    }

    /// Where more is held than there is room for, some of those who hold it fail: connections by what has not come whole, and
    /// exchanges that wait.
    #[inline]
    pub(in crate::engine) fn shorten_line(&mut self) {
        while let Some(id) = self.roster.surplus_unfinished(&self.net) {
            let limit = self.net.config.memory;
            self.fail_link(id, Cause::NoMemory { limit }, None);
            self.net.unfinished.forget(id);
        }
        if self.roster.common.memory.is_full() {
            for (id, cause) in self.roster.surplus_in_line(&self.net) {
                self.fail_exchange(id, cause, None);
            }
        }
    }
}

impl Net {
    /// Counts all that came for an exchange and has to wait, as it begins to.
    pub(in crate::engine) fn count_all_held(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let bytes = match exchange.codec.stream() {
            Some(stream) => stream.held(),
            None => exchange.held.len(),
        };
        exchange.count_held(bytes);
    }
}

impl Roster {
    /// Has the first of those that wait go on, if there is room.
    #[inline]
    pub(in crate::engine) fn call_who_waits(&mut self, net: &mut Net) {
        if let Some(id) = self.common.memory.call()
            && let Some(exchange) = net.exchanges.get_mut(id)
            && exchange.awaits_memory().is_some()
        {
            exchange.stop_waiting();
            net.resumed.push_back(id);
        }
    }

    /// Somebody has waited for long: whoever has most memory of which little use was made since it was last looked at
    /// gives up a part of it. Who fails by that, and why.
    #[cold]
    pub(in crate::engine) fn inspect_holders(&mut self, net: &mut Net) -> Vec<(ExchangeId, Cause)> {
        let now = net.now;
        net.inspected = now;
        let idle = self.holders(net, |exchange| exchange.makes_little_use(now));
        // where each waits for the one who goes on, nobody is spared
        let spared = if self.common.memory.is_held_in_line() { 0 } else { limits::MEMORY_UNASKED };
        let mut left: usize = idle.iter().map(|holder| holder.held).sum();
        let mut due = self.common.memory.portion();
        let gives_up = |holder: &Holder| {
            let is_due = left > spared && due > 0;
            (left, due) = (left - holder.held, due.saturating_sub(holder.held));
            is_due
        };
        let due = idle.into_iter().take_while(gives_up);
        due.map(|Holder { id, held }| (id, Cause::Memory { held })).collect()
    }

    /// More is held than there are places in line for. Who fails by that, and why.
    #[cold]
    fn surplus_in_line(&self, net: &Net) -> Vec<(ExchangeId, Cause)> {
        let limit = net.config.memory;
        let waiting = self.holders(net, Exchange::waits_with_much);
        let mut given_back = 0;
        let memory = &self.common.memory;
        let gives_up = |holder: &Holder| {
            let is_due = given_back < memory.portion() || memory.is_full_without(given_back);
            given_back += holder.held;
            is_due
        };
        let due = waiting.into_iter().take_while(gives_up);
        due.map(|Holder { id, .. }| (id, Cause::NoMemory { limit })).collect()
    }

    /// Those of the exchanges asked for that are of the owner who has most in them, the largest first.
    fn holders(&self, net: &Net, asked_for: impl Fn(&Exchange) -> bool) -> Vec<Holder> {
        let mut of_owners: BTreeMap<Owner<'_>, (usize, Vec<Holder>)> = BTreeMap::new();
        for (id, exchange) in net.exchanges.iter() {
            let Some(transfer) = self.transfers.get(exchange.claim.transfer) else { continue };
            let held = exchange.memory_held();
            if held > 0 && asked_for(exchange) {
                let (sum, holders) = of_owners.entry(transfer.owner()).or_default();
                *sum += held;
                holders.push(Holder { id, held });
            }
        }
        let most = of_owners.into_values().max_by_key(|&(sum, _)| sum);
        let mut holders = most.map(|(_, holders)| holders).unwrap_or_default();
        holders.sort_by_key(|holder| Reverse(holder.held));
        holders
    }
}

/// Who holds memory, and how much.
struct Holder {
    id: ExchangeId,
    held: usize,
}
