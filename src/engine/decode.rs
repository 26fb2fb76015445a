//! Bodies that arrive coded and are delivered decoded.
//!
//! Decides whether a response is decoded, and delivers it piece by piece through one buffer that all
//! transfers share. Knows pauses and turns. Must not know codings: those are
//! [`ContentDecoder`]'s. Invariants: what a paused transfer has yet to take waits as it came, coded;
//! a transfer that decodes much from little gives others their turn; a transfer that decodes nothing
//! has nothing of this but a null pointer.

use super::connection::{Connection, Rest, State};
use super::receive::Next;
use super::{ConnectionId, Engine, Flow, Handler};
use crate::error::Cause;
use crate::http::{
    CodingFault, ContentDecoder, DecodePolicy, Decoded, RequestHead, ResponseHead, codings,
};
use crate::limits;

/// The decoding of one response's body.
pub(super) struct Decoding {
    /// Or what stands against it, should there be a body.
    decoder: Result<ContentDecoder, CodingFault>,
    /// What was received and is not decoded: of a transfer that is paused, or waits for its turn.
    waiting: Vec<u8>,
    /// Bytes given to the handler.
    delivered: u64,
}

/// What became of input, of which so many bytes are done with.
enum Poured {
    All,
    Paused(usize),
    TurnOver(usize),
    /// The handler has had enough.
    Enough,
    Failed(Cause),
}

/// Says in a request what its response may be coded in, unless the caller has. A range is asked for
/// as it is: part of a coded body cannot be decoded.
pub(super) fn accept(head: &mut RequestHead) {
    let has = |name: &[u8]| {
        head.fields().split(|&byte| byte == b'\n').any(|line| {
            line.split(|&byte| byte == b':').next().is_some_and(|n| n.eq_ignore_ascii_case(name))
        })
    };
    if has(b"accept-encoding") {
        return;
    }
    let accepted = if has(b"range") { "identity" } else { DecodePolicy::ACCEPT };
    head.field("Accept-Encoding", accepted).expect("a good field");
}

impl Decoding {
    /// What a response with this head needs. None: it is not coded.
    #[cold]
    pub(super) fn begin(head: &ResponseHead<'_>, policy: DecodePolicy) -> Option<Box<Decoding>> {
        let decoder = match codings(head) {
            Ok(codings) if codings.is_empty() => return None,
            Ok(codings) => Ok(ContentDecoder::new(&codings, policy)),
            Err(fault) => Err(fault),
        };
        Some(Box::new(Decoding { decoder, waiting: Vec::new(), delivered: 0 }))
    }

    /// Bytes given to the handler.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// A piece of the body arrived.
    pub(super) fn take(
        &mut self,
        chunk: &[u8],
        handler: &mut dyn Handler,
        buffer: &mut Vec<u8>,
    ) -> (Flow, Next) {
        let poured = self.pour(chunk, handler, buffer);
        self.keep(chunk, poured)
    }

    /// The body is complete.
    pub(super) fn take_end(
        &mut self,
        handler: &mut dyn Handler,
        buffer: &mut Vec<u8>,
    ) -> (Flow, Next) {
        if let Ok(decoder) = &mut self.decoder {
            decoder.end();
        }
        let poured = self.pour(&[], handler, buffer);
        match self.keep(&[], poured) {
            (Flow::Continue, Next::More) => (Flow::Continue, Next::Complete),
            other => other,
        }
    }

    /// Goes on with what was left waiting.
    fn take_waiting(&mut self, handler: &mut dyn Handler, buffer: &mut Vec<u8>) -> (Flow, Next) {
        let waiting = std::mem::take(&mut self.waiting);
        self.take(&waiting, handler, buffer)
    }

    /// Keeps what of `input` has to wait, and says how it goes on.
    fn keep(&mut self, input: &[u8], poured: Poured) -> (Flow, Next) {
        let (consumed, flow, next) = match poured {
            Poured::All => return (Flow::Continue, Next::More),
            Poured::Paused(consumed) => (consumed, Flow::Pause, Next::More),
            Poured::TurnOver(consumed) => (consumed, Flow::Continue, Next::Yield),
            Poured::Enough => return (Flow::Enough, Next::More),
            Poured::Failed(cause) => return (Flow::Continue, Next::Fail(cause)),
        };
        self.waiting = input[consumed..].to_vec();
        (flow, next)
    }

