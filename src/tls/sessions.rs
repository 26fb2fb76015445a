//! Sessions that are kept to be resumed.
//!
//! Knows which names they are of, and whose those are. Must not know what is in them. Invariants: so many are kept and no
//! more, of one host a few, and of one owner no more than its share; where there is no room, whoever has most gives first,
//! and the last of a host after the others ([`who_goes`]), so that whoever leads to ten thousand names of theirs, or sends
//! a thousand tickets, pushes out what is theirs alone; only servers whose handshake was whole are kept.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::limits;
use crate::owner::{Owner, Seat, who_goes};

/// A part of so many more is kept before all that is too many goes at once: it costs a look at each.
const SLACK: usize = 16;

/// The store of one policy.
pub(super) struct Sessions {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Default)]
struct Kept {
    hosts: HashMap<ServerName<'static>, Host>,
    /// Seats, in all and of each owner.
    seats: usize,
    of_owners: HashMap<Arc<str>, usize>,
    /// Rises with each session.
    clock: u64,
}

/// A host that has sessions, or had some: it has a seat for each, and one where there is none.
struct Host {
    owner: Arc<str>,
    /// When it last got a session.
    since: u64,
    group: Option<NamedGroup>,
    tls12: Option<(u64, Tls12ClientSessionValue)>,
    tls13: VecDeque<(u64, Tls13ClientSessionValue)>,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Sessions {
        Sessions { kept: Mutex::default(), most }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // what a panic leaves behind costs a resumption at the worst
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host gets a session, which `put` is told the time of.
    fn keep(&self, name: ServerName<'static>, put: impl FnOnce(&mut Host, u64)) {
        let mut kept = self.kept();
        kept.clock += 1;
        let since = kept.clock;
        let owner = match kept.hosts.get(&name) {
            Some(host) => host.owner.clone(),
            None => kept.welcome(name.clone()),
        };
        kept.change(&name, |host| {
            host.since = since;
            put(host, since);
        });
        kept.make_room(&owner, self.most);
    }
}

impl Kept {
    /// A host that was not known before has a seat. Whose it is.
    fn welcome(&mut self, name: ServerName<'static>) -> Arc<str> {
        let host = Host::new(&name);
        let owner = host.owner.clone();
        self.hosts.insert(name, host);
        self.count(&owner, 0, 1);
        owner
    }

    /// Changes what a host has, if it is known.
    fn change<T>(
        &mut self,
        name: &ServerName<'static>,
        change: impl FnOnce(&mut Host) -> T,
    ) -> Option<T> {
        let host = self.hosts.get_mut(name)?;
        let before = host.seats().count();
        let changed = change(host);
        let (owner, after) = (host.owner.clone(), host.seats().count());
        self.count(&owner, before, after);
        Some(changed)
    }

    fn count(&mut self, owner: &Arc<str>, before: usize, after: usize) {
        self.seats = self.seats - before + after;
        let of_owner = self.of_owners.entry(owner.clone()).or_default();
        *of_owner = *of_owner - before + after;
        if *of_owner == 0 {
            self.of_owners.remove(owner);
        }
    }

    /// If the owner has more than its share it gives, and else, if there are too many, whoever has most.
    fn make_room(&mut self, owner: &Arc<str>, most: usize) {
        let share = most.div_ceil(limits::SESSION_SHARES);
        let has = self.of_owners.get(owner).copied().unwrap_or_default();
        if has > share + share / SLACK {
            self.forget(|host| host.owner == *owner, has - share);
        } else if self.seats > most + most / SLACK {
            self.forget(|_| true, self.seats - most);
        }
    }

    /// So many seats of these hosts are given up.
    fn forget(&mut self, of: impl Fn(&Host) -> bool, surplus: usize) {
        let seats = self.hosts.values().filter(|host| of(host)).flat_map(Host::seats);
        let goes = who_goes(&seats.collect::<Vec<_>>(), 0, surplus);
        let mut changes = Vec::new();
        self.hosts.retain(|_, host| {
            let before = host.seats().count();
            let was_empty = host.is_empty();
            host.tls12.take_if(|(since, _)| goes.contains(since));
            host.tls13.retain(|(since, _)| !goes.contains(since));
            let stays = if was_empty { !goes.contains(&host.since) } else { !host.is_empty() };
            let after = if stays { host.seats().count() } else { 0 };
            if before != after {
                changes.push((host.owner.clone(), before, after));
            }
            stays
        });
        for (owner, before, after) in changes {
            self.count(&owner, before, after);
        }
    }
}

impl Host {
    fn new(name: &ServerName<'static>) -> Host {
        let owner = match name {
            ServerName::DnsName(name) => Owner::of_name(name.as_ref()),
            ServerName::IpAddress(address) => Owner::of_address((*address).into()),
            // there is no other yet
            _ => Owner::Name(""),
        };
        Host { owner: owner.to_text(), since: 0, group: None, tls12: None, tls13: VecDeque::new() }
    }

    fn is_empty(&self) -> bool {
        self.tls12.is_none() && self.tls13.is_empty()
    }

