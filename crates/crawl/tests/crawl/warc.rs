//! WARC files: what is written is what others read, what is broken is found, and what a crash leaves is cut away.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use ringdove_crawl::warc::{
    Exchange, Original, Packed, Position, Same, Truncated, WaczConfig, Writer, WriterConfig, check,
    cut_back, index, pack,
};
use sha2::{Digest as _, Sha256};

const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n";
const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/html\r\n\r\n";

fn config(folder: &Path, max_bytes: u64) -> WriterConfig {
    WriterConfig {
        folder: folder.to_owned(),
        prefix: "job".to_owned(),
        max_bytes,
        info: vec![("software".to_owned(), "test".to_owned())],
        seed: [7; 16],
    }
}

fn exchange<'a>(url: &'a str, body: &'a [u8], metadata: &'a [(&'a str, String)]) -> Exchange<'a> {
    Exchange {
        url,
        date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        address: Some([127, 0, 0, 1].into()),
        request: REQUEST,
        head: CHUNKED,
        body,
        truncated: None,
        metadata,
        original: None,
    }
}

#[derive(PartialEq)]
enum Revisits {
    None,
    One,
}

/// A file with a response, an empty one, one that was cut off, and a revisit if it is to have one.
fn good_file(folder: &Path, revisits: Revisits) -> PathBuf {
    let mut writer = Writer::open(config(folder, u64::MAX), &Position::default()).unwrap();
    let metadata = [("via", "http://a.example/".to_owned())];
    let first = writer.write(&exchange("http://a.example/x", b"<a href=y>", &metadata)).unwrap();
    writer.write(&exchange("http://a.example/empty", b"", &[])).unwrap();
    let cut = Exchange {
        truncated: Some(Truncated::Length),
        ..exchange("http://a.example/1", b"12345", &[])
    };
    writer.write(&cut).unwrap();
    if revisits == Revisits::One {
        let original = Original {
            url: "http://a.example/x".to_owned(),
            date: "2023-11-14T22:13:20.000Z".to_owned(),
            same: Same::Payload,
        };
        let again = Exchange {
            original: Some(&original),
            ..exchange("http://a.example/y", b"<a href=y>", &[])
        };
        assert_eq!(writer.write(&again).unwrap().payload_digest, first.payload_digest);
    }
    writer.sync().unwrap();
    folder.join(&writer.position().file)
}

#[test]
fn what_is_written_is_what_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = good_file(folder.path(), Revisits::None);
    let checked = check(&file).unwrap();
    assert!(checked.is_good(), "{:?}", checked.faults);
    assert_eq!((checked.records, checked.uncompared), (10, 0));
    judge(&["warcio", "check"], &file);
    judge(&["fastwarc", "check", "-q", "-p"], &file);
    // fastwarc compares the payload digest of a revisit, which is of a payload that is elsewhere (WARC 1.1, 6.7.2), with its own
    let folder = tempfile::tempdir().unwrap();
    let file = good_file(folder.path(), Revisits::One);
    let checked = check(&file).unwrap();
    assert!(checked.is_good(), "{:?}", checked.faults);
    assert_eq!(checked.records, 13);
    judge(&["warcio", "check"], &file);
    judge(&["fastwarc", "check", "-q"], &file);
}

/// Asks another validator.
fn judge(words: &[&str], file: &Path) {
    match Command::new(words[0]).args(&words[1..]).arg(file).output() {
        Ok(output) => assert!(output.status.success(), "{words:?}: {output:?}"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {} is not installed (pip install warcio fastwarc wacz)", words[0]);
        }
        Err(error) => panic!("{words:?}: {error}"),
    }
}

#[test]
fn files_end_where_they_are_large_enough() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(config(folder.path(), 2000), &Position::default()).unwrap();
    for at in 0..20 {
        writer.write(&exchange(&format!("http://a.example/{at}"), b"some body", &[])).unwrap();
    }
    let files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 3, "{files:?}");
    let records: u64 = files
        .iter()
        .map(|file| {
            let checked = check(file).unwrap();
            assert!(checked.is_good(), "{:?}", checked.faults);
            checked.records
        })
        .sum();
    assert_eq!(records, 20 * 3 + files.len() as u64);
}

