//! WACZ 1.1.1: WARC files with an index of them and a list of their pages, as one ZIP file that a replay reads in place.
//!
//! Knows names of entries, and what a data package says of them. Must not know ZIP, nor records. Invariants: what is in the archive is stored as it is; the
//! file has its name when it is whole.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::date::date;
use super::index::{Entry, index_and_tell};

/// What a WACZ file says of itself.
#[derive(Debug, Clone)]
pub struct WaczConfig {
    /// What is in it; none unless set.
    pub title: Option<String>,
    /// Who has made it.
    pub software: String,
    /// When.
    pub created: SystemTime,
}

/// The first line of a list of pages.
const LIST: &str = "{\"format\":\"json-pages-1.0\",\"id\":\"pages\",\"title\":\"Pages\"}\n";

/// What was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Lines of the index.
    pub records: u64,
    /// Pages that are listed: HTML that was answered with 200.
    pub pages: u64,
}

#[derive(Serialize)]
struct Package<'a> {
    profile: &'static str,
    wacz_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    software: &'a str,
    created: String,
    resources: Vec<Resource>,
}

/// A file of the package.
#[derive(Serialize)]
struct Resource {
    name: String,
    path: String,
    hash: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Page<'a> {
    id: &'a str,
    url: &'a str,
    ts: &'a str,
}

/// Packs WARC files into one file, which is not there before.
///
/// # Errors
///
/// A file cannot be read, is none of records to its end, or has the name of another one; the package cannot be written, or there is a file of its name.
pub fn pack(files: &[PathBuf], out: &Path, config: &WaczConfig) -> io::Result<Packed> {
    if out.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    // as any file that is made, and not as one that is nobody else's
    let usual = Permissions::from_mode(0o666);
    let whole = tempfile::Builder::new()
        .permissions(usual)
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    let mut index = tempfile::tempfile()?;
    let mut list = BufWriter::new(tempfile::tempfile()?);
    list.write_all(LIST.as_bytes())?;
    let mut pages = 0;
    let mut lines = BufWriter::new(&mut index);
    let records = index_and_tell(files, &mut lines, |entry| {
        let is_page = is_page(entry);
        pages += u64::from(is_page);
        if is_page { write_page(&mut list, entry) } else { Ok(()) }
    })?;
    lines.flush()?;
    drop(lines);
    let list = list.into_inner()?;
    let mut package = Writer { zip: ZipWriter::new(whole), resources: Vec::new() };
    let mut names = HashSet::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !names.insert(name.clone()) {
            return Err(io::Error::other(format!("two files are called {name}")));
        }
        package.add(&format!("archive/{name}"), File::open(path)?)?;
    }
    package.add("indexes/index.cdx", index)?;
    package.add("pages/pages.jsonl", list)?;
    let whole = package.end(config)?;
    whole.as_file().sync_all()?;
    whole.persist_noclobber(out).map_err(|error| error.error)?;
    Ok(Packed { records, pages })
}

fn is_page(entry: &Entry) -> bool {
    let is_html = matches!(entry.mime.as_deref(), Some("text/html" | "application/xhtml+xml"));
    entry.kind == "response" && entry.status.as_deref() == Some("200") && is_html
}

fn write_page(mut list: impl Write, entry: &Entry) -> io::Result<()> {
    let id = entry.id.trim_matches(['<', '>']);
    serde_json::to_writer(&mut list, &Page { id, url: &entry.url, ts: &entry.date })?;
    list.write_all(b"\n")
}

struct Writer<W: Write + Seek> {
    zip: ZipWriter<W>,
    resources: Vec<Resource>,
}

impl<W: Write + Seek> Writer<W> {
    /// A file from its beginning on.
    fn add(&mut self, path: &str, mut file: File) -> io::Result<()> {
        file.rewind()?;
        let bytes = file.metadata()?.len();
        let (read, hash) = self.put(path, bytes, &mut BufReader::new(file))?;
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        self.resources.push(Resource { name, path: path.to_owned(), hash, bytes: read });
        Ok(())
    }

    /// Stores what is read, of `bytes` bytes. Returns how many these were, and their digest.
    fn put(&mut self, path: &str, bytes: u64, input: &mut dyn Read) -> io::Result<(u64, String)> {
        let is_large = bytes >= u64::from(u32::MAX);
        let stored = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(is_large);
        self.zip.start_file(path, stored)?;
        let (mut hash, mut piece, mut read) = (Sha256::new(), vec![0; 64 * 1024], 0);
        loop {
            let length = input.read(&mut piece)?;
            if length == 0 {
                break;
            }
            read += length as u64;
            hash.update(&piece[..length]);
            self.zip.write_all(&piece[..length])?;
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((read, format!("sha256:{hex}")))
    }

    /// Says what there is, and with which digest.
    fn end(mut self, config: &WaczConfig) -> io::Result<W> {
        let package = Package {
            profile: "data-package",
            wacz_version: "1.1.1",
            title: config.title.as_deref(),
            software: &config.software,
            created: date(config.created),
            resources: std::mem::take(&mut self.resources),
        };
        const PACKAGE: &str = "datapackage.json";
        let package = serde_json::to_vec_pretty(&package)?;
        let (_, hash) = self.put(PACKAGE, package.len() as u64, &mut &package[..])?;
        let digest = serde_json::json!({ "path": PACKAGE, "hash": hash });
        let digest = serde_json::to_vec_pretty(&digest)?;
        self.put("datapackage-digest.json", digest.len() as u64, &mut &digest[..])?;
        Ok(self.zip.finish()?)
    }
}
