//! The names of what the engine keeps, and tells its driver and its caller of.
//!
//! Knows nothing of what is kept: a name of one kind finds nothing among those of another. So who only names a thing need not
//! know it.

use crate::id::Id;

/// Names a transfer.
pub type TransferId = Id<of::Transfer>;

/// Names a connection.
pub type ConnectionId = Id<of::Connection>;

/// Names a look-up.
pub type LookupId = Id<of::Lookup>;

pub(in crate::engine) type GateId = Id<of::Gate>;
pub(in crate::engine) type ExchangeId = Id<of::Exchange>;
pub(in crate::engine) type OriginId = Id<of::Origin>;
pub(in crate::engine) type RaceId = Id<of::Race>;

/// Of what kind a thing is that has a name.
pub(in crate::engine) mod of {
    /// A transfer: see [`TransferId`](super::TransferId).
    pub enum Transfer {}
    /// A connection: see [`ConnectionId`](super::ConnectionId).
    pub enum Connection {}
    /// A look-up: see [`LookupId`](super::LookupId).
    pub enum Lookup {}
    pub(in crate::engine) enum Gate {}
    pub(in crate::engine) enum Exchange {}
    pub(in crate::engine) enum Origin {}
    pub(in crate::engine) enum Race {}
}
