//! The multi interface: `CURLM`, many transfers at once.
//!
//! Knows the engine's multi and the easy handles in it. What is called from C is with `interface`, the sockets with `watch`.
//! Invariant: the engine is borrowed for one call at a time, and a callback that calls back is told that it is.

mod carriers;
mod epoll;
mod interface;
mod notify;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use ringdove::driver::DriverError;
use ringdove::sys::Interest;
use ringdove::{Config, Event, Message, Outcome, Paused, Time};

use crate::codes::{Code, MultiCode};
use crate::easy::delivery::{self, Delivery};
use crate::easy::link::Link;
use crate::easy::tls::Policies;
use crate::easy::{Done, Easy, callbacks, opening, request};
use crate::edge::Pointer;
use crate::edge::handle::{Kind, Own};
use crate::errors::{self, Failure};
use crate::options::ids;
use crate::which::{self, Whose};
pub(crate) use carriers::Id;
use carriers::{Carriers, Way};
use epoll::{Bell, Polled};
pub(crate) use interface::MessageSlot;
use interface::Settings;
pub use interface::{MULTI_OPTIONS, Row as MultiRow};
use notify::Notices;
pub(crate) use watch::Ends;
use watch::Sockets;

/// Connections, where the program sets no limit: curl has none.
const CONNECTIONS: usize = 1 << 20;

/// The longest wait of curl_easy_perform(3), so that the progress callback is called now and then.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a `CURLM *` stands for.
pub(crate) struct Multi {
    pub(super) own: Own,
    settings: RefCell<Settings>,
    /// Made when the first handle is added, since what that says of look-ups counts.
    carriers: RefCell<Carriers>,
    sockets: Rc<Sockets>,
    /// The handles that were added, by their addresses.
    members: RefCell<HashMap<*const Easy, Rc<Easy>>>,
    /// Those of them whose progress is told.
    watched: RefCell<HashMap<*const Easy, Rc<Easy>>>,
    /// How many are over, but for what they hold of their bodies.
    held: Cell<usize>,
    /// Those whose transfers are in the engine.
    transfers: RefCell<HashMap<Id, Rc<Easy>>>,
    /// Those that need a socket, while transfers of the driver's have all connections that there may be.
    waiting: RefCell<VecDeque<Rc<Easy>>>,
    /// Transfers that failed before they began, or that a callback ended: they are told of with the next turn.
    failed: RefCell<Vec<(Rc<Easy>, Failure)>>,
    /// Handles whose pause has changed in a callback.
    changed: RefCell<Vec<Rc<Easy>>>,
    /// What curl_multi_info_read(3) has yet to tell.
    messages: RefCell<VecDeque<(Rc<Easy>, Code)>>,
    /// Connections that programs have to themselves, and how many transfers are to become such.
    links: RefCell<HashMap<Id, Rc<Link>>>,
    awaits_links: Cell<usize>,
    /// Those that were given up in a callback.
    dropped: RefCell<Vec<Id>>,
    policies: Policies,
    notices: Notices,
    /// When the timer callback was told to come back; `None` if it was told nothing, or that has passed.
    timer: Cell<Option<Time>>,
    /// Absent where nobody can have it: in the multi of an easy handle.
    bell: Option<Bell>,
}

impl Kind for Multi {
    const MAGIC: usize = 0x000b_ab1e;
}

/// A callback of the multi, or of a handle in it, runs while this is there.
pub(crate) struct Inside(Rc<Sockets>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.calling.set(self.0.calling.get() - 1);
    }
}

impl Multi {
    fn new(bell: Option<Bell>) -> Multi {
        Multi {
            own: Own::default(),
            settings: RefCell::default(),
            carriers: RefCell::default(),
            sockets: Rc::default(),
            members: RefCell::default(),
            watched: RefCell::default(),
            held: Cell::new(0),
            transfers: RefCell::default(),
            waiting: RefCell::default(),
            failed: RefCell::default(),
            changed: RefCell::default(),
            messages: RefCell::default(),
            links: RefCell::default(),
            awaits_links: Cell::new(0),
            dropped: RefCell::default(),
            policies: Policies::default(),
            notices: Notices::default(),
            timer: Cell::new(None),
            bell,
        }
    }

    /// One for an easy handle's own transfers.
    pub(crate) fn private() -> Rc<Multi> {
        Rc::new(Multi::new(None))
    }

