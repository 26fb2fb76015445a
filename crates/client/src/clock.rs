//! The clock, for deadlines that callers give as points in time.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the one place of this crate where it is read")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// So much later, or as late as it makes no difference any more.
pub(crate) fn after(wait: Duration) -> Instant {
    let now = now();
    now.checked_add(wait).unwrap_or(now + LONG)
}

/// A hundred years.
const LONG: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
