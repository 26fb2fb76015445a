//! Why a connection cannot carry another exchange.
//!
//! Knows reasons. Must not know who finds them: see [`Exchange`](crate::protocol::Exchange). Invariant: a
//! connection is reusable exactly while its set of reasons is empty.

use std::fmt;

/// One reason why the connection cannot be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// The response says `Connection: close`.
    PeerSaidClose,
    /// The request says `Connection: close`.
    WeSaidClose,
    /// The request or the response is HTTP/1.0 and does not say `Connection: keep-alive`.
    Http10WithoutKeepAlive,
    /// The response has both Content-Length and Transfer-Encoding (RFC 9112, 6.3): perhaps an
    /// attempt at response splitting.
    LengthWithTransferEncoding,
    /// The response's framing can be read, and is not as the standard has it: Transfer-Encoding in HTTP/1.0, empty, or with
    /// `chunked` twice; lines between chunks that end with LF alone. Others may read another body.
    OddFraming,
    /// A 204 response announces a body, which it cannot have: bytes of one may follow.
    BodyWhereNone,
    /// The end of the body is the end of the connection.
    DelimitedByClose,
    /// The connection became a tunnel (2xx to CONNECT).
    Tunnel,
    /// Bytes came after the response: they answer nothing that was asked.
    BytesAfterResponse,
    /// The response was complete before the request was.
    RequestUnfinished,
    /// The response is not complete.
    ResponseUnfinished,
    /// The peer closed the connection.
    PeerClosed,
    /// The peer broke HTTP.
    Fault,
}

/// The reasons why the connection cannot be reused; empty: it can.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CloseReasons(u16);

impl CloseReason {
    /// All of them, in the order of their declaration.
    pub const ALL: [CloseReason; 13] = [
        CloseReason::PeerSaidClose,
        CloseReason::WeSaidClose,
        CloseReason::Http10WithoutKeepAlive,
        CloseReason::LengthWithTransferEncoding,
        CloseReason::OddFraming,
        CloseReason::BodyWhereNone,
        CloseReason::DelimitedByClose,
        CloseReason::Tunnel,
        CloseReason::BytesAfterResponse,
        CloseReason::RequestUnfinished,
        CloseReason::ResponseUnfinished,
        CloseReason::PeerClosed,
        CloseReason::Fault,
    ];

    /// The reason, as a clause.
    pub fn explain(self) -> &'static str {
        match self {
            CloseReason::PeerSaidClose => "the response says Connection: close",
            CloseReason::WeSaidClose => "the request says Connection: close",
            CloseReason::Http10WithoutKeepAlive => "HTTP/1.0 without Connection: keep-alive",
            CloseReason::LengthWithTransferEncoding => {
                "the response has both Content-Length and Transfer-Encoding"
            }
            CloseReason::OddFraming => "the response's framing is not as the standard has it",
            CloseReason::BodyWhereNone => "the response announces a body that it cannot have",
            CloseReason::DelimitedByClose => "the body ends with the connection",
            CloseReason::Tunnel => "the connection became a tunnel",
            CloseReason::BytesAfterResponse => "bytes came after the response",
            CloseReason::RequestUnfinished => "the request was not sent whole",
            CloseReason::ResponseUnfinished => "the response is not complete",
            CloseReason::PeerClosed => "the peer closed the connection",
            CloseReason::Fault => "the peer broke HTTP",
        }
    }
}

impl CloseReasons {
    /// No reason: reusable.
    pub const NONE: CloseReasons = CloseReasons(0);

    /// Whether the connection can be reused.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is one of the reasons.
    pub fn contains(self, reason: CloseReason) -> bool {
        self.0 & bit(reason) != 0
    }

    /// Adds a reason; one that is there already changes nothing.
    pub fn insert(&mut self, reason: CloseReason) {
        self.0 |= bit(reason);
    }

    /// Adds the reasons of another set.
    pub(in crate::protocol) fn extend(&mut self, others: CloseReasons) {
        self.0 |= others.0;
    }

    /// The reasons, in the order of [`CloseReason::ALL`].
    pub fn iter(self) -> impl Iterator<Item = CloseReason> {
        CloseReason::ALL.into_iter().filter(move |&reason| self.contains(reason))
    }

    /// The reasons as one line; empty if there are none.
    pub fn explain(self) -> impl fmt::Display {
        Explained(self)
    }
}

impl fmt::Debug for CloseReasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

struct Explained(CloseReasons);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, reason) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{}", reason.explain())?;
        }
        Ok(())
    }
}

fn bit(reason: CloseReason) -> u16 {
    1 << reason as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_in_order() {
        for (n, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, n);
        }
        assert_eq!(CloseReason::Fault as usize + 1, CloseReason::ALL.len());
    }

    #[test]
    fn a_set_of_reasons_explains_itself() {
        let mut reasons = CloseReasons::NONE;
        assert!(reasons.is_empty());
        assert_eq!(reasons.explain().to_string(), "");
        reasons.insert(CloseReason::BytesAfterResponse);
        reasons.insert(CloseReason::PeerSaidClose);
        reasons.insert(CloseReason::PeerSaidClose);
        assert!(!reasons.is_empty());
        assert!(reasons.contains(CloseReason::BytesAfterResponse));
        assert!(!reasons.contains(CloseReason::Fault));
        assert_eq!(
            reasons.explain().to_string(),
            "the response says Connection: close; bytes came after the response"
        );
    }
}
