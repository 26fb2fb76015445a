//! The least that a client on epoll can do: send a canned request, receive as many bytes as the
//! response is known to have, look at the first few.
//!
//! With a large body this is the plain loop of recv(2) with a buffer of 64 KiB.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, connect, recv, send, socket,
};
use ringdove_peers::canned::{self, Exchange, GOOD};
use ringdove_peers::{Failure, Meter, Plan, process};

const RECEIVE_BYTES: usize = 64 << 10;
const EVENTS: usize = 1024;

fn main() -> ExitCode {
    ringdove_peers::run("floor_epoll", env!("CARGO_PKG_VERSION"), |plan, meter| {
        let exchanges = canned::exchanges(&plan, &meter)?;
        Floor::new(&plan, &meter, &exchanges)?.run()
    })
}

struct Floor<'a> {
    plan: &'a Plan,
    meter: &'a Meter,
    exchanges: &'a [Exchange],
    epoll: Epoll,
    connections: Vec<Connection>,
    /// The next to be used is in front.
    idle: VecDeque<usize>,
    buffer: Vec<u8>,
}

#[derive(Default)]
struct Connection {
    socket: Option<OwnedFd>,
    received: usize,
    /// The socket was not yet connected when the request was to be sent.
    unsent: bool,
}

impl<'a> Floor<'a> {
    fn new(plan: &'a Plan, meter: &'a Meter, exchanges: &'a [Exchange]) -> Result<Self, Failure> {
        let slots = plan.open_connections();
        Ok(Self {
            plan,
            meter,
            exchanges,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: (0..slots).map(|_| Connection::default()).collect(),
            idle: (0..slots).collect(),
            buffer: vec![0; RECEIVE_BYTES],
        })
    }

    fn run(&mut self) -> Result<(), Failure> {
        for _ in 0..self.plan.connections {
            self.start_next();
        }
        let mut events = vec![EpollEvent::empty(); EVENTS];
        while !self.meter.finished() && !process::expired() {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for event in &events[..ready] {
                self.on_ready(event.data() as usize);
            }
        }
        Ok(())
    }

    /// Makes requests until one is under way, or none is left.
    fn start_next(&mut self) {
        while self.meter.claim().is_some() {
            let slot = self.idle.pop_front().expect("as many slots as requests in flight");
            match self.start(slot) {
                Ok(()) => return,
                Err(error) => self.give_up(slot, error),
            }
        }
    }

    fn start(&mut self, slot: usize) -> Result<(), Errno> {
        let exchange = &self.exchanges[slot % self.exchanges.len()];
        let connection = &mut self.connections[slot];
        connection.received = 0;
        if let Some(socket) = &connection.socket {
            send(socket.as_raw_fd(), &exchange.request, MsgFlags::MSG_NOSIGNAL)?;
            return Ok(());
        }
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        match connect(socket.as_raw_fd(), &SockaddrIn::from(exchange.address)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        // On loopback the handshake is mostly over when connect(2) returns.
        let sent = send(socket.as_raw_fd(), &exchange.request, MsgFlags::MSG_NOSIGNAL);
        connection.unsent = match sent {
            Ok(_) => false,
            Err(Errno::EAGAIN) => true,
            Err(error) => return Err(error),
        };
        self.epoll.add(&socket, interest(slot, connection.unsent))?;
        connection.socket = Some(socket);
        Ok(())
    }

    fn on_ready(&mut self, slot: usize) {
        match self.advance(slot) {
            Ok(false) => {}
            Ok(true) => {
                self.meter.success();
                if !self.plan.keepalive {
                    self.connections[slot] = Connection::default();
                }
                self.idle.push_back(slot);
                self.start_next();
            }
            Err(error) => {
                self.give_up(slot, error);
                self.start_next();
            }
        }
    }

    /// Whether the response is complete.
    fn advance(&mut self, slot: usize) -> Result<bool, Errno> {
        let exchange = &self.exchanges[slot % self.exchanges.len()];
        let connection = &mut self.connections[slot];
        let Some(socket) = &connection.socket else {
            return Ok(false);
        };
        if connection.unsent {
            send(socket.as_raw_fd(), &exchange.request, MsgFlags::MSG_NOSIGNAL)?;
            connection.unsent = false;
            self.epoll.modify(socket, &mut interest(slot, false))?;
            return Ok(false);
        }
        loop {
            let received = match recv(socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(Errno::EAGAIN) => return Ok(false),
                other => other?,
            };
            if received == 0 {
                return Err(Errno::ECONNRESET);
            }
            if connection.received == 0 && !self.buffer[..received].starts_with(GOOD) {
                return Err(Errno::EBADMSG);
            }
            connection.received += received;
            if connection.received >= exchange.response_bytes {
                let exact = connection.received == exchange.response_bytes;
                return if exact { Ok(true) } else { Err(Errno::EBADMSG) };
            }
            if received < RECEIVE_BYTES {
                return Ok(false);
            }
        }
    }

    fn give_up(&mut self, slot: usize, error: Errno) {
        self.meter.failure(error);
        self.connections[slot] = Connection::default();
        self.idle.push_back(slot);
    }
}

fn interest(slot: usize, unsent: bool) -> EpollEvent {
    let flags = if unsent { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
    EpollEvent::new(flags, slot as u64)
}
