//! Which of the standard descriptors a program began with.
//!
//! The standard library opens `/dev/null` in place of those that are closed, before `main` begins: what is then
//! written is lost, and nobody is told. So it is looked at before that. A program asks for it by the feature
//! `standard-descriptors`, as the command does: a library runs nothing before others' `main` of its own accord.

use std::sync::atomic::{AtomicBool, Ordering};

static OUTPUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Called by the loader, before the standard library has begun.
#[used]
// SAFETY: the loader calls what stands in this section, once, as a function of C; more arguments than it takes are passed
// over by the calling convention.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // not counted, as nothing is before `main`
    // SAFETY: asks about a number, and touches no memory.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    OUTPUT_WAS_CLOSED.store(flags < 0, Ordering::Relaxed);
}

/// Whether the program was started without a standard output.
#[must_use]
pub fn output_was_closed() -> bool {
    OUTPUT_WAS_CLOSED.load(Ordering::Relaxed)
}