#[test]
fn what_is_beyond_the_position_is_cut_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(config(folder.path(), 2000), &Position::default()).unwrap();
    writer.write(&exchange("http://a.example/kept", b"kept", &[])).unwrap();
    let kept = writer.position().clone();
    for at in 0..9 {
        writer.write(&exchange(&format!("http://a.example/{at}"), b"lost", &[])).unwrap();
    }
    drop(writer);
    let mut writer = Writer::open(config(folder.path(), 2000), &kept).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(*writer.position(), kept);
    writer.write(&exchange("http://a.example/after", b"after", &[])).unwrap();
    let checked = check(&folder.path().join(&kept.file)).unwrap();
    assert!(checked.is_good(), "{:?}", checked.faults);
    assert_eq!(checked.records, 7);
    // and without a position, all of it
    Writer::open(config(folder.path(), 2000), &Position::default()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Wherever it was cut, what is left is whole, and no whole record is lost.
#[test]
fn a_file_that_was_cut_anywhere_is_cut_back_to_whole_records() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(good_file(folder.path(), Revisits::One)).unwrap();
    let cut = folder.path().join("cut.warc.gz");
    let mut lengths = Vec::new();
    for length in (0..=whole.len()).step_by(17).chain([whole.len()]) {
        fs::write(&cut, &whole[..length]).unwrap();
        let kept = usize::try_from(cut_back(&cut).unwrap()).unwrap();
        assert!(kept <= length);
        assert_eq!(fs::read(&cut).unwrap(), whole[..kept]);
        assert!(check(&cut).unwrap().is_good());
        lengths.push(kept);
    }
    lengths.dedup();
    assert_eq!((lengths.len(), lengths.last()), (14, Some(&whole.len())));
}

/// A response record by hand: its HTTP head and body, digests as given, Content-Length as it is unless told.
fn record(id: u32, http: &[u8], digests: &[(&str, &[u8])], length: Option<usize>) -> Vec<u8> {
    let mut record = format!(
        "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{id:012}>\r\n\
         WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Target-URI: http://a.example/{id}\r\n\
         Content-Type: application/http; msgtype=response\r\nContent-Length: {}\r\n",
        length.unwrap_or(http.len())
    );
    for (name, of) in digests {
        record.push_str(&format!("{name}: {}\r\n", sha1(of)));
    }
    [record.as_bytes(), b"\r\n", http, b"\r\n\r\n"].concat()
}

fn sha1(bytes: &[u8]) -> String {
    use sha1::{Digest as _, Sha1};
    Sha1::digest(bytes).iter().fold("sha1:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn member(bytes: &[u8]) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    member.write_all(bytes).unwrap();
    member.finish().unwrap()
}

#[test]
fn broken_files_are_told_from_good_ones() {
    let (plain, body) = (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello");
    let chunks = b"5\r\nhello\r\n0\r\n\r\n";
    let chunked =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), chunks].concat();
    let left = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello";
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    let both = |http: &[u8], payload: &[u8]| {
        record(1, http, &[("WARC-Block-Digest", http), ("WARC-Payload-Digest", payload)], None)
    };
    let second =
        record(2, plain, &[("WARC-Block-Digest", plain), ("WARC-Payload-Digest", body)], None);
    let good = both(plain, body);
    let cut = member(&good);
    let table: [(&str, Vec<u8>, Option<&str>); 15] = [
        ("good", [member(&good), member(&second)].concat(), None),
        ("good, not compressed", [good.clone(), second.clone()].concat(), None),
        ("no digests", member(&record(1, plain, &[], None)), Some("it has no WARC-Block-Digest")),
        (
            "no payload digest",
            member(&record(1, plain, &[("WARC-Block-Digest", plain)], None)),
            Some("it has no WARC-Payload-Digest"),
        ),
        (
            "a truncated last member",
            [member(&second), cut[..cut.len() - 9].to_vec()].concat(),
            Some("no whole record"),
        ),
        (
            "a Content-Length too short",
            member(&record(
                1,
                plain,
                &[("WARC-Block-Digest", plain), ("WARC-Payload-Digest", body)],
                Some(40),
            )),
            Some("does not end where"),
        ),
        (
            "a Content-Length too long",
            member(&record(
                1,
                plain,
                &[("WARC-Block-Digest", plain), ("WARC-Payload-Digest", body)],
                Some(400),
            )),
            Some("cut short"),
        ),
        (
            "one gzip member for all",
            member(&[good.clone(), second].concat()),
            Some("in the same gzip member"),
        ),
        (
            "chunks, digest of what they carry",
            member(&both(&chunked, body)),
            Some("WARC-Payload-Digest is"),
        ),
        ("chunks, digest of chunks", member(&both(&chunked, chunks)), Some("Transfer-Encoding")),
        ("no chunks, Transfer-Encoding left", member(&both(left, body)), Some("Transfer-Encoding")),
        (
            "a Content-Length of HTTP that is not true",
            member(&both(long, body)),
            Some("Content-Length of HTTP is 9"),
        ),
        (
            "another block",
            member(&record(
                1,
                plain,
                &[("WARC-Block-Digest", long), ("WARC-Payload-Digest", body)],
                None,
            )),
            Some("WARC-Block-Digest is"),
        ),
        ("an id twice", [member(&good), member(&good)].concat(), Some("another record has its id")),
        ("no WARC", member(b"hello\r\n\r\n"), Some("no whole record")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.warc.gz");
    for (name, bytes, expected) in table {
        fs::write(&path, &bytes).unwrap();
        let faults = check(&path).unwrap().faults;
        let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        match expected {
            None => assert!(faults.is_empty(), "{name}: {told}"),
            Some(expected) => assert!(told.contains(expected), "{name}: {told}"),
        }
    }
}

fn indexed(files: &[PathBuf]) -> String {
    let mut out = Vec::new();
    let lines = index(files, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count() as u64, lines);
    text
}

#[test]
fn an_index_is_what_cdxj_indexer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(config(folder.path(), 1_500), &Position::default()).unwrap();
    for at in 0..6 {
        let url = format!("http://www.{at}.example:8080/B/?z={at}&a=%41");
        writer.write(&exchange(&url, url.as_bytes(), &[("via", url.clone())])).unwrap();
    }
    let head = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n";
    let original = Original {
        url: "http://a.example/".to_owned(),
        date: "2023-11-14T22:13:20.000Z".to_owned(),
        same: Same::Unmodified("sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ".to_owned()),
    };
    let again = Exchange {
        head,
        original: Some(&original),
        ..exchange("http://0.example/\u{e9}", b"", &[])
    };
    writer.write(&again).unwrap();
    writer.sync().unwrap();
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 1);
    let index = indexed(&files);
    let name = |at: usize| files[at].file_name().unwrap().to_str().unwrap();
    let first = index.lines().next().unwrap();
    let begin = "example,0)/%c3%a9 20231114221320 {\"url\": \"http://0.example/\\u00e9\", \
                 \"mime\": \"warc/revisit\", \"status\": \"304\", \
                 \"digest\": \"sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ\", \"length\": \"";
    assert!(first.starts_with(begin) && first.contains(name(files.len() - 1)), "{first}");
    let second = index.lines().nth(1).unwrap();
    let begin = "example,0:8080)/b?a=a&z=0 20231114221320 {\"url\": ";
    assert!(
        second.starts_with(begin)
            && second.contains("\"mime\": \"text/html\", \"status\": \"200\""),
        "{second}"
    );
    assert_eq!(index.lines().count(), 7);
    match Command::new("cdxj-indexer").arg("--sort").args(&files).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), index),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: cdxj-indexer is not installed (pip install cdxj-indexer)");
        }
        Err(error) => panic!("{error}"),
    }
    // a file that is broken has no index
    let bytes = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &bytes[..bytes.len() - 1]).unwrap();
    let error = ringdove_crawl::warc::index(&files, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains(name(0)), "{error}");
}

