//! From a block to field lines (RFC 7541, 3 and 6).
//!
//! Knows representations. Must not know what a list of fields is for. Invariants: every field of a block goes into the table
//! that has to, also where nobody wants its line; what is decoded of strings has room for their bytes alone.

use super::HpackFault;
use super::kind::NameKind;
use super::lines::{END, Line, Lines, SEPARATOR};
use super::table::Table;
use super::{INITIAL_TABLE, fixed, huffman, integer};

/// The receiving side of a connection's compression.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What was announced to the peer.
    announced: usize,
    /// A field of the present block has been decoded.
    in_fields: bool,
}

/// What came next in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A field, whose line stands last.
    Line(Line),
    /// A field with which the list is over its limit. Its line is not kept.
    Over,
    /// The end.
    End,
}

impl Decoder {
    /// With a table of so many bytes, which is what the peer is told.
    pub fn new(announced: usize) -> Decoder {
        let announced = announced.min(MOST_ANNOUNCED);
        // a larger one is used when a block says so (RFC 7541, 4.2)
        Decoder { table: Table::new(announced.min(INITIAL_TABLE)), announced, in_fields: false }
    }

    /// A block begins.
    pub fn begin(&mut self) {
        self.in_fields = false;
    }

    /// Decodes the next field of a block, and takes it from there.
    pub fn next(&mut self, block: &mut &[u8], lines: &mut Lines) -> Result<Field, HpackFault> {
        loop {
            let Some(&first) = block.first() else { return Ok(Field::End) };
            if first & 0xe0 == 0x20 {
                self.resize(block)?;
                continue;
            }
            self.in_fields = true;
            return match first {
                0x80.. => self.indexed(block, lines),
                0x40..0x80 => self.literal(block, 6, lines),
                _ => self.literal(block, 4, lines),
            };
        }
    }

    /// RFC 7541, 4.2 and 6.3.
    fn resize(&mut self, block: &mut &[u8]) -> Result<(), HpackFault> {
        let size = integer::decode(block, 5)?;
        if self.in_fields {
            return Err(HpackFault::LateTableSize);
        }
        if size > self.announced {
            return Err(HpackFault::TableTooLarge(size));
        }
        self.table.set_max(size);
        Ok(())
    }

    /// RFC 7541, 6.1.
    fn indexed(&mut self, block: &mut &[u8], lines: &mut Lines) -> Result<Field, HpackFault> {
        let index = integer::decode(block, 7)?;
        let at = lines.end();
        if let Some(nth) = index.checked_sub(fixed::FIELDS.len() + 1) {
            let (entry, text) = self.table.get(nth).ok_or(HpackFault::BadIndex(index))?;
            let (name, value) = (entry.name(), entry.value());
            if !lines.admit(name + value) {
                return Ok(Field::Over);
            }
            lines.push(text);
            return Ok(Field::Line(Line {
                at,
                name,
                value,
                kind: entry.kind,
                is_value: entry.is_value,
            }));
        }
        let nth = index.checked_sub(1).ok_or(HpackFault::BadIndex(index))?;
        let (name, value) = fixed::FIELDS[nth];
        if !lines.admit(name.len() + value.len()) {
            return Ok(Field::Over);
        }
        for bytes in [name.as_bytes(), SEPARATOR, value.as_bytes(), END] {
            lines.push(bytes);
        }
        let (name, value, kind) = (name.len(), value.len(), fixed::kind(index));
        Ok(Field::Line(Line { at, name, value, kind, is_value: true }))
    }

    /// RFC 7541, 6.2: with the index of its name in `prefix` bits, of which six are those of a field that goes into the table.
    fn literal(
        &mut self,
        block: &mut &[u8],
        prefix: u32,
        lines: &mut Lines,
    ) -> Result<Field, HpackFault> {
        let at = lines.end();
        let (name, kind) = self.name(block, prefix, lines)?;
        let value_at = name + SEPARATOR.len();
        lines.room(value_at)[name..value_at].copy_from_slice(SEPARATOR);
        let value = string(block, lines, value_at)?;
        let (end, len) = (value_at + value.len, value_at + value.len + END.len());
        let text = lines.room(len);
        text[end..len].copy_from_slice(END);
        let line = Line { at, name, value: value.len, kind, is_value: value.is_value };
        if prefix == 6 {
            self.table.insert(&line, &text[..len]);
        }
        if !lines.admit(name + line.value) {
            return Ok(Field::Over);
        }
        lines.keep(len);
        Ok(Field::Line(line))
    }

    /// Writes a literal's name to the end of the lines, and says how long it is and what it means.
    fn name(
        &mut self,
        block: &mut &[u8],
        prefix: u32,
        lines: &mut Lines,
    ) -> Result<(usize, NameKind), HpackFault> {
        let index = integer::decode(block, prefix)?;
        if index == 0 {
            let name = string(block, lines, 0)?;
            return Ok((name.len, NameKind::of(&lines.room(name.len)[..name.len])));
        }
        let (name, kind) = match index.checked_sub(fixed::FIELDS.len() + 1) {
            None => (fixed::FIELDS[index - 1].0.as_bytes(), fixed::kind(index)),
            Some(nth) => {
                let (entry, text) = self.table.get(nth).ok_or(HpackFault::BadIndex(index))?;
                (&text[..entry.name()], entry.kind)
            }
        };
        lines.room(name.len())[..name.len()].copy_from_slice(name);
        Ok((name.len(), kind))
    }
}

/// Decodes a string literal (RFC 7541, 5.2), to so many bytes after the end of the lines.
fn string(
    block: &mut &[u8],
    lines: &mut Lines,
    after: usize,
) -> Result<huffman::Decoded, HpackFault> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::decode(block, 7)?;
    let (text, rest) = block.split_at_checked(len).ok_or(HpackFault::Truncated)?;
    *block = rest;
    if is_coded {
        return huffman::decode(text, &mut lines.room(after + huffman::room(len))[after..]);
    }
    lines.room(after + len)[after..after + len].copy_from_slice(text);
    Ok(huffman::Decoded { len, is_value: is_value(text) })
}

/// Whether there is no NUL, CR or LF.
fn is_value(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    // a word that has a byte below 14 is looked at byte by byte: but for a tab, no value has one
    words
        .iter()
        .all(|word| !has_less_than_14(u64::from_ne_bytes(*word)) || word.iter().all(is_value_byte))
        && rest.iter().all(is_value_byte)
}

fn is_value_byte(byte: &u8) -> bool {
    !matches!(byte, 0 | b'\r' | b'\n')
}

fn has_less_than_14(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    word.wrapping_sub(ONES * 14) & !word & (ONES * 0x80) != 0
}

/// The largest table that can be announced: lengths of its fields have 16 bits.
const MOST_ANNOUNCED: usize = u16::MAX as usize;
