//! resolv.conf(5): which servers are asked, for which names, how long and how often.
//!
//! Knows the file's text. Must not know where it stands or when it changes. Invariant: what the manual page
//! bounds is within its bounds here, and a line that cannot be read is as if it were not there.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use super::fields;
use crate::limits;

/// The port of DNS (RFC 1035, 4.2).
pub const PORT: u16 = 53;

/// What a resolv.conf(5) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf {
    /// Servers in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains that short names are completed with, lower case.
    pub search: Vec<String>,
    /// Dots from which on a name is asked for as it is before the search list is tried. 1 unless set, at
    /// most 15.
    pub ndots: usize,
    /// How long one query waits, if the file says: 1 to 30 s.
    pub timeout: Option<Duration>,
    /// How often all servers are asked, if the file says: 1 to 5 times.
    pub attempts: Option<u32>,
    /// Whether look-ups begin with one server after another.
    pub rotate: bool,
    /// Whether all queries go over TCP (`use-vc`).
    pub tcp: bool,
    /// Whether IPv6 addresses are not asked for (`no-aaaa`).
    pub no_aaaa: bool,
}

impl Default for Conf {
    /// What an empty file says: a server on this machine.
    fn default() -> Conf {
        Conf {
            servers: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)],
            search: Vec::new(),
            ndots: 1,
            timeout: None,
            attempts: None,
            rotate: false,
            tcp: false,
            no_aaaa: false,
        }
    }
}

impl Conf {
    /// Reads a file. `interface` gives the index of a network interface, for servers with a scope such as
    /// `fe80::1%eth0`; servers of interfaces that it does not know are left out.
    ///
    /// As glibc reads it: keywords stand at the beginning of a line, the first three servers count, and of
    /// `search` and `domain` the last. The host's own domain is not taken in their place.
    pub fn parse(text: &[u8], interface: impl Fn(&str) -> Option<u32>) -> Conf {
        let mut conf = Conf { servers: Vec::new(), ..Conf::default() };
        for line in text[..text.len().min(limits::NAME_FILE)].split(|&byte| byte == b'\n') {
            if line.first().is_none_or(|byte| b"#; \t".contains(byte)) {
                continue;
            }
            let mut words = fields(line);
            match words.next() {
                Some("nameserver") if conf.servers.len() < SERVERS => {
                    conf.servers.extend(words.next().and_then(|word| server(word, &interface)));
                }
                Some("search") => conf.set_search(words),
                Some("domain") => conf.set_search(words.take(1)),
                Some("options") => words.for_each(|word| conf.set_option(word)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers = Conf::default().servers;
        }
        conf
    }

    fn set_search<'a>(&mut self, domains: impl Iterator<Item = &'a str>) {
        let domains = domains.map(|domain| domain.trim_matches('.').to_ascii_lowercase());
        let domains = domains.filter(|domain| !domain.is_empty());
        self.search = domains.take(limits::SEARCH_DOMAINS).collect();
    }

    fn set_option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        let value = value.parse::<u32>().ok();
        match (name, value) {
            ("ndots", Some(dots)) => self.ndots = dots.min(15) as usize,
            ("timeout", Some(seconds)) => {
                self.timeout = Some(Duration::from_secs(u64::from(seconds.clamp(1, 30))));
            }
            ("attempts", Some(attempts)) => self.attempts = Some(attempts.clamp(1, 5)),
            ("rotate", _) => self.rotate = true,
            ("use-vc", _) => self.tcp = true,
            ("no-aaaa", _) => self.no_aaaa = true,
            _ => {}
        }
    }
}

/// Reads a list of servers, `ADDRESS[:PORT]` with commas between them, an IPv6 address with a port in
/// brackets, and with a scope such as `fe80::1%eth0`; `interface` gives the index of an interface. The error names the part
/// that is none, and says why.
pub fn servers(
    list: &str,
    interface: impl Fn(&str) -> Option<u32>,
) -> Result<Vec<SocketAddr>, String> {
    let one = |part: &str| {
        let part = part.trim();
        let (bare, port) = match part.strip_prefix('[').and_then(|part| part.split_once(']')) {
            Some((bare, "")) => (bare, Some(PORT)),
            Some((bare, port)) => (bare, port.strip_prefix(':').and_then(|port| port.parse().ok())),
            None if part.matches(':').count() == 1 => {
                let (bare, port) = part.split_once(':').unwrap_or_default();
                (bare, port.parse().ok())
            }
            None => (part, Some(PORT)),
        };
        let address = port.filter(|&port| port != 0).zip(server(bare, &interface));
        let (port, mut address) = address.ok_or_else(|| no_server(part, bare, &interface))?;
        if lacks_zone(&address) {
            return Err(format!(
                "'{bare}' is on each link another: it needs a zone, as '{bare}%eth0'"
            ));
        }
        address.set_port(port);
        Ok(address)
    };
    let servers: Vec<_> = list.split(',').map(one).collect::<Result<_, _>>()?;
    if servers.len() > limits::NAME_SERVERS {
        return Err(format!("more than {} servers", limits::NAME_SERVERS));
    }
    Ok(servers)
}

/// Why a part of a list, with this address in it, is no server.
fn no_server(part: &str, bare: &str, interface: impl Fn(&str) -> Option<u32>) -> String {
    match bare.split_once('%') {
        _ if part.is_empty() => "there is an empty part".to_owned(),
        Some((_, zone)) if zone.parse::<u32>().is_err() && interface(zone).is_none() => {
            format!("'{part}': there is no network interface '{zone}'")
        }
        Some(_) | None => format!("'{part}' is no address, with a port or without"),
    }
}

