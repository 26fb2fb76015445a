//! One poll on the ring: its states, and what each CQE makes of them.
//!
//! Knows the table "Readiness" of `docs/ring-ownership.md`, and is it. Must not know the ring. Pure, so
//! that every order of CQEs can be tried without a kernel. Invariant: a poll that was not removed
//! decides exactly once, at the first CQE that can (a multishot: once per event, and once for its end).

use super::errno::Errno;
use super::inflight::SlotId;
use super::readiness::Readiness;
use super::token::Kind;

/// The name of a poll on a [`Ring`](super::Ring), from when it was added until its completion was
/// taken or it was removed. Afterwards it names nothing, also when its slot is in use again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PollId(pub(super) SlotId<Poll>);

/// What a slot holds for a poll.
#[derive(Debug)]
pub(super) struct Poll {
    /// The caller's own value, handed back with the completion.
    pub(super) user: u64,
    pub(super) deadline: Deadline,
    pub(super) state: State,
}

/// What a poll's LINK_TIMEOUT tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// None was linked.
    None,
    /// It posts a CQE, whatever becomes of it.
    Posts,
    /// It never posts one (CQE_SKIP_SUCCESS, as io_uring_enter(2) guarantees for linked time-outs): the
    /// poll's ECANCELED says that it has passed. Only one that could not be set still posts why.
    Silent,
}

impl Deadline {
    /// Final CQEs that the kernel will post for it.
    pub(super) const fn owes(self) -> u32 {
        match self {
            Deadline::None | Deadline::Silent => 0,
            Deadline::Posts => 1,
        }
    }
}

/// What the caller is still to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// One completion.
    Armed,
    /// One completion: the poll's CQE said ECANCELED, its deadline's will say why.
    Cancelled,
    /// Nothing: it was delivered.
    Delivered,
    /// Nothing: the caller removed it.
    Removed,
}

/// What a CQE decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing that the caller is to hear.
    Silent,
    Polled {
        readiness: Readiness,
        more: bool,
    },
    DeadlinePassed,
    /// The deadline could not be moved; the poll is in the kernel yet, by the old one, and has to be removed.
    DeadlineRefused,
    /// `still_armed`: the poll itself is in the kernel yet and has to be removed.
    Failed {
        errno: Errno,
        still_armed: bool,
    },
}

impl Poll {
    pub(super) fn new(user: u64, deadline: Deadline) -> Poll {
        Poll { user, deadline, state: State::Armed }
    }

    /// Takes in one CQE: of which of the slot's operations, its `res`, whether F_MORE was set, and
    /// whether it was the last that the slot was owed.
    pub(super) fn handle_cqe(&mut self, kind: Kind, res: i32, more: bool, last: bool) -> Verdict {
        let verdict = match (self.state, kind) {
            (State::Delivered | State::Removed, _) => Verdict::Silent,
            (State::Armed, Kind::Poll) => self.polled(res, more),
            (State::Armed, Kind::PollDeadline) => match Errno(-res) {
                Errno::ETIME => Verdict::DeadlinePassed,
                // the poll has completed or is about to: its own CQE decides
                Errno::ECANCELED | Errno::ENOENT | Errno::EALREADY => Verdict::Silent,
                errno => Verdict::Failed { errno, still_armed: true },
            },
            (State::Cancelled, Kind::PollDeadline) => match Errno(-res) {
                Errno::ETIME => Verdict::DeadlinePassed,
                errno => Verdict::Failed { errno, still_armed: false },
            },
            (State::Armed, Kind::PollDeadlineUpdate) => match Errno(-res) {
                // it is passing just now: the poll's CQE is on its way
                _ if res >= 0 => Verdict::Silent,
                Errno::ENOENT | Errno::EALREADY => Verdict::Silent,
                _ => Verdict::DeadlineRefused,
            },
            (State::Armed | State::Cancelled, _) => Verdict::Silent,
        };
        match verdict {
            Verdict::Silent if last && matches!(self.state, State::Armed | State::Cancelled) => {
                self.state = State::Delivered;
                Verdict::Failed { errno: Errno::ECANCELED, still_armed: false }
            }
            Verdict::Silent | Verdict::Polled { more: true, .. } => verdict,
            Verdict::Polled { .. }
            | Verdict::DeadlinePassed
            | Verdict::DeadlineRefused
            | Verdict::Failed { .. } => {
                self.state = State::Delivered;
                verdict
            }
        }
    }

