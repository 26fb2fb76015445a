//! Which driver of ringdove's carries the transfers of programs that watch no sockets themselves.
//!
//! Knows RINGDOVE_DRIVER, and what the system allows. Must not know transfers. Invariant: what cannot be had is no error, since
//! sockets in an epoll are always there.

use std::sync::OnceLock;

use ringdove::driver::Kind;
use ringdove::sys::ring::{Options, SetupFlag};
use ringdove::{Config, Driver};

/// What RINGDOVE_DRIVER says, if it names a driver; it is read once.
pub(crate) fn asked() -> Option<Kind> {
    static ASKED: OnceLock<Option<Kind>> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var("RINGDOVE_DRIVER").ok()?.parse().ok())
}

/// A driver for a multi; `None` where sockets in an epoll are what it gets, as nobody asked for another: a thread that ends takes
/// with it what it began on a ring, and programs hand their handles to others.
pub(crate) fn driver(config: Config) -> Option<Driver> {
    let kind = match asked()? {
        Kind::Epoll => return None,
        kind @ (Kind::Ring | Kind::Poll) => kind,
    };
    // handles are used by one thread after the other, and so is the ring beneath them
    let without = vec![SetupFlag::SingleIssuer];
    Driver::with_ring(kind, config, &Options { without, ..Options::default() }).ok()
}

/// What runs beneath curl_multi_perform(3) here, for curl_version(3).
pub(crate) fn name() -> &'static str {
    driver(Config::default()).map_or(Kind::Epoll, |driver| driver.kind()).name()
}
