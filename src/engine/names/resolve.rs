//! Names to addresses: look-ups shared by all who ask for the same name, overrides, what is known.
//!
//! Knows which names are wanted by whom, and which way each is looked up. Must not know how that is done: it
//! is the engine's own resolver's, or the driver's.
//! Invariants: one look-up per name at a time, but for one that asks the files and servers of before; no more in
//! flight, each way, than its limit; a look-up that nobody waits for is given up at once.

mod cache;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cache::Cache;

use crate::dns::Switch;
use crate::engine::ids::{LookupId, RaceId, TransferId, of};
use crate::engine::names::answer::{Addresses, LookupOutcome};
use crate::engine::names::stub::Fixed;
use crate::engine::turns::Turns;
use crate::error::Unresolved;
use crate::id::Slab;
use crate::protocol::Host;
use crate::time::Time;

pub(in crate::engine) use cache::Keep;

/// A look-up, waiting for its turn or in flight.
struct Lookup {
    host: Host,
    /// Whose the host is.
    owner: Arc<str>,
    way: LookupWay,
    /// The epoch of the files and servers that it was begun with; none before it is begun.
    begun: Option<u32>,
    waiters: Vec<TransferId>,
}

/// A host of which more addresses may be found.
struct More {
    /// By which look-up, and since when that is under way.
    lookup: LookupId,
    epoch: u32,
    /// Races that would try those.
    waiters: Vec<RaceId>,
}

/// What a transfer that gave up leaves to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Left {
    /// Others wait, or it was never started.
    Nothing,
    /// The driver is to be told.
    Abandon(LookupId),
}

/// Who looks a name up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupWay {
    /// The engine's own resolver, which need not ask.
    Fixed,
    /// The engine's own resolver ([`crate::engine::names::stub`]).
    Own,
    /// The system's, by the driver.
    System,
}

pub(in crate::engine) struct Resolver {
    lookups: Slab<Lookup, of::Lookup>,
    by_host: HashMap<Host, LookupId>,
    fixed: Lane,
    own: Lane,
    system: Lane,
    /// Which names nobody has to be asked for, and which are the system's; none where all are.
    switch: Option<(Fixed, Switch)>,
    /// Counts the files and servers that names have been looked up with.
    epoch: u32,
    /// By host, or for all, and port: the addresses, and until when they hold.
    overrides: HashMap<(Option<Host>, u16), (Addresses, Time)>,
    partial: HashMap<Host, More>,
    cache: Cache,
}

/// The look-ups that go one way.
///
/// An owner has no more in flight than there are places free, so that one whose servers never answer has half of them at the
/// most, and nobody leaves none for others.
struct Lane {
    max_in_flight: usize,
    /// Look-ups that were not started yet, and how many of whom are in flight. May hold ids that are gone.
    queue: Turns<LookupId>,
}

impl Lane {
    fn new(max_in_flight: usize) -> Lane {
        Lane { max_in_flight: max_in_flight.max(1), queue: Turns::new() }
    }

    /// The look-up whose turn it is, if the limit allows.
    fn next(&mut self, lookups: &Slab<Lookup, of::Lookup>) -> Option<LookupId> {
        loop {
            let free = self.max_in_flight.saturating_sub(self.queue.there());
            if free == 0 || self.queue.next_has()? > free {
                return None;
            }
            let (owner, id) = self.queue.pop()?;
            if lookups.get(id).is_some() {
                self.queue.enter(&owner);
                return Some(id);
            }
        }
    }
}

impl Resolver {
    /// One that leaves all names to the system.
    pub(in crate::engine) fn new(max_in_flight: usize, keep: Keep) -> Self {
        Self {
            lookups: Slab::new(),
            by_host: HashMap::new(),
            fixed: Lane::new(usize::MAX),
            own: Lane::new(1),
            system: Lane::new(max_in_flight),
            switch: None,
            epoch: 0,
            overrides: HashMap::new(),
            partial: HashMap::new(),
            cache: Cache::new(keep),
        }
    }

    /// Names are looked up by the engine's own resolver from here on, as many at a time, but for those that are the
    /// system's. Whether it was so before.
    pub(super) fn set_own(&mut self, max_in_flight: usize, fixed: Fixed, switch: Switch) -> bool {
        self.own.max_in_flight = max_in_flight.max(1);
        if let Some((_, before)) = self.switch.replace((fixed, switch)) {
            return before == switch;
        }
        // all were the system's before
        let queued: Vec<_> = std::iter::from_fn(|| self.system.queue.pop()).collect();
        for (owner, id) in queued {
            let Some(host) = self.lookups.get(id).map(|lookup| lookup.host.clone()) else {
                continue;
            };
            let way = self.way(&host);
            if let Some(lookup) = self.lookups.get_mut(id) {
                lookup.way = way;
            }
            self.lane(way).queue.push(&owner, id);
        }
        false
    }

    /// Forgets what look-ups found. Of those that are under way nothing is kept, either.
    pub(super) fn forget_all(&mut self) {
        self.epoch += 1;
        self.cache.clear();
    }

