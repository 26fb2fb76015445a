//! The sockets of a multi, and who watches them: the program, by its socket callback, or one epoll of ours.
//!
//! Knows what the engine wants watched, and what the program was told. Must not know transfers. Invariants: with a socket
//! callback, the program is told of each socket before it is closed; while no transfer is under way it has no socket at all,
//! so that a loop which ends when there is nothing to watch does; without one, all sockets are in the epoll.
#![allow(unsafe_code, reason = "the socket callback is C's")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use ringdove::dial::Dial;
use ringdove::driver::{Action, CallbackError};
use ringdove::sys::{Errno, Interest, Readiness};
use ringdove::{Event, OwnSocket, SocketChange, Token, TransferId, Watch};

use super::epoll::Poller;
use crate::easy;
use crate::easy::opening::{self, Closer};
use crate::edge::Pointer;

/// CURLMOPT_SOCKETFUNCTION
pub(super) type SocketCallback =
    unsafe extern "C" fn(Pointer, RawFd, c_int, Pointer, Pointer) -> c_int;

/// CURL_POLL_*
const POLL_IN: c_int = 1;
const POLL_OUT: c_int = 2;
const POLL_INOUT: c_int = 3;
const POLL_REMOVE: c_int = 4;

/// One socket.
#[derive(Debug, Clone, Copy)]
struct Socket {
    token: Token,
    action: Action,
    /// The handle that it was for when something was told of it last.
    easy: Pointer,
    /// The program was told to watch it.
    told: bool,
    /// It is in the epoll.
    polled: bool,
    /// What curl_multi_assign(3) said.
    value: Pointer,
    /// Known once it was asked for.
    ends: Option<Ends>,
}

/// The addresses of both ends of a connection, where they have such.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ends {
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
}

/// All sockets, as the engine's loop and the interface both see them.
#[derive(Default)]
pub(super) struct Sockets {
    by_fd: RefCell<HashMap<RawFd, Socket>>,
    /// The socket that was told of last for a handle.
    by_easy: RefCell<HashMap<Pointer, RawFd>>,
    poller: RefCell<Option<Poller>>,
    callback: Cell<Option<SocketCallback>>,
    data: Cell<Data>,
    /// The program's handles, by transfer.
    pub(super) easy: RefCell<HashMap<TransferId, Pointer>>,
    /// The program is told of nothing while no transfer is under way.
    pub(super) parked: Cell<bool>,
    /// Callbacks of the multi that are running.
    pub(super) calling: Cell<u32>,
    /// Told to the program where transfers of a driver began before there was a socket callback.
    shown: Cell<Option<Shown>>,
    /// What closes those that the program has opened, or wants to close.
    closers: RefCell<HashMap<RawFd, Closer>>,
}

/// CURLMOPT_SOCKETDATA; null unless set.
#[derive(Debug, Clone, Copy)]
struct Data(Pointer);

impl Default for Data {
    fn default() -> Data {
        Data(std::ptr::null_mut())
    }
}

/// The descriptor of a driver, as a socket of this handle.
#[derive(Debug, Clone, Copy)]
struct Shown {
    fd: RawFd,
    easy: Pointer,
    /// What curl_multi_assign(3) said.
    value: Pointer,
}

/// The engine's loop.
pub(super) struct Loop(pub(super) Rc<Sockets>);

impl Watch for Loop {
    const OPENS_SOCKETS: bool = true;

    fn open(
        &mut self,
        transfer: Option<TransferId>,
        dial: &mut Dial,
    ) -> Result<Option<OwnSocket>, Errno> {
        self.0.open(transfer, dial)
    }

    fn close(&mut self, socket: OwnedFd) {
        self.0.close(socket);
    }

    fn socket(&mut self, change: &SocketChange, _: &mut Option<u64>) -> Result<(), CallbackError> {
        self.0.change(change)
    }
}

impl Sockets {
    pub(super) fn set_callback(&self, callback: Option<SocketCallback>) {
        if callback.is_none() {
            self.shown.set(None);
        }
        self.callback.set(callback);
        // what is watched by the other way is watched by this one from the next turn on
        self.parked.set(true);
        let fds: Vec<_> = self.by_fd.borrow().keys().copied().collect();
        for fd in fds {
            self.leave_poller(fd);
        }
        if callback.is_none() {
            let _ = self.unpark();
        }
    }

    pub(super) fn set_data(&self, data: Pointer) {
        self.data.set(Data(data));
    }

    pub(super) fn has_callback(&self) -> bool {
        self.callback.get().is_some()
    }

    /// curl_multi_assign(3): false if there is no such socket.
    pub(super) fn assign(&self, fd: RawFd, value: Pointer) -> bool {
        if let Some(shown) = self.shown.get().filter(|shown| shown.fd == fd) {
            self.shown.set(Some(Shown { value, ..shown }));
            return true;
        }
        let mut sockets = self.by_fd.borrow_mut();
        let Some(socket) = sockets.get_mut(&fd) else { return false };
        socket.value = value;
        true
    }

