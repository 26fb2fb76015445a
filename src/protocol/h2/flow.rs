//! Flow control (RFC 9113, 5.2 and 6.9).
//!
//! * **Outbound**: a window says how much may be sent; it is spent by data alone, may become negative where the peer makes
//!   windows smaller that were spent already, and never goes beyond 2^31-1.
//! * **Inbound**: a stream's window is given back as its data is consumed, so that it bounds what whoever pauses has to keep;
//!   the connection's as data is received, so that no stream waits for another.
//! * A stream's window **grows** with what is consumed, while whoever consumes keeps up, to the largest there may be: at least
//!   as fast as TCP's does, so that a body is as soon at its rate as by HTTP/1.1, and at once as wide as another's of its
//!   connection became. By how much all windows have grown comes out of one [`Reserve`], of which each has a part of what the
//!   others leave, and gives back what it has beyond that as it is consumed: a lone download has a large one, many have small ones. Each
//!   origin has a part of its own, so that what one peer sends on how many streams takes little from others.
//!
//! Knows numbers. Must not know streams. Invariants: what was granted is what may still come, what is held, and what was
//! consumed and has not been granted again; what peers may send that nobody may have asked for meanwhile, as all may pause, is
//! the windows that streams begin with and what the reserve has.

use std::cell::Cell;
use std::rc::Rc;

