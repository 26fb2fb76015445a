//! Transfers that wait for memory, on their connections.
//!
//! Joins [`Memory`](super::memory::Memory), which knows bytes, to connections, which hold them. Decides who gives up what
//! it makes no use of while others wait. Invariants: who waits is not read from, and no silence is held against it; no
//! deadline but that of the wait, and of the whole transfer, binds it; a holder that decodes keeps what it holds.

use super::connection::{Connection, Exchanging, State};
use super::decode::Decoding;
use super::memory::Memory;
use super::receive::Next;
use super::{ConnectionId, Engine};
use crate::error::Cause;
use crate::limits;
use crate::time::Time;

impl Exchanging {
    /// Since when it has waited for memory, if it does.
    pub(super) fn awaits_memory(&self) -> Option<Time> {
        let head = self.head_loan.as_ref().and_then(|loan| loan.waits_since());
        head.or_else(|| self.decoding.as_ref()?.loan().waits_since())
    }

    /// Whether to read on, where there is no whole event yet.
    #[inline]
    pub(super) fn read_on(&mut self, memory: &Memory) -> Next {
        match self.exchange.head_held() <= limits::HEAD_UNASKED {
            true => Next::Wait,
            false => self.borrow_for_head(memory),
        }
    }

    /// Counts the part of a head that has come, which is not small any more. Says whether to read on.
    #[cold]
    fn borrow_for_head(&mut self, memory: &Memory) -> Next {
        let loan = self.head_loan.get_or_insert_with(|| Box::new(memory.lend()));
        loan.set(self.exchange.head_held());
        if loan.may_grow() { Next::Wait } else { Next::AwaitMemory }
    }

    fn stop_waiting(&mut self) {
        if let Some(loan) = &mut self.head_loan {
            loan.go_on();
        }
        if let Some(decoding) = &mut self.decoding {
            decoding.loan_mut().go_on();
        }
    }
}

impl Engine {
    /// A connection's transfer waits until there is room for what it has yet to take.
    #[cold]
    pub(super) fn await_memory(&mut self, id: ConnectionId) {
        let now = self.now;
        if self.memory.is_full() {
            return self.fail(id, Cause::NoMemory { limit: self.config.memory }, None);
        }
        let Some(state) = self.exchanging(id) else { return };
        state.paused = true;
        match (&mut state.decoding, &mut state.head_loan) {
            (Some(decoding), _) => decoding.loan_mut().wait(now),
            (None, Some(loan)) => loan.wait(now),
            (None, None) => {}
        }
        self.memory.join(id);
        self.stats.memory_waits += 1;
        if self.memory.in_line() > 2 * self.pool.connections.len() {
            let connections = &self.pool.connections;
            self.memory.forget(|id| connections.get(id).is_some_and(Connection::awaits_memory));
        }
        self.touch(id);
    }

    /// Has the first of those that wait go on, if there is room.
    #[inline]
    pub(super) fn call_who_waits(&mut self) {
        if let Some(id) = self.memory.call()
            && let Some(state) = self.exchanging(id)
            && state.awaits_memory().is_some()
        {
            state.stop_waiting();
            self.resumed.push_back(id);
        }
    }

    /// Somebody has waited for long: whoever has made the least use of much memory since it was looked at last gives it up.
    #[cold]
    pub(super) fn inspect_holders(&mut self) {
        let now = self.now;
        self.memory.inspected = now;
        let mut worst: Option<(f64, ConnectionId, usize)> = None;
        for (id, connection) in self.pool.connections.iter() {
            let State::Exchanging(state) = &connection.state else { continue };
            let Some(decoding) = state.decoding.as_deref().filter(|_| !state.paused) else {
                continue;
            };
            let held = decoding.loan().bytes();
            let Some(use_made) = decoding.inspect(now) else { continue };
            if held > limits::MEMORY_UNASKED
                && use_made < 1.0 / limits::MEMORY_USE.as_secs_f64()
                && worst.is_none_or(|(least, ..)| use_made < least)
            {
                worst = Some((use_made, id, held));
            }
        }
        if let Some((_, id, held)) = worst {
            self.fail(id, Cause::Memory { held }, None);
        }
    }
}

impl Connection {
    fn awaits_memory(&self) -> bool {
        matches!(&self.state, State::Exchanging(state) if state.awaits_memory().is_some())
    }
}

impl Decoding {
    /// What was decoded since it was last asked, in parts of what is held, in a second; and asks anew. None: not asked before.
    fn inspect(&self, now: Time) -> Option<f64> {
        let (since, before) = self.inspected.replace(Some((now, self.delivered())))?;
        let seconds = now.since(since).as_secs_f64();
        let decoded = (self.delivered() - before) as f64;
        (seconds > 0.0).then(|| decoded / self.loan().bytes().max(1) as f64 / seconds)
    }
}
