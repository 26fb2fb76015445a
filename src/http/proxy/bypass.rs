//! The hosts that no proxy is used for: curl's `--noproxy`, and NO_PROXY.

use std::net::IpAddr;

use crate::http::Host;

/// A list of hosts. Empty, it has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bypass(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
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
    /// itself, with `/BITS` for a network. A list that is `*` stands for all hosts; within a list a
    /// `*` means nothing. What cannot be understood matches nothing.
    pub fn parse(list: &str) -> Bypass {
        if list.trim() == "*" {
            return Bypass(vec![Entry::All]);
        }
        let items = list.split(|char: char| char == ',' || char.is_whitespace());
        Bypass(items.filter_map(Entry::parse).collect())
    }

    /// Whether no proxy is to be used for this host.
    pub fn contains(&self, host: &Host) -> bool {
        self.0.iter().any(|entry| match (entry, host.ip(), host.name()) {
            (Entry::All, _, _) => true,
            (Entry::Network(network, bits), Some(ip), _) => same_network(*network, ip, *bits),
            (Entry::Name(suffix), None, Some(name)) => is_below(name, suffix),
            _ => false,
        })
    }
}

impl Entry {
    fn parse(item: &str) -> Option<Entry> {
        let (address, bits) = match item.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (item, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(address).parse::<IpAddr>() {
            let width = if ip.is_ipv4() { 32 } else { 128 };
            return match bits.unwrap_or(width) {
                bits if bits <= width => Some(Entry::Network(ip, bits)),
                _ => None,
            };
        }
        let name = item.strip_prefix('.').unwrap_or(item);
        let name = name.strip_suffix('.').unwrap_or(name);
        (!name.is_empty() && bits.is_none()).then(|| Entry::Name(name.to_ascii_lowercase().into()))
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
    use crate::http::Origin;

    fn host(text: &str) -> Host {
        let url = Url::parse(&format!("http://{text}/")).expect(text);
        Origin::from_url(&url).expect(text).host().clone()
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
            ("example.com:80", "example.com", false),
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
            assert_eq!(Bypass::parse(list).contains(&host(name)), expected, "{list:?} {name}");
        }
    }
}
