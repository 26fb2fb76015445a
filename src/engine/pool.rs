//! The connections by origin: which are idle, who waits for one, and how many there may be.
//!
//! Knows the complete identity of a connection, the queues and the limits. Must not know what is
//! exchanged on a connection, nor the transfers beyond their ids.
//! Invariants: whoever waits, waits in exactly one queue; every operation is O(1), whatever the
//! number of transfers queued, origins known or connections open; an origin that nobody uses is
//! forgotten.

pub(super) mod key;
mod openings;
mod spoken;

use std::collections::{HashMap, VecDeque};

use openings::Openings;
use spoken::{Known, Speaks, Spoken};

use crate::engine::ids::{ConnectionId, OriginId, TransferId, of};
use crate::engine::links::connection::{Connection, State};
use crate::engine::links::idle::{Idle, IdleLinks};
use crate::engine::pool::key::PoolKey;
use crate::engine::timers::TimerId;
use crate::engine::{HttpVersions, OriginStats};
use crate::id::Slab;
use crate::protocol::h2::Reserve;
use crate::time::Time;

/// What is kept per origin.
pub(crate) struct PoolOrigin {
    pub(super) key: PoolKey,
    /// Who waits for a connection. May hold ids of transfers that are gone.
    queue: VecDeque<TransferId>,
    /// How many in `queue` are not gone.
    queued: usize,
    /// Idle connections; the last was used last.
    idle: Vec<ConnectionId>,
    /// Connections that speak HTTP/2.
    shared: Vec<ConnectionId>,
    /// Of these the ones that may have room for one more request, the oldest first.
    listed: Vec<ConnectionId>,
    /// What its connections speak, as far as that has been found.
    known: Known,
    /// Connections being made of which others may wait to see what is spoken on them, and how many requests they take.
    dials: usize,
    /// Nobody waits for that any more: one of these has failed, or takes long.
    pub(super) is_impatient: bool,
    /// When those who wait for a dial have waited for long enough.
    pub(super) dial_timer: Option<TimerId>,
    pub(super) connections: usize,
    /// Connections that are being made, each for a transfer. May hold others.
    openings: Openings,
    /// Transfers that will want a connection as soon as the host's addresses are known.
    pub(super) resolving: usize,
    /// By what the windows of its streams may grow.
    reserve: Option<Reserve>,
    /// It waits for a slot.
    awaits_slot: bool,
    /// It is in the queue for a slot, waiting or not.
    in_slot_queue: bool,
    /// Its turn came, but its addresses were not known: it comes first when they are.
    missed_turn: bool,
}

pub(super) struct Pool {
    pub(super) connections: Slab<Connection, of::Connection>,
    origins: Slab<PoolOrigin, of::Origin>,
    by_key: HashMap<PoolKey, OriginId>,
    spoken: Spoken,
    /// The origin that was asked for last: many transfers in turn go to the same.
    last: Option<OriginId>,
    /// Origins that wait for one more connection to be allowed.
    slot_queue: VecDeque<OriginId>,
    oldest: Option<ConnectionId>,
    newest: Option<ConnectionId>,
    idle: usize,
    /// Connections that count against no limit.
    apart: usize,
    max_connections: usize,
    max_per_origin: usize,
    /// How many connections the system had room for when it last refused one, and one more for each that was closed
    /// since.
    ceiling: usize,
}

impl Pool {
    pub(super) fn new(max_connections: usize, max_per_origin: usize) -> Self {
        Self {
            connections: Slab::new(),
            origins: Slab::new(),
            by_key: HashMap::new(),
            spoken: Spoken::new(),
            last: None,
            slot_queue: VecDeque::new(),
            oldest: None,
            newest: None,
            idle: 0,
            apart: 0,
            max_connections: max_connections.max(1),
            max_per_origin: max_per_origin.max(1),
            ceiling: usize::MAX,
        }
    }

