//! The io_uring: operations go in, completions come out.
//!
//! Knows how SQEs are pushed, CQEs reaped and debts settled; `docs/ring-ownership.md` is its law. Must
//! not know what a socket is polled for. Invariants: SQEs are pushed in one place; linked SQEs are
//! submitted by one system call; CQEs are copied out first and interpreted when the caller takes the
//! next completion, so no completion runs while reaping and none reaches a poll removed meanwhile; no
//! operation on a socket ever falls to an io-wq worker.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::{IoUring, cqueue, squeue};

use super::clock;
use super::count::{self, Counter};
use super::enter::{Deadline, Entered, RingFd, Wait};
use super::errno::Errno;
use super::inflight::{InFlight, SlotId};
use super::op::{Cell, Op};
use super::patience::Patience;
use super::poll::{self, Poll, PollId, State, Verdict};
use super::readiness::{Interest, Readiness};
use super::setup;
use super::token::Token;
use super::wait;
use crate::limits;
use crate::time::Time;

pub use super::setup::{Batch, Options, Report, SetupError, SetupFlag, SqPoll, ZeroCopy};
pub use super::token::Kind;

/// An io_uring of the thread that made it.
///
/// * Commands: [`poll_add`](Ring::poll_add), [`poll_multishot`](Ring::poll_multishot),
///   [`poll_remove`](Ring::poll_remove), [`deadline_update`](Ring::deadline_update). They are pushed at once and
///   submitted by the next wait (or before, when the submission queue is full).
/// * The turn: [`submit_and_wait`](Ring::submit_and_wait), then [`take_completion`](Ring::take_completion) until there
///   is none. Commands may be given between the completions.
/// * The end: [`shutdown`](Ring::shutdown), or drop.
///
/// Fds belong to the caller, who removes a poll before closing its fd. Until the removal is submitted
/// the kernel holds the *file*: a TCP connection whose fd was closed sends its FIN only then.
pub struct Ring {
    /// Dropped first: what the other fields hold for the kernel is freed when there is no ring that could touch it. Not at all in a
    /// process that was forked since: its mappings were not inherited, and others may be in their place.
    ring: ManuallyDrop<IoUring>,
    fd: RingFd,
    /// One for each entry of the submission queue: what the SQE there points to.
    cells: Box<[Cell]>,
    /// SQEs pushed so far, wrapping; names the cell of the next.
    pushed: u32,
    polls: InFlight<Poll>,
    /// Those of them that were removed.
    removed: usize,
    /// CQEs owed for operations that have no slot.
    owed_slotless: usize,
    /// CQEs copied out of the ring and not yet interpreted.
    reaped: VecDeque<Cqe>,
    /// Those of them that name a provided buffer.
    buffers_reaped: usize,
    /// Links pushed of a chain whose end is still to be pushed.
    chain: Vec<squeue::Entry>,
    /// For each entry of the submission queue, whether the SQE there is linked to the one before it.
    linked: Box<[bool]>,
    /// Completions that the kernel had no memory to keep aside, and dropped.
    lost: u32,
    /// Why the ring is of no use any more.
    broken: Option<Errno>,
    /// Since when the kernel has taken and posted nothing for want of memory.
    crowded: Option<Time>,
    batch: Option<Batch>,
    /// How long a wait spins, where a kernel thread submits.
    spin: Option<Duration>,
    /// CQEs that the operations pushed since the last wait post while they are submitted.
    immediate: u32,
    report: Report,
    /// How long the drop waits for anything in flight to be cancelled.
    pub(super) patience: Duration,
    /// It is another process's, of which this one is a fork: what both see of it is not touched.
    is_abandoned: bool,
    /// SINGLE_ISSUER and the registered fd bind the ring to its thread.
    not_send: PhantomData<*const ()>,
}

/// What became of a poll. A poll that was not removed completes exactly once (a multishot: each time
/// that `more` is set, and once more for its end).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The socket is ready.
    Polled {
        /// The caller's value.
        user: u64,
        /// The poll, over unless `more`.
        poll: PollId,
        /// For what it is ready.
        readiness: Readiness,
        /// A multishot poll that goes on.
        more: bool,
    },
    /// Its deadline passed first; the poll is over.
    DeadlinePassed {
        /// The caller's value.
        user: u64,
        /// The poll.
        poll: PollId,
    },
    /// The kernel refused it; the poll is over.
    Failed {
        /// The caller's value.
        user: u64,
        /// The poll.
        poll: PollId,
        /// Such as `EBADF`; `ECANCELED` if something else than the caller cancelled it.
        errno: Errno,
    },
}