    /// What the engine is told for a socket that the program says is ready; `None` if it is not one of ours.
    pub(super) fn event(&self, fd: RawFd, readiness: Readiness) -> Option<Event> {
        let token = self.by_fd.borrow().get(&fd)?.token;
        let asks = readiness == Readiness::default();
        Some(if asks { Event::Check(token) } else { Event::Ready(token, readiness) })
    }

    /// The sockets that are watched, and what for.
    pub(super) fn watched(&self) -> Vec<(RawFd, Interest)> {
        let sockets = self.by_fd.borrow();
        let watched = sockets.iter().map(|(fd, socket)| (*fd, socket.action.interest()));
        watched.filter(|(_, interest)| *interest != Interest::NONE).collect()
    }

    /// The epoll that tells of all sockets, where the program is told of none.
    pub(super) fn poller_fd(&self) -> Option<RawFd> {
        self.poller.borrow().as_ref().map(Poller::fd)
    }

    /// What has happened by now, where the epoll tells.
    pub(super) fn poll(&self) -> Vec<Event> {
        let mut poller = self.poller.borrow_mut();
        let Some(poller) = &mut *poller else { return Vec::new() };
        let ready = poller.poll().into_iter();
        ready.map(|(bits, readiness)| Event::Ready(Token::from_bits(bits), readiness)).collect()
    }

    /// The socket of a handle, if it has one.
    pub(super) fn fd_of(&self, easy: Pointer) -> Option<RawFd> {
        self.by_easy.borrow().get(&easy).copied()
    }

    /// What has the engine look at the socket of a handle.
    pub(super) fn event_of(&self, easy: Pointer) -> Option<Event> {
        self.event(self.fd_of(easy)?, Readiness::default())
    }

    /// Between which addresses the socket of a handle is connected.
    pub(super) fn ends_of(&self, easy: Pointer) -> Ends {
        let mut sockets = self.by_fd.borrow_mut();
        // of one that is used again nothing was said anew
        let only = sockets.keys().next().copied().filter(|_| sockets.len() == 1);
        let fd = self.by_easy.borrow().get(&easy).copied().or(only);
        let found = fd.and_then(|fd| Some((fd, sockets.get_mut(&fd)?)));
        let Some((fd, socket)) = found else { return Ends::default() };
        *socket.ends.get_or_insert_with(|| {
            // SAFETY: the socket is the engine's, which closes it only after it has said so; it is not closed here.
            let stream = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
            Ends { remote: stream.peer_addr().ok(), local: stream.local_addr().ok() }
        })
    }

    fn change(&self, change: &SocketChange) -> Result<(), CallbackError> {
        let SocketChange { token, fd, transfer, action, .. } = *change;
        if action == Action::Remove {
            let Some(socket) = self.by_fd.borrow().get(&fd).copied() else { return Ok(()) };
            let result = if socket.told { self.tell(fd, &socket, POLL_REMOVE) } else { Ok(()) };
            self.by_fd.borrow_mut().remove(&fd);
            let mut by_easy = self.by_easy.borrow_mut();
            if by_easy.get(&socket.easy) == Some(&fd) {
                by_easy.remove(&socket.easy);
            }
            return result;
        }
        let easy = self.handle_of(transfer);
        self.by_easy.borrow_mut().insert(easy, fd);
        let (mut told, polled) = {
            let mut sockets = self.by_fd.borrow_mut();
            let value = std::ptr::null_mut();
            let new = Socket { token, action, easy, told: false, polled: false, value, ends: None };
            let socket = sockets.entry(fd).or_insert(new);
            (socket.token, socket.action, socket.easy) = (token, action, easy);
            (*socket, socket.polled)
        };
        if self.has_callback() {
            return if self.parked.get() { Ok(()) } else { self.tell_of(fd, &mut told) };
        }
        self.enter_poller(fd, token, action.interest(), polled)
    }

    /// A socket for a transfer, where its handle has a say in that.
    fn open(
        &self,
        transfer: Option<TransferId>,
        dial: &mut Dial,
    ) -> Result<Option<OwnSocket>, Errno> {
        let own = transfer.and_then(|id| self.easy.borrow().get(&id).copied());
        let Some(easy) = own.and_then(easy::find) else { return Ok(None) };
        let opened = opening::open(&easy, dial)?;
        Ok(opened.map(|(socket, closer)| {
            self.closers.borrow_mut().insert(socket.fd.as_raw_fd(), closer);
            socket
        }))
    }

    fn close(&self, socket: OwnedFd) {
        let closer = self.closers.borrow_mut().remove(&socket.as_raw_fd());
        if let Some(closer) = closer {
            self.calling.set(self.calling.get() + 1);
            closer.close(socket);
            self.calling.set(self.calling.get() - 1);
        }
    }

    /// Tells the program what is wanted of a socket.
    fn tell_of(&self, fd: RawFd, socket: &mut Socket) -> Result<(), CallbackError> {
        let what = match socket.action {
            Action::In => POLL_IN,
            Action::Out => POLL_OUT,
            Action::InOut => POLL_INOUT,
            // loops know no socket that is watched for nothing
            Action::None | Action::Remove if socket.told => POLL_REMOVE,
            Action::None | Action::Remove => return Ok(()),
        };
        socket.told = what != POLL_REMOVE;
        if let Some(kept) = self.by_fd.borrow_mut().get_mut(&fd) {
            kept.told = socket.told;
        }
        self.tell(fd, socket, what)
    }

