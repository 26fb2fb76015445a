//! Dials: from a transfer that waits in its origin's queue to a connection that is open.
//!
//! Knows what a connection still lacks: a place, addresses, a slot, the way by a proxy or from a source; and which address
//! is tried next. Must not know how a socket is opened, how names are looked up, nor what is said on a connection.

mod launch;
pub(super) mod race;
pub(super) mod refused;
pub(super) mod route;
pub(super) mod shortage;
pub(super) mod socket;
pub(super) mod ways;
