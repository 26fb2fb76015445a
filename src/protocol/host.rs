//! Where a request goes: scheme, host and port, in their one canonical form.
//!
//! Knows URLs' hosts. Must not know name look-ups or certificates, though both start from these
//! types. Invariant: a [`Host`] is made from a parsed URL alone, so that two spellings of one host
//! (case, IDNA, an IP literal's notation) are equal, for the pool, for SNI, for DNS. A name with a dot at its end is
//! absolute, and another host than the one without (RFC 9110, 4.3.1 has authorities compared as they are): that may be
//! completed by a search list, and stand for something else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use url::Url;

use super::fault::{RequestError, excerpt};
use crate::owner::Owner;

/// The origin of a resource (RFC 9110, 4.3.1): scheme, host and port. Cheap to clone, 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    host: Host,
    port: u16,
    scheme: Scheme,
}

/// A canonical host: a registered name or an IP address. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(Repr);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// Lower case, IDNA done, with the dot at its end if it has one.
    Name(Arc<str>),
    V4(Ipv4Addr),
    V6(Ipv6Addr, Scope),
}

/// The number of the interface that an address is on; 0 where the system chooses.
type Scope = u32;

/// How the origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`: plain TCP.
    Http,
    /// `https`: TLS.
    Https,
}

impl Origin {
    /// The origin of an `http` or `https` URL; user information, path and query are left behind.
    ///
    /// Fails where the URL has another scheme, port 0, no host, or a host that no name look-up
    /// could find (empty labels, more than 253 bytes, labels of more than 63).
    pub fn from_url(url: &Url) -> Result<Origin, RequestError> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(RequestError::UnsupportedScheme(excerpt(other.as_bytes()))),
        };
        let host = Host(match url.host().ok_or(RequestError::NoHost)? {
            url::Host::Domain(name) => Repr::Name(canonical_name(name)?.into()),
            url::Host::Ipv4(ip) => Repr::V4(ip),
            url::Host::Ipv6(ip) => Repr::V6(ip, 0),
        });
        match url.port().unwrap_or(scheme.default_port()) {
            0 => Err(RequestError::PortZero),
            port => Ok(Origin { host, port, scheme }),
        }
    }

    /// The same host over TLS: at port 443 for port 80, at any other as it is (RFC 6797, 8.3).
    pub(super) fn secured(&self) -> Origin {
        let port = match self.port {
            80 => Scheme::Https.default_port(),
            port => port,
        };
        Origin { host: self.host.clone(), port, scheme: Scheme::Https }
    }

    /// An origin on a host that is canonical already.
    /// From its parts.
    pub fn new(host: Host, port: u16, scheme: Scheme) -> Origin {
        Origin { host, port, scheme }
    }

    /// The same, where an IPv6 address is on this interface (see [`Host::scope`]); of other hosts nothing changes.
    pub fn with_scope(mut self, scope: u32) -> Origin {
        if let Repr::V6(_, own) = &mut self.host.0 {
            *own = scope;
        }
        self
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The canonical host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, the scheme's default where the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host[:port]` as in a URL and in Host: an IPv6 address in brackets, no default port.
    pub fn authority(&self) -> impl fmt::Display + '_ {
        Authority { origin: self, port: self.port != self.scheme.default_port() }
    }

    /// `host:port`, always with the port, as CONNECT wants it (RFC 9112, 3.2.3).
    pub(crate) fn authority_with_port(&self) -> impl fmt::Display + '_ {
        Authority { origin: self, port: true }
    }
}

impl fmt::Display for Origin {
    /// As in RFC 6454, 6.2: `scheme://host[:port]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

impl Host {
    /// A registered name as it stands (RFC 3986, 3.2.2), in lower case: also one that the URL standard has no place for, such
    /// as one whose last label is a number. It is looked up as it is.
    ///
    /// # Errors
    ///
    /// A name that is empty, or has other characters than registered names have.
    pub fn named(name: &str) -> Result<Host, RequestError> {
        if name.is_empty() || !name.bytes().all(is_reg_name_byte) {
            return Err(RequestError::BadHost {
                host: excerpt(name.as_bytes()),
                why: "it has characters that no name has",
            });
        }
        Ok(Host(Repr::Name(name.to_ascii_lowercase().into())))
    }

