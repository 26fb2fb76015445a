//! What is asked for again, in curl's words, and how that is told.
//!
//! Knows `--retry` and its like. Must not know who waits, or when.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as Group;
use ringdove::engine::{RetryBudget, Wait};
use ringdove::{Options, RetryPolicy};

use super::values::whole_number;

/// The longest wait, of those that double and of those that servers ask for.
const LONGEST: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Asking again")]
pub(crate) struct RetryArgs {
    /// Ask again up to N times where that is safe and may help: after time-outs, failed look-ups and
    /// connections, and the statuses 408, 429, 500, 502, 503 and 504. Waits for 1 second, then twice as
    /// long each time up to 10 minutes, less a random part; or for as long as Retry-After says
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = whole_number)]
    pub(crate) retry: u32,

    /// Wait for this long each time; 0 for the waits that double
    #[arg(long, value_name = "SECONDS", requires = "retry")]
    pub(crate) retry_delay: Option<Span>,

    /// Begin no wait that would end later than this after the transfer began; 0 for any
    #[arg(long, value_name = "SECONDS", requires = "retry")]
    pub(crate) retry_max_time: Option<Span>,

    /// Ask again also where the connection is refused
    #[arg(long, requires = "retry")]
    pub(crate) retry_connrefused: bool,

    /// Ask again after any failure of which nothing was written, and by any method: what a request does
    /// may be done twice
    #[arg(long, requires = "retry")]
    pub(crate) retry_all_errors: bool,
}

/// A time in seconds, possibly none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(Duration);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
        Duration::try_from_secs_f64(seconds).map(Span).map_err(|_| "not a time to wait for")
    }
}

impl RetryArgs {
    /// `fails`: statuses from 400 on are failures.
    pub(crate) fn apply(&self, options: &mut Options, fails: bool) {
        let given = |span: Option<Span>| span.map(|span| span.0).filter(|span| !span.is_zero());
        let doubling = Wait::Doubling { first: Duration::from_secs(1), most: LONGEST };
        options.retry = (self.retry > 0).then(|| {
            Arc::new(RetryPolicy {
                max: self.retry,
                wait: given(self.retry_delay).map_or(doubling, Wait::Fixed),
                longest: LONGEST,
                within: given(self.retry_max_time),
                connection_refused: self.retry_connrefused,
                all_errors: self.retry_all_errors,
                error_statuses: fails,
            })
        });
    }

    /// What all transfers may spend: one alone as often as was asked for.
    pub(crate) fn budget(&self) -> RetryBudget {
        let default = RetryBudget::default();
        RetryBudget { burst: default.burst.max(self.retry), ..default }
    }
}
