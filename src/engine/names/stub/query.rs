//! Queries: which server one is asked of, how often, and what its answers lead to.
//!
//! Knows tries, servers' limits and the codes of answers. Must not know sockets. Invariants: a query that was
//! sent has one place among its server's, from the moment it is sent until it is answered or its time is
//! over; each try costs one of a bounded number; no server that has refused is asked for the same again.

use std::time::Duration;

use super::half::State;
use super::{ChannelId, Failure, NameErrorKind, Names, Query, Timer, Transport, Want};
use crate::dns::message;
use crate::dns::{Answer, Code, Data, Fault, order};
use crate::engine::timers::TimerId;
use crate::limits;
use crate::time::Time;

/// How far one query has come with its servers.
#[derive(Default)]
pub(super) struct Ask {
    /// The server whose turn it is.
    pub(super) server: usize,
    /// The one to begin with, by its place in the config.
    first: usize,
    tries: u32,
    /// Servers that were tried in this round, by bits; and those that are not asked again.
    tried: u64,
    refused: u64,
    /// Without EDNS.
    pub(super) plain: bool,
    tcp: bool,
    /// A TCP connection that had answered others was closed on it.
    reconnected: bool,
    bad: u8,
    /// Sockets that were left in this try because ids were guessed on them.
    escapes: u8,
    sent: Time,
    timer: Option<TimerId>,
    /// Where answers are awaited, the last try's last.
    flights: [Option<(ChannelId, u16)>; limits::NAME_TRIES_AWAITED],
    /// Why the last try failed.
    pub(super) reason: Option<NameErrorKind>,
}

/// Waits for the answers to the first tries where resolv.conf(5) does not say: a lost packet costs a second, and all
/// together take as long as glibc's defaults do with one server.
const WAITS: [u64; 6] = [1, 1, 2, 2, 3, 3];

/// The wait for each where resolv.conf(5) says how often is asked, and not how long is waited: its own default.
const FILE_WAIT: Duration = Duration::from_secs(5);

impl Names {
    /// The most that a look-up takes.
    pub(super) fn most_time(&self) -> Duration {
        let tries = self.tries();
        let all = (0..tries).map(|n| self.wait(n)).sum();
        self.config.deadline.unwrap_or(all).min(limits::NAME_DEADLINE)
    }

    /// How often a query is sent at most.
    fn tries(&self) -> u32 {
        let servers = self.order.len() as u32;
        match self.config.conf.attempts {
            Some(attempts) => attempts * servers,
            None => servers.max(WAITS.len() as u32),
        }
    }

    /// How long the nth try waits.
    fn wait(&self, n: u32) -> Duration {
        let conf = &self.config.conf;
        let own = match conf.attempts {
            Some(_) => FILE_WAIT,
            None => Duration::from_secs(WAITS[(n as usize).min(WAITS.len() - 1)]),
        };
        conf.timeout.unwrap_or(own)
    }

    /// Begins a query of the name that its look-up has come to.
    pub(super) fn ask(&mut self, query: Query) {
        let first = if self.config.conf.rotate { self.begun } else { 0 };
        let Some(look) = self.looks.get_mut(query.look) else { return };
        look.half_mut(query.kind).ask = Ask { first, ..Ask::default() };
        self.next_try(query);
    }

    /// Asks the next server, or gives up.
    fn next_try(&mut self, query: Query) {
        let server = self.choose(query);
        let tcp = self.config.conf.tcp;
        let Some(ask) = self.ask_mut(query) else { return };
        let Some(server) = server else {
            let reason = ask.reason.clone().unwrap_or(NameErrorKind::Timeout);
            return self.settle(query, State::Failed(reason));
        };
        // what one server does not understand another may
        ask.plain &= ask.server == server;
        ask.server = server;
        ask.tries += 1;
        ask.tried |= 1 << server;
        (ask.tcp, ask.reconnected, ask.bad, ask.escapes) = (tcp, false, 0, 0);
        self.servers[server].probe(self.now);
        self.submit(query);
    }