    /// Decodes `input` for the handler, as far as that takes it and the turn lasts.
    fn pour(&mut self, input: &[u8], handler: &mut dyn Handler, buffer: &mut Vec<u8>) -> Poured {
        let decoder = match &mut self.decoder {
            Ok(decoder) => decoder,
            Err(_) if input.is_empty() => return Poured::All,
            Err(fault) => return Poured::Failed(Cause::Coding(fault.clone())),
        };
        buffer.resize(limits::DECODE_BUFFER, 0);
        let turn_ends = decoder.work() + limits::DECODED_PER_TURN;
        let mut taken = 0;
        loop {
            let Decoded { consumed, produced } = match decoder.decode(&input[taken..], buffer) {
                Ok(decoded) => decoded,
                Err(fault) => return Poured::Failed(Cause::Coding(fault)),
            };
            taken += consumed;
            if produced == 0 {
                return Poured::All;
            }
            self.delivered += produced as u64;
            match handler.body(&buffer[..produced]) {
                Flow::Continue if decoder.work() < turn_ends => {}
                Flow::Continue => return Poured::TurnOver(taken),
                Flow::Pause => return Poured::Paused(taken),
                Flow::Enough => return Poured::Enough,
                Flow::Abort(why) => return Poured::Failed(Cause::Aborted(why)),
            }
        }
    }
}

impl Engine {
    /// Delivers what a connection's transfer had left undecoded. False if it cannot go on: it is
    /// paused again, waits for its next turn, or has failed.
    pub(super) fn take_undecoded(&mut self, id: ConnectionId) -> bool {
        let Some(Connection { state: State::Exchanging(state), .. }) =
            self.pool.connections.get_mut(id)
        else {
            return true;
        };
        let Some(decoding) = &mut state.decoding else { return true };
        let Some(transfer) = self.transfers.get_mut(state.transfer) else { return true };
        let (flow, next) = decoding.take_waiting(&mut *transfer.handler, &mut self.decoded);
        match (flow, next) {
            (_, Next::Fail(cause)) => self.fail(id, cause, None),
            (Flow::Pause, _) => {
                (state.paused, transfer.paused) = (true, true);
                self.touch(id);
            }
            (_, Next::Yield) => self.end_turn(id),
            (Flow::Enough, _) => {
                state.leave_rest(Rest::Unwanted);
                return true;
            }
            _ => return true,
        }
        false
    }

    /// The connection's transfer goes on with the next batch.
    pub(super) fn end_turn(&mut self, id: ConnectionId) {
        if let Some(state) = self.exchanging(id) {
            state.paused = true;
            self.resumed.push_back(id);
            self.touch(id);
        }
    }

    /// The body of a connection's response ended with the connection. True if all of it is
    /// delivered.
    pub(super) fn take_decoded_end(&mut self, id: ConnectionId) -> bool {
        let decoding = self.exchanging(id).and_then(|state| state.decoding.as_mut());
        if let Some(Ok(decoder)) = decoding.map(|decoding| &mut decoding.decoder) {
            decoder.end();
        }
        self.take_undecoded(id)
    }

    /// A transfer fails: what its decoder holds back is delivered before.
    #[cold]
    pub(super) fn give_out_rest(&mut self, id: ConnectionId) {
        let Some(Connection { state: State::Exchanging(state), .. }) =
            self.pool.connections.get_mut(id)
        else {
            return;
        };
        let Some(decoding) = state.decoding.as_mut().filter(|_| !state.paused) else { return };
        let Some(transfer) = self.transfers.get_mut(state.transfer) else { return };
        // whatever is answered, it fails for the reason it had
        _ = decoding.take_end(&mut *transfer.handler, &mut self.decoded);
    }
}