use super::frame::MOST_STREAM;
use crate::limits::{H2_GRANT, H2_WIDENING, H2_WIDEST, H2Limits};

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

    /// Makes it narrower by so many bytes, or by half of those that were consumed. By how many.
    fn shrink(&mut self, by: u32) -> u32 {
        let less = by.min(self.consumed / 2);
        self.consumed -= less;
        self.window -= less;
        less
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

/// Bytes that peers may send beyond the windows that streams begin with, on all connections that share it, or that came and wait.
#[derive(Debug, Clone)]
pub struct Reserve(Rc<Books>);

#[derive(Debug)]
struct Books {
    most: u64,
    taken: Cell<u64>,
    /// What it is a part of.
    whole: Option<Reserve>,
}

/// What one of those who share a [`Reserve`] has of it; it comes back when this is dropped.
#[derive(Debug)]
pub struct Reserved {
    reserve: Reserve,
    bytes: u64,
}

impl Reserve {
    /// So many bytes.
    pub fn new(most: u64) -> Reserve {
        Reserve(Rc::new(Books { most, taken: Cell::new(0), whole: None }))
    }

    /// A part of it, for those who share it to have a part of what all others leave together.
    pub fn part(&self) -> Reserve {
        let whole = Some(self.clone());
        Reserve(Rc::new(Books { most: self.0.most, taken: Cell::new(0), whole }))
    }

    /// Nothing of it yet.
    pub fn share(&self) -> Reserved {
        Reserved { reserve: self.clone(), bytes: 0 }
    }

    /// Bytes that nobody has.
    fn left(&self) -> u64 {
        let taken = self.0.taken.get();
        let most = match &self.0.whole {
            None => self.0.most,
            Some(whole) => (whole.left() + taken) / H2_WIDEST,
        };
        most.saturating_sub(taken)
    }

    /// So much of it is taken instead of so much.
    fn change(&self, from: u64, to: u64) {
        let Books { taken, whole, .. } = &*self.0;
        taken.set(taken.get() - from + to);
        if let Some(whole) = whole {
            whole.change(from, to);
        }
    }
}

impl Reserved {
    /// It is so much, whether or not there is as much left.
    pub fn set(&mut self, bytes: u64) {
        self.reserve.change(self.bytes, bytes);
        self.bytes = bytes;
    }

    /// What somebody may have who has `own` of it: no more than a part of what the others leave.
    fn most_of(&self, own: u32) -> u32 {
        let most = (self.reserve.left() + u64::from(own)) / H2_WIDEST;
        u32::try_from(most).unwrap_or(u32::MAX)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// The windows of all streams of a connection.
#[derive(Debug)]
pub(super) struct Windows {
    initial: u32,
    /// The widest that any has become.
    widest: u32,
    most: u32,
    /// By how much they are wider than they began, together.
    reserved: Reserved,
    /// What was granted to streams that we have reset, and may be under way.
    late: u64,
}

impl Windows {
    pub(super) fn new(initial: u32, limits: &H2Limits, reserve: &Reserve) -> Windows {
        let most = limits.stream_window.min(MOST_STREAM);
        Windows { initial, widest: initial, most, reserved: reserve.share(), late: 0 }
    }

    pub(super) fn closed(&mut self, inbound: &Inbound) {
        if inbound.window > self.initial {
            self.reserved.set(self.reserved.bytes - u64::from(inbound.window - self.initial));
        }
    }

    pub(super) fn all_closed(&mut self) {
        self.reserved.set(0);
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

    /// Grants what was consumed, and makes the window as much wider as it may be at a time where that was as fast as it came;
    /// no wider than the `rest` of the body is known to need, with a byte to spare, so that its end comes too. Where it is wider than it
    /// may be by now, no more than half of what was consumed is granted.
    pub(super) fn grant(&mut self, inbound: &mut Inbound, rest: Option<u64>) -> u32 {
        let own = inbound.window - self.initial;
        let most = self.reserved.most_of(own);
        if own > most {
            self.reserved.set(self.reserved.bytes - u64::from(inbound.shrink(own - most)));
            return inbound.grant(0);
        }
        let keeps_up = inbound.held() <= inbound.window / 8;
        let wanted = if keeps_up && !inbound.stays { self.wanted(inbound, rest) } else { 0 };
        let more = wanted.min(most - own);
        self.reserved.set(self.reserved.bytes + u64::from(more));
        self.widest = self.widest.max(inbound.window + more);
        inbound.grant(more)
    }

    fn wanted(&self, inbound: &Inbound, rest: Option<u64>) -> u32 {
        let wanted = inbound.window.saturating_mul(H2_WIDENING).max(self.widest).min(self.most);
        let missing = rest.map_or(u32::MAX, |rest| {
            let granted = u64::from(inbound.left + inbound.consumed);
            u32::try_from((rest + 1).saturating_sub(granted)).unwrap_or(u32::MAX)
        });
        wanted.saturating_sub(inbound.window).min(missing)
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

    /// The windows of a connection, and one of a stream on it.
    fn windows(limits: &H2Limits, reserve: &Reserve) -> (Windows, Inbound) {
        (Windows::new(100, limits, reserve), Inbound::new(100))
    }

    /// All that may come does, and is consumed at once; what is granted then.
    fn keep_up(windows: &mut Windows, inbound: &mut Inbound, rest: Option<u64>) -> u32 {
        let bytes = inbound.left() as usize;
        assert!(inbound.receive(bytes));
        inbound.consume(bytes);
        windows.grant(inbound, rest)
    }

    #[test]
    fn a_window_grows_while_it_is_kept_up_with() {
        let limits = H2Limits { stream_window: 350, ..H2Limits::DEFAULT };
        let reserve = Reserve::new(1000);
        let (mut windows, mut inbound) = windows(&limits, &reserve);
        let grants = [(); 4].map(|()| keep_up(&mut windows, &mut inbound, None));
        assert_eq!(grants, [350, 350, 350, 350]);
        // nine tenths are held: no more than what was consumed
        let mut slow = Inbound::new(100);
        assert!(slow.receive(100));
        slow.consume(10);
        assert_eq!(windows.grant(&mut slow, None), 10);
        for inbound in [slow, inbound] {
            windows.closed(&inbound);
        }
        assert_eq!(reserve.left(), 1000);
    }

    /// However many there are, on however many connections.
    #[test]
    fn windows_are_bounded_together() {
        let limits = H2Limits { stream_window: 100_000, ..H2Limits::DEFAULT };
        let reserve = Reserve::new(4000);
        let mut all: Vec<_> = (0..100).map(|_| windows(&limits, &reserve)).collect();
        for (windows, inbound) in &mut all {
            for _ in 0..10 {
                keep_up(windows, inbound, None);
            }
        }
        let widths: Vec<_> = all.iter().map(|(_, inbound)| inbound.window - 100).collect();
        assert_eq!(&widths[..4], [2000, 1000, 500, 250], "each has half of what is left");
        assert!(widths.iter().sum::<u32>() <= 4000);
        // what the others give back the last may have
        all.drain(2..);
        all.remove(0);
        let (windows, inbound) = &mut all[0];
        keep_up(windows, inbound, None);
        assert_eq!(inbound.window, 2100);
        drop(all);
        assert_eq!(reserve.left(), 4000);
    }

    /// Who came first has no more than who came last, as soon as both go on.
    #[test]
    fn windows_become_narrower_as_others_come() {
        let limits = H2Limits { stream_window: 100_000, ..H2Limits::DEFAULT };
        let reserve = Reserve::new(10_000);
        let mut all: Vec<_> = (0..9).map(|_| windows(&limits, &reserve)).collect();
        for come in 1..=9 {
            for _ in 0..100 {
                for (windows, inbound) in &mut all[..come] {
                    let before = inbound.left();
                    assert!(keep_up(windows, inbound, None) >= before / 2, "it goes on");
                }
            }
            let fair = 10_000 / (come as u32 + 1);
            for (_, inbound) in &all[..come] {
                let width = inbound.window - 100;
                assert!(width.abs_diff(fair) <= 10, "{width} of {fair}");
            }
        }
        drop(all);
        assert_eq!(reserve.left(), 10_000);
    }

    /// However many streams of one peer have grown and send no more, those of others grow too.
    #[test]
    fn one_peer_leaves_half_to_others() {
        let limits = H2Limits { stream_window: 1 << 20, ..H2Limits::DEFAULT };
        let reserve = Reserve::new(64_000);
        let grow = |of: &Reserve| {
            let (mut windows, mut inbound) = windows(&limits, of);
            for _ in 0..10 {
                keep_up(&mut windows, &mut inbound, None);
            }
            (windows, inbound)
        };
        let greedy = reserve.part();
        let held: Vec<_> = (0..1000).map(|_| grow(&greedy)).collect();
        assert!(reserve.left() >= 32_000);
        assert_eq!(grow(&reserve.part()).1.window, 100 + 8_000, "a lone one among the others");
        drop(held);
        assert_eq!(grow(&reserve.part()).1.window, 100 + 16_000, "a lone one");
        assert_eq!(reserve.left(), 64_000);
    }

    #[test]
    fn what_waits_counts_though_nobody_was_asked() {
        let reserve = Reserve::new(400);
        let mut held = reserve.share();
        held.set(1000);
        let (mut windows, mut inbound) = windows(&H2Limits::DEFAULT, &reserve);
        assert_eq!(keep_up(&mut windows, &mut inbound, None), 100);
        drop(held);
        assert_eq!(keep_up(&mut windows, &mut inbound, None), 300);
    }

    #[test]
    fn who_keeps_up_is_at_once_as_wide_as_another_was() {
        let reserve = Reserve::new(1 << 20);
        let (mut windows, mut first) = windows(&H2Limits::DEFAULT, &reserve);
        keep_up(&mut windows, &mut first, None);
        keep_up(&mut windows, &mut first, None);
        assert_eq!(first.window, 1600);
        let widened = |windows: &mut Windows, rest| {
            let mut inbound = Inbound::new(100);
            keep_up(windows, &mut inbound, rest);
            inbound.window
        };
        assert_eq!(widened(&mut windows, None), 1600);
        assert_eq!(widened(&mut windows, Some(100_000)), 1600);
        assert_eq!(widened(&mut windows, Some(150)), 151);
        assert_eq!(widened(&mut windows, Some(99)), 100);
    }
}
