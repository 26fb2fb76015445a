//! What a transfer that asks again has gone through.

use std::time::Duration;

use crate::engine::transfers::retry_policy::Retried;

/// What a transfer that asks again has gone through.
pub(in crate::engine) struct Retrying {
    pub(super) past: Vec<Retried>,
    /// What is to be waited for when the exchange under way is over.
    pub(super) next: Option<Resend>,
}

/// How a request is sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resend {
    pub(super) wait: Duration,
    /// Without `Expect: 100-continue`.
    pub(super) unasked: bool,
}
