//! The engine, with what every driver does for it apart from sockets.
//!
//! Knows the clock, the files of look-ups and the threads that do them, files that are written, and the commands of callers. Must not know how sockets are
//! watched, nor what a command leads to on them: whoever carries this one acts upon [`Engine::poll_output`] then. Invariant:
//! the clock is read once per batch.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::engine::{Config, Engine, Handler, LookupId, Message, Paused, Request, TransferId};
use crate::protocol::{Date, Host};
use crate::sys::file::{FileDone, FileOp};
use crate::sys::{Waker, clock, random};
use crate::time::Time;
use crate::tls::{TlsPolicy, TlsPolicyError};

use super::MultiError;
use super::files::{FileWork, Files};
use super::names::NameFiles;
use super::resolver::Lookups;

pub(super) struct EngineHost {
    pub(super) engine: Engine,
    /// The time of the last batch.
    pub(super) now: Time,
    lookups: Lookups,
    names: NameFiles,
    /// Once somebody has asked for them.
    files: Option<Box<FileWork>>,
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
            files: None,
        }
    }

    /// When to begin a batch although nothing happens: `Time::ZERO` is at once.
    pub(super) fn next_time(&self) -> Option<Time> {
        match &self.files {
            Some(files) if files.has_work() => Some(Time::ZERO),
            Some(_) | None => self.engine.next_time(),
        }
    }

    /// Transfers that are not over, or whose files are not.
    pub(super) fn running(&self) -> usize {
        self.engine.running() + self.files.as_ref().map_or(0, |files| files.ending())
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.engine.is_empty() && self.files.as_ref().is_none_or(|files| files.is_empty())
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
        if let Some(handler) = self.engine.remove(id) {
            return Ok(handler);
        }
        // over already, but for its files
        let held = self.files.as_ref().and_then(|files| files.take_held(id));
        held.map(|message| message.handler).ok_or(MultiError::UnknownTransfer(id))
    }

    pub(super) fn set_paused(&mut self, id: TransferId, paused: Paused) -> Result<(), MultiError> {
        if self.engine.paused(id).is_none() {
            return Err(MultiError::UnknownTransfer(id));
        }
        self.engine.set_paused(id, paused);
        if let Some(files) = &self.files {
            files.leave_to_caller(id);
        }
        Ok(())
    }

    // batches

    /// Begins a batch: it is now.
    pub(super) fn begin_batch(&mut self) {
        self.now = clock::now();
        self.engine.advance(self.now);
        self.names.refresh(&mut self.engine, self.now);
    }

    /// Ends a batch, after all that the engine wanted. How many transfers are running.
    pub(super) fn end_batch(&mut self) -> usize {
        let running = self.running();
        if running == 0 {
            self.engine.rest();
        }
        running
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

    // files

    /// The files that handlers write; with the first call they are there. Threads that work on them use the waker.
    pub(super) fn files(&mut self, waker: Option<Waker>) -> Files {
        let new = || Box::new(FileWork::new(RandomState::new().hash_one(0), waker));
        self.files.get_or_insert_with(new).files()
    }

    pub(super) fn has_files(&self) -> bool {
        self.files.is_some()
    }

    /// Tells files what a ring has done.
    pub(super) fn handle_file(&self, user: u64, done: FileDone) {
        if let Some(files) = &self.files {
            files.handle(user, done);
        }
    }

    /// Takes what threads have done.
    pub(super) fn collect_files(&mut self) {
        if let Some(files) = &mut self.files {
            files.collect();
        }
    }

    /// Begins what files want, by the ring as far as that takes it, and has transfers go on for which there is room.
    pub(super) fn work_files(&mut self, by_ring: impl FnMut(u64, FileOp) -> Result<(), FileOp>) {
        if let Some(files) = &mut self.files {
            files.begin(by_ring);
            files.resume(&mut self.engine);
        }
    }

    /// Ends all files, as [`FileWork::end`].
    pub(super) fn end_files(&mut self, step: impl FnMut(&mut FileWork, Time) -> bool) {
        if let Some(mut files) = self.files.take() {
            files.end(step);
        }
    }

    // ends

    /// Messages that wait.
    pub(super) fn messages(&self) -> usize {
        self.engine.messages() + self.files.as_ref().map_or(0, |files| files.released())
    }

    /// The next transfer that is over, and how many more there are.
    pub(super) fn info_read(&mut self) -> Option<(Message, usize)> {
        let message = match &self.files {
            Some(files) => files.next_message(&mut self.engine)?,
            None => self.engine.poll_message()?,
        };
        Some((message, self.messages()))
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
