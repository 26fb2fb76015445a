//! Linux: sockets, epoll, the io_uring, error numbers and the monotonic clock, with a safe face.
//!
//! Knows system calls and what memory the kernel may touch (`docs/ring-ownership.md`). Must not know
//! HTTP, transfers, the engine or the drivers. The only place with `unsafe` code, and the only user of
//! the crates `io-uring` and `libc`.
//!
//! Public as a low-level module, for loops that want to carry ringdove's sockets themselves and for
//! the tests of the kernel facts it relies on. It promises less stability than the rest of the crate.
//!
//! Invariants: every system call made here is counted ([`count`]); the clock is read in
//! [`clock::now`] alone; no caller can make the kernel touch freed memory, whatever it drops.

// `unsafe` is denied at the root and allowed here alone: this layer is where Rust meets the kernel.
#![allow(unsafe_code)]

pub mod affinity;
mod buffers;
pub mod clock;
mod closes;
pub mod count;
mod enter;
pub mod epoll;
mod errno;
pub mod file;
mod files;
#[cfg(test)]
mod handed_on;
pub mod heap;
mod inflight;
pub mod interface;
mod leases;
mod memory;
mod op;
mod patience;
mod poll;
pub mod probe;
pub mod random;
mod readiness;
pub mod ring;
pub mod rlimit;
pub mod seccomp;
mod setup;
mod slots;
pub mod socket;
#[cfg(feature = "standard-descriptors")]
pub mod standard;
mod stream;
pub mod streams;
mod token;
pub mod usage;
mod wait;
mod wake;

pub use buffers::Buffers;
pub use epoll::Epoll;
pub use errno::Errno;
pub use leases::ReceiveBuffers;
pub use poll::PollId;
pub use probe::Probe;
pub use readiness::{Interest, Readiness};
pub use ring::{Completion, Ring};
pub use socket::{Connect, Io, Refused, Socket, Step};
pub use streams::Streams;
pub use wait::{readiness, readiness_of, wait_any};
pub use wake::Waker;
