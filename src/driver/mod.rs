//! Drivers: where a connection meets a descriptor, and where the clock is read.
//!
//! Knows the engine and `sys`, and joins them. Must not know how a message is parsed or an SQE
//! filled. [`Multi`] is the handle for an application's own loop; [`Driver`] is a loop of ours.
//! Invariant: whichever driver runs, transfers see the same events.

mod epoll;
mod files;
mod host;
mod interest;
mod multi;
mod names;
mod notifier;
mod readiness;
mod reading;
mod resolver;
mod ring_native;
mod ring_poll;
mod settings;
mod threads;
mod token;

use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::time::Duration;

use crate::engine::{
    AddError, Config, Handler, Message, OriginStats, Paused, Request, Stats, TransferId,
};
use crate::error::Operation;
use crate::limits;
use crate::sys::{Errno, ReceiveBuffers, Streams, Waker, ring};
use crate::tls::TlsPolicyError;

pub use files::{Existing, FileReader, FileWriter, Files, Room, ToFile, Written};
pub use interest::Action;
pub use multi::{CallbackError, Event, Multi, OwnSocket, SocketChange, Watch};
pub use reading::{BlockingReader, More};
pub use settings::Settings;
pub use token::Token;

use epoll::EpollDriver;
use ring_native::RingDriver;
use ring_poll::RingPollDriver;

/// How a driver does its waiting and its socket I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// All socket I/O by io_uring.
    Ring,
    /// Readiness by io_uring polls.
    Poll,
    /// Readiness by epoll.
    Epoll,
}

impl Kind {
    /// All, best first.
    pub const ALL: [Kind; 3] = [Kind::Ring, Kind::Poll, Kind::Epoll];

    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ring => "ring",
            Kind::Poll => "poll",
            Kind::Epoll => "epoll",
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownKind)
    }
}

/// The name of no driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKind;

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = Kind::ALL;
        write!(f, "the drivers are {first}, {second} and {third}")
    }
}

impl std::error::Error for UnknownKind {}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A multi handle with a loop of its own.
///
/// ```no_run
/// use ringdove::{Config, Collect, Driver, Request};
///
/// let mut driver = Driver::auto(Config::default())?;
/// driver.add(Request::get("http://127.0.0.1:8080/")?, Box::new(Collect::default()))?;
/// while driver.running() > 0 {
///     driver.turn(None)?;
/// }
/// while let Some(message) = driver.next_message() {
///     println!("{:?}", message.outcome.result);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Driver {
    inner: Inner,
    why: String,
}

/// What is to be said of [`Kind::Ring`] where [`Streams::closes_late`].
const CLOSES_LATE: &str = "with 'ring' this kernel keeps sockets that are closed while older ones wait (Linux 6.13 does not)";

enum Inner {
    Ring(RingDriver),
    Epoll(EpollDriver),
    Poll(RingPollDriver),
}

/// Calls the same method of whichever multi handle there is.
macro_rules! multi {
    ($driver:expr, $multi:ident => $call:expr) => {
        match &mut $driver.inner {
            Inner::Ring($multi) => $call,
            Inner::Epoll(driver) => {
                let $multi = driver.multi_mut();
                $call
            }
            Inner::Poll(driver) => {
                let $multi = driver.multi_mut();
                $call
            }
        }
    };
}

impl Driver {
    /// The best driver that this system allows. [`Driver::why`] says why it is that one.
    ///
    /// # Errors
    ///
    /// When not even epoll can be had.
    pub fn auto(config: Config) -> Result<Driver, DriverError> {
        Driver::pick(config, &ring::Options::default())
    }

    fn pick(config: Config, options: &ring::Options) -> Result<Driver, DriverError> {
        let mut refusals = Vec::new();
        for kind in [Kind::Ring, Kind::Poll] {
            match Driver::with_ring(kind, config.clone(), options) {
                Ok(driver) if driver.closes_late() => refusals.push(CLOSES_LATE.to_owned()),
                Ok(driver) => {
                    refusals.push(if kind == Kind::Ring {
                        "all of io_uring that it needs works here".to_owned()
                    } else {
                        "polls on io_uring work".to_owned()
                    });
                    return Ok(Driver { why: refusals.join("; "), ..driver });
                }
                Err(refused) => refusals.push(refused.to_string()),
            }
        }
        let driver = Driver::new(Kind::Epoll, config)?;
        Ok(Driver { why: refusals.join("; "), ..driver })
    }

