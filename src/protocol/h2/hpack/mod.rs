//! Header compression (RFC 7541).
//!
//! A block is a list of fields in which what both sides have seen before is an index. Decoding gives field lines as HTTP/1.1
//! has them, in one buffer that is used again and again; encoding is told which fields are worth to be remembered.
//!
//! Knows blocks. Must not know which fields a message may have; it says of each name what it is, since that is found out once
//! for each entry of the table. Invariants: the table never exceeds what was announced; the work on a block is linear in its
//! bytes and in those that it decodes to, of which the latter are bounded; a fault leaves the two sides apart, so that the
//! connection has to end (RFC 9113, 4.3).

mod decoder;
mod encoder;
mod fixed;
mod huffman;
mod integer;
mod kind;
mod lines;
mod table;

use std::fmt;

pub use decoder::{Decoder, Field};
pub use encoder::{Encoder, Indexing};
pub use kind::NameKind;
pub use lines::{Line, Lines};

/// A block that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HpackFault {
    /// It ends within a field.
    Truncated,
    /// An integer that nothing here comes near.
    IntegerTooLarge,
    /// An index beyond the tables, or zero.
    BadIndex(usize),
    /// A string that is not coded as RFC 7541, 5.2 says.
    BadHuffman,
    /// A table that is larger than the one announced.
    TableTooLarge(usize),
    /// A change of the table's size after a field.
    LateTableSize,
}

impl fmt::Display for HpackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HpackFault::Truncated => f.write_str("the header block ends within a field"),
            HpackFault::IntegerTooLarge => f.write_str("an integer in a header block is too large"),
            HpackFault::BadIndex(index) => {
                write!(f, "a header block names the field {index}, which is in no table")
            }
            HpackFault::BadHuffman => f.write_str("a string in a header block is no Huffman code"),
            HpackFault::TableTooLarge(size) => {
                write!(
                    f,
                    "a header block asks for a table of {size} bytes, which is more than was announced"
                )
            }
            HpackFault::LateTableSize => {
                f.write_str("the size of the header table changes after a field")
            }
        }
    }
}

impl std::error::Error for HpackFault {}

/// The size of a table of which nothing was said (RFC 9113, 6.5.2).
const INITIAL_TABLE: usize = 4096;

#[cfg(test)]
mod tests;
