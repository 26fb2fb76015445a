//! Bytes in: from the driver's receive buffer, through TLS, to the transfer's handler.
//!
//! Body bytes reach the handler as slices of the driver's buffer. Only what a paused transfer has
//! yet to take is copied, and that is at most what one receive brought.

use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::common::Common;
use crate::engine::exchanges::decode::Decoding;
use crate::engine::exchanges::exchange::{Exchange, Hold, Rest};
use crate::engine::exchanges::next::{Next, Taken};
use crate::engine::ids::{ConnectionId, ExchangeId};
use crate::engine::links::connection::{Connection, State};
use crate::engine::net::Net;
use crate::engine::transfers::guarded::{Called, calling};
use crate::engine::transfers::report::Response;
use crate::engine::transfers::request::Body;
use crate::engine::transfers::transfer::Transfer;
use crate::engine::{Engine, Flow, Handler};
use crate::error::Cause;
use crate::limits;
use crate::protocol::{Event, Fields, ProxyFault, Read, ResponseHead};
use crate::time::Time;

impl Engine {
    /// Bytes arrived on a connection.
    pub fn handle_received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return };
        connection.wire.received += bytes.len() as u64;
        self.net.stats.received += bytes.len() as u64;
        let is_bare = connection.path.is_bare();
        match connection.state {
            State::Exchanging(exchange) => {
                let mut has_held = false;
                if let Some(exchange) = self.net.exchanges.get_mut(exchange) {
                    exchange.note_moved(bytes.len(), self.net.now);
                    has_held = !exchange.held.is_empty();
                }
                match has_held {
                    // the driver had received more before it saw that the transfer is paused
                    true => {
                        self.net.hold(id, bytes);
                        self.shorten_line();
                    }
                    false if is_bare => {
                        if let Taken::Paused(taken) = self.take_response(exchange, bytes) {
                            self.net.hold(id, &bytes[taken..]);
                            self.net.touch(id);
                            self.shorten_line();
                        }
                    }
                    false => self.take_wire(id, bytes),
                }
                self.net.note_first_byte(exchange);
            }
            State::Names(state) => self.net.channels.receive(state.channel, bytes, self.net.now),
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_) => self.take_wire(id, bytes),
        }
        self.settle();
    }

    /// The peer has ended its side of the connection (a FIN, or close_notify over TLS).
    pub fn handle_end(&mut self, id: ConnectionId) {
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return };
        if std::mem::replace(&mut connection.ended, true) {
            return;
        }
        if let Some(channel) = connection.channel() {
            self.net.channels.end(channel, self.net.now);
            self.net.close(id);
        } else if self.net.is_paused(id) {
            // what came before the end is delivered first
            self.net.touch(id);
        } else {
            self.take_end(id);
        }
        self.settle();
    }

    /// Goes on with the exchanges whose transfers were resumed.
    pub(in crate::engine) fn take_resumed(&mut self) {
        self.decoded_in_batch = 0;
        for _ in 0..self.net.resumed.len() {
            if self.decoded_in_batch > limits::DECODED_PER_BATCH {
                return;
            }
            let Some(id) = self.net.resumed.pop_front() else { return };
            let now = self.net.now;
            let Some(exchange) = self.net.exchanges.get_mut(id) else { continue };
            let Some(transfer) = self.roster.transfers.get(exchange.claim.transfer) else {
                continue;
            };
            let connection = exchange.connection;
            // it may have been paused again
            exchange.holds.set_paused(transfer.paused);
            if !transfer.paused.sending {
                exchange.holds.set(Hold::Source, false);
            }
            exchange.holds.set(Hold::Turn, false);
            exchange.restart_waits(now);
            // who waits for memory keeps its place in line
            let pauses = exchange.holds.delivery();
            let on_stream = matches!(exchange.codec, Codec::Http2(_));
            self.net.touch_exchange(id);
            if on_stream {
                self.net.go_on_with_stream(id);
            }
            if !pauses && self.take_undecoded(id) {
                match on_stream {
                    true => self.take_held_parts(id),
                    false => self.take_held(connection),
                }
            }
        }
    }

    /// Goes on with what a connection's exchange had no leave to take.
    fn take_held(&mut self, id: ConnectionId) {
        let exchange = self.net.exchange_on(id).and_then(|id| self.net.exchanges.get_mut(id));
        let held = exchange.map(|exchange| exchange.held.take()).unwrap_or_default();
        self.take_wire(id, &held);
        let has_ended =
            self.net.pool.connections.get(id).is_some_and(|connection| connection.ended);
        if has_ended && !self.net.is_paused(id) {
            self.take_end(id);
        }
    }

    /// Passes bytes of the wire along their path, and takes what comes out.
    fn take_wire(&mut self, id: ConnectionId, wire: &[u8]) {
        let is_bare = |connection: &Connection| connection.path.is_bare();
        if self.net.pool.connections.get(id).is_some_and(is_bare) {
            if let Taken::Paused(taken) = self.take_plain(id, wire) {
                self.net.hold(id, &wire[taken..]);
                self.net.touch(id);
                self.shorten_line();
            }
            return;
        }
        match self.take_path(id, wire) {
            Ok(Some(taken)) => {
                self.net.hold(id, &wire[taken..]);
                self.shorten_line();
            }
            Ok(None) => return,
            Err(cause) => return self.fail_link(id, cause, None),
        }
        if self.net.pool.connections.get(id).is_some_and(|connection| connection.path.has_ended()) {
            return self.handle_end(id);
        }
        self.net.touch(id);
        if self.roster.count_unfinished(&mut self.net, id) {
            self.shorten_line();
        }
    }

    /// Says how many bytes of the wire were taken, less than all if paused; `None` if the connection is gone, or goes on
    /// by itself.
    fn take_path(&mut self, id: ConnectionId, wire: &[u8]) -> Result<Option<usize>, Cause> {
        let mut taken = 0;
        loop {
            // also if there is none: a transfer that was paused after its last may be complete
            let Some(connection) = self.net.pool.connections.get_mut(id) else { return Ok(None) };
            let mut plain = connection.path.lend_plaintext();
            let (consumed, paused) = match self.take_plain(id, plain.front()) {
                Taken::All => (plain.front().len(), false),
                Taken::Paused(consumed) => (consumed, true),
                Taken::Over => return Ok(None),
            };
            plain.consume(consumed);
            let Some(connection) = self.net.pool.connections.get_mut(id) else { return Ok(None) };
            connection.path.give_back(plain);
            if paused || (taken == wire.len() && !connection.path.has_more()) {
                return Ok(Some(taken));
            }
            let transfer = connection.opens_for().and_then(|id| self.roster.transfers.get_mut(id));
            let (more, step) = match transfer {
                None => connection.path.receive(&wire[taken..], &mut |_| false)?,
                Some(transfer) => connection.path.receive(&wire[taken..], &mut |head| {
                    transfer.handler.proxy_answered(head);
                    let is_challenged =
                        transfer.is_challenged_by_proxy(head, &mut self.roster.common.knowledge);
                    self.net.stats.challenges += u64::from(is_challenged);
                    is_challenged
                })?,
            };
            taken += more;
            if !self.take_step(id, step) {
                return Ok(None);
            }
            let is_bare = |connection: &Connection| connection.path.is_bare();
            if self.net.pool.connections.get(id).is_some_and(is_bare) {
                self.take_wire(id, &wire[taken..]);
                return Ok(None);
            }
        }
    }

    /// Takes bytes that are no TLS, or were decrypted.
    fn take_plain(&mut self, id: ConnectionId, input: &[u8]) -> Taken {
        let Some(connection) = self.net.pool.connections.get(id) else { return Taken::Over };
        match connection.state {
            State::Exchanging(exchange) => self.take_response(exchange, input),
            State::Multiplexed(_) => self.take_frames(id, input),
            _ if input.is_empty() => Taken::All,
            State::Idle(_) | State::Free => {
                // no request asked for them: the connection cannot be trusted
                self.net.close(id);
                Taken::Over
            }
            State::Connecting(_)
            | State::Tunnelling(_)
            | State::Handshaking(_)
            | State::Names(_) => Taken::Over,
        }
    }

    /// Feeds an exchange and its handler.
    fn take_response(&mut self, id: ExchangeId, input: &[u8]) -> Taken {
        let mut taken = 0;
        loop {
            let now = self.net.now;
            let Some(exchange) = self.net.exchanges.get_mut(id) else { return Taken::Over };
            if exchange.holds.delivery() {
                return Taken::Paused(taken);
            }
            if exchange.rest != Rest::Delivered {
                return self.take_superseded(id, input, taken);
            }
            if taken < input.len() {
                self.told = true;
                if !exchange.has_asked() {
                    self.fail_exchange(id, Cause::Closed, None);
                    return Taken::Over;
                }
                if !exchange.codec.response_started() {
                    exchange.first_byte = exchange.first_byte.min(now);
                }
            }
            let Some(transfer) = self.roster.transfers.get_mut(exchange.claim.transfer) else {
                return Taken::Over;
            };
            let mut answered = false;
            let (so_far, common) = ((&mut taken, &mut answered), &mut self.roster.common);
            let (flow, mut next) = calling(Called::On(id), || {
                exchange.take_event(transfer, input, so_far, common, now)
            });
            heed(flow, &mut next, exchange, transfer);
            if answered {
                // the rest of the request's body may be wanted now, or not any more
                self.net.touch_exchange(id);
            }
            if let Some(end) = self.proceed(id, next, taken < input.len()) {
                return end;
            }
        }
    }

    /// Does what an event of an exchange asks for. Says what became of all bytes, if none of the others is to be read
    /// now.
    #[inline]
    pub(in crate::engine) fn proceed(
        &mut self,
        id: ExchangeId,
        next: Next,
        more: bool,
    ) -> Option<Taken> {
        match next {
            Next::More => None,
            Next::Wait => Some(Taken::All),
            Next::Yield => {
                self.net.end_turn(id);
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
            Next::Elsewhere => {
                self.ask_elsewhere(id);
                Some(Taken::Over)
            }
            Next::Fail(cause) => {
                self.fail_exchange(id, cause, None);
                Some(Taken::Over)
            }
        }
    }

    /// The peer's end, after all bytes before it were taken.
    fn take_end(&mut self, id: ConnectionId) {
        let exchange = self.net.exchange_on(id).and_then(|id| self.net.exchanges.get(id));
        if let Some(Codec::Http1(codec)) = exchange.map(|exchange| &exchange.codec)
            && let Some(rest) = codec.rest_of_head()
        {
            self.take_plain(id, rest);
        }
        let Some(connection) = self.net.pool.connections.get(id) else { return };
        match connection.state {
            State::Idle(_) | State::Free | State::Names(_) => self.net.close(id),
            State::Connecting(_) | State::Handshaking(_) | State::Multiplexed(_) => {
                self.fail_link(id, Cause::Closed, None);
            }
            State::Tunnelling(_) => self.fail_link(id, Cause::Proxy(ProxyFault::Closed), None),
            // asked only now: close_notify may have been held back with what came before it
            State::Exchanging(id) => {
                let clean = connection.path.closed_cleanly();
                let Some(exchange) = self.net.exchanges.get_mut(id) else { return };
                let Codec::Http1(codec) = &mut exchange.codec else { return };
                match codec.eof(clean) {
                    Ok(()) => {
                        exchange.end_coded();
                        if self.take_undecoded(id) {
                            self.complete(id);
                        }
                    }
                    Err(_) if exchange.rest != Rest::Delivered => {
                        self.take_superseded(id, &[], 0);
                    }
                    Err(_) if !codec.response_started() => {
                        self.fail_exchange(id, Cause::Closed, None);
                    }
                    Err(fault) => self.fail_exchange(id, Cause::Http(fault), None),
                }
            }
        }
    }
}

