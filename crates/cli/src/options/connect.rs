//! What TLS is demanded of connections to origins.
//!
//! Knows the words, and what they come to in a policy.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};
use ringdove::tls::{TlsPolicyBuilder, TlsVersion};

use crate::text::file;

#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Trust the certificates in DIR, more with : between, instead of the system's: files that are named by
    /// hash, as by openssl rehash
    #[arg(long, value_name = "DIR")]
    pub(crate) capath: Option<OsString>,

    /// Show servers that ask for it the PEM certificate chain in FILE, with the key in it unless --key
    /// says
    #[arg(short = 'E', long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// The unencrypted PEM private key for --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Demand of servers one of these public keys, besides all else: sha256//BASE64 of its SHA-256, more with
    /// ; between, or a FILE with the key in PEM or DER
    #[arg(long, value_name = "HASHES|FILE")]
    pub(crate) pinnedpubkey: Option<String>,

    /// Speak TLS 1.2 or newer, which is so anyhow
    #[arg(long = "tlsv1.2")]
    pub(crate) tlsv1_2: bool,

    /// Speak TLS 1.3 or newer
    #[arg(long = "tlsv1.3")]
    pub(crate) tlsv1_3: bool,

    /// Speak this version of TLS or older
    #[arg(long, value_name = "VERSION")]
    pub(crate) tls_max: Option<TlsMax>,

    /// Offer these cipher suites of TLS 1.2, by OpenSSL's or IANA's names, with : between, and no other
    #[arg(long, value_name = "LIST")]
    pub(crate) ciphers: Option<String>,

    /// Offer these cipher suites of TLS 1.3
    #[arg(long, value_name = "LIST")]
    pub(crate) tls13_ciphers: Option<String>,
}

/// The newest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMax {
    /// The newest there is.
    Default,
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

impl TlsArgs {
    /// Whether anything is demanded that is not so anyhow.
    pub(crate) fn given(&self) -> bool {
        let TlsArgs { capath, cert, key: _, pinnedpubkey, .. } = self;
        let TlsArgs { tlsv1_2: _, tlsv1_3, tls_max, ciphers, tls13_ciphers, .. } = self;
        let named = capath.is_some() || cert.is_some() || pinnedpubkey.is_some();
        let versions = *tlsv1_3 || *tls_max == Some(TlsMax::Tls12);
        named || versions || ciphers.is_some() || tls13_ciphers.is_some()
    }

    pub(crate) fn demand(&self, mut builder: TlsPolicyBuilder) -> Result<TlsPolicyBuilder, String> {
        let least = if self.tlsv1_3 { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        let most = match self.tls_max {
            Some(TlsMax::Tls12) => TlsVersion::Tls12,
            Some(TlsMax::Default | TlsMax::Tls13) | None => TlsVersion::Tls13,
        };
        builder = builder.versions(least, most);
        if let Some(keys) = &self.pinnedpubkey {
            builder = builder.pinned_public_keys(keys);
        }
        if let Some(list) = &self.ciphers {
            builder = builder.tls12_ciphers(list);
        }
        if let Some(list) = &self.tls13_ciphers {
            builder = builder.tls13_ciphers(list);
        }
        let Some(cert) = &self.cert else { return Ok(builder) };
        let read = |option: &str, path: &PathBuf| {
            file::read(path)
                .map_err(|error| format!("{option}: cannot read {}: {error}", path.display()))
        };
        let chain = read("--cert", cert)?;
        let key = match &self.key {
            Some(path) => read("--key", path)?,
            None => chain.clone(),
        };
        Ok(builder.client_identity_pem(chain, key))
    }
}
