//! Ways to a server that the system would not choose, as curl's options name them.
//!
//! Knows the words, and what they come to in a transfer's options. A host in `--interface` is looked up here, once.

use std::net::{IpAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args as Group;
use ringdove::dial::{Bind, Device, UnixAddress};
use ringdove::engine::{ConnectTo, Family, Sources};
use ringdove::sys::interface;
use ringdove::{Options, Ways};

use super::values::{host_and_port, parse_host};

#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "Ways to a server")]
pub(crate) struct WayArgs {
    /// Try IPv4 addresses only
    #[arg(short = '4', long, overrides_with_all = ["ipv4", "ipv6"])]
    pub(crate) ipv4: bool,

    /// Try IPv6 addresses only
    #[arg(short = '6', long, overrides_with_all = ["ipv4", "ipv6"])]
    pub(crate) ipv6: bool,

    /// Connect from this interface, address or host; if!NAME, host!NAME and ifhost!NAME!HOST say which
    /// it is. Of several each has its turn
    #[arg(long, value_name = "NAME[,NAME]…", value_delimiter = ',')]
    pub(crate) interface: Vec<Interface>,

    /// Connect from this port, or the first of these that is free
    #[arg(long, value_name = "PORT[-PORT]")]
    pub(crate) local_port: Option<Ports>,

    /// Connect to HOST2:PORT2 instead of HOST1:PORT1; Host and SNI are unchanged. An empty HOST1 or PORT1 means any,
    /// an empty HOST2 or PORT2 the same as before. The first that fits counts
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    pub(crate) connect_to: Vec<Elsewhere>,

    /// Connect to this Unix socket, whoever is asked
    #[arg(long, value_name = "PATH", conflicts_with = "abstract_unix_socket")]
    pub(crate) unix_socket: Option<PathBuf>,

    /// Connect to the Unix socket of this name in the abstract namespace, whoever is asked
    #[arg(long, value_name = "NAME")]
    pub(crate) abstract_unix_socket: Option<String>,
}

/// What stands in `--interface`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interface {
    /// Whichever of the others it is.
    Any(String),
    Device(Device),
    Host(String),
    DeviceAndHost(Device, String),
}

/// Local ports, none of them 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports(RangeInclusive<u16>);

/// What stands in `--connect-to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere(ConnectTo);

impl WayArgs {
    /// Has transfers with these options go these ways.
    pub(crate) fn apply(self, options: &mut Options) -> Result<(), String> {
        let family = self.family();
        let WayArgs { ipv4: _, ipv6: _, interface, local_port, connect_to, .. } = self;
        let unix_socket = match (self.unix_socket, self.abstract_unix_socket) {
            (Some(path), _) => {
                Some(UnixAddress::path(&path).map_err(|why| format!("--unix-socket: {why}"))?)
            }
            (None, Some(name)) => Some(
                UnixAddress::abstract_name(name.as_bytes())
                    .map_err(|why| format!("--abstract-unix-socket: {why}"))?,
            ),
            (None, None) => None,
        };
        let mut binds = Vec::new();
        for interface in interface {
            binds.extend(interface.binds(family)?);
        }
        if let Some(Ports(ports)) = local_port {
            if binds.is_empty() {
                binds.push(Bind::default());
            }
            binds.iter_mut().for_each(|bind| bind.ports = Some(ports.clone()));
        }
        let sources = Sources::new(binds);
        let connect_to: Vec<_> = connect_to.into_iter().map(|Elsewhere(to)| to).collect();
        let ways = Ways { unix_socket, connect_to, family, sources };
        if ways != Ways::default() {
            options.ways = Some(Arc::new(ways));
        }
        Ok(())
    }

    /// The family whose addresses are tried alone.
    pub(crate) fn family(&self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (false, true) => Some(Family::V6),
            (false, false) => None,
        }
    }
}

impl Interface {
    fn binds(self, family: Option<Family>) -> Result<Vec<Bind>, String> {
        let bind = |device: Option<Device>, address| Bind { device, address, ports: None };
        let of_host = |device: Option<Device>, host: &str| {
            let addresses = addresses(host, family)?;
            let binds = addresses.into_iter().map(|ip| bind(device.clone(), Some(ip)));
            Ok(binds.collect::<Vec<_>>())
        };
        match self {
            Interface::Device(device) => Ok(vec![bind(Some(device), None)]),
            Interface::Host(host) => of_host(None, &host),
            Interface::DeviceAndHost(device, host) => of_host(Some(device), &host),
            Interface::Any(name) => match Device::new(&name) {
                Ok(device)
                    if name.parse::<IpAddr>().is_err() && interface::index(&name).is_some() =>
                {
                    Ok(vec![bind(Some(device), None)])
                }
                _ => of_host(None, &name),
            },
        }
    }
}

