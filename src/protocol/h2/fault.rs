//! What can go wrong with a connection, and the codes that peers tell each other.
//!
//! Knows the error codes of RFC 9113, 7 and faults of the peer. Must not know who finds them. What is wrong with one message
//! alone is an [`HttpFault`](crate::protocol::HttpFault). Invariant: each displays as one line.

use std::fmt;

use super::hpack::HpackFault;

/// Why a stream or a connection ends (RFC 9113, 7): any number, of which some have a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Not because of an error.
    pub const NO_ERROR: ErrorCode = ErrorCode(0);
    /// The protocol was broken.
    pub const PROTOCOL_ERROR: ErrorCode = ErrorCode(1);
    /// Something unexpected happened to whoever says so.
    pub const INTERNAL_ERROR: ErrorCode = ErrorCode(2);
    /// More was sent than windows allow.
    pub const FLOW_CONTROL_ERROR: ErrorCode = ErrorCode(3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: ErrorCode = ErrorCode(4);
    /// A frame came for a stream whose end had come.
    pub const STREAM_CLOSED: ErrorCode = ErrorCode(5);
    /// A frame of a size that it cannot have.
    pub const FRAME_SIZE_ERROR: ErrorCode = ErrorCode(6);
    /// Nothing was done about the request: it can be sent again.
    pub const REFUSED_STREAM: ErrorCode = ErrorCode(7);
    /// The stream is not wanted any more.
    pub const CANCEL: ErrorCode = ErrorCode(8);
    /// The header compression of both sides has come apart.
    pub const COMPRESSION_ERROR: ErrorCode = ErrorCode(9);
    /// The connection of a CONNECT was reset.
    pub const CONNECT_ERROR: ErrorCode = ErrorCode(10);
    /// Too much of something.
    pub const ENHANCE_YOUR_CALM: ErrorCode = ErrorCode(11);
    /// TLS is not as good as it must be.
    pub const INADEQUATE_SECURITY: ErrorCode = ErrorCode(12);
    /// The request has to be sent by HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: ErrorCode = ErrorCode(13);

    /// Its name, if it has one.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        NAMES.get(self.0 as usize).copied()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The peer broke the protocol of the connection, or went over a limit on what it may send. The connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkFault {
    /// The first frame is not SETTINGS (RFC 9113, 3.4): another protocol, as likely as not.
    NoSettings,
    /// A frame that cannot stand where it does, or says what it cannot.
    Protocol(&'static str),
    /// A frame of a size that it cannot have.
    FrameSize(&'static str),
    /// More data than the connection's window had room for, or a window beyond 2^31-1.
    FlowControl(&'static str),
    /// A frame for a stream that the peer itself had ended.
    StreamClosed,
    /// A header block that cannot be decoded.
    Compression(HpackFault),
    /// A header block in more frames than allowed.
    TooManyContinuations {
        /// The limit, in CONTINUATION frames.
        limit: u32,
    },
    /// A header block that is longer than allowed.
    BlockTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More frames that bring nothing than allowed, with little else between them.
    TooManyBarren {
        /// The limit, in frames.
        limit: u32,
    },
    /// More frames to be acknowledged than allowed before an acknowledgement could be sent.
    TooManyAcks {
        /// The limit, in frames.
        limit: u32,
    },
    /// The connection ended while streams were open.
    UnexpectedEof,
}

impl LinkFault {
    /// What the peer is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            LinkFault::NoSettings | LinkFault::Protocol(_) => ErrorCode::PROTOCOL_ERROR,
            LinkFault::FrameSize(_) => ErrorCode::FRAME_SIZE_ERROR,
            LinkFault::FlowControl(_) => ErrorCode::FLOW_CONTROL_ERROR,
            LinkFault::StreamClosed => ErrorCode::STREAM_CLOSED,
            LinkFault::Compression(_) => ErrorCode::COMPRESSION_ERROR,
            LinkFault::TooManyContinuations { .. }
            | LinkFault::BlockTooLarge { .. }
            | LinkFault::TooManyBarren { .. }
            | LinkFault::TooManyAcks { .. } => ErrorCode::ENHANCE_YOUR_CALM,
            LinkFault::UnexpectedEof => ErrorCode::NO_ERROR,
        }
    }

    /// Whether a limit of ours was exceeded, as opposed to HTTP/2 broken.
    pub fn is_limit(&self) -> bool {
        self.code() == ErrorCode::ENHANCE_YOUR_CALM
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkFault::NoSettings => {
                f.write_str("the peer does not speak HTTP/2: its first frame is not SETTINGS")
            }
            LinkFault::Protocol(why) => write!(f, "HTTP/2 was broken: {why}"),
            LinkFault::FrameSize(why) => {
                write!(f, "HTTP/2 was broken: {why} of a size that it cannot have")
            }
            LinkFault::FlowControl(why) => write!(f, "HTTP/2's flow control was broken: {why}"),
            LinkFault::StreamClosed => {
                f.write_str("HTTP/2 was broken: a frame on a stream that had ended")
            }
            LinkFault::Compression(fault) => write!(f, "HTTP/2 was broken: {fault}"),
            LinkFault::TooManyContinuations { limit } => {
                write!(f, "a header block in more than {limit} CONTINUATION frames")
            }
            LinkFault::BlockTooLarge { limit } => {
                write!(f, "a header block larger than the limit of {limit} bytes")
            }
            LinkFault::TooManyBarren { limit } => {
                write!(f, "more than {limit} HTTP/2 frames that bring nothing")
            }
            LinkFault::TooManyAcks { limit } => {
                write!(f, "more than {limit} HTTP/2 frames that wait for an answer")
            }
            LinkFault::UnexpectedEof => f.write_str("the connection ended while streams were open"),
        }
    }
}

impl std::error::Error for LinkFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_the_rfc() {
        assert_eq!(ErrorCode::HTTP_1_1_REQUIRED.to_string(), "HTTP_1_1_REQUIRED");
        assert_eq!(ErrorCode::REFUSED_STREAM.to_string(), "REFUSED_STREAM");
        assert_eq!(ErrorCode(0xe).to_string(), "error 0xe");
    }
}
