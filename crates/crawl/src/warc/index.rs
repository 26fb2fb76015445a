//! An index of WARC files: CDXJ, a line for each record that can be replayed, in the order of the keys of their URLs.
//!
//! Knows records and heads of HTTP, and what cdxj-indexer makes of them: the lines are those of its `--sort`. Invariant: however many lines there are, so many
//! bytes of them are in memory, and the rest is in files without a name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::http_head::{end_of_head, status_and_type};
use super::reader::{Head, Records, invalid, read_head};
use super::surt::surt;
use crate::limits;

/// Writes the index of these files.
///
/// Of each record are said its URL, what it is (`warc/revisit` of a revisit), its status, the digest of its payload, its length and place, and the name of its file.
/// Records that are of no use by themselves (requests, warcinfo, metadata in fields) have no line.
///
/// # Errors
///
/// A file cannot be read, or is none of records to its end; the index cannot be written.
pub fn index(files: &[PathBuf], out: &mut dyn Write) -> io::Result<u64> {
    index_and_tell(files, out, |_| Ok(()))
}

/// The same, and hands out each record.
pub(super) fn index_and_tell(
    files: &[PathBuf],
    out: &mut dyn Write,
    mut tell: impl FnMut(&Entry) -> io::Result<()>,
) -> io::Result<u64> {
    let mut lines = Lines::within(limits::INDEX_MEMORY);
    for path in files {
        entries(path, |entry| {
            tell(&entry)?;
            lines.push(entry.line()?)
        })?;
    }
    lines.write(out)
}

/// A record that can be replayed.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: String,
    pub(super) url: String,
    pub(super) date: String,
    pub(super) mime: Option<String>,
    pub(super) status: Option<String>,
    digest: Option<String>,
    pub(super) id: String,
    offset: u64,
    length: u64,
    file: String,
}

/// What a line has behind key and date.
#[derive(Serialize)]
struct Fields<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    length: &'a str,
    offset: &'a str,
    filename: &'a str,
}

impl Entry {
    fn line(&self) -> io::Result<String> {
        let fields = Fields {
            url: &self.url,
            mime: self.mime.as_deref(),
            status: self.status.as_deref(),
            digest: self.digest.as_deref(),
            length: &self.length.to_string(),
            offset: &self.offset.to_string(),
            filename: &self.file,
        };
        let mut line = format!("{} {} ", surt(&self.url), digits(&self.date)).into_bytes();
        fields.serialize(&mut Serializer::with_formatter(&mut line, AsPython))?;
        line.push(b'\n');
        String::from_utf8(line).map_err(|_| invalid("a line is no text"))
    }
}

/// Hands out the records of a file that can be replayed.
fn entries(path: &Path, mut take: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let own =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut records = Records::open(path).map_err(own)?;
    while !records.is_at_end().map_err(own)? {
        let offset = records.at();
        let (entry, _) = records.read_one(read_entry).map_err(own)?;
        if let Some(entry) = entry {
            let length = records.at() - offset;
            take(Entry { offset, length, file: file.clone(), ..entry })?;
        }
    }
    Ok(())
}

fn read_entry(input: &mut dyn BufRead) -> io::Result<Option<Entry>> {
    let head = read_head(input)?;
    let length = head.length().ok_or_else(|| invalid("a record has no Content-Length"))?;
    let mut block = (&mut *input).take(length);
    let entry = entry_of(&head, &mut block)?;
    io::copy(&mut block, &mut io::sink())?;
    input.read_exact(&mut [0; 4])?;
    Ok(entry)
}

