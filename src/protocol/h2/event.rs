//! What is told of received bytes.
//!
//! Knows events. Must not know what frames they come of. Invariant: what an event borrows is the input, or a buffer of the
//! connection that is used again with the next one.

use super::fault::{ErrorCode, LinkFault};
use crate::protocol::fault::HttpFault;
use crate::protocol::head::{Fields, ResponseHead};

/// What a call of [`Connection::read`](super::Connection::read) found.
#[derive(Debug, PartialEq, Eq)]
pub struct Read<'a> {
    /// Bytes of the input that are done with; the next call gets the input after them.
    pub consumed: usize,
    /// What they are.
    pub event: Event<'a>,
}

/// Something that happened to a request, which its `key` names, or to the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// All input is consumed.
    NeedMore,
    /// A 1xx response; the final one is still to come.
    Informational {
        /// Of the request.
        key: u64,
        /// As text.
        head: ResponseHead<'a>,
    },
    /// The final response's head.
    Head {
        /// Of the request.
        key: u64,
        /// As text.
        head: ResponseHead<'a>,
        /// Bytes that the body will have, where Content-Length says so and there is one.
        length: Option<u64>,
    },
    /// Bytes of the body, never none. Whoever is done with them says so by [`Connection::consumed`](super::Connection::consumed).
    Body {
        /// Of the request.
        key: u64,
        /// Where they came.
        bytes: &'a [u8],
    },
    /// Fields after the body.
    Trailers {
        /// Of the request.
        key: u64,
        /// In order.
        fields: Fields<'a>,
    },
    /// The response is complete, and the stream gone. If the request was not, the peer has been told that the rest will not
    /// come.
    Complete {
        /// Of the request.
        key: u64,
    },
    /// The peer broke HTTP in this response alone, or went over a limit of it. The stream is gone.
    Failed {
        /// Of the request.
        key: u64,
        /// What is wrong.
        fault: HttpFault,
    },
    /// The peer gave up the stream, which is gone. [`ErrorCode::HTTP_1_1_REQUIRED`] asks for another protocol.
    Reset {
        /// Of the request.
        key: u64,
        /// Why.
        code: ErrorCode,
    },
    /// The peer has not processed the request and will not: it can be sent again, whatever its method. The stream is gone.
    Refused {
        /// Of the request.
        key: u64,
    },
    /// The peer goes away: no more requests can be begun. Those that it did not process follow, each as
    /// [`Refused`](Self::Refused), or as [`Reset`](Self::Reset) where another protocol is asked for; the others go on.
    GoAway {
        /// What it says.
        goaway: GoAway,
        /// What it says in words, cut short.
        debug: &'a [u8],
    },
    /// The peer answered a [`ping`](super::Connection::ping).
    Pong {
        /// What it was asked with.
        payload: u64,
    },
}

/// As [`Event`], with nothing borrowed yet.
pub(super) enum Step {
    NeedMore,
    Head {
        key: u64,
        status: u16,
        length: Option<u64>,
    },
    /// Bytes that end at those consumed.
    Body {
        key: u64,
        len: usize,
    },
    Trailers {
        key: u64,
    },
    Complete {
        key: u64,
    },
    Failed {
        key: u64,
        fault: HttpFault,
    },
    Reset {
        key: u64,
        code: ErrorCode,
    },
    Refused {
        key: u64,
    },
    GoAway(GoAway),
    Pong {
        payload: u64,
    },
}

/// The peer goes away (RFC 9113, 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoAway {
    /// The last stream that it has processed, or will. All after it can be sent again elsewhere.
    pub last: u32,
    /// Why.
    pub code: ErrorCode,
}

/// What a piece of input comes to, if anything.
pub(super) type Stepped = Result<Option<Step>, LinkFault>;
