//! The client against servers on loopback, as an outsider uses it.

#![allow(clippy::disallowed_methods, reason = "tests time what is promised, and have threads")]

mod bodies;
mod duplex;
mod engines;
mod errors;
mod everyday;
mod grpc;
mod http2;
mod multipart;
mod programs;
mod runtimes;
mod upgrade;
mod watching;

use std::future::Future;

/// Runs a future on no runtime at all.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    futures_executor::block_on(future)
}
