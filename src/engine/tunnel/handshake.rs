//! The handshakes by which proxies open tunnels, as state machines over bytes.
//!
//! Knows CONNECT (RFC 9110, 9.3.6), SOCKS 5 (RFC 1928, 1929), SOCKS 4 and 4a. Must not know
//! connections or TLS. Invariants: what a proxy sends is looked at a bounded number of times and kept
//! within bounds; no byte after its answer is taken: that belongs to the tunnel.

use std::net::IpAddr;

use super::socks4::Socks4;
use super::socks5::Socks5;
use crate::http::{
    BodyLength, Event, Exchange, HttpFault, Origin, Proxy, ProxyFault, ProxyProtocol, Read,
    RequestError,
};
use crate::limits::HttpLimits;

/// A handshake with a proxy that is under way.
pub(super) struct Handshake {
    /// To be sent.
    out: Vec<u8>,
    dialogue: Dialogue,
}

enum Dialogue {
    /// Boxed, since it is several times the size of the others.
    Connect(Box<Exchange>),
    Socks4(Socks4),
    Socks5(Socks5),
}

/// What became of bytes from a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All are taken, and there is more to come.
    More,
    /// So many were taken, and the tunnel is open.
    Open(usize),
}

impl Handshake {
    /// A handshake that asks `proxy` for a tunnel to `target`; `address` is that of the target's host,
    /// for a proxy that looks up no names. `fields` go along with CONNECT.
    pub(super) fn new(
        proxy: &Proxy,
        target: &Origin,
        address: Option<IpAddr>,
        fields: &[u8],
        limits: &HttpLimits,
    ) -> Result<Handshake, ProxyFault> {
        let credentials = proxy.credentials();
        let (host, port) = (target.host(), target.port());
        let (out, dialogue) = match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => {
                let (out, exchange) = connect(proxy, target, fields, limits).map_err(bad_field)?;
                (out, Dialogue::Connect(Box::new(exchange)))
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

    /// Takes bytes from the proxy.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Answer, ProxyFault> {
        match &mut self.dialogue {
            Dialogue::Connect(exchange) => read_answer(exchange, input),
            Dialogue::Socks4(socks) => socks.read(input),
            Dialogue::Socks5(socks) => socks.read(input, &mut self.out),
        }
    }
}

/// The bytes of CONNECT, and what reads its answer.
fn connect(
    proxy: &Proxy,
    target: &Origin,
    fields: &[u8],
    limits: &HttpLimits,
) -> Result<(Vec<u8>, Exchange), RequestError> {
    let head = proxy.connect(target, fields)?;
    let mut bytes = vec![0; head.encoded_len(BodyLength::None)];
    head.encode(BodyLength::None, &mut bytes);
    let mut exchange = Exchange::new(&head, BodyLength::None, limits);
    exchange.head_taken();
    Ok((bytes, exchange))
}

/// All of them were validated before.
fn bad_field(error: RequestError) -> ProxyFault {
    ProxyFault::Http(HttpFault::BadField { line: error.to_string().into() })
}

fn read_answer(exchange: &mut Exchange, input: &[u8]) -> Result<Answer, ProxyFault> {
    let mut taken = 0;
    loop {
        let Read { consumed, event } = exchange.read(&input[taken..]).map_err(ProxyFault::Http)?;
        taken += consumed;
        match event {
            Event::NeedMore => return Ok(Answer::More),
            Event::Informational(_) => {}
            // no Content-Length or Transfer-Encoding means anything here (RFC 9110, 9.3.6)
            Event::Head(head) if matches!(head.status(), 200..=299) => {
                return Ok(Answer::Open(taken));
            }
            Event::Head(head) => {
                let reason = head.reason();
                let shown = &reason[..reason.len().min(REASON_BYTES)];
                let reason = shown.escape_ascii().to_string().into();
                return Err(ProxyFault::Refused { status: head.status(), reason });
            }
            // no body was asked for before the head
            Event::Body(_) | Event::Complete => return Err(ProxyFault::Closed),
        }
    }
}

/// Of a reason phrase, so much is shown.
const REASON_BYTES: usize = 64;

#[cfg(test)]
mod tests;
