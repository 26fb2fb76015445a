//! What a look-up finds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::names::stub::{Found, NameError};
use crate::error::Unresolved;

/// The addresses of a host, in the order in which they are tried.
pub(in crate::engine) type Addresses = Arc<[IpAddr]>;

/// How a look-up ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum LookupOutcome {
    /// With addresses, and for how long they hold, if that is known.
    Found { addresses: Addresses, ttl: Option<Duration> },
    /// The same, of one family. The other's may come: [`Resolver::learn`] or [`Resolver::learn_no_more`] is called.
    Partial { addresses: Addresses, ttl: Option<Duration> },
    /// Servers said that there is nothing, and for how long that holds, if they did.
    Nothing { why: Unresolved, ttl: Option<Duration> },
    /// Nobody could say.
    Failed { why: Unresolved },
    /// The system's resolver found nothing, and does not say whether there is nothing.
    Unknown { why: Unresolved },
}

impl LookupOutcome {
    /// What the system has found.
    pub(in crate::engine) fn of_system(result: Result<Vec<IpAddr>, String>) -> LookupOutcome {
        match result {
            Ok(addresses) if addresses.is_empty() => {
                LookupOutcome::Unknown { why: Unresolved::lasting("the name has no address") }
            }
            Ok(addresses) => LookupOutcome::Found { addresses: addresses.into(), ttl: None },
            Err(why) => LookupOutcome::Unknown { why: why.into() },
        }
    }

    pub(super) fn of(result: Result<Found, NameError>) -> LookupOutcome {
        match result {
            Ok(Found { addresses, ttl, partial }) => {
                let addresses = addresses.into();
                match partial {
                    true => LookupOutcome::Partial { addresses, ttl },
                    false => LookupOutcome::Found { addresses, ttl },
                }
            }
            Err(error) => {
                let text = error.to_string();
                match error.is_negative() {
                    true => {
                        LookupOutcome::Nothing { why: Unresolved::lasting(&text), ttl: error.ttl }
                    }
                    false => LookupOutcome::Failed { why: text.into() },
                }
            }
        }
    }
}
