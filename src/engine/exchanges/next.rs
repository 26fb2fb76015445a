//! What becomes of bytes of a response, and what follows on them.

use crate::error::Cause;

/// What became of bytes that were received.
pub(in crate::engine) enum Taken {
    /// All were taken.
    All,
    /// The transfer was paused after so many.
    Paused(usize),
    /// The connection is closed, or the exchange is over and nothing more is expected.
    Over,
}

/// What one event of an exchange asks for.
pub(in crate::engine) enum Next {
    More,
    Wait,
    /// The transfer goes on with the next batch.
    Yield,
    /// The transfer goes on when there is memory for it.
    AwaitMemory,
    Complete,
    /// The same is asked of another connection.
    Elsewhere,
    Fail(Cause),
}
