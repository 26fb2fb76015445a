//! The embedded server: a process of its own on a CPU of its own, that answers every request with
//! the same bytes.
//!
//! Knows just enough HTTP for ringdove's own requests: a request is what ends with an empty line and
//! as many bytes of a body as the server was told that each has. Listens on loopback alone, and ends with the process that started it.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use ringdove::sys::{Epoll, Errno, Interest, affinity, rlimit};
use rustls::{ServerConfig, ServerConnection};

use super::plan::{Freeze, Serve, Serving};

/// Bytes of a request's head that may lie before its end is found.
const REQUEST_BYTES: usize = 16 * 1024;
const STDIN: u64 = u64::MAX;
const READ: Interest = Interest { recv: true, send: false };
const WRITE: Interest = Interest { recv: false, send: true };

type Failure = Box<dyn std::error::Error>;

/// Serves until stdin ends.
pub(super) fn run(serve: &Serve) -> Result<(), Failure> {
    if let Some(cpu) = serve.cpu {
        affinity::pin(cpu)?;
    }
    rlimit::raise_open_files()?;
    let listeners = listen(serve.hosts)?;
    let port = listeners[0].local_addr()?.port();
    let (tls, certificate) = match serve.tls {
        true => certificate(serve.hosts).map(|(config, pem)| (Some(config), Some(pem)))?,
        false => (None, None),
    };
    let mut server = Server {
        epoll: Epoll::new()?,
        listeners,
        connections: Vec::new(),
        answers: Answers::new(serve.body_bytes, serve.heads_only),
        request_bytes: serve.request_bytes,
        tls,
        buffer: vec![0; REQUEST_BYTES],
    };
    for (index, listener) in server.listeners.iter().enumerate() {
        server.epoll.add(listener.as_raw_fd(), READ, index as u64)?;
    }
    server.epoll.add(io::stdin().as_raw_fd(), READ, STDIN)?;
    println!("{}", serde_json::to_string(&Serving { port, certificate })?);
    server.run(serve.freeze)
}

struct Server {
    epoll: Epoll,
    /// Their tokens are their indices.
    listeners: Vec<TcpListener>,
    /// By descriptor; their tokens are beyond those of the listeners.
    connections: Vec<Option<Connection>>,
    answers: Answers,
    /// Of the body of each request.
    request_bytes: usize,
    tls: Option<Arc<ServerConfig>>,
    buffer: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// The beginning of a request.
    request: Vec<u8>,
    /// Answers that are yet to be sent, by whether the connection ends with them.
    owed: Owed,
    watched: Interest,
}

/// Responses that were asked for, and how far the first of them has gone.
#[derive(Default)]
struct Owed {
    keep: u64,
    close: bool,
    sent: usize,
}

/// The two responses that there are.
struct Answers {
    keep: Vec<u8>,
    close: Vec<u8>,
    /// How often.
    given: Cell<u64>,
}

impl Answers {
    fn new(body_bytes: usize, heads_only: bool) -> Self {
        let answer = |connection| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nServer: ringdove\r\nContent-Type: text/plain\r\n\
                 Content-Length: {body_bytes}\r\nConnection: {connection}\r\n\r\n"
            );
            let mut answer = head.into_bytes();
            if !heads_only {
                answer.resize(answer.len() + body_bytes, b'x');
            }
            answer
        };
        Self { keep: answer("keep-alive"), close: answer("close"), given: Cell::new(0) }
    }
}

impl Server {
    fn run(&mut self, mut freeze: Option<Freeze>) -> Result<(), Failure> {
        loop {
            self.epoll.wait(None)?;
            let tokens: Vec<u64> = self.epoll.events().map(|(token, _)| token).collect();
            for token in tokens {
                if token == STDIN {
                    return Ok(());
                }
                match usize::try_from(token)? {
                    index if index < self.listeners.len() => self.accept(index)?,
                    index => self.serve(index - self.listeners.len()),
                }
            }
            if let Some(due) = freeze.take_if(|freeze| self.answers.given.get() >= freeze.after) {
                // a wait for nothing
                Epoll::new()?.wait(Some(Duration::from_secs_f64(due.seconds)))?;
            }
        }
    }

    /// Takes all connections that wait, as far as there are descriptors for them.
    fn accept(&mut self, listener: usize) -> Result<(), Failure> {
        loop {
            let socket = match self.listeners[listener].accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(format!("the server cannot accept: {error}").into()),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let tls = match &self.tls {
                Some(config) => Some(Box::new(ServerConnection::new(config.clone())?)),
                None => None,
            };
            let slot = socket.as_raw_fd() as usize;
            self.epoll.add(socket.as_raw_fd(), READ, self.token(slot))?;
            let owed = Owed::default();
            let connection = Connection { socket, tls, request: Vec::new(), owed, watched: READ };
            if self.connections.len() <= slot {
                self.connections.resize_with(slot + 1, || None);
            }
            self.connections[slot] = Some(connection);
        }
    }

