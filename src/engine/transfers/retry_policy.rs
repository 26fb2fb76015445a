//! When a request is asked again, as callers say it, and what they are told of it.

use std::time::Duration;

use crate::error::{Cause, Deadline, Error};

/// What is asked for again, when, and how often (curl's `--retry` and what goes with it).
///
/// Transient are the statuses 408, 429, 500, 502, 503 and 504, time-outs of a phase (not
/// [`Timeouts::total`](crate::engine::Timeouts::total), nor the wait for a connection), names that do not
/// resolve, and connections that fail. Of these, what is safe is asked for again: anything where the
/// peer cannot have acted upon the request, the rest for idempotent methods alone (RFC 9110, 9.2.2).
/// A body that cannot be had a second time is not sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often one transfer asks again, at most, over all its redirects.
    pub max: u32,
    /// How long it waits where the server does not say.
    pub wait: Wait,
    /// The longest Retry-After that is heeded; one of no time at all leaves it at [`wait`](Self::wait). A response that asks for more is the last one: to ask
    /// sooner than that would be in vain.
    pub longest: Duration,
    /// Begin no wait that ends later than this after the transfer was admitted; not bounded unless set.
    pub within: Option<Duration>,
    /// A connection that is refused is transient, too.
    pub connection_refused: bool,
    /// Every failure is transient of which the handler has seen nothing, or after which it can begin anew
    /// ([`Handler::starts_over`](crate::engine::Handler::starts_over)), and whatever the method: what the request
    /// does may be done twice.
    pub all_errors: bool,
    /// Every status from 400 on is a failure, and transient if all are.
    pub error_statuses: bool,
}

/// How long to wait before asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Each time so long.
    Fixed(Duration),
    /// `first`, then twice as long each time, up to `most`; of each, a random part of the second half is
    /// left out, so that transfers that failed together do not come back together.
    Doubling {
        /// The first wait.
        first: Duration,
        /// The longest.
        most: Duration,
    },
}

impl Default for RetryPolicy {
    /// As curl's `--retry 3`: waits of 1, 2 and 4 seconds.
    fn default() -> Self {
        Self {
            max: 3,
            wait: Wait::Doubling { first: Duration::from_secs(1), most: Duration::from_secs(600) },
            longest: Duration::from_secs(600),
            within: None,
            connection_refused: false,
            all_errors: false,
            error_statuses: false,
        }
    }
}

/// A request that was not the last one, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The status of its response, where there was one.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<Error>,
    /// How long was waited before the next one.
    pub wait: Duration,
}

impl RetryPolicy {
    /// Whether what went wrong may go right the next time.
    pub(super) fn takes(&self, cause: &Cause) -> bool {
        match cause {
            Cause::Timeout { deadline: Deadline::Total | Deadline::Queue, .. } => false,
            Cause::Timeout { .. }
            | Cause::Resolve(_)
            | Cause::Closed
            | Cause::Memory { .. }
            | Cause::NoMemory { .. } => true,
            Cause::Os { errno, .. } => {
                let kind = std::io::Error::from_raw_os_error(*errno).kind();
                let refused = kind == std::io::ErrorKind::ConnectionRefused;
                !refused || self.connection_refused || self.all_errors
            }
            Cause::Proxy(fault) => self.all_errors || !fault.is_final(),
            Cause::Refused => true,
            Cause::Http(_) | Cause::Http2(_) | Cause::Reset(_) | Cause::Tls(_) => self.all_errors,
            Cause::BodyTooLarge { .. }
            | Cause::Coding(_)
            | Cause::Redirect(_)
            | Cause::Denied { .. }
            | Cause::NoZone { .. }
            | Cause::BodyNotRepeatable
            | Cause::Body(_)
            | Cause::Aborted(_) => false,
        }
    }
}

impl Wait {
    /// The wait after so many.
    pub(super) fn after(self, times: u32, random: u64) -> Duration {
        match self {
            Wait::Fixed(wait) => wait,
            Wait::Doubling { first, most } => {
                let whole = first.saturating_mul(1 << times.min(30)).min(most);
                let less = (random >> 32) as u32;
                whole - (whole / 2).mul_f64(f64::from(less) / f64::from(u32::MAX))
            }
        }
    }
}