/// What a ring and the kernel hold for its caller, at one moment. All is zero once everything was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InUse {
    /// Direct descriptors: streams that are open, or closed but owed CQEs.
    pub streams: usize,
    /// Polls that are armed, or over but owed CQEs.
    pub polls: usize,
    /// CQEs that the kernel has yet to post or the caller to take.
    pub owed: usize,
    /// Provided buffers that are lent, or named by completions not yet taken.
    pub buffers: usize,
    /// Slots that hold bytes to be sent, or sent bytes that the kernel still holds.
    pub slots: usize,
    /// Operations on files.
    pub files: usize,
}

/// A completion queue entry as the kernel wrote it, for tests and traces.
#[derive(Debug, PartialEq, Eq)]
pub struct Cqe {
    token: Token,
    res: i32,
    flags: u32,
}

impl Cqe {
    /// Which operation it ends; `None` if its `user_data` is none of ours.
    pub fn kind(&self) -> Option<Kind> {
        self.token.kind()
    }

    /// Its `res`: a count, a mask, or a negated errno(3).
    pub fn result(&self) -> i32 {
        self.res
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    pub(super) fn flags(&self) -> u32 {
        self.flags
    }

    fn names_buffer(&self) -> bool {
        cqueue::buffer_select(self.flags).is_some()
    }

    /// Its F_MORE: the operation will post more.
    pub fn more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// Its F_NOTIF: the kernel has let go of what was sent without a copy.
    pub fn notifies(&self) -> bool {
        cqueue::notif(self.flags)
    }
}

/// Tries at submitting while the kernel says that it is crowded, before the caller hears of it.
const CROWDED_TRIES: u32 = 8;

/// How long completions that nobody waits for may go unheard. So much later, at most, begin deadlines that count
/// from a send. Longer than the kernel's tick, so that the wait's timer costs next to nothing.
const UNHEARD: Duration = Duration::from_millis(10);

/// Looks at the completion queue between two looks at the clock.
const LOOKS: u32 = 64;

/// How long a drop waits for the kernel to let go of anything, unless a shutdown went before.
pub(super) const DROP_PATIENCE: Duration = Duration::from_secs(1);

impl Ring {
    /// A ring of the calling thread.
    ///
    /// # Errors
    ///
    /// When io_uring is refused, or too old for what is done here.
    pub fn new(options: &Options) -> Result<Ring, SetupError> {
        let (ring, fd, report) = setup::set_up(options)?;
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            fd,
            cells: vec![Cell::default(); report.sq_entries as usize].into_boxed_slice(),
            pushed: 0,
            polls: InFlight::new(),
            removed: 0,
            owed_slotless: 0,
            reaped: VecDeque::new(),
            buffers_reaped: 0,
            chain: Vec::new(),
            linked: vec![false; report.sq_entries as usize].into_boxed_slice(),
            lost: 0,
            broken: None,
            crowded: None,
            batch: options.batch,
            spin: options.sq_poll.map(|sq_poll| sq_poll.spin),
            immediate: 0,
            report,
            patience: DROP_PATIENCE,
            is_abandoned: false,
            not_send: PhantomData,
        })
    }

    /// What the kernel gave of what was asked for.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// For the probe, which asks about more than operations.
    pub(super) fn io_uring(&self) -> &IoUring {
        &self.ring
    }

    /// Has the kernel write to this eventfd whenever something completes, or would be completed by entering the ring
    /// (IORING_REGISTER_EVENTFD). It keeps a reference to the file, so that the descriptor may be closed.
    ///
    /// # Errors
    ///
    /// As io_uring_register(2).
    pub fn notify(&self, eventfd: RawFd) -> Result<(), Errno> {
        count::add(Counter::RingRegister, 1);
        Ok(self.ring.submitter().register_eventfd(eventfd)?)
    }

    /// Whether completions are posted by whoever enters the kernel, as many as are waited for and some twenty at most where nothing is: no
    /// kernel thread submits.
    pub fn posts_as_asked(&self) -> bool {
        self.spin.is_none()
    }

    /// Whether there is something to do without a new completion: submit what was pushed, or take what was reaped.
    pub fn has_work(&mut self) -> bool {
        !self.reaped.is_empty() || self.unsubmitted() > 0
    }

    /// Whether it ended in a way that says nothing of what the kernel still has in flight.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Has its drop close this process's descriptor of it, and do nothing else.
    pub(super) fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// CQEs that the kernel has yet to post or the caller to take: zero means that nothing is in flight.
    pub fn owed(&self) -> usize {
        self.polls.owed() + self.owed_slotless
    }

    /// What its polls hold.
    pub fn in_use(&self) -> InUse {
        InUse { polls: self.polls(), owed: self.owed(), ..InUse::default() }
    }

    /// Polls whose memory is still held: armed, or over but owed CQEs.
    pub fn polls(&self) -> usize {
        self.polls.len()
    }

    /// Polls that were removed, whose sockets the kernel still holds.
    pub fn removed(&self) -> usize {
        self.removed
    }

    /// Watches `fd` once: for `interest` (errors and hang-ups always), until `deadline` if there is one
    /// (a LINK_TIMEOUT). The completion carries `user`.
    ///
    /// # Errors
    ///
    /// When the submission queue is full and the kernel takes nothing: `EAGAIN` or `EBUSY` (take
    /// completions and try again), or an error after which the ring is of no use. Nothing was added.
    pub fn poll_add(
        &mut self,
        fd: RawFd,
        interest: Interest,
        user: u64,
        deadline: Option<Time>,
    ) -> Result<PollId, Errno> {
        let op = Op::PollAdd { fd, interest, multishot: false };
        let Some(until) = deadline else {
            return self.push_poll(op, user);
        };
        let (deadline, flags) = if self.report.silent_deadlines {
            (poll::Deadline::Silent, squeue::Flags::SKIP_SUCCESS)
        } else {
            (poll::Deadline::Posts, squeue::Flags::empty())
        };
        self.make_room(2)?;
        let id = self.polls.insert(Poll::new(user, deadline), 1 + deadline.owes());
        self.push(op, Token::new(Kind::Poll, id), squeue::Flags::IO_LINK);
        self.push(Op::LinkTimeout { until }, Token::new(Kind::PollDeadline, id), flags);
        Ok(PollId(id))
    }

    /// Watches `fd` until removed, with a completion for each change (edges, not levels). If the kernel
    /// ends it, the last completion has `more` unset and it has to be added again.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`].
    pub fn poll_multishot(
        &mut self,
        fd: RawFd,
        interest: Interest,
        user: u64,
    ) -> Result<PollId, Errno> {
        self.push_poll(Op::PollAdd { fd, interest, multishot: true }, user)
    }

    fn push_poll(&mut self, op: Op, user: u64) -> Result<PollId, Errno> {
        self.make_room(1)?;
        let id = self.polls.insert(Poll::new(user, poll::Deadline::None), 1);
        self.push(op, Token::new(Kind::Poll, id), squeue::Flags::empty());
        Ok(PollId(id))
    }

    /// Ends a poll: from now on it does not complete, also if its CQE was reaped already. Does nothing
    /// if it is over.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`]. The poll does not complete in this case either, but the kernel watches the
    /// file until it is ready or the ring is closed.
    pub fn poll_remove(&mut self, poll: PollId) -> Result<(), Errno> {
        let Some(op) = self.polls.get_mut(poll.0) else { return Ok(()) };
        let was = std::mem::replace(&mut op.state, State::Removed);
        match was {
            State::Armed => {
                self.removed += 1;
                self.push_remove(poll.0)
            }
            State::Cancelled => {
                self.removed += 1;
                Ok(())
            }
            State::Removed => Ok(()),
            State::Delivered => {
                op.state = State::Delivered;
                Ok(())
            }
        }
    }

    fn push_remove(&mut self, id: SlotId<Poll>) -> Result<(), Errno> {
        self.make_room(1)?;
        // making room may have reaped, but settles nothing: the slot is still there
        self.polls.owe_one(id);
        let target = Token::new(Kind::Poll, id);
        self.push(
            Op::PollRemove { target },
            Token::new(Kind::PollRemove, id),
            squeue::Flags::empty(),
        );
        Ok(())
    }

    /// Moves the deadline of a poll that was added with one. Says whether it could: not if the poll is
    /// over or has none. If the old deadline passes before the kernel hears of it, the poll
    /// completes with [`Completion::DeadlinePassed`] all the same, and also if the kernel does not know how to move it
    /// (before Linux 5.15): the old one might be too late.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`]. The old deadline stands.
    pub fn deadline_update(&mut self, poll: PollId, deadline: Time) -> Result<bool, Errno> {
        let id = poll.0;
        match self.polls.get_mut(id) {
            Some(poll) if poll.state == State::Armed && poll.deadline != poll::Deadline::None => {}
            Some(_) | None => return Ok(false),
        }
        self.make_room(1)?;
        self.polls.owe_one(id);
        let target = Token::new(Kind::PollDeadline, id);
        self.push(
            Op::LinkTimeoutUpdate { target, until: deadline },
            Token::new(Kind::PollDeadlineUpdate, id),
            squeue::Flags::empty(),
        );
        Ok(true)
    }

    /// A no-op, to see whether the kernel does anything at all. It completes silently: [`Ring::owed`]
    /// goes back to what it was.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`].
    pub fn nop(&mut self) -> Result<(), Errno> {
        self.make_room(1)?;
        self.owed_slotless += 1;
        self.push(Op::Nop, Token::slotless(Kind::Nop), squeue::Flags::empty());
        Ok(())
    }

    /// Has the kernel post a CQE for a poll that is over and gone, as only a bug could: for tests of what
    /// becomes of it. Says whether it did: not if the poll's slot is still its own.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`].
    pub fn forge_stale(&mut self, poll: PollId) -> Result<bool, Errno> {
        if self.polls.get_mut(poll.0).is_some() {
            return Ok(false);
        }
        self.make_room(1)?;
        self.push(Op::Nop, Token::new(Kind::Poll, poll.0), squeue::Flags::empty());
        Ok(true)
    }

    /// Submits what was pushed, waits until there is a completion or it is `until` (`None`: without end;
    /// not after `now`: not at all), and copies the CQEs out. `now` is the caller's reading of the
    /// clock for this turn; kernels without absolute waits count from it.
    ///
    /// May return without a completion: a signal, a deadline, a CQE of interest to nobody. Does not wait
    /// while completions are to be taken.
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EBUSY`: the kernel is short of memory and there is nothing to reap; what was pushed
    /// stays pushed. Any other: the ring is of no use; `ENOMEM` after a chain was cut, or when that shortage has lasted for
    /// seconds, `EBADR` after a completion was lost for want of memory.
    pub fn submit_and_wait(&mut self, now: Time, until: Option<Time>) -> Result<(), Errno> {
        let wait = self.wait_for(now, until);
        self.immediate = 0;
        let entered = match self.spin {
            Some(spin) => self.enter_beside_thread(wait, now, spin)?,
            None => {
                let unsubmitted = self.unsubmitted();
                self.enter(unsubmitted, wait)?
            }
        };
        let mut found = self.reap()?;
        let Entered::Crowded(errno) = entered else {
            self.crowded = None;
            return Ok(());
        };
        if found == 0 && wait.completions > 0 {
            // what completes gives memory back
            let until = now + limits::SUBMIT_AGAIN;
            let wait = Wait { completions: 1, deadline: self.deadline(now, until), ..wait };
            let entered = self.enter(0, wait)?;
            found = self.reap()?;
            if found == 0 && matches!(entered, Entered::Crowded(_)) {
                // it does not even wait
                wait::pause(limits::SUBMIT_AGAIN);
            }
        }
        if found > 0 || !self.reaped.is_empty() {
            self.crowded = None;
            return Ok(());
        }
        let since = *self.crowded.get_or_insert(now);
        if now.since(since) >= limits::CROWDED {
            return Err(*self.broken.insert(Errno::ENOMEM));
        }
        Err(errno)
    }

    /// Submits what was pushed, and has the kernel post all that has completed by now, where a kernel thread submits what it
    /// comes to meanwhile. [`Ring::submit_and_wait`] ends as soon as it has as many completions as were asked for, or a
    /// signal has come.
    ///
    /// # Errors
    ///
    /// As [`Ring::submit_and_wait`].
    pub fn submit_and_look(&mut self) -> Result<(), Errno> {
        self.immediate = 0;
        if self.spin.is_some() {
            return self.look_within(limits::SUBMIT_AGAIN);
        }
        let mut unsubmitted = self.unsubmitted();
        // who leaves some of what was posted comes again without being told, and so to what was not
        let enough = self.report.cq_entries.max(2 * limits::COMPLETIONS_PER_TURN) as usize;
        // recent kernels work off some twenty operations for whoever does not wait, and say whether there are more. (To wait for all
        // there could be until a time that is over starts a timer each time, which costs far more where there is a hypervisor.)
        loop {
            let entered = self.enter(unsubmitted, Wait::NO)?;
            let found = self.reap()?;
            unsubmitted = 0;
            let goes_on = matches!(entered, Entered::Submitted(_)) && self.has_unposted();
            if !goes_on || self.reaped.len() >= enough {
                return Ok(());
            }
            if found == 0 {
                // it may say so of what was worked off before it came to say it, and of what posts nothing
                return self.look_within(Duration::from_nanos(1));
            }
        }
    }

    /// Waits for as many completions as there can be.
    #[cold]
    fn look_within(&mut self, within: Duration) -> Result<(), Errno> {
        let deadline = Deadline::After(within.as_nanos() as u64);
        let wait = Wait { completions: self.report.cq_entries, deadline, ..Wait::NO };
        self.enter(0, wait)?;
        self.reap().map(drop)
    }

    /// Whether the kernel has operations that are over and whose completions it has yet to post, as far as it says so (DEFER_TASKRUN).
    fn has_unposted(&mut self) -> bool {
        self.ring.submission().taskrun()
    }

    /// Submits the first so many of the SQEs pushed, waits, and has the kernel post what has completed.
    fn enter(&mut self, submit: u32, wait: Wait) -> Result<Entered, Errno> {
        if let Some(errno) = self.broken {
            return Err(errno);
        }
        let entered = self.fd.enter(submit, wait)?;
        let left = self.unsubmitted();
        if left > 0 && self.linked[self.entry_of(self.pushed.wrapping_sub(left))] {
            // what the kernel makes of the two parts of a chain is not what either was for
            return Err(*self.broken.insert(Errno::ENOMEM));
        }
        Ok(entered)
    }

    /// What was pushed is the kernel's thread's already. The system call wakes it, or sleeps when completions do not
    /// come soon enough; without need for either it is not made.
    fn enter_beside_thread(
        &mut self,
        wait: Wait,
        now: Time,
        spin: Duration,
    ) -> Result<Entered, Errno> {
        let awake = !self.ring.submission().need_wakeup();
        let until = match wait.deadline {
            Deadline::None => now + spin,
            Deadline::At(until) => until.min(now + spin),
            Deadline::After(nanos) => now + spin.min(Duration::from_nanos(nanos)),
        };
        if awake && (wait.completions == 0 || self.look_for(wait.completions, until)) {
            return Ok(Entered::Nothing);
        }
        self.enter(0, wait)
    }

    /// Looks for completions until there are so many; false if they do not come in time, or the kernel's thread falls
    /// asleep.
    fn look_for(&mut self, completions: u32, until: Time) -> bool {
        loop {
            for _ in 0..LOOKS {
                if self.ring.completion().len() >= completions as usize {
                    return true;
                }
                std::hint::spin_loop();
            }
            if self.ring.submission().need_wakeup() || clock::now() >= until {
                return false;
            }
        }
    }

    fn wait_for(&self, now: Time, until: Option<Time>) -> Wait {
        if !self.reaped.is_empty() || until.is_some_and(|until| until <= now) {
            return Wait::NO;
        }
        let until = match until {
            _ if self.immediate == 0 => until,
            None => Some(now + UNHEARD),
            Some(until) => Some(until.min(now + UNHEARD)),
        };
        let deadline = until.map_or(Deadline::None, |until| self.deadline(now, until));
        let (completions, within) =
            self.batch.map_or((1, Duration::ZERO), |batch| (batch.completions, batch.within));
        Wait {
            room: false,
            completions: self.immediate.saturating_add(completions.max(1)),
            deadline,
            min_wait_usec: u32::try_from(within.as_micros()).unwrap_or(u32::MAX),
        }
    }

    fn deadline(&self, now: Time, until: Time) -> Deadline {
        if self.report.absolute_wait {
            Deadline::At(until)
        } else {
            Deadline::After((until - now).as_nanos() as u64)
        }
    }

    /// The operation pushed last posts its CQE, one, while it is submitted, whatever comes of it, and nothing is to
    /// be done about that soon: the next wait is for another one, or for [`UNHEARD`] at most.
    pub(super) fn expect_at_once(&mut self) {
        self.immediate += 1;
    }

    /// The next completion of those reaped.
    pub fn take_completion(&mut self) -> Option<Completion> {
        while let Some(cqe) = self.pop() {
            let completion = self.settle(&cqe);
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    /// The CQEs reaped and not yet taken, as the kernel wrote them.
    pub fn reaped(&self) -> impl Iterator<Item = &Cqe> {
        self.reaped.iter()
    }

    /// The next CQE reaped, for whoever interprets it.
    pub(super) fn pop(&mut self) -> Option<Cqe> {
        let cqe = self.reaped.pop_front()?;
        self.buffers_reaped -= usize::from(cqe.names_buffer());
        Some(cqe)
    }

    /// Completions reaped and not yet taken that name a provided buffer.
    pub(super) fn buffers_reaped(&self) -> usize {
        self.buffers_reaped
    }

    pub(super) fn has_reaped(&self) -> bool {
        !self.reaped.is_empty()
    }

    /// Interprets one CQE: settles its debt, and gives what its owner is to hear.
    pub(super) fn settle(&mut self, cqe: &Cqe) -> Option<Completion> {
        match cqe.kind() {
            Some(
                kind @ (Kind::Poll
                | Kind::PollDeadline
                | Kind::PollRemove
                | Kind::PollDeadlineUpdate),
            ) => self.settle_poll(kind, cqe),
            Some(Kind::CancelAll | Kind::Nop | Kind::CancelFile) => {
                self.owed_slotless -= 1;
                None
            }
            // of a trial, by a kernel that is late
            Some(Kind::Released) => None,
            // a stream's, which is interpreted elsewhere, or nobody's
            _ => {
                count::add(Counter::StaleCqes, 1);
                None
            }
        }
    }

    fn settle_poll(&mut self, kind: Kind, cqe: &Cqe) -> Option<Completion> {
        let id = cqe.token.id();
        // what a silent deadline posts although it should not, settles nothing
        let unowed = kind == Kind::PollDeadline && self.report.silent_deadlines;
        let more = cqe.more() || unowed;
        let removed = &mut self.removed;
        let settled = self.polls.settle(id, more, |poll, last| {
            *removed -= usize::from(last && poll.state == State::Removed);
            (poll.user, poll.handle_cqe(kind, cqe.res, more, last))
        });
        let Some((user, verdict)) = settled else {
            count::add(Counter::StaleCqes, 1);
            return None;
        };
        let poll = PollId(id);
        match verdict {
            Verdict::Silent => None,
            Verdict::Polled { readiness, more } => {
                Some(Completion::Polled { user, poll, readiness, more })
            }
            Verdict::DeadlinePassed => Some(Completion::DeadlinePassed { user, poll }),
            Verdict::DeadlineRefused => {
                // if even this fails, the slot lives until the file is ready or the ring is closed
                let _ = self.push_remove(id);
                Some(Completion::DeadlinePassed { user, poll })
            }
            Verdict::Failed { errno, still_armed } => {
                if still_armed {
                    // if even this fails, the slot lives until the file is ready or the ring is closed
                    let _ = self.push_remove(id);
                }
                Some(Completion::Failed { user, poll, errno })
            }
        }
    }

    /// Ends the ring: cancels what is in flight and waits until the kernel has let go of all memory, as long as no
    /// `patience` passes in which it lets go of nothing. Completions not yet taken are dropped. Returns how many CQEs
    /// were still owed: not zero only if the kernel did not cancel in time, and then what it may yet touch is leaked.
    pub fn shutdown(mut self, patience: Duration) -> usize {
        self.patience = Duration::ZERO;
        self.come_to_rest(patience)
    }

    /// Cancels and reaps until nothing is owed or patience is at its end; what is still owed.
    fn come_to_rest(&mut self, patience: Duration) -> usize {
        if self.owed() > 0 && !patience.is_zero() && self.push_cancel_all().is_err() {
            return self.owed();
        }
        let mut now = clock::now();
        let mut patience = Patience::new(patience, now, self.owed());
        while self.owed() > 0 && !patience.ends(now, self.owed()) {
            match self.submit_and_wait(now, Some(patience.until())) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY) => {}
                Err(_) => break,
            }
            while let Some(cqe) = self.pop() {
                self.settle(&cqe);
                if cqe.kind() == Some(Kind::CancelAll) && cqe.res == -Errno::EINVAL.raw() {
                    self.remove_all();
                }
            }
            now = clock::now();
        }
        self.owed()
    }

    fn push_cancel_all(&mut self) -> Result<(), Errno> {
        self.make_room(1)?;
        self.owed_slotless += 1;
        self.push(Op::CancelAll, Token::slotless(Kind::CancelAll), squeue::Flags::empty());
        Ok(())
    }

    /// Cancels an operation on a file, if there is room.
    pub(super) fn push_cancel(&mut self, target: Token) -> Result<(), Errno> {
        self.make_room(1)?;
        self.owed_slotless += 1;
        self.push(Op::Cancel { target }, Token::slotless(Kind::CancelFile), squeue::Flags::empty());
        Ok(())
    }

    /// For kernels that cannot cancel all at once (before Linux 5.19).
    fn remove_all(&mut self) {
        for id in self.polls.ids() {
            let _ = self.poll_remove(PollId(id));
        }
    }

    /// Whether the kernel's thread, if it is that which submits, has yet to take some of what was pushed.
    pub(super) fn thread_is_behind(&mut self) -> bool {
        self.spin.is_some() && self.unsubmitted() > 0
    }

    /// SQEs pushed that the kernel has not consumed.
    fn unsubmitted(&mut self) -> u32 {
        self.ring.submission().len() as u32
    }

    /// Sees to it that `n` SQEs can be pushed, so that a chain is not cut: submits what is there if need be.
    pub(super) fn make_room(&mut self, n: u32) -> Result<(), Errno> {
        let mut tries = 0;
        loop {
            let unsubmitted = self.unsubmitted();
            if self.report.sq_entries - unsubmitted >= n {
                return Ok(());
            }
            count::add(Counter::SqFull, 1);
            let consumed = match self.enter(unsubmitted, Wait::FOR_ROOM)? {
                Entered::Submitted(consumed) => consumed,
                Entered::Nothing => 0,
                Entered::Crowded(errno) if tries == CROWDED_TRIES => return Err(errno),
                Entered::Crowded(_) => 0,
            };
            if consumed == 0 {
                self.reap()?;
                tries += 1;
            }
        }
    }

    /// Submits all that was pushed, so that the kernel has seen it.
    pub(super) fn submit_all(&mut self) -> Result<(), Errno> {
        self.make_room(self.report.sq_entries)
    }

    /// The one door to the submission queue. There must be room. A chain goes through it as a whole, when its end
    /// comes: a kernel thread that submits takes what it sees.
    pub(super) fn push(&mut self, op: Op, token: Token, flags: squeue::Flags) {
        debug_assert!(self.chain.is_empty() || !op.begins_a_chain(), "{op:?} behind a link");
        let at = self.entry_of(self.pushed);
        self.linked[at] = !self.chain.is_empty();
        let entry = op.entry(&mut self.cells[at]).user_data(token.to_bits()).flags(flags);
        self.pushed = self.pushed.wrapping_add(1);
        count::add(Counter::Sqes, 1);
        self.chain.push(entry);
        if flags.intersects(squeue::Flags::IO_LINK | squeue::Flags::IO_HARDLINK) {
            return;
        }
        // SAFETY: an SQE points to its cell, which the ring owns, in a box that neither moves nor is freed before
        // the ring is closed. The kernel reads it until it consumes the SQE (SUBMIT_STABLE), and the cell is
        // written again only for a later SQE at the same place of the queue, which there is room for only once
        // this one was consumed: no CQE has to be awaited. A SEND also points to bytes, which whoever pushed it
        // keeps until its CQE, or its notification; an operation on a file to names, bytes and a statx, of which the same
        // is true; a URING_CMD to a static.
        let pushed = unsafe { self.ring.submission().push_multiple(&self.chain) };
        assert!(pushed.is_ok(), "make_room comes first");
        self.chain.clear();
    }

    /// The place in the submission queue of the SQE of this number.
    fn entry_of(&self, pushed: u32) -> usize {
        pushed as usize % self.report.sq_entries as usize
    }

    /// Copies out all CQEs, those that did not fit into the ring too; how many.
    fn reap(&mut self) -> Result<usize, Errno> {
        let mut found = self.copy_cqes()?;
        if !self.ring.submission().cq_overflow() {
            return Ok(found);
        }
        count::add(Counter::CqOverflows, 1);
        while self.ring.submission().cq_overflow() {
            self.enter(0, Wait::NO)?;
            let more = self.copy_cqes()?;
            if more == 0 {
                break;
            }
            found += more;
        }
        Ok(found)
    }

    fn copy_cqes(&mut self) -> Result<usize, Errno> {
        let cqes = self.ring.completion();
        let (found, lost) = (cqes.len(), cqes.overflow());
        self.reaped.extend(cqes.map(|cqe| {
            let token = Token::from_bits(cqe.user_data());
            let cqe = Cqe { token, res: cqe.result(), flags: cqe.flags() };
            self.buffers_reaped += usize::from(cqe.names_buffer());
            cqe
        }));
        count::add(Counter::Cqes, found as u64);
        if lost != self.lost {
            // what they would have ended never ends
            count::add(Counter::LostCqes, lost.wrapping_sub(self.lost).into());
            self.lost = lost;
            return Err(*self.broken.insert(Errno::EBADR));
        }
        Ok(found)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.is_abandoned {
            // what it lends the kernel is the other process's memory, and here there are copies; queues there are none
            count::add(Counter::Close, 1);
            // SAFETY: the descriptor is this process's copy, and nobody closes it but this: the ring is not dropped.
            return drop(unsafe { OwnedFd::from_raw_fd(self.ring.as_raw_fd()) });
        }
        let leaked = self.come_to_rest(self.patience);
        // Polls lend the kernel no memory beyond the cells, and those no longer than their SQEs are
        // unconsumed: nothing has to be kept from being freed. Nor if it was given up with SQEs that are not consumed,
        // and a kernel thread submits: the ring is unmapped and closed before the cells are freed (it is the first
        // field), and since nobody else holds its file, the close kills its context under the lock under which that
        // thread submits. A submission that has begun is over by then, and none begins.
        count::add(Counter::LeakedCqes, leaked as u64);
        self.fd.unregister();
        setup::count_close();
        // SAFETY: it is not used after this, which is its only drop.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("polls", &self.polls.len())
            .field("owed", &self.owed())
            .field("reaped", &self.reaped.len())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    fn what_the_kernel_reads_twice_is_behind_no_link() {
        let Ok(mut ring) = Ring::new(&Options::default()) else {
            eprintln!("skipped: no io_uring here");
            return;
        };
        let direct = 0;
        for op in [Op::Nodelay { direct }, Op::Linger { direct }, Op::Unacknowledged { direct }] {
            let mut pushed = |op: Op, flags| {
                let push = || ring.push(op, Token::slotless(Kind::Nop), flags);
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(push))
            };
            pushed(Op::Nop, squeue::Flags::IO_LINK).expect("a link");
            assert!(pushed(op, squeue::Flags::empty()).is_err(), "{op:?}");
            pushed(Op::Nop, squeue::Flags::empty()).expect("the end of the chain");
        }
        ring.submit_all().expect("submits");
    }

    /// Where SOCKET fails, which is no link of the chain behind it, that finds none, and what begins it alone says so.
    #[test]
    fn a_chain_without_a_socket_speaks_once() {
        let Ok(mut ring) = Ring::new(&Options::default()) else {
            eprintln!("skipped: no io_uring here");
            return;
        };
        ring.ring.submitter().register_files_sparse(1).expect("a table");
        let (direct, silent) = (0, squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS);
        let no_family = Op::Socket { direct, family: libc::AF_UNSPEC, kind: libc::SOCK_STREAM };
        let address = ([127, 0, 0, 1], 1).into();
        let chain = [
            (Op::Nodelay { direct }, Kind::Nodelay, silent),
            (Op::Connect { direct, address }, Kind::Connect, silent),
            (Op::LinkTimeout { until: Time::NEVER }, Kind::ConnectDeadline, silent),
            (Op::Nop, Kind::Nop, squeue::Flags::empty()),
        ];
        for first in [0, 1] {
            let apart = squeue::Flags::SKIP_SUCCESS;
            ring.push(no_family, Token::slotless(Kind::Socket), apart);
            for &(op, kind, flags) in &chain[first..] {
                ring.push(op, Token::slotless(kind), flags);
            }
            ring.submit_all().expect("submits");
            ring.submit_and_look().expect("looks");
            let said: Vec<_> = ring.reaped.drain(..).map(|cqe| (cqe.kind(), cqe.res)).collect();
            let (none, begins) = (-libc::EAFNOSUPPORT, chain[first].1);
            let expected = vec![(Some(Kind::Socket), none), (Some(begins), -libc::EBADF)];
            assert_eq!(said, expected);
        }
    }

    /// As where the kernel runs out of memory between the two.
    #[test]
    fn a_chain_that_was_cut_ends_the_ring() {
        let Ok(mut ring) = Ring::new(&Options::default()) else {
            eprintln!("skipped: no io_uring here");
            return;
        };
        ring.nop().expect("pushes");
        let (at, now) = (Interest::RECV, clock::now());
        ring.poll_add(-1, at, 0, Some(now + Duration::from_secs(9))).expect("pushes");
        assert_eq!(ring.enter(1, Wait::NO), Ok(Entered::Submitted(1)), "between chains");
        assert_eq!(ring.enter(1, Wait::NO), Err(Errno::ENOMEM), "within one");
        assert!(ring.is_broken());
        assert_eq!(ring.submit_and_wait(now, None), Err(Errno::ENOMEM), "from then on");
    }
}