    fn whose(&self) -> Whose {
        if self.bell.is_some() { Whose::Multi } else { Whose::Easy }
    }

    /// A callback begins.
    pub(crate) fn enter(&self) -> Inside {
        self.sockets.calling.set(self.sockets.calling.get() + 1);
        Inside(Rc::clone(&self.sockets))
    }

    pub(crate) fn is_calling(&self) -> bool {
        self.sockets.calling.get() > 0
    }

    /// Between which addresses the socket is connected that a handle's transfer has. What is on the ring has none.
    pub(crate) fn ends_of(&self, easy: &Easy) -> Ends {
        match easy.run.id.get() {
            Some(id) if id.is_driven() => Ends::default(),
            Some(_) | None => self.sockets.ends_of(easy.own.get()),
        }
    }

    /// The socket of a handle.
    pub(crate) fn socket_of(&self, easy: Pointer) -> Option<i32> {
        self.sockets.fd_of(easy)
    }

    // handles

    /// Adds a handle; its transfer begins with the next turn. One that cannot begin is over with that.
    pub(crate) fn add(self: &Rc<Self>, easy: &Rc<Easy>) -> Result<(), MultiCode> {
        if self.is_calling() {
            return Err(MultiCode::RECURSIVE_API_CALL);
        }
        if easy.its_multi().is_some() {
            return Err(MultiCode::ADDED_ALREADY);
        }
        self.heed_fork();
        callbacks::fill_error_buffer(easy, "");
        *easy.multi.borrow_mut() = Rc::downgrade(self);
        self.members.borrow_mut().insert(Rc::as_ptr(easy), Rc::clone(easy));
        if !easy.settings.borrow().flag(ids::NOPROGRESS, true) {
            self.watched.borrow_mut().insert(Rc::as_ptr(easy), Rc::clone(easy));
        }
        if let Err(failure) = self.begin(easy) {
            self.failed.borrow_mut().push((Rc::clone(easy), failure));
        }
        self.tell_timer()
    }

    fn begin(self: &Rc<Self>, easy: &Rc<Easy>) -> Result<(), Failure> {
        easy.run.begin(errors::Asked::default());
        easy.close_link();
        let prepared = request::prepare(easy, &self.policies)?;
        delivery::begin(easy, &prepared);
        if !callbacks::before_lookup(easy) {
            return Err(Failure::plain(Code::ABORTED_BY_CALLBACK));
        }
        let way = self.way_of(easy);
        if self.carriers.borrow_mut().is_full_for(way) {
            self.waiting.borrow_mut().push_back(Rc::clone(easy));
            return Ok(());
        }
        let mut refusal = None;
        let refused = |error: &DriverError| refusal = Some(error.to_string());
        let config = (|| self.config(easy), self.whose());
        let provided = self.carriers.borrow_mut().provide(way, config, &self.sockets, refused);
        if let Some(why) = refusal {
            callbacks::debug_text(easy, &why);
        }
        let way = provided.map_err(|error| errors::of_add(&error))?;
        let mut carriers = self.carriers.borrow_mut();
        if easy.settings.borrow().flag(ids::FRESH_CONNECT, false) {
            carriers.close_idle().map_err(|error| errors::of_add(&error))?;
        }
        let ttl = self.lookup_ttl(easy);
        for fixed in prepared.fixed {
            let until = if fixed.expires { ringdove::sys::clock::now() + ttl } else { Time::NEVER };
            carriers.fix(fixed.host, fixed.port, fixed.addresses, until);
        }
        let handler = Box::new(Delivery { easy: Rc::clone(easy) });
        let added = carriers.add(way, prepared.request, handler);
        let id = added.map_err(|error| errors::of_add(&error))?;
        if easy.link.borrow().as_ref().is_some_and(|link| link.is_given) {
            self.awaits_links.set(self.awaits_links.get() + 1);
        }
        easy.run.id.set(Some(id));
        self.transfers.borrow_mut().insert(id, Rc::clone(easy));
        if let Some(id) = id.watched() {
            self.sockets.easy.borrow_mut().insert(id, easy.own.get());
        }
        Ok(())
    }

    /// Who is to carry a handle's transfer.
    fn way_of(&self, easy: &Easy) -> Way {
        let is_wanted = which::wanted().is_some();
        match is_wanted && !self.sockets.has_callback() && !opening::needs_socket(easy) {
            true => Way::Driven,
            false => Way::Watched,
        }
    }

