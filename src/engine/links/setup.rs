//! From an open socket to a path that stands: what each step of its layers leads to.
//!
//! Knows which transfer a connection is made for, and what its proxy may be told. Must not know how layers are set up:
//! that is [`Path`]'s.

use std::net::IpAddr;

use crate::engine::Engine;
use crate::engine::dials::route::Via;
use crate::engine::ids::{ConnectionId, OriginId, TransferId};
use crate::engine::links::claim::Claim;
use crate::engine::links::connection::{Connection, Handshaking, Progress, State, Tunnelling};
use crate::engine::links::path::{Path, Setup, Step};
use crate::engine::net::Net;
use crate::engine::pool::PoolOrigin;
use crate::engine::roster::Roster;
use crate::engine::transfers::finish::Stand;
use crate::error::{Cause, Phase};
use crate::limits;
use crate::protocol::{Origin, ProxyProtocol};
use crate::time::Time;

impl Engine {
    /// Does what a step of a connection's path asks for. False if the connection goes on no further.
    pub(in crate::engine) fn take_step(&mut self, id: ConnectionId, step: Step) -> bool {
        match step {
            Step::Taken => self.roster.note_handshake(&mut self.net, id),
            Step::TunnelOpen => self.roster.enter_tunnel(&mut self.net, id),
            Step::AskAgain => match self.roster.tell_proxy(&mut self.net, id) {
                Ok(()) => {}
                Err(cause) => self.fail_link(id, cause, None),
            },
            Step::AskElsewhere => self.tunnel_elsewhere(id),
        }
        self.net.pool.connections.get(id).is_some()
    }

    /// A proxy that has challenged is asked on another connection. How often is bounded as challenges are.
    #[cold]
    pub(in crate::engine) fn tunnel_elsewhere(&mut self, id: ConnectionId) {
        let Some((Claim { transfer, .. }, _)) = self.roster.end_tunnelling(&mut self.net, id)
        else {
            return;
        };
        self.roster.count_wire(&mut self.net, transfer, Stand::Opening(id));
        self.net.close(id);
        self.relaunch(transfer);
    }
}

impl Roster {
    /// Asks a proxy for the tunnel once more, on the same connection, and tells it who asks.
    fn tell_proxy(&mut self, net: &mut Net, id: ConnectionId) -> Result<(), Cause> {
        net.note_progress(id);
        let Some(connection) = net.pool.connections.get(id) else { return Ok(()) };
        let Some(claim) = connection.claim() else { return Ok(()) };
        let (origin, transfer, limits) = (connection.origin, claim.transfer, claim.options.http);
        let told = self.introduction(net, origin, transfer);
        let Some(key) = net.pool.get(origin).map(|origin| origin.key.clone()) else {
            return Ok(());
        };
        let Some(connection) = net.pool.connections.get_mut(id) else { return Ok(()) };
        connection.path.ask_again(&key, told.as_deref(), &limits)?;
        net.touch(id);
        Ok(())
    }

    /// What the proxy of a tunnel is told of who asks, if it has asked.
    pub(in crate::engine) fn introduction(
        &mut self,
        net: &mut Net,
        origin: OriginId,
        transfer: TransferId,
    ) -> Option<Vec<u8>> {
        let key = &net.pool.get(origin)?.key;
        let via = key.tunnel()?;
        self.transfers.get_mut(transfer)?.introduce(
            via,
            &key.tunnelled(),
            &mut self.common.knowledge,
        )
    }

