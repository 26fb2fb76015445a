//! Bytes in: from the driver's receive buffer, through TLS, to the transfer's handler.
//!
//! Body bytes reach the handler as slices of the driver's buffer. Only what a paused transfer has
//! yet to take is copied, and that is at most what one receive brought.

use super::connection::{Connection, Exchanging, Rest, State};
use super::decode::Decoding;
use super::identity::Keeper;
use super::retry::Retries;
use super::tls::TlsSession;
use super::{ConnectionId, Engine, Flow, Handler, Response, Transfer};
use crate::error::Cause;
use crate::http::{Event, ProxyFault, Read, ResponseHead};
use crate::limits;
use crate::time::Time;
use crate::tls::TlsPolicy;

/// What became of bytes that were received.
pub(super) enum Taken {
    /// All were taken.
    All,
    /// The transfer was paused after so many.
    Paused(usize),
    /// The connection is closed, or the exchange is over and nothing more is expected.
    Over,
}

/// What one event of an exchange asks for.
pub(super) enum Next {
    More,
    Wait,
    /// The transfer goes on with the next batch.
    Yield,
    /// The transfer goes on when there is memory for it.
    AwaitMemory,
    Complete,
    Fail(Cause),
}

impl Engine {
    /// Bytes arrived on a connection.
    pub fn handle_received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        connection.wire.received += bytes.len() as u64;
        self.stats.received += bytes.len() as u64;
        let now = self.now;
        if let State::Exchanging(state) = &mut connection.state {
            state.moved = now;
            if let Some(pace) = &mut state.pace {
                state.throttled = pace.take(bytes.len(), now);
            }
        } else if let Some(channel) = connection.channel() {
            self.channel_received(channel, bytes);
            return self.settle();
        }
        if connection.tunnel.is_some() {
            self.take_tunnel(id, bytes);
        } else {
            self.take_inside(id, bytes);
        }
        self.note_first_byte(id);
        self.settle();
    }

    /// Bytes of the origin's arrived.
    pub(super) fn take_inside(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        if connection.held.is_empty() {
            self.take_wire(id, bytes);
        } else {
            // the driver had received more before it saw that the transfer is paused
            connection.held.extend_from_slice(bytes);
        }
    }

    /// With the response's first byte another deadline begins to bind, perhaps a sooner one; so does with any what an
    /// upload is asked for. A response that came whole has none any more.
    fn note_first_byte(&mut self, id: ConnectionId) {
        let now = self.now;
        let sooner = |state: &mut Exchanging| {
            state.first_byte == now || state.throttled || state.asks_unacknowledged()
        };
        if self.exchanging(id).is_some_and(sooner) {
            self.touch(id);
        }
    }

    /// The peer has ended its side of the connection (a FIN, or close_notify over TLS).
    pub fn handle_end(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        if std::mem::replace(&mut connection.ended, true) {
            return;
        }
        if let Some(channel) = connection.channel() {
            self.channel_ended(id, channel);
        } else if connection.is_paused() {
            // what came before the end is delivered first
            self.touch(id);
        } else {
            self.take_end(id);
        }
        self.settle();
    }

    /// Goes on with the connections whose transfers were resumed.
    pub(super) fn take_resumed(&mut self) {
        self.decoded_in_batch = 0;
        for _ in 0..self.resumed.len() {
            if self.decoded_in_batch > limits::DECODED_PER_BATCH {
                return;
            }
            let Some(id) = self.resumed.pop_front() else { return };
            let now = self.now;
            let Some(transfer) = self.exchanging(id).map(|state| state.transfer) else { continue };
            // it may have been paused again
            let paused = self.transfers.get(transfer).is_some_and(|transfer| transfer.paused);
            let Some(state) = self.exchanging(id) else { continue };
            state.source_pending = false;
            // who waits for memory keeps its place in line
            let paused = paused || state.awaits_memory().is_some();
            state.paused = paused;
            state.restart_waits(now);
            self.touch(id);
            if paused || !self.take_undecoded(id) {
                continue;
            }
            let Some(connection) = self.pool.connections.get_mut(id) else { continue };
            let held = std::mem::take(&mut connection.held);
            self.take_wire(id, &held);
            let Some(connection) = self.pool.connections.get(id) else { continue };
            if connection.ended && !connection.is_paused() {
                self.take_end(id);
            }
        }
    }

    fn take_wire(&mut self, id: ConnectionId, wire: &[u8]) {
        if self.session(id).is_none() {
            if let Taken::Paused(taken) = self.take_plain(id, wire) {
                self.hold(id, &wire[taken..]);
                self.touch(id);
            }
            return;
        }
        match self.take_records(id, wire) {
            Ok(taken) => self.hold(id, &wire[taken..]),
            Err(cause) => return self.fail(id, cause, None),
        }
        if self.session(id).is_some_and(|tls| tls.closed_cleanly()) {
            self.handle_end(id);
        } else {
            self.touch(id);
        }
    }

    /// Passes wire bytes through TLS. Returns how many were taken: less than all if paused.
    fn take_records(&mut self, id: ConnectionId, wire: &[u8]) -> Result<usize, Cause> {
        let mut taken = 0;
        loop {
            // also if there are none: a transfer that was paused after its last may be complete
            let Some(tls) = self.session(id) else { return Ok(wire.len()) };
            let mut plain = tls.lend_plaintext();
            let (consumed, paused) = match self.take_plain(id, plain.front()) {
                Taken::All => (plain.front().len(), false),
                Taken::Paused(consumed) => (consumed, true),
                Taken::Over => return Ok(wire.len()),
            };
            plain.consume(consumed);
            let Some(tls) = self.session(id) else { return Ok(wire.len()) };
            tls.give_back(plain);
            if paused || taken == wire.len() {
                return Ok(taken);
            }
            taken += tls.receive(&wire[taken..]).map_err(|fault| Cause::Tls(fault.to_string()))?;
            self.note_handshake(id);
        }
    }

    fn session(&mut self, id: ConnectionId) -> Option<&mut TlsSession> {
        self.pool.connections.get_mut(id)?.tls.as_deref_mut()
    }

    /// Starts the exchange once the handshake is done.
    fn note_handshake(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get(id) else { return };
        let State::Handshaking(state) = &connection.state else { return };
        if connection.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            return;
        }
        let (transfer, since) = (state.transfer, state.since);
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.spent.tls += now.nanos_since(since);
        }
        self.begin(id, transfer);
    }

    fn hold(&mut self, id: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.pool.connections.get_mut(id) {
            // a buffer that came from holding is handed back empty: keep no memory when idle
            connection.held = bytes.to_vec();
        }
    }

    /// Feeds an exchange and its handler.
    fn take_plain(&mut self, id: ConnectionId, input: &[u8]) -> Taken {
        let mut taken = 0;
        loop {
            let now = self.now;
            let Some(connection) = self.pool.connections.get_mut(id) else { return Taken::Over };
            let State::Exchanging(state) = &mut connection.state else {
                return self.take_unasked(id, &input[taken..]);
            };
            if state.paused {
                return Taken::Paused(taken);
            }
            if state.rest != Rest::Delivered {
                return self.take_superseded(id, input, taken);
            }
            if taken < input.len() && !state.has_asked() {
                self.fail(id, Cause::Closed, None);
                return Taken::Over;
            }
            if taken < input.len() && !state.exchange.response_started() {
                state.first_byte = state.first_byte.min(now);
            }
            let Some(transfer) = self.transfers.get_mut(state.transfer) else {
                return Taken::Over;
            };
            let as_it_comes =
                state.decoding.is_none() && transfer.request.options.max_body.is_none();
            let mut answered = false;
            let (flow, mut next) = loop {
                let Read { consumed, event } = match state.exchange.read(&input[taken..]) {
                    Ok(read) => read,
                    Err(fault) => {
                        self.fail(id, Cause::Http(fault), None);
                        return Taken::Over;
                    }
                };
                taken += consumed;
                let rest = match event {
                    Event::NeedMore => break (Flow::Continue, state.read_on(&self.memory)),
                    Event::Informational(head) => {
                        answered = true;
                        state.head_loan = None;
                        transfer.handler.informational(&head);
                        break (Flow::Continue, Next::More);
                    }
                    Event::Head(head) => {
                        answered = state.request_sent == Time::NEVER;
                        state.head_loan = None;
                        state.response =
                            Some(Response { status: head.status(), version: head.version() });
                        let (tls, untouched) = (self.config.tls.as_ref(), !state.body_begun);
                        let (keeper, retries) = (&mut self.keeper, &mut self.retries);
                        let followed =
                            follow(transfer, &head, untouched, tls, keeper, retries, now);
                        if followed.is_some() {
                            (state.rest, state.measured.0) = (Rest::Superseded, now);
                        } else if let Some(policy) = transfer.request.options.decode {
                            state.decoding = Decoding::begin(&head, policy, self.memory.lend());
                        }
                        let flow = followed.unwrap_or_else(|| transfer.handler.head(&head));
                        break (flow, Next::More);
                    }
                    Event::Body(chunk) if as_it_comes => match transfer.handler.body(chunk) {
                        // as nearly always: on to the next piece
                        Flow::Continue => continue,
                        flow => break (flow, Next::More),
                    },
                    Event::Body(chunk) => Some(chunk),
                    Event::Complete => None,
                };
                let handler = &mut *transfer.handler;
                break give_out(rest, &mut state.decoding, handler, &mut self.decoded);
            };
            heed(flow, &mut next, state, transfer);
            if answered {
                // the rest of the request's body may be wanted now, or not any more
                self.touch(id);
            }
            if let Some(end) = self.proceed(id, next, taken < input.len()) {
                return end;
            }
        }
    }

    /// Does what an event of an exchange asks for. Says what became of all bytes, if none of the others is to be read
    /// now.
    #[inline]
    fn proceed(&mut self, id: ConnectionId, next: Next, more: bool) -> Option<Taken> {
        match next {
            Next::More => None,
            Next::Wait => Some(Taken::All),
            Next::Yield => {
                self.end_turn(id);
                None
            }
            Next::AwaitMemory => {
                self.await_memory(id);
                None
            }
            Next::Complete => {
                self.complete(id);
                Some(if more { Taken::Over } else { Taken::All })
            }
            Next::Fail(cause) => {
                self.fail(id, cause, None);
                Some(Taken::Over)
            }
        }
    }

    /// Bytes that no request asked for: the connection cannot be trusted.
    fn take_unasked(&mut self, id: ConnectionId, input: &[u8]) -> Taken {
        if input.is_empty() {
            return Taken::All;
        }
        if let Some(Connection { state: State::Idle(_), .. }) = self.pool.connections.get(id) {
            self.close(id);
        }
        Taken::Over
    }

    /// The peer's end, after all bytes before it were taken.
    fn take_end(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        // asked only now: close_notify may have been held back with what came before it
        let clean = connection.closed_cleanly();
        match &mut connection.state {
            State::Idle(_) | State::Names(_) => self.close(id),
            State::Connecting(_) | State::Handshaking(_) => self.fail(id, Cause::Closed, None),
            State::Tunnelling(_) => self.fail(id, Cause::Proxy(ProxyFault::Closed), None),
            State::Exchanging(state) => match state.exchange.eof(clean) {
                Ok(()) => {
                    if self.take_decoded_end(id) {
                        self.complete(id);
                    }
                }
                Err(_) if state.rest != Rest::Delivered => _ = self.take_superseded(id, &[], 0),
                Err(_) if !state.exchange.response_started() => self.fail(id, Cause::Closed, None),
                Err(fault) => self.fail(id, Cause::Http(fault), None),
            },
        }
    }
}

