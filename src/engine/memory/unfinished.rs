//! Messages that have not come whole, and that are no exchange's: those of TLS, of which one may have 64 KiB (handshakes, tickets),
//! and blocks of HTTP/2 that come in several frames.
//!
//! Counts what connections hold of these, apart from the one record or frame that any connection may have, as a part of the
//! memory that peers make an engine hold. A connection cannot wait for memory as an exchange does, since others may be on it
//! and its peer would take it for gone. So all of them together may hold a share of it at any time, and more as long as
//! nobody else wants it; where that ends the largest go, of whoever is the owner of the most. Must not know what the messages say.

use std::collections::BTreeMap;

use crate::engine::links::connection::{Connection, State};
use crate::engine::memory::loans::Loan;
use crate::engine::{ConnectionId, Engine};
use crate::error::Cause;
use crate::id::Id;
use crate::limits;
use crate::owner::Owner;

/// What each connection holds that holds some.
#[derive(Default)]
pub(in crate::engine) struct Unfinished {
    /// By the bits of connections' names.
    loans: BTreeMap<u64, Loan>,
    bytes: usize,
}

impl Unfinished {
    fn set(&mut self, id: ConnectionId, loan: impl FnOnce() -> Loan, bytes: usize) {
        let loan = self.loans.entry(id.to_bits()).or_insert_with(loan);
        self.bytes = self.bytes - loan.bytes() + bytes;
        loan.set(bytes);
    }

    /// It holds nothing any more, or is gone.
    #[inline]
    pub(in crate::engine) fn forget(&mut self, id: ConnectionId) {
        if !self.loans.is_empty()
            && let Some(loan) = self.loans.remove(&id.to_bits())
        {
            self.bytes -= loan.bytes();
        }
    }
}

impl Connection {
    /// Bytes of messages that have not come whole.
    #[inline]
    fn unfinished(&self) -> usize {
        let block = match &self.state {
            State::Multiplexed(link) => link.codec.unfinished(),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Exchanging(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => 0,
        };
        self.path.unfinished() + block
    }
}

impl Engine {
    /// Counts what a connection holds of a message that has not come whole. Some connection may have to go for that, and
    /// this may be the one.
    #[inline]
    pub(in crate::engine) fn count_unfinished(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        match connection.unfinished() {
            0 => self.unfinished.forget(id),
            bytes => self.lend_unfinished(id, bytes),
        }
    }

    #[cold]
    fn lend_unfinished(&mut self, id: ConnectionId, bytes: usize) {
        let memory = &self.common.memory;
        self.unfinished.set(id, || memory.lend(), bytes);
        self.shorten_unfinished();
    }

    /// Where all memory is held, some of what messages that have not come whole hold beyond their share is given up.
    #[inline]
    pub(super) fn shorten_unfinished(&mut self) {
        while self.has_too_much_unfinished()
            && let Some(id) = self.largest_unfinished()
        {
            self.fail_link(id, Cause::NoMemory { limit: self.config.memory }, None);
            self.unfinished.forget(id);
        }
    }

    fn has_too_much_unfinished(&self) -> bool {
        let limit = self.config.memory;
        self.unfinished.bytes > limit / limits::UNFINISHED_SHARE
            && self.common.memory.held() >= limit
    }

    /// The connection that holds most, of those of the owner who has most of it.
    #[cold]
    fn largest_unfinished(&self) -> Option<ConnectionId> {
        let mut of_owners: BTreeMap<Owner<'_>, (usize, (usize, u64))> = BTreeMap::new();
        for (&bits, loan) in &self.unfinished.loans {
            let connection = self.pool.connections.get(Id::from_bits(bits));
            let origin = connection.and_then(|connection| self.pool.get(connection.origin));
            let Some(origin) = origin else { continue };
            let (sum, largest) = of_owners.entry(origin.key.origin.host().owner()).or_default();
            *sum += loan.bytes();
            *largest = (*largest).max((loan.bytes(), bits));
        }
        let (_, (_, bits)) = of_owners.into_values().max_by_key(|&(sum, _)| sum)?;
        Some(Id::from_bits(bits))
    }
}
