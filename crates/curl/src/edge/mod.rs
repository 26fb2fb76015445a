//! The edge to C: what every function that C calls has around it.
//!
//! Knows how pointers come in and go out: handles ([`handle`]), memory that C may free ([`memory`]), text ([`text`]). Must
//! not know what any of them is for. Invariant: a panic never crosses the edge.

pub(crate) mod handle;
pub(crate) mod memory;
pub(crate) mod text;

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A pointer that is C's own, and is only handed back to it.
pub(crate) type Pointer = *mut c_void;

/// Does what a function of C's is called for. A panic, which is a bug of ours, ends here and becomes `panicked`.
pub(crate) fn guard<T>(panicked: T, work: impl FnOnce() -> T) -> T {
    // what was half changed is behind handles, whose borrows are given back on the way here
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(panicked)
}