    /// Which way a name is looked up.
    fn way(&self, host: &Host) -> LookupWay {
        match (&self.switch, host.name()) {
            (Some((fixed, _)), _) if fixed.has(host) => LookupWay::Fixed,
            (Some((_, switch)), Some(name)) if !switch.asks_system(name) => LookupWay::Own,
            _ => LookupWay::System,
        }
    }

    /// Which way a look-up goes that is not over.
    pub(super) fn way_of(&self, id: LookupId) -> Option<LookupWay> {
        Some(self.lookups.get(id)?.way)
    }

    /// Has a look-up that was begun by the system wait for its turn to be the engine's own. False if it is the system's.
    pub(super) fn take_over(&mut self, id: LookupId, host: &Host) -> bool {
        let way = self.way(host);
        if way == LookupWay::System {
            return false;
        }
        if let Some(lookup) = self.lookups.get_mut(id)
            && lookup.begun.take().is_some()
        {
            let before = std::mem::replace(&mut lookup.way, way);
            let owner = lookup.owner.clone();
            self.lane(before).queue.leave(&owner);
            self.lane(way).queue.push(&owner, id);
        }
        true
    }

    pub(in crate::engine) fn set_override(
        &mut self,
        host: Option<Host>,
        port: u16,
        addresses: Addresses,
        until: Time,
    ) {
        // what stands for a name stands for it with a dot at its end, too
        let host = host.map(|host| host.without_dot());
        if addresses.is_empty() {
            self.overrides.remove(&(host, port));
        } else {
            self.overrides.insert((host, port), (addresses, until));
        }
    }

    /// The addresses of a host for this port, if they are known without a look-up.
    pub(in crate::engine) fn known(&self, host: &Host, port: u16, now: Time) -> Option<Addresses> {
        if !self.overrides.is_empty() {
            let find = |host| self.overrides.get(&(host, port)).filter(|(_, until)| *until > now);
            if let Some((addresses, _)) = find(Some(host.without_dot())).or_else(|| find(None)) {
                return Some(addresses.clone());
            }
        }
        match host.ip() {
            Some(ip) => Some(Arc::new([ip])),
            None => self.cache.get(host, now),
        }
    }

    /// Why a name is known to have no addresses, or not to be found out now.
    pub(in crate::engine) fn known_failure(&self, host: &Host, now: Time) -> Option<Unresolved> {
        self.cache.get_failure(host, now)
    }

    /// All addresses of a host, of which a look-up had found a part. To be told to these races.
    pub(super) fn learn(
        &mut self,
        lookup: LookupId,
        host: Host,
        addresses: Addresses,
        ttl: Option<Duration>,
        now: Time,
    ) -> Vec<RaceId> {
        let Some(More { epoch, waiters, .. }) = self.take_more(lookup, &host) else {
            return Vec::new();
        };
        if epoch == self.epoch {
            self.cache.insert(host, &LookupOutcome::Found { addresses, ttl }, now);
        } else {
            self.cache.lend(host, &addresses, now);
        }
        waiters
    }

    /// What a look-up has found of a host is all that there is.
    /// To be told to these races.
    pub(super) fn learn_no_more(&mut self, lookup: LookupId, host: &Host) -> Vec<RaceId> {
        self.take_more(lookup, host).map(|more| more.waiters).unwrap_or_default()
    }

    fn take_more(&mut self, lookup: LookupId, host: &Host) -> Option<More> {
        self.partial.get(host).filter(|more| more.lookup == lookup)?;
        self.partial.remove(host)
    }

    /// Whether more addresses of any host may be found.
    #[inline]
    pub(in crate::engine) fn has_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Whether more addresses of this host may be found, of which the race is to hear.
    pub(in crate::engine) fn await_more(&mut self, host: &Host, race: RaceId) -> bool {
        let more = self.partial.get_mut(host);
        more.map(|more| more.waiters.push(race)).is_some()
    }

    /// Makes a transfer wait for a name.
    pub(in crate::engine) fn join(&mut self, host: &Host, transfer: TransferId) -> LookupId {
        if let Some(&id) = self.by_host.get(host)
            && let Some(lookup) = self.lookups.get_mut(id)
            && lookup.begun.is_none_or(|epoch| epoch == self.epoch)
        {
            lookup.waiters.push(transfer);
            return id;
        }
        let way = self.way(host);
        let (owner, waiters) = (host.owner().to_text(), vec![transfer]);
        let lookup = Lookup { host: host.clone(), owner: owner.clone(), way, begun: None, waiters };
        let id = self.lookups.insert(lookup);
        self.by_host.insert(host.clone(), id);
        self.lane(way).queue.push(&owner, id);
        id
    }

    pub(in crate::engine) fn is_started(&self, id: LookupId) -> bool {
        self.lookups.get(id).is_some_and(|lookup| lookup.begun.is_some())
    }

    /// Who waits for a look-up.
    pub(super) fn waiters(&self, id: LookupId) -> &[TransferId] {
        self.lookups.get(id).map_or(&[], |lookup| &lookup.waiters)
    }