    fn tell(&self, fd: RawFd, socket: &Socket, what: c_int) -> Result<(), CallbackError> {
        let value = self.by_fd.borrow().get(&fd).map_or(socket.value, |socket| socket.value);
        self.call(fd, socket.easy, what, value)
    }

    /// Has the program watch this descriptor of a driver, or none, for one of the handles there.
    pub(super) fn show(&self, fd: Option<RawFd>, easy: Pointer) -> Result<(), CallbackError> {
        let shown = self.shown.get();
        if shown.map(|shown| shown.fd) == fd {
            return Ok(());
        }
        if let Some(Shown { fd, easy, value }) = shown {
            self.shown.set(None);
            self.call(fd, easy, POLL_REMOVE, value)?;
        }
        let Some(fd) = fd else { return Ok(()) };
        let value = std::ptr::null_mut();
        self.shown.set(Some(Shown { fd, easy, value }));
        self.call(fd, easy, POLL_IN, value)
    }

    /// One handle goes: what it was told to watch of a driver's is another's from here on, or, if that is null, is to be watched no more.
    pub(super) fn hand_shown(&self, from: Pointer, to: Pointer) -> Result<(), CallbackError> {
        let Some(shown) = self.shown.get().filter(|shown| shown.easy == from) else {
            return Ok(());
        };
        if to.is_null() {
            return self.show(None, to);
        }
        self.shown.set(Some(Shown { easy: to, ..shown }));
        Ok(())
    }

    fn call(
        &self,
        fd: RawFd,
        easy: Pointer,
        what: c_int,
        value: Pointer,
    ) -> Result<(), CallbackError> {
        let Some(callback) = self.callback.get() else { return Ok(()) };
        let Data(data) = self.data.get();
        self.calling.set(self.calling.get() + 1);
        // SAFETY: whoever set the callback promises that it is one of this type.
        let answer = unsafe { callback(easy, fd, what, data, value) };
        self.calling.set(self.calling.get() - 1);
        if answer == -1 { Err("the socket callback".into()) } else { Ok(()) }
    }

    /// The easy handle that a socket is for. One that serves none at the moment, or all, is told with any.
    fn handle_of(&self, transfer: Option<TransferId>) -> Pointer {
        let easy = self.easy.borrow();
        let own = transfer.and_then(|id| easy.get(&id)).or_else(|| easy.values().next());
        own.copied().unwrap_or(std::ptr::null_mut())
    }

    /// No transfer is under way: the program is to forget all sockets, which stay open.
    pub(super) fn park(&self) -> Result<(), CallbackError> {
        if !self.has_callback() || self.parked.replace(true) {
            return Ok(());
        }
        let told: Vec<_> = {
            let mut sockets = self.by_fd.borrow_mut();
            let told = sockets.iter_mut().filter(|(_, socket)| socket.told);
            told.map(|(fd, socket)| {
                socket.told = false;
                (*fd, *socket)
            })
            .collect()
        };
        for (fd, socket) in told {
            let result = self.tell(fd, &socket, POLL_REMOVE);
            if let Some(socket) = self.by_fd.borrow_mut().get_mut(&fd) {
                socket.value = std::ptr::null_mut();
            }
            result?;
        }
        Ok(())
    }

    /// Transfers are under way again: the sockets are watched again, and each may have become ready meanwhile.
    pub(super) fn unpark(&self) -> Result<Vec<Event>, CallbackError> {
        if !self.parked.replace(false) {
            return Ok(Vec::new());
        }
        let all: Vec<_> = self.by_fd.borrow().iter().map(|(fd, socket)| (*fd, *socket)).collect();
        let mut events = Vec::new();
        for (fd, mut socket) in all {
            events.push(Event::Check(socket.token));
            if self.has_callback() {
                self.tell_of(fd, &mut socket)?;
            } else {
                self.enter_poller(fd, socket.token, socket.action.interest(), socket.polled)?;
            }
        }
        Ok(events)
    }

    fn enter_poller(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        polled: bool,
    ) -> Result<(), CallbackError> {
        let mut poller = self.poller.borrow_mut();
        let poller = match &mut *poller {
            Some(poller) => poller,
            None => poller.insert(Poller::new()?),
        };
        poller.watch(fd, interest, token.to_bits(), polled)?;
        if let Some(socket) = self.by_fd.borrow_mut().get_mut(&fd) {
            socket.polled = true;
        }
        Ok(())
    }

    fn leave_poller(&self, fd: RawFd) {
        let mut sockets = self.by_fd.borrow_mut();
        let Some(socket) = sockets.get_mut(&fd).filter(|socket| socket.polled) else { return };
        socket.polled = false;
        if let Some(poller) = &*self.poller.borrow() {
            poller.forget(fd);
        }
    }
}
