//! Exchanges: one request and its response, while they are on a connection.
//!
//! Knows what goes out and what comes in, as messages; how fast, and what holds it up. Must not know sockets, how its
//! connection came to be, nor what follows on the response.

pub(super) mod codec;
pub(super) mod common;
pub(super) mod decode;
pub(super) mod exchange;
pub(super) mod leftover;
pub(super) mod next;
pub(super) mod pace;
pub(super) mod receive;
pub(super) mod send;
pub(super) mod undecoded;
