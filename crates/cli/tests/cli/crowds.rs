//! The memory of the command for a crowd of servers, each of which makes it hold as much as it can.
//!
//! A few of them here, with a proportional bound; a thousand of each kind, on every driver, in the measurement
//! that is run by hand: `cargo test --release --test cli crowds -- --ignored --nocapture`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use ringdove_test_support::eventually;
use ringdove_test_support::h2::raw::frame;
use ringdove_test_support::sim_tls::unfinished_handshake;

use crate::command::{Ringdove, drivers};

/// What each of a crowd of servers has to say.
#[derive(Clone)]
enum Says {
    /// This, and then nothing more.
    Once(Arc<[u8]>),
    /// This, and then a byte in each second.
    Trickle(Arc<[u8]>),
    /// This, which is all of it.
    Whole(Arc<[u8]>),
    /// Each request is to be asked of a URL of 16 KiB, where nobody was sent before.
    Redirects,
}

/// Servers at one address, a thread for each connection; those that trickle have one for all.
struct Crowd {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    /// Those who have a head, and bytes now and then.
    trickling: Arc<Mutex<Vec<TcpStream>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn start(says: Says) -> Crowd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let trickling = Arc::new(Mutex::new(Vec::new()));
        let (over, open) = (is_over.clone(), trickling.clone());
        let listens = thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (says, stream, open) = (says.clone(), stream.unwrap(), open.clone());
                let small = thread::Builder::new().stack_size(128 * 1024);
                small.spawn(move || says.say(number, stream, &open)).unwrap();
            }
        });
        let (over, open) = (is_over.clone(), trickling.clone());
        let trickles = thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                open.lock().unwrap().retain_mut(|open| open.write_all(b"x").is_ok());
                thread::sleep(Duration::from_secs(1));
            }
        });
        Crowd { address, is_over, trickling, threads: vec![listens, trickles] }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(self.address);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl Says {
    /// Whoever is gone has heard enough.
    fn say(self, number: usize, mut stream: TcpStream, trickling: &Mutex<Vec<TcpStream>>) {
        let mut asked = vec![0; 32 * 1024];
        let mut hops = 0;
        while matches!(stream.read(&mut asked), Ok(1..)) {
            let said = match &self {
                Says::Once(bytes) | Says::Whole(bytes) | Says::Trickle(bytes) if hops == 0 => {
                    stream.write_all(bytes)
                }
                Says::Redirects if asked[0] == b'G' => stream.write_all(&redirect(number, hops)),
                _ => Ok(()),
            };
            hops += 1;
            match self {
                _ if said.is_err() => return,
                Says::Whole(_) => return,
                Says::Trickle(_) => return trickling.lock().unwrap().push(stream),
                Says::Once(_) | Says::Redirects => {}
            }
        }
    }
}

fn redirect(number: usize, hop: usize) -> Vec<u8> {
    let path = format!("/{number}/{hop}/{}", "x".repeat(15_900));
    format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n").into()
}

/// Bytes of which little comes of much, as many as keep the ratio of what follows them.
fn noise(bytes: usize) -> Vec<u8> {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A window of 16 MiB, filled.
fn br(noise: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 24);
    encoder.write_all(noise).unwrap();
    encoder.write_all(&vec![0; 15 << 20]).unwrap();
    encoder.flush().unwrap();
    coded("br", encoder.get_ref())
}

/// A window of 8 MiB, filled: a block that is as it is, and 64 of 128 KiB of one byte (RFC 8878).
fn zstd(noise: &[u8]) -> Vec<u8> {
    let raw = ((noise.len() as u32) << 3).to_le_bytes();
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x68];
    coded("zstd", &[&frame[..], &raw[..3], noise, &[2, 0, 16, 0].repeat(64)].concat())
}

/// Content of which a third is noise, in a window of 4 MiB, of which 3 MB are filled.
fn honest_zstd() -> Vec<u8> {
    let noise = noise(40_000);
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x60];
    let raw = ((noise.len() as u32) << 3).to_le_bytes();
    let blocks = [&raw[..3], &noise[..], &[2, 0, 5, 0]].concat().repeat(38);
    let last = [1, 0, 0];
    coded("zstd", &[&frame[..], &blocks, &last].concat())
}

fn gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&[b'x'; 100_000]).unwrap();
    encoder.flush().unwrap();
    coded("gzip", encoder.get_ref())
}

fn deflate() -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&[b'x'; 100_000]).unwrap();
    encoder.flush().unwrap();
    coded("deflate", encoder.get_ref())
}

/// A head of HTTP/2 that never ends, in as many frames as there may be (RFC 9113, 6.2 and 6.10).
fn block() -> Vec<u8> {
    // an indexed `:status: 200`, and the beginning of a literal of as many bytes as there may be
    let mut block = vec![0x88, 0x00, 1, b'x', 0x7f, 0xe1, 0xa6, 0x12];
    block.resize(9 * 16_384, b'x');
    let mut frames = frame(4, 0, 0, &[]);
    for (at, fragment) in block.chunks(16_384).enumerate() {
        frames.extend(frame(if at == 0 { 1 } else { 9 }, 0, 1, fragment));
    }
    frames
}

