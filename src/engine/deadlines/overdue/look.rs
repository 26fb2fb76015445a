//! Looks once more at what is overdue, and ends what then still waits.

use crate::engine::Engine;
use crate::engine::deadlines::overdue::{Overdue, OverdueList};
use crate::engine::ids::ConnectionId;
use crate::engine::links::connection::State;
use crate::engine::net::Net;
use crate::engine::timer::Timer;

impl Engine {
    /// The next thing that is overdue, after a batch's other facts. The driver takes what there is for it without waiting
    /// and reports it, then calls [`Engine::expire`]. There is hardly ever any.
    pub fn poll_overdue(&mut self) -> Option<Overdue> {
        self.find_overdue();
        if !self.overdue.has_channels {
            let channels = self.net.channels.overdue(self.net.now);
            self.overdue.has_channels = !channels.is_empty();
            self.overdue.timers.extend(channels.into_iter().map(Timer::Connection));
        }
        while let Some(&timer) = self.overdue.timers.get(self.overdue.told) {
            self.overdue.told += 1;
            match timer {
                Timer::Connection(id) => return Some(Overdue::Connection(id)),
                Timer::Transfer(_) if self.overdue.told_anything => {}
                Timer::Transfer(_) => {
                    self.overdue.told_anything = true;
                    return Some(Overdue::Anything);
                }
                Timer::Exchange(id) => {
                    if let Some(exchange) = self.net.exchanges.get(id) {
                        return Some(Overdue::Connection(exchange.connection));
                    }
                }
                // they end nothing
                Timer::Gate(_) | Timer::Race(_) | Timer::Dial(_) => {}
            }
        }
        None
    }

    /// Ends what is overdue. After a batch's other facts, and what [`Engine::poll_overdue`] led to: what came in time
    /// counts, also if the driver was late to look.
    pub fn expire(&mut self) {
        self.find_overdue();
        if !self.overdue.timers.is_empty() {
            std::mem::take(&mut self.overdue).end(self);
        }
        self.net.channels.expire(self.net.now);
        self.settle();
    }

    /// Does what is due, but for what fails by that.
    fn find_overdue(&mut self) {
        while let Some(timer) = self.net.timers.expire(self.net.now) {
            self.handle_timer(timer);
        }
    }

    // what the kernel has yet to bring to the peer

    /// Whether the driver is to say how much the peer has yet to acknowledge: an upload that it is taking is not silence.
    pub fn asks_unacknowledged(&self, id: ConnectionId) -> bool {
        self.net.asks_unacknowledged(id)
    }

    /// So many of the bytes sent on a connection the peer has not acknowledged (SIOCOUTQ of tcp(7)).
    pub fn handle_unacknowledged(&mut self, id: ConnectionId, bytes: u32) {
        self.net.handle_unacknowledged(id, bytes);
    }
}

impl Net {
    /// As [`Engine::asks_unacknowledged`].
    pub(in crate::engine) fn asks_unacknowledged(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.pool.connections.get(id) else { return false };
        match connection.state {
            State::Multiplexed(_) => self.exchanges.iter().any(|(_, it)| it.uploads_on(id)),
            _ => self.exchange_of(connection).is_some_and(|exchange| exchange.body_begun),
        }
    }

    /// As [`Engine::handle_unacknowledged`].
    pub(in crate::engine) fn handle_unacknowledged(&mut self, id: ConnectionId, bytes: u32) {
        let now = self.now;
        if let Some(exchange) = self.exchange_on(id) {
            if let Some(exchange) = self.exchanges.get_mut(exchange) {
                exchange.note_unacknowledged(bytes, now);
            }
            return;
        }
        // on a connection that several share, what the peer takes may be of each of them
        let uploads = self.exchanges.iter().filter(|(_, exchange)| exchange.uploads_on(id));
        let uploads: Vec<_> = uploads.map(|(id, _)| id).collect();
        for id in uploads {
            if let Some(exchange) = self.exchanges.get_mut(id) {
                exchange.note_unacknowledged(bytes, now);
            }
        }
    }
}

impl OverdueList {
    #[cold]
    fn end(self, engine: &mut Engine) {
        for timer in self.timers {
            match timer {
                Timer::Connection(id) => engine.check_connection(id, true),
                Timer::Transfer(id) => engine.check_transfer(id, true),
                Timer::Exchange(id) => engine.check_exchange(id, true),
                Timer::Gate(_) | Timer::Race(_) | Timer::Dial(_) => {}
            }
        }
    }
}
