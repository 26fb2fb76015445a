//! The hosts that no proxy is used for: curl's `--noproxy`, and NO_PROXY.

use std::net::IpAddr;

use crate::protocol::{Origin, zone_in};

/// A list of hosts. Empty, it has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bypass(Vec<Entry>);

/// Hosts, and the one port of theirs that is meant; all unless set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// `*`, alone.
    All,
    /// This name and all below it: lower case, without dots at either end.
    Name(Box<str>),
    /// The addresses whose first so many bits are these.
    Network(IpAddr, u32),
}

impl Bypass {
    /// A list as curl takes it: names and addresses, separated by commas or blanks.
    ///
    /// A name stands for itself and all names below it, with or without a leading dot; an address for
    /// itself, with `/BITS` for a network. With `:PORT` after a name, or an address in brackets if it is one of IPv6,
    /// that port alone is meant. Zones of addresses are passed over. A list that is `*` stands for all hosts; within a list a
    /// `*` means nothing. What cannot be understood matches nothing.
    pub fn parse(list: &str) -> Bypass {
        if list.trim() == "*" {
            return Bypass(vec![Entry { hosts: Hosts::All, port: None }]);
        }
        let items = list.split(|char: char| char == ',' || char.is_whitespace());
        Bypass(items.filter_map(Entry::parse).collect())
    }

    /// Whether no proxy is to be used for this origin.
    pub fn contains(&self, origin: &Origin) -> bool {
        let host = origin.host();
        let is_of = |hosts: &Hosts| match (hosts, host.ip(), host.name()) {
            (Hosts::All, _, _) => true,
            (Hosts::Network(network, bits), Some(ip), _) => same_network(*network, ip, *bits),
            (Hosts::Name(suffix), None, Some(name)) => is_below(name, suffix),
            (Hosts::Network(..), None, _) | (Hosts::Name(_), _, _) => false,
        };
        self.0.iter().any(|Entry { hosts, port }| {
            port.is_none_or(|port| port == origin.port()) && is_of(hosts)
        })
    }
}

impl Entry {
    fn parse(item: &str) -> Option<Entry> {
        let item = match zone_in(item) {
            Some((zone, _)) => [&item[..zone.start], &item[zone.end..]].concat(),
            None => item.split('%').next().unwrap_or_default().to_owned(),
        };
        // the colons of an address without brackets are its own
        match item.rsplit_once(':') {
            Some((hosts, port)) if !hosts.contains(':') || hosts.ends_with(']') => {
                let port = port.parse().ok().filter(|&port| port != 0)?;
                Some(Entry { hosts: Hosts::parse(hosts)?, port: Some(port) })
            }
            _ => Some(Entry { hosts: Hosts::parse(&item)?, port: None }),
        }
    }
}

impl Hosts {
    fn parse(item: &str) -> Option<Hosts> {
        let (address, bits) = match item.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (item, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(address).parse::<IpAddr>() {
            let width = if ip.is_ipv4() { 32 } else { 128 };
            return match bits.unwrap_or(width) {
                bits if bits <= width => Some(Hosts::Network(ip, bits)),
                _ => None,
            };
        }
        let name = item.strip_prefix('.').unwrap_or(item);
        let name = name.strip_suffix('.').unwrap_or(name);
        (!name.is_empty() && bits.is_none()).then(|| Hosts::Name(name.to_ascii_lowercase().into()))
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn same_network(network: IpAddr, ip: IpAddr, bits: u32) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let differ = network.to_bits() ^ ip.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let differ = network.to_bits() ^ ip.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::protocol::Origin;

    fn origin(text: &str) -> Origin {
        let url = Url::parse(&format!("http://{text}/")).expect(text);
        Origin::from_url(&url).expect(text)
    }

    /// List, host, whether it is in it: as curl documents it.
    #[test]
    fn lists_and_hosts() {
        let table = [
            ("", "example.com", false),
            ("*", "example.com", true),
            ("*", "127.0.0.1", true),
            ("*,a", "example.com", false),
            ("*.example.com", "www.example.com", false),
            ("example.com", "example.com", true),
            ("EXAMPLE.com.", "Example.COM", true),
            ("example.com", "example.com.", true),
            ("example.com", "www.example.com", true),
            (".example.com", "www.example.com", true),
            (".example.com", "example.com", true),
            ("example.com", "notexample.com", false),
            ("example.com", "example.com.evil", false),
            ("www.example.com", "example.com", false),
            ("a,b example.com", "example.com", true),
            (" , ,example.com,", "example.com", true),
            (",", "example.com", false),
            (".", "example.com", false),
            ("example.com:80", "example.com", true),
            ("example.com:8080", "example.com", false),
            ("example.com:8080", "www.example.com:8080", true),
            ("example.com:8080", "www.example.com:8081", false),
            ("127.0.0.1:81", "127.0.0.1:81", true),
            ("127.0.0.1:81", "127.0.0.1", false),
            ("[::1]:81", "[::1]:81", true),
            ("[::1]:81", "[::1]", false),
            ("example.com:0", "example.com", false),
            ("example.com:x", "example.com", false),
            ("fe80::1%eth0", "[fe80::1]", true),
            ("[fe80::1%25eth0]:81", "[fe80::1]:81", true),
            ("[fe80::1%eth0]", "[fe80::2]", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.0/8", "127.9.9.9", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("192.168.1.0/33", "192.168.1.0", false),
            ("192.168.1.0/x", "192.168.1.0", false),
            ("0.0.1", "127.0.0.1", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("2001:db8::/32", "[2001:db8:9::1]", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("::/0", "[2001:db9::1]", true),
            ("example.com/8", "example.com", false),
        ];
        for (list, name, expected) in table {
            let name = if name == "::1" { "[::1]" } else { name };
            assert_eq!(Bypass::parse(list).contains(&origin(name)), expected, "{list:?} {name}");
        }
    }
}
