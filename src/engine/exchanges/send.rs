//! Bytes out: the engine fills the buffer that the driver brings.
//!
//! What was filled belongs to the driver, who sends all of it in order and reports what went.

use crate::engine::dials::route::Via;
use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::{Exchange, Hold};
use crate::engine::exchanges::leftover::Leftover;
use crate::engine::ids::{ConnectionId, ExchangeId};
use crate::engine::links::connection::{Connection, State};
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::engine::transfers::request::{Body, Request, read_body};
use crate::engine::transfers::transfer::Transfer;
use crate::engine::{Engine, Flow};
use crate::error::Cause;
use crate::limits;
use crate::protocol::{Fill, HeadToWrite};
use crate::time::Time;

/// The least room that a buffer for `fill` must have.
pub const MIN_FILL: usize = 256;

impl Engine {
    /// Fills `out` (at least [`MIN_FILL`] bytes) with what the connection has to send, and returns
    /// how much that is. The driver sends all of it, in order, before it asks for more, and reports
    /// [`Engine::handle_sent`].
    ///
    /// While the connection is being connected this gives the first flight (a TLS ClientHello or
    /// the request as far as it is in memory), for drivers that can hand it to the kernel together
    /// with the connect; it stays valid for whichever address is connected in the end. Where several
    /// addresses may be tried side by side, that is a ClientHello or nothing.
    pub fn fill(&mut self, id: ConnectionId, out: &mut [u8]) -> usize {
        debug_assert!(out.len() >= MIN_FILL);
        let filled = match self.try_fill(id, out) {
            Ok(filled) => filled,
            Err(cause) => {
                self.fail_link(id, cause, None);
                self.settle();
                return 0;
            }
        };
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return filled };
        connection.wire.handed += filled as u64;
        if let State::Exchanging(exchange) = connection.state
            && let Some(exchange) = self.net.exchanges.get_mut(exchange)
            && exchange.body_begun
            && !std::mem::replace(&mut exchange.body_told, true)
        {
            // with the body another deadline begins to bind
            self.net.touch(id);
        }
        filled
    }

    /// So many of the bytes filled were sent.
    pub fn handle_sent(&mut self, id: ConnectionId, bytes: usize) {
        self.net.handle_sent(id, bytes);
    }

    pub(super) fn try_fill(&mut self, id: ConnectionId, out: &mut [u8]) -> Result<usize, Cause> {
        self.roster.begin_early(&mut self.net, id);
        let Some(connection) = self.net.pool.connections.get_mut(id) else { return Ok(0) };
        let Connection { state, path, forwarder, .. } = connection;
        let (exchange, connecting) = match state {
            State::Exchanging(exchange) => (Some(*exchange), false),
            // one proxy is asked, once it is known which
            State::Connecting(state) if state.race.is_some() && path.has_tunnel() => return Ok(0),
            State::Connecting(state) => (state.early, true),
            State::Names(state) => {
                let (filled, more) = self.net.channels.fill(state.channel, out);
                state.wants_send = more;
                return Ok(filled);
            }
            State::Multiplexed(_) => return self.fill_frames(id, out),
            State::Tunnelling(_) | State::Handshaking(_) | State::Free | State::Idle(_) => {
                (None, false)
            }
        };
        let mut exchange = exchange.and_then(|id| self.net.exchanges.get_mut(id));
        let mut transfer = match &exchange {
            Some(exchange) => self.roster.transfers.get_mut(exchange.claim.transfer),
            None => None,
        };
        if let (Some(via), Some(exchange), Some(transfer)) =
            (forwarder, &mut exchange, &mut transfer)
        {
            exchange.take_forwarded_head(via, transfer)?;
        }
        let (Some(exchange), Some(transfer)) = (exchange, transfer) else { return path.fill(out) };
        self.told |= transfer.request.body.is_streamed() && exchange.wants_body();
        if path.is_bare() {
            return fill_plain(exchange, transfer, connecting, out);
        }
        let mut filled = path.fill(out)?;
        self.scratch.resize(limits::TLS_PLAINTEXT, 0);
        while filled < out.len() && exchange.wants_send() {
            let plain = fill_plain(exchange, transfer, false, &mut self.scratch);
            if plain.is_err() && filled > 0 {
                // that does not leave
                path.abandon();
            }
            let plain = plain?;
            if plain == 0 {
                break;
            }
            path.write(&self.scratch[..plain])?;
            filled += path.fill(&mut out[filled..])?;
        }
        Ok(filled)
    }
}

impl Roster {
    /// Begins the exchange of a plaintext connection that is still being connected.
    fn begin_early(&mut self, net: &mut Net, id: ConnectionId) {
        let Some(connection) = net.pool.connections.get(id) else { return };
        let State::Connecting(state) = &connection.state else { return };
        // of a race nobody knows yet which connection will win, and a request is sent once
        let waits = state.race.is_some() || state.early.is_some();
        if !connection.path.is_bare() || waits || connection.is_dialed {
            return;
        }
        if net.gates.keep_time(id) {
            return;
        }
        let early = self.exchange_for(net, id, state.claim.transfer);
        if let Some(connection) = net.pool.connections.get_mut(id)
            && let State::Connecting(state) = &mut connection.state
        {
            state.early = early;
            connection.uses += 1;
            connection.turns += 1;
        }
    }
}