    fn config(&self, easy: &Easy) -> Config {
        let settings = self.settings.borrow();
        let of_easy = easy.settings.borrow();
        let most = match self.whose() {
            Whose::Multi => CONNECTIONS,
            Whose::Easy => which::FEW,
        };
        let most = settings.most_connections.unwrap_or(most);
        let idle = [ids::MAXAGE_CONN, ids::MAXLIFETIME_CONN]
            .map(|id| u64::try_from(of_easy.number(id, 0)).unwrap_or_default());
        let idle = idle.into_iter().filter(|&seconds| seconds > 0).min();
        let default = Config::default();
        Config {
            max_connections: most,
            max_per_origin: settings.most_per_host.unwrap_or(most),
            max_per_host: settings.most_per_host,
            keep_idle: idle.map_or(default.keep_idle, |seconds| {
                default.keep_idle.min(Duration::from_secs(seconds))
            }),
            lookup_ttl: self.lookup_ttl(easy),
            ..default
        }
    }

    /// CURLOPT_DNS_CACHE_TIMEOUT: -1 is for ever.
    fn lookup_ttl(&self, easy: &Easy) -> Duration {
        let seconds = easy.settings.borrow().number(ids::DNS_CACHE_TIMEOUT, 60);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)))
    }

    /// Takes a handle out, wherever its transfer stands.
    pub(crate) fn remove(&self, easy: &Rc<Easy>) -> MultiCode {
        if self.is_calling() {
            return MultiCode::RECURSIVE_API_CALL;
        }
        let is_here = |other: &Rc<Easy>| Rc::ptr_eq(other, easy);
        if self.members.borrow_mut().remove(&Rc::as_ptr(easy)).is_none() {
            return MultiCode::OK;
        }
        self.watched.borrow_mut().remove(&Rc::as_ptr(easy));
        *easy.multi.borrow_mut() = std::rc::Weak::new();
        self.failed.borrow_mut().retain(|(other, _)| !is_here(other));
        self.waiting.borrow_mut().retain(|other| !is_here(other));
        self.changed.borrow_mut().retain(|other| !is_here(other));
        if easy.run.has_message.take() {
            self.messages.borrow_mut().retain(|(other, _)| !is_here(other));
        }
        self.forget_held(easy);
        self.take_out(easy);
        let shown = self.hand_shown(easy);
        shown.and(self.tell_timer()).err().unwrap_or(MultiCode::OK)
    }

    /// What a transfer that is over still holds; `None` if it is not over, or holds nothing.
    fn forget_held(&self, easy: &Easy) -> Option<Done> {
        let done = easy.run.done.take()?;
        self.held.set(self.held.get() - 1);
        Some(done)
    }

    /// Takes a transfer out of the engine, if it is there.
    fn take_out(&self, easy: &Easy) {
        let Some(id) = easy.run.id.take() else { return };
        self.transfers.borrow_mut().remove(&id);
        self.forget_handle(id);
        self.carriers.borrow_mut().remove(id);
    }

    /// The sockets know it no more.
    fn forget_handle(&self, id: Id) {
        if let Some(id) = id.watched() {
            self.sockets.easy.borrow_mut().remove(&id);
        }
    }

    /// Closes what is idle.
    pub(crate) fn close_idle(&self) {
        let _ = self.carriers.borrow_mut().close_idle();
    }

    // turns

    /// Transfers that are not over.
    fn running(&self) -> usize {
        let begun = self.transfers.borrow().len() + self.held.get();
        begun + self.failed.borrow().len() + self.waiting.borrow().len()
    }

    /// In a process that was forked meanwhile, what the other one's driver carries begins anew, if that asks for nothing twice;
    /// else it has failed: its connection is the other process's.
    fn heed_fork(self: &Rc<Self>) {
        if !self.carriers.borrow_mut().take_forked() {
            return;
        }
        let lost: Vec<_> = self.transfers.borrow_mut().extract_if(|id, _| id.is_driven()).collect();
        for (_, easy) in lost {
            easy.run.id.set(None);
            let begun = match easy.can_begin_again() {
                true => self.begin_paused(&easy),
                false => Err(Failure::new(Code::RECV_ERROR, "the process was forked meanwhile")),
            };
            if let Err(failure) = begun {
                self.failed.borrow_mut().push((easy, failure));
            }
        }
    }

    /// Begins a transfer that may have been paused already.
    fn begin_paused(self: &Rc<Self>, easy: &Rc<Easy>) -> Result<(), Failure> {
        let paused = easy.run.paused.get();
        self.begin(easy)?;
        easy.run.paused.set(paused);
        if let Some(id) = easy.run.id.get() {
            self.carriers.borrow_mut().set_paused(id, paused);
        }
        Ok(())
    }

    /// Begins those for which there is room now.
    fn begin_waiting(self: &Rc<Self>) {
        let waiting = self.waiting.take();
        for easy in waiting {
            if let Err(failure) = self.begin_paused(&easy) {
                self.failed.borrow_mut().push((easy, failure));
            }
        }
    }

    /// Does what can be done now, with what the program says has happened.
    fn turn(self: &Rc<Self>, events: Vec<Event>) -> Result<usize, MultiCode> {
        if self.is_calling() || self.notices.is_telling() {
            return Err(MultiCode::RECURSIVE_API_CALL);
        }
        self.heed_fork();
        let worked = self.work(events);
        self.report_failed();
        self.report_links();
        for id in self.dropped.take() {
            self.drop_link(id);
        }
        self.take_messages();
        let settled = self.carriers.borrow_mut().settle().map_err(|error| errors::of_multi(&error));
        self.begin_waiting();
        self.change_pauses();
        self.tell_progress();
        let running = self.running();
        if running == 0 {
            self.sockets.park().map_err(|_| MultiCode::ABORTED_BY_CALLBACK)?;
        }
        self.show_driver()?;
        worked.and(settled)?;
        self.tell_timer()?;
        self.notify();
        Ok(running)
    }

    fn work(&self, mut events: Vec<Event>) -> Result<(), MultiCode> {
        let mut carriers = self.carriers.borrow_mut();
        if let Some(engine) = carriers.watched() {
            if engine.running() > 0 {
                let parked = self.sockets.unpark().map_err(|_| MultiCode::ABORTED_BY_CALLBACK)?;
                events.extend(parked);
            }
            events.extend(self.sockets.poll());
        }
        let told = carriers.tell(events);
        told.and(carriers.turn()).map_err(|error| errors::of_multi(&error))
    }

    /// Where the program watches sockets by now, it watches the driver's descriptor for what began before.
    fn show_driver(&self) -> Result<(), MultiCode> {
        let descriptor = match self.sockets.has_callback() {
            true => self.carriers.borrow_mut().descriptor(),
            false => None,
        };
        let shown = self.sockets.show(descriptor, self.any_driven());
        shown.map_err(|_| MultiCode::ABORTED_BY_CALLBACK)
    }

    /// A handle whose transfer a driver carries; null if there is none.
    fn any_driven(&self) -> Pointer {
        let transfers = self.transfers.borrow();
        let driven = transfers.iter().find(|(id, _)| id.is_driven());
        driven.map_or(std::ptr::null_mut(), |(_, easy)| easy.own.get())
    }

    /// A handle goes: the driver's descriptor is another's from here on, or is to be watched no more as long as this one is there.
    fn hand_shown(&self, easy: &Easy) -> Result<(), MultiCode> {
        let shown = self.sockets.hand_shown(easy.own.get(), self.any_driven());
        shown.map_err(|_| MultiCode::ABORTED_BY_CALLBACK)
    }

    /// Tells of transfers that never began.
    fn report_failed(&self) {
        for (easy, failure) in self.failed.take() {
            self.take_out(&easy);
            self.finish(&easy, Done(Err(failure)));
        }
    }

    /// Tells of connections that the program has to itself from here on: for the program the transfer is done.
    fn report_links(self: &Rc<Self>) {
        let has_opened = |easy: &&Rc<Easy>| {
            let link = easy.link.borrow();
            link.as_ref().is_some_and(|it| it.is_given && it.is_open.get() && !it.is_told.get())
        };
        let transfers = self.transfers.borrow();
        let opened: Vec<_> = match self.awaits_links.get() {
            0 => return,
            _ => transfers.values().filter(has_opened).cloned().collect(),
        };
        drop(transfers);
        for easy in opened {
            let (Some(id), Some(link)) = (easy.run.id.take(), easy.link.borrow().clone()) else {
                continue;
            };
            self.awaits_links.set(self.awaits_links.get().saturating_sub(1));
            link.is_told.set(true);
            *link.place.borrow_mut() = Some((Rc::downgrade(self), id));
            self.transfers.borrow_mut().remove(&id);
            self.links.borrow_mut().insert(id, Rc::clone(&link));
            self.hold_link(id, true);
            self.finish(&easy, Done(Ok(())));
        }
    }

    fn hold_link(&self, id: Id, receiving: bool) {
        self.carriers.borrow_mut().set_paused(id, Paused { receiving, sending: false });
    }

    /// The peer has ended a connection that the program has to itself.
    fn end_link(&self, id: Id) {
        if let Some(link) = self.links.borrow_mut().remove(&id) {
            link.has_ended.set(true);
            link.place.take();
        }
    }

    /// Sends and receives what can be now on such a connection.
    pub(crate) fn pump(&self, easy: Pointer, id: Id) {
        // what is said from within a callback goes out with the next call
        if self.is_calling() {
            return;
        }
        self.hold_link(id, false);
        let check = self.sockets.event_of(easy);
        let worked = self.carriers.borrow_mut().tell(check.into_iter().collect());
        drop(worked);
        self.hold_link(id, true);
        self.take_messages();
    }

    /// Gives such a connection up.
    pub(crate) fn drop_link(&self, id: Id) {
        if self.is_calling() {
            self.dropped.borrow_mut().push(id);
            return;
        }
        self.links.borrow_mut().remove(&id);
        self.forget_handle(id);
        self.carriers.borrow_mut().remove(id);
    }

    fn take_messages(&self) {
        let mut closes = false;
        loop {
            let next = self.carriers.borrow_mut().next_message();
            let Some((id, Message { outcome, .. })) = next else { break };
            let easy = self.transfers.borrow_mut().remove(&id);
            self.forget_handle(id);
            let Some(easy) = easy else {
                self.end_link(id);
                continue;
            };
            easy.run.id.set(None);
            closes |= easy.settings.borrow().flag(ids::FORBID_REUSE, false);
            self.end(&easy, outcome);
        }
        if closes {
            self.close_idle();
        }
    }

    fn end(&self, easy: &Rc<Easy>, outcome: Outcome) {
        let done = delivery::conclude(easy, outcome);
        let waits = easy.run.paused.get().receiving && easy.holds_body();
        if waits && done.0.is_ok() {
            // what is held comes first
            easy.run.done.replace(Some(done));
            self.held.set(self.held.get() + 1);
        } else {
            self.finish(easy, done);
        }
    }

    /// A transfer is over, and the program can know.
    fn finish(&self, easy: &Rc<Easy>, done: Done) {
        let done = match done.0 {
            Ok(()) if !callbacks::progress(easy) => {
                Done(Err(Failure::new(Code::ABORTED_BY_CALLBACK, "Callback aborted")))
            }
            result => Done(result),
        };
        if let Err(failure) = &done.0 {
            easy.tell_failure(failure);
        }
        if self.messages.borrow().is_empty() {
            self.notices.note(notify::INFO_READ, None);
        }
        self.notices.note(notify::EASY_DONE, Some(easy));
        easy.run.has_message.set(true);
        self.messages.borrow_mut().push_back((Rc::clone(easy), done.code()));
    }

    /// The pause of a handle has changed in one of its callbacks.
    pub(crate) fn pause_later(&self, easy: &Rc<Easy>) {
        self.changed.borrow_mut().push(Rc::clone(easy));
    }

    fn change_pauses(&self) {
        for easy in self.changed.take() {
            if !easy.run.has_failed()
                && let Err(failure) = delivery::deliver_held(&easy)
            {
                easy.run.fail(failure);
            }
            let _ = self.apply_pause(&easy);
        }
    }

    /// Has the engine pause and resume as the handle says; what failed meanwhile ends.
    pub(crate) fn apply_pause(&self, easy: &Rc<Easy>) -> Code {
        if easy.run.has_failed() {
            self.give_up(easy);
            return Code::OK;
        }
        let paused = easy.run.paused.get();
        if !paused.receiving
            && let Some(done) = self.forget_held(easy)
        {
            self.finish(easy, done);
        }
        if let Some(id) = easy.run.id.get() {
            self.carriers.borrow_mut().set_paused(id, paused);
        }
        self.tell_timer().map_or(Code::FAILED_INIT, |()| Code::OK)
    }

    /// Ends a transfer that a callback has failed.
    fn give_up(&self, easy: &Rc<Easy>) {
        let failure = easy.run.take_failure();
        self.forget_held(easy);
        self.take_out(easy);
        let failure = failure.unwrap_or_else(|| Failure::plain(Code::ABORTED_BY_CALLBACK));
        self.failed.borrow_mut().push((Rc::clone(easy), failure));
    }

    /// Tells each transfer's progress, and ends those that are told to end.
    fn tell_progress(&self) {
        if self.watched.borrow().is_empty() {
            return;
        }
        let watched: Vec<_> = self.watched.borrow().values().cloned().collect();
        let running = watched.into_iter().filter(|easy| easy.run.id.get().is_some());
        for easy in running {
            if !callbacks::progress(&easy) {
                easy.run.fail(Failure::new(Code::ABORTED_BY_CALLBACK, "Callback aborted"));
            }
            if easy.run.has_failed() {
                self.give_up(&easy);
            }
        }
        self.report_failed();
    }

    // time

    /// How long the program may wait: `None` for as long as it likes.
    fn timeout(&self) -> Option<Duration> {
        let at = self.next_time()?;
        Some(at.since(ringdove::sys::clock::now()))
    }

    /// When the next turn has to be, for a transfer: what is idle asks for none.
    fn next_time(&self) -> Option<Time> {
        if !self.failed.borrow().is_empty() {
            return Some(Time::ZERO);
        }
        if self.transfers.borrow().is_empty() {
            return None;
        }
        self.carriers.borrow_mut().next_time()
    }

    /// The program's timer has fired.
    fn timer_fired(&self) {
        self.timer.set(None);
    }

    fn tell_timer(&self) -> Result<(), MultiCode> {
        if !interface::has_timer(self) {
            return Ok(());
        }
        let next = self.next_time();
        if is_same_time(next, self.timer.get()) {
            return Ok(());
        }
        self.timer.set(next);
        let milliseconds = self.timeout().map_or(-1, milliseconds);
        let _inside = self.enter();
        interface::call_timer(self, milliseconds)
    }

    // curl_easy_perform(3)

    /// Takes turns until this handle's transfer is over.
    pub(crate) fn run_to_end(self: &Rc<Self>, easy: &Rc<Easy>) -> Code {
        loop {
            if let Err(code) = self.turn(Vec::new()) {
                let failure = Failure::new(Code::FAILED_INIT, code.text().trim_end_matches('\0'));
                easy.tell_failure(&failure);
                return failure.code;
            }
            let mut messages = self.messages.borrow_mut();
            if let Some(at) = messages.iter().position(|(other, _)| Rc::ptr_eq(other, easy)) {
                return messages.remove(at).map_or(Code::OK, |(_, code)| code);
            }
            drop(messages);
            let longest = self.timeout().map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT));
            let mut fds: Vec<_> = self.descriptors();
            if epoll::wait(&mut fds, milliseconds(longest) as i32).is_err() {
                return Code(99);
            }
        }
    }

    /// What poll(2) has to look at.
    fn descriptors(&self) -> Vec<Polled> {
        let readable = |fd| epoll::polled(fd, Interest::RECV);
        let driver = self.carriers.borrow_mut().descriptor().map(readable);
        if !self.sockets.has_callback() {
            let epoll = self.sockets.poller_fd().filter(|_| !self.transfers.borrow().is_empty());
            return epoll.map(readable).into_iter().chain(driver).collect();
        }
        let watched = self.sockets.watched().into_iter();
        watched.map(|(fd, interest)| epoll::polled(fd, interest)).chain(driver).collect()
    }

    fn handles(&self) -> Vec<Pointer> {
        self.members.borrow().values().map(|easy| easy.own.get()).collect()
    }

    /// Has no handle any more, for one that is cleaned up.
    fn leave_all(&self) {
        let members: Vec<_> = self.members.borrow().values().cloned().collect();
        for easy in members {
            let _ = self.remove(&easy);
        }
    }
}

/// Whether the timer of a program, which counts milliseconds, is to fire at one time as at the other.
fn is_same_time(one: Option<Time>, other: Option<Time>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) if one != Time::ZERO && other != Time::ZERO => {
            one.since(other).max(other.since(one)) < Duration::from_millis(1)
        }
        (one, other) => one == other,
    }
}

/// Rounded up, so that a wait does not end before its time only to begin again.
fn milliseconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX).min(i64::from(i32::MAX))
}
