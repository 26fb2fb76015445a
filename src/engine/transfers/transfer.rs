//! One transfer: the request, its handler, where it stands, and what it has cost so far.
//!
//! Knows what belongs to a transfer for its whole life. What it has only while it occupies a
//! connection is with the connection, so that a million queued transfers stay small.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use crate::engine::dials::race::RaceId;
use crate::engine::dials::shortage::{Exhausted, Shortage};
use crate::engine::exchanges::exchange::ExchangeId;
use crate::engine::links::connection::Claim;
use crate::engine::names::resolve::LookupId;
use crate::engine::net::Net;
use crate::engine::pool::OriginId;
use crate::engine::timers::TimerId;
use crate::engine::transfers::hop::Hops;
use crate::engine::transfers::identity::Identity;
use crate::engine::transfers::request::Value;
use crate::engine::transfers::retry::{Retried, Retrying};
use crate::engine::{ConnectionId, Discard, Handler, Request};
use crate::error::{Attempts, Error, Phase};
use crate::id::Id;
use crate::owner::Owner;
use crate::protocol::{Coding, Version};
use crate::time::Time;
use crate::tls::TlsVersion;

/// Names a transfer.
pub type TransferId = Id<Transfer>;

/// A transfer in the engine. Opaque: see [`TransferId`].
pub struct Transfer {
    pub(in crate::engine) request: Request,
    pub(in crate::engine) handler: Box<dyn Handler>,
    pub(in crate::engine) origin: OriginId,
    pub(in crate::engine) place: Place,
    /// When it was admitted.
    pub(in crate::engine) added: Time,
    /// When the wait that `place` stands for began.
    pub(in crate::engine) since: Time,
    pub(in crate::engine) timer: Option<TimerId>,
    pub(in crate::engine) spent: Spent,
    pub(in crate::engine) wire: Wire,
    pub(in crate::engine) paused: Paused,
    /// Sent again after a kept connection had gone stale.
    pub(in crate::engine) resent: u8,
    /// It was asked again since a server said that it was the wrong one.
    pub(in crate::engine) was_misdirected: bool,
    pub(in crate::engine) hops: Option<Box<Hops>>,
    pub(in crate::engine) identity: Option<Box<Identity>>,
    pub(in crate::engine) retrying: Option<Box<Retrying>>,
    pub(in crate::engine) shortage: Option<Box<Shortage>>,
    pub(in crate::engine) race: Option<RaceId>,
}

impl Transfer {
    /// Takes the handler out; who has lost it forgets what comes.
    pub(in crate::engine) fn take_handler(&mut self) -> Box<dyn Handler> {
        std::mem::replace(&mut self.handler, Box::new(Discard))
    }

    /// What it, by this id, claims a connection with.
    #[inline(always)]
    pub(in crate::engine) fn claim(&self, id: TransferId) -> Claim {
        Claim { transfer: id, options: self.request.options.clone(), added: self.added }
    }

    /// Whose the host is that is asked.
    pub(in crate::engine) fn owner(&self) -> Owner<'_> {
        self.request.head.origin().host().owner()
    }
}

/// What of a transfer is paused, as curl_easy_pause(3) has it; nothing by default. Neither direction waits for the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paused {
    /// Nothing of the response is delivered.
    pub receiving: bool,
    /// Nothing more of the request's body is sent.
    pub sending: bool,
}

impl Paused {
    /// Both directions.
    pub const BOTH: Paused = Paused { receiving: true, sending: true };
}

/// Where a transfer stands, named for what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Place {
    /// The next batch, which will tell the time.
    Admission,
    /// A connection: in its origin's queue.
    Connection,
    /// The addresses of its host.
    Addresses(LookupId),
    /// This time, when it asks again.
    Later(Time),
    /// The set-up of this connection, which is made for it.
    Opening(ConnectionId),
    /// The end of its exchange.
    Exchange(ExchangeId),
}

impl Place {
    /// The phase that one who stands there is in.
    pub(in crate::engine) fn phase(self, net: &Net) -> Phase {
        match self {
            Place::Admission | Place::Connection | Place::Later(_) => Phase::Queue,
            Place::Addresses(lookup) if net.resolver.is_started(lookup) => Phase::Resolve,
            Place::Addresses(_) => Phase::Queue,
            Place::Opening(id) => {
                net.pool.connections.get(id).map_or(Phase::Queue, |it| it.phase())
            }
            Place::Exchange(id) => net.exchanges.get(id).map_or(Phase::Queue, |it| it.phase()),
        }
    }
}

/// Nanoseconds spent in each wait that comes before the exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Spent {
    pub(in crate::engine) queue: u64,
    pub(in crate::engine) resolve: u64,
    pub(in crate::engine) connect: u64,
    pub(in crate::engine) proxy: u64,
    pub(in crate::engine) tls: u64,
}

/// Bytes on the wire, framing and TLS included.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Wire {
    pub(in crate::engine) sent: u64,
    pub(in crate::engine) received: u64,
}

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
    /// [`RetryPolicy`](crate::engine::RetryPolicy), or without an expectation that the peer does not meet.
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
    /// Connecting.
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

/// A transfer that is over.
pub struct Message {
    /// Which.
    pub transfer: TransferId,
    /// How.
    pub outcome: Outcome,
    /// Its handler, given back.
    pub handler: Box<dyn Handler>,
    pub(in crate::engine) value: Value,
}

impl Message {
    /// How the transfer ended, and its handler as the type that it was added as.
    ///
    /// # Errors
    ///
    /// The message itself, if the handler is of another type.
    #[expect(clippy::result_large_err, reason = "what is handed back was handed in")]
    pub fn into_parts<H: Handler>(self) -> Result<(Outcome, H), Message> {
        if !(&*self.handler as &dyn Any).is::<H>() {
            return Err(self);
        }
        let handler: Box<dyn Any> = self.handler;
        Ok((self.outcome, *handler.downcast().expect("the type was looked at")))
    }

    /// What [`Request::value`] was given, if that was of this type.
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.value.0.as_deref()?.downcast_ref()
    }

    /// Takes it out of the message.
    pub fn take_value<T: Any>(&mut self) -> Option<T> {
        let value = self.value.0.take_if(|value| (**value).is::<T>())?;
        value.downcast().ok().map(|value| *value)
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Message { transfer, outcome, .. } = self;
        f.debug_struct("Message").field("transfer", transfer).field("outcome", outcome).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Together with its strings, and its places in the slab and in a queue, 512 bytes.
    #[test]
    fn a_queued_transfer_is_small() {
        let queued = size_of::<Transfer>() + 2 * size_of::<TransferId>();
        assert!(queued <= 384, "{queued} bytes");
    }
}
