//! A handler that panicked: its transfer ends, and the engine goes on.
//!
//! Knows who was being called. Must not know who catches: that is the driver, around a whole batch, so that a call costs nothing.
//! Whoever is called is noted by what unwinds, and by nothing else. While a driver's memory is filled nothing may unwind: what is
//! called then is caught at once.
//!
//! Invariants: a handler that panicked is not called again; the connection that it was called for is not used again, since what
//! came on it may be read by half; all else is as it was, or is found where a batch looks for what is left to do.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::ExchangeId;
use crate::engine::transfers::transfer::{Place, Transfer, TransferId};
use crate::engine::{Discard, Engine, Flow, Handler, error_before_exchange};
use crate::error::Cause;

/// Who is called.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Called {
    /// The handler of the transfer on this exchange.
    On(ExchangeId),
    /// The handler of this one.
    Of(TransferId),
}

thread_local! {
    /// Who was called by what is unwinding, or has unwound and is not cleared up.
    static CALLED: Cell<Option<Called>> = const { Cell::new(None) };
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
    fn silence(&mut self) {
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

impl Engine {
    /// A call of this engine's has panicked with `panic`, and was caught. If it was in a transfer's handler, that transfer ends
    /// with [`Cause::Aborted`], and the engine can go on with the next batch; what was told in the same call, and is not a
    /// level, may be lost: connections are to be looked at again. `false` if it was anything else, of which nothing is known.
    pub fn end_panicked(&mut self, panic: &(dyn Any + Send)) -> bool {
        let Some(called) = CALLED.take() else { return false };
        let transfer = match called {
            Called::On(id) => self.net.exchanges.get(id).map(|exchange| exchange.claim.transfer),
            Called::Of(id) => Some(id),
        };
        let Some(id) = transfer else { return true };
        let Some(transfer) = self.roster.transfers.get_mut(id) else { return true };
        transfer.silence();
        let (place, cause) = (transfer.place, Cause::Aborted(why(panic)));
        let exchange = match place {
            Place::Exchange(id) => Some(id).filter(|&id| self.net.exchanges.get(id).is_some()),
            _ => None,
        };
        match exchange {
            Some(id) => {
                let connection = self.net.exchanges.get(id).map(|exchange| {
                    (exchange.connection, matches!(exchange.codec, Codec::Http2(_)))
                });
                self.fail_exchange(id, cause, None);
                // be there others on it
                if let Some((connection, true)) = connection {
                    self.fail_link(connection, Cause::Closed, None);
                }
            }
            // one that panicked at its end
            None if self.messages.iter().any(|message| message.transfer == id) => {}
            None => self.end(id, error_before_exchange(cause, place.phase(&self.net))),
        }
        if self.paused(id).is_some() {
            self.roster.vacate(&mut self.net, id);
        }
        self.settle();
        true
    }
}

/// Why a transfer fails whose handler has panicked.
fn why(panic: &(dyn Any + Send)) -> String {
    format!("its handler panicked: {}", text_of(panic))
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
