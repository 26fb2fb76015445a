//! Messages that have not come whole, and that are no exchange's: those of TLS, of which one may have 64 KiB (handshakes, tickets),
//! and blocks of HTTP/2 that come in several frames.
//!
//! Counts what connections hold of these, apart from the one record or frame that any connection may have, as a part of the
//! memory that peers make an engine hold. A connection cannot wait for memory as an exchange does, since others may be on it
//! and its peer would take it for gone. So all of them together may hold a share of it at any time, and more as long as
//! nobody else wants it; where that ends the largest go, of whoever is the owner of the most. Must not know what the messages say.

use std::collections::BTreeMap;

use crate::engine::ConnectionId;
use crate::engine::links::connection::{Connection, State};
use crate::engine::memory::loans::Loan;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
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

impl Roster {
    /// Counts what a connection holds of a message that has not come whole. Whether it holds any: some connection may have to
    /// go for that.
    #[inline]
    pub(in crate::engine) fn count_unfinished(&self, net: &mut Net, id: ConnectionId) -> bool {
        let Some(connection) = net.pool.connections.get(id) else { return false };
        let bytes = connection.unfinished();
        match bytes {
            0 => net.unfinished.forget(id),
            bytes => net.unfinished.set(id, || self.common.memory.lend(), bytes),
        }
        bytes > 0
    }

    /// Where all memory is held, and messages that have not come whole hold beyond their share, the connection that holds most
    /// of those of the owner who has most of it.
    #[inline]
    pub(super) fn surplus_unfinished(&self, net: &Net) -> Option<ConnectionId> {
        let limit = net.config.memory;
        let is_much = net.unfinished.bytes > limit / limits::UNFINISHED_SHARE
            && self.common.memory.held() >= limit;
        if is_much { net.largest_unfinished() } else { None }
    }
}

impl Net {
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
