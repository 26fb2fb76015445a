//! The easy interface: `CURL`, one transfer at a time and what was set for it.
//!
//! Knows a handle's life. What is set of it is with `setopt`, what is made of that with `request`, what comes with
//! `delivery`, what is told with `info`. Invariant: nothing of a handle is borrowed while a callback runs.
#![allow(unsafe_code, reason = "handles come in as pointers")]

mod body;
pub(crate) mod callbacks;
pub(crate) mod delivery;
mod fields;
mod heads;
mod hsts;
pub(crate) mod info;
pub(crate) mod link;
pub(crate) mod opening;
mod place;
mod proxy;
pub(crate) mod request;
mod run;
mod setopt;
pub(crate) mod tls;
mod ways;
mod written;

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use ringdove::{CookieJar, Hsts, Paused};

use crate::codes::Code;
use crate::edge::handle::{self, Kind, Own};
use crate::edge::{Pointer, guard};
use crate::errors::Failure;
use crate::mime;
use crate::multi::{MessageSlot, Multi};
use crate::options::{Settings, Value, ids};
use crate::share::{Share, lock};
use crate::websocket::Websocket;
use heads::Heads;
use info::Info;
use link::Link;
use place::Places;
pub(crate) use run::{Done, Run};

/// What a `CURL *` stands for.
#[derive(Default)]
pub(crate) struct Easy {
    /// The pointer that C has.
    pub(crate) own: Own,
    pub(crate) settings: RefCell<Settings>,
    places: Places,
    pub(crate) info: RefCell<Info>,
    /// The fields of responses, for curl_easy_header(3).
    pub(crate) heads: RefCell<Heads>,
    /// What there is of the transfer under way.
    pub(crate) run: Run,
    /// The multi that it was added to.
    pub(crate) multi: RefCell<Weak<Multi>>,
    /// The one of its own, for curl_easy_perform(3).
    private: RefCell<Option<Rc<Multi>>>,
    pub(crate) share: RefCell<Option<Arc<Share>>>,
    pub(crate) jar: RefCell<Option<CookieJar>>,
    pub(crate) hsts: RefCell<Option<Hsts>>,
    /// A connection that the program speaks on by itself.
    pub(crate) link: RefCell<Option<Rc<Link>>>,
    /// What is spoken on that, where it is frames.
    pub(crate) websocket: RefCell<Option<Rc<Websocket>>>,
    /// Callbacks of it that are running.
    calling: Cell<u32>,
    /// A mime of its own, as a copy has it.
    mime: Own,
    /// Where curl_multi_info_read(3) points to.
    pub(crate) message: MessageSlot,
}

impl Kind for Easy {
    const MAGIC: usize = 0xc0de_dbad;
}

/// The handle, or an answer of curl's for who has none.
pub(crate) fn find(handle: Pointer) -> Option<Rc<Easy>> {
    handle::find(handle)
}

fn issue(easy: Easy) -> Pointer {
    let easy = Rc::new(easy);
    let handle = handle::issue(Rc::clone(&easy));
    easy.own.set(handle);
    handle
}

impl Easy {
    /// Runs a callback of C's. Nothing may be borrowed.
    pub(crate) fn calling<T>(&self, callback: impl FnOnce() -> T) -> T {
        let multi = self.its_multi();
        let _inside = multi.as_deref().map(Multi::enter);
        self.calling.set(self.calling.get() + 1);
        let result = callback();
        self.calling.set(self.calling.get() - 1);
        result
    }

    pub(crate) fn is_calling(&self) -> bool {
        self.calling.get() > 0
    }

    /// Whether its transfer can begin once more in another process: nothing has come of it, and its request has not begun, or asks for
    /// nothing that is done twice then.
    pub(crate) fn can_begin_again(&self) -> bool {
        let (run, info) = (&self.run, self.info.borrow());
        let is_safe =
            info.method.as_deref().is_some_and(|method| [c"GET", c"HEAD"].contains(&method));
        let is_new = !run.has_started.get() && run.uploaded.get() == 0;
        (is_safe || is_new) && run.downloaded.get() == 0 && info.header_size == 0
    }

    /// The multi that it was added to, if it was.
    pub(crate) fn its_multi(&self) -> Option<Rc<Multi>> {
        self.multi.borrow().upgrade()
    }

    /// The jar that its cookies are kept in, if they are.
    pub(crate) fn cookies(&self) -> Option<CookieJar> {
        let shared = self.share.borrow().as_ref().and_then(|share| share.cookies());
        shared.filter(|_| self.jar.borrow().is_some()).or_else(|| self.jar.borrow().clone())
    }

