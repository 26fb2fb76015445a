//! Tunnels: connections through a proxy that passes bytes on without reading them.
//!
//! Knows how a tunnel is opened, and the proxy's own TLS around it. Must not know what goes through it:
//! from the tunnel's opening on, what comes out of it is taken as what comes from a socket is elsewhere.
//! Invariants: no byte that is for the origin leaves before the tunnel is open; a connection without
//! tunnel has a null pointer of this, and so has one whose tunnel is open and has no TLS of the proxy's.

mod handshake;
mod socks4;
mod socks5;

use std::net::IpAddr;

use super::connection::{Handshaking, State, Tunnelling};
use super::route::Via;
use super::tls::{TlsFault, TlsSession, server_name};
use super::{ConnectionId, Engine};
use crate::error::Cause;
use crate::http::Origin;
use crate::limits::{self, HttpLimits};

use handshake::{Answer, Handshake};

/// The tunnel of a connection, as long as there is something to do for it.
pub(super) struct Tunnel {
    /// The session with the proxy itself.
    outer: Option<TlsSession>,
    /// Until the tunnel is open.
    handshake: Option<Handshake>,
}

impl Tunnel {
    /// A tunnel to be opened to `target`; `address` is that of the target's host, for a proxy that looks
    /// up no names. One that has asked is `told` who asks.
    pub(super) fn new(
        via: &Via,
        target: &Origin,
        address: Option<IpAddr>,
        told: Option<&[u8]>,
        limits: &HttpLimits,
    ) -> Result<Tunnel, Cause> {
        let handshake = Handshake::new(&via.proxy, target, address, &via.fields, told, limits);
        let handshake = Some(handshake.map_err(Cause::Proxy)?);
        let outer = match &via.tls {
            None => None,
            Some(policy) => {
                let name = server_name(&via.proxy.host().to_string());
                let session = name.and_then(|name| TlsSession::new(policy, name));
                Some(session.map_err(|fault| of_proxy(&fault))?)
            }
        };
        Ok(Tunnel { outer, handshake })
    }

    /// Whether the proxy is to be told something.
    pub(super) fn wants_send(&self) -> bool {
        let handshake = self.handshake.as_ref().is_some_and(Handshake::wants_send);
        self.outer.as_ref().is_some_and(TlsSession::wants_send) || (handshake && self.passes())
    }

    /// Whether it is open for the origin's bytes.
    pub(super) fn is_open(&self) -> bool {
        self.handshake.is_none()
    }

    /// Whether the proxy's TLS, if there is any, said that nothing follows.
    pub(super) fn closed_cleanly(&self) -> bool {
        self.outer.as_ref().is_none_or(TlsSession::closed_cleanly)
    }

    /// The last words for the origin, and after them those for the proxy, as they go to the socket.
    pub(super) fn last_words(mut self, words: &[u8]) -> Vec<u8> {
        let Some(outer) = &mut self.outer else { return Vec::new() };
        if self.handshake.is_none() && !words.is_empty() {
            // if they are lost, the end of the connection says it
            let _ = outer.write(words);
        }
        outer.close();
        let mut words = vec![0; limits::LAST_WORDS];
        let length = outer.fill(&mut words);
        words.truncate(length);
        words
    }

    /// Whether what is put in goes to the proxy.
    fn passes(&self) -> bool {
        self.outer.as_ref().is_none_or(|outer| !outer.is_handshaking())
    }
}

impl Engine {
    /// Fills `out` with what goes through a connection's tunnel, and what opens it.
    #[cold]
    pub(super) fn fill_tunnel(&mut self, id: ConnectionId, out: &mut [u8]) -> Result<usize, Cause> {
        let Some(connection) = self.pool.connections.get_mut(id) else { return Ok(0) };
        if matches!(&connection.state, State::Connecting(state) if state.races) {
            // one proxy is asked, once it is known which
            return Ok(0);
        }
        let Some(mut tunnel) = connection.tunnel.take() else { return Ok(0) };
        // without it, the connection gives what is to go through it
        let filled = self.fill_through(id, &mut tunnel, out);
        if let Some(connection) = self.pool.connections.get_mut(id) {
            connection.tunnel = Some(tunnel);
        }
        filled
    }

    fn fill_through(
        &mut self,
        id: ConnectionId,
        tunnel: &mut Tunnel,
        out: &mut [u8],
    ) -> Result<usize, Cause> {
        let Tunnel { outer, handshake } = tunnel;
        let Some(outer) = outer else {
            return Ok(handshake.as_mut().map_or(0, |handshake| handshake.fill(out)));
        };
        let mut filled = outer.fill(out);
        let mut plain = Vec::new();
        while filled < out.len() && !outer.is_handshaking() {
            plain.resize(limits::TLS_PLAINTEXT, 0);
            let inside = match handshake {
                Some(handshake) => Ok(handshake.fill(&mut plain)),
                None if self.wants_send(id) => self.try_fill(id, &mut plain),
                None => Ok(0),
            };
            if inside.is_err() && filled > 0 {
                outer.abandon();
            }
            let inside = inside?;
            if inside == 0 {
                break;
            }
            let taken = outer.write(&plain[..inside]).map_err(|fault| of_proxy(&fault))?;
            if taken < inside {
                return Err(Cause::Tls("the session with the proxy takes no more".to_owned()));
            }
            filled += outer.fill(&mut out[filled..]);
        }
        Ok(filled)
    }

