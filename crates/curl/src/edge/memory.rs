//! Memory that C frees, or gave the functions for (curl_global_init_mem(3)).
//!
//! Knows the five functions. Must not know what the memory is for. What is Rust's own is allocated by Rust: C sees none of
//! it, and so these functions are not asked for it.
#![allow(unsafe_code, reason = "memory goes over to C")]

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use super::Pointer;

type Allocate = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

/// Where memory comes from and goes back to.
#[derive(Clone, Copy)]
struct Functions {
    allocate: Allocate,
    free: Free,
}

static FUNCTIONS: Mutex<Functions> =
    Mutex::new(Functions { allocate: libc::malloc, free: libc::free });

fn functions() -> Functions {
    *FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on memory is allocated and freed by these.
pub(crate) fn set(allocate: Allocate, free: Free) {
    *FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner) = Functions { allocate, free };
}

/// So many bytes, which [`free`] takes; null if there are none to be had.
pub(crate) fn allocate(bytes: usize) -> Pointer {
    // SAFETY: the function is the C library's, or one that the caller of curl_global_init_mem() promised to be like it.
    unsafe { (functions().allocate)(bytes.max(1)) }
}

/// Gives back what [`allocate`] gave. Null is nothing.
pub(crate) fn free(memory: Pointer) {
    if !memory.is_null() {
        // SAFETY: as above; the memory came from the function's own allocator, as each caller here sees to, or promises at
        // the edge (curl_free(3)).
        unsafe { (functions().free)(memory) };
    }
}

/// A copy of these bytes, with NUL after them; null if there is no memory.
pub(crate) fn text(bytes: &[u8]) -> *mut c_char {
    let memory: *mut u8 = allocate(bytes.len() + 1).cast();
    if !memory.is_null() {
        // SAFETY: the memory is new, and has room for the bytes and one more.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len());
            memory.add(bytes.len()).write(0);
        }
    }
    memory.cast()
}

/// Room for one value, zeroed; null if there is no memory.
pub(crate) fn zeroed<T>() -> *mut T {
    let memory: *mut T = allocate(size_of::<T>()).cast();
    if !memory.is_null() {
        // SAFETY: the memory is new, and has room for one such value.
        unsafe { ptr::write_bytes(memory, 0, 1) };
    }
    memory
}

/// What `c/printf.c` allocates the texts by that it gives out.
#[unsafe(no_mangle)]
extern "C" fn ringdove_curl_allocate(bytes: usize) -> Pointer {
    allocate(bytes)
}

/// curl_free(3)
#[unsafe(no_mangle)]
extern "C" fn curl_free(memory: Pointer) {
    free(memory);
}
