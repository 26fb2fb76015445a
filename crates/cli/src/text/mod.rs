//! What text means by itself: dates, globs, percent signs, zones, guesses at schemes.
//!
//! Must not know options, files or transfers.

pub(crate) mod date;
pub(crate) mod glob;
pub(crate) mod guess;
pub(crate) mod percent;
pub(crate) mod zones;
