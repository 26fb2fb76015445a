//! The crawler's parts as others use them.

#![expect(
    clippy::disallowed_methods,
    reason = "servers of tests have threads, and judge by the clock"
)]

mod crowd;
mod hostile;
mod hosts;
mod kills;
mod politeness;
mod rates;
mod recrawl;
mod robots;
mod robots_commons;
mod robots_google;
mod warc;
mod web;
mod whole;