    pub(super) fn set_limits(&mut self, max_connections: usize, max_per_origin: usize) {
        self.max_connections = max_connections.max(1);
        self.max_per_origin = max_per_origin.max(1);
    }

    /// The origin for a key, made if it is new. Whoever asks queues a transfer there, or else
    /// calls [`Pool::forget_if_unused`].
    pub(super) fn origin(&mut self, key: PoolKey) -> OriginId {
        if let Some(id) = self.last
            && self.origins.get(id).is_some_and(|origin| origin.key == key)
        {
            return id;
        }
        if let Some(&id) = self.by_key.get(&key) {
            self.last = Some(id);
            return id;
        }
        let known = self.spoken.recall(&key);
        let id = self.origins.insert(PoolOrigin {
            key: key.clone(),
            queue: VecDeque::new(),
            queued: 0,
            idle: Vec::new(),
            shared: Vec::new(),
            listed: Vec::new(),
            known,
            dials: 0,
            is_impatient: false,
            dial_timer: None,
            connections: 0,
            openings: Openings::default(),
            resolving: 0,
            reserve: None,
            awaits_slot: false,
            in_slot_queue: false,
            missed_turn: false,
        });
        self.by_key.insert(key, id);
        id
    }

    pub(super) fn get(&self, id: OriginId) -> Option<&PoolOrigin> {
        self.origins.get(id)
    }

    pub(super) fn get_mut(&mut self, id: OriginId) -> Option<&mut PoolOrigin> {
        self.origins.get_mut(id)
    }

    /// What it was, if it was.
    #[inline]
    pub(super) fn forget_if_unused(&mut self, id: OriginId) -> Option<PoolOrigin> {
        let origin = self.origins.get(id)?;
        if origin.queued + origin.connections + origin.resolving > 0 {
            return None;
        }
        let origin = self.origins.remove(id)?;
        self.by_key.remove(&origin.key);
        if origin.key.versions != HttpVersions::Http1 {
            self.spoken.note(&origin.key, origin.known);
        }
        Some(origin)
    }

    /// The origins that have transfers queued, at the cost of looking at all.
    pub(super) fn waiting_origins(&self) -> impl Iterator<Item = OriginId> {
        self.origins.iter().filter(|(_, origin)| origin.queued > 0).map(|(id, _)| id)
    }

    /// Whether there are more connections than allowed, since the limit was lowered.
    pub(super) fn is_over_limit(&self) -> bool {
        self.len() > self.max_connections
    }

    /// As [`Pool::is_over_limit`], also for the origin's own limit.
    pub(super) fn has_surplus(&self, id: OriginId) -> bool {
        let of_origin = self.origins.get(id).map_or(0, |origin| origin.connections);
        self.is_over_limit() || of_origin > self.max_per_origin
    }

    /// Whether the origin may have one more connection by its own limit.
    pub(super) fn origin_has_room(&self, id: OriginId) -> bool {
        self.origins
            .get(id)
            .is_some_and(|origin| origin.connections + origin.resolving < self.max_per_origin)
    }

    /// Whether an origin's sockets are Unix sockets, which have no address.
    pub(super) fn leads_inside(&self, id: OriginId) -> bool {
        self.origins.get(id).is_some_and(|origin| origin.key.is_local())
    }

    // connection slots

    /// Whether one more connection may be opened by the limit in all.
    pub(super) fn has_slot(&self) -> bool {
        self.len() < self.max_connections.min(self.ceiling)
    }

    /// The system refused one more connection: no more until one is closed, and then one more than there were, to see
    /// whether there is room again.
    pub(super) fn stop_opening(&mut self) {
        self.ceiling = self.len();
    }

    /// Whether nobody waits for a slot, as can be seen at once.
    pub(super) fn is_slot_queue_empty(&self) -> bool {
        self.slot_queue.is_empty()
    }

    /// Whether somebody waits for a slot.
    pub(super) fn slots_wanted(&mut self) -> bool {
        self.pass_over_the_gone();
        !self.slot_queue.is_empty()
    }