    /// A driver of this kind and no other.
    ///
    /// # Errors
    ///
    /// When the system refuses it: what, and why.
    pub fn new(kind: Kind, config: Config) -> Result<Driver, DriverError> {
        Driver::with_ring(kind, config, &ring::Options::default())
    }

    /// As [`Driver::new`], with a ring that is set up as `options` say; [`Kind::Epoll`] has none and ignores
    /// them.
    ///
    /// # Errors
    ///
    /// When the system refuses the driver or one of the options: what, and why.
    pub fn with_ring(
        kind: Kind,
        config: Config,
        options: &ring::Options,
    ) -> Result<Driver, DriverError> {
        let refused = |reason: String, is_shortage| DriverError { kind, reason, is_shortage };
        let no_ring = |error: ring::SetupError| refused(error.to_string(), error.is_shortage());
        let inner = match kind {
            Kind::Ring => RingDriver::new(config, options).map(Inner::Ring).map_err(no_ring)?,
            Kind::Epoll => EpollDriver::new(config).map(Inner::Epoll).map_err(|errno| {
                refused(format!("epoll_create1: {errno}"), errno.is_exhaustion())
            })?,
            Kind::Poll => RingPollDriver::new(config, options).map(Inner::Poll).map_err(no_ring)?,
        };
        let mut driver = Driver { inner, why: "it was asked for".to_owned() };
        if driver.closes_late() {
            driver.why = format!("{}; {CLOSES_LATE}", driver.why);
        }
        Ok(driver)
    }

    /// Whether the kernel keeps what it closes for longer than this driver wants: see [`Streams::closes_late`].
    fn closes_late(&self) -> bool {
        self.streams().is_some_and(Streams::closes_late)
    }

    /// Lets go of it in a process that was forked since it was made: a drop would end the other process's transfers with the ring, which
    /// both have. Nothing is said to any peer, and handlers are not dropped. What there is of a ring is closed here; sockets of the other
    /// kinds stay open until this process ends.
    pub fn abandon(self) {
        match self.inner {
            Inner::Ring(driver) => driver.abandon(),
            Inner::Epoll(driver) => std::mem::forget(driver),
            Inner::Poll(driver) => std::mem::forget(driver),
        }
    }

    /// Which driver this is.
    pub fn kind(&self) -> Kind {
        match self.inner {
            Inner::Ring(_) => Kind::Ring,
            Inner::Epoll(_) => Kind::Epoll,
            Inner::Poll(_) => Kind::Poll,
        }
    }

    /// Why it is this driver: one clause.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Adds a transfer; it begins with the next turn.
    pub fn add(
        &mut self,
        request: Request,
        handler: Box<dyn Handler>,
    ) -> Result<TransferId, MultiError> {
        multi!(self, multi => multi.add(request, handler))
    }

    /// As [`Driver::add`], of a transfer whose handler is to know its id: for whoever it hands that to.
    ///
    /// ```no_run
    /// # use ringdove::{Config, Driver, Flow, Handler, Request, TransferId};
    /// struct Named(TransferId);
    ///
    /// impl Handler for Named {
    ///     fn body(&mut self, chunk: &[u8]) -> Flow {
    ///         println!("{:?}: {} bytes", self.0, chunk.len());
    ///         Flow::Continue
    ///     }
    /// }
    ///
    /// let mut driver = Driver::auto(Config::default())?;
    /// driver.add_with(Request::get("http://127.0.0.1:8080/")?, Named)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As there; the handler is not made then.
    pub fn add_with<H: Handler>(
        &mut self,
        request: Request,
        handler: impl FnOnce(TransferId) -> H,
    ) -> Result<TransferId, MultiError> {
        multi!(self, multi => multi.add_with(request, handler))
    }

