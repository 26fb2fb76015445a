//! A crawler on ringdove: what may be fetched, what was, and what is left, such that no crash loses any of it.
//!
//! The parts know nothing of each other; [`README.md`](https://docs.rs/crate/ringdove-crawl) says how they are joined.
//!
//! * [`robots`]: what a robots.txt (RFC 9309) says to one crawler.
//! * [`canonical`]: one way to write each URL.
//! * [`scope`] and [`traps`]: which URLs belong to a crawl.
//! * [`links`]: where a page, a sitemap or a feed leads.
//! * [`simhash`]: whether two texts are nearly the same.
//! * [`warc`]: what was asked and answered, as it is kept.
//! * [`frontier`]: what is still to be fetched, and what was ever seen.
//! * [`schedule`]: which host may be asked next.
//! * [`crawl`]: all of them, around a driver.
//!
//! Knows ringdove's public API alone. Invariants: nothing that a server sends panics, is followed without end or grows
//! anything beyond a bound of [`limits`]; the clock is read in one place.

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod canonical;
pub mod crawl;
pub mod frontier;
pub mod limits;
pub mod links;
pub mod robots;
pub mod schedule;
pub mod scope;
pub mod simhash;
pub mod traps;
pub mod warc;
