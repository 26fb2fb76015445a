//! That a connection waits for a transfer: since when, and where it stands among others that do.

use crate::engine::ids::ConnectionId;
use crate::time::Time;

#[derive(Clone, Copy)]
pub(in crate::engine) struct Idle {
    pub(in crate::engine) since: Time,
    pub(in crate::engine) links: IdleLinks,
}

/// The position of an idle connection: in its origin's stack, and among all by age.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct IdleLinks {
    pub(in crate::engine) index: usize,
    pub(in crate::engine) older: Option<ConnectionId>,
    pub(in crate::engine) newer: Option<ConnectionId>,
}
