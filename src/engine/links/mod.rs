//! Links: connections, each as a state, with the layers between its socket and the messages on it.
//!
//! Knows what a connection waits for, what it wants of its socket, and how its tunnel and TLS are set up. Must not know
//! descriptors, which address was chosen and why, nor what a message says. Invariant: the layers are a transform of bytes
//! that knows no engine.

pub(super) mod claim;
pub(super) mod connection;
pub(super) mod idle;
mod level;
mod path;
mod setup;
mod tls;
mod tunnel;
pub(super) mod wire;
