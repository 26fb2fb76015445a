//! HTTP/2 (RFC 9113), from a client's side.
//!
//! Knows header compression, so far. Must not know sockets, time, transfers.

pub mod hpack;
