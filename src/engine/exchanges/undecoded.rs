//! Bodies of which something was left coded: of a transfer that was paused, or waited for its turn or for memory.

use crate::engine::exchanges::exchange::{Exchange, Hold, Rest};
use crate::engine::exchanges::next::Next;
use crate::engine::ids::ExchangeId;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::engine::transfers::guarded::{Called, calling};
use crate::engine::{Engine, Flow};

impl Exchange {
    /// The body of its response ended with its connection.
    pub(super) fn end_coded(&mut self) {
        if let Some(Ok(decoder)) = self.decoding.as_mut().map(|decoding| &mut decoding.decoder) {
            decoder.end();
        }
    }
}

impl Engine {
    /// Delivers what an exchange had left undecoded. False if it cannot go on: it is
    /// paused again, waits for its next turn, or has failed.
    pub(super) fn take_undecoded(&mut self, id: ExchangeId) -> bool {
        let Some(exchange) = self.net.exchanges.get_mut(id) else { return true };
        let Some(decoding) = &mut exchange.decoding else { return true };
        let Some(transfer) = self.roster.transfers.get_mut(exchange.claim.transfer) else {
            return true;
        };
        let before = decoding.work();
        self.told = true;
        let (handler, decoded) = (&mut *transfer.handler, &mut self.roster.common.decoded);
        let (flow, next) = calling(Called::On(id), || decoding.take_waiting(handler, decoded));
        self.decoded_in_batch += decoding.work() - before;
        match (flow, next) {
            (_, Next::Fail(cause)) => self.fail_exchange(id, cause, None),
            (Flow::Pause, _) => {
                transfer.paused.receiving = true;
                exchange.holds.set(Hold::Receiving, true);
                self.net.touch_exchange(id);
            }
            (_, Next::Yield) => self.net.end_turn(id),
            (_, Next::AwaitMemory) => self.await_memory(id),
            (Flow::Enough, _) => {
                exchange.leave_rest(Rest::Unwanted);
                return true;
            }
            (
                Flow::Continue | Flow::Abort(_),
                Next::More | Next::Wait | Next::Complete | Next::Elsewhere,
            ) => {
                return true;
            }
        }
        false
    }
}

impl Roster {
    /// An exchange fails: what its decoder holds back is delivered before.
    #[cold]
    pub(in crate::engine) fn give_out_rest(&mut self, net: &mut Net, id: ExchangeId) {
        let Some(exchange) = net.exchanges.get_mut(id) else { return };
        let pauses = exchange.holds.delivery();
        let Some(decoding) = exchange.decoding.as_mut().filter(|_| !pauses) else { return };
        let Some(transfer) = self.transfers.get_mut(exchange.claim.transfer) else { return };
        // whatever is answered, it fails for the reason it had
        let (handler, decoded) = (&mut *transfer.handler, &mut self.common.decoded);
        _ = calling(Called::On(id), || decoding.take_end(handler, decoded));
    }
}

impl Net {
    /// The exchange goes on with the next batch.
    pub(super) fn end_turn(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.holds.set(Hold::Turn, true);
            self.count_all_held(id);
            self.resumed.push_back(id);
            self.touch_exchange(id);
        }
    }
}
