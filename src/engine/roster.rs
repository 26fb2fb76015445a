//! The roster: all transfers, where each stands, and what they share.
//!
//! Knows the way from a queue to an exchange, and what each wait took. Must not end a transfer, nor know what is done with one
//! that is over: that is the engine's. Its parts say in their rooms what they do with it. Whatever it has done on connections
//! it does by the [`Net`], which it is lent.

use std::collections::VecDeque;

use crate::engine::config::Config;
use crate::engine::exchanges::common::Common;
use crate::engine::ids::{RaceId, TransferId, of};
use crate::engine::memory::loans::Memory;
use crate::engine::net::Net;
use crate::engine::transfers::identity::CommonKnowledge;
use crate::engine::transfers::retry::Retries;
use crate::engine::transfers::transfer::{Place, Transfer};
use crate::id::Slab;

/// An empty line of arrivals gives back room for more than this: a million may have been in it once.
const KEPT_WHEN_EMPTY: usize = 1024;

pub(in crate::engine) struct Roster {
    pub(in crate::engine) transfers: Slab<Transfer, of::Transfer>,
    /// Those to be admitted with the next batch.
    pub(in crate::engine) arrivals: VecDeque<TransferId>,
    pub(in crate::engine) common: Common,
}

impl Roster {
    /// An empty one, which takes its TLS policy out of the config.
    pub(in crate::engine) fn new(config: &mut Config) -> Self {
        let common = Common {
            tls: config.tls.take(),
            memory: Memory::new(config.memory),
            knowledge: CommonKnowledge::new(config.nonce_seed.unwrap_or_default()),
            retries: Retries::new(config.retry_budget, config.seed.unwrap_or_default()),
            decoded: Vec::new(),
        };
        Self { transfers: Slab::new(), arrivals: VecDeque::new(), common }
    }

    /// All have been admitted.
    #[inline]
    pub(in crate::engine) fn give_back_arrivals(&mut self) {
        if self.arrivals.capacity() > KEPT_WHEN_EMPTY {
            self.arrivals = VecDeque::new();
        }
    }

    /// A transfer has this race from here on, if any, of which its report will tell; what it had before is forgotten.
    #[cold]
    pub(in crate::engine) fn set_race(
        &mut self,
        net: &mut Net,
        id: TransferId,
        race: Option<RaceId>,
    ) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let before = std::mem::replace(&mut transfer.race, race);
        if let Some(before) = before.filter(|_| before != race) {
            net.races.discard(before);
        }
    }

    /// Takes a transfer out of the engine and of whatever it waits in, its connection excepted.
    pub(in crate::engine) fn vacate(&mut self, net: &mut Net, id: TransferId) {
        let Some(&Transfer { timer, place, origin: at, race, .. }) = self.transfers.get(id) else {
            return;
        };
        self.transfers.discard(id);
        if let Some(timer) = timer {
            net.timers.cancel(timer);
        }
        if let Some(race) = race {
            net.races.discard(race);
        }
        match place {
            Place::Admission | Place::Connection => {
                let transfers = &self.transfers;
                if let Some(origin) = net.pool.get_mut(at) {
                    origin.forget(|id| transfers.get(id).is_some());
                }
                net.to_serve.push_back(at);
            }
            Place::Addresses(lookup) => net.leave_lookup(id, at, lookup),
            // the connection's end, or its next use, sees to the origin
            Place::Opening(_) | Place::Exchange(_) | Place::Later(_) => {}
        }
    }
}
