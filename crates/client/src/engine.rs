//! An engine: a driver, and the calls that it carries.
//!
//! Knows the driver, and what callers have posted. Must not know on which thread it runs, nor who waits for it. Invariants: it
//! reads what was posted once per turn, and sleeps only where there is nothing to be read; tasks that there is something for are woken
//! after the turn, which does not wait once there is; when it ends, by whatever way, every call that it has not ended
//! fails.

use std::any::Any;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove::engine::Outcome;
use ringdove::protocol::{Fields, ResponseHead};
use ringdove::{Config, Driver, DriverKind, Flow, Handler, Message, MultiError, Paused, Redirect};

use crate::budget::Budget;
use crate::call::{Call, End, Room};
use crate::chunks::Chunks;
use crate::clock;
use crate::error::{Error, Gone};
use crate::inbox::{Command, Inbox};
use crate::seats::Seat;
use crate::wakes::{self, Wakes};

/// What an engine is made of. It can go to the thread that is to have it, which an engine cannot.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) driver: Option<DriverKind>,
    /// It has a thread of its own.
    pub(crate) is_apart: bool,
    /// Where it is one of several.
    pub(crate) budget: Option<Budget>,
}

pub(crate) struct Engine {
    driver: Driver,
    inbox: Arc<Inbox>,
    batch: Vec<Command>,
    handed: Rc<Handed>,
    /// For how many turns tasks have been put off.
    put_off: u32,
    /// Since when there may be tasks that were left to others.
    left: Option<Instant>,
    budget: Option<Budget>,
    max_per_origin: usize,
    /// Nothing begins any more, and what runs has until then.
    closing: Option<Instant>,
    has_ended: bool,
    /// Why it cannot go on.
    broken: Option<Gone>,
}

impl Engine {
    /// An engine of the calling thread.
    pub(crate) fn new(plan: Plan) -> Result<Engine, Error> {
        let Plan { config, driver, is_apart, budget } = plan;
        let max_per_origin = config.max_per_origin;
        let driver = match driver {
            None => Driver::auto(config),
            Some(kind) => Driver::new(kind, config),
        };
        let mut driver = driver.map_err(|error| Error::no_engine(error.to_string()))?;
        let bell = driver.waker().map_err(|error| Error::no_engine(error.to_string()))?;
        let chunks = Chunks::new(driver.receive_buffers());
        let handed = Handed { wakes: Wakes::default(), full: RefCell::default(), chunks, is_apart };
        Ok(Engine {
            driver,
            inbox: Inbox::new(bell),
            batch: Vec::new(),
            handed: Rc::new(handed),
            put_off: 0,
            left: None,
            budget,
            max_per_origin,
            closing: None,
            has_ended: false,
            broken: None,
        })
    }

