//! Digests as WARC files have them: `sha1:` and Base32 (RFC 4648, 6).

use sha1::{Digest as _, Sha1};

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A digest in the making.
#[derive(Default)]
pub(super) struct Digest(Sha1);

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> String {
        let mut digest = Digest::default();
        digest.update(bytes);
        digest.finish()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> String {
        format!("sha1:{}", base32(&self.0.finalize()))
    }
}

/// Five bytes are eight letters; of SHA-1, which has twenty bytes, nothing is left over.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 5 * 8);
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for at in (0..8).rev() {
            let letter = usize::try_from(bits >> (at * 5) & 31).unwrap_or(0);
            text.push(char::from(ALPHABET[letter]));
        }
    }
    text
}

/// Whether a field says the same as `own`: in capitals or not, and in Base32 or hexadecimal. `None` if it is of an algorithm
/// that is not known here.
pub(super) fn says(field: &str, own: &str) -> Option<bool> {
    let (algorithm, value) = field.split_once(':')?;
    if !algorithm.eq_ignore_ascii_case("sha1") && !algorithm.eq_ignore_ascii_case("sha-1") {
        return None;
    }
    let own = own.strip_prefix("sha1:").unwrap_or(own);
    Some(
        value.eq_ignore_ascii_case(own)
            || value.len() == 40 && value.eq_ignore_ascii_case(&hexadecimal(own)),
    )
}

fn hexadecimal(base32: &str) -> String {
    let mut text = String::new();
    for group in base32.as_bytes().chunks_exact(8) {
        let bits = group.iter().fold(0_u64, |bits, letter| {
            let value = ALPHABET.iter().position(|other| other == letter).unwrap_or(0);
            bits << 5 | value as u64
        });
        text.push_str(&format!("{bits:010x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        let empty = Digest::of(b"");
        assert_eq!(empty, "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ");
        assert_eq!(says("sha1:3i42h3s6nnfq2msvx7xzkyayscx5qbyj", &empty), Some(true));
        assert_eq!(says("SHA1:da39a3ee5e6b4b0d3255bfef95601890afd80709", &empty), Some(true));
        assert_eq!(says("sha1:AAAA", &empty), Some(false));
        assert_eq!(says("sha256:e3b0", &empty), None);
        assert_eq!(says("nonsense", &empty), None);
    }
}