    /// The address, where the host is an IP literal.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0 {
            Repr::Name(_) => None,
            Repr::V4(ip) => Some(ip.into()),
            Repr::V6(ip, _) => Some(ip.into()),
        }
    }

    /// The registered name, where the host is no IP literal: ASCII, lower case, no trailing dot.
    pub fn name(&self) -> Option<&str> {
        self.written().map(|name| name.strip_suffix('.').unwrap_or(name))
    }

    /// Of an IPv6 address the number of the network interface that it is on, which tells apart what is one and the same
    /// link-local address on two (RFC 4007); 0 where the system chooses. It is part of the host's identity, and of nothing
    /// that is sent.
    pub fn scope(&self) -> u32 {
        match self.0 {
            Repr::V6(_, scope) => scope,
            Repr::Name(_) | Repr::V4(_) => 0,
        }
    }

    /// Whether it is a name with a dot at its end, which no search list completes.
    pub fn is_absolute(&self) -> bool {
        self.written().is_some_and(|name| name.ends_with('.'))
    }

    /// The registered name as it is written, with the dot at its end if it has one.
    pub(crate) fn written(&self) -> Option<&str> {
        match &self.0 {
            Repr::Name(name) => Some(name),
            Repr::V4(_) | Repr::V6(..) => None,
        }
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> Owner<'_> {
        match (self.name(), self.ip()) {
            (Some(name), _) => Owner::of_name(name),
            (None, Some(address)) => Owner::of_address(address),
            (None, None) => Owner::Name(""),
        }
    }

    /// The same host without a dot at its end, for what is said of both: overrides of addresses, limits.
    pub(crate) fn without_dot(&self) -> Host {
        match self.name() {
            Some(name) if self.is_absolute() => Host(Repr::Name(name.into())),
            Some(_) | None => self.clone(),
        }
    }
}

impl fmt::Display for Host {
    /// The name or the address, IPv6 without brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Name(name) => f.write_str(name),
            Repr::V4(ip) => ip.fmt(f),
            Repr::V6(ip, _) => ip.fmt(f),
        }
    }
}

impl Scheme {
    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// `http` or `https`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

struct Authority<'a> {
    origin: &'a Origin,
    port: bool,
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin.host.0 {
            Repr::V6(ip, _) => write!(f, "[{ip}]")?,
            Repr::V4(_) | Repr::Name(_) => self.origin.host.fmt(f)?,
        }
        if self.port {
            write!(f, ":{}", self.origin.port)?;
        }
        Ok(())
    }
}

/// The name, if it can be looked up at all. The `url` crate has lowered
/// its case and done IDNA.
fn canonical_name(name: &str) -> Result<&str, RequestError> {
    let bad = |why| RequestError::BadHost { host: excerpt(name.as_bytes()), why };
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.len() > NAME_BYTES {
        return Err(bad("longer than 253 bytes"));
    }
    for label in bare.split('.') {
        match label.len() {
            0 => return Err(bad("an empty label")),
            1..=LABEL_BYTES => {}
            _ => return Err(bad("a label longer than 63 bytes")),
        }
    }
    if !bare.bytes().all(is_reg_name_byte) {
        return Err(bad("a character that no host name has"));
    }
    Ok(name)
}

