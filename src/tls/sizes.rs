//! Signatures that are called wrong since the key is too small, or too large, to verify by.
//!
//! Has another verifier its say, and tells of keys where that tells of signatures: rustls makes no difference. Must not
//! know whom to trust. Invariant: whom the other verifier refuses is refused.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::public_key::{Names, PublicKey, RSA_BITS};

/// Tells of the sizes of keys.
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    /// Those that the caller gave.
    pub(super) roots: Vec<CertificateDer<'static>>,
}

/// An RSA key of so many bits.
#[derive(Debug)]
pub(crate) struct KeySize {
    /// It is not the server's own.
    pub(crate) is_issuers: bool,
    bits: usize,
}

impl fmt::Display for KeySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeySize { is_issuers, bits } = self;
        let whose = if *is_issuers { "its issuer's" } else { "its" };
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        match bits < least {
            true => write!(
                f,
                "{whose} RSA key is too small: it has {bits} bits, and {least} are the least"
            ),
            false => write!(
                f,
                "{whose} RSA key is too large: it has {bits} bits, and {most} are the most"
            ),
        }
    }
}

impl std::error::Error for KeySize {}

impl KeySize {
    fn of(is_issuers: bool, certificate: &CertificateDer<'_>) -> Option<KeySize> {
        let bits = PublicKey::of(certificate)?.rsa_bits_of_another_size()?;
        Some(KeySize { is_issuers, bits })
    }

    fn or(size: Option<KeySize>, error: Error) -> Error {
        match size {
            Some(size) => CertificateError::Other(OtherError(Arc::new(size))).into(),
            None => error,
        }
    }
}

/// Whether a verifier says that a signature is wrong.
fn is_about_signature(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::BadSignature))
}

impl Sizes {
    /// The key of whoever has signed one of these.
    fn of_issuers(&self, chain: &[&CertificateDer<'_>]) -> Option<KeySize> {
        let subject_of = |certificate: &CertificateDer<'_>| {
            Names::of(certificate).map(|names| names.subject.to_vec())
        };
        chain.iter().find_map(|signed| {
            let issuer = Names::of(signed)?.issuer.to_vec();
            let given = chain.iter().copied().chain(&self.roots);
            given
                .filter(|one| subject_of(one).is_some_and(|subject| subject == issuer))
                .find_map(|one| KeySize::of(true, one))
        })
    }
}

impl ServerCertVerifier for Sizes {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = &self.verifier;
        let verified =
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match is_about_signature(&error) {
            true => {
                let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
                KeySize::or(self.of_issuers(&chain), error)
            }
            false => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.verifier.verify_tls12_signature(message, certificate, signature);
        verified.map_err(|error| of_handshake(certificate, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.verifier.verify_tls13_signature(message, certificate, signature);
        verified.map_err(|error| of_handshake(certificate, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What stands against the signature of a handshake.
fn of_handshake(certificate: &CertificateDer<'_>, error: Error) -> Error {
    match is_about_signature(&error) {
        true => KeySize::or(KeySize::of(false, certificate), error),
        false => error,
    }
}