/// The addresses of a host that sockets are bound to: the first of each family.
fn addresses(host: &str, family: Option<Family>) -> Result<Vec<IpAddr>, String> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse() {
        return Ok(vec![ip]);
    }
    let found = (host, 0).to_socket_addrs();
    let found = found.map_err(|why| {
        format!("--interface: {host} is no interface here, no address, and no host: {why}")
    })?;
    let mut found: Vec<_> = found.map(|address| address.ip()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup_by_key(|ip| ip.is_ipv6());
    found.retain(|ip| match family {
        Some(Family::V4) => ip.is_ipv4(),
        Some(Family::V6) => ip.is_ipv6(),
        None => true,
    });
    match found.is_empty() {
        true => Err(format!("--interface: {host} has no address of the family asked for")),
        false => Ok(found),
    }
}

impl FromStr for Interface {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let device = |name: &str| {
            Device::new(name).map_err(|why| format!("{name:?} is no name of an interface: {why}"))
        };
        let host = |name: &str| match name {
            "" => Err("no host".to_owned()),
            name => Ok(name.to_owned()),
        };
        if let Some(name) = text.strip_prefix("if!") {
            return device(name).map(Interface::Device);
        }
        if let Some(name) = text.strip_prefix("host!") {
            return host(name).map(Interface::Host);
        }
        if let Some(names) = text.strip_prefix("ifhost!") {
            let (name, at) = names.split_once('!').ok_or("not of the form ifhost!NAME!HOST")?;
            return Ok(Interface::DeviceAndHost(device(name)?, host(at)?));
        }
        host(text).map(Interface::Any)
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| match text.trim().parse() {
            Ok(port @ 1..) => Ok(port),
            Ok(0) | Err(_) => Err(format!("{text:?} is not a port")),
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last): (u16, u16) = (port(first)?, port(last)?);
        match first <= last {
            true => Ok(Ports(first..=last)),
            false => Err("the last port is before the first".to_owned()),
        }
    }
}

impl FromStr for Elsewhere {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "not of the form HOST1:PORT1:HOST2:PORT2";
        let (host, rest) = host_and_port(text).ok_or(malformed)?;
        let (port, rest) = rest.split_once(':').ok_or(malformed)?;
        let (to_host, to_port) = host_and_port(rest).ok_or(malformed)?;
        let host_of = |text: &str| match text {
            "" => Ok(None),
            text => parse_host(text).map(Some),
        };
        let port_of = |text: &str| match (text, text.parse()) {
            ("", _) => Ok(None),
            (_, Ok(port @ 1..)) => Ok(Some(port)),
            (text, Ok(0) | Err(_)) => Err(format!("{text:?} is not a port")),
        };
        Ok(Elsewhere(ConnectTo {
            host: host_of(host)?,
            port: port_of(port)?,
            to_host: host_of(to_host)?,
            to_port: port_of(to_port)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_told_apart() {
        let device = |name| Device::new(name).expect("a name");
        let table = [
            ("eth0", Interface::Any("eth0".into())),
            ("10.0.0.1", Interface::Any("10.0.0.1".into())),
            ("if!eth0", Interface::Device(device("eth0"))),
            ("host!eth0", Interface::Host("eth0".into())),
            ("ifhost!eth0!10.0.0.1", Interface::DeviceAndHost(device("eth0"), "10.0.0.1".into())),
        ];
        for (text, want) in table {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for text in ["", "if!", "host!", "ifhost!eth0", "ifhost!!a", "ifhost!a!", "if!a/b"] {
            assert!(text.parse::<Interface>().is_err(), "{text}");
        }
        let any = |name: &str| Interface::Any(name.into()).binds(None);
        let loopback = Bind { device: Some(device("lo")), ..Bind::default() };
        assert_eq!(any("lo"), Ok(vec![loopback]));
        let address = Bind { address: "::1".parse().ok(), ..Bind::default() };
        assert_eq!(any("[::1]"), Ok(vec![address]));
        assert!(any("no-such-host.invalid").is_err_and(|why| why.contains("no-such-host.invalid")));
    }

    #[test]
    fn ports() {
        assert_eq!("80".parse(), Ok(Ports(80..=80)));
        assert_eq!("1000-2000".parse(), Ok(Ports(1000..=2000)));
        for text in ["", "0", "0-1", "2-1", "a", "1-", "-1", "65536", "1-2-3"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn elsewhere() {
        let parse = |text: &str| {
            let Elsewhere(to) = text.parse().expect(text);
            let name =
                |host: Option<ringdove::protocol::Host>| host.map_or("-".into(), |h| h.to_string());
            let port = |port: Option<u16>| port.map_or("-".into(), |port| port.to_string());
            [name(to.host), port(to.port), name(to.to_host), port(to.to_port)].join(" ")
        };
        assert_eq!(parse("A.:80:b:81"), "a. 80 b 81");
        assert_eq!(parse("::b:81"), "- - b 81");
        assert_eq!(parse("a:::81"), "a - - 81");
        assert_eq!(parse(":::"), "- - - -");
        assert_eq!(parse("[::1]:80:[::2]:81"), "::1 80 ::2 81");
        for text in ["", "a", "a:80", "a:80:b", "a:80:b:0", "a:x:b:1", "a b:1:c:2", "a:1:c:2:3"] {
            assert!(text.parse::<Elsewhere>().is_err(), "{text}");
        }
    }
}
