//! HTTP/1.1 and 1.0 on the wire (RFC 9112): how long messages are, their chunks and bodies, one exchange, and whether another may
//! follow on its connection.
//!
//! Knows bytes of one exchange. Must not know connections, nor what a message means beyond its framing. Invariant: what frames a
//! message is understood exactly, or it is a fault.

pub(super) mod body;
mod chunked;
pub(super) mod exchange;
pub(super) mod framing;
pub(super) mod reuse;
