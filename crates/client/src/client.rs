//! The client for any thread and any runtime, whose engines have threads of their own.
//!
//! Knows the threads and what is the same for all calls. Must not know runtimes. Invariants: a thread ends when its last client,
//! call and body are gone, or when it is shut down; nothing that surprises is on unless asked for.

use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Body as HttpBody;
use ringdove::engine::{OriginStats, Politeness};
use ringdove::{
    Config, CookieJar, DecodePolicy, DriverKind, Options, Proxies, RedirectPolicy, Stats, Timeouts,
    TlsPolicy,
};

use crate::body::{Body, BoxError};
use crate::budget::{Budget, Peers};
use crate::engine::{Engine, Plan};
use crate::error::{Error, Gone};
use crate::inbox::{Asked, Command, Inbox};
use crate::outgoing::Outgoing;
use crate::pending::Pending;
use crate::request::RequestBuilder;
use crate::seats::Seats;
use crate::shared::{Settings, Shared};

/// An HTTP client for async Rust. Clones share connections, and cost a pointer.
///
/// Its calls can be awaited on any runtime or none: an engine of its own does the work, on a thread of its own (or on
/// [several](ClientBuilder::threads)). See [`choosing`](crate::choosing) for when another is the better one.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let server = listener.local_addr()?;
/// # std::thread::Builder::new().spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let _ = socket.read(&mut [0; 1024]);
/// #     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
/// # })?;
/// let client = ringdove_client::Client::new();
/// let call = async {
///     let response = client.get(&format!("http://{server}/")).send().await?;
///     assert!(response.status().is_success());
///     response.text().await
/// };
/// assert_eq!(futures_executor::block_on(call)?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Shared>);

impl Client {
    /// A client with one engine and no options.
    ///
    /// # Panics
    ///
    /// When the system has neither io_uring nor epoll for it, or no thread; [`ClientBuilder::build`] says so instead.
    pub fn new() -> Client {
        Client::builder().build().expect("the system has what an engine needs")
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Client {
        Client(shared)
    }

    /// A client that is put together.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A request of any method for an absolute `http` or `https` URL.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(self.0.clone(), method, url.as_ref())
    }

    /// A GET request.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A HEAD request.
    pub fn head(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// A POST request.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A PUT request.
    pub fn put(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// A PATCH request.
    pub fn patch(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// A DELETE request.
    pub fn delete(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// Sends a request of the crate `http`, with any body of `http-body`: see [`Body::wrap`]. Its extensions may have
    /// [`ringdove::Options`] in an `Arc`, for it alone. The client's fields are added where the request does not have them.
    pub fn execute<B>(&self, request: http::Request<B>) -> Pending
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.execute_own(request.map(Body::of))
    }

    fn execute_own(&self, request: http::Request<Body>) -> Pending {
        let settings = self.0.settings();
        let own = request.extensions().get::<Arc<Options>>().cloned();
        let options = own.unwrap_or_else(|| settings.options.clone());
        let outgoing = Outgoing::of(request, options).map(|mut outgoing| {
            for (name, value) in &settings.fields {
                outgoing.fields.entry(name.clone()).or_insert_with(|| value.clone());
            }
            Box::new(outgoing)
        });
        Pending::new(self.0.clone(), outgoing)
    }

    /// What its engines have done and hold now, all together.
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone).
    pub async fn stats(&self) -> Result<Vec<Stats>, Error> {
        let mut all = Vec::new();
        for inbox in self.0.inboxes() {
            let asked = Arc::new(Asked::default());
            inbox.post(Command::Stats(asked.clone())).map_err(Error::gone)?;
            all.push(poll_fn(|cx| asked.poll(cx)).await);
        }
        Ok(all)
    }

    /// What its engines hold for each origin that something uses now: connections by what they do, and calls that wait for one.
    /// An origin that is on several engines, or asked by several ways, has one for each.
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone).
    pub async fn origins(&self) -> Result<Vec<OriginStats>, Error> {
        let mut all = Vec::new();
        for inbox in self.0.inboxes() {
            let asked = Arc::new(Asked::default());
            inbox.post(Command::Origins(asked.clone())).map_err(Error::gone)?;
            all.extend(poll_fn(|cx| asked.poll(cx)).await);
        }
        Ok(all)
    }

    /// Closes the connections that nobody uses.
    pub fn close_idle(&self) {
        for inbox in self.0.inboxes() {
            // an engine that is gone has none
            let _ = inbox.post(Command::CloseIdle);
        }
    }

    /// Begins no call any more, and ends when those that run have ended, or after this time, when they fail.
    pub async fn shutdown(self, within: Duration) {
        for inbox in self.0.inboxes() {
            // one that is gone is what is wanted
            let _ = inbox.post(Command::Shutdown(within));
        }
        for inbox in self.0.inboxes() {
            poll_fn(|cx: &mut Context<'_>| inbox.poll_gone(cx)).await;
        }
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("engines", &self.0.inboxes().len()).finish()
    }
}

impl<B> tower_service::Service<http::Request<B>> for Client
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<crate::ResponseBody>;
    type Error = Error;
    type Future = Executing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Executing {
        Executing(self.execute(request))
    }
}

/// The future of a response in the words of the crate `http`.
#[must_use = "a call does nothing until it is awaited"]
pub struct Executing(Pending);

impl std::future::Future for Executing {
    type Output = Result<http::Response<crate::ResponseBody>, Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx).map_ok(crate::Response::into_http)
    }
}

