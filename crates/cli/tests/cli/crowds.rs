//! The memory of the command for a crowd of servers, each of which makes it hold as much as it can.
//!
//! A few of them here, with a proportional bound; a thousand of each kind, on every driver, in the measurement
//! that is run by hand: `cargo test --release --test cli crowds -- --ignored --nocapture`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::command::{Ringdove, drivers};

/// Says its part to everybody who asks, and then nothing more; redirects end with their connections.
struct Crowd {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    fn start(answer: Vec<u8>) -> Crowd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                if read_head(&mut stream).is_none() {
                    continue;
                }
                if answer.is_empty() {
                    // whoever is gone has heard enough
                    _ = stream.write_all(&redirect(number));
                } else {
                    _ = stream.write_all(&answer);
                    open.push(stream);
                }
            }
        });
        Crowd { address, is_over, thread: Some(thread) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn read_head(stream: &mut TcpStream) -> Option<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 32 * 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => head.extend_from_slice(&piece[..read]),
        }
    }
    Some(())
}

/// To a URL of 16 KiB that nobody was sent to before.
fn redirect(number: usize) -> Vec<u8> {
    let path = format!("/{number}/{}", "x".repeat(16_000));
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .into()
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

fn gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&[b'x'; 100_000]).unwrap();
    encoder.flush().unwrap();
    coded("gzip", encoder.get_ref())
}

/// What makes a client hold much, by name; no answer at all is redirects.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(60_000));
    vec![
        ("br in few bytes", br(b"")),
        ("br", br(&noise(20_000))),
        ("zstd in few bytes", zstd(b"")),
        ("zstd", zstd(&noise(10_000))),
        ("gzip", gzip()),
        ("head", head.into()),
        ("redirects", Vec::new()),
    ]
}

/// The most memory that the command has had, in KiB, once so many transfers from a server are over.
fn peak(crowd: &Crowd, number: usize, args: &[&str]) -> u64 {
    let connections = number.to_string();
    let always = ["-s", "--compressed", "-L", "--discard", "-i", "-"];
    let mut fetch = Ringdove::fetch(["--connections", &connections, "--per-host", &connections])
        .args(always)
        .args(args)
        .start();
    for number in 0..number {
        fetch.write(&format!("http://{}/{number}\n", crowd.address));
    }
    let mut stdout = BufReader::new(fetch.stdout.take().expect("a pipe"));
    for _ in 0..number {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "a line for each");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", fetch.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

const LINE: [&str; 2] = ["-w", "%{http_code}\n"];

/// A window beyond the limit, what the command has anyway, and what the allocator keeps.
const BESIDES: u64 = 64 * 1024;

#[test]
fn a_crowd_has_the_memory_that_it_is_given_and_no_more() {
    let drivers: Vec<_> = drivers().collect();
    for (at, (name, answer)) in hostile().into_iter().enumerate() {
        let crowd = Crowd::start(answer);
        let driver = drivers[at % drivers.len()];
        let args = [&LINE[..], &["--driver", driver, "--max-memory", "8M", "-m", "3"]].concat();
        let peak = peak(&crowd, 24, &args);
        eprintln!("{name}, {driver}: {peak} KiB");
        assert!(peak < 8 * 1024 + BESIDES, "{name}, {driver}: {peak} KiB");
    }
}

#[test]
#[ignore = "a thousand connections of each kind, on each driver: some minutes"]
fn a_thousand_take_less_than_256_megabytes() {
    for driver in drivers() {
        for (name, answer) in hostile() {
            let crowd = Crowd::start(answer);
            for told in [&LINE[..], &["--jsonl"]] {
                if told.len() == 1 && name != "redirects" {
                    continue;
                }
                let args = [told, &["--driver", driver, "-m", "20"]].concat();
                let peak = peak(&crowd, 1000, &args);
                eprintln!("{name}, {driver}, {}: {peak} KiB", told[0]);
                assert!(peak * 1024 < 256_000_000, "{name}, {driver}: {peak} KiB");
            }
        }
    }
}
