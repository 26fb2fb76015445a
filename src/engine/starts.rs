//! How often requests to one origin may begin.
//!
//! Knows origins and the earliest time of the next request to each. Must not know who waits: an origin's
//! queue does. Invariants: what is remembered of an origin outlives its connections, and no more origins
//! are remembered than are still to be waited for, but for [`limits::STARTS`].

use std::collections::HashMap;
use std::time::Duration;

use super::pool::OriginId;
use super::{Engine, Timer};
use crate::http::Origin;
use crate::limits;
use crate::time::Time;

/// The requests that begin, by origin.
pub(super) struct Starts {
    /// Between two of them.
    every: Duration,
    next: HashMap<Origin, Next>,
}

struct Next {
    at: Time,
    /// Who has a timer for it.
    awaited: Vec<OriginId>,
}

/// Whether a request may begin.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// Not before then; `awaited` says that whoever asks has been told.
    At {
        time: Time,
        awaited: bool,
    },
}

impl Starts {
    pub(super) fn new(every: Duration) -> Starts {
        Starts { every, next: HashMap::new() }
    }

    fn turn(&mut self, origin: &Origin, who: OriginId, now: Time) -> Turn {
        match self.next.get_mut(origin) {
            Some(next) if next.at > now => {
                let awaited = next.awaited.contains(&who);
                if !awaited {
                    next.awaited.push(who);
                }
                Turn::At { time: next.at, awaited }
            }
            _ => Turn::Now,
        }
    }

    /// A request begins.
    fn note(&mut self, origin: &Origin, now: Time) {
        if self.next.len() >= limits::STARTS {
            self.next.retain(|_, next| next.at > now);
        }
        self.next.insert(origin.clone(), Next { at: now + self.every, awaited: Vec::new() });
    }
}

impl Engine {
    /// Whether a request to an origin may begin now. If not, the origin is served when it may.
    #[inline]
    pub(super) fn may_start(&mut self, id: OriginId) -> bool {
        self.starts.is_none() || self.may_start_now(id)
    }

    fn may_start_now(&mut self, id: OriginId) -> bool {
        let Some(starts) = &mut self.starts else { return true };
        let Some(origin) = self.pool.get(id) else { return true };
        if origin.queued() == 0 {
            return true;
        }
        match starts.turn(&origin.key.origin, id, self.now) {
            Turn::Now => true,
            Turn::At { time, awaited } => {
                if !awaited {
                    self.timers.set(time, Timer::Origin(id));
                }
                false
            }
        }
    }

    /// A request to an origin begins.
    #[inline]
    pub(super) fn note_start(&mut self, id: OriginId) {
        if let Some(starts) = &mut self.starts
            && let Some(origin) = self.pool.get(id)
        {
            starts.note(&origin.key.origin, self.now);
        }
    }

    /// A request to an origin that was to begin waits for something else first.
    pub(super) fn take_back_start(&mut self, id: OriginId) {
        if let Some(starts) = &mut self.starts
            && let Some(origin) = self.pool.get(id)
        {
            starts.next.remove(&origin.key.origin);
        }
    }

    /// The time for the next request to an origin has come.
    pub(super) fn start_next(&mut self, id: OriginId) {
        self.to_serve.push_back(id);
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn each_origin_has_its_own_time() {
        let origin = |url: &str| Origin::from_url(&Url::parse(url).unwrap()).unwrap();
        let (a, b) = (origin("http://a/"), origin("http://b/"));
        let at = Time::from_nanos;
        let (one, other) = (OriginId::from_bits(1), OriginId::from_bits(2));
        let mut starts = Starts::new(Duration::from_nanos(10));
        assert_eq!(starts.turn(&a, one, at(100)), Turn::Now);
        starts.note(&a, at(100));
        assert_eq!(starts.turn(&a, one, at(105)), Turn::At { time: at(110), awaited: false });
        assert_eq!(starts.turn(&a, other, at(106)), Turn::At { time: at(110), awaited: false });
        assert_eq!(starts.turn(&a, one, at(109)), Turn::At { time: at(110), awaited: true });
        assert_eq!(starts.turn(&b, one, at(109)), Turn::Now);
        assert_eq!(starts.turn(&a, one, at(110)), Turn::Now);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut starts = Starts::new(Duration::from_nanos(10));
        for n in 0..3 * limits::STARTS as u64 {
            let url = Url::parse(&format!("http://h{n}/")).unwrap();
            starts.note(&Origin::from_url(&url).unwrap(), Time::from_nanos(20 * n));
        }
        assert!(starts.next.len() <= limits::STARTS);
    }
}
