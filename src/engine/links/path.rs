//! What lies between a connection's socket and the messages on it: a tunnel through a proxy, and TLS with either end.
//!
//! Bytes of the wire go in and plaintext comes out, and the other way round. Knows which layers there are, and which of
//! them is being set up. Must not know connections, transfers, sockets or time.
//! Invariants: nothing that is for the origin leaves before all layers stand; of what comes, no more is taken than one
//! record of plaintext of each layer can hold that nobody has read yet; a path that has no layer, or none any more, is two null pointers.

use std::net::IpAddr;

use crate::engine::HttpVersions;
use crate::engine::links::tls::{Queue, TlsSession, no_room, server_name};
use crate::engine::links::tunnel::{Answer, Tunnel};
use crate::engine::pool::key::PoolKey;
use crate::engine::transfers::report::TlsSummary;
use crate::error::{Cause, Phase};
use crate::limits::HttpLimits;
use crate::protocol::ResponseHead;

/// The layers of one connection.
#[derive(Default)]
pub(in crate::engine) struct Path {
    tunnel: Option<Box<Tunnel>>,
    /// With the origin: through the tunnel, if there is one.
    tls: Option<Box<TlsSession>>,
}

/// What of a path is to be set up next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Tunnel,
    Tls,
    /// Nothing: messages may come and go.
    Done,
}

/// What bytes from the wire have led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Step {
    /// Nothing but, perhaps, plaintext.
    Taken,
    /// The tunnel is open.
    TunnelOpen,
    /// The proxy wants to be told who asks: [`Path::ask_again`].
    AskAgain,
    /// The same, but not on this connection.
    AskElsewhere,
}

impl Path {
    /// The layers that lead to an origin. A proxy that looks up no names is given the `address` of the origin's host, and is
    /// `told` who asks if it has asked.
    pub(super) fn new(
        key: &PoolKey,
        versions: HttpVersions,
        address: Option<IpAddr>,
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<Path, (Cause, Phase)> {
        if let Some(via) = key.tunnel() {
            let tunnel = Tunnel::new(via, key, versions, address, told, limits)?;
            return Ok(Path { tunnel: Some(Box::new(tunnel)), tls: None });
        }
        let tls = session(key, versions).map_err(|cause| (cause, Phase::Tls))?;
        Ok(Path { tunnel: None, tls })
    }

    /// Whether what comes from the socket is what the peer has sent, and the other way round.
    #[inline]
    pub(in crate::engine) fn is_bare(&self) -> bool {
        self.tunnel.is_none() && self.tls.is_none()
    }

    pub(in crate::engine) fn has_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    pub(super) fn setup(&self) -> Setup {
        if self.tunnel.as_ref().is_some_and(|tunnel| !tunnel.is_open()) {
            return Setup::Tunnel;
        }
        match &self.tls {
            Some(tls) if tls.is_handshaking() => Setup::Tls,
            Some(_) | None => Setup::Done,
        }
    }

    // in

    /// Takes bytes from the wire; says how many, and what came of them. At least one, unless there is plaintext to be
    /// read, or [`has_more`](Self::has_more). Of a proxy's answer `is_challenged` says whether it asks who asks, and can be
    /// told.
    pub(in crate::engine) fn receive(
        &mut self,
        wire: &[u8],
        is_challenged: &mut dyn FnMut(&ResponseHead<'_>) -> bool,
    ) -> Result<(usize, Step), Cause> {
        let Some(tunnel) = &mut self.tunnel else {
            let Some(tls) = &mut self.tls else { return Ok((0, Step::Taken)) };
            let taken = tls.receive(wire).map_err(Cause::Tls)?;
            return Ok((taken, Step::Taken));
        };
        let (taken, answer) = tunnel.receive(wire, self.tls.as_deref_mut(), is_challenged)?;
        Ok(match answer {
            Answer::More => (taken, Step::Taken),
            Answer::Again => (taken, Step::AskAgain),
            Answer::Elsewhere => (taken, Step::AskElsewhere),
            Answer::Open(_) => {
                self.tls = tunnel.open()?;
                self.tunnel.take_if(|tunnel| tunnel.is_transparent());
                (taken, Step::TunnelOpen)
            }
        })
    }

    /// Whether there is more to come of what the proxy's TLS has decrypted.
    pub(in crate::engine) fn has_more(&self) -> bool {
        let inside = self.tls.is_some() || self.setup() == Setup::Tunnel;
        inside && self.tunnel.as_ref().is_some_and(|tunnel| tunnel.has_plaintext())
    }

    /// The next bytes of messages, lent to whoever reads them, so that the path can do all else meanwhile but receive.
    pub(in crate::engine) fn lend_plaintext(&mut self) -> Queue {
        match (&mut self.tls, &mut self.tunnel) {
            (Some(tls), _) => tls.lend_plaintext(),
            (None, Some(tunnel)) if tunnel.is_open() => tunnel.lend_plaintext(),
            (None, Some(_) | None) => Queue::default(),
        }
    }

    /// What is left of the bytes that were lent.
    pub(in crate::engine) fn give_back(&mut self, plaintext: Queue) {
        match (&mut self.tls, &mut self.tunnel) {
            (Some(tls), _) => tls.give_back(plaintext),
            (None, Some(tunnel)) if tunnel.is_open() => tunnel.give_back(plaintext),
            (None, Some(_) | None) => {}
        }
    }

    /// Whether a layer has said that nothing follows.
    pub(in crate::engine) fn has_ended(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.closed_cleanly())
            || self.tunnel.as_ref().is_some_and(|tunnel| tunnel.has_ended())
    }

    /// Whether the peer has said that nothing follows, as far as there is TLS to say it by.
    pub(in crate::engine) fn closed_cleanly(&self) -> bool {
        match (&self.tls, &self.tunnel) {
            (Some(tls), _) => tls.closed_cleanly(),
            (None, Some(tunnel)) => tunnel.closed_cleanly(),
            (None, None) => true,
        }
    }

    /// Bytes of the origin's TLS that are held since a message has not come whole, beyond a record.
    #[inline]
    pub(in crate::engine) fn unfinished(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.unfinished())
    }