    /// It cannot go on, for this reason: to be dropped.
    pub(crate) fn give_up(&mut self, error: &MultiError) {
        (self.has_ended, self.broken) = (true, Some(Gone::new(&error.to_string())));
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn is_on_epoll(&self) -> bool {
        self.driver.kind() == DriverKind::Epoll
    }

    /// Whether it is to be turned no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What its thread can be woken by while it waits elsewhere.
    pub(crate) fn descriptor(&mut self) -> Result<OwnedFd, MultiError> {
        self.driver.descriptor()
    }

    /// How long the next turn may be put off.
    pub(crate) fn timeout(&mut self) -> Option<Duration> {
        if !self.inbox.is_empty() {
            return Some(Duration::ZERO);
        }
        let timeout = self.driver.timeout();
        self.within(timeout)
    }

    /// Reads what was posted, waits for `max` at most, and handles what has happened.
    pub(crate) fn turn(&mut self, max: Option<Duration>) -> Result<(), MultiError> {
        if self.handed.is_apart && !self.inbox.is_empty() {
            // who has rung may have more to ask for, and shares the CPU where threads are many
            std::thread::yield_now();
        }
        let mut batch = std::mem::take(&mut self.batch);
        self.inbox.take(&mut batch);
        let mut has_answered = false;
        for command in batch.drain(..) {
            has_answered |= self.follow(command)?;
        }
        self.batch = batch;
        let before = self.handed.wakes.has_put_off().then(|| self.driver.stats().received);
        if !self.has_ended {
            // what was answered may be what is waited for; and removals and the like may have heard the bell, and forgotten it
            let max = match !has_answered && before.is_none() && self.inbox.may_sleep() {
                true => self.within(max),
                false => Some(Duration::ZERO),
            };
            self.driver.turn(max)?;
            self.pause_full()?;
        }
        while let Some(Message { outcome, handler, .. }) = self.driver.next_message() {
            let handler: Box<dyn Any> = handler;
            if let Ok(deliver) = handler.downcast::<Deliver>() {
                deliver.end(outcome);
            }
        }
        if let Some(before) = before {
            self.put_off += 1;
            if self.driver.stats().received == before || self.put_off >= wakes::PUT_OFF {
                self.handed.wakes.add(None);
            }
        }
        self.wake();
        let is_over = |until| self.driver.running() == 0 || clock::now() >= until;
        self.has_ended |= self.closing.is_some_and(is_over);
        Ok(())
    }

    /// Has those wait that have more than their window, unless that was taken meanwhile.
    fn pause_full(&mut self) -> Result<(), MultiError> {
        let full = std::mem::take(&mut *self.handed.full.borrow_mut());
        for call in full {
            self.set_paused(&call)?;
        }
        Ok(())
    }

    /// Has its response wait, or go on, as there is room for it.
    fn set_paused(&mut self, call: &Call) -> Result<(), MultiError> {
        let state = call.lock();
        let paused = Paused { receiving: state.is_paused, sending: false };
        let transfer = state.transfer;
        drop(state);
        unless_over(transfer.map(|id| self.driver.set_paused(id, paused)))
    }

    /// Wakes whom the turn has something for, and those who were left to others for too long.
    fn wake(&mut self) {
        if !self.handed.wakes.has_put_off() {
            self.put_off = 0;
        }
        let pump = self.handed.is_apart.then_some(&self.inbox.pump);
        if self.handed.wakes.wake(pump) {
            self.left = self.left.or_else(|| Some(clock::now()));
        }
        let Some(since) = self.left else { return };
        if !self.inbox.pump.has_some() {
            self.left = None;
        } else if clock::now() >= since + wakes::PATIENCE {
            self.inbox.pump.run();
            self.left = None;
        }
    }

    /// How long it may wait, at most `max`.
    fn within(&mut self, max: Option<Duration>) -> Option<Duration> {
        let again = self.ask_for_connections();
        let left = self.left.map(|_| wakes::PATIENCE);
        let max = [again, left, max].into_iter().flatten().min();
        let Some(until) = self.closing else { return max };
        let left = match self.driver.running() {
            // there is nothing to wait for
            0 => Duration::ZERO,
            _ => until.saturating_duration_since(clock::now()),
        };
        Some(max.map_or(left, |max| max.min(left)))
    }

    /// Has others lend it connections, if it has as many as it may and calls that wait for more. When it would ask again.
    fn ask_for_connections(&mut self) -> Option<Duration> {
        let budget = self.budget.as_mut()?;
        let ringdove::Stats { connections, running, .. } = self.driver.stats();
        if connections < budget.limit() || running <= connections {
            return None;
        }
        let now = clock::now();
        let again = budget.ask(&self.inbox, now)?;
        Some(again.saturating_duration_since(now))
    }

    /// Lends another engine connections that it does not use.
    fn lend(&mut self, to: &Inbox) -> Result<(), MultiError> {
        let Some(budget) = &mut self.budget else { return Ok(()) };
        let ringdove::Stats { idle, connections, .. } = self.driver.stats();
        if idle > 0 && connections >= budget.limit() {
            // whoever needs some has more use of them than nobody
            self.driver.close_idle()?;
        }
        let lent = budget.lend(self.driver.stats().connections);
        self.driver.settings().set_limits(budget.limit(), self.max_per_origin);
        if to.post(Command::Borrow(lent)).is_err() {
            self.borrow(lent);
        }
        Ok(())
    }

    fn borrow(&mut self, lent: usize) {
        let Some(budget) = &mut self.budget else { return };
        budget.borrow(lent);
        self.driver.settings().set_limits(budget.limit(), self.max_per_origin);
    }

    /// Does what was asked for. Whether a caller has been answered by that.
    fn follow(&mut self, command: Command) -> Result<bool, MultiError> {
        match command {
            Command::Start(call, seat) => return Ok(!self.start(call, seat)),
            Command::Cancel(call) => {
                let transfer = call.lock().transfer;
                let removed = transfer.map(|id| self.driver.remove(id).map(drop));
                unless_over(removed)?;
            }
            Command::GoOn(call) => self.set_paused(&call)?,
            Command::Stats(asked) => {
                asked.answer(self.driver.stats());
                return Ok(true);
            }
            Command::Origins(asked) => {
                asked.answer(self.driver.origins());
                return Ok(true);
            }
            Command::Lend(to) => self.lend(&to)?,
            Command::Borrow(lent) => self.borrow(lent),
            Command::CloseIdle => self.driver.close_idle()?,
            Command::Shutdown(within) => self.closing = Some(clock::after(within)),
            Command::End => self.has_ended = true,
        }
        Ok(false)
    }

    /// Begins a call. Whether it could.
    fn start(&mut self, call: Arc<Call>, seat: Option<Seat>) -> bool {
        let Some(request) = call.lock().request.take() else { return true };
        let handed = self.handed.clone();
        let deliver = Deliver { call: call.clone(), handed, has_ended: false, _seat: seat };
        match self.driver.add(request, Box::new(deliver)) {
            Ok(id) => {
                call.lock().transfer = Some(id);
                true
            }
            Err(error) => {
                call.fail(Error::refused(error));
                false
            }
        }
    }
}

impl Drop for Engine {
    /// Calls that the driver carries are told by the drop of their handlers.
    fn drop(&mut self) {
        let gone = match (self.closing.is_some(), std::thread::panicking()) {
            (_, true) => Gone::new("it has panicked"),
            (true, false) => Gone::shut_down(),
            (false, false) => self.broken.take().unwrap_or_else(|| Gone::new("it has ended")),
        };
        self.batch.extend(self.inbox.close(gone.clone()));
        for command in self.batch.drain(..) {
            match command {
                Command::Start(call, _) => call.fail(Error::gone(gone.clone())),
                Command::Stats(asked) => asked.answer(self.driver.stats()),
                Command::Origins(asked) => asked.answer(self.driver.origins()),
                // it is answered for the sake of its limit
                Command::Lend(to) => drop(to.post(Command::Borrow(0))),
                Command::Borrow(_)
                | Command::Cancel(_)
                | Command::GoOn(_)
                | Command::CloseIdle
                | Command::Shutdown(_)
                | Command::End => {}
            }
        }
        // nobody else would wake whom it had left to others, or put off
        self.handed.wakes.add(None);
        self.handed.wakes.wake(None);
        self.inbox.pump.run();
    }
}

/// What was asked of a transfer, which may be over, or may never have begun.
fn unless_over(asked: Option<Result<(), MultiError>>) -> Result<(), MultiError> {
    match asked {
        Some(Err(MultiError::UnknownTransfer(_))) | None => Ok(()),
        Some(asked) => asked,
    }
}

/// What handlers hand to their engine, and have of it.
struct Handed {
    wakes: Wakes,
    /// Calls that have more than their window, as they are found in a turn.
    full: RefCell<Vec<Arc<Call>>>,
    chunks: Chunks,
    /// The engine has a thread of its own.
    is_apart: bool,
}

/// Brings a transfer's response to its call.
struct Deliver {
    call: Arc<Call>,
    handed: Rc<Handed>,
    has_ended: bool,
    /// Until it is over, or removed.
    _seat: Option<Seat>,
}

impl Deliver {
    fn end(mut self, outcome: Outcome) {
        self.has_ended = true;
        self.call.told.end(&outcome);
        let mut state = self.call.lock();
        state.end = match outcome.result {
            Ok(_) => End::Whole,
            Err(error) => End::Failed(Error::of_transfer(error)),
        };
        state.report = Some(outcome.report);
        self.handed.wakes.add(state.take_tasks().into_iter().flatten());
    }
}

impl Handler for Deliver {
    fn redirected(&mut self, _: &ResponseHead<'_>, next: &Redirect) -> Flow {
        self.call.lock().url = Some(Box::new(next.head.url()));
        Flow::Continue
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Flow {
        let mut state = self.call.lock();
        state.take_head_in(head);
        self.handed.wakes.add(state.task.take());
        Flow::Continue
    }

    fn body(&mut self, chunk: &[u8]) -> Flow {
        let mut state = self.call.lock();
        let room = self.call.take_in(&mut state, chunk, &self.handed.chunks);
        if self.call.has_much(&state) || !self.handed.is_apart {
            self.handed.wakes.add(state.task.take());
        } else {
            self.handed.wakes.put_off(state.task.take());
        }
        match room {
            Room::Some => Flow::Continue,
            Room::Little => {
                self.handed.full.borrow_mut().push(self.call.clone());
                Flow::Continue
            }
            Room::None => Flow::Pause,
        }
    }

    fn trailers(&mut self, fields: Fields<'_>) -> Flow {
        self.call.lock().trailers = Some(fields.to_map());
        Flow::Continue
    }
}

impl Drop for Deliver {
    /// A transfer that its engine has not ended was removed, for nobody, or its engine is gone.
    fn drop(&mut self) {
        if !self.has_ended {
            self.call.fail(Error::gone(Gone::new("it has ended before the response had")));
        }
    }
}
