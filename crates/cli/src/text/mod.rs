//! What text means by itself: dates, globs, percent signs, zones, guesses at schemes; and files of it.
//!
//! Must not know options, what files are for, or transfers.

pub(crate) mod date;
pub(crate) mod file;
pub(crate) mod glob;
pub(crate) mod guess;
pub(crate) mod percent;
pub(crate) mod zones;