    /// Whether anybody but this origin waits for a slot.
    #[inline(always)]
    pub(super) fn others_want_slots(&mut self, id: OriginId) -> bool {
        self.pass_over_the_gone();
        if self.slot_queue.front() == Some(&id) {
            self.pass_over_the_gone_at(1);
        }
        self.slot_queue.iter().take(2).any(|&waiting| waiting != id)
    }

    /// The first in the queue for a slot has transfers that wait: no connection is closed for less.
    fn pass_over_the_gone(&mut self) {
        self.pass_over_the_gone_at(0);
    }

    fn pass_over_the_gone_at(&mut self, index: usize) {
        while let Some(&id) = self.slot_queue.get(index) {
            if let Some(origin) = self.origins.get_mut(id) {
                if origin.queued > 0 && origin.awaits_slot {
                    return;
                }
                (origin.awaits_slot, origin.in_slot_queue) = (false, false);
            }
            self.slot_queue.remove(index);
        }
    }

    /// Whether more wait for a slot than there are: no use in looking up names for yet more.
    pub(super) fn slot_queue_is_long(&self) -> bool {
        self.slot_queue.len() >= self.max_connections
    }

    /// The origin has had its turn: it does not come before others again.
    pub(super) fn end_turn(&mut self, id: OriginId) {
        if self.slot_queue.front() == Some(&id) {
            self.slot_queue.rotate_left(1);
        }
    }

    pub(super) fn await_slot(&mut self, id: OriginId) {
        let Some(origin) = self.origins.get_mut(id) else { return };
        origin.awaits_slot = true;
        if std::mem::replace(&mut origin.in_slot_queue, true) {
            return;
        }
        if std::mem::take(&mut origin.missed_turn) {
            self.slot_queue.push_front(id);
        } else {
            self.slot_queue.push_back(id);
        }
    }

    pub(super) fn awaits_slot(&self, id: OriginId) -> bool {
        self.origins.get(id).is_some_and(|origin| origin.awaits_slot)
    }

    /// The origin waits for something else first. If it comes back in time it has kept its place.
    pub(super) fn leave_slot_queue(&mut self, id: OriginId) {
        if let Some(origin) = self.origins.get_mut(id) {
            origin.awaits_slot = false;
        }
    }

    pub(super) fn miss_turn(&mut self, id: OriginId) {
        if let Some(origin) = self.origins.get_mut(id) {
            origin.missed_turn = true;
        }
    }

    /// The origin whose turn it is to take a slot.
    pub(super) fn next_for_slot(&mut self) -> Option<OriginId> {
        while let Some(id) = self.slot_queue.pop_front() {
            if let Some(origin) = self.origins.get_mut(id) {
                origin.in_slot_queue = false;
                if std::mem::take(&mut origin.awaits_slot) {
                    return Some(id);
                }
            }
        }
        None
    }

    pub(super) fn open(&mut self, id: OriginId, connection: Connection) -> ConnectionId {
        let connection = self.connections.insert(connection);
        if let Some(origin) = self.origins.get_mut(id) {
            origin.connections += 1;
            origin.openings.note(connection, origin.connections, |id| {
                self.connections.get(id).is_some_and(|connection| connection.claim().is_some())
            });
        }
        connection
    }

    /// Whether an origin may have a connection that is being made.
    #[inline]
    pub(super) fn has_openings(&self, id: OriginId) -> bool {
        self.origins.get(id).is_some_and(|origin| !origin.openings.is_empty())
    }

    /// The connection of an origin that has been made for longest; `waits` tells whether a transfer waits for one.
    pub(super) fn first_opening(
        &mut self,
        id: OriginId,
        waits: impl Fn(TransferId, ConnectionId) -> bool,
    ) -> Option<ConnectionId> {
        let connections = &self.connections;
        let awaited = |id| connections.get(id).and_then(Connection::opens_for);
        let origin = self.origins.get_mut(id)?;
        origin.openings.first(|id| awaited(id).is_some_and(|transfer| waits(transfer, id)))
    }

