//! Which proxy a request goes by.
//!
//! Knows the proxies by scheme, the exceptions, and what is added to all that is said to a proxy.

use std::sync::Arc;

use ::http::Method;
use url::Url;

use super::forward::PROXY_CONNECTION;
use super::{Bypass, Proxy, ProxyError};
use crate::protocol::field::validate_value;
use crate::protocol::{AuthScheme, Origin, RequestError, RequestHead, Scheme};

/// The proxies that requests go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Arc<Proxy>>,
    https: Option<Arc<Proxy>>,
    except: Bypass,
    tunnel: bool,
    /// Validated field lines, each with its CRLF.
    fields: Arc<[u8]>,
}

impl Default for Proxies {
    fn default() -> Proxies {
        let (http, https, except) = (None, None, Bypass::default());
        Proxies { http, https, except, tunnel: false, fields: Arc::new([]) }
    }
}

impl Proxies {
    /// One proxy for all requests.
    pub fn all(proxy: Proxy) -> Proxies {
        Proxies::default().everywhere(proxy)
    }

    /// The same, but with this proxy for all requests.
    pub fn everywhere(mut self, proxy: Proxy) -> Proxies {
        let proxy = Arc::new(proxy);
        (self.http, self.https) = (Some(proxy.clone()), Some(proxy));
        self
    }

    /// The proxies that the environment names, read as curl reads it: `http_proxy` (in lower case alone,
    /// since `HTTP_PROXY` may be a request's Proxy field under CGI), `https_proxy` or `HTTPS_PROXY`, for
    /// either scheme `all_proxy` or `ALL_PROXY`, and `no_proxy` or `NO_PROXY`. One that is empty is not
    /// there.
    ///
    /// # Errors
    ///
    /// A variable that is no proxy.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Proxies, ProxyError> {
        let first = |names: &[&str]| {
            let mut set = names.iter().filter_map(|name| variable(name));
            set.find(|value| !value.is_empty())
        };
        let proxy = |names: &[&str]| {
            let text = first(names).or_else(|| first(&["all_proxy", "ALL_PROXY"]));
            text.map(|text| Proxy::parse(&text).map(Arc::new)).transpose()
        };
        Ok(Proxies {
            http: proxy(&["http_proxy"])?,
            https: proxy(&["https_proxy", "HTTPS_PROXY"])?,
            except: Bypass::parse(&first(&["no_proxy", "NO_PROXY"]).unwrap_or_default()),
            ..Proxies::default()
        })
    }

    /// The same, but for these hosts, which are connected to directly.
    pub fn except(mut self, hosts: Bypass) -> Proxies {
        self.except = hosts;
        self
    }

    /// Whether `http` requests too go through a tunnel of an HTTP proxy (curl's `-p`) and are not
    /// forwarded. Those for `https` always do.
    pub fn tunnel(mut self, always: bool) -> Proxies {
        self.tunnel = always;
        self
    }

    /// A field for whatever is said to an HTTP proxy itself: CONNECT, and requests that it forwards.
    ///
    /// # Errors
    ///
    /// As [`RequestHead::field`]; Host and Connection cannot be set here, Proxy-Connection can.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Proxies, RequestError> {
        if ["host", "connection"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(RequestError::ReservedField(name.into()));
        }
        if name.eq_ignore_ascii_case(PROXY_CONNECTION) {
            let value = value.as_ref();
            validate_value(name, value)?;
            let line = [PROXY_CONNECTION.as_bytes(), b": ", value, b"\r\n"].concat();
            self.fields = [&*self.fields, &line].concat().into();
            return Ok(self);
        }
        let url = Url::parse("http://localhost/").expect("a URL");
        let mut head = RequestHead::new(Method::GET, &url)?;
        head.field(name, value)?;
        self.fields = [&*self.fields, head.fields()].concat().into();
        Ok(self)
    }

    /// Says who asks, where a proxy's own text does not.
    ///
    /// # Errors
    ///
    /// As [`Proxy::with_credentials`].
    pub fn with_credentials(mut self, user: &[u8], password: &[u8]) -> Result<Proxies, ProxyError> {
        for proxy in [&mut self.http, &mut self.https].into_iter().flatten() {
            if !proxy.has_credentials() {
                *proxy = Arc::new(Proxy::clone(proxy).with_credentials(user, password)?);
            }
        }
        Ok(self)
    }

    /// Says how an HTTP proxy is shown who asks: see [`Proxy::with_scheme`].
    pub fn with_scheme(mut self, scheme: AuthScheme) -> Proxies {
        for proxy in [&mut self.http, &mut self.https].into_iter().flatten() {
            *proxy = Arc::new(Proxy::clone(proxy).with_scheme(scheme));
        }
        self
    }

    /// The proxy for this origin, if there is one.
    pub fn proxy_for(&self, origin: &Origin) -> Option<&Arc<Proxy>> {
        let proxy = match origin.scheme() {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        proxy.as_ref().filter(|_| !self.except.contains(origin))
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Proxy> {
        [&self.http, &self.https].into_iter().flatten().map(|proxy| &**proxy)
    }

    /// Whether one of them is told who asks once it has asked.
    pub(crate) fn may_challenge(&self) -> bool {
        self.iter().any(|proxy| proxy.scheme != AuthScheme::Basic && proxy.has_credentials())
    }

    pub(crate) fn always_tunnels(&self) -> bool {
        self.tunnel
    }

    pub(crate) fn fields(&self) -> &Arc<[u8]> {
        &self.fields
    }
}
