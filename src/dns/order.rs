//! In which order the addresses of a name are tried (RFC 6724, 6).
//!
//! Knows addresses. Must not know which of its own a host would use for each: that is the system's choice at the connect.
//! So of the ten rules those are here that need no source address: 6 (precedence), 8 (smaller scope) and 10 (else as they
//! came). What the others would find out the race to connect finds out: docs/names.md has it rule by rule.

use std::net::{IpAddr, Ipv6Addr};

use super::Kind;

/// Sorts addresses of one family. Those that are alike stay in the order of the answer, which is the server's choice.
pub(crate) fn sort(addresses: &mut [IpAddr]) {
    addresses.sort_by_key(|&ip| (std::cmp::Reverse(precedence(ip)), scope(ip)));
}

/// The family that comes first of a name that has both: IPv6, unless all of its addresses are of a kind that is worse than
/// IPv4, such as those of 6to4, Teredo and local networks. Both lists are sorted.
pub(crate) fn first_family(six: &[IpAddr], four: &[IpAddr]) -> Kind {
    match (six.first(), four.first()) {
        (Some(&six), Some(&four)) if precedence(four) > precedence(six) => Kind::A,
        _ => Kind::Aaaa,
    }
}

/// The default policy table (RFC 6724, 2.1): the longest prefix counts.
const POLICY: [(Ipv6Addr, u32, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 50),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 35),
    (Ipv6Addr::UNSPECIFIED, 96, 1),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 1),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 1),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 3),
    (Ipv6Addr::UNSPECIFIED, 0, 40),
];

fn precedence(ip: IpAddr) -> u8 {
    let bits = u128::from(mapped(ip));
    let fits = |&&(prefix, length, _): &&(Ipv6Addr, u32, u8)| {
        (bits ^ u128::from(prefix)).leading_zeros() >= length
    };
    POLICY.iter().find(fits).map_or(0, |&(_, _, precedence)| precedence)
}

/// How far an address reaches (RFC 6724, 3.1 and 3.2): the numbers of RFC 4291, 2.7.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => LINK,
        IpAddr::V4(_) => GLOBAL,
        IpAddr::V6(ip) if ip.is_multicast() => ip.octets()[1] & 0xf,
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => LINK,
        IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0 => SITE,
        IpAddr::V6(_) => GLOBAL,
    }
}

const LINK: u8 = 2;
const SITE: u8 = 5;
const GLOBAL: u8 = 14;

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &str) -> Vec<IpAddr> {
        list.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    /// RFC 6724, 10.2: the examples whose outcome rests on the rules that are here.
    #[test]
    fn examples_of_the_rfc() {
        let table = [
            ("prefer matching scope or IPv6", "2001:db8:1::1", "198.51.100.121", Kind::Aaaa),
            ("prefer higher precedence", "fd11:1111:1111:1::1", "198.51.100.121", Kind::A),
            ("prefer higher precedence", "2002:c633:6401::1", "198.51.100.121", Kind::A),
            ("prefer higher precedence", "2001::1", "198.51.100.121", Kind::A),
            ("prefer higher precedence", "fe80::1", "198.51.100.121", Kind::Aaaa),
            ("prefer higher precedence", "::1", "127.0.0.1", Kind::Aaaa),
        ];
        for (rule, six, four, first) in table {
            assert_eq!(first_family(&ips(six), &ips(four)), first, "{rule}: {six} {four}");
        }
        let table = [
            (
                "prefer higher precedence",
                "2002:c633:6401::1 2001:db8:1::1",
                "2001:db8:1::1 2002:c633:6401::1",
            ),
            ("prefer higher precedence", "fd11::1 2001:db8:1::1", "2001:db8:1::1 fd11::1"),
            ("prefer smaller scope", "2001:db8:1::1 fe80::1", "fe80::1 2001:db8:1::1"),
        ];
        for (rule, answer, order) in table {
            let mut addresses = ips(answer);
            sort(&mut addresses);
            assert_eq!(addresses, ips(order), "{rule}");
        }
    }

    #[test]
    fn what_is_alike_stays_in_the_order_of_the_answer() {
        for list in
            ["192.0.2.9 192.0.2.1 10.0.0.1", "2001:db8::9 2001:db8::1 2a00::1", "fd00::2 fd00::1"]
        {
            let mut addresses = ips(list);
            sort(&mut addresses);
            assert_eq!(addresses, ips(list));
        }
        assert_eq!(first_family(&[], &ips("192.0.2.1")), Kind::Aaaa);
    }

    /// Each row of the table is found, and not one of a shorter prefix.
    #[test]
    fn the_policy_table() {
        let table = [
            ("::1", 50),
            ("2a00::1", 40),
            ("192.0.2.1", 35),
            ("::ffff:192.0.2.1", 35),
            ("2002::1", 30),
            ("2001::1", 5),
            ("2001:db8::1", 40),
            ("fd00::1", 3),
            ("::2", 1),
            ("fec0::1", 1),
            ("3ffe::1", 1),
        ];
        for (ip, expected) in table {
            assert_eq!(precedence(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
