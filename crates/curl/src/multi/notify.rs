//! Notifications: CURLMOPT_NOTIFYFUNCTION, curl_multi_notify_enable(3).
//!
//! Knows what is to be told of and was not yet. Must not know transfers. Invariant: the program is told once the engine is done
//! with a call, so that it may add, remove and read there, and only not perform or clean up.
#![allow(unsafe_code, reason = "the callback is C's")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::c_uint;
use std::ptr;
use std::rc::Rc;

use super::Multi;
use crate::easy::Easy;
use crate::edge::Pointer;

type Notify = unsafe extern "C" fn(Pointer, c_uint, Pointer, Pointer);

/// CURLMNOTIFY_*: messages are there to be read; a handle's transfer is over.
pub(super) const INFO_READ: c_uint = 0;
pub(super) const EASY_DONE: c_uint = 1;

/// What a multi tells of.
#[derive(Default)]
pub(super) struct Notices {
    function: Cell<Option<Notify>>,
    data: Cell<Option<Pointer>>,
    /// Bits of what is told of at all.
    enabled: Cell<u32>,
    waiting: RefCell<VecDeque<(c_uint, Option<Rc<Easy>>)>>,
    is_telling: Cell<bool>,
}

impl Notices {
    pub(super) fn set_function(&self, function: Pointer) {
        // SAFETY: the caller promises a callback of this type, or null, which is none.
        self.function.set(unsafe { std::mem::transmute::<Pointer, Option<Notify>>(function) });
    }

    pub(super) fn set_data(&self, data: Pointer) {
        self.data.set(Some(data));
    }

    /// Tells of this from here on, or no more. False if there is no such thing.
    pub(super) fn enable(&self, what: c_uint, is_enabled: bool) -> bool {
        let bit = if what <= EASY_DONE { 1 << what } else { return false };
        let others = self.enabled.get() & !bit;
        self.enabled.set(if is_enabled { others | bit } else { others });
        true
    }

    fn is_enabled(&self, what: c_uint) -> bool {
        self.enabled.get() & 1 << what != 0
    }

    /// The callback runs.
    pub(super) fn is_telling(&self) -> bool {
        self.is_telling.get()
    }

    fn take(&self) -> Option<(c_uint, Option<Rc<Easy>>)> {
        self.waiting.borrow_mut().pop_front()
    }

    /// Notes what is to be told of.
    pub(super) fn note(&self, what: c_uint, easy: Option<&Rc<Easy>>) {
        if self.function.get().is_some() && self.is_enabled(what) {
            self.waiting.borrow_mut().push_back((what, easy.cloned()));
        }
    }
}

impl Multi {
    /// Tells the program what was noted, also what comes of its own doing meanwhile. Nothing may be borrowed.
    pub(crate) fn notify(self: &Rc<Self>) {
        let notices = &self.notices;
        if notices.is_telling.get() {
            return;
        }
        notices.is_telling.set(true);
        while let Some((what, easy)) = notices.take() {
            // of a handle that was removed meanwhile there is nothing to tell
            let is_here =
                |easy: &Rc<Easy>| easy.its_multi().is_some_and(|it| Rc::ptr_eq(&it, self));
            let is_gone = easy.as_ref().is_some_and(|easy| !is_here(easy));
            let Some(function) = notices.function.get().filter(|_| notices.is_enabled(what)) else {
                continue;
            };
            if is_gone {
                continue;
            }
            let own = easy.map_or(ptr::null_mut(), |easy| easy.own.get());
            let data = notices.data.get().unwrap_or(ptr::null_mut());
            // SAFETY: whoever set the callback promises that it is one of this type.
            unsafe { function(self.own.get(), what, own, data) };
        }
        notices.is_telling.set(false);
    }
}
