//! Tables of addresses, and what a policy says of each.

use std::net::IpAddr;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn range(text: &str) -> AddressRange {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The first and the last address of each block, those beside it, and what is said of them.
#[test]
fn what_is_private() {
    let table = [
        ("0.0.0.0", "unspecified"),
        ("0.0.0.1", "this network"),
        ("0.255.255.255", "this network"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.0", "shared"),
        ("100.127.255.255", "shared"),
        ("100.100.100.200", "cloud metadata"),
        ("127.0.0.0", "loopback"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("168.63.129.16", "cloud metadata"),
        ("169.254.0.1", "link-local"),
        ("169.254.255.255", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("169.254.170.2", "cloud metadata"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.0", "protocol assignments"),
        ("192.0.0.255", "protocol assignments"),
        ("192.0.0.192", "cloud metadata"),
        ("192.0.2.0", "documentation"),
        ("192.0.2.255", "documentation"),
        ("192.88.99.1", "6to4 relays"),
        ("192.168.0.0", "private"),
        ("192.168.255.255", "private"),
        ("198.18.0.0", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.255", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.0", "reserved"),
        ("255.255.255.254", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "this network, as 0.0.0.2"),
        ("::127.0.0.1", "loopback, as 127.0.0.1"),
        ("::ffff:0.0.0.0", "unspecified, as 0.0.0.0"),
        ("::ffff:127.0.0.1", "loopback, as 127.0.0.1"),
        ("::ffff:7f00:1", "loopback, as 127.0.0.1"),
        ("::ffff:169.254.169.254", "cloud metadata, as 169.254.169.254"),
        ("::ffff:0:127.0.0.1", "reserved"),
        ("::fffe:127.0.0.1", "reserved"),
        ("64:ff9b::127.0.0.1", "loopback, as 127.0.0.1"),
        ("64:ff9b::a00:1", "private, as 10.0.0.1"),
        ("64:ff9b:0:1::1", "reserved"),
        ("64:ff9b:1::", "local translation"),
        ("64:ff9b:1:ffff::808:808", "local translation"),
        ("100::1", "discard-only"),
        ("100:0:0:1::1", "dummy prefix"),
        ("2001::", "unspecified, as 0.0.0.0"),
        // Teredo: by the server, and by the client
        ("2001:0:7f00:1:0:0:f7f7:f7f7", "loopback, as 127.0.0.1"),
        ("2001:0:808:808::80ff:fffe", "loopback, as 127.0.0.1"),
        ("2001:2::1", "benchmarking"),
        ("2001:1::1", "protocol assignments"),
        ("2001:1ff:ffff::", "protocol assignments"),
        ("2001:db8::", "documentation"),
        ("2001:db8:ffff::1", "documentation"),
        ("2002:7f00:1::1", "loopback, as 127.0.0.1"),
        ("2002:c0a8:101::", "private, as 192.168.1.1"),
        ("3fff:fff::1", "documentation"),
        ("4000::1", "reserved"),
        ("5f00::1", "reserved"),
        ("fbff::1", "reserved"),
        ("fc00::1", "unique local"),
        ("fdff:ffff::1", "unique local"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fd20:ce::254", "cloud metadata"),
        ("fe00::1", "reserved"),
        ("fe80::1", "link-local"),
        ("febf:ffff::1", "link-local"),
        ("fec0::1", "site-local"),
        ("feff:ffff::1", "site-local"),
        ("ff02::1", "multicast"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
    ];
    let policy = AddressPolicy::deny_private();
    for (address, why) in table {
        assert_eq!(policy.check(ip(address)).expect_err(address), why, "{address}");
        assert!(AddressPolicy::new().check(ip(address)).is_ok(), "{address}");
    }
}

#[test]
fn what_is_public() {
    let policy = AddressPolicy::deny_private();
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2000::",
        "2001:200::1",
        "2001:0:808:808::f7f7:f7f7",
        "2001:4860:4860::8888",
        "2002:808:808::1",
        "2606:4700::1111",
        "3ffe::1",
        "3fff:1000::",
    ] {
        assert_eq!(policy.check(ip(address)), Ok(()), "{address}");
    }
}

#[test]
fn rules_decide_in_their_order() {
    let policy = AddressPolicy::deny_private()
        .deny(range("10.9.0.0/16"))
        .allow(range("10.0.0.0/8"))
        .allow(range("::1"))
        .deny(range("8.8.8.0/24"))
        .allow(range("8.8.8.8"));
    let table = [
        ("10.9.1.1", Err("denied by 10.9.0.0/16")),
        ("10.1.1.1", Ok(())),
        ("192.168.0.1", Err("private")),
        ("::1", Ok(())),
        ("8.8.8.8", Err("denied by 8.8.8.0/24")),
        ("9.9.9.9", Ok(())),
        // both as it is and as what is within
        ("::ffff:10.1.1.1", Ok(())),
        ("::ffff:10.9.1.1", Err("denied by 10.9.0.0/16, as 10.9.1.1")),
        ("2002:808:801::", Err("denied by 8.8.8.0/24, as 8.8.8.1")),
        ("64:ff9b:1::a01:101", Err("local translation")),
    ];
    for (address, expected) in table {
        let got = policy.check(ip(address));
        assert_eq!(got.as_ref().map_err(|why| &**why), expected.as_ref().map_err(|why| *why));
    }
    let only = AddressPolicy::new()
        .allow(range("203.0.113.0/24"))
        .deny(range("0.0.0.0/0"))
        .deny(range("::/0"));
    assert_eq!(only.check(ip("203.0.113.9")), Ok(()));
    for address in ["203.0.114.9", "2000::1", "::ffff:203.0.113.9"] {
        assert!(only.check(ip(address)).is_err(), "{address}");
    }
}

/// Linux connects to itself where a socket is to be connected to the unspecified address.
#[test]
fn the_unspecified_address_is_loopback() {
    let four = AddressPolicy::new().deny(range("127.0.0.0/8"));
    let six = AddressPolicy::new().deny(range("::1"));
    let table = [
        ("0.0.0.0", Some("denied by 127.0.0.0/8, as 127.0.0.1"), None),
        ("::ffff:0.0.0.0", Some("denied by 127.0.0.0/8, as 127.0.0.1"), None),
        ("64:ff9b::", Some("denied by 127.0.0.0/8, as 127.0.0.1"), None),
        ("2002::", Some("denied by 127.0.0.0/8, as 127.0.0.1"), None),
        ("::", None, Some("denied by ::1/128, as ::1")),
        ("::1", None, Some("denied by ::1/128")),
        ("::2", None, None),
        ("0.0.0.1", None, None),
    ];
    for (address, by_four, by_six) in table {
        for (policy, expected) in [(&four, by_four), (&six, by_six)] {
            let why = policy.check(ip(address)).err();
            assert_eq!(why.as_deref(), expected, "{address}");
        }
    }
    // and allowed where both are
    let both = AddressPolicy::deny_private().allow(range("0.0.0.0")).allow(range("::"));
    assert_eq!(both.check(ip("0.0.0.0")), Err("loopback, as 127.0.0.1".into()));
    let both = both.allow(range("127.0.0.1")).allow(range("::1"));
    assert_eq!((both.check(ip("0.0.0.0")), both.check(ip("::"))), (Ok(()), Ok(())));
}

#[test]
fn a_check_of_the_callers_own() {
    let policy = AddressPolicy::deny_private().ask(|ip| match ip {
        IpAddr::V4(ip) if ip.octets()[3] == 13 => Err("unlucky".into()),
        _ => Ok(()),
    });
    assert_eq!(policy.check(ip("8.8.8.13")), Err("unlucky".into()));
    assert_eq!(policy.check(ip("2002:808:80d::")), Err("unlucky, as 8.8.8.13".into()));
    assert_eq!(policy.check(ip("10.0.0.13")), Err("private".into()), "asked last");
    assert_eq!(policy.check(ip("8.8.8.8")), Ok(()));
}

#[test]
fn ranges() {
    let good = [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("FC00::/7", "fc00::/7"),
        ("[::1]", "::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
    ];
    for (text, expected) in good {
        assert_eq!(range(text).to_string(), expected, "{text}");
    }
    let bad = [
        "",
        "/8",
        "a/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.1.0.0/8",
        "::1/64",
        "::/129",
        "::/999",
        "fe80::1%eth0",
        "10.0.0/8",
        "010.0.0.0/8",
    ];
    for text in bad {
        assert!(text.parse::<AddressRange>().is_err(), "{text}");
    }
    assert!(range("0.0.0.0/0").contains(ip("255.1.2.3")));
    assert!(!range("0.0.0.0/0").contains(ip("::1")), "a family is no part of the other");
    assert!(range("10.1.2.3").contains(ip("10.1.2.3")));
    assert!(!range("10.1.2.3").contains(ip("10.1.2.2")));
    let error = "10.1.0.0/8".parse::<AddressRange>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"10.1.0.0/8\" is not a range of addresses: the address has bits beyond the length"
    );
}
