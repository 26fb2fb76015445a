//! What a caller demands of TLS: roots, client identity, versions, ALPN, SNI, resumption.
//!
//! Knows certificates and reads the files they lie in, once, when a policy is built. Must not know
//! connections or bytes on the wire: the engine opens sessions under a policy.
//! Invariants: a policy never changes once built; whatever can be wrong with it is told by
//! [`TlsPolicyBuilder::build`], not by the first connection; the system's roots are read once per
//! process and shared by all policies that add none.

mod anonymous;
mod ciphers;
mod insecure;
mod itself;
mod pinned;
mod public_key;
mod roots;
mod sessions;
mod sizes;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientSessionStore, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::limits;

pub(crate) use itself::IS_AUTHORITY;
pub(crate) use pinned::NotPinned;
use sessions::Sessions;
pub(crate) use sizes::KeySize;

/// What a caller demands of TLS connections. Cheap to clone; clones are the same policy.
///
/// Equality is identity: two policies that were built apart are never equal, however alike their
/// settings, and so never share a connection or a resumed session. Build one and clone it.
#[derive(Clone)]
pub struct TlsPolicy(Arc<Policy>);

struct Policy {
    config: Arc<ClientConfig>,
    sessions: Arc<Sessions>,
    max_sessions: usize,
    /// Whoever is not what the certificate says is refused.
    verifies: bool,
    /// What it has for origins alone.
    own: Own,
    /// The same without the client's certificate, once it was asked for.
    anonymous: OnceLock<TlsPolicy>,
    /// The same without pinned keys, once it was asked for.
    unpinned: OnceLock<TlsPolicy>,
}

/// What concerns origins, and not the proxies on the way to them.
#[derive(Default)]
struct Own {
    /// It presents a client's certificate: a credential, which stays behind where others do.
    client_certificate: bool,
    /// It demands certain public keys besides what this verifies: a demand, which holds on every hop.
    unpinned: Option<Arc<dyn ServerCertVerifier>>,
}

/// Collects the demands of a [`TlsPolicy`]. Nothing is read or checked before
/// [`build`](TlsPolicyBuilder::build).
#[derive(Clone)]
pub struct TlsPolicyBuilder {
    system_roots: bool,
    roots: Vec<RootSource>,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    verify: bool,
    pinned: Option<String>,
    versions: (TlsVersion, TlsVersion),
    tls12_ciphers: Option<String>,
    tls13_ciphers: Option<String>,
    max_sessions: usize,
    sni: bool,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

/// Why a policy cannot be built. Each displays as one line that names the offending thing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsPolicyError {
    /// The system has no root certificates, or they cannot be read.
    NoSystemRoots(String),
    /// [`only_these_roots`](TlsPolicyBuilder::only_these_roots), and then none were given.
    NoRoots,
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// Root certificates that are no certificates.
    BadRoots {
        /// The file, or that they were handed over as bytes.
        from: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The client's certificate or key cannot be used.
    BadIdentity(String),
    /// Public keys to be pinned that cannot be used.
    BadPin(String),
    /// A list of cipher suites that leaves none.
    NoCipher(String),
    /// An ALPN protocol name is empty or longer than 255 bytes (RFC 7301, 3.1).
    BadAlpn(String),
    /// The least version allowed is above the greatest.
    NoVersion {
        /// The least version.
        min: TlsVersion,
        /// The greatest version.
        max: TlsVersion,
    },
}

#[derive(Clone)]
enum RootSource {
    Pem(Vec<u8>),
    File(PathBuf),
    Directory(PathBuf),
}

#[derive(Clone)]
struct Identity {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

impl TlsPolicy {
    /// The default policy: the system's roots, TLS 1.2 and 1.3, ALPN `h2` and `http/1.1`, SNI, resumption.
    ///
    /// Built once per process; each call returns the same policy.
    ///
    /// # Errors
    ///
    /// [`TlsPolicyError::NoSystemRoots`], on each call, where no root certificate is found.
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name other places than the system's own.
    pub fn system() -> Result<TlsPolicy, TlsPolicyError> {
        static SYSTEM: OnceLock<Result<TlsPolicy, TlsPolicyError>> = OnceLock::new();
        SYSTEM.get_or_init(|| TlsPolicy::builder().build()).clone()
    }

