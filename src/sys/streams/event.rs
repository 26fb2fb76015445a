//! What the owner of streams is told.

use super::super::errno::Errno;
use super::super::ring::Completion;
use super::super::socket::Refused;

/// What has become of a stream, or of a poll.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stream, by the caller's value.
    Stream(u64, StreamEvent<'a>),
    /// A poll of [`Streams::watch`](super::Streams::watch).
    Poll(Completion),
}

/// What has become of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// It is connected; there was nothing to send first.
    Connected,
    /// It could not be opened; nothing was sent. It has no socket: [`Streams::reopen`](super::Streams::reopen) or [`Streams::close`](super::Streams::close) it.
    ConnectFailed(Refused),
    /// The deadline of its connect passed; as [`StreamEvent::ConnectFailed`].
    DeadlinePassed,
    /// So many bytes of what was filled were sent. The first such event also says that it is connected.
    Sent(u32),
    /// A send failed. The first such event also says that it is connected.
    SendFailed(Errno),
    /// Bytes were received, or a datagram, which may be empty. They are lent until the next event is taken, or kept by
    /// [`ReceiveBuffers::keep`](super::super::leases::ReceiveBuffers::keep).
    Received(&'a [u8]),
    /// The peer's FIN. Never of datagrams.
    Ended,
    /// A receive failed; there will be no other.
    RecvFailed(Errno),
    /// So many of the bytes sent the peer has not acknowledged.
    Unacknowledged(u32),
}
