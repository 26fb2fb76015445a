//! Names to addresses: who waits for which, what is known, and a stub resolver to ask.
//!
//! Knows names, look-ups and the servers of DNS; [`stub`] is the machine that asks them, and knows no engine. Must not know
//! what addresses are for, nor which of them is tried.

pub(super) mod answer;
pub(super) mod channels;
pub(super) mod resolve;
pub(super) mod stub;
