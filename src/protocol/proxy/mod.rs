//! Proxies: what one is, which one a request goes by, and what it is told.
//!
//! Knows curl's way of writing a proxy, its environment variables and its lists of exceptions, and
//! what a forwarding proxy gets to see of a request (RFC 9112, 3.2.2). Must not know connections, nor
//! the handshakes by which a tunnel is made. Invariants: a proxy's host is canonical; its credentials
//! are never shown, and stand in what is sent to the proxy itself alone.

mod bypass;
mod fault;
mod forward;
mod rules;

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::auth::{self, AuthScheme, Role, Secret, basic};

pub use bypass::Bypass;
pub use fault::{ProxyError, ProxyFault, SocksVersion};
pub use rules::Proxies;

use super::fault::{excerpt, without_user_information};
use super::host::{Host, Origin, Scheme};
use super::zone::take_zone;

/// A proxy: how it is spoken to, where it is, and who asks. It is compared whole: the same proxy with
/// other credentials is another one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    protocol: ProxyProtocol,
    host: Host,
    port: u16,
    credentials: Option<Credentials>,
    scheme: AuthScheme,
    /// Tunnels are asked for by HTTP/1.0.
    http10: bool,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// HTTP: it forwards `http` requests, and opens tunnels by CONNECT (RFC 9110, 9.3.6).
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS 4: a tunnel to an IPv4 address.
    Socks4,
    /// SOCKS 4a: as SOCKS 4, with names looked up by the proxy.
    Socks4a,
    /// SOCKS 5 (RFC 1928): a tunnel to an address that is looked up here.
    Socks5,
    /// SOCKS 5 with names looked up by the proxy.
    Socks5h,
}

/// A user's name and password, in whatever encoding they came.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Credentials {
    pub(crate) user: Box<[u8]>,
    pub(crate) password: Box<[u8]>,
}

/// What curl connects to unless a port is given.
const DEFAULT_PORT: u16 = 1080;

/// RFC 1929, 2: each has a length of one byte.
const SOCKS_CREDENTIAL_BYTES: usize = 255;

impl Proxy {
    /// A proxy as curl's `-x` takes it: `[scheme://][user[:password]@]host[:port]`.
    ///
    /// The scheme is one of `http` (unless said), `https`, `socks4`, `socks4a`, `socks5`, `socks5h`; the
    /// port is 1080 unless said, of an `https` proxy 443. User and password are percent-decoded; a path,
    /// and what may follow it, is passed over.
    ///
    /// # Errors
    ///
    /// What is none of these; the message does not repeat a password.
    pub fn parse(text: &str) -> Result<Proxy, ProxyError> {
        let bad = |why: String| ProxyError::new(without_user_information(text).into_owned(), why);
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let protocol = ProxyProtocol::named(scheme).ok_or_else(|| {
            bad(format!("\"{}\" is no kind of proxy", excerpt(scheme.as_bytes())))
        })?;
        if rest.contains(|char: char| char.is_whitespace() || char.is_control() || char == '\\') {
            return Err(bad("a character that no URL has".to_owned()));
        }
        let (rest, scope) = take_zone(rest).map_err(|why| bad(why.to_string()))?;
        // a default port is left out of a parsed URL: under another scheme it would not be
        let [url, other] =
            ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{rest}")));
        let (url, other) = match (url, other) {
            (Ok(url), Ok(other)) => (url, other),
            (Err(why), _) | (_, Err(why)) => return Err(bad(why.to_string())),
        };
        let origin = Origin::from_url(&url).map_err(|why| bad(why.to_string()))?.with_scope(scope);
        let proxy = Proxy {
            http10: false,
            protocol,
            host: origin.host().clone(),
            port: url.port().or(other.port()).unwrap_or(protocol.default_port()),
            credentials: None,
            scheme: AuthScheme::default(),
        };
        match (url.username(), url.password()) {
            ("", None) => Ok(proxy),
            (user, password) => {
                let user = percent_decode_str(user).collect::<Vec<_>>();
                let password = percent_decode_str(password.unwrap_or_default()).collect::<Vec<_>>();
                proxy.with_credentials(user, password).map_err(|error| bad(error.why))
            }
        }
    }

