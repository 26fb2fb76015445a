//! What is known of each origin's robots.txt.
//!
//! Knows records of the frontier, which has them all, and for how long they hold. Must not know how they are had. Times are arguments, in
//! milliseconds since 1970. Invariants: what was read of them takes a bounded number of bytes; what has no room is read again; how often one gave no
//! answer is forgotten for no other one's rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::hosts::millis;
use crate::frontier::{Frontier, FrontierError, RobotsRecord};
use crate::limits;
use crate::robots::Robots;

/// Records that were read, and which origins give no answer.
#[derive(Debug)]
pub(super) struct Origins {
    read: HashMap<Arc<str>, Read>,
    /// By when they were looked at last.
    order: BTreeMap<u64, Arc<str>>,
    serial: u64,
    bytes: usize,
    most: usize,
    silent: Silent,
}

#[derive(Debug)]
struct Read {
    known: Arc<Known>,
    used: u64,
    bytes: usize,
}

/// Origins that gave no answer the last time, up to a number; of more, those that were silent last.
#[derive(Debug)]
struct Silent {
    origins: HashMap<Arc<str>, Failures>,
    /// By when they failed last.
    order: BTreeMap<u64, Arc<str>>,
    serial: u64,
    most: usize,
}

#[derive(Debug, Default)]
struct Failures {
    /// How often in a row.
    times: u32,
    /// For which one is left for this run, if it is.
    left: Option<Arc<Known>>,
    at: u64,
}

/// What holds for an origin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its rules.
    Rules {
        robots: Robots,
        /// When they were fetched.
        at: u64,
        /// Until when they are believed.
        until: u64,
    },
    /// Nothing may be fetched in this run: why not.
    Denied(String),
}

impl Known {
    /// What of another run could not be had is not known.
    fn of(record: RobotsRecord, token: &str, this_run: u64) -> Option<Known> {
        match record {
            RobotsRecord::Rules { at, until, text } => {
                let mut robots = Robots::parse(&text, token);
                robots.forget_sitemaps();
                Some(Known::Rules { robots, at, until })
            }
            RobotsRecord::Denied { run, why } => (run == this_run).then_some(Known::Denied(why)),
        }
    }

    fn memory(&self) -> usize {
        match self {
            Known::Rules { robots, .. } => robots.memory(),
            Known::Denied(why) => why.len(),
        }
    }
}

impl Default for Origins {
    fn default() -> Origins {
        Origins::within(limits::ROBOTS_CACHE)
    }
}

impl Origins {
    /// What is read takes so many bytes at most.
    fn within(most: usize) -> Origins {
        let silent = Silent::within(limits::ORIGINS_SILENT);
        Origins { read: HashMap::new(), order: BTreeMap::new(), serial: 0, bytes: 0, most, silent }
    }

    /// What holds for an origin now; `None` if it has to be asked.
    pub(super) fn known(
        &mut self,
        origin: &str,
        frontier: &dyn Frontier,
        token: &str,
        now: u64,
    ) -> Result<Option<Arc<Known>>, FrontierError> {
        if let Some(left) = self.silent.left(origin) {
            return Ok(Some(left));
        }
        let known = match self.touch(origin) {
            Some(known) => known,
            None => {
                let record = frontier.robots(origin)?;
                let Some(known) =
                    record.and_then(|record| Known::of(record, token, frontier.run()))
                else {
                    return Ok(None);
                };
                self.keep(origin, known)
            }
        };
        let holds = match &*known {
            // a clock that was set back by more says nothing of a time
            Known::Rules { at, until, .. } => {
                now < *until && at.saturating_sub(now) < millis(limits::ROBOTS_AGE)
            }
            Known::Denied(_) => true,
        };
        Ok(holds.then_some(known))
    }

    /// What was read of an origin, or learnt.
    pub(super) fn keep(&mut self, origin: &str, known: Known) -> Arc<Known> {
        /// About what an entry of both maps takes beside.
        const ENTRY: usize = 200;
        self.forget(origin);
        let (known, origin) = (Arc::new(known), Arc::<str>::from(origin));
        let bytes = known.memory() + origin.len() + ENTRY;
        self.serial += 1;
        self.bytes += bytes;
        self.order.insert(self.serial, Arc::clone(&origin));
        self.read.insert(origin, Read { known: Arc::clone(&known), used: self.serial, bytes });
        while self.bytes > self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.bytes -= self.read.remove(&oldest).map_or(0, |read| read.bytes);
        }
        known
    }

    /// An origin gave no answer. Returns how often in a row that is, as far as it is remembered.
    pub(super) fn failed(&mut self, origin: &str) -> u32 {
        let failures = self.silent.touch(origin);
        failures.times = failures.times.saturating_add(1);
        failures.times
    }

    /// Nothing more is asked of an origin in this run.
    pub(super) fn leave(&mut self, origin: &str, why: &str) {
        self.silent.touch(origin).left = Some(Arc::new(Known::Denied(why.to_owned())));
    }

    /// An origin gave an answer.
    pub(super) fn answered(&mut self, origin: &str) {
        if self.silent.left(origin).is_none() {
            self.silent.forget(origin);
        }
    }

    fn touch(&mut self, origin: &str) -> Option<Arc<Known>> {
        let read = self.read.get_mut(origin)?;
        self.serial += 1;
        let origin = self.order.remove(&read.used)?;
        self.order.insert(self.serial, origin);
        read.used = self.serial;
        Some(Arc::clone(&read.known))
    }

    fn forget(&mut self, origin: &str) {
        let Some(read) = self.read.remove(origin) else { return };
        self.order.remove(&read.used);
        self.bytes -= read.bytes;
    }
}

