//! The simulated driver: does what the engine wants, as a driver on readiness or one on
//! completions would, and is strict about what it was promised.

use ringdove::Time;
use ringdove::engine::{ConnectionId, MIN_FILL, Output};
use ringdove::error::Operation;

use crate::network::{ECONNREFUSED, ECONNRESET, EMFILE, EPIPE, Event, Inbound, Socket, SocketId};
use crate::plan::{AddressPlan, Flavour, LookupPlan, MS, host_named};
use crate::world::World;
use ringdove_test_support::sim_tls::TlsPeer;

/// How often one turn sends before others get theirs.
const SENDS: u32 = 8;

/// When things happened on a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) connecting_since: u64,
    pub(crate) connected: u64,
    /// A request that is put on it begins at once.
    pub(crate) is_ready: bool,
    /// When something last moved, in either direction.
    pub(crate) moved: u64,
    /// When bytes were last sent.
    pub(crate) sent: u64,
}

/// A connection as the driver knows it.
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) socket: Option<SocketId>,
    pub(crate) origin: (usize, u16),
    /// The transfer that occupies it.
    pub(crate) transfer: Option<usize>,
    pub(crate) times: Times,
    /// When it is to be reported that the deadline has passed; for a driver that carries those.
    pub(crate) deadline: u64,
    /// Bytes filled and not yet sent.
    unsent: Vec<u8>,
    in_flight: bool,
    /// A receive is in flight.
    armed: bool,
}

