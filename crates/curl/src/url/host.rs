//! Hosts of URLs: names, and addresses in each of their notations.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::codes::UrlCode;
use crate::escape::unescape;

/// Bytes that no host has.
const BAD: &[u8] = b" \r\n\t/:#?!@{}[]\\$'\"^`*<>=;,+&()";

/// The host as it is kept, and its zone: percent-decoded, an IPv4 address in four decimal numbers.
pub(super) fn canonical(host: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), UrlCode> {
    if let Some(inner) = host.strip_prefix(b"[") {
        return ipv6(inner.strip_suffix(b"]").ok_or(UrlCode::BAD_IPV6)?);
    }
    let host = if host.contains(&b'%') { decoded(host)? } else { host.to_vec() };
    if let Some(address) = ipv4(&host) {
        return Ok((address.to_string().into_bytes(), None));
    }
    match host.iter().any(|byte| byte.is_ascii_control() || BAD.contains(byte)) {
        true => Err(UrlCode::BAD_HOSTNAME),
        false => Ok((host, None)),
    }
}

fn decoded(host: &[u8]) -> Result<Vec<u8>, UrlCode> {
    let plain = unescape(host);
    let bad = plain.is_empty() || plain.iter().any(|byte| *byte == b'%' || byte.is_ascii_control());
    if bad { Err(UrlCode::BAD_HOSTNAME) } else { Ok(plain) }
}

fn ipv6(inner: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), UrlCode> {
    let text = std::str::from_utf8(inner).map_err(|_| UrlCode::BAD_IPV6)?;
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => {
            let zone = zone.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(zone);
            (address, Some(zone.as_bytes().to_vec()))
        }
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| UrlCode::BAD_IPV6)?;
    if zone.as_ref().is_some_and(Vec::is_empty) {
        return Err(UrlCode::BAD_IPV6);
    }
    Ok((format!("[{address}]").into_bytes(), zone))
}

/// An address of one to four numbers, decimal, octal or hexadecimal, of which the last fills what is left.
fn ipv4(host: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(host).ok()?;
    let numbers = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|&number| number > 255) {
        return None;
    }
    let left = 8 * (4 - first.len() as u32);
    if left < 32 && *last >= 1 << left {
        return None;
    }
    let high = first.iter().enumerate().map(|(at, &number)| number << (24 - 8 * at)).sum::<u32>();
    Some(Ipv4Addr::from_bits(high | last))
}

fn number(text: &str) -> Option<u32> {
    let digits = |text: &str, radix| {
        let all = !text.is_empty() && text.chars().all(|char| char.is_digit(radix));
        all.then(|| u32::from_str_radix(text, radix).ok()).flatten()
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => digits(hex, 16),
        None if text.len() > 1 && text.starts_with('0') => digits(text, 8),
        None => digits(text, 10),
    }
}

/// The name in ASCII (RFC 5891).
pub(super) fn punycode(host: &[u8]) -> Result<Vec<u8>, UrlCode> {
    if host.is_ascii() {
        return Ok(host.to_vec());
    }
    let text = std::str::from_utf8(host).map_err(|_| UrlCode::BAD_HOSTNAME)?;
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => Ok(name.into_bytes()),
        _ => Err(UrlCode::BAD_HOSTNAME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_each_notation() {
        let table = [
            ("1.2.3.4", Some("1.2.3.4")),
            ("0x7f000001", Some("127.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("010.1.1.1", Some("8.1.1.1")),
            ("1.2.3", Some("1.2.0.3")),
            ("256.1.1.1", None),
            ("1.2.3.4.5", None),
            ("1.2.3.256", None),
            ("1.2.3.a", None),
            ("", None),
        ];
        for (text, want) in table {
            let got = ipv4(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }
}