    /// Removes a transfer, at any time, and gives its handler back.
    ///
    /// # Errors
    ///
    /// [`MultiError::UnknownTransfer`]: there is nothing to remove. After any other error the transfer is removed
    /// all the same, and its handler is dropped.
    pub fn remove(&mut self, id: TransferId) -> Result<Box<dyn Handler>, MultiError> {
        let handler = multi!(self, multi => multi.remove(id))?;
        self.flush_if_idle()?;
        Ok(handler)
    }

    /// Pauses a transfer: see [`Engine::pause`](crate::engine::Engine::pause).
    pub fn pause(&mut self, id: TransferId) -> Result<(), MultiError> {
        multi!(self, multi => multi.pause(id))
    }

    /// Resumes a transfer: see [`Engine::resume`](crate::engine::Engine::resume).
    pub fn resume(&mut self, id: TransferId) -> Result<(), MultiError> {
        multi!(self, multi => multi.resume(id))
    }

    /// Pauses one direction of a transfer, or resumes it: see [`Engine::set_paused`](crate::engine::Engine::set_paused).
    pub fn set_paused(&mut self, id: TransferId, paused: Paused) -> Result<(), MultiError> {
        multi!(self, multi => multi.set_paused(id, paused))
    }

    /// Waits for something to happen, for `max` at most (`None`: without end), and handles it. It does not wait where it has called
    /// a handler with something of a response, or asked the source of a body, before that, or where a command since the last turn has:
    /// who looks for what these do looks after a turn. ([`Handler::sending`] ends no wait.)
    ///
    /// Returns how many transfers are running; zero means that all are done, and then only a
    /// [`Driver::waker`] is sure to end a wait without end.
    pub fn turn(&mut self, max: Option<Duration>) -> Result<usize, MultiError> {
        let running = match &mut self.inner {
            Inner::Ring(driver) => driver.turn(max),
            Inner::Epoll(driver) => driver.turn(max),
            Inner::Poll(driver) => driver.turn(max),
        }?;
        self.flush_if_idle()?;
        Ok(running)
    }

    /// A descriptor for another event loop (epoll(7), mio, tokio's `AsyncFd`) to watch for what can be read: it is
    /// readable when a turn is due, until one is taken. It is the caller's, and each call makes another of the same.
    ///
    /// A loop that this one is nested in takes turns that do not wait until [`Driver::timeout`] is no longer zero, then
    /// waits for the descriptor and for the timeout:
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # use std::os::fd::OwnedFd;
    /// # use std::time::Duration;
    /// # fn wait_for(_: &OwnedFd, _: Option<Duration>) { std::thread::yield_now() }
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let server = listener.local_addr()?;
    /// # std::thread::Builder::new().spawn(move || {
    /// #     let (mut socket, _) = listener.accept().unwrap();
    /// #     let _ = socket.read(&mut [0; 1024]);
    /// #     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    /// # })?;
    /// # use ringdove::{Collect, Config, Driver, Request};
    /// let mut driver = Driver::auto(Config::default())?;
    /// let descriptor = driver.descriptor()?;
    /// driver.add(Request::get(&format!("http://{server}/"))?, Box::new(Collect::default()))?;
    /// while driver.running() > 0 {
    ///     if driver.timeout() != Some(Duration::ZERO) {
    ///         wait_for(&descriptor, driver.timeout()); // or your loop's other business
    ///     }
    ///     driver.turn(Some(Duration::ZERO))?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// On a ring this is an eventfd that is registered with it, by the first call: the ring's own descriptor wakes nobody
    /// while its thread is elsewhere (io_uring_setup(2), IORING_SETUP_DEFER_TASKRUN).
    ///
    /// # Errors
    ///
    /// [`MultiError::Os`]: no descriptor is left, or the kernel does not register it.
    pub fn descriptor(&mut self) -> Result<OwnedFd, MultiError> {
        match &mut self.inner {
            Inner::Ring(driver) => driver.descriptor(),
            Inner::Epoll(driver) => driver.descriptor(),
            Inner::Poll(driver) => driver.descriptor(),
        }
    }

