//! What the allocator keeps of memory that was given back.
//!
//! Knows mallopt(3). Must not know what memory is for.

/// Bytes from which on a block is the kernel's again as soon as it is given back: the C library's own value to begin with.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// Has large blocks of memory be the kernel's again as soon as they are given back, for all of the process.
///
/// glibc does so at first, and from the first such block on keeps blocks of that size, up to 32 MiB, for later ones: windows of
/// decoders leave holes then that nothing fits, half as much as there are windows. That is for a program to decide and
/// not for a library, so that nothing here calls it. Elsewhere it does nothing.
pub fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator's, which any thread may do at any time; no memory is touched.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE)
    };
}
