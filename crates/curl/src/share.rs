//! Share handles: what several easy handles, also of several threads, have together (libcurl-share(3)).
//!
//! Cookies and HSTS are shared, by our own locks: the program's lock callbacks are called around what it expects them for,
//! which is nothing, since a jar guards itself.
#![allow(unsafe_code, reason = "handles come in as pointers")]

use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringdove::CookieJar;

use crate::codes::ShareCode;
use crate::edge::handle::{self, Kind};
use crate::edge::{Pointer, guard};

/// What a `CURLSH *` stands for.
#[derive(Default)]
pub(crate) struct Share {
    cookies: Mutex<Option<CookieJar>>,
    /// Easy handles that have it.
    users: AtomicUsize,
}

impl Kind for Arc<Share> {
    const MAGIC: usize = 0x5a4e_5a4e;
}

/// CURL_LOCK_DATA_*
mod data {
    pub(super) const COOKIE: i32 = 2;
    pub(super) const DNS: i32 = 3;
    pub(super) const PSL: i32 = 6;
    pub(super) const HSTS: i32 = 7;
}

/// CURLSHOPT_*
mod option {
    pub(super) const SHARE: i32 = 1;
    pub(super) const UNSHARE: i32 = 2;
    pub(super) const LOCKFUNC: i32 = 3;
    pub(super) const USERDATA: i32 = 5;
}

impl Share {
    /// The jar of all, if cookies are shared.
    pub(crate) fn cookies(&self) -> Option<CookieJar> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the cookies be none, if they are shared.
    pub(crate) fn forget_cookies(&self) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jar) = &mut *cookies {
            *jar = CookieJar::new();
        }
    }

    pub(crate) fn join(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.users.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_in_use(&self) -> bool {
        self.users.load(Ordering::Relaxed) > 0
    }

    fn set(&self, option: c_int, value: Pointer) -> ShareCode {
        if self.is_in_use() {
            return ShareCode::IN_USE;
        }
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let what = value.addr() as c_int;
        match (option, what) {
            (option::SHARE, data::COOKIE) => drop(cookies.get_or_insert_default()),
            (option::UNSHARE, data::COOKIE) => *cookies = None,
            // taken, and each multi keeps its own
            (option::SHARE | option::UNSHARE, data::DNS..=data::PSL | data::HSTS) => {}
            (option::SHARE | option::UNSHARE, _) => return ShareCode::BAD_OPTION,
            // what is shared guards itself, so nothing has to be locked
            (option::LOCKFUNC..=option::USERDATA, _) => {}
            _ => return ShareCode::BAD_OPTION,
        }
        ShareCode::OK
    }
}

/// The share of a handle.
pub(crate) fn find(handle: Pointer) -> Option<Arc<Share>> {
    // SAFETY: the caller promises not to clean it up meanwhile, and a share guards itself.
    unsafe { handle::look(handle, |share: &Arc<Share>| Arc::clone(share)) }
}

/// curl_share_init(3)
#[unsafe(no_mangle)]
extern "C" fn curl_share_init() -> Pointer {
    guard(ptr::null_mut(), || handle::issue(Rc::new(Arc::new(Share::default()))))
}

/// curl_share_setopt(3): of its variable arguments one is taken, as in curl_easy_setopt().
#[unsafe(no_mangle)]
extern "C" fn curl_share_setopt(handle: Pointer, option: c_int, value: Pointer) -> ShareCode {
    guard(ShareCode::INVALID, || {
        // SAFETY: the caller promises not to clean it up meanwhile, and a share guards itself.
        let set = unsafe { handle::look(handle, |share: &Arc<Share>| share.set(option, value)) };
        set.unwrap_or(ShareCode::INVALID)
    })
}

/// curl_share_cleanup(3)
#[unsafe(no_mangle)]
extern "C" fn curl_share_cleanup(handle: Pointer) -> ShareCode {
    guard(ShareCode::INVALID, || {
        // SAFETY: the caller promises that nobody else uses it any more.
        match unsafe { handle::look(handle, |share: &Arc<Share>| share.is_in_use()) } {
            None => ShareCode::INVALID,
            Some(true) => ShareCode::IN_USE,
            Some(false) => {
                drop(handle::revoke::<Arc<Share>>(handle));
                ShareCode::OK
            }
        }
    })
}

/// curl_share_strerror(3)
#[unsafe(no_mangle)]
extern "C" fn curl_share_strerror(code: ShareCode) -> *const c_char {
    code.text().as_ptr().cast()
}
