//! Connections that speak HTTP/2, among those of their origin: which of them take one more request, and what becomes of them when
//! their exchanges are over.
//!
//! Knows how many exchanges a connection has, and who waits for one. Must not know what comes and goes on it. Invariant: those
//! that have room for one more request are listed at their origin, but for those that have just been found full.

use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::Rest;
use crate::engine::gates::Clock;
use crate::engine::ids::{ConnectionId, ExchangeId, OriginId, TransferId};
use crate::engine::links::claim::Claim;
use crate::engine::links::connection::{Connection, State};
use crate::engine::multiplex::Multiplex;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::engine::timer::Timer;
use crate::engine::transfers::finish::Stand;
use crate::engine::{Engine, Options, Output};
use crate::error::{Cause, Operation};
use crate::id::Id;
use crate::limits;
use crate::protocol::h2::ErrorCode;

impl Engine {
    /// Exchanges of a connection are over: it goes on with those that wait, is idle, or is closed.
    pub(in crate::engine) fn release_multiplexed(&mut self, id: ConnectionId) {
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return };
        let (origin, turns) = (connection.origin, connection.turns);
        let State::Multiplexed(link) = &mut connection.state else { return };
        link.is_freed = false;
        let others_wait =
            self.net.pool.others_want_slots(origin) || self.net.gates.others_want_place(id);
        let turn_over = others_wait && turns >= limits::REQUESTS_PER_TURN;
        if turn_over || self.net.pool.has_surplus(origin) || self.net.gates.has_surplus(id) {
            self.net.retire(id);
        }
        while self.net.has_room(id) && self.serve_next_on(id) {}
        self.net.list(id);
        let Some(link) = self.net.multiplex(id) else { return };
        match link.exchanges {
            // nor is one idle that takes no more for now
            0 if others_wait || !link.has_room() => {
                self.net.pool.end_turn(origin);
                self.net.gates.go_last(origin);
                self.net.close(id);
            }
            0 => {
                link.is_wide = true;
                self.net.pool.set_idle(id, self.net.now);
                self.net.gates.set_idle(id);
                self.net.touch(id);
            }
            _ => {}
        }
    }

    /// The peer wants HTTP/1.1 for what it was asked (RFC 9113, 7), and gets it, from here on. False if it cannot.
    #[cold]
    pub(in crate::engine) fn ask_by_http1(&mut self, id: ExchangeId) -> bool {
        let Some(exchange) = self.net.exchanges.get(id) else { return false };
        let (transfer_id, connection) = (exchange.claim.transfer, exchange.connection);
        // who has begun to answer, be it by a 103, has processed it
        let (untouched, seen) = (!exchange.body_begun, exchange.codec.response_started());
        let Some(transfer) = self.roster.transfers.get_mut(transfer_id) else { return false };
        let Some(origin) = self.net.pool.get_mut(transfer.origin) else { return false };
        if seen || !(untouched || transfer.request.body.rewind()) || !origin.insist_on_http1() {
            return false;
        }
        self.move_on(id, transfer_id, connection);
        true
    }

    /// The server of a connection is not the one to be asked: its transfer asks on another one.
    #[cold]
    pub(in crate::engine) fn ask_elsewhere(&mut self, id: ExchangeId) {
        let Some(exchange) = self.net.exchanges.get(id) else { return };
        let (transfer, connection) = (exchange.claim.transfer, exchange.connection);
        self.net.stats.resent += 1;
        if let Some(transfer) = self.roster.transfers.get_mut(transfer) {
            transfer.resent = transfer.resent.saturating_add(1);
        }
        self.move_on(id, transfer, connection);
    }

    /// A transfer leaves a connection, which takes no more of them, for another.
    fn move_on(&mut self, id: ExchangeId, transfer: TransferId, connection: ConnectionId) {
        self.roster.count_wire(&mut self.net, transfer, Stand::Exchange(id));
        self.net.retire(connection);
        self.net.end_stream(id);
        self.relaunch(transfer);
    }

    /// A connection that speaks HTTP/2 is of no more use: all that it carries fails, or is tried again. What has come whole is
    /// delivered yet.
    pub(in crate::engine) fn fail_multiplexed(
        &mut self,
        id: ConnectionId,
        cause: &Cause,
        operation: Option<Operation>,
    ) {
        self.net.retire(id);
        let Some(link) = self.net.multiplex(id) else { return };
        // those that are sent again are queued first, the last first
        for key in link.codec.lose().into_iter().rev() {
            let id = Id::from_bits(key);
            match self.net.exchanges.get(id).map(|exchange| exchange.rest) {
                // where it leads has been said
                Some(Rest::Superseded) => self.complete(id),
                _ => self.fail_exchange(id, cause.clone(), operation),
            }
        }
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return };
        connection.ended = true;
        match &connection.state {
            State::Multiplexed(link) if link.exchanges > 0 => self.net.touch(id),
            _ => self.net.close(id),
        }
    }
}