    /// A builder that starts from the demands of [`TlsPolicy::system`].
    pub fn builder() -> TlsPolicyBuilder {
        TlsPolicyBuilder {
            system_roots: true,
            roots: Vec::new(),
            identity: None,
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            verify: true,
            pinned: None,
            versions: (TlsVersion::Tls12, TlsVersion::Tls13),
            tls12_ciphers: None,
            tls13_ciphers: None,
            max_sessions: limits::SESSIONS,
            sni: true,
        }
    }

    /// What rustls needs to open a session.
    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.0.config
    }

    /// The same demands of a peer that gets no credentials: every pin, version and root stands, and no client's
    /// certificate is shown. Always the same policy, and this one if it has no certificate to show. No session that was
    /// opened with one is resumed under it.
    pub(crate) fn without_client_certificate(&self) -> TlsPolicy {
        if !self.0.own.client_certificate {
            return self.clone();
        }
        let anonymous = || {
            let mut config = ClientConfig::clone(&self.0.config);
            config.client_auth_cert_resolver = Arc::new(anonymous::NoIdentity);
            let own = Own { client_certificate: false, unpinned: self.0.own.unpinned.clone() };
            TlsPolicy::new(config, self.0.max_sessions, self.0.verifies, own)
        };
        self.0.anonymous.get_or_init(anonymous).clone()
    }

    /// What is demanded of a proxy of which nobody has said how it is verified: all that does not concern origins alone,
    /// which are the client's certificate and pinned keys. For proxies, and never for where a redirect leads.
    pub(crate) fn for_proxies(&self) -> TlsPolicy {
        self.without_client_certificate().without_pins()
    }

    fn without_pins(&self) -> TlsPolicy {
        let Some(verifier) = &self.0.own.unpinned else { return self.clone() };
        let unpinned = || {
            let mut config = ClientConfig::clone(&self.0.config);
            config.dangerous().set_certificate_verifier(verifier.clone());
            let own = Own { unpinned: None, ..self.0.own };
            TlsPolicy::new(config, self.0.max_sessions, self.0.verifies, own)
        };
        self.0.unpinned.get_or_init(unpinned).clone()
    }

    /// Whether a client's certificate is shown to servers that ask for one.
    pub(crate) fn shows_certificate(&self) -> bool {
        self.0.own.client_certificate
    }

    /// Whether servers are verified: not under [`TlsPolicyBuilder::insecure`], whatever keys are pinned.
    pub(crate) fn verifies(&self) -> bool {
        self.0.verifies
    }

    fn new(mut config: ClientConfig, max_sessions: usize, verifies: bool, own: Own) -> TlsPolicy {
        let sessions = Arc::new(Sessions::new(max_sessions));
        config.resumption = match max_sessions {
            0 => Resumption::disabled(),
            _ => Resumption::store(sessions.clone()),
        };
        TlsPolicy(Arc::new(Policy {
            config: Arc::new(config),
            sessions,
            max_sessions,
            verifies,
            own,
            anonymous: OnceLock::new(),
            unpinned: OnceLock::new(),
        }))
    }

    /// Forgets the TLS 1.2 session of a host: its resumption failed and would fail again.
    pub(crate) fn forget_session(&self, name: &ServerName<'static>) {
        self.0.sessions.remove_tls12_session(name);
    }
}

impl PartialEq for TlsPolicy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TlsPolicy {}

impl Hash for TlsPolicy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for TlsPolicy {
    /// The identity alone: the settings hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsPolicy({:p})", Arc::as_ptr(&self.0))
    }
}

