//! Who carries the transfers of a multi: sockets that are watched (`watch`), or a driver of ringdove's, on the ring.
//!
//! Knows both engines, of which each is made when the first transfer comes that it is to carry. Must not know handles. Invariants:
//! a transfer stays where it began; once one is on sockets, all that begin later are, and the driver goes with the last that it
//! carries; what is fixed of hosts holds for both, and limits for both together; a driver belongs to the process that made it, and
//! a fork of that leaves it alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::{DriverError, MultiError};
use ringdove::protocol::Host;
use ringdove::sys::clock;
use ringdove::{
    Config, Driver, Event, Handler, Message, Multi as Engine, Paused, Request, Settings, Time,
    TransferId,
};

use super::watch::{Loop, Sockets};
use crate::which::{self, Whose};

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

    pub(super) fn is_driven(self) -> bool {
        self.way == Way::Driven
    }
}

/// Both, as far as they were needed.
#[derive(Default)]
pub(super) struct Carriers {
    watched: Option<Engine<Loop>>,
    driven: Option<Driven>,
    /// What begins from here on is on sockets: a transfer has needed one, or there is no driver.
    stays_on_sockets: bool,
    /// The driver was another process's, and what it carried is not carried here.
    is_forked: bool,
    /// Connections that there may be, over both.
    limits: Limits,
    /// Addresses that CURLOPT_RESOLVE has fixed, and until when.
    fixed: HashMap<(Option<Host>, u16), Fixed>,
}

/// Addresses that were fixed, and until when.
type Fixed = (Arc<[IpAddr]>, Time);

/// As [`Config`] has them.
#[derive(Debug, Clone, Copy, Default)]
struct Limits {
    total: usize,
    per_origin: usize,
    per_host: Option<usize>,
}

struct Driven {
    driver: Driver,
    /// What tells that it has something to do.
    descriptor: OwnedFd,
    process: u32,
}

impl Driven {
    fn new(config: Config, whose: Whose) -> Result<Driven, Option<DriverError>> {
        let mut driver = which::driver(config, whose)?;
        // without it nobody could wait
        let descriptor = driver.descriptor().map_err(|error| {
            Some(DriverError { kind: driver.kind(), reason: error.to_string(), is_shortage: true })
        })?;
        Ok(Driven { driver, descriptor, process: process::id() })
    }
}

impl Carriers {
    /// Sees to it that there is one of this sort. Where no driver can be had, sockets are watched; `refused` is told why when that is
    /// found.
    pub(super) fn provide(
        &mut self,
        way: Way,
        (config, whose): (impl Fn() -> Config, Whose),
        sockets: &Rc<Sockets>,
        refused: impl FnOnce(&DriverError),
    ) -> Result<Way, MultiError> {
        if way == Way::Driven && !self.stays_on_sockets {
            if self.driven().is_some() {
                return Ok(way);
            }
            match Driven::new(config(), whose) {
                Ok(driven) => {
                    self.driven = Some(driven);
                    self.note_limits(&config());
                    self.fix_again(way);
                    return Ok(way);
                }
                Err(Some(error)) => refused(&error),
                Err(None) => {}
            }
        }
        self.stays_on_sockets = true;
        if self.watched.is_none() {
            let engine = Engine::new(config(), Loop(Rc::clone(sockets)));
            self.watched = Some(engine);
            if self.driven().is_none() {
                self.note_limits(&config());
            }
            self.fix_again(Way::Watched);
        }
        self.leave_driver()?;
        Ok(Way::Watched)
    }

    fn note_limits(&mut self, config: &Config) {
        let Config {
            max_connections: total,
            max_per_origin: per_origin,
            max_per_host: per_host,
            ..
        } = *config;
        self.limits = Limits { total, per_origin, per_host };
    }

    /// Whether the driver's transfers leave no room for one on sockets, as far as connections are limited.
    pub(super) fn is_full_for(&mut self, way: Way) -> bool {
        let Limits { total, per_host, .. } = self.limits;
        let driven = self.driven.as_ref().map_or(0, |driven| driven.driver.running());
        let is_apart = way == Way::Watched || self.stays_on_sockets;
        is_apart && driven > 0 && driven >= total.min(per_host.unwrap_or(total))
    }

    /// A driver that gets no new transfers keeps no connection that none is on. What it leaves of the limits is the others'.
    fn leave_driver(&mut self) -> Result<(), MultiError> {
        if !self.stays_on_sockets {
            return Ok(());
        }
        let Some(Driven { driver, .. }) = self.driven() else { return Ok(()) };
        driver.close_idle()?;
        let used = driver.running();
        let Limits { total, per_origin, per_host } = self.limits;
        if let Some(engine) = &mut self.watched {
            let left = |limit: usize| limit.saturating_sub(used);
            let mut settings = engine.settings();
            settings.set_limits(left(total), left(per_origin));
            if per_host.is_some() {
                settings.set_host_limits(per_host.map(left), None);
            }
        }
        Ok(())
    }

    /// All messages are taken: a driver that gets no new transfers goes with its last one.
    pub(super) fn settle(&mut self) -> Result<(), MultiError> {
        self.leave_driver()?;
        if self.stays_on_sockets && !self.is_driving() {
            self.driven();
            self.driven.take();
        }
        Ok(())
    }

    /// Fixes the addresses of a host, or of all, until this time.
    pub(super) fn fix(&mut self, host: Option<Host>, port: u16, to: Arc<[IpAddr]>, until: Time) {
        for way in [Way::Watched, Way::Driven] {
            if let Some(mut settings) = self.settings(way) {
                settings.set_override_until(host.clone(), port, Arc::clone(&to), until);
            }
        }
        self.fixed.insert((host, port), (to, until));
    }

    /// Tells one that is new.
    fn fix_again(&mut self, way: Way) {
        let now = clock::now();
        self.fixed.retain(|_, (_, until)| *until > now);
        let fixed: Vec<_> = self.fixed.iter().map(|(at, to)| (at.clone(), to.clone())).collect();
        let Some(mut settings) = self.settings(way) else { return };
        for ((host, port), (to, until)) in fixed {
            settings.set_override_until(host, port, to, until);
        }
    }

    /// The driver, unless it is that of the process which this one was forked from: nothing of its memory is here.
    fn driven(&mut self) -> Option<&mut Driven> {
        if self.driven.as_ref().is_some_and(|driven| driven.process != process::id())
            && let Some(Driven { driver, .. }) = self.driven.take()
        {
            driver.abandon();
            self.is_forked = true;
        }
        self.driven.as_mut()
    }

    /// Whether what the driver carried is carried no more, since this is another process: it is said once.
    pub(super) fn take_forked(&mut self) -> bool {
        self.driven();
        std::mem::take(&mut self.is_forked)
    }

    pub(super) fn watched(&mut self) -> Option<&mut Engine<Loop>> {
        self.watched.as_mut()
    }

    fn settings(&mut self, way: Way) -> Option<Settings<'_>> {
        match way {
            Way::Watched => self.watched.as_mut().map(Engine::settings),
            Way::Driven => self.driven().map(|driven| driven.driver.settings()),
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
        let message = self.driven()?.driver.next_message()?;
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
        if self.is_forked {
            // what was carried has to begin anew
            return Some(Time::ZERO);
        }
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
        Some(self.driven()?.descriptor.as_raw_fd())
    }
}

impl Drop for Carriers {
    fn drop(&mut self) {
        // by the look the driver of another process is left alone
        self.driven();
    }
}
