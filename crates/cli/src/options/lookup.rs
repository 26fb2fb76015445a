//! Who looks names up, and how.
//!
//! Knows the options, and what they come to. Must not know how names are looked up.

use std::net::SocketAddr;

use clap::Args as Group;
use ringdove::Config;
use ringdove::dns::conf;
use ringdove::engine::NameService;
use ringdove::sys::interface;
use serde::{Deserialize, Serialize};

use super::values::Seconds;
use super::values::at_least_one;

#[derive(Debug, Clone, Default, Group, Serialize, Deserialize)]
#[command(next_help_heading = "Names")]
pub(crate) struct LookupArgs {
    /// Ask these name servers instead of those of /etc/resolv.conf
    #[arg(long, value_name = "ADDRESS[:PORT][,…]", value_parser = servers, conflicts_with = "system_lookups")]
    pub(crate) dns_servers: Option<Servers>,

    /// Have the system look names up (getaddrinfo), on 32 threads at most
    #[arg(long)]
    pub(crate) system_lookups: bool,
}

/// How the engine's own resolver goes about it.
#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "Names")]
pub(crate) struct ResolverArgs {
    /// Ask no name server more than this many things at a time (default: 8192)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) dns_max_queries: Option<usize>,

    /// Ask no name server more than this many things per second (default: no limit)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) dns_rate: Option<u32>,

    /// Give up on a name that has not been found for this long, 30 at most (default: about 12, or what
    /// resolv.conf's timeout and attempts come to)
    #[arg(long, value_name = "SECONDS")]
    pub(crate) dns_timeout: Option<Seconds>,

    /// Where no name server answers, use addresses that expired at most this long ago
    #[arg(long, value_name = "SECONDS")]
    pub(crate) serve_stale: Option<Seconds>,
}

impl ResolverArgs {
    pub(crate) fn apply(&self, config: Config) -> Config {
        Config {
            server_queries: self.dns_max_queries,
            server_queries_per_second: self.dns_rate,
            lookup_deadline: self.dns_timeout.map(|timeout| timeout.0),
            serve_stale: self.serve_stale.map(|stale| stale.0),
            ..config
        }
    }
}

/// Name servers, in the order in which they are asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Servers(Vec<SocketAddr>);

impl LookupArgs {
    pub(crate) fn service(&self) -> NameService {
        match &self.dns_servers {
            Some(Servers(servers)) => NameService::Servers(servers.clone()),
            None if self.system_lookups => NameService::System,
            None => NameService::Own,
        }
    }
}

fn servers(list: &str) -> Result<Servers, String> {
    conf::servers(list, interface::index).map(Servers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn config(words: &[&str]) -> Option<Config> {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            args: ResolverArgs,
        }
        let words = ["ringdove"].iter().chain(words);
        let only = <Only as clap::Parser>::try_parse_from(words).ok()?;
        Some(only.args.apply(Config::default()))
    }

    #[test]
    fn how_servers_are_asked() {
        let plain = config(&[]).expect("nothing is asked for");
        assert_eq!((plain.server_queries, plain.server_queries_per_second), (None, None));
        assert_eq!((plain.lookup_deadline, plain.serve_stale), (None, None));
        let words =
            ["--dns-max-queries=7", "--dns-rate=50", "--dns-timeout=2.5", "--serve-stale=3600"];
        let all = config(&words).expect("good options");
        assert_eq!((all.server_queries, all.server_queries_per_second), (Some(7), Some(50)));
        assert_eq!(all.lookup_deadline, Some(Duration::from_millis(2500)));
        assert_eq!(all.serve_stale, Some(Duration::from_secs(3600)));
        for word in ["--dns-max-queries=0", "--dns-rate=0", "--dns-timeout=0", "--serve-stale=x"] {
            assert!(config(&[word]).is_none(), "{word}");
        }
    }
}
