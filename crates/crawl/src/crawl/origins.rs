//! What is known of each origin's robots.txt.
//!
//! Knows standings and for how long they hold. Must not know how they are had. The time is an argument.

use std::collections::HashMap;

use ringdove::Time;

use crate::robots::{Robots, Standing};

/// All origins that were asked, or are.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<String, Known>);

#[derive(Debug, Default)]
struct Known {
    standing: Option<(Standing, Time)>,
    is_asked: bool,
    /// Answers that put it off, in a row.
    deferred: u32,
}

impl Origins {
    /// What holds for an origin now; `None` if it has to be asked.
    pub(super) fn standing(&self, origin: &str, now: Time) -> Option<&Standing> {
        let (standing, until) = self.0.get(origin)?.standing.as_ref()?;
        // what could not be had is not asked for again in this run
        let holds = matches!(standing, Standing::Denied(_)) || now < *until;
        holds.then_some(standing)
    }

    /// Rules that held before, and may be used where there are none now.
    pub(super) fn old(&self, origin: &str) -> Option<&Robots> {
        match self.0.get(origin)?.standing.as_ref()? {
            (Standing::Rules(robots), _) => Some(robots),
            _ => None,
        }
    }

    /// It is asked for from now on. Returns whether it was not before.
    pub(super) fn ask(&mut self, origin: &str) -> bool {
        let known = self.0.entry(origin.to_owned()).or_default();
        !std::mem::replace(&mut known.is_asked, true)
    }

    /// How often it was put off, with this time.
    pub(super) fn defer(&mut self, origin: &str) -> u32 {
        let known = self.0.entry(origin.to_owned()).or_default();
        known.deferred += 1;
        known.deferred
    }

    /// It was answered.
    pub(super) fn learn(&mut self, origin: &str, standing: Standing, now: Time) {
        let until = now + standing.age();
        let known = Known { standing: Some((standing, until)), is_asked: false, deferred: 0 };
        self.0.insert(origin.to_owned(), known);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits;

    #[test]
    fn one_is_asked_once_and_believed_for_a_day() {
        let mut origins = Origins::default();
        let now = Time::from_nanos(1);
        assert_eq!(origins.standing("a", now), None);
        assert!(origins.ask("a"));
        assert!(!origins.ask("a"));
        origins.learn("a", Standing::Rules(Robots::default()), now);
        let day = now + limits::ROBOTS_AGE;
        assert!(origins.standing("a", Time::from_nanos(2)).is_some());
        assert_eq!(origins.standing("a", day), None);
        assert!(origins.old("a").is_some());
        assert!(origins.ask("a"));
        origins.learn("b", Standing::Denied("503".to_owned()), now);
        assert!(origins.standing("b", day + Duration::from_secs(1)).is_some());
        assert_eq!(origins.old("b"), None);
    }
}
