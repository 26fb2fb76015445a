//! The public key of a certificate, whatever else is in that.
//!
//! Knows as much of X.509 (RFC 5280, 4.1) as it takes to find the key in certificates of any version and with any
//! extensions, which webpki refuses to look into where it would not accept them, the names before it, and what a signature
//! of a handshake says of the key. Must not know whom to trust. Invariant: nothing outside of the certificate is read, and each element
//! once.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{DigitallySignedStruct, SignatureScheme};

/// A SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PublicKey<'a> {
    /// The whole of it, in DER: what pins are hashes of.
    pub(super) info: &'a [u8],
    /// The contents of its AlgorithmIdentifier.
    algorithm: &'a [u8],
    /// The key itself.
    key: &'a [u8],
}

/// Who signed a certificate, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
}

/// What the signature of a handshake says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The peer holds the key.
    Valid,
    /// It does not.
    Invalid,
    /// Nobody here can tell: there is no algorithm for such a key.
    Unknown,
}

/// Tags of DER (X.690, 8).
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// rsaEncryption and id-RSASSA-PSS, but for the last byte (RFC 8017, A.1 and A.2.3): 1.2.840.113549.1.1.
const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];

/// Bits of the RSA keys that the provider verifies by.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl<'a> PublicKey<'a> {
    /// The key of a certificate, if one can be found in it.
    pub(super) fn of(certificate: &'a [u8]) -> Option<PublicKey<'a>> {
        let (_, signed) = Names::before_key(certificate)?;
        let (mut parts, rest) = element(signed, SEQUENCE)?;
        let info = &signed[..signed.len() - rest.len()];
        let algorithm = next(&mut parts, SEQUENCE)?;
        // of the last byte no bit is unused
        let key = next(&mut parts, BIT_STRING)?.strip_prefix(&[0])?;
        Some(PublicKey { info, algorithm, key })
    }

    /// Whether it made this signature of `message`.
    pub(super) fn proof(
        &self,
        message: &[u8],
        signature: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Proof {
        let scheme = signature.scheme;
        let known = algorithms.mapping.iter().filter(|(known, _)| *known == scheme);
        let mut fitting = known
            .flat_map(|(_, algorithms)| *algorithms)
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == self.algorithm)
            .peekable();
        if fitting.peek().is_none() || self.is_rsa_of_another_size(scheme) {
            return Proof::Unknown;
        }
        let signature = signature.signature();
        let verified = |a: &dyn rustls_pki_types::SignatureVerificationAlgorithm| {
            a.verify_signature(self.key, message, signature).is_ok()
        };
        match fitting.any(|algorithm| verified(*algorithm)) {
            true => Proof::Valid,
            false => Proof::Invalid,
        }
    }

    /// Whether it is an RSA key that is shorter or longer than any that the provider takes, for a scheme of such keys.
    fn is_rsa_of_another_size(&self, scheme: SignatureScheme) -> bool {
        let is_rsa = matches!(
            scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
                | SignatureScheme::RSA_PSS_SHA256
                | SignatureScheme::RSA_PSS_SHA384
                | SignatureScheme::RSA_PSS_SHA512
        );
        is_rsa && self.rsa_bits_of_another_size().is_some()
    }

    /// The bits of an RSA key (RFC 8017, A.1.1) that is shorter or longer than any that the provider takes.
    pub(super) fn rsa_bits_of_another_size(&self) -> Option<usize> {
        if !self.algorithm.starts_with(RSA) {
            return None;
        }
        let (key, _) = element(self.key, SEQUENCE)?;
        let (modulus, _) = element(key, INTEGER)?;
        let digits = &modulus[modulus.iter().position(|&byte| byte != 0)?..];
        let unused = digits.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = 8 * digits.len() - unused;
        (!RSA_BITS.contains(&bits)).then_some(bits)
    }
}

impl<'a> Names<'a> {
    pub(super) fn of(certificate: &'a [u8]) -> Option<Names<'a>> {
        Names::before_key(certificate).map(|(names, _)| names)
    }

    /// The names, and what of the certificate's signed part begins with the key.
    fn before_key(certificate: &'a [u8]) -> Option<(Names<'a>, &'a [u8])> {
        let (mut certificate, _) = element(certificate, SEQUENCE)?;
        let mut signed = next(&mut certificate, SEQUENCE)?;
        if signed.first() == Some(&VERSION) {
            next(&mut signed, VERSION)?;
        }
        next(&mut signed, INTEGER)?;
        let _algorithm = next(&mut signed, SEQUENCE)?;
        let issuer = next(&mut signed, SEQUENCE)?;
        let _validity = next(&mut signed, SEQUENCE)?;
        let subject = next(&mut signed, SEQUENCE)?;
        Some((Names { issuer, subject }, signed))
    }
}

/// The contents of the element with this tag that `input` begins with, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, short], rest) = input.split_first_chunk()?;
    if found != tag {
        return None;
    }
    if short < 0x80 {
        return rest.split_at_checked(short.into());
    }
    // a certificate is in a message of TLS, of which the length has three bytes
    let (length, rest) =
        rest.split_at_checked((short & 0x7f).into()).filter(|(l, _)| l.len() <= 3)?;
    let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
    rest.split_at_checked(length)
}

/// Takes the element with this tag off the front.
fn next<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (contents, rest) = element(input, tag)?;
    *input = rest;
    Some(contents)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};

    use super::*;

    #[test]
    fn the_key_is_found_and_nothing_is_read_past_the_end() {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["a.test".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("signs");
        let der = certificate.der();
        let found = PublicKey::of(der).expect("a key");
        assert_eq!(found.info, key.subject_public_key_info());
        assert_eq!(found.key, key.public_key_raw());
        for end in 0..der.len() {
            assert_eq!(PublicKey::of(&der[..end]), None, "cut at {end}");
        }
        for at in 0..der.len() {
            for byte in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut broken = der.to_vec();
                broken[at] = byte;
                let _ = PublicKey::of(&broken);
            }
        }
    }

    #[test]
    fn lengths_of_elements() {
        type Parts = (&'static [u8], &'static [u8]);
        let table: [(&[u8], Option<Parts>); 8] = [
            (b"\x30\x00", Some((b"", b""))),
            (b"\x30\x01ab", Some((b"a", b"b"))),
            (b"\x30\x81\x01ab", Some((b"a", b"b"))),
            (b"\x30\x83\x00\x00\x01ab", Some((b"a", b"b"))),
            (b"\x30\x84\x00\x00\x00\x01ab", None),
            (b"\x30\x02a", None),
            (b"\x30\x80ab", Some((b"", b"ab"))),
            (b"\x02\x01ab", None),
        ];
        for (input, want) in table {
            assert_eq!(element(input, SEQUENCE), want, "{}", input.escape_ascii());
        }
    }
}
