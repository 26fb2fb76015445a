//! Handles: what C holds instead of our values.
//!
//! A handle is a small shell that is never given back to the allocator: it has the magic number of its kind while it is
//! alive, and none after. So a handle that was cleaned up, or one of another kind, is found out and not followed; a shell is
//! used again once a thousand others have been freed after it.
//!
//! Knows shells. Must not know what is in them. Invariant: whoever found a value keeps it alive, also when the handle is
//! cleaned up meanwhile.
#![allow(unsafe_code, reason = "handles come in as pointers")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use super::Pointer;

/// Shells that lie unused before the first of them is used again.
const RESTING: usize = 1024;

/// What can stand behind a handle.
pub(crate) trait Kind: Sized {
    /// Says that a shell holds this kind.
    const MAGIC: usize;
}

/// What C has a pointer to. As large for each kind, so that any can be used again for any.
#[repr(C)]
struct Shell {
    magic: Cell<usize>,
    /// What `Rc::into_raw` gave, while there is a magic number.
    value: Cell<*const ()>,
}

/// Shells that were used, by address, the one that rests longest first.
static RESTED: Mutex<VecDeque<usize>> = Mutex::new(VecDeque::new());

/// A new handle of this value.
pub(crate) fn issue<T: Kind>(value: Rc<T>) -> Pointer {
    let value = Rc::into_raw(value).cast();
    let mut rested = RESTED.lock().unwrap_or_else(PoisonError::into_inner);
    if rested.len() > RESTING
        && let Some(address) = rested.pop_front()
    {
        let shell: *const Shell = std::ptr::with_exposed_provenance(address);
        // SAFETY: the shell was leaked by the other branch, so it lives for ever; it is in nobody's hands, or in those of
        // somebody who was told that it is freed.
        let shell = unsafe { &*shell };
        shell.value.set(value);
        shell.magic.set(T::MAGIC);
        return std::ptr::from_ref(shell).cast_mut().cast();
    }
    let shell = Box::leak(Box::new(Shell { magic: T::MAGIC.into(), value: value.into() }));
    std::ptr::from_mut(shell).cast()
}

/// The value of a handle; `None` for null, and for what is no handle of this kind, or one no more.
pub(crate) fn find<T: Kind>(handle: Pointer) -> Option<Rc<T>> {
    let value: *const T = shell::<T>(handle)?.value.get().cast();
    // SAFETY: by its magic number the shell owns a count of a value of this type, of which one more is taken.
    unsafe {
        Rc::increment_strong_count(value);
        Some(Rc::from_raw(value))
    }
}

/// Looks at the value of a handle that several threads may have: its count is left alone.
///
/// # Safety
///
/// No other thread cleans the handle up meanwhile, and what is looked at is `Sync`.
pub(crate) unsafe fn look<T: Kind, R>(handle: Pointer, look: impl FnOnce(&T) -> R) -> Option<R> {
    let value: *const T = shell::<T>(handle)?.value.get().cast();
    // SAFETY: by its magic number the shell owns a value of this type; the caller promises the rest.
    Some(look(unsafe { &*value }))
}

/// Takes the value out of a handle, which is one no more.
pub(crate) fn revoke<T: Kind>(handle: Pointer) -> Option<Rc<T>> {
    let shell = shell::<T>(handle)?;
    shell.magic.set(0);
    let address = std::ptr::from_ref(shell).expose_provenance();
    RESTED.lock().unwrap_or_else(PoisonError::into_inner).push_back(address);
    // SAFETY: as in `find`; the shell's own count goes over to the caller.
    Some(unsafe { Rc::from_raw(shell.value.get().cast()) })
}

fn shell<'a, T: Kind>(handle: Pointer) -> Option<&'a Shell> {
    let shell: *const Shell = handle.cast();
    if shell.is_null() || !shell.is_aligned() {
        return None;
    }
    // SAFETY: the caller promises (curl's documentation of each function) that the pointer came from one of ours, be it
    // freed since: then it points to a shell, which lives for ever. What else it may point to has to be readable, and is
    // told by its first word.
    let shell = unsafe { &*shell };
    (shell.magic.get() == T::MAGIC).then_some(shell)
}

/// A value that knows its own handle, to tell it to callbacks.
#[derive(Debug, Default)]
pub(crate) struct Own(RefCell<Option<usize>>);

impl Own {
    /// Notes which handle it is.
    pub(crate) fn set(&self, handle: Pointer) {
        *self.0.borrow_mut() = Some(handle.expose_provenance());
    }

    /// The handle; null before it was noted.
    pub(crate) fn get(&self) -> Pointer {
        self.0.borrow().map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Apple(u8);
    struct Pear;

    impl Kind for Apple {
        const MAGIC: usize = 0x0a99_1e01;
    }

    impl Kind for Pear {
        const MAGIC: usize = 0x9ea9_0001;
    }

    #[test]
    fn a_handle_is_found_until_it_is_revoked_and_by_its_kind_alone() {
        let handle = issue(Rc::new(Apple(7)));
        assert_eq!(find::<Apple>(handle).map(|apple| apple.0), Some(7));
        assert!(find::<Pear>(handle).is_none());
        let kept = find::<Apple>(handle);
        assert!(revoke::<Apple>(handle).is_some());
        assert!(find::<Apple>(handle).is_none() && revoke::<Apple>(handle).is_none());
        assert_eq!(kept.map(|apple| apple.0), Some(7), "whoever found it has it");
    }

    #[test]
    fn what_is_no_handle_is_none() {
        let mut zeroed = [0_usize; 4];
        assert!(find::<Apple>(std::ptr::null_mut()).is_none());
        assert!(find::<Apple>(zeroed.as_mut_ptr().cast()).is_none());
        assert!(find::<Apple>(zeroed.as_mut_ptr().cast::<u8>().wrapping_add(1).cast()).is_none());
    }
}
