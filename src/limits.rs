//! Every bound on what a peer or a caller can make this library hold or do, named, with its reason.
//!
//! Knows numbers. A loop, queue or buffer elsewhere that a peer can make longer names its limit
//! from here.

/// Bounds on one HTTP/1 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a response head, status line and field lines together. Servers in the wild stay
    /// below 16 KiB but for cookies and policies; curl allows 300 KiB.
    pub head_bytes: usize,
    /// Informational (1xx) responses before the final one.
    pub informational: u32,
    /// Bytes of all chunk extensions of one body: they carry nothing that we use.
    pub chunk_extension_bytes: usize,
    /// Bytes of a trailer section.
    pub trailer_bytes: usize,
}

impl HttpLimits {
    /// The limits in force unless the caller sets others.
    pub const DEFAULT: HttpLimits = HttpLimits {
        head_bytes: 64 * 1024,
        informational: 32,
        chunk_extension_bytes: 16 * 1024,
        trailer_bytes: 16 * 1024,
    };
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Field lines of one response head. A fixed array on the stack parses them: not adjustable.
pub(crate) const HEAD_FIELDS: usize = 256;
