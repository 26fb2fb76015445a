//! Zones of IPv6 addresses in URLs: which network interface a link-local address is on (RFC 4007).
//!
//! Knows how they are written. Must not know which interfaces there are: a zone is a number here, and whoever takes names
//! from a person turns them into numbers before. A zone means something on this machine alone: it is no part of an
//! authority, and is sent to nobody (RFC 6874, 3).

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::ops::Range;

use super::fault::{RequestError, excerpt};

/// Where the zone of a URL's or an authority's IPv6 literal stands, with the `%` or `%25` before it, and the zone alone.
/// Both are written: `[fe80::1%25eth0]` (RFC 6874) and `[fe80::1%eth0]`, as everywhere else (RFC 9844).
pub fn zone_in(text: &str) -> Option<(Range<usize>, &str)> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    let host = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let literal = text[host..end].strip_prefix('[')?;
    let literal = &literal[..literal.find(']')?];
    let (address, zone) = literal.split_once('%')?;
    address.parse::<Ipv6Addr>().ok()?;
    let at = host + 1 + address.len();
    let name = zone.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(zone);
    (!name.is_empty()).then_some((at..at + 1 + zone.len(), name))
}

/// A URL without the zone of its host, which no parser of URLs knows, and the zone: 0 without one.
///
/// # Errors
///
/// If the zone is no number of an interface.
pub fn take_zone(text: &str) -> Result<(Cow<'_, str>, u32), RequestError> {
    let Some((range, zone)) = zone_in(text) else { return Ok((text.into(), 0)) };
    let bad = |_| RequestError::BadHost {
        host: excerpt(zone.as_bytes()),
        why: "a zone that is no number of a network interface",
    };
    let number = zone.parse().map_err(bad)?;
    Ok(([&text[..range.start], &text[range.end..]].concat().into(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_wherever_an_address_stands() {
        let table = [
            ("http://[fe80::1%25eth0]/", Some("eth0"), "http://[fe80::1]/"),
            ("http://[fe80::1%eth0]:81/a%25b", Some("eth0"), "http://[fe80::1]:81/a%25b"),
            ("https://u:p%40@[fe80::1%253]?q", Some("3"), "https://u:p%40@[fe80::1]?q"),
            ("[fe80::1%lo]:80", Some("lo"), "[fe80::1]:80"),
            ("http://[fe80::1%25]/", Some("25"), "http://[fe80::1]/"),
            ("http://[fe80::1%]/", None, ""),
            ("http://[fe80::1]/[::1%eth0]", None, ""),
            ("http://[nonsense%eth0]/", None, ""),
            ("http://a%25b/", None, ""),
            ("http://[fe80::1%eth0", None, ""),
            ("http://[fe80::1%eth0@[::1]/", None, ""),
            ("", None, ""),
        ];
        for (text, zone, without) in table {
            let found = zone_in(text);
            assert_eq!(found.as_ref().map(|(_, zone)| *zone), zone, "{text}");
            if let Some((range, _)) = found {
                assert_eq!([&text[..range.start], &text[range.end..]].concat(), without);
            }
        }
        assert_eq!(take_zone("http://[fe80::1%257]/").unwrap(), ("http://[fe80::1]/".into(), 7));
        assert_eq!(take_zone("http://[fe80::1]/").unwrap().1, 0);
        let error = take_zone("http://[fe80::1%25eth0]/").unwrap_err().to_string();
        assert!(error.contains("eth0") && error.contains("zone"), "{error}");
    }
}
