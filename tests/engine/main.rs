//! The engine's behaviours, one by one: the test plays the driver.

mod authentication;
mod cookies;
mod deadlines;
mod decoding;
mod enough;
mod expect;
mod gated_races;
mod gates;
mod harness;
mod large_heads;
mod late_addresses;
mod limits;
mod lookups;
mod memory;
mod overdue;
mod own_lookups;
mod pace;
mod pausing;
mod policy;
mod proxies;
mod proxy_authentication;
mod races;
mod redirects;
mod retries;
mod reuse;
#[path = "../support/sim_tls.rs"]
mod sim_tls;
mod tls;
mod transfers;
mod ways;
