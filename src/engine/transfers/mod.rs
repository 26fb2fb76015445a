//! Transfers: what is asked for, by whom, what follows on a response, and how it ends.
//!
//! Knows a transfer for its whole life: its request, its hops, its retries, what its message says. Must not know bytes on
//! the wire, sockets, nor how a connection comes to be. What a transfer has only while it occupies a connection is its
//! exchange's.

pub(super) mod ask_again;
pub(super) mod budget;
pub(super) mod credentials;
pub(super) mod finish;
pub(super) mod guarded;
mod history;
pub(super) mod hop;
pub(super) mod hops;
pub(super) mod identity;
pub(super) mod message;
pub(super) mod panicked;
pub(super) mod phase;
mod redirect;
pub(super) mod report;
pub(super) mod request;
pub(super) mod retry;
pub(super) mod retry_policy;
pub(super) mod retrying;
pub(super) mod transfer;
