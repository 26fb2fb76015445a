//! Public keys that a server must have one of, as curl's `--pinnedpubkey` has them.
//!
//! Knows the SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469, 2.4) and how such are given. Must not know
//! whom to trust: whatever verifies does so first. Invariant: a pin adds a demand and takes none away.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use sha2::{Digest as _, Sha256};

use super::public_key::PublicKey;
use super::roots::{pem_problem, without_mark};

/// The hash of a public key.
type Pin = [u8; 32];

/// What a list of hashes begins each of its entries with.
const HASH: &str = "sha256//";

/// Bytes of a file with a public key: more than any has.
const FILE_BYTES: u64 = 1 << 20;

/// The keys that were given: `sha256//BASE64`, several with `;` between, or the name of a file with one public
/// key in PEM or DER.
pub(super) fn parse(text: &str) -> Result<Vec<Pin>, String> {
    if text.starts_with(HASH) {
        return text.split(';').map(parse_hash).collect();
    }
    let about = |what: &dyn fmt::Display| format!("cannot use the public key in {text}: {what}");
    let mut content = Vec::new();
    let file = File::open(text).map_err(|error| about(&error))?;
    file.take(FILE_BYTES + 1).read_to_end(&mut content).map_err(|error| about(&error))?;
    if content.len() as u64 > FILE_BYTES {
        return Err(about(&"the file is larger than any key"));
    }
    let key = match content.first() {
        // a SEQUENCE
        Some(0x30) => SubjectPublicKeyInfoDer::from(content),
        _ => SubjectPublicKeyInfoDer::from_pem_slice(without_mark(&content)).map_err(|error| {
            match error {
                rustls::pki_types::pem::Error::NoItemsFound => about(&"no PEM public key in it"),
                error => about(&pem_problem(&error)),
            }
        })?,
    };
    Ok(vec![Sha256::digest(&key).into()])
}

fn parse_hash(entry: &str) -> Result<Pin, String> {
    let bytes = entry.strip_prefix(HASH).and_then(|hash| BASE64_STANDARD.decode(hash).ok());
    let pin = bytes.and_then(|bytes| Pin::try_from(bytes).ok());
    pin.ok_or_else(|| format!("{entry:?} is not of the form {HASH}BASE64, with 32 bytes"))
}

/// Has another verifier its say, and then asks for one of the keys.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) pins: Vec<Pin>,
}

/// The server has another key than any of those that were asked for.
#[derive(Debug)]
pub(crate) struct NotPinned;

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's public key is none of those that are pinned")
    }
}

impl std::error::Error for NotPinned {}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = &self.verifier;
        let verified = verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let key = PublicKey::of(end_entity).ok_or(CertificateError::BadEncoding)?;
        let pin: Pin = Sha256::digest(key.info).into();
        if self.pins.contains(&pin) {
            Ok(verified)
        } else {
            let other = OtherError(Arc::new(NotPinned));
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
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
    use rcgen::PublicKeyData as _;

    use super::*;

    const EMPTY: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn hashes_are_taken_and_nothing_like_them() {
        let empty: Pin = Sha256::digest(b"").into();
        assert_eq!(parse(EMPTY), Ok(vec![empty]));
        assert_eq!(parse(&format!("{EMPTY};{EMPTY}")), Ok(vec![empty; 2]));
        let bad = ["sha256//", "sha256//AAAA", "sha256//!", &format!("{EMPTY};"), "sha256//47DE=="];
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("{EMPTY};sha1//AAAA")).is_err());
        assert!(parse("/no/such/file").is_err_and(|why| why.contains("/no/such/file")));
    }

    #[test]
    fn a_file_has_one_key_in_pem_or_der() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let pin: Pin = Sha256::digest(key.subject_public_key_info()).into();
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).expect("writes");
            path.to_str().expect("UTF-8").to_owned()
        };
        assert_eq!(parse(&file("pem", key.public_key_pem().as_bytes())), Ok(vec![pin]));
        let marked = format!("\u{feff}{}", key.public_key_pem());
        assert_eq!(parse(&file("marked", marked.as_bytes())), Ok(vec![pin]));
        assert_eq!(parse(&file("der", &key.subject_public_key_info())), Ok(vec![pin]));
        assert!(parse(&file("private", key.serialize_pem().as_bytes())).is_err());
        assert!(parse(&file("empty", b"")).is_err());
    }
}
