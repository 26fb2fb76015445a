//! Bodies that arrive coded and are delivered decoded.
//!
//! Decides whether a response is decoded, and delivers it piece by piece through one buffer that all
//! transfers share. Knows pauses and turns. Must not know codings: those are
//! [`ContentDecoder`]'s. Invariants: what a paused transfer has yet to take waits as it came, coded;
//! a transfer that decodes much from little gives others their turn; it comes to hold more only where there is
//! memory for it, and waits for that (see [`crate::engine::memory::loans`]); a transfer that decodes nothing has nothing of this but a
//! null pointer.

use crate::engine::exchanges::next::Next;
use crate::engine::memory::loans::Loan;
use crate::engine::transfers::report::Undecoded;
use crate::engine::{Flow, Handler};
use crate::error::Cause;
use crate::limits;
use crate::protocol::{
    CodingFault, ContentDecoder, DecodePolicy, Decoded, RequestHead, ResponseHead, codings,
};

/// The decoding of one response's body.
pub(in crate::engine) struct Decoding {
    /// Or what stands against it, should there be a body. A coding that is not known stands against nothing: the body is
    /// delivered as it comes.
    pub(super) decoder: Result<ContentDecoder, CodingFault>,
    /// What was received and is not decoded: of a transfer that is paused, or waits for its turn.
    waiting: Vec<u8>,
    /// Bytes given to the handler.
    delivered: u64,
    /// What the decoder holds, and what waits.
    loan: Loan,
}

/// What became of input, of which so many bytes are done with.
enum Poured {
    All,
    Paused(usize),
    TurnOver(usize),
    /// The handler has had enough.
    Enough,
    NoRoom(usize),
    Failed(Cause),
}

/// Says in a request what its response may be coded in, unless the caller has. A range is asked for
/// as it is: part of a coded body cannot be decoded.
pub(in crate::engine) fn accept(head: &mut RequestHead) {
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
    pub(super) fn begin(
        head: &ResponseHead<'_>,
        policy: DecodePolicy,
        loan: Loan,
    ) -> Option<Box<Decoding>> {
        let decoder = match codings(head) {
            Ok(codings) if codings.is_empty() => return None,
            Ok(codings) => Ok(ContentDecoder::new(&codings, policy)),
            Err(fault) => Err(fault),
        };
        let waiting = Vec::new();
        Some(Box::new(Decoding { decoder, waiting, delivered: 0, loan }))
    }

    /// Bytes given to the handler.
    pub(in crate::engine) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The same, if they were decoded.
    pub(in crate::engine) fn decoded(&self) -> Option<u64> {
        let is_as_sent = matches!(&self.decoder, Err(CodingFault::Unknown { .. }));
        (!is_as_sent).then_some(self.delivered)
    }

    /// Bytes decoded, by all codings.
    pub(super) fn work(&self) -> u64 {
        self.decoder.as_ref().map_or(0, ContentDecoder::work)
    }

    /// What of the body was not decoded.
    pub(in crate::engine) fn undecoded(&self) -> Option<Undecoded> {
        match &self.decoder {
            Ok(decoder) => decoder.padded().map(Undecoded::Padding),
            Err(CodingFault::Unknown { name }) => Some(Undecoded::Unknown(name.clone())),
            Err(_) => None,
        }
    }

    pub(in crate::engine) fn loan(&self) -> &Loan {
        &self.loan
    }

    pub(in crate::engine) fn loan_mut(&mut self) -> &mut Loan {
        &mut self.loan
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
    pub(super) fn take_waiting(
        &mut self,
        handler: &mut dyn Handler,
        buffer: &mut Vec<u8>,
    ) -> (Flow, Next) {
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
            Poured::NoRoom(consumed) => (consumed, Flow::Continue, Next::AwaitMemory),
            Poured::Failed(cause) => return (Flow::Continue, Next::Fail(cause)),
        };
        self.waiting = input[consumed..].to_vec();
        self.loan.set(self.loan.bytes() + self.waiting.len());
        (flow, next)
    }

    /// Decodes `input` for the handler, as far as that takes it and the turn lasts.
    fn pour(&mut self, input: &[u8], handler: &mut dyn Handler, buffer: &mut Vec<u8>) -> Poured {
        let decoder = match &mut self.decoder {
            Ok(decoder) => decoder,
            Err(_) if input.is_empty() => return Poured::All,
            Err(CodingFault::Unknown { .. }) => {
                self.delivered += input.len() as u64;
                return match handler.body(input) {
                    Flow::Continue => Poured::All,
                    Flow::Pause => Poured::Paused(input.len()),
                    Flow::Enough => Poured::Enough,
                    Flow::Abort(why) => Poured::Failed(Cause::Aborted(why)),
                };
            }
            Err(fault) => return Poured::Failed(Cause::Coding(fault.clone())),
        };
        buffer.resize(limits::DECODE_BUFFER, 0);
        let turn_ends = decoder.work() + limits::DECODED_PER_TURN;
        let mut taken = 0;
        self.loan.set(decoder.held());
        loop {
            // without input it gives out what it holds
            if taken < input.len() && decoder.may_grow() && !self.loan.may_grow() {
                return Poured::NoRoom(taken);
            }
            let Decoded { consumed, produced, more } = match decoder.decode(&input[taken..], buffer)
            {
                Ok(decoded) => decoded,
                Err(fault) => return Poured::Failed(Cause::Coding(fault)),
            };
            self.loan.set(decoder.held());
            taken += consumed;
            if !more {
                return Poured::All;
            }
            self.delivered += produced as u64;
            let flow = match produced {
                0 => Flow::Continue,
                _ => handler.body(&buffer[..produced]),
            };
            match flow {
                Flow::Continue if decoder.work() < turn_ends => {}
                Flow::Continue => return Poured::TurnOver(taken),
                Flow::Pause => return Poured::Paused(taken),
                Flow::Enough => return Poured::Enough,
                Flow::Abort(why) => return Poured::Failed(Cause::Aborted(why)),
            }
        }
    }
}