    /// A connection's socket is connected, or a layer of its path stands: the next is set up, or else its transfer's
    /// exchange begins.
    #[inline(always)]
    pub(in crate::engine) fn set_up(
        &mut self,
        net: &mut Net,
        id: ConnectionId,
        claim: Claim,
        since: Time,
    ) {
        let now = net.now;
        let Some(connection) = net.pool.connections.get_mut(id) else { return };
        connection.state = match connection.path.setup() {
            Setup::Tunnel => {
                let progress = Progress::begun(since);
                State::Tunnelling(Tunnelling { claim, connected: now, progress })
            }
            Setup::Tls => {
                let progress = Progress::begun(now);
                State::Handshaking(Handshaking { claim, since: now, progress })
            }
            Setup::Done if connection.is_dialed => return self.stand(net, id, claim),
            Setup::Done => return self.begin(net, id, claim.transfer),
        };
        net.note_progress(id);
        net.touch(id);
    }

    /// Starts the exchange once the handshake is done.
    fn note_handshake(&mut self, net: &mut Net, id: ConnectionId) {
        let Some(connection) = net.pool.connections.get_mut(id) else { return };
        let is_done = connection.path.setup() != Setup::Tls;
        let Handshaking { claim, since, .. } = match &mut connection.state {
            state @ State::Handshaking(_) if is_done => match std::mem::replace(state, State::Free)
            {
                State::Handshaking(state) => state,
                _ => unreachable!("it was looked at"),
            },
            State::Handshaking(_) | State::Tunnelling(_) => return net.note_progress(id),
            State::Connecting(_)
            | State::Exchanging(_)
            | State::Multiplexed(_)
            | State::Free
            | State::Idle(_)
            | State::Names(_) => return,
        };
        if let Some(transfer) = self.transfers.get_mut(claim.transfer) {
            transfer.spent.tls += net.now.nanos_since(since.max(transfer.since));
        }
        self.stand(net, id, claim);
    }

    /// The tunnel is open: the connection goes on as if it had just been connected.
    fn enter_tunnel(&mut self, net: &mut Net, id: ConnectionId) {
        let Some((claim, since)) = self.end_tunnelling(net, id) else { return };
        self.set_up(net, id, claim, since);
    }

    /// Counts the time that a tunnel has taken. For which transfer, and since when it was connected to.
    fn end_tunnelling(&mut self, net: &mut Net, id: ConnectionId) -> Option<(Claim, Time)> {
        let state = &mut net.pool.connections.get_mut(id)?.state;
        let State::Tunnelling(_) = state else { return None };
        let State::Tunnelling(Tunnelling { claim, connected, progress }) =
            std::mem::replace(state, State::Free)
        else {
            unreachable!("it was looked at")
        };
        if let Some(transfer) = self.transfers.get_mut(claim.transfer) {
            transfer.spent.proxy += net.now.nanos_since(connected.max(transfer.since));
        }
        Some((claim, progress.since))
    }
}

impl Net {
    /// Gives a connection what is between its socket and the messages on it. A proxy is `told` who asks
    /// if it has asked for that.
    pub(in crate::engine) fn equip(
        &self,
        connection: &mut Connection,
        origin: &PoolOrigin,
        told: Option<&[u8]>,
    ) -> Result<(), (Cause, Phase)> {
        let key = &origin.key;
        if key.via.is_none() && key.tls.is_none() {
            // as most plaintext goes: the path is bare
            return Ok(());
        }
        let Some(limits) = connection.claim().map(|claim| claim.options.http) else {
            return Ok(());
        };
        let address = match key.tunnel() {
            Some(via) => self.address_for(via, &key.tunnelled()),
            None => Ok(None),
        };
        let address = address.map_err(|cause| (cause, Phase::Proxy))?;
        connection.forwarder = key.forwarder().cloned();
        connection.path = Path::new(key, origin.offers(), address, told, &limits)?;
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
}

impl Net {
    /// A layer has taken a step. Where that is told long after it was to be complete, nobody has looked meanwhile, and it
    /// gets as much more time.
    fn note_progress(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        let at = connection.step_due().at;
        let is_late = at != Time::NEVER && at + limits::OVERSLEPT <= now;
        if let Some(progress) = connection.progress_mut() {
            if is_late {
                progress.since = progress.since + now.since(progress.moved);
            }
            progress.moved = now;
        }
    }
}
