//! The ring driver: every operation on a socket is the ring's.
//!
//! Knows which stream carries which connection, and turns the engine's levels into receives and sends. Must
//! not know how an SQE is filled. Invariants: completions are reaped first and handled in a bounded batch,
//! then what they led to is commanded, then all of it is submitted by the system call that waits; the clock is
//! read once per turn; bytes go from the kernel's buffer to the engine and from the engine to the kernel's
//! without a copy of ours.

use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::files::Files;
use super::host::EngineHost;
use super::notifier::Notifier;
use super::readiness::report_refused;
use super::settings::Settings;
use super::{MultiError, refused, soonest};
use crate::dial::Dial;
use crate::engine::{
    Config, ConnectionId, Engine, Handler, Message, OriginStats, Output, Overdue, Paused, Request,
    Stats, TransferId,
};
use crate::error::Operation;
use crate::id::Id;
use crate::limits;
use crate::sys::ring::{Options, SetupError};
use crate::sys::streams::{Event, Room, StreamEvent, StreamId};
use crate::sys::{Buffers, Completion, Errno, Streams, Waker, clock, rlimit};
use crate::time::Time;

/// Looks at a connection that is overdue, as long as each finds something to receive.
const LOOKS: usize = limits::LATE_BYTES / limits::PROVIDED_BUFFER as usize;

pub(super) struct RingDriver {
    host: EngineHost,
    streams: Streams,
    /// By the connection's slot.
    connections: Vec<Option<Carried>>,
    waker: Option<Waker>,
    /// The kernel looks at the waker.
    watched: bool,
    /// What the kernel writes to when something completes, for a loop that this one is nested in.
    notifier: Notifier,
}

/// A connection on a stream.
struct Carried {
    connection: ConnectionId,
    stream: StreamId,
    connecting: bool,
}

impl RingDriver {
    pub(super) fn new(config: Config, options: &Options) -> Result<Self, SetupError> {
        Ok(Self {
            streams: Streams::new(options, room(options))?,
            // a connect's deadline is linked to it, but what comes after has no operation to link to: the
            // engine's timers have them all
            host: EngineHost::new(config, false),
            connections: Vec::new(),
            waker: None,
            watched: false,
            notifier: Notifier::default(),
        })
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// See [`Driver::abandon`](super::Driver::abandon).
    pub(super) fn abandon(mut self) {
        self.streams.abandon();
        // who looks names up, for one, is a thread that is not here
        std::mem::forget(std::mem::replace(
            &mut self.host,
            EngineHost::new(Config::default(), false),
        ));
    }

    pub(super) fn add(
        &mut self,
        request: Request,
        handler: Box<dyn Handler>,
    ) -> Result<TransferId, MultiError> {
        self.host.add(request, handler)
    }

    pub(super) fn add_with<H: Handler>(
        &mut self,
        request: Request,
        handler: impl FnOnce(TransferId) -> H,
    ) -> Result<TransferId, MultiError> {
        self.host.add_with(request, handler)
    }

    pub(super) fn remove(&mut self, id: TransferId) -> Result<Box<dyn Handler>, MultiError> {
        let handler = self.host.remove(id)?;
        self.act()?;
        Ok(handler)
    }

    pub(super) fn pause(&mut self, id: TransferId) -> Result<(), MultiError> {
        self.host.set_paused(id, Paused::BOTH)?;
        self.act()
    }

    pub(super) fn resume(&mut self, id: TransferId) -> Result<(), MultiError> {
        self.host.set_paused(id, Paused::default())?;
        Ok(())
    }

    pub(super) fn set_paused(&mut self, id: TransferId, paused: Paused) -> Result<(), MultiError> {
        self.host.set_paused(id, paused)?;
        self.act()
    }

    pub(super) fn close_idle(&mut self) -> Result<(), MultiError> {
        self.host.engine.close_idle();
        self.act()
    }

    pub(super) fn files(&mut self) -> Files {
        let waker = if self.host.has_files() { None } else { self.waker().ok() };
        self.host.files(waker)
    }

    pub(super) fn settings(&mut self) -> Settings<'_> {
        Settings::of(&mut self.host.engine)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.host.is_empty()
    }

    pub(super) fn info_read(&mut self) -> Option<(Message, usize)> {
        self.host.info_read()
    }

    pub(super) fn running(&self) -> usize {
        self.host.running()
    }

