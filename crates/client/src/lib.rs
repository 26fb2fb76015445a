//! An HTTP client for async Rust, on any runtime or none, by [ringdove]'s engine: io_uring, or epoll where that is refused.
//!
//! ```no_run
//! # async fn run() -> Result<(), ringdove_client::Error> {
//! let client = ringdove_client::Client::new();
//! let response = client.get("http://127.0.0.1:8080/").send().await?.error_for_status()?;
//! println!("{} bytes", response.bytes().await?.len());
//! # Ok(())
//! # }
//! ```
//!
//! Three clients share one way of asking: [`Client`] for any thread, [`LocalClient`] driven in place, [`blocking::Client`] for code
//! that is not async. [`choosing`] says which is for whom, [`from_reqwest`] what is where.
//!
//! # What holds
//!
//! * Nothing happens before a call is awaited, and dropping it, or its body, ends the transfer.
//! * A body is as much as the server said. A connection that breaks, an engine that is gone, a peer that says less than it
//!   announced: each is an [`Error`], and never the end of a body.
//! * Whoever is slow to read makes the server wait: a [window](ClientBuilder::window) of a response waits here, and what came at once with
//!   the last of it.
//! * The body of a request is polled by the task that polls the call, and later by whoever reads the response. Neither direction
//!   waits for the other.
//! * What a caller's own code does stays with the caller: no body of a request is polled on an engine's thread, and an engine wakes tasks
//!   without a lock held.
//! * Redirects, cookies, decoding and retries are off unless asked for: [`ClientBuilder::browserlike`],
//!   [`ClientBuilder::options`], [`RequestBuilder::options`].
//!
//! # Features
//!
//! All are off unless asked for: `json` ([`RequestBuilder::json`](RequestBuilder), `Response::json`), `tokio`
//! (`Turner::run_on_tokio`; `AsyncRead` and `AsyncWrite` of [`Upgraded`]), `tracing` and `metrics` ([`watching`]).

#![cfg_attr(not(test), warn(missing_docs))]

pub mod blocking;
mod body;
mod budget;
mod call;
mod chunks;
mod client;
mod clock;
mod engine;
pub mod error;
mod inbox;
mod local;
pub mod multipart;
mod outgoing;
mod pages;
mod pending;
mod reader;
mod request;
mod response;
mod seats;
mod shared;
mod telemetry;
mod upgrade;
mod wakes;

pub use body::{Body, BoxError};
pub use client::{Client, ClientBuilder, Executing};
pub use error::Error;
pub use local::{LocalClient, Turner};
pub use pages::{choosing, from_reqwest, watching};
pub use pending::Pending;
pub use request::RequestBuilder;
pub use response::{Account, Response, ResponseBody};
pub use upgrade::Upgraded;
