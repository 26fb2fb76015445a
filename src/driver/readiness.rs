//! Connections on non-blocking sockets: what is done when a socket is ready.
//!
//! Knows which socket carries which connection, and how bytes get from one to the other. Must not
//! know who waits for readiness, or how.
//! Invariants: a connection's id, with its generation, is what readiness is reported for, so that a
//! descriptor that was closed and used again is never taken for its predecessor; no socket keeps
//! the others waiting; an idle connection holds no buffer.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::interest::Told;
use super::multi::OwnSocket;
use super::token::Token;
use crate::dial::{Dial, Transport};
use crate::engine::{ConnectionId, Engine};
use crate::error::Operation;
use crate::limits;
use crate::sys::{self, Connect, Errno, Interest, Io, Readiness, Refused, Socket, Step};

/// The sockets of one multi handle.
pub(super) struct Sockets {
    /// By the connection's slot.
    entries: Vec<Option<Entry>>,
    /// How many sockets each slot has had: a connection that tries one address after another has
    /// several, and what is reported of one must not be taken for the next.
    opened: Vec<u8>,
    receive: Box<[u8]>,
    send: Box<[u8]>,
}

/// One socket.
pub(super) struct Entry {
    pub(super) connection: ConnectionId,
    /// Tells this socket from others of the same connection.
    opening: u8,
    socket: Socket,
    connecting: bool,
    /// It takes and gives datagrams, of which one may be empty.
    datagrams: bool,
    /// The socket took less than it was given.
    blocked: bool,
    /// What it did not take.
    unsent: Vec<u8>,
    pub(super) told: Option<Told>,
    /// The application has opened it, and closes it.
    pub(super) is_own: bool,
    /// The application's private value.
    pub(super) value: Option<u64>,
}

