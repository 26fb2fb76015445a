//! Root certificates: the system's, read once per process, and those that a caller adds.
//!
//! Knows PEM and where certificates lie. Must not know what they are used for.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::TlsPolicyError;
use crate::limits::PEM_FILE;

/// The system's roots, one store for the whole process.
pub(super) fn system() -> Result<Arc<RootCertStore>, TlsPolicyError> {
    static SYSTEM: OnceLock<Result<Arc<RootCertStore>, TlsPolicyError>> = OnceLock::new();
    SYSTEM.get_or_init(|| store_of(rustls_native_certs::load_native_certs())).clone()
}

/// The roots in a PEM file.
pub(super) fn from_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsPolicyError> {
    let pem = read(path).map_err(|error| TlsPolicyError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    from_pem(&path.display().to_string(), &pem)
}

/// A file, which may have no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(PEM_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > PEM_FILE {
        true => Err(io::Error::other(format!("it has more than {PEM_FILE} bytes"))),
        false => Ok(bytes),
    }
}

/// The roots in a directory, in files that OpenSSL would look at: `HHHHHHHH.N`, by the hash of a subject. What is no
/// certificate is passed over, as among the system's.
pub(super) fn from_directory(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsPolicyError> {
    let entries = std::fs::read_dir(path).map_err(|error| TlsPolicyError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut store = RootCertStore::empty();
    let hashed = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_hash));
    let roots: Vec<_> = hashed
        .flat_map(|entry| read(&entry.path()))
        .flat_map(|pem| {
            let found: Vec<_> = CertificateDer::pem_slice_iter(without_mark(&pem)).collect();
            found.into_iter().flatten()
        })
        .filter(|certificate| store.add(certificate.clone()).is_ok())
        .collect();
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(TlsPolicyError::BadRoots {
            from: path.display().to_string(),
            reason: "no certificate in a file that is named by hash (openssl rehash)".to_owned(),
        }),
    }
}

/// Whether a file's name is what `openssl rehash` gives certificates; those of revocation lists have an `r`.
fn is_hash(name: &str) -> bool {
    let Some((hash, number)) = name.split_once('.') else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && is_number
}

/// The roots in `pem`, which came `from` there: at least one, and each a certificate.
pub(super) fn from_pem(
    from: &str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsPolicyError> {
    let bad = |reason: String| TlsPolicyError::BadRoots { from: from.to_owned(), reason };
    let certificates = CertificateDer::pem_slice_iter(without_mark(pem))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(pem_problem(&error)))?;
    if certificates.is_empty() {
        return Err(bad("no PEM certificate in it".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|_| bad(format!("certificate {} is malformed", index + 1)))?;
    }
    Ok(certificates)
}

/// A text without the byte order mark that some editors begin a file with.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// What is wrong with a PEM text, on one line.
pub(super) fn pem_problem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a PEM section has a broken start".to_owned(),
        pem::Error::Base64Decode(_) => "broken base64 in a PEM section".to_owned(),
        error => format!("broken PEM: {error}"),
    }
}

/// The system has files that are no certificates and certificates that are too old to parse:
/// those are passed over; that nothing is left is an error.
fn store_of(
    found: rustls_native_certs::CertificateResult,
) -> Result<Arc<RootCertStore>, TlsPolicyError> {
    let mut store = RootCertStore::empty();
    let (_, unusable) = store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Ok(Arc::new(store));
    }
    Err(TlsPolicyError::NoSystemRoots(match found.errors.first() {
        Some(error) => error.to_string(),
        None if unusable > 0 => format!("none of {unusable} certificates could be parsed"),
        None => "install ca-certificates, or set SSL_CERT_FILE".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_roots_is_an_error_that_says_so() {
        let error = store_of(rustls_native_certs::CertificateResult::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no root certificates found on this system: \
             install ca-certificates, or set SSL_CERT_FILE"
        );
        let mut junk = rustls_native_certs::CertificateResult::default();
        junk.certs.push(CertificateDer::from(vec![1, 2, 3]));
        let error = store_of(junk).unwrap_err();
        assert!(error.to_string().ends_with("none of 1 certificates could be parsed"), "{error}");
    }

    #[test]
    fn of_a_directory_those_count_that_are_named_by_hash() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let root = |name: &str| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
            let certificate = params.self_signed(&key).expect("signs");
            std::fs::write(path.join(name), format!("\u{feff}{}", certificate.pem()))
                .expect("writes");
            certificate.der().clone()
        };
        let none = from_directory(path).unwrap_err().to_string();
        assert!(none.starts_with(&path.display().to_string()) && none.contains("rehash"), "{none}");
        let there = [root("0123abcd.0"), root("0123abcd.12")];
        for other in ["root.pem", "0123abcd.r0", "0123abcd", "0123abcd.", "0123abc.0", "0123abcg.0"]
        {
            root(other);
        }
        std::fs::write(path.join("89abcdef.0"), "junk").expect("writes");
        let mut found = from_directory(path).expect("roots");
        found.sort_by_key(|certificate| certificate.to_vec());
        let mut there = there.to_vec();
        there.sort_by_key(|certificate| certificate.to_vec());
        assert_eq!(found, there);
        let missing = from_directory(&path.join("none")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read "), "{missing}");
    }

    #[test]
    fn the_systems_roots_are_one_store() {
        match (system(), system()) {
            (Ok(one), Ok(other)) => assert!(Arc::ptr_eq(&one, &other)),
            (Err(error), _) | (_, Err(error)) => eprintln!("skipped: {error}"),
        }
    }
}
