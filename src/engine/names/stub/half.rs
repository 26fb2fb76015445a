//! Where half of a look-up stands: the question for one family's addresses.

use std::net::IpAddr;

use super::NameErrorKind;

/// Where one family of a look-up stands, named for what it waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: it is not asked for.
    Off,
    /// A place among its server's queries.
    Queued,
    /// An answer. It has a place among its server's queries.
    Sent,
    Found {
        addresses: Vec<IpAddr>,
        ttl: u32,
    },
    Nothing {
        exists: bool,
        ttl: Option<u32>,
    },
    Failed(NameErrorKind),
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        !matches!(self, State::Queued | State::Sent)
    }

    pub(super) fn is_found(&self) -> bool {
        matches!(self, State::Found { .. })
    }
}