    /// Has cookies be kept from here on.
    pub(crate) fn keep_cookies(&self) -> CookieJar {
        let own = self.jar.borrow_mut().get_or_insert_default().clone();
        let shared = self.share.borrow().as_ref().and_then(|share| share.cookies());
        let jar = shared.unwrap_or(own);
        jar.keep_as_curl();
        jar
    }

    fn perform(self: &Rc<Self>) -> Code {
        if self.is_calling() {
            return Code::RECURSIVE_API_CALL;
        }
        if self.its_multi().is_some() {
            let failure =
                Failure::new(Code::FAILED_INIT, "easy handle already used in multi handle");
            self.tell_failure(&failure);
            return failure.code;
        }
        // a connection that the program has to itself stays where it is
        let stays = self.settings.borrow().number(ids::CONNECT_ONLY, 0) != 0;
        let share = self.share.borrow().clone().filter(|_| !stays);
        if let Some(share) = share
            && let Some(multi) = self.locked(lock::CONNECT, || share.take_multi())
        {
            let code = self.perform_in(&multi);
            self.locked(lock::CONNECT, || share.give_multi(multi));
            return code;
        }
        let multi = Rc::clone(self.private.borrow_mut().get_or_insert_with(Multi::private));
        self.perform_in(&multi)
    }

    /// By a multi that has no other transfer.
    fn perform_in(self: &Rc<Self>, multi: &Rc<Multi>) -> Code {
        if let Err(code) = multi.add(self) {
            self.tell_failure(&Failure::plain(Code::FAILED_INIT));
            return if code == crate::codes::MultiCode::RECURSIVE_API_CALL {
                Code::RECURSIVE_API_CALL
            } else {
                Code::FAILED_INIT
            };
        }
        let code = multi.run_to_end(self);
        let _ = multi.remove(self);
        code
    }

    /// Fills the error buffer of CURLOPT_ERRORBUFFER, and tells the debug callback.
    pub(crate) fn tell_failure(&self, failure: &Failure) {
        callbacks::fill_error_buffer(self, &failure.text);
        callbacks::debug_text(self, &failure.text);
    }

    /// Gives up the connection that the program had to itself.
    pub(crate) fn close_link(&self) {
        self.websocket.take();
        if let Some(link) = self.link.take() {
            link.close();
        }
    }

    /// Whether there are bytes of the body that came and were not taken.
    pub(crate) fn holds_body(&self) -> bool {
        !self.run.held.borrow().is_empty()
            || self.websocket.borrow().as_ref().is_some_and(|websocket| websocket.holds())
    }

    /// Has the engine ask for what is to go out, once it can.
    pub(crate) fn send_soon(self: &Rc<Self>) {
        let Some(multi) = self.its_multi() else { return };
        match multi.is_calling() {
            true => multi.pause_later(self),
            false => {
                multi.apply_pause(self);
            }
        }
    }

    fn pause(self: &Rc<Self>, what: Paused) -> Code {
        if self.run.id.get().is_none() && self.run.done.borrow().is_none() {
            return Code::BAD_FUNCTION_ARGUMENT;
        }
        self.run.paused.set(what);
        let multi = self.its_multi();
        if self.is_calling() || multi.as_ref().is_some_and(|multi| multi.is_calling()) {
            // it is looked at when the callback is over, be it another handle's
            if let Some(multi) = multi {
                multi.pause_later(self);
            }
            return Code::OK;
        }
        if let Err(failure) = delivery::deliver_held(self) {
            let code = failure.code;
            self.run.fail(failure);
            if let Some(multi) = self.its_multi() {
                multi.pause_later(self);
            }
            return code;
        }
        let multi = self.its_multi();
        multi.map_or(Code::OK, |multi| {
            let code = multi.apply_pause(self);
            multi.notify();
            code
        })
    }

    /// Writes what is kept in files: CURLOPT_COOKIEJAR and CURLOPT_HSTS.
    fn write_files(&self) {
        let path = self.settings.borrow().text(ids::COOKIEJAR);
        if let Some(path) = path
            && let Some(jar) = self.cookies()
        {
            self.locked(lock::COOKIE, || setopt::write_jar(&path, &jar));
        }
        hsts::save(self);
    }

    /// Does something with what its share has of this kind, between the share's lock callbacks, if there are such.
    pub(crate) fn locked<T>(&self, what: c_int, work: impl FnOnce() -> T) -> T {
        let share = self.share.borrow().clone().filter(|share| share.has(what));
        let Some(share) = share else { return work() };
        self.calling(|| share.lock(self.own.get(), what));
        let result = work();
        self.calling(|| share.unlock(self.own.get(), what));
        result
    }