    /// The CQE of the POLL_ADD, in state Armed.
    fn polled(&mut self, res: i32, more: bool) -> Verdict {
        if res >= 0 {
            return Verdict::Polled { readiness: Readiness::from_bits(res as u32), more };
        }
        match (Errno(-res), self.deadline) {
            (Errno::ECANCELED, Deadline::Silent) => Verdict::DeadlinePassed,
            (Errno::ECANCELED, Deadline::Posts) => {
                self.state = State::Cancelled;
                Verdict::Silent
            }
            (errno, _) => Verdict::Failed { errno, still_armed: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READABLE: i32 = libc::POLLIN as i32;
    const ETIME: i32 = -libc::ETIME;
    const ECANCELED: i32 = -libc::ECANCELED;
    const ENOENT: i32 = -libc::ENOENT;
    const EALREADY: i32 = -libc::EALREADY;
    const EINVAL: i32 = -libc::EINVAL;
    const EBADF: i32 = -libc::EBADF;

    type Cqes<'a> = &'a [(Kind, i32)];

    /// Feeds CQEs to a fresh poll, and gives what the caller hears of each.
    fn run(cqes: Cqes<'_>) -> Vec<Verdict> {
        let posts = cqes.iter().any(|(kind, _)| *kind == Kind::PollDeadline);
        let deadline = if posts { Deadline::Posts } else { Deadline::None };
        run_from(Poll::new(7, deadline), cqes)
    }

    fn run_from(mut poll: Poll, cqes: Cqes<'_>) -> Vec<Verdict> {
        (1..=cqes.len())
            .zip(cqes)
            .map(|(n, &(kind, res))| poll.handle_cqe(kind, res, false, n == cqes.len()))
            .collect()
    }

    fn readable() -> Verdict {
        let readiness = Readiness { recv: true, send: false, error: false };
        Verdict::Polled { readiness, more: false }
    }

    fn failed(errno: Errno) -> Verdict {
        Verdict::Failed { errno, still_armed: false }
    }

    #[test]
    fn the_first_decisive_cqe_is_delivered_and_nothing_after_it() {
        use Kind::{Poll as P, PollDeadline as T};
        use Verdict::{DeadlinePassed, Silent};
        let table: &[(Cqes<'_>, &[Verdict])] = &[
            (&[(P, READABLE)], &[readable()]),
            (&[(P, EBADF)], &[failed(Errno::EBADF)]),
            (&[(P, ECANCELED)], &[failed(Errno::ECANCELED)]),
            // ready in time, the deadline is cancelled, in either order
            (&[(P, READABLE), (T, ECANCELED)], &[readable(), Silent]),
            (&[(T, ECANCELED), (P, READABLE)], &[Silent, readable()]),
            // the deadline passes, in either order
            (&[(T, ETIME), (P, ECANCELED)], &[DeadlinePassed, Silent]),
            (&[(P, ECANCELED), (T, ETIME)], &[Silent, DeadlinePassed]),
            // both at once: whichever is heard first
            (&[(T, ETIME), (P, READABLE)], &[DeadlinePassed, Silent]),
            (&[(P, READABLE), (T, ETIME)], &[readable(), Silent]),
            // the deadline fired too late to cancel the poll
            (&[(T, ENOENT), (P, READABLE)], &[Silent, readable()]),
            (&[(T, EALREADY), (P, READABLE)], &[Silent, readable()]),
            (&[(P, READABLE), (T, ENOENT)], &[readable(), Silent]),
            // a bad fd breaks the chain
            (&[(P, EBADF), (T, ECANCELED)], &[failed(Errno::EBADF), Silent]),
            (&[(T, ECANCELED), (P, EBADF)], &[Silent, failed(Errno::EBADF)]),
            // a bad deadline breaks it too
            (&[(P, ECANCELED), (T, EINVAL)], &[Silent, failed(Errno::EINVAL)]),
            (
                &[(T, EINVAL), (P, ECANCELED)],
                &[Verdict::Failed { errno: Errno::EINVAL, still_armed: true }, Silent],
            ),
            // cancelled from outside, nobody says why: still heard of once
            (&[(T, ECANCELED), (P, ECANCELED)], &[Silent, failed(Errno::ECANCELED)]),
            (&[(P, ECANCELED), (T, ECANCELED)], &[Silent, failed(Errno::ECANCELED)]),
        ];
        for (cqes, expected) in table {
            assert_eq!(run(cqes), *expected, "{cqes:?}");
        }
    }

    #[test]
    fn a_silent_deadline_speaks_through_its_poll() {
        use Kind::{Poll as P, PollDeadline as T};
        let poll = || Poll::new(7, Deadline::Silent);
        assert_eq!(run_from(poll(), &[(P, ECANCELED)]), [Verdict::DeadlinePassed]);
        assert_eq!(run_from(poll(), &[(P, READABLE)]), [readable()]);
        assert_eq!(run_from(poll(), &[(P, EBADF)]), [failed(Errno::EBADF)]);
        // it could not be set: the poll goes with it
        let verdict = poll().handle_cqe(T, EINVAL, true, false);
        assert_eq!(verdict, Verdict::Failed { errno: Errno::EINVAL, still_armed: true });
    }

    /// As on a kernel that cannot move them: the old deadline may be later than the new one.
    #[test]
    fn a_deadline_that_cannot_be_moved_has_passed() {
        use Kind::{Poll as P, PollDeadlineUpdate as U};
        let hears = |res| {
            let mut poll = Poll::new(7, Deadline::Silent);
            let update = poll.handle_cqe(U, res, false, false);
            (update, poll.handle_cqe(P, ECANCELED, false, true))
        };
        assert_eq!(hears(EINVAL), (Verdict::DeadlineRefused, Verdict::Silent));
        for passing in [0, ENOENT, EALREADY] {
            assert_eq!(hears(passing), (Verdict::Silent, Verdict::DeadlinePassed));
        }
    }

    #[test]
    fn a_removed_poll_is_silent_in_every_order() {
        use Kind::{Poll as P, PollDeadline as T, PollRemove as R};
        for poll in [READABLE, ECANCELED, EBADF] {
            for deadline in [ETIME, ECANCELED, ENOENT, EINVAL] {
                for remove in [0, ENOENT, EALREADY] {
                    let mut cqes = [(P, poll), (T, deadline), (R, remove)];
                    for i in 0..6 {
                        cqes.swap(i % 3, (i + 1) % 3);
                        let poll = Poll { state: State::Removed, ..Poll::new(7, Deadline::Posts) };
                        assert_eq!(run_from(poll, &cqes), [Verdict::Silent; 3], "{cqes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_poll_that_was_not_removed_decides_exactly_once() {
        use Kind::{Poll as P, PollDeadline as T, PollDeadlineUpdate as U};
        for poll in [READABLE, 0, ECANCELED, EBADF] {
            for deadline in [ETIME, ECANCELED, ENOENT, EALREADY, EINVAL] {
                for update in [0, ENOENT, EALREADY] {
                    let mut cqes = [(P, poll), (T, deadline), (U, update)];
                    for i in 0..6 {
                        cqes.swap(i % 3, (i + 1) % 3);
                        let heard = run(&cqes);
                        let n = heard.iter().filter(|v| **v != Verdict::Silent).count();
                        assert_eq!(n, 1, "{cqes:?} {heard:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_multishot_delivers_until_it_ends() {
        let mut poll = Poll::new(7, Deadline::None);
        let more = poll.handle_cqe(Kind::Poll, READABLE, true, false);
        assert!(matches!(more, Verdict::Polled { more: true, .. }));
        assert_eq!(poll.state, State::Armed);
        assert_eq!(poll.handle_cqe(Kind::Poll, READABLE, false, true), readable());
        assert_eq!(poll.state, State::Delivered);
    }
}
