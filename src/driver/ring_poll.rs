//! The poll driver: readiness by io_uring.
//!
//! Each socket action becomes a POLL_ADD, a change or removal a POLL_REMOVE; the deadline of what
//! the socket waits for rides along as a LINK_TIMEOUT; the completion is the socket action. An
//! application of [`Multi`], with nothing that an outside program could not do.
//! Invariant: a socket has at most one poll that may complete, and one that is watched has exactly
//! one whenever the driver waits.

use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use slab::Slab;

use super::interest::Action;
use super::multi::{CallbackError, Event, Multi, SocketChange, Watch};
use super::notifier::Notifier;
use super::token::Token;
use super::{MultiError, refused, soonest};
use crate::engine::Config;
use crate::error::Operation;
use crate::limits;
use crate::sys::ring::{Options, SetupError};
use crate::sys::{Completion, Errno, Interest, PollId, Readiness, Ring, clock};
use crate::time::Time;

pub(super) struct RingPollDriver {
    multi: Multi<RingWatch>,
    events: Vec<Event>,
    /// As the ring driver's.
    notifier: Notifier,
}

pub(super) struct RingWatch {
    ring: Ring,
    sockets: Slab<Watched>,
    /// Sockets whose poll is over or was removed, to be armed before the next wait.
    to_arm: Vec<usize>,
}

struct Watched {
    token: Token,
    fd: RawFd,
    interest: Interest,
    deadline: Option<Time>,
    armed: Option<PollId>,
}

impl RingPollDriver {
    pub(super) fn new(config: Config, options: &Options) -> Result<Self, SetupError> {
        let mut ring = Ring::new(options)?;
        // a sandbox may allow a ring to be made and refuse to have it entered
        ring.nop()
            .and_then(|()| ring.submit_and_wait(Time::ZERO, Some(Time::ZERO)))
            .map_err(|errno| SetupError::Trial("NOP", errno))?;
        let watch = RingWatch { ring, sockets: Slab::new(), to_arm: Vec::new() };
        Ok(Self {
            multi: Multi::new(config, watch),
            events: Vec::new(),
            notifier: Notifier::default(),
        })
    }

    pub(super) fn multi(&self) -> &Multi<RingWatch> {
        &self.multi
    }

    pub(super) fn multi_mut(&mut self) -> &mut Multi<RingWatch> {
        &mut self.multi
    }

    /// As the ring driver's.
    pub(super) fn descriptor(&mut self) -> Result<OwnedFd, MultiError> {
        self.notifier.descriptor(|eventfd| self.multi.watch().ring.notify(eventfd))
    }

    /// As the ring driver's.
    pub(super) fn timeout(&mut self) -> Option<Duration> {
        let watch = self.multi.watch_mut();
        let work = watch.ring.has_work() || !watch.to_arm.is_empty();
        let next = self.multi.next_time().map(|at| at.since(clock::now()));
        soonest(work.then_some(Duration::ZERO), next)
    }

    /// Waits once and handles what is ready.
    pub(super) fn turn(&mut self, max: Option<Duration>) -> Result<usize, MultiError> {
        self.notifier.drain();
        let max = if self.multi.tells_as_it_begins()? { Some(Duration::ZERO) } else { max };
        let now = self.multi.now();
        let until = soonest(self.multi.next_time(), max.map(|max| now + max));
        let is_nested = self.notifier.is_used();
        self.multi.watch_mut().submit_and_wait(now, until, is_nested)?;
        self.handle_completions()
    }

    /// Submits what was commanded and handles what has completed, without waiting. How many polls that were removed
    /// the kernel still has, and with them their sockets.
    pub(super) fn flush(&mut self) -> Result<usize, MultiError> {
        let now = self.multi.now();
        let is_nested = self.notifier.is_used();
        self.multi.watch_mut().submit_and_wait(now, Some(now), is_nested)?;
        self.handle_completions()?;
        Ok(self.multi.watch().ring.removed())
    }

