//! Where bodies come from and where they go: files, pipes, standard input and output.
//!
//! Must not know options or transfers, nor who is told what of them.

pub(crate) mod aside;
pub(crate) mod identity;
pub(crate) mod names;
pub(crate) mod output;
pub(crate) mod place;
pub(crate) mod refusal;
pub(crate) mod remote;
pub(crate) mod reserved;
pub(crate) mod rest;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod writers;
