//! The claim of a transfer on what is made for it, or carries it.

use std::sync::Arc;

use crate::engine::ids::TransferId;
use crate::engine::transfers::request::Options;
use crate::id::Id;
use crate::time::Time;

/// Who it is, and what binds the wait.
#[derive(Clone)]
pub(in crate::engine) struct Claim {
    pub(in crate::engine) transfer: TransferId,
    pub(in crate::engine) options: Arc<Options>,
    /// When the transfer was admitted.
    pub(in crate::engine) added: Time,
}

impl Claim {
    /// What is left of it where its transfer does without: the connection is made for nobody, for as long as it would have been
    /// for that.
    pub(in crate::engine) fn given_up(&self) -> Claim {
        Claim { transfer: Id::of_nothing(), ..self.clone() }
    }

    /// Whose it is; nobody's any more, if `None`.
    pub(in crate::engine) fn owner(&self) -> Option<TransferId> {
        (self.transfer != Id::of_nothing()).then_some(self.transfer)
    }
}
