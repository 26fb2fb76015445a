//! Why a call failed.
//!
//! Knows all ways in which one can, on either side of the engine. What the engine itself has to say of a transfer is the
//! library's [`ringdove::Error`], and stays at hand.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use ringdove::error::{Cause, Deadline, Phase, Retry};
use ringdove::{MultiError, RequestError, Url};

/// Why a call failed. It is the size of a pointer.
///
/// ```
/// # fn tell(error: ringdove_client::Error) {
/// if error.is_timeout() || error.is_transient() {
///     eprintln!("{error}: later, perhaps");
/// } else if let Some(inner) = error.transfer() {
///     eprintln!("{}: {}", inner.kind(), inner.phase);
/// }
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    url: Option<Url>,
}

/// Where it failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind {
    /// The request cannot be made: a URL, a field or a body that cannot stand in one.
    Request(RequestError),
    /// A field that cannot stand in a message.
    Field(&'static str),
    /// The transfer failed.
    Transfer(ringdove::Error),
    /// The body of the request gave an error, and what there is of it is not sent on.
    Body(Box<dyn StdError + Send + Sync>),
    /// The response's body is larger than the most that is to be held in memory, in bytes.
    TooLarge {
        /// The most.
        limit: usize,
    },
    /// The response's body is not what it was to be read as: JSON, or UTF-8.
    Content(Box<dyn StdError + Send + Sync>),
    /// The response has this status, and [`Response::error_for_status`](crate::Response::error_for_status) was asked.
    Status(StatusCode),
    /// The response is no answer to an offer of another protocol: it has this status.
    NoUpgrade(StatusCode),
    /// The engine refuses the request: no TLS policy can be had, for one.
    Refused(MultiError),
    /// There is no engine, or no longer: it was shut down, or the system refused what it cannot do without. Never the end of a
    /// body.
    Gone(Gone),
}

/// Why there is no engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone(Arc<str>);

impl Gone {
    pub(crate) fn new(why: &str) -> Gone {
        Gone(why.into())
    }

    pub(crate) fn shut_down() -> Gone {
        Gone::new("it was shut down")
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no engine: {}", self.0)
    }
}

impl Error {
    fn new(kind: Kind) -> Error {
        Error(Box::new(Inner { kind, url: None }))
    }

    pub(crate) fn request(error: RequestError) -> Error {
        Error::new(Kind::Request(error))
    }

    pub(crate) fn field(what: &'static str) -> Error {
        Error::new(Kind::Field(what))
    }

    pub(crate) fn of_transfer(error: ringdove::Error) -> Error {
        Error::new(Kind::Transfer(error))
    }

    pub(crate) fn body(error: Box<dyn StdError + Send + Sync>) -> Error {
        Error::new(Kind::Body(error))
    }

    pub(crate) fn too_large(limit: usize) -> Error {
        Error::new(Kind::TooLarge { limit })
    }

    #[cfg(feature = "json")]
    pub(crate) fn content(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::new(Kind::Content(error.into()))
    }

    pub(crate) fn status_of(status: StatusCode) -> Error {
        Error::new(Kind::Status(status))
    }

    pub(crate) fn no_upgrade(status: StatusCode) -> Error {
        Error::new(Kind::NoUpgrade(status))
    }

    pub(crate) fn refused(error: MultiError) -> Error {
        Error::new(match error {
            MultiError::Add(ringdove::AddError::Request(error)) => Kind::Request(error),
            error => Kind::Refused(error),
        })
    }

    pub(crate) fn gone(gone: Gone) -> Error {
        Error::new(Kind::Gone(gone))
    }

    pub(crate) fn no_engine(why: String) -> Error {
        Error::gone(Gone(why.into()))
    }

    pub(crate) fn with_url(mut self, url: &Url) -> Error {
        self.0.url.get_or_insert_with(|| url.clone());
        self
    }

