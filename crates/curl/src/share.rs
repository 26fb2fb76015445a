//! Share handles: what several easy handles, also of several threads, have together (libcurl-share(3)).
//!
//! Cookies and the list of HSTS are shared by all at once: each guards itself. Connections, answers of look-ups and TLS sessions
//! are shared by transfers of curl_easy_perform() one after the other: each takes a multi of the share's that nobody else uses
//! meanwhile, and gives it back. The program's lock callbacks are called where that is taken, given, read or written for a
//! handle; what the engine does while a transfer runs needs none, since all of it guards itself.
#![allow(unsafe_code, reason = "handles come in as pointers")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringdove::{CookieJar, Hsts};

use crate::codes::ShareCode;
use crate::edge::handle::{self, Kind};
use crate::edge::{Pointer, guard};
use crate::multi::Multi;

/// What a `CURLSH *` stands for.
#[derive(Default)]
pub(crate) struct Share {
    /// Bits of what is shared, by CURL_LOCK_DATA_*.
    shared: AtomicU32,
    /// The program's callbacks, and what they get.
    lock: AtomicPtr<c_void>,
    unlock: AtomicPtr<c_void>,
    data: AtomicPtr<c_void>,
    hsts: Mutex<Option<Hsts>>,
    cookies: Mutex<Option<CookieJar>>,
    /// Multis that are not in use; none are kept unless something is shared that they have.
    multis: Mutex<Vec<Resting>>,
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

/// CURL_LOCK_DATA_*: what can be shared, and the share itself.
pub(crate) mod lock {
    pub(crate) const SHARE: i32 = 1;
    pub(crate) const COOKIE: i32 = 2;
    pub(crate) const DNS: i32 = 3;
    pub(crate) const SSL_SESSION: i32 = 4;
    pub(crate) const CONNECT: i32 = 5;
    pub(crate) const PSL: i32 = 6;
    pub(crate) const HSTS: i32 = 7;
}

/// CURL_LOCK_ACCESS_SINGLE
const SINGLE: c_int = 2;

type Lock = unsafe extern "C" fn(Pointer, c_int, c_int, Pointer);
type Unlock = unsafe extern "C" fn(Pointer, c_int, Pointer);

/// CURLSHOPT_*
mod option {
    pub(super) const SHARE: i32 = 1;
    pub(super) const UNSHARE: i32 = 2;
    pub(super) const LOCKFUNC: i32 = 3;
    pub(super) const UNLOCKFUNC: i32 = 4;
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

    /// The list of hosts that are asked over TLS alone, if it is shared.
    pub(crate) fn hsts(&self) -> Option<Hsts> {
        self.hsts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether something is shared. What has connections has answers of look-ups and TLS sessions, too.
    pub(crate) fn has(&self, what: c_int) -> bool {
        let bits = match what {
            lock::CONNECT => 1 << lock::DNS | 1 << lock::SSL_SESSION | 1 << lock::CONNECT,
            what => 1_u32 << what,
        };
        self.shared.load(Ordering::Relaxed) & bits != 0
    }

    /// Calls the program's callback, if there is one, for this handle.
    pub(crate) fn lock(&self, easy: Pointer, what: c_int) {
        let function = self.lock.load(Ordering::Relaxed);
        // SAFETY: whoever set the callback promises that it is one of this type, or null, which is none.
        let lock = unsafe { std::mem::transmute::<Pointer, Option<Lock>>(function) };
        if let Some(lock) = lock {
            // SAFETY: the same.
            unsafe { lock(easy, what, SINGLE, self.data.load(Ordering::Relaxed)) };
        }
    }

    /// The same, once it is done.
    pub(crate) fn unlock(&self, easy: Pointer, what: c_int) {
        let function = self.unlock.load(Ordering::Relaxed);
        // SAFETY: as above.
        let unlock = unsafe { std::mem::transmute::<Pointer, Option<Unlock>>(function) };
        if let Some(unlock) = unlock {
            // SAFETY: as above.
            unsafe { unlock(easy, what, self.data.load(Ordering::Relaxed)) };
        }
    }

    /// A multi for a transfer by itself; `None` if nothing of it is shared.
    pub(crate) fn take_multi(&self) -> Option<Rc<Multi>> {
        if !self.has(lock::CONNECT) {
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
        match option {
            option::SHARE | option::UNSHARE => {
                return self.set_shared(option == option::SHARE, value.addr() as c_int);
            }
            option::LOCKFUNC => self.lock.store(value, Ordering::Relaxed),
            option::UNLOCKFUNC => self.unlock.store(value, Ordering::Relaxed),
            option::USERDATA => self.data.store(value, Ordering::Relaxed),
            _ => return ShareCode::BAD_OPTION,
        }
        ShareCode::OK
    }

    fn set_shared(&self, is_shared: bool, what: c_int) -> ShareCode {
        match what {
            lock::COOKIE => {
                let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
                *cookies = is_shared.then(|| cookies.take().unwrap_or_default());
            }
            lock::HSTS => {
                let mut hsts = self.hsts.lock().unwrap_or_else(PoisonError::into_inner);
                *hsts = is_shared.then(|| hsts.take().unwrap_or_default());
            }
            // one list of suffixes is all that there is
            lock::DNS..=lock::CONNECT | lock::PSL => {}
            _ => return ShareCode::BAD_OPTION,
        }
        match is_shared {
            true => self.shared.fetch_or(1 << what, Ordering::Relaxed),
            false => self.shared.fetch_and(!(1 << what), Ordering::Relaxed),
        };
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
