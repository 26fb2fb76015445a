//! Channels: the sockets on which one server is asked, their choice and their renewal.
//!
//! Knows which query has which id on which channel, and what is left to send. Must not know what answers
//! mean. Invariants: an id on a channel is one query's; ids are drawn at random among the free ones; a channel
//! that is old, or has had its share of queries, takes no more and is closed when it waits for nothing.

use std::collections::VecDeque;

use super::{Channel, ChannelId, Names, Query, Timer, Transport, Want};
use crate::dns::message;
use crate::engine::timers::TimerId;
use crate::id::IdMap;
use crate::limits;
use crate::time::Time;

/// What belongs to one socket.
pub(super) struct Line {
    pub(super) server: usize,
    pub(super) transport: Transport,
    /// Connected, so that it can be sent on.
    open: bool,
    /// When an answer came last.
    pub(super) heard: Option<Time>,
    /// The engine has been told that there is something to send.
    told: bool,
    retired: bool,
    /// Ids of queries to be sent. May hold those of queries that are gone.
    to_send: VecDeque<u16>,
    unsent: usize,
    in_flight: IdMap<u16, Flight>,
    queries: u32,
    /// Ids of queries that are over: answers to these are late, or come twice.
    past: IdMap<u16, ()>,
    /// Messages with ids that no query had.
    guesses: u32,
    since: Time,
    used: Time,
    /// When it is seen to again.
    timer: Option<TimerId>,
    /// The beginning of a message on a TCP connection.
    input: Vec<u8>,
}

/// A query on a channel.
struct Flight {
    query: Query,
    sent: bool,
}

