//! Sockets, the links under them, and the queue of what is going to happen.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ringdove::engine::{ConnectionId, LookupId};

use crate::plan::{Cut, MS, Rules};
use crate::random::Random;
use crate::server::Server;
use ringdove_test_support::sim_tls::TlsPeer;

/// Names a socket: one for each attempt to connect.
pub(crate) type SocketId = usize;

#[derive(Debug)]
pub(crate) enum Event {
    Add(usize),
    Remove(usize),
    Pause(usize),
    Resume(usize),
    SetLimits(usize, usize),
    SetRules(Rules),
    CloseIdle,
    Resolved(LookupId, Result<Vec<IpAddr>, String>),
    Connected(SocketId, Result<(), i32>),
    /// A send in flight is carried out.
    Sent(SocketId),
    ToServer(SocketId, Vec<u8>),
    ToClient(SocketId, Inbound),
    /// The server's next step is due.
    Step(SocketId),
    /// The server closes the connection if it is idle.
    IdleClose(SocketId),
    /// A fact about a connection that is gone.
    Stale(ConnectionId),
}

impl Event {
    /// Events of one socket stay in order; all others may change places within a batch.
    pub(crate) fn group(&self) -> u64 {
        match self {
            Event::Connected(socket, _)
            | Event::Sent(socket)
            | Event::ToServer(socket, _)
            | Event::ToClient(socket, _)
            | Event::Step(socket)
            | Event::IdleClose(socket) => *socket as u64,
            _ => u64::MAX,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inbound {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// What is going to happen, by time and then in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
}

impl Events {
    pub(crate) fn push(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.queue.insert((at, self.count), event);
    }

    pub(crate) fn next_time(&self) -> Option<u64> {
        self.queue.keys().next().map(|&(at, _)| at)
    }

    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Event> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) connection: ConnectionId,
    /// Whose server is at the other end.
    pub(crate) host: usize,
    pub(crate) address: SocketAddr,
    pub(crate) connected: bool,
    /// Closed by the client.
    pub(crate) closed: bool,
    /// What has arrived at the client and was not read.
    pub(crate) inbox: VecDeque<Inbound>,
    pub(crate) server: Server,
    pub(crate) tls: Option<TlsPeer>,
    /// The connection was ended where HTTP would have gone on, or while it was idle.
    pub(crate) cut: bool,
    /// The server has ended its side.
    pub(crate) ended: bool,
    /// A step of the server's is in the queue.
    pub(crate) stepping: bool,
    link: Link,
}

#[derive(Debug)]
struct Link {
    latency: u64,
    cut: Cut,
    /// Bytes under way to the server, and how many can be.
    under_way: usize,
    capacity: usize,
    /// When the last piece arrives, in either direction.
    server_has: u64,
    client_has: u64,
    /// What happens after so many bytes to the client.
    breaks: Option<(usize, Break)>,
    random: Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    Silence,
    Reset,
}

/// A reset, as the system reports it.
pub(crate) const ECONNRESET: i32 = 104;
/// A send after a reset.
pub(crate) const EPIPE: i32 = 32;
/// Nobody listens.
pub(crate) const ECONNREFUSED: i32 = 111;
/// No descriptor is left.
pub(crate) const EMFILE: i32 = 24;

impl Socket {
    pub(crate) fn new(
        connection: ConnectionId,
        host: usize,
        address: SocketAddr,
        (latency, cut, broken): (u64, Cut, bool),
        random: &mut Random,
    ) -> Socket {
        let mut random = random.fork();
        let breaks = broken.then(|| {
            let after = random.size(0, 1_500);
            (after, random.pick(&[Break::Silence, Break::Reset]))
        });
        let link = Link {
            latency,
            cut,
            under_way: 0,
            capacity: match cut {
                Cut::Bytes => random.pick(&[1, 20, 4_096]),
                Cut::Whole | Cut::Pieces => random.pick(&[300, 4_096, 65_536]),
            },
            server_has: 0,
            client_has: 0,
            breaks,
            random,
        };
        Socket {
            connection,
            host,
            address,
            connected: false,
            closed: false,
            inbox: VecDeque::new(),
            server: Server::default(),
            tls: None,
            cut: false,
            ended: false,
            stepping: false,
            link,
        }
    }

    /// Puts bytes on the link to the server; returns how many it takes.
    pub(crate) fn send(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        now: u64,
        events: &mut Events,
    ) -> Result<usize, i32> {
        assert!(self.connected && !self.closed, "a send on a socket that is not open");
        if self.inbox.contains(&Inbound::Reset) {
            return Err(EPIPE);
        }
        let taken = bytes.len().min(self.link.capacity - self.link.under_way);
        self.link.under_way += taken;
        for piece in self.link.pieces(&bytes[..taken]) {
            let at = self.link.arrival(now, self.link.server_has);
            self.link.server_has = at;
            events.push(at, Event::ToServer(id, piece));
        }
        Ok(taken)
    }

    /// The server has taken bytes off the link.
    pub(crate) fn taken(&mut self, bytes: usize) {
        self.link.under_way -= bytes;
    }

    /// Has the server say this, in TLS if it speaks that. `clean` is false for an end without
    /// close_notify.
    pub(crate) fn say(
        &mut self,
        id: SocketId,
        what: Inbound,
        clean: bool,
        (now, events): (u64, &mut Events),
    ) {
        let Some(tls) = &mut self.tls else { return self.put(id, what, now, events) };
        match what {
            Inbound::Bytes(bytes) => {
                tls.write(&bytes);
                self.flush(id, now, events);
            }
            Inbound::End => {
                if clean {
                    tls.close();
                    self.flush(id, now, events);
                }
                self.put(id, Inbound::End, now, events);
            }
            Inbound::Reset => self.put(id, Inbound::Reset, now, events),
        }
    }

    /// Puts what TLS has to say on the link.
    pub(crate) fn flush(&mut self, id: SocketId, now: u64, events: &mut Events) {
        let wire = self.tls.as_mut().map(TlsPeer::wire).unwrap_or_default();
        if !wire.is_empty() {
            self.put(id, Inbound::Bytes(wire), now, events);
        }
    }

    /// Puts this on the link to the client.
    fn put(&mut self, id: SocketId, what: Inbound, now: u64, events: &mut Events) {
        let mut what = match what {
            Inbound::Bytes(bytes) => {
                self.link.pieces(&bytes).into_iter().map(Inbound::Bytes).collect()
            }
            end => vec![end],
        };
        if let Some((after, how)) = &mut self.link.breaks {
            let how = *how;
            what.retain_mut(|piece| {
                let Inbound::Bytes(bytes) = piece else {
                    return *after > 0 || how != Break::Silence;
                };
                bytes.truncate(*after);
                *after -= bytes.len();
                !bytes.is_empty()
            });
            if *after == 0 {
                self.server.poisoned = true;
                self.cut = true;
                if how == Break::Reset {
                    what.push(Inbound::Reset);
                }
            }
        }
        for piece in what {
            let at = self.link.arrival(now, self.link.client_has);
            self.link.client_has = at;
            events.push(at, Event::ToClient(id, piece));
        }
    }
}

impl Link {
    fn pieces(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let most = match self.cut {
                Cut::Whole => rest.len(),
                Cut::Pieces => self.random.size(1, rest.len()).max(rest.len() / 8),
                Cut::Bytes => 1,
            };
            let (piece, tail) = rest.split_at(most);
            pieces.push(piece.to_vec());
            rest = tail;
        }
        pieces
    }

    /// When something sent now arrives: after what was sent before.
    fn arrival(&mut self, now: u64, after: u64) -> u64 {
        let jitter = match self.cut {
            Cut::Bytes if self.random.chance(90) => 0,
            Cut::Bytes => self.random.below(MS / 10),
            Cut::Whole | Cut::Pieces => self.random.below(MS),
        };
        (now + self.latency + jitter).max(after)
    }
}
