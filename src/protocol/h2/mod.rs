//! HTTP/2 (RFC 9113) from a client's side, as bytes and events.
//!
//! A [`Connection`] is told what was received ([`read`](Connection::read)) and answers with events, one at a time, each with the
//! key that its request was begun with; it is given outputs to fill ([`fill`](Connection::fill)), for which it borrows heads and
//! bodies ([`Requests`]). Heads come as text that reads like an HTTP/1.1 head, so that what reads the one reads the other.
//!
//! | file | what |
//! | --- | --- |
//! | `connection` | what it is told, what is asked of it, what it wants |
//! | `receive`, `control`, `send` | its two directions: messages in, what else is said in, out |
//! | `input`, `event` | where in its input it is; what is told of it |
//! | `stream`, `streams` | one request and its response; those that are open |
//! | `section`, `fields` | a block as a head, a head as a block |
//! | `hpack/` | header compression (RFC 7541) |
//! | `flow` | windows |
//! | `budget` | frames that bring nothing |
//! | `outbox` | frames that are ready to leave |
//! | `frame`, `settings`, `fault` | layouts, settings, error codes |
//!
//! Knows HTTP/2. Must not know sockets, time, transfers. Invariants: nothing is allocated for a request once there have been as
//! many at a time; bodies are handed on where they came; whatever a peer sends, and however it is cut, the memory that it takes
//! is bounded, and it never panics.

mod budget;
mod connection;
mod control;
mod event;
mod fault;
mod fields;
mod flow;
mod frame;
pub mod hpack;
mod input;
mod outbox;
mod receive;
mod section;
mod send;
mod settings;
mod stream;
mod streams;

pub use connection::Connection;
pub use event::{Event, GoAway, Read};
pub use fault::{ErrorCode, LinkFault};
pub use flow::{Reserve, Reserved};
pub use send::{Mark, Part, RequestFault, Requests};
pub use stream::{Progress, StreamId};

#[cfg(test)]
mod tests;