impl Net {
    /// With the response's first byte another deadline begins to bind, perhaps a sooner one; so does with any what an
    /// upload is asked for. A response that came whole has none any more.
    #[inline]
    fn note_first_byte(&mut self, id: ExchangeId) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get(id) else { return };
        if exchange.first_byte == now
            || exchange.holds.has(Hold::Pace)
            || exchange.asks_unacknowledged()
        {
            self.touch(exchange.connection);
        }
    }

    /// Whether what a connection carries takes nothing now, for a reason other than its pace.
    fn is_paused(&self, id: ConnectionId) -> bool {
        let exchange = self.exchange_on(id).and_then(|id| self.exchanges.get(id));
        exchange.is_some_and(|exchange| exchange.holds.delivery())
    }

    /// Keeps wire bytes until the exchange takes them, after those that it has not taken yet.
    fn hold(&mut self, id: ConnectionId, bytes: &[u8]) {
        let exchange = self.exchange_on(id).and_then(|id| self.exchanges.get_mut(id));
        debug_assert!(exchange.is_some() || bytes.is_empty(), "what has no exchange is not paused");
        if let Some(exchange) = exchange {
            exchange.held.push(bytes);
            exchange.count_held(bytes.len());
        }
    }
}

impl Exchange {
    /// Takes bytes of a response up to the next event that asks for something. Whether it is `answered`: the rest of the
    /// request's body may be wanted now, or not any more.
    #[inline(always)]
    fn take_event(
        &mut self,
        transfer: &mut Transfer,
        input: &[u8],
        (taken, answered): (&mut usize, &mut bool),
        common: &mut Common,
        now: Time,
    ) -> (Flow, Next) {
        let as_it_comes = self.decoding.is_none() && transfer.request.options.max_body.is_none();
        loop {
            let Codec::Http1(codec) = &mut self.codec else { return (Flow::Continue, Next::Wait) };
            let Read { consumed, event } = match codec.read(&input[*taken..]) {
                Ok(read) => read,
                Err(fault) => {
                    if self.response.is_none() {
                        transfer.handler.refused(&input[*taken..]);
                    }
                    return (Flow::Continue, Next::Fail(Cause::Http(fault)));
                }
            };
            *taken += consumed;
            let rest = match event {
                Event::NeedMore => return (Flow::Continue, self.read_on(&common.memory)),
                Event::Informational(head) => {
                    *answered = true;
                    self.head_loan = None;
                    transfer.handler.informational(&head);
                    return (Flow::Continue, Next::More);
                }
                Event::Head(head) => {
                    // what follows on an offer is asked for only now
                    *answered = self.request_sent == Time::NEVER
                        || matches!(transfer.request.body, Body::Raw(_));
                    self.head_loan = None;
                    self.holds.end_wait(&mut self.measured.0, now);
                    let answer = Answer {
                        untouched: !self.body_begun,
                        response: &mut self.response,
                        rest: &mut self.rest,
                        measured: &mut self.measured.0,
                        decoding: &mut self.decoding,
                    };
                    return (answer.take_head(transfer, &head, common, now), Next::More);
                }
                Event::Body(chunk) if as_it_comes => match transfer.handler.body(chunk) {
                    // as nearly always: on to the next piece
                    Flow::Continue => continue,
                    flow => return (flow, Next::More),
                },
                Event::Body(chunk) => Some(chunk),
                Event::Complete => None,
            };
            let handler = &mut *transfer.handler;
            let given = give_out(rest, &mut self.decoding, handler, &mut common.decoded);
            return match (&given, codec.trailers()) {
                ((_, Next::Complete), Some(trailers)) => give_trailers(trailers, handler),
                _ => given,
            };
        }
    }
}

