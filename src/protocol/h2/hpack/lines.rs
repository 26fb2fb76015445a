//! What a block decodes to: field lines as HTTP/1.1 has them.
//!
//! Knows a buffer that is used for one block after the other, and the size of a list of fields as RFC 9113, 6.5.2 counts it.
//! Must not know what the fields are. Invariant: the buffer grows with what is kept of one list, and what is kept is bounded.

use super::kind::NameKind;

/// Fields of one block: for each a line, the name, a colon and a space, the value, CRLF.
#[derive(Debug, Default)]
pub struct Lines {
    /// Those up to `len` are lines.
    bytes: Vec<u8>,
    len: usize,
    /// As RFC 9113, 6.5.2 counts it.
    list_size: usize,
    limit: usize,
}

/// A line that was just decoded, and stands last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Where it begins.
    pub at: usize,
    /// Bytes of the name.
    pub name: usize,
    /// Bytes of the value.
    pub value: usize,
    /// What the name is.
    pub kind: NameKind,
    /// The value has no NUL, CR or LF.
    pub is_value: bool,
}

impl Lines {
    /// For no block so far.
    pub fn new() -> Lines {
        Lines::default()
    }

    /// Begins anew, for a list of at most this size.
    pub fn begin(&mut self, limit: usize) {
        (self.len, self.list_size, self.limit) = (0, 0, limit);
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The name of a line that stands last.
    pub fn name(&self, line: &Line) -> &[u8] {
        &self.bytes[line.at..line.at + line.name]
    }

    /// The value of a line that stands last.
    pub fn value(&self, line: &Line) -> &[u8] {
        let at = line.at + line.name + SEPARATOR.len();
        &self.bytes[at..at + line.value]
    }

    /// Takes back the line that stands last.
    pub fn take_back(&mut self, line: &Line) {
        self.len = line.at;
    }

    /// Adds bytes of the caller's.
    pub fn push(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Gives back all memory.
    pub fn shrink(&mut self) {
        (self.bytes, self.len) = (Vec::new(), 0);
    }

    /// Where the next line begins.
    pub(super) fn end(&self) -> usize {
        self.len
    }

    /// The bytes from the end on, at least that many.
    #[inline]
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < bytes {
            self.grow(bytes);
        }
        &mut self.bytes[self.len..]
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        self.bytes.resize((self.len + bytes).next_power_of_two().max(LEAST), 0);
    }

    /// Counts a field of that many bytes; whether the list is within its limit with it.
    pub(super) fn admit(&mut self, bytes: usize) -> bool {
        self.list_size = self.list_size.saturating_add(bytes + OVERHEAD);
        self.list_size <= self.limit
    }

    /// The `bytes` that were written from the end on are a line.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.len += bytes;
    }
}

/// Between name and value.
pub(super) const SEPARATOR: &[u8] = b": ";

/// After a value.
pub(super) const END: &[u8] = b"\r\n";

/// What a field counts beyond its bytes (RFC 9113, 6.5.2, and RFC 7541, 4.1).
pub(super) const OVERHEAD: usize = 32;

/// Bytes of the buffer, once it is used.
const LEAST: usize = 1024;
