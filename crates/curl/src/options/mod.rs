//! Options of the easy interface: what there is, and what was set.
//!
//! Knows the table, and keeps values by number. Must not know what a value is good for: `easy` does.

pub mod ids;
mod names;
mod settings;
pub mod table;

pub(crate) use settings::{Method, Settings, Value};
use table::Refusal;

use crate::codes::Code;

/// What becomes of an option here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// As curl documents it.
    Done,
    /// Done, with this difference.
    Differs(&'static str),
    /// Not taken, but where it asks for nothing (null, 0), for this reason.
    Refused(Refusal, &'static str),
}

impl Refusal {
    /// What setting such an option answers.
    pub(crate) fn code(self) -> Code {
        match self {
            Refusal::Unknown => Code::UNKNOWN_OPTION,
            Refusal::NotBuiltIn => Code::NOT_BUILT_IN,
        }
    }
}
