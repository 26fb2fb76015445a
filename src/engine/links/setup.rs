//! From an open socket to a path that stands: what each step of its layers leads to.
//!
//! Knows which transfer a connection is made for, and what its proxy may be told. Must not know how layers are set up:
//! that is [`Path`]'s.

use std::net::IpAddr;

use crate::engine::dials::route::Via;
use crate::engine::links::connection::{Connection, Handshaking, Progress, State, Tunnelling};
use crate::engine::links::path::{Path, Setup, Step};
use crate::engine::pool::{OriginId, PoolOrigin};
use crate::engine::transfers::finish::Stand;
use crate::engine::{ConnectionId, Engine, TransferId};
use crate::error::{Cause, Phase};
use crate::limits;
use crate::protocol::{Origin, ProxyProtocol};
use crate::time::Time;

impl Engine {
    /// Gives a connection what is between its socket and the messages on it. A proxy is `told` who asks
    /// if it has asked for that.
    pub(in crate::engine) fn equip(
        &self,
        connection: &mut Connection,
        origin: &PoolOrigin,
        transfer: TransferId,
        told: Option<&[u8]>,
    ) -> Result<(), (Cause, Phase)> {
        let key = &origin.key;
        if key.via.is_none() && key.tls.is_none() {
            // as most plaintext goes: the path is bare
            return Ok(());
        }
        let Some(transfer) = self.transfers.get(transfer) else { return Ok(()) };
        let address = match key.tunnel() {
            Some(via) => self.address_for(via, &key.tunnelled()),
            None => Ok(None),
        };
        let address = address.map_err(|cause| (cause, Phase::Proxy))?;
        connection.forwarder = key.forwarder().cloned();
        connection.path =
            Path::new(key, origin.offers(), address, told, &transfer.request.options.http)?;
        Ok(())
    }

    /// The address of a tunnel's target, for a proxy that cannot be given its name.
    fn address_for(&self, via: &Via, target: &Origin) -> Result<Option<IpAddr>, Cause> {
        let protocol = via.proxy.protocol();
        if !protocol.wants_address() {
            return Ok(None);
        }
        let Some(known) = self.resolver.known(target.host(), target.port(), self.now) else {
            return Ok(None);
        };
        let allowed = || known.iter().filter(|&&ip| self.check_address(ip).is_ok());
        let fits = |ip: &&IpAddr| protocol != ProxyProtocol::Socks4 || ip.is_ipv4();
        match (allowed().find(fits).or(allowed().next()), known.first()) {
            (None, Some(&denied)) => self.check_address(denied).map(|()| None),
            (address, _) => Ok(address.copied()),
        }
    }

    /// What the proxy of a tunnel is told of who asks, if it has asked.
    pub(in crate::engine) fn introduction(
        &mut self,
        origin: OriginId,
        transfer: TransferId,
    ) -> Option<Vec<u8>> {
        let key = &self.pool.get(origin)?.key;
        let via = key.tunnel()?;
        self.transfers.get_mut(transfer)?.introduce(via, &key.tunnelled(), &mut self.common.keeper)
    }

    /// A connection's socket is connected, or a layer of its path stands: the next is set up, or else its transfer's
    /// exchange begins.
    #[inline(always)]
    pub(in crate::engine) fn set_up(
        &mut self,
        id: ConnectionId,
        transfer: TransferId,
        since: Time,
    ) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        connection.state = match connection.path.setup() {
            Setup::Tunnel => {
                let progress = Progress::begun(since);
                State::Tunnelling(Tunnelling { transfer, connected: now, progress })
            }
            Setup::Tls => {
                let progress = Progress::begun(now);
                State::Handshaking(Handshaking { transfer, since: now, progress })
            }
            Setup::Done if connection.is_dialed => return self.stand(id, transfer),
            Setup::Done => return self.begin(id, transfer),
        };
        self.note_progress(id);
        self.touch(id);
    }

    /// A layer has taken a step. Where that is told long after it was to be complete, nobody has looked meanwhile, and it
    /// gets as much more time.
    fn note_progress(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get(id) else { return };
        let transfer = connection.opens_for().and_then(|id| self.transfers.get(id));
        let at = transfer.map_or(Time::NEVER, |transfer| connection.setup_due(transfer).at);
        let is_late = at != Time::NEVER && at + limits::OVERSLEPT <= now;
        let connection = self.pool.connections.get_mut(id);
        if let Some(progress) = connection.and_then(Connection::progress_mut) {
            if is_late {
                progress.since = progress.since + now.since(progress.moved);
            }
            progress.moved = now;
        }
    }

    /// Does what a step of a connection's path asks for. False if the connection goes on no further.
    pub(in crate::engine) fn take_step(&mut self, id: ConnectionId, step: Step) -> bool {
        match step {
            Step::Taken => self.note_handshake(id),
            Step::TunnelOpen => self.enter_tunnel(id),
            Step::AskAgain => self.tell_proxy(id),
            Step::AskElsewhere => self.tunnel_elsewhere(id),
        }
        self.pool.connections.get(id).is_some()
    }

    /// Starts the exchange once the handshake is done.
    fn note_handshake(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get(id) else { return };
        let (transfer, since) = match &connection.state {
            State::Handshaking(state) if connection.path.setup() != Setup::Tls => {
                (state.transfer, state.since)
            }
            State::Handshaking(_) | State::Tunnelling(_) => return self.note_progress(id),
            State::Connecting(_)
            | State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => return,
        };
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.spent.tls += self.now.nanos_since(since);
        }
        self.stand(id, transfer);
    }

    /// The tunnel is open: the connection goes on as if it had just been connected.
    fn enter_tunnel(&mut self, id: ConnectionId) {
        let Some((transfer, since)) = self.end_tunnelling(id) else { return };
        self.set_up(id, transfer, since);
    }

    /// A proxy that has challenged is asked on another connection. How often is bounded as challenges are.
    #[cold]
    pub(in crate::engine) fn tunnel_elsewhere(&mut self, id: ConnectionId) {
        let Some((transfer, _)) = self.end_tunnelling(id) else { return };
        self.count_wire(transfer, Stand::Opening(id));
        self.close(id);
        self.relaunch(transfer);
    }

    /// Counts the time that a tunnel has taken. For which transfer, and since when it was connected to.
    fn end_tunnelling(&mut self, id: ConnectionId) -> Option<(TransferId, Time)> {
        let connection = self.pool.connections.get(id)?;
        let State::Tunnelling(Tunnelling { transfer, connected, progress }) = connection.state
        else {
            return None;
        };
        if let Some(transfer) = self.transfers.get_mut(transfer) {
            transfer.spent.proxy += self.now.nanos_since(connected);
        }
        Some((transfer, progress.since))
    }

    /// Asks a proxy for the tunnel once more, on the same connection, and tells it who asks.
    fn tell_proxy(&mut self, id: ConnectionId) {
        self.note_progress(id);
        let Some(connection) = self.pool.connections.get(id) else { return };
        let (origin, transfer) = (connection.origin, connection.opens_for());
        let Some(transfer) = transfer else { return };
        let told = self.introduction(origin, transfer);
        let limits = self.transfers.get(transfer).map(|it| it.request.options.http);
        let key = self.pool.get(origin).map(|origin| origin.key.clone());
        let (Some(limits), Some(key)) = (limits, key) else { return };
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        match connection.path.ask_again(&key, told.as_deref(), &limits) {
            Ok(()) => self.touch(id),
            Err(cause) => self.fail_link(id, cause, None),
        }
    }
}
