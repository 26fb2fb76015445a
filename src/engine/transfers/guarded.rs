//! Calls of what a caller supplies, such that a panic ends one transfer.
//!
//! Whoever is called is noted by what unwinds, and by nothing else. While a driver's memory is filled nothing may unwind: what is
//! called then is caught at once.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::ids::{ExchangeId, TransferId};
use crate::engine::transfers::transfer::Transfer;
use crate::engine::{Discard, Flow, Handler};

/// Who is called.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Called {
    /// The handler of the transfer on this exchange.
    On(ExchangeId),
    /// The handler of this one.
    Of(TransferId),
}

/// Notes who was called where that unwinds; nothing where it returns.
pub(in crate::engine) struct Calling(Called);

impl Drop for Calling {
    #[cold]
    fn drop(&mut self) {
        // one may be called within what is done for another: the innermost it was
        CALLED.set(CALLED.get().or(Some(self.0)));
    }
}

/// Does what calls a handler.
#[inline(always)]
pub(in crate::engine) fn calling<T>(called: Called, call: impl FnOnce() -> T) -> T {
    let calling = Calling(called);
    let result = call();
    std::mem::forget(calling);
    result
}

thread_local! {
    /// Who was called by what is unwinding, or has unwound and is not cleared up.
    static CALLED: Cell<Option<Called>> = const { Cell::new(None) };
}

/// Who was called by what has unwound; forgotten with this.
pub(super) fn take_called() -> Option<Called> {
    CALLED.take()
}

/// A handler that has panicked, on its way back to its owner.
struct Silent(Box<dyn Handler>);

impl Handler for Silent {
    fn body(&mut self, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

impl Transfer {
    /// Its handler is not called again.
    #[cold]
    pub(super) fn silence(&mut self) {
        let handler = self.take_handler();
        self.handler = Box::new(Silent(handler));
    }

    /// Calls the handler where nothing may unwind. If it panics, that is what the transfer is to fail for.
    #[inline(always)]
    pub(in crate::engine) fn call_guarded(
        &mut self,
        call: impl FnOnce(&mut Self),
    ) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| call(self))).map_err(|panic| {
            self.silence();
            why(&*panic)
        })
    }

    /// As [`Handler::starts_over`]; one that panics does not.
    #[cold]
    pub(super) fn handler_starts_over(&mut self) -> bool {
        let mut starts_over = false;
        let asked = self.call_guarded(|this| starts_over = this.handler.starts_over());
        asked.is_ok() && starts_over
    }
}

/// The handler itself, which is not to be called any more.
#[cold]
pub(in crate::engine) fn speak_again(handler: &mut Box<dyn Handler>) {
    if (&**handler as &dyn Any).is::<Silent>() {
        let silent = std::mem::replace(handler, Box::new(Discard) as Box<dyn Handler>);
        let silent: Box<dyn Any> = silent;
        if let Ok(silent) = silent.downcast::<Silent>() {
            *handler = silent.0;
        }
    }
}

/// Why a transfer fails whose handler has panicked.
pub(super) fn why(panic: &(dyn Any + Send)) -> String {
    format!("its handler panicked: {}", text_of(panic))
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
