//! The way to an origin: the proxy on it, if there is one.
//!
//! Knows what of a transfer's options decides about that, and is part of a connection's identity.

use std::sync::Arc;

use crate::engine::Options;
use crate::engine::dials::ways::Way;
use crate::protocol::{Host, Origin, Proxy, ProxyProtocol};
use crate::tls::TlsPolicy;

/// The proxy on the way to an origin, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::engine) struct Via {
    pub(in crate::engine) proxy: Arc<Proxy>,
    /// How a proxy that is spoken to over TLS is verified.
    pub(in crate::engine) tls: Option<TlsPolicy>,
    /// Field lines for the proxy itself.
    pub(in crate::engine) fields: Arc<[u8]>,
    /// It gets the requests themselves, those for other origins too; otherwise it opens a tunnel to one.
    pub(in crate::engine) forwards: bool,
}

impl Via {
    /// The way to `origin` under these options, unless that is straight. `default` verifies a proxy of
    /// which the options do not say how.
    pub(in crate::engine) fn of(
        origin: &Origin,
        way: Option<&Way>,
        options: &Options,
        default: Option<&TlsPolicy>,
    ) -> Option<Arc<Via>> {
        let proxies = options.proxies.as_deref()?;
        let proxy = proxies.proxy_for(origin)?;
        let plain = origin.scheme() == crate::protocol::Scheme::Http;
        // a request that is forwarded would be for the origin itself
        let elsewhere = way.is_some_and(|way| way.target.is_some());
        let tunnels = proxies.always_tunnels() || elsewhere;
        let forwards = plain && proxy.protocol().is_http() && !tunnels;
        let default = || default.map(TlsPolicy::for_proxies);
        let tls = match proxy.protocol() {
            ProxyProtocol::Https => options.proxy_tls.clone().or_else(default),
            _ => None,
        };
        let (proxy, fields) = (Arc::clone(proxy), Arc::clone(proxies.fields()));
        Some(Arc::new(Via { proxy, tls, fields, forwards }))
    }

    /// Whom the socket is connected to.
    pub(in crate::engine) fn peer(&self) -> (&Host, u16) {
        (self.proxy.host(), self.proxy.port())
    }

    /// Whether nothing says how the proxy is verified.
    pub(in crate::engine) fn lacks_tls(&self) -> bool {
        self.proxy.protocol() == ProxyProtocol::Https && self.tls.is_none()
    }
}