/// What an exchange has of its response, to be known by the head.
pub(in crate::engine) struct Answer<'a> {
    /// Nobody has asked for the request's body.
    pub(in crate::engine) untouched: bool,
    pub(in crate::engine) response: &'a mut Option<Response>,
    pub(in crate::engine) rest: &'a mut Rest,
    /// Since when the rest goes nowhere, if it does.
    pub(in crate::engine) measured: &'a mut Time,
    pub(in crate::engine) decoding: &'a mut Option<Box<Decoding>>,
}

impl Answer<'_> {
    /// Takes the final head: another request may follow on it, or it goes to the handler.
    #[inline(always)]
    pub(in crate::engine) fn take_head(
        self,
        transfer: &mut Transfer,
        head: &ResponseHead<'_>,
        common: &mut Common,
        now: Time,
    ) -> Flow {
        *self.response = Some(Response { status: head.status(), version: head.version() });
        let followed = follow(transfer, head, self.untouched, common, now);
        if followed.is_some() {
            (*self.rest, *self.measured) = (Rest::Superseded, now);
        } else if let Some(policy) = transfer.request.options.decode {
            *self.decoding = Decoding::begin(head, policy, common.memory.lend());
        }
        followed.unwrap_or_else(|| transfer.handler.head(head))
    }
}

