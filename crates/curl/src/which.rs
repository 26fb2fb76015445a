//! Which driver of ringdove's carries the transfers of programs that watch no sockets themselves.
//!
//! Knows RINGDOVE_DRIVER, and what the system allows. Must not know transfers. Invariants: what cannot be had is no error, since
//! sockets in an epoll are always there; what the system has refused for good is not asked for again.

use std::sync::OnceLock;

use ringdove::driver::{DriverError, Kind};
use ringdove::sys::ring::{Options, SetupFlag};
use ringdove::{Config, Driver};

/// For whom a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A multi of the program's.
    Multi,
    /// An easy handle's own, for one transfer at a time, with [`FEW`] connections.
    Easy,
}

/// Connections of a driver for one transfer at a time, most of which are idle.
pub(crate) const FEW: usize = 64;

/// The driver that carries what needs no socket; `None`: sockets in an epoll. RINGDOVE_DRIVER names another, and is read once: a ring
/// that is handed from thread to thread interrupts system calls of theirs, and is killed by filters that kill, so that it is for those
/// who ask for it.
pub(crate) fn wanted() -> Option<Kind> {
    static ASKED: OnceLock<Option<Kind>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| std::env::var("RINGDOVE_DRIVER").ok()?.parse().ok());
    asked.filter(|&kind| kind != Kind::Epoll)
}

/// A driver, if one is wanted.
///
/// # Errors
///
/// Why there is none: of what is short now there may be more for the next.
pub(crate) fn driver(config: Config, whose: Whose) -> Result<Driver, Option<DriverError>> {
    static REFUSED: OnceLock<DriverError> = OnceLock::new();
    let kind = wanted().ok_or(None)?;
    if let Some(refused) = REFUSED.get() {
        return Err(Some(refused.clone()));
    }
    // handles are used by one thread after the other, and so is the ring beneath them
    let without = vec![SetupFlag::SingleIssuer];
    let all = Options { without, ..Options::default() };
    let options = match whose {
        Whose::Multi => all,
        // a third of a megabyte less for each handle
        Whose::Easy => {
            Options { sq_entries: 64, cq_entries: 512, direct_descriptors: FEW as u32, ..all }
        }
    };
    Driver::with_ring(kind, config, &options).map_err(|refused| {
        if !refused.is_shortage {
            let _ = REFUSED.set(refused.clone());
        }
        Some(refused)
    })
}

/// What runs beneath curl_multi_perform(3) here, for curl_version(3).
pub(crate) fn name() -> &'static str {
    static NAME: OnceLock<&str> = OnceLock::new();
    NAME.get_or_init(|| {
        let driver = driver(Config::default(), Whose::Multi);
        driver.map_or(Kind::Epoll, |driver| driver.kind()).name()
    })
}
