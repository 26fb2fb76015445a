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
//! #         let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
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
//!         let response = message.outcome.result.clone()?;
//!         let body = message.into_handler::<Collect>().expect("as added").body;
//!         assert_eq!((response.status, &body[..]), (200, &b"hello"[..]));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is decided for you
//!
//! Certificates are verified against the system's roots. Redirects are
//! followed where [`Options::redirects`] says so, bodies are not decoded, cookies are kept in the jar of
//! [`Options::cookies`] alone. Credentials of a URL or of [`Options::auth`] go to their origin. Every wait has a deadline of its
//! own ([`Timeouts`]); everything that a server can make longer has a named bound ([`limits`]).

pub mod dial;
pub mod dns;
pub mod driver;
pub mod engine;
pub mod error;
pub mod http;
pub mod id;
pub mod limits;
pub mod sys;
pub mod time;
pub mod tls;

pub use driver::{
    Action, Driver, DriverError, Event, Multi, MultiError, SocketChange, Token, Watch,
};
pub use engine::{
    Allowance, Body, BodySource, Collect, Config, Discard, Exhausted, Flow, Handler, Hop, LowSpeed,
    Message, Options, Outcome, Politeness, Report, Request, Response, RetryPolicy, Stats, Timeouts,
    Times, TlsSummary, TransferId,
};
pub use error::Error;
pub use http::{
    Bypass, DecodePolicy, KeepPost, Proxies, Proxy, ProxyError, Redirect, RedirectPolicy,
    RequestError,
};
pub use time::Time;
pub use tls::TlsPolicy;
