//! Writes exchanges to files.
//!
//! Knows records, names of files and what a crash leaves of them. Invariants: a member is written with one call, and never without its
//! end being counted; what is beyond the position that is handed back to [`Writer::open`] is cut away before anything is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha1::{Digest as _, Sha1};

use super::date::{date, digits};
use super::digest::Digest;
use super::http_head::kept_head;
use super::record::{Gzip, Record};

/// Where files go, and what they say of who wrote them.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// The folder. It is made if it is not there.
    pub folder: PathBuf,
    /// What names of files begin with.
    pub prefix: String,
    /// Bytes after which another file is begun.
    pub max_bytes: u64,
    /// Fields of the warcinfo that each file begins with, `software` and the like.
    pub info: Vec<(String, String)>,
    /// What ids of records are made from: any bytes that nobody else has.
    pub seed: [u8; 16],
}

/// How far files are whole: the file that is being written, and its length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// The name of the file in its folder; empty before the first.
    pub file: String,
    /// Bytes of it.
    pub length: u64,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// Its date.
    pub date: String,
    /// The digest of the payload, or of the one that it is the same as.
    pub payload_digest: String,
    /// The name of the file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
}

/// A request and its response, to be kept.
#[derive(Debug, Clone)]
pub struct Exchange<'a> {
    /// What was asked for.
    pub url: &'a str,
    /// When.
    pub date: SystemTime,
    /// The address that answered.
    pub address: Option<IpAddr>,
    /// The head of the request, as it was sent.
    pub request: &'a [u8],
    /// The head of the response, as it came.
    pub head: &'a [u8],
    /// Its body, without transfer coding, with its content coding.
    pub body: &'a [u8],
    /// Why there is no more of the body, if there was.
    pub truncated: Option<Truncated>,
    /// What is known about it beside, for a metadata record.
    pub metadata: &'a [(&'a str, String)],
    /// An earlier record with the same payload, if there is one: a revisit is written then.
    pub original: Option<&'a Original>,
}

/// Why a body is not whole (WARC 1.1, 5.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncated {
    /// It was longer than wanted.
    Length,
    /// It took too long.
    Time,
    /// The connection ended.
    Disconnect,
}

impl Truncated {
    /// The name, as WARC has it.
    pub fn name(self) -> &'static str {
        match self {
            Truncated::Length => "length",
            Truncated::Time => "time",
            Truncated::Disconnect => "disconnect",
        }
    }
}

/// A record that has the payload of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Of which URL.
    pub url: String,
    /// Of when, as WARC has it.
    pub date: String,
    /// How that is known.
    pub same: Same,
}

/// How it is known that a payload is that of another record (WARC 1.1, 6.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Same {
    /// It has the same digest.
    Payload,
    /// The server says so (304), and has sent none: this is the digest of that one.
    Unmodified(String),
}

impl Same {
    fn profile(&self) -> &'static str {
        match self {
            Same::Payload => "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest",
            Same::Unmodified(_) => "http://netpreserve.org/warc/1.1/revisit/server-not-modified",
        }
    }
}

/// Writes records to files of a folder, one after the other.
pub struct Writer {
    config: WriterConfig,
    file: Option<File>,
    position: Position,
    gzip: Gzip,
    ids: u64,
    files: u64,
}

