//! One record, and its bytes.
//!
//! Knows field lines and blocks (WARC 1.1, 4). Invariants: no field has a line break; the digest of its block is always there.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::digest::Digest;

/// How hard gzip tries: pages get hardly smaller with more, and a core has other things to do.
const LEVEL: u32 = 4;

/// A record in the making.
pub(super) struct Record {
    fields: String,
}

impl Record {
    pub(super) fn new(kind: &str, id: &str, date: &str) -> Record {
        let fields = format!(
            "WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: {id}\r\nWARC-Date: {date}\r\n"
        );
        Record { fields }
    }

    /// Adds a field.
    pub(super) fn field(mut self, name: &str, value: &str) -> Record {
        self.fields.push_str(name);
        self.fields.push_str(": ");
        self.fields.extend(value.chars().filter(|char| !char.is_control()));
        self.fields.push_str("\r\n");
        self
    }

    /// Its bytes: one gzip member.
    pub(super) fn member(self, block: &[&[u8]]) -> io::Result<Vec<u8>> {
        let mut digest = Digest::default();
        block.iter().for_each(|part| digest.update(part));
        let length: usize = block.iter().map(|part| part.len()).sum();
        let record = self
            .field("WARC-Block-Digest", &digest.finish())
            .field("Content-Length", &length.to_string());
        let mut member = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
        member.write_all(record.fields.as_bytes())?;
        member.write_all(b"\r\n")?;
        block.iter().try_for_each(|part| member.write_all(part))?;
        member.write_all(b"\r\n\r\n")?;
        member.finish()
    }
}