impl Net {
    /// As [`Engine::handle_sent`].
    pub(in crate::engine) fn handle_sent(&mut self, id: ConnectionId, bytes: usize) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        connection.wire.sent += bytes as u64;
        self.stats.sent += bytes as u64;
        match connection.state {
            State::Exchanging(exchange) => {
                let all =
                    connection.wire.sent == connection.wire.handed && !connection.path.wants_send();
                self.note_sent(exchange, bytes, all);
            }
            State::Multiplexed(_) => self.note_departures(id),
            _ => {}
        }
        // the driver that reports this asks for the level itself
        self.schedule(id);
    }

    /// Bytes of an exchange were sent; with that, `all` that was handed to its connection.
    #[inline(always)]
    pub(in crate::engine) fn note_sent(&mut self, id: ExchangeId, bytes: usize, all: bool) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        exchange.note_moved(bytes, now);
        let head = exchange.head_taken && exchange.unfilled.is_empty();
        let complete = head && exchange.codec.request_complete();
        if complete && all && exchange.request_sent == Time::NEVER {
            exchange.request_sent = now;
        }
    }
}

impl Exchange {
    /// Has the head that `via` is to forward wait in `unfilled`.
    #[cold]
    fn take_forwarded_head(&mut self, via: &Via, transfer: &mut Transfer) -> Result<(), Cause> {
        if let Codec::Http1(codec) = &mut self.codec
            && !self.head_taken
            && !matches!(transfer.request.body, Body::Connection(_))
        {
            self.head_taken = true;
            codec.head_taken();
            start(transfer)?;
            let Request { head, body, options, .. } = &transfer.request;
            let told = transfer.told_proxy();
            self.unfilled = Leftover::of(match &options.head_writer {
                Some(writer) => via.proxy.forward_by(&**writer, head, body.length(), told),
                None => via.proxy.forward(head, body.length(), &via.fields, told),
            });
        }
        Ok(())
    }
}

/// The head of a request that has something to write it.
#[cold]
fn written(request: &Request) -> Vec<u8> {
    let Request { head, body, options, .. } = request;
    let asked =
        HeadToWrite { head, body: body.length(), is_forwarded: false, proxy_authorization: None };
    options.head_writer.as_ref().map(|writer| writer.write(&asked)).unwrap_or_default()
}

/// The request's next bytes, head first.
fn fill_plain(
    exchange: &mut Exchange,
    transfer: &mut Transfer,
    connecting: bool,
    out: &mut [u8],
) -> Result<usize, Cause> {
    let mut filled = 0;
    let mut wants_body = exchange.wants_body();
    let is_connection = matches!(transfer.request.body, Body::Connection(_));
    if !exchange.head_taken {
        if is_connection && connecting {
            return Ok(0);
        }
        start(transfer)?;
    }
    let request = &mut transfer.request;
    let unfilled = &mut exchange.unfilled;
    let Codec::Http1(codec) = &mut exchange.codec else { return Ok(0) };
    if !exchange.head_taken {
        exchange.head_taken = true;
        codec.head_taken();
        if is_connection {
            codec.open();
            wants_body = !exchange.holds.sending();
        }
        let length = request.body.length();
        match request.head.encode(length, out) {
            _ if is_connection => {}
            _ if request.options.head_writer.is_some() => {
                *unfilled = Leftover::of(written(request))
            }
            Some(bytes) => filled = bytes,
            None => {
                let mut head = vec![0; request.head.encoded_len(length)];
                request.head.encode(length, &mut head);
                *unfilled = Leftover::of(head);
            }
        }
    }
    if !unfilled.is_empty() {
        filled = unfilled.fill(out);
    }
    let streamed = request.body.is_streamed();
    if !wants_body || (connecting && streamed) {
        tell_sending(transfer, &out[..filled], &[])?;
        return Ok(filled);
    }
    exchange.body_begun = true;
    let taken = &mut exchange.body_taken;
    let mut source = |out: &mut [u8]| read_body(&mut request.body, taken, out);
    let bytes = match codec.fill_body(&mut out[filled..], &mut source) {
        Ok(Fill::Filled(bytes) | Fill::Complete(bytes)) => bytes,
        Ok(Fill::Pending(bytes)) => {
            exchange.holds.set(Hold::Source, true);
            bytes
        }
        Err(fault) => return Err(Cause::Body(fault)),
    };
    let (head, body) = out[..filled + bytes].split_at(filled);
    tell_sending(transfer, head, body)?;
    Ok(filled + bytes)
}

/// Asks the handler whether the request may go out.
#[inline(always)]
fn start(transfer: &mut Transfer) -> Result<(), Cause> {
    let mut flow = Flow::Continue;
    transfer.call_guarded(|it| flow = it.handler.starting()).map_err(Cause::Aborted)?;
    match flow {
        Flow::Abort(why) => Err(Cause::Aborted(why)),
        _ => Ok(()),
    }
}

/// Tells the handler of what goes out.
#[inline(always)]
fn tell_sending(transfer: &mut Transfer, head: &[u8], body: &[u8]) -> Result<(), Cause> {
    transfer.call_guarded(|it| it.handler.sending(head, body)).map_err(Cause::Aborted)
}