    fn serve(&mut self, slot: usize) {
        let token = self.token(slot);
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let served = connection.serve(&self.answers, self.request_bytes, &mut self.buffer);
        let alive = match served {
            Ok(true) => connection.watch(&self.epoll, token).is_ok(),
            Ok(false) | Err(_) => false,
        };
        if !alive {
            self.connections[slot] = None;
        }
    }

    fn token(&self, slot: usize) -> u64 {
        (self.listeners.len() + slot) as u64
    }
}

impl Connection {
    /// Answers and reads as far as it goes. False: the connection is over.
    fn serve(
        &mut self,
        answers: &Answers,
        request_bytes: usize,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        loop {
            if !self.answer(answers)? {
                return Ok(false);
            }
            if !self.owed.is_none() {
                return Ok(true);
            }
            match self.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.find_requests(&buffer[..n], request_bytes)?;
                    if n < buffer.len() && self.tls.is_none() {
                        // should there be more, epoll tells
                        return self.answer(answers);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    fn find_requests(&mut self, bytes: &[u8], body_bytes: usize) -> io::Result<()> {
        self.request.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(length) = memchr::memmem::find(&self.request[begin..], b"\r\n\r\n") {
            let head = &self.request[begin..begin + length];
            let end = begin + length + 4 + body_bytes;
            if end > self.request.len() {
                break;
            }
            begin = end;
            self.owed.keep += 1;
            if memchr::memmem::find(head, b": close").is_some() {
                self.owed.keep -= 1;
                self.owed.close = true;
            }
        }
        self.request.drain(..begin);
        if self.request.len() > REQUEST_BYTES + body_bytes {
            return Err(io::Error::other("a request without end"));
        }
        Ok(())
    }

    /// Sends what is owed, as far as the socket takes it. False: that was the last.
    fn answer(&mut self, answers: &Answers) -> io::Result<bool> {
        while let Some(answer) = self.owed.next(answers) {
            let rest = &answer[self.owed.sent..];
            let written = match &mut self.tls {
                None => self.socket.write(rest),
                Some(tls) => write_tls(tls, &mut self.socket, rest),
            };
            match written {
                Ok(n) => self.owed.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
            if self.owed.sent < answer.len() {
                continue;
            }
            answers.given.set(answers.given.get() + 1);
            if !self.owed.advance() {
                if let Some(tls) = &mut self.tls {
                    tls.send_close_notify();
                    tls.write_tls(&mut self.socket)?;
                }
                return Ok(false);
            }
        }
        if let Some(tls) = &mut self.tls {
            flush_tls(tls, &mut self.socket)?;
        }
        Ok(true)
    }

    fn watch(&mut self, epoll: &Epoll, token: u64) -> Result<(), Errno> {
        let unsent = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let wanted = if self.owed.is_none() && !unsent { READ } else { WRITE };
        if wanted != self.watched {
            self.watched = wanted;
            epoll.modify(self.socket.as_raw_fd(), wanted, token)?;
        }
        Ok(())
    }
}

impl Owed {
    fn is_none(&self) -> bool {
        self.keep == 0 && !self.close
    }

    fn next<'a>(&self, answers: &'a Answers) -> Option<&'a [u8]> {
        match (self.keep, self.close) {
            (0, false) => None,
            (0, true) => Some(&answers.close),
            (_, _) => Some(&answers.keep),
        }
    }

    /// One answer has gone. False: with it the connection.
    fn advance(&mut self) -> bool {
        self.sent = 0;
        let was_last = self.keep == 0;
        self.keep = self.keep.saturating_sub(1);
        !was_last
    }
}

/// Takes some of `bytes` once what came before has gone.
fn write_tls(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    bytes: &[u8],
) -> io::Result<usize> {
    flush_tls(tls, socket)?;
    if tls.wants_write() {
        return Err(ErrorKind::WouldBlock.into());
    }
    let taken = tls.writer().write(bytes)?;
    flush_tls(tls, socket)?;
    Ok(taken)
}

fn flush_tls(tls: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Listeners on 127.0.0.1, 127.0.0.2, …, all on the port that the first was given.
fn listen(hosts: u32) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut port = 0;
    for host in 0..hosts.max(1) {
        let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host);
        let listener = TcpListener::bind((address, port))?;
        listener.set_nonblocking(true)?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(listeners)
}

/// A configuration with a fresh self-signed certificate, and the certificate as PEM.
fn certificate(hosts: u32) -> Result<(Arc<ServerConfig>, String), Failure> {
    let names = (0..hosts.max(1))
        .map(|host| Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host).to_string());
    let made = rcgen::generate_simple_self_signed(names.collect::<Vec<_>>())?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok((Arc::new(config), made.cert.pem()))
}
