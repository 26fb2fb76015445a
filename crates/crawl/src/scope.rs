//! Which URLs belong to a crawl.
//!
//! Knows hosts and domains. Must not know robots, budgets or what was seen.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use url::Url;

/// Decides which URLs belong to a crawl.
pub trait Scope {
    /// Whether this one does.
    ///
    /// # Errors
    ///
    /// Why not, in a few words.
    fn admits(&self, url: &Url) -> Result<(), String>;
}

/// How far from its seeds a crawl goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// To the hosts of the seeds, whatever the scheme and port.
    #[default]
    Host,
    /// To the hosts of the seeds, and those whose names end in one of them.
    Subdomains,
    /// To what begins as a seed does, up to the last slash of its path.
    Prefix,
    /// Anywhere.
    All,
}

impl Reach {
    /// All of them.
    pub const ALL: [Reach; 4] = [Reach::Host, Reach::Subdomains, Reach::Prefix, Reach::All];

    /// The name, as on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Reach::Host => "host",
            Reach::Subdomains => "subdomains",
            Reach::Prefix => "prefix",
            Reach::All => "all",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reach {
    type Err = String;

    fn from_str(name: &str) -> Result<Reach, String> {
        let found = Reach::ALL.into_iter().find(|reach| reach.name() == name);
        found.ok_or_else(|| format!("the scopes are {}", Reach::ALL.map(Reach::name).join(", ")))
    }
}

/// The scope that seeds and a [`Reach`] make.
///
/// ```
/// use ringdove_crawl::scope::{Reach, Scope as _, SeedScope};
///
/// let scope = SeedScope::new(&["http://a.example/x".parse()?], Reach::Host);
/// assert!(scope.admits(&"https://a.example:8443/".parse()?).is_ok());
/// assert_eq!(scope.admits(&"http://b.example/".parse()?), Err("another host: b.example".to_owned()));
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SeedScope {
    reach: Reach,
    hosts: HashSet<String>,
    prefixes: Vec<String>,
}

impl SeedScope {
    /// Of these seeds.
    pub fn new(seeds: &[Url], reach: Reach) -> SeedScope {
        let host = |seed: &Url| seed.host_str().unwrap_or_default().to_owned();
        let prefix = |seed: &Url| {
            let whole = &seed[..url::Position::AfterPath];
            whole[..whole.rfind('/').map_or(whole.len(), |slash| slash + 1)].to_owned()
        };
        SeedScope {
            reach,
            hosts: seeds.iter().map(host).collect(),
            prefixes: seeds.iter().map(prefix).collect(),
        }
    }
}

impl Scope for SeedScope {
    fn admits(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        let is_admitted = match self.reach {
            Reach::All => true,
            Reach::Host => self.hosts.contains(host),
            Reach::Subdomains => {
                let mut rest = Some(host);
                std::iter::from_fn(|| {
                    let this = rest?;
                    rest = this.split_once('.').map(|(_, parent)| parent);
                    Some(this)
                })
                .any(|name| self.hosts.contains(name))
            }
            Reach::Prefix => self.prefixes.iter().any(|prefix| url.as_str().starts_with(prefix)),
        };
        match is_admitted {
            true => Ok(()),
            false if self.reach == Reach::Prefix => Err("another place than the seeds'".to_owned()),
            false => Err(format!("another host: {host}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches() {
        let seeds =
            ["http://a.example/x/y".parse().unwrap(), "https://127.0.0.1/".parse().unwrap()];
        let table = [
            (Reach::Host, "http://a.example:81/z", true),
            (Reach::Host, "http://b.a.example/", false),
            (Reach::Host, "http://127.0.0.1:8080/", true),
            (Reach::Subdomains, "http://c.b.a.example/", true),
            (Reach::Subdomains, "http://xa.example/", false),
            (Reach::Subdomains, "http://example/", false),
            (Reach::Prefix, "http://a.example/x/z", true),
            (Reach::Prefix, "http://a.example/xx", false),
            (Reach::Prefix, "https://a.example/x/z", false),
            (Reach::All, "http://anything/", true),
        ];
        for (reach, url, expected) in table {
            let scope = SeedScope::new(&seeds, reach);
            assert_eq!(scope.admits(&url.parse().unwrap()).is_ok(), expected, "{reach} {url}");
            assert_eq!(reach.name().parse(), Ok(reach));
        }
    }
}
