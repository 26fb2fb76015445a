//! Reads files record by record.
//!
//! Knows gzip members and record heads. Invariants: no more of a record is in memory than its head; what is no record is told
//! with where it stands.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::limits;

/// The records of a file.
pub(super) struct Records {
    input: Counted,
    is_gzip: bool,
}

/// The fields of a record's head.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) version: String,
    fields: Vec<(String, String)>,
}

impl Head {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Its Content-Length.
    pub(super) fn length(&self) -> Option<u64> {
        self.field("content-length")?.parse().ok()
    }
}

impl Records {
    pub(super) fn open(path: &Path) -> io::Result<Records> {
        let mut input =
            Counted { input: BufReader::with_capacity(64 * 1024, File::open(path)?), read: 0 };
        let is_gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        Ok(Records { input, is_gzip })
    }

    /// Where the next record begins.
    pub(super) fn at(&self) -> u64 {
        self.input.read
    }

    /// Whether there is no further one.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.input.fill_buf()?.is_empty())
    }

    /// Has `read` read the next record, whose gzip member ends where it does; the rest of that is passed over, and counted.
    pub(super) fn read_one<T>(
        &mut self,
        read: impl FnOnce(&mut dyn BufRead) -> io::Result<T>,
    ) -> io::Result<(T, u64)> {
        if !self.is_gzip {
            return Ok((read(&mut self.input)?, 0));
        }
        let mut member = BufReader::new(GzDecoder::new(&mut self.input));
        let result = read(&mut member)?;
        let rest = io::copy(&mut member, &mut io::sink())?;
        Ok((result, rest))
    }
}

/// The head of a record, up to its empty line.
pub(super) fn read_head(input: &mut dyn BufRead) -> io::Result<Head> {
    let mut head = Head::default();
    let mut room = limits::WARC_HEAD;
    loop {
        let mut line = Vec::new();
        let read = (&mut *input).take(room).read_until(b'\n', &mut line)?;
        room -= read as u64;
        let Some(line) = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")) else {
            return Err(invalid("a record's head does not end"));
        };
        let line = String::from_utf8_lossy(line).into_owned();
        match line.split_once(':') {
            _ if head.version.is_empty() => head.version = line,
            _ if line.is_empty() => return Ok(head),
            Some((name, value)) => {
                head.fields.push((name.trim().to_owned(), value.trim().to_owned()))
            }
            None => return Err(invalid("a line of a record's head is no field")),
        }
    }
}

pub(super) fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Cuts a file back to the end of its last whole record, and returns how long it is then. Whatever wrote it was ended within one.
///
/// # Errors
///
/// The file cannot be read or cut.
pub fn cut_back(path: &Path) -> io::Result<u64> {
    let mut records = Records::open(path)?;
    let mut whole = 0;
    while !records.is_at_end()? {
        let passed = records.read_one(|input| {
            let head = read_head(input)?;
            let length = head.length().ok_or_else(|| invalid("a record has no length"))?;
            let read = io::copy(&mut input.take(length + 4), &mut io::sink())?;
            if read < length + 4 { Err(invalid("a record is cut short")) } else { Ok(()) }
        });
        if passed.is_err() {
            break;
        }
        whole = records.at();
    }
    OpenOptions::new().write(true).open(path)?.set_len(whole)?;
    Ok(whole)
}

/// A file that counts what was taken of it.
struct Counted {
    input: BufReader<File>,
    read: u64,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.read += amount as u64;
        self.input.consume(amount);
    }
}
