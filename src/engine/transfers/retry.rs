//! Asking again: what a transfer that met something transient waits for, and how often it may.
//!
//! Decides whether a failure or a response is one that the same request may get past a little later, by
//! the transfer's policy and by what is provable of its safety ([`Error::retry`]). The wait itself, without a
//! connection, is [`ask_again`](super::ask_again)'s. Must not know a clock or chance: time is an argument, and the spread of
//! the waits comes of [`Config::seed`](crate::engine::Config::seed). Invariants: the handler has seen nothing of
//! a response that is asked for again, or has said that it forgets it; all transfers of an engine spend retries from one budget, so
//! that what a server that fails is asked stays close to what it would be asked anyway; a transfer that
//! never waited has nothing of this but a null pointer.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::transfers::budget::{Purse, RetryBudget};
use crate::engine::transfers::retry_policy::{Retried, RetryPolicy};
use crate::engine::transfers::retrying::{Resend, Retrying};
use crate::engine::transfers::transfer::Transfer;
use crate::error::{Error, Retry};
use crate::protocol::{Date, ResponseHead, is_transient, is_unheard, retry_after};
use crate::time::Time;

/// What all transfers share.
pub(in crate::engine) struct Retries {
    pub(super) purse: Purse,
    /// The state of SplitMix64.
    random: u64,
}

impl Retries {
    pub(in crate::engine) fn new(budget: RetryBudget, seed: u64) -> Retries {
        Retries { purse: Purse::new(budget), random: seed }
    }

    /// Takes the head of a final response, if the transfer asks for it again.
    #[cold]
    pub(in crate::engine) fn take_response(
        &mut self,
        transfer: &mut Transfer,
        head: &ResponseHead<'_>,
        today: Option<Date>,
        untouched: bool,
        now: Time,
    ) -> bool {
        let status = head.status();
        let next = if status == 417 && transfer.request.head.expects_continue() {
            // RFC 9110, 15.5.18: not a failure that may pass, but one that we can do without
            Some(Resend { wait: Duration::ZERO, unasked: true })
        } else {
            let safe = is_unheard(status) || transfer.request.head.is_idempotent();
            let asked = retry_after(head, today).filter(|asked| !asked.is_zero());
            self.next(transfer, transfer.may_pass(status), safe, asked, now)
        };
        transfer.ask_again(next, untouched)
    }

    /// Takes an error of a transfer whose handler has seen nothing, if the transfer asks again.
    #[cold]
    pub(super) fn take_error(
        &mut self,
        transfer: &mut Transfer,
        error: &Error,
        untouched: bool,
        now: Time,
    ) -> bool {
        let Some(policy) = &transfer.request.options.retry else { return false };
        let transient = policy.takes(&error.cause);
        let safe = match error.retry() {
            Retry::Safe => true,
            Retry::IfIdempotent => transfer.request.head.is_idempotent(),
            Retry::No => false,
        };
        let next = self.next(transfer, transient, safe, None, now);
        transfer.ask_again(next, untouched)
    }

    /// How to ask again, if that is allowed; the budget has paid for it then.
    fn next(
        &mut self,
        transfer: &Transfer,
        transient: bool,
        safe: bool,
        asked: Option<Duration>,
        now: Time,
    ) -> Option<Resend> {
        let policy = transfer.request.options.retry.as_deref()?;
        let total = transfer.request.options.timeouts.total;
        let times = transfer.retrying.as_ref().map_or(0, |retrying| retrying.past.len());
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        if !transient || !(safe || policy.all_errors) || times >= policy.max {
            return None;
        }
        let wait = match asked {
            Some(asked) if asked > policy.longest => return None,
            Some(asked) => asked,
            None => policy.wait.after(times, self.random()),
        };
        let end = (now + wait).since(transfer.added);
        let ends_in_time = |limit: Option<Duration>| limit.is_none_or(|limit| end < limit);
        let host = transfer.request.head.origin().host();
        if !ends_in_time(policy.within) || !ends_in_time(total) || !self.purse.spend(host) {
            return None;
        }
        Some(Resend { wait, unasked: false })
    }

    /// SplitMix64: enough to spread waits.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Transfer {
    /// Whether a final response of this status may be one that is asked for again.
    pub(in crate::engine) fn may_ask_again(&self, status: u16) -> bool {
        match status {
            417 => self.request.head.expects_continue(),
            status => status >= 400 && self.may_pass(status),
        }
    }

    /// Whether what a status says may be otherwise a little later.
    fn may_pass(&self, status: u16) -> bool {
        let Some(policy) = &self.request.options.retry else { return false };
        let is_error = status >= 400 && policy.error_statuses && policy.all_errors;
        is_transient(status) || is_error
    }

    /// Whether the exchange under way is to be followed by another one like it.
    pub(super) fn asks_again(&self) -> bool {
        self.retrying.as_ref().is_some_and(|retrying| retrying.next.is_some())
    }

    /// What came before the last request.
    pub(super) fn take_retried(&mut self) -> Vec<Retried> {
        self.retrying.take().map_or(Vec::new(), |retrying| retrying.past)
    }

    /// Whether the handler forgets what it has seen of a response, if that may be asked for again.
    pub(super) fn starts_over(&mut self) -> bool {
        let all_errors = |policy: &Arc<RetryPolicy>| policy.all_errors;
        let may = self.request.options.retry.as_ref().is_some_and(all_errors);
        may && self.handler_starts_over()
    }

    /// Nobody has asked for the body if that is untouched.
    fn ask_again(&mut self, next: Option<Resend>, untouched: bool) -> bool {
        let can_send = |_: &Resend| untouched || self.request.body.rewind();
        let Some(next) = next.filter(can_send) else { return false };
        let empty = || Box::new(Retrying { past: Vec::new(), next: None });
        self.retrying.get_or_insert_with(empty).next = Some(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::transfers::retry_policy::Wait;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_and_spread() {
        let wait = Wait::Doubling { first: SECOND, most: 600 * SECOND };
        let mut retries = Retries::new(RetryBudget::default(), 7);
        for times in 0..100 {
            let whole = SECOND.saturating_mul(1 << times.min(20)).min(600 * SECOND);
            let waits: Vec<_> = (0..200).map(|_| wait.after(times, retries.random())).collect();
            assert!(waits.iter().all(|wait| (whole / 2..=whole).contains(wait)), "{times}");
            let spread = *waits.iter().max().unwrap() - *waits.iter().min().unwrap();
            assert!(spread > whole / 4, "{times}: {spread:?}");
        }
        assert_eq!(Wait::Fixed(SECOND).after(9, 1), SECOND);
    }
}
