//! The client that is driven in place, by the thread that uses it.
//!
//! Knows an engine on the caller's own thread, in whatever loop that has. Must not know that loop, but for tokio's behind a
//! feature. Invariant: nothing happens but in a turn.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Method;
use http_body::Body as HttpBody;
use ringdove::Stats;
use ringdove::engine::OriginStats;

use crate::body::BoxError;
use crate::client::{Client, ClientBuilder};
use crate::engine::Engine;
use crate::error::{Error, Gone};
use crate::pending::Pending;
use crate::request::RequestBuilder;
use crate::shared::Shared;

/// A client whose engine runs where it is used, on the caller's own thread: no other thread, no wake-ups between two. Something
/// has to [turn](Turner) it: a task of the caller's runtime, or a loop. Clones share connections.
///
/// With the feature `tokio`:
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// # let server = listener.local_addr().unwrap();
/// # std::thread::Builder::new().spawn(move || {
/// #     let (mut socket, _) = listener.accept().unwrap();
/// #     let _ = socket.read(&mut [0; 1024]);
/// #     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
/// # }).unwrap();
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// let local = tokio::task::LocalSet::new();
/// local.block_on(&runtime, async {
///     let (client, turner) = ringdove_client::LocalClient::new().unwrap();
///     tokio::task::spawn_local(turner.run_on_tokio());
///     let response = client.get(&format!("http://{server}/")).send().await.unwrap();
///     assert_eq!(response.text().await.unwrap(), "hello");
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct LocalClient {
    client: Client,
    /// What it is for is that nothing crosses threads.
    not_send: PhantomData<Rc<()>>,
}

impl LocalClient {
    /// A client with no options, and what turns it.
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone): the system has neither io_uring nor epoll for it.
    pub fn new() -> Result<(LocalClient, Turner), Error> {
        LocalClient::build(Client::builder())
    }

    /// A client as a builder says, and what turns it. It has one engine, whatever [`ClientBuilder::threads`] says.
    ///
    /// # Errors
    ///
    /// As [`LocalClient::new`].
    pub fn build(builder: ClientBuilder) -> Result<(LocalClient, Turner), Error> {
        let engine = Engine::new(builder.plan_in_place())?;
        let inbox = engine.inbox().clone();
        let client = Client::of(Shared::new(vec![inbox], None, builder.settings()));
        let turner = Turner { engine: Rc::new(RefCell::new(engine)) };
        Ok((LocalClient { client, not_send: PhantomData }, turner))
    }

    /// A request of any method: see [`Client::request`].
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// A GET request.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.client.get(url)
    }

    /// A POST request.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request of the crate `http`: see [`Client::execute`].
    pub fn execute<B>(&self, request: http::Request<B>) -> Pending
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.client.execute(request)
    }

    /// What its engine has done and holds now; answered by the next turn.
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone).
    pub async fn stats(&self) -> Result<Stats, Error> {
        let all = self.client.stats().await?;
        all.into_iter().next().ok_or_else(|| Error::gone(Gone::new("it has ended")))
    }

    /// What its engine holds for each origin: see [`Client::origins`].
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone).
    pub async fn origins(&self) -> Result<Vec<OriginStats>, Error> {
        self.client.origins().await
    }

    /// Has no call begin any more: see [`Client::shutdown`].
    pub async fn shutdown(self, within: Duration) {
        self.client.shutdown(within).await;
    }
}

impl std::fmt::Debug for LocalClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalClient")
    }
}

/// What turns a [`LocalClient`]'s engine. Dropping it ends the engine, and what runs fails.
pub struct Turner {
    engine: Rc<RefCell<Engine>>,
}

impl Turner {
    /// Does what is to be done, or waits for `max` at most if there is nothing (`None`: until there is). Whether it is to be
    /// turned again; it is not once the last client, call and body are gone, or after a shutdown.
    ///
    /// # Errors
    ///
    /// The engine cannot go on, and every call fails.
    pub fn turn(&mut self, max: Option<Duration>) -> Result<bool, Error> {
        let mut engine = self.engine.borrow_mut();
        if let Err(error) = engine.turn(max) {
            engine.give_up(&error);
            return Err(Error::refused(error));
        }
        Ok(!engine.has_ended())
    }

    /// A descriptor that can be read when a turn is due: see [`ringdove::Driver::descriptor`].
    ///
    /// # Errors
    ///
    /// The system has no room for it.
    pub fn descriptor(&mut self) -> Result<OwnedFd, Error> {
        self.engine.borrow_mut().descriptor().map_err(Error::refused)
    }

    /// How long the next turn may be put off while the descriptor cannot be read; `None`: without end.
    pub fn timeout(&mut self) -> Option<Duration> {
        self.engine.borrow_mut().timeout()
    }

    /// Ready when a call of the same thread wants a turn. Whoever waits for this and for the descriptor misses none, and is
    /// spared a system call for each.
    pub fn poll_called(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.engine.borrow().inbox().poll_ready(cx)
    }

    /// Whether there is more to be done although nothing new happens: tokio tells changes, and an epoll's descriptor has none while
    /// one of its sockets still has more than a turn takes.
    #[cfg(feature = "tokio")]
    fn has_more(&self, descriptor: &impl std::os::fd::AsRawFd) -> bool {
        let readiness = ringdove::sys::readiness(descriptor.as_raw_fd());
        self.engine.borrow().is_on_epoll() && readiness.is_ok_and(|readiness| readiness.recv)
    }

    /// Ends its wait, from another thread.
    pub(crate) fn inbox(&self) -> std::sync::Arc<crate::inbox::Inbox> {
        self.engine.borrow().inbox().clone()
    }

    /// Turns it on tokio until nobody is left.
    ///
    /// # Errors
    ///
    /// The engine cannot go on, or tokio has no reactor to wait with.
    #[cfg(feature = "tokio")]
    pub async fn run_on_tokio(mut self) -> Result<(), Error> {
        use std::future::{Future as _, poll_fn};
        use std::pin::pin;
        use tokio::io::Interest;
        use tokio::io::unix::AsyncFd;
        let no_reactor = |error: std::io::Error| Error::no_engine(error.to_string());
        #[expect(
            deprecated,
            reason = "what took its place is unsafe, and nobody else has this descriptor"
        )]
        let descriptor = AsyncFd::with_interest(self.descriptor()?, Interest::READABLE);
        let descriptor = descriptor.map_err(no_reactor)?;
        while self.turn(Some(Duration::ZERO))? {
            let timeout = self.timeout();
            if timeout == Some(Duration::ZERO) || self.has_more(&descriptor) {
                // others have their turn between two of these
                tokio::task::yield_now().await;
                continue;
            }
            let mut sleep = pin!(timeout.map(tokio::time::sleep));
            poll_fn(|cx| {
                if self.poll_called(cx).is_ready() {
                    return Poll::Ready(());
                }
                if let Poll::Ready(Ok(mut ready)) = descriptor.poll_read_ready(cx) {
                    ready.clear_ready();
                    return Poll::Ready(());
                }
                match sleep.as_mut().as_pin_mut() {
                    Some(sleep) => sleep.poll(cx),
                    None => Poll::Pending,
                }
            })
            .await;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Turner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turner")
    }
}
