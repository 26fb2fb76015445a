//! What can be wrong with a coded body.

use std::fmt;

use super::Coding;
use crate::protocol::fault::excerpt;

/// Why a body cannot be decoded, or not any further.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodingFault {
    /// Content-Encoding names something else than what can be undone.
    Unknown {
        /// The name, escaped.
        name: Box<str>,
    },
    /// There are more codings, one over the other, than allowed.
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The bytes are none of this coding.
    Corrupt {
        /// Which.
        coding: Coding,
        /// What is wrong with them.
        why: &'static str,
    },
    /// The body ended before the coded bytes did.
    Truncated {
        /// The coding that goes on.
        coding: Coding,
    },
    /// Decoding would take a larger window than allowed.
    WindowTooLarge {
        /// The coding.
        coding: Coding,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Decoding would take more memory than one body may have.
    TooMuchMemory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// There are more members or frames of next to nothing than allowed.
    TooManyMembers {
        /// The coding.
        coding: Coding,
    },
    /// The decoded body is larger than allowed.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// What lies between two codings is too large for what was received.
    CodedTooLarge {
        /// The limit, in bytes for each received.
        limit: u32,
    },
    /// The decoded body is too large for what was received.
    RatioTooLarge {
        /// The limit, in decoded bytes for each received.
        limit: u32,
    },
}

impl CodingFault {
    pub(super) fn unknown(name: &[u8]) -> CodingFault {
        CodingFault::Unknown { name: excerpt(name) }
    }

    /// Whether it is a limit of ours that stands against the body, and not the body itself.
    pub fn is_limit(&self) -> bool {
        match self {
            CodingFault::TooMany { .. }
            | CodingFault::WindowTooLarge { .. }
            | CodingFault::TooMuchMemory { .. }
            | CodingFault::TooManyMembers { .. }
            | CodingFault::TooLarge { .. }
            | CodingFault::CodedTooLarge { .. }
            | CodingFault::RatioTooLarge { .. } => true,
            CodingFault::Unknown { .. }
            | CodingFault::Corrupt { .. }
            | CodingFault::Truncated { .. } => false,
        }
    }
}

impl fmt::Display for CodingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodingFault::Unknown { name } => write!(f, "unknown content coding \"{name}\""),
            CodingFault::TooMany { limit } => {
                write!(f, "more than {limit} content codings, one over the other")
            }
            CodingFault::Corrupt { coding, why } => write!(f, "bad {coding} content: {why}"),
            CodingFault::Truncated { coding } => {
                write!(f, "the body ended within its {coding} content")
            }
            CodingFault::WindowTooLarge { coding, limit } => {
                write!(f, "the {coding} content needs a window of more than {limit} bytes")
            }
            CodingFault::TooMuchMemory { limit } => {
                write!(f, "the content needs more than {limit} bytes of memory to be decoded")
            }
            CodingFault::TooManyMembers { coding } => {
                write!(f, "the {coding} content is cut into too many pieces of next to nothing")
            }
            CodingFault::TooLarge { limit } => {
                write!(f, "the decoded body is larger than the limit of {limit} bytes")
            }
            CodingFault::CodedTooLarge { limit } => write!(
                f,
                "the body is coded more than once, and inflates to more than {limit} times its size between two codings"
            ),
            CodingFault::RatioTooLarge { limit } => {
                write!(f, "the body inflates to more than {limit} times its size")
            }
        }
    }
}

impl std::error::Error for CodingFault {}
