//! What is told: of each transfer, by records, formats and traces; of the run, on the terminal and at its end.
//!
//! Must not know how a run goes on.

pub(crate) mod console;
pub(crate) mod figures;
pub(crate) mod record;
pub(crate) mod tally;
pub(crate) mod trace;
pub(crate) mod tries;
pub(crate) mod write_out;
