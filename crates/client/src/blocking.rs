//! The client for code that is not async: its engine is turned by the thread that waits.
//!
//! No runtime runs within, and none is disturbed: it can be used inside of one, though it blocks the thread that it is used on.
//!
//! ```
//! # use std::io::{Read, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let server = listener.local_addr()?;
//! # std::thread::Builder::new().spawn(move || {
//! #     let (mut socket, _) = listener.accept().unwrap();
//! #     let _ = socket.read(&mut [0; 1024]);
//! #     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
//! # })?;
//! let client = ringdove_client::blocking::Client::new()?;
//! let response = client.send(client.get(&format!("http://{server}/")))?;
//! assert_eq!(response.text()?, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Method, StatusCode};
use ringdove::Report;

use crate::error::Error;
use crate::inbox::Inbox;
use crate::local::{LocalClient, Turner};
use crate::request::RequestBuilder;
use crate::{Account, ClientBuilder};

/// A client of one thread, which is its engine's while it waits. Clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    client: LocalClient,
    turner: Rc<RefCell<Turner>>,
}

impl Client {
    /// A client with no options.
    ///
    /// # Errors
    ///
    /// [`Kind::Gone`](crate::error::Kind::Gone): the system has neither io_uring nor epoll for it.
    pub fn new() -> Result<Client, Error> {
        Client::build(ClientBuilder::default())
    }

    /// A client as a builder says; it has one engine.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn build(builder: ClientBuilder) -> Result<Client, Error> {
        let (client, turner) = LocalClient::build(builder)?;
        Ok(Client { client, turner: Rc::new(RefCell::new(turner)) })
    }

    /// A request of any method: see [`crate::Client::request`].
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

    /// Sends a request of this client's, and waits for the head of its response.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = self.wait(request.send())??;
        Ok(Response { response, client: self.clone(), rest: Bytes::new() })
    }

    /// Turns the engine until this is ready.
    fn wait<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        let bell = Arc::new(Bell {
            is_rung: AtomicBool::new(true),
            inbox: self.turner.borrow().inbox(),
            owner: std::thread::current().id(),
        });
        let waker = Waker::from(bell.clone());
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if bell.is_rung.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                return Ok(output);
            }
            let max = bell.is_rung.load(Ordering::Acquire).then_some(Duration::ZERO);
            self.turner.borrow_mut().turn(max)?;
        }
    }
}

/// Notes that the future is to be polled.
struct Bell {
    is_rung: AtomicBool,
    inbox: Arc<Inbox>,
    /// The thread that turns the engine, which is told where another one rings.
    owner: ThreadId,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        if std::thread::current().id() != self.owner {
            self.inbox.ring();
        }
    }
}

/// A response, which reads as its body.
#[derive(Debug)]
pub struct Response {
    response: crate::Response,
    client: Client,
    /// What has come and was not yet read.
    rest: Bytes,
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The fields of the head.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What the call took, once its body has been read to its end.
    pub fn report(&self) -> Option<Report> {
        self.response.account().report()
    }

    /// What will tell that.
    pub fn account(&self) -> Account {
        self.response.account()
    }

    /// The response, unless its status is 400 or above: see [`crate::Response::error_for_status`].
    ///
    /// # Errors
    ///
    /// [`Kind::Status`](crate::error::Kind::Status).
    pub fn error_for_status(self) -> Result<Response, Error> {
        self.response.error_for_status_ref()?;
        Ok(self)
    }

    /// The next part of the body; `None` is its end.
    ///
    /// # Errors
    ///
    /// The body has failed before its end.
    pub fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        self.client.wait(self.response.chunk())?
    }

    /// The whole body: see [`crate::Response::bytes`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn bytes(self) -> Result<Bytes, Error> {
        self.client.wait(self.response.bytes())?
    }

    /// The whole body as text: see [`crate::Response::text`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn text(self) -> Result<String, Error> {
        self.client.wait(self.response.text())?
    }

    /// The whole body, read as JSON: see [`crate::Response::json`].
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, Error> {
        self.client.wait(self.response.json())?
    }
}

impl io::Read for Response {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let Some(mut bytes) = self.chunk().map_err(io::Error::other)? else { return Ok(0) };
        let part = bytes.len().min(out.len());
        out[..part].copy_from_slice(&bytes[..part]);
        bytes.advance(part);
        self.rest = bytes;
        Ok(part)
    }
}
