//! A crawler on ringdove: what may be fetched, what was, and what is left, such that no crash loses any of it.
//!
//! The parts know nothing of each other; [`README.md`](https://docs.rs/crate/ringdove-crawl) says how they are joined.
//!
//! * [`robots`]: what a robots.txt (RFC 9309) says to one crawler.
//! * [`canonical`]: one way to write each URL.
//! * [`links`]: where a page, a sitemap or a feed leads.
//! * [`warc`]: what was asked and answered, as it is kept.
//!
//! Knows ringdove's public API alone. Invariants: nothing that a server sends panics, is followed without end or grows
//! anything beyond a bound of [`limits`]; the clock is read in one place.

pub mod canonical;
pub mod limits;
pub mod links;
pub mod robots;
pub mod warc;
