//! Who looks names up.
//!
//! Knows the options, and what they come to. Must not know how names are looked up.

use std::net::SocketAddr;

use clap::Args as Group;
use ringdove::dns::conf;
use ringdove::engine::NameService;
use serde::{Deserialize, Serialize};

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
    conf::servers(list).map(Servers).map_err(|part| match part.as_str() {
        "" => "there is an empty part".to_owned(),
        part => format!("'{part}' is no address, with a port or without"),
    })
}
