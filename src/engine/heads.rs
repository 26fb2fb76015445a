//! Large heads: how many may be on their way at a time.
//!
//! Nearly all heads come at once, and are not kept. One that comes in pieces is kept until it is whole, and may become
//! large: ten thousand of these would be gigabytes. So of those that have become larger than is usual there are few at a
//! time, in all; whoever is the origin of the most of them loses one for others. Knows which these are. Must not know what
//! is in them. Invariant: an ordinary head costs nothing here.

use super::connection::{Connection, State};
use super::{ConnectionId, Engine};
use crate::error::Cause;
use crate::http::HttpFault;
use crate::limits::{LARGE_HEADS, ORDINARY_HEAD};

impl Engine {
    /// A large head on this connection is to become larger: it or another fails if there are too many.
    #[cold]
    pub(super) fn admit_large_head(&mut self, id: ConnectionId) {
        if self.large_heads.contains(&id) {
            return;
        }
        let connections = &self.pool.connections;
        self.large_heads.retain(|&id| connections.get(id).is_some_and(has_large_head));
        self.large_heads.push(id);
        if self.large_heads.len() <= LARGE_HEADS {
            return;
        }
        let loser = self.loser_of_large_heads();
        self.large_heads.retain(|&id| id != loser);
        let fault = HttpFault::HeadTooLarge { limit: ORDINARY_HEAD };
        self.fail(loser, Cause::Http(fault), None);
    }

    /// The last that came of the origin that has the most of them.
    fn loser_of_large_heads(&self) -> ConnectionId {
        let origin = |&id: &ConnectionId| self.pool.connections.get(id).map(|c| c.origin);
        let number = |id: &ConnectionId| {
            let own = origin(id);
            self.large_heads.iter().filter(|other| origin(other) == own).count()
        };
        // of several with as many, the last
        let loser = self.large_heads.iter().max_by_key(|id| number(id));
        *loser.expect("there are some")
    }
}

fn has_large_head(connection: &Connection) -> bool {
    match &connection.state {
        State::Exchanging(state) => state.exchange.head_held() > ORDINARY_HEAD,
        State::Connecting(_)
        | State::Tunnelling(_)
        | State::Handshaking(_)
        | State::Idle(_)
        | State::Names(_) => false,
    }
}