impl TlsPolicyBuilder {
    /// Trusts these PEM certificates too, besides the system's.
    ///
    /// Each is a root: a server whose chain ends in it is trusted, and so is one that shows this very
    /// certificate as its own, be it marked as an authority (as `openssl req -x509` makes them).
    pub fn add_roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(RootSource::Pem(pem.into()));
        self
    }

    /// Trusts the PEM certificates in this file too, besides the system's.
    pub fn add_roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(RootSource::File(path.into()));
        self
    }

    /// Trusts the certificates in this directory too, besides the system's: those in files that are named after the hash
    /// of their subject, as OpenSSL's `rehash` does it.
    pub fn add_roots_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(RootSource::Directory(path.into()));
        self
    }

    /// Trusts the added roots only, and not the system's, which are then not even read.
    pub fn only_these_roots(mut self) -> Self {
        self.system_roots = false;
        self
    }

    /// The client's certificate chain (its own certificate first) and private key, both PEM,
    /// presented to servers that ask for one.
    pub fn client_identity_pem(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some(Identity { certificates: certificates.into(), key: key.into() });
        self
    }

    /// The protocols offered by ALPN (RFC 7301), the preferred first; none: no ALPN at all, and HTTP/1.1.
    /// Default: `h2`, `http/1.1`. Of these a request offers what it may be sent by
    /// ([`Options::versions`](crate::Options::versions)), and a proxy is offered no `h2`.
    pub fn alpn(mut self, protocols: &[&[u8]]) -> Self {
        self.alpn = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }

    /// Accepts whatever certificate the server shows, whoever issued it, for whatever name, and of whatever form.
    ///
    /// Anyone on the path can then read and change all traffic. The server still has to prove that
    /// it holds the key of the certificate it shows, where that can be told: of RSA keys below 2,048 bits, of P-521, Ed448
    /// and RSASSA-PSS keys and of signatures by SHA-1 it cannot, and with pinned keys these are refused. Roots are not
    /// consulted, but those that were added must still be readable.
    pub fn insecure(mut self) -> Self {
        self.verify = false;
        self
    }

    /// Demands that a server's certificate have one of these public keys, besides whatever else is demanded of it,
    /// with [`insecure`](Self::insecure) too: `sha256//` and the base64 of the SHA-256 of its SubjectPublicKeyInfo
    /// (RFC 7469, 2.4), several with `;` between; or the name of a file with one public key in PEM or DER. Demanded of every
    /// server that a redirect leads to, and not of proxies.
    pub fn pinned_public_keys(mut self, keys: impl Into<String>) -> Self {
        self.pinned = Some(keys.into());
        self
    }

    /// The least and the greatest version allowed. Default: TLS 1.2 to TLS 1.3.
    pub fn versions(mut self, min: TlsVersion, max: TlsVersion) -> Self {
        self.versions = (min, max);
        self
    }

    /// The cipher suites of TLS 1.2 that are offered, the preferred first: names by OpenSSL or IANA with `:`, `,` or spaces
    /// between; those that are not there are passed over. Default: all that there are, which have ECDHE and an AEAD.
    pub fn tls12_ciphers(mut self, list: impl Into<String>) -> Self {
        self.tls12_ciphers = Some(list.into());
        self
    }

    /// The cipher suites of TLS 1.3 that are offered, in the same way.
    pub fn tls13_ciphers(mut self, list: impl Into<String>) -> Self {
        self.tls13_ciphers = Some(list.into());
        self
    }

    /// The number of sessions that are remembered for resumption, of as many hosts; none turns it off.
    /// Default: 4,096; at most 65,536, beyond which more is not remembered.
    ///
    /// A host has up to four TLS 1.3 tickets, each used once, or one TLS 1.2 session, and a registrable domain an eighth of
    /// all. When the cache is full, the registrable domain with most makes room: of its sessions those leave first that are
    /// not the last of their host, and then the oldest. A host comes back by its next handshake.
    pub fn session_cache(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions.min(limits::MOST_SESSIONS);
        self
    }

    /// Whether the host's name is told to the server (RFC 6066, 3). Default: yes. IP addresses
    /// are never told.
    pub fn sni(mut self, tell: bool) -> Self {
        self.sni = tell;
        self
    }

    /// Reads the files, checks everything and makes the policy.
    ///
    /// # Errors
    ///
    /// Each of [`TlsPolicyError`], naming the offending file or thing in one line.
    pub fn build(self) -> Result<TlsPolicy, TlsPolicyError> {
        let added = self.added_roots()?;
        let (verifier, unpinned) = self.pinning(self.verifier(added)?)?;
        let config = ClientConfig::builder_with_provider(self.offering()?)
            .with_protocol_versions(&self.protocol_versions()?)
            .expect("there are cipher suites for TLS 1.2 and for TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.parse()?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| TlsPolicyError::BadIdentity(identity_problem(&error)))?
            }
        };
        config.enable_sni = self.sni;
        config.alpn_protocols = check_alpn(self.alpn)?;
        let own = Own { client_certificate: self.identity.is_some(), unpinned };
        Ok(TlsPolicy::new(config, self.max_sessions, self.verify, own))
    }

    fn added_roots(&self) -> Result<Vec<CertificateDer<'static>>, TlsPolicyError> {
        let mut added = Vec::new();
        for source in &self.roots {
            added.extend(match source {
                RootSource::Pem(pem) => roots::from_pem("the roots given as PEM", pem)?,
                RootSource::File(path) => roots::from_file(path)?,
                RootSource::Directory(path) => roots::from_directory(path)?,
            });
        }
        Ok(added)
    }

    fn verifier(
        &self,
        added: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsPolicyError> {
        if !self.verify {
            return Ok(Arc::new(insecure::AnyCertificate::new(&provider(), false)));
        }
        let store = self.root_store(&added)?;
        match WebPkiServerVerifier::builder_with_provider(store, provider()).build() {
            Ok(verifier) => {
                let verifier = Arc::new(sizes::Sizes { verifier, roots: added.clone() });
                Ok(match added.is_empty() {
                    true => verifier,
                    false => Arc::new(itself::Itself { verifier, roots: added }),
                })
            }
            // without revocation lists, an empty store is all that can be wrong
            Err(_) => Err(TlsPolicyError::NoRoots),
        }
    }

    /// The verifier that demands pinned keys besides, and, if there are such, the one without.
    #[expect(clippy::type_complexity, reason = "a verifier, and one that may be")]
    fn pinning(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<(Arc<dyn ServerCertVerifier>, Option<Arc<dyn ServerCertVerifier>>), TlsPolicyError>
    {
        let Some(keys) = &self.pinned else { return Ok((verifier, None)) };
        let pins = pinned::parse(keys).map_err(TlsPolicyError::BadPin)?;
        let proving = match self.verify {
            true => verifier.clone(),
            false => Arc::new(insecure::AnyCertificate::new(&provider(), true)),
        };
        let pinned = pinned::Pinned { verifier: proving, pins };
        Ok((Arc::new(pinned), Some(verifier)))
    }

    fn root_store(
        &self,
        added: &[CertificateDer<'static>],
    ) -> Result<Arc<RootCertStore>, TlsPolicyError> {
        let shared = match self.system_roots {
            true => roots::system()?,
            false => Arc::new(RootCertStore::empty()),
        };
        if added.is_empty() {
            return Ok(shared);
        }
        let mut store = RootCertStore::clone(&shared);
        store.add_parsable_certificates(added.iter().cloned());
        Ok(Arc::new(store))
    }

    /// The provider with the cipher suites that are offered.
    fn offering(&self) -> Result<Arc<CryptoProvider>, TlsPolicyError> {
        let (old, new) = (self.tls12_ciphers.as_deref(), self.tls13_ciphers.as_deref());
        let takes_any_key = !self.verify && self.pinned.is_none();
        if old.is_none() && new.is_none() && !takes_any_key {
            return Ok(provider());
        }
        let (modern, older): (Vec<_>, Vec<_>) =
            provider().cipher_suites.iter().copied().partition(|suite| suite.tls13().is_some());
        let choose = |list: Option<&str>, known: Vec<_>| match list {
            Some(list) => ciphers::chosen(list, &known).map_err(TlsPolicyError::NoCipher),
            None => Ok(known),
        };
        let mut cipher_suites = choose(new, modern)?;
        cipher_suites.extend(choose(old, older)?);
        if takes_any_key {
            cipher_suites.iter_mut().for_each(|suite| *suite = insecure::with_any_key(*suite));
        }
        Ok(Arc::new(CryptoProvider { cipher_suites, ..CryptoProvider::clone(&provider()) }))
    }

    fn protocol_versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, TlsPolicyError> {
        use rustls::version::{TLS12, TLS13};
        let (min, max) = self.versions;
        if min > max {
            return Err(TlsPolicyError::NoVersion { min, max });
        }
        let known = [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)];
        let allowed = known.into_iter().filter(|(version, _)| (min..=max).contains(version));
        Ok(allowed.map(|(_, supported)| supported).collect())
    }
}

impl Identity {
    fn parse(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsPolicyError> {
        let bad = |what: &str, error: &dyn fmt::Display| {
            TlsPolicyError::BadIdentity(format!("{what}: {error}"))
        };
        let chain = CertificateDer::pem_slice_iter(roots::without_mark(&self.certificates))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad("the client's certificate", &roots::pem_problem(&error)))?;
        if chain.is_empty() {
            return Err(bad("the client's certificate", &"no PEM certificate in it"));
        }
        let key =
            PrivateKeyDer::from_pem_slice(roots::without_mark(&self.key)).map_err(|error| {
                match error {
                    rustls::pki_types::pem::Error::NoItemsFound => {
                        bad("the client's key", &"no unencrypted PEM private key in it")
                    }
                    error => bad("the client's key", &roots::pem_problem(&error)),
                }
            })?;
        Ok((chain, key))
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::Tls12 => "TLS 1.2",
            TlsVersion::Tls13 => "TLS 1.3",
        })
    }
}