    /// Its kind in a word, for whoever counts.
    pub(crate) fn word(&self) -> &'static str {
        match &self.0.kind {
            Kind::Request(_) | Kind::Field(_) => "request",
            Kind::Transfer(error) => error.kind(),
            Kind::Body(_) => "body",
            Kind::TooLarge { .. } | Kind::Content(_) => "content",
            Kind::Status(_) | Kind::NoUpgrade(_) => "status",
            Kind::Refused(_) => "refused",
            Kind::Gone(_) => "gone",
        }
    }

    /// Where it failed.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// What was asked for, as the caller gave it, user information included; none where there was no URL yet.
    pub fn url(&self) -> Option<&Url> {
        self.0.url.as_ref()
    }

    /// What the engine has to say, if it is the transfer that failed: cause, phase, progress, the addresses that were tried.
    pub fn transfer(&self) -> Option<&ringdove::Error> {
        match &self.0.kind {
            Kind::Transfer(error) => Some(error),
            _ => None,
        }
    }

    /// The status, if that is the error.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0.kind {
            Kind::Status(status) | Kind::NoUpgrade(status) => Some(status),
            _ => None,
        }
    }

    /// Whether it may pass by itself, so that asking again later is of use. Whether that is safe says
    /// [`Error::retry`]. Of statuses 408, 429, 502, 503 and 504 may pass.
    pub fn is_transient(&self) -> bool {
        match &self.0.kind {
            Kind::Transfer(error) => error.is_transient(),
            Kind::Status(status) => matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504),
            Kind::Refused(MultiError::Os { .. }) => true,
            _ => false,
        }
    }

    /// Whether the same request may be sent again, from what is provable.
    pub fn retry(&self) -> Retry {
        match &self.0.kind {
            Kind::Transfer(error) => error.retry(),
            Kind::Refused(_) | Kind::Gone(_) => Retry::Safe,
            _ => Retry::No,
        }
    }

    /// Whether a deadline passed, of whichever wait.
    pub fn is_timeout(&self) -> bool {
        self.transfer().is_some_and(|error| matches!(error.cause, Cause::Timeout { .. }))
    }

    /// Whether the deadline of the whole call passed.
    pub fn is_deadline(&self) -> bool {
        let total = |error: &ringdove::Error| {
            matches!(error.cause, Cause::Timeout { deadline: Deadline::Total, .. })
        };
        self.transfer().is_some_and(total)
    }

    /// Whether there was no connection: no address, nobody there, no tunnel, no TLS.
    pub fn is_connect(&self) -> bool {
        let before = |error: &ringdove::Error| error.phase < Phase::Send;
        self.transfer().is_some_and(before)
    }

    /// Whether the connection ended before the response did.
    pub fn is_cut_short(&self) -> bool {
        self.transfer().is_some_and(ringdove::Error::is_cut_short)
    }

    /// Whether the request's own body failed.
    pub fn is_body(&self) -> bool {
        matches!(self.0.kind, Kind::Body(_))
    }

    /// Whether the request could not be made from what was given.
    pub fn is_request(&self) -> bool {
        matches!(self.0.kind, Kind::Request(_) | Kind::Field(_))
    }

    /// Whether the response's body could not be read as what was asked for.
    pub fn is_decode(&self) -> bool {
        matches!(self.0.kind, Kind::Content(_))
    }

    /// Whether there is no engine (any more).
    pub fn is_gone(&self) -> bool {
        matches!(self.0.kind, Kind::Gone(_))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, url } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("url", &url.as_ref().map(Url::as_str))
            .finish()
    }
}

impl fmt::Display for Error {
    /// In one line, without the URL: that may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Request(error) => write!(f, "{error}"),
            Kind::Field(what) => f.write_str(what),
            Kind::Transfer(error) => write!(f, "{error}"),
            Kind::Body(error) => write!(f, "the request's body failed: {error}"),
            Kind::TooLarge { limit } => {
                write!(
                    f,
                    "the response is larger than the {limit} bytes that may be held in memory"
                )
            }
            Kind::Content(error) => write!(f, "the response cannot be read: {error}"),
            Kind::Status(status) => write!(f, "the response has status {status}"),
            Kind::NoUpgrade(status) => {
                write!(f, "the server did not change the protocol: status {status}")
            }
            Kind::Refused(error) => write!(f, "{error}"),
            Kind::Gone(gone) => write!(f, "{gone}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            Kind::Request(error) => Some(error),
            Kind::Transfer(error) => Some(error),
            Kind::Body(error) | Kind::Content(error) => Some(&**error),
            Kind::Refused(error) => Some(error),
            Kind::Field(_)
            | Kind::TooLarge { .. }
            | Kind::Status(_)
            | Kind::NoUpgrade(_)
            | Kind::Gone(_) => None,
        }
    }
}