    /// A seat for each session, of which the newest is dear; or one.
    fn seats(&self) -> impl Iterator<Item = Seat<'_>> {
        let tls12 = self.tls12.iter().map(|(since, _)| *since);
        let sessions = tls12.chain(self.tls13.iter().map(|(since, _)| *since));
        let newest = sessions.clone().max().unwrap_or(self.since);
        let others = sessions.filter(move |&since| since != newest);
        std::iter::once(newest).chain(others).map(move |since| Seat {
            owner: Owner::Name(&self.owner),
            since,
            used: since,
            is_dear: since == newest,
        })
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
        self.keep(name, |host, since| host.tls12 = Some((since, session)));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let kept = self.kept();
        let (_, session) = kept.hosts.get(name)?.tls12.as_ref()?;
        Some(session.clone())
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.kept().change(name, |host| host.tls12 = None);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.keep(name, |host, since| {
            if host.tls13.len() >= limits::SESSION_TICKETS {
                host.tls13.pop_front();
            }
            host.tls13.push_back((since, ticket));
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let (_, ticket) = self.kept().change(name, |host| host.tls13.pop_back())??;
        Some(ticket)
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
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ClientConnection, ServerConfig, ServerConnection};

    use super::*;
    use crate::tls::TlsPolicy;

    fn name(text: &str) -> ServerName<'static> {
        ServerName::try_from(text.to_owned()).expect("a name")
    }

    fn keep(sessions: &Sessions, host: &str) {
        sessions.keep(name(host), |_, _| ());
    }

    fn has(sessions: &Sessions, host: &str) -> bool {
        sessions.kept().hosts.contains_key(&name(host))
    }

    fn check(sessions: &Sessions) {
        let kept = sessions.kept();
        let mut of_owners = HashMap::<Arc<str>, usize>::new();
        for host in kept.hosts.values() {
            *of_owners.entry(host.owner.clone()).or_default() += host.seats().count();
        }
        assert_eq!(kept.of_owners, of_owners);
        assert_eq!(kept.seats, of_owners.values().sum::<usize>());
        let with_slack = |most: usize| most + most / SLACK;
        assert!(kept.seats <= with_slack(sessions.most));
        let share = with_slack(sessions.most.div_ceil(limits::SESSION_SHARES));
        assert!(of_owners.values().all(|&has| has <= share));
    }

    /// Ten thousand names of one owner push out each other, also where each is a domain of its own (`github.io`), and so
    /// do the addresses of a network.
    #[test]
    fn a_flood_pushes_out_its_own() {
        let floods: [fn(u32) -> String; 3] = [
            |n| format!("h{n}.flood.com"),
            |n| format!("h{n}.github.io"),
            |n| format!("2001:db8:1:{:x}::{n:x}", n % 1000),
        ];
        for flood in floods {
            let sessions = Sessions::new(100);
            let others: Vec<_> = (0..60).map(|n| format!("www.other{n}.com")).collect();
            others.iter().for_each(|host| keep(&sessions, host));
            for n in 0..10_050 {
                keep(&sessions, &flood(n));
            }
            check(&sessions);
            assert!(others.iter().all(|host| has(&sessions, host)), "{}", flood(0));
            let left = |sessions: &Sessions| sessions.kept().seats - 60;
            assert_eq!(left(&sessions), 13);
            assert!(has(&sessions, &flood(10_049)) && !has(&sessions, &flood(0)));
            // there is room for others at its cost
            for n in 60..90 {
                keep(&sessions, &format!("www.other{n}.com"));
            }
            check(&sessions);
            assert!((0..90).all(|n| has(&sessions, &format!("www.other{n}.com"))));
        }
    }

    /// A server that sends so many tickets with each handshake.
    fn server(tickets: usize) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names = vec!["any.example".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = rustls::crypto::ring::default_provider().into();
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let chain = vec![certificate.der().clone()];
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.send_tls13_tickets = tickets;
        Arc::new(config)
    }

    fn shake_hands(policy: &TlsPolicy, server: &Arc<ServerConfig>, host: &str) {
        let mut client = ClientConnection::new(policy.0.config.clone(), name(host)).unwrap();
        let mut server = ServerConnection::new(server.clone()).unwrap();
        for _ in 0..4 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut &wire[..]).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            client.read_tls(&mut &wire[..]).unwrap();
            client.process_new_packets().unwrap();
        }
        assert!(!client.is_handshaking());
    }

    /// What is bounded is the number of sessions, since each has its host's certificates.
    #[test]
    fn where_there_are_many_hosts_each_has_one_ticket() {
        let policy = TlsPolicy::builder().insecure().session_cache(32).build().unwrap();
        let sessions = &policy.0.sessions;
        let server = server(6);
        shake_hands(&policy, &server, "h0.com");
        assert_eq!(sessions.kept().hosts[&name("h0.com")].tls13.len(), limits::SESSION_TICKETS);
        for n in 1..28 {
            shake_hands(&policy, &server, &format!("h{n}.com"));
            check(sessions);
        }
        let tickets = |n| {
            let kept = sessions.kept();
            kept.hosts.get(&name(&format!("h{n}.com"))).map_or(0, |host| host.tls13.len())
        };
        assert!((0..28).all(|n| tickets(n) >= 1), "{:?}", (0..28).map(tickets).collect::<Vec<_>>());
        // so have those of one owner
        for n in 0..4 {
            shake_hands(&policy, &server, &format!("h{n}.one.com"));
        }
        check(sessions);
        let kept = |n| sessions.kept().hosts[&name(&format!("h{n}.one.com"))].tls13.len();
        assert_eq!([0, 1, 2, 3].map(kept), [1; 4]);
        // one whose last ticket is in use is known still
        while sessions.take_tls13_ticket(&name("h5.com")).is_some() {}
        check(sessions);
        assert!(has(sessions, "h5.com"));
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
