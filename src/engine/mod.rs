//! The engine: one sans-IO state machine for all transfers.
//!
//! Knows transfers, connections, origins, the pool and its queues, name look-ups, deadlines, TLS
//! as a byte transform. Must not know descriptors, rings, threads or a clock: a driver tells it
//! facts, it answers with what it wants. (Randomness and the date for TLS come with the
//! [`crate::tls::TlsPolicy`] that is handed in.)
//!
//! Invariants: wants are levels; bytes out go into the caller's buffer, bytes in are borrowed from
//! it; handlers run while the engine is borrowed and cannot call back; ids outlive what they name
//! and then name nothing.

mod config;
mod deadlines;
mod dials;
mod exchanges;
mod gates;
mod handler;
mod ids;
mod links;
mod memory;
mod multiplex;
mod names;
mod net;
mod output;
mod policy;
mod pool;
mod roster;
mod stats;
mod timer;
mod timers;
mod transfers;
mod turns;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::protocol::{Date, Host, RequestError};
use crate::time::Time;
use crate::tls::TlsPolicy;

pub use config::{Config, NameService};
pub use deadlines::overdue::Overdue;
pub use dials::shortage::Exhausted;
pub use dials::ways::{ConnectTo, Family, Sources, Ways};
pub use exchanges::send::MIN_FILL;
pub use gates::politeness::{Allowance, Politeness};
pub use handler::{BodySource, Collect, Discard, Flow, Handler};
pub use ids::{ConnectionId, LookupId, TransferId};
pub use names::stub::NamesConfig;
pub use output::{Level, Output};
pub use policy::{AddressPolicy, AddressRange, AddressRangeError};
pub use stats::{OriginStats, Stats};
pub use transfers::budget::RetryBudget;
pub use transfers::message::Message;
pub use transfers::report::{Hop, Outcome, Report, Response, Times, TlsSummary, Undecoded};
pub use transfers::request::{Body, HttpVersions, LowSpeed, Options, Priority, Request, Timeouts};
pub use transfers::retry_policy::{Retried, RetryPolicy, Wait};
pub use transfers::transfer::Paused;

use deadlines::overdue::OverdueList;
use exchanges::exchange::Hold;
use links::connection::Connection;
use links::wire::Wire;
use names::answer::LookupOutcome;
use net::Net;
use pool::key::PoolKey;
use roster::Roster;
use transfers::identity::Identity;
use transfers::transfer::{Place, Spent, Transfer};

/// All transfers and connections of one multi handle.
///
/// **Commands** ([`Engine::add`], [`Engine::remove`], [`Engine::pause`], [`Engine::resume`],
/// [`Engine::set_override`]) may come at any time. They take effect with the next batch, apart from
/// `remove`, which closes at once.
///
/// **Facts**: a batch begins with [`Engine::advance`], which tells the time; then come
/// [`Engine::handle_connected`], [`Engine::handle_received`], [`Engine::handle_sent`],
/// [`Engine::handle_end`], [`Engine::handle_failed`], [`Engine::handle_deadline`],
/// [`Engine::handle_resolved`], and last [`Engine::expire`], before which the driver looks once more at what
/// [`Engine::poll_overdue`] names.
///
/// **Wants**: [`Engine::poll_output`] until there is none; [`Engine::level`] and [`Engine::fill`]
/// for one connection; [`Engine::next_time`], by when the next batch must begin.
///
/// **Ends**: [`Engine::poll_message`].
pub struct Engine {
    net: Net,
    roster: Roster,
    overdue: OverdueList,
    messages: VecDeque<Message>,
    /// Plaintext on its way into TLS.
    scratch: Vec<u8>,
    /// Bytes that were decoded in this batch for those that had waited for their turn.
    decoded_in_batch: u64,
    /// Something of a caller's was called: see [`Engine::take_told`].
    told: bool,
}