impl Silent {
    /// No more than so many.
    fn within(most: usize) -> Silent {
        Silent { origins: HashMap::new(), order: BTreeMap::new(), serial: 0, most }
    }

    fn left(&self, origin: &str) -> Option<Arc<Known>> {
        self.origins.get(origin)?.left.clone()
    }

    fn touch(&mut self, origin: &str) -> &mut Failures {
        let before = self.forget(origin);
        if self.origins.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.origins.remove(&oldest);
        }
        self.serial += 1;
        let origin = Arc::<str>::from(origin);
        self.order.insert(self.serial, Arc::clone(&origin));
        let failures = Failures { at: self.serial, ..before.unwrap_or_default() };
        self.origins.entry(origin).insert_entry(failures).into_mut()
    }

    fn forget(&mut self, origin: &str) -> Option<Failures> {
        let failures = self.origins.remove(origin)?;
        self.order.remove(&failures.at);
        Some(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontier::DiskFrontier;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn rules(text: &str) -> RobotsRecord {
        RobotsRecord::Rules { at: 2 * DAY, until: 3 * DAY, text: text.as_bytes().to_vec() }
    }

    #[test]
    fn rules_are_believed_for_a_day_and_a_denial_for_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        let run = frontier.run();
        frontier.set_robots("a", rules("User-agent: *\nDisallow: /x\n"));
        frontier.set_robots("b", RobotsRecord::Denied { run, why: "503".to_owned() });
        frontier.set_robots("c", RobotsRecord::Denied { run: run - 1, why: "503".to_owned() });
        let mut origins = Origins::default();
        let mut known = |origin, now| origins.known(origin, &frontier, "bot", now).unwrap();
        for _ in 0..2 {
            assert!(matches!(known("a", 2 * DAY).as_deref(),
                Some(Known::Rules { robots, .. }) if !robots.allows_target(b"/x")));
            assert!(known("a", 3 * DAY - 1).is_some());
            assert_eq!(known("a", 3 * DAY), None);
            assert_eq!(known("a", DAY), None);
            assert_eq!(known("b", 9 * DAY).as_deref(), Some(&Known::Denied("503".to_owned())));
            assert_eq!(known("c", 1), None);
            assert_eq!(known("d", 1), None);
        }
    }

    #[test]
    fn failures_in_a_row_are_those_of_an_origin() {
        let mut origins = Origins::default();
        let denied = || Known::Denied("503".to_owned());
        assert_eq!((origins.failed("a"), origins.failed("a"), origins.failed("b")), (1, 2, 1));
        // what is learnt of it is no answer
        origins.keep("a", denied());
        assert_eq!(origins.failed("a"), 3);
        origins.answered("a");
        assert_eq!((origins.failed("a"), origins.failed("b")), (1, 2));
    }

    /// Whatever others have to be read, and however many others are silent, up to a bound.
    #[test]
    fn who_gives_no_answer_is_remembered() {
        const MOST: usize = 100;
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        frontier.set_robots("left", rules("User-agent: *\n"));
        let mut origins = Origins::within(0);
        origins.silent = Silent::within(MOST);
        let known = |origins: &mut Origins| {
            origins.known("left", &frontier, "bot", 2 * DAY).unwrap().unwrap()
        };
        assert!(matches!(&*known(&mut origins), Known::Rules { .. }));
        assert_eq!((origins.failed("left"), origins.failed("silent")), (1, 1));
        origins.leave("left", "it does not answer");
        // what is under way says nothing else
        origins.answered("left");
        for other in 0..MOST - 2 {
            origins.keep(&other.to_string(), Known::Denied("503".to_owned()));
            origins.failed(&other.to_string());
        }
        assert_eq!(*known(&mut origins), Known::Denied("it does not answer".to_owned()));
        assert_eq!(origins.failed("silent"), 2);
        for other in 0..3 * MOST {
            origins.failed(&other.to_string());
            let Silent { origins, order, .. } = &origins.silent;
            assert!(origins.len() <= MOST && origins.len() == order.len());
        }
        assert_eq!(origins.failed("silent"), 1);
    }

    /// Whatever one origin's rules are like, what is in memory is bounded, and another one's are read again and say the same.
    #[test]
    fn rules_that_have_no_room_are_read_again() {
        const MOST: usize = 4 * 1024 * 1024;
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = DiskFrontier::open(folder.path()).unwrap();
        let heavy = format!("User-agent: *\n{}", "Disallow: /*\u{e9}*b*c*d*e*f\n".repeat(18_000));
        frontier.set_robots("small", rules("User-agent: *\nDisallow: /x\n"));
        for heavy_one in 0..20 {
            frontier.set_robots(&format!("heavy{heavy_one}"), rules(&heavy));
        }
        frontier.commit(b"", 1).unwrap();
        let mut origins = Origins::within(MOST);
        for heavy_one in 0..20 {
            origins
                .known(&format!("heavy{heavy_one}"), &frontier, "bot", 2 * DAY)
                .unwrap()
                .unwrap();
            assert!(origins.bytes <= MOST, "{}", origins.bytes);
            let known = origins.known("small", &frontier, "bot", 2 * DAY).unwrap().unwrap();
            assert!(matches!(&*known, Known::Rules { robots, .. } if !robots.allows_target(b"/x")));
        }
        assert!(origins.read.len() < 20 && origins.read.len() == origins.order.len());
        let held: usize = origins.read.values().map(|read| read.known.memory()).sum();
        assert!(held <= origins.bytes, "{held} of {}", origins.bytes);
    }
}