    pub(super) fn stats(&self) -> Stats {
        self.host.engine.stats()
    }

    pub(super) fn origins(&self) -> Vec<OriginStats> {
        self.host.engine.origins()
    }

    pub(super) fn waker(&mut self) -> Result<Waker, MultiError> {
        if let Some(waker) = &self.waker {
            return Ok(waker.clone());
        }
        let waker = Waker::new().map_err(|errno| refused(Operation::Socket, errno))?;
        self.waker = Some(waker.clone());
        self.watch()?;
        Ok(waker)
    }

    /// A descriptor that is readable when a turn is due: the ring's own never is while its thread is elsewhere.
    pub(super) fn descriptor(&mut self) -> Result<OwnedFd, MultiError> {
        self.notifier.descriptor(|eventfd| self.streams.notify(eventfd))
    }

    /// How long a turn may be put off while nothing completes.
    pub(super) fn timeout(&mut self) -> Option<Duration> {
        let unwatched = self.waker.is_some() && !self.watched;
        let work = soonest(self.streams.next_work(), unwatched.then_some(limits::SUBMIT_AGAIN));
        let next = self.host.next_time();
        soonest(work, next.map(|at| at.since(clock::now())))
    }

    /// Has the kernel look at the waker, if it does not yet. If it is crowded, it is asked again by the next turn.
    fn watch(&mut self) -> Result<(), MultiError> {
        let Some(waker) = self.waker.as_ref().filter(|_| !self.watched) else { return Ok(()) };
        match self.streams.watch(waker.as_raw_fd()) {
            Ok(()) => self.watched = true,
            Err(Errno::EAGAIN | Errno::EBUSY) => {}
            Err(errno) => return Err(refused(Operation::Poll, errno)),
        }
        Ok(())
    }

