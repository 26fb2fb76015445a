//! What the engine's timers stand for.

use crate::engine::ids::{ConnectionId, ExchangeId, GateId, OriginId, RaceId, TransferId};

/// What a timer stands for.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Timer {
    Transfer(TransferId),
    Connection(ConnectionId),
    Gate(GateId),
    Race(RaceId),
    /// On a stream: others of its connection have their own.
    Exchange(ExchangeId),
    /// Those of the origin who wait to see what is spoken on its first connection.
    Dial(OriginId),
}