    fn handle_completions(&mut self) -> Result<usize, MultiError> {
        let watch = self.multi.watch_mut();
        while let Some(completion) = watch.ring.take_completion() {
            self.events.extend(watch.complete(completion));
        }
        self.multi.end_turn(self.events.drain(..))
    }
}

impl RingWatch {
    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    fn submit_and_wait(
        &mut self,
        now: Time,
        until: Option<Time>,
        is_nested: bool,
    ) -> Result<(), MultiError> {
        let until = match self.arm() {
            Ok(()) => until,
            // the kernel is short of memory: deadlines go on, and what was pushed stays pushed
            Err(Errno::EAGAIN | Errno::EBUSY) => soonest(until, Some(now + limits::SUBMIT_AGAIN)),
            Err(errno) => return Err(refused(Operation::Poll, errno)),
        };
        // as the ring driver's
        let looks = is_nested && until.is_some_and(|until| until <= now);
        let entered = match looks && self.ring.posts_as_asked() {
            true => self.ring.submit_and_look(),
            false => self.ring.submit_and_wait(now, until),
        };
        match entered {
            Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY) => Ok(()),
            Err(errno) => Err(refused(Operation::Poll, errno)),
        }
    }

    /// Arms every watched socket that has no poll.
    fn arm(&mut self) -> Result<(), Errno> {
        while let Some(&key) = self.to_arm.last() {
            if let Some(socket) = self.sockets.get_mut(key)
                && socket.armed.is_none()
                && socket.interest != Interest::NONE
            {
                let Watched { fd, interest, deadline, .. } = *socket;
                socket.armed = Some(self.ring.poll_add(fd, interest, key as u64, deadline)?);
            }
            self.to_arm.pop();
        }
        Ok(())
    }

    /// The event that a completion stands for.
    fn complete(&mut self, completion: Completion) -> Option<Event> {
        let (Completion::Polled { user, .. }
        | Completion::DeadlinePassed { user, .. }
        | Completion::Failed { user, .. }) = completion;
        let key = user as usize;
        // a poll that was removed does not complete, so that the key is its socket's still
        let socket = self.sockets.get_mut(key)?;
        socket.armed = None;
        self.to_arm.push(key);
        Some(match completion {
            Completion::Polled { readiness, .. } => Event::Ready(socket.token, readiness),
            Completion::DeadlinePassed { .. } => Event::Deadline(socket.token),
            // the socket itself says what is wrong with it
            Completion::Failed { .. } => {
                let error = Readiness { recv: true, send: true, error: true };
                Event::Ready(socket.token, error)
            }
        })
    }

    fn change(&mut self, key: usize, change: &SocketChange) -> Result<(), Errno> {
        let socket = &mut self.sockets[key];
        let interest = change.action.interest();
        let same_interest = socket.interest == interest;
        (socket.interest, socket.deadline) = (interest, change.deadline);
        let Some(poll) = socket.armed else {
            self.to_arm.push(key);
            return Ok(());
        };
        if same_interest
            && let Some(deadline) = change.deadline
            && self.ring.deadline_update(poll, deadline)?
        {
            return Ok(());
        }
        socket.armed = None;
        self.to_arm.push(key);
        self.ring.poll_remove(poll)
    }
}

impl Watch for RingWatch {
    const CARRIES_DEADLINES: bool = true;

    /// The private value is the socket's key in `sockets`.
    fn socket(
        &mut self,
        change: &SocketChange,
        key: &mut Option<u64>,
    ) -> Result<(), CallbackError> {
        match (change.action, *key) {
            (Action::Remove, None) => {}
            (Action::Remove, Some(known)) => {
                *key = None;
                if let Some(poll) = self.sockets.remove(known as usize).armed {
                    self.ring.poll_remove(poll)?;
                }
            }
            (_, Some(known)) => self.change(known as usize, change)?,
            (_, None) => {
                let (token, fd, deadline) = (change.token, change.fd, change.deadline);
                let interest = change.action.interest();
                let socket = Watched { token, fd, interest, deadline, armed: None };
                let new = self.sockets.insert(socket);
                self.to_arm.push(new);
                *key = Some(new as u64);
            }
        }
        Ok(())
    }
}