impl Entry {
    pub(super) fn token(&self) -> Token {
        Token::new(self.connection, self.opening)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The socket, to be closed by another.
    pub(super) fn into_fd(self) -> OwnedFd {
        self.socket.into_fd()
    }
}

impl Sockets {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            opened: Vec::new(),
            receive: vec![0; limits::RECEIVE_BUFFER].into(),
            send: vec![0; limits::SEND_BUFFER].into(),
        }
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Entry> {
        let entry = self.entries.get(id.slot())?.as_ref()?;
        (entry.connection == id).then_some(entry)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.slot())?.as_mut()?;
        (entry.connection == id).then_some(entry)
    }

    /// The connection whose socket this is, unless the socket is gone.
    pub(super) fn find(&self, token: Token) -> Option<ConnectionId> {
        let (connection, opening) = token.parts();
        self.get(connection).filter(|entry| entry.opening == opening).map(|_| connection)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    /// Takes a socket out; it is closed when the entry is dropped.
    pub(super) fn remove(&mut self, id: ConnectionId, last_words: &[u8]) -> Option<Entry> {
        self.get(id)?;
        let entry = self.entries[id.slot()].take()?;
        // a tail that was not sent would be followed by words out of order
        if !last_words.is_empty() && !entry.connecting && entry.unsent.is_empty() {
            let _ = entry.socket.send(last_words);
        }
        Some(entry)
    }

    /// Opens a socket for a connection and begins to connect it.
    pub(super) fn connect(&mut self, engine: &mut Engine, id: ConnectionId, dial: &Dial) {
        match open(dial) {
            Ok((socket, connect)) => self.take(engine, id, dial, socket, connect, false),
            Err(refused) => report_refused(engine, id, refused),
        }
    }

    /// The same by a socket of the application's own, which comes back if it cannot be.
    pub(super) fn connect_own(
        &mut self,
        engine: &mut Engine,
        id: ConnectionId,
        dial: &Dial,
        own: OwnSocket,
    ) -> Result<(), (Socket, Refused)> {
        let socket = Socket::from_fd(own.fd);
        let connected = match own.is_connected {
            true => socket.adopt(dial, true).map(|()| Connect::Done),
            false => socket.adopt(dial, false).and_then(|()| connect(&socket, dial)),
        };
        match connected {
            Ok(connect) => {
                self.take(engine, id, dial, socket, connect, true);
                Ok(())
            }
            Err(refused) => Err((socket, refused)),
        }
    }

    fn take(
        &mut self,
        engine: &mut Engine,
        id: ConnectionId,
        dial: &Dial,
        socket: Socket,
        connect: Connect,
        is_own: bool,
    ) {
        let connecting = connect == Connect::InProgress;
        if self.entries.len() <= id.slot() {
            self.entries.resize_with(id.slot() + 1, || None);
            self.opened.resize(id.slot() + 1, 0);
        }
        let opened = &mut self.opened[id.slot()];
        *opened = opened.wrapping_add(1);
        let entry = Entry {
            connection: id,
            opening: *opened,
            socket,
            connecting,
            datagrams: dial.transport == Transport::Datagram,
            blocked: false,
            unsent: Vec::new(),
            told: None,
            is_own,
            value: None,
        };
        self.entries[id.slot()] = Some(entry);
        if !connecting {
            engine.handle_connected(id);
        }
    }

    /// A socket is ready. Returns the entry of a connection attempt that failed, which is to be
    /// forgotten by whoever watches it, closed, and only then reported to the engine.
    pub(super) fn handle_ready(
        &mut self,
        engine: &mut Engine,
        id: ConnectionId,
        ready: Readiness,
    ) -> Result<(), (Entry, Errno)> {
        let Some(entry) = self.get_mut(id) else { return Ok(()) };
        if entry.connecting {
            if !(ready.send || ready.error) {
                return Ok(());
            }
            if ready.error
                && let Err(errno) = entry.socket.connect_result()
            {
                return Err((self.entries[id.slot()].take().expect("found above"), errno));
            }
            entry.connecting = false;
            engine.handle_connected(id);
            return Ok(());
        }
        entry.blocked &= !ready.send;
        if ready.recv || ready.error {
            self.receive(engine, id);
        }
        Ok(())
    }

    /// What a socket is ready for, where nobody has said. Asking the kernel pays only while the
    /// socket connects: otherwise the next receive or send says it.
    pub(super) fn find_out(&self, id: ConnectionId) -> Readiness {
        match self.get(id) {
            Some(entry) if entry.connecting => sys::readiness(entry.fd()).unwrap_or_default(),
            _ => Readiness { recv: true, send: true, error: false },
        }
    }

    /// What a connection's socket is ready for now.
    pub(super) fn readiness(&self, id: ConnectionId) -> Readiness {
        let entry = self.get(id);
        entry.and_then(|entry| sys::readiness(entry.fd()).ok()).unwrap_or_default()
    }

    /// What the sockets are ready for now, as far as they are watched for it.
    pub(super) fn all_ready(&self) -> Vec<(ConnectionId, Readiness)> {
        let told = |entry: &&Entry| entry.told.map(|told| told.action.interest());
        let watched =
            self.iter().filter(|entry| told(entry).is_some_and(|at| at != Interest::NONE));
        let (ids, fds): (Vec<_>, Vec<_>) = watched
            .map(|entry| (entry.connection, (entry.fd(), told(&entry).unwrap_or(Interest::NONE))))
            .unzip();
        let ready = sys::readiness_of(fds).unwrap_or_default();
        let any = |&(_, ready): &(ConnectionId, Readiness)| ready != Readiness::default();
        ids.into_iter().zip(ready).filter(any).collect()
    }

    /// What the peer has yet to acknowledge of what was sent, if that matters.
    pub(super) fn unacknowledged(&self, engine: &Engine, id: ConnectionId) -> Option<u32> {
        let entry = self.get(id).filter(|_| engine.asks_unacknowledged(id))?;
        entry.socket.unacknowledged().ok()
    }

    /// Sends what the connection has to send, as far as the socket takes it. Returns what is to be
    /// watched for.
    pub(super) fn drive(&mut self, engine: &mut Engine, id: ConnectionId) -> Interest {
        if self.get(id).is_some_and(|entry| entry.connecting) {
            return Interest { recv: false, send: true };
        }
        let mut turns = limits::SENDS_PER_TURN;
        while turns > 0 && self.send(engine, id) {
            turns -= 1;
        }
        let unfinished = self.get(id).is_some_and(|entry| entry.blocked) || turns == 0;
        Interest { recv: engine.wants_recv(id), send: unfinished }
    }

    fn receive(&mut self, engine: &mut Engine, id: ConnectionId) {
        for _ in 0..limits::RECEIVES_PER_TURN {
            if !engine.wants_recv(id) {
                return;
            }
            let Self { entries, receive, .. } = self;
            let Some(entry) = &entries[id.slot()] else { return };
            match entry.socket.recv(receive) {
                Ok(Io::Ready(0)) if !entry.datagrams => return engine.handle_end(id),
                Ok(Io::Ready(bytes)) => {
                    // of a stream that was all there is
                    let last = bytes < receive.len() && !entry.datagrams;
                    engine.handle_received(id, &receive[..bytes]);
                    if last {
                        return;
                    }
                }
                Ok(Io::Blocked) => return,
                Err(errno) => return engine.handle_failed(id, Operation::Recv, errno.raw()),
            }
        }
    }

    /// Sends once. False if there is nothing to send or the socket takes no more.
    fn send(&mut self, engine: &mut Engine, id: ConnectionId) -> bool {
        let Self { entries, send, .. } = self;
        let Some(entry) = entries.get_mut(id.slot()).and_then(Option::as_mut) else { return false };
        if entry.connection != id || entry.blocked {
            return false;
        }
        let fresh = entry.unsent.is_empty();
        let bytes = if fresh {
            if !engine.wants_send(id) {
                return false;
            }
            let filled = engine.fill(id, send);
            &send[..filled]
        } else {
            &entry.unsent[..]
        };
        if bytes.is_empty() {
            return false;
        }
        let (taken, result) = match entry.socket.send(bytes) {
            Ok(Io::Ready(taken)) => (taken, Ok(())),
            Ok(Io::Blocked) => (0, Ok(())),
            Err(errno) => (0, Err(errno)),
        };
        let given = bytes.len();
        if fresh && taken < given {
            entry.unsent = bytes[taken..].to_vec();
        } else if !fresh && taken == given {
            entry.unsent = Vec::new();
        } else if !fresh {
            entry.unsent.drain(..taken);
        }
        entry.blocked = taken < given && result.is_ok();
        if taken > 0 {
            engine.handle_sent(id, taken);
        }
        match result {
            Ok(()) => taken == given,
            Err(errno) => {
                // the peer may have answered before it closed: what it said comes first
                self.receive(engine, id);
                engine.handle_failed(id, Operation::Send, errno.raw());
                false
            }
        }
    }
}

fn open(dial: &Dial) -> Result<(Socket, Connect), Refused> {
    let socket = Socket::open(dial)?;
    let connect = connect(&socket, dial)?;
    Ok((socket, connect))
}

fn connect(socket: &Socket, dial: &Dial) -> Result<Connect, Refused> {
    socket.connect(&dial.remote).map_err(|errno| Refused { step: Step::Connect, errno })
}

/// Tells the engine that a connection's socket could not be opened.
pub(super) fn report_refused(engine: &mut Engine, id: ConnectionId, refused: Refused) {
    let operation = match refused.step {
        Step::Socket => Operation::Socket,
        Step::Bind => Operation::Bind,
        Step::Connect => Operation::Connect,
    };
    let errno = refused.errno.raw();
    if refused.is_exhaustion() {
        engine.handle_exhausted(id, operation, errno);
    } else {
        engine.handle_failed(id, operation, errno);
    }
}
