//! What can be wrong with a proxy: with how it was written, and with what it does.

use std::fmt;

use crate::protocol::HttpFault;

/// A proxy, or something that is for proxies, that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyError {
    /// What was given, without user information.
    pub given: String,
    /// What is wrong with it.
    pub why: String,
}

/// Why a proxy did not open a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFault {
    /// CONNECT was answered with another status than 2xx (RFC 9110, 9.3.6).
    Refused {
        /// The status.
        status: u16,
        /// The reason phrase, escaped.
        reason: Box<str>,
    },
    /// The answer to CONNECT is no HTTP, or goes over a limit.
    Http(HttpFault),
    /// It closed the connection before it had answered.
    Closed,
    /// It refused, with this reply code.
    SocksRefused {
        /// Which SOCKS.
        version: SocksVersion,
        /// The code: of RFC 1928, 6, or 91 to 93.
        code: u8,
    },
    /// It offers no way of authentication that we have.
    NoSocksMethod,
    /// It does not take the name and password (RFC 1929).
    SocksCredentials,
    /// What it answered is not of the protocol.
    NotSocks {
        /// Which SOCKS.
        version: SocksVersion,
        /// What was expected there.
        expected: &'static str,
        /// The byte that stands in its place.
        byte: u8,
    },
    /// The proxy cannot be asked for this host: SOCKS 4 has IPv4 addresses alone.
    NotForIpv6,
}

/// A version of SOCKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocksVersion {
    /// SOCKS 4 and 4a.
    V4,
    /// SOCKS 5 (RFC 1928).
    V5,
}

impl ProxyError {
    pub(super) fn new(given: impl Into<String>, why: impl Into<String>) -> ProxyError {
        ProxyError { given: given.into(), why: why.into() }
    }
}

impl ProxyFault {
    /// Whether asking the same proxy again for the same would meet the same end.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            // overload and what a server behind it did pass (RFC 9110, 15.6)
            ProxyFault::Refused { status, .. } => !matches!(status, 408 | 429 | 500..=599),
            // general failure, network or host unreachable, connection refused, TTL expired
            ProxyFault::SocksRefused { version: SocksVersion::V5, code } => {
                !matches!(code, 1 | 3..=6)
            }
            ProxyFault::SocksRefused { version: SocksVersion::V4, code } => *code != 91,
            ProxyFault::Closed => false,
            ProxyFault::Http(_)
            | ProxyFault::NoSocksMethod
            | ProxyFault::SocksCredentials
            | ProxyFault::NotSocks { .. }
            | ProxyFault::NotForIpv6 => true,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad proxy {:?}: {}", self.given, self.why)
    }
}

impl std::error::Error for ProxyError {}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("proxy: ")?;
        match self {
            ProxyFault::Refused { status, reason } if reason.is_empty() => {
                write!(f, "CONNECT was answered with {status}")
            }
            ProxyFault::Refused { status, reason } => {
                write!(f, "CONNECT was answered with {status} {reason}")
            }
            ProxyFault::Http(fault) => write!(f, "{fault}"),
            ProxyFault::Closed => f.write_str("it closed the connection before it had answered"),
            ProxyFault::SocksRefused { version: SocksVersion::V5, code } => {
                write!(f, "SOCKS 5 reply {code}: {}", socks5_reply(*code))
            }
            ProxyFault::SocksRefused { version: SocksVersion::V4, code } => {
                write!(f, "SOCKS 4 reply {code}: {}", socks4_reply(*code))
            }
            ProxyFault::NoSocksMethod => {
                f.write_str("it takes none of the methods of authentication offered (SOCKS 5)")
            }
            ProxyFault::SocksCredentials => {
                f.write_str("it does not take the user's name and password (SOCKS 5)")
            }
            ProxyFault::NotSocks { version, expected, byte } => {
                let version = match version {
                    SocksVersion::V4 => 4,
                    SocksVersion::V5 => 5,
                };
                write!(f, "not SOCKS {version}: 0x{byte:02x} in place of {expected}")
            }
            ProxyFault::NotForIpv6 => f.write_str("SOCKS 4 cannot be asked for an IPv6 address"),
        }
    }
}

impl std::error::Error for ProxyFault {}

/// RFC 1928, 6.
fn socks5_reply(code: u8) -> &'static str {
    match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unassigned",
    }
}

fn socks4_reply(code: u8) -> &'static str {
    match code {
        91 => "request rejected or failed",
        92 => "the proxy cannot reach the client's identd",
        93 => "the client's identd reports another user",
        _ => "unassigned",
    }
}
