//! Flow control (RFC 9113, 5.2 and 6.9).
//!
//! * **Outbound**: a window says how much may be sent; it is spent by data alone, may become negative where the peer makes
//!   windows smaller that were spent already, and never goes beyond 2^31-1.
//! * **Inbound**: a stream's window is given back as its data is consumed, so that it bounds what whoever pauses has to keep;
//!   the connection's as data is received, so that no stream waits for another.
//! * A stream's window **grows** with what is consumed, while whoever consumes keeps up, to the largest there may be, as long as
//!   the windows of all streams are within their sum: a lone download gets a large one, many get small ones. It grows at least
//!   as fast as TCP's does, so that a body is as soon at its rate as by HTTP/1.1.
//!
//! Knows numbers. Must not know streams. Invariant: what was granted is what may still come, what is held, and what was
//! consumed and has not been granted again.

use super::frame::MOST_STREAM;
use crate::limits::{H2_GRANT, H2_WIDENING, H2Limits};

/// What we may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outbound(i64);

/// A window went beyond 2^31-1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Outbound {
    pub(super) fn new(window: u32) -> Outbound {
        Outbound(i64::from(window))
    }

    /// Bytes that may be sent now.
    pub(super) fn left(self) -> usize {
        self.0.max(0) as usize
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// The peer makes it larger, or, by a change of settings, smaller.
    pub(super) fn change(&mut self, by: i64) -> Result<(), Overflow> {
        self.0 += by;
        if self.0 > i64::from(MOST_STREAM) { Err(Overflow) } else { Ok(()) }
    }
}

/// What the peer may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inbound {
    /// What was granted in all, and not consumed before it was granted again.
    window: u32,
    /// What may still come.
    left: u32,
    /// What was consumed since the last grant.
    consumed: u32,
    /// It never becomes wider.
    stays: bool,
}

impl Inbound {
    pub(super) fn new(window: u32) -> Inbound {
        Inbound { window, left: window, consumed: 0, stays: false }
    }

    /// It stays as wide as it is: whoever consumes what comes has a pace of his own.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }

    /// Bytes that may still come.
    pub(super) fn left(&self) -> u32 {
        self.left
    }

    /// So many bytes come; whether they may.
    pub(super) fn receive(&mut self, bytes: usize) -> bool {
        match u32::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes)) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// So many of those that came are done with.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.consumed += u32::try_from(bytes).unwrap_or(u32::MAX).min(self.held());
    }

    /// Whether enough can be granted again: half of it, and of a wide one a little, so that on a long way nearly all of it is used.
    pub(super) fn is_due(&self) -> bool {
        self.consumed >= self.window.div_ceil(2).min(H2_GRANT)
    }

    /// Grants again what was consumed, and so many bytes more; the increment to be told.
    pub(super) fn grant(&mut self, more: u32) -> u32 {
        let increment = self.consumed + more;
        self.left += increment;
        self.window += more;
        self.consumed = 0;
        increment
    }

    /// Bytes that came and are not consumed.
    fn held(&self) -> u32 {
        self.window - self.left - self.consumed
    }
}

/// The windows of all streams of a connection.
#[derive(Debug)]
pub(super) struct Windows {
    sum: u64,
    /// The widest that any has become.
    widest: u32,
    most: u32,
    most_sum: u64,
    /// What was granted to streams that we have reset, and may be under way.
    late: u64,
}

impl Windows {
    pub(super) fn new(initial: u32, limits: &H2Limits) -> Windows {
        let most = limits.stream_window.min(MOST_STREAM);
        Windows { sum: 0, widest: initial, most, most_sum: limits.windows, late: 0 }
    }

    pub(super) fn opened(&mut self, inbound: &Inbound) {
        self.sum += u64::from(inbound.window);
    }

    pub(super) fn closed(&mut self, inbound: &Inbound) {
        self.sum -= u64::from(inbound.window);
    }

    /// We have reset a stream that might still have been sent so much.
    pub(super) fn leave(&mut self, left: u32) {
        self.late += u64::from(left);
    }

    /// So many bytes come for a stream that is gone; whether they may have been under way when we reset it.
    pub(super) fn receive_late(&mut self, bytes: usize) -> bool {
        match self.late.checked_sub(bytes as u64) {
            Some(late) => {
                self.late = late;
                true
            }
            None => false,
        }
    }

    /// Grants what was consumed, and makes the window as much wider as it may be at a time where that was as fast as it came.
    pub(super) fn grant(&mut self, inbound: &mut Inbound) -> u32 {
        let keeps_up = inbound.held() <= inbound.window / 8;
        let wider = inbound.window.saturating_mul(H2_WIDENING - 1);
        let more = if keeps_up { self.room(inbound, wider) } else { 0 };
        self.widest = self.widest.max(inbound.window + more);
        inbound.grant(more)
    }

