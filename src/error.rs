//! Whose fault it was, and what the caller may do.
//!
//! Knows every way in which one transfer can fail. Errors of the whole handle (misuse, a callback
//! that failed, a driver that cannot go on) are apart: see [`crate::MultiError`].
//! Invariant: whether a retry is safe is decided here alone, from what is provable.

mod attempts;
mod tls;
mod unresolved;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;
use std::time::Duration;

use crate::protocol::h2::{ErrorCode, LinkFault};
use crate::protocol::{BodyFault, CodingFault, HttpFault, ProxyFault, RedirectFault};

pub use attempts::{Attempt, AttemptEnd, Attempts};
pub use tls::{CertificateFault, TlsFault, TlsFaultKind};
pub use unresolved::Unresolved;

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub cause: Cause,
    /// What the transfer was doing.
    pub phase: Phase,
    /// How far the exchange had come, from which follows what a retry may do.
    pub progress: Progress,
    /// The addresses that were tried, where none was connected.
    pub attempts: Option<Box<Attempts>>,
    /// What was asked for: see [`Error::url`].
    pub url: Option<Box<str>>,
}

/// What went wrong, by whose fault it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The peer broke HTTP, or went over a limit on what it may send.
    Http(HttpFault),
    /// The peer broke HTTP/2, or went over a limit on what a connection may bring: all that it carried has failed.
    Http2(LinkFault),
    /// The peer gave up this request, for this reason (RFC 9113, 6.4). Others on the same connection go on.
    Reset(ErrorCode),
    /// The peer has not processed the request, and says so (RFC 9113, 8.7), however often it was sent.
    Refused,
    /// The TLS handshake or a TLS record was refused, by either side.
    Tls(TlsFault),
    /// The proxy did not open a tunnel.
    Proxy(ProxyFault),
    /// The peer closed the connection before a complete response had arrived.
    Closed,
    /// The name has no address, or the look-up failed.
    Resolve(Unresolved),
    /// The operating system refused an operation.
    Os {
        /// The operation, by its system call's name.
        operation: Operation,
        /// The error number, as in errno(3).
        errno: i32,
    },
    /// The caller's [`AddressPolicy`](crate::engine::AddressPolicy) does not allow the address that would have been
    /// connected to.
    Denied {
        /// The address; none where a proxy would have looked one up.
        address: Option<IpAddr>,
        /// What it is, or which rule denies it.
        why: Box<str>,
    },
    /// The address is one of a link (fe80::/10), and neither it nor the way there says of which: it needs its zone, as in
    /// `[fe80::1%eth0]` (RFC 4007, 11; RFC 9844), or an interface to be bound to.
    NoZone {
        /// The address.
        address: Ipv6Addr,
    },
    /// A deadline passed.
    Timeout {
        /// Which of them.
        deadline: Deadline,
        /// How long it was.
        after: Duration,
    },
    /// The body is larger than the transfer's own limit allows.
    BodyTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The body cannot be decoded, or not any further. What was decoded has been delivered.
    Coding(CodingFault),
    /// Other transfers waited for memory, and this one had made little use of what it held.
    Memory {
        /// How much it held, in bytes.
        held: usize,
    },
    /// It needed memory, of which so much is held by others that it could not even wait for some.
    NoMemory {
        /// How much all transfers may hold, in bytes ([`Config::memory`](crate::Config::memory)).
        limit: usize,
    },
    /// A redirect that was to be followed cannot be.
    Redirect(Box<RedirectError>),
    /// The request would have to be sent again, to answer a challenge, and its body's source cannot.
    BodyNotRepeatable,
    /// The source of the request's body failed, or broke its word.
    Body(BodyFault),
    /// The transfer's own handler stopped it, or panicked, for this reason.
    Aborted(String),
}

/// A redirect that cannot be followed, with those that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectError {
    /// What stands against it.
    pub fault: RedirectFault,
    /// The responses that redirected, in order; the last is the one that cannot be followed.
    pub chain: Vec<Redirected>,
    /// Where it leads, where that is known; the beginning of what is long.
    pub next: Option<Box<str>>,
}

/// A URL that redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirected {
    /// The URL; the beginning of one that is long.
    pub url: Box<str>,
    /// The status with which it redirects.
    pub status: u16,
}

/// An operation of the operating system that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// socket(2)
    Socket,
    /// bind(2), or binding to a device
    Bind,
    /// connect(2)
    Connect,
    /// send(2)
    Send,
    /// recv(2)
    Recv,
    /// Waiting for readiness on the ring or by epoll.
    Poll,
}