    /// The next server in the order of the config: one that was not tried in this round and answers, or was not
    /// tried in this round; when all were, the next round begins.
    fn choose(&mut self, query: Query) -> Option<usize> {
        let (tries, now) = (self.tries(), self.now);
        let ask = &mut self.looks.get_mut(query.look)?.half_mut(query.kind).ask;
        if ask.tries >= tries {
            return None;
        }
        for _round in 0..2 {
            let (order, first, out) = (&self.order, ask.first, ask.refused | ask.tried);
            let in_turn = (0..order.len()).map(|at| order[(first + at) % order.len()]);
            let mut left = in_turn.filter(|server| out & 1 << server == 0);
            let answers = |server: &usize| !self.servers[*server].is_shunned(now);
            if let Some(server) = left.clone().find(answers).or_else(|| left.next()) {
                return Some(server);
            }
            ask.tried = 0;
        }
        None
    }

    /// Whether one more look-up would be asked for at once: its first server has a place and a turn for it, and nobody
    /// waits there. If not, a fact comes, or [`Names::next_time`], when that may have changed.
    pub(crate) fn has_room(&mut self, now: Time) -> bool {
        self.now = self.now.max(now);
        let first = if self.config.conf.rotate { self.begun + 1 } else { 0 };
        let in_turn = (0..self.order.len()).map(|at| self.order[(first + at) % self.order.len()]);
        let answers = |&server: &usize| !self.servers[server].is_shunned(self.now);
        let Some(at) = in_turn.clone().find(answers).or(in_turn.clone().next()) else {
            return true;
        };
        self.pump(at);
        if !self.servers[at].queue.is_empty() {
            return false;
        }
        let turn = self.servers[at].turn(self.config.max_queries.max(1), self.now);
        self.await_server(at, turn);
        turn <= self.now
    }

    /// Sends a query to its server, or puts it behind those that wait for the server.
    fn submit(&mut self, query: Query) {
        let Some(look) = self.looks.get_mut(query.look) else { return };
        let half = look.half_mut(query.kind);
        half.state = State::Queued;
        let server = half.ask.server;
        self.servers[server].queue.push_back(query);
        self.pump(server);
    }

    /// Sends what waits for a server, as far as its limits go.
    pub(super) fn pump(&mut self, at: usize) {
        while let Some(&query) = self.servers[at].queue.front() {
            if !self.waits_for(query, at) {
                self.servers[at].queue.pop_front();
                continue;
            }
            let turn = self.servers[at].turn(self.config.max_queries.max(1), self.now);
            if turn > self.now {
                return self.await_server(at, turn);
            }
            if !self.send(query) {
                if self.servers[at].open_after > self.now
                    && let Some(ask) = self.ask_mut(query)
                {
                    ask.reason = Some(NameErrorKind::Exhausted);
                }
                let pause = self.now + limits::NAME_PAUSE;
                return self.await_server(at, pause);
            }
            self.servers[at].queue.pop_front();
        }
    }

    /// Sends what has waited for places that became free.
    pub(super) fn pump_freed(&mut self) {
        while let Some(server) = self.freed.pop() {
            self.pump(server);
        }
    }

    /// Whether a query stands in a server's queue by right: one that has gone elsewhere leaves its place behind.
    fn waits_for(&self, query: Query, server: usize) -> bool {
        self.looks.get(query.look).is_some_and(|look| {
            let half = look.half(query.kind);
            half.state == State::Queued && half.ask.server == server
        })
    }

    /// A server's queue is seen to again at `time`; where that is never, a place that becomes free does it.
    fn await_server(&mut self, at: usize, time: Time) {
        let server = &mut self.servers[at];
        if time > self.now && time < Time::NEVER && !server.awaited {
            server.awaited = true;
            self.timers.set(time, Timer::Server(at));
        }
    }

