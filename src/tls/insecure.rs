//! The verifier behind [`super::TlsPolicyBuilder::insecure`].
//!
//! Knows how to check a handshake's signature; looks at nothing else in a certificate, of which any will do, also one
//! that nobody could verify (version 1, extensions that are critical and unknown, keys of a kind or size that the
//! provider has no algorithm for). Invariant: a signature that can be checked is right; one that cannot proves nothing and
//! is passed over, since whoever is on the path could show a certificate of their own as well, unless keys are pinned.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, CipherSuiteCommon, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    SupportedCipherSuite, Tls12CipherSuite,
};

use super::public_key::{Proof, PublicKey};

/// Accepts any certificate, and from there on only who holds its key, as far as that can be told.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
    /// The key is one of those that were asked for, and so it has to be told.
    pinned: bool,
}

/// What servers with such keys sign by, and old ones: known to no algorithm of the provider.
const UNVERIFIABLE: [SignatureScheme; 7] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    // rsa_pss_pss_sha256 and its like (RFC 8446, 4.2.3)
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];

/// What keys of curves sign by in TLS 1.2: as the provider has it, and Ed448, which the suite would otherwise exclude.
const BY_CURVES: [SignatureScheme; 5] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
];

/// The suite as it is for servers with keys that nobody here can verify by. (Of RSASSA-PSS keys rustls knows nothing in
/// TLS 1.2.)
pub(super) fn with_any_key(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    static SUITES: OnceLock<Vec<SupportedCipherSuite>> = OnceLock::new();
    let lax = SUITES.get_or_init(|| {
        let known = super::provider().cipher_suites.clone();
        known.iter().filter_map(lax_of_curves).collect()
    });
    lax.iter().copied().find(|lax| lax.suite() == suite.suite()).unwrap_or(suite)
}

/// Lives as long as the process, as rustls wants it of suites: there are three of them.
fn lax_of_curves(suite: &SupportedCipherSuite) -> Option<SupportedCipherSuite> {
    let SupportedCipherSuite::Tls12(known) = suite else { return None };
    let is_of_curves = known.sign.contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
    let &&Tls12CipherSuite { ref common, prf_provider, kx, aead_alg, .. } = known;
    let &CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = common;
    let common = CipherSuiteCommon { suite, hash_provider, confidentiality_limit };
    let lax = Tls12CipherSuite { common, prf_provider, kx, sign: &BY_CURVES, aead_alg };
    is_of_curves.then(|| SupportedCipherSuite::Tls12(Box::leak(Box::new(lax))))
}

/// A pin is worth nothing for a key that anyone may claim to hold.
#[derive(Debug)]
struct Unproven;

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its key is pinned, and signatures by keys of its kind cannot be checked here")
    }
}

impl std::error::Error for Unproven {}

impl AnyCertificate {
    pub(super) fn new(provider: &CryptoProvider, pinned: bool) -> AnyCertificate {
        AnyCertificate { algorithms: provider.signature_verification_algorithms, pinned }
    }

    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let proof = match PublicKey::of(certificate) {
            Some(key) => key.proof(message, signature, &self.algorithms),
            None => Proof::Unknown,
        };
        match proof {
            Proof::Valid => Ok(HandshakeSignatureValid::assertion()),
            Proof::Unknown if !self.pinned => Ok(HandshakeSignatureValid::assertion()),
            Proof::Unknown => {
                let other = OtherError(Arc::new(Unproven));
                Err(Error::InvalidCertificate(CertificateError::Other(other)))
            }
            Proof::Invalid => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if !self.pinned {
            schemes.extend(UNVERIFIABLE);
        }
        schemes
    }
}
