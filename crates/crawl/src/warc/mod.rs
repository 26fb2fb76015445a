//! WARC 1.1 (ISO 28500:2017): what was asked and answered, as it is kept.
//!
//! Knows records, digests, gzip members, files. Must not know what is crawled, or why. Invariants: a record is a gzip member by itself; each
//! record has its block digest and each response both; a body has no transfer coding, so that the Content-Length of its head is true; a file
//! has whole records alone up to what was last [synced](Writer::sync).

mod check;
mod date;
mod digest;
mod http_head;
mod index;
mod reader;
mod record;
mod surt;
mod wacz;
mod writer;

/// The digest of a payload, as records have it.
pub fn digest_of(payload: &[u8]) -> String {
    digest::Digest::of(payload)
}

pub use check::{Checked, Fault, check};
pub use index::index;
pub use reader::cut_back;
pub use surt::surt;
pub use wacz::{Packed, WaczConfig, pack};
pub use writer::{Exchange, Original, Place, Position, Same, Truncated, Writer, WriterConfig};
