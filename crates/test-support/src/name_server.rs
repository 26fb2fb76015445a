//! A name server that does what it is told by the names it is asked for, which real ones do not.
//!
//! The first label of a name says how it is answered: see `Manner`. Every name has the address 127.0.0.1 and no
//! IPv6 address; whoever believes a forgery goes to [`FORGED`].

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where forged answers lead.
pub const FORGED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// How long an answer is withheld that is late: longer than a try waits.
const LATE: Duration = Duration::from_millis(1300);

/// How a query is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// At once.
    Good,
    /// Every fifth query, of all such names together, is not heard.
    Lossy,
    /// So late that it was asked again.
    Late,
    /// A forged answer comes first: with another id,
    WrongId,
    /// for another name,
    OtherQuestion,
    /// from another address,
    OtherAddress,
    /// or cut off in its middle.
    Malformed,
    /// Truncated over UDP, whole over TCP.
    Truncated,
    /// An alias of an alias of itself.
    Loop,
    /// SERVFAIL.
    Failing,
    /// With 127.0.0.1 the first time, not to be kept, and with SERVFAIL from then on.
    Fading,
    /// With 127.0.0.2 the first time, and with 127.0.0.1 from then on; neither is to be kept.
    Changing,
    /// Not at all.
    Never,
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct NameServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    /// Of names whose answers do not hang on it, it is not kept how often they were asked for.
    forgets: bool,
    /// Queries by name and type.
    asked: Mutex<HashMap<(String, u16), u32>>,
}

impl NameServer {
    /// Starts on a free port of 127.0.0.1, for UDP and TCP.
    #[track_caller]
    pub fn start() -> NameServer {
        NameServer::of(Shared::default())
    }

    /// One that forgets who asked, for whoever asks it for ever more names.
    #[track_caller]
    pub fn forgetful() -> NameServer {
        NameServer::of(Shared { forgets: true, ..Shared::default() })
    }

    #[track_caller]
    fn of(shared: Shared) -> NameServer {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let addr = tcp.local_addr().expect("it has one");
        let udp = UdpSocket::bind(addr).expect("the same for UDP");
        udp.set_read_timeout(Some(Duration::from_millis(50))).expect("allowed");
        tcp.set_nonblocking(true).expect("allowed");
        let shared = Arc::new(shared);
        let (one, other) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || one.serve_udp(&udp)),
            std::thread::spawn(move || other.serve_tcp(&tcp)),
        ];
        NameServer { addr, shared, threads }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The most that any name and type was asked for, and which.
    pub fn most_asked(&self) -> (u32, String) {
        let asked = self.shared.asked.lock().expect("no thread panicked");
        let most = asked.iter().max_by_key(|(_, count)| **count);
        most.map_or((0, String::new()), |((name, kind), count)| (*count, format!("{name} {kind}")))
    }
}

