//! Tunnels: connections through a proxy that passes bytes on without reading them.
//!
//! Knows how a tunnel is opened, and the proxy's own TLS around it. Must not know what goes through it.
//! Invariants: no byte that is for the origin leaves before the tunnel is open.

mod answer;
mod handshake;
mod socks4;
mod socks5;

use std::net::IpAddr;

use handshake::Handshake;
use rustls::pki_types::ServerName;

use crate::engine::HttpVersions;
use crate::engine::dials::route::Via;
use crate::engine::links::tls::{Queue, TlsSession, no_room, server_name};
use crate::engine::pool::key::PoolKey;
use crate::error::{Cause, Phase, TlsFault};
use crate::limits::{self, HttpLimits};
use crate::protocol::ResponseHead;
use crate::tls::TlsPolicy;

pub(super) use answer::Answer;

/// The tunnel of a connection, as long as there is something to do for it.
pub(super) struct Tunnel {
    /// The session with the proxy itself.
    outer: Option<TlsSession>,
    /// Until the tunnel is open.
    opening: Option<Opening>,
}

struct Opening {
    handshake: Handshake,
    /// Who is spoken to over TLS when the tunnel is open.
    inner: Option<Inner>,
}

struct Inner {
    policy: TlsPolicy,
    name: ServerName<'static>,
    versions: HttpVersions,
}

