//! That addresses are looked at before they are tried.

use std::net::IpAddr;

use crate::engine::ids::TransferId;
use crate::engine::net::Net;
use crate::engine::pool::key::PoolKey;
use crate::engine::roster::Roster;
use crate::error::Cause;
use crate::protocol::Host;

impl Roster {
    /// Why a transfer whose turn it is may not go on, if it would have a proxy connect where we may not. A transfer that goes
    /// straight is checked at its connects.
    #[inline]
    pub(in crate::engine) fn refusal(&self, net: &Net, id: TransferId) -> Option<Cause> {
        net.config.address_policy.as_ref()?;
        self.refusal_of_proxied(net, id)
    }

    #[cold]
    fn refusal_of_proxied(&self, net: &Net, id: TransferId) -> Option<Cause> {
        let transfer = self.transfers.get(id)?;
        let key = &net.pool.get(transfer.origin)?.key;
        // a tunnel may lead elsewhere than to who is asked
        let target = match key.tunnel() {
            Some(_) => key.target().0,
            None => transfer.request.head.origin().host(),
        };
        net.check_proxied(key, target).err()
    }
}

impl Net {
    /// Whether an address may be connected to.
    #[inline]
    pub(in crate::engine) fn check_address(&self, address: IpAddr) -> Result<(), Cause> {
        match &self.config.address_policy {
            None => Ok(()),
            Some(policy) => policy
                .check(address)
                .map_err(|why| Cause::Denied { address: Some(address), why: why.into() }),
        }
    }

    fn check_proxied(&self, key: &PoolKey, target: &Host) -> Result<(), Cause> {
        let (Some(via), Some(policy)) = (&key.via, &self.config.address_policy) else {
            return Ok(());
        };
        match target.ip() {
            Some(ip) => self.check_address(ip),
            // the address that it is given is checked
            None if via.proxy.protocol().wants_address() || policy.proxies_resolve => Ok(()),
            None => {
                let why =
                    "the proxy would look the name up, where the address policy does not reach";
                Err(Cause::Denied { address: None, why: why.into() })
            }
        }
    }
}