    /// The same proxy, asked by this user: Basic to an HTTP proxy, RFC 1929 to SOCKS 5; SOCKS 4 takes
    /// the name alone.
    ///
    /// # Errors
    ///
    /// A name with a colon or a control character (RFC 7617, 2), one with NUL (SOCKS 4), and what is
    /// longer than 255 bytes (SOCKS).
    pub fn with_credentials(
        mut self,
        user: impl Into<Vec<u8>>,
        password: impl Into<Vec<u8>>,
    ) -> Result<Proxy, ProxyError> {
        let (user, password) = (user.into(), password.into());
        let bad = |why: &str| Err(ProxyError::new(self.to_string(), why.to_owned()));
        let is_control = |byte: &u8| byte.is_ascii_control();
        if self.protocol.is_http() {
            if user.contains(&b':') || user.iter().chain(&password).any(is_control) {
                return bad("a colon in the user's name, or a control character");
            }
        } else if user.len().max(password.len()) > SOCKS_CREDENTIAL_BYTES {
            return bad("a name or password of more than 255 bytes");
        } else if user.contains(&0) {
            return bad("NUL in the user's name");
        }
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        Ok(self)
    }

    /// The same proxy, shown who asks in this way, if it is an HTTP proxy: by Basic at once, as it is
    /// unless said otherwise, or by what it asks for (curl's `--proxy-digest`, `--proxy-anyauth`).
    pub fn with_scheme(mut self, scheme: AuthScheme) -> Proxy {
        if self.protocol.is_http() {
            self.scheme = scheme;
        }
        self
    }

    /// How it is spoken to.
    pub fn protocol(&self) -> ProxyProtocol {
        self.protocol
    }

    /// Its canonical host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it knows who asks.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Where requests go that an HTTP proxy forwards.
    pub(crate) fn origin(&self) -> Origin {
        let scheme = match self.protocol {
            ProxyProtocol::Https => Scheme::Https,
            _ => Scheme::Http,
        };
        Origin::new(self.host.clone(), self.port, scheme)
    }

    /// The field that says who asks without being asked, for an HTTP proxy (RFC 7617).
    /// Has tunnels be asked for by HTTP/1.0, for a proxy that speaks nothing newer.
    pub fn by_http10(mut self) -> Proxy {
        self.http10 = true;
        self
    }

    pub(crate) fn authorization(&self) -> Option<String> {
        let Credentials { user, password } = self.credentials.as_ref()?;
        let unasked = self.protocol.is_http() && self.scheme == AuthScheme::Basic;
        unasked.then(|| basic(user, password))
    }

    /// Who asks an HTTP proxy that is to ask for that first, and how it may be told, unless these field
    /// lines for it say so.
    pub(crate) fn login(&self, fields: &[u8]) -> Option<(auth::Credentials, AuthScheme)> {
        if self.scheme == AuthScheme::Basic || forward::say_who_asks(fields) {
            return None;
        }
        let Credentials { user, password } = self.credentials.as_ref()?;
        let secret = Secret::login(user, password).ok()?;
        Some((secret.scoped(self.origin(), Role::Proxy), self.scheme))
    }
}

impl fmt::Display for Proxy {
    /// `scheme://host:port`, without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Proxy { protocol, host, port, .. } = self;
        match host.ip() {
            Some(std::net::IpAddr::V6(ip)) => write!(f, "{}://[{ip}]:{port}", protocol.name()),
            _ => write!(f, "{}://{host}:{port}", protocol.name()),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.credentials.is_some() { ", with credentials" } else { "" };
        write!(f, "Proxy({self}{with})")
    }
}

impl ProxyProtocol {
    /// All of them.
    pub const ALL: [ProxyProtocol; 6] = [
        ProxyProtocol::Http,
        ProxyProtocol::Https,
        ProxyProtocol::Socks4,
        ProxyProtocol::Socks4a,
        ProxyProtocol::Socks5,
        ProxyProtocol::Socks5h,
    ];

    /// The scheme that stands for it.
    pub fn name(self) -> &'static str {
        match self {
            ProxyProtocol::Http => "http",
            ProxyProtocol::Https => "https",
            ProxyProtocol::Socks4 => "socks4",
            ProxyProtocol::Socks4a => "socks4a",
            ProxyProtocol::Socks5 => "socks5",
            ProxyProtocol::Socks5h => "socks5h",
        }
    }

    fn named(name: &str) -> Option<ProxyProtocol> {
        // curl takes "socks" for SOCKS 4 as well
        let name = if name.eq_ignore_ascii_case("socks") { "socks4" } else { name };
        ProxyProtocol::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Whether it is an HTTP proxy, be it over TLS.
    pub fn is_http(self) -> bool {
        matches!(self, ProxyProtocol::Http | ProxyProtocol::Https)
    }

    /// Whether it must be given an address, and cannot be given a name.
    pub(crate) fn wants_address(self) -> bool {
        matches!(self, ProxyProtocol::Socks4 | ProxyProtocol::Socks5)
    }

    fn default_port(self) -> u16 {
        if self == ProxyProtocol::Https { 443 } else { DEFAULT_PORT }
    }
}

#[cfg(test)]
mod tests;
