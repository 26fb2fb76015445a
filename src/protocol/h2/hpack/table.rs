//! The dynamic table of a decoder (RFC 7541, 2.3.2 and 4).
//!
//! Knows fields that were received, as the lines that they become. Must not know blocks. Invariants: its size, as the RFC
//! counts it, is within its maximum; its memory is within half as much again, and some bytes for
//! each entry.

use std::collections::VecDeque;

use super::kind::NameKind;
use super::lines::{Line, OVERHEAD};

/// Entries in the order of their insertion.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The lines of the entries, after those of entries that are gone.
    bytes: Vec<u8>,
    /// What `at` of an entry is for the first of the bytes.
    base: u32,
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
}

/// A field, of which the line is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Counted through, and round.
    at: u32,
    /// Both are within the table's size.
    name: u16,
    value: u16,
    pub(super) kind: NameKind,
    pub(super) is_value: bool,
}

impl Entry {
    pub(super) fn name(&self) -> usize {
        usize::from(self.name)
    }

    pub(super) fn value(&self) -> usize {
        usize::from(self.value)
    }

    fn size(&self) -> usize {
        self.name() + self.value() + OVERHEAD
    }

    fn line(&self) -> usize {
        self.name() + self.value() + LINE
    }
}

impl Table {
    pub(super) fn new(max: usize) -> Table {
        Table { max, ..Table::default() }
    }

    /// The entry that was inserted last but `nth`, and its line.
    pub(super) fn get(&self, nth: usize) -> Option<(Entry, &[u8])> {
        let at = self.entries.len().checked_sub(nth.checked_add(1)?)?;
        let entry = *self.entries.get(at)?;
        let from = entry.at.wrapping_sub(self.base) as usize;
        Some((entry, &self.bytes[from..from + entry.line()]))
    }

    /// Inserts a field; one that is larger than the table empties it (RFC 7541, 4.4).
    pub(super) fn insert(&mut self, line: &Line, text: &[u8]) {
        let size = line.name + line.value + OVERHEAD;
        if size > self.max {
            self.evict(0);
            return;
        }
        self.evict(self.max - size);
        self.make_room(text.len());
        let at = self.base.wrapping_add(self.bytes.len() as u32);
        self.bytes.extend_from_slice(text);
        self.size += size;
        let (name, value) = (line.name as u16, line.value as u16);
        let Line { kind, is_value, .. } = *line;
        self.entries.push_back(Entry { at, name, value, kind, is_value });
    }

    /// Sets the most that the entries may count (RFC 7541, 4.3).
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.evict(max);
        if self.entries.is_empty() {
            (self.bytes, self.entries) = (Vec::new(), VecDeque::new());
        }
    }

    /// Takes out the oldest until the others count at most `size`.
    fn evict(&mut self, size: usize) {
        while self.size > size {
            let entry = self.entries.pop_front().expect("a table without entries counts nothing");
            self.size -= entry.size();
        }
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }

    /// Before the memory would grow beyond what the table needs and half of that, the lines are moved over those that are
    /// gone: of each byte that comes, two are moved at most.
    fn make_room(&mut self, bytes: usize) {
        let len = self.bytes.len() + bytes;
        if len <= self.bytes.capacity() {
            return;
        }
        let most = self.max + self.max / 2;
        if len <= most {
            let capacity = (self.bytes.capacity() * 2).clamp(len, most);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        } else if let Some(oldest) = self.entries.front() {
            let gone = oldest.at.wrapping_sub(self.base) as usize;
            self.bytes.drain(..gone);
            self.base = self.base.wrapping_add(gone as u32);
        }
    }
}

/// What a line has beyond name and value.
const LINE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(table: &mut Table, name: &str, value: &str) {
        let line = Line {
            at: 0,
            name: name.len(),
            value: value.len(),
            kind: NameKind::Regular,
            is_value: true,
        };
        table.insert(&line, format!("{name}: {value}\r\n").as_bytes());
    }

    fn lines(table: &Table) -> Vec<String> {
        (0..)
            .map_while(|nth| table.get(nth))
            .map(|(_, line)| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    #[test]
    fn the_oldest_go_first() {
        let mut table = Table::new(3 * 34);
        for (name, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
            insert(&mut table, name, value);
        }
        assert_eq!(lines(&table), ["d: 4\r\n", "c: 3\r\n", "b: 2\r\n"]);
        table.set_max(2 * 34 + 33);
        assert_eq!(lines(&table), ["d: 4\r\n", "c: 3\r\n"]);
        insert(&mut table, "e", &"5".repeat(100));
        assert_eq!(lines(&table), [""; 0]);
        table.set_max(0);
        insert(&mut table, "", "");
        assert_eq!(lines(&table), [""; 0]);
    }

    #[test]
    fn memory_is_bounded_however_many_are_inserted() {
        let mut table = Table::new(4096);
        for nth in 0..100_000u32 {
            insert(&mut table, "name", &"v".repeat(nth as usize % 900));
            let (entry, line) = table.get(0).unwrap();
            assert_eq!(line.len(), entry.line());
            assert!(line.starts_with(b"name: ") && line.ends_with(b"\r\n"));
        }
        assert_eq!(table.bytes.capacity(), 6 * 1024);
        assert!(table.entries.capacity() <= 256);
    }

    #[test]
    fn positions_may_go_round() {
        let mut table = Table::new(4096);
        table.base = u32::MAX - 5000;
        for nth in 0..1000u32 {
            insert(&mut table, "name", &"v".repeat(nth as usize % 900));
            let (entry, line) = table.get(table.entries.len() - 1).unwrap();
            assert_eq!(line.len(), entry.line());
            assert!(line.starts_with(b"name: ") && line.ends_with(b"\r\n"));
        }
    }
}
