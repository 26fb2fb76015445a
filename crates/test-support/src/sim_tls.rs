//! The server's end of a TLS connection, as a transform of bytes: for tests without a network.
//!
//! Keys and signatures have a fixed length, so that the lengths of all messages are the same in
//! each run.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// A server's session.
#[derive(Debug)]
pub struct TlsPeer(ServerConnection);

impl TlsPeer {
    /// A session that shows a certificate which nobody vouches for.
    pub fn new() -> TlsPeer {
        let connection = ServerConnection::new(config()).expect("a configuration in order");
        TlsPeer(connection)
    }

    /// Takes bytes of the wire; returns what they say.
    pub fn read(&mut self, wire: &[u8]) -> Vec<u8> {
        self.try_read(wire).expect("a client that speaks TLS")
    }

    /// The same, of a client that may not speak TLS.
    pub fn try_read(&mut self, mut wire: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut plain = Vec::new();
        while !wire.is_empty() {
            self.0.read_tls(&mut wire).expect("a slice can be read");
            let state = self.0.process_new_packets()?;
            let mut piece = vec![0; state.plaintext_bytes_to_read()];
            self.0.reader().read_exact(&mut piece).expect("the session has them");
            plain.extend_from_slice(&piece);
        }
        Ok(plain)
    }

    /// Says this to the client.
    pub fn write(&mut self, plain: &[u8]) {
        self.0.writer().write_all(plain).expect("a session takes all");
    }

    /// Says that there is no more to come.
    pub fn close(&mut self) {
        self.0.send_close_notify();
    }

    /// What is to be put on the wire.
    pub fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut wire).expect("a vector takes all");
        }
        wire
    }
}

fn config() -> Arc<ServerConfig> {
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![identity().cert.der().clone()], key().into())
            .expect("the key is the certificate's");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn key() -> PrivatePkcs8KeyDer<'static> {
    identity().signing_key.serialize_der().into()
}

/// Made once: keys cost.
fn identity() -> &'static CertifiedKey<KeyPair> {
    static IDENTITY: OnceLock<CertifiedKey<KeyPair>> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let signing_key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let params = CertificateParams::new(vec!["sim.test".to_owned()]).expect("a name");
        let cert = params.self_signed(&signing_key).expect("it signs itself");
        CertifiedKey { cert, signing_key }
    })
}

/// A message of TLS of 65,535 bytes, of which the last never come (RFC 8446, 4 and 5.1).
pub fn unfinished_handshake() -> Vec<u8> {
    let mut message = vec![2, 0, 0xff, 0xff];
    message.resize(4 * 16_384 - 8, 0);
    let records = message.chunks(16_384).map(|fragment| {
        let length = (fragment.len() as u16).to_be_bytes();
        [&[22, 3, 3][..], &length, fragment].concat()
    });
    records.collect::<Vec<_>>().concat()
}
