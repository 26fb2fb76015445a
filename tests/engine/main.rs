//! The engine's behaviours, one by one: the test plays the driver.

mod deadlines;
mod decoding;
mod harness;
mod limits;
mod lookups;
mod pausing;
mod redirects;
mod reuse;
#[path = "../support/sim_tls.rs"]
mod sim_tls;
mod tls;
mod transfers;
