//! One gate: what holds it, from when on it lets through, and the ends of its line.
//!
//! Knows numbers and times of one gate. Must not know who is who, nor other gates.

use std::time::Duration;

use super::list::List;
use super::{Allowance, Politeness};
use crate::engine::timers::TimerId;
use crate::time::Time;

/// What a gate counts, and by what there is one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// Connections by the host that they are for.
    HostPlaces,
    /// Connections by the address that they lead to.
    AddressPlaces,
    /// Requests by scheme, host and port.
    OriginStarts,
    /// Requests by host.
    HostStarts,
    /// Requests by registrable domain.
    DomainStarts,
    /// Requests by address.
    AddressStarts,
    /// The gates themselves that are to be remembered: there is one of this scope.
    Memory,
}

/// What all gates of a scope allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct Rules {
    pub(in crate::engine) politeness: Politeness,
    pub(in crate::engine) max_per_host: Option<usize>,
    pub(in crate::engine) max_per_address: Option<usize>,
}

/// A gate. Opaque: see [`GateId`].
pub(in crate::engine) struct Gate {
    pub(super) key: u64,
    pub(super) scope: Scope,
    /// What may hold it at once.
    pub(super) most: u32,
    /// Connections, or requests in flight.
    pub(super) uses: u32,
    /// Origins, connections and waiters that know its id.
    pub(super) users: u32,
    /// Between the beginnings of two requests.
    pub(super) interval: Duration,
    /// The earliest time to set about the next request, be it by connecting; [`Time::ZERO`] where there is none
    /// to be waited for.
    pub(super) next: Time,
    /// The earliest time at which the next request begins; not after `next`.
    pub(super) next_begin: Time,
    /// Origins that wait here.
    pub(super) line: List,
    /// Idle connections that hold it, the oldest first.
    pub(super) idle: List,
    /// An origin whose turn came here waits for what else it needs.
    pub(super) is_passed: bool,
    /// Set while somebody waits for `next`.
    pub(super) timer: Option<TimerId>,
    /// It is among those that may have become open.
    pub(super) ready: bool,
}

impl Rules {
    /// What a gate of this scope allows, unless it has a rule of its own.
    pub(super) fn of(&self, scope: Scope) -> Allowance {
        let places = |concurrency| Allowance { concurrency, interval: None };
        match scope {
            Scope::HostPlaces => places(self.max_per_host),
            Scope::AddressPlaces => places(self.max_per_address),
            Scope::OriginStarts => self.politeness.per_origin,
            Scope::HostStarts => self.politeness.per_host,
            Scope::DomainStarts => self.politeness.per_domain,
            Scope::AddressStarts => self.politeness.per_address,
            Scope::Memory => Allowance::default(),
        }
    }

    /// Whether gates of this scope are needed. Hosts may get rules of their own at any time.
    pub(super) fn has(&self, scope: Scope) -> bool {
        scope == Scope::HostStarts || self.of(scope) != Allowance::default()
    }
}

impl Gate {
    pub(super) fn new(key: u64, scope: Scope, allowance: Allowance) -> Gate {
        let most = allowance.concurrency.unwrap_or(usize::MAX).max(1);
        Gate {
            key,
            scope,
            most: u32::try_from(most).unwrap_or(u32::MAX),
            uses: 0,
            users: 0,
            interval: allowance.interval.unwrap_or_default(),
            next: Time::ZERO,
            next_begin: Time::ZERO,
            line: List::EMPTY,
            idle: List::EMPTY,
            is_passed: false,
            timer: None,
            ready: false,
        }
    }

    /// Whether one more may hold it, if need be in the place of an idle connection.
    pub(super) fn has_room(&self, now: Time) -> bool {
        let stay = self.uses - self.idle.len() as u32;
        stay < self.most && self.next <= now
    }

    pub(super) fn keeps_time(&self) -> bool {
        !self.interval.is_zero()
    }

    /// Whether it is about connections.
    pub(super) fn is_place(&self) -> bool {
        matches!(self.scope, Scope::HostPlaces | Scope::AddressPlaces)
    }
}
