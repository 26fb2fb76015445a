//! Where a transfer stands, as its caller is told.

use crate::engine::net::Net;
use crate::engine::transfers::transfer::Place;
use crate::error::Phase;

impl Place {
    /// The phase that one who stands there is in.
    pub(in crate::engine) fn phase(self, net: &Net) -> Phase {
        match self {
            Place::Admission | Place::Connection | Place::Later(_) => Phase::Queue,
            Place::Addresses(lookup) if net.resolver.is_started(lookup) => Phase::Resolve,
            Place::Addresses(_) => Phase::Queue,
            Place::Opening(id) => {
                net.pool.connections.get(id).map_or(Phase::Queue, |it| it.phase())
            }
            Place::Exchange(id) => net.exchanges.get(id).map_or(Phase::Queue, |it| it.phase()),
        }
    }
}
