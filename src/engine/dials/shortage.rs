//! What the system had no room for, and how long a transfer waited for that.
//!
//! Knows error numbers as the driver reports them. Must not know what they mean.

use std::time::Duration;

use crate::error::Operation;

/// That the system had no descriptor, port or memory for a transfer's connection, so that the transfer went
/// back to its queue; or for a socket to the DNS server that was to be asked for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// What was refused, the last time.
    pub operation: Operation,
    /// Why, as in errno(3), the last time.
    pub errno: i32,
    /// How often.
    pub times: u32,
    /// How long the transfer waited after each for what came next, all together; part of
    /// [`Times::queue`](crate::engine::Times::queue). What a look-up waited is not in here, but in
    /// [`Times::resolve`](crate::engine::Times::resolve).
    pub waited: Duration,
}

/// What a transfer that was refused has gone through.
pub(in crate::engine) struct Shortage {
    pub(super) exhausted: Exhausted,
    /// How long it had been queued before the wait that is not counted yet.
    pub(super) queued_before: Option<Duration>,
}
