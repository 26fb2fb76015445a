//! The complete identity of a connection.
//!
//! Knows all that two transfers must have in common to share one. Must not know connections, nor how many there are.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::engine::dials::route::Via;
use crate::engine::dials::ways::Way;
use crate::engine::{HttpVersions, Options, Request};
use crate::protocol::{Host, Origin, RequestHead, Scheme, Version};
use crate::tls::TlsPolicy;

/// All that two transfers must have in common to share a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct PoolKey {
    /// Whom requests are sent to: a proxy, where it forwards them.
    pub(in crate::engine) origin: Origin,
    /// `None` in plaintext.
    pub(in crate::engine) tls: Option<TlsPolicy>,
    /// `None` where the way is straight.
    pub(in crate::engine) via: Option<Arc<Via>>,
    /// `None` where it is the system's choice.
    pub(in crate::engine) way: Option<Arc<Way>>,
    /// What may be spoken; [`HttpVersions::Http1`] wherever nothing else can come of it.
    pub(in crate::engine) versions: HttpVersions,
}

/// By the origin alone: few keys differ in nothing else.
impl Hash for PoolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.origin.hash(state);
    }
}

impl PoolKey {
    /// Whether it leads to a socket of this machine, which has no address.
    pub(in crate::engine) fn is_local(&self) -> bool {
        self.way.as_ref().is_some_and(|way| way.is_local())
    }

    pub(in crate::engine) fn of(
        head: &RequestHead,
        options: &Options,
        default: Option<&TlsPolicy>,
    ) -> Self {
        // each option is named, so that a new one cannot be forgotten here
        let Options {
            timeouts: _,
            low_speed: _,
            max_body: _,
            decode: _,
            raw: _,
            redirects: _,
            record_hops: _,
            auth: _,
            cookies: _,
            cookies_by_host_field: _,
            hsts: _,
            http: _,
            max_rate: _,
            attempt_delay: _,
            retry: _,
            tls,
            proxies: _,
            proxy_tls: _,
            ways: _,
            versions,
            priority: _,
            head_writer: _,
        } = options;
        let way = options.ways.as_ref().and_then(|ways| Way::of(head.origin(), ways));
        let via = Via::of(head.origin(), way.as_deref(), options, default);
        if let Some(via) = via.as_ref().filter(|via| via.forwards) {
            let (origin, tls) = (via.proxy.origin(), via.tls.clone());
            let versions = HttpVersions::Http1;
            return Self { origin, tls, via: Some(via.clone()), way, versions };
        }
        let origin = head.origin().clone();
        let tls = match origin.scheme() {
            Scheme::Http => None,
            Scheme::Https => tls.as_ref().or(default).cloned(),
        };
        let versions = match *versions {
            HttpVersions::Negotiated if tls.is_none() => HttpVersions::Http1,
            // a request of its own version
            _ if head.version() != Version::Http11 => HttpVersions::Http1,
            versions => versions,
        };
        Self { origin, tls, via, way, versions }
    }

    /// The same for a request that has left the scope of its credentials: the origin is shown no certificate of the
    /// client's, and all that was demanded of origins is demanded of it. A proxy that forwards is who it was.
    pub(in crate::engine) fn without_credentials(self) -> Self {
        if self.via.as_ref().is_some_and(|via| via.forwards) {
            return self;
        }
        let tls = self.tls.map(|policy| policy.without_client_certificate());
        Self { tls, ..self }
    }

    /// Whether nothing says how a peer is verified that has to be.
    pub(in crate::engine) fn lacks_tls(&self) -> bool {
        let origin = self.origin.scheme() == Scheme::Https && self.tls.is_none();
        origin || self.via.as_ref().is_some_and(|via| via.lacks_tls())
    }

    /// Whom a socket is connected to.
    pub(in crate::engine) fn peer(&self) -> (&Host, u16) {
        match &self.via {
            None => self.target(),
            Some(via) => via.peer(),
        }
    }

    /// Whom the way leads to, in the end: the origin, or who stands for it.
    pub(in crate::engine) fn target(&self) -> (&Host, u16) {
        match self.way.as_ref().and_then(|way| way.target.as_ref()) {
            None => (self.origin.host(), self.origin.port()),
            Some((host, port)) => (host, *port),
        }
    }

    /// The same, as the proxy of a tunnel is told.
    pub(in crate::engine) fn tunnelled(&self) -> Origin {
        let (host, port) = self.target();
        Origin::new(host.clone(), port, self.origin.scheme())
    }

    /// Whether a tunnel leads to the origin.
    pub(in crate::engine) fn tunnel(&self) -> Option<&Arc<Via>> {
        self.via.as_ref().filter(|via| !via.forwards)
    }

    /// Whether requests are forwarded.
    pub(in crate::engine) fn forwarder(&self) -> Option<&Arc<Via>> {
        self.via.as_ref().filter(|via| via.forwards)
    }

    /// Takes out of a request what is for proxies alone, where none will read it.
    #[inline(always)]
    pub(in crate::engine) fn restrict(&self, request: &mut Request) {
        if request.options.proxies.is_some() && self.forwarder().is_none() {
            request.head.strip_proxy_credentials();
        }
    }
}
