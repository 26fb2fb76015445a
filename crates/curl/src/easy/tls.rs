//! TLS policies out of what was set.
//!
//! Knows the options of TLS, and keeps the policies that it has built: connections are used again only under the same one.

use std::cell::RefCell;
use std::rc::Rc;

use ringdove::TlsPolicy;
use ringdove::tls::TlsVersion;

use crate::codes::Code;
use crate::errors::{self, Failure};
use crate::options::{Settings, ids};

/// Policies that one multi remembers. Who has more kinds of them has the oldest built again.
const KEPT: usize = 64;

/// Policies by what they were built from. Each multi has its own, so that sessions are resumed within it alone.
#[derive(Debug, Default)]
pub(crate) struct Policies(RefCell<Vec<(Wanted, TlsPolicy)>>);

/// What a policy is built from.
#[derive(Debug, Clone, PartialEq, Default)]
struct Wanted {
    insecure: bool,
    roots_file: Option<String>,
    roots_directory: Option<String>,
    roots: Option<Rc<[u8]>>,
    certificate: Option<Pem>,
    key: Option<Pem>,
    pins: Option<String>,
    versions: i64,
    ciphers: Option<String>,
    ciphers13: Option<String>,
    no_sessions: bool,
    no_alpn: bool,
}

/// Where PEM is.
#[derive(Debug, Clone, PartialEq)]
enum Pem {
    File(String),
    Bytes(Rc<[u8]>),
}

impl Pem {
    fn of(settings: &Settings, blob: u32, file: u32) -> Option<Pem> {
        let bytes = settings.blob(blob).map(|blob| Pem::Bytes(Rc::clone(blob)));
        bytes.or_else(|| settings.text(file).map(Pem::File))
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Pem::Bytes(bytes) => Ok(bytes.to_vec()),
            Pem::File(path) => std::fs::read(path).map_err(|why| {
                let text = format!("could not load PEM client certificate from {path}: {why}");
                Failure::new(Code::SSL_CERTPROBLEM, text)
            }),
        }
    }
}

impl Policies {
    /// The policy for origins; `None` for that of the system.
    pub(crate) fn for_origins(&self, settings: &Settings) -> Result<Option<TlsPolicy>, Failure> {
        self.policy(Wanted {
            insecure: !settings.flag(ids::SSL_VERIFYPEER, true),
            roots_file: settings.text(ids::CAINFO),
            roots_directory: settings.text(ids::CAPATH),
            roots: settings.blob(ids::CAINFO_BLOB).map(Rc::clone),
            certificate: Pem::of(settings, ids::SSLCERT_BLOB, ids::SSLCERT),
            key: Pem::of(settings, ids::SSLKEY_BLOB, ids::SSLKEY),
            pins: settings.text(ids::PINNEDPUBLICKEY),
            versions: settings.number(ids::SSLVERSION, 0),
            ciphers: settings.text(ids::SSL_CIPHER_LIST),
            ciphers13: settings.text(ids::TLS13_CIPHERS),
            no_sessions: !settings.flag(ids::SSL_SESSIONID_CACHE, true),
            no_alpn: !settings.flag(ids::SSL_ENABLE_ALPN, true),
        })
    }

    /// The policy for proxies; `None` for that of the system.
    pub(crate) fn for_proxies(&self, settings: &Settings) -> Result<Option<TlsPolicy>, Failure> {
        self.policy(Wanted {
            insecure: !settings.flag(ids::PROXY_SSL_VERIFYPEER, true),
            roots_file: settings.text(ids::PROXY_CAINFO),
            roots_directory: settings.text(ids::PROXY_CAPATH),
            roots: settings.blob(ids::PROXY_CAINFO_BLOB).map(Rc::clone),
            versions: settings.number(ids::PROXY_SSLVERSION, 0),
            ciphers: settings.text(ids::PROXY_SSL_CIPHER_LIST),
            ciphers13: settings.text(ids::PROXY_TLS13_CIPHERS),
            ..Wanted::default()
        })
    }

    fn policy(&self, wanted: Wanted) -> Result<Option<TlsPolicy>, Failure> {
        if wanted == Wanted::default() {
            return Ok(None);
        }
        let mut kept = self.0.borrow_mut();
        if let Some((_, policy)) = kept.iter().find(|(other, _)| *other == wanted) {
            return Ok(Some(policy.clone()));
        }
        let policy = wanted.build()?;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((wanted, policy.clone()));
        Ok(Some(policy))
    }
}

impl Wanted {
    fn build(&self) -> Result<TlsPolicy, Failure> {
        let mut builder = TlsPolicy::builder();
        if self.roots_file.is_some() || self.roots_directory.is_some() || self.roots.is_some() {
            builder = builder.only_these_roots();
        }
        if let Some(path) = &self.roots_file {
            builder = builder.add_roots_file(path);
        }
        if let Some(path) = &self.roots_directory {
            builder = builder.add_roots_directory(path);
        }
        if let Some(pem) = &self.roots {
            builder = builder.add_roots_pem(&pem[..]);
        }
        if let Some(certificate) = &self.certificate {
            let key = self.key.as_ref().unwrap_or(certificate).read()?;
            builder = builder.client_identity_pem(certificate.read()?, key);
        }
        if let Some(pins) = &self.pins {
            builder = builder.pinned_public_keys(pins);
        }
        if let Some(ciphers) = &self.ciphers {
            builder = builder.tls12_ciphers(ciphers);
        }
        if let Some(ciphers) = &self.ciphers13 {
            builder = builder.tls13_ciphers(ciphers);
        }
        let (min, max) = versions(self.versions)?;
        builder = builder.versions(min, max);
        if self.insecure {
            builder = builder.insecure();
        }
        if self.no_sessions {
            builder = builder.session_cache(0);
        }
        if self.no_alpn {
            builder = builder.alpn(&[]);
        }
        builder.build().map_err(|error| errors::of_policy(&error))
    }
}

/// The least and the greatest version of CURLOPT_SSLVERSION: CURL_SSLVERSION_* and CURL_SSLVERSION_MAX_*.
fn versions(option: i64) -> Result<(TlsVersion, TlsVersion), Failure> {
    let min = match option & 0xffff {
        0 | 1 | 4..=6 => TlsVersion::Tls12,
        7 => TlsVersion::Tls13,
        _ => return Err(Failure::new(Code::SSL_CONNECT_ERROR, "SSL versions are not spoken")),
    };
    let max = match option >> 16 {
        6 => TlsVersion::Tls12,
        4 | 5 => {
            let text = "TLS 1.0 and 1.1 are not spoken";
            return Err(Failure::new(Code::SSL_CONNECT_ERROR, text));
        }
        _ => TlsVersion::Tls13,
    };
    Ok((min, max))
}