/// What a transfer was doing when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a connection, a connection slot, or the resolver.
    Queue,
    /// Looking the name up.
    Resolve,
    /// Connecting a socket.
    Connect,
    /// Having a proxy open a tunnel, its own TLS handshake included.
    Proxy,
    /// Shaking hands over TLS.
    Tls,
    /// Sending the request.
    Send,
    /// The request is sent, no byte of the response has arrived.
    FirstByte,
    /// Receiving the response.
    Receive,
}

/// The deadlines of a transfer; each is its own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// Waiting for a connection.
    Queue,
    /// Looking the name up.
    Resolve,
    /// Connecting, over all addresses tried, and having a proxy open a tunnel.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request's last byte to the response's first.
    FirstByte,
    /// No byte moved in either direction.
    Idle,
    /// Fewer bytes per second than demanded for as long as allowed.
    LowSpeed,
    /// Waiting for memory that other transfers hold.
    Memory,
    /// A connection that several transfers are on was silent, and its peer did not answer when it was asked whether it is there.
    Ping,
    /// The whole transfer, from `add`.
    Total,
}

/// How far an exchange had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Progress {
    /// Provably no byte of the request left for the peer.
    NothingSent,
    /// Some of the request may have reached the peer; no byte of a response arrived.
    RequestSent,
    /// Part of a response arrived.
    ResponseStarted,
}

/// What is known about the safety of sending the same request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The peer cannot have acted on the request.
    Safe,
    /// The peer may have acted on it: safe for idempotent methods only (RFC 9110, 9.2.2).
    IfIdempotent,
    /// It would fail again, or part of the response has been delivered already.
    No,
}

impl Error {
    /// Of a transfer that has not begun its exchange.
    pub(crate) fn before_exchange(cause: Cause, phase: Phase) -> Error {
        Error { cause, phase, progress: Progress::NothingSent, attempts: None, url: None }
    }

    /// What was asked for when the transfer failed, be it where redirects had led: without user information, and the beginning of
    /// a long one. `None` of an error that is not a transfer's last.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Whether the same request may be sent again.
    pub fn retry(&self) -> Retry {
        if self.is_final() {
            return Retry::No;
        }
        match self.progress {
            Progress::NothingSent => Retry::Safe,
            Progress::RequestSent => Retry::IfIdempotent,
            Progress::ResponseStarted => Retry::No,
        }
    }

    /// Whether what went wrong may pass by itself, so that asking again later is of use; apart from whether that is safe, which
    /// [`Error::retry`] says. What the peer, the system or the network had no time, no room or no way for may pass; that a name
    /// does not exist, a certificate is not valid, a peer speaks something else or a limit of the caller's is exceeded does
    /// not.
    pub fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Closed
            | Cause::Refused
            | Cause::Reset(_)
            | Cause::Timeout { .. }
            | Cause::Memory { .. }
            | Cause::NoMemory { .. } => true,
            Cause::Http(fault) => fault.is_cut_short(),
            Cause::Resolve(why) => !why.is_answer(),
            Cause::Os { errno, .. } => passes(*errno),
            Cause::Proxy(fault) => !fault.is_final(),
            Cause::Http2(_)
            | Cause::Tls(_)
            | Cause::Denied { .. }
            | Cause::NoZone { .. }
            | Cause::BodyTooLarge { .. }
            | Cause::Coding(_)
            | Cause::Redirect(_)
            | Cause::BodyNotRepeatable
            | Cause::Body(_)
            | Cause::Aborted(_) => false,
        }
    }

    /// Whether the connection ended before the response did, of which there was some. What was delivered is not all.
    pub fn is_cut_short(&self) -> bool {
        matches!(&self.cause, Cause::Http(fault) if fault.is_cut_short())
    }

    /// A short word for the kind of error, stable, for machines: `timeout`, `http`, `tls`, …
    pub fn kind(&self) -> &'static str {
        match &self.cause {
            Cause::Http(fault) if fault.is_limit() => "limit",
            Cause::Http(fault) if fault.is_cut_short() => "cut",
            Cause::BodyTooLarge { .. } => "limit",
            Cause::Coding(fault) if fault.is_limit() => "limit",
            Cause::Memory { .. } | Cause::NoMemory { .. } => "limit",
            Cause::Http2(fault) if fault.is_limit() => "limit",
            Cause::Http2(_) | Cause::Reset(_) | Cause::Refused => "http2",
            Cause::Coding(_) => "coding",
            Cause::Http(_) => "http",
            Cause::Tls(_) => "tls",
            Cause::Proxy(_) => "proxy",
            Cause::Closed => "closed",
            Cause::Resolve(_) => "resolve",
            Cause::Os { .. } => "os",
            Cause::Denied { .. } => "denied",
            Cause::NoZone { .. } => "zone",
            Cause::Timeout { .. } => "timeout",
            Cause::Redirect(_) => "redirect",
            Cause::BodyNotRepeatable => "auth",
            Cause::Body(_) | Cause::Aborted(_) => "aborted",
        }
    }

    /// The same request would meet the same end, whoever sends it when.
    fn is_final(&self) -> bool {
        match &self.cause {
            Cause::Http(_)
            | Cause::Http2(_)
            | Cause::BodyTooLarge { .. }
            | Cause::Coding(_)
            | Cause::Redirect(_)
            | Cause::Denied { .. }
            | Cause::NoZone { .. }
            | Cause::BodyNotRepeatable
            | Cause::Body(_)
            | Cause::Aborted(_) => true,
            Cause::Proxy(fault) => fault.is_final(),
            Cause::Timeout { deadline, .. } => *deadline == Deadline::Total,
            Cause::Reset(_)
            | Cause::Refused
            | Cause::Tls(_)
            | Cause::Closed
            | Cause::Resolve(_)
            | Cause::Os { .. }
            | Cause::Memory { .. }
            | Cause::NoMemory { .. } => false,
        }
    }
}

