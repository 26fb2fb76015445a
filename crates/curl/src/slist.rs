//! Lists of strings: `struct curl_slist` (curl_slist_append(3)).
#![allow(unsafe_code, reason = "the list is C's to walk and to change")]

use std::ffi::c_char;
use std::ptr;

use crate::edge::{guard, memory, text};

/// `struct curl_slist` of curl.h.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct List {
    data: *mut c_char,
    next: *mut List,
}

/// curl_slist_append(3): the list with a copy of `data` at its end; null, and the list as it was, where that cannot be.
#[unsafe(no_mangle)]
extern "C" fn curl_slist_append(list: *mut List, data: *const c_char) -> *mut List {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller promises a text with a NUL.
        let Some(bytes) = (unsafe { text::bytes(data) }) else { return ptr::null_mut() };
        append(list, bytes)
    })
}

/// The same, for bytes of ours.
pub(crate) fn append(list: *mut List, bytes: &[u8]) -> *mut List {
    let node: *mut List = memory::zeroed();
    let data = memory::text(bytes);
    if node.is_null() || data.is_null() {
        memory::free(node.cast());
        memory::free(data.cast());
        return ptr::null_mut();
    }
    // SAFETY: the node is new and has room for a `List`; those of `list` are alive and the caller's, who lent them to us.
    unsafe {
        (*node).data = data;
        if list.is_null() {
            return node;
        }
        let mut last = list;
        while !(*last).next.is_null() {
            last = (*last).next;
        }
        (*last).next = node;
    }
    list
}

/// curl_slist_free_all(3)
#[unsafe(no_mangle)]
extern "C" fn curl_slist_free_all(list: *mut List) {
    free(list);
}

/// Frees a list of ours, which nobody needs any more.
pub(crate) fn free(mut list: *mut List) {
    while !list.is_null() {
        // SAFETY: the caller promises a list that we made and nobody needs any more; each node is read before it is freed.
        let List { data, next } = unsafe { list.read() };
        memory::free(data.cast());
        memory::free(list.cast());
        list = next;
    }
}

/// Copies of the texts of a list, in order.
///
/// # Safety
///
/// The list is null, or one that stays as it is meanwhile.
pub(crate) unsafe fn texts(mut list: *const List) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    while !list.is_null() {
        // SAFETY: the caller promises it.
        let node = unsafe { &*list };
        // SAFETY: the same.
        texts.extend(unsafe { text::bytes(node.data) }.map(<[u8]>::to_vec));
        list = node.next;
    }
    texts
}

/// A new list of these texts; null if there are none.
pub(crate) fn of(texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> *mut List {
    let mut list = ptr::null_mut();
    for text in texts {
        let longer = append(list, text.as_ref());
        if longer.is_null() {
            free(list);
            return ptr::null_mut();
        }
        list = longer;
    }
    list
}
