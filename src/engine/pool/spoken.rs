//! What origins have come to speak, remembered after nobody uses them any more: the next requests need not find out again.
//!
//! Knows keys by their hashes. Must not know connections. Invariants: there are as many as [`limits::SPOKEN`] at most, and the
//! oldest goes first; two origins of the same hash, which are as likely as not to speak the same, cost each other a look.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::PoolKey;
use crate::engine::HttpVersions;
use crate::limits;

/// What an origin's connections have come to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Unknown,
    Http1,
    Http2,
}

/// What is known of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// What its connections may come to speak: what the key says, unless the peer has asked for less.
    pub(super) offers: HttpVersions,
    pub(super) speaks: Speaks,
    /// How many requests its last connection took at a time.
    pub(super) streams: Option<usize>,
}

pub(super) struct Spoken {
    names: RandomState,
    by_key: HashMap<u64, Known>,
    /// The oldest first.
    order: VecDeque<u64>,
}

impl Spoken {
    pub(super) fn new() -> Spoken {
        Spoken { names: RandomState::new(), by_key: HashMap::new(), order: VecDeque::new() }
    }

    /// An origin is forgotten.
    pub(super) fn note(&mut self, key: &PoolKey, known: Known) {
        let new = Known::of(key);
        if known == new {
            return;
        }
        match self.by_key.entry(self.names.hash_one((key, key.versions))) {
            Entry::Occupied(mut entry) => _ = entry.insert(known),
            Entry::Vacant(entry) => {
                self.order.push_back(*entry.key());
                entry.insert(known);
            }
        }
        if self.order.len() > limits::SPOKEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
    }

    /// What is known of an origin that is used again, or for the first time.
    #[inline]
    pub(super) fn recall(&self, key: &PoolKey) -> Known {
        match key.versions {
            HttpVersions::Http1 => Known::of(key),
            HttpVersions::Negotiated | HttpVersions::Http2 => {
                let known = self.by_key.get(&self.names.hash_one((key, key.versions)));
                known.copied().unwrap_or(Known::of(key))
            }
        }
    }
}

impl Known {
    /// What is known at first.
    fn of(key: &PoolKey) -> Known {
        Known { offers: key.versions, speaks: Speaks::Unknown, streams: None }
    }
}
