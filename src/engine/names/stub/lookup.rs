//! Look-ups: the names that one tries, its two families, and when it is over.
//!
//! Knows the search list, and what both families found. Must not know servers or
//! channels. Invariants: a look-up is reported once; a name of the search list is tried only after servers have said
//! of the one before that it is not there, or that they do not know.

use std::net::IpAddr;
use std::time::Duration;

use super::fixed::Fixed;
use super::half::State;
use super::query::Ask;
use super::{Found, NameError, NameErrorKind, Names, Query, Timer, Want};
use crate::dns::message::is_a_name;
use crate::dns::{Kind, order};
use crate::engine::ids::LookupId;
use crate::engine::timers::TimerId;
use crate::id::Id;
use crate::limits;
use crate::protocol::Host;
use crate::time::Time;

/// A look-up.
pub(super) struct Look {
    lookup: LookupId,
    /// Once it has been reported it goes on for what comes later.
    reported: bool,
    host: Host,
    /// Names of the search list that have been tried, or are.
    candidates: usize,
    /// The name that is tried, where it is not the host's own.
    candidate: Option<Box<str>>,
    halves: [Half; 2],
    /// The family that is tried first: its addresses wait for none of the other.
    first: Kind,
    deadline: Option<TimerId>,
    patience: Option<TimerId>,
    delay: Option<TimerId>,
    /// A name that was tried exists, and has no address.
    exists: bool,
    /// Why nobody could say of a name that was tried.
    failure: Option<NameErrorKind>,
    /// The least negative TTL of the names that were tried.
    negative_ttl: Option<u32>,
}

/// One family of a look-up.
pub(super) struct Half {
    pub(super) state: State,
    /// The name that the one tried is an alias of.
    pub(super) alias: Option<Box<str>>,
    /// Aliases on the way there, and the least TTL of theirs.
    pub(super) steps: usize,
    pub(super) alias_ttl: u32,
    pub(super) ask: Ask,
}

const KINDS: [Kind; 2] = [Kind::Aaaa, Kind::A];

impl Half {
    fn new(on: bool) -> Half {
        Half {
            state: if on { State::Queued } else { State::Off },
            alias: None,
            steps: 0,
            alias_ttl: u32::MAX,
            ask: Ask::default(),
        }
    }
}

impl Look {
    pub(super) fn half(&self, kind: Kind) -> &Half {
        &self.halves[kind as usize]
    }

    pub(super) fn half_mut(&mut self, kind: Kind) -> &mut Half {
        &mut self.halves[kind as usize]
    }

    /// The look-up, as long as somebody waits for it.
    pub(super) fn waited_for(&self) -> Option<LookupId> {
        (!self.reported).then_some(self.lookup)
    }

    /// The name that a family has come to.
    pub(super) fn name(&self, kind: Kind) -> &str {
        match &self.half(kind).alias {
            Some(alias) => alias,
            None => self.candidate(),
        }
    }

    /// The name that is tried.
    pub(super) fn candidate(&self) -> &str {
        self.candidate.as_deref().or(self.host.name()).unwrap_or_default()
    }

    fn found(&self) -> Option<Found> {
        let mut families: [&[IpAddr]; 2] = [&[], &[]];
        let mut least = u32::MAX;
        for (family, kind) in families.iter_mut().zip(KINDS) {
            if let State::Found { addresses, ttl } = &self.half(kind).state {
                (*family, least) = (addresses, least.min(*ttl));
            }
        }
        let [six, four] = families;
        let addresses = match order::first_family(six, four) {
            Kind::Aaaa => by_turns([six, four]),
            Kind::A => by_turns([four, six]),
        };
        let ttl = Some(Duration::from_secs(least.into()));
        let partial = !self.is_over();
        (!addresses.is_empty()).then_some(Found { addresses, ttl, partial })
    }

    /// Both families are over, or what one found is enough to know that the name is not there. Servers are
    /// known that deny the name when they are asked for IPv6 addresses (RFC 4074, 4.2), so that their word for
    /// IPv4 alone counts.
    fn is_over(&self) -> bool {
        let [six, four] = KINDS.map(|kind| &self.half(kind).state);
        let denied = matches!(four, State::Nothing { exists: false, .. }) && !six.is_found();
        denied || (six.is_over() && four.is_over())
    }

