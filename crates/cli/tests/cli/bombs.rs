//! Bombs, and the memory that the command takes for them: little, whatever comes.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, Write as _};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::Value;

use crate::command::{Ringdove, Running};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

/// KiB beyond the peak of a tiny response, for heads, trailers and what else is not a body.
const FOR_HEADS: u64 = 2 * 1024;

/// The same for a body that is decoded: the windows of its codings (zstd may ask for 8 MiB, br for 16) and
/// what is between them. Far less than what the bodies here come to.
const FOR_DECODING: u64 = 24 * 1024;

/// The same for a jar that is full.
const FOR_COOKIES: u64 = 16 * 1024;

/// Decoded bytes at which a transfer ends that has no other cap, twice [`FOR_DECODING`].
const CAP: &str = "48M";

/// A command that waits for more URLs.
struct Fetcher(Running);

impl Fetcher {
    fn new(args: &[&str]) -> Fetcher {
        let always = ["--jsonl", "-q", "--connections", "1", "-m", "60", "-i", "-"];
        Fetcher(Ringdove::fetch(always).args(args).start())
    }

    /// What is told of a URL.
    fn fetch(&mut self, url: &str) -> Value {
        self.0.write(&format!("{url}\n"));
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().expect("a pipe");
        stdout.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The most memory that it has had so far, in KiB (proc_pid_status(5)).
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// The peak of a command with these options that has had a tiny response.
fn usual(server: &Hostile, args: &[&str]) -> u64 {
    let mut fetcher = Fetcher::new(args);
    let record = fetcher.fetch(&server.url("/tiny"));
    assert_eq!(record["status"], 200, "{record}");
    fetcher.peak()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// 10 GB of zeros as a frame of zstd (RFC 8878): a window of 8 MiB, and blocks that say "128 KiB of this".
fn zstd() -> Vec<u8> {
    let block = |is_last: u32| {
        let [low, middle, high, _] = ((128 * 1024) << 3 | 1 << 1 | is_last).to_le_bytes();
        [low, middle, high, 0]
    };
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68];
    [&head[..], &block(0).repeat(80_000), &block(1)].concat()
}

/// 10 GB of zeros as br, whose largest window is 16 MiB: 10 MB, the middle of which is repeated.
fn br() -> Vec<u8> {
    let zeros = vec![0; 10 << 20];
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 24);
    let mut cuts = Vec::new();
    for _ in 0..3 {
        encoder.write_all(&zeros).unwrap();
        encoder.flush().unwrap();
        cuts.push(encoder.get_ref().len());
    }
    let stream = encoder.into_inner();
    [&stream[..cuts[2]], &stream[cuts[1]..cuts[2]].repeat(1000), &stream[cuts[2]..]].concat()
}

/// 10 GB of zeros as deflate without a header: 10 MB, the middle of which is repeated.
fn raw_deflate() -> Vec<u8> {
    let zeros = vec![0; 10 << 20];
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let mut cuts = Vec::new();
    for _ in 0..3 {
        encoder.write_all(&zeros).unwrap();
        // to a byte's end
        encoder.flush().unwrap();
        cuts.push(encoder.get_ref().len());
    }
    let stream = encoder.finish().unwrap();
    [&stream[..cuts[2]], &stream[cuts[1]..cuts[2]].repeat(1000), &stream[cuts[2]..]].concat()
}

fn bodies() -> Hostile {
    let coded = |codings: &str, body: &[u8]| {
        let head = format!("200 OK\r\nContent-Encoding: {codings}");
        Script::new().respond(&head, Framing::Chunked(1000), body)
    };
    // each member is 1 MB of zeros
    let members = gzip(&vec![0; 1 << 20]).repeat(10_000);
    let (twice, zstd) = (gzip(&members), zstd());
    let (five, raw) = (gzip(&gzip(&gzip(&twice))), raw_deflate());
    Plan::new()
        .path("/gzip-alone", coded("gzip", &members))
        .path("/raw", coded("deflate", &raw))
        .path("/zlib", coded("deflate", &[&[0x78, 0x9c], &raw[..]].concat()))
        .path("/gzip", coded("gzip, gzip", &twice))
        .path("/deflate", coded("zstd, deflate", &deflate(&zstd)))
        .path("/zstd", coded("zstd", &zstd))
        .path("/br", coded("br", &br()))
        .path("/mixed", coded("zstd, br, gzip", &gzip(&brotli_of(&zstd))))
        .path("/five", coded("gzip, gzip, gzip, gzip, gzip", &five))
        .path("/tiny", coded("gzip", &gzip(b"tiny")))
        .start()
}

fn brotli_of(data: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 18);
    encoder.write_all(data).unwrap();
    encoder.into_inner()
}

