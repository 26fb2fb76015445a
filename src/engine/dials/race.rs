//! Races: several addresses tried for one connection (Happy Eyeballs, RFC 8305).
//!
//! Knows which addresses were tried for a transfer, when, and what became of each; which one is next, and when it is
//! begun beside those that have not answered. Must not know how a socket is opened, nor what follows on a
//! connect. Each attempt is a connection of its own in [`State::Connecting`]; the first to be connected gets the
//! transfer, and the others are closed.
//!
//! Invariants: no byte of a request leaves before a race is won (a ClientHello may), so that nothing is sent twice;
//! a race has one deadline, from its first attempt on; an attempt beside others takes no slot, and no place at a gate,
//! that anybody waits for;
//! every address is checked against the policy right before it is tried; a transfer that has but one address has
//! no race, unless that one fails.

mod running;

use std::net::{IpAddr, SocketAddr};

use crate::engine::dials::ways::Family;
use crate::engine::ids::{ConnectionId, OriginId, RaceId};
use crate::engine::links::claim::Claim;
use crate::engine::names::answer::Addresses;
use crate::engine::timers::TimerId;
use crate::error::{Attempt, AttemptEnd, Attempts, Cause};
use crate::limits;
use crate::time::Time;

/// The addresses of one connection that is to be.
pub(in crate::engine) struct Race {
    origin: OriginId,
    /// Of the transfer that it is charged to.
    claim: Claim,
    /// What the proxy of a tunnel is told of who asks.
    told: Option<Vec<u8>>,
    /// As they were known last.
    addresses: Addresses,
    port: u16,
    began: Time,
    attempts: Vec<Run>,
    /// The connection that stands for the transfer; others are beside it.
    main: Option<ConnectionId>,
    /// Addresses that had no room for one more connection when they were looked at last.
    passed: Vec<IpAddr>,
    /// When one more is begun.
    timer: Option<TimerId>,
    /// When it was time for one more, there was none.
    lacks_addresses: bool,
    /// All attempts have failed, the last on this connection, and there may be more addresses yet.
    stranded: Option<(ConnectionId, Cause)>,
    /// The transfer waits for room at addresses that were passed, and goes on with them.
    parked: bool,
}

/// One attempt.
struct Run {
    address: SocketAddr,
    began: Time,
    /// On which connection; none for an address that was denied.
    connection: Option<ConnectionId>,
    end: Option<(AttemptEnd, Time)>,
}

/// Which family of addresses has proven to be the better one, and for how long that holds.
#[derive(Default)]
pub(in crate::engine) struct Families {
    better: Option<(Family, Time)>,
}

/// Where the first attempt goes to.
pub(super) struct First {
    /// Or why to none of the addresses.
    pub(super) address: Result<SocketAddr, Cause>,
    pub(super) race: Option<RaceId>,
}

/// How it goes on without an attempt that has failed.
pub(in crate::engine) enum Onward {
    /// With the next address, on the same connection, or when there are more.
    Same,
    /// With another that is under way.
    With(ConnectionId),
    /// There is none.
    Nowhere,
}

impl Race {
    pub(super) fn new(
        origin: OriginId,
        claim: Claim,
        addresses: Addresses,
        port: u16,
        now: Time,
    ) -> Race {
        Race {
            origin,
            claim,
            told: None,
            addresses,
            port,
            began: now,
            attempts: Vec::new(),
            main: None,
            passed: Vec::new(),
            timer: None,
            lacks_addresses: false,
            stranded: None,
            parked: false,
        }
    }

    /// Of these addresses those that have not been tried, where it waits for room at them; `None` where they are all of them, or
    /// none.
    fn left_of(&self, addresses: &Addresses) -> Option<Addresses> {
        let left = || addresses.iter().copied().filter(|&ip| !self.has_tried(ip));
        (self.parked && left().next().is_some()).then(|| left().collect())
    }

    /// One that was parked goes on, with the addresses that are known now.
    fn resume(&mut self, addresses: Addresses, now: Time) {
        (self.addresses, self.began, self.parked) = (addresses, now, false);
        self.passed.clear();
    }

