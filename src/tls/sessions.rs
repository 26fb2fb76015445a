//! Sessions that are kept to be resumed.
//!
//! Knows which names they are of, and whose those are. Must not know what is in them. Invariants: so many hosts are kept
//! and no more, each with a few sessions, and of one domain no more than its share; where there is no room, the domain that
//! holds most makes it, and so whoever leads to ten thousand names of theirs, or sends a thousand tickets, pushes out what
//! is theirs alone; only servers whose handshake was whole are kept.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// TLS 1.3 tickets that are kept of one host, the newest. Each is used once, and a server sends two or so with each
/// handshake. Each has its certificates beside it, which together are 128 KiB at the worst.
const TICKETS_PER_HOST: usize = 4;

/// A domain has the hosts of one such part at most: what one that is hostile can have kept, of 512 hosts with certificates and
/// tickets as large as TLS allows, is 256 MiB.
const SHARES: usize = 8;

/// The store of one policy.
pub(super) struct Sessions {
    kept: Mutex<Kept>,
    most_hosts: usize,
}

#[derive(Default)]
struct Kept {
    hosts: HashMap<ServerName<'static>, Host>,
    domains: HashMap<Arc<str>, Hosts>,
    /// Who has to make room, last.
    ranks: BTreeSet<Rank>,
    /// Rises with each session.
    clock: u64,
}

struct Host {
    domain: Arc<str>,
    /// When it last got a session.
    since: u64,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

/// The hosts of a domain, the one whose last session is oldest first.
type Hosts = BTreeMap<u64, ServerName<'static>>;

/// A domain by how many hosts it has, and among those with as many by how long ago its oldest got a session.
type Rank = (usize, Reverse<u64>, Arc<str>);

impl Sessions {
    pub(super) fn new(most_hosts: usize) -> Sessions {
        Sessions { kept: Mutex::default(), most_hosts }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // what a panic leaves behind costs a resumption at the worst
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host that gets a session.
    fn keep(&self, name: ServerName<'static>, change: impl FnOnce(&mut Host)) {
        let mut kept = self.kept();
        if !kept.hosts.contains_key(&name) {
            kept.make_room(&domain(&name), self.most_hosts);
        }
        change(kept.host(name));
    }
}

impl Kept {
    fn host(&mut self, name: ServerName<'static>) -> &mut Host {
        self.clock += 1;
        let since = self.clock;
        let domain = match self.hosts.get(&name) {
            Some(host) => host.domain.clone(),
            None => domain(&name),
        };
        self.unrank(&domain);
        let hosts = self.domains.entry(domain.clone()).or_default();
        hosts.insert(since, name.clone());
        let host = self.hosts.entry(name).or_insert_with(|| Host::new(domain.clone()));
        hosts.remove(&std::mem::replace(&mut host.since, since));
        if let Some(rank) = rank(&domain, hosts) {
            self.ranks.insert(rank);
        }
        host
    }

    /// Before another host of `newcomer` is kept: if that has its share it makes room, and else, if there is none, the
    /// domain that has most.
    fn make_room(&mut self, newcomer: &Arc<str>, most_hosts: usize) {
        let has = self.domains.get(newcomer).map_or(0, Hosts::len);
        if has >= most_hosts.div_ceil(SHARES) {
            self.forget_oldest(newcomer);
        } else if self.hosts.len() >= most_hosts
            && let Some((_, _, largest)) = self.ranks.last().cloned()
        {
            self.forget_oldest(&largest);
        }
    }

    /// Forgets the host of a domain that has had no session for longest.
    fn forget_oldest(&mut self, domain: &Arc<str>) {
        self.unrank(domain);
        let Some(hosts) = self.domains.get_mut(domain) else { return };
        if let Some((_, name)) = hosts.pop_first() {
            self.hosts.remove(&name);
        }
        match rank(domain, hosts) {
            Some(rank) => _ = self.ranks.insert(rank),
            None => _ = self.domains.remove(domain),
        }
    }

    fn unrank(&mut self, domain: &Arc<str>) {
        if let Some(rank) = self.domains.get(domain).and_then(|hosts| rank(domain, hosts)) {
            self.ranks.remove(&rank);
        }
    }
}

fn rank(domain: &Arc<str>, hosts: &Hosts) -> Option<Rank> {
    let (oldest, _) = hosts.first_key_value()?;
    Some((hosts.len(), Reverse(*oldest), domain.clone()))
}

/// Whose a name is: the registrable domain's; an address is one of a network.
fn domain(name: &ServerName<'_>) -> Arc<str> {
    match name {
        ServerName::DnsName(name) => psl::domain_str(name.as_ref()).unwrap_or(name.as_ref()).into(),
        ServerName::IpAddress(address) => match IpAddr::from(*address) {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}").into()
            }
            IpAddr::V6(address) => format!("{:x}", address.to_bits() >> 80).into(),
        },
        // there is no other yet
        _ => "".into(),
    }
}

