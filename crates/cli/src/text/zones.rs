//! Zones of IPv6 addresses by the names of network interfaces: `[fe80::1%25eth0]`, `[fe80::1%eth0]`.
//!
//! Knows interfaces' names, which stand wherever a person writes an address. Everything behind has their numbers.

use std::borrow::Cow;

use ringdove::protocol::zone_in;
use ringdove::sys::interface;

/// The same text with the number of an interface for its name.
pub(crate) fn numbered(text: &str) -> Result<Cow<'_, str>, String> {
    let Some((range, zone)) = zone_in(text) else { return Ok(text.into()) };
    let number = number(zone)?;
    Ok(format!("{}%{number}{}", &text[..range.start], &text[range.end..]).into())
}

fn number(zone: &str) -> Result<u32, String> {
    let number = zone.parse().ok().or_else(|| interface::index(zone));
    number.ok_or_else(|| format!("there is no network interface {zone:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers() {
        let lo = interface::index("lo").expect("a loopback interface");
        let expected = format!("http://[fe80::1%{lo}]:81/a");
        assert_eq!(numbered("http://[fe80::1%25lo]:81/a").unwrap(), expected);
        assert_eq!(numbered("http://[fe80::1%lo]:81/a").unwrap(), expected);
        assert_eq!(numbered("http://a/").unwrap(), "http://a/");
        let error = numbered("http://[fe80::1%25no-such-one]/").unwrap_err();
        assert_eq!(error, "there is no network interface \"no-such-one\"");
    }
}
