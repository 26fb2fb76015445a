//! Connections that speak HTTP/2: one each, beside its codec, with what is on its way, and whether it takes more.
//!
//! [`frames`] has what comes and goes on one, [`lent`] the requests as its codec sees them, [`streams`] how they are shared.
//!
//! Knows connections that several exchanges are on. Must not know frames, nor what a request is for. Invariant: as long as there
//! is an exchange on a connection, also one of which the peer has no stream any more, it is neither idle nor closed of itself.

mod frames;
mod lent;
mod streams;

use std::collections::VecDeque;

use crate::engine::exchanges::codec::OnStream;
use crate::engine::ids::ExchangeId;
use crate::engine::links::idle::Idle;
use crate::engine::{Priority, Request};
use crate::limits::{self, H2Limits, HttpLimits};
use crate::protocol::h2::{self, Reserve};
use crate::time::Time;

pub(in crate::engine) struct Multiplex {
    pub(in crate::engine) codec: h2::Connection,
    /// Its origin's part of what all may have: what has come and waits counts there.
    reserve: Reserve,
    /// Exchanges on it, those included that have yet to deliver what came.
    pub(in crate::engine) exchanges: usize,
    /// While there are none.
    pub(in crate::engine) idle: Option<Idle>,
    /// When bytes came last.
    pub(in crate::engine) heard: Time,
    /// When its peer was asked whether it is there, and has not said anything since.
    pub(in crate::engine) pinged: Option<Time>,
    /// It has said that it is there, and nothing else since.
    pub(in crate::engine) is_there: bool,
    /// It has more memory than an idle connection needs.
    pub(in crate::engine) is_wide: bool,
    pub(in crate::engine) departures: Departures,
    /// Since when its requests that were given up are counted, and how many they are.
    resets: (Time, u32),
    /// It takes no more requests, whatever the peer allows.
    is_retired: bool,
    /// It is among those of its origin that may take more.
    pub(in crate::engine) is_listed: bool,
    /// It is to be looked at before the batch ends: some of its exchanges are over.
    pub(in crate::engine) is_freed: bool,
}

/// What has been put into frames, and has not been reported as sent.
#[derive(Default)]
pub(in crate::engine) struct Departures(VecDeque<Departure>);

struct Departure {
    exchange: ExchangeId,
    bytes: usize,
    /// Nothing of the request follows.
    is_last: bool,
    /// It has left when the connection has sent so many bytes in all; not known while a layer below has some of it.
    at: Option<u64>,
}

impl Multiplex {
    pub(in crate::engine) fn new(
        http: &HttpLimits,
        limits: &H2Limits,
        reserve: &Reserve,
        now: Time,
    ) -> Multiplex {
        // as of connections, there may be one at least
        let limits = H2Limits { streams: limits.streams.max(1), ..*limits };
        Multiplex {
            codec: h2::Connection::new(http, &limits, reserve),
            reserve: reserve.clone(),
            exchanges: 0,
            idle: None,
            heard: now,
            pinged: None,
            is_there: false,
            is_wide: false,
            departures: Departures::default(),
            resets: (now, 0),
            is_retired: false,
            is_listed: false,
            is_freed: false,
        }
    }

    /// Begins a request, of which events come under this key; none if there is no room for it.
    #[cold]
    pub(in crate::engine) fn begin(&mut self, key: u64, request: &Request) -> Option<OnStream> {
        let (head, body) = (&request.head, request.body.length());
        let stream = self.codec.begin(key, head, body)?;
        if request.options.max_rate.is_some() {
            self.codec.pace(stream);
        }
        if let Some(Priority { urgency, incremental }) = request.options.priority {
            self.codec.prioritize(stream, urgency, incremental);
        }
        Some(OnStream::new(stream, head, body))
    }

    /// Whether it takes one more request now.
    pub(in crate::engine) fn has_room(&self) -> bool {
        !self.is_retired && self.codec.capacity() > 0
    }

    /// Bytes came, of which some were about a request, or not.
    pub(in crate::engine) fn hear(&mut self, now: Time, of_request: bool) {
        (self.heard, self.pinged) = (now, None);
        self.is_there &= !of_request;
    }

    /// Asks the peer whether it is there: seldom in one silence, however many requests begin in it, since servers take
    /// more for an attack (gRPC's end the connection at the third in five minutes, unless they have sent something).
    pub(in crate::engine) fn ping(&mut self, now: Time) {
        self.pinged = Some(now);
        self.codec.ping(0);
    }

    /// A request was given up, of which the peer is told. Whether there were so many of late that a server may take them for
    /// an attack.
    pub(in crate::engine) fn note_reset(&mut self, now: Time) -> bool {
        if now.since(self.resets.0) > limits::H2_RESETS_WITHIN {
            self.resets = (now, 0);
        }
        self.resets.1 += 1;
        self.resets.1 >= limits::H2_RESETS
    }

    /// Whether it takes no more requests for good.
    pub(in crate::engine) fn is_over(&self) -> bool {
        self.is_retired || self.codec.is_draining()
    }

    /// Gives back the memory that only a busy connection needs.
    pub(in crate::engine) fn shrink(&mut self) {
        self.is_wide = false;
        self.codec.shrink();
        self.departures.shrink();
    }

    /// It takes no more requests.
    pub(in crate::engine) fn retire(&mut self) {
        self.is_retired = true;
    }
}

impl Departures {
    pub(in crate::engine) fn push(&mut self, exchange: ExchangeId, bytes: usize, is_last: bool) {
        self.0.push_back(Departure { exchange, bytes, is_last, at: None });
    }

    /// All of it has left when the connection has sent so many bytes.
    pub(in crate::engine) fn note_handed(&mut self, at: u64) {
        let unknown = self.0.iter_mut().rev().take_while(|departure| departure.at.is_none());
        unknown.for_each(|departure| departure.at = Some(at));
    }

    /// The next exchange of which bytes have left, how many, and whether all of it has, now that the connection has sent so many.
    pub(in crate::engine) fn next(&mut self, sent: u64) -> Option<(ExchangeId, usize, bool)> {
        let departed = self.0.pop_front_if(|it| it.at.is_some_and(|at| at <= sent))?;
        Some((departed.exchange, departed.bytes, departed.is_last))
    }

    pub(in crate::engine) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}
