//! The version of HTTP that a message says.

/// The version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0 (RFC 1945).
    Http10,
    /// HTTP/1.1 (RFC 9112), or a later minor version, which is read as this (RFC 9110, 2.5).
    Http11,
    /// HTTP/2 (RFC 9113).
    Http2,
}