impl fmt::Display for Error {
    /// What went wrong; and, where several addresses were tried in vain, what became of each, in the same line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Closed => write!(f, "the peer closed the connection while {}", self.phase)?,
            Cause::Timeout { .. } => write!(f, "{} ({})", self.cause, self.phase)?,
            cause => write!(f, "{cause}")?,
        }
        match &self.attempts {
            Some(attempts) if attempts.len() > 1 => write!(f, "; tried {attempts}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Http(fault) => write!(f, "{fault}"),
            Cause::Http2(fault) => write!(f, "{fault}"),
            Cause::Reset(code) => write!(f, "the peer reset the stream: {code}"),
            Cause::Refused => f.write_str("the peer refused the stream, and did not process it"),
            Cause::Tls(what) => write!(f, "TLS: {what}"),
            Cause::Proxy(fault) => write!(f, "{fault}"),
            Cause::Closed => f.write_str("the peer closed the connection"),
            Cause::Resolve(what) => write!(f, "cannot resolve the host: {what}"),
            Cause::Os { operation, errno } => {
                let text = std::io::Error::from_raw_os_error(*errno);
                write!(f, "{}: {text}", operation.name())
            }
            Cause::Denied { address: Some(address), why } => {
                write!(f, "the address {address} is denied: {why}")
            }
            Cause::NoZone { address } => write!(
                f,
                "{address} is an address of a link, and says not of which: it needs its zone, as in [{address}%eth0]"
            ),
            Cause::Denied { address: None, why } => write!(f, "denied: {why}"),
            Cause::Timeout { deadline, after } => {
                write!(f, "{} timeout after {after:?}", deadline.name())
            }
            Cause::BodyTooLarge { limit } => {
                write!(f, "the body is larger than the limit of {limit} bytes")
            }
            Cause::Coding(fault) => write!(f, "{fault}"),
            Cause::Memory { held } => write!(
                f,
                "it held {held} bytes of memory, of which it made little use while others waited for some"
            ),
            Cause::NoMemory { limit } => write!(
                f,
                "others hold all of the {limit} bytes of memory, and too many wait for some"
            ),
            Cause::Redirect(error) => write!(f, "{error}"),
            Cause::BodyNotRepeatable => f.write_str(
                "the challenge needs the request's body again, which cannot be sent twice",
            ),
            Cause::Body(fault) => write!(f, "aborted: {fault}"),
            Cause::Aborted(why) => write!(f, "aborted: {why}"),
        }
    }
}

impl std::error::Error for Error {
    /// The [`std::io::Error`] of what the operating system refused.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Os { errno, .. } => Some(io_error(*errno)?),
            Cause::Redirect(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Numbers of errno(3) are below this.
const ERRNOS: usize = 134;

/// The error of this number. It holds nothing but the number, so that one does for all.
fn io_error(errno: i32) -> Option<&'static io::Error> {
    static ERRORS: [OnceLock<io::Error>; ERRNOS] = [const { OnceLock::new() }; ERRNOS];
    let error = ERRORS.get(usize::try_from(errno).ok()?)?;
    Some(error.get_or_init(|| io::Error::from_raw_os_error(errno)))
}

/// Whether what the system said may be otherwise later.
fn passes(errno: i32) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    let kind = io::Error::from_raw_os_error(errno).kind();
    !matches!(kind, InvalidInput | PermissionDenied | Unsupported)
}

/// Of a longer chain, so many at either end are shown.
const CHAIN_ENDS: usize = 4;

