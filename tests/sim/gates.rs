//! What must hold by host, domain and address: connections, requests at once, and the time between two.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ringdove::engine::ConnectionId;
use ringdove::{Config, Politeness};

use crate::plan::Rules;
use crate::world::World;

/// The rules in force, and what has come of them so far.
pub(crate) struct Gates {
    rules: Rules,
    had_rules: bool,
    /// What there may be until what was there before a rule is over.
    allowed: BTreeMap<(Kind, Whose), usize>,
    /// Since when these rules are in force.
    since: u64,
    /// When the last request began.
    began: BTreeMap<Whose, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Connections,
    Requests,
}

/// Of whom there is one gate each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Origin(usize, u16),
    Host(usize),
    /// All hosts that have names.
    Domain,
    Address(IpAddr),
}

impl Gates {
    pub(crate) fn new(config: &Config) -> Gates {
        let &Config { max_per_host: per_host, max_per_address: per_address, politeness, .. } =
            config;
        let rules = Rules { per_host, per_address, politeness };
        let (allowed, began) = (BTreeMap::new(), BTreeMap::new());
        let mut gates = Gates { rules, had_rules: false, allowed, since: 0, began };
        gates.had_rules = gates.has_any();
        gates
    }

    /// Whether there are any, or were.
    pub(crate) fn has_rules(&self) -> bool {
        self.had_rules
    }

    fn has_any(&self) -> bool {
        let Rules { per_host, per_address, politeness } = self.rules;
        (per_host, per_address, politeness) != (None, None, Politeness::default())
    }

    fn most(&self, kind: Kind, whose: Whose) -> Option<usize> {
        let Rules { per_host, per_address, politeness } = self.rules;
        match (kind, whose) {
            (Kind::Connections, Whose::Host(_)) => per_host,
            (Kind::Connections, Whose::Address(_)) => per_address,
            (Kind::Connections, _) => None,
            (Kind::Requests, Whose::Origin(..)) => politeness.per_origin.concurrency,
            (Kind::Requests, Whose::Host(_)) => politeness.per_host.concurrency,
            (Kind::Requests, Whose::Domain) => politeness.per_domain.concurrency,
            (Kind::Requests, Whose::Address(_)) => politeness.per_address.concurrency,
        }
    }

    fn interval(&self, whose: Whose) -> u64 {
        let politeness = self.rules.politeness;
        let allowance = match whose {
            Whose::Origin(..) => politeness.per_origin,
            Whose::Host(_) => politeness.per_host,
            Whose::Domain => politeness.per_domain,
            Whose::Address(_) => politeness.per_address,
        };
        allowance.interval.unwrap_or_default().as_nanos() as u64
    }
}

impl World {
    pub(crate) fn set_rules(&mut self, rules: Rules) {
        self.drain();
        self.check_gates();
        self.engine.set_host_limits(rules.per_host, rules.per_address);
        self.engine.set_politeness(rules.politeness);
        (self.gates.rules, self.gates.since) = (rules, self.now);
        self.gates.had_rules |= self.gates.has_any();
        self.gates.began.clear();
    }

    /// A request begins on a connection that is ready for it.
    pub(crate) fn began(&mut self, id: ConnectionId) {
        let now = self.now;
        let link = &self.links[&id.to_bits()];
        // what was on its way already when the rules came is not held up
        let was_before = self.gates.since > 0 && link.times.connecting_since <= self.gates.since;
        for whose in self.whose(id) {
            let interval = self.gates.interval(whose);
            if let Some(before) = self.gates.began.insert(whose, now) {
                let apart = now - before;
                assert!(
                    was_before || apart >= interval,
                    "{apart} ns between two requests to {whose:?}"
                );
            }
        }
    }

    /// After each batch: no more of anything than there may be.
    pub(crate) fn check_gates(&mut self) {
        let mut counts: BTreeMap<(Kind, Whose), usize> = BTreeMap::new();
        let mut counted = BTreeSet::new();
        for link in self.links.values() {
            let transfer = self.engine.transfer_on(link.id).map(|id| id.to_bits());
            for whose in self.whose(link.id) {
                *counts.entry((Kind::Connections, whose)).or_default() += 1;
                // connections that race are for one request, but each is at an address of its own
                let address = matches!(whose, Whose::Address(_)).then_some(link.id.to_bits());
                if transfer.is_some() && counted.insert((transfer, whose, address)) {
                    *counts.entry((Kind::Requests, whose)).or_default() += 1;
                }
            }
        }
        self.gates.allowed.retain(|gate, _| counts.contains_key(gate));
        for (gate, count) in counts {
            let most = self.gates.most(gate.0, gate.1).unwrap_or(usize::MAX);
            let allowed = self.gates.allowed.entry(gate).or_default();
            *allowed = most.max(count.min(*allowed));
            assert!(count <= *allowed, "{count} of {gate:?}, and {most} are allowed");
        }
    }

    /// By whom a connection is counted.
    fn whose(&self, id: ConnectionId) -> Vec<Whose> {
        let Some(link) = self.links.get(&id.to_bits()) else { return Vec::new() };
        let (host, port) = link.origin;
        if host == usize::MAX {
            return Vec::new();
        }
        let mut whose = vec![Whose::Origin(host, port), Whose::Host(host)];
        if !self.scenario.hosts[host].literal {
            whose.push(Whose::Domain);
        }
        whose.extend(link.socket.map(|socket| Whose::Address(self.sockets[socket].address.ip())));
        whose
    }
}