    fn verdict(&self) -> Verdict {
        let states = KINDS.map(|kind| &self.half(kind).state);
        if states.iter().any(|state| state.is_found()) {
            return Verdict::Found;
        }
        if matches!(self.half(Kind::A).state, State::Nothing { exists: false, .. }) {
            return Verdict::Nothing;
        }
        let failed = states.iter().find_map(|state| match state {
            State::Failed(kind) => Some(kind.clone()),
            _ => None,
        });
        failed.map_or(Verdict::Nothing, Verdict::Failed)
    }
}

enum Verdict {
    Found,
    Nothing,
    Failed(NameErrorKind),
}

impl Names {
    /// Begins a look-up, of which addresses of the `first` family are told as soon as they are there.
    pub(crate) fn start(&mut self, lookup: LookupId, host: &Host, first: Kind, now: Time) {
        self.now = self.now.max(now);
        if let Some(result) = Fixed::of(&self.config).answer(host) {
            return self.wants.push_back(Want::Found { lookup, result });
        }
        let look = Look {
            lookup,
            reported: false,
            host: host.clone(),
            candidates: 0,
            candidate: None,
            halves: [Half::new(false), Half::new(false)],
            first,
            deadline: None,
            patience: None,
            delay: None,
            exists: false,
            failure: None,
            negative_ttl: None,
        };
        let id = self.looks.insert(look);
        self.by_lookup.insert(lookup, id);
        let deadline = self.timers.set(self.now + self.most, Timer::Deadline(id));
        let patience = self.config.patience.map(|patience| self.now + patience);
        let patience = patience.map(|at| self.timers.set(at, Timer::Patience(id)));
        if let Some(look) = self.looks.get_mut(id) {
            (look.deadline, look.patience) = (Some(deadline), patience);
        }
        self.begun += 1;
        if !self.try_name(id) {
            self.report_error(id, NameErrorKind::NoName);
        }
        self.pump_freed();
    }

    /// Nobody waits for a look-up any more. Its queries are forgotten. False if it is none of these.
    pub(crate) fn abandon(&mut self, lookup: LookupId) -> bool {
        let Some(id) = self.by_lookup.remove(&lookup) else { return false };
        self.remove(id);
        self.pump_freed();
        true
    }

    /// Asks for the next name that is to be tried. False if there is none.
    fn try_name(&mut self, id: Id<Look>) -> bool {
        let Some(look) = self.looks.get_mut(id) else { return false };
        let Some(host) = look.host.name() else { return false };
        let candidate = loop {
            let search = if look.host.is_absolute() { &[][..] } else { &self.config.conf.search };
            match candidate(host, self.config.conf.ndots, search, look.candidates) {
                Some(name) if name.as_deref().is_some_and(|name| !is_a_name(name)) => {
                    look.candidates += 1;
                }
                Some(name) => break name,
                None => return false,
            }
        };
        look.candidates += 1;
        look.candidate = candidate;
        let (ipv4, ipv6) = (self.config.ipv4, self.config.ipv6 && !self.config.conf.no_aaaa);
        if !ipv4 && !ipv6 {
            return false;
        }
        *look.half_mut(Kind::A) = Half::new(ipv4);
        *look.half_mut(Kind::Aaaa) = Half::new(ipv6);
        for kind in KINDS {
            let wanted = self.looks.get(id).is_some_and(|look| !look.half(kind).state.is_over());
            if wanted {
                self.ask(Query { look: id, kind });
            }
        }
        true
    }

    /// One family of a look-up is over.
    pub(super) fn settle(&mut self, query: Query, state: State) {
        self.leave(query);
        let Some(look) = self.looks.get_mut(query.look) else { return };
        look.half_mut(query.kind).state = state;
        self.conclude(query.look);
    }

