//! What was typed means: the URLs, the sets of options, and what holds for all of the run, checked before anything
//! begins.
//!
//! Must not know the run.

pub(crate) mod input;
pub(crate) mod purposes;
pub(crate) mod set;
pub(crate) mod share;
pub(crate) mod whole;
