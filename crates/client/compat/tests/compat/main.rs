//! Crates that take a client, on ringdove's: each as its users write it, against servers on loopback.

mod acme;
mod compio;
mod object_store;
mod octocrab;
mod opendal;
mod proxy;
mod server;
mod smithy;