#[test]
fn bodies_that_inflate_take_little_memory() {
    let server = bodies();
    // by the ratio, at once; without it by the size, after much more than the memory allowed
    let by_size = ["--compressed", "--max-ratio", "0", "--max-filesize", CAP];
    let chained = &["/gzip", "/deflate", "/zstd", "/br", "/mixed", "/five"][..];
    // what deflate comes to is less than the ratio allows
    let alone = &["/gzip-alone", "/raw", "/zlib", "/gzip", "/zstd", "/br"][..];
    for (args, paths) in [(&by_size[..1], chained), (&by_size[..], alone)] {
        let usual = usual(&server, args);
        for path in paths {
            let mut fetcher = Fetcher::new(args);
            let record = fetcher.fetch(&server.url(path));
            assert_eq!(record["error"]["kind"], "limit", "{path}: {record}");
            let more = fetcher.peak().saturating_sub(usual);
            eprintln!("{path} {args:?}: {more} KiB");
            assert!(more < FOR_DECODING, "{path} {args:?}: {more} KiB more than usual");
        }
    }
}

fn heads() -> Hostile {
    let endless = |begin: &str, line: &str| Script::new().send(begin).flood(line, 1_000_000);
    let many = "X-Y: zzzzzzzz\r\n".repeat(10_000);
    let long = format!("HTTP/1.1 302 X\r\nLocation: /{}\r\n\r\n", "a".repeat(1 << 20));
    let challenges = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", x=y\r\n".repeat(10_000);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    Plan::new()
        .path("/tiny", Script::new().ok("tiny"))
        .path("/lines", Script::new().send(format!("HTTP/1.1 200 OK\r\n{many}\r\n")))
        .path("/head", endless("HTTP/1.1 200 OK\r\n", "X-Y: zzzzzzzz\r\n"))
        .path("/line", endless("HTTP/1.1 200 OK\r\nX: ", "zzzzzzzzzzzzzzzz"))
        .path("/status", endless("HTTP/1.1 200 ", "zzzzzzzzzzzzzzzz"))
        .path("/informational", endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
        .path("/trailers", endless(&format!("{chunked}0\r\n"), "X-Y: zzzzzzzz\r\n"))
        .path("/extension", endless(&format!("{chunked}1;x="), "zzzzzzzzzzzzzzzz"))
        .path("/location", Script::new().send(long))
        .path("/challenges", Script::new().send(format!("HTTP/1.1 401 X\r\n{challenges}\r\n")))
        .start()
}

#[test]
fn heads_and_trailers_without_end_take_little_memory() {
    let server = heads();
    let args = ["-L", "--anyauth", "-u", "user:pass", "--retry", "0"];
    let usual = usual(&server, &args);
    for path in [
        "/lines",
        "/head",
        "/line",
        "/status",
        "/informational",
        "/trailers",
        "/extension",
        "/location",
        "/challenges",
    ] {
        let mut fetcher = Fetcher::new(&args);
        let record = fetcher.fetch(&server.url(path));
        assert_eq!(record["error"]["kind"], "limit", "{path}: {record}");
        let more = fetcher.peak().saturating_sub(usual);
        eprintln!("{path}: {more} KiB");
        assert!(more < FOR_HEADS, "{path}: {more} KiB more than usual");
    }
}

/// 100,000 of them, set by one site's servers, and in a file for as many domains, which is kept whole: as its user has it.
#[test]
fn cookies_without_end_take_little_memory() {
    const COOKIES: usize = 100_000;
    const PER_HEAD: usize = 200;
    let value = "v".repeat(200);
    let mut plan = Plan::new().path("/tiny", Script::new().ok("tiny"));
    for n in 0..COOKIES / PER_HEAD {
        let lines = (0..PER_HEAD).fold("200 OK".to_owned(), |mut lines, at| {
            _ = write!(lines, "\r\nSet-Cookie: c{n}-{at}={value}; Path=/{at}");
            lines
        });
        plan =
            plan.path(&format!("/{n}"), Script::new().respond(&lines, Framing::ContentLength, ""));
    }
    let server = plan.start();
    let directory = tempfile::tempdir().expect("a directory");
    let jar = directory.path().join("jar").display().to_string();
    let usual_with_jar = usual(&server, &["-c", &jar]);
    let mut fetcher = Fetcher::new(&["-c", &jar]);
    for n in 0..COOKIES / PER_HEAD {
        let record = fetcher.fetch(&server.url(&format!("/{n}")));
        assert_eq!(record["status"], 200, "{record}");
    }
    let more = fetcher.peak().saturating_sub(usual_with_jar);
    eprintln!("set: {more} KiB");
    assert!(more < FOR_COOKIES, "{more} KiB more than usual");

    let text = (0..COOKIES).fold(String::new(), |mut text, n| {
        _ = writeln!(text, "h{n}.example\tFALSE\t/\tFALSE\t0\tname\t{value}");
        text
    });
    let path = directory.path().join("cookies");
    fs::write(&path, &text).expect("a file");
    let mut fetcher = Fetcher::new(&["-b", &path.display().to_string()]);
    let record = fetcher.fetch(&server.url("/tiny"));
    assert_eq!(record["status"], 200, "{record}");
    let more = fetcher.peak().saturating_sub(usual_with_jar);
    eprintln!("read: {more} KiB, of a file of {} KiB", text.len() / 1024);
    assert!(more < FOR_COOKIES + 4 * text.len() as u64 / 1024, "{more} KiB more than usual");
}