    /// How long the next turn may be put off while [`Driver::descriptor`] is not readable, from now on; zero: not at all,
    /// `None`: without end. Adding, removing and resuming transfers changes it.
    pub fn timeout(&mut self) -> Option<Duration> {
        match &mut self.inner {
            Inner::Ring(driver) => driver.timeout(),
            Inner::Epoll(driver) => driver.timeout(),
            Inner::Poll(driver) => driver.timeout(),
        }
    }

    /// Whoever has no transfer left may never take another turn: what was closed is closed now, so
    /// that its peer hears of it (where a kernel thread submits: as far as that comes to it meanwhile).
    fn flush_if_idle(&mut self) -> Result<(), MultiError> {
        let (mut left, mut tries) = (usize::MAX, 0);
        while self.running() == 0 && left > 0 && tries < limits::FLUSHES {
            let still = match &mut self.inner {
                Inner::Ring(driver) => driver.flush()?,
                Inner::Poll(driver) => driver.flush()?,
                Inner::Epoll(_) => 0,
            };
            tries = if still < left { 0 } else { tries + 1 };
            left = still;
        }
        Ok(())
    }

    /// The next transfer that is over.
    pub fn next_message(&mut self) -> Option<Message> {
        multi!(self, multi => multi.info_read().map(|(message, _)| message))
    }

    /// What ends the wait of a turn from another thread or a signal handler.
    pub fn waker(&mut self) -> Result<Waker, MultiError> {
        multi!(self, multi => multi.waker())
    }

    /// Closes all idle connections.
    pub fn close_idle(&mut self) -> Result<(), MultiError> {
        multi!(self, multi => multi.close_idle())?;
        self.flush_if_idle()
    }

    /// The files that handlers write bodies to, and requests send: by the ring, or by threads.
    pub fn files(&mut self) -> Files {
        multi!(self, multi => multi.files())
    }

    /// What responses are received into, for handlers that keep parts of them without a copy. On drivers other than
    /// [`Kind::Ring`] there is nothing that can be kept.
    pub fn receive_buffers(&self) -> ReceiveBuffers {
        match &self.inner {
            Inner::Ring(driver) => driver.streams().receive_buffers(),
            Inner::Epoll(_) | Inner::Poll(_) => ReceiveBuffers::default(),
        }
    }

    /// What can be changed at any time: limits, overrides of addresses, the TLS policy.
    pub fn settings(&mut self) -> Settings<'_> {
        multi!(self, multi => multi.settings())
    }

    /// Transfers that are not over, and files that were ended and are not.
    pub fn running(&self) -> usize {
        match &self.inner {
            Inner::Ring(driver) => driver.running(),
            Inner::Epoll(driver) => driver.multi().running(),
            Inner::Poll(driver) => driver.multi().running(),
        }
    }

    /// Whether nothing is left: no transfer, connection, look-up or timer.
    pub fn is_empty(&self) -> bool {
        match &self.inner {
            Inner::Ring(driver) => driver.is_empty(),
            Inner::Epoll(driver) => driver.multi().is_empty(),
            Inner::Poll(driver) => driver.multi().is_empty(),
        }
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        match &self.inner {
            Inner::Ring(driver) => driver.stats(),
            Inner::Epoll(driver) => driver.multi().stats(),
            Inner::Poll(driver) => driver.multi().stats(),
        }
    }

    /// What it holds for each origin that something uses: see [`Engine::origins`](crate::engine::Engine::origins).
    pub fn origins(&self) -> Vec<OriginStats> {
        match &self.inner {
            Inner::Ring(driver) => driver.origins(),
            Inner::Epoll(driver) => driver.multi().origins(),
            Inner::Poll(driver) => driver.multi().origins(),
        }
    }

    /// What the ring holds for connections and waits, for a driver that has one: all of it is given back
    /// with the last connection, but for the poll of a [`Driver::waker`].
    pub fn ring_in_use(&self) -> Option<ring::InUse> {
        match &self.inner {
            Inner::Ring(driver) => Some(driver.streams().in_use()),
            Inner::Epoll(_) => None,
            Inner::Poll(driver) => Some(driver.multi().watch().ring().in_use()),
        }
    }

    /// What the ring's set-up was given, for a driver that has one.
    pub fn ring_report(&self) -> Option<&ring::Report> {
        match &self.inner {
            Inner::Ring(driver) => Some(driver.streams().report()),
            Inner::Epoll(_) => None,
            Inner::Poll(driver) => Some(driver.multi().watch().ring().report()),
        }
    }

    /// The streams of [`Kind::Ring`]: what they have room for, and how much of it is in use.
    pub fn streams(&self) -> Option<&Streams> {
        match &self.inner {
            Inner::Ring(driver) => Some(driver.streams()),
            Inner::Epoll(_) | Inner::Poll(_) => None,
        }
    }
}

