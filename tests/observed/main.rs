//! What the kernel and its tools see of a driver at work: system calls as strace counts them, requests
//! as io_uring's tracepoints show them, and what is left when the system's switch is off.
//!
//! The work runs in a process of its own under the tool; its server runs outside.

#![allow(clippy::disallowed_methods, reason = "tests look at the clock")]

mod calls;
mod faults;
mod switch;
mod tracepoints;
mod work;