    /// Has this share from here on, and no other.
    pub(crate) fn set_share(&self, share: Option<Arc<Share>>) {
        let before = self.share.take();
        let changes = before.iter().map(|it| (it, false)).chain(share.iter().map(|it| (it, true)));
        for (share, joins) in changes {
            self.calling(|| share.lock(self.own.get(), lock::SHARE));
            if joins {
                share.join()
            } else {
                share.leave()
            }
            self.calling(|| share.unlock(self.own.get(), lock::SHARE));
        }
        if before.iter().chain(&share).any(|share| share.has(lock::HSTS)) {
            // a list that was shared is no more this handle's, nor is its own one
            self.hsts.take();
        }
        *self.share.borrow_mut() = share;
    }
}

/// curl_easy_init(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_init() -> Pointer {
    guard(ptr::null_mut(), || issue(Easy::default()))
}

/// curl_easy_cleanup(3). From within a callback of the handle's own it does nothing.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_cleanup(handle: Pointer) {
    guard((), || {
        let Some(easy) = find(handle).filter(|easy| !easy.is_calling()) else { return };
        if let Some(multi) = easy.its_multi() {
            if multi.is_calling() {
                return;
            }
            let _ = multi.remove(&easy);
        }
        easy.close_link();
        easy.write_files();
        easy.private.borrow_mut().take();
        easy.set_share(None);
        mime::free(easy.mime.get());
        drop(handle::revoke::<Easy>(handle));
    });
}

/// curl_easy_perform(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_perform(handle: Pointer) -> Code {
    guard(Code::FAILED_INIT, || match find(handle) {
        Some(easy) => easy.perform(),
        None => Code::BAD_FUNCTION_ARGUMENT,
    })
}

/// curl_easy_reset(3): connections, cookies and the share stay.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_reset(handle: Pointer) {
    guard((), || {
        let Some(easy) = find(handle) else { return };
        *easy.settings.borrow_mut() = Settings::default();
        easy.places.forget();
        *easy.info.borrow_mut() = Info::default();
        *easy.heads.borrow_mut() = Heads::default();
    });
}

/// curl_easy_duphandle(3): with all that was set, a copy of its mime, the cookies and the share, and without connections.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_duphandle(handle: Pointer) -> Pointer {
    guard(ptr::null_mut(), || {
        let Some(easy) = find(handle) else { return ptr::null_mut() };
        let copy = Easy { settings: easy.settings.clone(), ..Easy::default() };
        if let Some(jar) = &*easy.jar.borrow() {
            let twin = copy.keep_cookies();
            let now = request::today();
            twin.read_netscape(&jar.to_netscape(now), now);
        }
        let parts = copy.settings.borrow().pointer(ids::MIMEPOST);
        if let Some(parts) = mime::duplicate(parts) {
            copy.mime.set(parts);
            copy.settings.borrow_mut().set(ids::MIMEPOST, Value::Pointer(parts));
        }
        let share = easy.share.borrow().clone();
        let handle = issue(copy);
        if let Some(copy) = find(handle).filter(|_| share.is_some()) {
            copy.set_share(share);
        }
        handle
    })
}

/// CURLPAUSE_RECV
const PAUSE_RECEIVING: c_int = 1;
/// CURLPAUSE_SEND
const PAUSE_SENDING: c_int = 4;

/// curl_easy_pause(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_pause(handle: Pointer, what: c_int) -> Code {
    guard(Code::FAILED_INIT, || {
        let Some(easy) = find(handle) else { return Code::BAD_FUNCTION_ARGUMENT };
        easy.pause(Paused {
            receiving: what & PAUSE_RECEIVING != 0,
            sending: what & PAUSE_SENDING != 0,
        })
    })
}

/// curl_easy_strerror(3)
#[unsafe(no_mangle)]
extern "C" fn curl_easy_strerror(code: Code) -> *const c_char {
    code.text().as_ptr().cast()
}

/// curl_easy_upkeep(3): there is nothing that has to be kept up.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_upkeep(handle: Pointer) -> Code {
    guard(Code::FAILED_INIT, || match find(handle) {
        Some(_) => Code::OK,
        None => Code::BAD_FUNCTION_ARGUMENT,
    })
}

/// curl_easy_ssls_import(3): not built in, as rustls gives no sessions out.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_ssls_import(
    handle: Pointer,
    _: *const c_char,
    _: Pointer,
    _: usize,
    _: Pointer,
    _: usize,
) -> Code {
    without_connection(handle)
}

/// curl_easy_ssls_export(3): the same.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_ssls_export(handle: Pointer, _: Pointer, _: Pointer) -> Code {
    without_connection(handle)
}

/// What is not there, of a handle that is.
pub(crate) fn without_connection(handle: Pointer) -> Code {
    guard(Code::FAILED_INIT, || match find(handle) {
        Some(_) => Code::NOT_BUILT_IN,
        None => Code::BAD_FUNCTION_ARGUMENT,
    })
}