    fn send(&mut self, query: Query) -> bool {
        let Some(ask) = self.ask_mut(query) else { return true };
        let (server, tcp, tries) = (ask.server, ask.tcp, ask.tries);
        if !self.put_on_channel(query, tcp) {
            return false;
        }
        self.servers[server].take();
        let (now, wait) = (self.now, self.wait(tries - 1));
        let timer = self.timers.set(now + wait, Timer::Try(query));
        if let Some(look) = self.looks.get_mut(query.look) {
            let half = look.half_mut(query.kind);
            half.state = State::Sent;
            (half.ask.sent, half.ask.timer) = (now, Some(timer));
        }
        true
    }

    /// A query has an id on a channel. Of its earlier tries only the last few are remembered.
    pub(super) fn note_flight(&mut self, query: Query, channel: ChannelId, id: u16) {
        let Some(ask) = self.ask_mut(query) else { return };
        let oldest = ask.flights[0];
        ask.flights.rotate_left(1);
        ask.flights[limits::NAME_TRIES_AWAITED - 1] = Some((channel, id));
        if let Some((channel, id)) = oldest {
            self.leave_channel(channel, id);
        }
    }

    /// A query gives its place among its server's back, if it has one, and its timer.
    fn leave_server_of(&mut self, query: Query) {
        let Some(look) = self.looks.get_mut(query.look) else { return };
        let half = look.half_mut(query.kind);
        let server = half.ask.server;
        if let Some(timer) = half.ask.timer.take() {
            self.timers.cancel(timer);
        }
        if half.state == State::Sent {
            half.state = State::Queued;
            self.servers[server].in_flight -= 1;
            if !self.servers[server].queue.is_empty() {
                self.freed.push(server);
            }
        }
    }

    /// A query is over, or begins anew: no answer to it is awaited.
    pub(super) fn leave(&mut self, query: Query) {
        self.leave_server_of(query);
        let Some(ask) = self.ask_mut(query) else { return };
        let flights = std::mem::take(&mut ask.flights);
        for (channel, id) in flights.into_iter().flatten() {
            self.leave_channel(channel, id);
        }
    }

    /// A server is in the config no more.
    pub(super) fn leave_server(&mut self, at: usize) {
        for id in self.servers[at].udp.clone().into_iter().chain(self.servers[at].tcp) {
            self.retire(id);
        }
        for query in std::mem::take(&mut self.servers[at].queue) {
            if self.waits_for(query, at) {
                self.next_try(query);
            }
        }
    }

    fn ask_mut(&mut self, query: Query) -> Option<&mut Ask> {
        Some(&mut self.looks.get_mut(query.look)?.half_mut(query.kind).ask)
    }

    // what comes back

    /// Nobody has answered in time. Answers to this try are taken still.
    pub(super) fn try_over(&mut self, query: Query) {
        let Some(ask) = self.ask_mut(query) else { return };
        ask.timer = None;
        ask.reason = Some(NameErrorKind::Timeout);
        let (server, sent) = (ask.server, ask.sent);
        let channel = ask.flights.last().copied().flatten().map(|(channel, _)| channel);
        self.stats.timeouts += 1;
        self.servers[server].note_silence(sent, self.now);
        self.doubt(channel, sent);
        self.leave_server_of(query);
        self.next_try(query);
    }

    /// One message from a server.
    pub(super) fn message(&mut self, id: ChannelId, bytes: &[u8]) {
        let Some(super::Channel(line)) = self.channels.get_mut(id) else { return };
        let (server, transport) = (line.server, line.transport);
        let awaiting = message::id(bytes).and_then(|id| Some((id, line.awaiting(id)?)));
        let Some((dns_id, query)) = awaiting else {
            self.stats.strays += 1;
            let guessed = message::id(bytes).is_none_or(|id| !line.has_had(id));
            if guessed && line.note_guess() {
                self.flee(id);
            }
            return;
        };
        line.heard = Some(self.now);
        let Some(look) = self.looks.get(query.look) else { return };
        match message::decode(bytes, dns_id, look.name(query.kind), query.kind) {
            Ok(answer) => {
                self.stats.answers += 1;
                self.servers[server].note_answer(self.now);
                self.answered(query, server, transport, answer);
            }
            Err(fault) => self.bad_message(query, fault),
        }
    }

