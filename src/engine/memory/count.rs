//! Memory of what is unfinished on connections: counted, and who has most of it.

use std::collections::BTreeMap;

use crate::engine::ids::ConnectionId;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::id::Id;
use crate::limits;
use crate::owner::Owner;

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
