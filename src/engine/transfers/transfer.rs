//! One transfer: the request, its handler, where it stands, and what it has cost so far.
//!
//! Knows what belongs to a transfer for its whole life. What it has only while it occupies a
//! connection is with the connection, so that a million queued transfers stay small.

use crate::engine::dials::shortage::Shortage;
use crate::engine::ids::{ConnectionId, ExchangeId, LookupId, OriginId, RaceId, TransferId};
use crate::engine::links::claim::Claim;
use crate::engine::links::wire::Wire;
use crate::engine::timers::TimerId;
use crate::engine::transfers::hops::Hops;
use crate::engine::transfers::identity::Identity;
use crate::engine::transfers::retrying::Retrying;
use crate::engine::{Discard, Handler, Request};
use crate::owner::Owner;
use crate::time::Time;

/// A transfer in the engine.
pub(in crate::engine) struct Transfer {
    pub(in crate::engine) request: Request,
    pub(in crate::engine) handler: Box<dyn Handler>,
    pub(in crate::engine) origin: OriginId,
    pub(in crate::engine) place: Place,
    /// When it was admitted.
    pub(in crate::engine) added: Time,
    /// When the wait that `place` stands for began.
    pub(in crate::engine) since: Time,
    pub(in crate::engine) timer: Option<TimerId>,
    pub(in crate::engine) spent: Spent,
    pub(in crate::engine) wire: Wire,
    pub(in crate::engine) paused: Paused,
    /// Sent again after a kept connection had gone stale.
    pub(in crate::engine) resent: u8,
    /// It was asked again since a server said that it was the wrong one.
    pub(in crate::engine) was_misdirected: bool,
    pub(in crate::engine) hops: Option<Box<Hops>>,
    pub(in crate::engine) identity: Option<Box<Identity>>,
    pub(in crate::engine) retrying: Option<Box<Retrying>>,
    pub(in crate::engine) shortage: Option<Box<Shortage>>,
    pub(in crate::engine) race: Option<RaceId>,
}

impl Transfer {
    /// Takes the handler out; who has lost it forgets what comes.
    pub(in crate::engine) fn take_handler(&mut self) -> Box<dyn Handler> {
        std::mem::replace(&mut self.handler, Box::new(Discard))
    }

    /// What it, by this id, claims a connection with.
    #[inline(always)]
    pub(in crate::engine) fn claim(&self, id: TransferId) -> Claim {
        Claim { transfer: id, options: self.request.options.clone(), added: self.added }
    }

    /// Whose the host is that is asked.
    pub(in crate::engine) fn owner(&self) -> Owner<'_> {
        self.request.head.origin().host().owner()
    }
}

/// What of a transfer is paused, as curl_easy_pause(3) has it; nothing by default. Neither direction waits for the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paused {
    /// Nothing of the response is delivered.
    pub receiving: bool,
    /// Nothing more of the request's body is sent.
    pub sending: bool,
}

impl Paused {
    /// Both directions.
    pub const BOTH: Paused = Paused { receiving: true, sending: true };
}

/// Where a transfer stands, named for what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Place {
    /// The next batch, which will tell the time.
    Admission,
    /// A connection: in its origin's queue.
    Connection,
    /// The addresses of its host.
    Addresses(LookupId),
    /// This time, when it asks again.
    Later(Time),
    /// The set-up of this connection, which is made for it.
    Opening(ConnectionId),
    /// The end of its exchange.
    Exchange(ExchangeId),
}

/// Nanoseconds spent in each wait that comes before the exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Spent {
    pub(in crate::engine) queue: u64,
    pub(in crate::engine) resolve: u64,
    pub(in crate::engine) connect: u64,
    pub(in crate::engine) proxy: u64,
    pub(in crate::engine) tls: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Together with its strings, and its places in the slab and in a queue, 512 bytes.
    #[test]
    fn a_queued_transfer_is_small() {
        let queued = size_of::<Transfer>() + 2 * size_of::<TransferId>();
        assert!(queued <= 352, "{queued} bytes");
    }
}