    /// Connections that count against the limits.
    pub(super) fn len(&self) -> usize {
        self.connections.len() - self.apart
    }

    /// As [`Pool::open`], of no origin, and against no limit.
    pub(super) fn open_apart(&mut self, connection: Connection) -> ConnectionId {
        self.apart += 1;
        self.connections.insert(connection)
    }

    /// Takes a connection out, idle or not.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.unlink_idle(id);
        if self.connections.get(id)?.may_be_shared() {
            self.note_unshared(id);
        }
        let connection = self.connections.remove(id)?;
        self.ceiling = self.ceiling.saturating_add(1);
        self.apart -= usize::from(connection.channel().is_some());
        if let Some(origin) = self.origins.get_mut(connection.origin) {
            origin.connections -= 1;
        }
        Some(connection)
    }

    // connections that speak HTTP/2

    /// A connection is being made on which several requests may go at once.
    pub(super) fn note_dial(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(origin) = self.origins.get_mut(connection.origin) else { return };
        connection.is_dialed = true;
        origin.dials += 1;
    }

    /// Another connection is the one that is made, after all.
    pub(super) fn hand_dial_over(&mut self, from: ConnectionId, to: ConnectionId) {
        let from = self.connections.get_mut(from);
        if from.is_some_and(|from| std::mem::take(&mut from.is_dialed))
            && let Some(to) = self.connections.get_mut(to)
        {
            to.is_dialed = true;
        }
    }

    /// The path of a connection stands. Whether HTTP/2 is spoken on it, if that was to be seen.
    #[inline]
    pub(super) fn stands(&mut self, id: ConnectionId) -> Option<bool> {
        let connection = self.connections.get_mut(id)?;
        if !connection.is_dialed {
            return None;
        }
        let origin = self.origins.get_mut(connection.origin)?;
        let http2 = match origin.known.offers {
            HttpVersions::Http2 => true,
            // it may have been offered before the peer asked for less
            HttpVersions::Negotiated | HttpVersions::Http1 => connection.path.agrees_on_http2(),
        };
        origin.is_impatient = false;
        origin.known.speaks = Speaks::Http1;
        if http2 {
            // how many it takes is known when its peer has said so
            origin.known.speaks = Speaks::Http2;
            origin.shared.push(id);
        } else {
            connection.is_dialed = false;
            origin.dials -= 1;
        }
        Some(http2)
    }

    /// The peer of a connection that speaks HTTP/2 has said how many requests it takes at a time.
    pub(super) fn note_settled(&mut self, id: ConnectionId, streams: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(origin) = self.origins.get_mut(connection.origin) else { return };
        if std::mem::take(&mut connection.is_dialed) {
            origin.dials -= 1;
        }
        origin.known.streams = Some(streams);
    }

    /// A connection is gone: one that was still being made is waited for no more.
    #[cold]
    fn note_unshared(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let Some(origin) = self.origins.get_mut(connection.origin) else { return };
        if connection.is_dialed {
            origin.dials -= 1;
        }
        origin.shared.retain(|&other| other != id);
        origin.listed.retain(|&other| other != id);
    }

    /// Connections to an origin that speak HTTP/2 and take requests, or are being made and may come to.
    pub(super) fn http2_connections(&self, id: OriginId) -> usize {
        let Some(origin) = self.origins.get(id) else { return 0 };
        let shared = || origin.shared.iter().filter_map(|&id| self.connections.get(id));
        let is_over =
            |it: &&Connection| matches!(&it.state, State::Multiplexed(link) if link.is_over());
        // those that stand, and have yet to say how many requests they take, are among both
        let counted_twice = shared().filter(|connection| connection.is_dialed).count();
        origin.dials + origin.shared.len() - counted_twice - shared().filter(is_over).count()
    }

    /// Whether those queued at an origin wait for a connection that is being made.
    pub(super) fn awaits_dial(&self, id: OriginId) -> bool {
        self.origins.get(id).is_some_and(PoolOrigin::awaits_dial)
    }

    /// A connection may have room for one more request.
    pub(super) fn list(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        if let Some(origin) = self.origins.get_mut(connection.origin) {
            origin.listed.push(id);
        }
    }

    /// A connection has no room.
    pub(super) fn unlist(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        if let Some(origin) = self.origins.get_mut(connection.origin) {
            origin.listed.retain(|&other| other != id);
        }
    }

    /// The oldest connection that may have room for one more request.
    #[inline]
    pub(super) fn first_listed(&self, id: OriginId) -> Option<ConnectionId> {
        self.origins.get(id)?.listed.first().copied()
    }

    // idle connections

    pub(super) fn idle_connections(&self) -> usize {
        self.idle
    }

    #[inline]
    pub(super) fn set_idle(&mut self, id: ConnectionId, now: Time) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(origin) = self.origins.get_mut(connection.origin) else { return };
        let links = IdleLinks { index: origin.idle.len(), older: self.newest, newer: None };
        let idle = Idle { since: now, links };
        match &mut connection.state {
            State::Multiplexed(link) => link.idle = Some(idle),
            state => *state = State::Idle(idle),
        }
        connection.turns = 0;
        origin.idle.push(id);
        match self.newest.replace(id) {
            Some(newest) => self.links(newest).newer = Some(id),
            None => self.oldest = Some(id),
        }
        self.idle += 1;
    }

    /// The origin's idle connection that was used last; it stays idle.
    pub(super) fn last_idle(&self, id: OriginId) -> Option<ConnectionId> {
        self.origins.get(id)?.idle.last().copied()
    }

    /// The origin's connections that take one more request: those that others may be on as they come, then those that
    /// are idle, the last used first.
    pub(super) fn ready(&self, id: OriginId) -> impl Iterator<Item = ConnectionId> {
        let origin = self.origins.get(id).into_iter();
        let has_room = |id: &ConnectionId| {
            let state = self.connections.get(*id).map(|connection| &connection.state);
            matches!(state, Some(State::Multiplexed(link)) if link.has_room())
        };
        let listed = origin.clone().flat_map(|origin| &origin.listed).copied().filter(has_room);
        listed.chain(origin.flat_map(|origin| origin.idle.iter().rev()).copied())
    }

    /// The connection that has been idle longest.
    pub(super) fn oldest_idle(&self) -> Option<ConnectionId> {
        self.oldest
    }

    /// An idle connection is idle no longer; its state is for the caller to replace.
    pub(super) fn unlink_idle(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let idle = match &connection.state {
            State::Idle(idle) => idle,
            State::Multiplexed(link) if let Some(idle) = &link.idle => idle,
            _ => return,
        };
        let (origin, IdleLinks { index, older, newer }) = (connection.origin, idle.links);
        match older {
            Some(older) => self.links(older).newer = newer,
            None => self.oldest = newer,
        }
        match newer {
            Some(newer) => self.links(newer).older = older,
            None => self.newest = older,
        }
        self.idle -= 1;
        let stack = &mut self.origins.get_mut(origin).expect("a connection's origin is kept").idle;
        stack.swap_remove(index);
        if let Some(&moved) = stack.get(index) {
            self.links(moved).index = index;
        }
    }

    fn links(&mut self, id: ConnectionId) -> &mut IdleLinks {
        match self.connections.get_mut(id).map(|connection| &mut connection.state) {
            Some(State::Idle(idle)) => &mut idle.links,
            other => links_of_shared(other),
        }
    }

    pub(super) fn origins(&self) -> usize {
        self.origins.len()
    }

    /// What there is for each origin, at the cost of looking at all connections.
    pub(super) fn by_origin(&self) -> Vec<OriginStats> {
        let mut rows: HashMap<OriginId, OriginStats> = HashMap::new();
        for (id, PoolOrigin { key, queued, resolving, .. }) in self.origins.iter() {
            let (origin, queued) = (key.origin.clone(), queued + resolving);
            rows.insert(id, OriginStats { origin, active: 0, idle: 0, connecting: 0, queued });
        }
        for (_, connection) in self.connections.iter() {
            let Some(row) = rows.get_mut(&connection.origin) else { continue };
            match &connection.state {
                State::Names(_) => {}
                State::Connecting(_) | State::Tunnelling(_) | State::Handshaking(_) => {
                    row.connecting += 1;
                }
                State::Multiplexed(link) if link.idle.is_some() => row.idle += 1,
                State::Idle(_) => row.idle += 1,
                State::Exchanging(_) | State::Multiplexed(_) | State::Free => row.active += 1,
            }
        }
        rows.into_values().collect()
    }
}

