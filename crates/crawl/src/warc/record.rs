//! One record, and its bytes.
//!
//! Knows field lines and blocks (WARC 1.1, 4). Invariants: no field has a line break; the digest of its block is always there.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

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
    pub(super) fn member(self, block: &[&[u8]], gzip: &mut Gzip) -> io::Result<Vec<u8>> {
        let mut digest = Digest::default();
        block.iter().for_each(|part| digest.update(part));
        let length: usize = block.iter().map(|part| part.len()).sum();
        let record = self
            .field("WARC-Block-Digest", &digest.finish())
            .field("Content-Length", &length.to_string());
        let head = [record.fields.as_bytes(), b"\r\n"];
        gzip.member(head.iter().chain(block).chain([&&b"\r\n\r\n"[..]]))
    }
}

/// Makes gzip members, one after the other, with one compressor, whose memory is many times as large as what most records come to.
pub(super) struct Gzip(DeflateEncoder<Vec<u8>>);

impl Default for Gzip {
    fn default() -> Gzip {
        Gzip(DeflateEncoder::new(Vec::new(), Compression::new(LEVEL)))
    }
}

impl Gzip {
    /// A member of these parts (RFC 1952, 2.3): no name, no time, from a system that it does not say.
    fn member<'a>(&mut self, parts: impl Iterator<Item = &'a &'a [u8]>) -> io::Result<Vec<u8>> {
        let mut sum = Crc::new();
        self.0.get_mut().extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        for part in parts {
            sum.update(part);
            self.0.write_all(part)?;
        }
        let mut member = self.0.reset(Vec::new())?;
        member.extend(sum.sum().to_le_bytes());
        member.extend(sum.amount().to_le_bytes());
        Ok(member)
    }
}
