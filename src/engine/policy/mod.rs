//! Which addresses may be connected to.
//!
//! Knows addresses, ranges of them, and what IANA says they are for. Must not know names: an address is
//! checked as it is about to be connected to, whatever was written or looked up to get it. Invariant: an
//! address that leads to another is allowed only if both are.

mod check;
mod range;
mod special;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

pub use range::{AddressRange, AddressRangeError};

/// Which addresses may be connected to: the one that a name turns out to have, that of a proxy, and that
/// of each redirect, checked right before each connect.
///
/// Rules are asked in their order, and the first range that has an address decides. What no rule decides is
/// denied if the policy is one that denies what is private, and allowed otherwise. Last comes the caller's own
/// check, if there is one.
///
/// An IPv6 address that has an IPv4 address within (IPv4-mapped and -compatible, NAT64, 6to4, Teredo, ISATAP) must be
/// allowed both as it is and as what is within; so must the unspecified address (`0.0.0.0`, `::`) as itself and as
/// loopback, where Linux connects to then.
///
/// A proxy that is given names looks them up where no policy of ours reaches. With a policy, a request by such a
/// proxy for a name is refused, unless [`AddressPolicy::let_proxies_resolve`] says otherwise; one for an address
/// is checked. SOCKS 4 and 5 (without a, h) are given addresses, which are checked.
///
/// ```
/// use ringdove::AddressPolicy;
///
/// let policy = AddressPolicy::deny_private().allow("10.1.0.0/16".parse()?);
/// assert!(policy.check([10, 1, 2, 3].into()).is_ok());
/// assert!(policy.check([10, 2, 2, 3].into()).is_err());
/// assert_eq!(policy.check([127, 0, 0, 1].into()).unwrap_err(), "loopback");
/// # Ok::<(), ringdove::engine::AddressRangeError>(())
/// ```
#[derive(Clone, Default)]
pub struct AddressPolicy {
    rules: Vec<Rule>,
    private: bool,
    own: Option<Arc<Check>>,
    proxies_resolve: bool,
}

/// A caller's own check: whether an address may be connected to, or else why not.
type Check = dyn Fn(IpAddr) -> Result<(), Cow<'static, str>> + Send + Sync;

/// What is done with the addresses of a range.
#[derive(Debug, Clone, Copy)]
struct Rule {
    range: AddressRange,
    allows: bool,
}

impl AddressPolicy {
    /// Allows every address.
    pub fn new() -> AddressPolicy {
        AddressPolicy::default()
    }

    /// Denies every address that is not meant for the public internet, by IANA's registries of special-purpose
    /// addresses (RFC 6890), and those where cloud providers keep the secrets of a machine.
    ///
    /// Loopback, unspecified, link-local, private (RFC 1918), shared, unique local, site-local, multicast, broadcast,
    /// documentation, benchmarking, reserved and protocol assignments; of IPv6 all that is outside of 2000::/3 but for what
    /// leads to a public IPv4 address.
    pub fn deny_private() -> AddressPolicy {
        AddressPolicy { private: true, ..AddressPolicy::default() }
    }

    /// Allows a range, as far as no rule before has decided.
    #[must_use]
    pub fn allow(mut self, range: AddressRange) -> AddressPolicy {
        self.rules.push(Rule { range, allows: true });
        self
    }

    /// Denies a range, as far as no rule before has decided.
    #[must_use]
    pub fn deny(mut self, range: AddressRange) -> AddressPolicy {
        self.rules.push(Rule { range, allows: false });
        self
    }

    /// Asks `check` last, of each address that is allowed so far, and of each address within one. Its error says why
    /// it is denied. It is asked at connects alone: connections that are there stay in use when it changes its mind.
    #[must_use]
    pub fn ask(
        mut self,
        check: impl Fn(IpAddr) -> Result<(), Cow<'static, str>> + Send + Sync + 'static,
    ) -> AddressPolicy {
        self.own = Some(Arc::new(check));
        self
    }

    /// Whether proxies may be asked for names, which they look up themselves: not unless this says so.
    #[must_use]
    pub fn let_proxies_resolve(mut self, let_them: bool) -> AddressPolicy {
        self.proxies_resolve = let_them;
        self
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    ///
    /// Why not, in a few words: `loopback`, `denied by 10.0.0.0/8`.
    pub fn check(&self, address: IpAddr) -> Result<(), Cow<'static, str>> {
        self.check_itself(address)?;
        for within in special::within(address) {
            self.check_itself(within).map_err(|why| format!("{why}, as {within}"))?;
        }
        Ok(())
    }

    fn check_itself(&self, address: IpAddr) -> Result<(), Cow<'static, str>> {
        match self.rules.iter().find(|rule| rule.range.contains(address)) {
            Some(Rule { allows: true, .. }) => {}
            Some(Rule { range, allows: false }) => return Err(format!("denied by {range}").into()),
            None if self.private => special::check(address)?,
            None => {}
        }
        self.own.as_ref().map_or(Ok(()), |own| own(address))
    }
}

impl fmt::Debug for AddressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AddressPolicy { rules, private, own, proxies_resolve } = self;
        f.debug_struct("AddressPolicy")
            .field("rules", rules)
            .field("private", private)
            .field("own", &own.is_some())
            .field("proxies_resolve", proxies_resolve)
            .finish()
    }
}
