//! The command, run as a person runs it, against real servers on loopback: one file for each
//! behaviour.

mod command;
mod corpus;
mod doctor;
mod fanout;
mod input;
mod interrupt;
mod names;
mod output;
mod progress;
mod records;
mod request;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
mod tls;
mod usage;