    /// A message that is no answer, though it has the id of one. Who sends many of them is asked no more.
    fn bad_message(&mut self, query: Query, _fault: Fault) {
        self.stats.bad += 1;
        let Some(ask) = self.ask_mut(query) else { return };
        ask.bad = ask.bad.saturating_add(1);
        ask.reason = Some(NameErrorKind::BadAnswer);
        if ask.bad == limits::BAD_ANSWERS {
            self.leave_server_of(query);
            self.next_try(query);
        }
    }

    fn answered(&mut self, query: Query, server: usize, transport: Transport, answer: Answer) {
        if answer.truncated {
            return self.truncated(query, server, transport);
        }
        let exists = answer.code == Code::NoError;
        let reason = match answer.code {
            Code::NoError | Code::NoName => {
                return self.take_data(query, server, exists, answer.data);
            }
            Code::NotUnderstood => return self.not_understood(query, server),
            Code::ServerFailure => NameErrorKind::ServerFailure,
            Code::Refused => NameErrorKind::Refused,
            Code::Other(code) => NameErrorKind::Code(code),
        };
        self.refused(query, server, reason);
    }

    fn take_data(&mut self, query: Query, server: usize, exists: bool, data: Data) {
        let Some(look) = self.looks.get_mut(query.look) else { return };
        let half = look.half_mut(query.kind);
        if half.ask.plain && half.ask.server == server {
            self.servers[server].note_plain(self.now);
        }
        let state = match data {
            Data::Addresses { mut addresses, ttl } => {
                order::sort(&mut addresses);
                State::Found { addresses, ttl: ttl.min(half.alias_ttl) }
            }
            Data::Nothing { ttl } => {
                State::Nothing { exists, ttl: ttl.map(|ttl| ttl.min(half.alias_ttl)) }
            }
            Data::Loop => State::Failed(NameErrorKind::Loop),
            Data::Alias { name, steps, ttl } => {
                half.steps += steps;
                half.alias_ttl = half.alias_ttl.min(ttl);
                let again = name == look.candidate() || name == look.name(query.kind);
                if !again && look.half(query.kind).steps <= limits::ALIASES {
                    self.leave(query);
                    if let Some(look) = self.looks.get_mut(query.look) {
                        look.half_mut(query.kind).alias = Some(name.into());
                    }
                    return self.ask(query);
                }
                State::Failed(NameErrorKind::Loop)
            }
        };
        self.settle(query, state);
    }

    /// The server is asked over TCP (RFC 7766, 5).
    fn truncated(&mut self, query: Query, server: usize, transport: Transport) {
        if transport == Transport::Tcp {
            return self.refused(query, server, NameErrorKind::BadAnswer);
        }
        self.stats.truncated += 1;
        self.leave(query);
        let Some(ask) = self.ask_mut(query) else { return };
        (ask.server, ask.tcp) = (server, true);
        self.submit(query);
    }

    /// The server is asked without EDNS, once (RFC 6891, 6.2.2).
    fn not_understood(&mut self, query: Query, server: usize) {
        let plain = self.servers[server].is_plain(self.now);
        let Some(ask) = self.ask_mut(query) else { return };
        if (ask.plain && ask.server == server) || plain {
            return self.refused(query, server, NameErrorKind::NotUnderstood);
        }
        self.leave(query);
        let Some(ask) = self.ask_mut(query) else { return };
        (ask.server, ask.plain) = (server, true);
        self.submit(query);
    }

