//! Messages that have not come whole, and that are no exchange's: those of TLS, of which one may have 64 KiB (handshakes, tickets),
//! and blocks of HTTP/2 that come in several frames.
//!
//! Counts what connections hold of these, apart from the one record or frame that any connection may have, as a part of the
//! memory that peers make an engine hold. A connection cannot wait for memory as an exchange does, since others may be on it
//! and its peer would take it for gone. So all of them together may hold a share of it at any time, and more as long as
//! nobody else wants it; where that ends the largest go, of whoever is the owner of the most. Must not know what the messages say.

use std::collections::BTreeMap;

use crate::engine::ids::ConnectionId;
use crate::engine::links::connection::{Connection, State};
use crate::engine::memory::loans::Loan;

/// What each connection holds that holds some.
#[derive(Default)]
pub(in crate::engine) struct Unfinished {
    /// By the bits of connections' names.
    pub(super) loans: BTreeMap<u64, Loan>,
    pub(super) bytes: usize,
}

impl Unfinished {
    pub(super) fn set(&mut self, id: ConnectionId, loan: impl FnOnce() -> Loan, bytes: usize) {
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
    pub(super) fn unfinished(&self) -> usize {
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