#[cold]
fn links_of_shared(state: Option<&mut State>) -> &mut IdleLinks {
    if let Some(State::Multiplexed(link)) = state
        && let Some(idle) = &mut link.idle
    {
        return &mut idle.links;
    }
    unreachable!("idle lists hold idle connections")
}

impl PoolOrigin {
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// What its connections may come to speak.
    pub(super) fn offers(&self) -> HttpVersions {
        self.known.offers
    }

    /// Whether connections may come to speak HTTP/2.
    #[inline]
    pub(super) fn may_speak_http2(&self) -> bool {
        self.known.offers != HttpVersions::Http1
    }

    /// By what the windows of its streams may grow, out of what those of all have.
    pub(super) fn reserve(&mut self, whole: &Reserve) -> &Reserve {
        self.reserve.get_or_insert_with(|| whole.part())
    }

    /// The peer wants HTTP/1.1. False if that was not to be.
    pub(super) fn insist_on_http1(&mut self) -> bool {
        let may = self.key.versions == HttpVersions::Negotiated;
        if may {
            (self.known.offers, self.known.speaks) = (HttpVersions::Http1, Speaks::Http1);
        }
        may
    }

    /// Whether those queued wait to see what is spoken on a connection that is being made, and how many it takes, since they may
    /// all go on it.
    fn awaits_dial(&self) -> bool {
        self.dials > 0
            && !self.is_impatient
            && match (self.known.speaks, self.known.streams) {
                (Speaks::Unknown, _) | (Speaks::Http2, None) => true,
                // of each, one is for whom it is made
                (Speaks::Http2, Some(streams)) => {
                    self.dials * streams.saturating_sub(1) >= self.queued
                }
                (Speaks::Http1, _) => false,
            }
    }

