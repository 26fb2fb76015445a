//! Counts of bytes on the wire, framing and TLS included.

/// Of a transfer, or of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Wire {
    pub(in crate::engine) sent: u64,
    pub(in crate::engine) received: u64,
}

/// Of a connection, since it was opened.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct WireCount {
    /// Handed to the driver.
    pub(in crate::engine) handed: u64,
    /// Of those, sent as the driver reported.
    pub(in crate::engine) sent: u64,
    pub(in crate::engine) received: u64,
}
