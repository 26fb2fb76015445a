//! Bytes out: the engine fills the buffer that the driver brings.
//!
//! What was filled belongs to the driver, who sends all of it in order and reports what went.

use super::connection::{Connection, Exchanging, State};
use super::request::{Body, Request};
use super::route::Via;
use super::transfer::Transfer;
use super::{ConnectionId, Engine};
use crate::error::Cause;
use crate::http::{Fill, SourceRead};
use crate::limits;
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
                self.fail(id, cause, None);
                self.settle();
                return 0;
            }
        };
        let Some(connection) = self.pool.connections.get_mut(id) else { return filled };
        connection.wire.handed += filled as u64;
        if let State::Exchanging(state) = &mut connection.state
            && state.body_begun
            && !std::mem::replace(&mut state.body_told, true)
        {
            // with the body another deadline begins to bind
            self.touch(id);
        }
        filled
    }

    /// So many of the bytes filled were sent.
    pub fn handle_sent(&mut self, id: ConnectionId, bytes: usize) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        connection.wire.sent += bytes as u64;
        self.stats.sent += bytes as u64;
        let wire = connection.wire;
        let unfilled = connection.unfilled.is_empty() && !connection.wants_flush();
        if let State::Exchanging(state) = &mut connection.state {
            state.moved = now;
            if let Some(pace) = &mut state.pace {
                state.throttled = pace.take(bytes, now);
            }
            let complete = state.head_taken && state.exchange.request_complete() && unfilled;
            if complete && wire.sent == wire.handed && state.request_sent == Time::NEVER {
                state.request_sent = now;
            }
        }
        // the driver that reports this asks for the level itself
        self.schedule(id);
    }

    pub(super) fn try_fill(&mut self, id: ConnectionId, out: &mut [u8]) -> Result<usize, Cause> {
        let Some(mut connection) = self.pool.connections.get_mut(id) else { return Ok(0) };
        if let State::Connecting(_) = connection.state {
            self.begin_early(id);
            let Some(begun) = self.pool.connections.get_mut(id) else { return Ok(0) };
            connection = begun;
        }
        if connection.tunnel.is_some() {
            return self.fill_tunnel(id, out);
        }
        let Connection { state, tls, unfilled, forwarder, .. } = connection;
        if let State::Names(state) = state {
            let channel = state.channel;
            return Ok(self.fill_channel(id, channel, out));
        }
        let (state, connecting) = match state {
            State::Exchanging(state) => (Some(&mut **state), false),
            State::Connecting(state) => (state.early.as_deref_mut(), true),
            State::Tunnelling(_) | State::Handshaking(_) | State::Idle(_) | State::Names(_) => {
                (None, false)
            }
        };
        let transfer = match &state {
            Some(state) => self.transfers.get_mut(state.transfer),
            None => None,
        };
        let mut state = state;
        if let (Some(via), Some(state), Some(transfer)) = (forwarder, &mut state, &transfer) {
            state.take_forwarded_head(via, transfer, unfilled);
        }
        let Some(tls) = tls else {
            let (Some(state), Some(transfer)) = (state, transfer) else { return Ok(0) };
            return fill_plain(state, transfer, unfilled, connecting, out);
        };
        let mut filled = tls.fill(out);
        if let (Some(state), Some(transfer)) = (state, transfer) {
            self.scratch.resize(limits::TLS_PLAINTEXT, 0);
            while filled < out.len() && (state.wants_send() || !unfilled.is_empty()) {
                let plain = fill_plain(state, transfer, unfilled, connecting, &mut self.scratch);
                if plain.is_err() && filled > 0 {
                    tls.abandon();
                }
                let plain = plain?;
                if plain == 0 {
                    break;
                }
                let taken = tls.write(&self.scratch[..plain]).map_err(|fault| fault.to_string());
                if taken != Ok(plain) {
                    let why = taken.err().unwrap_or_else(|| "the session takes no more".into());
                    return Err(Cause::Tls(why));
                }
                filled += tls.fill(&mut out[filled..]);
            }
        }
        Ok(filled)
    }

    /// Begins the exchange of a plaintext connection that is still being connected.
    fn begin_early(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let State::Connecting(state) = &connection.state else { return };
        // of a race nobody knows yet which connection will win, and a request is sent once
        let waits = state.races || state.early.is_some();
        if connection.tls.is_some() || connection.tunnel.is_some() || waits {
            return;
        }
        if self.gates.as_ref().is_some_and(|gates| gates.keeps_time(id)) {
            return;
        }
        let early = self.exchange_for(id, state.transfer);
        if let Some(connection) = self.pool.connections.get_mut(id)
            && let State::Connecting(state) = &mut connection.state
        {
            state.early = early;
            connection.uses += 1;
            connection.turns += 1;
        }
    }
}

impl Exchanging {
    /// Has the head that `via` is to forward wait in `unfilled`.
    #[cold]
    fn take_forwarded_head(&mut self, via: &Via, transfer: &Transfer, unfilled: &mut Vec<u8>) {
        if !self.head_taken {
            self.head_taken = true;
            self.exchange.head_taken();
            let Request { head, body, .. } = &transfer.request;
            let told = transfer.told_proxy();
            *unfilled = via.proxy.forward(head, body.length(), &via.fields, told);
        }
    }
}

/// The request's next bytes, head first.
fn fill_plain(
    state: &mut Exchanging,
    transfer: &mut Transfer,
    unfilled: &mut Vec<u8>,
    connecting: bool,
    out: &mut [u8],
) -> Result<usize, Cause> {
    let Transfer { request, handler, .. } = transfer;
    let mut filled = 0;
    if !state.head_taken {
        state.head_taken = true;
        state.exchange.head_taken();
        let length = request.body.length();
        match request.head.encode(length, out) {
            Some(bytes) => filled = bytes,
            None => {
                unfilled.resize(request.head.encoded_len(length), 0);
                request.head.encode(length, unfilled);
            }
        }
    }
    if !unfilled.is_empty() {
        filled = unfilled.len().min(out.len());
        out[..filled].copy_from_slice(&unfilled[..filled]);
        unfilled.drain(..filled);
        if unfilled.is_empty() {
            *unfilled = Vec::new();
        }
    }
    let streamed = matches!(request.body, Body::Stream { .. });
    if !state.wants_body() || (connecting && streamed) {
        handler.sending(&out[..filled], &[]);
        return Ok(filled);
    }
    state.body_begun = true;
    let taken = &mut state.body_taken;
    let mut source = |out: &mut [u8]| match &mut request.body {
        Body::Empty => SourceRead::End,
        Body::Memory(bytes) => {
            let rest = &bytes[*taken..];
            let n = rest.len().min(out.len());
            out[..n].copy_from_slice(&rest[..n]);
            *taken += n;
            if n == 0 { SourceRead::End } else { SourceRead::Data(n) }
        }
        Body::Stream { source, .. } => source.read(out),
    };
    let bytes = match state.exchange.fill_body(&mut out[filled..], &mut source) {
        Ok(Fill::Filled(bytes) | Fill::Complete(bytes)) => bytes,
        Ok(Fill::Pending(bytes)) => {
            state.source_pending = true;
            bytes
        }
        Err(fault) => return Err(Cause::Aborted(fault.to_string())),
    };
    let (head, body) = out[..filled + bytes].split_at(filled);
    handler.sending(head, body);
    Ok(filled + bytes)
}
