//! What look-ups found, for as long as it holds.
//!
//! Knows names, what was found and until when. Must not know who wants it. Invariants: no more entries and bytes
//! than the bounds, at a cost for each insertion that does not grow with what is kept; what has expired is
//! given to nobody, but for addresses that nothing better was found for, if that is wanted. Where there is no
//! room for more, the names go of whoever has most of those that are looked at ([`who_goes`]).

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use crate::engine::config::Config;
use crate::engine::names::answer::{Addresses, LookupOutcome};
use crate::error::Unresolved;
use crate::limits;
use crate::owner::{Seat, who_goes};
use crate::protocol::Host;
use crate::time::Time;

/// How long what is kept, and how much.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Keep {
    /// Addresses without a TTL: those of the system's resolver, which does not tell, and of files.
    pub(in crate::engine) without_ttl: Duration,
    /// No TTL is shorter: who waited for an answer must find it, and a page's requests should share one.
    pub(in crate::engine) least: Duration,
    /// Nor longer: a day, though RFC 2181 allows 68 years. Names move.
    pub(in crate::engine) most: Duration,
    /// That a name has no addresses is believed no longer than so: an hour; RFC 2308, 5 has one to three.
    pub(in crate::engine) most_negative: Duration,
    /// Nor is a name that could not be looked up asked for again any sooner (RFC 9520, 3.2: 1 s to 5 min).
    pub(in crate::engine) failure: Duration,
    /// How long addresses that have expired are kept for when nothing better can be found (RFC 8767); not at all
    /// unless set.
    pub(in crate::engine) stale: Option<Duration>,
    /// Entries.
    pub(in crate::engine) entries: usize,
    /// Bytes of all entries.
    pub(in crate::engine) bytes: usize,
}

impl Keep {
    /// What a config says, and the defaults of the rest.
    pub(in crate::engine) fn of(config: &Config) -> Keep {
        Keep {
            without_ttl: config.lookup_ttl,
            least: Duration::from_secs(1),
            most: Duration::from_secs(24 * 60 * 60),
            most_negative: Duration::from_secs(60 * 60),
            failure: Duration::from_secs(5),
            stale: config.serve_stale,
            entries: config.lookup_cache,
            bytes: limits::LOOKUP_CACHE_BYTES,
        }
    }
}

/// How long addresses that had expired are given out before they are asked for again (RFC 8767, 4).
const STALE_FOR: Duration = Duration::from_secs(30);

/// Entries that are looked at with each insertion, whether they have expired.
const SWEEP: usize = 2;

/// Entries of which some go when there is no room for more. However many there are, whoever floods the cache has
/// most of these as well.
const WINDOW: usize = 1024;

pub(super) struct Cache {
    keep: Keep,
    by_host: HashMap<Host, usize>,
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// The slot that is looked at next.
    hand: usize,
    bytes: usize,
    /// Rises with each entry that is made or asked for.
    clock: Cell<u64>,
}

struct Entry {
    host: Host,
    known: Known,
    expires: Time,
    since: u64,
    used: Cell<u64>,
}

enum Known {
    Addresses(Addresses),
    Failure(Unresolved),
}

impl Entry {
    /// What it costs, with its place in the table.
    fn bytes(&self) -> usize {
        let known = match &self.known {
            Known::Addresses(addresses) => 16 + size_of_val(&**addresses),
            Known::Failure(why) => 16 + why.len(),
        };
        2 * size_of::<Option<Entry>>() + self.host.name().map_or(0, str::len) + known
    }
}