/// Whether an address is one of a link, and nothing says which.
fn lacks_zone(address: &SocketAddr) -> bool {
    let SocketAddr::V6(address) = address else { return false };
    let ip = address.ip();
    // ff02::/16 and ff01::/16 are multicast of a link and of an interface (RFC 4291, 2.7)
    let of_link =
        ip.is_unicast_link_local() || matches!(ip.segments()[0] & 0xff0f, 0xff01 | 0xff02);
    of_link && address.scope_id() == 0
}

/// MAXNS of resolv.conf(5).
const SERVERS: usize = 3;

fn server(word: &str, interface: impl Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let Some((address, scope)) = word.split_once('%') else {
        return Some(SocketAddr::new(word.parse().ok()?, PORT));
    };
    let scope = scope.parse().ok().or_else(|| interface(scope))?;
    Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Conf {
        Conf::parse(text.as_bytes(), |name| (name == "eth0").then_some(7))
    }

    fn listed(conf: &Conf) -> Vec<String> {
        conf.servers.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn servers_of_a_file() {
        let table: [(&str, &[&str]); 12] = [
            ("", &["127.0.0.1:53"]),
            ("nameserver 192.0.2.1\n", &["192.0.2.1:53"]),
            (
                "nameserver\t192.0.2.1   # near\nnameserver 2001:db8::1",
                &["192.0.2.1:53", "[2001:db8::1]:53"],
            ),
            ("nameserver fe80::1%eth0", &["[fe80::1%7]:53"]),
            ("nameserver fe80::1%3", &["[fe80::1%3]:53"]),
            ("nameserver fe80::1%wlan9\nnameserver 192.0.2.1", &["192.0.2.1:53"]),
            (
                "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4",
                &["1.1.1.1:53", "2.2.2.2:53", "3.3.3.3:53"],
            ),
            (" nameserver 192.0.2.1", &["127.0.0.1:53"]),
            ("; nameserver 192.0.2.1\n#nameserver 192.0.2.1", &["127.0.0.1:53"]),
            ("nameserver 192.0.2.1:5353\nnameserver name\nnameserver", &["127.0.0.1:53"]),
            ("nameserver 192.0.2.1\r\n", &["192.0.2.1:53"]),
            ("nameserver \u{fffd}\n\nnameserver 192.0.2.1", &["192.0.2.1:53"]),
        ];
        for (text, expected) in table {
            assert_eq!(listed(&parse(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn search_lists() {
        let table: [(&str, &[&str]); 6] = [
            ("search a.example B.Example.", &["a.example", "b.example"]),
            ("domain a.example b.example", &["a.example"]),
            ("domain a.example\nsearch b.example", &["b.example"]),
            ("search b.example\ndomain a.example", &["a.example"]),
            ("search . a.example", &["a.example"]),
            ("searching a.example", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).search, expected, "{text:?}");
        }
        let many = format!("search {}", "a.example ".repeat(1000));
        assert_eq!(parse(&many).search.len(), limits::SEARCH_DOMAINS);
    }

    #[test]
    fn options_and_their_bounds() {
        let conf =
            parse("options ndots:99 timeout:99 attempts:99 rotate\noptions use-vc no-aaaa edns0");
        assert_eq!(conf.ndots, 15);
        assert_eq!((conf.timeout, conf.attempts), (Some(Duration::from_secs(30)), Some(5)));
        assert!(conf.rotate && conf.tcp && conf.no_aaaa);
        let conf = parse("options ndots:0 timeout:0 attempts:0");
        assert_eq!((conf.ndots, conf.timeout), (0, Some(Duration::from_secs(1))));
        assert_eq!(conf.attempts, Some(1));
        let conf = parse("options ndots:-1 timeout: attempts:x ndots timeout:99999999999");
        assert_eq!(conf, Conf::default());
    }

    #[test]
    fn lists_of_servers() {
        let index = |name: &str| (name == "eth0").then_some(7);
        let table = [
            ("192.0.2.1", Ok("192.0.2.1:53")),
            ("192.0.2.1:5353", Ok("192.0.2.1:5353")),
            ("2001:db8::1", Ok("[2001:db8::1]:53")),
            ("[2001:db8::1]", Ok("[2001:db8::1]:53")),
            ("[2001:db8::1]:5353", Ok("[2001:db8::1]:5353")),
            ("fe80::1%eth0", Ok("[fe80::1%7]:53")),
            ("[fe80::1%3]:5353", Ok("[fe80::1%3]:5353")),
            ("fe80::1%wlan9", Err("'fe80::1%wlan9': there is no network interface 'wlan9'")),
            ("x%9", Err("'x%9' is no address, with a port or without")),
            (
                "fe80::1",
                Err("'fe80::1' is on each link another: it needs a zone, as 'fe80::1%eth0'"),
            ),
            (
                "[ff02::1]:53",
                Err("'ff02::1' is on each link another: it needs a zone, as 'ff02::1%eth0'"),
            ),
            ("[192.0.2.1]:5353", Ok("192.0.2.1:5353")),
            ("[::1]5353", Err("'[::1]5353' is no address, with a port or without")),
            ("dns.example", Err("'dns.example' is no address, with a port or without")),
            ("192.0.2.1:0", Err("'192.0.2.1:0' is no address, with a port or without")),
            ("", Err("there is an empty part")),
        ];
        for (list, expected) in table {
            let found = servers(list, index).map(|servers| servers[0].to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{list}");
        }
        assert_eq!(servers("192.0.2.1, ::1", index).unwrap().len(), 2);
        assert_eq!(servers(&["::1"; 17].join(","), index).unwrap_err(), "more than 16 servers");
    }
}