impl Line {
    fn new(server: usize, transport: Transport, now: Time) -> Line {
        Line {
            server,
            transport,
            open: false,
            heard: None,
            told: false,
            retired: false,
            to_send: VecDeque::new(),
            unsent: 0,
            in_flight: IdMap::default(),
            queries: 0,
            past: IdMap::default(),
            guesses: 0,
            since: now,
            used: now,
            timer: None,
            input: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.in_flight.len() >= limits::CHANNEL_QUERIES
    }

    fn is_spent(&self, now: Time) -> bool {
        self.queries >= limits::QUERIES_PER_CHANNEL
            || (self.transport == Transport::Udp && self.since + limits::CHANNEL_AGE <= now)
    }

    /// Whether a query had this id.
    pub(super) fn has_had(&self, id: u16) -> bool {
        self.past.contains_key(&id)
    }

    /// A message came with an id that no query has had. True where there were so many that another port is better.
    pub(super) fn note_guess(&mut self) -> bool {
        self.guesses += 1;
        self.guesses == limits::CHANNEL_GUESSES
    }

    /// The query that waits for an answer with this id.
    pub(super) fn awaiting(&self, id: u16) -> Option<Query> {
        self.in_flight.get(&id).filter(|flight| flight.sent).map(|flight| flight.query)
    }

    /// The next query to be sent, if there is one.
    fn next_to_send(&mut self) -> Option<(u16, Query)> {
        while let Some(&id) = self.to_send.front() {
            if let Some(flight) = self.in_flight.get(&id)
                && !flight.sent
            {
                return Some((id, flight.query));
            }
            self.to_send.pop_front();
        }
        None
    }

    fn note_sent(&mut self, id: u16) {
        self.to_send.pop_front();
        self.unsent -= 1;
        if let Some(flight) = self.in_flight.get_mut(&id) {
            flight.sent = true;
        }
    }

    fn forget(&mut self, id: u16) {
        let Some(flight) = self.in_flight.remove(&id) else { return };
        if flight.sent {
            self.past.insert(id, ());
            return;
        }
        self.unsent -= 1;
        if self.to_send.len() > 2 * self.unsent + 32 {
            // ids of queries given up must not pile up behind a socket that never opens
            let in_flight = &self.in_flight;
            self.to_send.retain(|id| in_flight.get(id).is_some_and(|flight| !flight.sent));
        }
    }

    /// Takes the next whole message off the bytes of a TCP connection (RFC 1035, 4.2.2): from `input` with
    /// `bytes` behind it. Keeps what is none yet, which is less than the longest message.
    fn next_message<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<std::borrow::Cow<'a, [u8]>> {
        if self.input.is_empty()
            && let Some((length, rest)) = bytes.split_first_chunk()
            && let Some((message, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into())
        {
            *bytes = rest;
            return Some(message.into());
        }
        self.gather(bytes, 2);
        let length = usize::from(u16::from_be_bytes(*self.input.first_chunk()?));
        self.gather(bytes, 2 + length);
        if self.input.len() < 2 + length {
            return None;
        }
        let message = self.input.split_off(2);
        self.input = Vec::new();
        Some(message.into())
    }

    /// Moves bytes to `input` until it has so many.
    fn gather(&mut self, bytes: &mut &[u8], length: usize) {
        let wanted = length.saturating_sub(self.input.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(wanted);
        self.input.extend_from_slice(taken);
        *bytes = rest;
    }
}

impl Names {
    // facts

    /// The socket of a channel is connected.
    pub(crate) fn opened(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.0.open = true;
        self.want_send(id);
    }

    /// Whether [`Names::fill`] would give bytes.
    pub(crate) fn wants_send(&self, id: ChannelId) -> bool {
        self.channels.get(id).is_some_and(|Channel(line)| line.open && line.unsent > 0)
    }

    /// Writes one datagram, or as many whole messages of a TCP connection as there is room for, and says
    /// how many bytes. They are taken for sent. `out` has room for one message: 512 bytes.
    pub(crate) fn fill(&mut self, id: ChannelId, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while self.wants_send(id) {
            let Some(Channel(line)) = self.channels.get_mut(id) else { break };
            let (transport, server) = (line.transport, line.server);
            let Some((dns_id, query)) = line.next_to_send() else { break };
            if !self.encode(dns_id, query, server) {
                line_of(&mut self.channels, id).note_sent(dns_id);
                continue;
            }
            let prefix = if transport == Transport::Tcp { 2 } else { 0 };
            let length = self.scratch.len();
            let Some(room) = out[filled..].get_mut(..prefix + length) else { break };
            room[..prefix].copy_from_slice(&(length as u16).to_be_bytes()[..prefix]);
            room[prefix..].copy_from_slice(&self.scratch);
            filled += prefix + length;
            line_of(&mut self.channels, id).note_sent(dns_id);
            self.stats.sent += 1;
            if transport == Transport::Udp {
                break;
            }
        }
        if let Some(Channel(line)) = self.channels.get_mut(id) {
            line.told = line.unsent > 0;
        }
        filled
    }

    fn encode(&mut self, dns_id: u16, query: Query, server: usize) -> bool {
        let plain = self.servers[server].is_plain(self.now);
        let Some(look) = self.looks.get(query.look) else { return false };
        let edns = !plain && !look.half(query.kind).ask.plain;
        message::encode(dns_id, look.name(query.kind), query.kind, edns, &mut self.scratch)
    }

    /// A datagram, or some bytes of a TCP connection, came from the server.
    pub(crate) fn received(&mut self, id: ChannelId, mut bytes: &[u8], now: Time) {
        self.now = self.now.max(now);
        match self.channels.get(id) {
            Some(Channel(line)) if line.transport == Transport::Tcp => {}
            Some(_) => {
                self.message(id, bytes);
                return self.pump_freed();
            }
            None => return,
        }
        // a message may be the end of the channel
        while let Some(Channel(line)) = self.channels.get_mut(id)
            && let Some(message) = line.next_message(&mut bytes)
        {
            self.message(id, &message);
        }
        self.pump_freed();
    }

    /// A look-up is to be sent: false where the server has no channel for it now.
    pub(super) fn put_on_channel(&mut self, query: Query, tcp: bool) -> bool {
        let Some(look) = self.looks.get(query.look) else { return true };
        let server = look.half(query.kind).ask.server;
        let id = if tcp { self.tcp_channel(server) } else { self.udp_channel(server) };
        let Some(id) = id else { return false };
        let line = line_of(&mut self.channels, id);
        let dns_id = loop {
            let dns_id = self.random.next();
            if !line.in_flight.contains_key(&dns_id) {
                break dns_id;
            }
        };
        line.in_flight.insert(dns_id, Flight { query, sent: false });
        line.to_send.push_back(dns_id);
        line.unsent += 1;
        line.queries += 1;
        line.used = self.now;
        if line.is_spent(self.now) {
            self.retire(id);
        }
        self.want_send(id);
        self.note_flight(query, id, dns_id);
        true
    }

    fn want_send(&mut self, id: ChannelId) {
        let Some(Channel(line)) = self.channels.get_mut(id) else { return };
        if line.open && line.unsent > 0 && !line.told {
            line.told = true;
            self.wants.push_back(Want::Send { channel: id });
        }
    }

    // which channel

    fn tcp_channel(&mut self, server: usize) -> Option<ChannelId> {
        match self.servers[server].tcp {
            Some(id) => Some(id).filter(|&id| !line_of(&mut self.channels, id).is_full()),
            None => self.open_channel(server, Transport::Tcp),
        }
    }

    /// Of two at random the one that has less to send, which is nearly as good as the best of all; a new one where that
    /// has something to send, too.
    fn udp_channel(&mut self, server: usize) -> Option<ChannelId> {
        self.retire_the_old(server);
        let [one, other] = self.random.next().to_le_bytes().map(usize::from);
        let udp = &self.servers[server].udp;
        let all = udp.len().max(1);
        let free =
            |id: &&ChannelId| self.channels.get(**id).is_some_and(|Channel(line)| !line.is_full());
        let pair = [udp.get(one % all), udp.get(other % all)].into_iter().flatten();
        let unsent = |id: ChannelId| self.channels.get(id).map_or(0, |Channel(line)| line.unsent);
        let best =
            pair.filter(free).min_by_key(|&&id| unsent(id)).or(udp.iter().find(free)).copied();
        if best.is_none_or(|id| unsent(id) > 0) && udp.len() < limits::NAME_CHANNELS {
            return self.open_channel(server, Transport::Udp).or(best);
        }
        best
    }

    fn open_channel(&mut self, server: usize, transport: Transport) -> Option<ChannelId> {
        if self.servers[server].open_after > self.now {
            return None;
        }
        let channel = self.channels.insert(Channel(Line::new(server, transport, self.now)));
        let timer = self.timers.set(self.now + limits::CHANNEL_IDLE, Timer::Channel(channel));
        line_of(&mut self.channels, channel).timer = Some(timer);
        let state = &mut self.servers[server];
        match transport {
            Transport::Udp => state.udp.push(channel),
            Transport::Tcp => state.tcp = Some(channel),
        }
        self.wants.push_back(Want::Open { channel, server: state.address, transport });
        self.stats.channels += 1;
        Some(channel)
    }

    // renewal and ends

    fn retire_the_old(&mut self, server: usize) {
        let oldest = self.servers[server].udp.first().copied();
        if let Some(id) = oldest
            && line_of(&mut self.channels, id).is_spent(self.now)
        {
            self.retire(id);
        }
    }

    /// A channel takes no more queries, and is closed when it waits for nothing.
    pub(super) fn retire(&mut self, id: ChannelId) {
        let Some(Channel(line)) = self.channels.get_mut(id) else { return };
        line.retired = true;
        let waits = !line.in_flight.is_empty();
        let server = &mut self.servers[line.server];
        server.udp.retain(|&other| other != id);
        server.tcp = server.tcp.filter(|&other| other != id);
        if !waits {
            return self.close_channel(id);
        }
        let channels = &self.channels;
        server.retired.retain(|&id| channels.get(id).is_some());
        server.retired.push_back(id);
        if server.retired.len() > limits::RETIRED_CHANNELS
            && let Some(oldest) = server.retired.pop_front()
        {
            self.close_channel(oldest);
        }
    }

    /// A try on a channel was not answered in time. A TCP connection on which nothing has come since may be dead, though
    /// nobody says so: the next query opens another.
    pub(super) fn doubt(&mut self, channel: Option<ChannelId>, sent: Time) {
        let line = channel.and_then(|id| Some((id, self.channels.get(id)?)));
        if let Some((id, Channel(line))) = line
            && line.transport == Transport::Tcp
            && !line.retired
            && line.heard.is_none_or(|heard| heard <= sent)
        {
            self.retire(id);
        }
    }

    fn close_channel(&mut self, id: ChannelId) {
        if self.take_channel(id).is_some() {
            self.wants.push_back(Want::Close { channel: id });
        }
    }

    /// A channel is no more: the queries on it.
    pub(super) fn take_channel(&mut self, id: ChannelId) -> Option<(Line, Vec<Query>)> {
        let Channel(mut line) = self.channels.remove(id)?;
        if let Some(timer) = line.timer.take() {
            self.timers.cancel(timer);
        }
        let server = &mut self.servers[line.server];
        server.udp.retain(|&other| other != id);
        server.retired.retain(|&other| other != id);
        server.tcp = server.tcp.filter(|&other| other != id);
        let mut queries: Vec<_> =
            line.in_flight.iter().map(|(&id, flight)| (id, flight.query)).collect();
        // in the order of their ids, so that the same seed does the same
        queries.sort_unstable_by_key(|&(id, _)| id);
        let queries = queries.into_iter().map(|(_, query)| query).collect();
        Some((line, queries))
    }

    /// An answer with this id is waited for no more.
    pub(super) fn leave_channel(&mut self, id: ChannelId, dns_id: u16) {
        let Some(Channel(line)) = self.channels.get_mut(id) else { return };
        line.forget(dns_id);
        if line.retired && line.in_flight.is_empty() {
            self.close_channel(id);
        }
    }

    /// Whether a channel is used is looked at from time to time.
    pub(super) fn look_after(&mut self, id: ChannelId) {
        let Some(Channel(line)) = self.channels.get_mut(id) else { return };
        line.timer = None;
        let idle_at = line.used + limits::CHANNEL_IDLE;
        if line.in_flight.is_empty() && idle_at <= self.now {
            return self.close_channel(id);
        }
        let again = if idle_at > self.now { idle_at } else { self.now + limits::CHANNEL_IDLE };
        line.timer = Some(self.timers.set(again, Timer::Channel(id)));
    }

    /// Where a channel leads, and how.
    #[cfg(test)]
    pub(super) fn channel(&self, id: ChannelId) -> Option<(std::net::SocketAddr, Transport)> {
        let Channel(line) = self.channels.get(id)?;
        Some((self.servers[line.server].address, line.transport))
    }
}

/// A channel that is known to be there.
fn line_of(channels: &mut crate::id::Slab<Channel>, id: ChannelId) -> &mut Line {
    let Channel(line) = channels.get_mut(id).expect("a server's channels are there");
    line
}
