//! The shared library as programs load it: built once for all tests, from the archive that cargo has made.
//!
//! * `exports`, `tables`: what is exported, and what is said of each option, against the system's libcurl and its header;
//! * `both`: Debian's curl on curl's libcurl and on this one, with the cases that the command is compared with curl by: the same
//!   bytes, the same requests as the server saw them, the same exit code;
//! * `programs`: programs in C, our own, of misuse and of what the tool does not do;
//! * `websockets`: the same of frames, with a server that was not written here;
//! * `examples`: those of curl's documentation, as Debian packages them.

#![allow(clippy::disallowed_methods, reason = "tests wait for what they start")]

mod both;
mod differences;
mod examples;
mod exports;
mod library;
mod programs;
mod tables;
mod websockets;

#[path = "../../../cli/tests/curl/bodies.rs"]
mod bodies;
#[path = "../../../cli/tests/curl/everyday.rs"]
mod everyday;
#[path = "../../../cli/tests/curl/globs.rs"]
mod globs;
#[path = "../../../cli/tests/curl/heads.rs"]
mod heads;
#[path = "../../../cli/tests/curl/http2.rs"]
mod http2;
#[path = "../../../cli/tests/curl/output.rs"]
mod output;
#[path = "../../../cli/tests/curl/proxies.rs"]
mod proxies;
#[path = "../../../cli/tests/curl/redirects.rs"]
mod redirects;
#[path = "../../../cli/tests/curl/requests.rs"]
mod requests;
#[path = "../../../cli/tests/curl/together.rs"]
mod together;
#[path = "../../../cli/tests/curl/traces.rs"]
mod traces;
#[path = "../../../cli/tests/curl/ways.rs"]
mod ways;
