//! How a transfer ended, and what it took: what its caller is told.
//!
//! Knows figures and times. Must not know how they were come by.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use crate::engine::dials::shortage::Exhausted;
use crate::engine::transfers::retry_policy::Retried;
use crate::error::{Attempts, Error};
use crate::protocol::{Coding, Version};
use crate::tls::TlsVersion;

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The response's status and version, or why there is none.
    pub result: Result<Response, Error>,
    /// What it took.
    pub report: Report,
}

/// The final response of a transfer that succeeded (whatever its status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The version in the status line.
    pub version: Version,
}

/// What a transfer took.
///
/// Where redirects were followed, times of waits, bytes on the wire and what was sent again are sums over all
/// hops; all else is of the last one. [`Report::hops`] has each by itself, where that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Times of each wait.
    pub times: Times,
    /// Bytes sent, request head, framing and TLS included.
    pub wire_sent: u64,
    /// Bytes received, response head, framing and TLS included.
    pub wire_received: u64,
    /// Bytes of the response's body, without framing.
    pub body_received: u64,
    /// Bytes of the request's body that were sent, without framing.
    pub body_sent: u64,
    /// Bytes that the handler got of it, where it was decoded.
    pub body_decoded: Option<u64>,
    /// What of the body was not decoded, though decoding was asked for.
    pub undecoded: Option<Undecoded>,
    /// The status, if a final response's head arrived (also when the transfer failed after it).
    pub status: Option<u16>,
    /// The address of the peer, if a connection was made or tried.
    pub remote: Option<SocketAddr>,
    /// Whether the connection had served another transfer before.
    pub reused: bool,
    /// What was agreed on, over TLS, once the handshake was done.
    pub tls: Option<TlsSummary>,
    /// How often the request was sent again because a kept connection had gone stale.
    pub resent: u8,
    /// The requests that were retried, over all hops and in order, by the transfer's
    /// [`RetryPolicy`](crate::engine::transfers::retry_policy::RetryPolicy), or without an expectation that the peer does not meet.
    pub retried: Vec<Retried>,
    /// What the system had no room for meanwhile, where that was so.
    pub exhausted: Option<Box<Exhausted>>,
    /// How many requests it made one after the other, where it followed redirects or answered challenges; 0 where it made
    /// one alone.
    pub requests: u32,
    /// Each of these, the last one included, if [`Options::record_hops`](crate::engine::Options::record_hops) asks for it. Empty where
    /// there was one alone.
    pub hops: Vec<Hop>,
    /// The addresses that were tried for its connection, where there was more than one, or where one failed.
    pub attempts: Option<Box<Attempts>>,
}

/// What of a body was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undecoded {
    /// All: Content-Encoding has this name, escaped, which is not known. The body was delivered as it was sent.
    Unknown(Box<str>),
    /// What followed the end of this coding, and began no further member or frame of it. It was left out.
    Padding(Coding),
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecoded::Unknown(name) => {
                write!(f, "unknown content coding \"{name}\": the body is as it was sent")
            }
            Undecoded::Padding(coding) => {
                write!(f, "bytes after the end of the {coding} content are left out")
            }
        }
    }
}

/// One request of several that a transfer made, and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hop {
    /// What was asked for, with the fragment that it has or inherited. Of a transfer that was led over very long URLs those
    /// beyond [`limits::HOP_URLS`](crate::limits::HOP_URLS) are not kept; the last one is.
    pub url: Option<Url>,
    /// The method.
    pub method: http::Method,
    /// The status, if a final response's head arrived.
    pub status: Option<u16>,
    /// As [`Report::remote`].
    pub remote: Option<SocketAddr>,
    /// As [`Report::reused`].
    pub reused: bool,
    /// As [`Report::tls`].
    pub tls: Option<TlsSummary>,
    /// The times of this hop. The total begins when the hop before was over.
    pub times: Times,
    /// Bytes sent.
    pub wire_sent: u64,
    /// Bytes received.
    pub wire_received: u64,
    /// As [`Report::resent`].
    pub resent: u8,
    /// As [`Report::attempts`].
    pub attempts: Option<Box<Attempts>>,
}

impl Hop {
    /// Of a report whose total has run since the transfer was admitted, `before` this hop began.
    pub(super) fn new(
        url: Option<Url>,
        method: http::Method,
        report: Report,
        before: Duration,
    ) -> Hop {
        let Report {
            times,
            wire_sent,
            wire_received,
            status,
            remote,
            reused,
            tls,
            resent,
            attempts,
            ..
        } = report;
        let times = Times { total: times.total.saturating_sub(before), ..times };
        Hop {
            url,
            method,
            status,
            remote,
            reused,
            tls,
            times,
            wire_sent,
            wire_received,
            resent,
            attempts,
        }
    }
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsSummary {
    /// The protocol version.
    pub version: TlsVersion,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// How long a transfer spent in each wait. Zero for a wait that it did not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Times {
    /// Waiting for a connection, a connection slot, or a resolver slot.
    pub queue: Duration,
    /// Looking the name up.
    pub resolve: Duration,
    /// Connecting. This and the next two are also of a connection that took too long, and was given up for another that was free.
    pub connect: Duration,
    /// Having a proxy open a tunnel, its own TLS handshake included.
    pub proxy: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the exchange's start on a connection that was ready to the response's first byte.
    pub first_byte: Duration,
    /// From admission to the end.
    pub total: Duration,
}
