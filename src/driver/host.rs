//! The engine, with what every driver does for it apart from sockets.
//!
//! Knows the clock, the files of look-ups and the threads that do them, and the commands of callers. Must not know how sockets are
//! watched, nor what a command leads to on them: whoever carries this one acts upon [`Engine::poll_output`] then. Invariant:
//! the clock is read once per batch.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::engine::{Config, Engine, Handler, LookupId, Message, Paused, Request, TransferId};
use crate::protocol::{Date, Host};
use crate::sys::{Waker, clock, random};
use crate::time::Time;
use crate::tls::{TlsPolicy, TlsPolicyError};

use super::MultiError;
use super::names::NameFiles;
use super::resolver::Lookups;

pub(super) struct EngineHost {
    pub(super) engine: Engine,
    /// The time of the last batch.
    pub(super) now: Time,
    lookups: Lookups,
    names: NameFiles,
}

impl EngineHost {
    /// One without transfers, whose driver carries the deadlines of connections itself or not.
    pub(super) fn new(config: Config, carries_deadlines: bool) -> Self {
        let config = seeded(config);
        Self {
            lookups: Lookups::new(config.max_lookups),
            names: NameFiles::new(&config),
            engine: Engine::new(config).with_carried_deadlines(carries_deadlines),
            now: Time::ZERO,
        }
    }

    // commands

    pub(super) fn add(
        &mut self,
        request: Request,
        handler: Box<dyn Handler>,
    ) -> Result<TransferId, MultiError> {
        provide_tls(&mut self.engine, &request)?;
        Ok(self.engine.add(request, handler)?)
    }

    pub(super) fn add_with<H: Handler>(
        &mut self,
        request: Request,
        handler: impl FnOnce(TransferId) -> H,
    ) -> Result<TransferId, MultiError> {
        provide_tls(&mut self.engine, &request)?;
        Ok(self.engine.add_with(request, handler)?)
    }

    pub(super) fn remove(&mut self, id: TransferId) -> Result<Box<dyn Handler>, MultiError> {
        self.engine.remove(id).ok_or(MultiError::UnknownTransfer(id))
    }

    pub(super) fn set_paused(&mut self, id: TransferId, paused: Paused) -> Result<(), MultiError> {
        if !self.engine.contains(id) {
            return Err(MultiError::UnknownTransfer(id));
        }
        self.engine.set_paused(id, paused);
        Ok(())
    }

    // batches

    /// Begins a batch: it is now.
    pub(super) fn begin_batch(&mut self) {
        self.now = clock::now();
        self.engine.advance(self.now);
        self.names.refresh(&mut self.engine, self.now);
    }

    // look-ups

    /// Whether the engine does a look-up itself that it has asked for.
    pub(super) fn hand_back(&mut self, lookup: LookupId, host: &Host) -> bool {
        self.names.hand_back(&mut self.engine, self.now, lookup, host)
    }

    /// Has the system look a name up, on a thread that uses the waker when it is done.
    pub(super) fn start_lookup(
        &mut self,
        waker: Result<Waker, MultiError>,
        lookup: LookupId,
        host: Host,
    ) -> Result<(), MultiError> {
        self.lookups.start(&mut self.engine, waker, lookup, host)
    }

    pub(super) fn abandon_lookup(&mut self, lookup: LookupId) {
        self.lookups.abandon(lookup);
    }

    /// Tells the engine what has been looked up.
    pub(super) fn deliver_lookups(&mut self) {
        self.lookups.deliver(&mut self.engine);
    }

    // ends

    /// The next transfer that is over, and how many more there are.
    pub(super) fn info_read(&mut self) -> Option<(Message, usize)> {
        let message = self.engine.poll_message()?;
        Some((message, self.engine.messages()))
    }
}

/// Sees to it that the engine can verify whom the request may lead to, as the system would, and knows
/// the date where that matters.
fn provide_tls(engine: &mut Engine, request: &Request) -> Result<(), TlsPolicyError> {
    if request.needs_date() {
        engine.set_date(clock::now(), Date::from_unix(clock::unix()));
    }
    if engine.tls().is_some() {
        return Ok(());
    }
    if request.needs_default_tls() {
        engine.set_tls(TlsPolicy::system()?);
    } else if request.may_need_default_tls()
        && let Ok(policy) = TlsPolicy::system()
    {
        engine.set_tls(policy);
    }
    Ok(())
}

/// Seeds that other processes do not have, where there are none.
fn seeded(config: Config) -> Config {
    let nonce_seed = config.nonce_seed.or_else(random::seed);
    let seed = config.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    Config { seed: Some(seed), nonce_seed, ..config }
}
