//! Why a TLS session failed: of which kind, and in one line.

use std::fmt;
use std::ops::Deref;

/// Why a TLS session failed, by either side: of which kind it is, and in one line, as which it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    kind: TlsFaultKind,
    is_proxys: bool,
    what: Box<str>,
}

/// What kind of failure of TLS it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsFaultKind {
    /// The peer's first bytes are no TLS.
    NotTls,
    /// The server's certificate does not say that it is whom it should be.
    Certificate(CertificateFault),
    /// The server's key is none of those that are pinned
    /// ([`pinned_public_keys`](crate::tls::TlsPolicyBuilder::pinned_public_keys)).
    Pin,
    /// The server demands a client certificate (RFC 8446, 4.4.2.4), or signatures by it that are not made here.
    ClientCertificate,
    /// The peer refused, by the alert of this number (RFC 8446, 6).
    Alert(u8),
    /// The server chose, or offers, nothing that is spoken or allowed here: versions, ciphers, groups.
    NothingInCommon,
    /// The peer broke the protocol.
    Protocol,
    /// A record cannot be decrypted.
    Record,
    /// The host is no name that a certificate could be valid for.
    BadName,
    /// Something on this side.
    Internal,
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateFault {
    /// There is none.
    Missing,
    /// It, or one that it depends on, is no longer valid.
    Expired,
    /// It, or one that it depends on, is not valid yet.
    NotValidYet,
    /// Nobody who is trusted has issued it.
    UnknownIssuer,
    /// It is valid for other names.
    Name,
    /// It was revoked.
    Revoked,
    /// A signature by the server or in its certificates is wrong.
    Signature,
    /// The server's key is too small or too large to verify by.
    KeySize,
    /// The same of one that has issued a certificate.
    IssuersKeySize,
    /// It is not made for servers.
    Purpose,
    /// It is malformed.
    Malformed,
    /// Anything else.
    Other,
}

/// Bytes of one line, whatever the peer's certificate holds.
const LINE_BYTES: usize = 512;

impl TlsFault {
    /// Of this kind, in these words, of which what is too long and control characters are left out.
    pub(crate) fn new(kind: TlsFaultKind, text: &str) -> TlsFault {
        let mut line = String::with_capacity(text.len().min(LINE_BYTES));
        for c in text.chars() {
            if line.len() + c.len_utf8() > LINE_BYTES {
                break;
            }
            line.push(if c.is_control() { '?' } else { c });
        }
        TlsFault { kind, is_proxys: false, what: line.into() }
    }

    /// The same, with a proxy as the peer.
    pub(crate) fn of_proxy(self) -> TlsFault {
        TlsFault { is_proxys: true, ..self }
    }

    /// Of which kind it is.
    pub fn kind(&self) -> TlsFaultKind {
        self.kind
    }

    /// Whether it befell the session with a proxy, rather than that with the origin.
    pub fn is_with_proxy(&self) -> bool {
        self.is_proxys
    }
}

impl Deref for TlsFault {
    type Target = str;

    fn deref(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_proxys {
            f.write_str("with the proxy: ")?;
        }
        f.write_str(&self.what)
    }
}
