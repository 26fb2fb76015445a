//! Policies: what their builder refuses, and what they share.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn self_signed(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn error(builder: TlsPolicyBuilder) -> String {
    let error = builder.build().expect_err("must be refused").to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn equality_is_identity() {
    let (root, _) = self_signed("root");
    let build =
        || TlsPolicy::builder().add_roots_pem(root.as_str()).only_these_roots().build().unwrap();
    let (one, other) = (build(), build());
    assert_eq!(one, one.clone());
    assert_ne!(one, other);
    let hash = |policy: &TlsPolicy| BuildHasherDefault::<DefaultHasher>::default().hash_one(policy);
    assert_eq!(hash(&one), hash(&one.clone()));
    assert_ne!(hash(&one), hash(&other));
}

#[test]
fn the_systems_policy_is_built_once() {
    match (TlsPolicy::system(), TlsPolicy::system()) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(error), _) | (_, Err(error)) => eprintln!("skipped: {error}"),
    }
}

#[test]
fn roots_are_named_when_they_are_bad() {
    let only = || TlsPolicy::builder().only_these_roots();
    assert_eq!(error(only()), "no root certificates given, and those of the system are ruled out");
    assert_eq!(
        error(only().add_roots_file("/no/such/ca.pem")),
        "cannot read /no/such/ca.pem: No such file or directory (os error 2)"
    );
    assert_eq!(
        error(only().add_roots_pem("hello")),
        "the roots given as PEM: no PEM certificate in it"
    );
    let (root, key) = self_signed("root");
    assert_eq!(
        error(only().add_roots_pem(key)),
        "the roots given as PEM: no PEM certificate in it"
    );
    let cut = &root[..root.len() / 2];
    assert_eq!(
        error(only().add_roots_pem(cut)),
        "the roots given as PEM: a PEM section has no end"
    );
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(
        error(only().add_roots_pem(format!("{root}{junk}"))),
        "the roots given as PEM: certificate 2 is malformed"
    );
    // what is not consulted must be readable all the same
    assert!(error(only().insecure().add_roots_file("/no/such/ca.pem")).contains("/no/such/ca.pem"));
}

#[test]
fn a_file_of_roots_is_named() {
    let path = std::env::temp_dir().join(format!("ringdove-roots-{}.pem", std::process::id()));
    let only = || TlsPolicy::builder().only_these_roots().add_roots_file(&path);
    std::fs::write(&path, "").unwrap();
    let empty = error(only());
    std::fs::write(&path, self_signed("root").0).unwrap();
    let good = only().build();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(empty, format!("{}: no PEM certificate in it", path.display()));
    assert!(good.is_ok(), "{good:?}");
}

#[test]
fn the_clients_identity_is_checked_when_built() {
    let (certificate, key) = self_signed("client");
    let (_, other_key) = self_signed("other");
    let with = |certificate: &str, key: &str| {
        TlsPolicy::builder().insecure().client_identity_pem(certificate, key)
    };
    assert!(with(&certificate, &key).build().is_ok());
    let marked = |pem: &str| format!("\u{feff}{pem}");
    assert!(with(&marked(&certificate), &marked(&key)).build().is_ok());
    assert_eq!(
        error(with(&certificate, &other_key)),
        "the client's key does not belong to the client's certificate"
    );
    assert_eq!(error(with("", &key)), "the client's certificate: no PEM certificate in it");
    assert_eq!(
        error(with(&certificate, &certificate)),
        "the client's key: no unencrypted PEM private key in it"
    );
    assert_eq!(
        error(with(&certificate, "-----BEGIN PRIVATE KEY-----\nAA")),
        "the client's key: a PEM section has no end"
    );
}

#[test]
fn versions_and_alpn_are_checked() {
    let insecure = || TlsPolicy::builder().insecure();
    assert_eq!(
        error(insecure().versions(TlsVersion::Tls13, TlsVersion::Tls12)),
        "no version of TLS lies between TLS 1.3 and TLS 1.2"
    );
    assert_eq!(
        error(insecure().alpn(&[b"h2", b""])),
        r#"ALPN protocol "" is not 1 to 255 bytes long"#
    );
    assert!(error(insecure().alpn(&[&[b'x'; 256]])).contains("xxx"));
    assert!(insecure().alpn(&[]).build().is_ok());
}

#[test]
fn added_roots_stand_beside_the_systems() {
    let Ok(system) = roots::system() else {
        eprintln!("skipped: no roots on this system");
        return;
    };
    let marked = format!("\u{feff}{}", self_signed("root").0);
    let added = roots::from_pem("test", marked.as_bytes()).unwrap();
    let builder = TlsPolicy::builder();
    assert!(Arc::ptr_eq(&builder.root_store(&[]).unwrap(), &system));
    assert_eq!(builder.root_store(&added).unwrap().len(), system.len() + 1);
    assert_eq!(builder.only_these_roots().root_store(&added).unwrap().len(), 1);
}

#[test]
fn no_cache_is_too_large_to_build() {
    assert!(TlsPolicy::builder().insecure().session_cache(usize::MAX).build().is_ok());
}

/// What is a credential stays behind, what is a demand does not.
#[test]
fn credentials_are_one_thing_and_demands_another() {
    let (certificate, key) = self_signed("client");
    let pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let policy = |shows: bool, pins: bool| {
        let mut builder = TlsPolicy::builder().insecure();
        if shows {
            builder = builder.client_identity_pem(certificate.as_str(), key.as_str());
        }
        if pins {
            builder = builder.pinned_public_keys(pin);
        }
        builder.build().expect("a policy")
    };
    let shows = |policy: &TlsPolicy| policy.config().client_auth_cert_resolver.has_certs();
    let pins = |policy: &TlsPolicy| policy.0.own.unpinned.is_some();
    for (certificate, pinned) in [(true, true), (true, false), (false, true), (false, false)] {
        let policy = policy(certificate, pinned);
        assert_eq!((shows(&policy), pins(&policy)), (certificate, pinned));
        let elsewhere = policy.without_client_certificate();
        assert_eq!((shows(&elsewhere), pins(&elsewhere)), (false, pinned));
        assert_eq!(elsewhere == policy, !certificate, "without one to show it is the same policy");
        assert_eq!(elsewhere, policy.without_client_certificate());
        let proxies = policy.for_proxies();
        assert_eq!((shows(&proxies), pins(&proxies)), (false, false));
        assert_eq!(proxies == policy, !certificate && !pinned);
        assert_eq!(proxies, policy.for_proxies());
    }
}