    /// Takes bytes from the socket of a connection that has a tunnel.
    #[cold]
    pub(super) fn take_tunnel(&mut self, id: ConnectionId, wire: &[u8]) {
        if self.outer(id).is_none() {
            return self.take_from_proxy(id, wire);
        }
        let mut taken = 0;
        while let Some(outer) = self.outer(id) {
            let mut plain = outer.lend_plaintext();
            let length = plain.front().len();
            if length > 0 {
                self.take_from_proxy(id, plain.front());
            }
            plain.consume(length);
            let Some(outer) = self.outer(id) else { return };
            outer.give_back(plain);
            if taken == wire.len() {
                break;
            }
            match outer.receive(&wire[taken..]) {
                Ok(more) => taken += more,
                Err(fault) => return self.fail(id, of_proxy(&fault), None),
            }
        }
        match self.outer(id) {
            Some(outer) if outer.closed_cleanly() => self.handle_end(id),
            _ => self.touch(id),
        }
    }

    /// Takes bytes that the proxy sent: its answer, then what comes through the tunnel.
    fn take_from_proxy(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let transfer = connection.transfer();
        let handshake = connection.tunnel.as_mut().and_then(|tunnel| tunnel.handshake.as_mut());
        let Some(handshake) = handshake else { return self.take_inside(id, bytes) };
        let transfer = transfer.and_then(|transfer| self.transfers.get_mut(transfer));
        let Some(transfer) = transfer else { return };
        let answer = handshake.read(bytes, &mut |head| {
            let is_challenged = transfer.is_challenged_by_proxy(head, &mut self.keeper);
            self.stats.challenges += u64::from(is_challenged);
            is_challenged
        });
        match answer {
            Ok(Answer::More) => self.touch(id),
            Ok(Answer::Again) => self.tell_proxy(id),
            Ok(Answer::Elsewhere) => self.tunnel_elsewhere(id),
            Ok(Answer::Open(taken)) => {
                self.enter_tunnel(id);
                if taken < bytes.len() {
                    self.take_inside(id, &bytes[taken..]);
                }
            }
            Err(fault) => self.fail(id, Cause::Proxy(fault), None),
        }
    }

    /// Asks a proxy for the tunnel once more, on the same connection, and tells it who asks.
    fn tell_proxy(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let (origin, transfer) = (connection.origin, connection.transfer());
        let Some(key) = self.pool.get(origin).map(|origin| origin.key.clone()) else { return };
        let transfer = transfer.and_then(|transfer| self.transfers.get_mut(transfer));
        let (Some(via), Some(transfer)) = (key.tunnel(), transfer) else { return };
        let told = transfer.introduce(via, &key.origin, &mut self.keeper);
        let limits = transfer.request.options.http;
        let Some(handshake) = self.handshake(id) else { return };
        match handshake.ask_again(&via.proxy, &key.origin, &via.fields, told.as_deref(), &limits) {
            Ok(()) => self.touch(id),
            Err(fault) => self.fail(id, Cause::Proxy(fault), None),
        }
    }

    /// Whether a connection that ends now does so because its proxy has challenged on it.
    pub(super) fn ends_after_challenge(&mut self, id: ConnectionId) -> bool {
        self.handshake(id).is_some_and(|handshake| handshake.ends_after_challenge())
    }

    /// A proxy that has challenged is asked on another connection. How often is bounded as challenges are.
    #[cold]
    pub(super) fn tunnel_elsewhere(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let State::Tunnelling(Tunnelling { transfer, connected, .. }) = connection.state else {
            return;
        };
        self.count_wire(transfer, id);
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.spent.proxy += self.now.nanos_since(connected);
        }
        self.close(id);
        self.relaunch(transfer);
    }

    /// The tunnel is open: the connection goes on as if it had just been connected.
    fn enter_tunnel(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let State::Tunnelling(Tunnelling { transfer, connected, .. }) = connection.state else {
            return;
        };
        connection.tunnel.take_if(|tunnel| tunnel.outer.is_none());
        if let Some(tunnel) = &mut connection.tunnel {
            tunnel.handshake = None;
        }
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.spent.proxy += now.nanos_since(connected);
        }
        match self.inner_session(id) {
            Ok(None) => self.begin(id, transfer),
            Ok(session @ Some(_)) => {
                let Some(connection) = self.pool.connections.get_mut(id) else { return };
                connection.tls = session;
                connection.state = State::Handshaking(Handshaking { transfer, since: now });
                self.touch(id);
            }
            Err(fault) => self.fail(id, Cause::Tls(fault.to_string()), None),
        }
    }

    /// The session with the origin, if it wants one.
    fn inner_session(&self, id: ConnectionId) -> Result<Option<Box<TlsSession>>, TlsFault> {
        let origin = self.pool.connections.get(id).and_then(|c| self.pool.get(c.origin));
        let Some(key) = origin.map(|origin| &origin.key) else { return Ok(None) };
        let Some(policy) = &key.tls else { return Ok(None) };
        let name = server_name(&key.origin.host().to_string())?;
        TlsSession::new(policy, name).map(|session| Some(Box::new(session)))
    }

    fn handshake(&mut self, id: ConnectionId) -> Option<&mut Handshake> {
        self.pool.connections.get_mut(id)?.tunnel.as_mut()?.handshake.as_mut()
    }

    fn outer(&mut self, id: ConnectionId) -> Option<&mut TlsSession> {
        self.pool.connections.get_mut(id)?.tunnel.as_mut()?.outer.as_mut()
    }
}

fn of_proxy(fault: &TlsFault) -> Cause {
    Cause::Tls(format!("with the proxy: {fault}"))
}