/// `reg-name` of RFC 3986, 3.2.2, without percent-encoding.
pub(super) fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// RFC 1035, 2.3.4, less the length bytes and the root.
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<Origin, RequestError> {
        Origin::from_url(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn spellings_of_one_origin_are_equal() {
        let table = [
            ("http://example.com/", "http://EXAMPLE.com:80/a?b#c", "http://example.com"),
            ("http://example.com./", "http://EXAMPLE.com.:80/", "http://example.com."),
            ("https://example.com", "https://u:p@example.com:443/", "https://example.com"),
            (
                "http://bücher.example",
                "http://xn--bcher-kva.example",
                "http://xn--bcher-kva.example",
            ),
            ("http://127.0.0.1:8080", "http://0x7f.1:8080", "http://127.0.0.1:8080"),
            ("http://127.0.0.1", "http://127.0.0.1.", "http://127.0.0.1"),
            ("https://[::1]:8443", "https://[0:0::0:1]:8443", "https://[::1]:8443"),
        ];
        for (a, b, canonical) in table {
            let (a, b) = (origin(a).expect(a), origin(b).expect(b));
            assert_eq!(a, b);
            assert_eq!(a.to_string(), canonical);
        }
    }

    /// The name is the same for SNI and DNS; the authority is as it was given (RFC 9112, 3.2).
    #[test]
    fn a_dot_at_the_end_makes_another_host() {
        let (absolute, relative) = ("http://a.example./", "http://a.example/");
        let (absolute, relative) = (origin(absolute).unwrap(), origin(relative).unwrap());
        assert_ne!(absolute, relative);
        assert_eq!(absolute.host().name(), relative.host().name());
        assert_eq!(absolute.authority_with_port().to_string(), "a.example.:80");
        assert!(absolute.host().is_absolute() && !relative.host().is_absolute());
        assert_eq!(&absolute.host().without_dot(), relative.host());
        let ip = origin("http://127.0.0.1./").unwrap();
        assert!(!ip.host().is_absolute());
    }

    #[test]
    fn a_zone_is_part_of_a_host_and_of_no_authority() {
        let bare = origin("http://[fe80::1]:81/").unwrap();
        let (one, other) = (bare.clone().with_scope(1), bare.clone().with_scope(2));
        assert!(one != other && one != bare && one == bare.clone().with_scope(1));
        assert_eq!((one.host().scope(), one.host().ip()), (1, bare.host().ip()));
        assert_eq!(one.authority().to_string(), "[fe80::1]:81");
        assert_eq!(one.to_string(), bare.to_string());
        let name = origin("http://a/").unwrap();
        assert_eq!(name.clone().with_scope(1), name);
    }

    #[test]
    fn origins_differ_in_each_part() {
        let base = origin("http://example.com").unwrap();
        for other in [
            "https://example.com",
            "http://example.com:81",
            "http://example.org",
            "http://example.com.",
        ] {
            assert_ne!(base, origin(other).unwrap());
        }
    }

    #[test]
    fn parts_of_an_origin() {
        let six = origin("https://[2001:db8::1]/").unwrap();
        assert_eq!(six.host().ip(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(six.host().to_string(), "2001:db8::1");
        assert_eq!(six.authority().to_string(), "[2001:db8::1]");
        assert_eq!(six.authority_with_port().to_string(), "[2001:db8::1]:443");
        assert_eq!((six.host().name(), six.port(), six.scheme()), (None, 443, Scheme::Https));
        let name = origin("http://a.b:81/").unwrap();
        assert_eq!((name.host().name(), name.host().ip()), (Some("a.b"), None));
    }

    #[test]
    fn refused() {
        let long_name = format!("http://{}/", ["a"; 128].join("."));
        let long_label = format!("http://{}.example/", "a".repeat(64));
        let table = [
            ("ftp://example.com/", "unsupported scheme \"ftp\": only http and https are"),
            ("data:,x", "unsupported scheme \"data\": only http and https are"),
            ("http://example.com:0/", "port 0 cannot be connected to"),
            ("http://example.com../", "bad host \"example.com..\": an empty label"),
            ("http://.example.com/", "bad host \".example.com\": an empty label"),
            ("http://a..b/", "bad host \"a..b\": an empty label"),
            ("http://./", "bad host \".\": an empty label"),
            ("http://a{b/", "bad host \"a{b\": a character that no host name has"),
        ];
        for (url, message) in table {
            assert_eq!(origin(url).expect_err(url).to_string(), message);
        }
        for (url, why) in [(long_name, "253 bytes"), (long_label, "63 bytes")] {
            let message = origin(&url).expect_err("too long").to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn sizes() {
        assert!(size_of::<Origin>() <= 32);
    }
}
