//! Share handles: what several easy handles, also of several threads, have together (libcurl-share(3)).
//!
//! Cookies are shared by all at once: a jar guards itself. Connections, answers of look-ups and TLS sessions are shared by
//! transfers of curl_easy_perform() one after the other: each takes a multi of the share's that nobody else uses meanwhile, and
//! gives it back. The program's lock callbacks are never called, since nothing is left for them to guard.
#![allow(unsafe_code, reason = "handles come in as pointers")]

use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringdove::CookieJar;

use crate::codes::ShareCode;
use crate::edge::handle::{self, Kind};
use crate::edge::{Pointer, guard};
use crate::multi::Multi;

/// What a `CURLSH *` stands for.
#[derive(Default)]
pub(crate) struct Share {
    cookies: Mutex<Option<CookieJar>>,
    /// Multis that are not in use; none are kept unless something is shared that they have.
    multis: Mutex<Vec<Resting>>,
    keeps_multis: AtomicBool,
    /// Easy handles that have it.
    users: AtomicUsize,
}

/// Multis that one share keeps: as many as threads use it at once, up to this.
const KEPT: usize = 64;

/// A multi that nobody uses.
struct Resting(Rc<Multi>);

// SAFETY: it has no transfer and no handle, and the one count of it is this: whoever takes it has all that is in it alone.
unsafe impl Send for Resting {}

impl Kind for Arc<Share> {
    const MAGIC: usize = 0x5a4e_5a4e;
}

/// CURL_LOCK_DATA_*
mod data {
    pub(super) const COOKIE: i32 = 2;
    pub(super) const DNS: i32 = 3;
    pub(super) const CONNECT: i32 = 5;
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

    /// A multi for a transfer by itself; `None` if nothing of it is shared.
    pub(crate) fn take_multi(&self) -> Option<Rc<Multi>> {
        if !self.keeps_multis.load(Ordering::Relaxed) {
            return None;
        }
        let resting = self.multis.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(resting.map_or_else(Multi::private, |Resting(multi)| multi))
    }

    /// Keeps such a multi for the next one.
    pub(crate) fn give_multi(&self, multi: Rc<Multi>) {
        let mut multis = self.multis.lock().unwrap_or_else(PoisonError::into_inner);
        // one that somebody has yet is not given on
        if multis.len() < KEPT && Rc::strong_count(&multi) == 1 {
            multis.push(Resting(multi));
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
            (option::SHARE, data::DNS..=data::CONNECT) => {
                self.keeps_multis.store(true, Ordering::Relaxed);
            }
            // what one of them has had the others may have
            (option::UNSHARE, data::DNS..=data::CONNECT) => {}
            // one list of suffixes is all that there is, and lists of HSTS stay apart
            (option::SHARE | option::UNSHARE, data::PSL | data::HSTS) => {}
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
