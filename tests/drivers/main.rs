//! One suite of behaviours for every driver, against nginx and a hostile server.
//!
//! Knows the library as an outsider does. Each behaviour is a function of a driver's kind, and makes
//! one test for each kind. Each test runs in a process of its own, so that what it leaves open can
//! be counted: after the body no descriptor, thread, connection, origin or timer may be left.

#![allow(clippy::disallowed_methods, reason = "tests time what the drivers promise")]

mod authentication;
mod bodies;
mod crowd;
mod decoding;
mod delay;
mod dropped;
mod everyday;
mod expect;
mod fairness;
mod fallback;
mod file_bodies;
mod files;
mod flow;
mod http2;
mod http2_floods;
mod http2_servers;
mod http2_work;
mod in_step;
mod interfaces;
mod latency;
mod names;
mod nested;
mod panics;
mod policy;
mod proxies;
mod proxy_authentication;
mod races;
mod redirects;
mod refusals;
mod removal;
mod resolver;
mod reuse;
mod run;
mod same_story;
mod scarcity;
mod silence;
mod squid;
mod uploads;
mod waking;
mod ways;
mod zero_copy;