    /// Grants a body of this length as much as the widest window of this connection had, before any of it comes; with a byte to
    /// spare, so that its end comes too. Zero: it has that already.
    pub(super) fn widen(&mut self, inbound: &mut Inbound, length: Option<u64>) -> u32 {
        let wanted = length.map_or(self.widest, |length| {
            u32::try_from(length.saturating_add(1)).unwrap_or(u32::MAX).min(self.widest)
        });
        match self.room(inbound, wanted.saturating_sub(inbound.window)) {
            0 => 0,
            more => inbound.grant(more),
        }
    }

    /// As much of `more` as a window may become wider.
    fn room(&mut self, inbound: &Inbound, more: u32) -> u32 {
        if inbound.stays {
            return 0;
        }
        let sum = u32::try_from(self.most_sum.saturating_sub(self.sum)).unwrap_or(u32::MAX);
        let more = more.min(self.most.saturating_sub(inbound.window)).min(sum);
        self.sum += u64::from(more);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_may_become_negative_and_never_too_much() {
        let mut outbound = Outbound::new(10);
        outbound.spend(10);
        assert_eq!(outbound.change(-5), Ok(()));
        assert_eq!(outbound.left(), 0);
        assert_eq!(outbound.change(6), Ok(()));
        assert_eq!(outbound.left(), 1);
        assert_eq!(outbound.change(i64::from(MOST_STREAM) - 1), Ok(()));
        assert_eq!(outbound.change(1), Err(Overflow));
    }

    #[test]
    fn what_is_consumed_is_granted_again_in_halves() {
        let mut inbound = Inbound::new(100);
        assert!(inbound.receive(60));
        assert!(!inbound.receive(41));
        inbound.consume(49);
        assert!(!inbound.is_due());
        inbound.consume(1000);
        assert!(inbound.is_due());
        assert_eq!(inbound.grant(0), 60);
        assert_eq!(inbound.left(), 100);
    }

    #[test]
    fn a_wide_window_is_granted_again_in_small_parts() {
        let mut inbound = Inbound::new(16 * H2_GRANT);
        assert!(inbound.receive(2 * H2_GRANT as usize));
        inbound.consume(H2_GRANT as usize - 1);
        assert!(!inbound.is_due());
        inbound.consume(1);
        assert!(inbound.is_due());
    }

    #[test]
    fn a_window_grows_while_it_is_kept_up_with() {
        let limits = H2Limits { stream_window: 350, windows: 1000, ..H2Limits::DEFAULT };
        let mut windows = Windows::new(100, &limits);
        let mut inbound = Inbound::new(100);
        windows.opened(&inbound);
        let mut grants = Vec::new();
        for _ in 0..4 {
            let bytes = inbound.left() as usize;
            assert!(inbound.receive(bytes));
            inbound.consume(bytes);
            grants.push(windows.grant(&mut inbound));
        }
        assert_eq!(grants, [350, 350, 350, 350]);
        // nine tenths are held: no more than what was consumed
        let mut slow = Inbound::new(100);
        windows.opened(&slow);
        assert!(slow.receive(100));
        slow.consume(10);
        assert_eq!(windows.grant(&mut slow), 10);
        for inbound in [slow, inbound] {
            windows.closed(&inbound);
        }
        assert_eq!(windows.sum, 0);
    }

    #[test]
    fn windows_are_bounded_together() {
        let limits = H2Limits { stream_window: 1000, windows: 250, ..H2Limits::DEFAULT };
        let mut windows = Windows::new(100, &limits);
        let mut both = [Inbound::new(100), Inbound::new(100)];
        both.iter().for_each(|inbound| windows.opened(inbound));
        for inbound in &mut both {
            assert!(inbound.receive(100));
            inbound.consume(100);
        }
        assert_eq!(both.each_mut().map(|inbound| windows.grant(inbound)), [150, 100]);
        assert_eq!(windows.sum, 250);
    }

    #[test]
    fn what_is_known_to_be_long_gets_a_wide_window_at_once() {
        let mut windows = Windows::new(100, &H2Limits::DEFAULT);
        let mut first = Inbound::new(100);
        windows.opened(&first);
        assert_eq!(windows.widen(&mut first, Some(1000)), 0);
        assert!(first.receive(100));
        first.consume(100);
        assert_eq!(windows.grant(&mut first), 400);
        let widened = |windows: &mut Windows, length| {
            let mut inbound = Inbound::new(100);
            windows.opened(&inbound);
            windows.widen(&mut inbound, length)
        };
        assert_eq!(widened(&mut windows, Some(1000)), 300);
        assert_eq!(widened(&mut windows, Some(150)), 51);
        assert_eq!(widened(&mut windows, Some(99)), 0);
        assert_eq!(widened(&mut windows, None), 300);
    }
}