    /// A server does not answer this query, and says so.
    fn refused(&mut self, query: Query, server: usize, reason: NameErrorKind) {
        let Some(ask) = self.ask_mut(query) else { return };
        ask.refused |= 1 << server;
        ask.reason = Some(reason);
        // one that was asked before speaks while another has its turn
        if ask.server == server {
            self.leave(query);
            self.next_try(query);
        }
    }

    // ends of channels

    /// The socket of a channel failed, or could not be opened. It is closed.
    pub(crate) fn failed(&mut self, id: ChannelId, why: Failure, now: Time) {
        self.now = self.now.max(now);
        let Some((line, queries)) = self.take_channel(id) else { return };
        match &why {
            Failure::Refused(_) => self.servers[line.server].shun(self.now),
            Failure::Exhausted => {
                self.servers[line.server].open_after = self.now + limits::NAME_PAUSE;
                self.tell_starved(&queries);
            }
        }
        for query in queries {
            self.lost(query, id, &line, &why);
        }
        self.pump_freed();
    }

    /// There is no socket for these queries.
    fn tell_starved(&mut self, queries: &[Query]) {
        let looks = queries.iter().filter_map(|query| self.looks.get(query.look));
        let mut lookups: Vec<_> = looks.filter_map(|look| look.waited_for()).collect();
        // both families of a look-up may be among them
        lookups.sort_unstable_by_key(|lookup| lookup.to_bits());
        lookups.dedup();
        self.wants.extend(lookups.into_iter().map(|lookup| Want::Starved { lookup }));
    }

    /// The server has closed a TCP connection.
    pub(crate) fn ended(&mut self, id: ChannelId, now: Time) {
        self.failed(id, Failure::Refused("the connection was closed".to_owned()), now);
    }

    /// Somebody guesses ids on a channel. It is closed, so that the right guess comes too late, and its queries are asked
    /// on others, which is no try of theirs.
    fn flee(&mut self, id: ChannelId) {
        let Some((line, queries)) = self.take_channel(id) else { return };
        self.wants.push_back(Want::Close { channel: id });
        for query in queries {
            let is_last = self.was_on(query, id, &line);
            let Some(ask) = self.ask_mut(query) else { continue };
            if is_last && ask.escapes < limits::ESCAPES {
                ask.escapes += 1;
                self.ask_again(query);
            }
        }
    }

    /// A query was on a channel that is no more.
    fn lost(&mut self, query: Query, id: ChannelId, line: &super::Line, why: &Failure) {
        if !self.was_on(query, id, line) {
            return;
        }
        let Some(ask) = self.ask_mut(query) else { return };
        match why {
            Failure::Exhausted => {
                ask.reason = Some(NameErrorKind::Exhausted);
                self.ask_again(query);
            }
            // a server may close a kept connection whenever it likes (RFC 7766, 6.2.4)
            Failure::Refused(_) if line.heard.is_some() && !ask.reconnected => {
                ask.reconnected = true;
                self.ask_again(query);
            }
            Failure::Refused(why) => {
                self.refused(query, line.server, NameErrorKind::Unreachable(why.clone()));
            }
        }
    }

    /// Forgets that a query was on a channel that is no more. Whether its try was: another may be under way.
    fn was_on(&mut self, query: Query, id: ChannelId, line: &super::Line) -> bool {
        let Some(look) = self.looks.get_mut(query.look) else { return false };
        let half = look.half_mut(query.kind);
        let last = half.ask.flights.last().copied().flatten();
        for flight in half.ask.flights.iter_mut() {
            *flight = flight.filter(|&(channel, _)| channel != id);
        }
        let is_last = last.is_some_and(|(channel, _)| channel == id);
        is_last && half.state == State::Sent && half.ask.server == line.server
    }

    /// The try that a query has is made once more, with the same server.
    fn ask_again(&mut self, query: Query) {
        self.leave_server_of(query);
        self.submit(query);
    }
}