    // out

    /// Whether there are bytes of a layer's own to be sent.
    pub(in crate::engine) fn wants_send(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_send())
            || self.tunnel.as_ref().is_some_and(|tunnel| tunnel.wants_send())
    }

    /// Moves what is to be sent into `out`; returns how much.
    pub(in crate::engine) fn fill(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        match &mut self.tunnel {
            Some(tunnel) => tunnel.fill(self.tls.as_deref_mut(), out),
            None => Ok(self.tls.as_mut().map_or(0, |tls| tls.fill(out))),
        }
    }

    /// Takes all of a message's bytes, at most [`limits::TLS_PLAINTEXT`], of which what is then to be sent has yet to be
    /// filled. For a path that stands.
    pub(in crate::engine) fn write(&mut self, plain: &[u8]) -> Result<(), Cause> {
        let taken = match (&mut self.tls, &mut self.tunnel) {
            (Some(tls), _) => tls.write(plain).map_err(Cause::Tls)?,
            (None, Some(tunnel)) => tunnel.write(plain)?,
            (None, None) => 0,
        };
        match taken == plain.len() {
            true => Ok(()),
            false => Err(Cause::Tls(no_room())),
        }
    }

    /// Bytes that [`fill`](Self::fill) gave are lost: nothing can follow them.
    pub(in crate::engine) fn abandon(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.abandon();
        }
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.abandon();
        }
    }

    /// The alerts with which it ends, as they go to the socket.
    pub(in crate::engine) fn last_words(self) -> Vec<u8> {
        let words = self.tls.map(|mut tls| tls.farewell()).unwrap_or_default();
        match self.tunnel {
            Some(tunnel) => tunnel.last_words(&words),
            None => words,
        }
    }

    // the proxy

    /// Asks a proxy for the tunnel once more, on the same connection, and tells it who asks.
    pub(super) fn ask_again(
        &mut self,
        key: &PoolKey,
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<(), Cause> {
        match &mut self.tunnel {
            Some(tunnel) => tunnel.ask_again(key, told, limits),
            None => Ok(()),
        }
    }

    /// Whether a connection that ends now does so because its proxy has challenged on it.
    pub(in crate::engine) fn ends_after_challenge(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|tunnel| tunnel.ends_after_challenge())
    }

    /// Whether HTTP/2 was agreed on with the origin.
    pub(in crate::engine) fn agrees_on_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.alpn() == Some(b"h2"))
    }

    /// What was agreed on with the origin.
    pub(in crate::engine) fn summary(&self) -> Option<TlsSummary> {
        let tls = self.tls.as_ref()?;
        Some(TlsSummary { version: tls.version()?, resumed: tls.resumed() })
    }
}

/// The session with the origin, if it wants one.
fn session(key: &PoolKey, versions: HttpVersions) -> Result<Option<Box<TlsSession>>, Cause> {
    let Some(policy) = &key.tls else { return Ok(None) };
    let name = server_name(&key.origin.host().to_string());
    let session =
        name.and_then(|name| TlsSession::new(policy, name, |protocol| versions.allow(protocol)));
    session.map(|session| Some(Box::new(session))).map_err(Cause::Tls)
}