/// How a client, or a [`LocalClient`](crate::LocalClient), is to be.
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    config: Config,
    options: Options,
    fields: HeaderMap,
    window: usize,
    max_buffered: usize,
    threads: usize,
    driver: Option<DriverKind>,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder {
            config: Config::default(),
            options: Options::default(),
            fields: HeaderMap::new(),
            window: 256 * 1024,
            max_buffered: 64 * 1024 * 1024,
            threads: 1,
            driver: None,
        }
    }
}

impl ClientBuilder {
    /// Changes what an engine may hold open, and for how long: limits per origin, host and address, politeness, who looks names
    /// up, memory, which addresses may be connected to.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> ClientBuilder {
        change(&mut self.config);
        self
    }

    /// Changes what each call may take, and how it connects, unless the request has options of its own.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> ClientBuilder {
        change(&mut self.options);
        self
    }

    /// What browsers do: follows redirects, decodes bodies, keeps cookies (in memory). None of these is on otherwise.
    pub fn browserlike(mut self) -> ClientBuilder {
        self.options.redirects = Some(RedirectPolicy::default());
        self.options.decode = Some(DecodePolicy::default());
        self.options.cookies = Some(CookieJar::default());
        self
    }

    /// A field for each request that has none of that name.
    pub fn default_header(mut self, name: header::HeaderName, value: HeaderValue) -> ClientBuilder {
        self.fields.insert(name, value);
        self
    }

    /// The deadline of each wait of a call.
    pub fn timeouts(mut self, timeouts: Timeouts) -> ClientBuilder {
        self.options.timeouts = timeouts;
        self
    }

    /// How long a whole call may take, its body included.
    pub fn timeout(mut self, total: Duration) -> ClientBuilder {
        self.options.timeouts.total = Some(total);
        self
    }

    /// How `https` is verified, and the client's certificate. Unset: the system's roots, and none.
    pub fn tls(mut self, policy: TlsPolicy) -> ClientBuilder {
        self.options.tls = Some(policy);
        self
    }

    /// Which proxies requests go by.
    pub fn proxies(mut self, proxies: Proxies) -> ClientBuilder {
        self.options.proxies = Some(Arc::new(proxies));
        self
    }

    /// How many bytes of a response may wait to be read, and of a request's body to be sent; 256 KiB unless set. What was received
    /// by the time that a response is found to have more may exceed it (a megabyte, where the server is much faster than the
    /// reader), and so may one frame of a request.
    pub fn window(mut self, bytes: usize) -> ClientBuilder {
        self.window = bytes;
        self
    }

    /// How many bytes of a body [`bytes`](crate::Response::bytes), `text` and `json` take at most; 64 MiB unless set.
    pub fn max_buffered(mut self, bytes: usize) -> ClientBuilder {
        self.max_buffered = bytes;
        self
    }

    /// How many engines share the work, each on a thread of its own; 1 unless set.
    ///
    /// Each origin has one of them, so that kept connections are found again; calls go to the next one while that has as many of the
    /// origin's as its share of [`Config::max_per_origin`]. [`Config::max_connections`] holds for all of them together: an engine
    /// that needs more is lent what others do not use. With rules that no engine can keep alone (politeness, limits by host or
    /// address) there is one, whatever is said here.
    pub fn threads(mut self, threads: usize) -> ClientBuilder {
        self.threads = threads.max(1);
        self
    }

    /// Which driver engines have; the best that the system allows unless set.
    pub fn driver(mut self, kind: DriverKind) -> ClientBuilder {
        self.driver = Some(kind);
        self
    }

    /// How many engines there are.
    fn engines(&self) -> usize {
        let Config { max_per_host, max_per_address, politeness, .. } = &self.config;
        let is_alone = max_per_host.is_some()
            || max_per_address.is_some()
            || *politeness != Politeness::default();
        if is_alone { 1 } else { self.threads }
    }

    /// What an engine is made of that is driven in place.
    pub(crate) fn plan_in_place(&self) -> Plan {
        Plan { config: self.config.clone(), driver: self.driver, is_apart: false, budget: None }
    }

    /// What one of several is made of, by its place among them.
    fn plan_apart(&self, place: usize, peers: &Peers) -> Plan {
        let (engines, mut config) = (self.engines(), self.config.clone());
        let mut budget = None;
        if engines > 1 {
            let all = config.max_connections.max(engines);
            config.max_connections = all / engines + usize::from(place < all % engines);
            config.max_per_origin = Seats::share(engines, config.max_per_origin);
            budget = Some(Budget::new(config.max_connections, peers.clone()));
        }
        Plan { config, driver: self.driver, is_apart: true, budget }
    }

    pub(crate) fn settings(self) -> Settings {
        Settings {
            options: Arc::new(self.options),
            fields: self.fields,
            window: self.window,
            max_buffered: self.max_buffered,
        }
    }

    /// The client, with its threads begun.
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone): the system has neither io_uring nor epoll for it, or no thread.
    pub fn build(self) -> Result<Client, Error> {
        let (engines, peers) = (self.engines(), Peers::default());
        let begun = (0..engines).map(|place| begin(self.plan_apart(place, &peers)));
        let inboxes = begun.collect::<Result<Vec<_>, Error>>()?;
        // set once, here
        let _ = peers.set(inboxes.clone());
        let seats = (engines > 1).then(|| Seats::new(engines, self.config.max_per_origin));
        Ok(Client(Shared::new(inboxes, seats, self.settings())))
    }
}

/// Begins an engine on a thread of its own, which a ring belongs to.
fn begin(plan: Plan) -> Result<Arc<Inbox>, Error> {
    let (hand_over, inbox) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("ringdove".to_owned());
    #[expect(clippy::disallowed_methods, reason = "an engine's thread is what a client is for")]
    let spawned = thread.spawn(move || {
        let engine = match Engine::new(plan) {
            Ok(engine) => engine,
            Err(error) => return drop(hand_over.send(Err(error))),
        };
        let _ = hand_over.send(Ok(engine.inbox().clone()));
        run(engine);
    });
    spawned.map_err(|error| Error::no_engine(error.to_string()))?;
    inbox.recv().unwrap_or_else(|_| Err(Error::gone(Gone::new("its thread has panicked"))))
}

fn run(mut engine: Engine) {
    while !engine.has_ended() {
        if let Err(error) = engine.turn(None) {
            engine.give_up(&error);
            return;
        }
    }
}