impl World {
    /// Does what the engine wants until it wants no more.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.say(|_| format!("  {output:?}"));
            self.progress |= !matches!(output, Output::Level { .. });
            match output {
                Output::Level { connection } => {
                    self.note(connection);
                    self.drive(connection);
                    self.receive(connection);
                    self.ask_deadline(connection);
                }
                Output::Connect { connection, dial } => {
                    let address = dial.remote.ip().expect("an address");
                    self.connect(connection, address);
                }
                Output::Close { connection, last_words } => {
                    self.close(connection, &last_words);
                }
                Output::Resolve { lookup, host } => {
                    let name = host.name().expect("a name is looked up, not an address");
                    self.resolve(lookup, name);
                }
                Output::Abandon { lookup } => {
                    // its answer may have come in between
                    self.lookups.remove(&lookup.to_bits());
                }
            }
        }
        while let Some(message) = self.engine.poll_message() {
            self.check_message(message);
        }
    }

    /// Tells the engine of the deadlines that have passed, where the driver carries them.
    pub(crate) fn report_deadlines(&mut self) {
        if !self.scenario.carried_deadlines {
            return;
        }
        let due: Vec<_> =
            self.links.values().filter(|link| link.deadline <= self.now).map(|l| l.id).collect();
        for id in due {
            self.engine.handle_deadline(id);
            self.ask_deadline(id);
        }
    }

    /// Notes which transfer occupies a connection.
    pub(crate) fn note(&mut self, id: ConnectionId) {
        if !self.engine.is_open(id) {
            return;
        }
        let transfer = self.engine.transfer_on(id);
        let transfer = transfer.map(|id| self.by_id[&id.to_bits()]);
        let Some(link) = self.links.get_mut(&id.to_bits()) else { return };
        if link.transfer == transfer {
            return;
        }
        link.transfer = transfer;
        if transfer.is_some() && link.times.is_ready {
            self.began(id);
        }
        let Some(link) = self.links.get_mut(&id.to_bits()) else { return };
        (link.times.moved, link.times.sent) = (self.now, self.now);
        if let (Some(transfer), Some(socket)) = (transfer, link.socket) {
            self.transfers[transfer].sockets.push(socket);
        }
    }

    /// A connection that is being made may be for another transfer from here on.
    pub(crate) fn note_handed_on(&mut self) {
        for link in self.links.values_mut().filter(|link| link.transfer.is_some()) {
            let transfer = self.engine.transfer_on(link.id).map(|id| self.by_id[&id.to_bits()]);
            if let Some(transfer) = transfer.filter(|_| transfer != link.transfer) {
                link.transfer = Some(transfer);
                if let Some(socket) = link.socket {
                    self.transfers[transfer].sockets.push(socket);
                }
            }
        }
    }

    // look-ups

    fn resolve(&mut self, lookup: ringdove::engine::LookupId, name: &str) {
        let fresh = self.lookups.insert(lookup.to_bits(), lookup).is_none();
        assert!(fresh, "a look-up is asked for twice");
        let most = self.scenario.config.max_lookups;
        assert!(self.lookups.len() <= most, "more than {most} look-ups");
        let host = host_named(name);
        *self.looked_up.entry(host).or_default() += 1;
        let plan = &self.scenario.hosts[host];
        let (after, result) = match plan.lookup {
            LookupPlan::Override => panic!("a look-up in spite of an override"),
            LookupPlan::Never => return,
            LookupPlan::Fail { after } => (after, Err("no such name".to_owned())),
            LookupPlan::Answer { after } => {
                (after, Ok((0..plan.addresses.len()).map(|i| plan.address(host, i)).collect()))
            }
        };
        self.events.push(self.now + after, Event::Resolved(lookup, result));
    }

    // connections

    fn connect(&mut self, id: ConnectionId, address: std::net::SocketAddr) {
        if !self.engine.is_open(id) {
            // removed before it was acted upon; Close follows
            self.link(id, None);
            return;
        }
        let transfer = self.engine.transfer_on(id).expect("somebody waits for a connection");
        let transfer = self.by_id[&transfer.to_bits()];
        let link = self.link(id, Some(transfer));
        assert!(link.socket.is_none(), "a second socket for a connection");
        if self.random.chance(self.scenario.exhaustion) {
            self.transfers[transfer].exhausted = true;
            return self.engine.handle_exhausted(id, Operation::Socket, EMFILE);
        }
        let plan = &self.scenario.plans[transfer];
        let host = plan.host;
        let index = self.scenario.hosts[host].index_of(host, address.ip());
        assert_eq!(plan.port, address.port(), "connects to another port");
        let broken = self.random.chance(self.scenario.broken_links);
        let kind = (self.scenario.latency, self.scenario.cut, broken);
        let socket = self.sockets.len();
        let mut attempt = Socket::new(id, host, address, kind, &mut self.random);
        attempt.tls = self.scenario.hosts[host].tls.then(TlsPeer::new);
        self.sockets.push(attempt);
        self.transfers[transfer].sockets.push(socket);
        self.link(id, Some(transfer)).socket = Some(socket);
        match self.scenario.hosts[host].addresses[index] {
            AddressPlan::Accept { after } => {
                self.events.push(self.now + after, Event::Connected(socket, Ok(())));
            }
            AddressPlan::Refuse { after } => {
                self.events.push(self.now + after, Event::Connected(socket, Err(ECONNREFUSED)));
            }
            AddressPlan::Hang => {}
        }
        self.ask_deadline(id);
        if self.scenario.flavour == Flavour::Completion && self.random.chance(80) {
            self.fill_first_flight(id);
        }
    }

    fn link(&mut self, id: ConnectionId, transfer: Option<usize>) -> &mut Link {
        let plan = transfer.map(|transfer| &self.scenario.plans[transfer]);
        let now = self.now;
        // attempts that race have begun with the first of them
        let others = self.links.values().filter(|link| link.transfer == transfer);
        let since = others.map(|link| link.times.connecting_since).min();
        let since = since.filter(|_| transfer.is_some()).unwrap_or(now);
        self.links.entry(id.to_bits()).or_insert_with(|| Link {
            id,
            socket: None,
            origin: plan.map_or((usize::MAX, 0), |plan| (plan.host, plan.port)),
            transfer,
            times: Times {
                connecting_since: since,
                connected: now,
                is_ready: false,
                moved: now,
                sent: now,
            },
            deadline: u64::MAX,
            unsent: Vec::new(),
            in_flight: false,
            armed: false,
        })
    }

    /// As much of the first flight as the engine gives, for the kernel to have at once.
    fn fill_first_flight(&mut self, id: ConnectionId) {
        let mut flight = Vec::new();
        for _ in 0..3 {
            let mut buffer = vec![0; self.random.size(MIN_FILL, 2_000)];
            let filled = self.engine.fill(id, &mut buffer);
            flight.extend_from_slice(&buffer[..filled]);
            if filled == 0 {
                break;
            }
        }
        // what an earlier attempt was given is sent first
        if let Some(link) = self.links.get_mut(&id.to_bits()) {
            link.unsent.extend_from_slice(&flight);
        }
    }

    pub(crate) fn connected(&mut self, id: SocketId, result: Result<(), i32>) {
        let socket = &mut self.sockets[id];
        if socket.closed {
            return;
        }
        let connection = socket.connection;
        let link = self.links.get_mut(&connection.to_bits()).expect("an open socket has a link");
        if let Err(errno) = result {
            socket.closed = true;
            link.socket = None;
            return self.engine.handle_failed(connection, Operation::Connect, errno);
        }
        socket.connected = true;
        link.times.connected = self.now;
        (link.times.moved, link.times.sent) = (self.now, self.now);
        self.engine.handle_connected(connection);
        let is_tls = self.sockets[id].tls.is_some();
        if let Some(link) = self.links.get_mut(&connection.to_bits()) {
            link.times.is_ready = true;
        }
        // where TLS comes first nobody outside sees when the request begins
        if !is_tls && self.engine.transfer_on(connection).is_some() {
            self.began(connection);
        }
        self.note(connection);
        self.drive(connection);
        self.ask_deadline(connection);
    }

    fn close(&mut self, id: ConnectionId, last_words: &[u8]) {
        let link = self.links.remove(&id.to_bits()).expect("a connection is closed once");
        if let Some(number) = link.socket {
            let socket = &mut self.sockets[number];
            assert!(last_words.is_empty() || socket.tls.is_some(), "last words in plaintext");
            if socket.connected && link.unsent.is_empty() {
                let _ = socket.send(number, last_words, self.now, &mut self.events);
            }
            socket.closed = true;
        }
        if let Some(transfer) = link.transfer {
            self.transfers[transfer].times = Some(link.times);
        }
        if self.scenario.flavour == Flavour::Completion && self.random.chance(30) {
            self.events.push(self.now + self.random.below(5 * MS), Event::Stale(id));
        }
    }

    /// What was in flight when a connection was closed comes in after it.
    pub(crate) fn stale(&mut self, id: ConnectionId) {
        assert!(!self.engine.is_open(id), "an id names another connection");
        match self.random.below(6) {
            0 => self.engine.handle_sent(id, 10),
            1 => self.engine.handle_received(id, b"HTTP/1.1 200 OK\r\n\r\n"),
            2 => self.engine.handle_end(id),
            3 => self.engine.handle_failed(id, Operation::Recv, ECONNRESET),
            4 => self.engine.handle_connected(id),
            _ => self.engine.handle_deadline(id),
        }
    }

    pub(crate) fn ask_deadline(&mut self, id: ConnectionId) {
        let deadline = self.engine.level(id).deadline;
        if let Some(link) = self.links.get_mut(&id.to_bits()) {
            link.deadline = if deadline == Time::NEVER { u64::MAX } else { deadline.as_nanos() };
        }
    }

    // out

    /// Sends what the connection has to send, as far as the socket takes it.
    pub(crate) fn drive(&mut self, id: ConnectionId) {
        for _ in 0..SENDS {
            let Some(socket) = self.links.get(&id.to_bits()).and_then(|link| link.socket) else {
                return;
            };
            if !self.sockets[socket].connected || !self.fill(id) {
                return;
            }
            match self.scenario.flavour {
                Flavour::Readiness => {
                    if !self.send(id, socket) {
                        return;
                    }
                }
                Flavour::Completion => {
                    let link = self.links.get_mut(&id.to_bits()).expect("found above");
                    if !std::mem::replace(&mut link.in_flight, true) {
                        let at = self.now + self.random.below(2) * self.random.below(MS);
                        self.events.push(at, Event::Sent(socket));
                    }
                    return;
                }
            }
        }
        // others first
        if let Some(socket) = self.links.get(&id.to_bits()).and_then(|link| link.socket) {
            self.events.push(self.now, Event::Sent(socket));
        }
    }

    /// Sees to it that there are bytes to send. False if there are none.
    fn fill(&mut self, id: ConnectionId) -> bool {
        let Some(link) = self.links.get(&id.to_bits()) else { return false };
        if !link.unsent.is_empty() {
            return true;
        }
        if !self.engine.level(id).send {
            return false;
        }
        let most = if self.random.chance(50) { 700 } else { 16_384 };
        let mut buffer = vec![0; self.random.size(MIN_FILL, most)];
        let filled = self.engine.fill(id, &mut buffer);
        if filled == 0 {
            assert!(!self.engine.level(id).send, "wants to send and fills nothing: {id:?}");
            return false;
        }
        buffer.truncate(filled);
        if let Some(link) = self.links.get_mut(&id.to_bits()) {
            link.unsent = buffer;
        }
        true
    }

    /// Sends once. False if the socket takes no more.
    fn send(&mut self, id: ConnectionId, socket: SocketId) -> bool {
        let link = self.links.get_mut(&id.to_bits()).expect("the caller found it");
        let given = link.unsent.len();
        match self.sockets[socket].send(socket, &link.unsent, self.now, &mut self.events) {
            Ok(taken) => {
                link.unsent.drain(..taken);
                if taken > 0 {
                    if self.engine.is_open(id) {
                        (link.times.moved, link.times.sent) = (self.now, self.now);
                    }
                    self.engine.handle_sent(id, taken);
                    self.ask_deadline(id);
                }
                taken == given
            }
            Err(errno) => {
                assert_eq!(errno, EPIPE);
                if self.scenario.flavour == Flavour::Readiness {
                    self.receive(id);
                }
                self.engine.handle_failed(id, Operation::Send, errno);
                false
            }
        }
    }

    /// A send in flight is carried out; or a socket takes bytes again.
    pub(crate) fn writable(&mut self, socket: SocketId) {
        if self.sockets[socket].closed {
            return;
        }
        let id = self.sockets[socket].connection;
        let Some(link) = self.links.get_mut(&id.to_bits()) else { return };
        link.in_flight = false;
        if self.scenario.flavour == Flavour::Completion && !link.unsent.is_empty() {
            let whole = self.send(id, socket);
            if !whole {
                if let Some(link) = self.links.get_mut(&id.to_bits()) {
                    link.in_flight = true;
                }
                return;
            }
        }
        self.drive(id);
    }

    /// The server has made room on the link.
    pub(crate) fn unblock(&mut self, socket: SocketId) {
        let id = self.sockets[socket].connection;
        let Some(link) = self.links.get(&id.to_bits()) else { return };
        if !self.sockets[socket].closed && !link.unsent.is_empty() {
            self.events.push(self.now, Event::Sent(socket));
        }
    }

    // in

    pub(crate) fn arrive(&mut self, socket: SocketId, what: Inbound) {
        if self.sockets[socket].closed {
            return;
        }
        self.sockets[socket].inbox.push_back(what);
        self.receive(self.sockets[socket].connection);
    }

    pub(crate) fn receive(&mut self, id: ConnectionId) {
        while let Some(link) = self.links.get_mut(&id.to_bits()) {
            let Some(socket) = link.socket else { return };
            if self.sockets[socket].inbox.is_empty() {
                link.armed |= self.engine.level(id).recv;
                return;
            }
            let wanted = self.engine.level(id).recv;
            let was_armed = std::mem::replace(&mut link.armed, wanted);
            let in_flight = self.scenario.flavour == Flavour::Completion
                && was_armed
                && self.engine.is_open(id)
                && self.random.chance(50);
            if !wanted && !in_flight {
                return;
            }
            let what = self.sockets[socket].inbox.pop_front().expect("not empty");
            self.report_inbound(id, socket, what);
        }
    }

    fn report_inbound(&mut self, id: ConnectionId, socket: SocketId, what: Inbound) {
        match what {
            Inbound::Bytes(mut bytes) => {
                if self.random.chance(20) && bytes.len() > 1 {
                    let rest = bytes.split_off(self.random.size(1, bytes.len() - 1));
                    self.sockets[socket].inbox.push_front(Inbound::Bytes(rest));
                }
                if let Some(link) = self.links.get_mut(&id.to_bits())
                    && self.engine.is_open(id)
                {
                    link.times.moved = self.now;
                }
                self.engine.handle_received(id, &bytes);
            }
            Inbound::End => self.engine.handle_end(id),
            Inbound::Reset => {
                // a receive after it fails too
                self.sockets[socket].inbox.push_front(Inbound::Reset);
                self.engine.handle_failed(id, Operation::Recv, ECONNRESET);
            }
        }
        self.note(id);
    }
}
