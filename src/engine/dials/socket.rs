//! How the socket of a connection is opened: to where, and from where.

use std::net::{IpAddr, SocketAddr};

use crate::dial::{Dial, Remote};
use crate::engine::ids::OriginId;
use crate::engine::links::connection::Connection;
use crate::engine::net::Net;
use crate::error::Cause;

impl Net {
    /// Whether a connection's peer has no address.
    pub(in crate::engine) fn is_unix(&self, connection: &Connection) -> bool {
        let way = self.pool.get(connection.origin).and_then(|origin| origin.key.way.as_ref());
        way.is_some_and(|way| way.unix.is_some())
    }

    /// Whether the kernel would know where an address is: one of a link is on one of its interfaces alone, which the host's
    /// zone or the way there says.
    pub(super) fn check_zone(&self, origin: OriginId, address: IpAddr) -> Result<(), Cause> {
        let IpAddr::V6(ip) = address else { return Ok(()) };
        if !ip.is_unicast_link_local() {
            return Ok(());
        }
        let Dial { remote, bind, .. } = self.dial_to(origin, SocketAddr::new(address, 0));
        let has_zone = match remote {
            Remote::Ip(SocketAddr::V6(address)) => address.scope_id() != 0,
            Remote::Ip(SocketAddr::V4(_)) | Remote::Unix(_) => true,
        };
        let has_device = bind.is_some_and(|bind| bind.device.is_some());
        if has_zone || has_device { Ok(()) } else { Err(Cause::NoZone { address: ip }) }
    }

    /// How a connection of this origin to one of its addresses is opened.
    pub(super) fn dial_to(&self, origin: OriginId, mut address: SocketAddr) -> Dial {
        let Some(key) = self.pool.get(origin).map(|origin| &origin.key) else {
            return Dial::tcp(address);
        };
        let (host, _) = key.peer();
        // of an address that was fixed for it the system chooses the interface
        if let SocketAddr::V6(address) = &mut address
            && host.ip() == Some((*address.ip()).into())
        {
            address.set_scope_id(host.scope());
        }
        match key.way.as_deref() {
            None => Dial::tcp(address),
            Some(way) => way.dial(address, self.stats.opened),
        }
    }
}
