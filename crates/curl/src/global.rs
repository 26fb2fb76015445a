//! What concerns the whole process: curl_global_init(3) and its like.
//!
//! There is nothing to be set up: whoever forgets curl_global_init() misses nothing, and it may be called from any thread.
#![allow(unsafe_code, reason = "functions of C's come in as pointers")]

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr;

use crate::codes::Code;
use crate::edge::{guard, memory, text};

/// curl_global_init(3)
#[unsafe(no_mangle)]
extern "C" fn curl_global_init(_flags: c_long) -> Code {
    Code::OK
}

type Allocate = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

/// curl_global_init_mem(3). Of the five functions, two are called: nothing is ever made longer, and texts are copied here.
#[unsafe(no_mangle)]
extern "C" fn curl_global_init_mem(
    _flags: c_long,
    allocate: Option<Allocate>,
    free: Option<Free>,
    reallocate: *mut c_void,
    duplicate: *mut c_void,
    zeroed: *mut c_void,
) -> Code {
    guard(Code::FAILED_INIT, || {
        let (Some(allocate), Some(free)) = (allocate, free) else { return Code::FAILED_INIT };
        if reallocate.is_null() || duplicate.is_null() || zeroed.is_null() {
            return Code::FAILED_INIT;
        }
        memory::set(allocate, free);
        Code::OK
    })
}

/// curl_global_cleanup(3)
#[unsafe(no_mangle)]
extern "C" fn curl_global_cleanup() {}

/// curl_global_trace(3): nothing here is traced by component, so whatever is asked for is granted.
#[unsafe(no_mangle)]
extern "C" fn curl_global_trace(config: *const c_char) -> Code {
    if config.is_null() { Code::BAD_FUNCTION_ARGUMENT } else { Code::OK }
}

/// `struct curl_ssl_backend`
#[repr(C)]
struct SslBackend {
    id: c_int,
    name: *const c_char,
}

/// A list for C that lives as long as the process.
struct Backends([*const SslBackend; 2]);

// SAFETY: what it points to is never changed.
unsafe impl Sync for Backends {}

struct Backend(SslBackend);

// SAFETY: the same.
unsafe impl Sync for Backend {}

/// CURLSSLBACKEND_RUSTLS
const RUSTLS: c_int = 14;
/// CURLSSLBACKEND_GNUTLS
const GNUTLS: c_int = 2;

static BACKEND: Backend = Backend(SslBackend { id: RUSTLS, name: c"rustls".as_ptr() });
static BACKENDS: Backends = Backends([&raw const BACKEND.0, ptr::null()]);

/// CURLSSLSET_OK
const SET: c_int = 0;
/// CURLSSLSET_UNKNOWN_BACKEND
const UNKNOWN: c_int = 1;

/// curl_global_sslset(3): there is rustls. Programs that were linked against libcurl-gnutls.so.4 ask for GnuTLS and go no
/// further without: they are told that they have it, and curl_version() says what they have.
#[unsafe(no_mangle)]
extern "C" fn curl_global_sslset(
    id: c_int,
    name: *const c_char,
    available: *mut *const *const SslBackend,
) -> c_int {
    guard(UNKNOWN, || {
        if !available.is_null() {
            // SAFETY: not null, and the caller promises room for one pointer.
            unsafe { available.write(&raw const BACKENDS.0[0]) };
        }
        // SAFETY: the caller promises a text with a NUL, or null.
        let name = unsafe { text::lossy(name) }.unwrap_or_default();
        let named = |backend: &str| name.eq_ignore_ascii_case(backend);
        match id == RUSTLS || id == GNUTLS || named("rustls") || named("gnutls") {
            true => SET,
            false => UNKNOWN,
        }
    })
}