/// A driver that cannot be had here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverError {
    /// Which driver.
    pub kind: Kind,
    /// What the system refused, and why.
    pub reason: String,
    /// It is for want of descriptors or memory, of which there may be some later.
    pub is_shortage: bool,
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no driver '{}' here: {}", self.kind, self.reason)
    }
}

impl std::error::Error for DriverError {}

/// Errors of the whole handle (CURLM_*), apart from those of one transfer.
#[derive(Debug)]
#[non_exhaustive]
pub enum MultiError {
    /// No such transfer: it is over, or was removed (CURLM_BAD_EASY_HANDLE).
    UnknownTransfer(TransferId),
    /// No such socket: it is closed (CURLM_BAD_SOCKET).
    UnknownSocket(Token),
    /// A callback failed (CURLM_ABORTED_BY_CALLBACK).
    Callback(CallbackError),
    /// An `https` request cannot be verified: the default policy cannot be had.
    Tls(TlsPolicyError),
    /// The transfer cannot be added.
    Add(AddError),
    /// The system refused something that the handle cannot do without.
    Os {
        /// What.
        operation: Operation,
        /// The error number, as in errno(3).
        errno: i32,
    },
}

impl fmt::Display for MultiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MultiError::UnknownTransfer(id) => write!(f, "no transfer {id:?} here"),
            MultiError::UnknownSocket(token) => write!(f, "no socket {token:?} here"),
            MultiError::Callback(error) => write!(f, "a callback failed: {error}"),
            MultiError::Tls(error) => write!(f, "{error}"),
            MultiError::Add(error) => write!(f, "{error}"),
            MultiError::Os { operation, errno } => {
                write!(f, "{}: {}", operation.name(), Errno(*errno))
            }
        }
    }
}

impl std::error::Error for MultiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MultiError::Callback(error) => Some(&**error),
            MultiError::Tls(error) => Some(error),
            MultiError::Add(error) => Some(error),
            MultiError::UnknownTransfer(_)
            | MultiError::UnknownSocket(_)
            | MultiError::Os { .. } => None,
        }
    }
}

impl From<TlsPolicyError> for MultiError {
    fn from(error: TlsPolicyError) -> Self {
        MultiError::Tls(error)
    }
}

impl From<AddError> for MultiError {
    fn from(error: AddError) -> Self {
        MultiError::Add(error)
    }
}

/// What the system refused a handle.
fn refused(operation: Operation, errno: Errno) -> MultiError {
    MultiError::Os { operation, errno: errno.raw() }
}

/// The sooner of two waits, of which either may be endless.
fn soonest<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the kernel is late to close, `ring` is for who asks for it.
    #[test]
    fn where_closes_are_late_polls_are_picked() {
        let late = ring::Options { closes_late: true, ..ring::Options::default() };
        let driver = match Driver::with_ring(Kind::Ring, Config::default(), &late) {
            Ok(driver) => driver,
            Err(refused) => return eprintln!("skipped: {refused}"),
        };
        assert_eq!(driver.why(), format!("it was asked for; {CLOSES_LATE}"));
        let driver = Driver::pick(Config::default(), &late).expect("polls at least");
        assert_eq!(driver.kind(), Kind::Poll);
        assert_eq!(driver.why(), format!("{CLOSES_LATE}; polls on io_uring work"));
    }
}
