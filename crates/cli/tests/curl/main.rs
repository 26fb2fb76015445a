//! The command beside curl: the same options to both, each against a server of its own that is alike; the same bytes out, the same
//! requests on the server's side, the same success or failure.
//!
//! Where ringdove differs on purpose, the case names the section of `docs/curl-differences.md` that says why, and demands that
//! they do differ. Without curl all of it is skipped, said aloud.

#![allow(clippy::disallowed_methods, reason = "tests wait for what they start")]

mod bodies;
mod both;
mod everyday;
mod globs;
mod heads;
mod http2;
mod http2_files;
mod http2_lists;
mod http2_proxies;
mod output;
mod proxies;
mod redirects;
mod requests;
mod sets;
mod together;
mod traces;
mod ways;
