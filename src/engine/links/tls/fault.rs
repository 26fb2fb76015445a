//! Why a TLS session failed: of which kind, and in one line.
//!
//! Knows rustls' errors and turns each into words for the person who asked for the transfer: what is known, and of what is
//! not known that it is not.

use std::fmt::Write as _;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved};

use crate::error::{CertificateFault, TlsFault, TlsFaultKind};
use crate::tls::{IS_AUTHORITY, KeySize, NotPinned};

/// How far a session had come that ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// The server has chosen from what was offered.
    pub(super) is_agreed: bool,
    /// There is a certificate of ours to be shown.
    pub(super) has_certificate: bool,
}

/// What a server says that has nothing in common with us, most of all.
const NOTHING_IN_COMMON: &str = "handshake failure: it takes none of the ciphers, of the groups or of the kinds of keys that are offered, \
     and does not say of which. Spoken are ECDHE with AES-GCM or ChaCha20-Poly1305 (no CBC, no key exchange by RSA or DHE), X25519, P-256 \
     and P-384, and keys of RSA, P-256, P-384 and Ed25519, or of any kind where none is verified";

/// The same alert, where that is settled.
const CERTIFICATE_WANTED: &str = "handshake failure, with the ciphers agreed on, as of a server that demands a client certificate: none was \
     given";

/// Names of a certificate that a message lists: some have hundreds.
const NAMES_LISTED: usize = 3;

/// What the session has failed with that rustls ended so.
pub(super) fn of_session(error: &Error, progress: Progress) -> TlsFault {
    TlsFault::new(kind(error), &explain(error, progress))
}

/// A peer's first bytes were no TLS record.
pub(super) fn not_tls(first: &[u8]) -> TlsFault {
    let text = match first.starts_with(b"HTTP/") {
        true => "the peer does not speak TLS: it answered in plain HTTP",
        false => "the peer does not speak TLS",
    };
    TlsFault::new(TlsFaultKind::NotTls, text)
}

pub(super) fn too_large() -> TlsFault {
    TlsFault::new(TlsFaultKind::Protocol, "the peer's handshake message is too large")
}

pub(super) fn bad_name(host: &str) -> TlsFault {
    let text = format!("{host:?} is no name that a certificate could be valid for");
    TlsFault::new(TlsFaultKind::BadName, &text)
}

/// A message was to be sent that the session has no room for.
pub(crate) fn no_room() -> TlsFault {
    TlsFault::new(TlsFaultKind::Internal, "the session takes no more")
}

fn kind(error: &Error) -> TlsFaultKind {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<NotPinned>() => {
            TlsFaultKind::Pin
        }
        Error::InvalidCertificate(problem) => {
            TlsFaultKind::Certificate(kind_of_certificate(problem))
        }
        Error::NoCertificatesPresented => TlsFaultKind::Certificate(CertificateFault::Missing),
        Error::AlertReceived(AlertDescription::CertificateRequired)
        | Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            TlsFaultKind::ClientCertificate
        }
        Error::AlertReceived(alert) => TlsFaultKind::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) => TlsFaultKind::NothingInCommon,
        Error::DecryptError => TlsFaultKind::Record,
        Error::PeerSentOversizedRecord
        | Error::InvalidMessage(_)
        | Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => TlsFaultKind::Protocol,
        _ => TlsFaultKind::Internal,
    }
}

fn kind_of_certificate(problem: &CertificateError) -> CertificateFault {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotValidYet
        }
        CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::Name
        }
        CertificateError::Revoked => CertificateFault::Revoked,
        CertificateError::BadSignature => CertificateFault::Signature,
        CertificateError::BadEncoding => CertificateFault::Malformed,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateFault::Purpose
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<KeySize>() {
            Some(size) if size.is_issuers => CertificateFault::IssuersKeySize,
            Some(_) => CertificateFault::KeySize,
            None => CertificateFault::Other,
        },
        _ => CertificateFault::Other,
    }
}

fn explain(error: &Error, progress: Progress) -> String {
    match error {
        Error::InvalidCertificate(problem) => explain_certificate(problem),
        Error::AlertReceived(alert) => explain_alert(*alert, progress),
        Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            "the server offers neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => "the server offers no TLS version that is allowed here".to_owned(),
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            "the server asks for a client certificate, and for signatures of none of the kinds that are made here"
                .to_owned()
        }
        Error::PeerIncompatible(what) => format!("no way to agree with the peer: {what:?}"),
        Error::DecryptError => "a record from the peer cannot be decrypted".to_owned(),
        Error::PeerSentOversizedRecord => "a record from the peer is too large".to_owned(),
        Error::InvalidMessage(what) => format!("the peer sent a malformed message: {what:?}"),
        Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests) => {
            "the server asks for renegotiation, which is not spoken here".to_owned()
        }
        Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm) => {
            "the server signs by a key of a kind that does not go with TLS 1.2 here; keys of RSASSA-PSS go with TLS 1.3"
                .to_owned()
        }
        Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => {
            "the server signs in a way that was not offered".to_owned()
        }
        Error::PeerMisbehaved(
            PeerMisbehaved::SelectedUnofferedKxGroup
            | PeerMisbehaved::IllegalHelloRetryRequestWithUnofferedNamedGroup,
        ) => "the server chose a group for the key exchange that was not offered".to_owned(),
        Error::PeerMisbehaved(
            PeerMisbehaved::SelectedUnofferedCipherSuite
            | PeerMisbehaved::IllegalHelloRetryRequestWithUnofferedCipherSuite,
        ) => "the server chose a cipher that was not offered".to_owned(),
        Error::PeerMisbehaved(what) => format!("the peer broke the protocol: {what:?}"),
        Error::InappropriateMessage { got_type, .. } => {
            format!("the peer sent an unexpected message: {got_type:?}")
        }
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            format!("the peer sent an unexpected handshake message: {got_type:?}")
        }
        Error::EncryptError => "the keys of this connection are used up".to_owned(),
        error => error.to_string(),
    }
}

