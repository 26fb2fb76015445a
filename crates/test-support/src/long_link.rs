//! A link that is long: what comes in at one end leaves at the other after a delay, and no faster than at a rate.
//!
//! A relay for TCP, for kernels that have no netem. It holds no more than a receiver's window might, so that a sender is slowed
//! as by a real link. All ends when the value is dropped.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Most bytes under way in one direction of one connection: Linux's largest receive buffer (tcp_rmem), as it is by default.
const UNDER_WAY: usize = 32 * 1024 * 1024;

/// A piece of what passes.
const PIECE: usize = 64 * 1024;

/// How long a link is, and how wide.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// In each direction.
    pub delay: Duration,
    /// In each direction of each connection; without it, as fast as the machine can.
    pub bytes_per_second: Option<u64>,
}

/// A running relay.
#[derive(Debug)]
pub struct LongLink {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    length: Length,
    listener: TcpListener,
    open: Mutex<Open>,
}

/// What is to be ended at the end.
#[derive(Debug, Default)]
struct Open {
    stopping: bool,
    sockets: Vec<Arc<TcpStream>>,
    pipes: Vec<Arc<Pipe>>,
}

/// One direction of one connection.
#[derive(Debug)]
struct Pipe {
    length: Length,
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    /// What is under way, and when it is there. A piece of nothing is the end.
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    /// When all that came before has been sent.
    free: Option<Instant>,
    /// Nobody takes any more.
    closed: bool,
}

impl LongLink {
    /// A link to this address, on a free port of 127.0.0.1; panics when it cannot listen.
    #[track_caller]
    pub fn start(to: SocketAddr, length: Length) -> LongLink {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the relay listens");
        let addr = listener.local_addr().expect("the address of a listener");
        let shared = Arc::new(Shared { to, length, listener, open: Mutex::default() });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept()
        });
        LongLink { addr, shared, acceptor: Some(acceptor) }
    }

    /// Its near end.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for LongLink {
    fn drop(&mut self) {
        {
            let mut open = lock(&self.shared.open);
            open.stopping = true;
            // wakes who accepts, and who reads
            _ = SockRef::from(&self.shared.listener).shutdown(Shutdown::Both);
            open.sockets.iter().for_each(|socket| _ = socket.shutdown(Shutdown::Both));
            open.pipes.iter().for_each(|pipe| pipe.close());
        }
        if let Some(acceptor) = self.acceptor.take() {
            let failed = acceptor.join().is_err();
            assert!(!failed || thread::panicking(), "a thread of the relay panicked");
        }
    }
}

impl Shared {
    fn accept(&self) {
        let mut threads = Vec::new();
        while let Ok((near, _)) = self.listener.accept() {
            // who cannot be reached is told so by the end
            let Ok(far) = TcpStream::connect(self.to) else { continue };
            let ends = [near, far].map(|socket| {
                _ = socket.set_nodelay(true);
                Arc::new(socket)
            });
            let mut open = lock(&self.open);
            if open.stopping {
                break;
            }
            open.sockets.extend(ends.iter().cloned());
            for (from, to) in [(0, 1), (1, 0)] {
                let pipe = Arc::new(Pipe {
                    length: self.length,
                    held: Mutex::default(),
                    changed: Condvar::new(),
                });
                open.pipes.push(Arc::clone(&pipe));
                let (from, to) = (Arc::clone(&ends[from]), Arc::clone(&ends[to]));
                threads.push(thread::spawn({
                    let pipe = Arc::clone(&pipe);
                    move || pipe.take_in(&from)
                }));
                threads.push(thread::spawn(move || pipe.give_out(&to)));
            }
        }
        threads.into_iter().for_each(|thread| thread.join().expect("a thread of the relay"));
    }
}

impl Pipe {
    fn take_in(&self, mut from: &TcpStream) {
        let mut buffer = vec![0; PIECE];
        while self.has_room() {
            let length = from.read(&mut buffer).unwrap_or(0);
            self.push(&buffer[..length]);
            if length == 0 {
                break;
            }
        }
    }

    fn give_out(&self, mut to: &TcpStream) {
        while let Some((due, piece)) = self.next() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let sent = to.write_all(&piece);
            lock(&self.held).bytes -= piece.len();
            self.changed.notify_all();
            if piece.is_empty() || sent.is_err() {
                break;
            }
        }
        self.close();
        _ = to.shutdown(Shutdown::Write);
    }

    /// Waits for room; there is none once nobody takes any more.
    fn has_room(&self) -> bool {
        let mut held = lock(&self.held);
        while held.bytes >= UNDER_WAY && !held.closed {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        !held.closed
    }

    fn push(&self, bytes: &[u8]) {
        let mut held = lock(&self.held);
        let now = Instant::now();
        let takes = self.length.bytes_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(bytes.len() as f64 / rate as f64)
        });
        let sent = held.free.map_or(now, |free| free.max(now)) + takes;
        held.free = Some(sent);
        held.bytes += bytes.len();
        held.pieces.push_back((sent + self.length.delay, bytes.to_vec()));
        self.changed.notify_all();
    }

    fn next(&self) -> Option<(Instant, Vec<u8>)> {
        let mut held = lock(&self.held);
        loop {
            if held.closed {
                return None;
            }
            if let Some(piece) = held.pieces.pop_front() {
                return Some(piece);
            }
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        lock(&self.held).closed = true;
        self.changed.notify_all();
    }
}

/// A thread that panicked is found when it is joined.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives back what it gets, once that has ended.
    fn echo() -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        (addr, served)
    }

    #[test]
    fn all_arrives_and_nothing_before_its_time() {
        let (to, served) = echo();
        let bytes: Vec<_> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let delay = Duration::from_millis(30);
        let link = LongLink::start(to, Length { delay, bytes_per_second: Some(10_000_000) });
        let started = Instant::now();
        let mut stream = TcpStream::connect(link.addr()).unwrap();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{} bytes", back.len());
        // the echo begins after the end: a tenth of a second there, and another one back
        let took = started.elapsed();
        assert!(took >= 2 * delay + Duration::from_millis(200), "{took:?}");
        served.join().unwrap();
    }

    #[test]
    fn it_ends_amid_a_connection() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let length = Length { delay: Duration::from_millis(1), bytes_per_second: None };
        let link = LongLink::start(silent.local_addr().unwrap(), length);
        let mut stream = TcpStream::connect(link.addr()).unwrap();
        stream.write_all(b"something").unwrap();
        let (mut far, _) = silent.accept().unwrap();
        far.read_exact(&mut [0; 9]).unwrap();
        drop(link);
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}
