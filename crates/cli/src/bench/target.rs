//! Where requests go: URLs, with the zones of their addresses, which no parser of URLs knows.
//!
//! Knows how one is written. Must not know what is asked for there.

use std::fmt;
use std::str::FromStr;

use ringdove::Request;
use ringdove::protocol::take_zone;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::text::zones;

/// A URL that can be requested, and the number of the network interface that its address is on; 0 has the system choose.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) scope: u32,
}

impl Target {
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = zones::numbered(text)?;
        Request::get(&text).map_err(|why| why.to_string())?;
        let (bare, scope) = take_zone(&text).map_err(|why| why.to_string())?;
        let url = Url::parse(&bare).map_err(|why| why.to_string())?;
        Ok(Target { url, scope })
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scope, self.url.as_str().split_once(']')) {
            (0, _) | (_, None) => f.write_str(self.url.as_str()),
            // a bracket before the host's own is percent-encoded
            (scope, Some((host, rest))) => write!(f, "{host}%{scope}]{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_told_of_zones() {
        let table = [
            ("HTTP://A.example:80/b", "http://a.example/b"),
            ("http://u:]@[fe80::1%257]:81/]", "http://u:%5D@[fe80::1%7]:81/]"),
            ("http://[fe80:0::1]/", "http://[fe80::1]/"),
        ];
        for (text, written) in table {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), written);
            let told = serde_json::to_string(&target).expect("JSON");
            let Target { url, scope } = serde_json::from_str(&told).expect("a target");
            assert_eq!((url, scope), (target.url, target.scope), "{text}");
        }
        let error = "http://[fe80::1%25nowhere]/".parse::<Target>().expect_err("no interface");
        assert_eq!(error, "there is no network interface \"nowhere\"");
    }
}
