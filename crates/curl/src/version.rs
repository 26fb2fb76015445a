//! What this library is: curl_version(3) and curl_version_info(3).
//!
//! The version of libcurl is the one whose interface this is. What is claimed is there: the protocols, the features.
#![allow(unsafe_code, reason = "texts go out as pointers")]

use std::ffi::{CString, c_char, c_int, c_long, c_uint};
use std::ptr;
use std::sync::OnceLock;

use crate::edge::guard;
use crate::which;

/// The version of curl whose functions and options these are.
const VERSION: &str = "8.22.0";
/// The same, in curl's three bytes.
const VERSION_NUMBER: c_uint = 0x08_16_00;

/// CURLVERSION_ELEVENTH: the struct goes as far as the names of features.
const AGE: c_int = 10;

/// Features by name, each with its CURL_VERSION_* bit.
const FEATURES: [(&str, u32); 14] = [
    ("AsynchDNS", 7),
    ("brotli", 23),
    ("HSTS", 28),
    ("HTTP2", 16),
    ("HTTPS-proxy", 21),
    ("IDN", 10),
    ("IPv6", 0),
    ("Largefile", 9),
    ("libz", 3),
    ("PSL", 20),
    ("SSL", 2),
    ("threadsafe", 30),
    ("UnixSockets", 19),
    ("zstd", 26),
];

/// `curl_version_info_data` of curl.h, up to its eleventh age.
#[repr(C)]
struct VersionInfo {
    age: c_int,
    version: *const c_char,
    version_num: c_uint,
    host: *const c_char,
    features: c_int,
    ssl_version: *const c_char,
    ssl_version_num: c_long,
    libz_version: *const c_char,
    protocols: *const *const c_char,
    ares: *const c_char,
    ares_num: c_int,
    libidn: *const c_char,
    iconv_ver_num: c_int,
    libssh_version: *const c_char,
    brotli_ver_num: c_uint,
    brotli_version: *const c_char,
    nghttp2_ver_num: c_uint,
    nghttp2_version: *const c_char,
    quic_version: *const c_char,
    cainfo: *const c_char,
    capath: *const c_char,
    zstd_ver_num: c_uint,
    zstd_version: *const c_char,
    hyper_version: *const c_char,
    gsasl_version: *const c_char,
    feature_names: *const *const c_char,
}

/// What lives as long as the process and is never changed.
struct Constant<T>(T);

// SAFETY: it is never changed, and what it points to lives for ever.
unsafe impl<T> Send for Constant<T> {}
// SAFETY: the same.
unsafe impl<T> Sync for Constant<T> {}

/// The one line that says what runs.
fn line() -> String {
    format!(
        "libcurl/{VERSION} ringdove/{} ({}) rustls/0.23 miniz brotli zstd",
        env!("CARGO_PKG_VERSION"),
        which::name()
    )
}

/// curl_version(3)
#[unsafe(no_mangle)]
extern "C" fn curl_version() -> *const c_char {
    static LINE: OnceLock<CString> = OnceLock::new();
    guard(ptr::null(), || {
        LINE.get_or_init(|| CString::new(line()).expect("it has no NUL")).as_ptr()
    })
}

/// A list of texts for C, with null at its end.
fn list(names: impl Iterator<Item = &'static str>) -> *const *const c_char {
    let texts =
        names.map(|name| CString::new(name).expect("it has no NUL").into_raw().cast_const());
    let list: Vec<*const c_char> = texts.chain([ptr::null()]).collect();
    list.leak().as_ptr()
}

/// curl_version_info(3)
#[unsafe(no_mangle)]
extern "C" fn curl_version_info(_age: c_int) -> *const VersionInfo {
    static INFO: OnceLock<Constant<VersionInfo>> = OnceLock::new();
    guard(ptr::null(), || &raw const INFO.get_or_init(|| Constant(info())).0)
}

fn info() -> VersionInfo {
    let none = ptr::null();
    VersionInfo {
        age: AGE,
        version: c"8.22.0".as_ptr(),
        version_num: VERSION_NUMBER,
        host: match cfg!(target_arch = "x86_64") {
            true => c"x86_64-pc-linux-gnu".as_ptr(),
            false => c"aarch64-unknown-linux-gnu".as_ptr(),
        },
        features: FEATURES.iter().map(|(_, bit)| 1 << bit).sum(),
        ssl_version: c"rustls/0.23".as_ptr(),
        ssl_version_num: 0,
        libz_version: c"miniz_oxide".as_ptr(),
        protocols: list(["http", "https", "ws", "wss"].into_iter()),
        ares: none,
        ares_num: 0,
        libidn: none,
        iconv_ver_num: 0,
        libssh_version: none,
        brotli_ver_num: 0,
        brotli_version: c"brotli-decompressor".as_ptr(),
        nghttp2_ver_num: 0,
        nghttp2_version: c"ringdove".as_ptr(),
        quic_version: none,
        cainfo: none,
        capath: none,
        zstd_ver_num: 0,
        zstd_version: c"ruzstd".as_ptr(),
        hyper_version: none,
        gsasl_version: none,
        feature_names: list(FEATURES.iter().map(|(name, _)| *name)),
    }
}