impl Writer {
    /// Goes on from `position`, of an earlier writer of this folder: what is beyond it, in that file and in later ones, goes. With the
    /// default one, everything of this prefix goes.
    ///
    /// # Errors
    ///
    /// The folder or a file cannot be had, or the file is shorter than it was.
    pub fn open(config: WriterConfig, position: &Position) -> io::Result<Writer> {
        fs::create_dir_all(&config.folder)?;
        for name in names(&config)?.into_iter().filter(|name| *name > position.file) {
            fs::remove_file(config.folder.join(name))?;
        }
        let mut writer = Writer {
            config,
            file: None,
            position: position.clone(),
            gzip: Gzip::default(),
            ids: 0,
            files: 0,
        };
        if !position.file.is_empty() {
            let path = writer.config.folder.join(&position.file);
            let file = OpenOptions::new().append(true).open(&path)?;
            if file.metadata()?.len() < position.length {
                let why = format!("{} is shorter than it was", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            file.set_len(position.length)?;
            writer.files = number_in(&position.file).map_or(0, |number| number + 1);
            writer.file = Some(file);
        }
        Ok(writer)
    }

    /// Writes the records of one exchange: the response or a revisit, the request, metadata.
    ///
    /// # Errors
    ///
    /// They cannot be written. What there is of them is cut away when the writer is opened again.
    pub fn write(&mut self, exchange: &Exchange<'_>) -> io::Result<Place> {
        self.ready(exchange.date)?;
        let when = date(exchange.date);
        let payload_digest = match exchange.original.map(|original| &original.same) {
            Some(Same::Unmodified(digest)) => digest.clone(),
            Some(Same::Payload) | None => Digest::of(exchange.body),
        };
        let [id, request, metadata] = [self.id(), self.id(), self.id()];
        let place = Place {
            id: id.clone(),
            date: when.clone(),
            payload_digest: payload_digest.clone(),
            file: self.position.file.clone(),
            offset: self.position.length,
        };
        let of = |kind: &str, id: &str| {
            Record::new(kind, id, &when).field("WARC-Target-URI", exchange.url)
        };
        let kind = if exchange.original.is_some() { "revisit" } else { "response" };
        let mut record = of(kind, &id)
            .field("Content-Type", "application/http; msgtype=response")
            .field("WARC-Payload-Digest", &payload_digest);
        if let Some(address) = exchange.address {
            record = record.field("WARC-IP-Address", &address.to_string());
        }
        if let Some(truncated) = exchange.truncated {
            record = record.field("WARC-Truncated", truncated.name());
        }
        let head = kept_head(exchange.head, exchange.body.len());
        let response = match exchange.original {
            None => record.member(&[&head, exchange.body], &mut self.gzip)?,
            Some(original) => record
                .field("WARC-Profile", original.same.profile())
                .field("WARC-Refers-To-Target-URI", &original.url)
                .field("WARC-Refers-To-Date", &original.date)
                .member(&[&head], &mut self.gzip)?,
        };
        let request = of("request", &request)
            .field("Content-Type", "application/http; msgtype=request")
            .field("WARC-Concurrent-To", &id)
            .member(&[exchange.request], &mut self.gzip)?;
        let fields = warc_fields(exchange.metadata.iter().map(|(name, value)| (*name, &**value)));
        let metadata = of("metadata", &metadata)
            .field("Content-Type", "application/warc-fields")
            .field("WARC-Concurrent-To", &id)
            .member(&[&fields], &mut self.gzip)?;
        self.append(&[response, request, metadata].concat())?;
        Ok(place)
    }

    /// How far files are whole.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Has the disk have all that was written (fdatasync(2)): what [`Writer::position`] says then holds through a crash of the machine.
    ///
    /// # Errors
    ///
    /// The disk does not have it.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// A file that has room, with its warcinfo.
    fn ready(&mut self, now: SystemTime) -> io::Result<()> {
        if self.file.is_some() && self.position.length < self.config.max_bytes {
            return Ok(());
        }
        self.sync()?;
        let name = format!("{}-{:06}-{}.warc.gz", self.config.prefix, self.files, digits(now));
        let path = self.config.folder.join(&name);
        self.file = Some(OpenOptions::new().create_new(true).append(true).open(&path)?);
        // its name, too
        File::open(&self.config.folder)?.sync_all()?;
        self.files += 1;
        self.position = Position { file: name.clone(), length: 0 };
        let format = [
            ("format", "WARC File Format 1.1"),
            (
                "conformsTo",
                "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
            ),
        ];
        let own = self.config.info.iter().map(|(name, value)| (&**name, &**value));
        let fields = warc_fields(own.chain(format));
        let info = Record::new("warcinfo", &self.id(), &date(now))
            .field("WARC-Filename", &name)
            .field("Content-Type", "application/warc-fields")
            .member(&[&fields], &mut self.gzip)?;
        self.append(&info)
    }

    fn append(&mut self, members: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(members)?;
            self.position.length += members.len() as u64;
        }
        Ok(())
    }

    /// Another id: a UUID of a name (RFC 9562, 5.5), which is the seed and a count.
    fn id(&mut self) -> String {
        self.ids += 1;
        let mut name = Sha1::new();
        name.update(self.config.seed);
        name.update(&self.position.file);
        name.update(self.position.length.to_be_bytes());
        name.update(self.ids.to_be_bytes());
        let hash = name.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x50;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        format!("<urn:uuid:{}>", parts.join("-"))
    }
}

/// The files of this prefix, in no order.
fn names(config: &WriterConfig) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&config.folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(&config.prefix).and_then(|rest| rest.strip_prefix('-'));
        if rest.is_some() && Path::new(&name).extension().is_some_and(|extension| extension == "gz")
        {
            names.push(name);
        }
    }
    Ok(names)
}

fn number_in(file: &str) -> Option<u64> {
    file.rsplit('-').nth(1)?.parse().ok()
}

fn warc_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let line = |(name, value): (&str, &str)| {
        let value: String = value.chars().filter(|char| !char.is_control()).collect();
        format!("{name}: {value}\r\n")
    };
    fields.map(line).collect::<String>().into_bytes()
}
