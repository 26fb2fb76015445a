//! The net: connections with what they carry, the origins that they lead to, and when something is due of them.
//!
//! All of the engine that lies below transfers. Knows a transfer by its id and its claim alone; must not know requests, handlers
//! or how a transfer goes on: whoever ends one is above. Its parts say in their rooms what they do with it. Invariant: nothing
//! in here calls what is above; what it leads to waits in `to_serve`, `free` and `resumed` until the batch settles.

use std::collections::VecDeque;

use crate::engine::config::Config;
use crate::engine::dials::race::{Families, Race};
use crate::engine::exchanges::codec::Codec;
use crate::engine::exchanges::exchange::Exchange;
use crate::engine::gates::{Gates, Rules};
use crate::engine::ids::{ConnectionId, ExchangeId, LookupId, OriginId, TransferId, of};
use crate::engine::links::connection::{Connection, State};
use crate::engine::memory::unfinished::Unfinished;
use crate::engine::names::channels::Channels;
use crate::engine::names::resolve::{Keep, Left, Resolver};
use crate::engine::pool::Pool;
use crate::engine::timer::Timer;
use crate::engine::timers::Timers;
use crate::engine::{Output, Stats};
use crate::id::Slab;
use crate::protocol::h2::Reserve;
use crate::time::Time;

pub(in crate::engine) struct Net {
    pub(in crate::engine) config: Config,
    pub(in crate::engine) carried_deadlines: bool,
    pub(in crate::engine) now: Time,
    pub(in crate::engine) pool: Pool,
    pub(in crate::engine) races: Slab<Race, of::Race>,
    pub(in crate::engine) exchanges: Slab<Exchange, of::Exchange>,
    pub(in crate::engine) gates: Gates,
    pub(in crate::engine) resolver: Resolver,
    pub(in crate::engine) channels: Channels,
    pub(in crate::engine) families: Families,
    pub(in crate::engine) timers: Timers<Timer>,
    /// When it was last looked at who makes little use of the memory that it holds.
    pub(in crate::engine) inspected: Time,
    /// Origins that may have become able to launch a transfer.
    pub(in crate::engine) to_serve: VecDeque<OriginId>,
    /// Connections whose exchange is over: they go on before the batch ends.
    pub(in crate::engine) free: VecDeque<ConnectionId>,
    /// Exchanges whose transfer was resumed.
    pub(in crate::engine) resumed: VecDeque<ExchangeId>,
    pub(in crate::engine) unfinished: Unfinished,
    /// What the windows of all streams grow by, and what came on them and waits has of it; each origin has a part.
    pub(in crate::engine) reserve: Reserve,
    pub(in crate::engine) outputs: VecDeque<Output>,
    pub(in crate::engine) stats: Stats,
}

impl Net {
    pub(in crate::engine) fn new(config: Config) -> Self {
        let Config { max_per_host, max_per_address, politeness, .. } = config;
        let reserve = Reserve::new(config.http2.windows.min(config.memory as u64));
        let rules = Rules { politeness, max_per_host, max_per_address };
        Self {
            pool: Pool::new(config.max_connections, config.max_per_origin),
            gates: Gates::new(rules),
            resolver: Resolver::new(config.max_lookups, Keep::of(&config)),
            channels: Channels::default(),
            families: Families::default(),
            config,
            carried_deadlines: false,
            now: Time::ZERO,
            races: Slab::new(),
            exchanges: Slab::new(),
            timers: Timers::new(),
            inspected: Time::ZERO,
            to_serve: VecDeque::new(),
            free: VecDeque::new(),
            resumed: VecDeque::new(),
            unfinished: Unfinished::default(),
            reserve,
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// As [`Engine::set_limits`].
    pub(in crate::engine) fn set_limits(&mut self, max_connections: usize, max_per_origin: usize) {
        self.pool.set_limits(max_connections, max_per_origin);
        self.to_serve.extend(self.pool.waiting_origins());
        while self.pool.is_over_limit()
            && let Some(idle) = self.pool.oldest_idle()
        {
            self.close(idle);
        }
    }

    /// As [`Engine::poll_output`].
    pub(in crate::engine) fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        if let Output::Level { connection } = output
            && let Some(connection) = self.pool.connections.get_mut(connection)
        {
            connection.level_queued = false;
        }
        Some(output)
    }

    /// As [`Engine::transfer_on`].
    pub(in crate::engine) fn transfer_on(&self, id: ConnectionId) -> Option<TransferId> {
        let connection = self.pool.connections.get(id)?;
        match self.exchange_of(connection) {
            Some(exchange) => Some(exchange.claim.transfer),
            None => connection.opens_for(),
        }
    }

    /// As [`Engine::is_open`].
    pub(in crate::engine) fn is_open(&self, id: ConnectionId) -> bool {
        self.pool.connections.get(id).is_some()
    }

    // shared by its parts

    /// What a connection wants may have changed: the driver is told, once.
    pub(in crate::engine) fn touch(&mut self, id: ConnectionId) {
        let Some(connection) = self.pool.connections.get_mut(id) else { return };
        if matches!(connection.state, State::Connecting(_)) {
            return self.schedule(id);
        }
        if !connection.level_queued {
            connection.level_queued = true;
            self.outputs.push_back(Output::Level { connection: id });
        }
        self.schedule(id);
    }

    /// The exchange that a connection carries, by its id.
    #[inline]
    pub(in crate::engine) fn exchange_on(&self, id: ConnectionId) -> Option<ExchangeId> {
        self.pool.connections.get(id)?.exchange()
    }

    /// The exchange that a connection carries.
    #[inline]
    pub(in crate::engine) fn exchange_of(&self, connection: &Connection) -> Option<&Exchange> {
        self.exchanges.get(connection.exchange()?)
    }

    /// A transfer of this origin waits for a look-up no more.
    pub(in crate::engine) fn leave_lookup(
        &mut self,
        id: TransferId,
        origin: OriginId,
        lookup: LookupId,
    ) {
        if let Some(origin) = self.pool.get_mut(origin) {
            origin.resolving -= 1;
        }
        if let Left::Abandon(lookup) = self.resolver.leave(lookup, id)
            && !self.channels.abandon(lookup)
        {
            self.outputs.push_back(Output::Abandon { lookup });
        }
        self.to_serve.push_back(origin);
    }
}

impl Net {
    /// What the exchange wants of its connection's socket may have changed.
    pub(in crate::engine) fn touch_exchange(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchanges.get(id) {
            let on_stream = matches!(exchange.codec, Codec::Http2(_));
            self.touch(exchange.connection);
            if on_stream {
                self.schedule_exchange(id);
            }
        }
    }
}