impl Cache {
    pub(super) fn new(keep: Keep) -> Cache {
        Cache {
            keep,
            by_host: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            clock: Cell::new(0),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Cache::new(self.keep.clone());
    }

    pub(super) fn get(&self, host: &Host, now: Time) -> Option<Addresses> {
        match &self.entry(host, now)?.known {
            Known::Addresses(addresses) => Some(addresses.clone()),
            Known::Failure(_) => None,
        }
    }

    pub(super) fn get_failure(&self, host: &Host, now: Time) -> Option<Unresolved> {
        match &self.entry(host, now)?.known {
            Known::Addresses(_) => None,
            Known::Failure(why) => Some(why.clone()),
        }
    }

    /// Keeps what was found; where nobody could say what there is, gives addresses that had expired.
    pub(super) fn insert(
        &mut self,
        host: Host,
        outcome: &LookupOutcome,
        now: Time,
    ) -> Option<Addresses> {
        let keep = &self.keep;
        let (known, time) = match outcome {
            LookupOutcome::Found { addresses, ttl } | LookupOutcome::Partial { addresses, ttl } => {
                let ttl = ttl.unwrap_or(keep.without_ttl);
                (Known::Addresses(addresses.clone()), ttl.min(keep.most).max(keep.least))
            }
            LookupOutcome::Nothing { why, ttl } => {
                let ttl = ttl.unwrap_or(keep.failure);
                (Known::Failure(why.clone()), ttl.min(keep.most_negative).max(keep.least))
            }
            LookupOutcome::Failed { .. } | LookupOutcome::Unknown { .. }
                if self.has_stale(&host, now) =>
            {
                return self.get_stale(&host, now);
            }
            LookupOutcome::Failed { why } => (Known::Failure(why.clone()), keep.failure),
            LookupOutcome::Unknown { .. } => return None,
        };
        self.put(host, known, now + time, now);
        None
    }

    /// Has those who wait for addresses find them, and nobody later, unless something is known already.
    pub(super) fn lend(&mut self, host: Host, addresses: &Addresses, now: Time) {
        if self.entry(&host, now).is_some() {
            return;
        }
        let known = Known::Addresses(addresses.clone());
        self.put(host, known, now + Duration::from_nanos(1), now);
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn entry(&self, host: &Host, now: Time) -> Option<&Entry> {
        let entry = self.slots[*self.by_host.get(host)?].as_ref()?;
        entry.used.set(self.tick());
        (entry.expires > now).then_some(entry)
    }

    /// Addresses that had expired: they are given out for a while now.
    pub(super) fn get_stale(&mut self, host: &Host, now: Time) -> Option<Addresses> {
        if self.has_stale(host, now) { self.revive(host, now) } else { None }
    }

    fn has_stale(&self, host: &Host, now: Time) -> bool {
        let entry = self.by_host.get(host).and_then(|&slot| self.slots[slot].as_ref());
        entry.is_some_and(|entry| {
            self.is_of_use(entry, now) && matches!(entry.known, Known::Addresses(_))
        })
    }

    fn revive(&mut self, host: &Host, now: Time) -> Option<Addresses> {
        let entry = self.slots[*self.by_host.get(host)?].as_mut()?;
        entry.expires = entry.expires.max(now + STALE_FOR);
        match &entry.known {
            Known::Addresses(addresses) => Some(addresses.clone()),
            Known::Failure(_) => None,
        }
    }

    /// It holds, or may be given out though it does not.
    fn is_of_use(&self, entry: &Entry, now: Time) -> bool {
        let stale = match entry.known {
            Known::Addresses(_) => self.keep.stale.unwrap_or_default(),
            Known::Failure(_) => Duration::ZERO,
        };
        entry.expires + stale > now
    }

    /// Looks at a few entries, whether they have expired, and at as many as it takes to have room for one more.
    fn make_room(&mut self, bytes: usize, now: Time) {
        self.pass(SWEEP, false, now);
        while self.by_host.len() >= self.keep.entries.max(1)
            || (self.bytes + bytes > self.keep.bytes && !self.by_host.is_empty())
        {
            self.pass(WINDOW, true, now);
        }
    }

    /// Looks at the next entries: those that have expired go; if none has and room is needed, a sixteenth of them.
    fn pass(&mut self, entries: usize, needs_room: bool, now: Time) {
        let len = self.slots.len();
        let window = entries.min(len);
        let slots = (self.hand..self.hand + window).map(|slot| slot % len);
        let looked_at: Vec<&Entry> = slots.filter_map(|slot| self.slots[slot].as_ref()).collect();
        let expired = looked_at.iter().filter(|entry| !self.is_of_use(entry, now));
        let mut goes: Vec<Host> = expired.map(|entry| entry.host.clone()).collect();
        if goes.is_empty() && needs_room {
            let seats = looked_at.iter().map(|entry| Seat {
                owner: entry.host.owner(),
                since: entry.since,
                used: entry.used.get(),
                is_dear: false,
            });
            let chosen = who_goes(&seats.collect::<Vec<_>>(), 0, looked_at.len().div_ceil(16));
            let chosen = looked_at.iter().filter(|entry| chosen.contains(&entry.since));
            goes.extend(chosen.map(|entry| entry.host.clone()));
        }
        goes.iter().for_each(|host| self.remove(host));
        self.hand = (self.hand + window) % len.max(1);
    }

    fn put(&mut self, host: Host, known: Known, expires: Time, now: Time) {
        self.remove(&host);
        let (since, used) = (self.tick(), Cell::new(self.clock.get()));
        let entry = Entry { host, known, expires, since, used };
        self.make_room(entry.bytes(), now);
        self.bytes += entry.bytes();
        let slot = self.free.pop().unwrap_or(self.slots.len());
        self.by_host.insert(entry.host.clone(), slot);
        if slot == self.slots.len() {
            self.slots.push(Some(entry));
        } else {
            self.slots[slot] = Some(entry);
        }
    }

    fn remove(&mut self, host: &Host) {
        let Some(slot) = self.by_host.remove(host) else { return };
        if let Some(entry) = self.slots[slot].take() {
            self.bytes -= entry.bytes();
        }
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use super::*;
    use crate::protocol::Origin;

    fn keep() -> Keep {
        Keep { without_ttl: Duration::from_secs(60), entries: 1000, ..Keep::of(&Config::default()) }
    }

    fn host(name: &str) -> Host {
        let url = url::Url::parse(&format!("http://{name}/")).unwrap();
        Origin::from_url(&url).unwrap().host().clone()
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn addresses(last: u8) -> Addresses {
        Arc::new([IpAddr::from(Ipv4Addr::new(192, 0, 2, last))])
    }

    fn found(ttl: Option<u64>) -> LookupOutcome {
        LookupOutcome::Found { addresses: addresses(1), ttl: ttl.map(Duration::from_secs) }
    }

    fn nothing(ttl: Option<u64>) -> LookupOutcome {
        LookupOutcome::Nothing { why: "none".into(), ttl: ttl.map(Duration::from_secs) }
    }

    #[test]
    fn each_answer_holds_for_its_own_time_within_bounds() {
        let failed = LookupOutcome::Failed { why: "failed".into() };
        let table = [
            (found(None), 60),
            (found(Some(7)), 7),
            (found(Some(0)), 1),
            (found(Some(1 << 31)), 24 * 60 * 60),
            (nothing(Some(7)), 7),
            (nothing(Some(0)), 1),
            (nothing(Some(1 << 20)), 60 * 60),
            (nothing(None), 5),
            (failed, 5),
        ];
        for (outcome, seconds) in table {
            let mut cache = Cache::new(keep());
            let (a, good) = (host("a"), matches!(outcome, LookupOutcome::Found { .. }));
            assert_eq!(cache.insert(a.clone(), &outcome, at(100)), None);
            let known = |now| (cache.get(&a, now).is_some(), cache.get_failure(&a, now).is_some());
            assert_eq!(known(at(100 + seconds - 1)), (good, !good), "{outcome:?}");
            assert_eq!(known(at(100 + seconds)), (false, false), "{outcome:?}");
        }
    }

    #[test]
    fn what_the_system_does_not_find_is_asked_for_again() {
        let mut cache = Cache::new(keep());
        cache.insert(host("a"), &LookupOutcome::Unknown { why: "?".into() }, at(0));
        assert_eq!(cache.get_failure(&host("a"), at(0)), None);
        assert_eq!(cache.by_host.len(), 0);
    }

    #[test]
    fn a_younger_answer_takes_the_place_of_an_older() {
        let mut cache = Cache::new(keep());
        let a = host("a");
        cache.insert(a.clone(), &nothing(Some(60)), at(0));
        cache.insert(a.clone(), &found(Some(5)), at(1));
        assert_eq!(cache.get(&a, at(2)), Some(addresses(1)));
        assert_eq!(cache.get_failure(&a, at(10)), None);
        assert_eq!((cache.by_host.len(), cache.slots.len()), (1, 1));
    }

    #[test]
    fn stale_addresses_are_better_than_none_if_that_is_wanted() {
        let failed = LookupOutcome::Failed { why: "failed".into() };
        let a = host("a");
        for stale in [None, Some(Duration::from_secs(100))] {
            let mut cache = Cache::new(Keep { stale, ..keep() });
            cache.insert(a.clone(), &found(Some(10)), at(0));
            let given = cache.insert(a.clone(), &failed, at(50));
            assert_eq!(given, stale.map(|_| addresses(1)));
            assert_eq!(cache.get(&a, at(79)).is_some(), stale.is_some());
            assert_eq!(cache.get(&a, at(80)), None, "asked for again");
            // a server that says there is nothing is believed
            assert_eq!(cache.insert(a.clone(), &nothing(Some(9)), at(90)), None);
            assert!(cache.get_failure(&a, at(91)).is_some());
        }
        let mut cache = Cache::new(Keep { stale: Some(Duration::from_secs(100)), ..keep() });
        cache.insert(a.clone(), &found(Some(10)), at(0));
        assert_eq!(cache.insert(a.clone(), &failed, at(110)), None, "too old");
    }

    #[test]
    fn entries_and_bytes_are_bounded_and_what_is_asked_for_stays() {
        for (entries, bytes) in [(100, usize::MAX), (usize::MAX, 40_000)] {
            let mut cache = Cache::new(Keep { entries, bytes, ..keep() });
            let often = host("often");
            cache.insert(often.clone(), &found(Some(1 << 20)), at(0));
            for n in 0..10_000 {
                cache.insert(host(&format!("n{n}")), &found(Some(1 << 20)), at(n / 1000));
                assert!(cache.by_host.len() <= entries && cache.bytes <= bytes);
                assert!(cache.get(&often, at(n / 1000)).is_some(), "{n}");
            }
            assert!(cache.by_host.len() > 50, "{}", cache.by_host.len());
            assert!(cache.slots.len() <= 400, "{}", cache.slots.len());
            let sum: usize = cache.slots.iter().flatten().map(Entry::bytes).sum();
            assert_eq!(sum, cache.bytes);
        }
    }

    /// One zone that has a name for everybody, against names that nobody asks for meanwhile.
    #[test]
    fn a_flood_of_names_of_one_zone_costs_the_zone_alone() {
        for entries in [100, 5000] {
            let mut cache = Cache::new(Keep { entries, ..keep() });
            let good: Vec<_> = (0..20).map(|n| host(&format!("www.good{n}.example"))).collect();
            for (n, name) in good.iter().enumerate() {
                cache.insert(name.clone(), &found(Some(1 << 20)), at(0));
                for m in 0..2 * entries / 20 {
                    let name = host(&format!("n{m}.x{n}.evil.example"));
                    cache.insert(name, &found(Some(1 << 20)), at(0));
                }
            }
            for m in 0..2 * entries {
                cache.insert(host(&format!("m{m}.evil.example")), &found(Some(1 << 20)), at(0));
            }
            assert!(good.iter().all(|host| cache.get(host, at(1)).is_some()), "{entries}");
            assert!(cache.by_host.len() > entries / 2);
        }
    }

    #[test]
    fn what_has_expired_goes_as_others_come() {
        let mut cache = Cache::new(Keep { entries: 1 << 20, ..keep() });
        for n in 0..10_000 {
            cache.insert(host(&format!("n{n}")), &found(Some(5)), at(n / 100));
        }
        // 100 come each second and hold for five
        assert!(cache.by_host.len() < 2000, "{}", cache.by_host.len());
    }
}
