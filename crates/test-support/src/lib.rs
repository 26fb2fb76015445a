//! What the integration tests stand on: a real nginx, a scripted hostile server, certificates,
//! files of awkward sizes, and the counts that must come back to zero.
//!
//! Nothing here knows ringdove: these are the peers and the yardsticks, so that a test fails
//! because of ringdove alone. Everything listens on loopback, is bounded, and is gone when its
//! value is dropped, also when the test panics.

#![allow(clippy::new_without_default, reason = "what makes new keys each time has no default")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock, sleeping and threads are banned for the library; peers need them"
)]

pub mod certs;
pub mod child;
pub mod corpus;
pub mod dead_end;
pub mod digest;
pub mod h2;
pub mod hostile;
pub mod isolated;
pub mod leak;
pub mod long_link;
pub mod name_server;
pub mod nginx;
pub mod nsd;
pub mod ports;
mod program;
pub mod proxies;
pub mod servers;
pub mod sim_tls;

use std::time::{Duration, Instant};

/// Longest that a test waits for something that should happen at once, on a machine as busy as
/// CI's. Reached in failures only.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `met` every few milliseconds until it says yes or `within` is over; returns its last answer.
pub fn eventually(within: Duration, mut met: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if met() {
            return true;
        }
        if start.elapsed() >= within {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
