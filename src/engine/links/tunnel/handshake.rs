//! The handshakes by which proxies open tunnels, as state machines over bytes.
//!
//! Knows CONNECT (RFC 9110, 9.3.6), SOCKS 5 (RFC 1928, 1929), SOCKS 4 and 4a. Must not know
//! connections or TLS. Invariants: what a proxy sends is looked at a bounded number of times and kept
//! within bounds; no byte after its answer is taken: that belongs to the tunnel.

use std::net::IpAddr;

use super::answer::Answer;
use super::socks4::Socks4;
use super::socks5::Socks5;
use crate::engine::exchanges::codec::is_worth_finishing;
use crate::limits::{CONNECT_HEAD, HttpLimits};
use crate::protocol::{
    BodyLength, Event, Exchange, HttpFault, Origin, Proxy, ProxyFault, ProxyProtocol, Read,
    RequestError, ResponseHead,
};

/// A handshake with a proxy that is under way.
pub(super) struct Handshake {
    /// To be sent.
    out: Vec<u8>,
    dialogue: Dialogue,
}

enum Dialogue {
    /// Boxed, since it is several times the size of the others.
    Connect(Box<Connect>),
    Socks4(Socks4),
    Socks5(Socks5),
}

/// CONNECT, once or again.
struct Connect {
    exchange: Exchange,
    /// What has been read is a challenge that will be answered.
    challenged: bool,
    /// It has answered one on this connection already.
    asked_again: bool,
}

impl Handshake {
    /// A handshake that asks `proxy` for a tunnel to `target`; `address` is that of the target's host,
    /// for a proxy that looks up no names. `fields` go along with CONNECT, and what the proxy is `told`
    /// because it has asked who asks.
    pub(super) fn new(
        proxy: &Proxy,
        target: &Origin,
        address: Option<IpAddr>,
        fields: &[u8],
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<Handshake, ProxyFault> {
        let credentials = proxy.credentials();
        let (host, port) = (target.host(), target.port());
        let (out, dialogue) = match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => {
                let (out, exchange) =
                    connect(proxy, target, fields, told, limits).map_err(bad_field)?;
                let connect = Connect { exchange, challenged: false, asked_again: false };
                (out, Dialogue::Connect(Box::new(connect)))
            }
            ProxyProtocol::Socks4 | ProxyProtocol::Socks4a => {
                let (out, socks) = Socks4::new(host, address, port, credentials)?;
                (out, Dialogue::Socks4(socks))
            }
            ProxyProtocol::Socks5 | ProxyProtocol::Socks5h => {
                let (out, socks) = Socks5::new(host, address, port, credentials);
                (out, Dialogue::Socks5(socks))
            }
        };
        Ok(Handshake { out, dialogue })
    }

    pub(super) fn wants_send(&self) -> bool {
        !self.out.is_empty()
    }

    /// Moves what is to be sent into `out`; returns how much.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> usize {
        let n = self.out.len().min(out.len());
        out[..n].copy_from_slice(&self.out[..n]);
        self.out.drain(..n);
        n
    }

    /// Takes bytes from the proxy. Of the head of its answer `is_challenged` says whether it asks who
    /// asks, and can be told.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        is_challenged: &mut dyn FnMut(&ResponseHead<'_>) -> bool,
    ) -> Result<Answer, ProxyFault> {
        match &mut self.dialogue {
            Dialogue::Connect(connect) => connect.read(input, is_challenged),
            Dialogue::Socks4(socks) => socks.read(input),
            Dialogue::Socks5(socks) => socks.read(input, &mut self.out),
        }
    }

    /// Asks for the tunnel once more, on the same connection, after [`Answer::Again`].
    pub(super) fn ask_again(
        &mut self,
        proxy: &Proxy,
        target: &Origin,
        fields: &[u8],
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<(), ProxyFault> {
        let (out, exchange) = connect(proxy, target, fields, told, limits).map_err(bad_field)?;
        self.out = out;
        let connect = Connect { exchange, challenged: false, asked_again: true };
        self.dialogue = Dialogue::Connect(Box::new(connect));
        Ok(())
    }

    /// Whether a connection that ends now does so because the proxy has challenged on it, so that another
    /// one may get further.
    pub(super) fn ends_after_challenge(&self) -> bool {
        match &self.dialogue {
            Dialogue::Connect(connect) => {
                connect.challenged || (connect.asked_again && !connect.exchange.response_started())
            }
            Dialogue::Socks4(_) | Dialogue::Socks5(_) => false,
        }
    }
}

/// The bytes of CONNECT, and what reads its answer.
fn connect(
    proxy: &Proxy,
    target: &Origin,
    fields: &[u8],
    told: Option<&[u8]>,
    limits: &HttpLimits,
) -> Result<(Vec<u8>, Exchange), RequestError> {
    let head = proxy.connect(target, fields, told)?;
    let mut bytes = vec![0; head.encoded_len(BodyLength::None)];
    head.encode(BodyLength::None, &mut bytes);
    let limits = HttpLimits { head_bytes: limits.head_bytes.min(CONNECT_HEAD), ..*limits };
    let mut exchange = Exchange::new(&head, BodyLength::None, &limits);
    exchange.head_taken();
    Ok((bytes, exchange))
}

/// All of them were validated before.
fn bad_field(error: RequestError) -> ProxyFault {
    ProxyFault::Http(HttpFault::BadField { line: error.to_string().into() })
}

impl Connect {
    fn read(
        &mut self,
        input: &[u8],
        is_challenged: &mut dyn FnMut(&ResponseHead<'_>) -> bool,
    ) -> Result<Answer, ProxyFault> {
        let mut taken = 0;
        loop {
            let read = match self.exchange.read(&input[taken..]) {
                Ok(read) => read,
                // what is wrong with the rest of a challenge is not looked at
                Err(_) if self.challenged => return Ok(Answer::Elsewhere),
                Err(fault) => return Err(ProxyFault::Http(fault)),
            };
            let Read { consumed, event } = read;
            taken += consumed;
            match event {
                Event::NeedMore => return Ok(Answer::More),
                Event::Informational(_) => continue,
                Event::Head(head) => {
                    self.challenged = is_challenged(&head);
                    match head.status() {
                        _ if self.challenged => {}
                        // no Content-Length or Transfer-Encoding means anything here (RFC 9110, 9.3.6)
                        200..=299 => return Ok(Answer::Open(taken)),
                        _ => return Err(refusal(&head)),
                    }
                }
                Event::Body(_) => {}
                Event::Complete => {
                    let reusable = self.exchange.close_reasons().is_empty();
                    return Ok(if reusable { Answer::Again } else { Answer::Elsewhere });
                }
            }
            if !self.exchange.response_complete() && !is_worth_finishing(&self.exchange) {
                return Ok(Answer::Elsewhere);
            }
        }
    }
}

fn refusal(head: &ResponseHead<'_>) -> ProxyFault {
    let reason = head.reason();
    let shown = &reason[..reason.len().min(REASON_BYTES)];
    let reason = shown.escape_ascii().to_string().into();
    ProxyFault::Refused { status: head.status(), reason }
}

/// Of a reason phrase, so much is shown.
const REASON_BYTES: usize = 64;

#[cfg(test)]
mod tests;
