//! Names that are known without a query: addresses, this machine's own, those of hosts(5), and those that DNS never has.
//!
//! Knows the file, and which names are special (RFC 6761). Must not know servers. Invariant: `localhost` and what is
//! below it are this machine, whatever the file says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Found, NameError, NameErrorKind, NamesConfig};
use crate::dns::{Hosts, is_within};
use crate::protocol::Host;

/// What is known of names without a query.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    hosts: Arc<Hosts>,
    ipv4: bool,
    ipv6: bool,
}

impl Fixed {
    pub(crate) fn of(config: &NamesConfig) -> Fixed {
        Fixed { hosts: config.hosts.clone(), ipv4: config.ipv4, ipv6: config.ipv6 }
    }

    /// Whether nobody has to be asked for a name.
    pub(crate) fn has(&self, host: &Host) -> bool {
        self.answer(host).is_some()
    }

    /// The addresses of a name that nobody has to be asked for, or why it has none.
    pub(super) fn answer(&self, host: &Host) -> Option<Result<Found, NameError>> {
        let found = |addresses| Some(Ok(Found { addresses, ttl: None, partial: false }));
        let Some(name) = host.name() else { return found(host.ip().into_iter().collect()) };
        if is_within(name, "localhost") {
            return found(loopback(&self.hosts, name, self.ipv4, self.ipv6));
        }
        let of_family = |address: &&IpAddr| if address.is_ipv4() { self.ipv4 } else { self.ipv6 };
        if let Some(addresses) = self.hosts.get(name) {
            let addresses: Vec<_> = addresses.iter().filter(of_family).copied().collect();
            if !addresses.is_empty() {
                return found(addresses);
            }
        }
        let special = is_within(name, "invalid") || is_within(name, "onion");
        special.then_some(Err(NameError { kind: NameErrorKind::Special, ttl: None }))
    }
}

/// The addresses of `localhost` and the names below it, which are this machine's whatever a file or a server says
/// (RFC 6761, 6.3): those of the hosts file, if they are, or both.
fn loopback(hosts: &Hosts, name: &str, ipv4: bool, ipv6: bool) -> Vec<IpAddr> {
    // a machine without IPv6 has no ::1, and most servers listen on IPv4
    let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let fits = |ip: &IpAddr| ip.is_loopback() && if ip.is_ipv4() { ipv4 } else { ipv6 };
    let known = hosts.get(name).or_else(|| hosts.get("localhost")).unwrap_or(&both);
    let found: Vec<_> = known.iter().copied().filter(fits).collect();
    if found.is_empty() { both.into_iter().filter(fits).collect() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine() {
        let hosts = Hosts::parse(b"127.0.0.2 localhost\n192.0.2.1 localhost evil.localhost");
        let found = |hosts: &Hosts, name, ipv4, ipv6| {
            let found = loopback(hosts, name, ipv4, ipv6);
            found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        let none = Hosts::default();
        assert_eq!(found(&none, "localhost", true, true), "127.0.0.1 ::1");
        assert_eq!(found(&none, "a.localhost", false, true), "::1");
        assert_eq!(found(&hosts, "localhost", true, true), "127.0.0.2");
        assert_eq!(found(&hosts, "evil.localhost", true, true), "127.0.0.1 ::1");
        assert_eq!(found(&hosts, "localhost", false, true), "::1");
    }
}
