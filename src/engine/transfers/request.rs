//! What a caller asks for: a request, its body, and the options of its transfer.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::engine::transfers::retry_policy::RetryPolicy;
use crate::engine::{BodySource, TransferId, Ways};
use crate::limits::HttpLimits;
use crate::protocol::{
    AuthPolicy, BodyLength, CookieJar, DecodePolicy, Hsts, Proxies, ProxyProtocol, RedirectPolicy,
    RequestError, RequestHead, Scheme, Secret, SourceRead, Version, WriteHead, take_zone,
};
use crate::tls::TlsPolicy;

/// A request to be transferred.
///
/// ```
/// use ringdove::Request;
///
/// let request = Request::get("http://127.0.0.1:8080/a?b=c")?.field("accept", "text/html")?;
/// assert_eq!(request.head().target(), "/a?b=c");
/// # Ok::<(), ringdove::RequestError>(())
/// ```
#[derive(Debug)]
pub struct Request {
    pub(in crate::engine) head: RequestHead,
    pub(in crate::engine) body: Body,
    /// Of the URL's user information.
    pub(super) login: Option<Secret>,
    pub(in crate::engine) options: Arc<Options>,
    /// What the caller gets back with its message.
    pub(in crate::engine) value: Value,
}

/// Something of the caller's, of any type. Few have any: where there is none it is a pointer.
#[derive(Default)]
pub(in crate::engine) struct Value(pub(in crate::engine) Option<Box<Box<dyn Any + Send>>>);

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(…)" } else { "None" })
    }
}

impl Request {
    /// A request of any method for an absolute `http` or `https` URL. User information in it is a
    /// login for its origin (see [`AuthPolicy`]), and is sent as nothing else. The zone of an IPv6 address is the number of
    /// a network interface (see [`take_zone`]).
    pub fn new(method: http::Method, url: &str) -> Result<Self, RequestError> {
        let bad = |why: url::ParseError| RequestError::BadUrl { url: url.into(), why: why.into() };
        let (bare, scope) = take_zone(url)?;
        Ok(Self::for_url(method, &Url::parse(&bare).map_err(bad)?)?.scope(scope))
    }

    /// As [`Request::new`], for a URL that has been parsed.
    pub fn for_url(method: http::Method, url: &Url) -> Result<Self, RequestError> {
        let head = RequestHead::new(method, url)?;
        let login = Secret::of_url(url)?;
        let (options, value) = (Options::shared_default(), Value::default());
        Ok(Self { head, body: Body::Empty, login, options, value })
    }

    /// Has the URL's IPv6 address be on the network interface of this number, as the zone of
    /// `http://[fe80::1%3]/` does; 0 has the system choose.
    pub fn scope(mut self, scope: u32) -> Self {
        self.head.set_scope(scope);
        self
    }

    /// A GET request.
    pub fn get(url: &str) -> Result<Self, RequestError> {
        Self::new(http::Method::GET, url)
    }

