//! Ways to a peer that the system would not choose: by a Unix socket, to another host or port, by one family of
//! addresses, from sources of one's own.
//!
//! Knows what a transfer's options say of that, and what it comes to for one origin: a [`Way`], which is part of a
//! connection's identity. Must not know sockets. Invariant: who is asked for stays who is asked for: nothing here
//! changes the origin, and so neither SNI nor Host nor whose cookies and credentials are sent.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::dial::{Bind, Dial, UnixAddress};
use crate::engine::names::answer::Addresses;
use crate::protocol::{Host, Origin};

/// How connections are made, where not as the system would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// The socket of this machine that stands for whomever would be connected to: the origin, or the proxy.
    pub unix_socket: Option<UnixAddress>,
    /// To whom connections are made instead; the first that says something of an origin counts. Where a proxy is
    /// on the way, it is asked for a tunnel to there.
    pub connect_to: Vec<ConnectTo>,
    /// The addresses of the other family are not tried.
    pub family: Option<Family>,
    /// Where connections come from; wherever the system chooses unless set.
    pub sources: Option<Sources>,
}

/// Another host or port for connections, as curl's `--connect-to` has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectTo {
    /// The origins' host; any unless set.
    pub host: Option<Host>,
    /// The origins' port; any unless set.
    pub port: Option<u16>,
    /// The host that is connected to; the origin's unless set.
    pub to_host: Option<Host>,
    /// The port that is connected to; the origin's unless set.
    pub to_port: Option<u16>,
}

/// A family of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Where connections come from: one after the other in turn, of those that have an address of the peer's family or none
/// at all. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sources(Arc<[Arc<Bind>]>);

impl Sources {
    /// These; `None` if there are none.
    pub fn new(binds: impl IntoIterator<Item = Bind>) -> Option<Sources> {
        let binds: Arc<[_]> = binds.into_iter().map(Arc::new).collect();
        (!binds.is_empty()).then_some(Sources(binds))
    }

    fn reach(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|bind| reaches(bind, ip))
    }

    /// The one whose turn it is for the connection of this number.
    fn pick(&self, ip: IpAddr, number: u64) -> Option<&Arc<Bind>> {
        let fit = || self.0.iter().filter(|bind| reaches(bind, ip));
        let count = fit().count().max(1) as u64;
        fit().nth((number % count) as usize)
    }
}

fn reaches(bind: &Bind, ip: IpAddr) -> bool {
    bind.address.is_none_or(|source| source.is_ipv4() == ip.is_ipv4())
}

impl Family {
    fn has(self, ip: IpAddr) -> bool {
        Family::of(ip) == self
    }