/// Whether another request follows on a response with this head, and how the handler then wants it to go on.
#[inline]
fn follow(
    transfer: &mut Transfer,
    head: &ResponseHead<'_>,
    untouched: bool,
    default_tls: Option<&TlsPolicy>,
    keeper: &mut Keeper,
    retries: &mut Retries,
    now: Time,
) -> Option<Flow> {
    let status = head.status();
    if transfer.heeds(status)
        && let Some(flow) = transfer.take_lead(head, untouched, default_tls, keeper, now)
    {
        return Some(flow);
    }
    let today = keeper.known_date(now);
    let again = transfer.may_ask_again(status)
        && retries.take_response(transfer, head, today, untouched, now);
    again.then_some(Flow::Continue)
}

/// Gives the handler a piece of the body, or what is left of it at its end.
#[inline]
fn give_out(
    chunk: Option<&[u8]>,
    decoding: &mut Option<Box<Decoding>>,
    handler: &mut dyn Handler,
    decoded: &mut Vec<u8>,
) -> (Flow, Next) {
    match (decoding, chunk) {
        (None, Some(chunk)) => (handler.body(chunk), Next::More),
        (None, None) => (Flow::Continue, Next::Complete),
        (Some(decoding), Some(chunk)) => decoding.take(chunk, handler, decoded),
        (Some(decoding), None) => decoding.take_end(handler, decoded),
    }
}

/// Changes what an event asks for where its handler says how else to go on.
#[inline]
fn heed(flow: Flow, next: &mut Next, state: &mut Exchanging, transfer: &mut Transfer) {
    match flow {
        Flow::Continue => {}
        Flow::Pause => {
            state.paused = true;
            transfer.paused = true;
        }
        Flow::Enough => {
            state.leave_rest(Rest::Unwanted);
            *next = Next::More;
        }
        Flow::Abort(why) => *next = Next::Fail(Cause::Aborted(why)),
    }
    if let Some(limit) = transfer.request.options.max_body
        && let Some(cause) = over_limit(state, limit)
    {
        *next = Next::Fail(cause);
    }
}

/// Whether the body is, or says that it will be, larger than the transfer allows.
fn over_limit(state: &Exchanging, limit: u64) -> Option<Cause> {
    if state.rest != Rest::Delivered {
        return None;
    }
    let announced = state.exchange.content_length().unwrap_or(0);
    let size = announced.max(state.exchange.body_received());
    (size > limit).then_some(Cause::BodyTooLarge { limit })
}