    fn conclude(&mut self, id: Id<Look>) {
        let Some(look) = self.looks.get_mut(id) else { return };
        if !look.is_over() {
            if look.reported {
                return;
            }
            if look.half(look.first).state.is_found() {
                // the other's answer may be in the same batch
                self.ready.push(id);
            } else if look.found().is_some() && look.delay.is_none() {
                let delay = self.now + self.config.resolution_delay;
                look.delay = Some(self.timers.set(delay, Timer::Delay(id)));
            }
            return;
        }
        if look.reported {
            return self.end_later(id);
        }
        match look.verdict() {
            Verdict::Found => {
                self.report_found(id);
                self.remove(id);
            }
            Verdict::Failed(kind) if kind.is_of_the_name() => {
                look.failure.get_or_insert(kind);
                self.next_name(id);
            }
            Verdict::Failed(kind) => self.report_error(id, kind),
            Verdict::Nothing => self.nothing(id),
        }
    }

    /// The name that was tried has no address: the next, or none.
    fn nothing(&mut self, id: Id<Look>) {
        let Some(look) = self.looks.get_mut(id) else { return };
        let mut exists = false;
        for kind in KINDS {
            if let State::Nothing { exists: there, ttl } = look.half(kind).state {
                exists |= there;
                look.negative_ttl = [look.negative_ttl, ttl].into_iter().flatten().min();
            }
        }
        // one that is denied for IPv4 is not there, whatever IPv6 says
        if matches!(look.half(Kind::A).state, State::Nothing { exists: false, .. }) {
            exists = false;
        }
        look.exists |= exists;
        self.next_name(id);
    }

    /// Tries the next name. Where there is none, nothing was found: that the name is not there is known only if
    /// servers said so of all.
    fn next_name(&mut self, id: Id<Look>) {
        for kind in KINDS {
            self.leave(Query { look: id, kind });
        }
        if self.try_name(id) {
            return;
        }
        let Some(look) = self.looks.get_mut(id) else { return };
        let kind = match look.failure.take() {
            Some(failure) => failure,
            None if look.exists => NameErrorKind::NoAddress,
            None => NameErrorKind::NoName,
        };
        self.report_error(id, kind);
    }

    // timers

    pub(super) fn deadline(&mut self, id: Id<Look>) {
        let Some(look) = self.looks.get_mut(id) else { return };
        look.deadline = None;
        if look.reported {
            return self.end_later(id);
        }
        if look.found().is_some() {
            self.report_found(id);
            return self.end_later(id);
        }
        let failed = |kind: &Kind| look.half(*kind).ask.reason.clone();
        let kind = KINDS.iter().find_map(failed).unwrap_or(NameErrorKind::Timeout);
        self.report_error(id, kind);
    }

    pub(super) fn patience_over(&mut self, id: Id<Look>) {
        let Some(look) = self.looks.get_mut(id) else { return };
        look.patience = None;
        self.wants.extend(look.waited_for().map(|lookup| Want::Slow { lookup }));
    }

    /// One family has waited long enough for the other: what comes later is told later.
    pub(super) fn delay_over(&mut self, id: Id<Look>) {
        let Some(look) = self.looks.get_mut(id) else { return };
        look.delay = None;
        self.report_found(id);
    }

    /// Tells of look-ups of which the first family alone is there.
    pub(super) fn report_ready(&mut self) {
        for id in std::mem::take(&mut self.ready) {
            let Some(look) = self.looks.get_mut(id) else { continue };
            if let Some(delay) = look.delay.take() {
                self.timers.cancel(delay);
            }
            self.report_found(id);
        }
    }

    // ends

    fn report_found(&mut self, id: Id<Look>) {
        let Some(look) = self.looks.get_mut(id) else { return };
        let Some(found) = look.found() else { return };
        if std::mem::replace(&mut look.reported, true) {
            return;
        }
        let lookup = look.lookup;
        self.by_lookup.remove(&lookup);
        self.wants.push_back(Want::Found { lookup, result: Ok(found) });
    }

