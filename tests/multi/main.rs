//! The promises of libcurl's multi socket interface, one test each, on a [`ringdove::Multi`] that is
//! driven by a plain poll(2) loop. `docs/curl-semantics.md` says which promise each test holds.
//!
//! Knows what any outside program knows: [`Watch`](ringdove::Watch) and [`ringdove::sys`] to wait.

#![allow(clippy::disallowed_methods, reason = "tests time what the handle promises")]

mod failures;
mod own_sockets;
mod simple;
mod socket_loop;
mod sockets;
mod timers;
mod tokens;
