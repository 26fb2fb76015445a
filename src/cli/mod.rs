//! The `ringdove` command.

pub(crate) mod bench;