fn entry_of(head: &Head, block: &mut impl BufRead) -> io::Result<Option<Entry>> {
    let field = |name: &str| head.field(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let kind = field("warc-type").unwrap_or_default();
    let media = field("content-type");
    let is_replayed = match &*kind {
        "response" | "revisit" => true,
        "resource" | "metadata" => media.as_deref() != Some("application/warc-fields"),
        _ => false,
    };
    let (Some(url), Some(date), true) = (field("warc-target-uri"), field("warc-date"), is_replayed)
    else {
        return Ok(None);
    };
    // as wget has it
    let inner = url.strip_prefix('<').and_then(|url| url.strip_suffix('>'));
    let url = inner.unwrap_or(&url).to_owned();
    let is_http = media.as_deref().is_some_and(|media| media.starts_with("application/http"));
    let begin = if is_http { read_http_head(block)? } else { Vec::new() };
    let (status, sent) = status_and_type(&begin);
    let mime = match &*kind {
        "revisit" => Some("warc/revisit".to_owned()),
        "response" => sent,
        _ => media,
    };
    let mime = mime.and_then(|mime| {
        let end = mime.find(|char: char| char == ';' || char.is_whitespace());
        Some(mime[..end.unwrap_or(mime.len())].to_owned()).filter(|mime| !mime.is_empty())
    });
    let digest = field("warc-payload-digest");
    let id = field("warc-record-id").unwrap_or_default();
    let (offset, length, file) = (0, 0, String::new());
    Ok(Some(Entry { kind, url, date, mime, status, digest, id, offset, length, file }))
}

/// The beginning of a block, as far as its head goes at least.
fn read_http_head(block: &mut impl BufRead) -> io::Result<Vec<u8>> {
    const PIECE: u64 = 8 * 1024;
    let mut begin = Vec::new();
    while end_of_head(&begin).is_none() && (begin.len() as u64) < limits::WARC_HTTP_HEAD {
        if block.by_ref().take(PIECE).read_to_end(&mut begin)? == 0 {
            break;
        }
    }
    let end = end_of_head(&begin).unwrap_or(0);
    begin.truncate(end);
    Ok(begin)
}

/// The date of a record without its signs, to the second.
fn digits(date: &str) -> String {
    date.chars().filter(char::is_ascii_digit).take(14).collect()
}

/// Lines to be sorted.
struct Lines {
    lines: Vec<String>,
    bytes: usize,
    most: usize,
    /// Sorted ones.
    runs: Vec<BufReader<File>>,
}

impl Lines {
    /// With so many bytes of them in memory.
    fn within(most: usize) -> Lines {
        Lines { lines: Vec::new(), bytes: 0, most, runs: Vec::new() }
    }

    fn push(&mut self, line: String) -> io::Result<()> {
        self.bytes += line.len() + size_of::<String>();
        self.lines.push(line);
        if self.bytes > self.most { self.put_away() } else { Ok(()) }
    }

    fn put_away(&mut self) -> io::Result<()> {
        self.lines.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for line in self.lines.drain(..) {
            run.write_all(line.as_bytes())?;
        }
        let mut run = run.into_inner()?;
        run.rewind()?;
        self.runs.push(BufReader::new(run));
        self.bytes = 0;
        Ok(())
    }

    /// Writes them, each once. Returns how many there are.
    fn write(mut self, out: &mut dyn Write) -> io::Result<u64> {
        if self.runs.is_empty() {
            self.lines.sort_unstable();
            self.lines.dedup();
            self.lines.iter().try_for_each(|line| out.write_all(line.as_bytes()))?;
            return Ok(self.lines.len() as u64);
        }
        self.put_away()?;
        let mut first = BinaryHeap::new();
        for at in 0..self.runs.len() {
            first.extend(self.next_of(at)?);
        }
        let (mut count, mut last) = (0, String::new());
        while let Some(Reverse((line, at))) = first.pop() {
            first.extend(self.next_of(at)?);
            if line != last {
                out.write_all(line.as_bytes())?;
                (count, last) = (count + 1, line);
            }
        }
        Ok(count)
    }

    fn next_of(&mut self, run: usize) -> io::Result<Option<Reverse<(String, usize)>>> {
        let mut line = String::new();
        let read = self.runs[run].read_line(&mut line)?;
        Ok((read > 0).then_some(Reverse((line, run))))
    }
}

/// JSON as Python writes it: with blanks behind signs, and in ASCII.
struct AsPython;

impl Formatter for AsPython {
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for char in fragment.chars() {
            if matches!(char, ' '..='~') {
                out.write_all(&[u8::try_from(char).unwrap_or(b'?')])?;
                continue;
            }
            for unit in char.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_however_little_memory_there_is() {
        let line = |number: u32| format!("{} x\n", number * 7_919 % 1_000);
        let mut expected: Vec<_> = (0..1_000).map(line).collect();
        expected.sort_unstable();
        for most in [0, 500, 1 << 20] {
            let mut lines = Lines::within(most);
            // each twice
            (0..2_000).for_each(|number| lines.push(line(number)).unwrap());
            let mut out = Vec::new();
            assert_eq!(lines.write(&mut out).unwrap(), 1_000);
            assert_eq!(String::from_utf8(out).unwrap(), expected.concat(), "{most}");
        }
    }

    #[test]
    fn brackets_are_no_part_of_a_url() {
        let head = b"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Date: 2026-12-01T04:05:06Z\r\nWARC-Target-URI: <http://a/x>\r\n\r\n";
        let entry = entry_of(&read_head(&mut &head[..]).unwrap(), &mut io::empty()).unwrap();
        assert_eq!(entry.unwrap().url, "http://a/x");
    }

    #[test]
    fn json_is_as_python_writes_it() {
        let entry = Entry {
            kind: "response".to_owned(),
            url: "http://a/\u{e9}\u{1f600}\"\u{7f}\n".to_owned(),
            date: "2026-12-01T04:05:06.789Z".to_owned(),
            mime: None,
            status: Some("200".to_owned()),
            digest: None,
            id: String::new(),
            offset: 7,
            length: 9,
            file: "f".to_owned(),
        };
        assert_eq!(
            entry.line().unwrap(),
            "a)/%c3%a9%f0%9f%98%80\"%7f 20261201040506 {\"url\": \"http://a/\\u00e9\\ud83d\\ude00\\\"\\u007f\\n\", \"status\": \"200\", \"length\": \"9\", \"offset\": \"7\", \"filename\": \"f\"}\n"
        );
    }
}
