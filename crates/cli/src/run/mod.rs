//! The run: URLs become transfers, and these end.
//!
//! Must not know what an option is called.

pub(crate) mod delivery;
mod fetch;
pub(crate) mod threads;
