//! Many HTTP transfers at once on Linux: libcurl's `curl_multi_socket` contract, driven by
//! io_uring or epoll.
//!
//! Two ways in:
//!
//! * [`Driver`]: a loop of ours. Add transfers, take turns, read messages.
//! * [`Multi`]: a loop of yours. It is told which sockets to watch for what, and reports what
//!   happened: `curl_multi_socket_action` in Rust's idiom.
//!
//! Beneath both is the sans-IO [`engine`], which makes no system call and reads no clock.
//!
//! # The loop
//!
//! ```
//! # use std::io::{Read, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let server = listener.local_addr()?;
//! # std::thread::Builder::new().spawn(move || {
//! #     for _ in 0..2 {
//! #         let (mut socket, _) = listener.accept().unwrap();
//! #         let _ = socket.read(&mut [0; 1024]);
//! #         let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
//! #     }
//! # })?;
//! use ringdove::{Collect, Config, Driver, Request};
//!
//! let mut driver = Driver::auto(Config::default())?;
//! for path in ["/one", "/two"] {
//!     let request = Request::get(&format!("http://{server}{path}"))?;
//!     driver.add(request, Box::new(Collect::default()))?;
//! }
//! while driver.running() > 0 {
//!     driver.turn(None)?;
//!     while let Some(message) = driver.next_message() {
//!         let (outcome, page) = message.into_parts::<Collect>().expect("as added");
//!         assert_eq!(outcome.result?.status, 200);
//!         assert_eq!(page.field("content-type"), Some("text/plain"));
//!         assert_eq!(page.body, b"hello");
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is decided for you
//!
//! Certificates are verified against the system's roots. Redirects are followed where
//! [`Options::redirects`] says so, bodies are decoded where [`Options::decode`] does, cookies are kept in the jar
//! of [`Options::cookies`] only. Credentials of a URL or of [`Options::auth`] go to their origin and nowhere else.
//!
//! Each wait for a server has a deadline of its own ([`Timeouts`]), and all that a server can make longer has a
//! named bound ([`limits`]), except the body itself: how long it may be ([`Options::max_body`]), how slow
//! ([`Options::low_speed`]) and how long the whole may take ([`Timeouts::total`]) is not bounded unless set.
//!
//! # Threads
//!
//! A [`Driver`] or a [`Multi`] stays on the thread that made it, and so do its handlers, which need not be [`Send`]: a ring is
//! its thread's, by IORING_SETUP_SINGLE_ISSUER and by its registered descriptor. What crosses threads is the [`Config`], from which the thread
//! that is to run a driver makes it. Whoever wants several threads gives each a driver of its own. Requests come to it by a channel, and a
//! [`Waker`] ends its wait for what came:
//!
//! ```
//! # use std::io::{Read, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let server = listener.local_addr()?;
//! # std::thread::Builder::new().spawn(move || {
//! #     for _ in 0..2 {
//! #         let (mut socket, _) = listener.accept().unwrap();
//! #         let _ = socket.read(&mut [0; 1024]);
//! #         let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
//! #     }
//! # })?;
//! use std::sync::mpsc::{self, TryRecvError};
//! use std::thread;
//!
//! use ringdove::{Collect, Config, Driver, Request};
//!
//! let (requests, inbox) = mpsc::channel::<Request>();
//! let (outbox, bodies) = mpsc::channel::<Vec<u8>>();
//! let (hand_over, waker) = mpsc::channel();
//! let worker = thread::Builder::new().spawn(move || {
//!     let mut driver = Driver::auto(Config::default()).expect("there is epoll at least");
//!     hand_over.send(driver.waker().expect("an eventfd")).expect("it is waited for");
//!     let mut open = true;
//!     while open || driver.running() > 0 {
//!         loop {
//!             match inbox.try_recv() {
//!                 Ok(request) => {
//!                     driver.add(request, Box::new(Collect::default())).expect("it can be added");
//!                 }
//!                 Err(TryRecvError::Empty) => break,
//!                 Err(TryRecvError::Disconnected) => {
//!                     open = false;
//!                     break;
//!                 }
//!             }
//!         }
//!         if open || driver.running() > 0 {
//!             driver.turn(None).expect("the driver can go on");
//!         }
//!         while let Some(message) = driver.next_message() {
//!             let (_, page) = message.into_parts::<Collect>().expect("as added");
//!             outbox.send(page.body).expect("it is waited for");
//!         }
//!     }
//! })?;
//! let waker = waker.recv()?;
//! for path in ["/one", "/two"] {
//!     requests.send(Request::get(&format!("http://{server}{path}"))?)?;
//!     waker.wake();
//! }
//! assert_eq!((bodies.recv()?, bodies.recv()?), (b"hello".to_vec(), b"hello".to_vec()));
//! drop(requests);
//! waker.wake();
//! worker.join().expect("it ends well");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! There is one, and it is off: `standard-descriptors`, for programs that want to know whether they were started without a
//! standard output (`sys::standard`).

pub mod dial;
pub mod dns;
pub mod driver;
pub mod engine;
pub mod error;
pub mod id;
pub mod limits;
mod owner;
pub mod protocol;
pub mod sys;
pub mod time;
pub mod tls;

pub use ::bytes::Bytes;
pub use ::http::Method;
pub use driver::{
    Action, BlockingReader, CallbackError, Driver, DriverError, Event, Existing, FileReader,
    FileWriter, Files, Kind as DriverKind, More, Multi, MultiError, OwnSocket, Room, Settings,
    SocketChange, ToFile, Token, Watch, Written,
};
pub use engine::{
    AddError, AddressPolicy, Allowance, Body, BodySource, Collect, Config, Discard, Exhausted,
    Flow, Handler, Hop, HttpVersions, LowSpeed, Message, NameService, Options, Outcome, Paused,
    Politeness, Priority, Report, Request, Response, Retried, RetryBudget, RetryPolicy, Stats,
    Timeouts, Times, TlsSummary, TransferId, Undecoded, Ways,
};
pub use error::Error;
pub use protocol::{
    AuthPolicy, Bypass, CookieJar, DecodePolicy, Hsts, KeepPost, Proxies, Proxy, ProxyError,
    Redirect, RedirectPolicy, RequestError, ResponseHead, SourceRead, Version,
};
pub use sys::{ReceiveBuffers, Waker};
pub use time::Time;
pub use tls::{TlsPolicy, TlsPolicyError};
pub use url::Url;