/// Whether another request follows on a response with this head, and how the handler then wants it to go on.
#[inline(always)]
fn follow(
    transfer: &mut Transfer,
    head: &ResponseHead<'_>,
    untouched: bool,
    common: &mut Common,
    now: Time,
) -> Option<Flow> {
    let status = head.status();
    if transfer.heeds(status)
        && let Some(flow) =
            transfer.take_lead(head, untouched, common.tls.as_ref(), &mut common.knowledge, now)
    {
        return Some(flow);
    }
    let today = common.knowledge.known_date(now);
    let again = transfer.may_ask_again(status)
        && common.retries.take_response(transfer, head, today, untouched, now);
    again.then_some(Flow::Continue)
}

/// Gives the handler a piece of the body, or what is left of it at its end.
#[inline]
pub(in crate::engine) fn give_out(
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

/// Gives the handler the fields after the body. All else that there was it has had.
#[cold]
pub(in crate::engine) fn give_trailers(
    trailers: Fields<'_>,
    handler: &mut dyn Handler,
) -> (Flow, Next) {
    match handler.trailers(trailers) {
        Flow::Abort(why) => (Flow::Continue, Next::Fail(Cause::Aborted(why))),
        Flow::Continue | Flow::Pause | Flow::Enough => (Flow::Continue, Next::Complete),
    }
}

/// Changes what an event asks for where its handler says how else to go on.
#[inline(always)]
pub(in crate::engine) fn heed(
    flow: Flow,
    next: &mut Next,
    exchange: &mut Exchange,
    transfer: &mut Transfer,
) {
    match flow {
        Flow::Continue => {}
        Flow::Pause => {
            exchange.holds.set(Hold::Receiving, true);
            transfer.paused.receiving = true;
        }
        Flow::Enough => {
            exchange.leave_rest(Rest::Unwanted);
            *next = Next::More;
        }
        Flow::Abort(why) => *next = Next::Fail(Cause::Aborted(why)),
    }
    if let Some(limit) = transfer.request.options.max_body
        && let Some(cause) = over_limit(exchange, limit)
    {
        *next = Next::Fail(cause);
    }
}

/// Whether the body is, or says that it will be, larger than the transfer allows.
fn over_limit(exchange: &Exchange, limit: u64) -> Option<Cause> {
    if exchange.rest != Rest::Delivered {
        return None;
    }
    let announced = exchange.codec.content_length().unwrap_or(0);
    let size = announced.max(exchange.codec.body_received());
    (size > limit).then_some(Cause::BodyTooLarge { limit })
}