impl Host {
    fn new(domain: Arc<str>) -> Host {
        Host { domain, since: 0, group: None, tls12: None, tls13: VecDeque::new() }
    }
}

impl ClientSessionStore for Sessions {
    /// Said before anything is verified: of who has no session it is not kept.
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        if let Some(host) = self.kept().hosts.get_mut(&name) {
            host.group = Some(group);
        }
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().hosts.get(name)?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.keep(name, |host| host.tls12 = Some(session));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept().hosts.get(name)?.tls12.clone()
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        if let Some(host) = self.kept().hosts.get_mut(name) {
            host.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.keep(name, |host| {
            if host.tls13.len() >= TICKETS_PER_HOST {
                host.tls13.pop_front();
            }
            host.tls13.push_back(ticket);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept().hosts.get_mut(name)?.tls13.pop_back()
    }
}

impl fmt::Debug for Sessions {
    /// How many, alone: sessions are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("hosts", &self.kept().hosts.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServerName<'static> {
        ServerName::try_from(text.to_owned()).expect("a name")
    }

    fn keep(sessions: &Sessions, host: &str) {
        sessions.keep(name(host), |_| ());
    }

    fn has(sessions: &Sessions, host: &str) -> bool {
        sessions.kept().hosts.contains_key(&name(host))
    }

    fn check(sessions: &Sessions) {
        let kept = sessions.kept();
        let in_domains: usize = kept.domains.values().map(BTreeMap::len).sum();
        assert_eq!(kept.hosts.len(), in_domains);
        assert_eq!(kept.ranks.len(), kept.domains.len());
        assert!(kept.hosts.len() <= sessions.most_hosts);
        for (domain, hosts) in &kept.domains {
            assert!(kept.ranks.contains(&rank(domain, hosts).expect("none is empty")));
        }
    }

    /// Ten thousand names under a wildcard push out each other.
    #[test]
    fn a_domain_with_many_hosts_pushes_out_its_own() {
        let sessions = Sessions::new(100);
        let others: Vec<_> = (0..60).map(|n| format!("www.other{n}.com")).collect();
        others.iter().for_each(|host| keep(&sessions, host));
        for n in 0..10_050 {
            keep(&sessions, &format!("h{n}.flood.com"));
        }
        check(&sessions);
        assert!(others.iter().all(|host| has(&sessions, host)));
        assert_eq!(sessions.kept().domains["flood.com"].len(), 13);
        assert!(has(&sessions, "h10049.flood.com") && !has(&sessions, "h0.flood.com"));
        // there is room for others at its cost, down to a share as large as anybody's
        for n in 60..90 {
            keep(&sessions, &format!("www.other{n}.com"));
        }
        check(&sessions);
        assert!((0..90).all(|n| has(&sessions, &format!("www.other{n}.com"))));
        assert_eq!(sessions.kept().domains["flood.com"].len(), 10);
    }

    /// So do the addresses of a network.
    #[test]
    fn a_network_with_many_addresses_pushes_out_its_own() {
        let sessions = Sessions::new(10);
        keep(&sessions, "a.com");
        for n in 0..200 {
            keep(&sessions, &format!("192.0.2.{n}"));
            keep(&sessions, &format!("2001:db8:1::{n:x}"));
        }
        check(&sessions);
        assert!(has(&sessions, "a.com"));
    }

    #[test]
    fn among_equals_the_one_without_a_session_for_longest_leaves() {
        let sessions = Sessions::new(3);
        for host in ["c.com", "a.com", "b.com", "c.com", "d.com"] {
            keep(&sessions, host);
            check(&sessions);
        }
        assert!(!has(&sessions, "a.com"));
        assert!(["b.com", "c.com", "d.com"].iter().all(|host| has(&sessions, host)));
    }

    #[test]
    fn who_has_not_been_verified_takes_no_place() {
        let sessions = Sessions::new(2);
        keep(&sessions, "a.com");
        for n in 0..100 {
            sessions.set_kx_hint(name(&format!("b{n}.com")), NamedGroup::X25519);
        }
        assert_eq!(sessions.kept().hosts.len(), 1);
        sessions.set_kx_hint(name("a.com"), NamedGroup::secp384r1);
        assert_eq!(sessions.kx_hint(&name("a.com")), Some(NamedGroup::secp384r1));
    }
}