    /// That of an address.
    pub(super) fn of(ip: IpAddr) -> Family {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    pub(super) fn other(self) -> Family {
        match self {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

impl ConnectTo {
    /// Where it has connections for this origin made, if it says anything of it.
    fn target(&self, origin: &Origin) -> Option<(Host, u16)> {
        let ConnectTo { host, port, to_host, to_port } = self;
        let matches =
            host.as_ref().is_none_or(|host| host.without_dot() == origin.host().without_dot())
                && port.is_none_or(|port| port == origin.port());
        let says = to_host.is_some() || to_port.is_some();
        (matches && says).then(|| {
            let host = to_host.as_ref().unwrap_or(origin.host()).clone();
            (host, to_port.unwrap_or(origin.port()))
        })
    }
}

/// The way to one origin.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::engine) struct Way {
    pub(super) unix: Option<UnixAddress>,
    /// Whom it leads to, if not the origin's own host and port.
    pub(in crate::engine) target: Option<(Host, u16)>,
    family: Option<Family>,
    sources: Option<Sources>,
}

impl Way {
    /// The way to `origin`, if it is one that the system would not choose.
    pub(in crate::engine) fn of(origin: &Origin, ways: &Ways) -> Option<Arc<Way>> {
        let Ways { unix_socket, connect_to, family, sources } = ways;
        let target = connect_to.iter().find_map(|to| to.target(origin));
        // to where it leads anyhow is no other way
        let target = target.filter(|(host, port)| (host, *port) != (origin.host(), origin.port()));
        let way =
            Way { unix: unix_socket.clone(), target, family: *family, sources: sources.clone() };
        let Way { unix, target, family, sources } = &way;
        let nothing = unix.is_none() && target.is_none() && family.is_none() && sources.is_none();
        (!nothing).then(|| Arc::new(way))
    }

    /// Of the addresses `known` those that can be tried; they may be none. A Unix socket has one that stands for it.
    pub(super) fn addresses(&self, known: impl FnOnce() -> Option<Addresses>) -> Option<Addresses> {
        if self.unix.is_some() {
            return Some(Arc::new([IpAddr::from([0, 0, 0, 0])]));
        }
        let known = known()?;
        let leads_to = |&ip: &IpAddr| {
            self.family.is_none_or(|family| family.has(ip))
                && self.sources.as_ref().is_none_or(|sources| sources.reach(ip))
        };
        match known.iter().all(leads_to) {
            true => Some(known),
            false => Some(known.iter().copied().filter(leads_to).collect()),
        }
    }

    /// Whether it leads to a socket of this machine, which has no address.
    pub(in crate::engine) fn is_local(&self) -> bool {
        self.unix.is_some()
    }

    /// Why none of a host's addresses can be tried.
    pub(super) fn complaint(&self) -> String {
        match self.family {
            Some(family) => format!("it has no {family} address that may be used"),
            None => "it has no address of the family of those to be bound to".to_owned(),
        }
    }

    pub(super) fn dial(&self, address: SocketAddr, number: u64) -> Dial {
        match &self.unix {
            Some(unix) => Dial::unix(unix.clone()),
            None => {
                let source = self.sources.as_ref().and_then(|s| s.pick(address.ip(), number));
                Dial { bind: source.cloned(), ..Dial::tcp(address) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::from_url(&Url::parse(url).unwrap()).unwrap()
    }

    fn host(name: &str) -> Host {
        origin(&format!("http://{name}/")).host().clone()
    }

    fn to(from: (&str, u16), target: (&str, u16)) -> ConnectTo {
        let name = |name: &str| (!name.is_empty()).then(|| host(name));
        let port = |port: u16| (port != 0).then_some(port);
        ConnectTo {
            host: name(from.0),
            port: port(from.1),
            to_host: name(target.0),
            to_port: port(target.1),
        }
    }

    fn way(origin: &Origin, ways: Ways) -> Option<Arc<Way>> {
        Way::of(origin, &ways)
    }

    #[test]
    fn the_first_that_says_something_of_an_origin_counts() {
        let rules = || {
            vec![
                to(("a", 80), ("", 0)),
                to(("a", 80), ("b", 81)),
                to(("a", 0), ("c", 0)),
                to(("", 8080), ("", 9090)),
                to(("[::1]", 0), ("1.2.3.4", 5)),
                to(("same", 0), ("same", 0)),
            ]
        };
        let table = [
            ("http://a/", Some(("b", 81))),
            ("http://A./", Some(("b", 81))),
            ("http://a:8080/", Some(("c", 8080))),
            ("https://a/", Some(("c", 443))),
            ("http://x:8080/", Some(("x", 9090))),
            ("http://[0:0::1]:7/", Some(("1.2.3.4", 5))),
            ("http://same/", None),
            ("http://b/", None),
        ];
        for (url, want) in table {
            let ways = Ways { connect_to: rules(), ..Ways::default() };
            let got = way(&origin(url), ways).and_then(|way| way.target.clone());
            let want = want.map(|(name, port)| (host(name), port));
            assert_eq!(got, want, "{url}");
        }
    }

    #[test]
    fn what_leads_nowhere_else_is_no_way_of_its_own() {
        assert_eq!(way(&origin("http://a/"), Ways::default()), None);
        let elsewhere = vec![to(("b", 0), ("c", 0))];
        let ways = Ways { connect_to: elsewhere, ..Ways::default() };
        assert_eq!(way(&origin("http://a/"), ways), None);
    }

    #[test]
    fn addresses_that_cannot_be_reached_are_left_out() {
        let known: Addresses =
            ["::1", "127.0.0.1", "::2"].map(|ip| ip.parse::<IpAddr>().unwrap()).into();
        let left = |ways: Ways| {
            let way = way(&origin("http://a/"), ways).unwrap();
            let left = way.addresses(|| Some(known.clone())).unwrap();
            left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let family = |family| Ways { family: Some(family), ..Ways::default() };
        assert_eq!(left(family(Family::V4)), "127.0.0.1");
        assert_eq!(left(family(Family::V6)), "::1 ::2");
        let from = |ip: &str| Bind { address: ip.parse().ok(), ..Bind::default() };
        let sources = |binds: &[Bind]| Ways {
            sources: Sources::new(binds.iter().cloned()),
            ..Ways::default()
        };
        assert_eq!(left(sources(&[from("10.0.0.1")])), "127.0.0.1");
        assert_eq!(left(sources(&[from("10.0.0.1"), from("::9")])), "::1 127.0.0.1 ::2");
        assert_eq!(left(sources(&[from("10.0.0.1"), Bind::default()])), "::1 127.0.0.1 ::2");
        let none = Ways { family: Some(Family::V6), ..sources(&[from("10.0.0.1")]) };
        assert_eq!(left(none), "");
        let unix = UnixAddress::path("/s".as_ref()).ok();
        assert_eq!(left(Ways { unix_socket: unix, ..family(Family::V6) }), "0.0.0.0");
    }

    #[test]
    fn sources_take_turns_within_their_family() {
        let from = |ip: &str| Bind { address: ip.parse().ok(), ..Bind::default() };
        let sources = Sources::new(["10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"].map(from)).unwrap();
        let turns = |ip: &str| {
            let pick = |number| sources.pick(ip.parse().unwrap(), number).unwrap().address.unwrap();
            (0..4).map(|number| pick(number).to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(turns("127.0.0.1"), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.1");
        assert_eq!(turns("::7"), "::1 ::1 ::1 ::1");
    }
}
