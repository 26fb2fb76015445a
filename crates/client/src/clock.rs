//! The clock, for deadlines that callers give as points in time.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the one place of this crate where it is read")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