impl fmt::Display for RedirectError {
    /// The fault, and the chain: `redirect loop: http://a/ (302) → http://b/ (301) → http://a/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.fault)?;
        let last = self.chain.len().saturating_sub(1);
        for (at, Redirected { url, status }) in self.chain.iter().enumerate() {
            let left_out = CHAIN_ENDS..self.chain.len().saturating_sub(CHAIN_ENDS);
            if at == left_out.start && !left_out.is_empty() {
                write!(f, "({} more) → ", left_out.len())?;
            }
            if left_out.contains(&at) {
                continue;
            }
            write!(f, "{url} ({status})")?;
            if at < last || self.next.is_some() {
                f.write_str(" → ")?;
            }
        }
        self.next.as_ref().map_or(Ok(()), |url| f.write_str(url))
    }
}

impl std::error::Error for RedirectError {}

impl Operation {
    /// The name of the system call.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Socket => "socket",
            Operation::Bind => "bind",
            Operation::Connect => "connect",
            Operation::Send => "send",
            Operation::Recv => "recv",
            Operation::Poll => "poll",
        }
    }
}

impl Phase {
    /// A short word, stable, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "tls",
            Phase::Send => "send",
            Phase::FirstByte => "first-byte",
            Phase::Receive => "receive",
        }
    }
}

impl fmt::Display for Phase {
    /// A participle, as in "timed out while …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Queue => "waiting for a connection",
            Phase::Resolve => "resolving the name",
            Phase::Connect => "connecting",
            Phase::Proxy => "waiting for the proxy's tunnel",
            Phase::Tls => "shaking hands",
            Phase::Send => "sending the request",
            Phase::FirstByte => "waiting for the response",
            Phase::Receive => "receiving the response",
        })
    }
}

impl Deadline {
    /// A short word, stable, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Deadline::Queue => "queue",
            Deadline::Resolve => "resolve",
            Deadline::Connect => "connect",
            Deadline::Tls => "tls",
            Deadline::FirstByte => "first-byte",
            Deadline::Idle => "idle",
            Deadline::LowSpeed => "low-speed",
            Deadline::Memory => "memory",
            Deadline::Ping => "ping",
            Deadline::Total => "total",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(cause: Cause, progress: Progress) -> Error {
        Error { cause, phase: Phase::FirstByte, progress, attempts: None, url: None }
    }

    #[test]
    fn retry_follows_from_what_is_provable() {
        let table = [
            (Cause::Closed, Progress::NothingSent, Retry::Safe),
            (Cause::Closed, Progress::RequestSent, Retry::IfIdempotent),
            (Cause::Closed, Progress::ResponseStarted, Retry::No),
            (Cause::Aborted("no".into()), Progress::NothingSent, Retry::No),
            (Cause::BodyTooLarge { limit: 1 }, Progress::ResponseStarted, Retry::No),
            (
                Cause::Timeout { deadline: Deadline::Total, after: Duration::ZERO },
                Progress::NothingSent,
                Retry::No,
            ),
            (
                Cause::Timeout { deadline: Deadline::Connect, after: Duration::ZERO },
                Progress::NothingSent,
                Retry::Safe,
            ),
        ];
        for (cause, progress, retry) in table {
            let error = error(cause, progress);
            assert_eq!(error.retry(), retry, "{error:?}");
        }
    }

    #[test]
    fn what_may_pass_is_apart_from_what_is_safe() {
        let os = |errno| Cause::Os { operation: Operation::Connect, errno };
        let eof = HttpFault::UnexpectedEof { received: 1, expected: Some(2) };
        let table = [
            (Cause::Resolve(Unresolved::lasting("no such name")), false),
            (Cause::Resolve("no server answered".into()), true),
            (Cause::Tls(TlsFault::new(TlsFaultKind::NotTls, "no TLS")), false),
            (os(111), true),
            (os(13), false),
            (Cause::Http(eof.clone()), true),
            (Cause::Http(HttpFault::UnexpectedUpgrade), false),
            (Cause::Closed, true),
            (Cause::BodyTooLarge { limit: 1 }, false),
        ];
        for (cause, passes) in table {
            let error = error(cause, Progress::NothingSent);
            assert_eq!(error.is_transient(), passes, "{error:?}");
        }
        let cut = error(Cause::Http(eof), Progress::ResponseStarted);
        assert!(cut.is_cut_short() && cut.kind() == "cut" && cut.retry() == Retry::No);
    }

    #[test]
    fn the_systems_error_is_the_source() {
        use std::error::Error as _;
        let refused = Cause::Os { operation: Operation::Connect, errno: 111 };
        let refused = error(refused, Progress::NothingSent);
        let source = refused.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::ConnectionRefused));
        assert!(error(Cause::Closed, Progress::NothingSent).source().is_none());
    }
}