impl NameServer {
    /// How often names that begin so were asked for, in all.
    pub fn asked_for(&self, beginning: &str) -> u64 {
        let asked = self.shared.asked.lock().expect("no thread panicked");
        let such = asked.iter().filter(|((name, _), _)| name.starts_with(beginning));
        such.map(|(_, count)| u64::from(*count)).sum()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve_udp(&self, socket: &UdpSocket) {
        let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let mut buffer = [0; 2048];
        let (mut lossy, mut withheld) = (0_u32, Vec::new());
        while !self.over.load(Ordering::Relaxed) {
            let received = socket.recv_from(&mut buffer);
            withheld.retain(|(since, answer, client): &(std::time::Instant, Vec<u8>, _)| {
                let due = since.elapsed() >= LATE;
                if due {
                    let _ = socket.send_to(answer, client);
                }
                !due
            });
            let Ok((len, client)) = received else { continue };
            let Some(query) = Query::parse(&buffer[..len]) else { continue };
            self.count(&query);
            let send = |bytes: &[u8]| drop(socket.send_to(bytes, client));
            let forged = query.answer(FORGED);
            match query.manner() {
                Manner::Never => continue,
                Manner::Lossy => {
                    lossy += 1;
                    if lossy % 5 == 1 {
                        continue;
                    }
                }
                Manner::Late => {
                    withheld.push((
                        std::time::Instant::now(),
                        query.answer(Ipv4Addr::LOCALHOST),
                        client,
                    ));
                    continue;
                }
                Manner::WrongId => send(&[&[forged[0] ^ 0x55], &forged[1..]].concat()),
                Manner::OtherQuestion => {
                    let mut other = forged;
                    other[13] ^= 1;
                    send(&other);
                }
                Manner::OtherAddress => drop(elsewhere.send_to(&forged, client)),
                Manner::Malformed => send(&forged[..forged.len() - 3]),
                Manner::Truncated => {
                    send(&query.without_answer(0x8380));
                    continue;
                }
                Manner::Changing if self.times_asked(&query) == 1 => {
                    send(&query.brief_answer(Ipv4Addr::new(127, 0, 0, 2)));
                    continue;
                }
                Manner::Fading if self.times_asked(&query) > 1 => {
                    send(&query.without_answer(SERVFAIL));
                    continue;
                }
                Manner::Changing | Manner::Fading => {
                    send(&query.brief_answer(Ipv4Addr::LOCALHOST));
                    continue;
                }
                Manner::Good | Manner::Loop | Manner::Failing => {}
            }
            send(&query.honest_answer());
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        let mut clients: Vec<TcpStream> = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_read_timeout(Some(Duration::from_millis(20))).expect("allowed");
                clients.push(stream);
            }
            clients.retain_mut(|stream| self.answer_tcp(stream));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Answers one query, if there is one. False if the client is gone.
    fn answer_tcp(&self, stream: &mut TcpStream) -> bool {
        let mut length = [0; 2];
        match stream.read(&mut length) {
            Ok(2) => {}
            Ok(_) => return false,
            Err(_) => return true,
        }
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        if stream.read_exact(&mut message).is_err() {
            return false;
        }
        let Some(query) = Query::parse(&message) else { return false };
        self.count(&query);
        let answer = query.honest_answer();
        let length = (answer.len() as u16).to_be_bytes();
        stream.write_all(&[&length[..], &answer].concat()).is_ok()
    }

    fn times_asked(&self, query: &Query<'_>) -> u32 {
        let asked = self.asked.lock().expect("no thread panicked");
        asked.get(&(query.name.clone(), query.kind)).copied().unwrap_or_default()
    }

    fn count(&self, query: &Query<'_>) {
        if self.forgets && !matches!(query.manner(), Manner::Changing | Manner::Fading) {
            return;
        }
        let mut asked = self.asked.lock().expect("no thread panicked");
        *asked.entry((query.name.clone(), query.kind)).or_default() += 1;
    }
}

/// A query with one question.
struct Query<'a> {
    /// As it came, up to the end of its question.
    bytes: &'a [u8],
    name: String,
    kind: u16,
}

const A: u16 = 1;
/// Flags of a response, with that code.
const SERVFAIL: u16 = 0x8182;

impl Query<'_> {
    fn parse(message: &[u8]) -> Option<Query<'_>> {
        let (mut at, mut labels) = (12, Vec::new());
        loop {
            let len = usize::from(*message.get(at)?);
            at += 1;
            if len == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(message.get(at..at + len)?).to_lowercase());
            at += len;
        }
        let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
        Some(Query { bytes: message.get(..at + 4)?, name: labels.join("."), kind })
    }

    fn manner(&self) -> Manner {
        let label = self.name.split(['.', '-']).next().unwrap_or_default();
        match label.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "lossy" => Manner::Lossy,
            "late" => Manner::Late,
            "wrongid" => Manner::WrongId,
            "question" => Manner::OtherQuestion,
            "address" => Manner::OtherAddress,
            "malformed" => Manner::Malformed,
            "truncated" => Manner::Truncated,
            "loop" => Manner::Loop,
            "failing" => Manner::Failing,
            "changing" => Manner::Changing,
            "fading" => Manner::Fading,
            "never" => Manner::Never,
            _ => Manner::Good,
        }
    }

    fn honest_answer(&self) -> Vec<u8> {
        match self.manner() {
            Manner::Failing => self.without_answer(SERVFAIL),
            Manner::Loop => self.alias(),
            _ => self.answer(Ipv4Addr::LOCALHOST),
        }
    }

    fn without_answer(&self, flags: u16) -> Vec<u8> {
        self.message(flags, &[])
    }

    /// The address, for who asks for IPv4; else that there is none.
    fn answer(&self, address: Ipv4Addr) -> Vec<u8> {
        self.answer_for(300, address)
    }

    /// The same, for no time at all.
    fn brief_answer(&self, address: Ipv4Addr) -> Vec<u8> {
        self.answer_for(0, address)
    }

    fn answer_for(&self, ttl: u16, address: Ipv4Addr) -> Vec<u8> {
        let [high, low] = ttl.to_be_bytes();
        let record =
            [&[0xc0, 12, 0, 1, 0, 1, 0, 0, high, low, 0, 4], &address.octets()[..]].concat();
        self.message(0x8180, if self.kind == A { &record } else { &[] })
    }

    /// `loop-a` leads to `loop-b`, and back.
    fn alias(&self) -> Vec<u8> {
        let other = if self.name.starts_with("loop-a") { b"loop-b" } else { b"loop-a" };
        let mut target = vec![6];
        target.extend_from_slice(other);
        // the rest of the name, after its first label
        target.extend([0xc0, 12 + 7]);
        let mut record = vec![0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, target.len() as u8];
        record.extend(target);
        self.message(0x8180, &record)
    }

    fn message(&self, flags: u16, record: &[u8]) -> Vec<u8> {
        let mut message = self.bytes[..2].to_vec();
        message.extend(flags.to_be_bytes());
        message.extend([0, 1, 0, u8::from(!record.is_empty()), 0, 0, 0, 0]);
        message.extend_from_slice(&self.bytes[12..]);
        message.extend_from_slice(record);
        message
    }
}
