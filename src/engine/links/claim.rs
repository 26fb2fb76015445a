//! The claim of a transfer on what is made for it, or carries it.

use std::sync::Arc;

use crate::engine::ids::TransferId;
use crate::engine::transfers::request::Options;
use crate::time::Time;

/// Who it is, and what binds the wait.
#[derive(Clone)]
pub(in crate::engine) struct Claim {
    pub(in crate::engine) transfer: TransferId,
    pub(in crate::engine) options: Arc<Options>,
    /// When the transfer was admitted.
    pub(in crate::engine) added: Time,
}