impl Engine {
    /// An engine with nothing in it.
    pub fn new(mut config: Config) -> Self {
        let roster = Roster::new(&mut config);
        Self {
            net: Net::new(config),
            roster,
            overdue: OverdueList::default(),
            messages: VecDeque::new(),
            scratch: Vec::new(),
            decoded_in_batch: 0,
            told: false,
        }
    }

    /// Says whether the driver carries the deadlines of connections itself (as [`Level::deadline`]) and reports
    /// [`Engine::handle_deadline`]; the engine's own timers then leave them out. They do not unless told.
    pub fn with_carried_deadlines(mut self, carried_deadlines: bool) -> Self {
        self.net.carried_deadlines = carried_deadlines;
        self
    }

    // commands

    /// Adds a transfer. It is admitted, and its times begin, with the next batch.
    ///
    /// An `https` request without a policy in its options uses [`Config::tls`]; without that
    /// either it is refused.
    pub fn add(
        &mut self,
        mut request: Request,
        handler: Box<dyn Handler>,
    ) -> Result<TransferId, AddError> {
        if request.options.decode.is_some_and(|policy| policy.ask) {
            exchanges::decode::accept(&mut request.head);
        }
        self.roster.common.knowledge.secure(&mut request, self.net.now);
        if let Body::Raw(_) | Body::Connection(_) = request.body {
            request.keep_to_http1();
        }
        if !matches!(request.body, Body::Connection(_)) {
            request.head.check(request.body.length()).map_err(AddError::Request)?;
        }
        let key = PoolKey::of(&request.head, &request.options, self.roster.common.tls.as_ref());
        if key.lacks_tls() {
            return Err(AddError::NoTlsPolicy);
        }
        key.restrict(&mut request);
        request.body.tell_transfer(self.roster.transfers.next_id());
        let origin = self.net.pool.origin(key);
        let identity = Identity::of(&request);
        let id = self.roster.transfers.insert(Transfer {
            request,
            handler,
            origin,
            place: Place::Admission,
            added: Time::ZERO,
            since: Time::ZERO,
            timer: None,
            spent: Spent::default(),
            wire: Wire::default(),
            paused: Paused::default(),
            resent: 0,
            was_misdirected: false,
            hops: None,
            identity,
            retrying: None,
            shortage: None,
            race: None,
        });
        if let Some(origin) = self.net.pool.get_mut(origin) {
            origin.push_back(id);
        }
        self.roster.arrivals.push_back(id);
        self.net.stats.added += 1;
        Ok(id)
    }

    /// As [`Engine::add`], of a transfer whose handler is to know its id.
    ///
    /// # Errors
    ///
    /// As there; the handler is not made then.
    pub fn add_with<H: Handler>(
        &mut self,
        request: Request,
        handler: impl FnOnce(TransferId) -> H,
    ) -> Result<TransferId, AddError> {
        let id = self.add(request, Box::new(Discard))?;
        if let Some(transfer) = self.roster.transfers.get_mut(id) {
            transfer.handler = Box::new(handler(id));
        }
        Ok(id)
    }

    /// Removes a transfer, wherever it stands, and gives its handler back. A connection that it
    /// occupied is closed; one that is being made for it goes to the next of its origin's, if one waits. `None` if it is over already (its message may still be waiting).
    pub fn remove(&mut self, id: TransferId) -> Option<Box<dyn Handler>> {
        let transfer = self.roster.transfers.get_mut(id)?;
        let (place, race) = (transfer.place, transfer.race.take());
        self.net.stats.removed += 1;
        let (is_handed_on, raced) = match place {
            Place::Opening(id) => {
                let raced = self.net.pool.connections.get(id).and_then(Connection::race);
                (self.hand_on(id), raced)
            }
            _ => (false, None),
        };
        // what is handed on goes on
        if let Some(race) = race.filter(|_| !is_handed_on || race != raced) {
            self.net.abandon_race(race);
        }
        match place {
            Place::Opening(connection) if !is_handed_on => self.net.close(connection),
            Place::Exchange(exchange) => self.net.abort(exchange),
            _ => {}
        }
        let mut handler = self.roster.transfers.get_mut(id)?.take_handler();
        transfers::guarded::speak_again(&mut handler);
        self.roster.vacate(&mut self.net, id);
        Some(handler)
    }

