//! Servers whose own certificate is one of the roots that were given.
//!
//! Knows one exception to what another verifier says: a certificate that is marked as an authority is
//! refused as a server's own (RFC 5280, 4.2.1.9), but who was handed this very certificate needs nobody
//! to vouch for it. Invariant: its name and its dates are demanded as of any.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Has another verifier its say, and then excuses a root that stands for itself.
#[derive(Debug)]
pub(super) struct Itself {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    /// Those that the caller gave.
    pub(super) roots: Vec<CertificateDer<'static>>,
}

/// What webpki finds when a certificate is an authority's: after its dates, which it looks at first, and
/// before its name.
pub(crate) const IS_AUTHORITY: &str = "CaUsedAsEndEntity";

fn is_authority(error: &Error) -> bool {
    match error {
        // rustls has no word of its own for it
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.to_string() == IS_AUTHORITY
        }
        _ => false,
    }
}

impl ServerCertVerifier for Itself {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = &self.verifier;
        match verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Err(error) if is_authority(&error) && self.roots.iter().any(|r| r == end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;

    use super::*;

    /// As `openssl req -x509` makes them.
    fn authority(name: &str, last_year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(last_year, 1, 1));
        params.self_signed(&KeyPair::generate().expect("a key")).expect("signs").der().clone()
    }

    fn verify(root: &CertificateDer<'static>, shown: &CertificateDer<'_>, name: &str) -> String {
        let mut store = RootCertStore::empty();
        store.add(root.clone()).expect("a root");
        let provider = super::super::provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(store.into(), provider).build();
        let itself = Itself { verifier: verifier.expect("a verifier"), roots: vec![root.clone()] };
        let name = ServerName::try_from(name).expect("a name");
        // the middle of 2026
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_781_000_000));
        match itself.verify_server_cert(shown, &[], &name, &[], now) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_root_may_stand_for_itself_and_for_nobody_else() {
        let root = authority("a.test", 2100);
        assert_eq!(verify(&root, &root, "a.test"), "fine");
        assert!(verify(&root, &root, "b.test").contains("not valid for name"));
        let like_it = authority("a.test", 2100);
        assert!(verify(&root, &like_it, "a.test").contains(IS_AUTHORITY));
        let old = authority("a.test", 2021);
        assert!(verify(&old, &old, "a.test").contains("expired"));
    }
}
