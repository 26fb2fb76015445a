//! Which engine has which call.
//!
//! Knows how many calls of each origin each engine has. Must not know what engines make of them. Invariants: an origin with few
//! calls has one engine, where its connections are found again; no engine has more calls of an origin than its share of the
//! connections that the origin may have, unless each has as many; whoever has sat down gets up.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringdove::Url;

/// The calls of engines, by origin.
pub(crate) struct Seats {
    hash: RandomState,
    /// Engines that calls of one origin may be on.
    engines: usize,
    /// How many of its connections each of these may have.
    share: usize,
    /// By origin, how many calls each engine has; none of an origin that has none.
    taken: Mutex<HashMap<u64, Vec<usize>>>,
}

/// A call's place on an engine, for as long as that has it.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    origin: u64,
    engine: usize,
}

impl Seats {
    /// For engines that may together have `max_per_origin` connections to an origin.
    pub(crate) fn new(engines: usize, max_per_origin: usize) -> Arc<Seats> {
        let engines = engines.clamp(1, max_per_origin.max(1));
        Arc::new(Seats {
            hash: RandomState::new(),
            engines,
            share: Seats::share(engines, max_per_origin),
            taken: Mutex::default(),
        })
    }

    /// What each engine may have of an origin's connections.
    pub(crate) fn share(engines: usize, max_per_origin: usize) -> usize {
        (max_per_origin / engines.clamp(1, max_per_origin.max(1))).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Vec<usize>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a call for this URL goes.
    pub(crate) fn sit(self: &Arc<Seats>, url: &Url) -> Seat {
        let origin = self.hash.hash_one((url.scheme(), url.host_str(), url.port()));
        let home = origin as usize % self.engines;
        let mut taken = self.lock();
        let taken = taken.entry(origin).or_insert_with(|| vec![0; self.engines]);
        // in the same order each time: what has overflown once finds its connections too
        let mut order = (home..self.engines).chain(0..home);
        let with_room = order.clone().find(|&engine| taken[engine] < self.share);
        let engine = with_room.or_else(|| order.by_ref().min_by_key(|&engine| taken[engine]));
        let engine = engine.unwrap_or(home);
        taken[engine] += 1;
        Seat { seats: self.clone(), origin, engine }
    }
}

impl Seat {
    pub(crate) fn engine(&self) -> usize {
        self.engine
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        let Some(of_origin) = taken.get_mut(&self.origin) else { return };
        of_origin[self.engine] -= 1;
        if of_origin.iter().all(|&calls| calls == 0) {
            taken.remove(&self.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(port: u16) -> Url {
        Url::parse(&format!("http://127.0.0.1:{port}/some/where")).unwrap()
    }

    #[test]
    fn an_origin_goes_to_the_next_engine_when_its_own_is_full() {
        let seats = Seats::new(3, 7);
        let sat: Vec<_> = (0..7).map(|_| seats.sit(&url(1))).collect();
        let engines: Vec<_> = sat.iter().map(Seat::engine).collect();
        let home = engines[0];
        let expected = [0, 0, 1, 1, 2, 2, 0].map(|after| (home + after) % 3);
        assert_eq!(engines, expected);
        // whoever gets up leaves room where the connections are
        let mut sat = sat;
        drop(sat.remove(0));
        drop(sat.remove(0));
        assert_eq!(seats.sit(&url(1)).engine(), home);
        drop(sat);
        assert!(seats.lock().is_empty());
    }

    #[test]
    fn origins_are_divided_among_engines() {
        let seats = Seats::new(4, 100);
        let mut calls = [0; 4];
        for port in 0..400 {
            let one = seats.sit(&url(port)).engine();
            assert_eq!(one, seats.sit(&url(port)).engine(), "it finds its engine again");
            calls[one] += 1;
        }
        assert!(calls.iter().all(|&calls| calls > 40), "{calls:?}");
        // fewer connections than engines
        let few = Seats::new(4, 2);
        let sat: Vec<_> = (0..10).map(|_| few.sit(&url(1))).collect();
        assert!(sat.iter().all(|seat| seat.engine() < 2));
    }
}
