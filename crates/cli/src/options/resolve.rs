//! Addresses that stand in a look-up's place, as curl's `--resolve` has them.
//!
//! Knows the words, and what they come to in an engine. The message of each error completes "invalid value 'x' for
//! --resolve: …".

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ringdove::Settings;
use ringdove::Time;
use ringdove::protocol::{Host, zone_in};

use super::values::{host_and_port, parse_host};

/// The addresses of a host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// Every host that is not named elsewhere, if none is named.
    host: Option<Host>,
    port: u16,
    /// None at all: what was said before of this host and port holds no more.
    addresses: Arc<[IpAddr]>,
    /// They hold for as long as the answer to a look-up would.
    expires: bool,
}

impl Addresses {
    /// Has an engine use them; `ttl` is how long the answer to a look-up holds.
    pub(crate) fn apply(self, settings: &mut Settings<'_>, now: Time, ttl: Duration) {
        let until = if self.expires { now + ttl } else { Time::NEVER };
        settings.set_override_until(self.host, self.port, self.addresses, until);
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "not of the form [+]HOST:PORT:ADDR[,ADDR]… or -HOST:PORT";
        let (removes, expires, rest) = match text.split_at_checked(1) {
            Some(("-", rest)) => (true, false, rest),
            Some(("+", rest)) => (false, true, rest),
            _ => (false, false, text),
        };
        let (host, rest) = host_and_port(rest).ok_or(malformed)?;
        let (port, addresses) = match (removes, rest.split_once(':')) {
            (true, None) => (rest, Vec::new()),
            (false, Some((port, addresses))) => {
                (port, addresses.split(',').map(parse_address).collect::<Result<Vec<_>, _>>()?)
            }
            (true, Some(_)) | (false, None) => return Err(malformed.to_owned()),
        };
        let Some(port @ 1..) = port.parse().ok() else {
            return Err(format!("{port:?} is not a port"));
        };
        let host = match host {
            "*" => None,
            host => Some(parse_host(host)?),
        };
        Ok(Addresses { host, port, addresses: addresses.into(), expires })
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if zone_in(&format!("[{bare}]")).is_some() {
        return Err(format!(
            "{text:?} has a zone, and addresses of look-ups have none; --connect-to takes [{bare}]"
        ));
    }
    bare.parse().map_err(|_| format!("{text:?} is not an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table = [
            ("example.com:80:127.0.0.1", "example.com", 80, 1, false),
            ("EXAMPLE.com.:8443:127.0.0.1,[::1],::2", "example.com.", 8443, 3, false),
            ("[::1]:80:127.0.0.1", "::1", 80, 1, false),
            ("a:81:::1", "a", 81, 1, false),
            ("+a:81:1.1.1.1", "a", 81, 1, true),
            ("-a:81", "a", 81, 0, false),
            ("*:81:1.1.1.1", "*", 81, 1, false),
            ("+*:81:1.1.1.1", "*", 81, 1, true),
            ("-*:81", "*", 81, 0, false),
        ];
        for (text, host, port, count, expires) in table {
            let parsed: Addresses = text.parse().expect(text);
            let name = parsed.host.map_or("*".to_owned(), |host| host.to_string());
            let got = (&name[..], parsed.port, parsed.addresses.len(), parsed.expires);
            assert_eq!(got, (host, port, count, expires), "{text}");
        }
        let bad = [
            "",
            "a",
            "a:80",
            "a:0:127.0.0.1",
            "a:x:1.1.1.1",
            "a:80:",
            "a:80:1.1.1",
            ":80:1.1.1.1",
            "-a",
            "-a:80:1.1.1.1",
            "+a:80",
        ];
        for text in bad {
            assert!(text.parse::<Addresses>().is_err(), "{text}");
        }
        for text in ["a:80:[fe80::1%eth0]", "a:80:fe80::1%25eth0", "a:80:::1,fe80::1%1"] {
            let error = text.parse::<Addresses>().expect_err("a zone");
            assert!(error.contains("has a zone") && error.contains("--connect-to"), "{error}");
        }
        for host in ["a b", "u@a", "a/b", "a?b", "a#b", "**", "*.a"] {
            let text = format!("{host}:80:127.0.0.1");
            assert!(text.parse::<Addresses>().is_err(), "{text}");
        }
    }
}