impl Roster {
    /// A connection's path stands, and what is spoken on it is known; its transfer's exchange begins.
    #[cold]
    pub(in crate::engine) fn stand(&mut self, net: &mut Net, id: ConnectionId, claim: Claim) {
        if let Some(http2) = net.pool.stands(id) {
            net.note_stand(id, &claim.options, http2);
        }
        self.begin(net, id, claim.transfer);
    }
}

impl Net {
    /// A connection that speaks HTTP/2.
    pub(in crate::engine) fn multiplex(&mut self, id: ConnectionId) -> Option<&mut Multiplex> {
        match &mut self.pool.connections.get_mut(id)?.state {
            State::Multiplexed(link) => Some(link),
            _ => None,
        }
    }

    /// The peer of a connection goes away: who waits for a place on it is served elsewhere, and by HTTP/1.1 where it wants that.
    #[cold]
    pub(super) fn note_goaway(&mut self, id: ConnectionId, code: ErrorCode) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let at = connection.origin;
        if let Some(origin) = self.pool.get_mut(at)
            && code == ErrorCode::HTTP_1_1_REQUIRED
        {
            origin.insist_on_http1();
        }
        self.to_serve.push_back(at);
    }

    /// With that it is known what those do who have waited for it.
    fn note_stand(&mut self, id: ConnectionId, options: &Options, http2: bool) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let origin = connection.origin;
        if http2 && let Some(pool) = self.pool.get_mut(origin) {
            let (limits, reserve) = (&self.config.http2, pool.reserve(&self.reserve));
            let link = Multiplex::new(&options.http, limits, reserve, self.now);
            let Some(connection) = self.pool.connections.get_mut(id) else { return };
            connection.state = State::Multiplexed(Box::new(link));
            self.list(id);
        }
        self.end_dial(origin);
    }

    /// The peer of a connection has said how many requests it takes at a time.
    #[cold]
    pub(in crate::engine) fn note_settled(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let State::Multiplexed(link) = &connection.state else { return };
        let (origin, streams) = (connection.origin, link.codec.allowed());
        self.pool.note_settled(id, streams);
        self.end_dial(origin);
    }

    /// Something is known of a connection that those of its origin have waited for.
    fn end_dial(&mut self, origin: OriginId) {
        self.to_serve.push_back(origin);
        let timer = self.pool.get_mut(origin).and_then(|origin| origin.dial_timer.take());
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
    }

    /// The peer has said something by which a connection may have room for more requests, or none any more.
    pub(in crate::engine) fn relist(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let State::Multiplexed(link) = &connection.state else { return };
        let origin = connection.origin;
        if link.has_room() {
            self.list(id);
            self.to_serve.push_back(origin);
        } else if connection.is_idle() {
            self.close(id);
        } else {
            self.unlist(id);
            self.to_serve.push_back(origin);
        }
    }

    /// A connection has room for one more request.
    fn list(&mut self, id: ConnectionId) {
        if let Some(link) = self.multiplex(id)
            && link.has_room()
            && !std::mem::replace(&mut link.is_listed, true)
        {
            self.pool.list(id);
        }
    }

    /// A connection takes no more requests for now.
    pub(in crate::engine) fn unlist(&mut self, id: ConnectionId) {
        if let Some(link) = self.multiplex(id)
            && std::mem::replace(&mut link.is_listed, false)
        {
            self.pool.unlist(id);
        }
    }

    /// The connection on which an origin's next request can begin: one that others are on, or one that is idle.
    #[cold]
    pub(in crate::engine) fn ready_connection(&mut self, origin: OriginId) -> Option<ConnectionId> {
        if self.gates.any() {
            let clock = Clock::new(&mut self.timers, self.now);
            return self.gates.choose(origin, &mut self.pool, clock);
        }
        while let Some(id) = self.pool.first_listed(origin) {
            if self.has_room(id) {
                return Some(id);
            }
            self.unlist(id);
        }
        self.pool.last_idle(origin)
    }

    /// Whether an origin's requests wait to see what is spoken on a connection that is being made; for so long, and not longer.
    #[cold]
    pub(in crate::engine) fn await_dial(&mut self, id: OriginId) -> bool {
        let awaits = self.pool.awaits_dial(id);
        let Some(origin) = self.pool.get_mut(id) else { return false };
        if awaits && origin.dial_timer.is_none() {
            let until = self.now + limits::DIAL_PATIENCE;
            origin.dial_timer = Some(self.timers.set(until, Timer::Dial(id)));
        }
        awaits
    }

    /// Those who wait for a connection that is being made have waited for long enough.
    pub(in crate::engine) fn end_patience(&mut self, id: OriginId) {
        let awaits = self.pool.awaits_dial(id);
        let Some(origin) = self.pool.get_mut(id) else { return };
        origin.dial_timer = None;
        origin.is_impatient |= awaits;
        self.to_serve.push_back(id);
    }

    /// Whether an origin's requests wait for room on the connections that it has, as far as the config allows no more.
    #[cold]
    pub(in crate::engine) fn has_enough_connections(&self, id: OriginId) -> bool {
        let most = self.config.http2_connections;
        most.is_some_and(|most| self.pool.http2_connections(id) >= most.max(1))
    }

    /// Whether a connection takes one more request.
    fn has_room(&mut self, id: ConnectionId) -> bool {
        self.multiplex(id).is_some_and(|link| link.has_room())
    }

    /// An exchange is over, or given up: its connection has room for another one.
    pub(in crate::engine) fn end_stream(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let connection = exchange.connection;
        let Codec::Http2(stream) = &mut exchange.codec else { return };
        let (stream, timer) = (stream.id, stream.timer.take());
        self.exchanges.discard(id);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.gates.leave(connection);
        let now = self.now;
        let Some(link) = self.multiplex(connection) else { return };
        let is_told = link.codec.cancel(stream);
        let has_reset_enough = is_told && link.note_reset(now);
        link.exchanges -= 1;
        if !std::mem::replace(&mut link.is_freed, true) {
            self.free.push_front(connection);
        }
        if has_reset_enough {
            self.retire(connection);
        }
        if is_told {
            self.touch(connection);
        }
    }

    /// A peer that has not said anything for as long as one of its exchanges has waited is given no more of them.
    pub(in crate::engine) fn distrust(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get(id) else { return };
        let (connection, moved) = (exchange.connection, exchange.moved);
        if self.multiplex(connection).is_some_and(|link| link.heard <= moved) {
            self.retire(connection);
        }
    }

    /// A connection takes no more requests, and is closed when its exchanges are over.
    fn retire(&mut self, id: ConnectionId) {
        self.unlist(id);
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        if let State::Multiplexed(link) = &mut connection.state {
            link.retire();
            // who waits for room on it may go on another
            self.to_serve.push_back(connection.origin);
        }
    }

    /// A connection is closed: exchanges that are on a stream of it end, and its peer is told.
    #[cold]
    pub(in crate::engine) fn close_multiplexed(
        &mut self,
        id: ConnectionId,
        connection: Connection,
    ) {
        let Connection { state, mut path, origin, .. } = connection;
        let State::Multiplexed(mut link) = state else { return };
        for key in link.codec.lose() {
            self.end_stream(Id::from_bits(key));
        }
        let mut last_words = vec![0; limits::LAST_WORDS];
        let length = link.codec.last_words(&mut last_words);
        last_words.truncate(length);
        if !path.is_bare() {
            // without it the end says as much
            let _ = path.write(&last_words);
            last_words = path.last_words();
        }
        self.gates.close(id, self.now);
        self.outputs.push_back(Output::Close { connection: id, last_words });
        self.to_serve.push_back(origin);
    }

    /// Sees to it that the deadline of an exchange on a stream is not missed.
    #[cold]
    pub(in crate::engine) fn schedule_exchange(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get(id) else { return };
        let Some(stream) = exchange.codec.stream() else { return };
        let at = exchange.due(self.inspected).at;
        if at >= stream.timer_at {
            return;
        }
        if let Some(timer) = stream.timer {
            self.timers.cancel(timer);
        }
        let timer = self.timers.set(at, Timer::Exchange(id));
        if let Some(stream) = self.exchanges.get_mut(id).and_then(|it| it.codec.stream_mut()) {
            (stream.timer, stream.timer_at) = (Some(timer), at);
        }
    }
}