    /// Delivers no more of this transfer's response, and sends no more of its request's body, until
    /// it is resumed. Meanwhile no deadline binds it on a connection but the total one.
    pub fn pause(&mut self, id: TransferId) {
        self.set_paused(id, Paused::BOTH);
    }

    /// Undoes [`Engine::pause`], [`Flow::Pause`] and [`crate::protocol::SourceRead::Pending`].
    pub fn resume(&mut self, id: TransferId) {
        self.set_paused(id, Paused::default());
    }

    /// Pauses what is to be paused, at once, and resumes what is not, with the next batch (curl_easy_pause). While the
    /// response is paused, or the peer waits for a body that is, no deadline binds the transfer on a connection but the total
    /// one. A body's source that had nothing is asked again if `sending` is not paused.
    pub fn set_paused(&mut self, id: TransferId, paused: Paused) {
        let Some(transfer) = self.roster.transfers.get_mut(id) else { return };
        let resumes = !(paused.receiving && paused.sending);
        transfer.paused = paused;
        let Place::Exchange(id) = transfer.place else { return };
        let Some(exchange) = self.net.exchanges.get_mut(id) else { return };
        if paused.receiving {
            exchange.holds.set(Hold::Receiving, true);
        }
        if paused.sending {
            exchange.holds.set(Hold::Sending, true);
        }
        if paused != Paused::default() {
            self.net.touch_exchange(id);
        }
        if resumes {
            self.net.resumed.push_back(id);
        }
    }

    /// Fixes the addresses of a host and port, as curl's `--resolve` does. None at all undo it.
    pub fn set_override(&mut self, host: Host, port: u16, addresses: Arc<[IpAddr]>) {
        self.net.set_override(host, port, addresses);
    }

    /// As [`Engine::set_override`], for all hosts that have no override of their own if none is named, and until a
    /// time; then the name is looked up again.
    pub fn set_override_until(
        &mut self,
        host: Option<Host>,
        port: u16,
        addresses: Arc<[IpAddr]>,
        until: Time,
    ) {
        self.net.set_override_until(host, port, addresses, until);
    }

    /// Tells the date, which counts on by the time: for cookies, [`Options::hsts`] and dates of Retry-After
    /// that come without their own. At 1970 unless told. A driver tells it when it adds a transfer to which it matters.
    pub fn set_date(&mut self, at: Time, date: Date) {
        self.roster.common.knowledge.set_date(at, date);
    }

    /// How `https` is verified from here on where a transfer's options do not say.
    pub fn set_tls(&mut self, policy: TlsPolicy) {
        self.roster.common.tls = Some(policy);
    }

    /// The policy for `https` where a transfer's options do not say.
    pub fn tls(&self) -> Option<&TlsPolicy> {
        self.roster.common.tls.as_ref()
    }

    /// Changes the limits. A connection over a lowered limit is closed when its exchange is over.
    pub fn set_limits(&mut self, max_connections: usize, max_per_origin: usize) {
        self.net.set_limits(max_connections, max_per_origin);
    }

    // facts

    /// Begins a batch: it is `now`. Admits what was added.
    pub fn advance(&mut self, now: Time) {
        self.net.now = self.net.now.max(now);
        self.roster.call_who_waits(&mut self.net);
        self.take_resumed();
        self.release_free();
        self.admit();
        self.settle();
    }

    /// The addresses that a look-up found, or why it found none.
    pub fn handle_resolved(&mut self, lookup: LookupId, result: Result<Vec<IpAddr>, String>) {
        self.end_lookup(lookup, LookupOutcome::of_system(result));
        self.settle();
    }

    // wants

