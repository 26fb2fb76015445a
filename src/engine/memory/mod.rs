//! The memory that peers make an engine hold: how much all may hold together, and who waits for some.
//!
//! [`loans`] knows bytes and a line, and not what they are for; [`room`] joins it to the exchanges that hold them,
//! [`unfinished`] to connections. Must not know what the bytes say.

pub(super) mod count;
pub(super) mod loans;
mod room;
pub(super) mod unfinished;
