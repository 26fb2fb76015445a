//! Names to addresses: look-ups shared by all who ask for the same name, overrides, what is known.
//!
//! Knows which names are wanted by whom, and which way each is looked up. Must not know how that is done: it
//! is the engine's own resolver's, or the driver's.
//! Invariants: one look-up per name at a time; no more in flight, each way, than its limit; a look-up that
//! nobody waits for is given up at once.

mod cache;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dns::Switch;
use crate::engine::TransferId;
use crate::http::Host;
use crate::id::{Id, Slab};
use crate::time::Time;

use cache::Cache;
pub(super) use cache::Keep;

/// Names a look-up.
pub type LookupId = Id<Lookup>;

/// The addresses of a host, in the order in which they are tried.
pub(super) type Addresses = Arc<[IpAddr]>;

/// A look-up, waiting for its turn or in flight. Opaque: see [`LookupId`].
pub struct Lookup {
    host: Host,
    way: Way,
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

/// Who looks a name up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The engine's own resolver ([`super::names`]).
    Own,
    /// The system's, by the driver.
    System,
}

/// How a look-up ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With addresses, and for how long they hold, if that is known.
    Found { addresses: Addresses, ttl: Option<Duration> },
    /// The same, of one family. The other's may come: [`Resolver::learn`] or [`Resolver::learn_no_more`] is called.
    Partial { addresses: Addresses, ttl: Option<Duration> },
    /// Servers said that there is nothing, and for how long that holds, if they did.
    Nothing { why: Arc<str>, ttl: Option<Duration> },
    /// Nobody could say.
    Failed { why: Arc<str> },
    /// The system's resolver found nothing, and does not say whether there is nothing.
    Unknown { why: Arc<str> },
}

pub(super) struct Resolver {
    lookups: Slab<Lookup>,
    by_host: HashMap<Host, LookupId>,
    own: Lane,
    system: Lane,
    /// Which names are the system's; none where all are.
    switch: Option<Switch>,
    /// By host, or for all, and port: the addresses, and until when they hold.
    overrides: HashMap<(Option<Host>, u16), (Addresses, Time)>,
    /// Hosts of which more addresses may be found, and transfers that would try those.
    partial: HashMap<Host, Vec<TransferId>>,
    cache: Cache,
}

/// The look-ups that go one way.
struct Lane {
    max_in_flight: usize,
    in_flight: usize,
    /// Look-ups that were not started yet. May hold ids that are gone.
    queue: VecDeque<LookupId>,
}

impl Lane {
    fn new(max_in_flight: usize) -> Lane {
        Lane { max_in_flight: max_in_flight.max(1), in_flight: 0, queue: VecDeque::new() }
    }

    /// The look-up whose turn it is, if the limit allows.
    fn next(&mut self, lookups: &Slab<Lookup>) -> Option<LookupId> {
        while self.in_flight < self.max_in_flight {
            let id = self.queue.pop_front()?;
            if lookups.get(id).is_some() {
                self.in_flight += 1;
                return Some(id);
            }
        }
        None
    }
}

impl Resolver {
    /// One that leaves all names to the system.
    pub(super) fn new(max_in_flight: usize, keep: Keep) -> Self {
        Self {
            lookups: Slab::new(),
            by_host: HashMap::new(),
            own: Lane::new(1),
            system: Lane::new(max_in_flight),
            switch: None,
            overrides: HashMap::new(),
            partial: HashMap::new(),
            cache: Cache::new(keep),
        }
    }

    /// Names are looked up by the engine's own resolver from here on, as many at a time, but for those that are the
    /// system's. Whether it was so before.
    pub(super) fn set_own(&mut self, max_in_flight: usize, switch: Switch) -> bool {
        self.own.max_in_flight = max_in_flight.max(1);
        if let Some(before) = self.switch.replace(switch) {
            return before == switch;
        }
        // all were the system's before
        for id in std::mem::take(&mut self.system.queue) {
            let Some(host) = self.lookups.get(id).map(|lookup| lookup.host.clone()) else {
                continue;
            };
            let way = self.way(&host);
            if let Some(lookup) = self.lookups.get_mut(id) {
                lookup.way = way;
            }
            self.lane(way).queue.push_back(id);
        }
        false
    }

    /// Forgets what look-ups found.
    pub(super) fn forget_all(&mut self) {
        self.cache.clear();
    }

