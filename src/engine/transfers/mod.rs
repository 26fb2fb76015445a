//! Transfers: what is asked for, by whom, what follows on a response, and how it ends.
//!
//! Knows a transfer for its whole life: its request, its hops, its retries, what its message says. Must not know bytes on
//! the wire, sockets, nor how a connection comes to be. What a transfer has only while it occupies a connection is its
//! exchange's.

pub(super) mod budget;
pub(super) mod finish;
mod history;
pub(super) mod hop;
pub(super) mod identity;
pub(super) mod panicked;
mod redirect;
pub(super) mod request;
pub(super) mod retry;
pub(super) mod transfer;