    /// The next want that the driver is to act upon.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.net.poll_output()
    }

    /// By when the next batch must begin. [`Time::ZERO`]: at once. `None`: whenever a fact comes.
    pub fn next_time(&self) -> Option<Time> {
        let work = !(self.roster.arrivals.is_empty()
            && self.net.to_serve.is_empty()
            && self.net.free.is_empty()
            && self.net.resumed.is_empty());
        let opened = self.net.gates.have_opened();
        match (
            work || opened || self.roster.common.memory.has_call(),
            self.net.timers.next(),
            self.net.channels.next_time(),
        ) {
            (true, ..) => Some(Time::ZERO),
            (false, Some(one), Some(other)) => Some(one.min(other)),
            (false, one, other) => one.or(other),
        }
    }

    // ends

    /// The next transfer that is over.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// How many messages wait.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Whether a handler was told of a response, or a body's source was asked, since this was asked last: a driver that does
    /// such things before it waits does not wait then, since whoever it was for may look only afterwards.
    pub fn take_told(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }

    // getters

    /// Transfers that are not over.
    pub fn running(&self) -> usize {
        self.roster.transfers.len()
    }

    /// The transfer that occupies a connection.
    pub fn transfer_on(&self, id: ConnectionId) -> Option<TransferId> {
        self.net.transfer_on(id)
    }

    /// Whether a connection's id names one still.
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.net.is_open(id)
    }

    /// What of a transfer is paused; `None` if it is in the engine no more.
    pub fn paused(&self, id: TransferId) -> Option<Paused> {
        self.roster.transfers.get(id).map(|transfer| transfer.paused)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        Stats {
            running: self.roster.transfers.len(),
            connections: self.net.pool.len(),
            idle: self.net.pool.idle_connections(),
            origins: self.net.pool.origins(),
            timers: self.net.timers.len(),
            queries: self.net.channels.queries_sent(),
            memory: self.roster.common.memory.held(),
            gates: self.net.gates.known(),
            held_up: self.net.gates.held_up(),
            ..self.net.stats
        }
    }

    /// What it holds for each origin that something uses, in no order, at the cost of looking at all connections.
    pub fn origins(&self) -> Vec<OriginStats> {
        self.net.pool.by_origin()
    }

    /// Closes all idle connections.
    pub fn close_idle(&mut self) {
        while let Some(id) = self.net.pool.oldest_idle() {
            self.net.close(id);
        }
        self.net.channels.close_idle();
        self.serve_names();
    }

    /// Whether nothing is left: no transfer, connection, origin, look-up or timer.
    pub fn is_empty(&self) -> bool {
        let Stats { running, connections, idle, origins, timers, .. } = self.stats();
        running + connections + idle + origins + timers == 0
            && self.net.pool.connections.is_empty()
            && self.net.exchanges.is_empty()
            && self.net.races.is_empty()
            && self.net.resolver.is_idle()
            && self.roster.common.memory.held() == 0
    }
}

impl Net {
    /// As [`Engine::set_override`].
    pub(in crate::engine) fn set_override(
        &mut self,
        host: Host,
        port: u16,
        addresses: Arc<[IpAddr]>,
    ) {
        self.resolver.set_override(Some(host), port, addresses, Time::NEVER);
    }

    /// As [`Engine::set_override_until`].
    pub(in crate::engine) fn set_override_until(
        &mut self,
        host: Option<Host>,
        port: u16,
        addresses: Arc<[IpAddr]>,
        until: Time,
    ) {
        self.resolver.set_override(host, port, addresses, until);
    }
}

/// A transfer that cannot be added.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// It is an `https` request, or goes by an `https` proxy, and neither its options nor the engine say
    /// how to verify the peer.
    NoTlsPolicy,
    /// Its head and its body do not go together.
    Request(RequestError),
}

impl std::fmt::Display for AddError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AddError::NoTlsPolicy => f.write_str(
                "https needs a TLS policy, in the request's options or in the engine's config",
            ),
            AddError::Request(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for AddError {}