    /// Adds a field line. See [`RequestHead::field`] for what is refused.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        self.head.field(name, value.as_ref())?;
        Ok(self)
    }

    /// Sets the version that the request line names.
    pub fn version(mut self, version: Version) -> Self {
        self.head.set_version(version);
        self
    }

    /// Asks for `target` instead of the URL's path and query. See [`RequestHead::set_target`].
    pub fn target(mut self, target: &str) -> Result<Self, RequestError> {
        self.head.set_target(target)?;
        Ok(self)
    }

    /// Announces the fields that may come after the body. See [`RequestHead::announce_trailers`].
    pub fn announce_trailers(mut self, names: &[&str]) -> Result<Self, RequestError> {
        self.head.announce_trailers(names)?;
        Ok(self)
    }

    /// A request with this head, for what no URL says ([`RequestHead::to`]).
    pub fn with_head(head: RequestHead) -> Self {
        Self {
            head,
            body: Body::Empty,
            login: None,
            options: Options::shared_default(),
            value: Value::default(),
        }
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Offers to speak another protocol on the connection, such as `websocket` (RFC 9110, 7.8), by HTTP/1.1 alone.
    ///
    /// If the response has status 101, or is 2xx to CONNECT, the handler's [`head`](crate::Handler::head) is told so, its
    /// [`body`](crate::Handler::body) gets what the peer says from there on, and `source` is asked for what is said to it:
    /// [`SourceRead::Pending`](crate::SourceRead::Pending) has it asked again when the transfer is resumed,
    /// [`SourceRead::End`](crate::SourceRead::End) says no more. The transfer ends with the connection, which carries nothing
    /// else; removing the transfer closes it. After any other response nothing is asked of the source.
    ///
    /// [`Timeouts::idle`] and [`Timeouts::total`] hold for all of it.
    pub fn upgrade(
        mut self,
        protocol: &str,
        source: Box<dyn BodySource>,
    ) -> Result<Self, RequestError> {
        self.head.offer(protocol)?;
        self.body = Body::Raw(source);
        Ok(self)
    }

    /// Has it sent by HTTP/1.1, since HTTP/2 has no way to speak anything else on all of a connection.
    #[cold]
    pub(in crate::engine) fn keep_to_http1(&mut self) {
        Arc::make_mut(&mut self.options).versions = HttpVersions::Http1;
    }

    /// Sets the transfer's options; an `Arc`, since most transfers share theirs.
    pub fn options(mut self, options: Arc<Options>) -> Self {
        self.options = options;
        self
    }

    /// Changes the transfer's options, of which it then has its own.
    pub fn with_options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Has a value come back with the transfer's message: see [`Message::value`](crate::Message::value).
    ///
    /// ```no_run
    /// use ringdove::{Collect, Config, Driver, Request};
    ///
    /// let mut driver = Driver::auto(Config::default())?;
    /// for (row, url) in ["http://127.0.0.1:8080/a", "http://127.0.0.1:8080/b"].iter().enumerate() {
    ///     driver.add(Request::get(url)?.value(row), Box::new(Collect::default()))?;
    /// }
    /// while driver.running() > 0 {
    ///     driver.turn(None)?;
    ///     while let Some(message) = driver.next_message() {
    ///         println!("row {:?}: {:?}", message.value::<usize>(), message.outcome.result);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value<T: Any + Send>(mut self, value: T) -> Self {
        self.value = Value(Some(Box::new(Box::new(value))));
        self
    }

    /// The same request again, without its value, unless its body comes of a source, which there is once.
    pub fn try_clone(&self) -> Option<Self> {
        let body = match &self.body {
            Body::Empty => Body::Empty,
            Body::Memory(bytes) => Body::Memory(bytes.clone()),
            Body::Stream { .. } | Body::Raw(_) | Body::Connection(_) => return None,
        };
        let (head, login) = (self.head.clone(), self.login.clone());
        Some(Self { head, body, login, options: self.options.clone(), value: Value::default() })
    }

    /// Whether only the engine's default can say how this request's peer is verified.
    pub(crate) fn needs_default_tls(&self) -> bool {
        let origin = self.head.origin();
        let by_proxy = || {
            let proxy = self.options.proxies.as_ref().and_then(|proxies| proxies.proxy_for(origin));
            proxy.is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https)
        };
        (origin.scheme() == Scheme::Https && self.options.tls.is_none())
            || (self.options.proxy_tls.is_none() && by_proxy())
    }

    /// As [`needs_default_tls`](Self::needs_default_tls), for where redirects may lead.
    pub(crate) fn may_need_default_tls(&self) -> bool {
        let Options { redirects, hsts, tls, .. } = &*self.options;
        (redirects.is_some() || hsts.is_some()) && tls.is_none()
    }

    /// Whether it matters to this request what date it is.
    pub(crate) fn needs_date(&self) -> bool {
        let Options { cookies, hsts, retry, .. } = &*self.options;
        cookies.is_some() || hsts.is_some() || retry.is_some()
    }

    /// The head that will be sent.
    pub fn head(&self) -> &RequestHead {
        &self.head
    }
}

impl<B: Into<Body>> TryFrom<http::Request<B>> for Request {
    type Error = RequestError;

    /// A request in the words of the crate `http`: method, URI, fields, body. HTTP/1.0 is asked for as such; any other version is
    /// [`Options::versions`]' to say.
    fn try_from(request: http::Request<B>) -> Result<Self, RequestError> {
        let (parts, body) = request.into_parts();
        let mut request = Self::new(parts.method, &parts.uri.to_string())?;
        for (name, value) in &parts.headers {
            request.head.field(name.as_str(), value.as_bytes())?;
        }
        if parts.version == http::Version::HTTP_10 {
            request.head.set_version(Version::Http10);
        }
        Ok(request.body(body))
    }
}

