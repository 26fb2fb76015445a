//! A handler that panicked: its transfer ends, and the engine goes on.
//!
//! Knows who was being called. Must not know who catches: that is the driver, around a whole batch, so that a call costs nothing.
//!
//! Invariants: a handler that panicked is not called again; the connection that it was called for is not used again, since what
//! came on it may be read by half; all else is as it was, or is found where a batch looks for what is left to do.

use std::any::Any;

use crate::engine::Engine;
use crate::engine::exchanges::codec::Codec;
use crate::engine::transfers::guarded::{Called, take_called, why};
use crate::engine::transfers::transfer::Place;
use crate::error::{Cause, Error};

impl Engine {
    /// A call of this engine's has panicked with `panic`, and was caught. If it was in a transfer's handler, that transfer ends
    /// with [`Cause::Aborted`], and the engine can go on with the next batch; what was told in the same call, and is not a
    /// level, may be lost: connections are to be looked at again. `false` if it was anything else, of which nothing is known.
    pub fn end_panicked(&mut self, panic: &(dyn Any + Send)) -> bool {
        let Some(called) = take_called() else { return false };
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
            None => self.end(id, Error::before_exchange(cause, place.phase(&self.net))),
        }
        if self.roster.transfers.get(id).is_some() {
            self.roster.vacate(&mut self.net, id);
        }
        self.settle();
        true
    }
}
