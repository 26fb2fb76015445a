//! Who carries the transfers of a multi: sockets that are watched (`watch`), or a driver of ringdove's, on the ring.
//!
//! Knows both engines, of which each is made when the first transfer comes that it is to carry. Must not know handles. Invariants:
//! a transfer stays where it began; a driver belongs to the process that made it, and a fork of that leaves it alone.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process;
use std::rc::Rc;
use std::time::Duration;

use ringdove::driver::MultiError;
use ringdove::sys::clock;
use ringdove::{
    Config, Driver, Event, Handler, Message, Multi as Engine, Paused, Request, Settings, Time,
    TransferId,
};

use super::watch::{Loop, Sockets};
use crate::which;

/// Turns of a driver that one call takes at most, as long as each leaves something to be submitted.
const TURNS: usize = 4;

/// By which of the two a transfer is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Watched,
    Driven,
}

/// The name of a transfer: both engines count theirs by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    way: Way,
    number: TransferId,
}

impl Id {
    /// What the loop of watched sockets calls it, if it is one of theirs.
    pub(super) fn watched(self) -> Option<TransferId> {
        (self.way == Way::Watched).then_some(self.number)
    }
}

/// Both, as far as they were needed.
#[derive(Default)]
pub(super) struct Carriers {
    watched: Option<Engine<Loop>>,
    driven: Option<Driven>,
}

struct Driven {
    driver: Driver,
    /// What tells that it has something to do, once somebody wants to wait for that.
    descriptor: Option<OwnedFd>,
    process: u32,
}

impl Carriers {
    /// Sees to it that there is one of this sort. Where no driver can be had, sockets are watched.
    pub(super) fn provide(
        &mut self,
        way: Way,
        config: impl Fn() -> Config,
        sockets: &Rc<Sockets>,
    ) -> Way {
        if way == Way::Driven && self.driven().is_some() {
            return way;
        }
        if way == Way::Driven
            && let Some(driver) = which::driver(config())
        {
            self.driven = Some(Driven { driver, descriptor: None, process: process::id() });
            return way;
        }
        self.watched.get_or_insert_with(|| Engine::new(config(), Loop(Rc::clone(sockets))));
        Way::Watched
    }

    /// The driver, unless it is that of the process which this one was forked from: nothing of its memory is here.
    fn driven(&mut self) -> Option<&mut Driven> {
        if self.driven.as_ref().is_some_and(|driven| driven.process != process::id()) {
            std::mem::forget(self.driven.take());
        }
        self.driven.as_mut()
    }

    pub(super) fn watched(&mut self) -> Option<&mut Engine<Loop>> {
        self.watched.as_mut()
    }

    pub(super) fn settings(&mut self, way: Way) -> Option<Settings<'_>> {
        match way {
            Way::Watched => self.watched.as_mut().map(Engine::settings),
            Way::Driven => self.driven.as_mut().map(|driven| driven.driver.settings()),
        }
    }

    /// Adds a transfer to one that was provided.
    pub(super) fn add(
        &mut self,
        way: Way,
        request: Request,
        handler: Box<dyn Handler>,
    ) -> Result<Id, MultiError> {
        let number = match (way, &mut self.watched, &mut self.driven) {
            (Way::Driven, _, Some(driven)) => {
                if driven.driver.running() == 0 {
                    // nobody has looked since: of what has ended meanwhile nothing is to be used again
                    driven.driver.turn(Some(Duration::ZERO))?;
                }
                driven.driver.add(request, handler)?
            }
            (_, Some(engine), _) => engine.add(request, handler)?,
            (_, None, _) => unreachable!("it was provided"),
        };
        Ok(Id { way, number })
    }

    /// Takes a transfer out.
    pub(super) fn remove(&mut self, id: Id) {
        // a socket callback that fails here has nobody to be told
        match id.way {
            Way::Watched => drop(self.watched.as_mut().map(|engine| engine.remove(id.number))),
            Way::Driven => drop(self.driven().map(|driven| driven.driver.remove(id.number))),
        }
    }

    pub(super) fn set_paused(&mut self, id: Id, paused: Paused) {
        let _ = match id.way {
            Way::Watched => {
                self.watched.as_mut().map(|engine| engine.set_paused(id.number, paused))
            }
            Way::Driven => self.driven().map(|driven| driven.driver.set_paused(id.number, paused)),
        };
    }

    pub(super) fn close_idle(&mut self) -> Result<(), MultiError> {
        if let Some(engine) = &mut self.watched {
            engine.close_idle()?;
        }
        if let Some(driven) = self.driven() {
            driven.driver.close_idle()?;
        }
        Ok(())
    }

    /// Which transfer is over, and how.
    pub(super) fn next_message(&mut self) -> Option<(Id, Message)> {
        let id = |way, message: &Message| Id { way, number: message.transfer };
        if let Some((message, _)) = self.watched.as_mut().and_then(Engine::info_read) {
            return Some((id(Way::Watched, &message), message));
        }
        let message = self.driven.as_mut()?.driver.next_message()?;
        Some((id(Way::Driven, &message), message))
    }

    /// Tells the engine of watched sockets what has happened.
    pub(super) fn tell(&mut self, events: Vec<Event>) -> Result<(), MultiError> {
        self.watched.as_mut().map_or(Ok(0), |engine| engine.socket_actions(events)).map(drop)
    }

    /// Has the driver do what it can without waiting.
    pub(super) fn turn(&mut self) -> Result<(), MultiError> {
        if !self.is_driving() {
            return Ok(());
        }
        let Some(Driven { driver, .. }) = self.driven() else { return Ok(()) };
        for _ in 0..TURNS {
            if driver.turn(Some(Duration::ZERO))? == 0 || driver.timeout() != Some(Duration::ZERO) {
                break;
            }
        }
        Ok(())
    }

    /// Whether transfers are under way on the driver.
    fn is_driving(&self) -> bool {
        self.driven.as_ref().is_some_and(|driven| driven.driver.running() > 0)
    }

    /// When the next turn has to be, whatever happens until then.
    pub(super) fn next_time(&mut self) -> Option<Time> {
        let watched = self.watched.as_ref().and_then(Engine::next_time);
        let driven = match self.driven() {
            Some(driven) if driven.driver.running() > 0 => driven.driver.timeout(),
            Some(_) | None => None,
        };
        let driven = driven.map(|wait| match wait {
            Duration::ZERO => Time::ZERO,
            wait => clock::now() + wait,
        });
        watched.into_iter().chain(driven).min()
    }

    /// What is readable when the driver has something to do, while transfers are under way on it.
    pub(super) fn descriptor(&mut self) -> Option<RawFd> {
        if !self.is_driving() {
            return None;
        }
        let driven = self.driven()?;
        if driven.descriptor.is_none() {
            driven.descriptor = driven.driver.descriptor().ok();
        }
        driven.descriptor.as_ref().map(AsRawFd::as_raw_fd)
    }
}

impl Drop for Carriers {
    fn drop(&mut self) {
        // by the look the driver of another process is left alone
        self.driven();
    }
}
