//! Addresses that are not for the public internet, and those that lead to others.
//!
//! Sources: IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190) as of 2025, the multicast
//! registries, and the manuals of cloud providers. Where a registry has exceptions that can be reached from everywhere
//! inside of a block that cannot, the block is denied whole: they are anycast services that no web server has.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a block of IPv4 addresses is for. The first that has an address says it.
const V4: [(Ipv4Addr, u32, &str); 23] = [
    // a machine's own credentials are there: the provider's network answers, whatever the routes
    (v4(169, 254, 169, 254), 32, METADATA), // AWS, Azure, Google, Oracle, DigitalOcean, …
    (v4(169, 254, 170, 2), 32, METADATA),   // AWS ECS: credentials of a task
    (v4(169, 254, 170, 23), 32, METADATA),  // AWS EKS: credentials of a pod
    (v4(100, 100, 100, 200), 32, METADATA), // Alibaba
    (v4(168, 63, 129, 16), 32, METADATA),   // Azure: the platform's own server, in public space
    (v4(192, 0, 0, 192), 32, METADATA),     // Oracle, classic
    (v4(0, 0, 0, 0), 32, "unspecified"),    // RFC 1122, 3.2.1.3; Linux connects to itself
    (v4(0, 0, 0, 0), 8, "this network"),    // RFC 791, 3.2
    (v4(10, 0, 0, 0), 8, "private"),        // RFC 1918
    (v4(100, 64, 0, 0), 10, "shared"),      // RFC 6598
    (v4(127, 0, 0, 0), 8, "loopback"),      // RFC 1122, 3.2.1.3
    (v4(169, 254, 0, 0), 16, "link-local"), // RFC 3927
    (v4(172, 16, 0, 0), 12, "private"),     // RFC 1918
    (v4(192, 0, 0, 0), 24, "protocol assignments"), // RFC 6890, 2.1
    (v4(192, 0, 2, 0), 24, "documentation"), // RFC 5737
    (v4(192, 88, 99, 0), 24, "6to4 relays"), // RFC 7526: deprecated
    (v4(192, 168, 0, 0), 16, "private"),    // RFC 1918
    (v4(198, 18, 0, 0), 15, "benchmarking"), // RFC 2544
    (v4(198, 51, 100, 0), 24, "documentation"), // RFC 5737
    (v4(203, 0, 113, 0), 24, "documentation"), // RFC 5737
    (v4(224, 0, 0, 0), 4, "multicast"),     // RFC 5771
    (v4(255, 255, 255, 255), 32, "broadcast"), // RFC 919
    (v4(240, 0, 0, 0), 4, "reserved"),      // RFC 1112, 4
];

/// The same of IPv6; `None` where what is within decides.
const V6: [(Ipv6Addr, u32, Option<&str>); 23] = [
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]), 128, Some(METADATA)), // AWS
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]), 128, Some(METADATA)),  // AWS EKS
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]), 128, Some(METADATA)),  // Google
    (v6([0; 8]), 128, Some("unspecified")),                           // RFC 4291, 2.5.2
    (v6([0, 0, 0, 0, 0, 0, 0, 1]), 128, Some("loopback")),            // RFC 4291, 2.5.3
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0]), 96, None),                    // RFC 4291, 2.5.5.2: mapped
    (v6([0; 8]), 96, None), // RFC 4291, 2.5.5.1: compatible
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0]), 96, None), // RFC 6052: NAT64
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0]), 48, Some("local translation")), // RFC 8215
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0]), 64, Some("discard-only")), // RFC 6666
    (v6([0x100, 0, 0, 1, 0, 0, 0, 0]), 64, Some("dummy prefix")), // RFC 9780
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 32, None), // RFC 4380: Teredo
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0]), 48, Some("benchmarking")), // RFC 5180
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 23, Some("protocol assignments")), // RFC 2928
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0]), 32, Some("documentation")), // RFC 3849
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0]), 16, None), // RFC 3056: 6to4
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0]), 20, Some("documentation")), // RFC 9637
    (v6([0x2000, 0, 0, 0, 0, 0, 0, 0]), 3, None), // RFC 4291, 2.4: global unicast
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0]), 7, Some("unique local")), // RFC 4193
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10, Some("link-local")), // RFC 4291, 2.5.6
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0]), 10, Some("site-local")), // RFC 3879: deprecated
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0]), 8, Some("multicast")), // RFC 4291, 2.7
    (v6([0; 8]), 0, Some("reserved")), // RFC 4291, 2.4; SRv6 (RFC 9602) is there
];

const METADATA: &str = "cloud metadata";

/// Whether an address is for the public internet, or what else it is for. What is within is not looked at.
pub(super) fn check(address: IpAddr) -> Result<(), Cow<'static, str>> {
    let purpose = match address {
        IpAddr::V4(ip) => {
            let has = |network: Ipv4Addr, length: u32| {
                (u32::from(ip) ^ u32::from(network)).leading_zeros() >= length
            };
            V4.iter().find(|(network, length, _)| has(*network, *length)).map(|block| block.2)
        }
        IpAddr::V6(ip) => {
            let has = |network: Ipv6Addr, length: u32| {
                (u128::from(ip) ^ u128::from(network)).leading_zeros() >= length
            };
            V6.iter().find(|(network, length, _)| has(*network, *length)).and_then(|block| block.2)
        }
    };
    purpose.map_or(Ok(()), |purpose| Err(purpose.into()))
}

/// The addresses that an address leads to: IPv4 addresses within an IPv6 address, and loopback for the unspecified
/// address, since Linux connects to itself there.
pub(super) fn within(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let found = match address {
        IpAddr::V4(_) => [None; 2],
        IpAddr::V6(ip) => within_v6(ip).map(|within| within.map(IpAddr::from)),
    };
    let all = [Some(address), found[0], found[1]];
    let itself = all.map(|ip| ip.filter(IpAddr::is_unspecified).map(loopback));
    found.into_iter().chain(itself).flatten()
}

fn loopback(unspecified: IpAddr) -> IpAddr {
    match unspecified {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

fn within_v6(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let halves = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        // the unspecified address, and loopback
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None; 2],
        // compatible, mapped, translated (RFC 2765), NAT64
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // NAT64 of a network's own, where its prefix has 96 bits, as most have
        | [0x64, 0xff9b, 1, _, _, _, high, low] => [Some(halves(high, low)), None],
        // Teredo: the server, and the client with all bits turned over
        [0x2001, 0, high, low, .., client_high, client_low] => {
            [Some(halves(high, low)), Some(halves(!client_high, !client_low))]
        }
        [0x2002, high, low, ..] => [Some(halves(high, low)), None],
        // ISATAP (RFC 5214, 6.1), whatever the prefix
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [Some(halves(high, low)), None],
        _ => [None; 2],
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8]) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}