    /// A transfer no longer waits.
    pub(in crate::engine) fn leave(&mut self, id: LookupId, transfer: TransferId) -> Left {
        let Some(lookup) = self.lookups.get_mut(id) else { return Left::Nothing };
        lookup.waiters.retain(|&waiter| waiter != transfer);
        if !lookup.waiters.is_empty() {
            return Left::Nothing;
        }
        if self.take(id).is_some_and(|lookup| lookup.begun.is_some()) {
            Left::Abandon(id)
        } else {
            Left::Nothing
        }
    }

    /// Whether a look-up waits that the engine's own resolver would have to ask for.
    pub(in crate::engine) fn has_queued_own(&self) -> bool {
        !self.own.queue.is_empty()
    }

    /// Starts a look-up whose turn it is, if the limits allow: its name and who waits for it. [`Resolver::way_of`]
    /// says whose it is. One of the engine's own resolver needs `room` there.
    pub(in crate::engine) fn start_next(
        &mut self,
        room: bool,
    ) -> Option<(LookupId, Host, &[TransferId])> {
        let Resolver { lookups, fixed, own, system, .. } = self;
        let asked = || if room { own.next(lookups) } else { None };
        let id = fixed.next(lookups).or_else(asked).or_else(|| system.next(lookups))?;
        let lookup = self.lookups.get_mut(id)?;
        lookup.begun = Some(self.epoch);
        Some((id, lookup.host.clone(), &lookup.waiters))
    }

    /// A look-up came back: who waited for it, and for what. An abandoned one finds nobody.
    pub(in crate::engine) fn finish(
        &mut self,
        id: LookupId,
        outcome: LookupOutcome,
        now: Time,
    ) -> (Vec<TransferId>, Result<Addresses, Unresolved>) {
        let result = match &outcome {
            LookupOutcome::Found { addresses, .. } => Ok(addresses.clone()),
            LookupOutcome::Partial { addresses, .. } => {
                self.note_partial(id);
                Ok(addresses.clone())
            }
            LookupOutcome::Nothing { why, .. }
            | LookupOutcome::Failed { why }
            | LookupOutcome::Unknown { why } => Err(why.clone()),
        };
        let Some(lookup) = self.take(id) else { return (Vec::new(), result) };
        if lookup.begun != Some(self.epoch) {
            if let Ok(addresses) = &result {
                self.cache.lend(lookup.host, addresses, now);
            }
            return (lookup.waiters, result);
        }
        let stale = self.cache.insert(lookup.host, &outcome, now);
        (lookup.waiters, stale.map_or(result, Ok))
    }

    /// A look-up has found a part. Who waits for the rest of an earlier one waits for its.
    fn note_partial(&mut self, id: LookupId) {
        let Some(Lookup { host, begun: Some(epoch), .. }) = self.lookups.get(id) else { return };
        let waiters = self.partial.remove(host).map(|more| more.waiters).unwrap_or_default();
        self.partial.insert(host.clone(), More { lookup: id, epoch: *epoch, waiters });
    }

    /// Who waits for a look-up that is slow need not: there are addresses that have expired. The look-up goes on for those
    /// who come later.
    pub(super) fn take_stale(
        &mut self,
        id: LookupId,
        now: Time,
    ) -> Option<(Vec<TransferId>, Addresses)> {
        let lookup = self.lookups.get_mut(id)?;
        let addresses = self.cache.get_stale(&lookup.host, now)?;
        Some((std::mem::take(&mut lookup.waiters), addresses))
    }

    /// Whether a look-up may wait for its turn.
    pub(in crate::engine) fn has_queued(&self) -> bool {
        [&self.fixed, &self.own, &self.system].iter().any(|lane| !lane.queue.is_empty())
    }

    pub(in crate::engine) fn is_idle(&self) -> bool {
        self.lookups.is_empty()
            && [&self.fixed, &self.own, &self.system].iter().all(|lane| lane.queue.there() == 0)
    }

    fn lane(&mut self, way: LookupWay) -> &mut Lane {
        match way {
            LookupWay::Fixed => &mut self.fixed,
            LookupWay::Own => &mut self.own,
            LookupWay::System => &mut self.system,
        }
    }

    fn take(&mut self, id: LookupId) -> Option<Lookup> {
        let lookup = self.lookups.remove(id)?;
        // another one, with the files of now, may have its place
        if self.by_host.get(&lookup.host) == Some(&id) {
            self.by_host.remove(&lookup.host);
        }
        let left = self.lookups.len();
        let lane = match lookup.way {
            LookupWay::Fixed => &mut self.fixed,
            LookupWay::Own => &mut self.own,
            LookupWay::System => &mut self.system,
        };
        if lookup.begun.is_some() {
            lane.queue.leave(&lookup.owner);
        } else if lane.queue.len() > 2 * left + 32 {
            // ids of look-ups given up must not pile up behind one that never starts
            let lookups = &self.lookups;
            lane.queue.retain(|&id| lookups.get(id).is_some());
        }
        Some(lookup)
    }
}