/// One of a crowd: its name, what it says, how it is asked.
struct Hostile {
    name: &'static str,
    says: Says,
    scheme: &'static str,
    args: &'static [&'static str],
}

/// What makes a client hold much.
fn hostile() -> Vec<Hostile> {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(300_000)).into_bytes();
    let once = |name, bytes: Vec<u8>| Hostile {
        name,
        says: Says::Once(bytes.into()),
        scheme: "http",
        args: &[],
    };
    let honest = Says::Whole(honest_zstd().into());
    vec![
        once("br in few bytes", br(b"")),
        once("br", br(&noise(20_000))),
        once("zstd in few bytes", zstd(b"")),
        once("zstd", zstd(&noise(10_000))),
        Hostile { says: honest, ..once("whole zstd", Vec::new()) },
        once("gzip", gzip()),
        once("deflate", deflate()),
        once("head", head),
        Hostile { says: Says::Redirects, ..once("redirects", Vec::new()) },
        Hostile { scheme: "https", args: &["-k"], ..once("handshake", unfinished_handshake()) },
        Hostile { args: &["--http2-prior-knowledge"], ..once("block", block()) },
    ]
}

/// The most memory that the command has had, in KiB, once so many transfers from a crowd are over, and how many
/// of these succeeded.
fn peak(hostile: &Hostile, number: usize, args: &[&str]) -> (u64, usize) {
    let crowd = Crowd::start(hostile.says.clone());
    let (connections, port) = (number.to_string(), crowd.address.port());
    let always = ["-s", "--compressed", "-L", "--discard", "-i", "-"];
    let mut fetch = Ringdove::fetch(["--connections", &connections])
        .args(["--resolve", &format!("*:{port}:127.0.0.1")])
        .args(always)
        .args(hostile.args)
        .args(args)
        .start();
    for number in 0..number {
        fetch.write(&format!("{}://n{number}.test:{port}/\n", hostile.scheme));
    }
    let mut stdout = BufReader::new(fetch.stdout.take().expect("a pipe"));
    let mut whole = 0;
    for _ in 0..number {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "a line for each");
        whole += usize::from(line == "200 0\n");
    }
    (resident(fetch.id(), "VmHWM"), whole)
}

/// Resident memory of a process, in KiB: what it has (`VmRSS`), or the most it has had (`VmHWM`).
fn resident(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

const LINE: [&str; 2] = ["-w", "%{http_code} %{exitcode}\n"];

/// A window beyond the limit, what the command has anyway, and what the allocator keeps.
const BESIDES: u64 = 64 * 1024;

#[test]
fn a_crowd_has_the_memory_that_it_is_given_and_no_more() {
    let drivers: Vec<_> = drivers().collect();
    for (at, hostile) in hostile().into_iter().enumerate() {
        let driver = drivers[at % drivers.len()];
        let args = [&LINE[..], &["--driver", driver, "--max-memory", "8M", "-m", "3"]].concat();
        let (peak, _) = peak(&hostile, 24, &args);
        eprintln!("{}, {driver}: {peak} KiB", hostile.name);
        assert!(peak < 8 * 1024 + BESIDES, "{}, {driver}: {peak} KiB", hostile.name);
    }
}

#[test]
#[ignore = "a thousand connections of each kind, on each driver: some minutes"]
fn a_thousand_take_less_than_256_megabytes() {
    let mut over = Vec::new();
    for driver in drivers() {
        for hostile in hostile() {
            for told in [&LINE[..], &["--jsonl"]] {
                if told.len() == 1 && hostile.name != "redirects" {
                    continue;
                }
                let args = [told, &["--driver", driver, "-m", "20"]].concat();
                let (peak, whole) = peak(&hostile, 1000, &args);
                let figure = format!(
                    "{}, {driver}, {}: {} MB, {whole} whole",
                    hostile.name,
                    told[0],
                    peak * 1024 / 1_000_000
                );
                eprintln!("{figure}");
                if peak * 1024 >= 256_000_000 {
                    over.push(figure);
                }
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

/// What each of ten thousand connections costs whose servers send a byte now and then, and nothing else.
#[test]
#[ignore = "ten thousand connections on each driver: some minutes"]
fn ten_thousand_that_trickle_cost_little_each() {
    for driver in drivers() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
        let crowd = Crowd::start(Says::Trickle(head[..].into()));
        let always =
            ["-s", "--discard", "-i", "-", "--connections", "10000", "--per-host", "10000"];
        let mut fetch = Ringdove::fetch(always).args(["--driver", driver]).start();
        let before = resident(fetch.id(), "VmRSS");
        for number in 0..10_000 {
            fetch.write(&format!("http://{}/{number}\n", crowd.address));
        }
        let all = || crowd.trickling.lock().unwrap().len() == 10_000;
        assert!(eventually(Duration::from_secs(60), all), "all are connected");
        let after = resident(fetch.id(), "VmRSS");
        let each = after.saturating_sub(before) * 1024 / 10_000;
        eprintln!("{driver}: {each} bytes for each, {after} KiB in all");
        assert!(each < 8 * 1024, "{driver}: {each}");
    }
}