/// A request's body.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory, of which a clone is no copy.
    Memory(Bytes),
    /// Bytes from a source, read as the connection takes them.
    Stream {
        /// How many, if known (sent as Content-Length); otherwise the body is sent chunked.
        length: Option<u64>,
        /// Where they come from.
        source: Box<dyn BodySource>,
    },
    /// None, until the response has the connection speak another protocol; then the bytes of this source, as they are, while what
    /// the peer says is the body of the response. See [`Request::upgrade`].
    Raw(Box<dyn BodySource>),
    /// No request either, but a connection to where it would go, by way of the proxy if there is one: the bytes of this source
    /// as they are, as soon as it stands ([`Handler::starting`](crate::Handler::starting)), while what the peer says goes to
    /// [`Handler::body`](crate::Handler::body). Nothing is offered by ALPN but HTTP/1.1. The transfer ends with the
    /// connection, as [`Cause::Closed`](crate::error::Cause::Closed) if the peer says that no more comes; removing the transfer
    /// closes it.
    Connection(Box<dyn BodySource>),
}

impl Body {
    /// What the framing needs to know.
    pub fn length(&self) -> BodyLength {
        match self {
            Body::Empty => BodyLength::None,
            Body::Memory(bytes) => BodyLength::Known(bytes.len() as u64),
            Body::Stream { length: Some(length), .. } => BodyLength::Known(*length),
            Body::Stream { length: None, .. } => BodyLength::Unknown,
            Body::Raw(_) | Body::Connection(_) => BodyLength::Raw,
        }
    }

    /// Whether a source of the caller's is asked for it.
    #[inline]
    pub(in crate::engine) fn is_streamed(&self) -> bool {
        matches!(self, Body::Stream { .. } | Body::Raw(_))
    }

    /// Tells a source whose it is.
    pub(in crate::engine) fn tell_transfer(&mut self, transfer: TransferId) {
        match self {
            Body::Empty | Body::Memory(_) => {}
            Body::Stream { source, .. } | Body::Raw(source) | Body::Connection(source) => {
                source.of(transfer);
            }
        }
    }

    /// Makes ready to be sent from the first byte again; `false` if that cannot be.
    pub(in crate::engine) fn rewind(&mut self) -> bool {
        match self {
            Body::Empty | Body::Memory(_) => true,
            // one that panics has failed
            Body::Stream { source, .. } | Body::Raw(source) => {
                catch_unwind(AssertUnwindSafe(|| source.rewind())).unwrap_or(false)
            }
            Body::Connection(_) => false,
        }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Body::Empty
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Memory(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::Memory(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Body::Memory(text.into())
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        Body::Memory(Bytes::copy_from_slice(bytes))
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({:?})", self.length())
    }
}

/// What one transfer may take, and how it connects.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Deadlines of each wait.
    pub timeouts: Timeouts,
    /// A floor under the speed; none unless set.
    pub low_speed: Option<LowSpeed>,
    /// The largest response body accepted, in bytes; no limit unless set.
    pub max_body: Option<u64>,
    /// Whether bodies are decoded as their Content-Encoding says, and Accept-Encoding asks for that;
    /// otherwise they are delivered as they come.
    pub decode: Option<DecodePolicy>,
    /// Whether a body that comes in chunks is delivered with their framing, as it is sent.
    pub raw: bool,
    /// The most bytes per second, both directions together; no limit unless set. A slower reader is
    /// what the peer sees: what comes faster waits in the kernel.
    pub max_rate: Option<u64>,
    /// How long an address that has not answered is waited for before the next one is tried beside it (RFC 8305,
    /// 5), from 10 ms to 2 s; 250 ms unless set.
    pub attempt_delay: Option<Duration>,
    /// What is asked for again; nothing unless set.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Which redirects are followed; none unless set.
    pub redirects: Option<RedirectPolicy>,
    /// Whether the report has every hop by itself ([`Report::hops`](crate::Report::hops)): a record as long as the peers like
    /// to redirect.
    pub record_hops: bool,
    /// Who the requests are made for; nobody unless set, or in the URL.
    pub auth: Option<AuthPolicy>,
    /// Where cookies are kept and taken from; none are unless set.
    pub cookies: Option<CookieJar>,
    /// Whose cookies they are is said by a Host field of the caller's, where there is one; otherwise by the URL alone.
    pub cookies_by_host_field: bool,
    /// Which hosts are asked over TLS alone, whatever the URL says; those that say so are added.
    pub hsts: Option<Hsts>,
    /// Which versions of HTTP it may be sent by.
    pub versions: HttpVersions,
    /// How urgent the response is, among those of its connection; nothing is said unless set. Told over HTTP/2 alone.
    pub priority: Option<Priority>,
    /// What writes the heads of requests over HTTP/1, CONNECT apart; [`RequestHead::encode`](crate::protocol::RequestHead::encode)
    /// unless set.
    pub head_writer: Option<Arc<dyn WriteHead>>,
    /// Bounds on the response's framing. On a connection that several share, those of the first.
    pub http: HttpLimits,
    /// How `https` is verified. Unset: the system's roots.
    pub tls: Option<TlsPolicy>,
    /// Which proxies requests go by; straight to their origins unless set.
    pub proxies: Option<Arc<Proxies>>,
    /// How a proxy that is spoken to over TLS is verified. Unset: as [`crate::Config::tls`] says, without
    /// a client's identity.
    pub proxy_tls: Option<TlsPolicy>,
    /// How connections are made; as the system would unless set.
    pub ways: Option<Arc<Ways>>,
}

impl Options {
    fn shared_default() -> Arc<Options> {
        use std::sync::OnceLock;
        static DEFAULT: OnceLock<Arc<Options>> = OnceLock::new();
        DEFAULT.get_or_init(Arc::default).clone()
    }
}

/// Versions of HTTP that a request may be sent by. Requests that differ in this share no connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HttpVersions {
    /// HTTP/2 where the server agrees to it by ALPN (RFC 9113, 3.2), which is asked over TLS; otherwise HTTP/1.1.
    #[default]
    Negotiated,
    /// HTTP/1.1 alone, or what the request's head says.
    Http1,
    /// HTTP/2 alone, without asking: the server is known to speak it (RFC 9113, 3.3). A proxy that forwards gets HTTP/1.1.
    Http2,
}

