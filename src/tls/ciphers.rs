//! Cipher suites, as OpenSSL and curl's `--ciphers` and `--tls13-ciphers` name them.
//!
//! Knows the names of the suites that the provider has, by OpenSSL and by IANA, and how lists of them are read. Must not
//! know what they are used for. Invariant: a list that leaves nothing is an error, and never all.

use rustls::{CipherSuite, SupportedCipherSuite};

/// Names by OpenSSL of suites of TLS 1.2; those of TLS 1.3 have IANA's.
const OPENSSL: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Words of OpenSSL's for what is all the same here: each suite that there is has forward secrecy and is an AEAD.
const ALL: [&str; 6] = ["ALL", "DEFAULT", "COMPLEMENTOFDEFAULT", "HIGH", "ECDHE", "EECDH"];

/// Of the suites `known` those that a list names, in its order: names with `:`, `,` or spaces between; `!` or `-` takes
/// one away. Names of suites that are not there are passed over, as OpenSSL does.
pub(super) fn chosen(
    list: &str,
    known: &[SupportedCipherSuite],
) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    let words = list.split([':', ',', ' ']).filter(|word| !word.is_empty());
    // `@SECLEVEL=2` and `@STRENGTH` may stand behind a name
    for word in words.map(|word| word.split('@').next().unwrap_or_default()) {
        let (takes_away, name) = match word.strip_prefix(['!', '-']) {
            Some(name) => (true, name),
            None => (false, word.trim_start_matches('+')),
        };
        let named = known.iter().filter(|suite| is_named(**suite, name));
        if takes_away {
            let named: Vec<_> = named.collect();
            chosen.retain(|suite| !named.contains(&suite));
        } else {
            for suite in named {
                if !chosen.contains(suite) {
                    chosen.push(*suite);
                }
            }
        }
    }
    match chosen.is_empty() {
        true => Err(format!("none of the ciphers {list:?} is one of {}", names(known))),
        false => Ok(chosen),
    }
}

fn is_named(suite: SupportedCipherSuite, name: &str) -> bool {
    ALL.contains(&name) || name_of(suite) == name || iana(suite) == name
}

fn name_of(suite: SupportedCipherSuite) -> String {
    match OPENSSL.iter().find(|(_, known)| *known == suite.suite()) {
        Some((name, _)) => (*name).to_owned(),
        None => iana(suite),
    }
}

/// As IANA has it: rustls writes `TLS13_` for `TLS_`.
fn iana(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

fn names(known: &[SupportedCipherSuite]) -> String {
    known.iter().map(|suite| name_of(*suite)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_openssl_reads_them() {
        let provider = super::super::provider();
        let known: Vec<_> = provider
            .cipher_suites
            .iter()
            .copied()
            .filter(|suite| suite.tls13().is_none())
            .collect();
        let modern: Vec<_> = provider
            .cipher_suites
            .iter()
            .copied()
            .filter(|suite| suite.tls13().is_some())
            .collect();
        assert_eq!(known.len(), OPENSSL.len(), "each has a name");
        let read = |list: &str| match chosen(list, &known) {
            Ok(suites) => names(&suites),
            Err(why) => why,
        };
        let one = "ECDHE-RSA-AES128-GCM-SHA256";
        assert_eq!(read(one), one);
        assert_eq!(read("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), one);
        assert_eq!(read("AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256"), one);
        let two = "ECDHE-RSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384";
        assert_eq!(read(two), two, "in the order of the list");
        assert_eq!(read("DEFAULT@SECLEVEL=0"), names(&known));
        assert_eq!(read("HIGH:!aNULL:!MD5"), names(&known));
        assert_eq!(read(&format!("{two}:-ECDHE-ECDSA-AES256-GCM-SHA384")), one);
        assert!(
            read("AES128-SHA").starts_with("none of the ciphers \"AES128-SHA\" is one of ECDHE-")
        );
        assert!(read("").starts_with("none of the ciphers \"\""));
        let read = |list: &str| chosen(list, &modern).map(|suites| names(&suites));
        let two = "TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256";
        assert_eq!(read(two).as_deref(), Ok(two));
        assert!(read(one).is_err());
    }
}
