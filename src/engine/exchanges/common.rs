//! What all exchanges share where a response is delivered.

use crate::engine::memory::loans::Memory;
use crate::engine::transfers::identity::CommonKnowledge;
use crate::engine::transfers::retry::Retries;
use crate::tls::TlsPolicy;

/// What all exchanges share where a response is delivered.
pub(in crate::engine) struct Common {
    /// How `https` is verified where a transfer's options do not say.
    pub(in crate::engine) tls: Option<TlsPolicy>,
    pub(in crate::engine) memory: Memory,
    pub(in crate::engine) knowledge: CommonKnowledge,
    pub(in crate::engine) retries: Retries,
    /// Decoded bytes on their way to a handler.
    pub(in crate::engine) decoded: Vec<u8>,
}