impl HttpVersions {
    /// Whether a protocol of this name (ALPN's) is offered.
    pub(in crate::engine) fn allow(self, protocol: &[u8]) -> bool {
        match self {
            HttpVersions::Negotiated => true,
            HttpVersions::Http1 => protocol != b"h2",
            HttpVersions::Http2 => protocol == b"h2",
        }
    }
}

/// How urgent a response is, as a PRIORITY_UPDATE says it (RFC 9218, 4 and 7). Servers may heed it or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// From 0, the most urgent, to 7; 3 is what nobody says.
    pub urgency: u8,
    /// Whether the response is of use piece by piece, so that others may be sent between.
    pub incremental: bool,
}

/// The deadlines of a transfer's waits. Each wait has its own, none eats into another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Waiting for a connection or a slot for one; not bounded unless set. Of a transfer that asks
    /// again, over all times.
    pub queue: Option<Duration>,
    /// Looking the name up.
    pub resolve: Option<Duration>,
    /// Connecting, over all addresses.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// For how long a body whose request says `Expect: 100-continue` waits for leave; then it is sent
    /// without. Not bounded if unset.
    pub expect: Option<Duration>,
    /// From the request's last byte to the response's first.
    pub first_byte: Option<Duration>,
    /// Between bytes, in either direction.
    pub idle: Option<Duration>,
    /// Waiting for memory that other transfers hold ([`Config::memory`](crate::Config::memory)). Meanwhile nothing is read, and
    /// neither [`idle`](Self::idle) nor a speed binds.
    pub memory: Option<Duration>,
    /// The whole transfer; not bounded unless set.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            queue: None,
            resolve: Some(Duration::from_secs(30)),
            connect: Some(Duration::from_secs(30)),
            tls: Some(Duration::from_secs(30)),
            expect: Some(Duration::from_secs(1)),
            first_byte: Some(Duration::from_secs(120)),
            idle: Some(Duration::from_secs(120)),
            memory: Some(Duration::from_secs(120)),
            total: None,
        }
    }
}

/// A transfer slower than this for this long fails (curl's low-speed limit and time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LowSpeed {
    /// Bytes per second, both directions together.
    pub bytes_per_second: u64,
    /// Measured over this long.
    pub over: Duration,
}

/// The next bytes of a body; of one in memory, after those that were taken.
pub(in crate::engine) fn read_body(
    body: &mut Body,
    taken: &mut usize,
    out: &mut [u8],
) -> SourceRead {
    match body {
        Body::Empty => SourceRead::End,
        Body::Memory(bytes) => {
            let rest = &bytes[*taken..];
            let n = rest.len().min(out.len());
            out[..n].copy_from_slice(&rest[..n]);
            *taken += n;
            if n == 0 { SourceRead::End } else { SourceRead::Data(n) }
        }
        Body::Stream { source, .. } | Body::Raw(source) | Body::Connection(source) => {
            read_source(&mut **source, out)
        }
    }
}

/// A source that panics has failed: here, since a driver may be filling memory that the kernel is to see.
fn read_source(source: &mut dyn BodySource, out: &mut [u8]) -> SourceRead {
    let read = catch_unwind(AssertUnwindSafe(|| source.read(out)));
    read.unwrap_or_else(|_| SourceRead::Failed("the source panicked".to_owned()))
}
