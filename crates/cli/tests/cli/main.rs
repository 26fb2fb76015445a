//! The command, run as a person runs it, against real servers on loopback: one file for each
//! behaviour.

#![allow(
    clippy::disallowed_methods,
    reason = "tests time what the command claims, and wait for it"
)]

mod addresses;
mod bodies;
mod bombs;
mod command;
mod compressed;
mod conditions;
mod corpus;
#[cfg(feature = "crawl")]
mod crawl;
mod credentials;
mod crowds;
mod doctor;
mod existing;
mod fanout;
mod gates;
mod heads;
mod input;
mod interrupt;
mod manual;
mod names;
mod output;
mod progress;
mod proposed_names;
mod proxies;
mod ranges;
mod records;
mod redirects;
mod request;
mod retries;
mod shortage;
mod stopped;
mod threads;
mod timeouts;
mod tls;
mod usage;
mod versions;
mod ways;
#[cfg(feature = "crawl")]
#[path = "../../../crawl/tests/crawl/web.rs"]
mod web;
mod write_out;
mod writers;