    fn report_error(&mut self, id: Id<Look>, kind: NameErrorKind) {
        let Some(look) = self.looks.get_mut(id) else { return };
        if std::mem::replace(&mut look.reported, true) {
            return;
        }
        let lookup = look.lookup;
        let ttl = look.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()));
        let mut error = NameError { kind, ttl };
        error.ttl = error.ttl.filter(|_| error.is_negative());
        self.by_lookup.remove(&lookup);
        self.wants.push_back(Want::Found { lookup, result: Err(error) });
        self.remove(id);
    }

    /// The second family of a look-up that has been reported is over.
    fn end_later(&mut self, id: Id<Look>) {
        if let Some(look) = self.looks.get(id) {
            let all = KINDS.iter().all(|&kind| look.half(kind).state.is_found());
            let found = look.found().filter(|_| all);
            let (lookup, host) = (look.lookup, look.host.clone());
            self.wants.push_back(Want::Later { lookup, host, found });
        }
        self.remove(id);
    }

    fn remove(&mut self, id: Id<Look>) {
        for kind in KINDS {
            self.leave(Query { look: id, kind });
        }
        let Some(look) = self.looks.remove(id) else { return };
        for timer in [look.deadline, look.patience, look.delay].into_iter().flatten() {
            self.timers.cancel(timer);
        }
    }
}

/// The nth name that is tried for a host (resolv.conf(5)): none where there is no more, or the host's own as it
/// is.
fn candidate(host: &str, ndots: usize, search: &[String], n: usize) -> Option<Option<Box<str>>> {
    let dots = host.bytes().filter(|&byte| byte == b'.').count();
    let own = if dots >= ndots { 0 } else { search.len() };
    if n == own {
        return Some(None);
    }
    let domain = search.get(n - usize::from(n > own))?;
    Some(Some(format!("{host}.{domain}").into()))
}

/// One of each by turns, the first list's first, and not more than are tried.
fn by_turns([first, second]: [&[IpAddr]; 2]) -> Vec<IpAddr> {
    let mut addresses = Vec::with_capacity((first.len() + second.len()).min(limits::ADDRESSES));
    for at in 0..first.len().max(second.len()) {
        addresses.extend(first.get(at));
        addresses.extend(second.get(at));
    }
    addresses.truncate(limits::ADDRESSES);
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Conf;

    fn names(host: &str, conf: &Conf) -> Vec<String> {
        let name = |n| candidate(host, conf.ndots, &conf.search, n);
        (0..).map_while(name).map(|name| name.map_or(host.to_owned(), String::from)).collect()
    }

    #[test]
    fn short_names_are_completed_first_and_long_ones_last() {
        let conf = |ndots, search: &[&str]| Conf {
            ndots,
            search: search.iter().map(|&domain| domain.to_owned()).collect(),
            ..Conf::default()
        };
        let table: [(&str, usize, &[&str], &[&str]); 6] = [
            ("host", 1, &[], &["host"]),
            ("host", 1, &["a", "b.c"], &["host.a", "host.b.c", "host"]),
            ("host.x", 1, &["a", "b.c"], &["host.x", "host.x.a", "host.x.b.c"]),
            ("host.x", 2, &["a"], &["host.x.a", "host.x"]),
            ("host", 0, &["a"], &["host", "host.a"]),
            ("host.x.y", 2, &["a"], &["host.x.y", "host.x.y.a"]),
        ];
        for (host, ndots, search, expected) in table {
            assert_eq!(names(host, &conf(ndots, search)), expected, "{host} {ndots} {search:?}");
        }
    }

    #[test]
    fn families_take_turns() {
        let ip = |text: &&str| text.parse::<IpAddr>().unwrap();
        let table: [(&[&str], &[&str], &[&str]); 4] = [
            (&["::1", "::2"], &["1.1.1.1"], &["::1", "1.1.1.1", "::2"]),
            (&[], &["1.1.1.1", "2.2.2.2"], &["1.1.1.1", "2.2.2.2"]),
            (&["::1"], &[], &["::1"]),
            (&[], &[], &[]),
        ];
        for (six, four, expected) in table {
            let list = |texts: &[&str]| texts.iter().map(ip).collect::<Vec<_>>();
            assert_eq!(by_turns([&list(six), &list(four)]), list(expected));
        }
    }
}
