//! The epoll driver: readiness by epoll(7).
//!
//! An application of [`Multi`], with nothing that an outside program could not do. For systems that
//! refuse io_uring, and the control in every benchmark.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::interest::Action;
use super::multi::{CallbackError, Event, Multi, SocketChange, Watch};
use super::token::Token;
use super::{MultiError, soonest};
use crate::engine::Config;
use crate::error::Operation;
use crate::sys::{Epoll, Errno, clock};

pub(super) struct EpollDriver {
    multi: Multi<EpollWatch>,
    events: Vec<Event>,
}

pub(super) struct EpollWatch {
    epoll: Epoll,
}

impl EpollDriver {
    pub(super) fn new(config: Config) -> Result<Self, Errno> {
        let watch = EpollWatch { epoll: Epoll::new()? };
        Ok(Self { multi: Multi::new(config, watch), events: Vec::new() })
    }

    pub(super) fn multi(&self) -> &Multi<EpollWatch> {
        &self.multi
    }

    pub(super) fn multi_mut(&mut self) -> &mut Multi<EpollWatch> {
        &mut self.multi
    }

    /// A descriptor that is readable when something is ready.
    pub(super) fn descriptor(&self) -> Result<OwnedFd, MultiError> {
        let epoll = &self.multi.watch().epoll;
        epoll.duplicate().map_err(|errno| super::refused(Operation::Poll, errno))
    }

    /// How long a turn may be put off while nothing is ready.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.multi.next_time().map(|at| at.since(clock::now()))
    }

    /// Waits once and handles what is ready.
    pub(super) fn turn(&mut self, max: Option<Duration>) -> Result<usize, MultiError> {
        let max = if self.multi.tells_as_it_begins()? { Some(Duration::ZERO) } else { max };
        let wait = soonest(self.multi.timeout(), max);
        let epoll = &mut self.multi.watch_mut().epoll;
        epoll.wait(wait).map_err(|errno| super::refused(Operation::Poll, errno))?;
        let ready = |(token, readiness)| Event::Ready(Token::from_bits(token), readiness);
        self.events.extend(epoll.events().map(ready));
        self.multi.end_turn(self.events.drain(..))
    }
}

impl Watch for EpollWatch {
    /// The private value says that the socket is in the interest list. A socket of which nothing
    /// is wanted is taken out, since epoll reports errors and hang-ups even so.
    fn socket(
        &mut self,
        change: &SocketChange,
        listed: &mut Option<u64>,
    ) -> Result<(), CallbackError> {
        let token = change.token.to_bits();
        let interest = change.action.interest();
        match (change.action, *listed) {
            (Action::None | Action::Remove, None) => {}
            (Action::None | Action::Remove, Some(_)) => {
                *listed = None;
                self.epoll.delete(change.fd)?;
            }
            (Action::In | Action::Out | Action::InOut, None) => {
                self.epoll.add(change.fd, interest, token)?;
                *listed = Some(1);
            }
            (Action::In | Action::Out | Action::InOut, Some(_)) => {
                self.epoll.modify(change.fd, interest, token)?;
            }
        }
        Ok(())
    }
}
