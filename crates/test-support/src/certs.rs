//! A certificate authority for one test, and certificates good and bad that it signs.
//!
//! Files are PEM, in a directory that goes with the authority. A certificate that nobody should
//! trust comes from a second authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// What [`Authority::server`] is good for: names that a test can send to loopback. A wildcard
/// right below a top-level name is refused by most clients, so it stands one label deeper.
const NAMES: [&str; 5] = ["localhost", "ringdove.test", "*.ringdove.test", "127.0.0.1", "::1"];

/// A root that a test may add to its trusted ones.
pub struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    issued: AtomicUsize,
}

/// A certificate, its key, and the files that hold them.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM (PKCS #8).
    pub key_file: PathBuf,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Authority {
    /// A fresh authority, its certificate written to [`Authority::ca_file`].
    pub fn new() -> Authority {
        let mut params = params(&[], "ringdove test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key for the authority");
        let certificate = params.self_signed(&key).expect("the authority signs itself");
        let dir = tempfile::Builder::new()
            .prefix("ringdove-certs-")
            .tempdir()
            .expect("a directory for certificates");
        fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("writing ca.pem");
        Authority {
            dir,
            issuer: Issuer::new(params, key),
            certificate: certificate.der().clone(),
            issued: AtomicUsize::new(0),
        }
    }

    /// The authority's own certificate, PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The authority's own certificate, DER.
    pub fn ca(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A rustls client that trusts this authority alone.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a usable root");
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// The directory of all files of this authority.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A server's, good for localhost, ringdove.test, *.ringdove.test, 127.0.0.1 and ::1.
    pub fn server(&self) -> Identity {
        self.server_for(&NAMES)
    }

    /// A server's, good for the given DNS names and IP literals alone.
    pub fn server_for(&self, names: &[&str]) -> Identity {
        self.issue(server_params(names))
    }

    /// A server's, good for another name than any that a test asks for.
    pub fn wrong_name(&self) -> Identity {
        self.server_for(&["elsewhere.invalid"])
    }

    /// A server's, good for all names until the end of 2001.
    pub fn expired(&self) -> Identity {
        let mut params = server_params(&NAMES);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 12, 31);
        self.issue(params)
    }

    /// A server's, good for all names, but not before 2998.
    pub fn not_yet_valid(&self) -> Identity {
        let mut params = server_params(&NAMES);
        params.not_before = date_time_ymd(2998, 1, 1);
        params.not_after = date_time_ymd(2999, 1, 1);
        self.issue(params)
    }

    /// A client's, with `name` as the subject's common name.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = params(&[], name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key for a certificate");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let cert_file = self.dir.path().join(format!("{number}.pem"));
        let key_file = self.dir.path().join(format!("{number}.key"));
        fs::write(&cert_file, certificate.pem()).expect("writing a certificate");
        fs::write(&key_file, key.serialize_pem()).expect("writing a key");
        Identity {
            cert_file,
            key_file,
            certificate: certificate.der().clone(),
            key: key.serialize_der().into(),
        }
    }
}

impl Identity {
    /// Its public key, PEM.
    pub fn public_key_pem(&self) -> String {
        self.key_pair().public_key_pem()
    }

    /// The hash of its public key, as `--pinnedpubkey` takes it.
    pub fn pin(&self) -> String {
        let hash = Sha256::digest(self.key_pair().subject_public_key_info());
        format!("sha256//{}", BASE64_STANDARD.encode(hash))
    }

    fn key_pair(&self) -> KeyPair {
        KeyPair::try_from(&self.key).expect("the key of an identity")
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key, DER.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key().into()
    }

    /// A rustls server that shows this certificate, asks for none, and speaks http/1.1.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server_config_that_speaks(&["http/1.1"])
    }

    /// The same, but it speaks these protocols, and prefers those that come first (RFC 7301).
    pub fn server_config_that_speaks(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key())
            .expect("the key is the certificate's");
        config.alpn_protocols =
            protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// One without ALPN that lets in those alone who show a certificate of this authority.
    pub fn server_config_for_clients_of(&self, authority: &Authority) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).expect("a usable root");
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_client_cert_verifier(clients.build().expect("a root to verify by"))
            .with_single_cert(vec![self.certificate.clone()], self.key())
            .expect("the key is the certificate's");
        Arc::new(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_params(names: &[&str]) -> CertificateParams {
    let mut params = params(names, "ringdove test server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("valid subject names");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}
