//! Whether a file is what a validator, an index and a replay can use.
//!
//! Knows what each of several validators passes over. Invariants: a file is read once, record by record; after what cannot be
//! gone on from no record is looked at.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

use super::date::is_date;
use super::digest::{Digest, says};
use super::http_head::{end_of_head, faults_of};
use super::reader::{Head, Records, invalid, read_head};
use crate::limits;

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it begins, in bytes of the file.
    pub offset: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.what)
    }
}

/// What was found in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Records, whole ones.
    pub records: u64,
    /// Those of them with a digest of an algorithm that is not known here (SHA-1 alone is), which so was not compared.
    pub uncompared: u64,
    /// What is wrong, in order: of each record the first [`limits::WARC_FAULTS`].
    pub faults: Vec<Fault>,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Checks a file: that it is records to its end, each a gzip member by itself (or none compressed); the fields that a record must have;
/// digests of blocks and payloads, which each response has both; that heads of HTTP are true of the bodies behind them, and no transfer coding
/// is left.
///
/// # Errors
///
/// The file cannot be read.
pub fn check(path: &Path) -> io::Result<Checked> {
    let mut records = Records::open(path)?;
    let mut checked = Checked::default();
    let mut ids = HashSet::new();
    while !records.is_at_end()? {
        let offset = records.at();
        let mut fault = |what: String| checked.faults.push(Fault { offset, what });
        match records.read_one(read_record) {
            Ok((record, rest)) => {
                record.faults.into_iter().take(limits::WARC_FAULTS).for_each(&mut fault);
                if rest > 0 {
                    fault(format!("{rest} bytes follow it in the same gzip member"));
                }
                if !ids.insert(record.id) {
                    fault("another record has its id".to_owned());
                }
                checked.records += 1;
                checked.uncompared += u64::from(record.is_uncompared);
            }
            Err(error) => {
                let is_of_file = !matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData
                        | io::ErrorKind::InvalidInput
                        | io::ErrorKind::UnexpectedEof
                );
                if is_of_file {
                    return Err(error);
                }
                fault(format!("no whole record: {error}"));
                break;
            }
        }
    }
    Ok(checked)
}

#[derive(Default)]
struct Record {
    id: String,
    faults: Vec<String>,
    is_uncompared: bool,
}

/// What there is of a block.
struct Block {
    digest: String,
    /// Of HTTP: its head, and the digest and length of what follows.
    http: Option<(Vec<u8>, String, u64)>,
}

fn read_record(input: &mut dyn BufRead) -> io::Result<Record> {
    let head = read_head(input)?;
    if !matches!(head.version.as_str(), "WARC/1.0" | "WARC/1.1") {
        return Err(invalid("it does not begin with WARC/1.1 or WARC/1.0"));
    }
    let length = head.length().ok_or_else(|| invalid("a record has no Content-Length"))?;
    let is_http =
        head.field("content-type").is_some_and(|value| value.starts_with("application/http"));
    let block = read_block(input, length, is_http)?;
    let mut end = [0; 4];
    input.read_exact(&mut end)?;
    if end != *b"\r\n\r\n" {
        return Err(invalid("its block does not end where its Content-Length says"));
    }
    let mut record = Record {
        id: head.field("warc-record-id").unwrap_or_default().to_owned(),
        ..Record::default()
    };
    check_fields(&head, &mut record);
    check_digests(&head, &block, &mut record);
    if let Some((http, _, length)) = &block.http {
        let is_kept_whole = head.field("warc-type") != Some("revisit");
        record.faults.extend(faults_of(http, *length).filter(|_| is_kept_whole));
    } else if is_http {
        record.faults.push("its block has no head of HTTP".to_owned());
    }
    Ok(record)
}

fn read_block(input: &mut dyn BufRead, length: u64, is_http: bool) -> io::Result<Block> {
    let mut block = input.take(length);
    let mut begin = Vec::new();
    if is_http {
        block.by_ref().take(limits::WARC_HTTP_HEAD).read_to_end(&mut begin)?;
    }
    let head = end_of_head(&begin);
    let (mut whole, mut payload) = (Digest::default(), Digest::default());
    whole.update(&begin);
    payload.update(&begin[head.unwrap_or(0)..]);
    let mut read = begin.len() as u64;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = block.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        read += count as u64;
        whole.update(&buffer[..count]);
        payload.update(&buffer[..count]);
    }
    if read < length {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut short"));
    }
    let http = head.map(|end| (begin[..end].to_vec(), payload.finish(), length - end as u64));
    Ok(Block { digest: whole.finish(), http })
}

fn check_fields(head: &Head, record: &mut Record) {
    for name in ["WARC-Type", "WARC-Record-ID", "WARC-Date"] {
        if head.field(name).is_none() {
            record.faults.push(format!("it has no {name}"));
        }
    }
    let id = &record.id;
    let is_uri = id.starts_with('<') && id.ends_with('>') && id.contains(':');
    if !id.is_empty() && !is_uri {
        record.faults.push(format!("its id is no URI in angle brackets: {id}"));
    }
    if let Some(date) = head.field("warc-date")
        && !is_date(date)
    {
        record.faults.push(format!("its date is none: {date}"));
    }
    let kind = head.field("warc-type").unwrap_or_default();
    if matches!(kind, "response" | "request" | "resource" | "revisit" | "metadata" | "conversion")
        && head.field("warc-target-uri").is_none()
        && kind != "metadata"
    {
        record.faults.push("it has no WARC-Target-URI".to_owned());
    }
    if kind == "revisit" && head.field("warc-profile").is_none() {
        record.faults.push("a revisit has no WARC-Profile".to_owned());
    }
}

fn check_digests(head: &Head, block: &Block, record: &mut Record) {
    let kind = head.field("warc-type").unwrap_or_default();
    let mut compare = |name: &str, own: Option<&str>, is_wanted: bool| match (head.field(name), own)
    {
        (None, _) if is_wanted => record.faults.push(format!("it has no {name}")),
        (Some(field), Some(own)) => match says(field, own) {
            Some(true) => {}
            Some(false) => {
                record.faults.push(format!("its {name} is {field}, and it comes to {own}"))
            }
            None => record.is_uncompared = true,
        },
        (None | Some(_), _) => {}
    };
    compare(
        "WARC-Block-Digest",
        Some(&block.digest),
        matches!(kind, "response" | "request" | "revisit" | "resource"),
    );
    // a revisit's is of a payload that is elsewhere
    let payload =
        block.http.as_ref().map(|(_, digest, _)| digest.as_str()).filter(|_| kind == "response");
    compare("WARC-Payload-Digest", payload, matches!(kind, "response" | "revisit"));
}