impl fmt::Display for TlsPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsPolicyError::NoSystemRoots(reason) => {
                write!(f, "no root certificates found on this system: {reason}")
            }
            TlsPolicyError::NoRoots => {
                f.write_str("no root certificates given, and those of the system are ruled out")
            }
            TlsPolicyError::Read { path, reason } => {
                write!(f, "cannot read {}: {reason}", path.display())
            }
            TlsPolicyError::BadRoots { from, reason } => write!(f, "{from}: {reason}"),
            TlsPolicyError::BadIdentity(reason)
            | TlsPolicyError::BadPin(reason)
            | TlsPolicyError::NoCipher(reason) => f.write_str(reason),
            TlsPolicyError::BadAlpn(name) => {
                write!(f, "ALPN protocol {name:?} is not 1 to 255 bytes long")
            }
            TlsPolicyError::NoVersion { min, max } => {
                write!(f, "no version of TLS lies between {min} and {max}")
            }
        }
    }
}

impl std::error::Error for TlsPolicyError {}

/// One provider of cryptography for all policies, independent of what else the process installs.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

fn identity_problem(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the client's key does not belong to the client's certificate".to_owned()
        }
        rustls::Error::InvalidCertificate(_) => {
            format!("the client's certificate cannot be used: {error}")
        }
        error => format!("the client's key cannot be used: {error}"),
    }
}

fn check_alpn(protocols: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, TlsPolicyError> {
    match protocols.iter().find(|name| !(1..=255).contains(&name.len())) {
        Some(name) => {
            Err(TlsPolicyError::BadAlpn(name.escape_ascii().to_string().chars().take(32).collect()))
        }
        None => Ok(protocols),
    }
}

#[cfg(test)]
mod tests;