    /// Waits once and handles what has completed. A handler that panics ends its transfer, and the turn.
    pub(super) fn turn(&mut self, max: Option<Duration>) -> Result<usize, MultiError> {
        match catch_unwind(AssertUnwindSafe(|| self.wait_and_handle(max))) {
            Ok(turned) => turned,
            Err(panic) if self.host.engine.end_panicked(&*panic) => {
                self.act()?;
                Ok(self.host.running())
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    fn wait_and_handle(&mut self, mut max: Option<Duration>) -> Result<usize, MultiError> {
        self.notifier.drain();
        let before = self.host.messages();
        if self.host.next_time() == Some(Time::ZERO) {
            // what was added since the last turn goes out with the call that waits
            self.host.begin_batch();
            self.act()?;
        }
        if self.host.engine.take_told() || self.host.messages() > before {
            // that may be what is waited for, and nothing else need ever happen
            max = Some(Duration::ZERO);
        }
        self.watch()?;
        if self.waker.is_some() && !self.watched {
            max = Some(max.map_or(limits::SUBMIT_AGAIN, |max| max.min(limits::SUBMIT_AGAIN)));
        }
        self.submit_and_wait(soonest(self.host.next_time(), max.map(|max| self.host.now + max)))?;
        self.host.begin_batch();
        self.handle_events(limits::COMPLETIONS_PER_TURN)?;
        self.look_again()?;
        self.host.engine.expire();
        self.act()?;
        // whatever was called, it is for whoever has turned
        self.host.engine.take_told();
        Ok(self.host.end_batch())
    }

    /// Takes what has come by now of what is overdue, before it fails: the wait may have ended long after the last of it
    /// was posted, or before.
    fn look_again(&mut self) -> Result<(), MultiError> {
        let mut next = self.host.engine.poll_overdue();
        if next.is_none() {
            return Ok(());
        }
        let mut connections = Vec::new();
        while let Some(overdue) = next {
            match overdue {
                Overdue::Connection(id) => connections.push(id),
                // a look brings all that there is
                Overdue::Anything => {}
            }
            next = self.host.engine.poll_overdue();
        }
        self.look(&connections)
    }

    #[cold]
    fn look(&mut self, overdue: &[ConnectionId]) -> Result<(), MultiError> {
        for &id in overdue {
            if self.host.engine.asks_unacknowledged(id)
                && let Some(carried) = find(&mut self.connections, id)
            {
                // unasked it is as where the kernel does not know
                let _ = self.streams.ask_unacknowledged(carried.stream);
            }
        }
        for _ in 0..LOOKS {
            match self.streams.submit_and_look() {
                Ok(()) => {}
                Err(errno) => return Err(refused(Operation::Poll, errno)),
            }
            self.handle_events(u32::MAX)?;
            self.act()?;
            let Self { connections, streams, .. } = self;
            let stream = |&id: &ConnectionId| Some(find(connections, id)?.stream);
            if overdue.iter().filter_map(stream).all(|stream| streams.is_quiet(stream)) {
                break;
            }
        }
        Ok(())
    }

    /// Handles what has completed and submits what was commanded, without waiting. How many connections that were
    /// closed the kernel still holds.
    pub(super) fn flush(&mut self) -> Result<usize, MultiError> {
        self.handle_events(limits::COMPLETIONS_PER_TURN)?;
        self.act()?;
        self.submit_and_wait(Some(self.host.now))?;
        Ok(self.streams.closing())
    }

    fn submit_and_wait(&mut self, until: Option<Time>) -> Result<(), MultiError> {
        // whoever waits elsewhere hears of the first alone of what the kernel has yet to post: nothing of it may be left
        let looks = self.notifier.is_used() && until.is_some_and(|until| until <= self.host.now);
        let entered = match looks && self.streams.posts_as_asked() {
            true => self.streams.submit_and_look(),
            false => self.streams.submit_and_wait(self.host.now, until),
        };
        match entered {
            // the kernel is short of memory: deadlines go on, and what was pushed stays pushed
            Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY) => Ok(()),
            Err(errno) => Err(refused(Operation::Poll, errno)),
        }
    }

    fn handle_events(&mut self, most: u32) -> Result<(), MultiError> {
        for _ in 0..most {
            let Self { streams, host: EngineHost { engine, .. }, connections, .. } = self;
            let Some(event) = streams.take_event() else { break };
            match event {
                Event::Stream(user, event) => {
                    let id = Id::from_bits(user);
                    if handle(engine, connections, id, event) {
                        self.drive(id);
                    }
                }
                Event::Poll(completion) => self.handle_wake(&completion)?,
            }
        }
        Ok(())
    }

    fn handle_wake(&mut self, completion: &Completion) -> Result<(), MultiError> {
        let Some(waker) = &self.waker else { return Ok(()) };
        waker.drain();
        self.watched = matches!(completion, Completion::Polled { more: true, .. });
        self.host.deliver_lookups();
        self.host.collect_files();
        self.watch()
    }

    /// Does what files want.
    #[cold]
    fn work_files(&mut self) {
        let Self { host, streams, .. } = self;
        while let Some((user, done)) = streams.take_file() {
            host.handle_file(user, done);
        }
        host.work_files(|user, op| streams.start_file(user, op));
    }

    /// Does what the engine wants.
    fn act(&mut self) -> Result<(), MultiError> {
        while let Some(output) = self.host.engine.poll_output() {
            match output {
                Output::Level { connection } => self.drive(connection),
                Output::Connect { connection, dial } => self.connect(connection, dial),
                Output::Close { connection, last_words } => {
                    if let Some(stream) = self.take(connection) {
                        self.streams.close(stream, &last_words);
                    }
                }
                Output::Resolve { lookup, host } => {
                    if !self.host.hand_back(lookup, &host) {
                        let waker = self.waker();
                        self.host.start_lookup(waker, lookup, host)?;
                    }
                }
                Output::Abandon { lookup } => self.host.abandon_lookup(lookup),
            }
        }
        if self.host.has_files() {
            self.work_files();
        }
        Ok(())
    }

    /// Sends what the connection has to send, and has bytes received as long as they are wanted.
    fn drive(&mut self, id: ConnectionId) {
        let Some(carried) = find(&mut self.connections, id) else { return };
        if carried.connecting {
            return;
        }
        let stream = carried.stream;
        let Self { host: EngineHost { engine, .. }, streams, .. } = self;
        if engine.wants_send(id)
            && let Err(errno) =
                streams.send(stream, |buffer| (engine.fill(id, buffer), engine.wants_send(id)))
        {
            engine.handle_failed(id, Operation::Send, errno.raw());
        }
        self.streams.set_in_pieces(stream, self.host.engine.may_await_memory(id));
        self.streams.set_recv(stream, self.host.engine.wants_recv(id));
    }

    fn connect(&mut self, id: ConnectionId, dial: Dial) {
        let deadline = self.host.engine.level(id).deadline;
        let deadline = (deadline != Time::NEVER).then_some(deadline);
        let Self { host: EngineHost { engine, .. }, streams, .. } = self;
        if let Some(carried) = find(&mut self.connections, id) {
            if let Err(refused) = streams.reopen(carried.stream, dial, deadline) {
                report_refused(engine, id, refused);
            }
            return;
        }
        let in_pieces = engine.may_await_memory(id);
        let flight = |buffer: &mut [u8]| engine.fill(id, buffer);
        let opened = match in_pieces {
            true => streams.open_in_pieces(dial, id.to_bits(), deadline, flight),
            false => streams.open(dial, id.to_bits(), deadline, flight),
        };
        match opened {
            Ok(stream) => {
                if self.connections.len() <= id.slot() {
                    self.connections.resize_with(id.slot() + 1, || None);
                }
                self.connections[id.slot()] =
                    Some(Carried { connection: id, stream, connecting: true });
            }
            Err(refused) => report_refused(engine, id, refused),
        }
    }

    fn take(&mut self, id: ConnectionId) -> Option<StreamId> {
        let stream = find(&mut self.connections, id)?.stream;
        self.connections[id.slot()] = None;
        Some(stream)
    }
}

impl Drop for RingDriver {
    /// Tells each peer over TLS that nothing follows (RFC 9112, 9.8), as far as its socket takes that at once; the streams
    /// see to the rest.
    fn drop(&mut self) {
        // (one that was abandoned has none)
        self.host.engine.close_all();
        while let Some(output) = self.host.engine.poll_output() {
            if let Output::Close { connection, last_words } = output
                && let Some(stream) = self.take(connection)
            {
                self.streams.close(stream, &last_words);
            }
        }
        let Self { host, streams, .. } = self;
        host.end_files(|files, until| {
            files.begin(|user, op| streams.start_file(user, op));
            let waited = streams.submit_and_wait(clock::now(), Some(until));
            while streams.take_event().is_some() {}
            while let Some((user, done)) = streams.take_file() {
                files.handle(user, done);
            }
            matches!(waited, Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY))
        });
    }
}

/// Tells the engine what has become of a connection. Says whether there may be something to be sent now.
fn handle(
    engine: &mut Engine,
    connections: &mut [Option<Carried>],
    id: ConnectionId,
    event: StreamEvent<'_>,
) -> bool {
    let Some(carried) = find(connections, id) else { return false };
    let connected = match event {
        StreamEvent::ConnectFailed(..) | StreamEvent::DeadlinePassed => false,
        StreamEvent::Connected
        | StreamEvent::Sent(_)
        | StreamEvent::SendFailed(_)
        | StreamEvent::Received(_)
        | StreamEvent::Ended
        | StreamEvent::RecvFailed(_)
        | StreamEvent::Unacknowledged(_) => true,
    };
    if connected && carried.connecting {
        carried.connecting = false;
        engine.handle_connected(id);
    }
    match event {
        StreamEvent::Connected => {}
        StreamEvent::ConnectFailed(refused) => report_refused(engine, id, refused),
        StreamEvent::DeadlinePassed => {
            engine.handle_deadline(id);
        }
        StreamEvent::Sent(bytes) => {
            engine.handle_sent(id, bytes as usize);
            return engine.wants_send(id);
        }
        StreamEvent::SendFailed(errno) => {
            engine.handle_failed(id, Operation::Send, errno.raw());
        }
        StreamEvent::Received(bytes) => engine.handle_received(id, bytes),
        StreamEvent::Ended => engine.handle_end(id),
        StreamEvent::RecvFailed(errno) => {
            engine.handle_failed(id, Operation::Recv, errno.raw());
        }
        StreamEvent::Unacknowledged(bytes) => engine.handle_unacknowledged(id, bytes),
    }
    false
}

fn find(connections: &mut [Option<Carried>], id: ConnectionId) -> Option<&mut Carried> {
    let carried = connections.get_mut(id.slot())?.as_mut()?;
    (carried.connection == id).then_some(carried)
}

fn room(options: &Options) -> Room {
    let files = rlimit::open_files().map_or(1024, |limit| limit.soft);
    Room {
        streams: u32::try_from(files).unwrap_or(u32::MAX).min(options.direct_descriptors),
        buffers: Buffers { count: limits::PROVIDED_BUFFERS, size: limits::PROVIDED_BUFFER },
    }
}