fn explain_certificate(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired => "the server's certificate has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the server's certificate expired {} ago",
            duration(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        CertificateError::NotValidYet => "the server's certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the server's certificate is not valid for another {}",
            duration(not_before.as_secs().saturating_sub(time.as_secs()))
        ),
        CertificateError::UnknownIssuer => {
            "the server's certificate is issued by nobody whom we trust (unknown issuer)".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is not valid for {}, only for {}",
            expected.to_str(),
            list(presented, &expected.to_str())
        ),
        CertificateError::NotValidForName => {
            "the server's certificate is not valid for this name".to_owned()
        }
        CertificateError::Revoked => "the server's certificate is revoked".to_owned(),
        CertificateError::BadSignature => {
            "a signature by the server or in its certificates is wrong".to_owned()
        }
        CertificateError::BadEncoding => "the server's certificate is malformed".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not made for servers".to_owned()
        }
        CertificateError::Other(other) if other.0.to_string() == IS_AUTHORITY => {
            "the server's certificate is an authority's own, and none that was given as a root"
                .to_owned()
        }
        CertificateError::Other(other) if other.0.to_string() == "UnsupportedCertVersion" => {
            "the server's certificate is of X.509 version 1 or 2, which says no names that it could be valid for"
                .to_owned()
        }
        CertificateError::Other(other) => {
            format!("the server's certificate cannot be accepted: {}", other.0)
        }
        problem => format!("the server's certificate cannot be accepted: {problem}"),
    }
}

fn explain_alert(alert: AlertDescription, progress: Progress) -> String {
    let Progress { is_agreed, has_certificate } = progress;
    let what = match alert {
        AlertDescription::CertificateRequired => "it demands a client certificate",
        AlertDescription::ProtocolVersion => "no version of TLS in common",
        AlertDescription::HandshakeFailure if !is_agreed => NOTHING_IN_COMMON,
        AlertDescription::HandshakeFailure if !has_certificate => CERTIFICATE_WANTED,
        AlertDescription::HandshakeFailure => "handshake failure, with the ciphers agreed on",
        AlertDescription::InsufficientSecurity => "what is offered is not secure enough for it",
        AlertDescription::UnrecognisedName => "it does not serve this name",
        AlertDescription::NoApplicationProtocol => "no ALPN protocol in common",
        AlertDescription::IllegalParameter => {
            "it calls something that was sent illegal, and does not say what"
        }
        AlertDescription::DecryptError => "it finds a signature or the end of the handshake wrong",
        AlertDescription::UnknownCA if has_certificate => {
            "it does not know who issued our certificate"
        }
        AlertDescription::CertificateExpired if has_certificate => "our certificate has expired",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
            if has_certificate =>
        {
            "it does not accept our certificate"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnknownCA => {
            return format!(
                "the peer refused: it speaks of a client certificate, of which none was given (alert {}, {alert:?})",
                u8::from(alert)
            );
        }
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::InternalError => "internal error",
        _ => return format!("the peer refused: alert {} ({alert:?})", u8::from(alert)),
    };
    format!("the peer refused: {what} (alert {})", u8::from(alert))
}

/// The names of a certificate that has not the one that was `expected`.
fn list(names: &[String], expected: &str) -> String {
    if names.is_empty() {
        return "no name at all".to_owned();
    }
    let listed: Vec<_> = names
        .iter()
        .take(NAMES_LISTED)
        .map(|name| match bare(name) {
            // an address has to be one of iPAddress (RFC 9110, 4.3.5)
            same if same == expected => {
                format!("{same} as a name of the DNS, which an address is not")
            }
            other => other.to_owned(),
        })
        .collect();
    let mut text = listed.join(", ");
    if names.len() > NAMES_LISTED {
        let _ = write!(text, " and {} more", names.len() - NAMES_LISTED);
    }
    text
}

/// The name within webpki's notation: `DnsName("a.example")`, `IpAddress(::1)`.
fn bare(name: &str) -> &str {
    match name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')) {
        Some(inner) => inner.trim_matches('"'),
        None => name,
    }
}

fn duration(seconds: u64) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}
