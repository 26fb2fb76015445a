//! What is typed: the options of `ringdove fetch` in groups, and what each group comes to by itself.
//!
//! Must not know what groups mean together.

pub(crate) mod addresses;
pub(crate) mod body;
pub(crate) mod coding;
pub(crate) mod condition;
pub(crate) mod connect;
pub(crate) mod cookies;
pub(crate) mod credentials;
pub(crate) mod existing;
pub(crate) mod fetch;
pub(crate) mod field_lines;
pub(crate) mod form;
pub(crate) mod heads;
pub(crate) mod http2;
pub(crate) mod lookup;
pub(crate) mod ordered;
pub(crate) mod politeness;
pub(crate) mod proxy;
pub(crate) mod ranges;
pub(crate) mod resolve;
pub(crate) mod retry;
pub(crate) mod ring;
pub(crate) mod speed;
pub(crate) mod target;
pub(crate) mod trace;
pub(crate) mod values;
pub(crate) mod ways;
pub(crate) mod write_out;
