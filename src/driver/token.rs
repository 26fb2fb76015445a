//! The name by which an application knows a socket.
//!
//! Knows how a connection and the number of its socket go into one integer. Must not know what becomes of either.

use crate::engine::ConnectionId;
use crate::id::Id;

/// The name of a socket that an application watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    /// The eventfd that other threads wake the handle with.
    pub(super) const WAKER: Token = Token(u64::MAX);

    /// As an integer, for epoll's data or an SQE's.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// From [`Token::to_bits`]. Any other integer names no socket.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The token of a connection's socket, told from its others by `opening`.
    pub(super) fn new(connection: ConnectionId, opening: u8) -> Self {
        Self(u64::from(opening) << 56 | connection.to_bits())
    }

    /// What [`Token::new`] was given.
    pub(super) fn parts(self) -> (ConnectionId, u8) {
        (Id::from_bits(self.0), (self.0 >> 56) as u8)
    }
}