    pub(super) fn push_back(&mut self, transfer: TransferId) {
        self.queue.push_back(transfer);
        self.queued += 1;
    }

    pub(super) fn push_front(&mut self, transfer: TransferId) {
        self.queue.push_front(transfer);
        self.queued += 1;
    }

    /// The transfer whose turn it is; `waits` as for [`PoolOrigin::pop`].
    pub(super) fn next(&mut self, waits: impl Fn(TransferId) -> bool) -> Option<TransferId> {
        while let Some(&transfer) = self.queue.front()
            && !waits(transfer)
        {
            self.queue.pop_front();
        }
        self.queue.front().copied()
    }

    /// Takes the transfer whose turn it is; `waits` tells those that are gone from those that wait.
    pub(super) fn pop(&mut self, waits: impl Fn(TransferId) -> bool) -> Option<TransferId> {
        loop {
            let transfer = self.queue.pop_front()?;
            if waits(transfer) {
                self.queued -= 1;
                return Some(transfer);
            }
        }
    }

    /// A queued transfer is gone; its id is passed over later, or swept out with others.
    pub(super) fn forget(&mut self, waits: impl Fn(TransferId) -> bool) {
        self.queued -= 1;
        if self.queue.len() > 2 * self.queued + 32 {
            self.queue.retain(|&transfer| waits(transfer));
        }
    }
}
