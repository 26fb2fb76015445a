//! One test for each behaviour of the kernel that ringdove relies on, named as the behaviour.
//!
//! Knows `ringdove::sys` as an outsider does. A test whose feature this kernel lacks says so and is
//! skipped.

mod dials;
mod files;
mod kept;
mod polls;
mod queues;
mod refused;
mod scarcity;
mod shutdown;
mod streams;
mod support;
mod waits;
mod zero_copy;
