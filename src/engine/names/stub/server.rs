//! One DNS server: how many queries it has, how many it may have, and whether it answers.
//!
//! Knows counts and times. Must not know what is asked. Invariants: no more queries are in flight than the
//! limit, and no more are sent in a second than the rate; a server that does not answer is asked after the
//! others, but for one query now and then.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::{ChannelId, Query};
use crate::limits;
use crate::time::Time;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Its UDP channels that take queries.
    pub(super) udp: Vec<ChannelId>,
    /// Those that wait for their last answers, the oldest first. May hold ids that are gone.
    pub(super) retired: VecDeque<ChannelId>,
    pub(super) tcp: Option<ChannelId>,
    /// Queries that wait for its limits. May hold those that have gone elsewhere.
    pub(super) queue: VecDeque<Query>,
    pub(super) in_flight: usize,
    /// Until when it is asked without EDNS; long ago if it is asked with.
    plain: Time,
    /// No channel is opened before.
    pub(super) open_after: Time,
    /// Somebody has a timer for when it may be asked again.
    pub(super) awaited: bool,
    bucket: Option<Bucket>,
    silent: u32,
    last_answer: Time,
    /// Until when it is asked after the others; long ago if it answers.
    shunned: Time,
}

impl Server {
    pub(super) fn new(address: SocketAddr) -> Server {
        Server {
            address,
            udp: Vec::new(),
            retired: VecDeque::new(),
            tcp: None,
            queue: VecDeque::new(),
            in_flight: 0,
            plain: Time::ZERO,
            open_after: Time::ZERO,
            awaited: false,
            bucket: None,
            silent: 0,
            last_answer: Time::ZERO,
            shunned: Time::ZERO,
        }
    }

    /// Whether nothing is known of it that would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.udp.is_empty()
            && self.retired.is_empty()
            && self.tcp.is_none()
            && self.queue.is_empty()
            && self.in_flight == 0
    }

    pub(super) fn set_rate(&mut self, per_second: Option<u32>, now: Time) {
        if self.bucket.as_ref().map(|bucket| bucket.per_second) != per_second {
            self.bucket = per_second.map(|rate| Bucket::new(rate, now));
        }
    }

    /// When one more query may be sent: now, or later. Never where all places are taken.
    pub(super) fn turn(&mut self, max_in_flight: usize, now: Time) -> Time {
        if self.in_flight >= max_in_flight {
            return Time::NEVER;
        }
        self.bucket.as_mut().map_or(now, |bucket| bucket.turn(now))
    }

    /// A query is sent.
    pub(super) fn take(&mut self) {
        self.in_flight += 1;
        if let Some(bucket) = &mut self.bucket {
            bucket.take();
        }
    }

    /// It answered a query without EDNS that it had not understood with it.
    pub(super) fn note_plain(&mut self, now: Time) {
        self.plain = now + limits::SERVER_PLAIN;
    }

    pub(super) fn is_plain(&self, now: Time) -> bool {
        self.plain > now
    }

    /// It answered, whatever.
    pub(super) fn note_answer(&mut self, now: Time) {
        (self.silent, self.last_answer, self.shunned) = (0, now, Time::ZERO);
    }

    /// It did not answer in time what was sent at `sent`.
    pub(super) fn note_silence(&mut self, sent: Time, now: Time) {
        if self.last_answer > sent {
            return;
        }
        self.silent += 1;
        if self.silent >= limits::SERVER_SILENCE {
            self.shun(now);
        }
    }

    /// It is asked after the others for a while.
    pub(super) fn shun(&mut self, now: Time) {
        self.shunned = now + limits::SERVER_SHUNNED;
    }

    pub(super) fn is_shunned(&self, now: Time) -> bool {
        self.shunned > now
    }

    /// It is asked: if it had been shunned, nobody else asks it before it has answered.
    pub(super) fn probe(&mut self, now: Time) {
        if self.shunned != Time::ZERO && self.shunned <= now {
            self.shun(now);
        }
    }
}

/// Queries in a second, of which a tenth may come at once.
struct Bucket {
    per_second: u32,
    /// Nanoseconds between two queries.
    every: u64,
    burst: u64,
    /// When the bucket would have been full if nothing more were taken, in nanoseconds.
    full: u64,
}

impl Bucket {
    fn new(per_second: u32, now: Time) -> Bucket {
        let per_second = per_second.max(1);
        let every = Duration::from_secs(1).as_nanos() as u64 / u64::from(per_second);
        let burst = every * u64::from(per_second / 10).max(1);
        Bucket { per_second, every, burst, full: now.as_nanos() }
    }

    fn turn(&mut self, now: Time) -> Time {
        self.full = self.full.max(now.as_nanos());
        Time::from_nanos((self.full + self.every).saturating_sub(self.burst).max(now.as_nanos()))
    }

    fn take(&mut self) {
        self.full += self.every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn server() -> Server {
        Server::new(SocketAddr::from(([192, 0, 2, 1], 53)))
    }

    #[test]
    fn no_more_queries_in_a_second_than_the_rate_and_a_burst() {
        for rate in [1, 3, 10, 1000] {
            let mut server = server();
            let (mut now, mut sent) = (Time::from_nanos(SECOND), 0);
            server.set_rate(Some(rate), now);
            while now < Time::from_nanos(11 * SECOND) {
                match server.turn(usize::MAX, now) {
                    turn if turn > now => now = turn,
                    _ => {
                        server.take();
                        sent += 1;
                    }
                }
            }
            let allowed = 10 * rate + (rate / 10).max(1);
            assert!((10 * rate..=allowed).contains(&sent), "{rate}: {sent}");
        }
    }

    #[test]
    fn who_has_all_places_taken_waits_for_an_answer() {
        let mut server = server();
        let now = Time::from_nanos(5);
        assert_eq!(server.turn(1, now), now);
        server.take();
        assert_eq!(server.turn(1, now), Time::NEVER);
    }

    #[test]
    fn a_silent_server_is_probed_by_one() {
        let at = |seconds| Time::from_nanos(seconds * SECOND);
        let mut server = server();
        for _ in 0..limits::SERVER_SILENCE {
            assert!(!server.is_shunned(at(100)));
            server.note_silence(at(99), at(100));
        }
        assert!(server.is_shunned(at(129)) && !server.is_shunned(at(130)));
        server.probe(at(130));
        assert!(server.is_shunned(at(131)), "nobody else");
        server.note_answer(at(132));
        assert!(!server.is_shunned(at(132)));
        server.probe(at(133));
        assert!(!server.is_shunned(at(133)));
        // answers to others show that it lives
        for _ in 0..10 {
            server.note_silence(at(131), at(140));
        }
        assert!(!server.is_shunned(at(140)));
    }
}
