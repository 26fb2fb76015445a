//! The multi handle: libcurl's `curl_multi_socket` contract, for an application's own event loop.
//!
//! Knows the engine and the sockets, and what the application was told. Must not know how the
//! application waits. `docs/curl-semantics.md` lists each promise and the test that holds it.
//! Invariants: callbacks run between the engine's calls, never inside one; the application is told
//! changes only, and of a socket's removal before it is closed; the clock is read once per call.

use std::any::Any;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::MultiError;
use super::files::Files;
use super::host::EngineHost;
use super::interest::{Action, difference};
use super::readiness::{Entry, Sockets, report_refused};
use super::settings::Settings;
use super::token::Token;
use crate::dial::{Dial, Transport};
use crate::engine::{
    Config, ConnectionId, Handler, Message, OriginStats, Output, Overdue, Paused, Request, Stats,
    TransferId,
};
use crate::error::Operation;
use crate::limits;
use crate::sys::{self, Errno, Interest, Readiness, Refused, Step, Waker, clock};
use crate::time::Time;

/// Looks at a connection that is overdue, as long as each finds something to receive.
const LOOKS: usize =
    limits::LATE_BYTES / (limits::RECEIVES_PER_TURN as usize * limits::RECEIVE_BUFFER);

/// What a callback may fail with.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// An application's event loop, as a [`Multi`] sees it.
pub trait Watch {
    /// The loop carries [`SocketChange::deadline`] with each socket and reports
    /// [`Event::Deadline`]; [`Multi::timeout`] then leaves sockets' deadlines out.
    const CARRIES_DEADLINES: bool = false;

    /// The application opens and closes sockets itself: [`open`](Watch::open) and [`close`](Watch::close) are called.
    const OPENS_SOCKETS: bool = false;

    /// What is wanted of a socket has changed (CURLMOPT_SOCKETFUNCTION). `value` is the socket's
    /// private value (curl_multi_assign), absent until it is set, here or by [`Multi::assign`].
    ///
    /// An error stops the call that led here, which returns it.
    fn socket(
        &mut self,
        change: &SocketChange,
        value: &mut Option<u64>,
    ) -> Result<(), CallbackError>;

    /// How long to wait at most has changed (CURLMOPT_TIMERFUNCTION): zero means at once, `None`
    /// without end. When it has passed, report [`Event::Timeout`].
    fn timer(&mut self, wait: Option<Duration>) -> Result<(), CallbackError> {
        let _ = wait;
        Ok(())
    }

    /// A socket of the application's own for a connection that is made for this transfer (CURLOPT_OPENSOCKETFUNCTION,
    /// CURLOPT_SOCKOPTFUNCTION), which may go elsewhere than it would have; `None` has one opened. Where several addresses are
    /// tried, each has one. Not asked for look-ups, and only with [`OPENS_SOCKETS`](Watch::OPENS_SOCKETS).
    ///
    /// # Errors
    ///
    /// As if socket(2) had said so: the connection fails, and the next address is tried.
    fn open(
        &mut self,
        transfer: Option<TransferId>,
        dial: &mut Dial,
    ) -> Result<Option<OwnSocket>, Errno> {
        let _ = (transfer, dial);
        Ok(None)
    }

    /// A socket of the application's own is done with (CURLOPT_CLOSESOCKETFUNCTION), after [`Action::Remove`] where it was
    /// watched.
    fn close(&mut self, socket: OwnedFd) {
        drop(socket);
    }
}

/// A socket that an application has opened ([`Watch::open`]): a stream, which is made non-blocking, and bound where the
/// [`Dial`] says so.
#[derive(Debug)]
pub struct OwnSocket {
    /// The descriptor. It is the multi handle's until [`Watch::close`] gives it back.
    pub fd: OwnedFd,
    /// It is connected already.
    pub is_connected: bool,
}

/// What a [`Watch`] is told about one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketChange {
    /// Names the socket in [`Event`]s. Unlike the descriptor it is never used again.
    pub token: Token,
    /// The descriptor. It stays the multi handle's; after [`Action::Remove`] it is closed.
    pub fd: RawFd,
    /// The transfer on it, if there is one.
    pub transfer: Option<TransferId>,
    /// What to do.
    pub action: Action,
    /// When what this socket waits for is over; `None` for no deadline.
    pub deadline: Option<Time>,
}

