//! What the engine wants of its driver.

use crate::dial::Dial;
use crate::engine::ids::{ConnectionId, LookupId};
use crate::protocol::Host;
use crate::time::Time;

/// A want that the driver acts upon; taken with [`crate::engine::Engine::poll_output`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Look this name up and report `handle_resolved`.
    Resolve {
        /// Names the look-up in the report.
        lookup: LookupId,
        /// The name.
        host: Host,
    },
    /// Nobody waits for this look-up any more. Its report, should one come, is ignored.
    Abandon {
        /// The look-up.
        lookup: LookupId,
    },
    /// Open a socket for this connection, and report `handle_connected` or `handle_failed`. Comes
    /// again with another address when one has failed; the driver has closed the failed socket.
    /// Several connections may be opened for one transfer: see [`crate::Options::attempt_delay`].
    Connect {
        /// The connection.
        connection: ConnectionId,
        /// To whom, and how.
        dial: Dial,
    },
    /// What this connection wants of its socket may have changed: see
    /// [`crate::engine::Engine::level`].
    Level {
        /// The connection.
        connection: ConnectionId,
    },
    /// The connection is over; its id names nothing from here on. The driver closes the socket
    /// after one attempt to send the last words (a TLS alert; empty in plaintext).
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Bytes to be sent before, as far as the socket takes them at once.
        last_words: Vec<u8>,
    },
}

/// What a connection wants of its socket: a level, not an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Bytes received would be taken.
    pub recv: bool,
    /// There are bytes to send: `fill` would give some.
    pub send: bool,
    /// When what the connection waits for is over; [`Time::NEVER`] for no deadline.
    pub deadline: Time,
}