    /// Which way a name is looked up.
    pub(super) fn way(&self, host: &Host) -> Way {
        match (&self.switch, host.name()) {
            (Some(switch), Some(name)) if !switch.asks_system(name) => Way::Own,
            _ => Way::System,
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

    /// Why a name is known to have no addresses, or not to be found out now.
    pub(super) fn known_failure(&self, host: &Host, now: Time) -> Option<Arc<str>> {
        self.cache.get_failure(host, now)
    }

    /// All addresses of a host, of which a part was known. To be told to these transfers.
    pub(super) fn learn(
        &mut self,
        host: Host,
        addresses: Addresses,
        ttl: Option<Duration>,
        now: Time,
    ) -> Vec<TransferId> {
        let waiters = self.partial.remove(&host).unwrap_or_default();
        self.cache.insert(host, &Outcome::Found { addresses, ttl }, now);
        waiters
    }

    /// What is known of a host is all that there is.
    pub(super) fn learn_no_more(&mut self, host: &Host) {
        self.partial.remove(host);
    }

    /// Whether more addresses of any host may be found.
    #[inline]
    pub(super) fn has_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Whether more addresses of this host may be found, of which the transfer is to hear.
    pub(super) fn await_more(&mut self, host: &Host, transfer: TransferId) -> bool {
        let waiters = self.partial.get_mut(host);
        waiters.map(|waiters| waiters.push(transfer)).is_some()
    }

    /// Makes a transfer wait for a name.
    pub(super) fn join(&mut self, host: &Host, transfer: TransferId) -> LookupId {
        if let Some(&id) = self.by_host.get(host)
            && let Some(lookup) = self.lookups.get_mut(id)
        {
            lookup.waiters.push(transfer);
            return id;
        }
        let way = self.way(host);
        let lookup = Lookup { host: host.clone(), way, started: false, waiters: vec![transfer] };
        let id = self.lookups.insert(lookup);
        self.by_host.insert(host.clone(), id);
        self.lane(way).queue.push_back(id);
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

    /// Starts a look-up whose turn it is, if the limits allow: its name and who waits for it. [`Resolver::way`]
    /// says whose it is.
    pub(super) fn start_next(&mut self) -> Option<(LookupId, Host, &[TransferId])> {
        let id = self.own.next(&self.lookups).or_else(|| self.system.next(&self.lookups))?;
        let lookup = self.lookups.get_mut(id)?;
        lookup.started = true;
        Some((id, lookup.host.clone(), &lookup.waiters))
    }

    /// A look-up came back: who waited for it, and for what. An abandoned one finds nobody.
    pub(super) fn finish(
        &mut self,
        id: LookupId,
        outcome: Outcome,
        now: Time,
    ) -> (Vec<TransferId>, Result<Addresses, Arc<str>>) {
        let result = match &outcome {
            Outcome::Found { addresses, .. } => Ok(addresses.clone()),
            Outcome::Partial { addresses, .. } => {
                if let Some(lookup) = self.lookups.get(id) {
                    self.partial.insert(lookup.host.clone(), Vec::new());
                }
                Ok(addresses.clone())
            }
            Outcome::Nothing { why, .. } | Outcome::Failed { why } | Outcome::Unknown { why } => {
                Err(why.clone())
            }
        };
        let Some(lookup) = self.take(id) else { return (Vec::new(), result) };
        let stale = self.cache.insert(lookup.host, &outcome, now);
        (lookup.waiters, stale.map_or(result, Ok))
    }

    /// Whether a look-up may wait for its turn.
    pub(super) fn has_queued(&self) -> bool {
        !(self.own.queue.is_empty() && self.system.queue.is_empty())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.lookups.is_empty() && self.own.in_flight + self.system.in_flight == 0
    }

    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Own => &mut self.own,
            Way::System => &mut self.system,
        }
    }

    fn take(&mut self, id: LookupId) -> Option<Lookup> {
        let lookup = self.lookups.remove(id)?;
        self.by_host.remove(&lookup.host);
        let left = self.lookups.len();
        let lane = match lookup.way {
            Way::Own => &mut self.own,
            Way::System => &mut self.system,
        };
        if lookup.started {
            lane.in_flight -= 1;
        } else if lane.queue.len() > 2 * left + 32 {
            // ids of look-ups given up must not pile up behind one that never starts
            let lookups = &self.lookups;
            lane.queue.retain(|&id| lookups.get(id).is_some());
        }
        Some(lookup)
    }
}