#[test]
fn a_package_has_the_files_as_they_are_and_says_what_they_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let files = [good_file(folder.path(), Revisits::One)];
    let name = files[0].file_name().unwrap().to_str().unwrap().to_owned();
    let aside = tempfile::tempdir().unwrap();
    let out = aside.path().join("x.wacz");
    let config = WaczConfig {
        title: Some("a title".to_owned()),
        software: "test".to_owned(),
        created: SystemTime::UNIX_EPOCH,
    };
    assert_eq!(pack(&files, &out, &config).unwrap(), Packed { records: 4, pages: 3 });
    // it is not written over
    // which is found before anything is read
    let none = [aside.path().join("none")];
    assert_eq!(pack(&none, &out, &config).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_dir(aside.path()).unwrap().count(), 1);
    // whoever may read files may read this one
    let usual = folder.path().join("usual");
    fs::File::create(&usual).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions();
    assert_eq!(mode(&out), mode(&usual));
    let mut package = zip::ZipArchive::new(fs::File::open(&out).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut entry = package.by_name(name).unwrap();
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored, "{name}");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(read(&format!("archive/{name}")), fs::read(&files[0]).unwrap());
    assert_eq!(read("indexes/index.cdx"), indexed(&files).into_bytes());
    let pages = String::from_utf8(read("pages/pages.jsonl")).unwrap();
    let pages: Vec<serde_json::Value> =
        pages.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(pages[0]["format"], "json-pages-1.0");
    assert_eq!((pages.len(), &pages[1]["url"]), (4, &"http://a.example/x".into()));
    assert_eq!(pages[1]["ts"], "2023-11-14T22:13:20.000Z");
    assert!(pages[1]["id"].as_str().unwrap().starts_with("urn:uuid:"), "{pages:?}");
    judge(&["wacz", "validate", "-f"], &out);
    let digest: serde_json::Value =
        serde_json::from_slice(&read("datapackage-digest.json")).unwrap();
    let said = read("datapackage.json");
    let sum = |bytes: &[u8]| format!("sha256:{}", hex(&Sha256::digest(bytes)));
    assert_eq!(digest["hash"], sum(&said));
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!((&said["wacz_version"], &said["title"]), (&"1.1.1".into(), &"a title".into()));
    let resources = said["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 3);
    for resource in resources {
        let bytes = read(resource["path"].as_str().unwrap());
        assert_eq!(resource["hash"], sum(&bytes));
        assert_eq!(resource["bytes"], bytes.len());
    }
    let two = [files[0].clone(), files[0].clone()];
    let error = pack(&two, &aside.path().join("y.wacz"), &config).unwrap_err();
    assert!(error.to_string().contains("two files"), "{error}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