/// What an application reports to a [`Multi`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A socket is ready (curl_multi_socket_action with a mask).
    Ready(Token, Readiness),
    /// A socket may be ready: find out (a mask of zero).
    Check(Token),
    /// A socket's [`SocketChange::deadline`] has passed.
    Deadline(Token),
    /// The time that [`Multi::timeout`] gave has passed (CURL_SOCKET_TIMEOUT).
    Timeout,
}

/// Many transfers at once, for an application's own loop `W`.
///
/// **Commands**: [`Multi::add`], [`Multi::remove`], [`Multi::pause`], [`Multi::resume`],
/// [`Multi::assign`]. **Events**: [`Multi::socket_action`], [`Multi::socket_actions`],
/// [`Multi::socket_all`]. **The simple loop**: [`Multi::wait`], [`Multi::perform`].
/// **Ends**: [`Multi::info_read`].
///
/// What is reported is a level: of one event no more is taken than a few receives, so that others have their turn, and what is left is to
/// be reported again. A loop that hears of changes alone (EPOLLET) has to report [`Event::Check`] until the socket has nothing more.
pub struct Multi<W: Watch> {
    host: EngineHost,
    sockets: Sockets,
    waker: Option<WakerEntry>,
    watch: W,
    /// What the timer callback was last told, unless that has passed.
    told_timer: Option<Time>,
    /// Sockets of which a change is to be told again, since the callback failed.
    untold: Vec<ConnectionId>,
    /// When all sockets were looked at last.
    looked_around: Option<Time>,
}

struct WakerEntry {
    waker: Waker,
    told: bool,
    value: Option<u64>,
}

impl<W: Watch> Multi<W> {
    /// A handle without transfers.
    pub fn new(config: Config, watch: W) -> Self {
        Self {
            host: EngineHost::new(config, W::CARRIES_DEADLINES),
            sockets: Sockets::new(),
            waker: None,
            watch,
            told_timer: None,
            untold: Vec::new(),
            looked_around: None,
        }
    }

    /// The application's loop.
    pub fn watch(&self) -> &W {
        &self.watch
    }

    /// The application's loop.
    pub fn watch_mut(&mut self) -> &mut W {
        &mut self.watch
    }

    // commands

    /// Adds a transfer (curl_multi_add_handle). It begins with the next call that handles events;
    /// the timer callback is told to make that at once.
    pub fn add(
        &mut self,
        request: Request,
        handler: Box<dyn Handler>,
    ) -> Result<TransferId, MultiError> {
        let id = self.host.add(request, handler)?;
        self.tell_added(id)
    }

