//! From fields to a block (RFC 7541, 6).
//!
//! Knows representations, and what is in the peer's table. Must not know requests. Invariants: what is in the table was said
//! to be worth it, and is within what the peer allows and our own limit; nothing goes in that another would have to make room
//! for, so that indexes stay what they are.

use std::collections::VecDeque;

use super::lines::OVERHEAD;
use super::{INITIAL_TABLE, fixed, huffman, integer};

/// The sending side of a connection's compression.
#[derive(Debug)]
pub struct Encoder {
    /// From the oldest on.
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
    /// Our own limit.
    limit: usize,
    /// The least size that the table has had since the last block, where it is not what the last block knew.
    resized: Option<usize>,
    /// How often the indexes have changed.
    changes: u64,
}

#[derive(Debug)]
struct Entry {
    /// The name, as the index of the first entry of the static table that has it.
    name: usize,
    value: Box<[u8]>,
}

/// What is to be made of a field that stands in no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// It will come again: into the table, where there is room.
    Insert,
    /// It will not.
    Without,
    /// It is a secret, that nobody on the way may put into a table either (RFC 7541, 7.1.3).
    Never,
}

impl Encoder {
    /// With a table of at most `limit` bytes, and none larger than RFC 7541 begins with until the peer says otherwise.
    pub fn new(limit: usize) -> Encoder {
        let max = limit.min(INITIAL_TABLE);
        let resized = (max < INITIAL_TABLE).then_some(max);
        Encoder { entries: VecDeque::new(), size: 0, max, limit, resized, changes: 0 }
    }

    /// The peer's table may be so large (SETTINGS_HEADER_TABLE_SIZE).
    pub fn set_peer_max(&mut self, size: usize) {
        let max = size.min(self.limit);
        if max == self.max {
            return;
        }
        self.resized = Some(self.resized.unwrap_or(max).min(max));
        self.max = max;
        while self.size > max {
            let entry = self.entries.pop_front().expect("a table without entries counts nothing");
            self.size -= entry.size();
            self.changes += 1;
        }
    }

    /// How often what stands in the table has changed: a block that only refers to it says the same as long as this is the
    /// same.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Begins a block: says what became of the table's size (RFC 7541, 4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(least) = self.resized.take() {
            if least < self.max {
                integer::encode(least, 5, 0x20, out);
            }
            integer::encode(self.max, 5, 0x20, out);
        }
    }

    /// Appends a field; the name is in lower case.
    pub fn field(&mut self, name: &[u8], value: &[u8], indexing: Indexing, out: &mut Vec<u8>) {
        match fixed::index_of_name(name) {
            Some(index) => self.known_field(index, value, indexing, out),
            None => {
                out.push(match indexing {
                    Indexing::Insert | Indexing::Without => 0,
                    Indexing::Never => NEVER,
                });
                string(name, out);
                string(value, out);
            }
        }
    }

    /// Appends a field whose name stands in the static table, first at this index.
    pub fn known_field(
        &mut self,
        name: usize,
        value: &[u8],
        indexing: Indexing,
        out: &mut Vec<u8>,
    ) {
        let index = match indexing {
            Indexing::Insert => fixed::index_of(name, value).or_else(|| self.index_of(name, value)),
            Indexing::Without | Indexing::Never => None,
        };
        let (prefix, flags) = match (index, indexing) {
            (Some(index), _) => return integer::encode(index, 7, 0x80, out),
            (None, Indexing::Insert) if self.insert(name, value) => (6, 0x40),
            (None, Indexing::Insert | Indexing::Without) => (4, 0),
            (None, Indexing::Never) => (4, NEVER),
        };
        integer::encode(name, prefix, flags, out);
        string(value, out);
    }

    fn index_of(&self, name: usize, value: &[u8]) -> Option<usize> {
        let is_same = |entry: &Entry| entry.name == name && *entry.value == *value;
        let nth = self.entries.iter().rev().position(is_same)?;
        Some(fixed::FIELDS.len() + 1 + nth)
    }

    fn insert(&mut self, name: usize, value: &[u8]) -> bool {
        let size = fixed::FIELDS[name - 1].0.len() + value.len() + OVERHEAD;
        if self.size + size > self.max {
            return false;
        }
        self.size += size;
        self.entries.push_back(Entry { name, value: value.into() });
        self.changes += 1;
        true
    }
}

impl Entry {
    fn size(&self) -> usize {
        fixed::FIELDS[self.name - 1].0.len() + self.value.len() + OVERHEAD
    }
}

/// A string literal (RFC 7541, 5.2), coded if it is shorter so.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::coded_len(text);
    if coded < text.len() {
        integer::encode(coded, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::encode(text.len(), 7, 0, out);
        out.extend_from_slice(text);
    }
}

/// The representation of a field that is never put into a table.
const NEVER: u8 = 0x10;