impl Tunnel {
    /// A tunnel to be opened to the target of `key`; `address` is that of the target's host, for a proxy that looks
    /// up no names. One that has asked is `told` who asks.
    pub(super) fn new(
        via: &Via,
        key: &PoolKey,
        versions: HttpVersions,
        address: Option<IpAddr>,
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<Tunnel, (Cause, Phase)> {
        let target = key.tunnelled();
        let handshake = Handshake::new(&via.proxy, &target, address, &via.fields, told, limits);
        let handshake = handshake.map_err(|fault| (Cause::Proxy(fault), Phase::Proxy))?;
        let inner = match &key.tls {
            None => None,
            Some(policy) => {
                let name = server_name(&key.origin.host().to_string());
                let name = name.map_err(|fault| (Cause::Tls(fault), Phase::Tls))?;
                Some(Inner { policy: policy.clone(), name, versions })
            }
        };
        let outer = match &via.tls {
            None => None,
            Some(policy) => {
                let name = server_name(&via.proxy.host().to_string());
                let wanted = |protocol: &[u8]| HttpVersions::Http1.allow(protocol);
                let session = name.and_then(|name| TlsSession::new(policy, name, wanted));
                Some(session.map_err(|fault| (of_proxy(fault), Phase::Proxy))?)
            }
        };
        Ok(Tunnel { outer, opening: Some(Opening { handshake, inner }) })
    }

    /// Whether it is open for the origin's bytes.
    pub(super) fn is_open(&self) -> bool {
        self.opening.is_none()
    }

    /// Whether bytes pass as they are: it is open, and the proxy's TLS is not around it.
    pub(super) fn is_transparent(&self) -> bool {
        self.is_open() && self.outer.is_none()
    }

    /// The proxy has opened it. What goes through it is TLS if the origin wants that.
    pub(super) fn open(&mut self) -> Result<Option<Box<TlsSession>>, Cause> {
        let Some(inner) = self.opening.take().and_then(|opening| opening.inner) else {
            return Ok(None);
        };
        let session = {
            let versions = inner.versions;
            TlsSession::new(&inner.policy, inner.name, |protocol| versions.allow(protocol))
        };
        session.map(|session| Some(Box::new(session))).map_err(Cause::Tls)
    }

    /// Takes bytes from the socket, and passes on what comes through to `inner`. Says how many were taken, and what the
    /// proxy has answered by them.
    pub(super) fn receive(
        &mut self,
        wire: &[u8],
        inner: Option<&mut TlsSession>,
        is_challenged: &mut dyn FnMut(&ResponseHead<'_>) -> bool,
    ) -> Result<(usize, Answer), Cause> {
        let Some(outer) = &mut self.outer else {
            let Some(opening) = &mut self.opening else { return Ok((0, Answer::More)) };
            let answer = opening.handshake.read(wire, is_challenged).map_err(Cause::Proxy)?;
            let taken = if let Answer::Open(taken) = answer { taken } else { wire.len() };
            return Ok((taken, answer));
        };
        let taken = outer.receive(wire).map_err(of_proxy)?;
        let mut plain = outer.lend_plaintext();
        let passed = match (&mut self.opening, inner) {
            _ if plain.front().is_empty() => Ok((0, Answer::More)),
            (Some(opening), _) => opening
                .handshake
                .read(plain.front(), is_challenged)
                .map(|answer| {
                    let taken =
                        if let Answer::Open(taken) = answer { taken } else { plain.front().len() };
                    (taken, answer)
                })
                .map_err(Cause::Proxy),
            (None, Some(inner)) => {
                let passed = inner.receive(plain.front());
                passed.map(|taken| (taken, Answer::More)).map_err(Cause::Tls)
            }
            (None, None) => Ok((0, Answer::More)),
        };
        let (passed, answer) = passed?;
        plain.consume(passed);
        outer.give_back(plain);
        Ok((taken, answer))
    }

    /// Whether anything waits that the proxy's TLS has decrypted.
    pub(super) fn has_plaintext(&self) -> bool {
        self.outer.as_ref().is_some_and(TlsSession::has_plaintext)
    }

    /// As [`TlsSession::lend_plaintext`], for what comes through without TLS of the origin's.
    pub(super) fn lend_plaintext(&mut self) -> Queue {
        self.outer.as_mut().map(TlsSession::lend_plaintext).unwrap_or_default()
    }

    pub(super) fn give_back(&mut self, plaintext: Queue) {
        if let Some(outer) = &mut self.outer {
            outer.give_back(plaintext);
        }
    }

    /// Whether the proxy is to be told something.
    pub(super) fn wants_send(&self) -> bool {
        let opening = self.opening.as_ref().is_some_and(|opening| opening.handshake.wants_send());
        self.outer.as_ref().is_some_and(TlsSession::wants_send) || (opening && self.passes())
    }

    /// Whether what is put in goes to the proxy.
    fn passes(&self) -> bool {
        self.outer.as_ref().is_none_or(|outer| !outer.is_handshaking())
    }

    /// Fills `out` with what opens it, and with what `inner` has to send.
    pub(super) fn fill(
        &mut self,
        mut inner: Option<&mut TlsSession>,
        out: &mut [u8],
    ) -> Result<usize, Cause> {
        let Tunnel { outer, opening } = self;
        let mut next = |out: &mut [u8]| match (&mut *opening, &mut inner) {
            (Some(opening), _) => opening.handshake.fill(out),
            (None, Some(inner)) => inner.fill(out),
            (None, None) => 0,
        };
        let Some(outer) = outer else { return Ok(next(out)) };
        let mut filled = outer.fill(out);
        let mut plain = Vec::new();
        while filled < out.len() && !outer.is_handshaking() {
            plain.resize(limits::TLS_PLAINTEXT, 0);
            let inside = next(&mut plain);
            if inside == 0 {
                break;
            }
            let taken = outer.write(&plain[..inside]).map_err(of_proxy)?;
            if taken < inside {
                return Err(of_proxy(no_room()));
            }
            filled += outer.fill(&mut out[filled..]);
        }
        Ok(filled)
    }

    /// As [`TlsSession::write`], for what goes through without TLS of the origin's.
    pub(super) fn write(&mut self, plain: &[u8]) -> Result<usize, Cause> {
        self.outer.as_mut().map_or(Ok(0), |outer| outer.write(plain).map_err(of_proxy))
    }

    /// As [`TlsSession::abandon`].
    pub(super) fn abandon(&mut self) {
        if let Some(outer) = &mut self.outer {
            outer.abandon();
        }
    }

    /// Whether the proxy's TLS has said that nothing follows.
    pub(super) fn has_ended(&self) -> bool {
        self.outer.as_ref().is_some_and(TlsSession::closed_cleanly)
    }

    /// Whether the proxy's TLS, if there is any, said that nothing follows.
    pub(super) fn closed_cleanly(&self) -> bool {
        self.outer.as_ref().is_none_or(TlsSession::closed_cleanly)
    }

    /// The last words for the origin, and after them those for the proxy, as they go to the socket.
    pub(super) fn last_words(mut self, words: &[u8]) -> Vec<u8> {
        let Some(outer) = &mut self.outer else { return words.to_vec() };
        if self.opening.is_none() && !words.is_empty() {
            // if they are lost, the end of the connection says it
            let _ = outer.write(words);
        }
        outer.farewell()
    }

    /// Asks the proxy once more, on the same connection, and tells it who asks.
    pub(super) fn ask_again(
        &mut self,
        key: &PoolKey,
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<(), Cause> {
        let (Some(via), Some(opening)) = (key.tunnel(), &mut self.opening) else { return Ok(()) };
        let asked =
            opening.handshake.ask_again(&via.proxy, &key.tunnelled(), &via.fields, told, limits);
        asked.map_err(Cause::Proxy)
    }

    /// Whether a connection that ends now does so because its proxy has challenged on it.
    pub(super) fn ends_after_challenge(&self) -> bool {
        self.opening.as_ref().is_some_and(|opening| opening.handshake.ends_after_challenge())
    }
}

fn of_proxy(fault: TlsFault) -> Cause {
    Cause::Tls(fault.of_proxy())
}
