//! Many HTTP transfers at once on Linux: libcurl's `curl_multi_socket` contract, driven by
//! io_uring or epoll.

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
    Body, BodySource, Collect, Config, Discard, Flow, Handler, LowSpeed, Message, Options, Outcome,
    Report, Request, Response, Stats, Timeouts, Times, TlsSummary, TransferId,
};
pub use error::Error;
pub use http::RequestError;
pub use time::Time;
pub use tls::TlsPolicy;
