//! What a CQE carries back: which operation of which slot it belongs to.
//!
//! Knows the layout kind:8 · generation:24 · slot:32 of `user_data`. Must not know what is in the slots.

use crate::id::Id;

/// Which of a slot's operations a CQE ends. The top 8 bits of a token; zero is no kind, so that a
/// `user_data` that was never set is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// POLL_ADD.
    Poll = 1,
    /// The LINK_TIMEOUT of a POLL_ADD.
    PollDeadline,
    /// POLL_REMOVE.
    PollRemove,
    /// TIMEOUT_REMOVE that updates a poll's LINK_TIMEOUT.
    PollDeadlineUpdate,
    /// ASYNC_CANCEL of all that is in flight; belongs to no slot.
    CancelAll,
    /// NOP; belongs to no slot.
    Nop,
    /// Any operation on a file.
    File,
    /// ASYNC_CANCEL of one; belongs to no slot.
    CancelFile,
    /// The tag of a direct descriptor whose file was let go of; belongs to no slot, and comes when it comes.
    Released,
    /// SOCKET, of a stream.
    Socket,
    /// URING_CMD that sets TCP_NODELAY.
    Nodelay,
    /// CONNECT.
    Connect,
    /// The LINK_TIMEOUT of a CONNECT.
    ConnectDeadline,
    /// SEND.
    Send,
    /// SEND_ZC, of a loan.
    SendZc,
    /// RECV.
    Recv,
    /// ASYNC_CANCEL of a CONNECT.
    CancelConnect,
    /// ASYNC_CANCEL of a SEND.
    CancelSend,
    /// ASYNC_CANCEL of a RECV.
    CancelRecv,
    /// URING_CMD that sets SO_LINGER.
    Linger,
    /// CLOSE of a direct descriptor.
    Close,
    /// SHUTDOWN, before a CLOSE that is late.
    Shutdown,
    /// URING_CMD that asks SIOCOUTQ.
    Unacknowledged,
}

impl Kind {
    const ALL: [Kind; 23] = [
        Kind::Poll,
        Kind::PollDeadline,
        Kind::PollRemove,
        Kind::PollDeadlineUpdate,
        Kind::CancelAll,
        Kind::Nop,
        Kind::File,
        Kind::CancelFile,
        Kind::Released,
        Kind::Socket,
        Kind::Nodelay,
        Kind::Connect,
        Kind::ConnectDeadline,
        Kind::Send,
        Kind::SendZc,
        Kind::Recv,
        Kind::CancelConnect,
        Kind::CancelSend,
        Kind::CancelRecv,
        Kind::Linger,
        Kind::Close,
        Kind::Shutdown,
        Kind::Unacknowledged,
    ];

    fn from_byte(byte: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(byte).wrapping_sub(1)).copied()
    }
}

/// The `user_data` of an SQE and of its CQEs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Token(u64);

const KIND_SHIFT: u32 = 56;

impl Token {
    /// An operation of a slot.
    pub(super) fn new<T>(kind: Kind, id: Id<T>) -> Token {
        Token((kind as u64) << KIND_SHIFT | id.to_bits())
    }

    /// An operation that belongs to no slot.
    pub(super) fn slotless(kind: Kind) -> Token {
        Token((kind as u64) << KIND_SHIFT)
    }

    pub(super) fn from_bits(bits: u64) -> Token {
        Token(bits)
    }

    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    /// `None`: no token of ours.
    pub(super) fn kind(self) -> Option<Kind> {
        Kind::from_byte((self.0 >> KIND_SHIFT) as u8)
    }

    /// The slot and its generation. The caller knows from the kind what `T` is.
    pub(super) fn id<T>(self) -> Id<T> {
        Id::from_bits(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_back_its_parts() {
        for kind in Kind::ALL {
            let id: Id<()> = Id::from_bits(0x00ab_cdef_1234_5678);
            let token = Token::from_bits(Token::new(kind, id).to_bits());
            assert_eq!(token.kind(), Some(kind));
            assert_eq!(token.id::<()>(), id);
            assert_eq!(Token::slotless(kind).kind(), Some(kind));
        }
    }

    #[test]
    fn foreign_user_data_has_no_kind() {
        assert_eq!(Token::from_bits(0).kind(), None);
        assert_eq!(Token::from_bits(u64::MAX).kind(), None);
    }
}