    /// What the proxy of a tunnel is told of who asks.
    pub(super) fn tell(&mut self, told: Option<Vec<u8>>) {
        self.told = told;
    }

    fn has_tried(&self, ip: IpAddr) -> bool {
        self.attempts.iter().any(|run| run.address.ip() == ip)
    }

    /// The address to be tried next: in the order given, but families take turns (RFC 8305, 4), and the first is of the
    /// `better` one if there is such.
    fn next(&self, better: Option<Family>) -> Option<IpAddr> {
        if self.attempts.len() >= limits::ATTEMPTS {
            return None;
        }
        let tried = |ip: &IpAddr| self.passed.contains(ip) || self.has_tried(*ip);
        let wanted = match self.attempts.last() {
            Some(last) => Some(Family::of(last.address.ip()).other()),
            None => better,
        };
        let left = || self.addresses.iter().copied().filter(|ip| !tried(ip));
        left().find(|&ip| wanted.is_none_or(|family| Family::of(ip) == family)).or(left().next())
    }

    fn begin(&mut self, address: SocketAddr, connection: ConnectionId, now: Time) {
        self.main.get_or_insert(connection);
        self.attempts.push(Run { address, began: now, connection: Some(connection), end: None });
    }

    /// Whether a connection is one beside that which stands for the transfer.
    pub(in crate::engine) fn is_beside(&self, id: ConnectionId) -> bool {
        self.main.is_some_and(|main| main != id)
    }

    /// The attempt on this connection that is under way.
    fn run_on(&mut self, id: ConnectionId) -> Option<&mut Run> {
        self.attempts.iter_mut().find(|run| run.is_on(id))
    }

    fn end_on(&mut self, id: ConnectionId, end: AttemptEnd, now: Time) {
        if let Some(run) = self.run_on(id) {
            run.end = Some((end, now));
        }
    }

    /// Ends what is under way; the connections that it was on.
    fn end_all(&mut self, end: &AttemptEnd, now: Time) -> Vec<ConnectionId> {
        let open = self.attempts.iter_mut().filter(|run| run.end.is_none());
        let ended = open.filter_map(|run| {
            run.end = Some((end.clone(), now));
            run.connection
        });
        ended.collect()
    }

    /// A connection that has not answered yet.
    fn under_way(&self) -> Option<ConnectionId> {
        self.attempts.iter().find(|run| run.end.is_none()).and_then(|run| run.connection)
    }

    /// Whether the winner is of another family than what was tried first, and which it is.
    fn upset(&self) -> Option<Family> {
        let runs = || self.attempts.iter().filter(|run| run.connection.is_some());
        let won = |run: &&Run| matches!(run.end, Some((AttemptEnd::Connected, _)));
        let family = |run: &Run| Family::of(run.address.ip());
        let (first, winner) = (family(runs().next()?), family(runs().find(won)?));
        (first != winner).then_some(winner)
    }

    #[cold]
    fn into_attempts(self, now: Time) -> Attempts {
        let attempt = |run: Run| {
            let (end, at) = run.end.unwrap_or((AttemptEnd::Unanswered, now));
            Attempt { address: run.address, end, took: at.since(run.began) }
        };
        Attempts(self.attempts.into_iter().map(attempt).collect())
    }
}

impl Run {
    fn is_on(&self, id: ConnectionId) -> bool {
        self.end.is_none() && self.connection == Some(id)
    }
}

impl Families {
    fn better(&self, now: Time) -> Option<Family> {
        self.better.filter(|(_, until)| *until > now).map(|(family, _)| family)
    }

    /// The family that is tried first of a name that has both.
    pub(in crate::engine) fn first(&self, now: Time) -> Family {
        self.better(now).unwrap_or(Family::V6)
    }

    fn prefer(&mut self, family: Family, now: Time) {
        self.better = Some((family, now + limits::FAMILY_PREFERENCE));
    }
}
