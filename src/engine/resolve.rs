//! Names to addresses: look-ups shared by all who ask for the same name, overrides, a bounded cache.
//!
//! Knows which names are wanted by whom and what is known about them. Must not know how a name is
//! looked up: that is the driver's.
//! Invariants: one look-up per name at a time; no more in flight than the limit; a look-up that
//! nobody waits for is given up at once.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::TransferId;
use crate::http::Host;
use crate::id::{Id, Slab};
use crate::time::Time;

/// Names a look-up.
pub type LookupId = Id<Lookup>;

/// The addresses of a host, in the order in which they are tried.
pub(super) type Addresses = Arc<[IpAddr]>;

/// A look-up, waiting for its turn or in flight. Opaque: see [`LookupId`].
pub struct Lookup {
    host: Host,
    started: bool,
    waiters: Vec<TransferId>,
}

/// What a transfer that gave up leaves to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Others wait, or it was never started.
    Nothing,
    /// The driver is to be told.
    Abandon(LookupId),
}

pub(super) struct Resolver {
    max_in_flight: usize,
    in_flight: usize,
    lookups: Slab<Lookup>,
    by_host: HashMap<Host, LookupId>,
    /// Look-ups that were not started yet. May hold ids that are gone.
    queue: VecDeque<LookupId>,
    /// By host, or for all, and port: the addresses, and until when they hold.
    overrides: HashMap<(Option<Host>, u16), (Addresses, Time)>,
    cache: Cache,
}

impl Resolver {
    pub(super) fn new(max_in_flight: usize, ttl: Duration, cache_entries: usize) -> Self {
        Self {
            max_in_flight: max_in_flight.max(1),
            in_flight: 0,
            lookups: Slab::new(),
            by_host: HashMap::new(),
            queue: VecDeque::new(),
            overrides: HashMap::new(),
            cache: Cache {
                entries: HashMap::new(),
                order: VecDeque::new(),
                // those who waited for an answer must find it
                ttl: ttl.max(Duration::from_secs(1)),
                cache_entries,
            },
        }
    }

    pub(super) fn set_override(
        &mut self,
        host: Option<Host>,
        port: u16,
        addresses: Addresses,
        until: Time,
    ) {
        if addresses.is_empty() {
            self.overrides.remove(&(host, port));
        } else {
            self.overrides.insert((host, port), (addresses, until));
        }
    }

    /// The addresses of a host for this port, if they are known without a look-up.
    pub(super) fn known(&self, host: &Host, port: u16, now: Time) -> Option<Addresses> {
        if !self.overrides.is_empty() {
            let find = |host| self.overrides.get(&(host, port)).filter(|(_, until)| *until > now);
            if let Some((addresses, _)) = find(Some(host.clone())).or_else(|| find(None)) {
                return Some(addresses.clone());
            }
        }
        match host.ip() {
            Some(ip) => Some(Arc::new([ip])),
            None => self.cache.get(host, now),
        }
    }

    /// Makes a transfer wait for a name.
    pub(super) fn join(&mut self, host: &Host, transfer: TransferId) -> LookupId {
        if let Some(&id) = self.by_host.get(host)
            && let Some(lookup) = self.lookups.get_mut(id)
        {
            lookup.waiters.push(transfer);
            return id;
        }
        let lookup = Lookup { host: host.clone(), started: false, waiters: vec![transfer] };
        let id = self.lookups.insert(lookup);
        self.by_host.insert(host.clone(), id);
        self.queue.push_back(id);
        id
    }

    pub(super) fn is_started(&self, id: LookupId) -> bool {
        self.lookups.get(id).is_some_and(|lookup| lookup.started)
    }

    /// A transfer no longer waits.
    pub(super) fn leave(&mut self, id: LookupId, transfer: TransferId) -> Left {
        let Some(lookup) = self.lookups.get_mut(id) else { return Left::Nothing };
        lookup.waiters.retain(|&waiter| waiter != transfer);
        if !lookup.waiters.is_empty() {
            return Left::Nothing;
        }
        if self.take(id).is_some_and(|lookup| lookup.started) {
            Left::Abandon(id)
        } else {
            Left::Nothing
        }
    }

    /// Starts the look-up whose turn it is, if the limit allows: its name and who waits for it.
    pub(super) fn start_next(&mut self) -> Option<(LookupId, Host, &[TransferId])> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let id = loop {
            let id = self.queue.pop_front()?;
            if self.lookups.get(id).is_some() {
                break id;
            }
        };
        self.in_flight += 1;
        let lookup = self.lookups.get_mut(id)?;
        lookup.started = true;
        Some((id, lookup.host.clone(), &lookup.waiters))
    }

    /// A look-up came back: who waited for it. An abandoned one finds nobody.
    pub(super) fn finish(
        &mut self,
        id: LookupId,
        addresses: Option<&Addresses>,
        now: Time,
    ) -> Vec<TransferId> {
        let Some(lookup) = self.take(id) else { return Vec::new() };
        if let Some(addresses) = addresses {
            self.cache.insert(lookup.host, addresses.clone(), now);
        }
        lookup.waiters
    }

    pub(super) fn is_idle(&self) -> bool {
        self.lookups.is_empty() && self.in_flight == 0
    }

    fn take(&mut self, id: LookupId) -> Option<Lookup> {
        let lookup = self.lookups.remove(id)?;
        self.by_host.remove(&lookup.host);
        if lookup.started {
            self.in_flight -= 1;
        } else if self.queue.len() > 2 * self.lookups.len() + 32 {
            // ids of look-ups given up must not pile up behind one that never starts
            self.queue.retain(|&id| self.lookups.get(id).is_some());
        }
        Some(lookup)
    }
}

/// Answers, for as long as they hold. All have the same lifetime, so that the oldest expires first.
struct Cache {
    entries: HashMap<Host, (Addresses, Time)>,
    order: VecDeque<(Host, Time)>,
    ttl: Duration,
    cache_entries: usize,
}

impl Cache {
    fn get(&self, host: &Host, now: Time) -> Option<Addresses> {
        let (addresses, expires) = self.entries.get(host)?;
        (*expires > now).then(|| addresses.clone())
    }

    fn insert(&mut self, host: Host, addresses: Addresses, now: Time) {
        while let Some((oldest, expires)) = self.order.front() {
            if *expires > now && self.order.len() < self.cache_entries {
                break;
            }
            // a younger answer for the same name stays
            if self.entries.get(oldest).is_some_and(|entry| entry.1 == *expires) {
                self.entries.remove(oldest);
            }
            self.order.pop_front();
        }
        let expires = now + self.ttl;
        self.order.push_back((host.clone(), expires));
        self.entries.insert(host, (addresses, expires));
    }
}