    /// As [`Multi::add`], of a transfer whose handler is to know its id.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn add_with<H: Handler>(
        &mut self,
        request: Request,
        handler: impl FnOnce(TransferId) -> H,
    ) -> Result<TransferId, MultiError> {
        let id = self.host.add_with(request, handler)?;
        self.tell_added(id)
    }

    fn tell_added(&mut self, id: TransferId) -> Result<TransferId, MultiError> {
        match self.tell_timer() {
            Ok(()) => Ok(id),
            Err(error) => {
                // whoever does not know its name could never get at it
                self.host.engine.remove(id);
                Err(error)
            }
        }
    }

    /// Removes a transfer, at any time (curl_multi_remove_handle), and gives its handler back.
    ///
    /// # Errors
    ///
    /// [`MultiError::UnknownTransfer`]: there is nothing to remove. After any other error the transfer is removed
    /// all the same, and its handler is dropped.
    pub fn remove(&mut self, id: TransferId) -> Result<Box<dyn Handler>, MultiError> {
        let handler = self.host.remove(id)?;
        self.act()?;
        self.tell_timer()?;
        Ok(handler)
    }

    /// Pauses a transfer: see [`Engine::pause`](crate::engine::Engine::pause).
    pub fn pause(&mut self, id: TransferId) -> Result<(), MultiError> {
        self.host.set_paused(id, Paused::BOTH)?;
        self.act()?;
        self.tell_timer()
    }

    /// Resumes a transfer: see [`Engine::resume`](crate::engine::Engine::resume).
    pub fn resume(&mut self, id: TransferId) -> Result<(), MultiError> {
        self.host.set_paused(id, Paused::default())?;
        self.tell_timer()
    }

    /// Pauses one direction of a transfer, or resumes it: see [`Engine::set_paused`](crate::engine::Engine::set_paused) (curl_easy_pause).
    pub fn set_paused(&mut self, id: TransferId, paused: Paused) -> Result<(), MultiError> {
        self.host.set_paused(id, paused)?;
        self.act()?;
        self.tell_timer()
    }

    /// Sets a socket's private value (curl_multi_assign), for the callback to get from now on.
    pub fn assign(&mut self, socket: Token, value: Option<u64>) -> Result<(), MultiError> {
        if socket == Token::WAKER
            && let Some(waker) = &mut self.waker
        {
            waker.value = value;
            return Ok(());
        }
        let entry = self.sockets.find(socket).and_then(|id| self.sockets.get_mut(id));
        entry.ok_or(MultiError::UnknownSocket(socket))?.value = value;
        Ok(())
    }

    /// Closes all idle connections.
    pub fn close_idle(&mut self) -> Result<(), MultiError> {
        self.host.engine.close_idle();
        self.act()?;
        self.tell_timer()
    }

    /// What can be changed at any time: limits, overrides of addresses, the TLS policy.
    pub fn settings(&mut self) -> Settings<'_> {
        Settings::of(&mut self.host.engine)
    }

    // events

    /// Handles one event (curl_multi_socket_action). Returns how many transfers are running; zero
    /// means that all are done. An event of a socket that is gone is none.
    pub fn socket_action(&mut self, event: Event) -> Result<usize, MultiError> {
        self.socket_actions([event])
    }

    /// Handles a batch of events at the cost of one reading of the clock. A handler that panics ends its transfer, and the batch:
    /// what was not handled is told again by sockets, whose readiness is a level.
    pub fn socket_actions(
        &mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<usize, MultiError> {
        match catch_unwind(AssertUnwindSafe(|| self.handle_batch(events))) {
            Ok(handled) => handled,
            Err(panic) => self.end_panicked(panic),
        }
    }

    /// Goes on after a handler that panicked, or with the panic of anything else.
    #[cold]
    fn end_panicked(&mut self, panic: Box<dyn Any + Send>) -> Result<usize, MultiError> {
        match self.host.engine.end_panicked(&*panic) {
            true => self.end_batch(),
            false => resume_unwind(panic),
        }
    }

    fn handle_batch(
        &mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<usize, MultiError> {
        self.host.begin_batch();
        for event in events {
            self.handle(event)?;
        }
        self.look_again()?;
        self.host.engine.expire();
        self.end_batch()
    }

    /// Begins what was added since the last call, if anything was, so that a loop's next wait need
    /// not end at once. Nothing expires: what is ready comes first, and that the wait will tell.
    pub fn begin_added(&mut self) -> Result<usize, MultiError> {
        if self.next_time() != Some(Time::ZERO) {
            return Ok(self.host.running());
        }
        let begun = catch_unwind(AssertUnwindSafe(|| {
            self.host.begin_batch();
            self.end_batch()
        }));
        begun.unwrap_or_else(|panic| self.end_panicked(panic))
    }

    /// As [`Multi::begin_added`]; says whether whoever turns the loop may have waited for what was done just now: a transfer is
    /// over, or something of a caller's was called.
    pub(super) fn tells_as_it_begins(&mut self) -> Result<bool, MultiError> {
        let before = self.host.messages();
        self.begin_added()?;
        Ok(self.host.engine.take_told() || self.host.messages() > before)
    }

    /// As [`Multi::socket_actions`], at the end of a turn: whatever was called, it is for whoever has turned.
    pub(super) fn end_turn(
        &mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<usize, MultiError> {
        let running = self.socket_actions(events);
        self.host.engine.take_told();
        running
    }

    /// Checks all sockets and transfers (curl_multi_socket_all): the first call of a loop that has
    /// not been told of any socket, or one that has lost track.
    pub fn socket_all(&mut self) -> Result<usize, MultiError> {
        let mut tokens: Vec<_> =
            self.sockets.iter().map(|entry| Event::Check(entry.token())).collect();
        tokens.push(Event::Check(Token::WAKER));
        self.socket_actions(tokens)
    }

    /// How long to wait at most before the next [`Event::Timeout`] (curl_multi_timeout), counted
    /// from the last batch: zero means at once, `None` that only sockets matter.
    pub fn timeout(&self) -> Option<Duration> {
        self.next_time().map(|at| at.since(self.host.now))
    }

    /// The time of the last batch.
    pub fn now(&self) -> Time {
        self.host.now
    }

    /// As [`Multi::timeout`], as a point in time.
    pub fn next_time(&self) -> Option<Time> {
        self.host.next_time()
    }

    // ends

    /// Which transfer is over, and how (curl_multi_info_read), with the number of messages left.
    pub fn info_read(&mut self) -> Option<(Message, usize)> {
        self.host.info_read()
    }

    // the simple loop

    /// Does whatever can be done without waiting (curl_multi_perform).
    pub fn perform(&mut self) -> Result<usize, MultiError> {
        self.socket_all()
    }

    /// Waits until a socket is ready, the handle is woken, or a deadline or `max` has passed
    /// (curl_multi_poll). Returns how many sockets are ready; [`Multi::perform`] handles them.
    pub fn wait(&mut self, max: Duration) -> Result<usize, MultiError> {
        self.waker()?;
        let sockets = self.sockets.iter().filter_map(|entry| {
            let interest = entry.told?.action.interest();
            // poll(2) reports errors and hang-ups also of what is watched for nothing
            (interest != Interest::NONE).then(|| (entry.fd(), interest))
        });
        let waker = self
            .waker
            .iter()
            .map(|entry| (entry.waker.as_raw_fd(), Interest { recv: true, send: false }));
        let wait = self.timeout().map_or(max, |timeout| timeout.min(max));
        sys::wait_any(sockets.chain(waker), wait)
            .map_err(|errno| super::refused(Operation::Poll, errno))
    }

    /// Wakes the handle from another thread (curl_multi_wakeup): its loop's wait ends.
    pub fn waker(&mut self) -> Result<Waker, MultiError> {
        let entry = match &mut self.waker {
            Some(entry) => entry,
            None => {
                let waker =
                    Waker::new().map_err(|errno| super::refused(Operation::Socket, errno))?;
                self.waker.insert(WakerEntry { waker, told: false, value: None })
            }
        };
        let waker = entry.waker.clone();
        self.tell_waker(Action::In)?;
        Ok(waker)
    }

    // getters

    /// The files that handlers write bodies to, and requests send, by threads that use [`Multi::waker`].
    pub fn files(&mut self) -> Files {
        let waker = if self.host.has_files() { None } else { self.waker().ok() };
        self.host.files(waker)
    }

    /// Transfers that are not over, and files that were ended and are not.
    pub fn running(&self) -> usize {
        self.host.running()
    }

    /// Whether nothing is left: no transfer, connection, look-up or timer.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.host.engine.stats()
    }

    /// What it holds for each origin that something uses: see [`Engine::origins`](crate::engine::Engine::origins).
    pub fn origins(&self) -> Vec<OriginStats> {
        self.host.engine.origins()
    }

    // inside

    fn end_batch(&mut self) -> Result<usize, MultiError> {
        self.act()?;
        let running = self.host.end_batch();
        self.tell_timer()?;
        Ok(running)
    }

    fn handle(&mut self, event: Event) -> Result<(), MultiError> {
        match event {
            Event::Ready(Token::WAKER, _) | Event::Check(Token::WAKER) => {
                self.handle_wake();
                Ok(())
            }
            Event::Ready(token, ready) => match self.sockets.find(token) {
                Some(id) => self.handle_ready(id, ready),
                None => Ok(()),
            },
            Event::Check(token) => match self.sockets.find(token) {
                Some(id) => self.handle_ready(id, self.sockets.find_out(id)),
                None => Ok(()),
            },
            Event::Deadline(token) => {
                if let Some(id) = self.sockets.find(token) {
                    self.host.engine.handle_deadline(id);
                }
                Ok(())
            }
            Event::Timeout => {
                // the application's timer is spent, also if it fired too early: it is told anew
                self.told_timer = None;
                Ok(())
            }
        }
    }

    fn handle_ready(&mut self, id: ConnectionId, ready: Readiness) -> Result<(), MultiError> {
        if let Err((entry, errno)) = self.sockets.handle_ready(&mut self.host.engine, id, ready) {
            let told = self.tell_removed(entry);
            self.host.engine.handle_failed(id, Operation::Connect, errno.raw());
            return told;
        }
        // a socket that took bytes again has more to send
        if ready.send {
            self.update(id)?;
        }
        Ok(())
    }

    /// Takes what has come by now of what is overdue, before it fails: the application may have looked long ago, or tell
    /// of the time before it tells of the sockets.
    fn look_again(&mut self) -> Result<(), MultiError> {
        while let Some(overdue) = self.host.engine.poll_overdue() {
            match overdue {
                Overdue::Connection(id) => self.look_at(id)?,
                Overdue::Anything => self.look_around()?,
            }
        }
        Ok(())
    }

    #[cold]
    fn look_at(&mut self, id: ConnectionId) -> Result<(), MultiError> {
        if let Some(bytes) = self.sockets.unacknowledged(&self.host.engine, id) {
            self.host.engine.handle_unacknowledged(id, bytes);
        }
        for _ in 0..LOOKS {
            let ready = self.sockets.readiness(id);
            self.handle_ready(id, ready)?;
            self.update(id)?;
            if !(ready.recv || ready.error) || !self.host.engine.wants_recv(id) {
                break;
            }
        }
        Ok(())
    }

    /// Handles whatever is ready. Not for each of many whose time is over one after the other: what was looked at just now
    /// has hardly changed.
    #[cold]
    fn look_around(&mut self) -> Result<(), MultiError> {
        if self.looked_around.is_some_and(|at| self.host.now < at + limits::LOOK_AROUND) {
            return Ok(());
        }
        self.looked_around = Some(self.host.now);
        self.handle_wake();
        for (id, ready) in self.sockets.all_ready() {
            self.handle_ready(id, ready)?;
        }
        Ok(())
    }

    fn handle_wake(&mut self) {
        let Some(entry) = &self.waker else { return };
        entry.waker.drain();
        self.host.deliver_lookups();
        self.host.collect_files();
    }

    /// Does what the engine wants.
    fn act(&mut self) -> Result<(), MultiError> {
        while let Some(id) = self.untold.pop() {
            self.update(id)?;
        }
        while let Some(output) = self.host.engine.poll_output() {
            match output {
                Output::Level { connection } => self.update(connection)?,
                Output::Connect { connection, dial } => {
                    if W::OPENS_SOCKETS && dial.transport == Transport::Stream {
                        self.connect_own(connection, dial);
                    } else {
                        self.sockets.connect(&mut self.host.engine, connection, &dial);
                    }
                    self.update(connection)?;
                }
                Output::Close { connection, last_words } => self.close(connection, &last_words)?,
                Output::Resolve { lookup, host } => {
                    if !self.host.hand_back(lookup, &host) {
                        let waker = self.waker();
                        self.host.start_lookup(waker, lookup, host)?;
                    }
                }
                Output::Abandon { lookup } => self.host.abandon_lookup(lookup),
            }
        }
        // threads do all of it
        self.host.work_files(|_, op| Err(op));
        Ok(())
    }

    /// Connects by a socket of the application's, if it gives one.
    #[cold]
    fn connect_own(&mut self, id: ConnectionId, mut dial: Dial) {
        let engine = &mut self.host.engine;
        match self.watch.open(engine.transfer_on(id), &mut dial) {
            Ok(None) => self.sockets.connect(engine, id, &dial),
            Ok(Some(own)) => {
                if let Err((socket, refused)) = self.sockets.connect_own(engine, id, &dial, own) {
                    self.watch.close(socket.into_fd());
                    report_refused(engine, id, refused);
                }
            }
            Err(errno) => report_refused(engine, id, Refused { step: Step::Socket, errno }),
        }
    }

    /// Sends what is to be sent and tells the application what has changed.
    fn update(&mut self, id: ConnectionId) -> Result<(), MultiError> {
        if self.sockets.get(id).is_none() {
            return Ok(());
        }
        let wanted = self.sockets.drive(&mut self.host.engine, id);
        if !self.host.engine.is_open(id) {
            return Ok(());
        }
        let deadline =
            if W::CARRIES_DEADLINES { self.host.engine.level(id).deadline } else { Time::NEVER };
        let Some(entry) = self.sockets.get(id) else { return Ok(()) };
        let Some(tell) = difference(entry.told, wanted, deadline, self.host.now) else {
            return Ok(());
        };
        let change = self.change(entry, tell.action, tell.deadline);
        let Some(entry) = self.sockets.get_mut(id) else { return Ok(()) };
        match self.watch.socket(&change, &mut entry.value) {
            Ok(()) => {
                entry.told = Some(tell);
                Ok(())
            }
            Err(error) => {
                self.untold.push(id);
                Err(MultiError::Callback(error))
            }
        }
    }

    fn close(&mut self, id: ConnectionId, last_words: &[u8]) -> Result<(), MultiError> {
        match self.sockets.remove(id, last_words) {
            Some(entry) => self.tell_removed(entry),
            None => Ok(()),
        }
    }

    /// Tells the application to forget a socket, which is closed thereafter.
    fn tell_removed(&mut self, mut entry: Entry) -> Result<(), MultiError> {
        let told = match entry.told {
            None => Ok(()),
            Some(_) => {
                let change = self.change(&entry, Action::Remove, Time::NEVER);
                self.watch.socket(&change, &mut entry.value).map_err(MultiError::Callback)
            }
        };
        if W::OPENS_SOCKETS && entry.is_own {
            self.watch.close(entry.into_fd());
        }
        told
    }

    fn change(&self, entry: &Entry, action: Action, deadline: Time) -> SocketChange {
        SocketChange {
            token: entry.token(),
            fd: entry.fd(),
            transfer: self.host.engine.transfer_on(entry.connection),
            action,
            deadline: (deadline != Time::NEVER).then_some(deadline),
        }
    }

    fn tell_waker(&mut self, action: Action) -> Result<(), MultiError> {
        let Some(entry) = &mut self.waker else { return Ok(()) };
        let told = action != Action::Remove;
        if entry.told == told {
            return Ok(());
        }
        let change = SocketChange {
            token: Token::WAKER,
            fd: entry.waker.as_raw_fd(),
            transfer: None,
            action,
            deadline: None,
        };
        self.watch.socket(&change, &mut entry.value).map_err(MultiError::Callback)?;
        entry.told = told;
        Ok(())
    }

    fn tell_timer(&mut self) -> Result<(), MultiError> {
        let next = self.host.next_time();
        if next == self.told_timer {
            return Ok(());
        }
        let wait = next.map(|at| at.since(self.host.now));
        self.watch.timer(wait).map_err(MultiError::Callback)?;
        self.told_timer = next;
        Ok(())
    }
}

impl<W: Watch> Drop for Multi<W> {
    /// Tells the application to forget every socket before it is closed, and each peer over TLS that nothing follows
    /// (RFC 9112, 9.8), as far as its socket takes that at once.
    fn drop(&mut self) {
        self.host.engine.close_all();
        while let Some(output) = self.host.engine.poll_output() {
            if let Output::Close { connection, last_words } = output {
                let _ = self.close(connection, &last_words);
            }
        }
        let waker = self.waker.as_ref().map(|entry| entry.waker.clone());
        self.host.end_files(|files, until| {
            files.begin(|_, op| Err(op));
            let fds =
                waker.iter().map(|waker| (waker.as_raw_fd(), Interest { recv: true, send: false }));
            let _ = sys::wait_any(fds, until.since(clock::now()));
            waker.iter().for_each(Waker::drain);
            true
        });
        let _ = self.tell_waker(Action::Remove);
    }
}
